//! What the window reads: one plain copy of the world at a tick.
//!
//! Panels are pure functions of [`ViewModel`]; they never touch simulation
//! components. Static facts ([`SceneView`]) are built once per load, the
//! rest is refilled whenever the shown tick changes. Signs: power is positive
//! from the network into the device (consumption), negative when the device
//! feeds in, unless a field says otherwise.

mod island;
mod ledger;
mod protection;
mod scene;
mod state;
mod story;
mod tape;

pub use island::{FormingView, IslandView, IslandsView};
pub use ledger::{
    BlockView, BooksView, EdgeView, HopView, LedgerView, MakingView, MessageView, PhasorView,
    Place, PriceView, ProofView, ProvenanceView, RoundView, SelectionView, StepView,
    TransactionView, Vote, WalkStep,
};
pub use protection::{DeviceStatus, DeviceView, FaultView, ProtectionView};
pub use scene::{
    BusView, ClusterView, HomeIndex, HomeView, LineView, MlmdView, SceneView, SharedBatteryView,
    TransformerView,
};
pub use state::{
    BalanceView, BoundBreaker, BoundValue, GridView, HomeState, LimitsView, MlmdState,
    SharedBatteryState, TodayView, TruthView,
};
pub use story::{CaptionView, ScriptEntry, StoryView};
pub use tape::{
    AlarmRates, AlarmState, AlarmView, CatalogueRow, EventKind, EventView, HistoryView, Priority,
    Selected, TrendView,
};

use std::sync::Arc;

use gridloom_units::{SimTime, Tick};

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
    /// Islands and the way to and from the upstream grid.
    pub islands: IslandsView,
    /// Protection devices, faults and the sequence of events.
    pub protection: ProtectionView,
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
    /// LG-Aggregators and their way to the cloud, per cluster.
    pub edges: Vec<EdgeView>,
    /// Time from a meter interval's end to its final record, s: latest per cluster.
    pub ledger_lag_s: Vec<f64>,
    /// Active and recent alarms, most urgent first.
    pub alarms: Vec<AlarmView>,
    /// Counts and rates of alarms.
    pub alarm_rates: AlarmRates,
    /// Events for the tape, in time order (bounded).
    pub events: Arc<Vec<EventView>>,
    /// Series for the tape and trends.
    pub history: Arc<HistoryView>,
    /// Details of the selected entity.
    pub selection: Option<SelectionView>,
    /// Captions, script and score.
    pub story: StoryView,
    /// Last refused commands, newest last (bounded).
    pub rejections: Vec<String>,
    /// Whether money and energy balanced at the last block of every ledger.
    pub books: BooksView,
}
