//! Alarms, events and history.

use gridloom_units::{SimTime, Tick};

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
