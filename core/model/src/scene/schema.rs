//! The scene file: everything one run of the twin starts from.
//!
//! Written in RON, `format` first, unknown fields refused, enums externally
//! tagged. Ids are the strings a person reads; the twin assigns dense
//! [`DeviceId`](gridloom_units::DeviceId)s in the order of the file.

use std::collections::BTreeMap;

use gridloom_contract::{EmTemplate, Preferences};
use gridloom_protection::{DeviceSettings, FaultSpec, load::LoadSettings};
use gridloom_units::PriceMicroEurPerKwh;
use serde::{Deserialize, Serialize};

use super::island::{
    CapacitorBankSpec, CellSpec, CloudFrontSpec, FormingSpec, HeatPumpSpec, IslandingSpec,
    PvFunctions, TapChangerSpec,
};
use super::market::{BidSpec, WholesaleSpec};
use super::protection::ProtectionSpec;
use super::story::Story;
use super::technology::{ExchangeSpec, Technology};

/// The scene format this crate reads and writes.
pub const SCENE_FORMAT: u32 = 1;

/// One scene file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Version of the file format; must be [`SCENE_FORMAT`].
    pub format: u32,
    /// Name shown in the window.
    pub title: String,
    /// What a person should learn or watch.
    #[serde(default)]
    pub objective: String,
    /// Where the figures come from and under which licence.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Seed of every random draw.
    pub seed: u64,
    /// Calendar day of tick 0, `YYYY-MM-DD`.
    pub date: String,
    /// Length of one tick, ms.
    pub tick_ms: u64,
    /// Length of the run, h.
    pub duration_h: f64,
    /// The network.
    pub grid: GridSource,
    /// How the network is laid out in the window.
    #[serde(default)]
    pub layout: Layout,
    /// Profile files, relative to the scene.
    pub profiles: Vec<String>,
    /// Profile series of plane-of-array irradiance as PV output, W per installed kW.
    pub solar_series: String,
    /// Profile series of the air temperature, degrees Celsius; 15 without one.
    #[serde(default)]
    pub temperature_series: Option<String>,
    /// Homes and firms with meter, equipment and contract.
    pub homes: Vec<HomeSpec>,
    /// Batteries with a connection, meter and wallet of their own.
    #[serde(default)]
    pub shared_batteries: Vec<SharedBatterySpec>,
    /// How the community leaves the upstream grid and returns to it.
    #[serde(default)]
    pub islanding: Option<IslandingSpec>,
    /// Tap changers with their controllers.
    #[serde(default)]
    pub tap_changers: Vec<TapChangerSpec>,
    /// Controllers of capacitor banks.
    #[serde(default)]
    pub capacitor_banks: Vec<CapacitorBankSpec>,
    /// Micro load management devices: breakers at junctions.
    pub mlmds: Vec<MlmdSpec>,
    /// Clusters, each with an LG-Aggregator and a ledger.
    pub clusters: Vec<ClusterSpec>,
    /// Ledger of the cloud validators.
    pub root: LedgerSpec,
    /// Wireless and wired links of the data plane.
    pub links: LinksSpec,
    /// When the LG-Aggregators report to the cloud.
    #[serde(default)]
    pub upload: UploadSpec,
    /// What values on the ledgers stand for and how they are exchanged.
    #[serde(default)]
    pub exchange: ExchangeSpec,
    /// Market interval, price bounds and the rule that forms the price.
    pub market: MarketSpec,
    /// The electricity-management contract the operator registers.
    pub contract: EmTemplate,
    /// Named preference sets that homes refer to.
    pub preferences: BTreeMap<String, Preferences>,
    /// Protection devices and restoration areas.
    #[serde(default)]
    pub protection: ProtectionSpec,
    /// Entities bound to physical devices.
    #[serde(default)]
    pub bindings: Vec<BindingSpec>,
    /// What happens at which time.
    #[serde(default)]
    pub events: Vec<EventSpec>,
    /// What must hold; decides the exit code of a headless run.
    #[serde(default)]
    pub expect: Vec<ExpectationSpec>,
    /// What the scene tells and asks of a trainee.
    #[serde(default)]
    pub story: Story,
}

/// Where the network comes from; paths are relative to the scene file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GridSource {
    /// The project's own RON grid.
    Ron(String),
    /// An OpenDSS deck, read in place.
    Dss(String),
}

