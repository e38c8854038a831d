//! What a scene says about islands, grid-forming batteries, black start,
//! tap changers, capacitor banks, heat pumps and moving clouds.

use serde::{Deserialize, Serialize};

/// A battery whose inverter can hold frequency and voltage.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FormingSpec {
    /// Rated apparent power of the inverter, kVA; 0 takes the battery's `max_kw`.
    pub kva: f64,
    /// Change of frequency for a change of active power by the rating, % of nominal.
    pub f_droop_pct: f64,
    /// Change of voltage for a change of reactive power by the rating, % of nominal.
    pub v_droop_pct: f64,
    /// Time constant of its power measurement, s.
    pub filter_s: f64,
    /// Virtual inertia constant, s.
    pub inertia_s: f64,
    /// Coupling impedance `(r, x)`, pu on its rating.
    pub z_pu: (f64, f64),
    /// Largest phase current, pu of rated.
    pub current_limit_pu: f64,
    /// Gain of its overload controller, Hz/s at an excess by the rating.
    pub overload_hz_per_s: f64,
    /// How long it bears more than its rating, s.
    pub overload_s: f64,
    /// States of charge `(least, most)` between which it forms, 0..1.
    pub soc: (f64, f64),
}

impl Default for FormingSpec {
    fn default() -> Self {
        Self {
            kva: 0.0,
            f_droop_pct: 1.0,
            v_droop_pct: 5.0,
            filter_s: 0.05,
            inertia_s: 0.0,
            z_pu: (0.01, 0.1),
            current_limit_pu: 1.5,
            overload_hz_per_s: 5.0,
            overload_s: 10.0,
            soc: (0.05, 0.98),
        }
    }
}

/// How the community leaves the upstream grid, lives without it and returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IslandingSpec {
    /// M-LMD that is the main switch to the upstream grid.
    pub main_switch: String,
    /// Line over which the upstream grid feeds in; losing the grid opens it far away.
    pub grid_line: String,
    /// Time after a loss of the grid until the main switch opens, ms.
    #[serde(default = "detect_ms")]
    pub detect_ms: u32,
    /// Rating that decides the limits of the synchronism check, kVA (IEEE 1547-2018, table 5).
    #[serde(default = "sync_kva")]
    pub sync_kva: f64,
    /// Time constant with which the frequency is led back to nominal, s.
    #[serde(default = "secondary_s")]
    pub secondary_s: f64,
    /// Frequencies `(low, high)` at which the units trip, Hz.
    #[serde(default = "trip_hz")]
    pub trip_hz: (f64, f64),
    /// Frequency-watt of the photovoltaic plants while islanded.
    #[serde(default)]
    pub freq_watt: FreqWattSpec,
    /// Under-frequency load shedding.
    #[serde(default)]
    pub shedding: SheddingSpec,
    /// Extra demand after an outage.
    #[serde(default)]
    pub cold_load: Option<ColdLoadSpec>,
    /// Steps of a black start, in order.
    #[serde(default)]
    pub black_start: Vec<BlackStartStep>,
}

fn detect_ms() -> u32 {
    200
}

fn sync_kva() -> f64 {
    500.0
}

fn secondary_s() -> f64 {
    30.0
}

fn trip_hz() -> (f64, f64) {
    (47.0, 52.0)
}

/// Frequency-watt function (EN 50549-1, IEEE 1547-2018).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreqWattSpec {
    /// Frequency from which output falls, Hz.
    pub start_hz: f64,
    /// Rise of frequency that takes the whole output away, % of nominal.
    pub droop_pct: f64,
    /// Time constant, s.
    pub response_s: f64,
}

impl Default for FreqWattSpec {
    fn default() -> Self {
        Self {
            start_hz: 50.2,
            droop_pct: 5.0,
            response_s: 0.5,
        }
    }
}

/// Under-frequency load shedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SheddingSpec {
    /// Stages, highest frequency first.
    pub stages: Vec<StageSpec>,
    /// Opening time of what a stage trips, ms.
    pub breaker_ms: u32,
    /// Frequency above which load may return, Hz.
    pub restore_hz: f64,
    /// How long frequency and reserve must have been good, s.
    pub restore_after_s: f64,
    /// Reserve that must remain after the load has returned, share of that load.
    pub restore_margin: f64,
}

impl Default for SheddingSpec {
    fn default() -> Self {
        Self {
            stages: Vec::new(),
            breaker_ms: 60,
            restore_hz: 49.8,
            restore_after_s: 30.0,
            restore_margin: 0.3,
        }
    }
}

/// One stage of shedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageSpec {
    /// Frequency below which it picks up, Hz.
    pub f_hz: f64,
    /// Time below it, ms.
    #[serde(default = "stage_delay_ms")]
    pub delay_ms: u32,
    /// What it takes off.
    pub shed: ShedTarget,
}

fn stage_delay_ms() -> u32 {
    200
}

/// What a stage of shedding takes off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShedTarget {
    /// Deferrable equipment (vehicles, heaters, heat pumps) in the areas of these M-LMDs.
    Flexible(Vec<String>),
    /// These homes, by the switch in their meters.
    Homes(Vec<String>),
    /// Everything behind this M-LMD, by its breaker.
    Area(String),
}

/// Extra demand after an outage, for the uncontrolled load of every home.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColdLoadSpec {
    /// Excess after a long outage, share of the undisturbed load.
    pub excess: f64,
    /// Time constant with which diversity is lost, s.
    pub build_s: f64,
    /// How long the excess stays at its peak, s.
    pub hold_s: f64,
    /// Time constant with which diversity returns, s.
    pub decay_s: f64,
}

