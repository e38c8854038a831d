//! Settings, events, actions and counters of a validator.

use std::sync::Arc;
use std::time::Duration;

use arc_malachitebft_core_consensus::Input;
use arc_malachitebft_core_types as engine;
use engine::{LinearTimeouts, Round, ThresholdParams, Timeout, TimeoutKind};

use super::{Micros, PeerIndex};
use crate::chain::{Chain, Decided};
use crate::context::Ctx;
use crate::evidence::Equivocation;
use crate::message::Message;
use crate::sign::KeyPair;

/// Bounds on what one validator keeps; what does not fit is dropped and counted.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Heights ahead of ours for which messages are buffered.
    pub future_heights: usize,
    /// Messages buffered per future height.
    pub future_per_height: usize,
    /// Undecided blocks of the current height taken from one sender.
    pub blocks_per_sender: usize,
    /// Blocks of one future height taken from one sender.
    pub early_per_sender: usize,
    /// Inputs recorded at one height, for rewinding.
    pub inputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            future_heights: 16,
            future_per_height: 4_096,
            blocks_per_sender: 16,
            early_per_sender: 4,
            inputs: 1 << 18,
        }
    }
}

/// Settings of one validator.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its key.
    pub key: KeyPair,
    /// Its position in the group.
    pub index: PeerIndex,
    /// Number of validators in the group.
    pub peers: PeerIndex,
    /// Timeouts of the voting rounds.
    pub timeouts: LinearTimeouts,
    /// Shares of the power that make a quorum and that must include somebody honest.
    pub thresholds: ThresholdParams,
    /// Least time between deciding a block and starting the next height, ms.
    pub min_block_interval_ms: u64,
    /// With an empty mempool the next height starts only after this, ms.
    pub empty_block_interval_ms: u64,
    /// Bounds.
    pub limits: Limits,
}

/// Timeouts for networks with delays of tens of milliseconds.
#[must_use]
pub fn default_timeouts() -> LinearTimeouts {
    LinearTimeouts {
        propose: Duration::from_millis(500),
        propose_delta: Duration::from_millis(100),
        prevote: Duration::from_millis(200),
        prevote_delta: Duration::from_millis(100),
        precommit: Duration::from_millis(200),
        precommit_delta: Duration::from_millis(100),
        rebroadcast: Duration::from_millis(300),
        max_timeout: Duration::from_secs(10),
    }
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// The proposer is late.
    Propose,
    /// Prevotes disagree.
    Prevote,
    /// Precommits disagree.
    Precommit,
    /// Nothing was heard for long: send our votes again.
    Rebroadcast,
    /// The least time between blocks has passed.
    Pace,
    /// The time for an empty block has come.
    EmptyBlock,
    /// A catch-up request had no answer.
    Sync,
    /// Others vote for a block whose proposal or content did not reach us.
    Want,
}

/// Name of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerKey {
    /// Purpose.
    pub kind: TimerKind,
    /// Round, 0 where it has none.
    pub round: u32,
}

impl TimerKey {
    pub(crate) const fn plain(kind: TimerKind) -> Self {
        Self { kind, round: 0 }
    }

    pub(crate) fn of(timeout: Timeout) -> Option<Self> {
        let kind = match timeout.kind {
            TimeoutKind::Propose => TimerKind::Propose,
            TimeoutKind::Prevote => TimerKind::Prevote,
            TimeoutKind::Precommit => TimerKind::Precommit,
            TimeoutKind::Rebroadcast => TimerKind::Rebroadcast,
            // Never scheduled without a target time, which we do not use.
            TimeoutKind::FinalizeHeight(_) => return None,
        };
        let round = timeout.round.as_u32()?;
        Some(Self { kind, round })
    }

    pub(crate) fn timeout(self) -> Option<Timeout> {
        let round = Round::new(self.round);
        match self.kind {
            TimerKind::Propose => Some(Timeout::propose(round)),
            TimerKind::Prevote => Some(Timeout::prevote(round)),
            TimerKind::Precommit => Some(Timeout::precommit(round)),
            TimerKind::Rebroadcast => Some(Timeout::rebroadcast(round)),
            TimerKind::Pace | TimerKind::EmptyBlock | TimerKind::Sync | TimerKind::Want => None,
        }
    }
}

