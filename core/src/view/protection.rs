//! Protection devices, faults and the sequence of events.

use std::sync::Arc;

use gridloom_protection::{DeviceSettings, SoeEvent};

use crate::protection::Oscillogram;

/// How a protection device stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceStatus {
    /// Closed, nothing timed.
    #[default]
    Closed,
    /// Closed, an element is timing.
    Timing,
    /// Open as a person or a scene wants it.
    Open,
    /// Open, recloses by itself.
    WaitsToReclose,
    /// Opened by protection, stays open.
    LockedOut,
    /// Locked open at a section agreed to be faulted.
    LockedAtFault,
}

impl DeviceStatus {
    /// Word for people.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Timing => "closed, timing",
            Self::Open => "open",
            Self::WaitsToReclose => "tripped, recloses",
            Self::LockedOut => "tripped, locked out",
            Self::LockedAtFault => "locked open at a faulted section",
        }
    }
}

/// A protection device, M-LMDs first.
#[derive(Clone, Debug, Default)]
pub struct DeviceView {
    /// Id in the scene.
    pub id: String,
    /// Line index.
    pub line: usize,
    /// Bus index at its end of the line.
    pub bus: usize,
    /// Bus index at the other end.
    pub far_bus: usize,
    /// Index of the M-LMD that it is.
    pub mlmd: Option<usize>,
    /// Open in normal operation: a tie.
    pub tie: bool,
    /// A fuse.
    pub fuse: bool,
    /// Whether it conducts.
    pub closed: bool,
    /// How it stands.
    pub status: DeviceStatus,
    /// Highest phase current, A.
    pub current_a: f64,
    /// Reclosures made in the running sequence.
    pub shot: u8,
    /// What it is set to, one line per element.
    pub settings: Vec<String>,
    /// The same as figures, for its time-current curves.
    pub program: DeviceSettings,
    /// Its last events, oldest first, as (time ms, text).
    pub last: Vec<(u64, String)>,
}

/// A fault of the run.
#[derive(Clone, Debug, Default)]
pub struct FaultView {
    /// Id.
    pub id: String,
    /// Kind, place and impedance.
    pub label: String,
    /// Bus indices it lies between, and the share of the way; equal at a bus.
    pub place: (usize, usize, f64),
    /// In the network now.
    pub on: bool,
    /// Over, by itself or repaired.
    pub over: bool,
    /// Current of a conductor, A.
    pub current_a: f64,
}

/// Protection as the window shows it.
#[derive(Clone, Debug, Default)]
pub struct ProtectionView {
    /// Devices: M-LMDs in scene order, then the others.
    pub devices: Vec<DeviceView>,
    /// Faults so far.
    pub faults: Vec<FaultView>,
    /// The sequence of events, oldest first (bounded).
    pub soe: Arc<Vec<SoeEvent>>,
    /// Entries dropped because the list was full.
    pub soe_dropped: u64,
    /// Fault records, oldest first: per device the currents L1 to L3, then the voltages.
    pub records: Arc<Vec<Oscillogram>>,
    /// Fault records lost because there were too many.
    pub records_lost: u64,
    /// Radio messages between M-LMDs: handed over, transmissions, lost, given up.
    pub radio: [u64; 4],
}
