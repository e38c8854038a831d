//! Grid: breakers, power flow, protection of the M-LMDs.
//!
//! `Actuate` moves breakers and recomputes which sections are live, `Flow`
//! solves every live island, `Protect` compares currents with the programmed
//! limits of the M-LMDs (paper G10, G14) and asks for trips, which open in a
//! later `Actuate`. Invariant: a bus without a closed path to a source has no
//! voltage and serves nothing.

mod breaker;
mod flow;
mod protect;
mod resource;

pub use breaker::{Breaker, PendingOperation};
pub use flow::Through;
pub use protect::Overcurrent;
pub use resource::{Grid, Mlmd};

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns breakers and the network.
pub struct GridPlugin;

impl Plugin for GridPlugin {
    fn build(&self, app: &mut App) {
        app.register_sim_resource::<Grid>()
            .register_sim_component::<Breaker>()
            .register_sim_component::<Through>()
            .register_sim_component::<Overcurrent>();
        app.add_systems(SimTick, breaker::move_breakers.in_set(SimSystems::Actuate));
        app.add_systems(
            SimTick,
            (flow::solve, flow::read_mlmds)
                .chain()
                .in_set(SimSystems::Flow),
        );
        app.add_systems(SimTick, protect::watch_currents.in_set(SimSystems::Protect));
    }
}
