//! `gridloom bench`: speed beside a peer or a limit, in the same run.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, ValueEnum};
use gridloom_core::TwinOptions;
use gridloom_units::Tick;

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
    /// Four node processes on this machine: transactions per second, latency.
    Node,
    /// Market slots and days of many homes.
    Market,
    /// A thousand emulated devices, beside pymodbus.
    Devices,
}

/// Arguments of `bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// Area.
    area: Area,
    /// Rates the node benchmark offers one after the other, 1/s.
    #[arg(long, value_delimiter = ',', default_value = "1000,2000,3000")]
    rates: Vec<u32>,
    /// Seconds of every measurement (nodes, devices).
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Emulated devices.
    #[arg(long, default_value_t = 1_000)]
    devices: u16,
}

/// Measures and prints.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let figures = match args.area {
        Area::Flow => flow()?,
        Area::Twin => twin()?,
        Area::Ledger => ledger()?,
        Area::Node => super::bench_node::figures(&args.rates, args.seconds)?,
        Area::Market => super::bench_market::figures()?,
        Area::Devices => super::check_devices::bench(gridloom_hardware::gates::BenchOptions {
            devices: args.devices,
            seconds: args.seconds,
        })?,
    };
    let pass = output::figures(&figures, args.json);
    Ok(if pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
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

/// Steps of the shipped feeder, and of the given ones where they stand, on one
/// thread at tolerance 1e-8 with loads moved each step. Peers are figures
/// recorded on another machine, so the ratios carry that caveat.
fn flow() -> Result<Vec<Figure>> {
    let begun = Instant::now();
    let mut clock = || begun.elapsed().as_secs_f64();
    let data = super::grid_gates::given_data();
    output::error(
        "workload: every load moved each step, tolerance 1e-8, one thread; peers as recorded in \
         tests/reference/peers.csv on another machine",
    );
    let benches =
        gridloom_dss::bench::flow(data.as_deref(), &mut clock).map_err(anyhow::Error::msg)?;
    let mut figures = Vec::new();
    for bench in benches {
        let m = &bench.measurement;
        let pass = bench.pass();
        let target = bench
            .target
            .map(|target| format!("<= {}", output::number(target)));
        let figure = |peer: Option<(String, f64)>| Figure {
            case: m.case.clone(),
            metric: m.metric.into(),
            value: m.value,
            unit: m.unit.into(),
            target: target.clone(),
            pass,
            ratio: peer.as_ref().map(|(_, value)| value / m.value),
            peer: peer.map(|(name, value)| format!("{name}: {} {}", output::number(value), m.unit)),
        };
        if bench.peers.is_empty() {
            figures.push(figure(None));
        }
        for peer in &bench.peers {
            figures.push(figure(Some((peer.name.clone(), peer.value))));
        }
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

/// Consensus, the curves over clusters, and whole days of execution.
fn ledger() -> Result<Vec<Figure>> {
    let mut figures = super::bench_ledger::heights()?;
    figures.extend(super::bench_ledger::scaling()?);
    let begun = Instant::now();
    let mut clock_us = || u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let days = gridloom_ledger::bench::run(&gridloom_ledger::bench::standard(), &mut clock_us)
        .map_err(anyhow::Error::msg)?;
    for figure in days {
        figures.push(Figure {
            case: figure.case,
            metric: figure.metric.to_string(),
            value: figure.value as f64,
            unit: figure.unit.to_string(),
            target: None,
            pass: None,
            peer: None,
            ratio: None,
        });
    }
    Ok(figures)
}
