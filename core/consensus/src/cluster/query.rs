//! Looking at a group from outside.

use gridloom_units::SimTime;

use super::{Cluster, Fork, Member, Slot, ValidatorStatus};
use crate::chain::Chain;
use crate::context::Address;
use crate::message::Message;
use crate::network::{NetworkCounters, SimNetwork};
use crate::node::{NodeCounters, PeerIndex, Step};

impl<C: Chain> Cluster<C> {
    /// What every validator is doing.
    #[must_use]
    pub fn statuses(&self) -> Vec<ValidatorStatus> {
        self.members
            .iter()
            .enumerate()
            .map(|(index, member)| {
                let chain = member.chain();
                let (height, round, step, stopped) = match &member.slot {
                    Slot::Up(node) => {
                        let (height, round, step) = node.position();
                        (height, round, step, node.stopped().map(str::to_owned))
                    }
                    Slot::Down(chain) => (chain.tip() + 1, 0, Step::Down, None),
                    Slot::Remote(_) => (self.best + 1, 0, Step::Waiting, None),
                };
                let remote = matches!(member.slot, Slot::Remote(_));
                ValidatorStatus {
                    index: index as PeerIndex,
                    up: !matches!(member.slot, Slot::Down(_)) && stopped.is_none(),
                    remote,
                    tip: if remote { self.best } else { chain.tip() },
                    height,
                    round,
                    step,
                    pending: chain.pending(),
                    member: chain
                        .validators()
                        .get(&member.config.key.address())
                        .is_some(),
                    equivocates: self.faults.equivocators.contains(&(index as PeerIndex)),
                    stopped,
                }
            })
            .collect()
    }

    /// Settings of one validator, its key included.
    #[must_use]
    pub fn config(&self, node: PeerIndex) -> Option<&std::sync::Arc<crate::node::NodeConfig>> {
        self.members.get(usize::from(node)).map(|m| &m.config)
    }

    /// The chain of one validator, running or not.
    #[must_use]
    pub fn chain(&self, node: PeerIndex) -> Option<&C> {
        self.members.get(usize::from(node)).map(Member::chain)
    }

    /// The chain of the validator that is furthest, for queries.
    #[must_use]
    pub fn best_chain(&self) -> Option<&C> {
        // `max_by_key` gives the last of equals; the first is as good and stable.
        self.members
            .iter()
            .map(Member::chain)
            .reduce(|best, chain| {
                if chain.tip() > best.tip() {
                    chain
                } else {
                    best
                }
            })
    }

    /// Changes the chain of every validator, running or not, in the same way.
    pub(crate) fn each_chain(&mut self, change: impl Fn(&mut C)) {
        for member in &mut self.members {
            match &mut member.slot {
                Slot::Up(node) => change(node.chain_mut()),
                Slot::Down(chain) => change(chain),
                Slot::Remote(remote) => change(&mut remote.chain),
            }
        }
    }

    /// Counts messages that are not carried one by one.
    pub(crate) fn count_sent(&mut self, messages: u64, bytes: u64) {
        self.network.count_sent(messages, bytes);
    }

    /// Highest decided height.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.best
    }

    /// Keys of the simulated validators, for decisions they approve together.
    #[must_use]
    pub fn keys(&self) -> Vec<crate::sign::KeyPair> {
        self.members
            .iter()
            .map(|member| member.config.key.clone())
            .collect()
    }

    /// Number of validators.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the group has no validators.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Simulated time reached.
    #[must_use]
    pub fn now(&self) -> SimTime {
        SimTime(self.now / 1_000)
    }

    /// The network, for its log and counters.
    #[must_use]
    pub fn network(&self) -> &SimNetwork<Message<C>> {
        &self.network
    }

    /// Network counters.
    #[must_use]
    pub fn network_counters(&self) -> NetworkCounters {
        self.network.counters()
    }

    /// Counters of one validator; `None` while it is down.
    #[must_use]
    pub fn node_counters(&self, node: PeerIndex) -> Option<NodeCounters> {
        match &self.members.get(usize::from(node))?.slot {
            Slot::Up(validator) => Some(validator.counters()),
            Slot::Down(_) | Slot::Remote(_) => None,
        }
    }

    /// The first contradiction ever seen; `None` is the only good answer.
    #[must_use]
    pub fn fork(&self) -> Option<&Fork> {
        self.fork.as_ref()
    }

    /// An honest validator that was shown to have signed twice; `None` is the only good answer.
    #[must_use]
    pub fn double_signed(&self) -> Option<Address> {
        self.faults.double_signed
    }

    /// Proofs of misbehaviour handed over by validators so far.
    #[must_use]
    pub fn evidence(&self) -> u64 {
        self.evidence
    }

    /// Events processed so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Decided blocks that were not drained in time and had to be dropped from the queue.
    #[must_use]
    pub fn undrained_dropped(&self) -> u64 {
        self.undrained_dropped
    }

    /// Signatures really checked, and answers from memory.
    #[must_use]
    pub fn signature_checks(&self) -> (u64, u64) {
        (self.memo.checked, self.memo.remembered)
    }

    /// Hash over every event and decision so far; costs one short hash, so it may be called every tick.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digest);
        hasher.update(&self.trace.to_le_bytes());
        hasher.update(&self.now.to_le_bytes());
        for mark in self.network.marks() {
            hasher.update(&mark.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Text of one engine's state, for comparing runs in tests.
    #[doc(hidden)]
    #[must_use]
    pub fn engine_debug(&self, node: PeerIndex) -> String {
        match self.members.get(usize::from(node)).map(|m| &m.slot) {
            Some(Slot::Up(validator)) => validator.engine_debug(),
            _ => String::new(),
        }
    }
}
