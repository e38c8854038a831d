//! Bindings to physical devices: bus actors, profiles, quality and age.
//!
//! A [`Profile`] says which registers a device has and what they mean. A
//! [`Bus`] owns the lines to any number of devices on one thread, checks every
//! reply and hands [`DeviceReading`]s over a bounded channel; a [`Monitor`] is
//! a bus with one device. What is bound to be read has no way to write: a
//! writing request needs a permit that only an armed [`control`] gives out. A
//! dead device shows as bad quality and a growing age, which the reader
//! computes ([`LatestValues`]), so that a dead bus cannot look fresh either.
//!
//! [`Emulator`] serves the registers of a profile from values the caller sets,
//! [`serve`] any tables, over Modbus TCP, RTU over TCP and serial lines.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use gridloom_hardware::{Monitor, MonitorConfig, Profile};
//!
//! # fn main() -> Result<(), gridloom_hardware::HardwareError> {
//! let profile = Profile::load("profiles/eastron_sdm630.profile.ron".as_ref())?;
//! let monitor = Monitor::start(MonitorConfig::new(profile, "127.0.0.1:502", 1))?;
//! for reading in monitor.try_iter() {
//!     println!("{} = {:?} {}", reading.point, reading.value, reading.unit);
//! }
//! monitor.stop();
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

pub mod bus;
pub mod control;
pub mod emulator;
mod error;
pub mod gates;
pub mod modbus;
mod monitor;
mod profile;
pub mod push;
mod reading;
pub mod replay;
pub mod serve;
pub mod shadow;
pub mod sign;
pub mod sunspec;
pub mod tools;
pub mod twin_device;

pub use bus::{
    Bus, ControlHandle, ControlReport, Direction, Endpoint, EndpointConfig, ErrorCounts, LineStats,
    Presence, RawFrame, Recorder, Status, UnitConfig, probe, scan,
};
pub use emulator::{Emulator, EmulatorConfig};
pub use error::HardwareError;
pub use monitor::{Monitor, MonitorConfig, MonitorHandle};
pub use profile::{
    Area, Block, Identity, KeyPoint, Line, Nameplate, Parity, PlanLimits, Point, PointType,
    PollGroup, Profile, ProfileProblem, Protocol, Scale, SerialAt, SerialCode, WordOrder,
    plan_blocks,
};
pub use reading::{BadReason, DeviceReading, LatestValues, PointState, Quality, UncertainReason};
