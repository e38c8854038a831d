//! Gates of meter truth: tampered meters are named, honest ones are not, and a
//! drifting M-LMD is told apart.
//!
//! Two kinds of runs: the scene as it is written, under many seeds of the run;
//! and cases whose meters are drawn, which show how far that carries over to
//! others. Both have to meet the same targets.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

use anyhow::{Result, anyhow, bail};
use gridloom_core::expect::{untrue, untrue_in_words};
use gridloom_core::truth::TamperKind;
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_model::scene::EventAction;
use gridloom_units::{SimTime, Stream, draw_u64};

use super::output::{self, Figure};
use super::scene;

/// Meters tampered with in a drawn case.
const CULPRITS: usize = 3;

/// Quiet time before anybody interferes in a drawn case, ms.
const QUIET_MS: u64 = 2 * 3_600_000;

/// False accusations that all runs of a kind together may have.
const FALSE_LIMIT: u64 = 2;

/// How many runs of which kind.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Seeds of the scene as it is written.
    pub seeds: u64,
    /// Drawn cases.
    pub drawn: u64,
    /// Simulated time of each, min.
    pub minutes: u64,
}

/// Who interferes with what, and when that begins, ms.
#[derive(Default)]
struct Plan {
    culprits: Vec<(String, u64)>,
    decoys: Vec<(String, u64)>,
}

/// One run and how it went.
#[derive(Default)]
struct Outcome {
    culprits: u64,
    decoys: u64,
    named: u64,
    told_apart: u64,
    falsely: u64,
    early: u64,
    /// From interference to name, min, per meter found.
    delays_min: Vec<f64>,
    lines: Vec<String>,
}

/// Runs a scene under many seeds as it is written, and drawn cases.
///
/// # Errors
/// When the scene cannot be opened, interferes with nothing or is too small.
pub fn figures(path: &Path, extent: Extent) -> Result<Vec<Figure>> {
    if extent.seeds == 0 || extent.minutes * 60_000 <= QUIET_MS {
        bail!("--seeds must be at least 1 and --minutes more than 120");
    }
    let name = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let minutes = extent.minutes;
    let mut figures = sums(
        &name,
        &in_parallel(extent.seeds, |seed| written(path, seed, minutes))?,
    );
    if extent.drawn > 0 {
        let cases = in_parallel(extent.drawn, |seed| drawn(path, seed, minutes))?;
        figures.extend(sums("drawn meters", &cases));
    }
    Ok(figures)
}

