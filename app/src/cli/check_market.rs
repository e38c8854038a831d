//! Gates of the market area: the sixteen of the design, that of voltage limits
//! and that of bids, with their counts.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, anyhow, bail};
use gridloom_core::market::voltage_gate::{ERROR_UPU, voltage_gates};
use gridloom_market::gates::{
    Count, SlotGates, StabilityRow, StreetGate, auction_vectors, rebound, slot_gates, stability,
    tree_gates, wallet_gates,
};
use gridloom_market::street::{Herd, Variant, WINDOWS, Window};
use indicatif::{ProgressBar, ProgressStyle};

use super::check_market_ledger as on_ledger;
use super::output::{self, Figure};

/// Random cases of a piece of work.
const CHUNK: u64 = 2_000;
/// Trees of gate 9.
const TREES: u64 = 1_000;
/// Feeders of gate 17.
const FEEDERS: u64 = 500;
/// Hours at which the event of gate 12 begins.
const EVENT_HOURS: [usize; 3] = [8, 12, 18];

/// How much is run.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Random slots and wallet histories.
    pub cases: u64,
    /// Streets per window.
    pub seeds: u64,
    /// Whether the table of steering variants is printed beside the recorded one.
    pub show: bool,
}

/// Runs every gate.
pub fn figures(extent: Extent) -> Result<Vec<Figure>> {
    if extent.cases == 0 || extent.seeds == 0 || extent.seeds > 1_000 {
        bail!("--cases must be at least 1 and --seeds 1 to 1000");
    }
    let slots = Mutex::new(SlotGates::default());
    let wallets = Mutex::new(Count::default());
    chunks(extent.cases, "random slots and wallets", |range| {
        let found = slot_gates(range.clone())?;
        lock(&slots, |all| all.add(found));
        lock(&wallets, |all| all.add(wallet_gates(range)));
        Ok(())
    })?;
    let slots = slots.into_inner().unwrap_or_default();
    let wallets = wallets.into_inner().unwrap_or_default();
    let trees = tree_gates(0..TREES)?;
    let vectors = auction_vectors()?;
    let mut figures = vec![
        counted("1 money adds to zero", "violations", &slots.money),
        counted("2 energy per type", "violations", &slots.energy),
        counted("3 nobody worse than grid", "violations", &slots.rationality),
        counted("4 bounds, monotone, scale", "violations", &slots.price),
        counted("5 wallets never negative", "violations", &wallets),
        counted("6 order of the input", "violations", &slots.order),
        counted("7 splitting a house", "violations", &slots.split),
        counted("8 no envy, no refused type", "violations", &slots.envy),
        counted("9 tree = linear program", "violations", &trees.optimum),
        counted("9 prices, flows, money", "violations", &trees.prices),
        counted("10 GridLAB-D vectors", "violations", &vectors.clearing),
        counted("14 penalty on who deviated", "violations", &slots.penalty),
        at_least(
            "14 sign cases seen",
            "sign_cases",
            f64::from(slots.sign_cases()),
            12.0,
        ),
    ];
    figures.extend(streets(extent.seeds, extent.show)?);
    figures.extend(on_ledger::figures()?);
    figures.extend(super::check_market_bids::figures()?);
    figures.extend(feeders()?);
    figures.sort_by_key(|figure| number(&figure.case));
    Ok(figures)
}

/// Gate 17: voltage limits on random feeders, against the power flow.
fn feeders() -> Result<Vec<Figure>> {
    let gates = voltage_gates(0..FEEDERS).map_err(|reason| anyhow!(reason))?;
    Ok(vec![
        counted("17 predicted voltages", "violations", &gates.predicted),
        counted("17 voltage limits kept", "violations", &gates.limits),
        counted("17 money, nothing in vain", "violations", &gates.books),
        at_most(
            "17 error of a prediction",
            "worst",
            gates.worst_error_upu as f64,
            "upu",
            ERROR_UPU as f64,
            FEEDERS,
        ),
        at_least(
            "17 limits reached and kept",
            "feeders",
            gates.binding as f64,
            FEEDERS as f64 / 5.0,
        ),
    ])
}

/// Gate number at the head of a case's name.
fn number(case: &str) -> u32 {
    let digits = case.split(' ').next().unwrap_or_default();
    digits.parse().unwrap_or(u32::MAX)
}

