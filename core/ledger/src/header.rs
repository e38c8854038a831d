//! Block headers and blocks.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{Address, Block, BlockId, ChainId, Lie};

use crate::merkle::list_root;
use crate::transaction::{Transaction, hash_encoded};

/// Most transactions in one block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 2_048;
/// Most bytes of transactions in one block.
pub const MAX_BLOCK_BYTES: usize = 1024 * 1024;

/// What validators sign (through its hash) and light clients keep.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockHeader {
    /// The chain.
    pub chain: ChainId,
    /// Height; the first block has 1.
    pub height: u64,
    /// Round in which it was first proposed.
    pub round: u32,
    /// Who built it.
    pub proposer: Address,
    /// When it was built, ms of simulated time; never before its parent.
    pub time_ms: u64,
    /// The block before; for the first one the hash of the genesis.
    pub parent: BlockId,
    /// Commits the transactions, their number and order.
    pub tx_root: [u8; 32],
    /// Commits the receipts of executing them.
    pub receipts_root: [u8; 32],
    /// Commits the state after executing them.
    pub state_root: [u8; 32],
    /// Hash of the validator set of the next height.
    pub next_validators: [u8; 32],
}

impl BlockHeader {
    /// Identity of the block.
    #[must_use]
    pub fn id(&self) -> BlockId {
        BlockId(hash_encoded(b"gridloom/header/1", self))
    }
}

/// Why header and transactions make no block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Too many transactions.
    #[error("{0} transactions are more than a block may have ({MAX_BLOCK_TRANSACTIONS})")]
    TooMany(usize),
    /// A transaction that is too large, or one too many.
    #[error("a transaction of {0} bytes is too large, or the block is with it")]
    TooLarge(usize),
    /// The header commits other transactions.
    #[error("the transactions are not those the header commits")]
    Commitment,
}

/// A header with exactly the transactions it commits.
///
/// The only ways to make one compute or compare the commitment, so the block's
/// id covers everything in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerBlock {
    header: BlockHeader,
    transactions: Vec<Arc<Transaction>>,
    id: BlockId,
    ids: Vec<[u8; 32]>,
}

impl LedgerBlock {
    /// Puts header and transactions together.
    ///
    /// # Errors
    /// Refuses transactions other than the header commits, and too many or too
    /// large ones.
    pub fn new(
        header: BlockHeader,
        transactions: Vec<Arc<Transaction>>,
    ) -> Result<Self, BlockError> {
        if transactions.len() > MAX_BLOCK_TRANSACTIONS {
            return Err(BlockError::TooMany(transactions.len()));
        }
        let (mut ids, mut bytes) = (Vec::with_capacity(transactions.len()), 0);
        for tx in &transactions {
            let (id, size) = tx.id_and_size();
            bytes += size;
            if size > tx.max_bytes() || bytes > MAX_BLOCK_BYTES {
                return Err(BlockError::TooLarge(size));
            }
            ids.push(id);
        }
        if list_root(&ids) != header.tx_root {
            return Err(BlockError::Commitment);
        }
        Ok(Self::assemble(header, transactions, ids))
    }

    /// As [`Self::new`] for a header that was made for these transactions.
    pub(crate) fn assemble(
        header: BlockHeader,
        transactions: Vec<Arc<Transaction>>,
        ids: Vec<[u8; 32]>,
    ) -> Self {
        Self {
            id: header.id(),
            header,
            transactions,
            ids,
        }
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// The transactions in order of execution.
    #[must_use]
    pub fn transactions(&self) -> &[Arc<Transaction>] {
        &self.transactions
    }

    /// Identities of the transactions, in the same order.
    #[must_use]
    pub fn transaction_ids(&self) -> &[[u8; 32]] {
        &self.ids
    }
}

/// The block of a proposer that lies, for fault injection; see [`gridloom_consensus::Lie`].
#[must_use]
pub fn forge(block: &LedgerBlock, lie: Lie) -> Option<LedgerBlock> {
    let mut header = block.header().clone();
    match lie {
        Lie::InvalidState => header.state_root[0] ^= 1,
        Lie::OtherValid => header.time_ms += 1,
    }
    LedgerBlock::new(header, block.transactions().to_vec()).ok()
}

impl Block for LedgerBlock {
    fn id(&self) -> BlockId {
        self.id
    }

    fn height(&self) -> u64 {
        self.header.height
    }

    fn round(&self) -> u32 {
        self.header.round
    }

    fn proposer(&self) -> Address {
        self.header.proposer
    }
}

impl BorshSerialize for LedgerBlock {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        self.header.serialize(writer)?;
        // At most MAX_BLOCK_TRANSACTIONS.
        (self.transactions.len() as u32).serialize(writer)?;
        for tx in &self.transactions {
            tx.as_ref().serialize(writer)?;
        }
        Ok(())
    }
}

impl BorshDeserialize for LedgerBlock {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let bad =
            |what: &str| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, what.to_owned());
        let header = BlockHeader::deserialize_reader(reader)?;
        let count = u32::deserialize_reader(reader)? as usize;
        if count > MAX_BLOCK_TRANSACTIONS {
            return Err(bad("more transactions than a block may have"));
        }
        let mut transactions = Vec::new();
        for _ in 0..count {
            transactions.push(Arc::new(Transaction::deserialize_reader(reader)?));
        }
        Self::new(header, transactions).map_err(|error| bad(&error.to_string()))
    }
}
