//! Grid: breakers and power flow.
//!
//! `Actuate` moves breakers and recomputes which sections are live, `Flow`
//! solves every live island, event by event where protection (paper G10, G14)
//! acts within the tick (`crate::protection`). Invariant: a bus without a closed
//! path to a source has no voltage and serves nothing.

mod breaker;
mod flow;
mod resource;
mod voltage;

pub use breaker::{Breaker, PendingOperation};
pub use flow::Through;
pub use resource::{Grid, Mlmd};
pub use voltage::{VoltageControls, VoltagePlan};

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Places in a tick that other plugins order themselves by.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GridFlow {
    /// Taps and capacitor steps move (in `Actuate`).
    Voltage,
    /// Breakers move (in `Actuate`).
    Breakers,
    /// The solution is made and read (in `Flow`).
    Read,
}

/// Owns breakers and the network.
pub struct GridPlugin;

impl Plugin for GridPlugin {
    fn build(&self, app: &mut App) {
        app.register_sim_resource::<Grid>()
            .register_sim_component::<Breaker>()
            .register_sim_component::<Through>()
            .init_resource::<VoltagePlan>()
            .init_resource::<VoltageControls>()
            .register_sim_resource::<VoltageControls>();
        app.add_systems(
            SimTick,
            voltage::control
                .in_set(GridFlow::Voltage)
                .before(GridFlow::Breakers)
                .in_set(SimSystems::Actuate),
        );
        app.add_systems(
            SimTick,
            (breaker::move_breakers, crate::protection::move_devices)
                .chain()
                .in_set(GridFlow::Breakers)
                .in_set(SimSystems::Actuate),
        );
        app.add_systems(
            SimTick,
            (
                crate::protection::advance,
                crate::site::withdraw,
                flow::serve,
                flow::read_mlmds,
            )
                .chain()
                .in_set(GridFlow::Read)
                .in_set(SimSystems::Flow),
        );
    }
}
