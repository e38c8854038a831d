//! What each role of the ledger can see, and what it cannot.
//!
//! Four techniques, each a small module on a published standard, and a table
//! ([`roles`]) of what they leave visible to whom:
//!
//! - [`pseudonym`]: a home appears under a key that changes with every epoch.
//! - [`seal`]: readings are encrypted to named recipients (HPKE, RFC 9180).
//! - [`mask`]: the LG-Aggregator adds masked readings and learns the sum only.
//! - [`commit`]: Pedersen commitments let anybody check the claimed sum.
//!
//! Everything is a function of its arguments: no clock, no system randomness.
//! Secrets of simulated parties come from their seeds.
#![deny(missing_docs)]

pub mod commit;
pub mod mask;
pub mod pseudonym;
pub mod roles;
pub mod seal;
pub mod slot;
