//! Transactions that wait for a block.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridloom_units::AccountId;

use crate::cross::RootNews;
use crate::header::LedgerBlock;
use crate::state::{State, StateKey, View};
use crate::transaction::{Transaction, TxBody};

/// Most transactions that wait at one validator.
pub const MAX_WAITING: usize = 16_384;
/// Most bytes of them.
pub const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Most of one signer.
pub const MAX_PER_SIGNER: usize = 256;

/// What happened to the transactions a validator was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MempoolCounters {
    /// Waiting now.
    pub waiting: usize,
    /// Bytes waiting now.
    pub bytes: usize,
    /// Taken in.
    pub accepted: u64,
    /// Known already, or another one with the same signer and number waits.
    pub duplicates: u64,
    /// Refused because signature, signer or number cannot count.
    pub inadmissible: u64,
    /// Refused because the pool, or the signer's share of it, is full.
    pub full: u64,
    /// Left because a block executed them.
    pub executed: u64,
    /// Dropped because what was executed made them obsolete.
    pub obsolete: u64,
}

/// Where a transaction stands in line: kind, signer, number, identity.
type Place = (u8, AccountId, u64, [u8; 32]);
/// What may wait only once: a signer's number, or a proof by its identity.
type Slot = (AccountId, u64);

#[derive(Clone, Debug)]
struct Waiting {
    tx: Arc<Transaction>,
    size: usize,
}

/// The waiting line of one validator, in the order a block takes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mempool {
    line: BTreeMap<Place, Waiting>,
    slots: BTreeMap<Slot, Place>,
    counters: MempoolCounters,
}

/// Order of kinds within a block: what others build on comes first, so that
/// readings of a slot stand before the price that is formed from them.
fn rank(body: &TxBody) -> u8 {
    match body {
        TxBody::RegisterContract { .. } => 0,
        TxBody::OpenAccount { .. } => 1,
        TxBody::RegisterParticipant { .. } => 2,
        TxBody::Reading(_) => 3,
        TxBody::AreaLoad { .. } | TxBody::Island { .. } => 4,
        TxBody::Price { .. } => 5,
        TxBody::Settle { .. } => 6,
        TxBody::Transfer { .. } | TxBody::Export { .. } | TxBody::ExportLot { .. } => 6,
        TxBody::SetValidators { .. } | TxBody::Authorise { .. } => 6,
        // By number: a key is trusted before it is used, readings stay in order.
        TxBody::TrustMeter { .. } | TxBody::MeterRecords(_) => 6,
        // For slots that have not begun: no price of the same block asks for them.
        TxBody::Order { .. } | TxBody::WholesaleBid { .. } => 6,
        TxBody::Checkpoint { .. } => CHECKPOINTS,
        TxBody::Evidence(_) => CHECKPOINTS + 1,
        TxBody::FollowRoot(_) | TxBody::Decide(_) => CHECKPOINTS + 2,
    }
}

const CHECKPOINTS: u8 = 7;

fn place_of(tx: &Transaction, id: [u8; 32]) -> (Place, Slot) {
    let rank = rank(&tx.body);
    match &tx.body {
        TxBody::Checkpoint { header, .. } => (
            (rank, AccountId::default(), header.height, id),
            (AccountId(id), u64::MAX),
        ),
        TxBody::FollowRoot(news) => (
            (rank, AccountId::default(), news.header.height, id),
            (AccountId(id), u64::MAX),
        ),
        TxBody::Decide(approved) => (
            (rank, AccountId::default(), u64::from(approved.number), id),
            (AccountId(id), u64::MAX),
        ),
        TxBody::Evidence(_) => (
            (rank, AccountId::default(), 0, id),
            (AccountId(id), u64::MAX),
        ),
        _ => {
            let signer = tx.account();
            ((rank, signer, tx.nonce, id), (signer, tx.nonce))
        }
    }
}