/// Gates 11 to 13; shows the table of all variants on the way.
fn streets(seeds: u64, show: bool) -> Result<Vec<Figure>> {
    let mut rows = sweep(seeds, &Variant::ALL, Herd::Mixed)?;
    if show {
        print_table(&rows, seeds);
        output::line("");
    }
    rows.retain(|row| row.variant == Variant::Forward);
    let herd = sweep(seeds, &[Variant::Forward], Herd::Identical)?;
    let mut figures = Vec::new();
    for (gate, rows) in [("11 stability", &rows), ("13 identical devices", &herd)] {
        for row in rows {
            let case = format!("{gate}, {}", row.window.name);
            let allowed = (row.slots * 2 / 100) as f64;
            let most = |metric: &str, value: f64, unit: &str, limit: f64| {
                at_most(&case, metric, value, unit, limit, row.streets as u64)
            };
            figures.push(most("reversals", row.reversals as f64, "slots", allowed));
            figures.push(most("peak_ratio", row.worst_ratio, "x", 1.15));
            figures.push(most("line_ratio", row.worst_line, "x", 1.0));
            figures.push(most("unmet_heat", row.unmet_kwh, "kWh", 0.0));
        }
    }
    let events = Mutex::new(Vec::new());
    let work: Vec<(Window, usize)> = WINDOWS
        .iter()
        .flat_map(|window| EVENT_HOURS.map(|hour| (*window, hour)))
        .collect();
    each(&work, "demand-response events", |(window, hour)| {
        let gate = rebound(*window, *hour, 1..seeds + 1);
        lock(&events, |all| all.push((*hour, gate)));
        Ok(())
    })?;
    let events: Vec<(usize, StreetGate)> = events.into_inner().unwrap_or_default();
    let worst = |of: fn(&StreetGate) -> f64, hours: &[usize]| {
        events
            .iter()
            .filter(|(hour, _)| hours.contains(hour))
            .map(|(_, gate)| of(gate))
            .fold(0.0, f64::max)
    };
    let streets: usize = events.iter().map(|(_, gate)| gate.streets).sum();
    let evening = events.iter().filter(|(hour, _)| *hour == 18).count() as u64 * seeds;
    figures.push(at_most(
        "12 rebound, against no event",
        "peak_ratio",
        worst(|gate| gate.worst_same_day, &EVENT_HOURS),
        "x",
        1.10,
        streets as u64,
    ));
    figures.push(at_most(
        "12 rebound, evening, day before",
        "peak_ratio",
        worst(|gate| gate.worst_ratio, &[18]),
        "x",
        1.10,
        evening,
    ));
    Ok(figures)
}

/// The variants of the experiment beside the recorded ones.
pub fn table(seeds: u64) -> Result<()> {
    print_table(&sweep(seeds, &Variant::ALL, Herd::Mixed)?, seeds);
    Ok(())
}

fn print_table(rows: &[StabilityRow], seeds: u64) {
    output::line(&format!(
        "600 homes, 480 slots of 15 min, {seeds} seeds a window; worst of the seeds, kW and kWh as means"
    ));
    output::line(
        "recorded: the figures of the reference experiment (other draws, one seed): peak kW / reversals / unmet kWh",
    );
    output::line(&format!(
        "{:10} {:24} {:>7} {:>6} {:>6} {:>6} {:>5} {:>6} {:>8} {:>7}  recorded",
        "window",
        "variant",
        "peak kW",
        "ratio",
        "line",
        "ramp95",
        "turns",
        "small",
        "export",
        "unmet"
    ));
    for row in rows {
        output::line(&format!(
            "{:10} {:24} {:>7.0} {:>6.2} {:>6.2} {:>6.0} {:>5} {:>6} {:>8.0} {:>7.0}  {}",
            row.window.name,
            row.variant.label(),
            row.peak_kw,
            row.worst_ratio,
            row.worst_line,
            row.ramp95_kw,
            row.reversals,
            row.small_reversals,
            row.export_kwh,
            row.unmet_kwh,
            recorded(row.window.name, row.variant),
        ));
    }
    output::line(
        "ratio: peak over the inflexible peak; line: peak over the line limit; turns: price reversals of more than \
         10 % of the bounds (small: 2 %)",
    );
}

