//! Alarms: conditions of the catalogue, evaluated every tick.
//!
//! An alarm has a cause, an action and a time to respond. What follows from
//! another alarm is folded into it: customers on a dead section raise one
//! alarm for the section, not one each.

use std::collections::BTreeMap;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};

use super::events::EventLog;
use crate::clock::SimClock;
use crate::grid::{Breaker, Grid, Mlmd, Through};
use crate::ledger::{LedgerGroup, LedgerNode, Ledgers};
use crate::market::{Books, MarketClock};
use crate::meter::Meter;
use crate::present::ledger::tip_time_ms;
use crate::sim_state::plain_sim_state;
use crate::site::{Site, SitePower};
use crate::spawn::Organisation;
use crate::view::{AlarmView, EventKind, Place, Priority, Selected};
use gridloom_units::SimTime;

/// Cleared alarms kept.
const CLEARED_KEPT: usize = 50;

/// Readings a meter may miss before it counts as silent.
const SILENT_INTERVALS: u64 = 3;

/// Block intervals without a block before a ledger counts as halted.
const HALT_INTERVALS: u64 = 5;

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
    /// Customers behind an M-LMD are without supply.
    SupplyLost(u32),
    /// A ledger makes no blocks.
    LedgerHalted(u32),
    /// Current through an M-LMD above its limit.
    Overcurrent(u32),
    /// A customer's voltage outside +-10 % (EN 50160).
    Voltage(u32),
    /// A meter's readings do not arrive.
    MeterSilent(u32),
    /// A validator is down.
    ValidatorDown(u32, u32),
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
    /// The fact when it was raised.
    pub fact: String,
    /// Customers concerned, where that decides the priority.
    pub customers: u32,
}

/// Active and recently cleared alarms.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Alarms {
    next: u64,
    active: BTreeMap<AlarmKind, Alarm>,
    cleared: Vec<Alarm>,
    /// Alarms raised since the start.
    pub raised: u64,
}

plain_sim_state!(Alarms);

impl Alarms {
    /// Active first (most urgent, then newest), then cleared, newest first.
    #[must_use]
    pub fn views(&self, organisation: &Organisation) -> Vec<AlarmView> {
        let mut views: Vec<AlarmView> = self
            .active
            .values()
            .chain(self.cleared.iter().rev())
            .map(|alarm| view(alarm, organisation))
            .collect();
        views.sort_by_key(|v| (!v.active, v.priority, std::cmp::Reverse(v.raised)));
        views
    }

    fn raise(&mut self, now_ms: u64, kind: AlarmKind, fact: String, customers: u32) -> bool {
        if self.active.contains_key(&kind) {
            return false;
        }
        let alarm = Alarm {
            id: self.next,
            kind,
            raised_ms: now_ms,
            cleared_ms: None,
            fact,
            customers,
        };
        self.next += 1;
        self.raised += 1;
        self.active.insert(kind, alarm);
        true
    }

    fn clear(&mut self, now_ms: u64, kind: AlarmKind) {
        if let Some(mut alarm) = self.active.remove(&kind) {
            alarm.cleared_ms = Some(now_ms);
            if self.cleared.len() == CLEARED_KEPT {
                self.cleared.remove(0);
            }
            self.cleared.push(alarm);
        }
    }
}

/// Priority of a kind (catalogue).
fn priority(kind: AlarmKind, customers: u32, all: u32) -> Priority {
    match kind {
        AlarmKind::NoSolution | AlarmKind::BooksOff | AlarmKind::LedgerForked(_) => Priority::P1,
        AlarmKind::SupplyLost(_) if customers * 4 > all => Priority::P1,
        AlarmKind::SupplyLost(_) | AlarmKind::LedgerHalted(_) | AlarmKind::Overcurrent(_) => {
            Priority::P2
        }
        AlarmKind::Voltage(_) | AlarmKind::MeterSilent(_) | AlarmKind::ValidatorDown(..) => {
            Priority::P3
        }
    }
}

