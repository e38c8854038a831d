//! The only way in: everything that changes the world from outside.
//!
//! Window, scenario, network and hardware send [`Command`]s; they are stamped
//! with the tick that applies them and kept in the input log, so a run is its
//! scene plus this log.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::DeviceId;
use serde::{Deserialize, Serialize};

/// A request to change the world, applied at the start of the next tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub enum Command {
    /// Open a breaker.
    OpenBreaker(DeviceId),
    /// Close a breaker.
    CloseBreaker(DeviceId),
    /// Multiply the irradiance of the profile, permille (1000 = as in the profile).
    SetCloud(u32),
    /// Stop a validator.
    CrashValidator {
        /// Index of the ledger: clusters in scene order, then the root.
        ledger: u32,
        /// Index of the validator.
        node: u32,
    },
    /// Start a stopped validator from its log.
    RestartValidator {
        /// Index of the ledger.
        ledger: u32,
        /// Index of the validator.
        node: u32,
    },
    /// Split a ledger's validators into groups without contact.
    Partition {
        /// Index of the ledger.
        ledger: u32,
        /// Groups of validator indices; a validator in no group is alone.
        groups: Vec<Vec<u32>>,
    },
    /// Undo every partition of a ledger.
    Heal {
        /// Index of the ledger.
        ledger: u32,
    },
    /// A meter stops sending its readings.
    SilenceMeter(DeviceId),
    /// A silenced meter sends again.
    RestoreMeter(DeviceId),
    /// A value read from a bound physical device.
    DeviceReading {
        /// The bound entity.
        device: DeviceId,
        /// Active power from the network into the device, W.
        p_w: i64,
        /// Voltage, mV; zero when the device does not report one.
        voltage_mv: u32,
        /// Whether the value is good.
        good: bool,
    },
}

/// A command that was refused, with the reason shown to whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The command.
    pub command: String,
    /// Why it was refused and what to do.
    pub reason: String,
}
