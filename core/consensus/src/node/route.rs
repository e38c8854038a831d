//! What arrives from others: routing, early blocks, catch-up.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use arc_malachitebft_core_consensus as core;
use arc_malachitebft_core_types as engine;
use core::{Input, PeerId, ProposedValue};
use engine::{NilOrVal, Round, ValueOrigin, ValueResponse};

use super::{
    Action, Host, Micros, PeerIndex, Phase, SYNC_BATCH, TimerKey, TimerKind, ValidatorNode,
};
use crate::chain::{Block, Chain, Decided};
use crate::context::{BlockId, Height, Value};
use crate::message::Message;

/// An unanswered catch-up request is repeated, to another peer, after this.
const SYNC_RETRY: Micros = 400_000;
/// Differences of one height this short are normal and heal by themselves.
const GRACE: Micros = 250_000;
/// A block others vote for is asked for after this.
const WANT_AFTER: Micros = 40_000;
/// Proposals, and wishes for blocks, kept per height.
const MAX_OFFERS: usize = 32;
/// A peer seen at an old height is sent the decision at most this often.
const HELP_EVERY: Micros = 200_000;

impl<C: Chain> ValidatorNode<C> {
    pub(super) fn on_message(&mut self, from: PeerIndex, message: &Arc<Message<C>>, now: Micros) {
        let host = &mut self.host;
        match message.as_ref() {
            Message::Tx(tx) => {
                if !host.chain.submit(Arc::clone(tx)) {
                    host.counters.txs_refused += 1;
                }
            }
            Message::SyncRequest(height) => host.answer_request(from, *height),
            Message::Want(height, round, id) => host.answer_want(from, *height, *round, *id),
            Message::SyncResponse(list) => host.on_response(from, list),
            Message::Block(block) => host.on_block(from, block, now),
            Message::Vote(vote) => {
                if host.heard_of(from, vote.message.height.0, now) {
                    if let NilOrVal::Val(id) = vote.message.value {
                        host.note_vote(from, vote.message.height.0, vote.message.round, id);
                    }
                    host.todo.push_back(Input::Vote(vote.clone()));
                }
            }
            Message::Proposal(offer) => {
                if host.heard_of(from, offer.message.height.0, now) {
                    host.note_offer(message);
                    host.todo.push_back(Input::Proposal(offer.clone()));
                }
            }
            Message::Polka(polka) => {
                if host.heard_of(from, polka.height.0, now) && host.at(polka.height.0) {
                    host.todo.push_back(Input::PolkaCertificate(polka.clone()));
                }
            }
            Message::Round(round) => {
                if host.heard_of(from, round.height.0, now) && host.at(round.height.0) {
                    host.todo.push_back(Input::RoundCertificate(round.clone()));
                }
            }
        }
        if self.host.todo.is_empty() {
            self.maybe_start();
        }
    }
}

impl<C: Chain> ValidatorNode<C> {
    pub(super) fn on_heard(&mut self, from: PeerIndex, tip: u64, now: Micros) {
        // Who stands where we stand waits as we do, and calls nobody.
        if tip != self.host.chain.tip() {
            self.host.heard_of(from, tip.saturating_add(1), now);
            self.maybe_start();
        }
    }
}

impl<C: Chain> Host<C> {
    /// Whether `height` is being decided right now.
    fn at(&self, height: u64) -> bool {
        self.phase == Phase::Running && height == self.chain.tip() + 1
    }

    /// Learns from the height of a message; says whether the engine should see it.
    fn heard_of(&mut self, from: PeerIndex, height: u64, now: Micros) -> bool {
        let current = self.chain.tip() + 1;
        if height < current {
            self.help(from, height, now);
            return false;
        }
        if height == current {
            if let Phase::Waiting { called, .. } = &mut self.phase {
                *called = true;
            }
        } else {
            // Somebody decided `current` already. A liar can at most make us ask.
            self.best_seen = self
                .best_seen
                .max(height.min(current + u64::from(u32::MAX)));
            self.ask_if_behind(Some(from));
        }
        // The engine buffers what is ahead; far futures are of no use to it.
        height <= current + self.config.limits.future_heights as u64
    }

