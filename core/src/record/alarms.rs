//! Alarms: conditions of the catalogue, evaluated every tick.
//!
//! What follows from another alarm is folded into it: customers on a dead
//! section raise one alarm for the section, not one each. States and what
//! people do about alarms: `alarm_state.rs`; their texts: `alarm_catalogue.rs`.

use std::collections::BTreeSet;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};

use super::alarm_catalogue::{entry, on_delay_ms, place, priority_of};
use super::alarm_state::{Alarms, Condition};
use super::events::EventLog;
use crate::clock::SimClock;
use crate::edge::Aggregator;
use crate::grid::{Breaker, Grid, Mlmd, Through};
use crate::island::{IslandPlan, Islands};
use crate::ledger::{LedgerGroup, LedgerNode, Ledgers, Makings, RecordLags};
use crate::market::{Books, MarketClock, Truth};
use crate::meter::Meter;
use crate::present::SceneFacts;
use crate::present::ledger::tip_time_ms;
use crate::protection::ProtectionState;
use crate::site::{Site, SitePower};
use crate::spawn::Organisation;
use crate::truth::MeterTruth;
use crate::view::{EventKind, SceneView};
use gridloom_units::SimTime;

/// Readings a meter may miss before it counts as silent.
const SILENT_INTERVALS: u64 = 3;

/// Block intervals without a block before a ledger counts as halted.
const HALT_INTERVALS: u64 = 5;

/// Customers outside the band before the whole feeder is the alarm.
const WIDE_CUSTOMERS: usize = 5;

/// Difference of the three accounts of an area, percent, above which it counts.
const RESIDUAL_PCT: f64 = 5.0;

/// How far a condition must recede before its alarm clears (hysteresis), pu.
const VOLTAGE_BAND_PU: f64 = 0.1;

/// What can be wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum AlarmKind {
    /// The power flow has no solution.
    NoSolution,
    /// A ledger's books do not balance.
    BooksOff,
    /// Two blocks were decided at one height, or an honest validator signed twice.
    LedgerForked(u32),
    /// Many customers' voltages outside +-10 %.
    VoltageWide,
    /// Customers behind an M-LMD are without supply.
    SupplyLost(u32),
    /// A ledger makes no blocks.
    LedgerHalted(u32),
    /// Data that hashes in blocks point to are lost.
    DataLost(u32),
    /// Readings become final later than they must.
    LedgerLate(u32),
    /// A validator voted for two blocks in one round.
    Equivocation(u32),
    /// Power through a transformer above its rating.
    TransformerOverload(u32),
    /// Current through an M-LMD above its limit.
    Overcurrent(u32),
    /// Physics, meters and ledger differ for an M-LMD's area.
    TruthResidual(u32),
    /// No meter behind an M-LMD is heard.
    AreaSilent(u32),
    /// A customer's voltage outside +-10 % (EN 50160).
    Voltage(u32),
    /// A meter's readings do not arrive.
    MeterSilent(u32),
    /// A validator is down.
    ValidatorDown(u32, u32),
    /// The upstream grid has failed.
    GridLost,
    /// Nothing holds the community.
    BlackedOut,
    /// Frequency of an island far from nominal.
    IslandFrequency,
    /// Little left to add.
    IslandReserve,
    /// A breaker was not closed because its sides are out of step.
    SyncRefused,
    /// A black start gave up.
    BlackStartFailed,
    /// A recloser or fuse gave up.
    LockedOut(u32),
    /// Stepping through the events of a tick was cut short.
    EventsCut,
    /// A meter's reports cannot be true.
    MeterUntrue(u32),
    /// An M-LMD's energy measurement has drifted.
    MlmdDrift(u32),
    /// LG-Aggregators do not hear the cloud.
    CloudLost,
}

/// A raised alarm.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Alarm {
    /// Stable number.
    pub id: u64,
    /// What and where.
    pub kind: AlarmKind,
    /// When it was raised, ms.
    pub raised_ms: u64,
    /// When it cleared, ms.
    pub cleared_ms: Option<u64>,
    /// When somebody acknowledged it, ms.
    pub acked_ms: Option<u64>,
    /// Since when the condition is gone, while the off-delay runs, ms.
    pub receding_ms: Option<u64>,
    /// The alarm it follows from.
    pub suppressed_by: Option<AlarmKind>,
    /// The fact when it was raised.
    pub fact: String,
    /// Customers concerned, where that decides the priority.
    pub customers: u32,
}

/// Collects the conditions of a tick.
#[derive(Default)]
struct Conditions(Vec<Condition>);

