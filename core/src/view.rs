//! What the window reads: one plain copy of the world at a tick.
//!
//! Panels are pure functions of [`ViewModel`]; they never touch simulation
//! components. Static facts ([`SceneView`]) are built once per load, the
//! rest is refilled whenever the shown tick changes. Signs: power is positive
//! from the network into the device (consumption), negative when the device
//! feeds in, unless a field says otherwise.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{DeviceId, EnergyType, PriceMicroEurPerKwh, SimTime, Tick};

/// Index into [`SceneView::homes`].
pub type HomeIndex = usize;

/// Facts of the loaded scene that do not change during a run.
#[derive(Clone, Debug, Default)]
pub struct SceneView {
    /// Title of the scene.
    pub title: String,
    /// Calendar day, `YYYY-MM-DD`.
    pub date: String,
    /// Length of a tick, ms.
    pub tick_ms: u64,
    /// Length of the run, ms.
    pub duration_ms: u64,
    /// Length of a market slot, ms.
    pub slot_ms: u64,
    /// Feed-in and import price, the bounds of every local price.
    pub price_bounds: (PriceMicroEurPerKwh, PriceMicroEurPerKwh),
    /// Buses with map position, m (x to the right, y up, after the layout's rotation).
    pub buses: Vec<BusView>,
    /// Line segments in file order.
    pub lines: Vec<LineView>,
    /// Transformers.
    pub transformers: Vec<TransformerView>,
    /// Customers in scene order.
    pub homes: Vec<HomeView>,
    /// Shared batteries.
    pub shared_batteries: Vec<SharedBatteryView>,
    /// M-LMD breakers.
    pub mlmds: Vec<MlmdView>,
    /// Clusters.
    pub clusters: Vec<ClusterView>,
    /// Name of the load law used by the solver, for the legend.
    pub load_law: String,
}

/// A bus on the map.
#[derive(Clone, Debug, Default)]
pub struct BusView {
    /// Name in the grid file.
    pub name: String,
    /// Position, m.
    pub pos_m: (f64, f64),
    /// Whether the position comes from the data (else it was interpolated).
    pub surveyed: bool,
    /// Nominal line-to-neutral voltage, V.
    pub v_nominal: f64,
}

/// A line segment on the map.
#[derive(Clone, Debug, Default)]
pub struct LineView {
    /// Name in the grid file.
    pub name: String,
    /// Bus indices.
    pub from: usize,
    /// Bus indices.
    pub to: usize,
    /// Length, m.
    pub length_m: f64,
    /// Rating per phase, A.
    pub rating_a: f64,
    /// Id of the conductor run this segment belongs to: consecutive segments
    /// between two junctions or ends share one, so labels and chevrons can be
    /// spaced along the whole run.
    pub run: usize,
    /// Hops from the source, for drawing order and tracing.
    pub depth: usize,
    /// Whether the segment only serves one customer (a service drop).
    pub service: bool,
}

/// A transformer.
#[derive(Clone, Debug, Default)]
pub struct TransformerView {
    /// Name.
    pub name: String,
    /// Upstream bus index.
    pub from: usize,
    /// Downstream bus index.
    pub to: usize,
    /// Rating, kVA.
    pub rating_kva: f64,
    /// Line-to-line voltage upstream, kV.
    pub kv_from: f64,
    /// Line-to-line voltage downstream, kV.
    pub kv_to: f64,
}

/// A customer.
#[derive(Clone, Debug, Default)]
pub struct HomeView {
    /// Device id of the meter.
    pub device: DeviceId,
    /// Id (`"H17"`).
    pub id: String,
    /// Kind of building.
    pub kind: gridloom_model::scene::HomeKind,
    /// Bus index.
    pub bus: usize,
    /// Conductor, 0..3.
    pub phase: u8,
    /// Index of the M-LMD whose area it is in.
    pub mlmd: usize,
    /// Index of the cluster.
    pub cluster: usize,
    /// Installed PV, kW; zero without.
    pub pv_kw: f64,
    /// Battery energy, kWh; zero without.
    pub battery_kwh: f64,
    /// Heater power, kW; zero without.
    pub heater_kw: f64,
    /// Charger power, kW; zero without.
    pub ev_kw: f64,
    /// Name of the preference set.
    pub preferences: String,
    /// Ledger account, short form.
    pub account: String,
}

