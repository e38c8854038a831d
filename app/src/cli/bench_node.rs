//! `gridloom bench node`: what four node processes on this machine decide.

use anyhow::Result;
use gridloom_node::SpentMs;
use gridloom_node::config::Pacing;
use gridloom_node::local::{BenchPlan, BenchStep, bench};

use super::check_node::{folder, program};
use super::output::{self, Figure};

const VALIDATORS: usize = 4;
const HOMES: u32 = 2_000;
/// The goal: transactions of 250 B per second, and the 99th percentile of commit latency.
const GOAL_PER_S: f64 = 2_000.0;
const GOAL_P99_MS: f64 = 1_000.0;

/// Measures at several rates.
pub fn figures(rates: &[u32], seconds: u64) -> Result<Vec<Figure>> {
    let dir = folder("bench-node");
    let plan = BenchPlan {
        program: program()?,
        dir: dir.clone(),
        validators: VALIDATORS,
        homes: HOMES,
        rates_per_s: rates.to_vec(),
        seconds,
        pacing: Pacing::default(),
    };
    output::note(&format!(
        "workload: {VALIDATORS} validator processes on loopback, signed readings of {HOMES} meters, \
         {seconds} s at each rate, {} processors, blocks at least {} ms apart",
        std::thread::available_parallelism().map_or(0, usize::from),
        plan.pacing.min_block_ms
    ));
    let report = bench(&plan, &mut |line| output::note(line))?;
    std::fs::remove_dir_all(&dir)?;
    let mut figures = Vec::new();
    let best = report
        .steps
        .iter()
        .filter(|step| step.p99_ms < GOAL_P99_MS)
        .map(|step| step.committed_per_s)
        .fold(0.0, f64::max);
    for (step, rate) in report.steps.iter().zip(rates) {
        figures.extend(of(step, *rate));
    }
    figures.push(Figure {
        case: "all rates".into(),
        metric: "tx_per_s_with_p99_below_1_s".into(),
        value: best,
        unit: "1/s".into(),
        target: Some(format!(">= {GOAL_PER_S}")),
        // A goal, not a gate: it depends on what else the machine does.
        pass: None,
        peer: Some("CometBFT v1, 200 nodes: 400 1/s of 1 kB (published)".into()),
        ratio: None,
    });
    Ok(figures)
}

fn of(step: &BenchStep, rate: u32) -> Vec<Figure> {
    let figure = |metric: &str, value: f64, unit: &str| Figure {
        case: format!("{rate} offered"),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: None,
        pass: None,
        peer: None,
        ratio: None,
    };
    let mut figures = vec![
        figure("offered_per_s", step.offered_per_s, "1/s"),
        figure("committed_per_s", step.committed_per_s, "1/s"),
        figure("commit_p50_ms", step.p50_ms, "ms"),
        figure("commit_p99_ms", step.p99_ms, "ms"),
        figure("not_committed", step.lost as f64, "txs"),
        figure("refused", step.refused as f64, "txs"),
        figure("blocks", step.blocks as f64, "blocks"),
        figure("tx_bytes", step.tx_bytes, "B"),
        figure("cpu_share", step.cpu_s / step.seconds, "cores"),
        // What one transaction costs one node, whatever else the machine does.
        figure(
            "cpu_per_tx_and_node_us",
            step.cpu_s * 1e6 / (step.committed as f64 * VALIDATORS as f64).max(1.0),
            "us",
        ),
    ];
    // Where the validators' threads spent the step, as a share of one node's time.
    let total_ms = step.seconds * 1_000.0 * VALIDATORS as f64;
    let spent = &step.spent_ms;
    for (name, ms) in shares(spent) {
        figures.push(figure(
            &format!("time_{name}_pct"),
            100.0 * ms / total_ms,
            "%",
        ));
    }
    figures
}

fn shares(spent: &SpentMs) -> [(&'static str, f64); 9] {
    [
        ("take_in", spent.submit),
        ("build", spent.build),
        ("check", spent.check),
        ("apply", spent.apply),
        ("engine", spent.engine),
        ("flush_log", spent.log),
        ("store", spent.store),
        ("codec", spent.codec),
        ("idle", spent.idle),
    ]
}