impl Conditions {
    fn add(&mut self, kind: AlarmKind, holds: bool, fact: String, customers: u32) {
        self.0.push(Condition {
            kind,
            holds,
            fact,
            customers,
            follows: None,
            delay_ms: on_delay_ms(kind),
        });
    }

    /// A condition that counts as a consequence while `parent` holds.
    fn add_under(&mut self, parent: AlarmKind, kind: AlarmKind, holds: bool, fact: String) {
        self.add(kind, holds, fact, 1);
        if let Some(last) = self.0.last_mut() {
            last.follows = Some(parent);
        }
    }

    /// In the order of kinds, consequences only under causes that hold.
    fn finish(mut self) -> Vec<Condition> {
        let holding: BTreeSet<AlarmKind> = self
            .0
            .iter()
            .filter(|condition| condition.holds)
            .map(|condition| condition.kind)
            .collect();
        for condition in &mut self.0 {
            condition.follows = condition.follows.filter(|parent| holding.contains(parent));
        }
        // Numbers are given in the order of kinds, not of queries.
        self.0.sort_by_key(|condition| condition.kind);
        self.0
    }
}

/// Raises and clears alarms.
pub(super) fn evaluate(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    organisation: Res<Organisation>,
    facts: Res<SceneFacts>,
    (truth, told): (Res<Truth>, Res<MeterTruth>),
    (grid, protection): (Res<Grid>, Res<ProtectionState>),
    plan: Res<IslandPlan>,
    islands: Res<Islands>,
    books: Res<Books>,
    (ledgers, makings, lags): (Res<Ledgers>, Res<Makings>, Res<RecordLags>),
    mut alarms: ResMut<Alarms>,
    mut events: ResMut<EventLog>,
    sites: Query<(&Site, &SitePower, &Meter)>,
    mlmds: Query<(&Mlmd, &Breaker, &Through)>,
    (groups, nodes): (Query<&LedgerGroup>, Query<&LedgerNode>),
    aggregators: Query<&Aggregator>,
) {
    let now_ms = clock.end_ms();
    alarms.unshelve_due(now_ms);
    if alarms.stopped {
        return;
    }
    alarms.evaluated_ms = now_ms;
    let mut out = Conditions::default();
    let verdict = grid.verdict();
    let failed = verdict.is_some();
    out.add(
        AlarmKind::NoSolution,
        failed,
        verdict.unwrap_or_default(),
        0,
    );
    let fact = format!("{} settled slots do not balance", books.unbalanced);
    out.add(AlarmKind::BooksOff, books.unbalanced > 0, fact, 0);
    if let Some(plan) = &plan.0 {
        let main_closed = mlmds
            .iter()
            .any(|(mlmd, breaker, _)| mlmd.index == plan.main && breaker.closed);
        let active = |kind: AlarmKind| alarms.is_active(kind);
        let found = super::island_alarms::conditions(
            plan,
            &islands,
            now_ms,
            main_closed,
            organisation.homes,
            &active,
        );
        for (kind, holds, fact, customers) in found {
            out.add(kind, holds, fact, customers);
        }
    }
    protection_conditions(&protection, mlmds.iter().len(), &mut out);
    untrue(&told, &organisation, &mut out);
    cloud_lost(&aggregators, &organisation, now_ms, &mut out);
    let scene = facts.view();
    let mut open = BTreeSet::new();
    for (mlmd, breaker, through) in &mlmds {
        if section(mlmd, breaker, through, &grid, &organisation, &mut out) {
            open.insert(mlmd.index);
        }
        let residual = truth
            .of_area(mlmd.index as usize, &organisation.meters_of_mlmd)
            .map_or(0.0, |area| area.residual_pct());
        let kind = AlarmKind::TruthResidual(mlmd.index);
        out.add(kind, residual > RESIDUAL_PCT, format!("{residual:.1} %"), 0);
        if let Some(last) = out.0.last_mut() {
            // Two intervals: it must still be there when the next slot is known.
            last.delay_ms = market.slot_ms;
        }
    }
    transformers(&scene, &grid, &mut out);
    let parents: Vec<Option<usize>> = scene.mlmds.iter().map(|m| m.parent).collect();
    let mut order: Vec<_> = sites.iter().collect();
    order.sort_by_key(|(site, ..)| site.meter);
    meters(
        &order, &grid, &market, now_ms, &alarms, &open, &parents, &mut out,
    );
    for group in &groups {
        ledger(group, now_ms, &ledgers, &makings, &mut out);
    }
    late(&makings, &lags, now_ms, market.reading_ms, &mut out);
    for node in &nodes {
        let kind = AlarmKind::ValidatorDown(node.ledger, node.node);
        let fact = format!("stopped at height {}", node.height);
        out.add_under(AlarmKind::LedgerHalted(node.ledger), kind, !node.up, fact);
    }
    for condition in out.finish() {
        if let Some(alarm) = alarms.take(now_ms, condition) {
            let title = entry(alarm.kind, &organisation).title;
            let kind = EventKind::Alarm(priority_of(alarm, &organisation));
            events.push(&clock, kind, place(alarm.kind, &organisation), title);
        }
    }
}

