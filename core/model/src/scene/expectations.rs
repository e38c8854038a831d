//! What must hold in a scene; decides the exit code of a headless run.

use serde::{Deserialize, Serialize};

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

fn any_number() -> u64 {
    u64::MAX
}
