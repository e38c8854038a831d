//! Scene files: schema, loading and validation.
//!
//! [`load`] reads a scene with its grid and profiles, and answers either with
//! a [`LoadedScene`] whose references are resolved, or with every problem of
//! every file at once, each with its place and what to do about it. It never
//! panics, whatever the files contain.

mod check;
mod load;
mod paths;
mod refs;
mod schema;
mod spans;
mod suggest;
mod topology;

#[cfg(test)]
mod tests;

pub use crate::grid::Diagnostic as Issue;
pub use check::ROOT_LEDGER;
pub use load::{Importer, LoadedScene, load, load_str, load_with};
pub use refs::{HomeRefs, MlmdRefs, Refs, SeriesRef, SharedBatteryRefs};
pub use schema::*;
