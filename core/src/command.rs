//! The only way in: everything that changes the world from outside.
//!
//! Window, scenario, network and hardware send [`Command`]s; they are stamped
//! with the tick that applies them and kept in the input log, so a run is its
//! scene plus this log.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_market::Terms;
use gridloom_protection::{DeviceSettings, FaultSpec};
use gridloom_units::{DeviceId, SignedReading};

use crate::ledger::SaidElsewhere;
use crate::market::OrderSlot;
use crate::truth::TamperKind;
use serde::{Deserialize, Serialize};

use crate::site::CloudWay;

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
    /// Let a validator misbehave, or behave again.
    Misbehave {
        /// Index of the ledger.
        ledger: u32,
        /// Index of the validator.
        node: u32,
        /// How.
        conduct: Conduct,
    },
    /// Lose messages between the validators of a ledger.
    LedgerLoss {
        /// Index of the ledger.
        ledger: u32,
        /// Lost messages, permille.
        permille: u32,
    },
    /// A validator runs in a place of its own from now on.
    GiveAway {
        /// Index of the ledger.
        ledger: u32,
        /// Index of the validator.
        node: u32,
    },
    /// What a validator elsewhere says.
    SaidElsewhere {
        /// Index of the ledger.
        ledger: u32,
        /// Index of the validator.
        node: u32,
        /// Its messages, in order.
        said: Vec<SaidElsewhere>,
    },
    /// A validator elsewhere is simulated again.
    TakeBack {
        /// Index of the ledger.
        ledger: u32,
        /// Index of the validator.
        node: u32,
    },
    /// The store outside a ledger loses what hashes in its blocks point to.
    LoseOutside {
        /// Index of the ledger.
        ledger: u32,
    },
    /// The root decides that participants change their cluster: a split or a merge.
    MoveMembers {
        /// Cluster they leave.
        from: u32,
        /// Cluster they join.
        to: u32,
        /// Their meters' devices; empty for all.
        members: Vec<DeviceId>,
    },
    /// A meter stops sending its readings.
    SilenceMeter(DeviceId),
    /// A silenced meter sends again.
    RestoreMeter(DeviceId),
    /// Somebody interferes with a meter; `None` puts it right.
    TamperMeter {
        /// The meter.
        device: DeviceId,
        /// How.
        how: Option<TamperKind>,
    },
    /// An M-LMD's energy measurement drifts, permille of the truth.
    DriftMlmd {
        /// The M-LMD.
        device: DeviceId,
        /// Above zero it counts too much; zero is calibrated.
        permille: i32,
    },
    /// A physical device was bound to an entity while the twin runs.
    BindDevice(DeviceId),
    /// The physical device of an entity was unbound; its value is forgotten.
    UnbindDevice(DeviceId),
    /// Limit the photovoltaic unit of an entity; `None` ends the limit.
    LimitSolar {
        /// The entity.
        device: DeviceId,
        /// Permille of its inverter's rating.
        permille: Option<u32>,
    },
    /// Run the battery of an entity at a power; `None` gives it back to the contract.
    SetBattery {
        /// The entity.
        device: DeviceId,
        /// Power, W, positive charges.
        p_w: Option<i64>,
    },
    /// Open or close a protection device that is no M-LMD.
    OperateDevice {
        /// Its id in the scene.
        device: String,
        /// Close instead of open.
        close: bool,
    },
    /// A fault begins.
    StartFault(Box<FaultSpec>),
    /// A fault is repaired.
    ClearFault(String),
    /// A conductor of a line breaks at its first end, or is repaired.
    SetConductor {
        /// Line by its id in the grid.
        line: String,
        /// Conductor at the bus there.
        conductor: u8,
        /// Broken.
        open: bool,
    },
    /// The mechanism of a device does not open any more, or works again.
    SetStuck {
        /// M-LMD or protection device by its id.
        device: String,
        /// Does not open.
        stuck: bool,
    },
    /// An M-LMD or protection device gets other settings.
    Program {
        /// Its id.
        device: String,
        /// Settings.
        settings: Box<DeviceSettings>,
    },
    /// The faulted sections at a member of a restoration area are declared repaired.
    ReleaseSection(String),
    /// The radio of a restoration area is jammed, or works again.
    SetRadio {
        /// Id of the area.
        area: String,
        /// Jammed.
        jammed: bool,
    },
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
    /// Cuts the link between LG-Aggregators and cloud, or mends it.
    CloudLink {
        /// Works.
        up: bool,
    },
    /// The cloud sends another upload strategy.
    Upload {
        /// Reading intervals between two reports, 1 to 96.
        every: u32,
        /// Change of an interval's load that is reported at once, Wh; 0 for none.
        threshold_wh: u32,
    },
    /// The edge of a cloud enters the map.
    CloudFront(CloudWay),
    /// The upstream grid fails.
    LoseGrid,
    /// The upstream grid is back.
    RestoreGrid,
    /// Planned islanding: balance, then open the main switch.
    Island,
    /// Bring the island in step with the grid and close the main switch.
    Resynchronise,
    /// Stop a grid-forming battery.
    BlockForming(DeviceId),
    /// Begin the black start.
    BlackStart,
    /// Something about an alarm.
    Alarm(AlarmCommand),
    /// Carries out a command in the tick after a condition holds for the first time.
    When {
        /// The condition, in the expression language.
        condition: String,
        /// What happens then.
        then: Box<Command>,
    },
    /// The trainee took a hint of the scene (its index); it costs points.
    Hint(u32),
    /// The position of a bound breaker or relay.
    DevicePosition {
        /// The bound M-LMD.
        device: DeviceId,
        /// Whether it is closed.
        closed: bool,
        /// Whether the position is good.
        good: bool,
    },
    /// The owner trusts an edge to read the physical meter of an entity.
    TrustMeter {
        /// The bound entity.
        device: DeviceId,
        /// Public key of the edge.
        key: [u8; 32],
    },
    /// A reading of a physical meter, signed by its edge, for the ledger.
    MeterRecord {
        /// The bound entity.
        device: DeviceId,
        /// The reading.
        record: Box<SignedReading>,
    },
    /// The owner of a home bids in a coming slot, in place of the limits of its
    /// contract and of earlier orders for that slot.
    PlaceOrder {
        /// The home's meter.
        device: DeviceId,
        /// The slot.
        slot: OrderSlot,
        /// At which prices it trades; both sides as in the contract take an
        /// earlier order back.
        terms: Box<Terms>,
    },
}