fn view(alarm: &Alarm, organisation: &Organisation) -> AlarmView {
    let name = |m: u32| {
        organisation
            .participants
            .get(m as usize)
            .map_or("?", |p| p.name.as_str())
    };
    let mlmd = |m: u32| {
        organisation
            .mlmd_names
            .get(m as usize)
            .map_or("?", String::as_str)
    };
    let ledger = |l: u32| {
        organisation
            .ledger_names
            .get(l as usize)
            .map_or("?", String::as_str)
    };
    let (title, action, respond_s) = match alarm.kind {
        AlarmKind::NoSolution => (
            "Power flow has no solution".into(),
            "Shed load or open the overloaded section".to_owned(),
            60,
        ),
        AlarmKind::BooksOff => (
            "Ledger books do not balance".into(),
            "Stop settlement and compare the validators' states".into(),
            300,
        ),
        AlarmKind::LedgerForked(l) => (
            format!("Conflicting blocks on ledger {}", ledger(l)),
            "Freeze the ledger: act on no price or order of it".into(),
            60,
        ),
        AlarmKind::SupplyLost(m) => (
            format!("Supply lost behind {}", mlmd(m)),
            format!("Find out why {} is open, then close it", mlmd(m)),
            600,
        ),
        AlarmKind::LedgerHalted(l) => (
            format!("Ledger {} makes no blocks", ledger(l)),
            "Restart validators or heal the link; prices stay frozen until then".into(),
            600,
        ),
        AlarmKind::Overcurrent(m) => (
            format!("{} above its limit", mlmd(m)),
            "Shift flexible load behind it or raise its limit".into(),
            300,
        ),
        AlarmKind::Voltage(m) => (
            format!("Voltage of {} outside 10 %", name(m)),
            "Check the phase balance and the inverters nearby".into(),
            1_800,
        ),
        AlarmKind::MeterSilent(m) => (
            format!("Meter {} silent", name(m)),
            "Use the area load; check the radio link".into(),
            3_600,
        ),
        AlarmKind::ValidatorDown(l, n) => (
            format!("Validator {n} of {} down", ledger(l)),
            "Restart it; one more fault may halt the ledger".into(),
            3_600,
        ),
    };
    AlarmView {
        id: alarm.id,
        priority: priority(alarm.kind, alarm.customers, organisation.homes),
        active: alarm.cleared_ms.is_none(),
        title,
        fact: alarm.fact.clone(),
        action,
        raised: SimTime(alarm.raised_ms),
        cleared: alarm.cleared_ms.map(SimTime),
        respond_s,
        place: place(alarm.kind, organisation),
    }
}

fn place(kind: AlarmKind, organisation: &Organisation) -> Option<Selected> {
    match kind {
        AlarmKind::SupplyLost(m) | AlarmKind::Overcurrent(m) => Some(Selected::Mlmd(m as usize)),
        AlarmKind::Voltage(m) | AlarmKind::MeterSilent(m) => {
            Some(match organisation.participants.get(m as usize)?.place {
                Place::SharedBattery(b) => Selected::SharedBattery(b as usize),
                _ => Selected::Home(m as usize),
            })
        }
        AlarmKind::LedgerHalted(l)
        | AlarmKind::LedgerForked(l)
        | AlarmKind::ValidatorDown(l, _) => ((l as usize) < organisation.cluster_names.len())
            .then_some(Selected::Aggregator(l as usize)),
        AlarmKind::NoSolution | AlarmKind::BooksOff => None,
    }
}

/// The conditions of the running tick: (kind, holds, fact, customers).
type Condition = (AlarmKind, bool, String, u32);

