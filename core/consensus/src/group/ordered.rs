//! A real ledger whose blocks another family of consensus puts in order.
//!
//! The family's model says who builds which block when, and which block is
//! final. When one is, the transactions it holds are executed: the same
//! transactions as under any other family come to the same books, only at
//! another time. What every node would compute alike is computed once, so the
//! group has one replica. Header times are those at which the model built the
//! block.
//!
//! The certificate of a final block is what the nodes that run sign afterwards.
//! A root, or a wallet, knows a ledger by its certificates, whatever decides
//! its blocks: with a third of the nodes down there is none that counts.

use std::collections::VecDeque;
use std::sync::Arc;

use gridloom_units::SimTime;

use super::Figures;
use crate::certificate::Certificate;
use crate::chain::{Block, BuildAt, Chain, Decided};
use crate::cluster::{DecidedBlock, Fork, ValidatorStatus};
use crate::compare::{Arrivals, Bench, Family, Machine, Offer, Setting};
use crate::context::BlockId;
use crate::network::{Due, LinkConfig, NetworkCounters, fold};
use crate::node::{Micros, PeerIndex, Step};
use crate::preimage;
use crate::sign::KeyPair;

/// Final blocks kept until they are drained; older ones stay in the chain.
const MAX_UNDRAINED: usize = 4_096;
/// Transactions that may wait for a block.
const MAX_WAITING: usize = 1 << 16;

/// A ledger under another family than our own engine's.
#[derive(Debug)]
pub struct OrderedGroup<C: Chain> {
    keys: Vec<KeyPair>,
    chain: C,
    bench: Bench,
    machine: Machine,
    /// Transactions in no final block, as the model's arrivals list them.
    waiting: VecDeque<Arc<C::Tx>>,
    /// Transactions refused because too many waited.
    overflow: u64,
    undrained: VecDeque<DecidedBlock<C::Block>>,
    undrained_dropped: u64,
    /// A final block the chain could not execute.
    stopped: Option<String>,
    fork: Option<Fork>,
    digest: [u8; 32],
    trace: u64,
}

// Not derived: that would ask for transactions that can be copied.
impl<C: Chain> Clone for OrderedGroup<C> {
    fn clone(&self) -> Self {
        Self {
            keys: self.keys.clone(),
            chain: self.chain.clone(),
            bench: self.bench.clone(),
            machine: self.machine.clone(),
            waiting: self.waiting.clone(),
            overflow: self.overflow,
            undrained: self.undrained.clone(),
            undrained_dropped: self.undrained_dropped,
            stopped: self.stopped.clone(),
            fork: self.fork.clone(),
            digest: self.digest,
            trace: self.trace,
        }
    }
}

impl<C: Chain> OrderedGroup<C> {
    pub(super) fn new(
        family: Family,
        block_ms: u64,
        links: LinkConfig,
        keys: Vec<KeyPair>,
        chain: &C,
    ) -> Self {
        let setting = Setting {
            family,
            nodes: keys.len() as PeerIndex,
            block_ms: block_ms.max(1),
            links,
            node_w: 0.0,
            block_bytes: 1 << 20,
        };
        let mut bench = Bench::new(&setting, Offer::Listed(Arrivals::default()), links.seed);
        let machine = Machine::begin(&mut bench);
        Self {
            keys,
            chain: chain.clone(),
            bench,
            machine,
            waiting: VecDeque::new(),
            overflow: 0,
            undrained: VecDeque::new(),
            undrained_dropped: 0,
            stopped: None,
            fork: None,
            digest: [0; 32],
            trace: 0,
        }
    }

    pub(super) fn advance(&mut self, until: SimTime) {
        let until = until.0 * 1_000;
        while let Some(due) = self.bench.next(until) {
            self.mix(&due);
            self.machine.handle(&mut self.bench, due);
            self.settle();
        }
        self.bench.now = self.bench.now.max(until);
    }

    /// Folds an event into the running trace.
    fn mix<M>(&mut self, due: &Due<M>) {
        let (what, node) = match due {
            Due::Start(node) => (1, *node),
            Due::Timer { node, .. } => (2, *node),
            Due::Deliver { to, .. } => (3, *to),
        };
        for part in [what, u64::from(node), self.bench.now] {
            self.trace = fold(self.trace, part);
        }
    }

    /// A transaction counts as arrived once the slowest link has brought it everywhere.
    pub(super) fn submit(&mut self, tx: Arc<C::Tx>, bytes: u64) {
        if self.waiting.len() >= MAX_WAITING {
            self.overflow += 1;
            return;
        }
        let at = self.bench.now + self.bench.setting.links.latency_max_us;
        if let Offer::Listed(arrivals) = &mut self.bench.offer {
            arrivals.push(at, bytes);
            self.waiting.push_back(tx);
        }
    }

    /// Executes what became final.
    fn settle(&mut self) {
        for (number, block) in self.bench.take_final() {
            if self.stopped.is_some() {
                return;
            }
            let count = match &mut self.bench.offer {
                Offer::Listed(arrivals) => arrivals.forget(block.through),
                Offer::Even { .. } => 0,
            };
            for tx in self.waiting.drain(..count) {
                self.chain.submit(tx);
            }
            self.execute(number, block.builder, block.built);
        }
        if self.fork.is_none()
            && let Some(broken) = self.bench.broken
        {
            let id = |number: u32| {
                let mut id = [0xff; 32];
                id[..4].copy_from_slice(&number.to_le_bytes());
                BlockId(id)
            };
            self.fork = Some(Fork {
                height: broken.height,
                first: id(broken.first),
                second: id(broken.second),
            });
        }
    }

