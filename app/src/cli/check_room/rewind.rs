//! E1, T2 and the random rewinds of the acceptance.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use gridloom_core::{Twin, TwinOptions};
use gridloom_units::{Stream, Tick, draw_u64};

use super::{RoomOptions, at_most, ms, p95, rewindable, seen};
use crate::cli::output::Figure;
use crate::cli::{scale, scene};
use crate::keyframes::{KEPT, Keyframer};

/// Ticks that are simulated again after every rewind and compared.
const AGAIN: u64 = 2;

/// Memory that a day of backtracking may take (bar T2), MiB.
const ROOM_MIB: f64 = 1_024.0;

/// E1, T2 and the random rewinds of the acceptance, at 1,000 meters with ledgers.
pub fn rewind(
    folder: &Path,
    work: &Path,
    options: &RoomOptions,
    out: &mut Vec<Figure>,
) -> Result<()> {
    rewinds(folder, work, options, out)?;
    snapshots(folder, work, options.large, out)
}

/// Goes to random ticks of a run with ledgers, as the window does, and
/// simulates on from there.
fn rewinds(folder: &Path, work: &Path, options: &RoomOptions, out: &mut Vec<Figure>) -> Result<()> {
    let path = scale::street(options.meters, folder, work)?;
    let mut twin = scene::twin(&path, rewindable())?;
    let case = format!("E1 {}", options.meters);
    let mut keyframer = Keyframer::new(&mut twin);
    keyframer.run_until(&mut twin, Tick(20));
    let memory = resident_mib();
    let begun = Instant::now();
    keyframer.run_until(&mut twin, Tick(options.ticks));
    let tick_ms = ms(begun) / (options.ticks - 20) as f64;
    out.push(seen(&case, "tick_with_keyframes", tick_ms, "ms"));
    let (_, kept) = twin.keyframes();
    let each = (resident_mib() - memory) / kept as f64;
    out.push(seen(&case, "keyframes", kept as f64, ""));
    out.push(seen(&case, "memory_per_keyframe_at_most", each, "MiB"));
    let (mut times, mut frames, mut unequal) = (Vec::new(), Vec::new(), 0_u32);
    for trial in 0..options.trials as u64 {
        let target = Tick(1 + draw_u64(9, trial, 0, Stream::Keys) % (options.ticks - AGAIN - 1));
        let begun = Instant::now();
        keyframer.seek(&mut twin, target);
        let view = twin.view(None);
        times.push(ms(begun));
        #[cfg(feature = "window")]
        if trial % 20 == 0 {
            frames.push(times[trial as usize] + crate::window::measure::panels(&view, 1).1);
        }
        #[cfg(not(feature = "window"))]
        let _: (&mut Vec<f64>, _) = (&mut frames, view);
        let known = twin.divergence().is_some();
        keyframer.run_until(&mut twin, Tick(target.0 + AGAIN));
        // Every tick simulated again was compared with the hash of the first time.
        unequal += u32::from(!known && twin.divergence().is_some());
    }
    out.push(seen(&case, "rewinds", times.len() as f64, ""));
    out.push(at_most(&case, "rewind_p95", p95(times), "ms", 100.0));
    if !frames.is_empty() {
        let words = "rewind_and_interface_pass_p95";
        out.push(at_most(&case, words, p95(frames), "ms", 100.0));
    }
    let words = "runs_that_differ_after_rewind";
    out.push(at_most(&case, words, f64::from(unequal), "", 0.0));
    day(folder, out)
}

/// T2: what the keyframes of a day of the default scene take.
fn day(folder: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut twin = scene::twin(&folder.join("akerby.scene.ron"), rewindable())?;
    let mut keyframer = Keyframer::new(&mut twin);
    keyframer.run_until(&mut twin, Tick(100));
    let memory = resident_mib();
    let begun = Instant::now();
    keyframer.run_until(&mut twin, Tick(1_900));
    let (_, kept) = twin.keyframes();
    let each = (resident_mib() - memory).max(0.0) / kept as f64;
    // The window keeps so many; a day would give more, so the older ones are thinned.
    let whole = (kept as f64 * 86_400.0 / 1_900.0).min(KEPT as f64);
    let words = "tick_with_keyframes";
    out.push(seen("T2 akerby", words, ms(begun) / 1_800.0, "ms"));
    out.push(seen(
        "T2 akerby",
        "memory_per_keyframe_at_most",
        each,
        "MiB",
    ));
    let words = "keyframes_of_a_day";
    out.push(at_most("T2 akerby", words, each * whole, "MiB", ROOM_MIB));
    Ok(())
}

/// T2: one snapshot and restore of a large street, and what the window makes of it.
fn snapshots(folder: &Path, work: &Path, large: usize, out: &mut Vec<Figure>) -> Result<()> {
    let path = scale::street(large, folder, work)?;
    let mut twin: Twin = scene::twin(&path, TwinOptions::default())?;
    twin.run_until(Tick(3));
    let case = format!("T2 {large}");
    let begun = Instant::now();
    let snapshot = twin.snapshot();
    out.push(at_most(&case, "snapshot", ms(begun), "ms", 50.0));
    let begun = Instant::now();
    twin.restore(&snapshot);
    out.push(at_most(&case, "restore", ms(begun), "ms", 100.0));
    let begun = Instant::now();
    let view = twin.view(None);
    out.push(seen(&case, "view", ms(begun), "ms"));
    drop(view);
    Ok(())
}

/// Memory of this process, MiB; not a number where the system does not say.
fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<f64>().ok());
    // Linux counts pages of 4 KiB on every machine this has been built for.
    pages.map_or(f64::NAN, |pages| pages * 4_096.0 / 1_048_576.0)
}
