//! The data plane: messages between meters, M-LMDs, LG-Aggregators and cloud.
//!
//! Blue lines of the paper's Fig. 3 (rows G12, F12): every message has a
//! latency drawn from its link's range and may be lost; a lost one is sent
//! again after a pause, a bounded number of times, then given up and counted.
//! The draws depend only on the seed and the message's number.

mod plane;

pub use plane::{Body, DataPlane, Delivery, LinkTable, RecentHops};

use bevy::prelude::*;

use crate::sim_state::{RegisterSimState, plain_sim_state};

plain_sim_state!(DataPlane);

/// Owns the data plane; other areas send and receive through it.
pub struct LinkPlugin;

impl Plugin for LinkPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<DataPlane>()
            .init_resource::<RecentHops>()
            .register_sim_resource::<DataPlane>();
    }
}
