//! Market: the cloud prices a slot once its records are final, decided prices
//! run the contracts, settled slots close the books.
//!
//! Paper rows F10 and F11: with the readings of the last interval on the
//! ledger and the area loads in the cloud, the price of the coming slot is
//! formed and written; every validator recomputes it. The decided price runs
//! every contract instance, whose orders leave the edge for the meters.

pub mod agents;
pub mod between;
pub mod bill;
mod close;
pub(crate) mod facts;
pub mod feeder;
mod gauge;
pub mod inspect;
mod island;
pub(crate) mod orders;
mod price;
pub mod voltage;
pub mod voltage_gate;
mod wholesale;

pub use close::{AreaTruth, Books, SlotTruth, Truth};
pub use gauge::{loop_gain, price_reversals};
pub use island::{IslandDesk, IslandSlots, island_slots};
pub use orders::{MAX_UNDER_WAY, OrderDesk, OrderOutcome, OrderSlot, OrderState};
pub use price::Pricing;
pub use wholesale::{WholesaleBooks, WholesaleDesk};

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
    /// What the utility pays and asks, micro-EUR/kWh.
    pub tariff: (i64, i64),
}

/// Owns pricing, the hand-over of orders and the closing of slots.
pub struct MarketPlugin;

impl Plugin for MarketPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Books>()
            .init_resource::<IslandDesk>()
            .register_sim_resource::<IslandDesk>()
            .register_sim_resource::<Pricing>()
            .register_sim_resource::<Truth>()
            .register_sim_resource::<Books>()
            .register_sim_resource::<WholesaleDesk>()
            .register_sim_component::<OrderDesk>();
        app.add_systems(
            SimTick,
            (
                price::propose_prices,
                island::state,
                close::settle_slots,
                wholesale::bid_wholesale,
            )
                .chain()
                .in_set(SimSystems::Price),
        );
        app.add_systems(
            SimTick,
            (
                price::hand_out_orders,
                orders::follow_orders,
                wholesale::follow_wholesale,
            )
                .chain()
                .in_set(SimSystems::Contract),
        );
        app.add_systems(
            SimTick,
            (close::note_boundary, island::watch)
                .chain()
                .in_set(SimSystems::Record)
                .before(crate::record::Recording),
        );
    }
}
