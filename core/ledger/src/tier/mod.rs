//! Node tiers: who stores and checks what (paper D9, D10).
//!
//! | Tier | Who | Stores | Checks |
//! |---|---|---|---|
//! | full | cloud server | blocks and states of every cluster and of the root | executes everything |
//! | light | LG-Aggregator | blocks and state of its cluster, root headers with certificates | executes its cluster, root by certificate |
//! | header | M-LMD gateway | headers with certificates of its cluster | certificates |
//! | super-light | wallet | the root's validators, one root header, its own proofs | one certificate, its proofs |
//!
//! Only who is on the ledger's list of authorised full nodes is given blocks.

mod headers;
mod nodes;
mod wallet;

pub use headers::{CompactCertificate, HeaderChain, HeaderFault};
pub use nodes::{FullNode, LightNode, NodeFault, Stored};
pub use wallet::{
    BalanceProof, OriginProof, SuperLightWallet, WalletFault, WalletStatement, prove_balance,
    prove_origin,
};

/// A tier of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Everything.
    Full,
    /// Its own cluster and the root's headers.
    Light,
    /// Headers of one chain.
    Header,
    /// Its own proofs.
    SuperLight,
}

impl Tier {
    /// Name for a table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Full => "full node",
            Self::Light => "light node",
            Self::Header => "header node",
            Self::SuperLight => "super-light wallet",
        }
    }
}
