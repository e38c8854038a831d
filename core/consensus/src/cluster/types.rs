//! Settings and reports of a group.

use std::collections::BTreeSet;

use arc_malachitebft_core_types::LinearTimeouts;
use gridloom_units::SimTime;

use crate::chain::Decided;
use crate::context::{Address, BlockId};
use crate::network::LinkConfig;
use crate::node::{Limits, PeerIndex, Step, default_timeouts};
use crate::sign::Checks;

/// A deliberate defect: checks that never found one would prove nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sabotage {
    /// Everything works.
    #[default]
    None,
    /// A crash loses the log, flushed or not.
    ForgetLog,
    /// Every signature counts as good.
    TrustAll,
    /// Fewer than two thirds are enough.
    SmallQuorum,
}

/// Who has been told to misbehave, and who was caught without.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Vote twice whenever they vote.
    pub equivocators: BTreeSet<PeerIndex>,
    /// Send votes in the names of others, with bad signatures.
    pub forgers: BTreeSet<PeerIndex>,
    /// Everybody who ever was told to misbehave, or lost its log; evidence against them is expected.
    pub liars: BTreeSet<PeerIndex>,
    /// The first honest validator found to have signed twice.
    pub double_signed: Option<Address>,
}

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
    /// A deliberate defect, for testing the tests; none outside of them.
    pub sabotage: Sabotage,
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
            sabotage: Sabotage::None,
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
    /// Whether it runs elsewhere.
    pub remote: bool,
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
