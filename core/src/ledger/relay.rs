//! Registration at the start and checkpoints to the root.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::Block;
use gridloom_ledger::{Transaction, TxBody};

use super::group::{LedgerGroup, Ledgers};
use super::officials::Officials;
use crate::clock::SimClock;
use crate::edge::{Outbox, Step, Steps};
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
}

plain_sim_state!(Relay);

/// Paper steps a and b: the operator registers the contract at the first
/// tick, users register at the next.
pub(super) fn register_everybody(
    organisation: Res<Organisation>,
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
                template: organisation.template.clone(),
            };
            let (key, nonce) = officials.operator(ledger);
            let tx = Transaction::sign(ledgers.chain_id(ledger), key, nonce, body);
            outbox.push(ledger, tx.encode());
            steps.begin(Step::Register);
        }
        return;
    }
    relay.users_sent = true;
    let mut order: Vec<_> = sites.iter().collect();
    order.sort_by_key(|(site, _)| site.meter);
    for (site, keys) in order {
        let terms = &organisation.participants[site.meter as usize];
        let body = TxBody::RegisterParticipant {
            name: terms.name.clone(),
            meter_key: keys.meter.public(),
            preferences: terms.preferences.clone(),
            spread: terms.spread,
        };
        let tx = Transaction::sign(ledgers.chain_id(site.cluster), &keys.account, 0, body);
        outbox.push(site.cluster, tx.encode());
        steps.begin(Step::Users);
    }
}

/// The cloud relays each cluster's newest block to the root, once per root
/// block interval, and again when it did not arrive.
pub(super) fn relay_checkpoints(
    clock: Res<SimClock>,
    ledgers: Res<Ledgers>,
    mut relay: ResMut<Relay>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    groups: Query<&LedgerGroup>,
) {
    let root = ledgers.root();
    relay.sent.resize(root as usize, (0, 0));
    let now_ms = clock.start_ms();
    let interval_ms = ledgers.block_interval_ms[root as usize];
    let mut order: Vec<_> = groups.iter().filter(|group| group.index != root).collect();
    order.sort_by_key(|group| group.index);
    for group in order {
        let (sent, sent_ms) = relay.sent[group.index as usize];
        let Some(chain) = group.chain() else {
            continue;
        };
        let tip = chain.height();
        if tip <= sent || now_ms < sent_ms + interval_ms {
            continue;
        }
        let Some(decided) = chain.block(tip) else {
            continue;
        };
        debug_assert_eq!(decided.block.height(), tip);
        let body = TxBody::Checkpoint {
            cluster: group.index,
            header: decided.block.header().clone(),
            certificate: (*decided.certificate).clone(),
        };
        let (key, nonce) = officials.cloud(root);
        let tx = Transaction::sign(ledgers.chain_id(root), key, nonce, body);
        outbox.push(root, tx.encode());
        relay.sent[group.index as usize] = (tip, now_ms);
    }
}
