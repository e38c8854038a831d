//! A ledger's nodes under whatever family of consensus it was given.
//!
//! [`Group`] is what a twin drives: our own engine's validators ([`Cluster`]),
//! or a ledger that another family puts in order ([`OrderedGroup`]), with or
//! without nodes that simulate every transaction and compare before it is
//! ordered (paper Table 1, automation). Scene and commands see one kind of group.

mod endorse;
mod ordered;
mod types;

use std::collections::VecDeque;
use std::sync::Arc;

use gridloom_units::SimTime;

use crate::chain::Chain;
use crate::cluster::{
    Cluster, ClusterSnapshot, DecidedBlock, Forge, Fork, Misconduct, ValidatorStatus,
};
use crate::compare::Family;
use crate::context::Address;
use crate::network::{LinkConfig, MessageRecord, NetworkCounters};
use crate::node::PeerIndex;
use crate::sign::KeyPair;

use endorse::Endorsers;
pub use ordered::OrderedGroup;
pub use types::{Figures, GroupConfig};

#[derive(Debug)]
enum Engine<C: Chain> {
    Voted(Box<Cluster<C>>),
    Ordered(Box<OrderedGroup<C>>),
}

/// The nodes of one ledger.
#[derive(Debug)]
pub struct Group<C: Chain> {
    engine: Engine<C>,
    endorsers: Option<Endorsers<C::Tx>>,
}

#[derive(Clone, Debug)]
enum EngineSnapshot<C: Chain> {
    Voted(Box<ClusterSnapshot<C>>),
    Ordered(Box<OrderedGroup<C>>),
}

/// A group at one moment. Blocks and chain history are shared, not copied.
#[derive(Clone, Debug)]
pub struct GroupSnapshot<C: Chain> {
    engine: EngineSnapshot<C>,
    endorsers: Option<Endorsers<C::Tx>>,
}

impl<C: Chain> Group<C> {
    /// A group whose nodes all begin at time `now` on the same chain; `keys` in
    /// network order.
    #[must_use]
    pub fn new(config: &GroupConfig, keys: Vec<KeyPair>, chain: &C, now: SimTime) -> Self {
        let links = config.cluster.links;
        let endorsers = (config.endorsers > 0)
            .then(|| Endorsers::new(config.endorsers, keys.len(), links.seed));
        let engine = match config.family {
            None => Engine::Voted(Box::new(Cluster::new(&config.cluster, keys, chain, now))),
            Some(family) => {
                let block_ms = config.cluster.min_block_interval_ms;
                Engine::Ordered(Box::new(OrderedGroup::new(
                    family, block_ms, links, keys, chain,
                )))
            }
        };
        Self { engine, endorsers }
    }

    /// Says how a lying proposer forges blocks; our own engine only.
    pub fn set_forge(&mut self, forge: Forge<C>) {
        if let Engine::Voted(cluster) = &mut self.engine {
            cluster.set_forge(forge);
        }
    }

