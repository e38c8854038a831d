//! What can be done to a group: crashes, cuts, lies.

use std::sync::Arc;

use super::{Cluster, Sabotage, Slot};
use crate::chain::Chain;
use crate::network::LinkConfig;
use crate::node::{PeerIndex, ValidatorNode};

impl<C: Chain> Cluster<C> {
    /// Stops a validator at once; what was not flushed is lost.
    pub fn crash(&mut self, node: PeerIndex) {
        self.crash_torn(node, 0);
    }

    /// Stops a validator at once in the middle of a write: of what was not
    /// flushed the first `survives` entries reached the disk whole, the next
    /// one is torn and cut off on opening, the rest is lost.
    pub fn crash_torn(&mut self, node: PeerIndex, survives: usize) {
        let Some(member) = self.members.get_mut(usize::from(node)) else {
            return;
        };
        if let Slot::Up(validator) = &mut member.slot {
            let mut chain = validator.chain().clone();
            chain.forget_volatile();
            member.slot = Slot::Down(chain);
            let kept = member.disk.flushed + survives;
            member.disk.log.truncate(kept);
            member.disk.flushed = member.disk.log.len();
            if self.sabotage == Sabotage::ForgetLog {
                member.disk.log.clear();
            }
            member.life += 1;
            self.mix(&[4, u64::from(node)]);
        }
    }

    /// Takes the whole log away from a validator that is down, flushed or not: it may then sign
    /// twice without knowing, so it counts as one of those that may misbehave.
    pub fn lose_log(&mut self, node: PeerIndex) {
        if let Some(member) = self.members.get_mut(usize::from(node))
            && matches!(member.slot, Slot::Down(_))
        {
            member.disk.log.clear();
            member.disk.flushed = 0;
            self.faults.liars.insert(node);
            self.mix(&[13, u64::from(node)]);
        }
    }

    /// Brings a crashed validator back from its chain and log.
    pub fn restart(&mut self, node: PeerIndex) {
        let now = self.now;
        let Some(member) = self.members.get_mut(usize::from(node)) else {
            return;
        };
        let Slot::Down(chain) = &member.slot else {
            return;
        };
        // A log of another height is of no use.
        let log = if member.disk.height == chain.tip() + 1 {
            member.disk.log.clone()
        } else {
            Vec::new()
        };
        let kept = member.disk.kept.values().cloned().collect();
        let (validator, actions) = ValidatorNode::restart(
            Arc::clone(&member.config),
            chain.clone(),
            log,
            kept,
            now,
            &mut self.memo,
        );
        member.slot = Slot::Up(Box::new(validator));
        self.mix(&[5, u64::from(node)]);
        self.carry_out(node, actions);
    }

    /// Cuts the network into groups; a validator in no group is alone.
    pub fn partition(&mut self, groups: &[Vec<PeerIndex>]) {
        self.network.partition(groups);
        self.mix(&[6]);
    }

    /// Makes the network whole again.
    pub fn heal(&mut self) {
        self.network.heal();
        self.mix(&[7]);
    }

    /// Lets a validator vote twice whenever it votes, or stops that.
    pub fn set_equivocator(&mut self, node: PeerIndex, on: bool) {
        if on {
            self.faults.equivocators.insert(node);
            self.faults.liars.insert(node);
        } else {
            self.faults.equivocators.remove(&node);
        }
        self.mix(&[8, u64::from(node), u64::from(on)]);
    }

    /// Lets a validator send votes in the names of others, or stops that.
    pub fn set_forger(&mut self, node: PeerIndex, on: bool) {
        if on {
            self.faults.forgers.insert(node);
        } else {
            self.faults.forgers.remove(&node);
        }
        self.mix(&[11, u64::from(node), u64::from(on)]);
    }

    /// Counts the bytes of messages even where links have no bandwidth.
    pub fn count_bytes(&mut self, on: bool) {
        self.network.count_bytes(on);
    }

    /// Changes latency, loss and seed of the links.
    pub fn set_links(&mut self, links: LinkConfig) {
        self.network.set_links(links);
        self.mix(&[9, links.seed, u64::from(links.loss_ppm)]);
    }
}
