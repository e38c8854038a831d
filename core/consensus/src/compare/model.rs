//! What all families share: the network, the blocks, what is final.

use std::collections::VecDeque;
use std::sync::Arc;

use gridloom_units::{Stream, draw_f64};

use super::offer::Offer;
use super::types::Setting;
use crate::network::{Due, Sender, SimNetwork};
use crate::node::{Micros, PeerIndex, TimerKey, TimerKind};

/// A block of a model: transactions by number, from the first not yet in the chain.
#[derive(Clone, Debug)]
pub(crate) struct ModelBlock {
    /// Number of the block before; lower than its own.
    pub parent: Option<u32>,
    pub height: u64,
    /// Total difficulty, or whatever the family counts.
    pub weight: u64,
    /// Term of the leader that built it.
    pub term: u64,
    pub builder: PeerIndex,
    /// When it was built.
    pub built: Micros,
    /// Transactions below this number are in the chain up to here.
    pub through: u64,
    pub bytes: u64,
}

/// A message of a model.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// A block and who has it.
    Block(u32),
    /// Stored, or voted for, by the sender: block, round or term.
    Vote(u32, u64),
    /// The leader lives: term, last block known to be final.
    Beat(u64, Option<u32>),
    /// Stands for election: term, newest block it has stored.
    Elect(u64, Option<u32>),
}

/// Two blocks that were final at one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub height: u64,
    pub first: u32,
    pub second: u32,
}

/// A family at work.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub setting: Setting,
    pub seed: u64,
    pub offer: Offer,
    pub network: SimNetwork<Note>,
    pub now: Micros,
    /// Whether each node runs.
    pub up: Vec<bool>,
    /// Blocks that may still matter, the first of them with number `dropped`.
    blocks: VecDeque<ModelBlock>,
    dropped: u32,
    highest: u64,
    draws: u64,
    pub deepest: u64,
    pub final_height: u64,
    final_block: Option<u32>,
    /// Final blocks that nobody took yet, in order of height.
    fresh: Vec<(u32, ModelBlock)>,
    /// The first contradiction of what was final.
    pub broken: Option<Broken>,
}

/// Bytes of a vote, acknowledgement or heartbeat with framing.
const NOTE_BYTES: u64 = 240;
/// Bytes of a block without transactions, with framing.
pub(crate) const HEADER_BYTES: u64 = 512;
/// Blocks kept below the newest one; forks are much shorter.
const KEPT_BLOCKS: usize = 2_048;

impl Bench {
    pub(crate) fn new(setting: &Setting, offer: Offer, seed: u64) -> Self {
        let mut network = SimNetwork::new(setting.links, setting.nodes);
        network.count_bytes(true);
        Self {
            setting: *setting,
            seed,
            offer,
            network,
            now: 0,
            up: vec![true; usize::from(setting.nodes)],
            blocks: VecDeque::new(),
            dropped: 0,
            highest: 0,
            draws: 0,
            deepest: 0,
            final_height: 0,
            final_block: None,
            fresh: Vec::new(),
            broken: None,
        }
    }

    pub(super) fn draw(&mut self) -> f64 {
        self.draws += 1;
        draw_f64(self.seed, self.draws, 0, Stream::Behaviour)
    }

    /// Time until the next event of a Poisson process, µs.
    pub(super) fn exponential(&mut self, mean_us: f64) -> Micros {
        let u = 1.0 - self.draw();
        (-mean_us * libm::log(u)).clamp(1.0, 1e15) as Micros
    }

    /// A block by its number; `None` for one that is long final or given up.
    pub(super) fn block(&self, number: u32) -> Option<&ModelBlock> {
        self.blocks.get(number.checked_sub(self.dropped)? as usize)
    }

    /// Height of a block, 0 without one.
    pub(super) fn height(&self, block: Option<u32>) -> u64 {
        block
            .and_then(|number| self.block(number))
            .map_or(0, |block| block.height)
    }

    /// Blocks built so far.
    pub(crate) fn built(&self) -> u64 {
        u64::from(self.dropped) + self.blocks.len() as u64
    }

    /// Blocks that are in no longest chain.
    pub(crate) fn orphans(&self) -> u64 {
        self.built().saturating_sub(self.highest)
    }

    /// Transactions offered up to now.
    fn offered(&self, per_s: f64, at: Micros) -> u64 {
        (per_s * at as f64 / 1e6) as u64
    }

