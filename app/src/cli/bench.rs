//! `gridloom bench`: speed beside a peer or a limit, in the same run.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use gridloom_consensus::{Checks, bench_heights};
use gridloom_core::TwinOptions;
use gridloom_flow::{Network, PortId, SolveOptions};
use gridloom_model::grid::GridCase;
use gridloom_units::{Stream, Tick, draw_f64};

use super::output::{self, Figure};
use super::scene;

/// What can be measured.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Area {
    /// Power flow of the European low-voltage feeder.
    Flow,
    /// The whole twin on the default scene.
    Twin,
    /// Consensus, heights per second.
    Ledger,
}

/// Arguments of `bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// Area.
    area: Area,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let figures = match args.area {
        Area::Flow => flow()?,
        Area::Twin => twin()?,
        Area::Ledger => ledger()?,
    };
    output::figures(&figures, args.json);
    Ok(ExitCode::SUCCESS)
}

/// A figure where less is better, beside a peer.
fn against(case: &str, metric: &str, value: f64, unit: &str, peer: (&str, f64)) -> Figure {
    Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: None,
        pass: None,
        peer: Some(format!("{}: {} {unit}", peer.0, output::number(peer.1))),
        ratio: Some(peer.1 / value),
    }
}

/// Sets every port to its rated power times 0.5 + 0.5 u.
fn move_loads(network: &mut Network, rated: &[(f64, f64)], step: u64) {
    for (port, (p_w, q_var)) in rated.iter().enumerate() {
        let factor = 0.5 + 0.5 * draw_f64(1, step, port as u64, Stream::Behaviour);
        network.set_port_power(PortId(port as u32), p_w * factor, q_var * factor);
    }
}

/// Loads moved at each step, tolerance 1e-8, one thread. The peers are
/// OpenDSS's figures as recorded in the project's grid reference (same
/// feeder, tolerance 1e-8, another machine): ratios carry that caveat.
fn flow() -> Result<Vec<Figure>> {
    let path = scene::default_scene()?
        .with_file_name("grids")
        .join("euro_lv.grid.ron");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let case = GridCase::from_ron(&text, &path.display().to_string())?;
    let mut network = Network::build(&case)?;
    network.set_options(SolveOptions {
        tolerance: 1e-8,
        ..SolveOptions::default()
    });
    let rated: Vec<(f64, f64)> = (0..network.port_count())
        .map(|p| network.port_nominal(PortId(p as u32)))
        .collect();
    network.solve();
    const STEPS: u64 = 1_000;
    let mut iterations = 0;
    let mut best_us = f64::INFINITY;
    for round in 0..3 {
        let begun = Instant::now();
        iterations = 0;
        for step in 0..STEPS {
            move_loads(&mut network, &rated, round * STEPS + step);
            iterations += u64::from(network.solve().iterations);
        }
        best_us = best_us.min(begun.elapsed().as_secs_f64() * 1e6 / STEPS as f64);
    }
    output::error(&format!(
        "workload: European LV, {} nodes, {} loads, {STEPS} steps, {:.2} iterations a step, best of 3",
        network.node_count(),
        rated.len(),
        iterations as f64 / STEPS as f64
    ));
    let mut figures = vec![
        against(
            "euro_lv",
            "full_step_us",
            best_us,
            "us",
            ("OpenDSS recorded", 243.0),
        ),
        against(
            "euro_lv",
            "thousand_steps_ms",
            best_us,
            "ms",
            ("OpenDSS recorded", 530.0),
        ),
    ];
    if network.line_count() > 20 {
        let middle = network.line_count() / 2;
        let switch =
            network.declare_switch("bench", middle, gridloom_model::grid::LineEnd::From)?;
        let begun = Instant::now();
        const OPERATIONS: u32 = 100;
        for operation in 0..OPERATIONS {
            network.set_switch(switch, operation % 2 == 1);
            network.solve();
        }
        let us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(OPERATIONS);
        figures.push(against(
            "euro_lv",
            "breaker_us",
            us,
            "us",
            ("OpenDSS recorded", 2_700.0),
        ));
    }
    Ok(figures)
}

/// One simulated hour of the default scene; the peer is real time.
fn twin() -> Result<Vec<Figure>> {
    let mut twin = scene::twin(&scene::default_scene()?, TwinOptions::default())?;
    let ticks = 3_600_000 / twin.tick_ms();
    let begun = Instant::now();
    twin.run_until(Tick(ticks));
    let wall_s = begun.elapsed().as_secs_f64();
    output::error(&format!(
        "workload: one hour of {} ({ticks} ticks)",
        twin.scene().scene.title
    ));
    let tick_us = wall_s * 1e6 / ticks as f64;
    Ok(vec![
        against(
            "akerby",
            "tick_us",
            tick_us,
            "us",
            ("real time", twin.tick_ms() as f64 * 1e3),
        ),
        against("akerby", "day_s", wall_s * 24.0, "s", ("limit", 60.0)),
    ])
}

/// Decided heights per second; the peer is the prototype recorded in the
/// project's ledger reference (signatures checked once per process).
fn ledger() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (validators, heights, recorded) in
        [(4_u16, 2_000, 1_390.0), (7, 700, 843.0), (20, 60, 208.0)]
    {
        let begun = Instant::now();
        let mut clock = || begun.elapsed().as_secs_f64();
        let bench = bench_heights(validators, heights, Checks::Once, &mut clock)?;
        let case = format!("{validators} validators");
        figures.push(Figure {
            case,
            metric: "heights_per_s".into(),
            value: bench.heights_per_s,
            unit: "1/s".into(),
            target: None,
            pass: None,
            peer: Some(format!("recorded prototype: {recorded} 1/s")),
            ratio: Some(bench.heights_per_s / recorded),
        });
    }
    Ok(figures)
}