/// Something happened to a validator.
#[derive(Debug)]
pub enum Event<C: Chain> {
    /// It may begin.
    Start,
    /// A message arrived.
    Message {
        /// Who sent it.
        from: PeerIndex,
        /// What.
        message: Arc<Message<C>>,
    },
    /// A peer says which height it has decided. A claim moves nobody: it makes
    /// who is behind ask, and who is ahead help.
    Heard {
        /// Who says so.
        from: PeerIndex,
        /// Its last decided height.
        tip: u64,
    },
    /// A timer fired.
    Timer {
        /// Which.
        key: TimerKey,
        /// The epoch it was set with; a stale one is ignored.
        epoch: u64,
    },
}

/// Something the host has to do, in the order given. The first that fails stops the validator.
#[derive(Debug)]
pub enum Action<C: Chain> {
    /// Make an undecided block durable.
    Keep(Arc<C::Block>),
    /// Append to the write-ahead log of a height.
    Append(u64, Box<Input<Ctx>>),
    /// Make everything appended so far durable.
    Flush,
    /// Make a decided block durable together with the state after it.
    Commit(Decided<C::Block>),
    /// Begin the log of a height afresh and drop undecided blocks of lower heights.
    ResetLog(u64),
    /// Send to every other validator.
    Broadcast(Arc<Message<C>>),
    /// Send to one.
    Send(PeerIndex, Arc<Message<C>>),
    /// Call back after a while.
    SetTimer {
        /// Which timer.
        key: TimerKey,
        /// Its epoch.
        epoch: u64,
        /// How long from now, µs.
        after: Micros,
    },
    /// A height is final.
    Finalized {
        /// The height.
        height: u64,
        /// Proofs of misbehaviour found at it.
        evidence: Vec<Equivocation>,
    },
    /// The validator has stopped itself.
    Stopped(String),
}

/// Counters of one validator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounters {
    /// Blocks of our height refused for want of room.
    pub blocks_dropped: u64,
    /// Blocks of later heights refused for want of room.
    pub early_dropped: u64,
    /// Messages dropped because the record of this height is full.
    pub inputs_dropped: u64,
    /// Blocks judged invalid.
    pub invalid_blocks: u64,
    /// Catch-up requests sent.
    pub sync_requests: u64,
    /// Blocks decided through catch-up.
    pub synced: u64,
    /// Catch-up answers refused.
    pub sync_refused: u64,
    /// Errors reported by the engine and survived.
    pub engine_errors: u64,
    /// Transactions refused by the mempool.
    pub txs_refused: u64,
}

/// Step of the voting round, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Between two heights.
    Waiting,
    /// Waiting for a proposal.
    Propose,
    /// Prevoted.
    Prevote,
    /// Precommitted.
    Precommit,
    /// Deciding.
    Commit,
    /// Stopped or crashed.
    Down,
}

impl<C: Chain> Clone for Action<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Keep(block) => Self::Keep(Arc::clone(block)),
            Self::Append(height, input) => Self::Append(*height, input.clone()),
            Self::Flush => Self::Flush,
            Self::Commit(decided) => Self::Commit(decided.clone()),
            Self::ResetLog(height) => Self::ResetLog(*height),
            Self::Broadcast(message) => Self::Broadcast(Arc::clone(message)),
            Self::Send(peer, message) => Self::Send(*peer, Arc::clone(message)),
            Self::SetTimer { key, epoch, after } => Self::SetTimer {
                key: *key,
                epoch: *epoch,
                after: *after,
            },
            Self::Finalized { height, evidence } => Self::Finalized {
                height: *height,
                evidence: evidence.clone(),
            },
            Self::Stopped(reason) => Self::Stopped(reason.clone()),
        }
    }
}
