//! What a scene says about islands, resolved; fixed for a run.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_island::blackstart::StepWhen;
use gridloom_island::coldload::{ColdLoad, ColdLoadParams};
use gridloom_island::forming::FormingParams;
use gridloom_island::frequency::TripParams;
use gridloom_island::freqwatt::FreqWattParams;
use gridloom_island::shedding::SheddingParams;
use gridloom_island::synchrocheck::SyncLimits;

use crate::sim_state::plain_sim_state;

/// A battery whose inverter can form; index among all of them.
#[derive(Component, Clone, Copy, Debug)]
pub struct Forming(pub usize);

/// Excess of a home's uncontrolled load after an outage.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct ColdPickup(pub ColdLoad);

plain_sim_state!(ColdPickup);

/// The plan of the scene, if it has one.
#[derive(Resource, Clone, Debug, Default)]
pub struct IslandPlan(pub(crate) Option<Plan>);

/// Everything about islands that a run does not change.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Nominal frequency, Hz.
    pub nominal_hz: f64,
    /// Grid-forming units, in scene order.
    pub units: Vec<UnitPlan>,
    /// M-LMD that is the main switch.
    pub main: u32,
    /// Switch on the line over which the grid feeds in.
    pub grid_switch: usize,
    /// Time from a loss of the grid to the opening of the main switch, ms.
    pub detect_ms: u64,
    /// Limits of the synchronism check.
    pub limits: SyncLimits,
    /// Time constant of the way back to nominal frequency, s.
    pub secondary_s: f64,
    /// Frequency-watt of the plants.
    pub freq_watt: FreqWattParams,
    /// Frequencies at which units trip.
    pub trip: TripParams,
    /// Load shedding.
    pub shedding: SheddingParams,
    /// What every stage takes off, and the bus at which its relay measures.
    pub targets: Vec<(Target, usize)>,
    /// Excess demand after an outage.
    pub cold_load: Option<ColdLoadParams>,
    /// Steps of a black start.
    pub steps: Vec<(StepAct, StepWhen)>,
}

impl Plan {
    /// Conditions of the black start.
    pub(crate) fn whens(&self) -> Vec<StepWhen> {
        self.steps.iter().map(|(_, when)| *when).collect()
    }
}

/// A grid-forming unit.
#[derive(Clone, Debug)]
pub(crate) struct UnitPlan {
    /// Id of the battery.
    pub name: String,
    /// Device id of its meter.
    pub device: gridloom_units::DeviceId,
    /// Meter of the battery.
    pub meter: u32,
    /// Bus.
    pub bus: usize,
    /// Port in the network.
    pub port: usize,
    /// Rated voltage of a phase, V.
    pub v_base: f64,
    /// Inverter.
    pub params: FormingParams,
    /// Largest power of the battery, kW.
    pub max_kw: f64,
}

impl UnitPlan {
    /// Rated current of a phase, A.
    pub(crate) fn rated_a(&self) -> f64 {
        self.params.kva * 1_000.0 / 3.0 / self.v_base
    }

    /// Base impedance of a phase, ohm.
    pub(crate) fn base_ohm(&self) -> f64 {
        3.0 * self.v_base * self.v_base / (self.params.kva * 1_000.0)
    }
}

/// What a stage of shedding takes off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Deferrable equipment in the areas of these M-LMDs.
    Flexible(Vec<u32>),
    /// These meters.
    Homes(Vec<u32>),
    /// The breaker of this M-LMD.
    Area(u32),
}

/// What a step of a black start does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepAct {
    /// This unit energises its dead section.
    Energise(usize),
    /// This unit joins its live section.
    Join(usize),
    /// The breaker of this M-LMD closes.
    Close(u32),
}
