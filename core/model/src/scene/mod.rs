//! Scene files: schema, loading and validation.
//!
//! [`load`] reads a scene with its grid and profiles, and answers either with
//! a [`LoadedScene`] whose references are resolved, or with every problem of
//! every file at once, each with its place and what to do about it. It never
//! panics, whatever the files contain.

mod check;
mod events;
mod exchange;
mod expectations;
mod island;
mod load;
mod market;
mod paths;
mod protection;
mod refs;
mod schema;
mod sites;
mod spans;
mod story;
mod suggest;
mod technology;
mod topology;

#[cfg(test)]
mod tests;

pub use crate::grid::Diagnostic as Issue;
pub use check::ROOT_LEDGER;
pub use events::*;
pub use exchange::*;
pub use expectations::*;
pub use island::*;
pub use load::{Importer, LoadedScene, load, load_str, load_with};
pub use market::{AnchorSpec, BidSlot, BidSpec, WholesaleSpec};
pub use protection::{ProtectionDeviceSpec, ProtectionSpec, RecorderSpec, RestorationAreaSpec};
pub use refs::{HomeRefs, MlmdRefs, Refs, SeriesRef, SharedBatteryRefs};
pub use schema::*;
pub use sites::*;
pub use story::*;
pub use technology::*;