/// Raises and clears alarms.
pub(super) fn evaluate(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    organisation: Res<Organisation>,
    grid: Res<Grid>,
    books: Res<Books>,
    ledgers: Res<Ledgers>,
    mut alarms: ResMut<Alarms>,
    mut events: ResMut<EventLog>,
    sites: Query<(&Site, &SitePower, &Meter)>,
    mlmds: Query<(&Mlmd, &Breaker, &Through)>,
    groups: Query<&LedgerGroup>,
    nodes: Query<&LedgerNode>,
) {
    let now_ms = clock.end_ms();
    let mut conditions: Vec<Condition> = Vec::new();
    let verdict = grid.verdict();
    conditions.push((
        AlarmKind::NoSolution,
        verdict.is_some(),
        verdict.unwrap_or_default(),
        0,
    ));
    conditions.push((
        AlarmKind::BooksOff,
        books.unbalanced > 0,
        format!("{} settled slots do not balance", books.unbalanced),
        0,
    ));
    for (mlmd, breaker, through) in &mlmds {
        section_conditions(
            mlmd,
            breaker,
            through,
            &grid,
            &organisation,
            &mut conditions,
        );
    }
    for (site, power, meter) in &sites {
        site_conditions(
            site,
            power,
            meter,
            &grid,
            &market,
            now_ms,
            &alarms,
            &mut conditions,
        );
    }
    for group in &groups {
        let last_ms = group.chain().map_or(0, tip_time_ms);
        let limit_ms = HALT_INTERVALS * ledgers.block_interval_ms[group.index as usize].max(1_000);
        let forked = group.group.fork().is_some() || group.group.double_signed().is_some();
        let kind = AlarmKind::LedgerForked(group.index);
        conditions.push((kind, forked, "two certified blocks at one height".into(), 0));
        let age_ms = now_ms.saturating_sub(last_ms);
        conditions.push((
            AlarmKind::LedgerHalted(group.index),
            age_ms > limit_ms,
            format!("last block {} s ago", age_ms / 1_000),
            0,
        ));
    }
    for node in &nodes {
        let kind = AlarmKind::ValidatorDown(node.ledger, node.node);
        conditions.push((
            kind,
            !node.up,
            format!("stopped at height {}", node.height),
            0,
        ));
    }
    // Numbers are given in the order of kinds, not of queries.
    conditions.sort_by_key(|(kind, ..)| *kind);
    for (kind, holds, fact, customers) in conditions {
        if !holds {
            alarms.clear(now_ms, kind);
        } else if alarms.raise(now_ms, kind, fact, customers) {
            let alarm = &alarms.active[&kind];
            let shown = view(alarm, &organisation);
            events.push(
                &clock,
                EventKind::Alarm(shown.priority),
                shown.place,
                shown.title,
            );
        }
    }
}

fn section_conditions(
    mlmd: &Mlmd,
    breaker: &Breaker,
    through: &Through,
    grid: &Grid,
    organisation: &Organisation,
    out: &mut Vec<Condition>,
) {
    let behind = organisation.customers_behind[mlmd.index as usize];
    // Only the topmost open breaker is the cause; what is dead below follows from it.
    let cause = !breaker.closed && grid.bus_live(mlmd.bus);
    let fact = format!("{behind} customers, breaker open");
    out.push((
        AlarmKind::SupplyLost(mlmd.index),
        cause && behind > 0,
        fact,
        behind,
    ));
    let over = through.current_a > f64::from(mlmd.limit_a);
    let fact = format!("{:.0} A, limit {} A", through.current_a, mlmd.limit_a);
    out.push((AlarmKind::Overcurrent(mlmd.index), over, fact, behind));
}

fn site_conditions(
    site: &Site,
    power: &SitePower,
    meter: &Meter,
    grid: &Grid,
    market: &MarketClock,
    now_ms: u64,
    alarms: &Alarms,
    out: &mut Vec<Condition>,
) {
    if let Some(v) = grid.site_v_pu(site).filter(|_| power.live) {
        let kind = AlarmKind::Voltage(site.meter);
        // Clears 0.5 % inside the band, so that it does not chatter.
        let inside = if alarms.active.contains_key(&kind) {
            0.005
        } else {
            0.0
        };
        let outside = (v - 1.0).abs() > VOLTAGE_BAND_PU - inside;
        out.push((kind, outside, format!("{v:.3} pu"), 1));
    }
    let last_ms = meter.last_received_ms.unwrap_or(0);
    let limit_ms = SILENT_INTERVALS * market.reading_ms + market.reading_ms / 2;
    let silent = now_ms > last_ms + limit_ms;
    let fact = format!("last value {}", &SimTime(last_ms).to_string()[..8]);
    out.push((AlarmKind::MeterSilent(site.meter), silent, fact, 1));
}
