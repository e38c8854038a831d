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

/// State of an alarm (ISA-18.2, OPC UA Part 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlarmState {
    /// Active, nobody has acknowledged it.
    #[default]
    Unacknowledged,
    /// Active and acknowledged.
    Acknowledged,
    /// The condition is gone, but nobody has acknowledged it.
    ReturnedUnacknowledged,
    /// Over and acknowledged.
    Normal,
    /// Put aside for a time.
    Shelved,
    /// Follows from another alarm that is shown.
    Suppressed,
    /// Taken out of service.
    OutOfService,
}

impl AlarmState {
    /// Whether it asks for an acknowledgement.
    #[must_use]
    pub fn wants_ack(self) -> bool {
        matches!(self, Self::Unacknowledged | Self::ReturnedUnacknowledged)
    }

    /// Whether it is in the operator's list of active alarms.
    #[must_use]
    pub fn listed(self) -> bool {
        matches!(
            self,
            Self::Unacknowledged | Self::Acknowledged | Self::ReturnedUnacknowledged
        )
    }

    /// A word for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unacknowledged => "unacknowledged",
            Self::Acknowledged => "acknowledged",
            Self::ReturnedUnacknowledged => "returned",
            Self::Normal => "normal",
            Self::Shelved => "shelved",
            Self::Suppressed => "folded",
            Self::OutOfService => "out of service",
        }
    }
}

/// Counts and rates of alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmRates {
    /// Shown in the last ten minutes.
    pub last_10_min: usize,
    /// Shown in the last hour.
    pub last_hour: usize,
    /// Shown since the start.
    pub shown: u64,
    /// The same before suppression by cause.
    pub raw: u64,
    /// On the shelf.
    pub shelved: usize,
    /// Active, but folded into their cause.
    pub suppressed: usize,
    /// Out of service.
    pub out_of_service: usize,
    /// Last time the conditions were evaluated.
    pub evaluated: SimTime,
}

/// A row of the alarm catalogue.
#[derive(Clone, Debug)]
pub struct CatalogueRow {
    /// Priority.
    pub priority: Priority,
    /// Title.
    pub title: String,
    /// What leads to it.
    pub cause: &'static str,
    /// What follows if nobody acts.
    pub consequence: &'static str,
    /// What to do.
    pub action: String,
    /// Time to respond, s.
    pub respond_s: u64,
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
    /// Its state.
    pub state: AlarmState,
    /// Title, for example `Meter H31 silent`.
    pub title: String,
    /// The fact.
    pub fact: String,
    /// What leads to it.
    pub cause: String,
    /// What follows if nobody acts.
    pub consequence: String,
    /// What to do.
    pub action: String,
    /// When it was raised.
    pub raised: SimTime,
    /// When it cleared.
    pub cleared: Option<SimTime>,
    /// When it was acknowledged.
    pub acked: Option<SimTime>,
    /// When it comes back from the shelf.
    pub shelved_until: Option<SimTime>,
    /// Alarms that follow from it and are not shown on their own.
    pub folded: usize,
    /// Time to respond, s, from the catalogue.
    pub respond_s: u64,
    /// Where it is.
    pub place: Option<Selected>,
}

/// An event on the tape.
#[derive(Clone, Debug, PartialEq)]
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
    /// Ledger index, height and place in the block.
    Transaction(usize, u64, usize),
}