/// Presentation of the network; changes nothing in the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layout {
    /// Rotation of the map, degrees anticlockwise.
    pub rotate_deg: f64,
    /// Mirror the map left to right before rotating.
    pub mirror: bool,
}

/// A customer: meter, uncontrolled load and controllable equipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeSpec {
    /// Id, unique in the scene (`"H17"`).
    pub id: String,
    /// Load of the grid file that this customer is.
    pub load: String,
    /// Profile series of the uncontrolled load, multiplier of the load's rated kW.
    pub profile: String,
    /// Kind of building; changes only its symbol.
    #[serde(default)]
    pub kind: HomeKind,
    /// Photovoltaic unit.
    #[serde(default)]
    pub pv: Option<PvSpec>,
    /// Battery behind the meter.
    #[serde(default)]
    pub battery: Option<BatterySpec>,
    /// Water heater, a deferrable asset.
    #[serde(default)]
    pub heater: Option<HeaterSpec>,
    /// Heat pump, a deferrable asset; instead of a water heater.
    #[serde(default)]
    pub heat_pump: Option<HeatPumpSpec>,
    /// EV charger, a deferrable asset.
    #[serde(default)]
    pub ev: Option<EvSpec>,
    /// Name of a preference set of the scene.
    pub preferences: String,
    /// Money in the wallet at the start, EUR.
    pub deposit_eur: u32,
}

/// Kind of building.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HomeKind {
    /// Single-family house.
    #[default]
    House,
    /// Multi-family house.
    Flats,
    /// Care home or clinic.
    Care,
    /// Shop, school or firm.
    Firm,
}

/// Photovoltaic unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PvSpec {
    /// Installed module power at standard test conditions, kW.
    pub kw_peak: f64,
    /// Inverter limit, kVA.
    pub inverter_kva: f64,
    /// Temperature behaviour of the cells.
    #[serde(default)]
    pub cell: Option<CellSpec>,
    /// Functions of the inverter.
    #[serde(default)]
    pub functions: PvFunctions,
    /// Most current the inverter feeds into a fault, of its rated current;
    /// without it the inverter holds its power however low the voltage.
    #[serde(default)]
    pub fault_current_pu: Option<f64>,
}

/// Battery with inverter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatterySpec {
    /// Usable energy, kWh.
    pub capacity_kwh: f64,
    /// Largest charging and discharging power at the terminals, kW.
    pub max_kw: f64,
    /// Efficiency of charging, 0..1 (AC to stored).
    pub charge_efficiency: f64,
    /// Efficiency of discharging, 0..1 (stored to AC).
    pub discharge_efficiency: f64,
    /// State of charge at the start, 0..1.
    pub soc: f64,
    /// State of charge from which charging tapers off linearly, 0..1 (1 = no taper).
    #[serde(default = "no_taper")]
    pub taper_from_soc: f64,
    /// Largest change of power, kW per second (absent = unlimited).
    #[serde(default)]
    pub ramp_kw_per_s: Option<f64>,
    /// Most current the inverter feeds into a fault, of its rated current;
    /// without it the inverter holds its power however low the voltage. At a
    /// home only where nothing else is steered behind the same terminals.
    #[serde(default)]
    pub fault_current_pu: Option<f64>,
}

fn no_taper() -> f64 {
    1.0
}

/// Electric water heater as a thermal store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaterSpec {
    /// Element power, kW.
    pub kw: f64,
    /// Energy between the lowest comfortable and the highest temperature, kWh.
    pub store_kwh: f64,
    /// Standing loss, kW.
    pub loss_kw: f64,
    /// Stored share at the start, 0..1.
    pub level: f64,
    /// Hot-water draws: (time of day `"07:00"`, kWh).
    pub draws: Vec<(String, f64)>,
    /// Stored share at or below which the element runs whatever it is told, 0..1.
    #[serde(default)]
    pub reserve: f64,
    /// Rise above the reserve after which it may stop again, 0..1.
    #[serde(default)]
    pub reserve_band: f64,
}

/// EV charger with one plug-in session a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvSpec {
    /// Charger power, kW.
    pub kw: f64,
    /// Time the car is plugged in, `"17:40"`.
    pub arrives: String,
    /// Time the car must be ready, `"07:00"` (earlier than `arrives` = next day).
    pub departs: String,
    /// Energy needed per session, kWh.
    pub need_kwh: f64,
}

