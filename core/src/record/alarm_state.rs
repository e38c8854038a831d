//! Alarm states after ISA-18.2 and OPC UA Part 9: unacknowledged,
//! acknowledged, returned to normal, shelved, suppressed by cause, out of
//! service. All of it is state of the run, so that it rewinds.

use std::collections::BTreeMap;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::SimTime;

use super::alarm_catalogue::{entry, off_delay_ms, place, priority, priority_of};
use super::alarms::{Alarm, AlarmKind};
use crate::command::AlarmCommand;
use crate::sim_state::plain_sim_state;
use crate::spawn::Organisation;
use crate::view::{AlarmRates, AlarmState, AlarmView, Priority};

/// Finished alarms kept.
const HISTORY_KEPT: usize = 50;

/// Times of raising kept for the rates.
const RAISES_KEPT: usize = 2_000;

/// Longest shelving, min (EEMUA 191: a shift).
pub const SHELVE_MAX_MIN: u32 = 480;

/// Shelving without a time, min.
pub const SHELVE_DEFAULT_MIN: u32 = 60;

/// An alarm put aside.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Shelf {
    /// When it comes back, ms.
    pub until_ms: u64,
    /// Only until it returns to normal.
    pub one_shot: bool,
    /// Why.
    pub reason: String,
}

/// Active and recently finished alarms, and what people did about them.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Alarms {
    next: u64,
    active: BTreeMap<AlarmKind, Alarm>,
    /// Returned to normal, but nobody has acknowledged them.
    returned: BTreeMap<u64, Alarm>,
    history: Vec<Alarm>,
    shelved: BTreeMap<AlarmKind, Shelf>,
    out_of_service: BTreeMap<AlarmKind, String>,
    /// Conditions that hold but are younger than their on-delay: since when, ms.
    young: BTreeMap<AlarmKind, u64>,
    raises_ms: Vec<u64>,
    /// Alarms shown to the operator since the start.
    pub raised: u64,
    /// The same before suppression by cause.
    pub raw: u64,
    /// Whether the engine was stopped (a training event).
    pub stopped: bool,
    /// Last evaluation, ms.
    pub evaluated_ms: u64,
}

plain_sim_state!(Alarms);

/// A condition of the running tick.
pub(super) struct Condition {
    pub(super) kind: AlarmKind,
    pub(super) holds: bool,
    pub(super) fact: String,
    pub(super) customers: u32,
    /// The alarm it follows from, if that holds as well.
    pub(super) follows: Option<AlarmKind>,
    /// How long it must hold before it is raised, ms.
    pub(super) delay_ms: u64,
}

impl Alarms {
    /// Whether a kind is active.
    pub(super) fn is_active(&self, kind: AlarmKind) -> bool {
        self.active.contains_key(&kind)
    }

