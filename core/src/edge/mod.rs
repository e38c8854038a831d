//! Edge: M-LMDs forward, LG-Aggregators collect, the cloud learns area loads.
//!
//! The blue lines of the paper's Fig. 3 (rows E1, F9, F10): readings go
//! I-meter to M-LMD to LG-Aggregator, which stores them, hands the signed
//! transaction to its cluster's ledger and reports its areas to the cloud by
//! the strategy that the cloud has sent (`uplink.rs`).

mod deliver;
mod stats;
mod store;
mod uplink;

pub(crate) use deliver::repeat_reports;
pub(crate) use stats::p95;
pub use stats::{Step, StepFigures, Steps};
pub use store::{Aggregator, Cloud, Mailbox, Outbox};
pub use uplink::{GridState, Strategy, Uplink};

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns LG-Aggregators, the cloud's store and the message handling.
pub struct EdgePlugin;

impl Plugin for EdgePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Steps>()
            .init_resource::<Mailbox>()
            .init_resource::<Outbox>()
            .register_sim_resource::<Steps>()
            .register_sim_resource::<Outbox>()
            .register_sim_resource::<Cloud>()
            .register_sim_component::<Aggregator>();
        app.add_systems(
            SimTick,
            (deliver::deliver_messages, deliver::repeat_reports)
                .chain()
                .in_set(SimSystems::Aggregate),
        );
    }
}
