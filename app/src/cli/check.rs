//! `gridloom check`: the gates of an area.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use gridloom_core::expect::Expectations;
use gridloom_core::report::Summary;
use gridloom_core::{Twin, TwinOptions};
use gridloom_units::Tick;

use super::output::{self, Figure};
use super::scene;

/// Areas with gates.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Area {
    /// Power flow against reference solutions.
    Grid,
    /// Determinism, rewind and books of the whole twin.
    Twin,
}

/// Arguments of `check`.
#[derive(Args)]
pub struct CheckArgs {
    /// Area.
    area: Area,
    /// Scene for the twin's gates (default: the built-in one).
    #[arg(long, value_name = "SCENE")]
    scene: Option<PathBuf>,
    /// Simulated minutes the twin's gates run.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the gates; exit code 1 when one falls short.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let figures = match args.area {
        Area::Grid => super::grid_gates::figures(),
        Area::Twin => {
            let path = match &args.scene {
                Some(path) => path.clone(),
                None => scene::default_scene()?,
            };
            twin(&path, args.minutes)?
        }
    };
    let pass = output::figures(&figures, args.json);
    Ok(if pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A gate on a count that must be zero.
fn none(case: &str, metric: &str, value: f64, unit: &str) -> Figure {
    gate(case, metric, value, unit, 0.0)
}

/// A gate on a value that must not exceed a limit.
fn gate(case: &str, metric: &str, value: f64, unit: &str, limit: f64) -> Figure {
    Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: Some(format!("<= {}", output::number(limit))),
        pass: Some(value <= limit),
        peer: None,
        ratio: None,
    }
}

/// Ticks at which two runs differ.
fn differing(a: &[[u8; 32]], b: &[[u8; 32]]) -> f64 {
    let pairs = a.iter().zip(b).filter(|(x, y)| x != y).count();
    (pairs + a.len().abs_diff(b.len())) as f64
}

fn twin(path: &Path, minutes: u64) -> Result<Vec<Figure>> {
    if minutes == 0 || minutes > 24 * 60 {
        bail!("--minutes must be 1 to 1440, is {minutes}");
    }
    let case = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into());
    let rewindable = TwinOptions {
        rewindable: true,
        ..TwinOptions::default()
    };
    let mut plain = scene::twin(path, rewindable)?;
    let end = Tick(minutes * 60_000 / plain.tick_ms()).min(plain.end());
    let spec = plain.scene().scene.expect.clone();
    let mut watch =
        Expectations::new(&spec, end.start(plain.tick_ms())).map_err(anyhow::Error::msg)?;
    while plain.tick() < end {
        plain.step();
        watch.observe(&mut plain);
    }
    let recorded = plain.hashes().to_vec();
    let run = |options: TwinOptions| -> Result<Vec<[u8; 32]>> {
        let mut twin: Twin = scene::twin(path, options)?;
        twin.run_until(end);
        Ok(twin.hashes().to_vec())
    };
    let mut figures = vec![
        none(
            &case,
            "repeat_differing",
            differing(&recorded, &run(TwinOptions::default())?),
            "ticks",
        ),
        none(
            &case,
            "permuted_differing",
            differing(
                &recorded,
                &run(TwinOptions {
                    permute: true,
                    ..TwinOptions::default()
                })?,
            ),
            "ticks",
        ),
    ];
    let summary = Summary::of(&mut plain);
    figures.push(none(
        &case,
        "money_off_nano_eur",
        summary.money_off_nano_eur as f64,
        "nEUR",
    ));
    figures.push(none(
        &case,
        "energy_off_wh",
        summary.energy_off_wh as f64,
        "Wh",
    ));
    figures.push(none(
        &case,
        "flow_failures",
        summary.flow_failures as f64,
        "solves",
    ));
    let forks = summary
        .ledgers
        .iter()
        .filter(|ledger| ledger.forked)
        .count();
    figures.push(none(&case, "forks", forks as f64, "ledgers"));
    figures.push(gate(
        &case,
        "energy_error_wh",
        summary.energy_error_wh.abs(),
        "Wh",
        1.0,
    ));
    figures.push(gate(
        &case,
        "meter_residual_pct",
        summary.meter_residual_pct,
        "%",
        0.1,
    ));
    for target in [end.0 / 3, end.0 / 7, 0] {
        plain.seek(Tick(target));
        plain.run_until(end);
    }
    let diverged = plain.divergence().map_or(0, |_| 1);
    figures.push(none(&case, "rewind_diverged", f64::from(diverged), "runs"));
    // Windows of a whole day are not judged on part of one.
    let whole = end == plain.end();
    let failed = watch
        .finish(&mut plain)
        .iter()
        .filter(|outcome| !outcome.met)
        .count();
    if whole {
        figures.push(none(
            &case,
            "expectations_missed",
            failed as f64,
            "expectations",
        ));
    }
    Ok(figures)
}
