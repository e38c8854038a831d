//! Settings and figures of a group.

use crate::cluster::ClusterConfig;
use crate::compare::Family;
use crate::node::PeerIndex;

/// What a group is made of.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// Another family than our own engine's.
    pub family: Option<Family>,
    /// Nodes that simulate each transaction before it is ordered; 0 for none.
    pub endorsers: PeerIndex,
    /// Links, pace and bounds.
    pub cluster: ClusterConfig,
}

/// What other families, and comparing before ordering, cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Blocks that were built and are in no longest chain.
    pub orphans: u64,
    /// Most blocks a node took back at once.
    pub deepest_reorganisation: u64,
    /// Transactions refused because too many waited, and final blocks nobody fetched in time.
    pub overflow: u64,
    /// Transactions that simulating nodes agreed on.
    pub endorsed: u64,
    /// Transactions whose simulated results differed; they were not ordered.
    pub differing: u64,
    /// Transactions for which too few simulating nodes ran.
    pub unendorsed: u64,
}
