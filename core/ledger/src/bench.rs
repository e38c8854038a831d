//! How fast the ledger works: a whole day of a cluster, without consensus.
//!
//! The load is synthetic (drawn from a seed); only its size matters here. The
//! clock is the caller's, since this crate knows none.

use gridloom_contract::BatteryFacts;
use gridloom_units::{Stream, draw_u64};

use crate::audit::AuditReport;
use crate::receipt::Receipt;
use crate::rehearsal::Rehearsal;
use crate::state::StateKey;
use crate::transaction::{DeviceFacts, MeterReading};

const DAY_MS: u64 = 86_400_000;
/// Most meters of a benchmark day.
const MAX_METERS: u32 = 10_000;

/// Size of the day.
#[derive(Clone, Copy, Debug)]
pub struct DayLoad {
    /// Meters, each read every five minutes.
    pub meters: u32,
    /// Blocks over the day.
    pub blocks: u64,
    /// Replicas in this process that share the memory of facts.
    pub replicas: usize,
    /// Whether they share it; without it each executes and checks everything.
    pub memo: bool,
    /// Seed of the load.
    pub seed: u64,
}

impl Default for DayLoad {
    fn default() -> Self {
        Self {
            meters: 28,
            blocks: 6_000,
            replicas: 4,
            memo: true,
            seed: 1,
        }
    }
}

/// What the day took.
#[derive(Clone, Debug, Default)]
pub struct DayReport {
    /// Blocks decided.
    pub blocks: u64,
    /// Transactions executed.
    pub transactions: u64,
    /// Of them refused.
    pub refused: u64,
    /// Slots priced.
    pub priced: u64,
    /// Slots settled.
    pub settled: u64,
    /// Contract runs.
    pub runs: u64,
    /// Time to take transactions in, build, check and apply, µs.
    pub ledger_us: u64,
    /// Of it for taking transactions in (signatures are checked there), µs.
    pub submit_us: u64,
    /// Time the meters and services took to sign, µs; not part of the ledger's.
    pub signing_us: u64,
    /// Root of the final state.
    pub state_root: [u8; 32],
    /// The books at the end.
    pub books: AuditReport,
}

/// One figure of a benchmark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// What was run.
    pub case: String,
    /// What was measured.
    pub metric: &'static str,
    /// The value.
    pub value: u64,
    /// Its unit.
    pub unit: &'static str,
}

/// A home's cumulative registers and battery.
#[derive(Clone, Default)]
struct Home {
    import_wh: i64,
    solar_wh: i64,
    battery_wh: i64,
    soc_permille: i64,
}

impl Home {
    /// Five minutes: a load, and for every other home sun around noon.
    fn advance(&mut self, seed: u64, step: u64, index: u64) {
        let draw = |what: u64| draw_u64(seed, step * 4 + what, index, Stream::Behaviour);
        let minute = (step * 5 % 1_440) as i64;
        let sun = (6 * 60 - (minute - 12 * 60).abs()).max(0);
        let mut net = (draw(0) % 60) as i64;
        if index.is_multiple_of(2) {
            net -= sun * (150 + (draw(1) % 50) as i64) / 360;
        }
        if index.is_multiple_of(3) {
            let move_wh = (draw(2) % 41) as i64 - 20;
            self.soc_permille = (self.soc_permille + move_wh).clamp(0, 1_000);
            if move_wh < 0 && net < 0 {
                self.battery_wh -= move_wh;
            }
        }
        if net >= 0 {
            self.import_wh += net;
        } else {
            self.solar_wh -= net;
        }
    }

    fn reading(&self, interval_end_ms: u64, index: u64) -> MeterReading {
        MeterReading {
            interval_end_ms,
            import_wh: self.import_wh,
            export_solar_wh: self.solar_wh,
            export_battery_wh: self.battery_wh,
            facts: DeviceFacts {
                battery: index.is_multiple_of(3).then_some(BatteryFacts {
                    soc_permille: self.soc_permille as u16,
                    capacity_wh: 5_000,
                    max_charge_w: 2_500,
                    max_discharge_w: 2_500,
                }),
                ..DeviceFacts::default()
            },
        }
    }
}

/// Runs a day through the ledger: readings every five minutes, a price and a
/// settlement every quarter of an hour.
///
/// # Errors
/// Says what a replica refused, or what the audit found.
pub fn day(load: DayLoad, clock_us: &mut dyn FnMut() -> u64) -> Result<DayReport, String> {
    if load.meters > MAX_METERS || load.blocks == 0 {
        return Err(format!(
            "at most {MAX_METERS} meters and at least one block"
        ));
    }
    let mut cluster = Rehearsal::new(load.meters, load.replicas)?;
    if !load.memo {
        cluster.replicas = cluster
            .replicas
            .into_iter()
            .map(crate::LedgerChain::without_memo)
            .collect();
    }
    cluster.register_all(0)?;
    let mut run = Run {
        homes: vec![Home::default(); load.meters as usize],
        cluster,
        load,
        report: DayReport::default(),
        step: 0,
        due_price: 0,
    };
    let period_ms = DAY_MS / load.blocks;
    // Two more blocks take what the end of the day left.
    for block in 1..=load.blocks + 2 {
        run.block(block * period_ms.max(1), clock_us)?;
    }
    let mut report = run.report;
    report.books = run
        .cluster
        .chain()
        .audit()
        .map_err(|error| error.to_string())?;
    report.state_root = run.cluster.chain().state_root();
    report.blocks = run.cluster.chain().height();
    let roots = run
        .cluster
        .replicas
        .iter()
        .map(crate::LedgerChain::state_root);
    if roots.into_iter().any(|root| root != report.state_root) {
        return Err("replicas disagree about the state".into());
    }
    Ok(report)
}

