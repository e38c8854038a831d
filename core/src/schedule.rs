//! The one place that states the order of a tick.
//!
//! ```text
//! Ingest -> Actuate -> Sense -> Flow -> Protect -> Meter -> Aggregate
//!        -> Consensus -> Price -> Contract -> Control -> Record
//! ```
//!
//! Commands and the decisions of the last tick take effect first, physics
//! follows, the ledger sees only metered facts, control decides for the next
//! tick: one explicit discrete-time loop. Only protection acts within a tick:
//! `Flow` solves from one of its events to the next.

use bevy::ecs::schedule::{LogLevel, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor};
use bevy::prelude::*;

/// The schedule that advances the twin by one tick.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct SimTick;

/// The stages of a tick, in order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SimSystems {
    /// Commands of this tick are taken from the queue and applied.
    Ingest,
    /// Breakers and setpoints move.
    Actuate,
    /// Weather, occupants and equipment give the power of every device.
    Sense,
    /// Power flow of every island, from event to event of the protection.
    Flow,
    /// M-LMDs compare currents with the limits of their load management.
    Protect,
    /// Meter registers advance; readings are signed at interval ends.
    Meter,
    /// The data plane delivers; M-LMDs and LG-Aggregators collect.
    Aggregate,
    /// Every ledger advances to the end of the tick.
    Consensus,
    /// The cloud prices a slot whose records are final.
    Price,
    /// Decided prices have run the contracts; their orders leave the edge.
    Contract,
    /// Meters take orders and set their equipment.
    Control,
    /// Telemetry, alarms, checkers and the state hash.
    Record,
}

impl SimSystems {
    /// Every stage in the order of a tick.
    pub const ORDER: [Self; 12] = [
        Self::Ingest,
        Self::Actuate,
        Self::Sense,
        Self::Flow,
        Self::Protect,
        Self::Meter,
        Self::Aggregate,
        Self::Consensus,
        Self::Price,
        Self::Contract,
        Self::Control,
        Self::Record,
    ];
}

/// Creates [`SimTick`] with its stages chained and every ambiguity an error.
pub struct SchedulePlugin;

impl Plugin for SchedulePlugin {
    fn build(&self, app: &mut App) {
        let mut schedule = Schedule::new(SimTick);
        schedule
            .set_executor(SingleThreadedExecutor::new())
            .set_build_settings(ScheduleBuildSettings {
                ambiguity_detection: LogLevel::Error,
                ..default()
            });
        for pair in SimSystems::ORDER.windows(2) {
            schedule.configure_sets(pair[0].before(pair[1]));
        }
        app.add_schedule(schedule);
    }
}
