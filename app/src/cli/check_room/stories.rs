//! O4, O5, T6 and the acceptance of scenes: every scene with a number plays by
//! autopilot to its end, keeps its alarm budget and meets what it expects. The
//! library and the report belong to the window.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, anyhow};
use gridloom_core::expect::Expectations;
use gridloom_core::view::EventKind;
use gridloom_core::{Twin, TwinOptions};

use super::{at_least, at_most, ms, seen};
use crate::cli::output::{self, Figure};
use crate::cli::scene;
use crate::session;

/// Scenes that the library numbers: S1 to S10.
const SCENES: usize = 10;

/// O4, O5, T6 over all scenes with a number.
pub fn stories(folder: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let rows = session::library(&folder.join("akerby.scene.ron"));
    let mut numbers: Vec<String> = Vec::new();
    for row in rows.iter().filter(|row| !row.number.is_empty()) {
        numbers.push(row.number.clone());
        one(&row.number, &row.path, out)?;
    }
    let known = (1..=SCENES).filter(|n| numbers.contains(&format!("S{n}")));
    let words = "scenes_with_a_story";
    out.push(at_least(
        "S",
        words,
        known.count() as f64,
        "",
        SCENES as f64,
    ));
    Ok(())
}

/// Plays one scene to its end.
fn one(number: &str, path: &Path, out: &mut Vec<Figure>) -> Result<()> {
    let options = TwinOptions {
        autopilot: true,
        ..TwinOptions::default()
    };
    let begun = Instant::now();
    let mut twin = scene::twin(path, options)?;
    let spec = twin.scene().scene.expect.clone();
    let end = twin.end().start(twin.tick_ms());
    let mut watch = Expectations::new(&spec, end).map_err(|e| anyhow!("{number}: {e}"))?;
    let mut chatter = Chatter::default();
    while twin.tick() < twin.end() {
        twin.step();
        watch.observe(&mut twin);
        if twin.tick().0.is_multiple_of(60) {
            chatter.look(&mut twin);
        }
    }
    chatter.look(&mut twin);
    let played = ms(begun) / 1_000.0;
    let outcomes = watch.finish(&mut twin);
    let missed = outcomes.iter().filter(|o| o.missed()).count();
    for outcome in outcomes.iter().filter(|o| o.missed()) {
        output::note(&format!("{number}: missed: {outcome:?}"));
    }
    let view = twin.view(None);
    let story = &view.story;
    out.push(seen(number, "simulated", end.0 as f64 / 60_000.0, "min"));
    out.push(seen(number, "played_in", played, "s"));
    out.push(seen(number, "expectations", outcomes.len() as f64, ""));
    out.push(at_most(
        number,
        "expectations_missed",
        missed as f64,
        "",
        0.0,
    ));
    let told = story.script.iter().filter(|e| e.says && !e.done).count();
    out.push(at_most(number, "captions_not_told", told as f64, "", 0.0));
    out.push(at_least(
        number,
        "questions_after",
        story.debrief.len() as f64,
        "",
        3.0,
    ));
    let (shown, raw) = story.budget_used;
    let budget = f64::from(story.alarm_budget.unwrap_or(10)).min(10.0);
    let case = format!("O4 {number}");
    out.push(at_most(&case, "alarms_in_10_min", shown as f64, "", budget));
    out.push(seen(&case, "alarms_raw", raw as f64, ""));
    let case = format!("O5 {number}");
    out.push(at_most(
        &case,
        "chattering",
        chatter.worst as f64,
        "/min",
        2.0,
    ));
    for part in story.score.parts.iter().filter(|p| p.points < p.of) {
        let words = format!("{number}: {} of {}: {}", part.points, part.of, part.text);
        output::note(&words);
    }
    out.push(at_least(
        number,
        "score_of_autopilot",
        story.score.total,
        "",
        80.0,
    ));
    let begun = Instant::now();
    let (html, csv) = (session::report_html(&view), session::report_csv(&view));
    let whole = !html.is_empty() && csv.lines().count() > 1;
    let took = if whole { ms(begun) } else { f64::NAN };
    out.push(at_most(
        &format!("T6 {number}"),
        "report",
        took,
        "ms",
        2_000.0,
    ));
    // A second run of every scene would double the time: the short ones stand for all.
    if played < 10.0 {
        let mut again = scene::twin(path, options)?;
        again.run_until(twin.end());
        let off = (again.view(None).story.score.total - story.score.total).abs();
        let case = format!("T6 {number}");
        out.push(at_most(&case, "score_recomputed_off", off, "points", 0.0));
    }
    Ok(())
}

/// Most raises of one title within a minute.
#[derive(Default)]
struct Chatter {
    worst: usize,
}

impl Chatter {
    fn look(&mut self, twin: &mut Twin) {
        let view = twin.view(None);
        let since = view.time.0.saturating_sub(60_000);
        let mut titles: Vec<&str> = view
            .events
            .iter()
            .filter(|e| e.time.0 >= since && matches!(e.kind, EventKind::Alarm(_)))
            .map(|e| e.text.as_str())
            .collect();
        titles.sort_unstable();
        for run in titles.chunk_by(|a, b| a == b) {
            self.worst = self.worst.max(run.len());
        }
    }
}
