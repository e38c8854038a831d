//! Other ways to agree, over the same simulated network, for comparison.
//!
//! Honest models, not products: each has the message pattern, the timing and
//! the finality rule of its family, the same links, load and faults as our own
//! engine, and no execution. What a family would need besides (gas markets,
//! slashing, membership services) is left out in its favour.
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
mod stake;

pub use model::{Family, Load, Outcome, Setting};

use model::Bench;

/// Runs a family over a network for a while.
#[must_use]
pub fn compare(setting: &Setting, load: &Load) -> Outcome {
    let mut bench = Bench::new(setting, load);
    match setting.family {
        Family::CrashFault => leader::run(&mut bench),
        Family::Authority => longest::run(&mut bench, longest::Rule::Authority),
        Family::Work => longest::run(&mut bench, longest::Rule::Work),
        Family::Stake => stake::run(&mut bench, stake::Rule::Epochs),
        Family::Delegated => stake::run(&mut bench, stake::Rule::Committee),
    }
    bench.outcome()
}

#[cfg(test)]
mod tests;