/// What a person does about an alarm; `id` is the number of the raised alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub enum AlarmCommand {
    /// Seen.
    Acknowledge(u64),
    /// All that wait are seen.
    AcknowledgeAll,
    /// Put aside for a time; priority 1 cannot be.
    Shelve {
        /// Number of the alarm.
        id: u64,
        /// For how long, min (at most eight hours).
        minutes: u32,
        /// Only until it returns to normal.
        one_shot: bool,
        /// Why.
        reason: String,
    },
    /// Back from the shelf.
    Unshelve(u64),
    /// Taken out of service, or put back.
    OutOfService {
        /// Number of the alarm.
        id: u64,
        /// Out, or in again.
        out: bool,
        /// Why.
        reason: String,
    },
    /// Stops or starts the alarm engine (a training event).
    Engine {
        /// Whether it shall run.
        run: bool,
    },
}

/// How a validator behaves.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum Conduct {
    /// As it should.
    Honest,
    /// Votes twice.
    DoubleVotes,
    /// Sends nothing.
    Silent,
    /// Hands its blocks to a part of the others only.
    Withhold,
    /// Proposes invalid blocks.
    InvalidBlock,
    /// Proposes two valid blocks.
    TwoBlocks,
    /// Sends old messages again.
    Replay,
}

/// A command that was refused, with the reason shown to whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The command.
    pub command: String,
    /// Why it was refused and what to do.
    pub reason: String,
}
