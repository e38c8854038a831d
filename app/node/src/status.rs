//! What a node tells about itself.

use serde::{Deserialize, Serialize};

use crate::chain::SpentMs;
use crate::net::PeerStatus;

/// Everything a client may know about a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name in the genesis.
    pub name: String,
    /// Version of the program.
    pub software: String,
    /// Name of the ledger.
    pub chain: String,
    /// Seconds since it started.
    pub uptime_s: f64,
    /// The validator.
    pub validator: ValidatorStatus,
    /// The other validators.
    pub peers: Vec<PeerStatus>,
    /// The network as a whole.
    pub network: NetworkStatus,
    /// The disk.
    pub disk: DiskStatus,
    /// Where the time goes, ms since its start.
    pub spent_ms: SpentMs,
}

/// The validator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidatorStatus {
    /// Last decided height, durable.
    pub height: u64,
    /// Identity of that block.
    pub block: String,
    /// State root after it.
    pub state_root: String,
    /// Time of that block on the ledger's clock, ms.
    pub time_ms: u64,
    /// Round of the height being decided.
    pub round: u32,
    /// What it waits for there.
    pub step: String,
    /// Transactions that wait for a block.
    pub waiting: usize,
    /// Transactions taken in.
    pub accepted: u64,
    /// Transactions refused: bad, known already, or no room.
    pub refused: u64,
    /// Transactions in decided blocks since it started.
    pub executed: u64,
    /// Blocks that came by catch-up.
    pub caught_up: u64,
    /// Catch-up requests.
    pub catch_up_requests: u64,
    /// Catch-up answers refused.
    pub catch_up_refused: u64,
    /// Blocks judged invalid.
    pub invalid_blocks: u64,
    /// Blocks and messages dropped for want of room.
    pub dropped: u64,
    /// Proofs that some validator signed twice.
    pub evidence: u64,
    /// It does not vote below this height (0: it votes); `u64::MAX` until told.
    pub silent_below: u64,
    /// Why it stopped, if it did.
    pub stopped: Option<String>,
}

/// The network as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// Connections refused because of who, or how many, there are.
    pub connections_refused: u64,
    /// Messages of the validator dropped because the network task was too busy.
    pub dropped_outgoing: u64,
    /// Catch-up requests answered.
    pub catch_up_served: u64,
    /// Catch-up requests refused because one peer asked too often.
    pub catch_up_refused: u64,
}

/// The disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Flushes of the log.
    pub log_flushes: u64,
    /// Height of the newest saved state.
    pub saved_state: u64,
    /// Blocks that have to be fetched from others.
    pub holes: usize,
    /// Blocks fetched from others in place of damaged or missing ones.
    pub healed: u64,
    /// What was found wrong on starting, and since.
    pub report: Vec<String>,
}

/// A block became durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Height.
    pub height: u64,
    /// Identity.
    pub block: String,
    /// State root after it.
    pub state_root: String,
    /// Its time on the ledger's clock, ms.
    pub time_ms: u64,
    /// Round in which it was decided.
    pub round: u32,
    /// Identities of its transactions.
    pub transactions: Vec<String>,
    /// Bytes of its transactions.
    pub bytes: u64,
}
