//! Steps by kind, and the last change of a value.

use gridloom_model::expr::Value;
use gridloom_units::Tick;

use crate::edge::{Step, Steps};
use crate::ledger::LedgerGroup;
use crate::playback::StepKind;
use crate::query::Query;
use crate::record::{Alarms, ConsensusLog, EventLog, Telemetry};
use crate::twin::Twin;
use crate::view::EventKind;

impl Twin {
    /// A number that changes when something of a kind happened.
    #[must_use]
    pub fn mark(&self, kind: StepKind) -> u64 {
        let world = self.world();
        let ledgers = || {
            let roster = world.resource::<crate::sim_state::Roster>();
            roster
                .0
                .iter()
                .filter_map(|&entity| world.get::<LedgerGroup>(entity))
        };
        match kind {
            StepKind::Tick | StepKind::Iteration => self.tick().0,
            StepKind::Event => {
                let log = world.resource::<EventLog>();
                log.all().len() as u64 + log.dropped
            }
            StepKind::Alarm => world.resource::<Alarms>().raised,
            StepKind::Block => ledgers().map(|g| g.group.height()).sum(),
            StepKind::Round => ledgers()
                .flat_map(|g| g.group.statuses())
                .map(|s| s.height * 1_000 + u64::from(s.round))
                .max()
                .unwrap_or(0),
            StepKind::Message => ledgers().map(|g| g.group.network_counters().sent).sum(),
            StepKind::Contract => world.resource::<Steps>().get(Step::ControlToMeter).count,
        }
    }

    /// The last tick before the present one after which something of a kind
    /// had just happened.
    #[must_use]
    pub fn previous(&self, kind: StepKind) -> Option<Tick> {
        let (now, tick_ms) = (self.tick().0, self.tick_ms());
        let world = self.world();
        // What happened within tick t shows once the clock is at t + 1.
        let before = |ticks: &mut dyn Iterator<Item = u64>| {
            ticks.map(|t| t + 1).filter(|&shown| shown < now).max()
        };
        let events = |keep: fn(EventKind) -> bool| {
            let all = world.resource::<EventLog>().all();
            let mut ticks = all.iter().filter(|e| keep(e.kind)).map(|e| e.tick.0);
            before(&mut ticks)
        };
        let ledgers = world.resource::<crate::ledger::Ledgers>().names.len();
        let log = world.resource::<ConsensusLog>();
        let found = match kind {
            StepKind::Tick | StepKind::Iteration => now.checked_sub(1),
            StepKind::Event => events(|kind| !matches!(kind, EventKind::Price)),
            StepKind::Alarm => events(|kind| matches!(kind, EventKind::Alarm(_))),
            StepKind::Contract => events(|kind| matches!(kind, EventKind::Price)),
            StepKind::Block => {
                let history = world.resource::<Telemetry>().history();
                let mut ticks = history.blocks.iter().map(|(at, ..)| at.0 / tick_ms);
                before(&mut ticks)
            }
            StepKind::Round => (0..ledgers)
                .filter_map(|l| {
                    let rounds = log.rounds(l);
                    let mut ticks = rounds.iter().map(|r| r.first_us / 1_000 / tick_ms);
                    before(&mut ticks)
                })
                .max(),
            StepKind::Message => (0..ledgers)
                .filter_map(|l| {
                    let messages = log.messages(l);
                    let mut ticks = messages.iter().map(|m| m.sent_us / 1_000 / tick_ms);
                    before(&mut ticks)
                })
                .max(),
        };
        found.map(Tick)
    }

    /// The value of a query now.
    #[must_use]
    pub fn value(&self, query: &Query) -> Value {
        query.value(self.world())
    }

    /// Goes back to the tick at which the value of a query last changed (a
    /// reverse watchpoint) and returns it; stays where it is when the value
    /// did not change within `reach` ticks.
    pub fn last_change(&mut self, query: &Query, reach: u64) -> Option<Tick> {
        let now = self.tick();
        let oldest = now.0.saturating_sub(reach);
        let mut end = now;
        while end.0 > oldest {
            let start = self.keyframe_before(end)?;
            self.seek(start);
            let mut last = self.value(query);
            let mut changed = None;
            while self.tick() < end {
                self.step();
                let value = self.value(query);
                // The present moment itself is no earlier change.
                if value != last && self.tick() < now {
                    changed = Some(self.tick());
                }
                last = value;
            }
            if let Some(tick) = changed {
                self.seek(tick);
                return Some(tick);
            }
            end = start;
        }
        self.seek(now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, TwinOptions};

    fn twin() -> Twin {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../scenes/two_houses.scene.ron"
        );
        let loaded = gridloom_model::scene::load(path.as_ref()).expect("the scene loads");
        let options = TwinOptions {
            rewindable: true,
            ..TwinOptions::default()
        };
        Twin::new(loaded, options).expect("the scene can be built")
    }

    #[test]
    fn the_last_change_of_a_value_is_found_across_keyframes() {
        let mut twin = twin();
        twin.run_until(Tick(100));
        twin.send(Command::SetCloud(400));
        twin.run_until(Tick(700));
        let query = Query::new("cloud", twin.scene()).expect("known");
        assert_eq!(twin.last_change(&query, 2_000), Some(Tick(101)));
        assert_eq!(twin.tick(), Tick(101));
        let constant = Query::new("tied", twin.scene()).expect("known");
        twin.run_until(Tick(300));
        assert_eq!(twin.last_change(&constant, 2_000), None);
        assert_eq!(twin.tick(), Tick(300));
        assert_eq!(twin.divergence(), None);
    }

    #[test]
    fn steps_back_by_kind_stop_where_something_happened() {
        let mut twin = twin();
        twin.run_until(Tick(200));
        for kind in [StepKind::Block, StepKind::Message, StepKind::Round] {
            let target = twin.previous(kind).expect("ledgers run");
            assert!(target < Tick(200));
            twin.seek(Tick(target.0 - 1));
            let before = twin.mark(kind);
            twin.step();
            assert_ne!(before, twin.mark(kind), "{kind:?} at {target:?}");
            twin.run_until(Tick(200));
        }
        assert_eq!(twin.previous(StepKind::Tick), Some(Tick(199)));
    }
}