/// A battery shared by a multi-family house.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedBatterySpec {
    /// Id (`"BESS"`).
    pub id: String,
    /// Bus of its three-phase connection.
    pub bus: String,
    /// Battery data.
    pub battery: BatterySpec,
    /// Makes its inverter grid-forming where the grid is missing.
    #[serde(default)]
    pub forming: Option<FormingSpec>,
    /// Name of a preference set of the scene.
    pub preferences: String,
    /// Homes whose members own it, for the display of shares.
    #[serde(default)]
    pub shared_by: Vec<String>,
    /// Money in the wallet at the start, EUR.
    pub deposit_eur: u32,
}

/// A micro load management device: a breaker at one end of a line (paper G10, G19).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlmdSpec {
    /// Id (`"M1"`).
    pub id: String,
    /// Line it sits on; its area is what lies behind it, seen from the source.
    pub line: String,
    /// Operating current limit per phase, A.
    pub limit_a: u32,
    /// Time above the limit after which it opens, s.
    #[serde(default = "trip_delay")]
    pub trip_after_s: u32,
    /// Whether it starts closed.
    #[serde(default = "closed")]
    pub closed: bool,
    /// Its protection; absent: a definite-time element of `limit_a` and `trip_after_s`.
    #[serde(default)]
    pub protection: Option<DeviceSettings>,
    /// Load management: limit, shed order, restore rule.
    #[serde(default)]
    pub load_management: Option<LoadSettings>,
}

fn any_number() -> u64 {
    u64::MAX
}

fn trip_delay() -> u32 {
    60
}

fn closed() -> bool {
    true
}

/// A cluster: members, LG-Aggregator and ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSpec {
    /// Id (`"A"`).
    pub id: String,
    /// Id of the LG-Aggregator (`"LG-A"`).
    pub aggregator: String,
    /// M-LMDs whose areas form the cluster; a home belongs to the nearest
    /// M-LMD upstream of it.
    pub mlmds: Vec<String>,
    /// The cluster's ledger.
    pub ledger: LedgerSpec,
    /// Contract of this cluster instead of the scene's.
    #[serde(default)]
    pub contract: Option<EmTemplate>,
}

/// One ledger.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSpec {
    /// Number of validators (4 tolerates one fault).
    pub validators: u32,
    /// Least time between two blocks, ms.
    pub block_interval_ms: u64,
    /// One-way latency between validators, ms, from and to.
    pub latency_ms: (u64, u64),
    /// Lost messages, permille.
    pub loss_permille: u32,
    /// What each validator can send, kbit/s; 0 for no limit.
    #[serde(default)]
    pub kbit_per_s: u32,
    /// What it is made of.
    #[serde(default)]
    pub technology: Technology,
}

/// Links of the data plane (paper G12).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinksSpec {
    /// I-meter to M-LMD.
    pub meter: LinkSpec,
    /// M-LMD to LG-Aggregator.
    pub mlmd: LinkSpec,
    /// LG-Aggregator to cloud.
    pub cloud: LinkSpec,
}

/// One class of link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// One-way latency, ms, from and to.
    pub latency_ms: (u64, u64),
    /// Lost messages, permille.
    pub loss_permille: u32,
}

/// When an LG-Aggregator reports the load of its areas to the cloud (paper E3):
/// a strategy that the cloud sends down. The end of a slot is always reported,
/// as its price waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadSpec {
    /// Reading intervals between two reports, 1 to 96.
    pub every: u32,
    /// A change of the load of an interval from the last reported one that is
    /// reported at once, Wh; 0 for none.
    #[serde(default)]
    pub threshold_wh: u32,
}

impl Default for UploadSpec {
    fn default() -> Self {
        Self {
            every: 1,
            threshold_wh: 0,
        }
    }
}

