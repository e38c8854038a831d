//! Timed events and expectations.

use std::collections::BTreeSet;

use super::Check;
use super::value::Range;
use crate::scene::spans::At;
use crate::scene::technology::DataPlace;
use crate::scene::{Condition, EventAction};

/// Most events and most expectations of a scene.
const MAX_ENTRIES: usize = 10_000;
/// Brightest sky: irradiance at the edge of a cloud exceeds the clear sky.
const MAX_CLOUD: f64 = 2.0;
/// Largest voltage an expectation may name, pu.
const MAX_PU: f64 = 2.0;
/// Largest energy an expectation may name, kWh.
const MAX_KWH: f64 = 1e12;

/// Most homes one decision of the root may list.
const MAX_MOVED: usize = 256;
/// Most messages of a ledger that may be lost, permille.
const MAX_LOSS_PERMILLE: u32 = 900;

impl<'a> Check<'a, '_, '_> {
    pub(super) fn events(&mut self) {
        let scene = self.scene;
        self.count("events", scene.events.len());
        for (i, event) in scene.events.iter().enumerate() {
            let at = self.at("events", i);
            let time = self.time(at.field("at"), &event.at);
            self.action(at.field("do"), &event.action);
            if let (EventAction::Bid(_, bid), Some(time)) = (&event.action, time) {
                self.bid_in_time(at.field("do"), bid, time);
            }
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

    pub(super) fn action(&mut self, at: At<'a>, action: &EventAction) {
        match action {
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
            EventAction::TamperMeter(meter, how) => {
                let names = self.names;
                self.refers(at.item(0), "meter of", meter, &names.meters);
                if let Some((value, low, high)) = how.bounds()
                    && !(low..=high).contains(&value)
                {
                    self.report.say(
                        at.item(1),
                        format!("{value} is out of range for {how:?}"),
                        format!("write a whole number from {low} to {high}"),
                    );
                }
            }
            EventAction::DriftMlmd(mlmd, permille) => {
                self.mlmd_named(at.item(0), mlmd);
                if permille.abs() > 500 {
                    self.report.say(
                        at.item(1),
                        format!("a drift of {permille} permille is a defect, not a drift"),
                        "write -500 to 500".to_owned(),
                    );
                }
            }
            EventAction::Misbehave(ledger, index, _) => {
                if let Some(count) = self.ledger_named(at.item(0), ledger) {
                    self.validator(at.item(1), ledger, *index, count);
                }
            }
            EventAction::LedgerLoss(ledger, permille) => {
                self.ledger_named(at.item(0), ledger);
                if *permille > MAX_LOSS_PERMILLE {
                    self.report.say(
                        at.item(1),
                        format!("{permille} permille of messages are lost"),
                        format!("write 0 to {MAX_LOSS_PERMILLE}"),
                    );
                }
            }
            EventAction::LoseOutside(ledger) => {
                self.ledger_named(at.item(0), ledger);
                let kept = self.scene.technologies().find(|(id, _)| id == ledger);
                if kept.is_some_and(|(_, t)| t.parts().data == DataPlace::OnChain) {
                    self.report.say(
                        at.item(0),
                        format!("ledger `{ledger}` keeps its data in its blocks"),
                        "write `technology: Of((data: OffChain))` there",
                    );
                }
            }
            EventAction::CloudLink(_) => {}
            EventAction::Upload(upload) => self.upload(at.item(0), *upload),
            EventAction::Bid(home, bid) => self.bid(at, home, bid),
            EventAction::Move(from, to, homes) => self.moving(at, from, to, homes),
            EventAction::SilenceMeter(meter)
            | EventAction::RestoreMeter(meter)
            | EventAction::RepairMeter(meter) => {
                let names = self.names;
                self.refers(at.item(0), "meter of", meter, &names.meters);
            }
            EventAction::CloudFront(front) => self.cloud_front(at.item(0), front),
            EventAction::BlockForming(id) => {
                self.needs_islanding(at);
                self.forming_named(at.item(0), id);
            }
            EventAction::LoseGrid
            | EventAction::RestoreGrid
            | EventAction::Island
            | EventAction::Resynchronise
            | EventAction::BlackStart => self.needs_islanding(at),
            EventAction::Open(_)
            | EventAction::Close(_)
            | EventAction::Fault(_)
            | EventAction::ClearFault(_)
            | EventAction::OpenConductor(..)
            | EventAction::CloseConductor(..)
            | EventAction::StickBreaker(_)
            | EventAction::FreeBreaker(_)
            | EventAction::Program(..)
            | EventAction::ReleaseSection(_)
            | EventAction::JamRadio(_)
            | EventAction::ClearRadio(_) => self.protection_action(at, action),
            EventAction::AcknowledgeAlarms | EventAction::AlarmEngine(_) => {}
        }
    }

    fn moving(&mut self, at: At<'a>, from: &str, to: &str, homes: &[String]) {
        self.ledger_named(at.item(0), from);
        self.ledger_named(at.item(1), to);
        if from == to || from == "root" || to == "root" {
            self.report.say(
                at.item(1),
                "homes move from one cluster to another one",
                "name two different clusters",
            );
        }
        if homes.len() > MAX_MOVED {
            self.report.say(
                at.item(2),
                format!("{} homes in one decision", homes.len()),
                format!("list at most {MAX_MOVED}, or none for all of them"),
            );
        }
        let names = self.names;
        for home in homes {
            self.refers(at.item(2), "meter of", home, &names.meters);
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
        if self.island_condition(at, condition) {
            return;
        }
        match condition {
            Condition::RelaysOnCurve { .. }
            | Condition::NoSupplyFromDeadSections
            | Condition::EnergyBalances { .. }
            | Condition::CustomersOut { .. }
            | Condition::RestoredWithin { .. }
            | Condition::SoeContains { .. }
            | Condition::SoeLacks { .. }
            | Condition::DeviceOpen { .. }
            | Condition::DeviceClosed { .. } => self.protection_condition(at, condition),
            Condition::BooksBalance
            | Condition::EvsServed
            | Condition::HeatServed
            | Condition::AlarmsAtMost(_) => {}
            Condition::Holds(text) | Condition::Always(text) | Condition::Once(text) => {
                self.expression(at.item(0), text);
            }
            Condition::VoltageWithin { min_pu, max_pu } => {
                let range = Range::Closed(0.0, MAX_PU);
                let low = self.number(at, "min_pu", *min_pu, range);
                let high = self.number(at, "max_pu", *max_pu, range);
                self.ordered(at, "max_pu", low && high, *min_pu, *max_pu);
            }
            Condition::BlocksDecided { ledger, .. }
            | Condition::LedgerHalted { ledger }
            | Condition::IslandSettled { ledger, .. }
            | Condition::PriceReversals { ledger, .. } => {
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
            Condition::UntrueNamed { meters, mlmds, .. } => {
                let names = self.names;
                for (i, meter) in meters.iter().enumerate() {
                    let place = at.field("meters").item(i);
                    self.refers(place, "meter of", meter, &names.meters);
                }
                for (i, mlmd) in mlmds.iter().enumerate() {
                    self.mlmd_named(at.field("mlmds").item(i), mlmd);
                }
            }
            Condition::Dead { mlmd } => self.mlmd_named(at.field("mlmd"), mlmd),
            Condition::ImportBetween { min_kwh, max_kwh } => {
                let range = Range::Closed(-MAX_KWH, MAX_KWH);
                let low = self.number(at, "min_kwh", *min_kwh, range);
                let high = self.number(at, "max_kwh", *max_kwh, range);
                self.ordered(at, "max_kwh", low && high, *min_kwh, *max_kwh);
            }
            // Checked above.
            _ => {}
        }
    }

    pub(super) fn ordered(&mut self, at: At<'_>, field: &str, valid: bool, low: f64, high: f64) {
        if valid && low > high {
            self.report.say(
                at.field(field),
                format!("the bounds {low} and {high} are the wrong way round"),
                "write the lower bound first",
            );
        }
    }
}
