//! The twin: ECS components, plugins and the `SimTick` schedule.
//!
//! A scene becomes a world of entities (meters, breakers, batteries, ledger
//! nodes) whose systems run the real power flow, protection, consensus,
//! pricing and contracts, one [`schedule::SimTick`] at a time. The crate knows
//! no window, socket or wall clock; see `core/docs/ARCHITECTURE.md`.
#![deny(missing_docs)]

pub mod archive;
pub mod bound;
pub mod branch;
pub mod clock;
pub mod command;
pub mod cursor;
mod derived;
pub mod edge;
pub mod expect;
pub mod grid;
pub mod ingest;
pub mod input;
pub mod island;
mod island_expect;
pub mod ledger;
pub mod link;
pub mod market;
pub mod meter;
pub mod playback;
pub mod present;
pub mod protection;
pub mod query;
pub mod record;
pub mod recording;
pub mod report;
pub mod schedule;
pub mod sim_state;
pub mod site;
pub mod spawn;
pub mod story;
pub mod truth;
pub mod twin;
pub mod view;

pub use command::{AlarmCommand, Command};
pub use twin::{Twin, TwinOptions};
pub use view::ViewModel;