/// Market interval and the bounds of the price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarketSpec {
    /// Settlement interval, min.
    pub slot_min: u32,
    /// Interval between two meter readings, s; divides the slot.
    pub reading_s: u32,
    /// What the grid pays for a kilowatt-hour, micro-EUR/kWh.
    pub feed_in: PriceMicroEurPerKwh,
    /// What the grid asks for a kilowatt-hour, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// Largest change of a price from slot to slot, micro-EUR/kWh.
    pub max_step: PriceMicroEurPerKwh,
    /// Trade between the clusters, with its network fees; without it each
    /// cluster deals with the utility for what it does not cover itself.
    #[serde(default)]
    pub between: Option<BetweenSpec>,
    /// Highest price while islanded, micro-EUR/kWh: cost of the dearest
    /// dispatchable source; by default the dearest price from which a battery
    /// that can form an island discharges, without one ten times `import`.
    #[serde(default)]
    pub island: Option<PriceMicroEurPerKwh>,
    /// Money the operator brings to each cluster's ledger to lend to empty wallets, EUR.
    #[serde(default = "official_deposit")]
    pub operator_deposit_eur: u32,
    /// Money the utility brings to each cluster's ledger to pay feed-in, EUR.
    #[serde(default = "official_deposit")]
    pub utility_deposit_eur: u32,
    /// Who deals at the wholesale market for the clusters; left out: the
    /// utility's tariff holds in every slot.
    #[serde(default)]
    pub wholesale: Option<WholesaleSpec>,
}

/// Trade between clusters: what is left after each cluster's own market clears on
/// the network tree with the limits of the M-LMDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetweenSpec {
    /// Part of the tariff that is the network fee on a cluster's line, micro-EUR/kWh.
    pub neighbour_fee: PriceMicroEurPerKwh,
    /// Part of the tariff that is the network fee above the feeder's head, micro-EUR/kWh.
    pub grid_fee: PriceMicroEurPerKwh,
}

fn official_deposit() -> u32 {
    10_000
}

/// An entity bound to a physical device in monitor mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BindingSpec {
    /// Home, M-LMD or battery.
    pub entity: String,
    /// Device profile: a file, relative to the scene, or the bare name of one
    /// the program brings (`eastron_sdm630`).
    pub profile: String,
    /// Address: `host:port` (Modbus/TCP), `rtu:host:port`, `http:host:port`,
    /// `mqtt:host:port` or `serial:PATH`.
    pub address: String,
    /// Modbus unit id.
    pub unit: u8,
    /// Poll interval, ms.
    pub poll_ms: u64,
    /// What the value is for.
    #[serde(default)]
    pub mode: BindingMode,
    /// Serial number the device must have; the first one found, when not given.
    #[serde(default)]
    pub serial: Option<String>,
}

/// What a bound device is for. Whatever it is, the model is never overwritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BindingMode {
    /// Its value is shown; nothing can be written.
    #[default]
    Monitor,
    /// Its value is compared with the model; nothing can be written.
    Shadow,
    /// As shadow, and a person can arm it.
    Control,
}

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

/// What must hold in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectationSpec {
    /// From this time (default: start).
    #[serde(default)]
    pub from: Option<String>,
    /// Until this time (default: end of the run).
    #[serde(default)]
    pub until: Option<String>,
    /// The condition.
    pub that: Condition,
}

