//! The scene file: everything one run of the twin starts from.
//!
//! Written in RON, `format` first, unknown fields refused, enums externally
//! tagged. Ids are the strings a person reads; the twin assigns dense
//! [`DeviceId`](gridloom_units::DeviceId)s in the order of the file.

use std::collections::BTreeMap;

use gridloom_contract::{EmTemplate, Preferences};
use gridloom_units::PriceMicroEurPerKwh;
use serde::{Deserialize, Serialize};

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
    /// Homes and firms with meter, equipment and contract.
    pub homes: Vec<HomeSpec>,
    /// Batteries with a connection, meter and wallet of their own.
    #[serde(default)]
    pub shared_batteries: Vec<SharedBatterySpec>,
    /// Micro load management devices: breakers at junctions.
    pub mlmds: Vec<MlmdSpec>,
    /// Clusters, each with an LG-Aggregator and a ledger.
    pub clusters: Vec<ClusterSpec>,
    /// Ledger of the cloud validators.
    pub root: LedgerSpec,
    /// Wireless and wired links of the data plane.
    pub links: LinksSpec,
    /// Market interval, price bounds and the rule that forms the price.
    pub market: MarketSpec,
    /// The electricity-management contract the operator registers.
    pub contract: EmTemplate,
    /// Named preference sets that homes refer to.
    pub preferences: BTreeMap<String, Preferences>,
    /// Entities bound to physical devices.
    #[serde(default)]
    pub bindings: Vec<BindingSpec>,
    /// What happens at which time.
    #[serde(default)]
    pub events: Vec<EventSpec>,
    /// What must hold; decides the exit code of a headless run.
    #[serde(default)]
    pub expect: Vec<ExpectationSpec>,
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
    /// Name of a preference set of the scene.
    pub preferences: String,
    /// Homes whose members own it, for the display of shares.
    #[serde(default)]
    pub shared_by: Vec<String>,
    /// Money in the wallet at the start, EUR.
    pub deposit_eur: u32,
}

/// A micro load management device: a breaker at one end of a line (paper G10, G19).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// One BFT ledger.
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

/// Market interval and the bounds of the price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Money the operator brings to each cluster's ledger to lend to empty wallets, EUR.
    #[serde(default = "official_deposit")]
    pub operator_deposit_eur: u32,
    /// Money the utility brings to each cluster's ledger to pay feed-in, EUR.
    #[serde(default = "official_deposit")]
    pub utility_deposit_eur: u32,
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
    /// Device profile, relative to the scene.
    pub profile: String,
    /// Address, `host:port`.
    pub address: String,
    /// Modbus unit id.
    pub unit: u8,
    /// Poll interval, ms.
    pub poll_ms: u64,
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
    /// Open the breaker of an M-LMD.
    Open(String),
    /// Close the breaker of an M-LMD.
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
    /// A meter stops sending.
    SilenceMeter(String),
    /// A silenced meter sends again.
    RestoreMeter(String),
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
}
