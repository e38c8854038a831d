//! Figures of a run for tables and machines.

use gridloom_consensus::Chain;
use gridloom_equipment::kwh;
use gridloom_ledger::LedgerChain;
use gridloom_units::{EnergyType, MoneyNanoEur, PriceMicroEurPerKwh};
use serde::Serialize;

use crate::expect;
use crate::grid::Grid;
use crate::ledger::{Lag, LedgerGroup, Ledgers, Makings, RecordLags};
use crate::link::DataPlane;
use crate::market::Books;
use crate::record::{Alarms, Energy};
use crate::spawn::Organisation;
use crate::twin::Twin;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Title of the scene.
    pub title: String,
    /// Ticks run.
    pub ticks: u64,
    /// Simulated time, h.
    pub hours: f64,
    /// Solar generation, kWh.
    pub solar_kwh: f64,
    /// Demand, kWh.
    pub demand_kwh: f64,
    /// Import, kWh.
    pub import_kwh: f64,
    /// Export, kWh.
    pub export_kwh: f64,
    /// Losses, kWh.
    pub losses_kwh: f64,
    /// Into storage less out of it, kWh.
    pub stored_kwh: f64,
    /// Curtailed green energy, kWh.
    pub wasted_kwh: f64,
    /// Demand of dead sections, kWh.
    pub unserved_kwh: f64,
    /// Solar + import - export - demand - losses - stored: closes to zero, Wh.
    pub energy_error_wh: f64,
    /// Highest customer voltage, pu.
    pub v_max_pu: f64,
    /// Lowest customer voltage, pu.
    pub v_min_pu: f64,
    /// Power flows without a solution.
    pub flow_failures: u64,
    /// Meters plus losses against the feeder head, percent.
    pub meter_residual_pct: f64,
    /// Ledgers.
    pub ledgers: Vec<LedgerSummary>,
    /// Slots settled over all clusters.
    pub slots_settled: u64,
    /// Energy traded between members, kWh.
    pub traded_kwh: f64,
    /// Energy traded between clusters, kWh.
    pub between_kwh: f64,
    /// Lots between clusters that found no room in their slot, and slots whose
    /// clearing between clusters failed.
    pub lots_left_over: (u64, u64),
    /// Bought from the utility as settled, kWh.
    pub bought_kwh: f64,
    /// Sold to the utility as settled, kWh.
    pub sold_kwh: f64,
    /// Deviation of all money from the genesis sum, nano-EUR.
    pub money_off_nano_eur: i128,
    /// Deviation of typed energy accounts, Wh.
    pub energy_off_wh: i64,
    /// Rank correlation between solar supply and solar price.
    pub solar_price_correlation: Option<f64>,
    /// Highest and lowest solar price decided, micro-EUR/kWh.
    pub solar_price_range: Option<(PriceMicroEurPerKwh, PriceMicroEurPerKwh)>,
    /// Alarms raised.
    pub alarms: u64,
    /// Messages of the data plane: sent, repeated, lost.
    pub messages: (u64, u64, u64),
}

/// A ledger at the end of a run.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerSummary {
    /// Id.
    pub id: String,
    /// Height.
    pub height: u64,
    /// Validators.
    pub validators: usize,
    /// Transactions in decided blocks.
    pub transactions: u64,
    /// Messages between validators.
    pub messages: u64,
    /// Last settled slot.
    pub settled_through: Option<u32>,
    /// Submissions the mempool refused last, with the reason.
    pub refusals: Vec<String>,
    /// Whether two different blocks were ever decided at one height.
    pub forked: bool,
    /// Codes of what it is made of (paper Table 1).
    pub codes: String,
    /// Family of its consensus.
    pub family: &'static str,
    /// Readings on record.
    pub readings: u64,
    /// Mean time from the end of a reading's interval to its record, s.
    pub lag_mean_s: Option<f64>,
    /// The longest, s.
    pub lag_worst_s: f64,
    /// Readings that were on record later than the scene's coupling allows.
    pub late: u64,
    /// Blocks that are in no longest chain.
    pub orphans: u64,
    /// Most blocks a node took back at once.
    pub deepest_reorganisation: u64,
    /// Transactions whose simulated results differed; they were not ordered.
    pub differing: u64,
    /// Transactions that were not taken: no room, or too few nodes to simulate them.
    pub not_taken: u64,
    /// Bytes one node keeps in blocks and certificates.
    pub chain_bytes: u64,
    /// Bytes in a store outside.
    pub outside_bytes: u64,
    /// Oldest block whose transactions are kept.
    pub first_kept: u64,
}