    /// A peer still works on a height we have decided: hand it the decision.
    fn help(&mut self, peer: PeerIndex, height: u64, now: Micros) {
        if peer == self.config.index || peer >= self.config.peers {
            return;
        }
        if let Some((last, at)) = self.helped.get(&peer)
            && (*last > height || now < at + HELP_EVERY)
        {
            return;
        }
        // A late vote for the height just decided is normal; the peer has it too, most likely.
        if height == self.chain.tip() && now < self.decided_at + GRACE {
            return;
        }
        if let Some(decided) = self.chain.decided(height) {
            self.helped.insert(peer, (height, now));
            let message = Message::SyncResponse(vec![decided]);
            self.actions.push(Action::Send(peer, Arc::new(message)));
        }
    }

    fn answer_request(&mut self, from: PeerIndex, height: u64) {
        let list: Vec<Decided<C::Block>> = (height..)
            .take(SYNC_BATCH)
            .map_while(|height| self.chain.decided(height))
            .collect();
        if !list.is_empty() {
            self.actions
                .push(Action::Send(from, Arc::new(Message::SyncResponse(list))));
        }
    }

    /// Asks a peer for the current height when somebody is known to be beyond it.
    ///
    /// One height is waited for a moment first: the votes are on their way.
    pub(super) fn ask_if_behind(&mut self, peer: Option<PeerIndex>) {
        let current = self.chain.tip() + 1;
        let have = self.catch_up.contains_key(&current);
        if self.best_seen <= current || self.asked == Some(current) || have {
            return;
        }
        if self.best_seen == current + 1 {
            self.asked = Some(current);
            self.set_timer(TimerKey::plain(TimerKind::Sync), GRACE);
        } else {
            self.ask(peer);
        }
    }

    /// Asks `peer`, or the next in rotation, for the current height.
    pub(super) fn ask(&mut self, peer: Option<PeerIndex>) {
        let current = self.chain.tip() + 1;
        let peer = peer.unwrap_or_else(|| {
            self.next_peer = (self.next_peer + 1) % self.config.peers;
            if self.next_peer == self.config.index {
                self.next_peer = (self.next_peer + 1) % self.config.peers;
            }
            self.next_peer
        });
        if peer == self.config.index {
            return;
        }
        self.asked = Some(current);
        self.attempts += 1;
        self.counters.sync_requests += 1;
        self.actions
            .push(Action::Send(peer, Arc::new(Message::SyncRequest(current))));
        self.set_timer(TimerKey::plain(TimerKind::Sync), SYNC_RETRY);
    }

    /// The last request had no answer. When nobody has it, whoever claimed to
    /// be ahead was wrong, and we stop believing it.
    pub(super) fn ask_again(&mut self) {
        self.asked = None;
        let current = self.chain.tip() + 1;
        if self.best_seen <= current {
            return;
        }
        if self.attempts >= 2 * self.config.peers {
            self.attempts = 0;
            self.best_seen = current;
        } else {
            self.ask(None);
        }
    }

    fn on_response(&mut self, from: PeerIndex, list: &[Decided<C::Block>]) {
        let current = self.chain.tip() + 1;
        for decided in list.iter().take(SYNC_BATCH) {
            let height = decided.certificate.height;
            let fits = decided.block.id() == decided.certificate.block
                && decided.block.height() == height
                && height >= current
                && height < current + SYNC_BATCH as u64;
            if fits {
                self.catch_up.insert(height, (from, decided.clone()));
            }
        }
        if self.phase == Phase::Running {
            self.feed_catch_up(current);
        }
    }

    /// Hands a caught-up decision of the running height to the engine, which checks its certificate.
    pub(super) fn feed_catch_up(&mut self, height: u64) {
        self.catch_up = self.catch_up.split_off(&height);
        let Some((peer, decided)) = self.catch_up.remove(&height) else {
            return;
        };
        if self.asked == Some(height) {
            self.asked = None;
            self.timers.remove(&TimerKey::plain(TimerKind::Sync));
        }
        let id = decided.block.id();
        if let Entry::Vacant(free) = self.blocks.entry(id) {
            free.insert(Arc::clone(&decided.block));
            self.actions.push(Action::Keep(Arc::clone(&decided.block)));
        }
        let response = ValueResponse::new(
            peer_id(peer),
            Default::default(),
            decided.certificate.to_engine(),
        );
        self.todo.push_back(Input::SyncValueResponse(response));
    }