/// One step of a black start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlackStartStep {
    /// What happens.
    #[serde(rename = "do")]
    pub action: BlackStartAction,
    /// Largest distance from nominal frequency before it, Hz.
    #[serde(default = "within_hz")]
    pub within_hz: f64,
    /// Voltages `(lowest, highest)` at the units before it, pu.
    #[serde(default = "v_pu")]
    pub v_pu: (f64, f64),
    /// Least power the units could add before it, kW.
    #[serde(default)]
    pub reserve_kw: f64,
    /// How long all of this must have held, s.
    #[serde(default = "steady_s")]
    pub steady_s: f64,
    /// Time after which the sequence gives up, s.
    #[serde(default = "patience_s")]
    pub patience_s: f64,
}

fn within_hz() -> f64 {
    0.5
}

fn v_pu() -> (f64, f64) {
    (0.9, 1.1)
}

fn steady_s() -> f64 {
    10.0
}

fn patience_s() -> f64 {
    600.0
}

/// What a step of a black start does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlackStartAction {
    /// This grid-forming battery energises the dead section it stands in.
    Energise(String),
    /// This grid-forming battery joins the live section it stands in.
    Join(String),
    /// The breaker of this M-LMD closes.
    Close(String),
}

/// Heat pump and the building it heats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeatPumpSpec {
    /// Electric power when running, kW.
    pub kw: f64,
    /// Share of Carnot's efficiency, 0..1.
    #[serde(default = "quality")]
    pub quality: f64,
    /// Flow temperature, degrees Celsius.
    #[serde(default = "flow_c")]
    pub flow_c: f64,
    /// Heat capacity of the building, kWh/K.
    pub capacity_kwh_per_k: f64,
    /// Conductance to the outside, kW/K.
    pub loss_kw_per_k: f64,
    /// Gains from people and appliances, kW.
    #[serde(default)]
    pub gains_kw: f64,
    /// Comfort `(lowest, highest)`, degrees Celsius.
    pub comfort_c: (f64, f64),
    /// Rise above the lowest temperature after which it may stop again, K.
    #[serde(default = "band_k")]
    pub band_k: f64,
    /// Temperature at the start, degrees Celsius.
    pub inside_c: f64,
}

fn quality() -> f64 {
    0.45
}

fn flow_c() -> f64 {
    35.0
}

fn band_k() -> f64 {
    0.3
}

/// Temperature behaviour of photovoltaic cells; the solar series is then irradiance, W/m2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSpec {
    /// Nominal operating cell temperature, degrees Celsius.
    pub noct_c: f64,
    /// Change of power per kelvin, %, negative.
    pub gamma_pct_per_k: f64,
}

/// Functions of a grid-following inverter with the default settings of IEEE 1547-2018.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PvFunctions {
    /// Volt-var of a category.
    pub volt_var: Option<VoltVarCategory>,
    /// Volt-watt.
    pub volt_watt: bool,
}

/// Performance category of IEEE 1547-2018.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoltVarCategory {
    /// Category A.
    A,
    /// Category B.
    B,
}

/// On-load tap changer of a transformer with its controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapChangerSpec {
    /// Transformer.
    pub transformer: String,
    /// Winding whose tap moves, from 1; it raises the voltage of that winding.
    pub winding: u8,
    /// Bus whose voltage is held.
    pub bus: String,
    /// Voltage aimed at, pu.
    pub v_set_pu: f64,
    /// Width of the band in which nothing moves, pu.
    pub band_pu: f64,
    /// Time outside the band before the first step, s.
    pub delay_s: f64,
    /// Time before every further step, s.
    pub step_delay_s: f64,
    /// Change of voltage per step, pu.
    pub step_pu: f64,
    /// Positions `(lowest, highest)`.
    pub positions: (i32, i32),
    /// Position at the start.
    #[serde(default)]
    pub position: i32,
    /// Voltage below which it does not move, pu.
    #[serde(default = "block_below_pu")]
    pub block_below_pu: f64,
}

fn block_below_pu() -> f64 {
    0.8
}

/// Controller of a capacitor bank of the grid file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacitorBankSpec {
    /// Capacitor bank of the grid.
    pub capacitor: String,
    /// Bus whose voltage is held.
    pub bus: String,
    /// Voltage below which a step is added, pu.
    pub on_below_pu: f64,
    /// Voltage above which a step is taken off, pu.
    pub off_above_pu: f64,
    /// Time beyond a limit before a step, s.
    pub delay_s: f64,
    /// Time a step must discharge before it is used again, s.
    #[serde(default = "discharge_s")]
    pub discharge_s: f64,
    /// Most operations a day.
    #[serde(default = "most_per_day")]
    pub most_per_day: u32,
    /// Steps on at the start.
    #[serde(default)]
    pub on: u32,
}

fn discharge_s() -> f64 {
    300.0
}

fn most_per_day() -> u32 {
    20
}

/// The edge of a cloud that moves over the map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudFrontSpec {
    /// Direction it moves to, degrees: 0 along x (east), 90 along y (north).
    pub towards_deg: f64,
    /// Speed, m/s.
    pub speed_m_s: f64,
    /// Width of the edge over which the sun fades, m.
    pub edge_m: f64,
    /// Length of the cloud behind its edge, m.
    pub length_m: f64,
    /// Sun that is left under it, 0..1.
    pub left: f64,
}