fn ledger(group: &LedgerGroup, name: &str, makings: &Makings, lags: &RecordLags) -> LedgerSummary {
    let (chain, figures) = (group.chain(), group.group.figures());
    let kept = chain.map(LedgerChain::kept).unwrap_or_default();
    let lag = lags.of(group.index);
    LedgerSummary {
        id: name.to_owned(),
        height: group.group.height(),
        validators: group.group.len(),
        transactions: chain.map_or(0, transactions),
        messages: group.group.network_counters().sent,
        settled_through: chain.and_then(LedgerChain::settled_through),
        refusals: chain
            .map(|chain| chain.refusals().iter().map(|r| format!("{r:?}")).collect())
            .unwrap_or_default(),
        forked: group.group.fork().is_some(),
        codes: makings.of(group.index).codes(),
        family: crate::present::family_name(group),
        readings: lag.map_or(0, |lag| lag.count),
        lag_mean_s: lag.and_then(Lag::mean_ms).map(|ms| ms as f64 / 1e3),
        lag_worst_s: lag.map_or(0.0, |lag| lag.worst_ms as f64 / 1e3),
        late: lag.map_or(0, |lag| lag.late),
        orphans: figures.orphans,
        deepest_reorganisation: figures.deepest_reorganisation,
        differing: figures.differing,
        not_taken: figures.overflow + figures.unendorsed,
        chain_bytes: kept.chain_bytes,
        outside_bytes: kept.outside_bytes,
        first_kept: chain.map_or(1, LedgerChain::first_kept),
    }
}

impl Summary {
    /// Of a twin at its present tick.
    #[must_use]
    pub fn of(twin: &mut Twin) -> Self {
        let meter_residual_pct = expect::meter_residual_pct(twin);
        let solar_price_correlation = expect::solar_correlation(twin);
        let (title, tick, time) = (twin.scene().scene.title.clone(), twin.tick(), twin.time());
        let world = twin.world_mut();
        let mut query = world.query::<&LedgerGroup>();
        let names = world.resource::<Ledgers>();
        let deposits = &world.resource::<Organisation>().deposits;
        let mut groups: Vec<&LedgerGroup> = query.iter(world).collect();
        groups.sort_by_key(|group| group.index);
        let (mut money_off, mut energy_off) = (0, 0);
        let mut range: Option<(i64, i64)> = None;
        for group in groups.iter().filter(|group| group.index != names.root()) {
            let Some(chain) = group.chain() else {
                continue;
            };
            let (money, energy) = deviation(chain, deposits[group.index as usize]);
            money_off += money;
            energy_off += energy;
            for slot in 1..=chain.latest_price().map_or(0, |price| price.slot) {
                if let Some(price) = chain.price(slot) {
                    let (low, high) = range.unwrap_or((i64::MAX, i64::MIN));
                    range = Some((low.min(price.typed[0]), high.max(price.typed[0])));
                }
            }
        }
        let (makings, lags) = (world.resource::<Makings>(), world.resource::<RecordLags>());
        let ledgers = groups
            .iter()
            .map(|group| ledger(group, &names.names[group.index as usize], makings, lags))
            .collect();
        let energy = *world.resource::<Energy>();
        let books = world.resource::<Books>();
        let desk = world.resource::<crate::ledger::SurplusDesk>();
        let plane = world.resource::<DataPlane>();
        let error = energy.solar + energy.import
            - energy.export
            - energy.demand
            - energy.losses
            - energy.stored;
        Self {
            title,
            ticks: tick.0,
            hours: time.as_secs_f64() / 3_600.0,
            solar_kwh: kwh(energy.solar),
            demand_kwh: kwh(energy.demand),
            import_kwh: kwh(energy.import),
            export_kwh: kwh(energy.export),
            losses_kwh: kwh(energy.losses),
            stored_kwh: kwh(energy.stored),
            wasted_kwh: kwh(energy.wasted),
            unserved_kwh: kwh(energy.unserved),
            energy_error_wh: kwh(error) * 1_000.0,
            v_max_pu: energy.v_max_pu,
            v_min_pu: energy.v_min_pu,
            flow_failures: world.resource::<Grid>().failures(),
            meter_residual_pct,
            ledgers,
            slots_settled: books.slots_settled,
            traded_kwh: books.traded_wh as f64 / 1_000.0,
            between_kwh: books.between_wh as f64 / 1_000.0,
            lots_left_over: (desk.left_over, desk.failed),
            bought_kwh: books.bought_wh as f64 / 1_000.0,
            sold_kwh: books.sold_wh as f64 / 1_000.0,
            money_off_nano_eur: money_off,
            energy_off_wh: energy_off,
            solar_price_correlation,
            solar_price_range: range,
            alarms: world.resource::<Alarms>().raised,
            messages: (plane.sent, plane.repeated, plane.lost),
        }
    }
}

/// How far a cluster's books are from balance: money against the deposits,
/// and per type minted + bought against retired + sold + held. A state whose
/// own audit fails counts as off by at least one unit.
pub(crate) fn deviation(chain: &LedgerChain, deposits: MoneyNanoEur) -> (MoneyNanoEur, i64) {
    let Ok(report) = chain.audit() else {
        return (1, 1);
    };
    let totals = &report.totals;
    let energy = (0..EnergyType::COUNT)
        .map(|k| {
            let came = totals.minted_wh[k] + totals.bought_wh[k];
            (came - totals.retired_wh[k] - totals.sold_wh[k] - report.held_wh[k]).abs()
        })
        .sum();
    // What other clusters sent counts as if it had been deposited here.
    let net = chain.flows().map_or(0, |flows| flows.net().money);
    ((report.money - deposits - net).abs(), energy)
}

/// Transactions in all decided blocks of a chain.
fn transactions(chain: &LedgerChain) -> u64 {
    (1..=chain.tip())
        .filter_map(|height| chain.block(height))
        .map(|decided| decided.block.transactions().len() as u64)
        .sum()
}
