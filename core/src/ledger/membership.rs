//! Which cluster's ledger has which home, as decided blocks say.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::Receipt;

use super::group::FreshBlocks;
use crate::clock::SimClock;
use crate::record::EventLog;
use crate::sim_state::plain_sim_state;
use crate::spawn::Organisation;
use crate::view::EventKind;

/// Per meter: index of the cluster whose ledger has it. Wires do not move with it.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Membership {
    clusters: Vec<u32>,
}

plain_sim_state!(Membership);

impl Membership {
    /// As the scene begins.
    #[must_use]
    pub fn new(clusters: Vec<u32>) -> Self {
        Self { clusters }
    }

    /// Cluster of a meter.
    #[must_use]
    pub fn of(&self, meter: u32) -> u32 {
        self.clusters.get(meter as usize).copied().unwrap_or(0)
    }
}

/// Members that arrived in another cluster report there from now on.
pub(super) fn follow_members(
    clock: Res<SimClock>,
    organisation: Res<Organisation>,
    fresh: Res<FreshBlocks>,
    mut membership: ResMut<Membership>,
    mut events: ResMut<EventLog>,
) {
    for block in &fresh.0 {
        for receipt in block.receipts.iter() {
            let Receipt::MemberJoined { account, .. } = receipt else {
                continue;
            };
            let Some((meter, _)) = organisation.meter_of(account) else {
                continue;
            };
            if let Some(cluster) = membership.clusters.get_mut(meter as usize) {
                *cluster = block.ledger;
            }
            let name = &organisation.participants[meter as usize].name;
            let ledger = &organisation.ledger_names[block.ledger as usize];
            events.push(
                &clock,
                EventKind::Ledger,
                None,
                format!("{name} is a member of cluster {ledger} now"),
            );
        }
    }
}
