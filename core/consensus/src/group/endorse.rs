//! Simulate and compare before ordering (paper Table 1, U2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gridloom_units::{SimTime, Stream, draw_u64};

use super::Figures;
use crate::network::LinkConfig;
use crate::node::{Micros, PeerIndex};

/// Transactions that may be under way to and from the simulating nodes.
const MAX_UNDER_WAY: usize = 1 << 16;
/// Bytes of an answer: hash of the results, address, signature.
const ANSWER_BYTES: u64 = 130;

/// Transactions on their way to the nodes that simulate them, and back.
#[derive(Debug)]
pub(super) struct Endorsers<T> {
    /// How many must agree.
    count: PeerIndex,
    seed: u64,
    /// Transactions asked so far.
    asked: u64,
    /// By the time at which the last answer is there, µs.
    under_way: BTreeMap<(Micros, u64), Arc<T>>,
    /// Nodes whose results are wrong.
    false_results: BTreeSet<PeerIndex>,
    figures: Figures,
}

impl<T> Clone for Endorsers<T> {
    fn clone(&self) -> Self {
        Self {
            count: self.count,
            seed: self.seed,
            asked: self.asked,
            under_way: self.under_way.clone(),
            false_results: self.false_results.clone(),
            figures: self.figures,
        }
    }
}

impl<T> Endorsers<T> {
    pub(super) fn new(count: PeerIndex, nodes: usize, seed: u64) -> Self {
        Self {
            count: count.min(nodes as PeerIndex),
            seed,
            asked: 0,
            under_way: BTreeMap::new(),
            false_results: BTreeSet::new(),
            figures: Figures::default(),
        }
    }

    pub(super) fn set_false(&mut self, node: PeerIndex, on: bool) {
        if on {
            self.false_results.insert(node);
        } else {
            self.false_results.remove(&node);
        }
    }

    /// Asks the first nodes that run; what they do not agree on goes no further.
    /// Messages and bytes this cost.
    pub(super) fn ask(
        &mut self,
        tx: Arc<T>,
        tx_bytes: u64,
        now: SimTime,
        links: &LinkConfig,
        up: &[bool],
    ) -> (u64, u64) {
        let asked: Vec<PeerIndex> = (0..up.len() as PeerIndex)
            .filter(|node| up[usize::from(*node)])
            .take(usize::from(self.count))
            .collect();
        let messages = asked.len() as u64 * 2;
        let bytes = asked.len() as u64 * (tx_bytes + ANSWER_BYTES);
        self.asked += 1;
        if asked.len() < usize::from(self.count) {
            self.figures.unendorsed += 1;
            return (messages, bytes);
        }
        let wrong = asked
            .iter()
            .filter(|node| self.false_results.contains(node));
        let wrong = wrong.count();
        // Two wrong results are not equal either: each liar lies in its own way.
        if wrong > 0 && asked.len() > 1 {
            self.figures.differing += 1;
            return (messages, bytes);
        }
        if self.under_way.len() >= MAX_UNDER_WAY {
            self.figures.overflow += 1;
            return (messages, bytes);
        }
        let span = links.latency_max_us.saturating_sub(links.latency_min_us) + 1;
        let way = |node: PeerIndex, back: u64| {
            let place = u64::from(node) << 1 | back;
            links.latency_min_us
                + draw_u64(self.seed, self.asked, place, Stream::ConsensusLatency) % span
        };
        let slowest = asked.iter().map(|node| way(*node, 0) + way(*node, 1)).max();
        let ready = now.0 * 1_000 + slowest.unwrap_or(0);
        self.figures.endorsed += 1;
        self.under_way.insert((ready, self.asked), tx);
        (messages, bytes)
    }

    /// The next transaction whose answers are there, and when, in whole milliseconds.
    pub(super) fn ready(&mut self, until: SimTime) -> Option<(SimTime, Arc<T>)> {
        let first = self.under_way.first_entry()?;
        let at = SimTime(first.key().0.div_ceil(1_000));
        (at <= until).then(|| (at, first.remove()))
    }

    pub(super) fn add_to(&self, figures: Figures) -> Figures {
        Figures {
            overflow: figures.overflow + self.figures.overflow,
            endorsed: self.figures.endorsed,
            differing: self.figures.differing,
            unendorsed: self.figures.unendorsed,
            ..figures
        }
    }

    pub(super) fn digest(&self, engine: [u8; 32]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&engine);
        hasher.update(&self.asked.to_le_bytes());
        hasher.update(&(self.under_way.len() as u64).to_le_bytes());
        for part in [
            self.figures.endorsed,
            self.figures.differing,
            self.figures.unendorsed,
        ] {
            hasher.update(&part.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }
}
