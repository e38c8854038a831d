//! RON grids, profiles and scenes: schema, loading and validation.
#![deny(missing_docs)]

pub mod scene;