    /// Active alarms shown to the operator.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.active.values().filter(|a| self.shown(a)).count()
    }

    /// Active alarms of a priority (0 to 2) shown to the operator.
    #[must_use]
    pub fn active_of(&self, level: u8, homes: u32) -> usize {
        let of = |a: &&Alarm| priority(a.kind, a.customers, homes) as u8 == level;
        let shown = self.active.values().filter(|a| self.shown(a));
        shown.filter(of).count()
    }

    /// Active alarms that nobody has acknowledged.
    #[must_use]
    pub fn unacked_count(&self) -> usize {
        let shown = self.active.values().filter(|a| self.shown(a));
        shown.filter(|a| a.acked_ms.is_none()).count()
    }

    fn shown(&self, alarm: &Alarm) -> bool {
        alarm.suppressed_by.is_none()
            && !self.shelved.contains_key(&alarm.kind)
            && !self.out_of_service.contains_key(&alarm.kind)
    }

    /// Takes the condition of a tick; returns the alarm if it was just shown.
    pub(super) fn take(&mut self, now_ms: u64, condition: Condition) -> Option<&Alarm> {
        let kind = condition.kind;
        if condition.holds {
            return self.hold(now_ms, condition);
        }
        self.young.remove(&kind);
        if let Some(alarm) = self.active.get_mut(&kind) {
            let since = *alarm.receding_ms.get_or_insert(now_ms);
            if now_ms >= since + off_delay_ms(kind) {
                self.clear(now_ms, kind);
            }
        }
        None
    }

    fn hold(&mut self, now_ms: u64, condition: Condition) -> Option<&Alarm> {
        let kind = condition.kind;
        // A parent that came in the same tick or earlier explains the child.
        let parent = condition.follows.filter(|parent| *parent != kind);
        if let Some(alarm) = self.active.get_mut(&kind) {
            alarm.receding_ms = None;
            let was = std::mem::replace(&mut alarm.suppressed_by, parent);
            if was.is_none() || parent.is_some() {
                return None;
            }
            // The cause is gone, the consequence stayed: now it counts.
            alarm.raised_ms = now_ms;
        } else {
            let since = *self.young.entry(kind).or_insert(now_ms);
            if now_ms < since + condition.delay_ms {
                return None;
            }
            self.young.remove(&kind);
            let alarm = Alarm {
                id: self.next,
                kind,
                raised_ms: now_ms,
                cleared_ms: None,
                acked_ms: None,
                receding_ms: None,
                suppressed_by: parent,
                fact: condition.fact,
                customers: condition.customers,
            };
            self.next += 1;
            self.raw += 1;
            self.active.insert(kind, alarm);
        }
        let alarm = self.active.get(&kind)?;
        if !self.shown(alarm) {
            return None;
        }
        self.raised += 1;
        if self.raises_ms.len() == RAISES_KEPT {
            self.raises_ms.remove(0);
        }
        self.raises_ms.push(now_ms);
        self.active.get(&kind)
    }

    fn clear(&mut self, now_ms: u64, kind: AlarmKind) {
        let Some(mut alarm) = self.active.remove(&kind) else {
            return;
        };
        alarm.cleared_ms = Some(now_ms);
        if self.shelved.get(&kind).is_some_and(|shelf| shelf.one_shot) {
            self.shelved.remove(&kind);
        }
        let seen = alarm.acked_ms.is_some() || alarm.suppressed_by.is_some();
        if seen || self.returned.len() >= HISTORY_KEPT {
            self.finish(alarm);
        } else {
            self.returned.insert(alarm.id, alarm);
        }
    }

    fn finish(&mut self, alarm: Alarm) {
        if self.history.len() == HISTORY_KEPT {
            self.history.remove(0);
        }
        self.history.push(alarm);
    }

    /// Ends shelves whose time is over.
    pub(super) fn unshelve_due(&mut self, now_ms: u64) {
        self.shelved.retain(|_, shelf| now_ms < shelf.until_ms);
    }

    /// Kind of the alarm with a number, active or returned.
    fn kind_of(&self, id: u64) -> Option<AlarmKind> {
        let known = self.active.values().chain(self.returned.values());
        known.into_iter().find(|a| a.id == id).map(|a| a.kind)
    }

    /// Carries out what a person asked; returns a line for the event list.
    ///
    /// # Errors
    /// Says why it cannot be done.
    pub(crate) fn command(
        &mut self,
        command: &AlarmCommand,
        now_ms: u64,
        organisation: &Organisation,
    ) -> Result<String, String> {
        let title = |kind: AlarmKind| entry(kind, organisation).title;
        let find = |alarms: &Self, id: u64| {
            alarms
                .kind_of(id)
                .ok_or_else(|| format!("alarm {id} is not active any more"))
        };
        match command {
            AlarmCommand::Acknowledge(id) => {
                let kind = find(self, *id)?;
                if let Some(alarm) = self.returned.remove(id) {
                    let acked = Alarm {
                        acked_ms: Some(now_ms),
                        ..alarm
                    };
                    self.finish(acked);
                } else if let Some(alarm) = self.active.get_mut(&kind) {
                    alarm.acked_ms.get_or_insert(now_ms);
                }
                Ok(format!("Acknowledged: {}", title(kind)))
            }
            AlarmCommand::AcknowledgeAll => {
                let waiting = self.unacked_count() + self.returned.len();
                for alarm in self.active.values_mut() {
                    alarm.acked_ms.get_or_insert(now_ms);
                }
                for mut alarm in std::mem::take(&mut self.returned).into_values() {
                    alarm.acked_ms = Some(now_ms);
                    self.finish(alarm);
                }
                Ok(format!("Acknowledged: {waiting} alarms"))
            }
            AlarmCommand::Shelve {
                id,
                minutes,
                one_shot,
                reason,
            } => {
                let kind = find(self, *id)?;
                let customers = self.active.get(&kind).map_or(0, |a| a.customers);
                if priority(kind, customers, organisation.homes) == Priority::P1 {
                    return Err("an alarm of priority 1 cannot be shelved".into());
                }
                if reason.trim().is_empty() {
                    return Err("shelving needs a reason".into());
                }
                let minutes = (*minutes).clamp(1, SHELVE_MAX_MIN);
                let shelf = Shelf {
                    until_ms: now_ms + u64::from(minutes) * 60_000,
                    one_shot: *one_shot,
                    reason: reason.clone(),
                };
                self.shelved.insert(kind, shelf);
                Ok(format!(
                    "Shelved for {minutes} min: {} ({reason})",
                    title(kind)
                ))
            }
            AlarmCommand::Unshelve(id) => {
                let kind = find(self, *id)?;
                self.shelved
                    .remove(&kind)
                    .map(|_| format!("Back from the shelf: {}", title(kind)))
                    .ok_or_else(|| format!("alarm {id} is not shelved"))
            }
            AlarmCommand::OutOfService { id, out, reason } => {
                let kind = find(self, *id)?;
                if *out {
                    self.out_of_service.insert(kind, reason.clone());
                    Ok(format!("Out of service: {} ({reason})", title(kind)))
                } else {
                    self.out_of_service.remove(&kind);
                    Ok(format!("In service again: {}", title(kind)))
                }
            }
            AlarmCommand::Engine { run } => {
                self.stopped = !run;
                Ok(if *run {
                    "Alarm engine started".to_owned()
                } else {
                    "Alarm engine stopped".to_owned()
                })
            }
        }
    }

    fn state(&self, alarm: &Alarm) -> AlarmState {
        if self.out_of_service.contains_key(&alarm.kind) {
            AlarmState::OutOfService
        } else if self.shelved.contains_key(&alarm.kind) {
            AlarmState::Shelved
        } else if alarm.suppressed_by.is_some() {
            AlarmState::Suppressed
        } else {
            match (alarm.cleared_ms.is_some(), alarm.acked_ms.is_some()) {
                (false, false) => AlarmState::Unacknowledged,
                (false, true) => AlarmState::Acknowledged,
                (true, false) => AlarmState::ReturnedUnacknowledged,
                (true, true) => AlarmState::Normal,
            }
        }
    }

    /// Everything for the list: unacknowledged first, then by priority and age.
    #[must_use]
    pub fn views(&self, organisation: &Organisation) -> Vec<AlarmView> {
        let mut views: Vec<AlarmView> = self
            .active
            .values()
            .chain(self.returned.values())
            .chain(self.history.iter().rev())
            .map(|alarm| self.view(alarm, organisation))
            .collect();
        views.sort_by_key(|v| {
            let hidden = matches!(
                v.state,
                AlarmState::Shelved | AlarmState::Suppressed | AlarmState::OutOfService
            );
            (!v.active, hidden, v.priority, std::cmp::Reverse(v.raised))
        });
        views
    }

    fn view(&self, alarm: &Alarm, organisation: &Organisation) -> AlarmView {
        let entry = entry(alarm.kind, organisation);
        let folded = self
            .active
            .values()
            .filter(|child| child.suppressed_by == Some(alarm.kind))
            .count();
        AlarmView {
            id: alarm.id,
            priority: priority_of(alarm, organisation),
            active: alarm.cleared_ms.is_none(),
            state: if alarm.cleared_ms.is_some() && alarm.suppressed_by.is_some() {
                AlarmState::Normal
            } else {
                self.state(alarm)
            },
            title: entry.title,
            fact: alarm.fact.clone(),
            cause: entry.cause.to_owned(),
            consequence: entry.consequence.to_owned(),
            action: entry.action,
            raised: SimTime(alarm.raised_ms),
            cleared: alarm.cleared_ms.map(SimTime),
            acked: alarm.acked_ms.map(SimTime),
            shelved_until: self.shelved.get(&alarm.kind).map(|s| SimTime(s.until_ms)),
            respond_s: entry.respond_s,
            folded: if alarm.cleared_ms.is_none() {
                folded
            } else {
                0
            },
            place: place(alarm.kind, organisation),
        }
    }

    /// Rates for the alarm panel.
    #[must_use]
    pub fn rates(&self, now_ms: u64) -> AlarmRates {
        let within = |ms: u64| {
            self.raises_ms
                .iter()
                .filter(|&&at| at <= now_ms && now_ms - at < ms)
                .count()
        };
        AlarmRates {
            last_10_min: within(600_000),
            last_hour: within(3_600_000),
            shown: self.raised,
            raw: self.raw,
            shelved: self.shelved.len(),
            suppressed: self
                .active
                .values()
                .filter(|a| a.suppressed_by.is_some())
                .count(),
            out_of_service: self.out_of_service.len(),
            evaluated: SimTime(self.evaluated_ms),
        }
    }

    /// Times at which alarms were shown to the operator, ms (bounded).
    #[must_use]
    pub fn raises_ms(&self) -> &[u64] {
        &self.raises_ms
    }
}

