//! The cloud of the community: one database any SQL tool can ask.
//!
//! Everything the ledgers decided (readings, prices, trades, area loads), what
//! happened, and the terms in force go into one schema that is the same on
//! embedded SQLite and on a PostgreSQL server (paper rows C1 to C4). A slot is
//! one transaction: what [`Store::write`] returned from is on disk.
#![deny(missing_docs)]

mod questions;
mod schema;
mod server;
mod store;

pub use questions::{Question, STANDARD, parse};
pub use schema::{Batch, Table, Value};
pub use server::{ServerError, TemporaryServer};
pub use store::{Answer, CloudError, Store};
