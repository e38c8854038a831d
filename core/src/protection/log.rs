//! Sequence of events and fault records: derived, rebuilt by re-simulation.

use std::collections::VecDeque;
use std::sync::Arc;

use bevy::prelude::*;
use gridloom_protection::comtrade::{Analog, Record, Segment};
use gridloom_protection::{SoeEvent, SoeKind};

use super::plan::ProtectionPlan;

/// Entries kept at most; the oldest go first and are counted.
const ENTRIES: usize = 100_000;
/// Fault records kept at most; later ones are counted and lost.
const RECORDS: usize = 200;
/// Longest fault record, us; what follows begins another.
const LONGEST_US: u64 = 10_000_000;

/// The sequence of events, oldest first.
#[derive(Resource, Clone, Debug, Default)]
pub struct SoeLog {
    events: Arc<Vec<SoeEvent>>,
    /// Entries dropped because the list was full.
    pub dropped: u64,
}

impl SoeLog {
    /// Adds events in the order of their numbers.
    pub(super) fn extend(&mut self, fresh: &[SoeEvent]) {
        if fresh.is_empty() {
            return;
        }
        let events = Arc::make_mut(&mut self.events);
        if events.len() + fresh.len() > ENTRIES {
            let cut = (events.len() / 10).max(fresh.len()).min(events.len());
            events.drain(..cut);
            self.dropped += cut as u64;
        }
        events.extend_from_slice(fresh);
    }

    /// Everything so far.
    #[must_use]
    pub fn all(&self) -> Arc<Vec<SoeEvent>> {
        Arc::clone(&self.events)
    }

    /// Forgets events from a number on (before re-simulating them).
    pub(crate) fn truncate(&mut self, next: u64) {
        let keep = self.events.partition_point(|event| event.id < next);
        if keep < self.events.len() {
            self.events = Arc::new(self.events[..keep].to_vec());
        }
    }
}

/// A record under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    trigger_us: u64,
    from_us: u64,
    until_us: u64,
}

/// A finished record.
#[derive(Clone, Debug)]
pub struct Oscillogram {
    /// When it was triggered, us.
    pub trigger_us: u64,
    /// What happened from begin to end.
    pub segments: Vec<Segment>,
}

/// The fault recorder.
#[derive(Resource, Clone, Debug, Default)]
pub struct FaultRecorder {
    recent: VecDeque<Segment>,
    open: Option<Open>,
    records: Arc<Vec<Oscillogram>>,
    /// Records lost because there were too many.
    pub lost: u64,
}

/// Whether an event starts or prolongs a record.
fn triggers(event: &SoeEvent) -> bool {
    matches!(
        event.kind,
        SoeKind::Fault
            | SoeKind::FaultCleared
            | SoeKind::Operate
            | SoeKind::Melted
            | SoeKind::Opened
            | SoeKind::Closed
            | SoeKind::BreakerFailure
    )
}

impl FaultRecorder {
    /// Takes the segments and events of a tick.
    pub(super) fn take(
        &mut self,
        plan: &ProtectionPlan,
        segments: Vec<Segment>,
        events: &[SoeEvent],
        now_us: u64,
    ) {
        self.recent.extend(segments);
        let (before_us, after_us) = (
            plan.recorder.before_ms * 1_000,
            plan.recorder.after_ms * 1_000,
        );
        for event in events.iter().filter(|event| triggers(event)) {
            let until_us = event.at_us + after_us;
            match &mut self.open {
                Some(open) if event.at_us <= open.until_us => {
                    open.until_us = until_us.min(open.from_us + LONGEST_US);
                }
                _ => {
                    self.finish();
                    self.open = Some(Open {
                        trigger_us: event.at_us,
                        from_us: event.at_us.saturating_sub(before_us),
                        until_us,
                    });
                }
            }
        }
        if self.open.is_some_and(|open| open.until_us <= now_us) {
            self.finish();
        }
        let keep_us = now_us.saturating_sub(before_us);
        let keep_us = self.open.map_or(keep_us, |open| open.from_us.min(keep_us));
        while self.recent.front().is_some_and(|s| s.to_us <= keep_us) {
            self.recent.pop_front();
        }
    }

    /// Cuts the open record out of what was kept.
    fn finish(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        if self.records.len() >= RECORDS {
            self.lost += 1;
            return;
        }
        let mut segments = Vec::new();
        for segment in &self.recent {
            let from_us = segment.from_us.max(open.from_us);
            let to_us = segment.to_us.min(open.until_us);
            if from_us < to_us {
                segments.push(Segment {
                    from_us,
                    to_us,
                    ..segment.clone()
                });
            }
        }
        if !segments.is_empty() {
            Arc::make_mut(&mut self.records).push(Oscillogram {
                trigger_us: open.trigger_us,
                segments,
            });
        }
    }

    /// Forgets what lies after a time (before re-simulating it).
    pub(crate) fn truncate(&mut self, now_us: u64) {
        self.recent.retain(|segment| segment.to_us <= now_us);
        self.open = None;
        if self.records.iter().any(|r| r.trigger_us >= now_us) {
            Arc::make_mut(&mut self.records).retain(|record| record.trigger_us < now_us);
        }
    }

    /// The finished records, shared.
    pub(crate) fn shared(&self) -> Arc<Vec<Oscillogram>> {
        Arc::clone(&self.records)
    }

    /// Finished records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[Oscillogram] {
        &self.records
    }

    /// A finished record with all its channels, ready to be written.
    #[must_use]
    pub fn record(&self, index: usize, plan: &ProtectionPlan, frequency_hz: f64) -> Option<Record> {
        let oscillogram = self.records.get(index)?;
        let mut analog = Vec::new();
        for place in &plan.places {
            for (letter, unit) in [("I", "A"), ("U", "V")] {
                for phase in ["L1", "L2", "L3"] {
                    analog.push(Analog {
                        id: format!("{} {letter}{phase}", place.id),
                        phase: phase.to_owned(),
                        component: place.id.clone(),
                        unit: unit.to_owned(),
                    });
                }
            }
        }
        Some(Record {
            station: plan.station.clone(),
            device: "gridloom".to_owned(),
            day: plan.day,
            frequency_hz,
            rate_hz: plan.recorder.rate_hz,
            analog,
            status: plan
                .places
                .iter()
                .map(|p| format!("{} open", p.id))
                .collect(),
            segments: oscillogram.segments.clone(),
            trigger_us: oscillogram.trigger_us,
        })
    }
}
