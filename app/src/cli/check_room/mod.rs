//! `gridloom check room`: the bars of the control room that a machine can
//! measure. What needs a graphics card or people is not among them.

mod alarms;
mod faults;
mod rewind;
#[cfg(feature = "window")]
mod sight;
#[cfg(feature = "window")]
mod speed;
#[cfg(feature = "window")]
mod stories;
mod time;
#[cfg(feature = "window")]
mod window;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use gridloom_core::TwinOptions;

use super::output::{self, Figure};

/// Sizes of the generated streets.
pub struct RoomOptions {
    /// Meters of the street that is rewound.
    pub meters: usize,
    /// Random rewinds.
    pub trials: usize,
    /// Ticks simulated before rewinding.
    pub ticks: u64,
    /// Meters of the larger street.
    pub large: usize,
    /// Groups of bars to run; empty for all.
    pub only: Vec<String>,
}

/// Groups of bars, in the order in which they run.
pub const GROUPS: [&str; 8] = [
    "alarms", "time", "faults", "stories", "window", "sight", "speed", "rewind",
];

/// A bar with its target in words.
fn bar(name: &str, metric: &str, value: f64, unit: &str, target: &str, pass: bool) -> Figure {
    Figure {
        case: name.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: Some(target.into()),
        pass: Some(pass),
        peer: None,
        ratio: None,
    }
}

fn at_most(name: &str, metric: &str, value: f64, unit: &str, most: f64) -> Figure {
    bar(
        name,
        metric,
        value,
        unit,
        &format!("<= {most}"),
        value <= most,
    )
}

fn at_least(name: &str, metric: &str, value: f64, unit: &str, least: f64) -> Figure {
    bar(
        name,
        metric,
        value,
        unit,
        &format!(">= {least}"),
        value >= least,
    )
}

/// A figure without a bar of its own: what a bar rests on, or a baseline.
fn seen(name: &str, metric: &str, value: f64, unit: &str) -> Figure {
    Figure {
        target: None,
        pass: None,
        ..bar(name, metric, value, unit, "", true)
    }
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}

/// The value below which 95 % of the values lie.
fn p95(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * 95).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// Runs every bar, or those of the named groups.
///
/// # Errors
/// When a scene cannot be loaded.
pub fn figures(default: &Path, options: &RoomOptions) -> Result<Vec<Figure>> {
    let folder = default
        .parent()
        .unwrap_or_else(|| Path::new("."))
        .to_path_buf();
    let work = std::env::temp_dir().join(format!("gridloom-room-{}", std::process::id()));
    let result = run(default, &folder, &work, options);
    // What was generated is no longer needed, whatever came of it.
    let _ = std::fs::remove_dir_all(&work);
    result
}

fn run(default: &Path, folder: &Path, work: &Path, options: &RoomOptions) -> Result<Vec<Figure>> {
    if let Some(odd) = options.only.iter().find(|g| !GROUPS.contains(&g.as_str())) {
        bail!("there is no group `{odd}`; groups: {}", GROUPS.join(", "));
    }
    let mut out = Vec::new();
    for group in GROUPS {
        if !options.only.is_empty() && !options.only.iter().any(|g| g == group) {
            continue;
        }
        let begun = Instant::now();
        match group {
            "alarms" => {
                alarms::alarms(default, &mut out)?;
                alarms::catalogue(default, &mut out)?;
            }
            "time" => time::time(&folder.join("two_houses.scene.ron"), &mut out)?,
            "faults" => faults::faults(folder, &mut out)?,
            #[cfg(feature = "window")]
            "stories" => stories::stories(folder, &mut out)?,
            #[cfg(feature = "window")]
            "window" => window::window(default, &mut out)?,
            #[cfg(feature = "window")]
            "sight" => sight::sight(default, &mut out)?,
            #[cfg(feature = "window")]
            "speed" => speed::speed(default, folder, work, options, &mut out)?,
            "rewind" => rewind::rewind(folder, work, options, &mut out)?,
            _ => output::note(&format!("{group}: not in a build without window")),
        }
        output::note(&format!("{group}: {:.1} s", ms(begun) / 1_000.0));
    }
    Ok(out)
}

fn rewindable() -> TwinOptions {
    TwinOptions {
        rewindable: true,
        ..TwinOptions::default()
    }
}
