//! The market's test gates, as functions that count violations.
//!
//! Tests run them over a few cases, `gridloom check market` over a million;
//! the numbers are those of the design (section 5.8). A case is a function of
//! its number, so a range of cases can be split over workers in any way.

mod cases;
mod slots;
mod stability;
mod trees;
mod vectors;
mod wallets;

pub use slots::{SlotGates, slot_gates};
pub use stability::{StabilityRow, StreetGate, rebound, stability};
pub use trees::{TreeGates, tree_gates};
pub use vectors::{VectorGates, auction_vectors};
pub use wallets::wallet_gates;

/// Violations of one gate over a number of cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Cases looked at.
    pub cases: u64,
    /// Cases in which the property did not hold.
    pub violations: u64,
    /// The first violation, for people.
    pub first: Option<String>,
}

impl Count {
    /// Notes one case; `fault` is empty when the property holds.
    pub fn note(&mut self, fault: Option<String>) {
        self.cases += 1;
        if let Some(fault) = fault {
            self.violations += 1;
            self.first.get_or_insert(fault);
        }
    }

    /// Adds the counts of another range of cases.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.violations += other.violations;
        if self.first.is_none() {
            self.first = other.first;
        }
    }
}

/// A fault with its text when `holds` is false.
fn unless(holds: bool, text: impl FnOnce() -> String) -> Option<String> {
    (!holds).then(text)
}
