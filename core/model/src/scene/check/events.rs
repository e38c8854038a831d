//! Timed events and expectations.

use std::collections::BTreeSet;

use super::Check;
use super::value::Range;
use crate::scene::schema::{Condition, EventAction};
use crate::scene::spans::At;

/// Most events and most expectations of a scene.
const MAX_ENTRIES: usize = 10_000;
/// Brightest sky: irradiance at the edge of a cloud exceeds the clear sky.
const MAX_CLOUD: f64 = 2.0;
/// Largest voltage an expectation may name, pu.
const MAX_PU: f64 = 2.0;
/// Largest energy an expectation may name, kWh.
const MAX_KWH: f64 = 1e12;

impl<'a> Check<'a, '_, '_> {
    pub(super) fn events(&mut self) {
        let scene = self.scene;
        self.count("events", scene.events.len());
        for (i, event) in scene.events.iter().enumerate() {
            let at = self.at("events", i);
            self.time(at.field("at"), &event.at);
            self.action(at.field("do"), &event.action);
        }
    }

    fn count(&mut self, list: &str, len: usize) {
        if len > MAX_ENTRIES {
            let at = self.root.field(list);
            self.report.say(
                at,
                format!("{len} {list}"),
                format!("write at most {MAX_ENTRIES}"),
            );
        }
    }

    fn action(&mut self, at: At<'a>, action: &EventAction) {
        match action {
            EventAction::Open(mlmd) | EventAction::Close(mlmd) => self.mlmd_named(at.item(0), mlmd),
            EventAction::Cloud(factor) => {
                if !(0.0..=MAX_CLOUD).contains(factor) {
                    self.report.say(
                        at.item(0),
                        format!("cloud factor is {factor}"),
                        format!("write a number from 0 (dark) to {MAX_CLOUD}"),
                    );
                }
            }
            EventAction::CrashValidator(ledger, index)
            | EventAction::RestartValidator(ledger, index) => {
                if let Some(count) = self.ledger_named(at.item(0), ledger) {
                    self.validator(at.item(1), ledger, *index, count);
                }
            }
            EventAction::Partition(ledger, groups) => self.partition(at, ledger, groups),
            EventAction::Heal(ledger) => {
                self.ledger_named(at.item(0), ledger);
            }
            EventAction::SilenceMeter(meter) | EventAction::RestoreMeter(meter) => {
                let names = self.names;
                self.refers(at.item(0), "meter of", meter, &names.meters);
            }
        }
    }

    fn mlmd_named(&mut self, at: At<'_>, id: &str) {
        let names = self.names;
        self.refers(at, "M-LMD", id, &names.mlmds);
    }

    fn validator(&mut self, at: At<'_>, ledger: &str, index: u32, count: u32) {
        if index >= count {
            self.report.say(
                at,
                format!("ledger `{ledger}` has no validator {index}"),
                format!("validators are numbered 0 to {}", count.saturating_sub(1)),
            );
        }
    }

    fn partition(&mut self, at: At<'a>, ledger: &str, groups: &[Vec<u32>]) {
        let Some(count) = self.ledger_named(at.item(0), ledger) else {
            return;
        };
        let mut seen = BTreeSet::new();
        for (i, group) in groups.iter().enumerate() {
            for (j, &index) in group.iter().enumerate() {
                let place = at.item(1).item(i).item(j);
                self.validator(place, ledger, index, count);
                if !seen.insert(index) {
                    self.report.say(
                        place,
                        format!("validator {index} is in two groups"),
                        "name every validator at most once",
                    );
                }
            }
        }
    }

    pub(super) fn expectations(&mut self) {
        let scene = self.scene;
        self.count("expect", scene.expect.len());
        for (i, expectation) in scene.expect.iter().enumerate() {
            let at = self.at("expect", i);
            let time = |check: &mut Self, field: &str, text: &Option<String>| {
                text.as_ref()
                    .and_then(|text| check.time(at.field(field), text))
            };
            let from = time(self, "from", &expectation.from);
            let until = time(self, "until", &expectation.until);
            if let (from, Some(until)) = (from.unwrap_or_default(), until)
                && from >= until
            {
                self.report.say(
                    at.field("until"),
                    "the window ends before it begins",
                    "`until` must be later than `from`",
                );
            }
            self.condition(at.field("that"), &expectation.that);
        }
    }

    fn condition(&mut self, at: At<'a>, condition: &Condition) {
        match condition {
            Condition::BooksBalance | Condition::EvsServed | Condition::HeatServed => {}
            Condition::VoltageWithin { min_pu, max_pu } => {
                let range = Range::Closed(0.0, MAX_PU);
                let low = self.number(at, "min_pu", *min_pu, range);
                let high = self.number(at, "max_pu", *max_pu, range);
                self.ordered(at, "max_pu", low && high, *min_pu, *max_pu);
            }
            Condition::BlocksDecided { ledger, .. } | Condition::LedgerHalted { ledger } => {
                self.ledger_named(at.field("ledger"), ledger);
            }
            Condition::SolarPriceFollowsSupply {
                correlation_at_most,
            } => {
                let range = Range::Closed(-1.0, 1.0);
                self.number(at, "correlation_at_most", *correlation_at_most, range);
            }
            Condition::MetersMatchPhysics { max_residual_pct } => {
                self.number(
                    at,
                    "max_residual_pct",
                    *max_residual_pct,
                    Range::Closed(0.0, 100.0),
                );
            }
            Condition::Dead { mlmd } => self.mlmd_named(at.field("mlmd"), mlmd),
            Condition::ImportBetween { min_kwh, max_kwh } => {
                let range = Range::Closed(-MAX_KWH, MAX_KWH);
                let low = self.number(at, "min_kwh", *min_kwh, range);
                let high = self.number(at, "max_kwh", *max_kwh, range);
                self.ordered(at, "max_kwh", low && high, *min_kwh, *max_kwh);
            }
        }
    }

    fn ordered(&mut self, at: At<'_>, field: &str, valid: bool, low: f64, high: f64) {
        if valid && low > high {
            self.report.say(
                at.field(field),
                format!("the bounds {low} and {high} are the wrong way round"),
                "write the lower bound first",
            );
        }
    }
}
