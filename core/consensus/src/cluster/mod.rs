//! One consensus group: its validators on a simulated network.

mod byzantine;
mod carry;
mod fault;
mod query;
mod remote;
mod snapshot;
mod types;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arc_malachitebft_core_consensus::Input;
use arc_malachitebft_core_types::{ThresholdParam, ThresholdParams};
use gridloom_units::SimTime;

use crate::chain::{Block, Chain};
use crate::context::{BlockId, Ctx};
use crate::message::Message;
use crate::network::{Due, Sender, SimNetwork, fold};
use crate::node::{Event, Micros, NodeConfig, PeerIndex, ValidatorNode};
use crate::sign::{KeyPair, SigMemo};

use byzantine::Lies;
pub use byzantine::{Forge, Lie, Misconduct};
use remote::Remote;
pub use remote::{Handover, Outward};
pub use snapshot::ClusterSnapshot;
use types::Faults;
pub use types::{ClusterConfig, DecidedBlock, Fork, Sabotage, ValidatorStatus};

/// Decided blocks kept for [`Cluster::drain_decided`]; older ones stay in the chain.
const MAX_UNDRAINED: usize = 4_096;
/// Heights whose decision is remembered for the fork check.
const WATCHED_HEIGHTS: u64 = 1_024;
/// Events processed in one call of [`Cluster::advance`] before it gives up.
const MAX_EVENTS: u64 = 50_000_000;

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
    /// It runs elsewhere.
    Remote(Box<Remote<C>>),
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
    sabotage: Sabotage,
    faults: Faults,
    lies: Lies<C>,
    undrained: VecDeque<DecidedBlock<C::Block>>,
    undrained_dropped: u64,
    /// Messages for validators elsewhere; not part of the group's state.
    outward: VecDeque<Outward<C>>,
    /// For whom some of them were lost.
    outward_lost: BTreeSet<PeerIndex>,
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
                    thresholds: thresholds(config.sabotage),
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
            memo: SigMemo::default()
                .with_checks(config.checks)
                .trusting_all(config.sabotage == Sabotage::TrustAll),
            sabotage: config.sabotage,
            faults: Faults::default(),
            lies: Lies::default(),
            undrained: VecDeque::new(),
            undrained_dropped: 0,
            outward: VecDeque::new(),
            outward_lost: BTreeSet::new(),
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
        let bytes = if self.network.counts_bytes() {
            message.size_bytes()
        } else {
            0
        };
        for to in 0..self.members.len() as PeerIndex {
            self.network
                .send(self.now, Sender::Client, to, &message, (kind, 0, 0), bytes);
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
                    .is_some_and(|member| !matches!(member.slot, Slot::Down(_)));
                let reached = up && self.network.connected(from, to);
                self.network.count_delivered(reached);
                if reached {
                    let sender = match from {
                        Sender::Peer(peer) => peer,
                        // A client is nobody to answer: it gets the receiver's own address.
                        Sender::Client => to,
                    };
                    self.mix(&[3, u64::from(sender) << 16 | u64::from(to), message.mark()]);
                    if self.is_remote(to) {
                        return self.put_out(Outward {
                            at: self.now,
                            to,
                            from: sender,
                            message,
                        });
                    }
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
            self.trace = fold(self.trace, *part);
        }
    }

    /// Decided blocks since the last call, in order of height.
    pub fn drain_decided(&mut self) -> Vec<DecidedBlock<C::Block>> {
        self.undrained.drain(..).collect()
    }

    fn proposer_of(&self, block: &C::Block) -> Option<PeerIndex> {
        self.members
            .iter()
            .position(|member| member.config.key.address() == block.proposer())
            .map(|index| index as PeerIndex)
    }
}

/// What counts as a quorum; the small one is a sabotage.
fn thresholds(sabotage: Sabotage) -> ThresholdParams {
    let mut thresholds = ThresholdParams::default();
    if sabotage == Sabotage::SmallQuorum {
        thresholds.quorum = ThresholdParam::new(2, 5);
    }
    thresholds
}

impl<C: Chain> Member<C> {
    fn chain(&self) -> &C {
        match &self.slot {
            Slot::Up(node) => node.chain(),
            Slot::Down(chain) => chain,
            Slot::Remote(remote) => &remote.chain,
        }
    }
}
