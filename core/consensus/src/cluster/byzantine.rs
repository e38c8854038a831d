//! Validators that lie on purpose: what they send instead of what their driver wants to send.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arc_malachitebft_core_types::SignedProposal;
use gridloom_units::{Stream, draw_u64};

use super::Cluster;
use crate::chain::{Block, Chain};
use crate::context::{BlockId, Value};
use crate::message::Message;
use crate::node::PeerIndex;
use crate::preimage;

/// Old messages a replaying validator chooses from.
const ARCHIVE: usize = 256;
/// Forged blocks remembered, so that the proposal that follows names them.
const FORGED: usize = 64;

/// What a lying proposer makes of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// A block that claims a state its transactions do not lead to.
    InvalidState,
    /// A second block that is valid as well.
    OtherValid,
}

/// Makes the block of a lying proposer; the decided content is the caller's, so is this.
pub type Forge<C> = fn(&<C as Chain>::Block, Lie) -> Option<<C as Chain>::Block>;

/// A way to misbehave, beyond voting twice and voting in the names of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misconduct {
    /// Sends nothing at all.
    Silent,
    /// Hands its blocks to a part of the others only.
    Withhold,
    /// Proposes blocks that are invalid.
    InvalidBlock,
    /// Proposes two valid blocks, one to each half.
    TwoBlocks,
    /// Sends old messages of anybody again.
    Replay,
}

/// What liars need to remember.
#[derive(Debug)]
pub(crate) struct Lies<C: Chain> {
    pub forge: Option<Forge<C>>,
    conduct: BTreeMap<PeerIndex, Misconduct>,
    forged: BTreeMap<BlockId, Arc<C::Block>>,
    archive: VecDeque<Arc<Message<C>>>,
}

impl<C: Chain> Default for Lies<C> {
    fn default() -> Self {
        Self {
            forge: None,
            conduct: BTreeMap::new(),
            forged: BTreeMap::new(),
            archive: VecDeque::new(),
        }
    }
}

impl<C: Chain> Clone for Lies<C> {
    fn clone(&self) -> Self {
        Self {
            forge: self.forge,
            conduct: self.conduct.clone(),
            forged: self.forged.clone(),
            archive: self.archive.clone(),
        }
    }
}

impl<C: Chain> Cluster<C> {
    /// Lets a validator misbehave from now on, or (`None`) behave again.
    pub fn set_misconduct(&mut self, node: PeerIndex, conduct: Option<Misconduct>) {
        match conduct {
            Some(conduct) => {
                self.lies.conduct.insert(node, conduct);
                self.faults.liars.insert(node);
            }
            None => {
                self.lies.conduct.remove(&node);
            }
        }
        self.mix(&[12, u64::from(node), conduct.map_or(0, |c| c as u64 + 1)]);
    }

    /// Says how a lying proposer makes its block.
    pub fn set_forge(&mut self, forge: Forge<C>) {
        self.lies.forge = Some(forge);
    }

    /// Sends what a validator broadcasts, or what it sends instead. Returns
    /// whether the message was dealt with.
    pub(super) fn misbehave(&mut self, from: PeerIndex, message: &Arc<Message<C>>) -> bool {
        if self.lies.conduct.is_empty() {
            return false;
        }
        self.keep_old(message);
        let Some(conduct) = self.lies.conduct.get(&from).copied() else {
            return false;
        };
        match (conduct, message.as_ref()) {
            (Misconduct::Silent, _) => true,
            (Misconduct::Withhold, Message::Block(_)) => {
                let chosen = self.draw(from);
                self.transmit_if(from, message, |to| chosen >> (to % 64) & 1 == 1);
                true
            }
            (Misconduct::InvalidBlock, Message::Block(block)) => {
                let Some(lie) = self.forge(block, Lie::InvalidState) else {
                    return false;
                };
                self.transmit_if(from, &Arc::new(Message::Block(lie)), |_| true);
                true
            }
            (Misconduct::TwoBlocks, Message::Block(block)) => {
                let Some(lie) = self.forge(block, Lie::OtherValid) else {
                    return false;
                };
                self.transmit_if(from, message, |to| to % 2 == 0);
                self.transmit_if(from, &Arc::new(Message::Block(lie)), |to| to % 2 == 1);
                true
            }
            (Misconduct::InvalidBlock | Misconduct::TwoBlocks, Message::Proposal(offer)) => {
                let Some(lie) = self.forged_proposal(from, offer) else {
                    return false;
                };
                let halves = conduct == Misconduct::TwoBlocks;
                if halves {
                    self.transmit_if(from, message, |to| to % 2 == 0);
                }
                self.transmit_if(from, &lie, |to| !halves || to % 2 == 1);
                true
            }
            (Misconduct::Replay, _) => {
                let draw = self.draw(from);
                let count = self.lies.archive.len() as u64;
                let old = self
                    .lies
                    .archive
                    .get((draw % count.max(1)) as usize)
                    .cloned();
                if let Some(old) = old {
                    self.transmit_if(from, &old, |_| true);
                }
                false
            }
            (Misconduct::Withhold | Misconduct::InvalidBlock | Misconduct::TwoBlocks, _) => false,
        }
    }

    fn draw(&self, from: PeerIndex) -> u64 {
        let seed = self.network.links().seed;
        draw_u64(seed, self.events, u64::from(from), Stream::Behaviour)
    }

    fn keep_old(&mut self, message: &Arc<Message<C>>) {
        let wanted = self
            .lies
            .conduct
            .values()
            .any(|conduct| *conduct == Misconduct::Replay);
        if wanted {
            if self.lies.archive.len() >= ARCHIVE {
                self.lies.archive.pop_front();
            }
            self.lies.archive.push_back(Arc::clone(message));
        }
    }

    fn transmit_if(
        &mut self,
        from: PeerIndex,
        message: &Arc<Message<C>>,
        wanted: impl Fn(PeerIndex) -> bool,
    ) {
        for to in 0..self.members.len() as PeerIndex {
            if to != from && wanted(to) {
                self.transmit(from, to, message);
            }
        }
    }

    fn forge(&mut self, block: &C::Block, lie: Lie) -> Option<Arc<C::Block>> {
        let forged = Arc::new(self.lies.forge?(block, lie)?);
        if self.lies.forged.len() >= FORGED {
            self.lies.forged.pop_first();
        }
        self.lies.forged.insert(block.id(), Arc::clone(&forged));
        Some(forged)
    }

    /// The proposal of the forged block, signed by the liar itself.
    fn forged_proposal(
        &self,
        from: PeerIndex,
        offer: &SignedProposal<crate::context::Ctx>,
    ) -> Option<Arc<Message<C>>> {
        let forged = self.lies.forged.get(&offer.message.value.0)?;
        let mut other = offer.message.clone();
        other.value = Value(forged.id());
        let member = &self.members[usize::from(from)];
        let chain = member.chain().id();
        let signature = member.config.key.sign(&preimage::proposal(&chain, &other));
        Some(Arc::new(Message::Proposal(SignedProposal::new(
            other, signature,
        ))))
    }
}
