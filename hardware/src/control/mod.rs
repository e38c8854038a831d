//! When a device may be written, and with what: a pure state machine.
//!
//! Nothing is written unless a named person armed the device for a limited
//! time. Every value passes limits, interlocks on good readings and a write
//! budget; it is read back, and a difference disarms. Whatever ends the arming
//! (the person, the time, a lost heartbeat or link, a difference), every point
//! that was written is set to its fail-safe value, again and again until the
//! device confirms it. Time is handed in, milliseconds of any clock that only
//! moves forward; nothing here reads a clock or a socket.

mod point;
mod types;

use std::collections::{BTreeMap, VecDeque};

pub use point::{Interlock, WriteSpec};
pub use types::{
    ArmRequest, ControlEvent, ControlState, DisarmReason, Measured, Permit, Refused, Task,
};

use point::WritePoint;

use crate::Profile;

/// Longest time a device can be armed for at once, ms.
pub const MAX_LEASE_MS: u64 = 8 * 3_600_000;
/// Events kept until somebody fetches them.
const MAX_EVENTS: usize = 256;
/// Age above which a reading satisfies no interlock, ms.
const INTERLOCK_AGE_MS: u64 = 10_000;
/// Pause between two attempts to set a fail-safe value, ms.
const RELEASE_PAUSE_MS: u64 = 500;
/// Failed attempts to set a fail-safe value after which an alarm is raised.
const RELEASE_ALARM: u32 = 3;
/// One day, ms.
const DAY_MS: u64 = 86_400_000;

/// Control of one device.
#[derive(Debug)]
pub struct Control {
    points: Vec<WritePoint>,
    interlocks: Vec<Interlock>,
    state: ControlState,
    /// Until when the arming lasts, ms.
    until_ms: u64,
    heartbeat_ms: u64,
    watchdog_ms: u64,
    link_up: bool,
    wanted: BTreeMap<usize, Wanted>,
    /// Points whose fail-safe value has yet to be confirmed.
    releasing: BTreeMap<usize, Release>,
    events: VecDeque<ControlEvent>,
    /// Events nobody fetched in time.
    pub dropped_events: u64,
}

/// A value somebody asked for.
#[derive(Debug)]
struct Wanted {
    value: f64,
    state: Step,
    written_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    ToWrite,
    Settling,
    Holding,
}

#[derive(Debug, Default)]
struct Release {
    next_ms: u64,
    attempts: u32,
    written: bool,
}

impl Control {
    /// For the writable points of a profile; `watchdog_ms` is the longest time
    /// without a heartbeat of the twin.
    #[must_use]
    pub fn new(profile: &Profile, watchdog_ms: u64) -> Self {
        Self {
            points: point::writable(profile),
            interlocks: profile.interlocks.clone(),
            state: ControlState::Disarmed(DisarmReason::NeverArmed),
            until_ms: 0,
            heartbeat_ms: 0,
            watchdog_ms,
            link_up: false,
            wanted: BTreeMap::new(),
            releasing: BTreeMap::new(),
            events: VecDeque::new(),
            dropped_events: 0,
        }
    }

    /// State now.
    #[must_use]
    pub fn state(&self) -> &ControlState {
        &self.state
    }

    /// Milliseconds the arming still lasts; zero when disarmed.
    #[must_use]
    pub fn lease_left_ms(&self, now_ms: u64) -> u64 {
        match self.state {
            ControlState::Armed { .. } => self.until_ms.saturating_sub(now_ms),
            ControlState::Disarmed(_) => 0,
        }
    }