struct Run {
    cluster: Rehearsal,
    homes: Vec<Home>,
    load: DayLoad,
    report: DayReport,
    /// Five-minute intervals so far.
    step: u64,
    due_price: u32,
}

impl Run {
    fn block(&mut self, now_ms: u64, clock_us: &mut dyn FnMut() -> u64) -> Result<(), String> {
        const READING_MS: u64 = 300_000;
        while (self.step + 1) * READING_MS <= now_ms.min(DAY_MS) {
            self.step += 1;
            for index in 0..self.homes.len() {
                self.homes[index].advance(self.load.seed, self.step, index as u64);
                let reading = self.homes[index].reading(self.step * READING_MS, index as u64);
                let start = clock_us();
                let (_, meter) = self.cluster.homes[index].clone();
                let tx = self.cluster.sign(&meter, crate::TxBody::Reading(reading));
                let signed = clock_us();
                self.cluster.submit(tx);
                self.report.signing_us += signed - start;
                self.report.submit_us += clock_us() - signed;
            }
        }
        let slot = (now_ms / 900_000) as u32;
        let complete = slot
            .checked_sub(1)
            .is_none_or(|before| self.cluster.chain().slot_complete(before).0 == self.homes.len());
        if slot >= self.due_price && complete {
            let start = clock_us();
            self.cluster.price(slot);
            if let Some(before) = slot.checked_sub(1) {
                self.cluster.settle(before);
            }
            self.report.submit_us += clock_us() - start;
            self.due_price = slot + 1;
        }
        let start = clock_us();
        let block = self.cluster.step(now_ms)?;
        self.report.ledger_us += clock_us() - start;
        self.report.transactions += block.transactions().len() as u64;
        for receipt in self.cluster.receipts().iter() {
            let count = match receipt {
                Receipt::Refused { .. } => &mut self.report.refused,
                Receipt::PriceDecided { .. } => &mut self.report.priced,
                Receipt::Settled(_) => &mut self.report.settled,
                Receipt::ContractRun { .. } => &mut self.report.runs,
                _ => continue,
            };
            *count += 1;
        }
        Ok(())
    }
}

/// The days `gridloom bench ledger` runs.
#[must_use]
pub fn standard() -> Vec<DayLoad> {
    let day = DayLoad::default();
    let alone = DayLoad { replicas: 1, ..day };
    vec![
        day,
        alone,
        DayLoad {
            meters: 250,
            ..alone
        },
    ]
}

/// Runs days and measures proofs: the figures of `gridloom bench ledger` that
/// this crate can give.
///
/// # Errors
/// As [`day`].
pub fn run(loads: &[DayLoad], clock_us: &mut dyn FnMut() -> u64) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for load in loads {
        let report = day(*load, clock_us)?;
        let total_us = report.ledger_us + report.submit_us;
        let case = format!("day of {} meters, {} replicas", load.meters, load.replicas);
        for (metric, value, unit) in [
            ("cpu", total_us, "us"),
            ("transactions", report.transactions, "1"),
            (
                "transactions_per_cpu_s",
                report.transactions * 1_000_000 / total_us.max(1),
                "1/s",
            ),
            ("per_block", report.ledger_us / report.blocks.max(1), "us"),
        ] {
            figures.push(Figure {
                case: case.clone(),
                metric,
                value,
                unit,
            });
        }
    }
    figures.extend(proofs(clock_us)?);
    Ok(figures)
}

/// Sizes of the proofs a wallet needs and the time to check them.
fn proofs(clock_us: &mut dyn FnMut() -> u64) -> Result<Vec<Figure>, String> {
    const REPEATS: u64 = 200;
    let mut cluster = Rehearsal::new(1_000, 1)?;
    cluster.register_all(0)?;
    let account = cluster
        .homes
        .first()
        .map(|(home, _)| home.account())
        .unwrap_or_default();
    let chain = cluster.chain();
    let (Some(state), Some(inclusion)) = (
        chain.prove_state(StateKey::Account(account)),
        chain.prove(chain.height(), 0),
    ) else {
        return Err("the block has no transactions".into());
    };
    let mut figures = Vec::new();
    let mut note = |case: &str, size: usize, verify: &dyn Fn() -> bool| {
        let start = clock_us();
        let good = (0..REPEATS).all(|_| verify());
        let spent = clock_us() - start;
        for (metric, value, unit) in [
            ("size", size as u64, "B"),
            ("verify", spent * 1_000 / REPEATS, "ns"),
            ("holds", u64::from(good), "1"),
        ] {
            figures.push(Figure {
                case: case.to_owned(),
                metric,
                value,
                unit,
            });
        }
    };
    note(
        "wallet proof, 1000 meters",
        crate::transaction::encoded(&state).len(),
        &|| state.verify(),
    );
    note(
        "inclusion proof, 1000 transactions",
        crate::transaction::encoded(&inclusion).len(),
        &|| inclusion.verify(),
    );
    Ok(figures)
}
