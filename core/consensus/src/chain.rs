//! What the consensus driver needs to know about the chain it decides.

use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::certificate::Certificate;
use crate::context::{Address, BlockId, ChainId, ValidatorSet};
use crate::evidence::Equivocation;

/// A block as the driver sees it.
pub trait Block:
    Clone + fmt::Debug + BorshSerialize + BorshDeserialize + Send + Sync + 'static
{
    /// Identity: a hash that covers everything the block says.
    fn id(&self) -> BlockId;
    /// Height.
    fn height(&self) -> u64;
    /// Round in which it was first proposed.
    fn round(&self) -> u32;
    /// Who built it.
    fn proposer(&self) -> Address;
}

/// A transaction as the driver sees it: something to hand to the mempool.
pub trait Tx: fmt::Debug + BorshSerialize + BorshDeserialize + Send + Sync + 'static {
    /// Short name of the kind, for the message log.
    fn kind(&self) -> &'static str;
}

/// Where and when a block is built.
#[derive(Clone, Copy, Debug)]
pub struct BuildAt {
    /// Height to build.
    pub height: u64,
    /// Round to build it for.
    pub round: u32,
    /// Who builds.
    pub proposer: Address,
    /// Now, ms of simulated time.
    pub now_ms: u64,
}

/// A decided block with a certificate.
#[derive(Debug)]
pub struct Decided<B> {
    /// The block.
    pub block: Arc<B>,
    /// A certificate for it.
    pub certificate: Arc<Certificate>,
}

impl<B> Clone for Decided<B> {
    fn clone(&self) -> Self {
        Self {
            block: Arc::clone(&self.block),
            certificate: Arc::clone(&self.certificate),
        }
    }
}

/// The replicated state machine behind one validator.
///
/// Cloning must be cheap (shared, immutable history): a clone is a snapshot.
pub trait Chain: Clone + fmt::Debug + Send + Sync + 'static {
    /// Its blocks.
    type Block: Block;
    /// Its transactions.
    type Tx: Tx;

    /// Name of the chain.
    fn id(&self) -> ChainId;
    /// Height of the last decided block; 0 before the first.
    fn tip(&self) -> u64;
    /// Validators of `tip + 1`, fixed by the state after the tip.
    fn validators(&self) -> ValidatorSet;
    /// Builds a block on the tip. Pure in (state, mempool, arguments).
    fn build(&self, at: BuildAt) -> Arc<Self::Block>;
    /// Judges a block for `tip + 1`: header rules and re-execution.
    ///
    /// # Errors
    /// A sentence saying what is wrong with it.
    fn check(&self, block: &Self::Block, now_ms: u64) -> Result<(), String>;
    /// Moves the state on by a decided block.
    ///
    /// # Errors
    /// A sentence saying why a decided block cannot be applied; the validator then stops.
    fn apply(&mut self, decided: Decided<Self::Block>) -> Result<(), String>;
    /// A decided block, for answering catch-up.
    fn decided(&self, height: u64) -> Option<Decided<Self::Block>>;
    /// Takes a transaction into the mempool; `false` if it was refused (counted by the chain).
    fn submit(&mut self, tx: Arc<Self::Tx>) -> bool;
    /// Number of transactions that wait.
    fn pending(&self) -> usize;
    /// Takes proof of misbehaviour found at a decided height.
    fn report(&mut self, evidence: Vec<Equivocation>);
    /// Drops what a crash loses: the mempool and other volatile data.
    fn forget_volatile(&mut self);
}