    /// Arms the device.
    ///
    /// # Errors
    /// Fails when no person is named, the time is none or too long, simulated
    /// time is not real time, the device is not the expected one, model and
    /// device do not agree, the link is down or a fail-safe value is not
    /// confirmed yet.
    pub fn arm(&mut self, now_ms: u64, request: &ArmRequest) -> Result<(), Refused> {
        if request.by.trim().is_empty() {
            return Err(Refused::NoName);
        }
        if request.lease_ms == 0 || request.lease_ms > MAX_LEASE_MS {
            return Err(Refused::Lease(request.lease_ms));
        }
        if request.speed_permille != 1_000 {
            return Err(Refused::NotRealTime(request.speed_permille));
        }
        if !self.link_up {
            return Err(Refused::LinkDown);
        }
        if !request.identity_checked {
            return Err(Refused::Identity);
        }
        if !request.model_agrees {
            return Err(Refused::Disagreement);
        }
        if !self.releasing.is_empty() {
            return Err(Refused::Releasing);
        }
        if self.points.is_empty() {
            return Err(Refused::NothingWritable);
        }
        self.state = ControlState::Armed {
            by: request.by.trim().to_owned(),
        };
        self.until_ms = now_ms.saturating_add(request.lease_ms);
        self.heartbeat_ms = now_ms;
        self.event(ControlEvent::Armed {
            by: request.by.trim().to_owned(),
            lease_ms: request.lease_ms,
        });
        Ok(())
    }

    /// The twin lives and runs in real time.
    pub fn heartbeat(&mut self, now_ms: u64) {
        self.heartbeat_ms = self.heartbeat_ms.max(now_ms);
    }

    /// Ends the arming; what was written goes to its fail-safe value.
    pub fn disarm(&mut self, reason: DisarmReason) {
        if !matches!(self.state, ControlState::Armed { .. }) {
            return;
        }
        for index in std::mem::take(&mut self.wanted).into_keys() {
            self.releasing.insert(index, Release::default());
        }
        self.event(ControlEvent::Disarmed(reason.clone()));
        self.state = ControlState::Disarmed(reason);
    }

    /// The connection came up or broke.
    pub fn link(&mut self, up: bool) {
        self.link_up = up;
        if !up {
            self.disarm(DisarmReason::LinkLost);
        }
    }

    /// Asks for a value.
    ///
    /// # Errors
    /// Fails unless armed, within limits and steps, and every interlock of the
    /// point is met by a good and recent reading.
    pub fn set(
        &mut self,
        now_ms: u64,
        id: &str,
        value: f64,
        measured: &dyn Fn(&str) -> Option<Measured>,
    ) -> Result<(), Refused> {
        self.lapse(now_ms);
        if !matches!(self.state, ControlState::Armed { .. }) {
            return Err(Refused::NotArmed);
        }
        let index = self
            .points
            .iter()
            .position(|point| point.id == id)
            .ok_or_else(|| Refused::NotWritable(id.to_owned()))?;
        let point = &self.points[index];
        point.check(value)?;
        for lock in self.interlocks.iter().filter(|lock| lock.concerns(id)) {
            lock.check(measured(&lock.point), INTERLOCK_AGE_MS)?;
        }
        let point = &mut self.points[index];
        let unchanged = self.wanted.get(&index).is_some_and(|w| w.value == value);
        if !unchanged {
            point.spend(now_ms / DAY_MS)?;
            self.wanted.insert(
                index,
                Wanted {
                    value,
                    state: Step::ToWrite,
                    written_ms: now_ms,
                },
            );
        }
        Ok(())
    }

    /// What to do on the line now, writes before read-backs; `None` when there
    /// is nothing. The outcome has to be told by [`Control::written`] or
    /// [`Control::read_back`].
    pub fn next(&mut self, now_ms: u64) -> Option<Task> {
        self.lapse(now_ms);
        if !self.link_up {
            return None;
        }
        for (&index, release) in &self.releasing {
            if release.next_ms <= now_ms {
                let point = &self.points[index];
                return Some(if release.written {
                    Task::ReadBack { point: point.index }
                } else {
                    point.task(Permit::new(), point.spec.fail_safe, true)
                });
            }
        }
        for (&index, wanted) in &self.wanted {
            let point = &self.points[index];
            let since = now_ms.saturating_sub(wanted.written_ms);
            match wanted.state {
                Step::ToWrite => return Some(point.task(Permit::new(), wanted.value, false)),
                Step::Settling if since >= point.spec.settle_ms => {
                    return Some(Task::ReadBack { point: point.index });
                }
                Step::Holding if point.refresh_due(since) => {
                    return Some(point.task(Permit::new(), wanted.value, false));
                }
                Step::Settling | Step::Holding => {}
            }
        }
        None
    }

