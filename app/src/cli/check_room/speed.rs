//! T7, V1, V6 and the acceptance of frame times: the run in its own thread, the
//! window beside it, at 0.1 and at 3600 times real time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use gridloom_core::TwinOptions;
use gridloom_core::protection::SoeLog;
use gridloom_core::view::ViewModel;
use gridloom_units::Tick;

use super::{RoomOptions, at_least, at_most, ms, rewindable, seen};
use crate::cli::output::{self, Figure};
use crate::cli::{scale, scene};
use crate::devices::DeviceHub;
use crate::session::{Origin, TwinSession};
use crate::window::Session;
use crate::window::measure::{self, frames};

/// Wall time that a run at 3600 times real time gets to reach its goal.
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything about speed.
pub fn speed(
    default: &Path,
    folder: &Path,
    work: &Path,
    options: &RoomOptions,
    out: &mut Vec<Figure>,
) -> Result<()> {
    entries(folder, out)?;
    slow(folder, out)?;
    beside(folder, work, options.meters, out)?;
    frame_times(default, folder, work, options, out)
}

/// A session without devices.
fn session(path: &Path, speed: f64) -> Result<TwinSession> {
    let twin = scene::twin(path, rewindable())?;
    let hub = DeviceHub::start()?;
    TwinSession::start(twin, hub, None, speed, Origin::default())
        .map_err(|e| anyhow!("no thread: {e}"))
}

/// T7: at full speed the sequence of events is the one of single steps.
fn entries(folder: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let path = folder.join("feeder_fault_flisr.scene.ron");
    let goal = Tick(400);
    let mut twin = scene::twin(&path, TwinOptions::default())?;
    twin.run_until(goal);
    let until_us = twin.time().0 * 1_000;
    let wanted: Vec<(u64, u64)> = twin
        .resource::<SoeLog>()
        .all()
        .iter()
        .map(|e| (e.id, e.at_us))
        .collect();
    let mut session = session(&path, 3_600.0)?;
    let begun = Instant::now();
    let view = loop {
        let view = session.latest();
        if view.tick >= goal || begun.elapsed() > PATIENCE {
            break view;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let seen_at_speed: Vec<(u64, u64)> = view
        .protection
        .soe
        .iter()
        .filter(|e| e.at_us <= until_us)
        .map(|e| (e.id, e.at_us))
        .collect();
    let lost = wanted
        .iter()
        .filter(|entry| seen_at_speed.binary_search(entry).is_err())
        .count();
    let lost = if view.tick >= goal {
        lost as f64
    } else {
        f64::NAN
    };
    out.push(seen("T7", "entries_compared", wanted.len() as f64, ""));
    out.push(at_most("T7", "entries_lost_at_3600x", lost, "", 0.0));
    Ok(())
}

/// T7: a tenth of real time is a tenth of real time.
fn slow(folder: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut session = session(&folder.join("two_houses.scene.ron"), 0.1)?;
    let first = session.latest().tick.0;
    std::thread::sleep(Duration::from_millis(10_500));
    let ticks = session.latest().tick.0 - first;
    // Ten and a half seconds of wall time are one tick of a second.
    let off = (ticks as f64 - 1.0).abs();
    out.push(at_most("T7", "ticks_off_at_0.1x", off, "", 0.0));
    Ok(())
}

/// T7: the interface goes on at 3600 times real time beside a large run.
fn beside(folder: &Path, work: &Path, meters: usize, out: &mut Vec<Figure>) -> Result<()> {
    let path = scale::street(meters, folder, work)?;
    let mut session = session(&path, 3_600.0)?;
    let fps = measure::passes_per_s(&mut || session.latest(), Duration::from_secs(4));
    let case = format!("T7 {meters}");
    let words = "interface_passes_per_s_at_3600x";
    out.push(at_least(&case, words, fps, "1/s", 30.0));
    Ok(())
}

/// What a frame took, as a multiple of a frame of the same size without a scene:
/// the renderer's speed cancels out. Measured on software Vulkan (llvmpipe) on
/// two cores, 2026-11; a frame that costs a fifth more has lost something.
const KEPT: [(usize, f64); 3] = [(0, 2.5), (1_000, 3.1), (10_000, 4.2)];

/// Share above what is kept that is not explained by the machine any more.
const SLOWER: f64 = 1.2;

/// V1 and the acceptance: whole frames on the renderer of this machine.
fn frame_times(
    default: &Path,
    folder: &Path,
    work: &Path,
    options: &RoomOptions,
    out: &mut Vec<Figure>,
) -> Result<()> {
    for meters in [0, options.meters, options.large] {
        let path = if meters == 0 {
            default.to_path_buf()
        } else {
            scale::street(meters, folder, work)?
        };
        let mut twin = scene::twin(&path, TwinOptions::default())?;
        let mut views = Vec::new();
        for _ in 0..4 {
            twin.step();
            views.push(Arc::new(twin.view(None)));
        }
        let case = if meters == 0 {
            "V1 akerby".to_owned()
        } else {
            format!("V1 {meters}")
        };
        let (first, pass) = measure::panels(&views[3], 20);
        out.push(seen(&case, "first_interface_pass", first, "ms"));
        out.push(seen(&case, "interface_pass", pass, "ms"));
        if meters > 0 {
            super::sight::labels(&format!("V9 {meters}"), &views[3], out);
        }
        let begun = Instant::now();
        // Before and after, so that other work of the machine hits both.
        let before = bare();
        match frames::frames(views, 60) {
            Ok(found) => {
                let bare = before.zip(bare()).map(|(a, b)| f64::midpoint(a, b));
                out.push(seen(&case, "frame_median", found.median, "ms"));
                out.push(seen(&case, "frame_p99", found.p99, "ms"));
                against_kept(&case, meters, found.median, bare, out);
            }
            Err(error) => output::note(&format!("V1: no frames: {error}")),
        }
        output::note(&format!(
            "V1: {meters} meters, {:.0} s",
            ms(begun) / 1_000.0
        ));
    }
    Ok(())
}

/// A frame of the window without a scene, ms.
fn bare() -> Option<f64> {
    let empty = vec![Arc::new(ViewModel::default())];
    frames::frames(empty, 40).ok().map(|found| found.median)
}

/// The frame beside what is kept of it.
fn against_kept(case: &str, meters: usize, median: f64, bare: Option<f64>, out: &mut Vec<Figure>) {
    let Some(bare) = bare.filter(|bare| *bare > 0.0) else {
        return;
    };
    let times = median / bare;
    let name = "frame_over_frame_without_scene";
    match KEPT.iter().find(|(size, _)| *size == meters) {
        Some((_, kept)) => {
            let most = (kept * SLOWER * 100.0).round() / 100.0;
            let mut figure = at_most(case, name, times, "times", most);
            figure.peer = Some(format!("kept: {kept}"));
            figure.ratio = Some(times / kept);
            out.push(figure);
        }
        None => out.push(seen(case, name, times, "times")),
    }
}
