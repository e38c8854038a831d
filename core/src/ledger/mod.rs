//! Ledgers: one group of validators per cluster and the root of the cloud validators.
//!
//! Every group is a set of Malachite engines, or of nodes of another family,
//! over its own simulated network, driven to the end of each tick; groups meet only in checkpoints, which the
//! cloud relays to the root (orange lines of the paper's Fig. 3). Groups are
//! independent within a tick, so they may run on several threads; their
//! results are read in ledger order.

mod elsewhere;
mod group;
mod joining;
mod making;
mod membership;
mod officials;
mod relay;
mod surplus;

pub use elsewhere::{MAX_SAID, SaidElsewhere, Seat};
pub(crate) use elsewhere::{bring_in, give_away, is_elsewhere, take_back};
pub use group::{FreshBlock, FreshBlocks, LedgerGroup, LedgerNode, Ledgers};
pub use making::{Lag, Makings, RecordLags};
pub(crate) use making::{endorsers, family, keeping};
pub use membership::Membership;
pub use officials::Officials;
pub use relay::Relay;
pub use surplus::{SurplusDesk, TradeNetwork, TradeTree};

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns the ledger groups.
pub struct LedgerPlugin;

impl Plugin for LedgerPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<FreshBlocks>()
            .init_resource::<Relay>()
            .init_resource::<RecordLags>()
            .init_resource::<Membership>()
            .init_resource::<SurplusDesk>()
            .register_sim_resource::<SurplusDesk>()
            .register_sim_resource::<Membership>()
            .register_sim_resource::<Officials>()
            .register_sim_resource::<Relay>()
            .register_sim_resource::<RecordLags>()
            .register_sim_component::<LedgerGroup>()
            .register_sim_component::<LedgerNode>();
        app.add_systems(
            SimTick,
            (
                relay::register_everybody,
                relay::relay_between,
                surplus::hand_over,
                group::submit,
                group::advance,
                group::collect_blocks,
                making::measure_lag,
                joining::welcome,
                membership::follow_members,
                group::mirror_nodes,
            )
                .chain()
                .in_set(SimSystems::Consensus),
        );
    }
}
