//! What happens in a scene, and when.

use gridloom_protection::{DeviceSettings, FaultSpec};
use serde::{Deserialize, Serialize};

use super::island::CloudFrontSpec;
use super::market::BidSpec;
use super::schema::UploadSpec;

/// A timed event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    /// Simulated time, `"12:00"` or `"12:00:30"`.
    pub at: String,
    /// What happens.
    #[serde(rename = "do")]
    pub action: EventAction,
    /// A note for the tape.
    #[serde(default)]
    pub note: String,
}

/// What a scene can do at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventAction {
    /// Open the breaker of an M-LMD or of a protection device.
    Open(String),
    /// Close the breaker of an M-LMD or of a protection device.
    Close(String),
    /// Multiply the irradiance (1 = as in the profile) from now on.
    Cloud(f64),
    /// Stop validator `index` of a ledger (`"A"`, `"root"`).
    CrashValidator(String, u32),
    /// Restart validator `index` of a ledger.
    RestartValidator(String, u32),
    /// Split the validators of a ledger into groups that cannot reach each other.
    Partition(String, Vec<Vec<u32>>),
    /// Undo every partition of a ledger.
    Heal(String),
    /// Let validator `index` of a ledger misbehave from now on.
    Misbehave(String, u32, ConductSpec),
    /// Lose this many of a ledger's messages from now on, permille.
    LedgerLoss(String, u32),
    /// The store outside a ledger loses its data; the hashes stay in the blocks.
    LoseOutside(String),
    /// The link between the LG-Aggregators and the cloud is cut (`false`) or
    /// works again.
    CloudLink(bool),
    /// The cloud sends another upload strategy.
    Upload(UploadSpec),
    /// The root decides that homes move from one cluster's ledger to another's; an empty list
    /// moves all of them.
    Move(String, String, Vec<String>),
    /// A home bids in a coming slot.
    Bid(String, BidSpec),
    /// A meter stops sending.
    SilenceMeter(String),
    /// A silenced meter sends again.
    RestoreMeter(String),
    /// The edge of a cloud enters the map.
    CloudFront(CloudFrontSpec),
    /// The upstream grid fails.
    LoseGrid,
    /// The upstream grid is back.
    RestoreGrid,
    /// Balance the community and open the main switch: planned islanding.
    Island,
    /// Bring the island in step with the grid and close the main switch.
    Resynchronise,
    /// Stop a grid-forming battery.
    BlockForming(String),
    /// Begin the black start.
    BlackStart,
    /// Somebody interferes with a meter.
    TamperMeter(String, TamperSpec),
    /// A meter that was interfered with is put right.
    RepairMeter(String),
    /// The energy measurement of an M-LMD drifts, permille of the truth; zero
    /// calibrates it.
    DriftMlmd(String, i32),
    /// A fault begins.
    Fault(FaultSpec),
    /// A fault is repaired.
    ClearFault(String),
    /// A conductor of a line breaks at its first end.
    OpenConductor(String, u8),
    /// A broken conductor is repaired.
    CloseConductor(String, u8),
    /// The mechanism of a device does not open when told to.
    StickBreaker(String),
    /// It works again.
    FreeBreaker(String),
    /// A protection device or M-LMD gets other settings.
    Program(String, DeviceSettings),
    /// The faulted sections at an M-LMD are declared repaired.
    ReleaseSection(String),
    /// The radio between the M-LMDs of an area is jammed.
    JamRadio(String),
    /// It works again.
    ClearRadio(String),
    /// Acknowledge every alarm that waits.
    AcknowledgeAlarms,
    /// Stop (`false`) or start the alarm engine.
    AlarmEngine(bool),
}

/// How somebody interferes with a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum TamperSpec {
    /// Counts this share less of the energy taken.
    UnderReport {
        /// 1 to 1000.
        permille: u32,
    },
    /// So much power flows past it.
    Bypass {
        /// 1 to 100000, W.
        watts: u32,
    },
    /// Its registers stand still.
    Freeze,
    /// Records so many intervals, then reports them again and again.
    Replay {
        /// 1 to 24.
        intervals: u32,
    },
    /// Counts everything times a factor (a wrong transformer ratio).
    MisScale {
        /// 1 to 10000, 1000 is right.
        permille: u32,
    },
}

impl TamperSpec {
    /// The number it carries, with its bounds.
    #[must_use]
    pub const fn bounds(self) -> Option<(u32, u32, u32)> {
        match self {
            Self::UnderReport { permille } => Some((permille, 1, 1_000)),
            Self::Bypass { watts } => Some((watts, 1, 100_000)),
            Self::Freeze => None,
            Self::Replay { intervals } => Some((intervals, 1, 24)),
            Self::MisScale { permille } => Some((permille, 1, 10_000)),
        }
    }
}

/// How a validator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConductSpec {
    /// As it should.
    Honest,
    /// Votes twice, with opposite votes.
    DoubleVotes,
    /// Sends nothing.
    Silent,
    /// Hands its blocks to a part of the others only.
    Withhold,
    /// Proposes blocks that claim a wrong state.
    InvalidBlock,
    /// Proposes two valid blocks, one to each half.
    TwoBlocks,
    /// Sends old messages again.
    Replay,
}
