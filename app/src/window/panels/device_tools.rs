//! Looking for devices from the device page, away from the window's thread.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gridloom_hardware::{Endpoint, EndpointConfig, Profile, probe, tools};

use crate::devices::{profile_folder, profile_path};

/// Does something that takes its time away from the window's thread.
pub(super) fn start(
    answer: &Arc<Mutex<String>>,
    what: &str,
    work: impl FnOnce() -> String + Send + 'static,
) {
    let answer = Arc::clone(answer);
    let tell = move |text: String| {
        *answer.lock().unwrap_or_else(PoisonError::into_inner) = text;
    };
    tell(what.to_owned());
    // A thread that cannot be started leaves the text as it is.
    let _ = std::thread::Builder::new()
        .name("probe".into())
        .spawn(move || tell(work()));
}

/// Serial lines of this machine and shipped profiles.
pub(super) fn find() -> String {
    let lines = tools::serial_lines();
    let lines = if lines.is_empty() {
        "no serial line".to_owned()
    } else {
        lines.join(", ")
    };
    let files = std::fs::read_dir(profile_folder()).into_iter().flatten();
    let mut profiles: Vec<String> = files
        .flatten()
        .filter_map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.strip_suffix(".profile.ron").map(str::to_owned)
        })
        .collect();
    profiles.sort();
    format!("lines: {lines}\nprofiles: {}", profiles.join(", "))
}

/// Asks the first ten units.
pub(super) fn probe_units(address: &str) -> String {
    let found = Endpoint::parse(address).and_then(|endpoint| {
        let mut at = EndpointConfig::new(endpoint);
        at.connect_timeout = Duration::from_secs(2);
        probe(&at, 1..=10, Duration::from_millis(300))
    });
    let text = match found {
        Err(error) => error.to_string(),
        Ok(present) if present.is_empty() => "nobody answered as unit 1 to 10".to_owned(),
        Ok(present) => {
            let units: Vec<String> = present
                .iter()
                .map(|p| format!("{}{}", p.unit, if p.sunspec { " (SunSpec)" } else { "" }))
                .collect();
            format!("units {}", units.join(", "))
        }
    };
    format!("{address}: {text}")
}

/// Reads every point of a device once.
pub(super) fn test(profile: &str, address: &str, unit: Option<u8>) -> String {
    let read = || {
        let profile = Profile::load(&profile_path(profile, Path::new("")))?;
        let mut at = EndpointConfig::new(Endpoint::parse(address)?);
        at.line = profile.line;
        let unit = unit.unwrap_or(profile.unit);
        tools::read_once(profile, at, unit, Duration::from_secs(5))
    };
    match read() {
        Err(error) => format!("{address}: {error}"),
        Ok((readings, _)) => {
            let now = Instant::now();
            let lines: Vec<String> = readings.iter().map(|r| tools::describe(r, now)).collect();
            lines.join("\n")
        }
    }
}