/// A shared battery.
#[derive(Clone, Debug, Default)]
pub struct SharedBatteryView {
    /// Device id of its meter.
    pub device: DeviceId,
    /// Id (`"BESS"`).
    pub id: String,
    /// Bus index.
    pub bus: usize,
    /// Energy, kWh.
    pub capacity_kwh: f64,
    /// Largest power, kW.
    pub max_kw: f64,
    /// M-LMD index.
    pub mlmd: usize,
    /// Cluster index.
    pub cluster: usize,
}

/// An M-LMD breaker.
#[derive(Clone, Debug, Default)]
pub struct MlmdView {
    /// Device id.
    pub device: DeviceId,
    /// Id (`"M1"`).
    pub id: String,
    /// Line index it sits on.
    pub line: usize,
    /// Bus index of its location.
    pub bus: usize,
    /// Limit per phase, A.
    pub limit_a: f64,
    /// Cluster index.
    pub cluster: usize,
    /// Homes directly in its area (nearest M-LMD upstream).
    pub homes: Vec<HomeIndex>,
    /// Homes anywhere behind it.
    pub customers_behind: usize,
    /// Index of the M-LMD upstream of it, if any.
    pub parent: Option<usize>,
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterView {
    /// Id (`"A"`).
    pub id: String,
    /// Id of the LG-Aggregator.
    pub aggregator: String,
    /// Device id of the LG-Aggregator.
    pub device: DeviceId,
    /// Suggested map position of the aggregator, m (centre of its M-LMDs).
    pub pos_m: (f64, f64),
    /// Number of validators.
    pub validators: usize,
}

/// One tick of the world, as the window shows it.
#[derive(Clone, Debug, Default)]
pub struct ViewModel {
    /// Static facts.
    pub scene: Arc<SceneView>,
    /// The shown tick.
    pub tick: Tick,
    /// Its time.
    pub time: SimTime,
    /// Newest tick that was simulated (the live head).
    pub head: Tick,
    /// Solver and protection state of the grid.
    pub grid: GridView,
    /// Community balance.
    pub balance: BalanceView,
    /// Today's figures.
    pub today: TodayView,
    /// Extremes nearest to their limits.
    pub limits: LimitsView,
    /// Per home, as in the scene.
    pub homes: Vec<HomeState>,
    /// Per shared battery.
    pub shared_batteries: Vec<SharedBatteryState>,
    /// Per M-LMD.
    pub mlmds: Vec<MlmdState>,
    /// Ledgers: clusters in scene order, then the root.
    pub ledgers: Vec<LedgerView>,
    /// Prices per cluster.
    pub prices: Vec<PriceView>,
    /// Messages on the data plane in the last moments, newest last (bounded).
    pub data_hops: Vec<HopView>,
    /// Transactions on the ledger plane in the last moments, newest last (bounded).
    pub ledger_hops: Vec<HopView>,
    /// The paper's procedure a to e.
    pub steps: [StepView; 5],
    /// Time from a meter interval's end to its final record, s: latest per cluster.
    pub ledger_lag_s: Vec<f64>,
    /// Active and recent alarms, most urgent first.
    pub alarms: Vec<AlarmView>,
    /// Events for the tape, in time order (bounded).
    pub events: Arc<Vec<EventView>>,
    /// Series for the tape and trends.
    pub history: Arc<HistoryView>,
    /// Details of the selected entity.
    pub selection: Option<SelectionView>,
    /// Last refused commands, newest last (bounded).
    pub rejections: Vec<String>,
    /// Whether money and energy balanced at the last block of every ledger.
    pub books: BooksView,
}

/// State of the network.
#[derive(Clone, Debug, Default)]
pub struct GridView {
    /// Whether the main island is connected to the upstream grid.
    pub grid_tied: bool,
    /// Frequency, Hz.
    pub frequency_hz: f64,
    /// Per bus: worst phase voltage relative to nominal (pu); `None` when dead.
    pub bus_v_pu: Vec<Option<f64>>,
    /// Per line: active power from `from` to `to`, kW, sum of phases.
    pub line_p_kw: Vec<f64>,
    /// Per line: worst phase current relative to rating, 0..; zero when dead.
    pub line_loading: Vec<f64>,
    /// Per line: whether energised at both ends.
    pub line_live: Vec<bool>,
    /// Per transformer: active power from upstream, kW.
    pub transformer_p_kw: Vec<f64>,
    /// Per transformer: loading of the rating, 0...
    pub transformer_loading: Vec<f64>,
    /// Whether the last solution converged.
    pub converged: bool,
    /// Iterations of the last solution.
    pub iterations: usize,
    /// Residual of the last solution (relative power mismatch).
    pub residual: f64,
    /// Why the solution failed, if it did.
    pub verdict: Option<String>,
}

/// Signed sums of the community, kW: supply positive, use negative; they add to zero.
#[derive(Clone, Debug, Default)]
pub struct BalanceView {
    /// Solar generation.
    pub solar_kw: f64,
    /// Solar power curtailed or clipped now.
    pub solar_curtailed_kw: f64,
    /// Uncontrolled and controlled demand.
    pub demand_kw: f64,
    /// Of which deferrable.
    pub flexible_kw: f64,
    /// Storage: discharging positive.
    pub storage_kw: f64,
    /// Energy in all batteries relative to their capacity, 0..1.
    pub storage_soc: f64,
    /// Exchange with the upstream grid: import positive.
    pub exchange_kw: f64,
    /// Losses of the network (negative).
    pub losses_kw: f64,
    /// Sum of all of the above: closes to zero.
    pub sum_kw: f64,
    /// Largest magnitude seen today, for one scale over all bars.
    pub scale_kw: f64,
}

/// Figures since the start of the run.
#[derive(Clone, Debug, Default)]
pub struct TodayView {
    /// Solar generation, kWh.
    pub solar_kwh: f64,
    /// Demand, kWh.
    pub demand_kwh: f64,
    /// Import, kWh.
    pub import_kwh: f64,
    /// Export, kWh.
    pub export_kwh: f64,
    /// Losses, kWh.
    pub losses_kwh: f64,
    /// Share of demand not imported, 0..1.
    pub self_sufficiency: f64,
    /// Green energy curtailed, kWh.
    pub wasted_kwh: f64,
    /// Energy traded between members, kWh.
    pub traded_kwh: f64,
}

/// Values nearest to their limits.
#[derive(Clone, Debug, Default)]
pub struct LimitsView {
    /// Highest customer voltage, pu, and where.
    pub v_max: (f64, String),
    /// Lowest customer voltage, pu, and where.
    pub v_min: (f64, String),
    /// Highest line loading, 0.., and where.
    pub line: (f64, String),
    /// Transformer loading, 0.., and its rating as text.
    pub transformer: (f64, String),
}

/// A customer now.
#[derive(Clone, Debug, Default)]
pub struct HomeState {
    /// Net power from the network, kW (positive takes, negative gives).
    pub net_kw: f64,
    /// Uncontrolled load, kW.
    pub load_kw: f64,
    /// PV output, kW (positive).
    pub pv_kw: f64,
    /// Battery, kW (positive charges).
    pub battery_kw: f64,
    /// Battery state of charge, 0..1.
    pub battery_soc: f64,
    /// Heater, kW.
    pub heater_kw: f64,
    /// Heater level, 0..1.
    pub heater_level: f64,
    /// EV charging, kW.
    pub ev_kw: f64,
    /// Whether a car is plugged in.
    pub ev_connected: bool,
    /// Voltage, pu; `None` when dead.
    pub v_pu: Option<f64>,
    /// Meter registers, Wh.
    pub import_wh: i64,
    /// Meter registers, Wh.
    pub export_wh: i64,
    /// Wallet, EUR.
    pub wallet_eur: f64,
    /// Age of the last reading that reached the aggregator, s.
    pub reading_age_s: f64,
    /// Whether the meter is silent for three intervals.
    pub silent: bool,
    /// Value of a bound physical device.
    pub bound: Option<BoundValue>,
}

/// A value of a bound device in monitor mode.
#[derive(Clone, Debug, Default)]
pub struct BoundValue {
    /// Power, kW.
    pub p_kw: f64,
    /// Voltage, V.
    pub voltage_v: f64,
    /// Whether the value is good.
    pub good: bool,
    /// Age, s of simulated time.
    pub age_s: f64,
}

/// A shared battery now.
#[derive(Clone, Debug, Default)]
pub struct SharedBatteryState {
    /// Power, kW (positive charges).
    pub p_kw: f64,
    /// State of charge, 0..1.
    pub soc: f64,
    /// Voltage, pu.
    pub v_pu: Option<f64>,
    /// Wallet, EUR.
    pub wallet_eur: f64,
}

/// An M-LMD now.
#[derive(Clone, Debug, Default)]
pub struct MlmdState {
    /// Whether the breaker is closed.
    pub closed: bool,
    /// Power through it, kW, positive away from the source.
    pub through_kw: f64,
    /// Worst phase current, A.
    pub current_a: f64,
    /// Voltage at its bus, pu; `None` when dead.
    pub v_pu: Option<f64>,
    /// Voltage unbalance (negative over positive sequence), 0..1.
    pub unbalance: f64,
    /// Three-way truth of the last closed slot.
    pub truth: TruthView,
}

/// Energy into the area of one M-LMD over the last settled slot, Wh.
#[derive(Clone, Debug, Default)]
pub struct TruthView {
    /// From the power flow (area boundary).
    pub physics_wh: Option<i64>,
    /// Sum of meters plus computed losses.
    pub meters_wh: Option<i64>,
    /// As recorded on the ledger, plus computed losses.
    pub ledger_wh: Option<i64>,
    /// Computed losses in the area.
    pub losses_wh: i64,
    /// Largest difference relative to throughput, percent.
    pub residual_pct: Option<f64>,
}

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

/// Priority of an alarm, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Act at once.
    P1,
    /// Act soon.
    P2,
    /// Look when there is time.
    P3,
}

