//! What a node keeps of decided blocks, and where (paper Table 1, data management,
//! and Table 2, value type).

use gridloom_consensus::Certificate;

use super::LedgerChain;
use crate::header::LedgerBlock;
use crate::transaction::{Transaction, TxBody};

/// Bytes that stand in a block for data outside of it: its hash and its length.
pub const POINTER_BYTES: u64 = 40;

/// What a node keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Whether readings lie in a store outside, and only their hashes in the blocks.
    pub outside: bool,
    /// Newest blocks whose transactions are kept, about; `None` for all.
    pub blocks: Option<u32>,
}

/// Bytes kept, by place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// In blocks and certificates, those that were let go included.
    pub chain_bytes: u64,
    /// In the store outside.
    pub outside_bytes: u64,
    /// Blocks up to this height had data outside, and it is lost.
    pub lost_through: u64,
}

/// Why a block's transactions cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// There is no such block yet.
    #[error("height {0} is not decided yet")]
    Undecided(u64),
    /// Its time was over.
    #[error("the transactions of height {0} were let go; balances still can be proved")]
    LetGo(u64),
    /// The store outside lost what its hashes point to.
    #[error("height {0} has hashes of readings whose data the store outside has lost")]
    Lost(u64),
}

/// Whether the data of a transaction may lie outside: what meters say, not what moves value.
fn may_lie_outside(tx: &Transaction) -> bool {
    matches!(
        tx.body,
        TxBody::Reading(_) | TxBody::AreaLoad { .. } | TxBody::MeterRecords(_)
    )
}

impl LedgerChain {
    /// The same ledger kept in another way, from the next block on.
    #[must_use]
    pub fn keeping(mut self, keeping: Keeping) -> Self {
        self.keeping = keeping;
        self
    }

    /// How blocks are kept.
    #[must_use]
    pub fn keeps(&self) -> Keeping {
        self.keeping
    }

    /// What is kept so far.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// The store outside loses everything it has. What was executed stays.
    pub fn lose_outside(&mut self) {
        if self.keeping.outside {
            self.kept.lost_through = self.height();
            self.kept.outside_bytes = 0;
        }
    }

    /// Whether a block's transactions can be had.
    ///
    /// # Errors
    /// Says why not.
    pub fn at_hand(&self, height: u64) -> Result<(), Missing> {
        if height == 0 || height > self.height() {
            Err(Missing::Undecided(height))
        } else if height < self.first_kept() {
            Err(Missing::LetGo(height))
        } else if self.entry(height).is_none() {
            Err(Missing::Lost(height))
        } else {
            Ok(())
        }
    }

    /// Counts a decided block, and lets go of what is old.
    pub(super) fn keep(&mut self, block: &LedgerBlock, certificate: &Certificate) {
        let size = |tx: &Transaction| borsh::object_length(tx).unwrap_or(0) as u64;
        let head = borsh::object_length(block.header()).unwrap_or(0)
            + borsh::object_length(certificate).unwrap_or(0);
        self.kept.chain_bytes += head as u64;
        for tx in block.transactions() {
            if self.keeping.outside && may_lie_outside(tx) {
                self.kept.chain_bytes += POINTER_BYTES;
                self.kept.outside_bytes += size(tx);
            } else {
                self.kept.chain_bytes += size(tx);
            }
        }
        if let Some(blocks) = self.keeping.blocks {
            self.forget_blocks(blocks as usize);
        }
    }

    /// Whether the data of a block outside are lost.
    pub(super) fn lost(&self, block: &LedgerBlock) -> bool {
        block.header().height <= self.kept.lost_through
            && block.transactions().iter().any(|tx| may_lie_outside(tx))
    }
}
