//! Protection of the grid: what a relay, a fuse, a recloser or an M-LMD
//! decides, when, and because of what.
//!
//! Nothing here knows a clock, a network solver or a socket: a [`Plant`] gives
//! phasors for the present switches and faults, [`Protection::advance`] steps
//! from event to event and returns the sequence of events with 1 ms stamps.
//!
//! - [`Curve`], [`FuseLink`]: IEC 60255-151, IEEE C37.112, fuse gates
//! - [`DeviceSettings`]: elements 50/51, 50N/51N, 67, 27/59, 81, reclosing 79,
//!   breaker failure 50BF, cold-load pickup
//! - [`flisr`]: M-LMDs that find, isolate and restore over a lossy radio
//! - [`load`]: load management of an M-LMD: limit, shed order, restore rule
//! - [`comtrade`]: fault records for other people's readers (IEEE C37.111-2013)
#![deny(missing_docs)]

pub mod comtrade;
mod curve;
mod device;
mod element;
mod engine;
mod fault;
pub mod flisr;
mod fuse;
pub mod load;
mod phasor;
mod settings;
mod soe;
#[cfg(test)]
mod toy;

pub use curve::{Curve, Reset};
pub use device::{DeviceConfig, DeviceState, LIVE_PU};
pub use element::{DEAD_PU, ElementState, describe};
pub use engine::{Advance, MAX_FAULTS, Plant, Protection, SOLVES_PER_ADVANCE, STEPS_PER_ADVANCE};
pub use fault::{FaultKind, FaultPlace, FaultSpec, FaultState, Lasting};
pub use fuse::{FuseKind, FuseLink};
pub use phasor::{Direction, Measurement, Phasor, sequences};
pub use settings::{
    BreakerSettings, ColdLoadSettings, DeviceSettings, ElementSettings, Facing, FailureSettings,
    MAX_ELEMENTS, MAX_SHOTS, Problem, RecloseSettings, Watch,
};
pub use soe::{EventId, Recorder, SoeEvent, SoeKind, Timing};
