//! T1, T3, T8, E5, O10, V4, V7 to V10: what can be read and reached, measured by
//! somebody at the interface (`window::measure::robot`), without a device.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use gridloom_core::view::Selected;
use gridloom_core::{Twin, TwinOptions};
use gridloom_units::Tick;

use super::{at_least, at_most, bar, ms, rewindable, seen};
use crate::cli::output::{self, Figure};
use crate::cli::scene;
use crate::session;
use crate::window::measure::{fit, grey, reach};

/// Everything that needs eyes or hands.
pub fn sight(default: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let mut twin = scene::twin(default, rewindable())?;
    twin.run_until(Tick(1_000));
    let reading = newest_reading(&mut twin);
    let mut also = vec![Selected::Mlmd(1), Selected::Home(12)];
    also.extend(reading);
    let path = default.with_file_name("feeder_fault_flisr.scene.ron");
    let mut faulty = scene::twin(&path, rewindable())?;
    faulty.run_until(Tick(330));
    texts(&mut twin, &mut faulty, &also, out);
    hands(&mut twin, default, reading, out);
    let (share, pair) = grey::apart();
    output::note(&format!("V4: nearest in shape are {pair}"));
    out.push(at_least("V4", "shapes_apart", share * 100.0, "%", 20.0));
    presenter(default, out)?;
    start(default, out)
}

/// V8, V9, V10.
fn texts(twin: &mut Twin, faulty: &mut Twin, also: &[Selected], out: &mut Vec<Figure>) {
    let mut fit = fit::texts(twin, also);
    fit::tabs(twin, also.first().copied(), &mut fit);
    fit::tabs(faulty, Some(Selected::Mlmd(1)), &mut fit);
    for words in &fit.examples {
        output::note(&format!("V8: {words}"));
    }
    out.push(seen("V8", "windows", fit.windows as f64, ""));
    out.push(seen("V8", "texts", fit.texts as f64, ""));
    out.push(at_most("V8", "texts_cut", fit.cut as f64, "", 0.0));
    out.push(at_most("V8", "texts_clipped", fit.clipped as f64, "", 0.0));
    out.push(at_most(
        "V8",
        "texts_over_each_other",
        fit.overlaps as f64,
        "",
        0.0,
    ));
    let view = Arc::new(twin.view(None));
    labels("V9", &view, out);
    let px = f64::from(fit::digit_widths(&view));
    // Letters are laid out on a raster of a 64th of a pixel.
    out.push(at_most("V10", "width_changes_with_digits", px, "px", 0.1));
}

/// V9 of one network.
pub fn labels(case: &str, view: &Arc<gridloom_core::view::ViewModel>, out: &mut Vec<Figure>) {
    let sweep = fit::labels(view);
    out.push(at_most(
        case,
        "labels_at_once",
        sweep.most as f64,
        "",
        400.0,
    ));
    out.push(at_most(
        case,
        "labels_over_each_other",
        sweep.overlaps as f64,
        "",
        0.0,
    ));
    out.push(seen(case, "changes_of_detail", sweep.levels as f64, ""));
    out.push(at_most(
        case,
        "frames_that_settle_later",
        sweep.pops as f64,
        "",
        0.0,
    ));
}

/// T3, E5, O10, V7: clicks, keys and names.
fn hands(twin: &mut Twin, default: &Path, reading: Option<Selected>, out: &mut Vec<Figure>) {
    let clicks = reach::insert(twin).map_or(f64::NAN, |n| n as f64);
    out.push(at_most("T3", "clicks_to_insert_an_event", clicks, "", 3.0));
    let rows = session::library(default);
    let clicks = reach::to_story(twin, &rows).map_or(f64::NAN, |n| n as f64);
    out.push(at_most("T1", "clicks_to_a_narrated_scene", clicks, "", 3.0));
    let walk = reading.and_then(|from| reach::walk(twin, from));
    let (there, back) = walk.map_or((f64::NAN, f64::NAN), |(a, b)| (a as f64, b as f64));
    out.push(at_most("E5", "clicks_ledger_to_wire", there, "", 4.0));
    out.push(at_most("E5", "clicks_wire_to_ledger", back, "", 4.0));
    let (most, unreached, _) = reach::assets(twin);
    out.push(at_most("O10", "clicks_to_an_asset", most as f64, "", 3.0));
    out.push(at_most(
        "O10",
        "assets_not_reached",
        unreached as f64,
        "",
        0.0,
    ));
    let mut also = vec![Selected::Mlmd(1), Selected::Home(12)];
    also.extend(reading);
    let (all, nameless) = reach::names(twin, &also);
    for words in nameless.iter().take(8) {
        output::note(&format!("V7: no name: {words}"));
    }
    let share = (all - nameless.len()) as f64 * 100.0 / all.max(1) as f64;
    out.push(at_least("V7", "controls_with_a_name", share, "%", 100.0));
}

/// The newest transaction of a ledger that is a reading of a home.
fn newest_reading(twin: &mut Twin) -> Option<Selected> {
    for height in (1..400).rev() {
        for index in 0..4 {
            let what = Selected::Transaction(0, height, index);
            let view = twin.view(Some(what));
            let details = view.selection.as_ref();
            let tx = details.and_then(|d| d.transaction.as_ref());
            if tx.is_some_and(|t| t.kind == "reading" && matches!(t.by, Some(Selected::Home(_)))) {
                return Some(what);
            }
        }
    }
    None
}

/// T8 on the scene of the silent alarms.
fn presenter(default: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let path = default.with_file_name("silent_alarms.scene.ron");
    let mut twin = scene::twin(&path, rewindable())?;
    let p = fit::presenter(&mut twin);
    let smallest = f64::from(p.smallest_px);
    out.push(at_least(
        "T8",
        "smallest_letters_at_1080p",
        smallest,
        "px",
        18.0,
    ));
    out.push(at_least("T8", "live_text_contrast", p.contrast, ":1", 7.0));
    let missing = (p.captions.max(1) - p.told.min(p.captions.max(1))) as f64;
    let words = "captions_a_clicker_does_not_reach";
    out.push(at_most("T8", words, missing, "", 0.0));
    Ok(())
}

/// T1: from the start of the process to a told caption, part by part.
fn start(default: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let begun = Instant::now();
    let mut twin = scene::twin(default, TwinOptions::default())?;
    let view = twin.view(None);
    let (first, _) = crate::window::measure::panels(&view, 1);
    let opened_ms = ms(begun);
    let begun = Instant::now();
    let path = default.with_file_name("silent_alarms.scene.ron");
    let mut twin = scene::twin(&path, rewindable())?;
    while twin.view(None).story.told == 0 && twin.tick() < twin.end() {
        twin.step();
    }
    let told_ms = ms(begun);
    // Time runs at 60 times real time from the first tick on.
    let shown_ms = twin.time().0 as f64 / 60.0;
    let all = opened_ms + told_ms.max(shown_ms);
    out.push(seen("T1", "first_interface_pass", first, "ms"));
    let pass = all <= 10_000.0 && twin.view(None).story.told > 0;
    let words = "start_to_told_caption_without_device";
    out.push(bar("T1", words, all / 1_000.0, "s", "<= 10", pass));
    Ok(())
}
