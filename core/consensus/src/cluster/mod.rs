//! One consensus group: its validators on a simulated network.

mod carry;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arc_malachitebft_core_consensus::Input;
use arc_malachitebft_core_types::LinearTimeouts;
use gridloom_units::SimTime;

use crate::chain::{Block, Chain, Decided};
use crate::context::{BlockId, Ctx};
use crate::message::Message;
use crate::network::{Due, LinkConfig, NetworkCounters, Sender, SimNetwork};
use crate::node::{
    Event, Limits, Micros, NodeConfig, NodeCounters, PeerIndex, Step, ValidatorNode,
    default_timeouts,
};
use crate::sign::{Checks, KeyPair, SigMemo};

pub use snapshot::ClusterSnapshot;

/// Decided blocks kept for [`Cluster::drain_decided`]; older ones stay in the chain.
const MAX_UNDRAINED: usize = 4_096;
/// Heights whose decision is remembered for the fork check.
const WATCHED_HEIGHTS: u64 = 1_024;
/// Events processed in one call of [`Cluster::advance`] before it gives up.
const MAX_EVENTS: u64 = 50_000_000;

/// Settings of a group.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Timeouts of the voting rounds.
    pub timeouts: LinearTimeouts,
    /// Least time between deciding a block and starting the next height, ms.
    pub min_block_interval_ms: u64,
    /// Longest time without a block when nothing waits, ms.
    pub empty_block_interval_ms: u64,
    /// Links between the validators.
    pub links: LinkConfig,
    /// How often signatures are checked.
    pub checks: Checks,
    /// Bounds.
    pub limits: Limits,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            timeouts: default_timeouts(),
            min_block_interval_ms: 1_000,
            empty_block_interval_ms: 10_000,
            links: LinkConfig::default(),
            checks: Checks::default(),
            limits: Limits::default(),
        }
    }
}

/// A decided block as it left the group.
#[derive(Debug)]
pub struct DecidedBlock<B> {
    /// Block and certificate, as first decided.
    pub decided: Decided<B>,
    /// When the first validator decided it.
    pub at: SimTime,
    /// Position of the validator that proposed it.
    pub proposer: Option<PeerIndex>,
}

impl<B> Clone for DecidedBlock<B> {
    fn clone(&self) -> Self {
        Self {
            decided: self.decided.clone(),
            at: self.at,
            proposer: self.proposer,
        }
    }
}

/// What a validator is doing, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorStatus {
    /// Position in the group.
    pub index: PeerIndex,
    /// Whether it runs.
    pub up: bool,
    /// Last decided height.
    pub tip: u64,
    /// Height it works on.
    pub height: u64,
    /// Round it is in.
    pub round: u32,
    /// Step it is in.
    pub step: Step,
    /// Transactions that wait in its mempool.
    pub pending: usize,
    /// Whether it belongs to the set of its next height.
    pub member: bool,
    /// Whether it misbehaves on purpose.
    pub equivocates: bool,
    /// Why it stopped itself, if it did.
    pub stopped: Option<String>,
}

/// Two validators decided different blocks at one height. Never happens unless
/// more than a third of the power misbehaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The height.
    pub height: u64,
    /// What was decided first.
    pub first: BlockId,
    /// What contradicts it.
    pub second: BlockId,
}

/// What survives a crash of one validator.
#[derive(Clone, Debug)]
pub(crate) struct Disk<C: Chain> {
    /// Height of the log.
    height: u64,
    /// Log entries, the first `flushed` of them durable.
    log: Vec<Input<Ctx>>,
    flushed: usize,
    /// Undecided blocks.
    kept: BTreeMap<BlockId, Arc<C::Block>>,
}

