//! `gridloom sweep`: many small lives of ledgers under faults.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gridloom_consensus::Sabotage;
use gridloom_ledger::sweep::{Failure, FaultKinds, LIVE_WITHIN_MS, Life, live};
use indicatif::{ProgressBar, ProgressStyle};

use super::output::{self, Figure};

/// Failures listed in full; more are counted.
const LISTED: usize = 5;

/// A defect built in on purpose, to show that the sweep finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Planted {
    /// A crash loses the write-ahead log, flushed or not.
    Wal,
    /// Every signature counts as good.
    Verify,
    /// Less than two thirds of the validators are enough.
    Quorum,
}

/// Arguments of `sweep`.
#[derive(Args)]
pub struct SweepArgs {
    /// Seeds, first and last, `A..B`.
    #[arg(long, value_name = "A..B", default_value = "1..1000", value_parser = range)]
    seeds: RangeInclusive<u64>,
    /// Plant a defect; then a seed that fails is what is wanted, and the sweep ends with the first.
    #[arg(long)]
    sabotage: Option<Planted>,
    /// Threads (default: one per processor).
    #[arg(long)]
    threads: Option<usize>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text
        .split_once("..")
        .ok_or_else(|| format!("`{text}` is no range: write first and last seed as 1..1000"))?;
    let number = |part: &str| {
        part.trim_start_matches('=')
            .parse::<u64>()
            .map_err(|_| format!("`{part}` is no seed: seeds are whole numbers from 0"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("the first seed {first} is above the last {last}"));
    }
    Ok(first..=last)
}

/// Sums over all seeds of a sweep.
#[derive(Default)]
struct Sums {
    lives: u64,
    life: Life,
    live_after_ms: Vec<u64>,
    faults: BTreeMap<usize, u64>,
    failures: Vec<Failure>,
}

impl Sums {
    fn add(&mut self, life: &Life) {
        self.lives += 1;
        let sum = &mut self.life;
        sum.heights += life.heights;
        sum.events += life.events;
        sum.simulated_ms += life.simulated_ms;
        sum.payments += life.payments;
        sum.imported += life.imported;
        sum.refunded += life.refunded;
        sum.moved += life.moved;
        sum.evidence += life.evidence;
        self.live_after_ms.push(life.live_after_ms);
        for bit in (0..FaultKinds::NAMES.len()).filter(|bit| life.faults.has(*bit)) {
            *self.faults.entry(bit).or_default() += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        self.lives += other.lives;
        let (sum, life) = (&mut self.life, other.life);
        sum.heights += life.heights;
        sum.events += life.events;
        sum.simulated_ms += life.simulated_ms;
        sum.payments += life.payments;
        sum.imported += life.imported;
        sum.refunded += life.refunded;
        sum.moved += life.moved;
        sum.evidence += life.evidence;
        self.live_after_ms.extend(other.live_after_ms);
        for (bit, count) in other.faults {
            *self.faults.entry(bit).or_default() += count;
        }
        self.failures.extend(other.failures);
    }
}

/// Runs the sweep; exit code 1 when a seed failed without sabotage, or none did with it.
pub fn run(args: &SweepArgs) -> Result<ExitCode> {
    let threads = match args.threads {
        Some(0) => bail!("--threads must be at least 1"),
        Some(threads) => threads.min(256),
        None => std::thread::available_parallelism().map_or(1, |n| n.get()),
    };
    let begun = Instant::now();
    let sums = sweep(args, threads)?;
    let wall_s = begun.elapsed().as_secs_f64();
    report(args, sums, wall_s)
}

fn sweep(args: &SweepArgs, threads: usize) -> Result<Sums> {
    let sabotage = match args.sabotage {
        None => Sabotage::None,
        Some(Planted::Wal) => Sabotage::ForgetLog,
        Some(Planted::Verify) => Sabotage::TrustAll,
        Some(Planted::Quorum) => Sabotage::SmallQuorum,
    };
    let count = (args.seeds.end() - args.seeds.start()).saturating_add(1);
    let bar = progress(args, count);
    let next = AtomicU64::new(*args.seeds.start());
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Sums::default());
    let work = || {
        let mut sums = Sums::default();
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !args.seeds.contains(&seed) {
                break;
            }
            match live(seed, sabotage) {
                Ok(life) => sums.add(&life),
                Err(failure) => {
                    if args.sabotage.is_some() {
                        stop.store(true, Ordering::Relaxed);
                    } else {
                        bar.suspend(|| output::error(&format!("{failure}; {}", rerun(seed, args))));
                    }
                    sums.failures.push(failure);
                }
            }
            bar.inc(1);
        }
        total
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .merge(sums);
    };
    std::thread::scope(|scope| -> Result<()> {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for handle in handles {
            handle
                .join()
                .map_err(|_| anyhow!("a worker panicked: the seed it ran is a defect to report"))?;
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn progress(args: &SweepArgs, count: u64) -> ProgressBar {
    if args.json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// How to run one seed again.
fn rerun(seed: u64, args: &SweepArgs) -> String {
    let planted = match args.sabotage {
        None => String::new(),
        Some(planted) => planted
            .to_possible_value()
            .map_or_else(String::new, |v| format!(" --sabotage {}", v.get_name())),
    };
    format!("run it again: gridloom sweep --seeds {seed}..{seed}{planted}")
}

fn report(args: &SweepArgs, mut sums: Sums, wall_s: f64) -> Result<ExitCode> {
    sums.failures.sort_by_key(|failure| failure.seed);
    sums.live_after_ms.sort_unstable();
    let case = format!("{}..{}", args.seeds.start(), args.seeds.end());
    let tried = sums.lives + sums.failures.len() as u64;
    if args.sabotage.is_some() {
        let first = sums.failures.first();
        if let Some(failure) = first {
            output::error(&format!("found: {failure}; {}", rerun(failure.seed, args)));
        }
        let figure = Figure {
            case,
            metric: "seeds_until_found".into(),
            value: first.map_or(f64::INFINITY, |f| (f.seed - args.seeds.start() + 1) as f64),
            unit: "seeds".into(),
            target: Some("<= 1000".into()),
            pass: Some(first.is_some_and(|f| f.seed - args.seeds.start() < 1_000)),
            peer: None,
            ratio: None,
        };
        let pass = output::figures(&[figure], args.json);
        return Ok(if pass {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    for failure in sums.failures.iter().take(LISTED) {
        output::error(&format!("{failure}; {}", rerun(failure.seed, args)));
    }
    let pass = output::figures(&figures(&case, &sums, tried, wall_s), args.json);
    Ok(if pass {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn figures(case: &str, sums: &Sums, tried: u64, wall_s: f64) -> Vec<Figure> {
    let plain = |metric: &str, value: f64, unit: &str| Figure {
        case: case.to_owned(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: None,
        pass: None,
        peer: None,
        ratio: None,
    };
    let gate = |metric: &str, value: f64, unit: &str, limit: f64| Figure {
        target: Some(format!("<= {}", output::number(limit))),
        pass: Some(value <= limit),
        ..plain(metric, value, unit)
    };
    let times = &sums.live_after_ms;
    let at = |share: usize| {
        let place = times.len() * share / 100;
        times
            .get(place.min(times.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0) as f64
    };
    let life = &sums.life;
    let mut figures = vec![
        plain("seeds", tried as f64, "seeds"),
        gate("failed", sums.failures.len() as f64, "seeds", 0.0),
        plain("live_again_p50", at(50), "ms"),
        plain("live_again_p99", at(99), "ms"),
        gate("live_again_max", at(100), "ms", LIVE_WITHIN_MS as f64),
        plain("heights", life.heights as f64, "blocks"),
        plain("payments", life.payments as f64, "transfers"),
        plain("imported", life.imported as f64, "parcels"),
        plain("refunded", life.refunded as f64, "parcels"),
        plain("moved", life.moved as f64, "members"),
        plain("evidence", life.evidence as f64, "proofs"),
        plain("simulated", life.simulated_ms as f64 / 3.6e6, "h"),
        plain("events", life.events as f64, "events"),
        plain("wall", wall_s, "s"),
        plain("seeds_per_s", tried as f64 / wall_s.max(1e-9), "1/s"),
    ];
    for (bit, count) in &sums.faults {
        let name = FaultKinds::NAMES.get(*bit).copied().unwrap_or("?");
        figures.push(plain(&format!("with {name}"), *count as f64, "seeds"));
    }
    figures
}
