//! Ledgers, prices, messages and what a selection needs of them.

use std::sync::Arc;

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
    /// Those of them that run in a place of their own.
    pub elsewhere: usize,
    /// Transactions waiting.
    pub mempool: usize,
    /// Newest blocks, newest first (bounded).
    pub blocks: Vec<BlockView>,
    /// Messages sent since the start.
    pub messages: u64,
    /// The newest messages, oldest first (bounded).
    pub message_log: Arc<Vec<MessageView>>,
    /// The newest rounds, oldest first (bounded).
    pub rounds: Arc<Vec<RoundView>>,
    /// Messages that are not in the list any more.
    pub messages_dropped: u64,
    /// What it is made of, and what that costs.
    pub making: MakingView,
}

/// What a ledger is made of (paper Tables 1 and 2), and what was measured of it.
#[derive(Clone, Debug, Default)]
pub struct MakingView {
    /// Family of consensus, in words.
    pub family: &'static str,
    /// Codes of the paper's Table 1.
    pub codes: String,
    /// Group of configurations, 1 to 3.
    pub group: u8,
    /// 95th percentile of the newest readings' lag behind the meters, s.
    pub lag_p95_s: Option<f64>,
    /// Longest lag, s.
    pub lag_worst_s: f64,
    /// How long after its interval a reading must be final, s.
    pub deadline_s: Option<f64>,
    /// Readings that were final later.
    pub late: u64,
    /// Blocks that are in no longest chain.
    pub orphans: u64,
    /// Most blocks a node took back at once.
    pub deepest_reorganisation: u64,
    /// Transactions whose simulated results differed.
    pub differing: u64,
    /// Transactions that were not taken: no room, or too few nodes to simulate them.
    pub not_taken: u64,
    /// Bytes one node keeps in blocks.
    pub chain_bytes: u64,
    /// Bytes in the store outside.
    pub outside_bytes: u64,
    /// Oldest block whose transactions are kept.
    pub first_kept: u64,
    /// Blocks up to this height lost data outside, 0 for none.
    pub lost_through: u64,
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
    /// Whether the slot began without a grid: its price lies between zero and
    /// the cost of the island's dearest source.
    pub island: bool,
    /// What was paid and asked outside the cluster in that slot, micro-EUR/kWh.
    pub bounds: (PriceMicroEurPerKwh, PriceMicroEurPerKwh),
    /// How devices are steered: `"forward"` or `"price"`.
    pub control: &'static str,
    /// Live estimate of the loop gain from price to demand and back; `None`
    /// until enough slots are decided. Above 0.8 the price starts to swing.
    pub loop_gain: Option<f64>,
    /// Power steered in the running slot, charging and running positive, kW.
    pub steered_kw: f64,
    /// Net import that forward clearing plans per slot, this slot first, kW.
    pub planned_kw: Vec<f32>,
    /// Demand expected of the coming slot, kWh.
    pub expected_demand_kwh: f64,
    /// Supply of all types expected of it, kWh.
    pub expected_supply_kwh: f64,
    /// Error of the forecasts of demand and supply as a share of the error of
    /// expecting the slot before again; `None` until something was judged.
    pub forecast_share: Option<f64>,
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

/// An LG-Aggregator and its way to the cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EdgeView {
    /// Whether the cloud can be reached.
    pub link: bool,
    /// For how long it has known that the cloud does not answer, s.
    pub alone_s: Option<f64>,
    /// Since the cloud last answered, s.
    pub heard_s: Option<f64>,
    /// Intervals that wait for the cloud.
    pub waiting: usize,
    /// Intervals given up because too many waited.
    pub dropped: u64,
    /// Version of the upload strategy it has.
    pub strategy: u32,
    /// Reading intervals between two reports by it.
    pub every: u32,
    /// Change that is reported at once, Wh; 0 for none.
    pub threshold_wh: u32,
    /// Version of the grid state it has.
    pub grid_version: u64,
    /// Age of what that state describes, s.
    pub grid_age_s: f64,
    /// Mean power into all areas by it, kW.
    pub grid_kw: f64,
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
    /// The selected transaction.
    pub transaction: Option<TransactionView>,
    /// From the conductor to the contract, as far as it is known.
    pub walk: Vec<WalkStep>,
    /// Voltages (V to earth) and currents (A) of the solution.
    pub phasors: Vec<PhasorView>,
}

/// A transaction with its proof.
#[derive(Clone, Debug, Default)]
pub struct TransactionView {
    /// Ledger index.
    pub ledger: usize,
    /// Height of its block.
    pub height: u64,
    /// Place in the block.
    pub index: usize,
    /// Kind.
    pub kind: String,
    /// One line for people.
    pub summary: String,
    /// First digits of its identity.
    pub id: String,
    /// First digits of the signer's key.
    pub signer: String,
    /// First digits of the signature.
    pub signature: String,
    /// The meter that signed it.
    pub by: Option<Selected>,
    /// End of the interval it reports.
    pub interval_end: Option<SimTime>,
    /// That it is in its block.
    pub proof: ProofView,
    /// What its execution did.
    pub effects: Vec<String>,
    /// Why the contract did it.
    pub trace: Vec<String>,
}

/// A Merkle proof of inclusion.
#[derive(Clone, Debug, Default)]
pub struct ProofView {
    /// Leaf.
    pub index: usize,
    /// Leaves in all.
    pub count: usize,
    /// First digits of the siblings, from the leaf upwards.
    pub siblings: Vec<String>,
    /// First digits of the root in the header.
    pub root: String,
    /// Whether the path leads to the root.
    pub holds: bool,
}

/// A step of the walk from a wire to a contract.
#[derive(Clone, Debug, Default)]
pub struct WalkStep {
    /// What kind of thing.
    pub label: String,
    /// Which one.
    pub value: String,
    /// What a click selects.
    pub target: Option<Selected>,
}

/// One phasor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PhasorView {
    /// A current, not a voltage.
    pub current: bool,
    /// Phase, 0..3.
    pub phase: u8,
    /// Magnitude, V or A (RMS).
    pub magnitude: f64,
    /// Angle, degrees.
    pub angle_deg: f64,
}

/// A consensus message, or a transaction on its way to a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// When it was sent, µs.
    pub sent_us: u64,
    /// When it arrives, µs; `None` when it was lost or cut off.
    pub arrives_us: Option<u64>,
    /// Sending validator; `None` for a client.
    pub from: Option<u16>,
    /// Receiving validator.
    pub to: u16,
    /// Kind.
    pub kind: &'static str,
    /// Height it speaks of, 0 for none.
    pub height: u64,
    /// Round it speaks of.
    pub round: u32,
}

/// What a validator said in a step of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vote {
    /// Nothing was heard.
    #[default]
    Missing,
    /// For the proposed block.
    Block,
    /// For no block.
    Nil,
    /// Two different votes.
    Conflict,
}

/// The votes of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundView {
    /// Height.
    pub height: u64,
    /// Round.
    pub round: u32,
    /// When its first message was sent, µs.
    pub first_us: u64,
    /// Who proposed, if a proposal was sent.
    pub proposer: Option<u16>,
    /// Per validator.
    pub prevotes: Vec<Vote>,
    /// Per validator.
    pub precommits: Vec<Vote>,
}