    /// Notes the outcome of a write of the profile's point `of`.
    pub fn written(&mut self, now_ms: u64, of: usize, done: Result<(), String>) {
        let Some(index) = self.points.iter().position(|point| point.index == of) else {
            return;
        };
        let settle_ms = self.points[index].spec.settle_ms;
        if let Some(release) = self.releasing.get_mut(&index) {
            match done {
                Ok(()) => {
                    release.written = true;
                    release.next_ms = now_ms + settle_ms;
                }
                Err(why) => self.release_failed(index, now_ms, &why),
            }
            return;
        }
        let Some(wanted) = self.wanted.get_mut(&index) else {
            return;
        };
        wanted.written_ms = now_ms;
        match done {
            Ok(()) => wanted.state = Step::Settling,
            Err(why) => {
                let point = self.points[index].id.clone();
                self.alarm(format!("writing `{point}` failed: {why}"));
                self.disarm(DisarmReason::WriteFailed { point });
            }
        }
    }

    /// Notes what a read-back of the profile's point `of` found.
    pub fn read_back(&mut self, now_ms: u64, of: usize, found: Result<f64, String>) {
        let Some(index) = self.points.iter().position(|point| point.index == of) else {
            return;
        };
        let point = &self.points[index];
        let id = point.id.clone();
        if self.releasing.contains_key(&index) {
            let expected = point.spec.fail_safe;
            match found {
                Ok(value) if point.agrees(value, expected) => {
                    self.releasing.remove(&index);
                    self.event(ControlEvent::Released {
                        point: id,
                        value: expected,
                    });
                }
                Ok(value) => self.release_failed(index, now_ms, &format!("it reads {value}")),
                Err(why) => self.release_failed(index, now_ms, &why),
            }
            return;
        }
        let Some(wanted) = self.wanted.get_mut(&index) else {
            return;
        };
        let expected = wanted.value;
        match found {
            Ok(value) if point.agrees(value, expected) => {
                wanted.state = Step::Holding;
                self.event(ControlEvent::Confirmed {
                    point: id,
                    value: expected,
                });
            }
            found => {
                let found = found.ok();
                self.alarm(format!(
                    "`{id}` was set to {expected} and reads {}",
                    found.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
                ));
                self.disarm(DisarmReason::ReadBack {
                    point: id,
                    wanted: expected,
                    found,
                });
            }
        }
    }

    /// Whether a fail-safe value has yet to be confirmed.
    #[must_use]
    pub fn is_releasing(&self) -> bool {
        !self.releasing.is_empty()
    }

    /// Takes the events since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<ControlEvent> {
        self.events.drain(..).collect()
    }

    fn release_failed(&mut self, index: usize, now_ms: u64, why: &str) {
        let Some(release) = self.releasing.get_mut(&index) else {
            return;
        };
        release.written = false;
        release.attempts += 1;
        release.next_ms = now_ms + RELEASE_PAUSE_MS;
        if release.attempts == RELEASE_ALARM {
            let id = self.points[index].id.clone();
            self.alarm(format!(
                "the fail-safe value of `{id}` is not confirmed: {why}"
            ));
        }
    }

    /// Ends an arming whose time or heartbeat is over.
    fn lapse(&mut self, now_ms: u64) {
        if !matches!(self.state, ControlState::Armed { .. }) {
            return;
        }
        if now_ms >= self.until_ms {
            self.disarm(DisarmReason::LeaseOver);
        } else if now_ms.saturating_sub(self.heartbeat_ms) > self.watchdog_ms {
            self.alarm("the twin's heartbeat stopped".to_owned());
            self.disarm(DisarmReason::Watchdog);
        }
    }

    fn alarm(&mut self, text: String) {
        self.event(ControlEvent::Alarm(text));
    }

    fn event(&mut self, event: ControlEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.dropped_events += 1;
        }
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests;