    /// Remembers the proposal of a round, for those who missed it. It is not
    /// judged here: whoever gets it checks its signature.
    pub(super) fn note_offer(&mut self, message: &Arc<Message<C>>) {
        let Message::Proposal(offer) = message.as_ref() else {
            return;
        };
        let round = offer.message.round.as_u32().unwrap_or(0);
        let rightful = offer.message.height.0 == self.chain.tip() + 1
            && self
                .chain
                .validators()
                .proposer(offer.message.height.0, round)
                .address
                == offer.message.proposer;
        if rightful && (self.offers.len() < MAX_OFFERS || self.offers.contains_key(&round)) {
            self.offers
                .entry(round)
                .or_insert_with(|| Arc::clone(message));
        }
    }

    /// Somebody votes for a block: if we miss it or its proposal, ask after a moment.
    fn note_vote(&mut self, from: PeerIndex, height: u64, round: Round, id: BlockId) {
        let Some(round) = round.as_u32() else {
            return;
        };
        let complete = self.offers.contains_key(&round) && self.blocks.contains_key(&id);
        if complete || !self.at(height) || self.wanted.len() >= MAX_OFFERS {
            return;
        }
        if let Entry::Vacant(free) = self.wanted.entry(round) {
            free.insert((from, id));
            let key = TimerKey {
                kind: TimerKind::Want,
                round,
            };
            self.set_timer(key, WANT_AFTER);
        }
    }

    pub(super) fn ask_for_wanted(&mut self, round: u32) {
        let Some((peer, id)) = self.wanted.remove(&round) else {
            return;
        };
        let complete = self.offers.contains_key(&round) && self.blocks.contains_key(&id);
        if !complete && self.phase == Phase::Running && peer != self.config.index {
            let message = Message::Want(self.chain.tip() + 1, round, id);
            self.actions.push(Action::Send(peer, Arc::new(message)));
        }
    }

    fn answer_want(&mut self, from: PeerIndex, height: u64, round: u32, id: BlockId) {
        if height != self.chain.tip() + 1 || from == self.config.index {
            return;
        }
        if let Some(block) = self.blocks.get(&id) {
            let message = Message::Block(Arc::clone(block));
            self.actions.push(Action::Send(from, Arc::new(message)));
        }
        if let Some(offer) = self.offers.get(&round) {
            self.actions.push(Action::Send(from, Arc::clone(offer)));
        }
    }

    fn on_block(&mut self, from: PeerIndex, block: &Arc<C::Block>, now: Micros) {
        let current = self.chain.tip() + 1;
        let height = block.height();
        if !self.heard_of(from, height, now) {
            return;
        }
        if height == current && self.phase == Phase::Running {
            self.take_block(from, Arc::clone(block), now);
            return;
        }
        if height > current + self.config.limits.future_heights as u64 {
            return;
        }
        let early = self.early.entry(height).or_default();
        let sent = early.iter().filter(|(peer, _)| *peer == from).count();
        if sent < self.config.limits.early_per_sender {
            early.push((from, Arc::clone(block)));
        } else {
            self.counters.early_dropped += 1;
        }
    }

    /// Keeps a block of the running height and tells the engine our verdict on it.
    ///
    /// Blocks are not signed, so anybody can make one up: each sender has a quota.
    pub(super) fn take_block(&mut self, from: PeerIndex, block: Arc<C::Block>, now: Micros) {
        let id = block.id();
        if self.blocks.contains_key(&id) || !self.well_placed(&block) {
            return;
        }
        let taken = self.taken.entry(from).or_default();
        if *taken >= self.config.limits.blocks_per_sender {
            self.counters.blocks_dropped += 1;
            return;
        }
        *taken += 1;
        let validity = self.judge(&block, now);
        self.blocks.insert(id, Arc::clone(&block));
        self.actions.push(Action::Keep(Arc::clone(&block)));
        let value = ProposedValue {
            height: Height(block.height()),
            round: Round::new(block.round()),
            valid_round: Round::Nil,
            proposer: block.proposer(),
            value: Value(id),
            validity,
        };
        self.todo
            .push_back(Input::ProposedValue(value, ValueOrigin::Consensus));
    }
}

/// The engine wants a libp2p-style peer id; ours is the position as an identity hash.
fn peer_id(peer: PeerIndex) -> PeerId {
    let [a, b] = peer.to_le_bytes();
    PeerId::from_bytes(&[0, 2, a, b]).expect("an identity multihash of two bytes is well formed")
}
