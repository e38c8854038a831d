//! Market: the cloud prices a slot once its records are final, decided prices
//! run the contracts, settled slots close the books.
//!
//! Paper rows F10 and F11: with the readings of the last interval on the
//! ledger and the area loads in the cloud, the price of the coming slot is
//! formed and written; every validator recomputes it. The decided price runs
//! every contract instance, whose orders leave the edge for the meters.

mod close;
pub(crate) mod facts;
mod price;

pub use close::{Books, SlotTruth, Truth};
pub use price::Pricing;

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Intervals of the market; fixed for a run.
#[derive(Resource, Clone, Copy, Debug)]
pub struct MarketClock {
    /// Length of a slot, ms.
    pub slot_ms: u64,
    /// Time between two readings, ms.
    pub reading_ms: u64,
}

/// Owns pricing, the hand-over of orders and the closing of slots.
pub struct MarketPlugin;

impl Plugin for MarketPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Books>()
            .register_sim_resource::<Pricing>()
            .register_sim_resource::<Truth>()
            .register_sim_resource::<Books>();
        app.add_systems(
            SimTick,
            (price::propose_prices, close::settle_slots)
                .chain()
                .in_set(SimSystems::Price),
        );
        app.add_systems(SimTick, price::hand_out_orders.in_set(SimSystems::Contract));
        app.add_systems(
            SimTick,
            close::note_boundary
                .in_set(SimSystems::Record)
                .before(crate::record::Recording),
        );
    }
}
