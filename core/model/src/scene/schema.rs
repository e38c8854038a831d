//! The scene file: everything one run of the twin starts from.
//!
//! Written in RON, `format` first, unknown fields refused, enums externally
//! tagged. Ids are the strings a person reads; the twin assigns dense
//! [`DeviceId`](gridloom_units::DeviceId)s in the order of the file.

use std::collections::BTreeMap;

use gridloom_contract::{EmTemplate, Preferences};
use gridloom_protection::{DeviceSettings, load::LoadSettings};
use gridloom_units::PriceMicroEurPerKwh;
use serde::{Deserialize, Serialize};

use super::events::EventSpec;
use super::exchange::ExchangeSpec;
use super::expectations::ExpectationSpec;
use super::island::{CapacitorBankSpec, IslandingSpec, TapChangerSpec};
use super::market::WholesaleSpec;
use super::protection::ProtectionSpec;
use super::sites::{HomeSpec, SharedBatterySpec};
use super::story::Story;
use super::technology::Technology;

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
