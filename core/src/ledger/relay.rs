//! Registration at the start and checkpoints to the root.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::{Transaction, TxBody, courier};
use gridloom_model::scene::Network;

use super::group::{LedgerGroup, Ledgers};
use super::joining::{open_accounts, registration};
use super::making::Makings;
use super::officials::Officials;
use crate::clock::SimClock;
use crate::edge::{Outbox, Step, Steps};
use crate::link::DataPlane;
use crate::meter::MeterKeys;
use crate::sim_state::plain_sim_state;
use crate::site::Site;
use crate::spawn::Organisation;

/// How far registration and checkpoints have come.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Relay {
    /// Whether the operator has sent the contract template.
    contract_sent: bool,
    /// Whether the users have sent their registrations.
    users_sent: bool,
    /// Per cluster: height of the last checkpoint sent to the root, and when (ms).
    sent: Vec<(u64, u64)>,
    /// Per cluster: when it was last sent news of the root (ms).
    told: Vec<u64>,
}

plain_sim_state!(Relay);

/// Paper steps a and b: the operator registers the contract at the first
/// tick, users register at the next.
pub(super) fn register_everybody(
    organisation: Res<Organisation>,
    makings: Res<Makings>,
    ledgers: Res<Ledgers>,
    mut relay: ResMut<Relay>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    mut steps: ResMut<Steps>,
    sites: Query<(&Site, &MeterKeys)>,
) {
    if relay.users_sent {
        return;
    }
    if !relay.contract_sent {
        relay.contract_sent = true;
        for ledger in 0..ledgers.root() {
            let body = TxBody::RegisterContract {
                template: organisation.templates[ledger as usize].clone(),
            };
            outbox.sign(&ledgers, ledger, officials.operator(ledger), body);
            steps.begin(Step::Register);
            if makings.of(ledger).network == Network::Private {
                open_accounts(ledger, &organisation, &ledgers, &mut officials, &mut outbox);
            }
        }
        return;
    }
    relay.users_sent = true;
    let mut order: Vec<_> = sites.iter().collect();
    order.sort_by_key(|(site, _)| site.meter);
    for (site, keys) in order {
        let parts = makings.of(site.cluster);
        if parts.network == Network::Private {
            // Once the owner has opened an account.
            continue;
        }
        let party = &organisation.participants[site.meter as usize];
        let body = registration(party, keys, parts.identity);
        outbox.sign(&ledgers, site.cluster, (&keys.account, 0), body);
        steps.begin(Step::Users);
    }
}

/// The cloud relays between clusters and root, once per root block interval and again where
/// something did not arrive: certified headers with what changed in them to the root, the root's
/// news (parcels of other clusters, outcomes, decisions) to the clusters.
pub(super) fn relay_between(
    clock: Res<SimClock>,
    ledgers: Res<Ledgers>,
    plane: Res<DataPlane>,
    mut relay: ResMut<Relay>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    groups: Query<&LedgerGroup>,
) {
    // Without the link nothing passes; it all goes when it is there again.
    if !plane.reaches_cloud() {
        return;
    }
    let root = ledgers.root();
    relay.sent.resize(root as usize, (0, 0));
    relay.told.resize(root as usize, 0);
    let now_ms = clock.start_ms();
    let interval_ms = ledgers.block_interval_ms[root as usize];
    let mut order: Vec<_> = groups.iter().collect();
    order.sort_by_key(|group| group.index);
    let Some(root_chain) = order.last().and_then(|group| group.chain()) else {
        return;
    };
    let chain_of = |index: u32| order.get(index as usize).and_then(|group| group.chain());
    for index in 0..root {
        let Some(chain) = chain_of(index) else {
            continue;
        };
        let (sent, sent_ms) = relay.sent[index as usize];
        let due = chain.height() > sent && now_ms >= sent_ms + interval_ms;
        if due && let Some(body) = courier::checkpoint(index, chain, root_chain) {
            outbox.sign(&ledgers, root, officials.cloud(root), body);
            relay.sent[index as usize] = (chain.height(), now_ms);
        }
        if now_ms >= relay.told[index as usize] + interval_ms
            && let Some(body) = courier::news(index, chain, root_chain, chain_of)
        {
            outbox.push(index, Transaction::unsigned(body).encode());
            relay.told[index as usize] = now_ms;
        }
    }
}
