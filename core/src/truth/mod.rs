//! Meter truth: reports against physics, area by area (paper rows A8, T3e, T3f).
//!
//! Each LG-Aggregator compares what its meters report with what its M-LMDs
//! measure and what the network model says. What cannot be true is named,
//! raised as an alarm, and told to the meter's own display. The ledger's
//! record stays as it is: immutable is not the same as true.

mod apply;
mod judge;
mod probe;
mod store;
mod tamper;

pub(crate) use probe::measure;
pub use probe::{PhaseProbe, Probe, Quality};
pub use store::{Finding, MeterTruth};
pub use tamper::{Drift, Registers, TamperKind, Told};

use bevy::prelude::*;

use crate::edge::repeat_reports;
use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns what is told and what is believed.
pub struct TruthPlugin;

impl Plugin for TruthPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<MeterTruth>()
            .register_sim_resource::<MeterTruth>()
            .register_sim_component::<Told>()
            .register_sim_component::<Probe>()
            .register_sim_component::<PhaseProbe>()
            .register_sim_component::<Drift>();
        app.add_systems(SimTick, apply::interfere.in_set(SimSystems::Ingest));
        app.add_systems(
            SimTick,
            judge::judge
                .in_set(SimSystems::Aggregate)
                .after(repeat_reports),
        );
    }
}
