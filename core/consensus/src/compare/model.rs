//! What all families share: the network, the load, the books.

use std::collections::BTreeMap;
use std::sync::Arc;

use gridloom_units::{Stream, draw_f64, draw_u64};

use crate::network::{Due, LinkConfig, Sender, SimNetwork};
use crate::node::{Micros, PeerIndex, TimerKey, TimerKind};

/// A family of consensus algorithms (paper Table 1, A1 to A5; A4 is our own engine).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Leader and followers, crash faults only (A5).
    CrashFault,
    /// Known signers in turn.
    Authority,
    /// Proposers drawn by stake, finality by epochs (A2).
    Stake,
    /// A committee drawn by stake votes on each block (A3).
    Delegated,
    /// Heaviest chain of work (A1).
    Work,
}

/// A network of one family.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The family.
    pub family: Family,
    /// Nodes that take part.
    pub nodes: PeerIndex,
    /// Time between blocks, ms (for proof of work the mean).
    pub block_ms: u64,
    /// Links between the nodes.
    pub links: LinkConfig,
    /// Power of one node, W.
    pub node_w: f64,
    /// Most bytes of transactions in a block.
    pub block_bytes: u64,
}

/// What the network is asked to record.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Transactions per second.
    pub per_s: f64,
    /// Bytes of one on the ledger.
    pub tx_bytes: u64,
    /// How long, ms of simulated time.
    pub horizon_ms: u64,
    /// Seed of all draws.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Transactions offered.
    pub offered: u64,
    /// Transactions final at the end.
    pub finalised: u64,
    /// Time from offer to finality, median, ms.
    pub finality_p50_ms: u64,
    /// The same, 99th percentile.
    pub finality_p99_ms: u64,
    /// Messages sent.
    pub messages: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Energy used by the nodes, kWh.
    pub energy_kwh: f64,
    /// Blocks on the final chain.
    pub blocks: u64,
    /// Blocks that were built and given up.
    pub orphans: u64,
    /// Most blocks a node took back at once.
    pub deepest_reorganisation: u64,
    /// Bytes one node stores.
    pub storage_bytes: u64,
}

/// A block of a model: transactions by number, from the first not yet in the chain.
#[derive(Clone, Debug)]
pub(super) struct ModelBlock {
    /// Position in [`Bench::blocks`]; the parent's is lower.
    pub parent: Option<u32>,
    pub height: u64,
    /// Total difficulty, or whatever the family counts.
    pub weight: u64,
    pub builder: PeerIndex,
    /// Transactions below this number are in the chain up to here.
    pub through: u64,
    pub bytes: u64,
}

/// A message of a model.
#[derive(Clone, Debug)]
pub(super) enum Note {
    /// A block and who has it.
    Block(u32),
    /// Stored, or voted for, by the sender: block, round or term.
    Vote(u32, u64),
    /// The leader lives: term, last block known to be final.
    Beat(u64, Option<u32>),
    /// Votes for a leader: term.
    Elect(u64),
}

/// A family at work.
pub(super) struct Bench {
    pub setting: Setting,
    pub load: Load,
    pub network: SimNetwork<Note>,
    pub now: Micros,
    pub blocks: Vec<ModelBlock>,
    draws: u64,
    /// Per transaction boundary: when everything below this number was first final.
    final_at: BTreeMap<u64, Micros>,
    pub deepest: u64,
    pub final_height: u64,
}

/// Bytes of a vote, acknowledgement or heartbeat with framing.
const NOTE_BYTES: u64 = 240;
/// Bytes of a block without transactions, with framing.
const HEADER_BYTES: u64 = 512;

impl Bench {
    pub(super) fn new(setting: &Setting, load: &Load) -> Self {
        let links = LinkConfig {
            seed: draw_u64(load.seed, 1, 0, Stream::ConsensusLatency),
            ..setting.links
        };
        let mut network = SimNetwork::new(links, setting.nodes);
        network.count_bytes(true);
        Self {
            setting: *setting,
            load: *load,
            network,
            now: 0,
            blocks: Vec::new(),
            draws: 0,
            final_at: BTreeMap::new(),
            deepest: 0,
            final_height: 0,
        }
    }

    pub(super) fn draw(&mut self) -> f64 {
        self.draws += 1;
        draw_f64(self.load.seed, self.draws, 0, Stream::Behaviour)
    }

    /// Time until the next event of a Poisson process, µs.
    pub(super) fn exponential(&mut self, mean_us: f64) -> Micros {
        let u = 1.0 - self.draw();
        (-mean_us * libm::log(u)).clamp(1.0, 1e15) as Micros
    }

    pub(super) fn end_us(&self) -> Micros {
        self.load.horizon_ms * 1_000
    }

    /// Transactions offered up to now.
    pub(super) fn offered(&self, at: Micros) -> u64 {
        (self.load.per_s * at as f64 / 1e6) as u64
    }

    fn through(&self, block: Option<u32>) -> u64 {
        block.map_or(0, |index| self.blocks[index as usize].through)
    }

