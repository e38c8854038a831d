//! Full and light nodes: replicas that follow without voting.

use gridloom_consensus::{Block as _, Chain as _, Decided, SigMemo};
use gridloom_units::AccountId;

use super::headers::{HeaderChain, HeaderFault};
use crate::chain::LedgerChain;
use crate::cross::Seat;
use crate::header::LedgerBlock;
use crate::transaction::encoded;

/// Why a node does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeFault {
    /// The block's certificate proves nothing.
    #[error("the certificate of block {0} proves nothing")]
    Certificate(u64),
    /// Executing the block gives something else than it says.
    #[error("block {height} is refused: {reason}")]
    Block {
        /// Its height.
        height: u64,
        /// Why.
        reason: String,
    },
    /// A header that is not the next one.
    #[error(transparent)]
    Header(#[from] HeaderFault),
    /// Not on the list of authorised full nodes.
    #[error("{0} is not authorised to be a full node: the operator grants that on the ledger")]
    NotAuthorised(AccountId),
    /// A cluster the node does not have.
    #[error("there is no cluster {0}")]
    Unknown(u32),
}

/// Bytes a node keeps, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Blocks with certificates.
    pub blocks: usize,
    /// Headers with certificates, of chains whose blocks are not kept.
    pub headers: usize,
    /// Proofs of its own.
    pub proofs: usize,
}

impl Stored {
    /// All together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks + self.headers + self.proofs
    }
}

/// Checks certificate and content of a decided block and applies it.
fn follow(chain: &mut LedgerChain, decided: &Decided<LedgerBlock>) -> Result<(), NodeFault> {
    let height = decided.block.height();
    let set = chain.validators();
    let certificate = &decided.certificate;
    let mut memo = SigMemo::new(set.members().len());
    let certified = certificate.block == decided.block.id()
        && certificate.height == height
        && certificate.verify(&chain.id(), &set, &mut memo).is_ok();
    if !certified {
        return Err(NodeFault::Certificate(height));
    }
    chain
        .check(&decided.block, u64::MAX)
        .and_then(|()| chain.apply(decided.clone()))
        .map_err(|reason| NodeFault::Block { height, reason })
}

fn block_bytes(chain: &LedgerChain) -> usize {
    (1..=chain.height())
        .filter_map(|height| chain.block(height))
        .map(|decided| {
            encoded(decided.block.as_ref()).len() + encoded(decided.certificate.as_ref()).len()
        })
        .sum()
}

/// The LG-Aggregator's node: its own cluster in full, the root by certificate.
#[derive(Clone, Debug)]
pub struct LightNode {
    own: LedgerChain,
    root: HeaderChain,
}

impl LightNode {
    /// Before the first block. `own` is the cluster at its genesis, without the
    /// memory of facts: a node of its own establishes everything itself.
    #[must_use]
    pub fn new(own: LedgerChain, root: HeaderChain) -> Self {
        Self {
            own: own.without_memo(),
            root,
        }
    }

    /// Takes a block of its cluster in: certificate, then execution.
    ///
    /// # Errors
    /// Says why it is refused.
    pub fn follow_block(&mut self, decided: &Decided<LedgerBlock>) -> Result<(), NodeFault> {
        follow(&mut self.own, decided)
    }

    /// Takes a root header in: certificate only.
    ///
    /// # Errors
    /// Says why it is refused.
    pub fn follow_root(
        &mut self,
        decided: &Decided<LedgerBlock>,
        next: Option<&[Seat]>,
    ) -> Result<(), NodeFault> {
        let header = decided.block.header();
        Ok(self.root.follow(header, &decided.certificate, next)?)
    }

    /// Its copy of the cluster.
    #[must_use]
    pub fn chain(&self) -> &LedgerChain {
        &self.own
    }

    /// The root as it knows it.
    #[must_use]
    pub fn root(&self) -> &HeaderChain {
        &self.root
    }

    /// What it keeps.
    #[must_use]
    pub fn stored(&self) -> Stored {
        Stored {
            blocks: block_bytes(&self.own),
            headers: self.root.bytes(),
            proofs: 0,
        }
    }
}

/// A cloud server: every cluster and the root, everything executed.
#[derive(Clone, Debug)]
pub struct FullNode {
    clusters: Vec<LedgerChain>,
    root: LedgerChain,
}

impl FullNode {
    /// Before the first blocks.
    #[must_use]
    pub fn new(clusters: Vec<LedgerChain>, root: LedgerChain) -> Self {
        Self {
            clusters: clusters
                .into_iter()
                .map(LedgerChain::without_memo)
                .collect(),
            root: root.without_memo(),
        }
    }

    /// Takes a block of a cluster in.
    ///
    /// # Errors
    /// Says why it is refused.
    pub fn follow_block(
        &mut self,
        cluster: u32,
        decided: &Decided<LedgerBlock>,
    ) -> Result<(), NodeFault> {
        let chain = self
            .clusters
            .get_mut(cluster as usize)
            .ok_or(NodeFault::Unknown(cluster))?;
        follow(chain, decided)
    }

    /// Takes a root block in.
    ///
    /// # Errors
    /// Says why it is refused.
    pub fn follow_root(&mut self, decided: &Decided<LedgerBlock>) -> Result<(), NodeFault> {
        follow(&mut self.root, decided)
    }

    /// A block for another full node, if the operator authorised it on that cluster's ledger.
    ///
    /// # Errors
    /// When it is not on the list, or the cluster is not known.
    pub fn serve(
        &self,
        to: AccountId,
        cluster: u32,
        height: u64,
    ) -> Result<Option<Decided<LedgerBlock>>, NodeFault> {
        let chain = self
            .clusters
            .get(cluster as usize)
            .ok_or(NodeFault::Unknown(cluster))?;
        if chain.full_nodes().contains(&to) {
            Ok(chain.block(height))
        } else {
            Err(NodeFault::NotAuthorised(to))
        }
    }

    /// Its copy of a cluster.
    #[must_use]
    pub fn chain(&self, cluster: u32) -> Option<&LedgerChain> {
        self.clusters.get(cluster as usize)
    }

    /// Its copy of the root.
    #[must_use]
    pub fn root(&self) -> &LedgerChain {
        &self.root
    }

    /// What it keeps.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let clusters: usize = self.clusters.iter().map(block_bytes).sum();
        Stored {
            blocks: clusters + block_bytes(&self.root),
            headers: 0,
            proofs: 0,
        }
    }
}
