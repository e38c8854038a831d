//! Ledgers, prices, messages and what a selection needs of them.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyType, PriceMicroEurPerKwh, SimTime};

use super::Selected;

/// A ledger.
#[derive(Clone, Debug, Default)]
pub struct LedgerView {
    /// `"A"`, `"B"`, ..., `"root"`.
    pub id: String,
    /// Height of the last decided block.
    pub height: u64,
    /// Age of that block, s.
    pub age_s: f64,
    /// Validators that run.
    pub validators_up: usize,
    /// Validators in all.
    pub validators: usize,
    /// Transactions waiting.
    pub mempool: usize,
    /// Newest blocks, newest first (bounded).
    pub blocks: Vec<BlockView>,
    /// Messages sent since the start.
    pub messages: u64,
}

/// A decided block.
#[derive(Clone, Debug, Default)]
pub struct BlockView {
    /// Height.
    pub height: u64,
    /// Round in which it was decided.
    pub round: u32,
    /// First eight hex digits of its id.
    pub hash: String,
    /// First eight hex digits of its parent's id.
    pub parent: String,
    /// First eight hex digits of the state root after it.
    pub state_root: String,
    /// Time in its header.
    pub time: SimTime,
    /// Proposer's index.
    pub proposer: usize,
    /// Signatures in its certificate.
    pub signatures: usize,
    /// Transactions, one line each: kind and summary.
    pub transactions: Vec<(String, String)>,
    /// Size relative to the block limit, 0..1.
    pub fullness: f32,
}

/// Prices of a cluster in the running slot.
#[derive(Clone, Debug, Default)]
pub struct PriceView {
    /// Price per type, micro-EUR/kWh, in canonical order; `None` without supply and demand.
    pub typed: [Option<PriceMicroEurPerKwh>; EnergyType::COUNT],
    /// Volume-weighted mean, micro-EUR/kWh.
    pub scalar: PriceMicroEurPerKwh,
    /// Slot it applies to.
    pub slot: u32,
}

/// A message between two places, for the moving markers.
#[derive(Clone, Debug)]
pub struct HopView {
    /// Where from.
    pub from: Place,
    /// Where to.
    pub to: Place,
    /// When it left.
    pub sent: SimTime,
    /// When it arrived or will arrive.
    pub arrives: SimTime,
    /// What it is, for a tooltip.
    pub what: &'static str,
}

/// An end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Place {
    /// Home index.
    Home(u32),
    /// Shared battery index.
    SharedBattery(u32),
    /// M-LMD index.
    Mlmd(u32),
    /// Cluster index (its LG-Aggregator).
    Aggregator(u32),
    /// The cloud.
    Cloud,
    /// The ledger with this index.
    Ledger(u32),
}

/// One step of the procedure a to e.
#[derive(Clone, Debug, Default)]
pub struct StepView {
    /// How often it was completed.
    pub count: u64,
    /// How many are on their way.
    pub waiting: u64,
    /// Latest latency, s.
    pub last_s: Option<f64>,
    /// 95th percentile over the kept window, s.
    pub p95_s: Option<f64>,
    /// Latencies of the last completions, s, oldest first (bounded).
    pub recent_s: Vec<f32>,
    /// Failures (refused, lost for good).
    pub failed: u64,
    /// A short note, for example the contract version.
    pub note: String,
}

/// Some watt-hours and where they came from (contractually).
#[derive(Clone, Debug, Default)]
pub struct ProvenanceView {
    /// Plant: id of the home or battery, or `grid`.
    pub plant: String,
    /// Energy type.
    pub kind: Option<EnergyType>,
    /// Slot of generation.
    pub slot: u32,
    /// Energy, Wh.
    pub wh: i64,
    /// Block that recorded the delivery.
    pub height: u64,
}

/// Whether the books balance.
#[derive(Clone, Debug, Default)]
pub struct BooksView {
    /// Slots settled over all clusters.
    pub slots_settled: u64,
    /// Deviation of money over all ledgers, nano-EUR (zero).
    pub money_off_nano_eur: i128,
    /// Deviation of energy over all ledgers, Wh (zero).
    pub energy_off_wh: i64,
}

/// Details of the selection that need a query (ledger, contract).
#[derive(Clone, Debug, Default)]
pub struct SelectionView {
    /// The entity.
    pub what: Option<Selected>,
    /// Wallet balance, EUR.
    pub wallet_eur: Option<f64>,
    /// kWh received, by origin, newest slot first: (plant, type, slot, Wh, block height).
    pub provenance: Vec<ProvenanceView>,
    /// Bill so far: (label, EUR, negative = paid).
    pub bill: Vec<(String, f64)>,
    /// Last contract run: trace lines.
    pub contract_trace: Vec<String>,
    /// Explanation of the shown value: (cause, value).
    pub why: Vec<(String, String)>,
    /// The selected block in full.
    pub block: Option<BlockView>,
}