/// Who is named as not telling the truth, and who is not.
fn untrue(told: &MeterTruth, organisation: &Organisation, out: &mut Conditions) {
    let words = |area: Option<u32>, meter: Option<u32>| {
        told.named()
            .find(|f| f.meter == meter && area.is_none_or(|area| f.area == area))
            .map(|finding| finding.words.clone())
    };
    for meter in 0..organisation.participants.len() as u32 {
        let named = words(None, Some(meter));
        let kind = AlarmKind::MeterUntrue(meter);
        out.add(kind, named.is_some(), named.unwrap_or_default(), 1);
    }
    for mlmd in 0..organisation.mlmd_names.len() as u32 {
        let named = words(Some(mlmd), None);
        let kind = AlarmKind::MlmdDrift(mlmd);
        out.add(kind, named.is_some(), named.unwrap_or_default(), 0);
    }
}

/// LG-Aggregators that act without the cloud: one alarm, as they have one cause.
fn cloud_lost(
    aggregators: &Query<&Aggregator>,
    organisation: &Organisation,
    now_ms: u64,
    out: &mut Conditions,
) {
    let mut alone: Vec<(u32, u64)> = aggregators
        .iter()
        .filter_map(|store| Some((store.cluster, store.uplink.alone_since_ms(now_ms)?)))
        .collect();
    alone.sort_unstable();
    let names: Vec<&str> = alone
        .iter()
        .filter_map(|(cluster, _)| organisation.cluster_names.get(*cluster as usize))
        .map(String::as_str)
        .collect();
    let fact = format!("clusters {} act alone", names.join(", "));
    out.add(AlarmKind::CloudLost, !alone.is_empty(), fact, 0);
}

/// Devices that gave up, and ticks whose events were cut short.
fn protection_conditions(state: &ProtectionState, mlmds: usize, out: &mut Conditions) {
    let core = &state.core;
    let fact = format!("{} ticks cut short so far", core.limited);
    out.add(AlarmKind::EventsCut, core.limited > 0, fact, 0);
    for (i, device) in core.devices.iter().enumerate().skip(mlmds) {
        let fact = format!("open after {} operations", device.operations);
        let locked = device.locked_out && !device.closed();
        out.add(AlarmKind::LockedOut(i as u32), locked, fact, 0);
    }
}

/// Supply and current of an M-LMD's area; returns whether its breaker is the
/// cause of a dead section.
fn section(
    mlmd: &Mlmd,
    breaker: &Breaker,
    through: &Through,
    grid: &Grid,
    organisation: &Organisation,
    out: &mut Conditions,
) -> bool {
    let behind = organisation.customers_behind[mlmd.index as usize];
    // Only the topmost open breaker is the cause; what is dead below follows from
    // it, and what an island of its own or a tie supplies has not lost anything.
    let cause = !breaker.closed && grid.bus_live(mlmd.bus) && grid.line_dead(mlmd.line);
    let fact = format!("{behind} customers, breaker open");
    let kind = AlarmKind::SupplyLost(mlmd.index);
    out.add(kind, cause && behind > 0, fact, behind);
    let over = through.current_a > f64::from(mlmd.limit_a);
    let fact = format!("{:.0} A, limit {} A", through.current_a, mlmd.limit_a);
    out.add(AlarmKind::Overcurrent(mlmd.index), over, fact, behind);
    cause
}

fn transformers(scene: &SceneView, grid: &Grid, out: &mut Conditions) {
    let count = grid.network().transformer_count();
    for (index, transformer) in scene.transformers.iter().enumerate().take(count) {
        let (p, q) = grid.network().transformer_power(index, 0);
        let kva = libm::hypot(p, q) / 1_000.0;
        let over = transformer.rating_kva > 0.0 && kva > transformer.rating_kva;
        let fact = format!("{kva:.0} kVA of {:.0} kVA", transformer.rating_kva);
        out.add(AlarmKind::TransformerOverload(index as u32), over, fact, 0);
    }
}