    fn execute(&mut self, number: u32, builder: PeerIndex, built: Micros) {
        let Some(key) = self.keys.get(usize::from(builder)) else {
            return;
        };
        let proposer = key.address();
        let block = self.chain.build(BuildAt {
            height: self.chain.tip() + 1,
            round: 0,
            proposer,
            now_ms: built / 1_000,
        });
        let decided = Decided {
            certificate: Arc::new(self.attest(&block)),
            block,
        };
        if let Err(reason) = self.chain.apply(decided.clone()) {
            self.stopped = Some(reason);
            return;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digest);
        hasher.update(&number.to_le_bytes());
        hasher.update(&decided.certificate.block.0);
        self.digest = *hasher.finalize().as_bytes();
        if self.undrained.len() >= MAX_UNDRAINED {
            self.undrained.pop_front();
            self.undrained_dropped += 1;
        }
        self.undrained.push_back(DecidedBlock {
            decided,
            at: SimTime(self.bench.now / 1_000),
            proposer: Some(builder),
        });
    }

    /// What the nodes that run sign about a final block.
    fn attest(&self, block: &C::Block) -> Certificate {
        let (chain, height, id) = (self.chain.id(), block.height(), block.id());
        let mut signatures: Vec<_> = self
            .keys
            .iter()
            .zip(&self.bench.up)
            .filter(|(_, up)| **up)
            .map(|(key, _)| {
                let address = key.address();
                let bytes = preimage::precommit(&chain, height, 0, id, &address);
                (address, key.sign(&bytes))
            })
            .collect();
        signatures.sort_by_key(|(address, _)| *address);
        Certificate {
            height,
            round: 0,
            block: id,
            signatures,
        }
    }

    pub(super) fn crash(&mut self, node: PeerIndex) {
        if let Some(up) = self.bench.up.get_mut(usize::from(node)) {
            *up = false;
        }
    }

    pub(super) fn restart(&mut self, node: PeerIndex) {
        let Some(up) = self.bench.up.get_mut(usize::from(node)) else {
            return;
        };
        if !std::mem::replace(up, true) {
            self.machine.restarted(&mut self.bench, node);
        }
    }

    pub(super) fn partition(&mut self, groups: &[Vec<PeerIndex>]) {
        self.bench.network.partition(groups);
    }

    pub(super) fn heal(&mut self) {
        self.bench.network.heal();
    }

    pub(super) fn set_links(&mut self, links: LinkConfig) {
        self.bench.setting.links = links;
        self.bench.network.set_links(links);
    }

    pub(super) fn links(&self) -> LinkConfig {
        self.bench.network.links()
    }

    pub(super) fn log(&self) -> &VecDeque<crate::network::MessageRecord> {
        self.bench.network.lines()
    }

    pub(super) fn network_counters(&self) -> NetworkCounters {
        self.bench.network.counters()
    }

    pub(super) fn count_sent(&mut self, messages: u64, bytes: u64) {
        self.bench.network.count_sent(messages, bytes);
    }

    pub(super) fn now(&self) -> SimTime {
        SimTime(self.bench.now / 1_000)
    }

    pub(super) fn chain_mut(&mut self) -> &mut C {
        &mut self.chain
    }

    pub(super) fn drain_decided(&mut self) -> Vec<DecidedBlock<C::Block>> {
        self.undrained.drain(..).collect()
    }

    pub(super) fn statuses(&self) -> Vec<ValidatorStatus> {
        (0..self.keys.len() as PeerIndex)
            .map(|node| {
                let up = self.bench.runs(node);
                ValidatorStatus {
                    index: node,
                    up: up && self.stopped.is_none(),
                    remote: false,
                    tip: self.chain.tip(),
                    height: self.machine.tip(&self.bench, node) + 1,
                    round: 0,
                    step: if up { Step::Waiting } else { Step::Down },
                    pending: self.waiting.len(),
                    member: true,
                    equivocates: false,
                    stopped: self.stopped.clone(),
                }
            })
            .collect()
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            orphans: self.bench.orphans(),
            deepest_reorganisation: self.bench.deepest,
            overflow: self.overflow + self.undrained_dropped,
            ..Figures::default()
        }
    }

    pub(super) fn chain(&self) -> &C {
        &self.chain
    }

    pub(super) fn keys(&self) -> &[KeyPair] {
        &self.keys
    }

    pub(super) fn fork(&self) -> Option<&Fork> {
        self.fork.as_ref()
    }

    pub(super) fn family(&self) -> Family {
        self.bench.setting.family
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digest);
        hasher.update(&self.trace.to_le_bytes());
        hasher.update(&self.bench.now.to_le_bytes());
        hasher.update(&(self.waiting.len() as u64).to_le_bytes());
        for mark in self.bench.network.marks() {
            hasher.update(&mark.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}
