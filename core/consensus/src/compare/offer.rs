//! Transactions that wait for a block.

use std::collections::VecDeque;

use crate::node::Micros;

/// What there is to record.
#[derive(Clone, Debug)]
pub(crate) enum Offer {
    /// So many transactions a second, each of so many bytes.
    Even { per_s: f64, tx_bytes: u64 },
    /// These.
    Listed(Arrivals),
}

/// Transactions in the order in which they reach the nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    /// Transactions before the first that is still listed.
    first: u64,
    /// When each has reached every node, and its size.
    waiting: VecDeque<(Micros, u64)>,
}

impl Arrivals {
    /// One more; not before those that came earlier.
    pub(crate) fn push(&mut self, at: Micros, bytes: u64) {
        let at = self.waiting.back().map_or(at, |(last, _)| at.max(*last));
        self.waiting.push_back((at, bytes));
    }

    /// Forgets the oldest, which are final, up to number `through`; how many.
    pub(crate) fn forget(&mut self, through: u64) -> usize {
        let count = through.saturating_sub(self.first) as usize;
        let count = count.min(self.waiting.len());
        self.waiting.drain(..count);
        self.first += count as u64;
        count
    }

    /// How many from number `from` on have arrived and fit; number to begin at, count, bytes.
    pub(super) fn fill(&self, from: u64, now: Micros, room: u64) -> (u64, u64, u64) {
        let from = from.max(self.first);
        let (mut count, mut bytes) = (0, 0);
        for (at, size) in self.waiting.iter().skip((from - self.first) as usize) {
            if *at > now || bytes + size > room {
                break;
            }
            count += 1;
            bytes += size;
        }
        (from, count, bytes)
    }
}
