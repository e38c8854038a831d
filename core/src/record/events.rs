//! The event list of the tape; derived, rebuilt by re-simulation.

use std::sync::Arc;

use bevy::prelude::*;
use gridloom_units::{SimTime, Tick};

use crate::clock::SimClock;
use crate::view::{EventKind, EventView, Selected};

/// Events kept at most; the oldest go first and are counted.
const LIMIT: usize = 20_000;

/// What happened, in time order.
#[derive(Resource, Clone, Debug, Default)]
pub struct EventLog {
    events: Arc<Vec<EventView>>,
    /// Events dropped because the list was full.
    pub dropped: u64,
}

impl EventLog {
    /// Adds an event of the running tick.
    pub fn push(
        &mut self,
        clock: &SimClock,
        kind: EventKind,
        place: Option<Selected>,
        text: impl Into<String>,
    ) {
        self.push_at(clock.tick, clock.time(), kind, place, text);
    }

    /// Adds an event with its own time stamp inside the tick.
    pub fn push_at(
        &mut self,
        tick: Tick,
        time: SimTime,
        kind: EventKind,
        place: Option<Selected>,
        text: impl Into<String>,
    ) {
        let events = Arc::make_mut(&mut self.events);
        if events.len() == LIMIT {
            events.drain(..LIMIT / 10);
            self.dropped += (LIMIT / 10) as u64;
        }
        events.push(EventView {
            time,
            tick,
            text: text.into(),
            kind,
            place,
        });
    }

    /// Everything so far.
    #[must_use]
    pub fn all(&self) -> Arc<Vec<EventView>> {
        Arc::clone(&self.events)
    }

    /// Forgets events of `tick` and later (before re-simulating them).
    pub fn truncate(&mut self, tick: Tick) {
        let keep = self.events.partition_point(|event| event.tick < tick);
        if keep < self.events.len() {
            self.events = Arc::new(self.events[..keep].to_vec());
        }
    }
}
