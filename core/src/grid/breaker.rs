//! Breaker mechanism of an M-LMD.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::DeviceId;

use super::resource::{Grid, Mlmd};
use crate::clock::SimClock;
use crate::island::{IslandPlan, Islands, refusal};
use crate::protection::ProtectionState;
use crate::record::EventLog;
use crate::sim_state::plain_sim_state;
use crate::view::{EventKind, Selected};

/// Position of a breaker and an operation under way.
#[derive(Component, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Breaker {
    /// Whether it conducts.
    pub closed: bool,
    /// What it is about to do.
    pub pending: Option<PendingOperation>,
    /// Operations since the start.
    pub operations: u32,
}

/// An operation that takes effect at a tick.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PendingOperation {
    /// Close instead of open.
    pub close: bool,
    /// Who asked, for the event list.
    pub by: String,
}

plain_sim_state!(Breaker);

/// Carries out pending operations, in the order of device ids.
pub(super) fn move_breakers(
    clock: Res<SimClock>,
    plan: Res<IslandPlan>,
    mut islands: ResMut<Islands>,
    mut grid: ResMut<Grid>,
    mut protection: ResMut<ProtectionState>,
    mut events: ResMut<EventLog>,
    mut breakers: Query<(&Mlmd, &mut Breaker)>,
) {
    if breakers
        .iter()
        .all(|(_, breaker)| breaker.pending.is_none())
    {
        return;
    }
    let mut order: Vec<(DeviceId, Mut<'_, Breaker>, &Mlmd)> = breakers
        .iter_mut()
        .map(|(mlmd, breaker)| (mlmd.device, breaker, mlmd))
        .collect();
    order.sort_by_key(|(device, ..)| *device);
    for (_, mut breaker, mlmd) in order {
        let Some(operation) = breaker.pending.take() else {
            continue;
        };
        if operation.close == breaker.closed {
            continue;
        }
        if operation.close
            && let Some(why) = refusal(&grid, &islands, plan.0.as_ref(), mlmd)
        {
            let text = format!("{} stays open, out of step: {why}", mlmd.id);
            islands.refuse(clock.start_ms(), text.clone());
            let place = Some(Selected::Mlmd(mlmd.index as usize));
            events.push(&clock, EventKind::Grid, place, text);
            continue;
        }
        breaker.closed = operation.close;
        breaker.operations += 1;
        grid.set_switch(mlmd.switch, operation.close);
        protection.core.operated(
            mlmd.index as usize,
            operation.close,
            &operation.by,
            clock.start_ms() * 1_000,
        );
        let verb = if operation.close { "closed" } else { "opened" };
        events.push(
            &clock,
            EventKind::Grid,
            Some(Selected::Mlmd(mlmd.index as usize)),
            format!("{} {verb} by {}", mlmd.id, operation.by),
        );
    }
    grid.settle_topology();
}
