//! Signed readings of physical meters on their way to the ledger.
//!
//! The edge that reads a device signs outside the twin; a signed reading comes
//! in as a command, leaves for the ledger of the home's cluster in the owner's
//! name, and what the ledger says of it is counted here. Nothing is judged on
//! the way: a refusal has to be the ledger's.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::{MAX_RECORDS, Receipt, Transaction, TxBody};
use gridloom_units::SignedReading;

use super::MeterKeys;
use crate::clock::SimClock;
use crate::edge::Outbox;
use crate::ledger::{FreshBlocks, LedgerGroup, Ledgers, Membership};
use crate::sim_state::plain_sim_state;
use crate::site::Site;
use crate::spawn::Organisation;

/// Readings that may wait until the home is registered.
const WAITING: usize = 64;
/// Time after which a transaction without receipt is sent again, ms.
const AGAIN_MS: u64 = 60_000;

/// The edge of a home's physical meter, as twin and ledger know it.
#[derive(Component, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct DeviceEdge {
    /// Public key of the edge the owner trusts.
    pub key: Option<[u8; 32]>,
    /// Readings the ledger took.
    pub taken: u64,
    /// Readings the ledger refused.
    pub refused: u64,
    /// Its last reason.
    pub refusal: String,
    /// Ledger that was told of the key, and when, ms.
    told: Option<(u32, u64)>,
    /// The transaction under way: number of its last reading, its bytes, when
    /// it was sent, ms. The next one waits for its receipts, because those that
    /// overtake each other between validators would be refused.
    under_way: Option<(u64, Vec<u8>, u64)>,
    /// Number of the owner's last transaction; the first numbers belong to the
    /// registration.
    nonce: u64,
    waiting: Vec<SignedReading>,
}

plain_sim_state!(DeviceEdge);

impl DeviceEdge {
    /// The owner trusts this edge from now on, another one no more.
    pub fn trust(&mut self, key: [u8; 32]) {
        if self.key != Some(key) {
            (self.key, self.told) = (Some(key), None);
            self.waiting.clear();
            self.under_way = None;
        }
    }

    /// Hands in a signed reading.
    ///
    /// # Errors
    /// When no edge is trusted, or too many readings wait.
    pub fn hand_in(&mut self, reading: &SignedReading) -> Result<(), String> {
        if self.key.is_none() {
            return Err("no edge is trusted to read its meter".into());
        }
        if self.waiting.len() >= WAITING {
            return Err(format!(
                "{WAITING} readings wait for the ledger to know the home"
            ));
        }
        self.waiting.push(reading.clone());
        Ok(())
    }

    fn has_work(&self) -> bool {
        self.key.is_some() && !(self.waiting.is_empty() && self.under_way.is_none())
    }

    /// Number of the owner's next transaction after the registration; orders
    /// take theirs from here as well.
    pub(crate) fn next_nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }
}

/// Signed readings leave in the owner's name, the key before them.
pub(super) fn forward_records(
    clock: Res<SimClock>,
    ledgers: Res<Ledgers>,
    membership: Res<Membership>,
    mut outbox: ResMut<Outbox>,
    groups: Query<&LedgerGroup>,
    mut sites: Query<(&Site, &MeterKeys, &mut DeviceEdge)>,
) {
    let now_ms = clock.start_ms();
    let mut order: Vec<_> = sites
        .iter_mut()
        .filter(|(_, _, edge)| edge.has_work())
        .collect();
    order.sort_by_key(|(site, ..)| site.meter);
    for (site, keys, mut edge) in order {
        let ledger = membership.of(site.meter);
        let account = keys.account.account();
        let chain = groups
            .iter()
            .find(|group| group.index == ledger)
            .and_then(LedgerGroup::chain);
        let Some(chain) = chain.filter(|chain| chain.participant(account).is_some()) else {
            continue;
        };
        let trusted = chain.records(account).map(|records| records.meter);
        let sign = |edge: &mut DeviceEdge, body: TxBody| {
            let nonce = edge.next_nonce();
            Transaction::sign(ledgers.chain_id(ledger), &keys.account, nonce, body).encode()
        };
        if trusted != edge.key {
            let told = edge.told.filter(|(of, _)| *of == ledger);
            if let Some(key) = edge.key
                && told.is_none_or(|(_, at)| now_ms >= at + AGAIN_MS)
            {
                edge.told = Some((ledger, now_ms));
                let tx = sign(&mut edge, TxBody::TrustMeter { key });
                outbox.push(ledger, tx);
            }
            continue;
        }
        if let Some((_, bytes, at)) = &mut edge.under_way {
            if now_ms >= *at + AGAIN_MS {
                *at = now_ms;
                let again = bytes.clone();
                outbox.push(ledger, again);
            }
            continue;
        }
        let count = edge.waiting.len().min(MAX_RECORDS);
        let batch: Vec<SignedReading> = edge.waiting.drain(..count).collect();
        let Some(last) = batch.last().map(|reading| reading.seq) else {
            continue;
        };
        let tx = sign(&mut edge, TxBody::MeterRecords(batch));
        edge.under_way = Some((last, tx.clone(), now_ms));
        outbox.push(ledger, tx);
    }
}

/// Counts what the ledgers said of the readings in the blocks of the tick.
pub(super) fn follow_records(
    organisation: Res<Organisation>,
    fresh: Res<FreshBlocks>,
    mut sites: Query<(&Site, &mut DeviceEdge)>,
) {
    let mut said: Vec<(u32, u64, Option<String>)> = Vec::new();
    for receipt in fresh.0.iter().flat_map(|block| block.receipts.iter()) {
        let (account, seq, reason) = match receipt {
            Receipt::RecordTaken { account, seq, .. } => (account, *seq, None),
            Receipt::RecordRefused {
                account,
                seq,
                reason,
            } => (account, *seq, Some(reason.clone())),
            _ => continue,
        };
        if let Some((meter, _)) = organisation.meter_of(account) {
            said.push((meter, seq, reason));
        }
    }
    if said.is_empty() {
        return;
    }
    for (site, mut edge) in &mut sites {
        for (_, seq, reason) in said.iter().filter(|(meter, ..)| *meter == site.meter) {
            match reason {
                None => edge.taken += 1,
                Some(reason) => {
                    edge.refused += 1;
                    edge.refusal.clone_from(reason);
                }
            }
            if edge
                .under_way
                .as_ref()
                .is_some_and(|(last, ..)| last == seq)
            {
                edge.under_way = None;
            }
        }
    }
}
