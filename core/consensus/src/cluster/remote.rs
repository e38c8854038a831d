//! Validators of a group that run elsewhere.
//!
//! What reaches such a validator is put out for whoever carries it there; what
//! it says comes back in as an input like any other, so a run with its inputs
//! repeats without it. On the way in its messages are as late as the carrier:
//! at least until the group is driven again.

use std::sync::Arc;

use super::{Cluster, Slot};
use crate::chain::Chain;
use crate::log::{LogInput, LogRecord};
use crate::message::Message;
use crate::node::{Micros, PeerIndex, ValidatorNode};

/// Deliveries that may wait for their carrier; what comes when it is full is
/// lost, and the carrier is told.
const MAX_OUTWARD: usize = 16_384;

/// A message that reached a validator elsewhere.
#[derive(Debug)]
pub struct Outward<C: Chain> {
    /// When, µs.
    pub at: Micros,
    /// Whom it reached.
    pub to: PeerIndex,
    /// Who sent it.
    pub from: PeerIndex,
    /// What.
    pub message: Arc<Message<C>>,
}

impl<C: Chain> Clone for Outward<C> {
    fn clone(&self) -> Self {
        Self {
            at: self.at,
            to: self.to,
            from: self.from,
            message: Arc::clone(&self.message),
        }
    }
}

/// What a validator takes along: its chain, and what it may have signed at the
/// height after it.
#[derive(Debug)]
pub struct Handover<C: Chain> {
    /// Its chain.
    pub chain: C,
    /// Log of the height after the tip.
    pub log: Vec<LogRecord>,
    /// Undecided blocks of that height.
    pub kept: Vec<Arc<C::Block>>,
}

/// A validator elsewhere, as its group remembers it.
#[derive(Debug)]
pub(crate) struct Remote<C: Chain> {
    /// Its chain when it left.
    pub chain: C,
    /// What it signed above the newest decided height, and all of its log when it left.
    pub log: Vec<LogInput>,
    /// Undecided blocks when it left.
    pub kept: Vec<Arc<C::Block>>,
}

impl<C: Chain> Clone for Remote<C> {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            log: self.log.clone(),
            kept: self.kept.clone(),
        }
    }
}

fn height_of(input: &LogInput) -> u64 {
    LogRecord(input.clone())
        .signed()
        .map_or(0, |(place, _)| place.height)
}

impl<C: Chain> Cluster<C> {
    /// A validator runs elsewhere from now on; see [`Self::handover`]. `false`
    /// when it does already, or is not in the group.
    pub fn give_away(&mut self, node: PeerIndex) -> bool {
        let Some(member) = self.members.get_mut(usize::from(node)) else {
            return false;
        };
        let (chain, written) = match &member.slot {
            Slot::Up(validator) => (validator.chain().clone(), member.disk.log.len()),
            Slot::Down(chain) => (chain.clone(), member.disk.flushed),
            Slot::Remote(_) => return false,
        };
        let mut remote = Remote {
            log: Vec::new(),
            kept: Vec::new(),
            chain,
        };
        // A log of another height is of no use.
        if member.disk.height == remote.chain.tip() + 1 {
            remote.log = member.disk.log[..written].to_vec();
            remote.kept = member.disk.kept.values().cloned().collect();
        }
        member.slot = Slot::Remote(Box::new(remote));
        member.life += 1;
        self.mix(&[14, u64::from(node)]);
        true
    }

    /// What a validator that was just given away takes along; `None` for a simulated one.
    #[must_use]
    pub fn handover(&self, node: PeerIndex) -> Option<Handover<C>> {
        let Slot::Remote(remote) = &self.members.get(usize::from(node))?.slot else {
            return None;
        };
        Some(Handover {
            chain: remote.chain.clone(),
            log: remote.log.iter().cloned().map(LogRecord).collect(),
            kept: remote.kept.clone(),
        })
    }

    /// A validator that ran elsewhere is simulated again. Everything it said
    /// came through here, so what it signed is known and not signed otherwise;
    /// where it was ahead of all others it first follows.
    pub fn take_back(&mut self, node: PeerIndex) -> bool {
        let Some(mut chain) = self.best_chain().cloned() else {
            return false;
        };
        let now = self.now;
        let Some(member) = self.members.get_mut(usize::from(node)) else {
            return false;
        };
        let Slot::Remote(remote) = &member.slot else {
            return false;
        };
        chain.forget_volatile();
        let next = chain.tip() + 1;
        let (log, later): (Vec<LogInput>, Vec<LogInput>) = remote
            .log
            .iter()
            .filter(|input| height_of(input) >= next)
            .cloned()
            .partition(|input| height_of(input) == next);
        member.disk = super::Disk::new(next);
        let config = Arc::clone(&member.config);
        let (mut validator, actions) =
            ValidatorNode::restart(config, chain, log, Vec::new(), now, &mut self.memo);
        if let Some(last) = later.iter().map(height_of).max() {
            validator.keep_silent_below(last + 1);
        }
        member.slot = Slot::Up(Box::new(validator));
        member.life += 1;
        self.outward.retain(|message| message.to != node);
        self.mix(&[15, u64::from(node)]);
        self.carry_out(node, actions);
        true
    }

    /// Whether a validator runs elsewhere.
    #[must_use]
    pub fn is_remote(&self, node: PeerIndex) -> bool {
        let member = self.members.get(usize::from(node));
        member.is_some_and(|member| matches!(member.slot, Slot::Remote(_)))
    }

    /// What a validator elsewhere says, to one peer or to all of them.
    pub fn bring_in(&mut self, node: PeerIndex, to: Option<PeerIndex>, message: &Arc<Message<C>>) {
        let Some(member) = self.members.get_mut(usize::from(node)) else {
            return;
        };
        let Slot::Remote(remote) = &mut member.slot else {
            return;
        };
        let signed = match message.as_ref() {
            Message::Vote(vote) => Some(LogInput::Vote(vote.clone())),
            Message::Proposal(offer) => Some(LogInput::Proposal(offer.clone())),
            _ => None,
        };
        // Repetitions of a signed message are equal.
        if let Some(signed) = signed
            && !remote.log.contains(&signed)
        {
            let decided = self.best;
            remote.log.retain(|input| height_of(input) > decided);
            remote.log.push(signed);
        }
        self.mix(&[16, u64::from(node), message.mark()]);
        match to {
            Some(to) => self.transmit(node, to, message),
            None => {
                for to in 0..self.members.len() as PeerIndex {
                    if to != node {
                        self.transmit(node, to, message);
                    }
                }
            }
        }
    }

    pub(super) fn put_out(&mut self, outward: Outward<C>) {
        if self.outward.len() >= MAX_OUTWARD {
            self.outward_lost.insert(outward.to);
        } else {
            self.outward.push_back(outward);
        }
    }

    /// What reached a validator elsewhere since the last call, in order; `None`
    /// when some of it was lost because nobody fetched it in time.
    pub fn take_outward(&mut self, node: PeerIndex) -> Option<Vec<Outward<C>>> {
        let whole = !self.outward_lost.remove(&node);
        let all = std::mem::take(&mut self.outward);
        let (out, rest) = all.into_iter().partition(|message| message.to == node);
        self.outward = rest;
        whole.then(|| out.into())
    }
}