/// An alarm.
#[derive(Clone, Debug)]
pub struct AlarmView {
    /// Stable number.
    pub id: u64,
    /// Priority.
    pub priority: Priority,
    /// Whether the condition is still true.
    pub active: bool,
    /// Title, for example `Meter H31 silent`.
    pub title: String,
    /// The fact.
    pub fact: String,
    /// What to do.
    pub action: String,
    /// When it was raised.
    pub raised: SimTime,
    /// When it cleared.
    pub cleared: Option<SimTime>,
    /// Time to respond, s, from the catalogue.
    pub respond_s: u64,
    /// Where it is.
    pub place: Option<Selected>,
}

/// An event on the tape.
#[derive(Clone, Debug)]
pub struct EventView {
    /// When.
    pub time: SimTime,
    /// Tick.
    pub tick: Tick,
    /// Short text.
    pub text: String,
    /// Kind, for its mark.
    pub kind: EventKind,
    /// Where.
    pub place: Option<Selected>,
}

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A breaker moved, a section died or came back.
    Grid,
    /// A scripted event of the scene.
    Scene,
    /// A new price.
    Price,
    /// Something about a ledger.
    Ledger,
    /// An alarm was raised.
    Alarm(Priority),
    /// A command of a person.
    Command,
}

/// Sampled series since the start, one sample a minute.
#[derive(Clone, Debug, Default)]
pub struct HistoryView {
    /// Time between two samples, ms.
    pub step_ms: u64,
    /// Exchange with the upstream grid, kW (import positive).
    pub exchange_kw: Vec<f32>,
    /// Solar generation, kW.
    pub solar_kw: Vec<f32>,
    /// Demand, kW.
    pub demand_kw: Vec<f32>,
    /// Storage, kW (discharging positive).
    pub storage_kw: Vec<f32>,
    /// Scalar price of each cluster, ct/kWh.
    pub price_ct: Vec<Vec<f32>>,
    /// Per home: net kW and voltage pu.
    pub home: Vec<TrendView>,
    /// Per shared battery.
    pub shared_battery: Vec<TrendView>,
    /// Per M-LMD: kW through it and voltage.
    pub mlmd: Vec<TrendView>,
    /// Blocks: (time, ledger index, round above zero).
    pub blocks: Vec<(SimTime, usize, bool)>,
}

/// Two trends of one entity; NaN marks a gap (dead or unknown).
#[derive(Clone, Debug, Default)]
pub struct TrendView {
    /// Power, kW.
    pub p_kw: Vec<f32>,
    /// Voltage, pu.
    pub v_pu: Vec<f32>,
}

/// What a person can select.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selected {
    /// Home index.
    Home(usize),
    /// Shared battery index.
    SharedBattery(usize),
    /// M-LMD index.
    Mlmd(usize),
    /// Cluster index.
    Aggregator(usize),
    /// Transformer index.
    Transformer(usize),
    /// Line index.
    Line(usize),
    /// Ledger index and height.
    Block(usize, u64),
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
