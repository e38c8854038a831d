//! Families, what they are asked, and what came of it.

use crate::network::LinkConfig;
use crate::node::PeerIndex;

/// A family of consensus algorithms (paper Table 1, A1 to A5; A4 is our own engine).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Leader and followers, crash faults only (A5).
    CrashFault,
    /// Known signers in turn.
    Authority,
    /// Proposers drawn by stake, finality by epochs (A2).
    Stake,
    /// A committee drawn by stake votes on each block (A3).
    Delegated,
    /// Heaviest chain of work (A1).
    Work,
}

impl Family {
    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CrashFault => "crash-fault tolerant ordering",
            Self::Authority => "proof of authority",
            Self::Stake => "proof of stake",
            Self::Delegated => "delegated proof of stake",
            Self::Work => "proof of work",
        }
    }

    /// Blocks after which one is usually final, itself included, rounded up.
    #[must_use]
    pub fn blocks_to_final(self, nodes: u32) -> u64 {
        match self {
            Self::CrashFault => 1,
            Self::Authority => u64::from(nodes / 2) + 2,
            Self::Stake => 3 * super::EPOCH,
            Self::Delegated => 2,
            Self::Work => super::CONFIRMATIONS + 1,
        }
    }
}

/// A network of one family.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The family.
    pub family: Family,
    /// Nodes that take part.
    pub nodes: PeerIndex,
    /// Time between blocks, ms (for proof of work the mean).
    pub block_ms: u64,
    /// Links between the nodes.
    pub links: LinkConfig,
    /// Power of one node, W.
    pub node_w: f64,
    /// Most bytes of transactions in a block.
    pub block_bytes: u64,
}

/// What the network is asked to record.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Transactions per second.
    pub per_s: f64,
    /// Bytes of one on the ledger.
    pub tx_bytes: u64,
    /// How long, ms of simulated time.
    pub horizon_ms: u64,
    /// Seed of all draws.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Transactions offered.
    pub offered: u64,
    /// Transactions final at the end.
    pub finalised: u64,
    /// Time from offer to finality, median, ms.
    pub finality_p50_ms: u64,
    /// The same, 99th percentile.
    pub finality_p99_ms: u64,
    /// Messages sent.
    pub messages: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Energy used by the nodes, kWh.
    pub energy_kwh: f64,
    /// Blocks on the final chain.
    pub blocks: u64,
    /// Blocks that were built and given up.
    pub orphans: u64,
    /// Most blocks a node took back at once.
    pub deepest_reorganisation: u64,
    /// Bytes one node stores.
    pub storage_bytes: u64,
}
