//! Paths a scene may name: files below its own folder.

use std::path::{Component, Path};

/// Hint for a refused path.
pub(crate) const HINT: &str =
    "name a file in the folder of the scene or below, for example grids/street.grid.ron";

/// Why a path is refused; `Ok` for a plain path below the scene's folder.
pub(crate) fn relative(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("is empty");
    }
    // A scene must mean the same on every system, so the separators and drive
    // letters of others are refused as well.
    if path.contains('\\') || path.contains(':') || path.contains('\0') {
        return Err("has a character that paths of scenes may not have");
    }
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) | Component::CurDir => {}
            Component::ParentDir => return Err("leaves the folder of the scene"),
            Component::RootDir | Component::Prefix(_) => return Err("is absolute"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn only_paths_below_the_scene_are_taken() {
        for good in ["a.ron", "grids/a.ron", "./a.ron"] {
            assert_eq!(relative(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/etc/passwd",
            "../a.ron",
            "a/../../b",
            "C:\\a",
            "a\\b",
            "http://x",
        ] {
            assert!(relative(bad).is_err(), "{bad}");
        }
    }
}