/// Figures of the reference experiment.
fn recorded(window: &str, variant: Variant) -> &'static str {
    match (window, variant) {
        ("February", Variant::Inflexible) => "793",
        ("February", Variant::LiteralLoop) => "2227 / 283 / 0",
        ("February", Variant::TypedCurve) => "1954 / 83 / 0",
        ("February", Variant::Damped) => "1450 / 0 / 0",
        ("February", Variant::JointBids) => "1994 / 0 / 0",
        ("February", Variant::JointBidsLimited) => "900 / 3 / 3133",
        ("February", Variant::ForwardRecorded) => "894 / 0 / 0",
        ("March", Variant::Inflexible) => "570",
        ("March", Variant::LiteralLoop) => "2097 / 245",
        ("March", Variant::Damped) => "865",
        ("March", Variant::JointBidsLimited) => "900 / - / 0",
        ("March", Variant::ForwardRecorded) => "671 / 0 / 0",
        ("July", Variant::Inflexible) => "1211",
        ("July", Variant::LiteralLoop) => "2354 / 241",
        ("July", Variant::Damped) => "1587",
        ("July", Variant::JointBidsLimited) => "1212 / - / 6956",
        ("July", Variant::ForwardRecorded) => "1115 / 0 / 0",
        ("September", Variant::Inflexible) => "981",
        ("September", Variant::LiteralLoop) => "2268 / 274",
        ("September", Variant::Damped) => "1257",
        ("September", Variant::JointBidsLimited) => "982 / - / 3339",
        ("September", Variant::ForwardRecorded) => "982 / 0 / 0",
        ("December", Variant::Inflexible) => "1027",
        ("December", Variant::LiteralLoop) => "2357 / 325",
        ("December", Variant::Damped) => "1776",
        ("December", Variant::JointBidsLimited) => "1028 / - / 6614",
        ("December", Variant::ForwardRecorded) => "948 / 0 / 0",
        _ => "-",
    }
}

/// Every window under the given variants, in the order of the windows.
fn sweep(seeds: u64, variants: &[Variant], herd: Herd) -> Result<Vec<StabilityRow>> {
    let rows = Mutex::new(Vec::new());
    each(&WINDOWS, "streets", |window| {
        let found = stability(*window, 1..seeds + 1, herd, variants);
        lock(&rows, |all: &mut Vec<StabilityRow>| all.extend(found));
        Ok(())
    })?;
    let mut rows = rows.into_inner().unwrap_or_default();
    let place = |row: &StabilityRow| WINDOWS.iter().position(|w| *w == row.window);
    rows.sort_by_key(|row| {
        let variant = Variant::ALL.iter().position(|v| *v == row.variant);
        (place(row), variant)
    });
    Ok(rows)
}

fn lock<T>(shared: &Mutex<T>, change: impl FnOnce(&mut T)) {
    // A worker that panicked has ended the run already.
    if let Ok(mut value) = shared.lock() {
        change(&mut value);
    }
}

/// Runs ranges of cases on all cores, with progress.
fn chunks(
    cases: u64,
    what: &'static str,
    work: impl Fn(Range<u64>) -> Result<(), gridloom_market::MarketError> + Sync,
) -> Result<()> {
    let ranges: Vec<Range<u64>> = (0..cases.div_ceil(CHUNK))
        .map(|n| n * CHUNK..((n + 1) * CHUNK).min(cases))
        .collect();
    each(&ranges, what, |range| work(range.clone()))
}

/// Runs pieces of work on all cores, with progress.
fn each<T: Sync>(
    pieces: &[T],
    what: &'static str,
    work: impl Fn(&T) -> Result<(), gridloom_market::MarketError> + Sync,
) -> Result<()> {
    let bar = ProgressBar::new(pieces.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(pieces.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = usize::try_from(index).ok().and_then(|i| pieces.get(i))
                    else {
                        break;
                    };
                    if let Err(error) = work(piece) {
                        lock(&failed, |first| {
                            first.get_or_insert(error);
                        });
                        break;
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    match failed.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error.into()),
        Err(_) => Err(anyhow!("a worker of the {what} stopped")),
    }
}

/// A gate on violations that must not occur.
pub fn counted(case: &str, metric: &str, count: &Count) -> Figure {
    if let Some(first) = &count.first {
        output::error(first);
    }
    let cases = if count.cases == 1 { "case" } else { "cases" };
    Figure {
        case: case.into(),
        metric: metric.into(),
        value: count.violations as f64,
        unit: format!("of {}", count.cases),
        target: Some(format!("<= 0 of {} {cases}", count.cases)),
        pass: Some(count.violations == 0 && count.cases > 0),
        peer: None,
        ratio: None,
    }
}

/// A gate on the worst value over a number of cases.
pub fn at_most(case: &str, metric: &str, value: f64, unit: &str, limit: f64, cases: u64) -> Figure {
    Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: Some(format!("<= {} in {cases} runs", output::number(limit))),
        pass: Some(value <= limit && cases > 0),
        peer: None,
        ratio: None,
    }
}

fn at_least(case: &str, metric: &str, value: f64, unit_limit: f64) -> Figure {
    Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: "cases".into(),
        target: Some(format!(">= {}", output::number(unit_limit))),
        pass: Some(value >= unit_limit),
        peer: None,
        ratio: None,
    }
}