/// Runs seeds 1 to `count` on all processors; prints them in order.
fn in_parallel(count: u64, one: impl Fn(u64) -> Result<Outcome> + Sync) -> Result<Vec<Outcome>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(1);
    let (sender, receiver) = channel();
    let mut outcomes = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, one) = (sender.clone(), &next, &one);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > count || sender.send((seed, one(seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (seed, outcome) in receiver {
            match outcome {
                Ok(outcome) => {
                    for line in &outcome.lines {
                        output::line(line);
                    }
                    outcomes.push((seed, outcome));
                }
                // The others stop at their next seed.
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })?;
    outcomes.sort_by_key(|(seed, _)| *seed);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Figures over runs.
fn sums(name: &str, runs: &[Outcome]) -> Vec<Figure> {
    let sum = |of: fn(&Outcome) -> u64| runs.iter().map(of).sum::<u64>() as f64;
    let worst = runs.iter().map(|run| run.falsely).max().unwrap_or(0) as f64;
    let mut delays: Vec<f64> = runs.iter().flat_map(|c| c.delays_min.clone()).collect();
    delays.sort_by(f64::total_cmp);
    let median = delays.get(delays.len() / 2).copied().unwrap_or(f64::NAN);
    let last = delays.last().copied().unwrap_or(f64::NAN);
    let (named, culprits) = (sum(|run| run.named), sum(|run| run.culprits));
    vec![
        least(name, "tampered_meters_named", named, "meters", culprits),
        plain(name, "false_accusations_worst", worst, "meters"),
        most(
            name,
            "false_accusations_all",
            sum(|run| run.falsely),
            "meters",
            FALSE_LIMIT as f64,
        ),
        most(
            name,
            "named_before_interference",
            sum(|run| run.early),
            "meters",
            0.0,
        ),
        least(
            name,
            "decoys_told_apart",
            sum(|run| run.told_apart),
            "M-LMDs",
            sum(|run| run.decoys),
        ),
        plain(name, "runs", runs.len() as f64, "1"),
        plain(name, "detection_rate", named / culprits * 100.0, "%"),
        plain(name, "delay_median", median, "min"),
        plain(name, "delay_longest", last, "min"),
    ]
}

fn options(seed: u64) -> TwinOptions {
    TwinOptions {
        seed: Some(seed),
        ..TwinOptions::default()
    }
}

/// The scene with its own events under another seed.
fn written(path: &Path, seed: u64, minutes: u64) -> Result<Outcome> {
    let mut twin = scene::twin_for(path, options(seed), minutes as f64 / 60.0)?;
    let mut plan = Plan::default();
    for event in &twin.scene().scene.events {
        let at_ms = SimTime::parse(&event.at).map_err(|e| anyhow!(e))?.0;
        match &event.action {
            EventAction::TamperMeter(meter, _) => plan.culprits.push((meter.clone(), at_ms)),
            EventAction::DriftMlmd(mlmd, _) => plan.decoys.push((mlmd.clone(), at_ms)),
            _ => {}
        }
    }
    if plan.culprits.is_empty() {
        bail!("nobody tampers with a meter in {}", path.display());
    }
    Ok(observe(&mut twin, seed, &plan, Vec::new(), minutes))
}

/// The scene without its events; who interferes is drawn.
fn drawn(path: &Path, seed: u64, minutes: u64) -> Result<Outcome> {
    let mut twin = scene::twin_without_events(path, options(seed), minutes as f64 / 60.0)?;
    let scene = &twin.scene().scene;
    // Who alters a meter is somebody who buys: homes with a roof of their own
    // take next to nothing in the morning and have nothing to hide.
    let homes: Vec<String> = scene
        .homes
        .iter()
        .filter(|home| home.pv.is_none())
        .map(|home| home.id.clone())
        .collect();
    let mlmds: Vec<String> = scene.mlmds.iter().map(|m| m.id.clone()).collect();
    if homes.len() < 2 * CULPRITS || mlmds.is_empty() {
        bail!("the scene has too few homes or M-LMDs to draw a case from");
    }
    let draw = |n: u64, below: u64| draw_u64(seed, n, 0, Stream::Behaviour) % below;
    let mut plan = Plan::default();
    for n in 0.. {
        let home = (
            homes[draw(n, homes.len() as u64) as usize].clone(),
            QUIET_MS,
        );
        if !plan.culprits.contains(&home) {
            plan.culprits.push(home);
        }
        if plan.culprits.len() == CULPRITS {
            break;
        }
    }
    let decoy = mlmds[draw(200, mlmds.len() as u64) as usize].clone();
    let device = |name: &str| twin.device(name).ok_or_else(|| anyhow!("no {name}"));
    let mut commands = Vec::new();
    for (k, (home, _)) in plan.culprits.iter().enumerate() {
        // Half to three quarters less, as found on altered meters in the field.
        let missing = 500 + draw(100 + k as u64, 251) as u32;
        commands.push(Command::TamperMeter {
            device: device(home)?,
            how: Some(TamperKind::UnderReport(missing)),
        });
    }
    commands.push(Command::DriftMlmd {
        device: device(&decoy)?,
        permille: 30 + draw(201, 21) as i32,
    });
    plan.decoys.push((decoy, QUIET_MS));
    Ok(observe(&mut twin, seed, &plan, commands, minutes))
}

/// Runs a twin and watches who is named; `commands` are sent after the quiet time.
fn observe(
    twin: &mut Twin,
    seed: u64,
    plan: &Plan,
    mut commands: Vec<Command>,
    minutes: u64,
) -> Outcome {
    let (end_ms, tick_ms) = (minutes * 60_000, twin.tick_ms());
    let mut out = Outcome {
        culprits: plan.culprits.len() as u64,
        decoys: plan.decoys.len() as u64,
        ..Outcome::default()
    };
    let mut found: Vec<&str> = Vec::new();
    let mut accused: Vec<String> = Vec::new();
    while twin.tick() < twin.end() && twin.tick().0 * tick_ms < end_ms {
        let now_ms = twin.tick().0 * tick_ms;
        if now_ms == QUIET_MS {
            commands.drain(..).for_each(|command| {
                twin.send(command);
            });
        }
        twin.step();
        if !now_ms.is_multiple_of(60_000) {
            continue;
        }
        for name in untrue(twin) {
            let of = |who: &'_ [(String, u64)]| who.iter().find(|w| w.0 == name).map(|w| w.1);
            match (of(&plan.culprits), of(&plan.decoys)) {
                (Some(at_ms), _) | (_, Some(at_ms)) if now_ms <= at_ms => {
                    out.early += 1;
                }
                (Some(at_ms), _) => {
                    if let Some(culprit) = plan.culprits.iter().find(|w| w.0 == name)
                        && !found.contains(&culprit.0.as_str())
                    {
                        out.delays_min.push((now_ms - at_ms) as f64 / 60_000.0);
                        found.push(&culprit.0);
                        out.named += 1;
                    }
                }
                (None, Some(_)) => {
                    if let Some(decoy) = plan.decoys.iter().find(|w| w.0 == name)
                        && !found.contains(&decoy.0.as_str())
                    {
                        found.push(&decoy.0);
                        out.told_apart += 1;
                    }
                }
                (None, None) if accused.iter().all(|a| !is_about(a, &name)) => {
                    let words = untrue_in_words(twin);
                    let said = words.iter().find(|words| is_about(words, &name));
                    let said = said.unwrap_or(&name);
                    accused.push(format!("{said} at {}", twin.time()));
                }
                (None, None) => {}
            }
        }
    }
    out.falsely = accused.len() as u64;
    report(twin, seed, plan, &found, &accused, &mut out);
    out
}

/// Whether words are about somebody of this name.
fn is_about(words: &str, name: &str) -> bool {
    words.split(' ').next() == Some(name)
}

fn report(
    twin: &Twin,
    seed: u64,
    plan: &Plan,
    found: &[&str],
    accused: &[String],
    out: &mut Outcome,
) {
    let missed: Vec<&str> = plan
        .culprits
        .iter()
        .chain(&plan.decoys)
        .map(|who| who.0.as_str())
        .filter(|who| !found.contains(who))
        .collect();
    let list = |names: &[&str]| {
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let accused: Vec<&str> = accused.iter().map(String::as_str).collect();
    out.lines.push(format!(
        "seed {seed}: found {}; missed {}; accused falsely {}",
        list(found),
        list(&missed),
        list(&accused)
    ));
    for words in untrue_in_words(twin) {
        out.lines.push(format!("    at {}: {words}", twin.time()));
    }
}

fn plain(case: &str, metric: &str, value: f64, unit: &str) -> Figure {
    Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: None,
        pass: None,
        peer: None,
        ratio: None,
    }
}

fn most(case: &str, metric: &str, value: f64, unit: &str, limit: f64) -> Figure {
    Figure {
        target: Some(format!("<= {}", output::number(limit))),
        pass: Some(value <= limit),
        ..plain(case, metric, value, unit)
    }
}

fn least(case: &str, metric: &str, value: f64, unit: &str, limit: f64) -> Figure {
    Figure {
        target: Some(format!(">= {}", output::number(limit))),
        pass: Some(value >= limit),
        ..plain(case, metric, value, unit)
    }
}
