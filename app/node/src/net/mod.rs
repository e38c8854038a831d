//! Nodes talking to each other over libp2p: TCP, noise, yamux.
//!
//! Everything is request and response: consensus messages and transactions
//! travel in batches that the receiver acknowledges, so that what one peer
//! may have under way is bounded and a slow peer slows down nobody else; a
//! lost frame is noticed, counted, and healed by the engine's rebroadcast.

mod inbound;
mod peer;
mod serve;
mod swarm;
mod task;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use gridloom_ledger::Transaction;

pub use peer::PeerStatus;
pub(crate) use task::{Network, Parts};
pub use wire::PROTOCOL_VERSION;

use crate::chain::Msg;
use crate::status::NetworkStatus;

/// Commands to the network task that wait at most.
pub(crate) const COMMANDS: usize = 8_192;

/// What the validator asks of the network.
#[derive(Debug)]
pub(crate) enum Command {
    /// A message to every other validator.
    Broadcast(Arc<Msg>),
    /// A message to one.
    Send(u16, Arc<Msg>),
    /// Transactions for every other validator's waiting line.
    Transactions(Vec<Arc<Transaction>>),
    /// Ask one for decided blocks from a height on.
    CatchUp(u16, u64),
}

/// What the network tells the validator.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// Messages of a validator.
    Messages(u16, Vec<Msg>),
    /// A validator says how far its ledger is.
    Tip(u16, u64),
}

/// What the network task shows.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    state: Mutex<(Vec<PeerStatus>, NetworkStatus)>,
    /// Commands that did not fit.
    pub(crate) dropped: AtomicU64,
}

impl Shown {
    pub(crate) fn get(&self) -> (Vec<PeerStatus>, NetworkStatus) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, peers: Vec<PeerStatus>, network: NetworkStatus) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (peers, network);
    }
}
