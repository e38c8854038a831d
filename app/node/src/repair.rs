//! Blocks that are missing or damaged on disk and come back from the others.
//!
//! The ledger itself is sound (its state is certified), so a block is the
//! right one if the block after it names it as its parent. Repair therefore
//! goes from the newest hole to the oldest.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gridloom_consensus::{Block, BlockId, Decided, SYNC_BATCH};
use gridloom_ledger::LedgerBlock;

use crate::store::Store;

#[derive(Debug)]
struct Inner {
    holes: BTreeSet<u64>,
    healed: u64,
    /// Blocks asked for at once; fewer when an answer did not reach the hole.
    span: u64,
    report: Vec<String>,
}

/// Holes and how far they are filled.
#[derive(Debug)]
pub struct Repairs {
    inner: Mutex<Inner>,
    /// The last block that was executed when the node started.
    anchor: (u64, BlockId),
}

/// Most lines kept of what was found.
const MAX_REPORT: usize = 256;

impl Repairs {
    /// Holes of a store whose ledger stands at `anchor`.
    #[must_use]
    pub fn new(holes: Vec<u64>, anchor: (u64, BlockId), report: Vec<String>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                holes: holes.into_iter().collect(),
                healed: 0,
                span: SYNC_BATCH as u64,
                report,
            }),
            anchor,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holes left and blocks healed.
    #[must_use]
    pub fn counts(&self) -> (usize, u64) {
        let inner = self.lock();
        (inner.holes.len(), inner.healed)
    }

    /// What was found wrong.
    #[must_use]
    pub fn report(&self) -> Vec<String> {
        self.lock().report.clone()
    }

    /// Notes something that was found wrong.
    pub fn note(&self, what: String) {
        let mut inner = self.lock();
        if inner.report.len() < MAX_REPORT {
            inner.report.push(what);
        }
    }

    /// A block on disk turned out to be unreadable.
    pub fn add(&self, height: u64, what: String) {
        if self.lock().holes.insert(height) {
            tracing::warn!(height, "{what}; it is fetched from the others");
            self.note(what);
        }
    }

    /// The height from which on to ask for blocks next.
    #[must_use]
    pub fn wanted(&self) -> Option<u64> {
        let inner = self.lock();
        let hole = *inner.holes.last()?;
        Some((hole + 1).saturating_sub(inner.span).max(1))
    }

    /// Takes an answer over; returns how many holes it filled.
    ///
    /// # Errors
    /// Says why it does not fit, or that the store cannot be written.
    pub fn fill(&self, store: &Store, list: &[Decided<LedgerBlock>]) -> Result<u64, String> {
        let Some(hole) = self.lock().holes.last().copied() else {
            return Ok(0);
        };
        let Some(end) = list.iter().position(|d| d.block.height() == hole) else {
            let mut inner = self.lock();
            inner.span = (inner.span / 2).max(1);
            return Err(format!("the answer does not reach block {hole}"));
        };
        let mut expected = if hole == self.anchor.0 {
            self.anchor.1
        } else {
            let above = store.header(hole + 1).map_err(|bad| bad.to_string())?;
            above.0.parent
        };
        let mut filled = 0;
        for decided in list[..=end].iter().rev() {
            let block = &decided.block;
            if block.id() != expected || decided.certificate.block != expected {
                return Err(format!(
                    "block {} is not the one that was decided",
                    block.height()
                ));
            }
            expected = block.header().parent;
            if !self.lock().holes.contains(&block.height()) {
                continue;
            }
            store.put(decided).map_err(|error| error.to_string())?;
            let mut inner = self.lock();
            inner.holes.remove(&block.height());
            inner.healed += 1;
            filled += 1;
        }
        Ok(filled)
    }
}
