//! Bindings to physical devices: bus actors, profiles, quality and age.
//!
//! A [`Profile`] says which registers a device has and what they mean. A
//! [`Monitor`] owns the connection to one device: it polls on its own thread,
//! checks every reply, and hands [`DeviceReading`]s over a bounded channel. It
//! has no way to write: the type knows no writing request. A dead device shows
//! as bad quality and a growing age, which the reader computes
//! ([`LatestValues`]), so that a dead monitor cannot look fresh either.
//!
//! [`Emulator`] serves the registers of a profile over Modbus TCP from values
//! the caller sets, for tests and for showing a simulated entity as a device.
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

pub mod emulator;
mod error;
pub mod modbus;
mod monitor;
mod profile;
mod reading;
pub mod tools;

pub use emulator::{Emulator, EmulatorConfig};
pub use error::HardwareError;
pub use monitor::{ErrorCounts, Monitor, MonitorConfig, MonitorHandle, Status, Transport};
pub use profile::{
    Area, Block, PlanLimits, Point, PointType, PollGroup, Profile, ProfileProblem, Scale,
    WordOrder, plan_blocks,
};
pub use reading::{BadReason, DeviceReading, LatestValues, PointState, Quality, UncertainReason};
