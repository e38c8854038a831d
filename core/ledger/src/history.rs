//! An append-only list whose copies share their past.

use std::sync::Arc;

/// Items per shared piece.
const PIECE: usize = 256;

/// A list of blocks, oldest first; a copy costs at most [`PIECE`] pointers.
#[derive(Clone, Debug)]
pub(crate) struct History<T> {
    full: Arc<Vec<Arc<Vec<T>>>>,
    tail: Arc<Vec<T>>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            full: Arc::default(),
            tail: Arc::default(),
        }
    }
}

impl<T: Clone> History<T> {
    pub(crate) fn len(&self) -> usize {
        self.full.len() * PIECE + self.tail.len()
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
        (0..self.len()).rev().filter_map(|index| self.get(index))
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
}
