//! The lists that a run writes beside its state: events, messages and votes,
//! sequence of events, fault records. A rewind cuts them; what was cut is kept
//! until the past changes, so that going forth again finds them whole.

use bevy::prelude::*;
use gridloom_units::Tick;

use crate::protection::{FaultRecorder, SoeLog};
use crate::record::{ConsensusLog, EventLog};

/// A copy of every derived list; the lists share what they hold.
pub(crate) struct Derived {
    /// The tick that came next when they were copied.
    pub(crate) until: Tick,
    events: EventLog,
    messages: ConsensusLog,
    soe: SoeLog,
    records: FaultRecorder,
}

impl Derived {
    /// Copies the lists of a world whose next tick is `until`.
    pub(crate) fn of(world: &World, until: Tick) -> Self {
        Self {
            until,
            events: world.resource::<EventLog>().clone(),
            messages: world.resource::<ConsensusLog>().clone(),
            soe: world.resource::<SoeLog>().clone(),
            records: world.resource::<FaultRecorder>().clone(),
        }
    }

    /// Puts them in the place of the lists of a world.
    pub(crate) fn put_back(&self, world: &mut World) {
        world.insert_resource(self.events.clone());
        world.insert_resource(self.messages.clone());
        world.insert_resource(self.soe.clone());
        world.insert_resource(self.records.clone());
    }
}
