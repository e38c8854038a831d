//! Islands as the window shows them.

use gridloom_units::SimTime;

/// Everything about leaving the grid and returning to it.
#[derive(Clone, Debug, Default)]
pub struct IslandsView {
    /// Whether the scene has islanding at all.
    pub planned: bool,
    /// Whether the upstream grid has voltage.
    pub grid_on: bool,
    /// Index of the main switch among the M-LMDs.
    pub main_switch: usize,
    /// Whether it is closed.
    pub main_closed: bool,
    /// What is under way: islanding, synchronising, black start; empty when nothing.
    pub under_way: String,
    /// Live islands.
    pub islands: Vec<IslandView>,
    /// Grid-forming batteries, in scene order.
    pub units: Vec<FormingView>,
    /// Stages of shedding whose load is off, in the order of shedding.
    pub shed: Vec<u32>,
    /// Load that shedding holds back, kW.
    pub held_kw: f64,
    /// Differences across the open main switch: Hz, % and degrees; `None` unless both sides live.
    pub across: Option<(f64, f64, f64)>,
    /// Last closing refused as out of step, and when.
    pub refusal: Option<(SimTime, String)>,
    /// Steps of the black start done and all, while one runs.
    pub black_start: Option<(u32, u32)>,
    /// Largest residual of an island's energy in any tick, share of throughput.
    pub worst_residual: f64,
    /// Tap changers and capacitor banks: name and position as text.
    pub voltage_control: Vec<(String, String)>,
}

/// A live island.
#[derive(Clone, Debug, Default)]
pub struct IslandView {
    /// Name: that of its first unit.
    pub name: String,
    /// Frequency, Hz.
    pub f_hz: f64,
    /// Indices of its grid-forming batteries in [`IslandsView::units`].
    pub units: Vec<usize>,
    /// What its units deliver, kW.
    pub delivered_kw: f64,
    /// Demand served in it, kW.
    pub load_kw: f64,
    /// Sun in it, kW.
    pub solar_kw: f64,
    /// Power its units could add, kW.
    pub reserve_up_kw: f64,
    /// Power its units could take away, kW.
    pub reserve_down_kw: f64,
    /// Share of the sun that its frequency leaves, 0..1.
    pub pv_share: f64,
}

/// A grid-forming battery.
#[derive(Clone, Debug, Default)]
pub struct FormingView {
    /// Id.
    pub name: String,
    /// Index among the shared batteries.
    pub battery: usize,
    /// What it does: following, forming, stopped.
    pub mode: &'static str,
    /// Active power delivered, kW.
    pub p_kw: f64,
    /// Reactive power delivered, kvar.
    pub q_kvar: f64,
    /// Highest phase current, pu of rated.
    pub current_pu: f64,
    /// State of charge, 0..1.
    pub soc: f64,
}
