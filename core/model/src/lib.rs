//! RON grids, profiles and scenes: schema, loading and validation.
#![deny(missing_docs)]

pub mod expr;
pub mod grid;
pub mod profile;
pub mod scene;