/// Conditions a headless run checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Condition {
    /// Every energised customer's voltage stays within these bounds, pu.
    VoltageWithin {
        /// Lower bound, pu.
        min_pu: f64,
        /// Upper bound, pu.
        max_pu: f64,
    },
    /// Money and energy balance to the last unit at every block.
    BooksBalance,
    /// Slots without a grid are settled as such on the ledger: so many, and in
    /// none of them a line with the utility.
    IslandSettled {
        /// Ledger id of the cluster.
        ledger: String,
        /// Least number of slots.
        at_least: u64,
    },
    /// The ledger (`"A"`, `"root"`) decides at least this many blocks in the window.
    BlocksDecided {
        /// Ledger id.
        ledger: String,
        /// Lower bound.
        at_least: u64,
    },
    /// No block in the window (a halted ledger).
    LedgerHalted {
        /// Ledger id.
        ledger: String,
    },
    /// The price of solar energy is lower when there is more of it: the rank
    /// correlation over the slots of the window is at most this.
    SolarPriceFollowsSupply {
        /// Upper bound of the Spearman correlation, -1..1.
        correlation_at_most: f64,
    },
    /// How often the price of a cluster turned: two successive changes of
    /// opposite sign, each of more than a tenth of the price bounds.
    PriceReversals {
        /// Ledger id of the cluster.
        ledger: String,
        /// Least number.
        #[serde(default)]
        at_least: u64,
        /// Largest number.
        #[serde(default = "any_number")]
        at_most: u64,
    },
    /// At the end of the window all these meters and M-LMDs are named as not
    /// telling the truth, and at most so many others.
    UntrueNamed {
        /// Homes and shared batteries.
        #[serde(default)]
        meters: Vec<String>,
        /// M-LMDs that drift.
        #[serde(default)]
        mlmds: Vec<String>,
        /// Others named.
        #[serde(default)]
        false_at_most: u32,
    },
    /// Sum of meters plus losses equals the head of the feeder, share of throughput.
    MetersMatchPhysics {
        /// Largest residual, percent.
        max_residual_pct: f64,
    },
    /// An M-LMD's area is without supply at the end of the window.
    Dead {
        /// M-LMD id.
        mlmd: String,
    },
    /// Energy taken from the upstream grid over the window.
    ImportBetween {
        /// Lower bound, kWh.
        min_kwh: f64,
        /// Upper bound, kWh.
        max_kwh: f64,
    },
    /// Every EV session is served in full by its departure.
    EvsServed,
    /// No unmet hot-water draw.
    HeatServed,
    /// No building was more than 1 K below its comfort for longer than this.
    ComfortKept {
        /// Upper bound over all buildings, min.
        max_cold_min: f64,
    },
    /// The frequency of every live section stays within these bounds.
    FrequencyWithin {
        /// Lower bound, Hz.
        min_hz: f64,
        /// Upper bound, Hz.
        max_hz: f64,
    },
    /// Stages of shedding (from 0) fired in the window, in this order.
    ShedOrder(Vec<u32>),
    /// At the end of the window every customer has supply and nothing is shed.
    AllSupplied,
    /// At the end of the window the main switch is open and a unit holds the island.
    Islanded,
    /// At the end of the window the main switch is closed onto a live grid.
    GridTied,
    /// Energy of every island balances at every tick of the window.
    IslandBalances {
        /// Largest residual, share of throughput.
        max_residual: f64,
    },
    /// No customer of a dead section draws power at any tick of the window.
    NothingServedDead,
    /// At least so many closings were refused as out of step in the window.
    SyncRefused {
        /// Lower bound.
        at_least: u64,
    },
    /// The black start has carried out all its steps by the end of the window.
    BlackStartDone,
    /// Loading of a transformer at every tick of the window.
    TransformerWithin {
        /// Transformer of the grid.
        transformer: String,
        /// Upper bound, share of the rating.
        max: f64,
        /// Ticks above the bound that are borne, s.
        for_s: u32,
    },
    /// Steps that all tap changers and capacitor banks made in the window.
    OperationsBetween {
        /// Lower bound.
        min: u32,
        /// Upper bound.
        max: u32,
    },
    /// Every element operated on its curve within this, where its current was steady.
    RelaysOnCurve {
        /// Largest difference, ms.
        within_ms: f64,
        /// Fewest operations that must have been seen.
        at_least: u64,
    },
    /// No load was served on a section without supply, in any tick or part of one.
    NoSupplyFromDeadSections,
    /// Energy of every tick: sources = loads + losses.
    EnergyBalances {
        /// Largest difference, share of the throughput of the tick.
        within: f64,
    },
    /// Customers without supply at the end of the window.
    CustomersOut {
        /// At most so many.
        at_most: u64,
    },
    /// Every customer outside the area of these M-LMDs has supply again this
    /// long after the first fault of the window.
    RestoredWithin {
        /// Time, s.
        seconds: u64,
        /// M-LMDs whose areas stay dead.
        but: Vec<String>,
    },
    /// The sequence of events contains an entry of a device with this text.
    SoeContains {
        /// Device or fault.
        device: String,
        /// Part of the entry.
        text: String,
    },
    /// No such entry is there.
    SoeLacks {
        /// Device or fault.
        device: String,
        /// Part of the entry.
        text: String,
    },
    /// An M-LMD or protection device is open at the end of the window.
    DeviceOpen {
        /// Its id.
        device: String,
    },
    /// An M-LMD or protection device is closed at the end of the window.
    DeviceClosed {
        /// Its id.
        device: String,
    },
    /// An expression holds at the end of the window.
    Holds(String),
    /// An expression holds at every tick of the window.
    Always(String),
    /// An expression holds at one tick of the window at least.
    Once(String),
    /// No more alarms are raised in the window than this.
    AlarmsAtMost(u32),
}
