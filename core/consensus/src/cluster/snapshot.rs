//! Copies of a whole group, for going back in time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Cluster, DecidedBlock, Disk, Faults, Fork, Lies, Member, Remote, Slot};
use crate::chain::Chain;
use crate::context::BlockId;
use crate::message::Message;
use crate::network::SimNetwork;
use crate::node::{Micros, NodeConfig, NodeSnapshot, ValidatorNode};

#[derive(Clone, Debug)]
enum SlotSnapshot<C: Chain> {
    Up(Box<NodeSnapshot<C>>),
    Down(C),
    Remote(Box<Remote<C>>),
}

#[derive(Clone, Debug)]
struct MemberSnapshot<C: Chain> {
    config: Arc<NodeConfig>,
    slot: SlotSnapshot<C>,
    disk: Disk<C>,
    life: u32,
}

/// A group at one moment. Blocks and chain history are shared, not copied.
#[derive(Clone, Debug)]
pub struct ClusterSnapshot<C: Chain> {
    members: Vec<MemberSnapshot<C>>,
    network: SimNetwork<Message<C>>,
    now: Micros,
    faults: Faults,
    lies: Lies<C>,
    undrained: VecDeque<DecidedBlock<C::Block>>,
    undrained_dropped: u64,
    best: u64,
    watched: BTreeMap<u64, BlockId>,
    fork: Option<Fork>,
    evidence: u64,
    events: u64,
    digest: [u8; 32],
    trace: u64,
}

impl<C: Chain> Cluster<C> {
    /// A copy of the group as it is now.
    #[must_use]
    pub fn snapshot(&self) -> ClusterSnapshot<C> {
        let members = self
            .members
            .iter()
            .map(|member| MemberSnapshot {
                config: Arc::clone(&member.config),
                slot: match &member.slot {
                    Slot::Up(node) => SlotSnapshot::Up(Box::new(node.snapshot())),
                    Slot::Down(chain) => SlotSnapshot::Down(chain.clone()),
                    Slot::Remote(remote) => SlotSnapshot::Remote(remote.clone()),
                },
                disk: member.disk.clone(),
                life: member.life,
            })
            .collect();
        ClusterSnapshot {
            members,
            network: self.network.clone(),
            now: self.now,
            faults: self.faults.clone(),
            lies: self.lies.clone(),
            undrained: self.undrained.clone(),
            undrained_dropped: self.undrained_dropped,
            best: self.best,
            watched: self.watched.clone(),
            fork: self.fork.clone(),
            evidence: self.evidence,
            events: self.events,
            digest: self.digest,
            trace: self.trace,
        }
    }

    /// Sets the group back to a snapshot. Running on from it gives the same
    /// events and the same [`Cluster::digest`] as the first time.
    pub fn restore(&mut self, snapshot: &ClusterSnapshot<C>) {
        // Good signatures stay good: the memory of them is kept.
        let memo = &mut self.memo;
        self.members = snapshot
            .members
            .iter()
            .map(|member| Member {
                config: Arc::clone(&member.config),
                slot: match &member.slot {
                    SlotSnapshot::Up(node) => {
                        Slot::Up(Box::new(ValidatorNode::restore(node, memo)))
                    }
                    SlotSnapshot::Down(chain) => Slot::Down(chain.clone()),
                    SlotSnapshot::Remote(remote) => Slot::Remote(remote.clone()),
                },
                disk: member.disk.clone(),
                life: member.life,
            })
            .collect();
        self.network = snapshot.network.clone();
        self.now = snapshot.now;
        self.faults = snapshot.faults.clone();
        self.lies = snapshot.lies.clone();
        self.outward.clear();
        self.outward_lost.clear();
        self.undrained = snapshot.undrained.clone();
        self.undrained_dropped = snapshot.undrained_dropped;
        self.best = snapshot.best;
        self.watched = snapshot.watched.clone();
        self.fork = snapshot.fork.clone();
        self.evidence = snapshot.evidence;
        self.events = snapshot.events;
        self.digest = snapshot.digest;
        self.trace = snapshot.trace;
    }
}
