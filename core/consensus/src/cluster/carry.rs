//! Carrying out what validators ask for: disk, network, decisions, and sabotage.

use std::sync::Arc;

use arc_malachitebft_core_types::{NilOrVal, SignedVote};
use gridloom_units::SimTime;

use super::{Cluster, DecidedBlock, Fork, MAX_UNDRAINED, WATCHED_HEIGHTS};
use crate::chain::{Block, Chain, Decided};
use crate::context::{Address, BlockId, Ctx};
use crate::evidence::Equivocation;
use crate::message::Message;
use crate::network::{Due, Sender};
use crate::node::{Action, PeerIndex};
use crate::preimage;

impl<C: Chain> Cluster<C> {
    pub(super) fn carry_out(&mut self, node: PeerIndex, actions: Vec<Action<C>>) {
        for action in actions {
            match action {
                Action::Broadcast(message) => self.broadcast(node, &message),
                Action::Send(to, message) => self.transmit(node, to, &message),
                Action::SetTimer { key, epoch, after } => {
                    let life = self.members[usize::from(node)].life;
                    self.network.push(
                        self.now + after,
                        Due::Timer {
                            node,
                            life,
                            key,
                            epoch,
                        },
                    );
                }
                Action::Commit(decided) => self.on_commit(node, decided),
                Action::Finalized { evidence, .. } => self.on_evidence(&evidence),
                Action::Stopped(reason) => self.mix(&[10, u64::from(node), reason.len() as u64]),
                disk => self.write(node, disk),
            }
        }
    }

    /// The part of the actions that goes to the validator's disk.
    fn write(&mut self, node: PeerIndex, action: Action<C>) {
        let disk = &mut self.members[usize::from(node)].disk;
        match action {
            Action::Keep(block) => {
                disk.kept.insert(block.id(), block);
            }
            Action::Append(height, input) if height == disk.height => disk.log.push(*input),
            Action::Flush => disk.flushed = disk.log.len(),
            Action::ResetLog(height) => {
                disk.height = height;
                disk.log.clear();
                disk.flushed = 0;
                disk.kept.retain(|_, block| block.height() >= height);
            }
            _ => {}
        }
    }

    pub(super) fn transmit(&mut self, from: PeerIndex, to: PeerIndex, message: &Arc<Message<C>>) {
        let (height, round) = message.height_round();
        let about = (message.kind(), height, round);
        let bytes = self.network.counts_bytes().then(|| message.size_bytes());
        self.network.send(
            self.now,
            Sender::Peer(from),
            to,
            message,
            about,
            bytes.unwrap_or(0),
        );
    }

    fn broadcast(&mut self, from: PeerIndex, message: &Arc<Message<C>>) {
        if self.misbehave(from, message) {
            return;
        }
        for to in 0..self.members.len() as PeerIndex {
            if to != from {
                self.transmit(from, to, message);
            }
        }
        let Message::Vote(vote) = message.as_ref() else {
            return;
        };
        if self.faults.equivocators.contains(&from) {
            let voter = vote.message.voter;
            self.send_contradiction(from, vote, voter);
        }
        if self.faults.forgers.contains(&from) {
            let others: Vec<_> = self
                .members
                .iter()
                .map(|member| member.config.key.address())
                .filter(|address| *address != vote.message.voter)
                .collect();
            for voter in others {
                self.send_contradiction(from, vote, voter);
            }
        }
    }

    /// Sends a vote that says the opposite, in the name of `voter`.
    fn send_contradiction(&mut self, from: PeerIndex, vote: &SignedVote<Ctx>, voter: Address) {
        let lie = Arc::new(Message::Vote(self.contradict(from, vote, voter)));
        for to in 0..self.members.len() as PeerIndex {
            if to != from {
                self.transmit(from, to, &lie);
            }
        }
    }

    /// Evidence against a validator nobody told to lie means that an honest one signed twice.
    fn on_evidence(&mut self, evidence: &[Equivocation]) {
        self.evidence += evidence.len() as u64;
        for proof in evidence {
            let expected = self.faults.liars.iter().any(|index| {
                self.members
                    .get(usize::from(*index))
                    .is_some_and(|member| member.config.key.address() == proof.offender)
            });
            if !expected && self.faults.double_signed.is_none() {
                self.faults.double_signed = Some(proof.offender);
            }
        }
    }

    /// A different vote for the same place, signed with the key of `node`: good
    /// evidence when that is the voter, a forgery when it is not.
    fn contradict(
        &mut self,
        node: PeerIndex,
        vote: &SignedVote<Ctx>,
        voter: Address,
    ) -> SignedVote<Ctx> {
        let mut other = vote.message.clone();
        other.voter = voter;
        other.value = match other.value {
            NilOrVal::Val(_) => NilOrVal::Nil,
            NilOrVal::Nil => NilOrVal::Val(BlockId([0x5a; 32])),
        };
        let member = &self.members[usize::from(node)];
        let chain = member.chain().id();
        // Not through the memory of good signatures: this one need not be good.
        let signature = member.config.key.sign(&preimage::vote(&chain, &other));
        SignedVote::new(other, signature)
    }

    fn on_commit(&mut self, node: PeerIndex, decided: Decided<C::Block>) {
        let height = decided.certificate.height;
        let id = decided.certificate.block;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digest);
        hasher.update(&node.to_le_bytes());
        hasher.update(&height.to_le_bytes());
        hasher.update(&decided.certificate.round.to_le_bytes());
        hasher.update(&id.0);
        self.digest = *hasher.finalize().as_bytes();

        match self.watched.get(&height) {
            Some(first) if *first != id && self.fork.is_none() => {
                self.fork = Some(Fork {
                    height,
                    first: *first,
                    second: id,
                });
            }
            Some(_) => {}
            None => {
                self.watched.insert(height, id);
                let oldest = height.saturating_sub(WATCHED_HEIGHTS);
                if self
                    .watched
                    .first_key_value()
                    .is_some_and(|(h, _)| *h < oldest)
                {
                    self.watched.pop_first();
                }
            }
        }
        if height == self.best + 1 {
            self.best = height;
            if self.undrained.len() >= MAX_UNDRAINED {
                self.undrained.pop_front();
                self.undrained_dropped += 1;
            }
            let proposer = self.proposer_of(&decided.block);
            self.undrained.push_back(DecidedBlock {
                decided,
                at: SimTime(self.now / 1_000),
                proposer,
            });
        }
    }
}
