//! Other ways to agree, over the same simulated network.
//!
//! Honest models, not products: each has the message pattern, the timing and
//! the finality rule of its family, the same links, load and faults as our own
//! engine. What a family would need besides (gas markets, slashing, membership
//! services) is left out in its favour. [`compare`] measures a family on its own;
//! [`crate::Group`] lets one order the blocks of a real ledger.
//!
//! | Family | Here | Final when |
//! |---|---|---|
//! | crash-fault tolerant | Raft: leader, followers, election | a majority has stored it (Ongaro and Ousterhout 2014) |
//! | proof of authority | Clique (EIP-225): signers in turn, out of turn after a wait | more than half of the signers built on it |
//! | proof of stake | slots, proposers drawn by stake, attestations, epochs (Casper FFG) | its epoch's successor is justified |
//! | delegated proof of stake | a committee drawn by stake votes on each block | two thirds of the committee voted (Algorand's pattern) |
//! | proof of work | Nakamoto: heaviest chain, exponential times | six blocks deep |

mod leader;
mod longest;
mod model;
mod offer;
mod outcome;
mod stake;
mod types;

pub(crate) use model::{Bench, Note};
pub(crate) use offer::{Arrivals, Offer};
pub use outcome::compare;
pub use types::{Family, Load, Outcome, Setting};

use longest::CONFIRMATIONS;
use stake::EPOCH;

use crate::network::Due;
use crate::node::PeerIndex;

/// What the nodes of a family know.
#[derive(Clone, Debug)]
pub(crate) enum Machine {
    Leader(leader::Nodes),
    Longest(longest::Nodes),
    Stake(stake::Nodes),
}

impl Machine {
    /// Nodes before anything happened, with their first timers set.
    pub(crate) fn begin(bench: &mut Bench) -> Self {
        match bench.setting.family {
            Family::CrashFault => Self::Leader(leader::begin(bench)),
            Family::Authority => Self::Longest(longest::begin(bench, longest::Rule::Authority)),
            Family::Work => Self::Longest(longest::begin(bench, longest::Rule::Work)),
            Family::Stake => Self::Stake(stake::begin(bench, stake::Rule::Epochs)),
            Family::Delegated => Self::Stake(stake::begin(bench, stake::Rule::Committee)),
        }
    }

    /// One event.
    pub(crate) fn handle(&mut self, bench: &mut Bench, due: Due<Note>) {
        match self {
            Self::Leader(nodes) => leader::handle(bench, nodes, due),
            Self::Longest(nodes) => longest::handle(bench, nodes, due),
            Self::Stake(nodes) => stake::handle(bench, nodes, due),
        }
    }

    /// A node that was down runs again, with what it had stored.
    pub(crate) fn restarted(&mut self, bench: &mut Bench, node: PeerIndex) {
        match self {
            Self::Leader(nodes) => leader::restarted(nodes, node),
            Self::Longest(nodes) => longest::restarted(bench, nodes, node),
            // Slots go on by the clock.
            Self::Stake(_) => {}
        }
    }

    /// Height of the newest block a node has.
    pub(crate) fn tip(&self, bench: &Bench, node: PeerIndex) -> u64 {
        let tip = match self {
            Self::Leader(nodes) => leader::tip(nodes, node),
            Self::Longest(nodes) => longest::tip(nodes, node),
            Self::Stake(nodes) => stake::tip(nodes, node),
        };
        bench.height(tip)
    }
}

#[cfg(test)]
mod tests;
