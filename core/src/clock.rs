//! The tick counter: the only clock of a run.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{SimTime, Tick};

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::{RegisterSimState, plain_sim_state};

/// The tick that is running (inside [`SimTick`]) or that runs next (outside).
#[derive(Resource, Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
pub struct SimClock {
    /// Number of the tick.
    pub tick: Tick,
    /// Length of a tick, ms.
    pub tick_ms: u64,
}

impl SimClock {
    /// Start of the tick, ms.
    #[must_use]
    pub fn start_ms(&self) -> u64 {
        self.tick.0 * self.tick_ms
    }

    /// End of the tick, ms.
    #[must_use]
    pub fn end_ms(&self) -> u64 {
        (self.tick.0 + 1) * self.tick_ms
    }

    /// Time at the start of the tick.
    #[must_use]
    pub fn time(&self) -> SimTime {
        SimTime(self.start_ms())
    }

    /// Length of a tick, s.
    #[must_use]
    pub fn dt_s(&self) -> f64 {
        self.tick_ms as f64 / 1_000.0
    }

    /// Whether this tick ends on a multiple of `interval_ms`.
    #[must_use]
    pub fn ends_interval(&self, interval_ms: u64) -> bool {
        self.end_ms().is_multiple_of(interval_ms)
    }
}

plain_sim_state!(SimClock);

/// Seed of every random draw of the run.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Seed(pub u64);

/// Advances the clock at the end of each tick.
pub struct ClockPlugin;

/// The last step of a tick; everything in `Record` comes before it.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndOfTick;

impl Plugin for ClockPlugin {
    fn build(&self, app: &mut App) {
        app.register_sim_resource::<SimClock>();
        app.configure_sets(SimTick, EndOfTick.after(SimSystems::Record));
        app.add_systems(SimTick, advance_clock.in_set(EndOfTick));
    }
}

fn advance_clock(mut clock: ResMut<SimClock>) {
    clock.tick.0 += 1;
}
