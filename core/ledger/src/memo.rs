//! Facts the validators of one process need not establish again.
//!
//! Both memories hold consequences of their keys, not opinions: whether the
//! signature inside a transaction is good, and what a block does to the state
//! its parent left. All chains cloned from one share them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gridloom_consensus::BlockId;

use crate::execute::Executed;

/// Remembered identities per generation.
const PROOFS: usize = 16_384;
/// Remembered executions.
const EXECUTIONS: usize = 64;

/// How often the memories answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoCounters {
    /// Signatures and proofs that were really checked.
    pub proofs_checked: u64,
    /// Questions about them answered from memory.
    pub proofs_remembered: u64,
    /// Blocks really executed.
    pub executed: u64,
    /// Executions answered from memory.
    pub executions_remembered: u64,
}

#[derive(Debug, Default)]
struct Inner {
    newer: BTreeSet<[u8; 32]>,
    older: BTreeSet<[u8; 32]>,
    executions: BTreeMap<(BlockId, BlockId), Arc<Executed>>,
    order: VecDeque<(BlockId, BlockId)>,
    counters: MemoCounters,
}

/// The shared memories; `None` inside when switched off.
#[derive(Clone, Debug)]
pub(crate) struct Memo(Option<Arc<Mutex<Inner>>>);

impl Memo {
    pub(crate) fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// A memory that remembers nothing, for comparison.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    fn lock(&self) -> Option<MutexGuard<'_, Inner>> {
        // Every change below leaves the memories consistent, so a panic of
        // another thread does not spoil them.
        self.0
            .as_ref()
            .map(|inner| inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn counters(&self) -> MemoCounters {
        self.lock().map(|inner| inner.counters).unwrap_or_default()
    }

    /// Whether the proof inside the transaction of this identity is good.
    pub(crate) fn proves(&self, id: &[u8; 32], check: impl FnOnce() -> bool) -> bool {
        if let Some(mut inner) = self.lock() {
            if inner.newer.contains(id) || inner.older.contains(id) {
                inner.counters.proofs_remembered += 1;
                return true;
            }
            inner.counters.proofs_checked += 1;
        }
        let good = check();
        if good && let Some(mut inner) = self.lock() {
            if inner.newer.len() >= PROOFS {
                inner.older = std::mem::take(&mut inner.newer);
            }
            inner.newer.insert(*id);
        }
        good
    }

    /// What a block does, if some validator executed it already.
    pub(crate) fn executed(&self, parent: BlockId, block: BlockId) -> Option<Arc<Executed>> {
        let mut inner = self.lock()?;
        let found = inner.executions.get(&(parent, block)).cloned();
        if found.is_some() {
            inner.counters.executions_remembered += 1;
        }
        found
    }

    pub(crate) fn remember(&self, parent: BlockId, block: BlockId, executed: &Arc<Executed>) {
        let Some(mut inner) = self.lock() else {
            return;
        };
        inner.counters.executed += 1;
        if inner
            .executions
            .insert((parent, block), Arc::clone(executed))
            .is_none()
        {
            inner.order.push_back((parent, block));
        }
        while inner.order.len() > EXECUTIONS
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.executions.remove(&oldest);
        }
    }
}