    /// Builds a block on a parent with everything that waits, as far as it fits.
    pub(super) fn build(&mut self, parent: Option<u32>, builder: PeerIndex, weight: u64) -> u32 {
        let from = self.through(parent);
        let fits = self.setting.block_bytes / self.load.tx_bytes.max(1);
        let waiting = self.offered(self.now).saturating_sub(from);
        let taken = waiting.min(fits);
        let (height, before) = parent.map_or((1, 0), |index| {
            let parent = &self.blocks[index as usize];
            (parent.height + 1, parent.weight)
        });
        self.blocks.push(ModelBlock {
            parent,
            height,
            weight: before + weight,
            builder,
            through: from + taken,
            bytes: HEADER_BYTES + taken * self.load.tx_bytes,
        });
        (self.blocks.len() - 1) as u32
    }

    pub(super) fn send(&mut self, from: PeerIndex, to: PeerIndex, note: &Arc<Note>) {
        let bytes = match note.as_ref() {
            Note::Block(index) => self.blocks[*index as usize].bytes,
            _ => NOTE_BYTES,
        };
        let about = ("model", 0, 0);
        self.network
            .send(self.now, Sender::Peer(from), to, note, about, bytes);
    }

    pub(super) fn broadcast(&mut self, from: PeerIndex, note: Note) {
        let note = Arc::new(note);
        for to in 0..self.setting.nodes {
            if to != from {
                self.send(from, to, &note);
            }
        }
    }

    /// Wakes a node later; `what` is the model's own number.
    pub(super) fn wake(&mut self, node: PeerIndex, at: Micros, what: u64) {
        let key = TimerKey {
            kind: TimerKind::Pace,
            round: 0,
        };
        self.network.push(
            at,
            Due::Timer {
                node,
                life: 0,
                key,
                epoch: what,
            },
        );
    }

    /// The next event before the end.
    pub(super) fn next(&mut self) -> Option<Due<Note>> {
        let (at, due) = self.network.pop(self.end_us())?;
        self.now = self.now.max(at);
        Some(due)
    }

    /// A block, and everything below it, is final at a node; the first node counts.
    pub(super) fn finalise(&mut self, block: u32) {
        let block = &self.blocks[block as usize];
        let (through, height) = (block.through, block.height);
        if height > self.final_height {
            self.final_height = height;
            self.final_at.entry(through).or_insert(self.now);
        }
    }

    /// Walks down from a block by `count` parents.
    pub(super) fn ancestor(&self, block: u32, count: u64) -> Option<u32> {
        let mut at = block;
        for _ in 0..count {
            at = self.blocks[at as usize].parent?;
        }
        Some(at)
    }

    /// Blocks a node takes back when it goes from one tip to another.
    pub(super) fn distance(&self, mut old: u32, mut new: u32) -> u64 {
        let mut back = 0;
        while old != new {
            if self.blocks[old as usize].height >= self.blocks[new as usize].height {
                back += 1;
                match self.blocks[old as usize].parent {
                    Some(parent) => old = parent,
                    None => return back,
                }
            } else {
                match self.blocks[new as usize].parent {
                    Some(parent) => new = parent,
                    None => return back,
                }
            }
        }
        back
    }

    pub(super) fn outcome(&self) -> Outcome {
        let counters = self.network.counters();
        let finalised = self.final_at.keys().next_back().copied().unwrap_or(0);
        let mut delays: Vec<(u64, u64)> = Vec::new();
        let mut from = 0;
        for (through, at) in &self.final_at {
            if *through <= from {
                continue;
            }
            // Offers come evenly, so the middle of a block's transactions stands for them.
            let count = through - from;
            let middle = (from + through) as f64 / 2.0 / self.load.per_s.max(1e-12) * 1e6;
            delays.push(((*at as f64 - middle).max(0.0) as u64 / 1_000, count));
            from = *through;
        }
        delays.sort_unstable();
        let at = |share: f64| {
            let wanted = (finalised as f64 * share) as u64;
            let mut sum = 0;
            delays
                .iter()
                .find(|(_, count)| {
                    sum += count;
                    sum >= wanted
                })
                .or(delays.last())
                .map_or(0, |(delay, _)| *delay)
        };
        let hours = self.load.horizon_ms as f64 / 3.6e6;
        Outcome {
            offered: self.offered(self.end_us()),
            finalised,
            finality_p50_ms: at(0.5),
            finality_p99_ms: at(0.99),
            messages: counters.sent,
            bytes: counters.bytes,
            energy_kwh: self.setting.node_w * f64::from(self.setting.nodes) * hours / 1_000.0,
            blocks: self.final_height,
            orphans: (self.blocks.len() as u64).saturating_sub(self.longest()),
            deepest_reorganisation: self.deepest,
            storage_bytes: finalised * self.load.tx_bytes + self.final_height * HEADER_BYTES,
        }
    }

    fn longest(&self) -> u64 {
        self.blocks
            .iter()
            .map(|block| block.height)
            .max()
            .unwrap_or(0)
    }
}
