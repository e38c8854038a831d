//! An append-only list whose copies share their past.

use std::sync::Arc;

/// Items per shared piece.
const PIECE: usize = 64;

/// A list of blocks, oldest first; a copy costs at most [`PIECE`] pointers.
#[derive(Clone, Debug)]
pub(crate) struct History<T> {
    /// Items that came before and are not kept.
    skipped: usize,
    full: Arc<Vec<Arc<Vec<T>>>>,
    tail: Arc<Vec<T>>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            skipped: 0,
            full: Arc::default(),
            tail: Arc::default(),
        }
    }
}

impl<T: Clone> History<T> {
    /// An empty list that counts `skipped` items before its first.
    pub(crate) fn after(skipped: usize) -> Self {
        Self {
            skipped,
            ..Self::default()
        }
    }

    /// Items since the beginning, those no longer kept included.
    pub(crate) fn len(&self) -> usize {
        self.skipped + self.full.len() * PIECE + self.tail.len()
    }

    /// Index of the oldest item that is kept.
    pub(crate) fn first(&self) -> usize {
        self.skipped
    }

    /// Lets go of whole old pieces as long as `keep` items remain.
    pub(crate) fn forget(&mut self, keep: usize) {
        let spare = (self.full.len() * PIECE + self.tail.len()).saturating_sub(keep) / PIECE;
        let pieces = spare.min(self.full.len());
        if pieces > 0 {
            Arc::make_mut(&mut self.full).drain(..pieces);
            self.skipped += pieces * PIECE;
        }
    }

    pub(crate) fn push(&mut self, item: T) {
        // The tail is copied only when a snapshot still holds it.
        Arc::make_mut(&mut self.tail).push(item);
        if self.tail.len() == PIECE {
            let piece = std::mem::take(&mut self.tail);
            Arc::make_mut(&mut self.full).push(piece);
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let index = index.checked_sub(self.skipped)?;
        match self.full.get(index / PIECE) {
            Some(piece) => piece.get(index % PIECE),
            None if index / PIECE == self.full.len() => self.tail.get(index % PIECE),
            None => None,
        }
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.len().checked_sub(1).and_then(|index| self.get(index))
    }

    /// Newest first.
    pub(crate) fn rev(&self) -> impl Iterator<Item = &T> {
        (self.skipped..self.len())
            .rev()
            .filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_their_own_ways() {
        let mut list = History::default();
        let mut copies = Vec::new();
        for i in 0..1_000_usize {
            if i % 100 == 7 {
                copies.push((i, list.clone()));
            }
            list.push(i);
        }
        for (length, copy) in &mut copies {
            assert_eq!(copy.len(), *length);
            copy.push(99_999);
            assert_eq!(copy.last(), Some(&99_999));
            assert_eq!(copy.get(*length), Some(&99_999));
            assert!(copy.rev().skip(1).copied().eq((0..*length).rev()));
        }
        assert!(list.rev().copied().eq((0..1_000).rev()));
        assert_eq!(list.get(1_000), None);
        assert_eq!(list.get(100_000), None);
    }

    #[test]
    fn forgotten_items_keep_their_numbers() {
        let mut list = History::after(7);
        assert_eq!((list.len(), list.last()), (7, None));
        for i in 7..1_000_usize {
            list.push(i);
        }
        let whole = list.clone();
        list.forget(300);
        assert_eq!((list.len(), list.last()), (1_000, Some(&999)));
        let first = list.first();
        assert!(first > 400 && first <= 700, "{first}");
        assert_eq!(list.get(first - 1), None);
        assert_eq!(list.get(first), Some(&first));
        assert!(list.rev().copied().eq((first..1_000).rev()));
        assert_eq!(whole.get(7), Some(&7));
        list.forget(10_000);
        assert_eq!(list.first(), first);
    }
}