/// Voltage and silence of every meter, and what they have in common.
fn meters(
    sites: &[(&Site, &SitePower, &Meter)],
    grid: &Grid,
    market: &MarketClock,
    now_ms: u64,
    alarms: &Alarms,
    open: &BTreeSet<u32>,
    parents: &[Option<usize>],
    out: &mut Conditions,
) {
    let limit_ms = SILENT_INTERVALS * market.reading_ms + market.reading_ms / 2;
    let mut outside = 0;
    // Per M-LMD: meters, of them silent.
    let mut heard = vec![(0_u32, 0_u32); parents.len()];
    for (site, power, meter) in sites {
        if let Some(v) = grid.site_v_pu(site).filter(|_| power.live) {
            let kind = AlarmKind::Voltage(site.meter);
            // Clears 0.5 % inside the band, so that it does not chatter.
            let inside = if alarms.is_active(kind) { 0.005 } else { 0.0 };
            let off = (v - 1.0).abs() > VOLTAGE_BAND_PU - inside;
            outside += usize::from(off);
            out.add_under(AlarmKind::VoltageWide, kind, off, format!("{v:.3} pu"));
        }
        let last_ms = meter.last_received_ms.unwrap_or(0);
        let silent = now_ms > last_ms + limit_ms;
        if let Some((all, quiet)) = heard.get_mut(site.mlmd as usize) {
            *all += 1;
            *quiet += u32::from(silent);
        }
        let fact = format!("last value {}", &SimTime(last_ms).to_string()[..8]);
        let parent = match cause_of(site.mlmd, open, parents) {
            Some(cause) => AlarmKind::SupplyLost(cause),
            None => AlarmKind::AreaSilent(site.mlmd),
        };
        out.add_under(parent, AlarmKind::MeterSilent(site.meter), silent, fact);
    }
    let fact = format!("{outside} customers outside 10 %");
    let wide = outside >= WIDE_CUSTOMERS;
    out.add(AlarmKind::VoltageWide, wide, fact, outside as u32);
    for (index, (all, quiet)) in heard.into_iter().enumerate() {
        let kind = AlarmKind::AreaSilent(index as u32);
        let fact = format!("{quiet} of {all} meters silent");
        let alone = quiet == all && all > 1;
        match cause_of(index as u32, open, parents) {
            Some(cause) => out.add_under(AlarmKind::SupplyLost(cause), kind, alone, fact),
            None => out.add(kind, alone, fact, all),
        }
    }
}

/// The open breaker that darkens an area, if one does.
fn cause_of(area: u32, open: &BTreeSet<u32>, parents: &[Option<usize>]) -> Option<u32> {
    let mut at = area as usize;
    // A chain of parents is never longer than the number of breakers.
    for _ in 0..=parents.len() {
        if open.contains(&(at as u32)) {
            return Some(at as u32);
        }
        at = parents.get(at).copied().flatten()?;
    }
    None
}

/// Clusters whose readings become final later than the coupling allows.
fn late(makings: &Makings, lags: &RecordLags, now_ms: u64, reading_ms: u64, out: &mut Conditions) {
    let Some(deadline_ms) = makings.deadline_ms() else {
        return;
    };
    for ledger in 0..makings.nodes.len().saturating_sub(1) as u32 {
        let Some(lag) = lags.of(ledger) else { continue };
        let fact = format!(
            "{:.0} s behind the meters, {} s allowed",
            lag.p95_ms().unwrap_or(0) as f64 / 1e3,
            deadline_ms / 1_000
        );
        let late = lag.is_late(now_ms, reading_ms, deadline_ms);
        out.add(AlarmKind::LedgerLate(ledger), late, fact, 0);
    }
}

fn ledger(
    group: &LedgerGroup,
    now_ms: u64,
    ledgers: &Ledgers,
    makings: &Makings,
    out: &mut Conditions,
) {
    let last_ms = group.chain().map_or(0, tip_time_ms);
    let interval_ms = ledgers.block_interval_ms[group.index as usize].max(1_000);
    // A block's time is when it was built: some families take many to make one final.
    let limit_ms = HALT_INTERVALS * interval_ms * makings.blocks_to_final(group.index);
    let lost = group.chain().map_or(0, |chain| chain.kept().lost_through);
    let fact = format!("blocks up to {lost} have hashes without data");
    out.add(AlarmKind::DataLost(group.index), lost > 0, fact, 0);
    let forked = group.group.fork().is_some() || group.group.double_signed().is_some();
    let fact = "two certified blocks at one height".into();
    out.add(AlarmKind::LedgerForked(group.index), forked, fact, 0);
    let evidence = group.group.evidence();
    let fact = format!("{evidence} proofs");
    out.add(AlarmKind::Equivocation(group.index), evidence > 0, fact, 0);
    let age_ms = now_ms.saturating_sub(last_ms);
    let fact = format!("last block {} s ago", age_ms / 1_000);
    let halted = age_ms > limit_ms;
    out.add(AlarmKind::LedgerHalted(group.index), halted, fact, 0);
}
