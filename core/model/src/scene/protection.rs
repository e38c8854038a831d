//! Protection devices, restoration areas and faults of a scene.

use gridloom_protection::DeviceSettings;
use gridloom_protection::flisr::FlisrSettings;
use serde::{Deserialize, Serialize};

use crate::grid::LineEnd;

/// Protection beside that of the M-LMDs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProtectionSpec {
    /// Relays with breakers, reclosers, fuses and tie switches.
    pub devices: Vec<ProtectionDeviceSpec>,
    /// Areas in which M-LMDs find faults and restore supply.
    pub areas: Vec<RestorationAreaSpec>,
    /// Fault records.
    pub recorder: RecorderSpec,
}

impl ProtectionSpec {
    /// A device by id.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<&ProtectionDeviceSpec> {
        self.devices.iter().find(|device| device.id == id)
    }
}

/// A device at one end of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectionDeviceSpec {
    /// Id (`"CB1"`).
    pub id: String,
    /// Line it sits on.
    pub line: String,
    /// The end of that line.
    #[serde(default)]
    pub end: LineEnd,
    /// Position at the start; a tie switch is open.
    #[serde(default = "closed")]
    pub closed: bool,
    /// Current its path may carry, A; only restoration asks for it.
    #[serde(default)]
    pub limit_a: Option<f64>,
    /// What it is set to.
    #[serde(default)]
    pub settings: DeviceSettings,
}

fn closed() -> bool {
    true
}

/// M-LMDs that restore supply together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestorationAreaSpec {
    /// Id (`"north"`).
    pub id: String,
    /// M-LMDs and devices with an agent: heads of feeders, sectionalisers, ties.
    /// One that is open at the start is a tie.
    pub members: Vec<String>,
    /// Programmed behaviour.
    pub settings: FlisrSettings,
}

/// What the fault recorder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecorderSpec {
    /// Samples per second.
    pub rate_hz: u32,
    /// Time before the trigger, ms.
    pub before_ms: u64,
    /// Time after the last trigger, ms.
    pub after_ms: u64,
}

impl Default for RecorderSpec {
    fn default() -> Self {
        Self {
            rate_hz: 4_000,
            before_ms: 200,
            after_ms: 500,
        }
    }
}
