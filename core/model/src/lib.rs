//! RON grids, profiles and scenes: schema, loading and validation
