//! Byzantine fault tolerant consensus for Gridloom's ledgers.
//!
//! The engine is Malachite's sans-IO Tendermint core; this crate embeds it: the
//! types it is instantiated with, signed bytes, certificates, a validator
//! driver ([`ValidatorNode`]) that turns events into actions, and a simulated
//! network ([`Cluster`]) that runs a whole group deterministically inside one
//! thread. It knows nothing of what is decided beyond the [`Chain`] trait.
#![deny(missing_docs)]

mod certificate;
mod chain;
mod cluster;
mod context;
mod evidence;
mod history;
mod message;
mod network;
mod node;
pub mod preimage;
mod sign;

pub use certificate::{Certificate, CertificateFault};
pub use chain::{Block, BuildAt, Chain, Decided, Tx};
pub use cluster::{Cluster, ClusterConfig, ClusterSnapshot, DecidedBlock, Fork, ValidatorStatus};
pub use context::{
    Address, BlockId, ChainId, Ctx, Ed25519, Height, KeyError, Proposal, SetError, Sig, Validator,
    ValidatorSet, Value, Vote,
};
pub use evidence::Equivocation;
pub use history::History;
pub use message::Message;
pub use network::{Due, LOG_LINES, LinkConfig, MessageRecord, NetworkCounters, Sender, SimNetwork};
pub use node::{
    Action, Event, Limits, Micros, NodeConfig, NodeCounters, NodeSnapshot, PeerIndex, SYNC_BATCH,
    Step, TimerKey, TimerKind, ValidatorNode, default_timeouts,
};
pub use sign::{Checks, KeyPair, SigMemo, verify};
