//! The graphics device, and a sentence where there is none.

use std::panic::{self, AssertUnwindSafe};

/// What to say where no graphics device is found.
const NO_DEVICE: &str = "No graphics device was found, so nothing can be drawn. Install a Vulkan driver; on a server \
without a graphics card `apt-get install mesa-vulkan-drivers` brings a software one. `gridloom run SCENE` needs none.";

/// Builds an app; the engine panics when it finds no device, which becomes an
/// error with a sentence here.
pub fn build<T>(build: impl FnOnce() -> T) -> anyhow::Result<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let built = panic::catch_unwind(AssertUnwindSafe(build));
    panic::set_hook(hook);
    built.map_err(|cause| {
        let words = cause
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| cause.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause");
        if words.contains("GPU") {
            anyhow::anyhow!("{NO_DEVICE}")
        } else {
            anyhow::anyhow!("the renderer could not start: {words}")
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_missing_device_is_a_sentence() {
        let error =
            super::build(|| -> () { panic!("Unable to find a GPU! Make sure you have drivers") });
        assert!(error.is_err_and(|e| e.to_string().contains("mesa-vulkan-drivers")));
        assert_eq!(super::build(|| 7).ok(), Some(7));
    }
}
