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
    /// Proofs, node tiers, conservation, privacy, splits and merges of the ledgers.
    Ledger,
    /// Physical devices beside other people's software.
    Devices,
    /// Determinism, rewind and books of the whole twin.
    Twin,
    /// The database of a run on SQLite and PostgreSQL, and killed writers.
    Cloud,
    /// Node processes killed at random moments, and damaged files.
    Node,
    /// Price, allocation, settlement and stability of the market.
    Market,
    /// Tampered meters, drifting M-LMDs and honest ones, over many seeds.
    Truth,
    /// The control room: alarms, time, stories, window, rewind at scale.
    Room,
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
    /// Kills of the node gates.
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// Seed of the node gates.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Random cases of the market's gates.
    #[arg(long, default_value_t = 1_000_000)]
    cases: u64,
    /// Streets per week of the market's stability gates; seeds of meter truth.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Drawn cases of meter truth, beside the scene as it is written.
    #[arg(long, default_value_t = 4)]
    drawn: u64,
    /// Print the market's table of steering variants instead of its gates.
    #[arg(long)]
    stability: bool,
    /// Simulated time the ledger's gates run the scene for.
    #[arg(long, default_value = "09:00", value_parser = gridloom_units::SimTime::parse)]
    until: gridloom_units::SimTime,
    /// Meters of the ledger's split and merge, and of the street that the room's gates rewind.
    #[arg(long, default_value_t = 1_000)]
    meters: u32,
    /// Run the shorter form of the gates of the devices.
    #[arg(long)]
    quick: bool,
    /// Random rewinds of the room's gates.
    #[arg(long, default_value_t = 1_000)]
    trials: usize,
    /// Ticks the room's gates simulate before they rewind.
    #[arg(long, default_value_t = 600)]
    ticks: u64,
    /// Groups of the room's gates to run (default: all).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Meters of the room's larger street.
    #[arg(long, default_value_t = 10_000)]
    large: usize,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the gates; exit code 1 when one falls short.
pub fn run(args: &CheckArgs) -> Result<ExitCode> {
    let figures = match args.area {
        Area::Devices => super::check_devices::figures(args.quick),
        Area::Grid => super::grid_gates::figures(),
        Area::Ledger => super::check_ledger::figures(&scene_of(args)?, args.until, args.meters)?,
        Area::Twin => twin(&scene_of(args)?, args.minutes)?,
        Area::Truth => {
            let minutes = if args.minutes == 60 {
                480
            } else {
                args.minutes
            };
            super::check_truth::figures(
                &scene_of(args)?,
                super::check_truth::Extent {
                    seeds: args.seeds,
                    drawn: args.drawn,
                    minutes,
                },
            )?
        }
        Area::Cloud => super::check_cloud::figures(&scene_of(args)?, args.minutes)?,
        Area::Node => super::check_node::figures(args.kills, args.seed)?,
        Area::Market if args.stability => {
            super::check_market::table(args.seeds)?;
            return Ok(ExitCode::SUCCESS);
        }
        Area::Market => super::check_market::figures(super::check_market::Extent {
            cases: args.cases,
            seeds: args.seeds,
            show: !args.json,
        })?,
        Area::Room => {
            let options = super::check_room::RoomOptions {
                meters: args.meters as usize,
                trials: args.trials,
                ticks: args.ticks.max(60),
                large: args.large,
                only: args.only.clone(),
            };
            super::check_room::figures(&scene_of(args)?, &options)?
        }
    };
    let pass = output::figures(&figures, args.json);
    Ok(if pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The scene the gates run on.
fn scene_of(args: &CheckArgs) -> Result<PathBuf> {
    match &args.scene {
        Some(path) => Ok(path.clone()),
        None if matches!(args.area, Area::Truth) => {
            Ok(scene::default_scene()?.with_file_name("meter_tampering.scene.ron"))
        }
        None => scene::default_scene(),
    }
}

/// A gate on a count that must be zero.
pub(super) fn none(case: &str, metric: &str, value: f64, unit: &str) -> Figure {
    gate(case, metric, value, unit, 0.0)
}

/// A gate on a value that must not exceed a limit.
pub(super) fn gate(case: &str, metric: &str, value: f64, unit: &str, limit: f64) -> Figure {
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
        .filter(|outcome| outcome.missed())
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
