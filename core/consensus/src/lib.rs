//! Byzantine fault tolerant consensus for Gridloom's ledgers.
//!
//! The engine is Malachite's sans-IO Tendermint core; this crate embeds it: the
//! types it is instantiated with, signed bytes, certificates, a validator
//! driver ([`ValidatorNode`]) that turns events into actions, and a simulated
//! network that runs a whole group deterministically inside one thread
//! ([`Cluster`]). It knows nothing of what is decided beyond the [`Chain`] trait.
//!
//! # Three groups in step
//!
//! A twin with two clusters and a root runs each group to the end of every
//! tick, hands transactions in and takes decided blocks out. Groups meet only
//! in what the caller carries between them, so they may run in any order or
//! on several threads; read their results in one fixed order.
//!
//! ```
//! use std::sync::Arc;
//! use gridloom_consensus::{Chain, Cluster, ClusterSnapshot, DecidedBlock};
//! use gridloom_units::SimTime;
//!
//! /// One tick: `relay` makes the root's transaction out of a cluster's block.
//! fn tick<C: Chain>(
//!     clusters: &mut [Cluster<C>; 2],
//!     root: &mut Cluster<C>,
//!     readings: [Vec<Arc<C::Tx>>; 2],
//!     relay: impl Fn(usize, &DecidedBlock<C::Block>) -> Arc<C::Tx>,
//!     end: SimTime,
//! ) {
//!     for (cluster, readings) in clusters.iter_mut().zip(readings) {
//!         for reading in readings {
//!             cluster.submit(reading); // to every validator, over the simulated links
//!         }
//!         cluster.advance(end);
//!     }
//!     for (index, cluster) in clusters.iter_mut().enumerate() {
//!         for block in cluster.drain_decided() {
//!             root.submit(relay(index, &block));
//!         }
//!         assert!(cluster.fork().is_none());
//!     }
//!     root.advance(end);
//! }
//!
//! /// Rewind: a snapshot shares blocks and history, so one per tick is affordable.
//! fn back<C: Chain>(cluster: &mut Cluster<C>, past: &ClusterSnapshot<C>) -> [u8; 32] {
//!     cluster.restore(past);
//!     cluster.digest()
//! }
//! ```
#![deny(missing_docs)]

mod away;
mod bench;
#[allow(
    clippy::result_large_err,
    reason = "the engine wants its own error type back"
)]
mod certificate;
mod chain;
mod cluster;
pub mod compare;
mod context;
mod evidence;
mod group;
mod history;
mod log;
mod message;
mod network;
#[allow(
    clippy::result_large_err,
    reason = "the engine wants its own error type back"
)]
mod node;
pub mod preimage;
mod sign;

pub use arc_malachitebft_core_types::LinearTimeouts;
pub use away::{AwayNode, Said};
pub use bench::{HeightsBench, bench_heights};
pub use certificate::{Certificate, CertificateFault};
pub use chain::{Block, BuildAt, Chain, Decided, Tx};
pub use cluster::{
    Cluster, ClusterConfig, ClusterSnapshot, DecidedBlock, Forge, Fork, Handover, Lie, Misconduct,
    Outward, Sabotage, ValidatorStatus,
};
pub use context::{
    Address, BlockId, ChainId, Ctx, Ed25519, Height, KeyError, Proposal, SetError, Sig, Validator,
    ValidatorSet, Value, Vote,
};
pub use evidence::Equivocation;
pub use group::{Figures, Group, GroupConfig, GroupSnapshot};
pub use history::History;
pub use log::{LogInput, LogRecord, SignedPlace};
pub use message::Message;
pub use network::{Due, LOG_LINES, LinkConfig, MessageRecord, NetworkCounters, Sender, SimNetwork};
pub use node::{
    Action, Event, Limits, Micros, NodeConfig, NodeCounters, NodeSnapshot, PeerIndex, SYNC_BATCH,
    Step, TimerKey, TimerKind, ValidatorNode, default_timeouts,
};
pub use sign::{Checks, KeyPair, SigMemo, verify};
