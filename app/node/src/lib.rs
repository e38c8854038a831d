//! A validator on the network: the same driver as in the twin, over libp2p
//! and a disk.
//!
//! [`run`] is a whole node. The validator lives on a thread of its own with
//! its write-ahead log and its store of decided blocks; the network and the
//! endpoint for clients are tasks beside it; bounded queues lie between them.
//! Which bytes become durable before what is said to others stands in one
//! place, `host.rs`.
#![deny(missing_docs)]

pub mod api;
mod chain;
pub mod config;
pub mod hex;
mod host;
pub mod journal;
pub mod keyfile;
pub mod load;
pub mod local;
mod net;
mod node;
pub mod observe;
pub mod ops;
mod problem;
mod recover;
mod repair;
pub mod saved;
pub mod status;
pub mod store;
pub mod wal;

pub use chain::SpentMs;
pub use config::{Config, InitOptions, Initialised, init};
pub use net::{PROTOCOL_VERSION, PeerStatus};
pub use node::{NodeError, run};
pub use problem::Problem;
pub use recover::{RecoverError, Recovered, recover};
