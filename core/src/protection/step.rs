//! The tick of protection: from event to event, each with its own solution.

use bevy::prelude::*;
use gridloom_protection::{SoeEvent, SoeKind};
use gridloom_units::SimTime;

use super::log::{FaultRecorder, SoeLog};
use super::plan::ProtectionPlan;
use super::plant::TwinPlant;
use super::state::ProtectionState;
use crate::clock::SimClock;
use crate::grid::{Breaker, Grid, Mlmd};
use crate::island::{Forming, IslandPlan, Islands};
use crate::record::EventLog;
use crate::site::BatteryUnit;
use crate::view::{EventKind, Selected};

/// Carries out what persons asked of devices that are no M-LMDs.
pub(crate) fn move_devices(
    clock: Res<SimClock>,
    plan: Res<ProtectionPlan>,
    mut state: ResMut<ProtectionState>,
    mut grid: ResMut<Grid>,
    mut events: ResMut<EventLog>,
) {
    if state.orders.is_empty() {
        return;
    }
    let now_us = clock.start_ms() * 1_000;
    for (device, close, by) in std::mem::take(&mut state.orders) {
        let place = &plan.places[device];
        grid.set_switch(place.switch, close);
        for conductor in 1..=3 {
            // A new link in a fuse that had opened single phases.
            let network = grid.network_mut();
            network.set_conductor_open(place.line, conductor, false);
        }
        state.core.operated(device, close, &by, now_us);
        let verb = if close { "closed" } else { "opened" };
        let text = format!("{} {verb} by {by}", place.id);
        events.push(&clock, EventKind::Grid, None, text);
    }
    grid.settle_topology();
}

/// Solves the tick, event by event, and moves the breakers that protection moved.
pub(crate) fn advance(
    clock: Res<SimClock>,
    plan: Res<ProtectionPlan>,
    mut state: ResMut<ProtectionState>,
    mut grid: ResMut<Grid>,
    mut log: ResMut<SoeLog>,
    mut recorder: ResMut<FaultRecorder>,
    mut events: ResMut<EventLog>,
    (island_plan, mut islands): (Res<IslandPlan>, ResMut<Islands>),
    batteries: Query<(&Forming, &BatteryUnit)>,
    mut breakers: Query<(&Mlmd, &mut Breaker)>,
) {
    let mut order: Vec<_> = batteries.iter().collect();
    order.sort_by_key(|(forming, _)| forming.0);
    let can_carry = |unit: usize, p_kw: f64| {
        order
            .get(unit)
            .is_some_and(|(_, battery)| battery.0.can_carry(-p_kw, clock.tick_ms))
    };
    let (from_us, to_us) = (clock.start_ms() * 1_000, clock.end_ms() * 1_000);
    let state = &mut *state;
    grid.begin_means();
    let mut plant = TwinPlant {
        grid: &mut grid,
        plan: &plan,
        faults: &state.faults,
        tick_us: (from_us, to_us),
        segments: Vec::new(),
        imbalance: 0.0,
        served_dead: 0,
        islands: &mut islands,
        island_plan: island_plan.0.as_ref(),
        can_carry: &can_carry,
        lost: Vec::new(),
    };
    let report = state.core.advance(&mut plant, from_us, to_us);
    state.imbalance = state.imbalance.max(plant.imbalance);
    state.served_dead += plant.served_dead;
    let segments = plant.segments;
    for text in plant.lost {
        events.push(&clock, EventKind::Grid, None, text);
    }
    for (mlmd, mut breaker) in &mut breakers {
        let device = &state.core.devices[mlmd.index as usize];
        if breaker.closed != device.closed() {
            breaker.closed = device.closed();
            breaker.pending = None;
        }
    }
    for (mlmd, mut breaker) in &mut breakers {
        let id = mlmd.id.as_str();
        let moved = report.events.iter().filter(|event| moves(event, id));
        breaker.operations += moved.count() as u32;
    }
    for event in report.events.iter().filter(|event| shown(event)) {
        tell(&clock, &plan, event, &mut events);
    }
    recorder.take(&plan, segments, &report.events, to_us);
    log.extend(&report.events);
}

/// A movement by protection; those by hand are counted where they are made.
fn moves(event: &SoeEvent, id: &str) -> bool {
    let movement = matches!(event.kind, SoeKind::Opened | SoeKind::Closed);
    movement && event.device == id && !event.text.contains(" by ")
}

/// What belongs on the tape; the rest is in the sequence of events.
fn shown(event: &SoeEvent) -> bool {
    match event.kind {
        SoeKind::Fault
        | SoeKind::FaultCleared
        | SoeKind::Operate
        | SoeKind::Melted
        | SoeKind::BreakerFailure
        | SoeKind::Lockout
        | SoeKind::Isolation
        | SoeKind::LoadManagement
        | SoeKind::Engine => true,
        SoeKind::Opened | SoeKind::Closed => !event.text.contains(" by "),
        SoeKind::Restoration => event.text.starts_with("closes") || event.text.starts_with("stays"),
        SoeKind::Agreement => event.text.starts_with("no agreement"),
        _ => false,
    }
}

fn tell(clock: &SimClock, plan: &ProtectionPlan, event: &SoeEvent, events: &mut EventLog) {
    let place = plan
        .device(&event.device)
        .and_then(|device| plan.places[device].mlmd)
        .map(Selected::Mlmd);
    let text = format!("{}: {}", event.device, event.text);
    let time = SimTime(event.at_ms());
    events.push_at(clock.tick, time, EventKind::Grid, place, text);
}
