//! Decided blocks in order, shared between copies.

use std::sync::Arc;

use crate::chain::Decided;

/// Entries per shared chunk.
const CHUNK: usize = 64;

/// An append-only list of decided blocks, starting at height 1.
///
/// Copies share full chunks, so a copy costs at most one chunk of pointers and
/// a chain may be snapshot at every tick.
#[derive(Debug)]
pub struct History<B> {
    chunks: Arc<Vec<Arc<[Decided<B>]>>>,
    tail: Vec<Decided<B>>,
}

impl<B> Clone for History<B> {
    fn clone(&self) -> Self {
        Self {
            chunks: Arc::clone(&self.chunks),
            tail: self.tail.clone(),
        }
    }
}

impl<B> Default for History<B> {
    fn default() -> Self {
        Self {
            chunks: Arc::default(),
            tail: Vec::new(),
        }
    }
}

impl<B> History<B> {
    /// Height of the newest block, 0 without any.
    #[must_use]
    pub fn tip(&self) -> u64 {
        (self.chunks.len() * CHUNK + self.tail.len()) as u64
    }

    /// The block at a height.
    #[must_use]
    pub fn get(&self, height: u64) -> Option<&Decided<B>> {
        let index = usize::try_from(height.checked_sub(1)?).ok()?;
        match self.chunks.get(index / CHUNK) {
            Some(chunk) => chunk.get(index % CHUNK),
            None => self.tail.get(index - self.chunks.len() * CHUNK),
        }
    }

    /// The newest block.
    #[must_use]
    pub fn last(&self) -> Option<&Decided<B>> {
        self.get(self.tip())
    }

    /// Appends the block of height `tip + 1`.
    pub fn push(&mut self, decided: Decided<B>) {
        self.tail.push(decided);
        if self.tail.len() == CHUNK {
            let chunk: Arc<[Decided<B>]> = std::mem::take(&mut self.tail).into();
            Arc::make_mut(&mut self.chunks).push(chunk);
        }
    }

    /// From newest to oldest.
    pub fn newest_first(&self) -> impl Iterator<Item = &Decided<B>> {
        (1..=self.tip()).rev().filter_map(|height| self.get(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;
    use crate::context::BlockId;

    fn entry(height: u64) -> Decided<u64> {
        Decided {
            block: Arc::new(height),
            certificate: Arc::new(Certificate {
                height,
                round: 0,
                block: BlockId::default(),
                signatures: Vec::new(),
            }),
        }
    }

    #[test]
    fn copies_share_the_past_and_go_their_own_way() {
        let mut one = History::default();
        for height in 1..=200 {
            one.push(entry(height));
        }
        let mut two = one.clone();
        for height in 201..=300 {
            one.push(entry(height));
            two.push(entry(height + 1_000));
        }
        assert_eq!((one.tip(), two.tip()), (300, 300));
        for height in 1..=300 {
            let expected = if height > 200 { height + 1_000 } else { height };
            assert_eq!(one.get(height).map(|d| *d.block), Some(height));
            assert_eq!(two.get(height).map(|d| *d.block), Some(expected));
        }
        assert!(one.get(0).is_none() && one.get(301).is_none());
        assert_eq!(one.newest_first().count(), 300);
    }
}