impl<C: Chain> Disk<C> {
    fn new(height: u64) -> Self {
        Self {
            height,
            log: Vec::new(),
            flushed: 0,
            kept: BTreeMap::new(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Slot<C: Chain> {
    Up(Box<ValidatorNode<C>>),
    Down(C),
}

#[derive(Debug)]
pub(crate) struct Member<C: Chain> {
    config: Arc<NodeConfig>,
    slot: Slot<C>,
    disk: Disk<C>,
    /// Number of restarts, so that timers of an earlier life stay silent.
    life: u32,
}

/// One consensus group: N validators, their network, their decided blocks.
#[derive(Debug)]
pub struct Cluster<C: Chain> {
    members: Vec<Member<C>>,
    network: SimNetwork<Message<C>>,
    now: Micros,
    memo: SigMemo,
    equivocators: BTreeSet<PeerIndex>,
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
    /// A group whose validators all begin at time `now` on the same chain.
    ///
    /// `keys` are in network order; the chain's validator set decides who votes.
    #[must_use]
    pub fn new(config: &ClusterConfig, keys: Vec<KeyPair>, chain: &C, now: SimTime) -> Self {
        let peers = keys.len() as PeerIndex;
        let mut network = SimNetwork::new(config.links, peers);
        let now = now.0 * 1_000;
        let members = keys
            .into_iter()
            .enumerate()
            .map(|(index, key)| {
                let config = Arc::new(NodeConfig {
                    key,
                    index: index as PeerIndex,
                    peers,
                    timeouts: config.timeouts,
                    min_block_interval_ms: config.min_block_interval_ms,
                    empty_block_interval_ms: config.empty_block_interval_ms,
                    limits: config.limits,
                });
                network.push(now, Due::Start(index as PeerIndex));
                Member {
                    slot: Slot::Up(Box::new(ValidatorNode::new(
                        Arc::clone(&config),
                        chain.clone(),
                    ))),
                    disk: Disk::new(chain.tip() + 1),
                    config,
                    life: 0,
                }
            })
            .collect();
        Self {
            members,
            network,
            now,
            memo: SigMemo::default().with_checks(config.checks),
            equivocators: BTreeSet::new(),
            undrained: VecDeque::new(),
            undrained_dropped: 0,
            best: chain.tip(),
            watched: BTreeMap::new(),
            fork: None,
            evidence: 0,
            events: 0,
            digest: [0; 32],
            trace: 0,
        }
    }

    /// Processes everything due up to and including `until`.
    pub fn advance(&mut self, until: SimTime) {
        let until = until.0 * 1_000;
        let mut left = MAX_EVENTS;
        while left > 0 {
            let Some((at, due)) = self.network.pop(until) else {
                break;
            };
            left -= 1;
            self.now = self.now.max(at);
            self.events += 1;
            self.dispatch(due);
        }
        self.now = self.now.max(until);
    }

    /// Sends a transaction from outside to every validator, over lossy links.
    pub fn submit(&mut self, tx: Arc<C::Tx>) {
        let message = Arc::new(Message::Tx(tx));
        let kind = message.kind();
        for to in 0..self.members.len() as PeerIndex {
            self.network
                .send(self.now, Sender::Client, to, &message, (kind, 0, 0));
        }
    }

    /// Delivers a message to `to` as if `from` had sent it now: for fault injection.
    pub fn inject(&mut self, from: PeerIndex, to: PeerIndex, message: Arc<Message<C>>) {
        let from = Sender::Peer(from);
        self.network
            .push(self.now, Due::Deliver { from, to, message });
    }

    fn dispatch(&mut self, due: Due<Message<C>>) {
        match due {
            Due::Start(node) => {
                self.mix(&[1, u64::from(node)]);
                self.step(node, Event::Start);
            }
            Due::Timer {
                node,
                life,
                key,
                epoch,
            } => {
                let alive = self
                    .members
                    .get(usize::from(node))
                    .is_some_and(|member| member.life == life);
                if alive {
                    self.mix(&[2, u64::from(node), key.kind as u64, epoch]);
                    self.step(node, Event::Timer { key, epoch });
                }
            }
            Due::Deliver { from, to, message } => {
                let up = self
                    .members
                    .get(usize::from(to))
                    .is_some_and(|member| matches!(member.slot, Slot::Up(_)));
                let reached = up && self.network.connected(from, to);
                self.network.count_delivered(reached);
                if reached {
                    let sender = match from {
                        Sender::Peer(peer) => peer,
                        // A client is nobody to answer: it gets the receiver's own address.
                        Sender::Client => to,
                    };
                    self.mix(&[3, u64::from(sender) << 16 | u64::from(to), message.mark()]);
                    self.step(
                        to,
                        Event::Message {
                            from: sender,
                            message,
                        },
                    );
                }
            }
        }
    }

    fn step(&mut self, node: PeerIndex, event: Event<C>) {
        let now = self.now;
        let Some(member) = self.members.get_mut(usize::from(node)) else {
            return;
        };
        if let Slot::Up(validator) = &mut member.slot {
            let actions = validator.handle(event, now, &mut self.memo);
            self.carry_out(node, actions);
        }
    }

    /// Folds an event into the running trace.
    fn mix(&mut self, parts: &[u64]) {
        for part in parts.iter().chain(&[self.now]) {
            let mut z = self.trace ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            self.trace = z ^ (z >> 27);
        }
    }

    /// Stops a validator at once; what was not flushed is lost.
    pub fn crash(&mut self, node: PeerIndex) {
        let Some(member) = self.members.get_mut(usize::from(node)) else {
            return;
        };
        if let Slot::Up(validator) = &mut member.slot {
            let mut chain = validator.chain().clone();
            chain.forget_volatile();
            member.slot = Slot::Down(chain);
            member.disk.log.truncate(member.disk.flushed);
            member.life += 1;
            self.mix(&[4, u64::from(node)]);
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
            self.equivocators.insert(node);
        } else {
            self.equivocators.remove(&node);
        }
        self.mix(&[8, u64::from(node), u64::from(on)]);
    }

    /// Changes latency, loss and seed of the links.
    pub fn set_links(&mut self, links: LinkConfig) {
        self.network.set_links(links);
        self.mix(&[9, links.seed, u64::from(links.loss_ppm)]);
    }

    /// Decided blocks since the last call, in order of height.
    pub fn drain_decided(&mut self) -> Vec<DecidedBlock<C::Block>> {
        self.undrained.drain(..).collect()
    }

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
                };
                ValidatorStatus {
                    index: index as PeerIndex,
                    up: matches!(member.slot, Slot::Up(_)) && stopped.is_none(),
                    tip: chain.tip(),
                    height,
                    round,
                    step,
                    pending: chain.pending(),
                    member: chain
                        .validators()
                        .get(&member.config.key.address())
                        .is_some(),
                    equivocates: self.equivocators.contains(&(index as PeerIndex)),
                    stopped,
                }
            })
            .collect()
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

    /// Highest decided height.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.best
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
            Slot::Down(_) => None,
        }
    }

    /// The first contradiction ever seen; `None` is the only good answer.
    #[must_use]
    pub fn fork(&self) -> Option<&Fork> {
        self.fork.as_ref()
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

    fn proposer_of(&self, block: &C::Block) -> Option<PeerIndex> {
        self.members
            .iter()
            .position(|member| member.config.key.address() == block.proposer())
            .map(|index| index as PeerIndex)
    }
}

impl<C: Chain> Member<C> {
    fn chain(&self) -> &C {
        match &self.slot {
            Slot::Up(node) => node.chain(),
            Slot::Down(chain) => chain,
        }
    }
}