    /// Builds a block on a parent with everything that waits, as far as it fits.
    pub(super) fn build(
        &mut self,
        parent: Option<u32>,
        builder: PeerIndex,
        weight: u64,
        term: u64,
    ) -> u32 {
        let (height, before, from) = parent
            .and_then(|number| self.block(number))
            .map_or((1, 0, 0), |p| (p.height + 1, p.weight, p.through));
        let room = self.setting.block_bytes;
        let (from, taken, bytes) = match &self.offer {
            Offer::Even { per_s, tx_bytes } => {
                let waiting = self.offered(*per_s, self.now).saturating_sub(from);
                let taken = waiting.min(room / tx_bytes.max(&1));
                (from, taken, taken * tx_bytes)
            }
            Offer::Listed(arrivals) => arrivals.fill(from, self.now, room),
        };
        self.highest = self.highest.max(height);
        self.blocks.push_back(ModelBlock {
            parent,
            height,
            weight: before + weight,
            term,
            builder,
            built: self.now,
            through: from + taken,
            bytes: HEADER_BYTES + bytes,
        });
        let number = self.dropped + self.blocks.len() as u32 - 1;
        // What is not final yet is needed, and so is what others may still build on.
        let settled = self.final_block.unwrap_or(0);
        while self.blocks.len() > KEPT_BLOCKS && self.dropped < settled {
            self.blocks.pop_front();
            self.dropped += 1;
        }
        number
    }

    pub(super) fn send(&mut self, from: PeerIndex, to: PeerIndex, note: &Arc<Note>) {
        let (kind, block, term) = match note.as_ref() {
            Note::Block(block) => ("block", Some(*block), 0),
            Note::Vote(block, term) => ("vote", Some(*block), *term),
            Note::Beat(term, block) => ("heartbeat", *block, *term),
            Note::Elect(term, block) => ("election", *block, *term),
        };
        let known = block.and_then(|number| self.block(number));
        let height = known.map_or(0, |block| block.height);
        let bytes = match note.as_ref() {
            Note::Block(_) => known.map_or(HEADER_BYTES, |block| block.bytes),
            _ => NOTE_BYTES,
        };
        let about = (kind, height, u32::try_from(term).unwrap_or(u32::MAX));
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

    /// Whether a node runs.
    pub(crate) fn runs(&self, node: PeerIndex) -> bool {
        self.up.get(usize::from(node)).copied().unwrap_or(false)
    }

    /// The next event up to a time, if it reaches somebody: messages to a node
    /// that is down or cut off are gone.
    pub(crate) fn next(&mut self, until: Micros) -> Option<Due<Note>> {
        loop {
            let (at, due) = self.network.pop(until)?;
            self.now = self.now.max(at);
            if let Due::Deliver { from, to, .. } = &due {
                let reached = self.runs(*to) && self.network.connected(*from, *to);
                self.network.count_delivered(reached);
                if !reached {
                    continue;
                }
            }
            return Some(due);
        }
    }

    /// A block, and everything below it, is final at a node; the first node counts.
    pub(super) fn finalise(&mut self, number: u32) {
        let mut path = Vec::new();
        let mut at = Some(number);
        while let Some((number, block)) = at.and_then(|n| Some((n, self.block(n)?)))
            && block.height > self.final_height
        {
            path.push((number, block.clone()));
            at = block.parent;
        }
        if let (Some(first), Some(second)) = (self.final_block, at) {
            self.compare_final(first, second);
        }
        if let Some((newest, block)) = path.first() {
            self.final_height = block.height;
            self.final_block = Some(*newest);
        }
        self.fresh.extend(path.into_iter().rev());
    }

    /// Notes when a block at or below the height of the newest final one is not
    /// on its chain: two nodes took different blocks for final.
    fn compare_final(&mut self, newest: u32, other: u32) {
        let Some(height) = self.block(other).map(|block| block.height) else {
            return;
        };
        let below = self.final_height.saturating_sub(height);
        if let Some(first) = self.ancestor(newest, below)
            && first != other
            && self.broken.is_none()
        {
            self.broken = Some(Broken {
                height,
                first,
                second: other,
            });
        }
    }

    /// Blocks that became final since the last call, in order of height.
    pub(crate) fn take_final(&mut self) -> Vec<(u32, ModelBlock)> {
        std::mem::take(&mut self.fresh)
    }

    /// Whether a block builds on everything that is final.
    pub(super) fn keeps_final(&self, number: u32) -> bool {
        let mut at = Some(number);
        while let Some(block) = at.and_then(|number| self.block(number))
            && block.height > self.final_height
        {
            at = block.parent;
        }
        at == self.final_block
    }

    /// Walks down from a block by `count` parents.
    pub(super) fn ancestor(&self, block: u32, count: u64) -> Option<u32> {
        let mut at = block;
        for _ in 0..count {
            at = self.block(at)?.parent?;
        }
        Some(at)
    }

    /// Blocks a node takes back when it goes from one tip to another.
    pub(super) fn distance(&self, mut old: u32, mut new: u32) -> u64 {
        let mut back = 0;
        while old != new {
            let (Some(a), Some(b)) = (self.block(old), self.block(new)) else {
                return back;
            };
            if a.height >= b.height {
                back += 1;
                match a.parent {
                    Some(parent) => old = parent,
                    None => return back,
                }
            } else {
                match b.parent {
                    Some(parent) => new = parent,
                    None => return back,
                }
            }
        }
        back
    }
}