/// Whether news of the root can never count any more: older than what is known, or its first
/// parcel, outcome or decision was taken already.
fn is_stale_news(view: &View<'_>, news: &RootNews) -> bool {
    let (Some(seen), Some(flows)) = (view.root_seen(), view.flows()) else {
        return true;
    };
    let passed = news
        .parcels
        .first()
        .is_some_and(|(parcel, _)| parcel.seq < flows.with(parcel.src).next)
        || news
            .outcomes
            .first()
            .is_some_and(|(dst, seq, ..)| *seq < flows.with(*dst).acked);
    news.header.height < seen.height || passed
}

impl Mempool {
    pub(crate) fn counters(&self) -> MempoolCounters {
        MempoolCounters {
            waiting: self.line.len(),
            ..self.counters
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.line.len()
    }

    /// In the order a block takes them: identity, transaction, bytes.
    pub(crate) fn line(&self) -> impl Iterator<Item = (&[u8; 32], &Arc<Transaction>, usize)> {
        self.line
            .iter()
            .map(|((.., id), waiting)| (id, &waiting.tx, waiting.size))
    }

    /// Takes a transaction in if there is room and `admit` lets it pass.
    pub(crate) fn submit(
        &mut self,
        tx: Arc<Transaction>,
        id: [u8; 32],
        size: usize,
        admit: impl FnOnce() -> bool,
    ) -> bool {
        let (place, slot) = place_of(&tx, id);
        if self.slots.contains_key(&slot) {
            self.counters.duplicates += 1;
            return false;
        }
        let own = (slot.0, 0)..=(slot.0, u64::MAX);
        if self.line.len() >= MAX_WAITING
            || self.counters.bytes + size > MAX_WAITING_BYTES
            || self.slots.range(own).nth(MAX_PER_SIGNER - 1).is_some()
        {
            self.counters.full += 1;
            return false;
        }
        if !admit() {
            self.counters.inadmissible += 1;
            return false;
        }
        self.counters.accepted += 1;
        self.counters.bytes += size;
        self.slots.insert(slot, place);
        self.line.insert(place, Waiting { tx, size });
        true
    }

    /// Takes out what a block executed and what can never be executed after it.
    pub(crate) fn prune(&mut self, block: &LedgerBlock, after: &State) {
        if self.line.is_empty() {
            return;
        }
        let view = View::new(after);
        let mut gone: Vec<Slot> = Vec::new();
        for (tx, id) in block.transactions().iter().zip(block.transaction_ids()) {
            let (_, slot) = place_of(tx, *id);
            if self.remove(&slot) {
                self.counters.executed += 1;
            }
            let own = (slot.0, 0)..=(slot.0, u64::MAX);
            let dead = |(_, nonce): &Slot| match &tx.body {
                TxBody::Reading(_) => *nonce <= tx.nonce,
                _ => view
                    .account(slot.0)
                    .is_some_and(|account| !account.nonces.admits(*nonce)),
            };
            gone.extend(self.slots.range(own).map(|(slot, _)| *slot).filter(dead));
        }
        let proofs = (CHECKPOINTS, AccountId::default(), 0, [0; 32])..;
        for ((.., id), waiting) in self.line.range(proofs) {
            let old = match &waiting.tx.body {
                TxBody::Checkpoint {
                    cluster, header, ..
                } => view.cluster(*cluster).is_none_or(|known| {
                    known.frozen || header.height < known.height || header.id() == known.block
                }),
                TxBody::Evidence(proof) => {
                    let recorded = StateKey::Evidence(proof.offender, proof.height);
                    view.get(&recorded).is_some()
                }
                TxBody::FollowRoot(news) => is_stale_news(&view, news),
                TxBody::Decide(approved) => view
                    .governance()
                    .is_some_and(|known| approved.number < known.next),
                _ => false,
            };
            if old {
                gone.push((AccountId(*id), u64::MAX));
            }
        }
        for slot in gone {
            if self.remove(&slot) {
                self.counters.obsolete += 1;
            }
        }
    }

    fn remove(&mut self, slot: &Slot) -> bool {
        let Some(place) = self.slots.remove(slot) else {
            return false;
        };
        if let Some(waiting) = self.line.remove(&place) {
            self.counters.bytes -= waiting.size;
        }
        true
    }

    /// Forgets what waits; the counters stay.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
        self.slots.clear();
        self.counters.bytes = 0;
    }
}
