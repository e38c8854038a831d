//! Protection of the grid in the twin: faults, relays, fuses, reclosers,
//! restoration by M-LMDs, load management, fault records.
//!
//! The decisions are those of `gridloom-protection`; here they meet the
//! network. `Flow` goes through the tick from event to event, each with its own
//! solution; what flows over the tick is the mean over its segments. The
//! sequence of events and the fault records are derived from the run and
//! rebuilt by re-simulation, the state of every device is part of it.

pub(crate) mod expect;
mod log;
mod orders;
mod plan;
mod plant;
mod shed;
mod state;
mod step;

pub use log::{FaultRecorder, Oscillogram, SoeLog};
pub(crate) use orders::Orders;
pub(crate) use plan::build;
pub use plan::{Place, ProtectionPlan};
pub(crate) use shed::Held;
pub use state::ProtectionState;
pub(crate) use step::{advance, move_devices};

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns protection devices and their records.
pub struct ProtectionPlugin;

impl Plugin for ProtectionPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<SoeLog>()
            .init_resource::<FaultRecorder>()
            .register_sim_resource::<ProtectionState>();
        app.add_systems(SimTick, shed::manage_load.in_set(SimSystems::Protect));
    }
}

/// Forgets records of what will be simulated again.
pub(crate) fn rewind(world: &mut World) {
    let now_us = world.resource::<crate::clock::SimClock>().start_ms() * 1_000;
    let next = world.resource::<ProtectionState>().core.event_count();
    world.resource_mut::<SoeLog>().truncate(next);
    world.resource_mut::<FaultRecorder>().truncate(now_us);
}
