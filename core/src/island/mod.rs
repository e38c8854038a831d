//! Islands: sections that live without the upstream grid.
//!
//! | File | Stage | What |
//! |---|---|---|
//! | `order.rs` | Actuate | loss of mains, planned islanding, synchroniser, black start ask for operations |
//! | `arrange.rs` | Actuate | after the breakers: which unit forms which section |
//! | `settle.rs` | Flow | droop sharing on top of the power flow, collapse |
//! | `advance.rs` | Flow | frequency within the tick, shedding, restore, energy balance |
//!
//! A unit holds a section only where the upstream grid does not reach it, and
//! never while the main switch is closed onto a dead grid (anti-islanding). A
//! scene without `islanding` has no plan and nothing here acts.

mod advance;
mod arrange;
mod command;
mod order;
mod plan;
mod settle;
mod state;
mod sync;

pub(crate) use command::{Request, apply as apply_request};
pub use plan::{ColdPickup, Forming, IslandPlan};
pub(crate) use plan::{Plan, StepAct, Target, UnitPlan};
pub(crate) use settle::solve;
pub(crate) use state::Shed;
pub use state::{Islands, MainState};
pub(crate) use sync::{difference, refusal};

use bevy::prelude::*;

use crate::grid::GridFlow;
use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns islands.
pub struct IslandPlugin;

impl Plugin for IslandPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<IslandPlan>()
            .init_resource::<Islands>()
            .register_sim_resource::<Islands>()
            .register_sim_component::<ColdPickup>();
        app.add_systems(
            SimTick,
            (
                order::ask
                    .before(GridFlow::Breakers)
                    .after(GridFlow::Voltage),
                arrange::arrange.after(GridFlow::Breakers),
            )
                .in_set(SimSystems::Actuate),
        );
        app.add_systems(
            SimTick,
            advance::advance
                .after(GridFlow::Read)
                .in_set(SimSystems::Flow),
        );
    }
}