    /// The family, if it is not our own engine's.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        match &self.engine {
            Engine::Voted(_) => None,
            Engine::Ordered(group) => Some(group.family()),
        }
    }

    /// What the family cost so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let figures = match &self.engine {
            Engine::Voted(_) => Figures::default(),
            Engine::Ordered(group) => group.figures(),
        };
        self.endorsers
            .as_ref()
            .map_or(figures, |endorsers| endorsers.add_to(figures))
    }

    /// Processes everything due up to and including `until`.
    pub fn advance(&mut self, until: SimTime) {
        while let Some((at, tx)) = self.endorsers.as_mut().and_then(|e| e.ready(until)) {
            self.drive(at);
            self.hand_in(tx);
        }
        self.drive(until);
    }

    fn drive(&mut self, until: SimTime) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.advance(until),
            Engine::Ordered(group) => group.advance(until),
        }
    }

    fn hand_in(&mut self, tx: Arc<C::Tx>) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.submit(tx),
            Engine::Ordered(group) => {
                let bytes = borsh::object_length(tx.as_ref()).unwrap_or(0) as u64;
                group.submit(tx, bytes);
            }
        }
    }

    /// Takes a transaction from outside: to the nodes at once, or first to those that simulate it.
    pub fn submit(&mut self, tx: Arc<C::Tx>) {
        if self.endorsers.is_none() {
            return self.hand_in(tx);
        }
        let up: Vec<bool> = self.statuses().iter().map(|status| status.up).collect();
        let (now, links) = (self.now(), self.links());
        let bytes = borsh::object_length(tx.as_ref()).unwrap_or(0) as u64;
        if let Some(endorsers) = &mut self.endorsers {
            let (messages, bytes) = endorsers.ask(tx, bytes, now, &links, &up);
            match &mut self.engine {
                Engine::Voted(cluster) => cluster.count_sent(messages, bytes),
                Engine::Ordered(group) => group.count_sent(messages, bytes),
            }
        }
    }

    fn now(&self) -> SimTime {
        match &self.engine {
            Engine::Voted(cluster) => cluster.now(),
            Engine::Ordered(group) => group.now(),
        }
    }

    /// Decided blocks since the last call, in order of height.
    pub fn drain_decided(&mut self) -> Vec<DecidedBlock<C::Block>> {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.drain_decided(),
            Engine::Ordered(group) => group.drain_decided(),
        }
    }

    /// The chain of the node that is furthest, for queries.
    #[must_use]
    pub fn best_chain(&self) -> Option<&C> {
        match &self.engine {
            Engine::Voted(cluster) => cluster.best_chain(),
            Engine::Ordered(group) => Some(group.chain()),
        }
    }

    /// Changes every node's chain in the same way: what happens to a store they share.
    pub fn each_chain(&mut self, change: impl Fn(&mut C)) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.each_chain(change),
            Engine::Ordered(group) => change(group.chain_mut()),
        }
    }

    /// Highest decided height.
    #[must_use]
    pub fn height(&self) -> u64 {
        match &self.engine {
            Engine::Voted(cluster) => cluster.height(),
            Engine::Ordered(group) => group.chain().tip(),
        }
    }

    /// What every node is doing.
    #[must_use]
    pub fn statuses(&self) -> Vec<ValidatorStatus> {
        match &self.engine {
            Engine::Voted(cluster) => cluster.statuses(),
            Engine::Ordered(group) => group.statuses(),
        }
    }

    /// The newest messages, oldest first.
    #[must_use]
    pub fn log(&self) -> &VecDeque<MessageRecord> {
        match &self.engine {
            Engine::Voted(cluster) => cluster.network().lines(),
            Engine::Ordered(group) => group.log(),
        }
    }

    /// Network counters.
    #[must_use]
    pub fn network_counters(&self) -> NetworkCounters {
        match &self.engine {
            Engine::Voted(cluster) => cluster.network_counters(),
            Engine::Ordered(group) => group.network_counters(),
        }
    }

    /// The links between the nodes.
    #[must_use]
    pub fn links(&self) -> LinkConfig {
        match &self.engine {
            Engine::Voted(cluster) => cluster.network().links(),
            Engine::Ordered(group) => group.links(),
        }
    }

    /// Changes the links for messages sent from now on.
    pub fn set_links(&mut self, links: LinkConfig) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.set_links(links),
            Engine::Ordered(group) => group.set_links(links),
        }
    }

    /// Stops a node at once.
    pub fn crash(&mut self, node: PeerIndex) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.crash(node),
            Engine::Ordered(group) => group.crash(node),
        }
    }

    /// Brings a stopped node back.
    pub fn restart(&mut self, node: PeerIndex) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.restart(node),
            Engine::Ordered(group) => group.restart(node),
        }
    }

    /// Cuts the network into groups; a node in no group is alone.
    pub fn partition(&mut self, groups: &[Vec<PeerIndex>]) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.partition(groups),
            Engine::Ordered(group) => group.partition(groups),
        }
    }

    /// Makes the network whole again.
    pub fn heal(&mut self) {
        match &mut self.engine {
            Engine::Voted(cluster) => cluster.heal(),
            Engine::Ordered(group) => group.heal(),
        }
    }

    /// Lets a node misbehave, or stops that: `twice` votes twice whenever it votes.
    ///
    /// # Errors
    /// A sentence where the group's family has no such behaviour.
    pub fn misbehave(
        &mut self,
        node: PeerIndex,
        twice: bool,
        conduct: Option<Misconduct>,
    ) -> Result<(), String> {
        let false_result = conduct == Some(Misconduct::InvalidBlock);
        if let Some(endorsers) = &mut self.endorsers {
            endorsers.set_false(node, false_result);
        }
        match &mut self.engine {
            Engine::Voted(cluster) => {
                cluster.set_equivocator(node, twice);
                cluster.set_misconduct(node, conduct);
                Ok(())
            }
            Engine::Ordered(_) if !twice && conduct.is_none() => Ok(()),
            Engine::Ordered(_) if false_result && self.endorsers.is_some() => Ok(()),
            Engine::Ordered(group) => Err(format!(
                "nodes that lie are not modelled under {}; only false results are, where nodes \
                 compare them before they order",
                group.family().name()
            )),
        }
    }

    /// The validators of our own engine, for those of them that run elsewhere;
    /// `None` under another family.
    pub fn voters(&mut self) -> Option<&mut Cluster<C>> {
        match &mut self.engine {
            Engine::Voted(cluster) => Some(cluster),
            Engine::Ordered(_) => None,
        }
    }

    /// Keys of the simulated nodes, for decisions they approve together.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyPair> {
        match &self.engine {
            Engine::Voted(cluster) => cluster.keys(),
            Engine::Ordered(group) => group.keys().to_vec(),
        }
    }

    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.engine {
            Engine::Voted(cluster) => cluster.len(),
            Engine::Ordered(group) => group.keys().len(),
        }
    }

    /// Whether the group has no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first contradiction ever seen; `None` is the only good answer.
    #[must_use]
    pub fn fork(&self) -> Option<&Fork> {
        match &self.engine {
            Engine::Voted(cluster) => cluster.fork(),
            Engine::Ordered(group) => group.fork(),
        }
    }

    /// An honest node that was shown to have signed twice; `None` is the only good answer.
    #[must_use]
    pub fn double_signed(&self) -> Option<Address> {
        match &self.engine {
            Engine::Voted(cluster) => cluster.double_signed(),
            Engine::Ordered(_) => None,
        }
    }

    /// Proofs of misbehaviour handed over so far.
    #[must_use]
    pub fn evidence(&self) -> u64 {
        match &self.engine {
            Engine::Voted(cluster) => cluster.evidence(),
            Engine::Ordered(_) => 0,
        }
    }

    /// Hash over every event and decision so far.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let engine = match &self.engine {
            Engine::Voted(cluster) => cluster.digest(),
            Engine::Ordered(group) => group.digest(),
        };
        match &self.endorsers {
            None => engine,
            Some(endorsers) => endorsers.digest(engine),
        }
    }

    /// A copy of the group as it is now.
    #[must_use]
    pub fn snapshot(&self) -> GroupSnapshot<C> {
        GroupSnapshot {
            engine: match &self.engine {
                Engine::Voted(cluster) => EngineSnapshot::Voted(Box::new(cluster.snapshot())),
                Engine::Ordered(group) => EngineSnapshot::Ordered(group.clone()),
            },
            endorsers: self.endorsers.clone(),
        }
    }

    /// Sets the group back to a snapshot of it.
    pub fn restore(&mut self, snapshot: &GroupSnapshot<C>) {
        match (&mut self.engine, &snapshot.engine) {
            (Engine::Voted(cluster), EngineSnapshot::Voted(saved)) => cluster.restore(saved),
            (Engine::Ordered(group), EngineSnapshot::Ordered(saved)) => group.clone_from(saved),
            // A group keeps its family for life, so a snapshot of it has the same.
            _ => debug_assert!(false, "a snapshot of another group"),
        }
        self.endorsers.clone_from(&snapshot.endorsers);
    }
}