#[cfg(test)]
mod tests {
    use super::super::alarm_catalogue::on_delay_ms;
    use super::*;

    fn condition(kind: AlarmKind, holds: bool, follows: Option<AlarmKind>) -> Condition {
        Condition {
            kind,
            holds,
            fact: "fact".into(),
            customers: 1,
            follows,
            delay_ms: on_delay_ms(kind),
        }
    }

    fn parts() -> Organisation {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../scenes/two_houses.scene.ron"
        );
        let loaded = gridloom_model::scene::load(path.as_ref()).expect("the scene loads");
        Organisation::new(&loaded, 1)
    }

    const SILENT: AlarmKind = AlarmKind::MeterSilent(3);

    #[test]
    fn an_alarm_waits_for_its_acknowledgement() {
        let (mut alarms, parts) = (Alarms::default(), parts());
        assert!(alarms.take(1_000, condition(SILENT, true, None)).is_some());
        assert!(alarms.take(2_000, condition(SILENT, true, None)).is_none());
        assert_eq!(alarms.unacked_count(), 1);
        alarms.take(3_000, condition(SILENT, false, None));
        let view = &alarms.views(&parts)[0];
        assert_eq!(view.state, AlarmState::ReturnedUnacknowledged);
        let id = view.id;
        alarms
            .command(&AlarmCommand::Acknowledge(id), 4_000, &parts)
            .expect("known");
        assert_eq!(alarms.views(&parts)[0].state, AlarmState::Normal);
        let again = alarms.command(&AlarmCommand::Acknowledge(id), 5_000, &parts);
        assert!(again.is_err(), "it is finished");
    }

    #[test]
    fn consequences_fold_into_their_cause_and_come_back_without_it() {
        let parts = parts();
        let mut alarms = Alarms::default();
        let parent = AlarmKind::AreaSilent(0);
        alarms.take(1_000, condition(parent, true, None));
        for m in 0..5 {
            let child = condition(AlarmKind::MeterSilent(m), true, Some(parent));
            assert!(alarms.take(1_000, child).is_none());
        }
        assert_eq!((alarms.raised, alarms.raw), (1, 6));
        let parent_view = alarms.views(&parts).into_iter().find(|v| v.folded > 0);
        assert_eq!(parent_view.map(|v| v.folded), Some(5));
        alarms.take(9_000, condition(parent, false, None));
        let child = condition(AlarmKind::MeterSilent(2), true, None);
        assert!(alarms.take(9_000, child).is_some(), "it stands alone now");
        assert_eq!(alarms.raised, 2);
    }

    #[test]
    fn shelving_has_limits_and_ends() {
        let parts = parts();
        let mut alarms = Alarms::default();
        alarms.take(0, condition(SILENT, true, None));
        alarms.take(0, condition(AlarmKind::NoSolution, true, None));
        let shelve = |id, minutes, reason: &str| AlarmCommand::Shelve {
            id,
            minutes,
            one_shot: false,
            reason: reason.into(),
        };
        assert!(alarms.command(&shelve(1, 60, "test"), 0, &parts).is_err());
        assert!(alarms.command(&shelve(0, 60, " "), 0, &parts).is_err());
        assert!(alarms.command(&shelve(0, 9_999, "test"), 0, &parts).is_ok());
        assert_eq!(alarms.rates(0).shelved, 1);
        alarms.unshelve_due(u64::from(SHELVE_MAX_MIN) * 60_000 - 1);
        assert_eq!(alarms.rates(0).shelved, 1);
        alarms.unshelve_due(u64::from(SHELVE_MAX_MIN) * 60_000);
        assert_eq!(alarms.rates(0).shelved, 0);
    }

    #[test]
    fn delays_keep_alarms_from_chattering() {
        let mut alarms = Alarms::default();
        let kind = AlarmKind::Voltage(0);
        let mut shown = 0;
        for second in 0..600_u64 {
            // On for 15 s, off for 5 s.
            let holds = second % 20 < 15;
            let taken = alarms.take(second * 1_000, condition(kind, holds, None));
            shown += u32::from(taken.is_some());
        }
        assert_eq!(shown, 1);
    }
}
