//! Scene files: schema, loading and validation.

mod schema;

pub use schema::*;
