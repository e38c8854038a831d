//! The electrical state and the equipment at a tick.

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
    /// Iterations of the last solution: relative mismatch, and the bus where it was largest.
    pub trail: Vec<(f64, String)>,
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
    /// Energy traded between members, of one cluster or of two, kWh.
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
    /// Heater or heat pump, kW.
    pub heater_kw: f64,
    /// Level of the heater, or of the building a heat pump heats, 0..1.
    pub heater_level: f64,
    /// Temperature inside, where there is a heat pump, degrees Celsius.
    pub inside_c: Option<f64>,
    /// Power that shedding holds back, kW.
    pub held_kw: f64,
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
    /// Whether a reading is missing: the last one is older than an interval, a tick
    /// and what a message may take.
    pub late: bool,
    /// Whether the meter is silent for three intervals.
    pub silent: bool,
    /// What the display of the meter shows, where the LG-Aggregator sent something.
    pub notice: Option<String>,
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
    /// Signed readings the ledger took.
    pub recorded: u64,
    /// Signed readings the ledger refused.
    pub refused: u64,
    /// Its last reason; empty when there is none.
    pub refusal: String,
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
    /// Position of a bound physical breaker.
    pub bound: Option<BoundBreaker>,
}

/// The position of a bound breaker or relay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoundBreaker {
    /// Whether it is closed.
    pub closed: bool,
    /// Whether that is good.
    pub good: bool,
    /// Age, s of simulated time.
    pub age_s: f64,
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
