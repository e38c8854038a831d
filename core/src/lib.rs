//! The twin: ECS components, plugins and the `SimTick` schedule.
#![deny(missing_docs)]

pub mod command;
pub mod playback;
pub mod view;
