//! Settings and reports of a group.

use arc_malachitebft_core_types::LinearTimeouts;
use gridloom_units::SimTime;

use crate::chain::Decided;
use crate::context::BlockId;
use crate::network::LinkConfig;
use crate::node::{Limits, PeerIndex, Step, default_timeouts};
use crate::sign::Checks;

/// Settings of a group.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Timeouts of the voting rounds.
    pub timeouts: LinearTimeouts,
    /// Least time between deciding a block and starting the next height, ms.
    pub min_block_interval_ms: u64,
    /// Longest time without a block when nothing waits, ms.
    pub empty_block_interval_ms: u64,
    /// Links between the validators.
    pub links: LinkConfig,
    /// How often signatures are checked.
    pub checks: Checks,
    /// Bounds.
    pub limits: Limits,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            timeouts: default_timeouts(),
            min_block_interval_ms: 1_000,
            empty_block_interval_ms: 10_000,
            links: LinkConfig::default(),
            checks: Checks::default(),
            limits: Limits::default(),
        }
    }
}

/// A decided block as it left the group.
#[derive(Debug)]
pub struct DecidedBlock<B> {
    /// Block and certificate, as first decided.
    pub decided: Decided<B>,
    /// When the first validator decided it.
    pub at: SimTime,
    /// Position of the validator that proposed it.
    pub proposer: Option<PeerIndex>,
}

impl<B> Clone for DecidedBlock<B> {
    fn clone(&self) -> Self {
        Self {
            decided: self.decided.clone(),
            at: self.at,
            proposer: self.proposer,
        }
    }
}

/// What a validator is doing, for display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorStatus {
    /// Position in the group.
    pub index: PeerIndex,
    /// Whether it runs.
    pub up: bool,
    /// Last decided height.
    pub tip: u64,
    /// Height it works on.
    pub height: u64,
    /// Round it is in.
    pub round: u32,
    /// Step it is in.
    pub step: Step,
    /// Transactions that wait in its mempool.
    pub pending: usize,
    /// Whether it belongs to the set of its next height.
    pub member: bool,
    /// Whether it misbehaves on purpose.
    pub equivocates: bool,
    /// Why it stopped itself, if it did.
    pub stopped: Option<String>,
}

/// Two validators decided different blocks at one height. Never happens unless
/// more than a third of the power misbehaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The height.
    pub height: u64,
    /// What was decided first.
    pub first: BlockId,
    /// What contradicts it.
    pub second: BlockId,
}
