//! `gridloom bench ledger`: heights per processor second, readings over clusters.

use std::time::Instant;

use anyhow::Result;
use gridloom_consensus::{Checks, bench_heights};
use gridloom_ledger::scale::{ScaleSetting, run};

use super::output::{self, Figure};

/// Heights per processor second of the prototype recorded in the project's
/// ledger reference, signatures checked once per process.
const RECORDED: [(u16, u64, f64); 3] = [(4, 2_000, 1_390.0), (7, 700, 843.0), (20, 60, 208.0)];
/// Runs of each group.
const TRIALS: usize = 3;
/// Numbers of clusters of the scaling curve.
const CLUSTERS: [u32; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Most validators the flat ledger is tried with; its messages grow with the square.
const FLAT_VALIDATORS: u32 = 64;
/// Meters of each cluster, each read every second.
const METERS: u32 = 40;
/// Least share of linear growth.
const LINEAR: f64 = 0.8;

/// Time this thread has spent on a processor, s; wall time where the system does not tell.
fn cpu_clock() -> impl FnMut() -> f64 {
    let begun = Instant::now();
    move || cpu_seconds().unwrap_or_else(|| begun.elapsed().as_secs_f64())
}

/// First field of `/proc/thread-self/schedstat`: nanoseconds on a processor.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// Decided heights per processor second, beside the recorded prototype.
///
/// # Errors
/// When a group cannot be built.
pub fn heights() -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (validators, heights, recorded) in RECORDED {
        // The best of three: the others had something else running beside them.
        let mut best = 0.0_f64;
        for _ in 0..TRIALS {
            let bench = bench_heights(validators, heights, Checks::Once, &mut cpu_clock())?;
            best = best.max(bench.heights_per_s);
        }
        figures.push(Figure {
            case: format!("{validators} validators"),
            metric: "heights_per_cpu_s".into(),
            value: best,
            unit: "1/s".into(),
            target: Some(format!(">= {}", output::number(recorded))),
            pass: Some(best >= recorded),
            peer: Some(format!("recorded prototype: {recorded} 1/s")),
            ratio: Some(best / recorded),
        });
    }
    Ok(figures)
}

/// A point of the scaling curves.
fn setting(clusters: u32, validators: u32, meters: u32) -> ScaleSetting {
    ScaleSetting {
        clusters,
        validators,
        root_validators: 4,
        meters,
        reading_ms: 1_000,
        block_ms: 1_000,
        kbit_per_s: 1_000,
        propose_ms: 3_000,
        measured_ms: 20_000,
        seed: 1,
    }
}

/// Readings final per simulated second over the number of clusters, beside one
/// flat ledger of as many validators.
///
/// # Errors
/// When a network cannot be built.
pub fn scaling() -> Result<Vec<Figure>> {
    output::error(&format!(
        "workload: {METERS} meters per cluster, a reading each second, 4 validators per cluster \
         and at the root, 1000 kbit/s per validator, blocks each second, 20 s simulated; flat: \
         one ledger of all validators and meters"
    ));
    let mut figures = Vec::new();
    let mut single = None;
    for clusters in CLUSTERS {
        let meters = METERS * clusters;
        let point = run(&setting(clusters, 4, meters)).map_err(anyhow::Error::msg)?;
        let base = *single.get_or_insert(point.finalised_per_s);
        let linear = point.finalised_per_s / (base * f64::from(clusters)).max(1e-9);
        let flat = (4 * clusters <= FLAT_VALIDATORS)
            .then(|| run(&setting(0, 4 * clusters, meters)))
            .transpose()
            .map_err(anyhow::Error::msg)?;
        figures.push(Figure {
            case: format!("{clusters} clusters"),
            metric: "readings_finalised_per_s".into(),
            value: point.finalised_per_s,
            unit: "1/s".into(),
            target: Some(format!(
                ">= {}",
                output::number(LINEAR * base * f64::from(clusters))
            )),
            pass: Some(linear >= LINEAR),
            peer: flat.map(|flat| {
                format!(
                    "flat, {} validators: {} 1/s of {} offered",
                    4 * clusters,
                    output::number(flat.finalised_per_s),
                    output::number(flat.offered_per_s)
                )
            }),
            ratio: flat
                .filter(|flat| flat.finalised_per_s > 0.0)
                .map(|flat| point.finalised_per_s / flat.finalised_per_s),
        });
    }
    Ok(figures)
}
