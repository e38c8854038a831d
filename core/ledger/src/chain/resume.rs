//! Going on from a saved state instead of executing every block again.

use std::io::{Error, ErrorKind, Read, Write};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Kept, LedgerChain};
use crate::cross::set_of;
use crate::header::BlockHeader;
use crate::history::History;
use crate::state::{State, StateValue};

/// Most values a saved state may claim to have.
const MAX_VALUES: u32 = 1 << 24;

/// The state after a block, complete: what a validator goes on from.
///
/// The header's state root commits every value, so bytes from a disk are
/// trusted as far as the header is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// Header of the block.
    pub header: BlockHeader,
    values: Vec<([u8; 32], Arc<StateValue>)>,
}

/// A saved state no ledger can go on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// It is of another chain.
    #[error("the saved state is of another chain")]
    Chain,
    /// Its values are not those the header commits.
    #[error("the saved state of height {0} does not have the state root of its header")]
    Root(u64),
}

impl SavedState {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it has no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl BorshSerialize for SavedState {
    fn serialize<W: Write>(&self, w: &mut W) -> Result<(), Error> {
        self.header.serialize(w)?;
        (self.values.len() as u32).serialize(w)?;
        for (key, value) in &self.values {
            key.serialize(w)?;
            value.as_ref().serialize(w)?;
        }
        Ok(())
    }
}

impl BorshDeserialize for SavedState {
    fn deserialize_reader<R: Read>(r: &mut R) -> Result<Self, Error> {
        let header = BlockHeader::deserialize_reader(r)?;
        let count = u32::deserialize_reader(r)?;
        if count > MAX_VALUES {
            let what = format!("{count} values in a saved state");
            return Err(Error::new(ErrorKind::InvalidData, what));
        }
        let mut values: Vec<([u8; 32], Arc<StateValue>)> = Vec::new();
        for _ in 0..count {
            let key = <[u8; 32]>::deserialize_reader(r)?;
            if values.last().is_some_and(|(last, _)| *last >= key) {
                let what = "values of a saved state out of order";
                return Err(Error::new(ErrorKind::InvalidData, what));
            }
            values.push((key, Arc::new(StateValue::deserialize_reader(r)?)));
        }
        Ok(Self { header, values })
    }
}

impl LedgerChain {
    /// The state after the last block; `None` before the first.
    #[must_use]
    pub fn save(&self) -> Option<SavedState> {
        Some(SavedState {
            header: self.tip_header()?.clone(),
            values: self.state.entries(),
        })
    }

    /// This ledger (of which only the genesis counts) as it was when `saved`
    /// was made. Blocks up to there, and lots delivered in them, are not known
    /// to it; everything else is as if it had executed them.
    ///
    /// # Errors
    /// Refuses a state of another chain, or one its header does not commit.
    pub fn resume(&self, saved: &SavedState) -> Result<Self, ResumeError> {
        let header = &saved.header;
        if header.chain != self.genesis.chain {
            return Err(ResumeError::Chain);
        }
        let state = State::of(&saved.values);
        let height = usize::try_from(header.height).unwrap_or(usize::MAX);
        if state.root() != header.state_root || header.height == 0 {
            return Err(ResumeError::Root(header.height));
        }
        let set = match state.seats() {
            Some(seats) => set_of(seats).map_err(|_| ResumeError::Root(header.height))?,
            None => self.genesis.validators.clone(),
        };
        if set.hash() != header.next_validators {
            return Err(ResumeError::Root(header.height));
        }
        Ok(Self {
            genesis: Arc::clone(&self.genesis),
            memo: self.memo.clone(),
            set,
            first: self.first.clone(),
            recent: Arc::new([(header.height, state.clone())].into()),
            state,
            base: Some(Arc::new(header.clone())),
            blocks: History::after(height),
            settled: History::default(),
            pool: Arc::default(),
            refusals: Arc::default(),
            keeping: self.keeping,
            kept: Kept::default(),
        })
    }

    /// Lets go of old blocks in memory, all but about the last `keep`; a
    /// store has them.
    pub fn forget_blocks(&mut self, keep: usize) {
        self.blocks.forget(keep);
        self.settled.forget(keep);
    }

    /// Height of the oldest block kept in memory; one above the tip if none is.
    #[must_use]
    pub fn first_kept(&self) -> u64 {
        self.blocks.first() as u64 + 1
    }
}
