//! Record: telemetry, alarms, checkers and the state hash.

mod alarm_catalogue;
mod alarm_state;
mod alarms;
mod consensus_log;
mod events;
mod island_alarms;
mod telemetry;

pub(crate) use alarm_catalogue::rows as alarm_rows;
pub use alarm_state::{Alarms, SHELVE_DEFAULT_MIN, SHELVE_MAX_MIN};
pub use alarms::{Alarm, AlarmKind};
pub use consensus_log::ConsensusLog;
pub use events::EventLog;
pub(crate) use telemetry::storage_soc;
pub use telemetry::{Energy, SAMPLE_MS, Telemetry};

use bevy::prelude::*;

use crate::clock::EndOfTick;
use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::{self, RegisterSimState};

/// Hash of the state after the last tick.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct StateHash(pub [u8; 32]);

/// Owns telemetry, events, alarms and the state hash.
pub struct RecordPlugin;

/// The systems of `Record`; what they read is noted before them.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Recording;

/// After the clock has moved: the state of the finished tick is hashed.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
struct AfterTick;

impl Plugin for RecordPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<StateHash>()
            .init_resource::<EventLog>()
            .init_resource::<ConsensusLog>()
            .init_resource::<Telemetry>()
            .init_resource::<Energy>()
            .init_resource::<Alarms>()
            .register_sim_resource::<Energy>()
            .register_sim_resource::<Alarms>();
        app.configure_sets(SimTick, AfterTick.after(EndOfTick));
        app.add_systems(
            SimTick,
            (
                telemetry::accumulate,
                telemetry::sample,
                alarms::evaluate,
                consensus_log::note_messages,
            )
                .chain()
                .in_set(SimSystems::Record)
                .in_set(Recording),
        );
        app.add_systems(SimTick, hash_state.in_set(AfterTick));
    }
}

fn hash_state(world: &mut World) {
    let hash = sim_state::digest(world);
    world.resource_mut::<StateHash>().0 = hash;
}
