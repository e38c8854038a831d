//! SunSpec: devices that say themselves which registers they have.
//!
//! [`Search`] walks through a device's models without any input or output; the
//! [`Found`] device gives profiles ([`resolve`]) for ordinary polling, scale
//! factors read in the same request as their values. [`Image`] is the other
//! way round: models with values, as registers to serve.

mod image;
mod model;
mod search;

pub use image::{Image, ImageError, Value};
pub use model::{Count, Group, Model, Placed, PointDef, Type, model, models, place};
pub use search::{Found, FoundModel, Identity, Search, SearchStep, full_profile, resolve};

/// Where maps begin, most likely first (SunSpec Device Information Model
/// specification).
pub const BASES: [u16; 3] = [40_000, 50_000, 0];
/// What stands there: "SunS".
pub const MARK: [u16; 2] = [0x5375, 0x6e53];
/// Number of the model that ends the map.
pub const END: u16 = 0xffff;
