//! The owner of one line: connects, polls its units, backs off, writes.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use gridloom_units::{DeviceId, Stream, draw_f64};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until};

use super::link::{Link, LinkError, UnitShape};
use super::publish::Publisher;
use super::schedule::{self, BackOff, Next, Polled, Slot};
use super::{Bound, EndpointConfig, Message, Wire, with_status};
use crate::control::DisarmReason;
use crate::modbus::rtu::SILENT_MOST;
use crate::modbus::{ReadRequest, ReplyError};
use crate::profile::{Block, Profile, Protocol, decode};
use crate::reading::{BadReason, DeviceReading};
use crate::sunspec;

/// The exception that says that an address does not exist.
const ILLEGAL_DATA_ADDRESS: u8 = 2;
/// Silent probes for a unit that answered just before, on a line of several.
const PROBES_SHARED: u32 = 3;
/// How often requests of a control are looked for.
const CONTROL_TICK_US: u64 = 20_000;
/// Round trips the time for an answer is derived from.
const ROUND_TRIPS: usize = 64;
/// Time the end of the line may take to set fail-safe values.
const RELEASE: Duration = Duration::from_secs(4);

/// What a line's task needs.
pub(crate) struct LineTask {
    pub(crate) config: EndpointConfig,
    pub(crate) wire: Wire,
    pub(crate) sender: Option<Sender<DeviceReading>>,
    pub(crate) inbox: mpsc::Receiver<Message>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) _alive: mpsc::Sender<()>,
}

/// What a waiting task was woken by.
pub(crate) enum Woken {
    /// A message; `None` when the bus has dropped the line.
    Message(Option<Message>),
    /// Told to stop.
    Stop,
    /// The time is over.
    Time,
}

impl LineTask {
    /// Waits for a message, the end, or `until`.
    pub(crate) async fn wait(&mut self, until: Instant) -> Woken {
        tokio::select! {
            message = self.inbox.recv() => Woken::Message(message),
            _ = self.stop.wait_for(|stop| *stop) => Woken::Stop,
            () = sleep_until(until.into()) => Woken::Time,
        }
    }
}

/// Longest wait without looking around.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A unit on the line.
pub(super) struct Unit {
    pub(super) bound: Bound,
    /// The profile it is polled with; for SunSpec the one found on it.
    pub(super) profile: Profile,
    pub(super) publisher: Publisher,
    pub(super) slot: Slot,
    trips: Vec<u32>,
    next_trip: usize,
    /// Whether a SunSpec map has yet to be found.
    pub(super) unknown: bool,
    /// Whether it was found to be the device of the profile.
    pub(super) identified: bool,
    /// The serial number found first.
    pub(super) serial: Option<String>,
    /// Positions of the polled profile's points in the bound profile.
    pub(super) map: Vec<usize>,
}

impl Polled for Unit {
    fn slot(&self) -> &Slot {
        &self.slot
    }

    fn turns(&mut self) -> (&mut Slot, &Profile) {
        (&mut self.slot, &self.profile)
    }
}

/// Why the polling of a connection ended.
enum End {
    /// The connection is not usable any more.
    Lost(BadReason),
    /// Told to stop, or nothing is bound any more.
    Stopped,
}

pub(super) struct Actor {
    pub(super) task: LineTask,
    pub(super) units: Vec<Unit>,
    started: Instant,
}

/// Runs until told to stop or until nothing is bound any more.
pub(crate) async fn run(task: LineTask) {
    let mut actor = Actor {
        task,
        units: Vec::new(),
        started: Instant::now(),
    };
    actor.forever().await;
    actor.task.wire.stats(|stats| stats.connected = false);
}

impl Actor {
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    pub(super) fn back_off(&self) -> BackOff {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        BackOff {
            min_us: us(self.task.config.back_off_min),
            max_us: us(self.task.config.back_off_max),
        }
    }

    /// A number between 0 and 1 that differs between lines and attempts.
    fn share(&self, attempt: u32) -> f64 {
        draw_f64(
            u64::from(self.task.wire.line),
            u64::from(attempt),
            self.units.len() as u64,
            Stream::LinkLatency,
        )
    }

    async fn forever(&mut self) {
        let mut failures = 0_u32;
        loop {
            if !self.take_messages() || *self.task.stop.borrow() {
                return;
            }
            if self.units.is_empty() {
                match self.task.wait(Instant::now() + LONG).await {
                    Woken::Message(Some(message)) => self.take(message),
                    Woken::Message(None) | Woken::Stop => return,
                    Woken::Time => {}
                }
                continue;
            }
            let before = self.polls();
            let reason = match self.connect().await {
                Ok(mut link) => match self.poll(&mut link).await {
                    End::Stopped => {
                        self.release(&mut link).await;
                        return;
                    }
                    End::Lost(reason) => reason,
                },
                Err(error) => {
                    for unit in 0..self.units.len() {
                        self.failed(unit, &error);
                    }
                    error.reason()
                }
            };
            self.connection(false);
            for unit in &mut self.units {
                unit.publisher.publish_all(reason);
            }
            // A line that gave answers before it broke starts its back-off anew.
            failures = if self.polls() > before {
                1
            } else {
                failures.saturating_add(1)
            };
            if !self.wait_out(failures).await {
                return;
            }
        }
    }

    fn polls(&self) -> u64 {
        self.units
            .iter()
            .map(|unit| with_status(&unit.bound.status, |status| status.polls))
            .sum()
    }

    async fn connect(&mut self) -> Result<Link, LinkError> {
        let mut link = Link::connect(&self.task.config, self.task.wire.clone()).await?;
        let mut delay = 0;
        for unit in &self.units {
            link.add(UnitShape::of(unit.bound.config.unit, &unit.profile));
            delay = delay.max(unit.profile.connect_delay_ms);
        }
        self.connection(true);
        sleep(Duration::from_millis(delay)).await;
        Ok(link)
    }

    fn connection(&mut self, up: bool) {
        let now = self.now_us();
        self.task.wire.stats(|stats| {
            stats.connected = up;
            stats.connects += u64::from(up);
        });
        for unit in &mut self.units {
            with_status(&unit.bound.status, |status| {
                status.connected = up;
                status.connects += u64::from(up);
            });
            if up {
                unit.slot.restart(now);
                unit.unknown = unit.bound.config.profile.protocol == Protocol::SunSpec;
                unit.identified = false;
            }
            if let Some(end) = &mut unit.bound.control {
                end.control.link(up);
                end.publish(now / 1_000);
            }
        }
    }

    /// Waits before connecting again, delivering what still waits; false when
    /// told to stop.
    async fn wait_out(&mut self, failures: u32) -> bool {
        let pause = self.back_off().pause_us(failures, self.share(failures));
        let until = self.started + Duration::from_micros(self.now_us() + pause);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            for unit in &mut self.units {
                unit.publisher.flush();
            }
            self.refuse_requests();
            let until = Instant::now() + left.min(Duration::from_millis(100));
            match self.task.wait(until).await {
                Woken::Message(Some(message)) => self.take(message),
                Woken::Message(None) | Woken::Stop => return false,
                Woken::Time => {}
            }
        }
    }

    /// Takes waiting messages; false when the bus has dropped the line.
    fn take_messages(&mut self) -> bool {
        loop {
            match self.task.inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(mpsc::error::TryRecvError::Empty) => return true,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Bind(bound) => {
                let config = &bound.config;
                let period = u64::try_from(config.poll_interval.as_micros()).unwrap_or(u64::MAX);
                let first = self.now_us() + (period as f64 * config.phase) as u64;
                if let Some(recorder) = &self.task.wire.recorder {
                    let line = self.task.wire.line;
                    recorder.unit(line, config.unit, config.device, &config.profile);
                }
                let publisher = Publisher::new(
                    config.device,
                    &config.profile,
                    self.task.sender.clone(),
                    bound.status.clone(),
                    &self.task.wire,
                    config.frame_hash,
                );
                let connected = self.task.wire.stats(|stats| stats.connected);
                with_status(&bound.status, |status| status.connected = connected);
                let mut bound = *bound;
                if let Some(end) = &mut bound.control {
                    end.control.link(connected);
                }
                self.units.push(Unit {
                    profile: bound.config.profile.clone(),
                    unknown: bound.config.profile.protocol == Protocol::SunSpec,
                    identified: false,
                    serial: None,
                    publisher,
                    slot: Slot::new(period, first),
                    trips: Vec::new(),
                    next_trip: 0,
                    map: (0..bound.config.profile.points.len()).collect(),
                    bound,
                });
            }
            Message::Unbind(device) => {
                for unit in &mut self.units {
                    if unit.bound.config.device == device
                        && let Some(end) = &mut unit.bound.control
                    {
                        end.control.disarm(DisarmReason::Unbound);
                    }
                }
                self.leave(device);
            }
        }
    }

    /// Forgets a unit unless a fail-safe value of it is still to be written.
    fn leave(&mut self, device: DeviceId) {
        self.units.retain(|unit| {
            unit.bound.config.device != device
                || unit
                    .bound
                    .control
                    .as_ref()
                    .is_some_and(|end| end.control.is_releasing())
        });
    }

    /// Polls on one connection until it fails.
    async fn poll(&mut self, link: &mut Link) -> End {
        let mut known = self.units.len();
        loop {
            let running = self.take_messages();
            if !running {
                for unit in &mut self.units {
                    if let Some(end) = &mut unit.bound.control {
                        end.control.disarm(DisarmReason::Unbound);
                    }
                }
            }
            let dropped = with_units_dropped(&mut self.units);
            if !running || *self.task.stop.borrow() || (self.units.is_empty() && dropped) {
                return End::Stopped;
            }
            if self.units.len() != known {
                known = self.units.len();
                for unit in &self.units {
                    link.add(UnitShape::of(unit.bound.config.unit, &unit.profile));
                }
            }
            if let Some(reason) = self.serve_controls(link).await {
                return End::Lost(reason);
            }
            let now = self.now_us();
            let next = schedule::next(&mut self.units, now, &mut |unit: &Unit, turns| {
                with_status(&unit.bound.status, |status| status.missed += turns);
            });
            match next {
                Next::Read(unit, block) => {
                    if let Some(reason) = self.turn(link, unit, &block).await {
                        return End::Lost(reason);
                    }
                }
                Next::Wait(until) => self.idle(until).await,
            }
        }
    }

    /// Waits until there is something to do or to be told.
    async fn idle(&mut self, until_us: u64) {
        let controlled = self.units.iter().any(|unit| unit.bound.control.is_some());
        let soonest = if controlled {
            until_us.min(self.now_us() + CONTROL_TICK_US)
        } else {
            // Waiting readings are delivered now and then.
            until_us.min(self.now_us() + 250_000)
        };
        let wake = self.started + Duration::from_micros(soonest);
        if let Woken::Message(Some(message)) = self.task.wait(wake).await {
            self.take(message);
        }
        for unit in &mut self.units {
            unit.publisher.flush();
        }
    }

    /// Reads one block of a unit; `Some` ends the connection.
    async fn turn(&mut self, link: &mut Link, at: usize, block: &Block) -> Option<BadReason> {
        if self.units[at].unknown {
            return self.discover(link, at).await;
        }
        if !self.units[at].identified
            && let Err(end) = self.identify(link, at).await
        {
            return end;
        }
        let request = ReadRequest {
            area: block.area,
            addr: block.addr,
            count: block.count,
        };
        let unit = self.units[at].bound.config.unit;
        if let Some(recorder) = &self.task.wire.recorder {
            recorder.ask(self.task.wire.line, unit, block);
        }
        let answer = self.ask(link, at, &request).await;
        if let Some(recorder) = &self.task.wire.recorder {
            let result = match &answer {
                Ok(_) => "ok".to_owned(),
                Err(error) => error.reason().label().replace(' ', "_"),
            };
            recorder.end(self.task.wire.line, &result);
        }
        let now = Instant::now();
        let shown = &mut self.units[at];
        match answer {
            Ok(registers) => {
                for index in &block.points {
                    let found = decode(&shown.profile.points[*index], block.addr, &registers);
                    shown.publisher.publish(shown.map[*index], found, now);
                }
            }
            Err(error) => {
                let refused = LinkError::Reply(ReplyError::Exception(ILLEGAL_DATA_ADDRESS));
                if error.reason() == refused.reason() && block.points.len() > 1 {
                    shown.slot.part(&block.points);
                }
                for index in &block.points {
                    shown
                        .publisher
                        .publish(shown.map[*index], Err(error.reason()), now);
                }
                if let Some(end) = self.after_failure(link, at, &error) {
                    return Some(end);
                }
            }
        }
        self.units[at].publisher.flush();
        let pause = self.units[at].profile.min_interval_ms;
        if pause > 0 {
            sleep(Duration::from_millis(pause)).await;
        }
        None
    }

    /// Asks a unit and keeps its counters.
    pub(super) async fn ask<A: crate::modbus::Ask>(
        &mut self,
        link: &mut Link,
        at: usize,
        request: &A,
    ) -> Result<A::Answer, LinkError> {
        let patience = match (self.units[at].slot.is_silent(), self.units.len()) {
            (true, _) => 1,
            (false, 1) => SILENT_MOST,
            (false, _) => PROBES_SHARED,
        };
        let unit = &self.units[at];
        let limit = self.limit(at);
        let (before, asked) = (link.probes(), Instant::now());
        let answer = link
            .ask(unit.bound.config.unit, request, limit, patience)
            .await;
        let (after, took) = (link.probes(), asked.elapsed());
        self.task.wire.stats(|stats| stats.busy += took);
        let unit = &mut self.units[at];
        unit.slot
            .spent(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if let Ok((_, round_trip)) = &answer {
            unit.note_trip(*round_trip);
        }
        with_status(&unit.bound.status, |status| {
            status.probes += after.0 - before.0;
            status.resyncs += after.1 - before.1;
            status.patience = Some(limit);
            if let Ok((_, round_trip)) = &answer {
                status.polls += 1;
                status.round_trip = Some(*round_trip);
                status.backing_off = false;
            }
        });
        match answer {
            Ok((found, _)) => {
                unit.slot.answered();
                Ok(found)
            }
            Err(error) => {
                self.failed(at, &error);
                Err(error)
            }
        }
    }

    /// Time an answer of a unit may take. A silent unit gets what the others of
    /// its line need, and all of its own time at every fourth attempt.
    fn limit(&self, at: usize) -> Duration {
        let unit = &self.units[at];
        let own = unit.limit();
        if !unit.slot.is_silent() || unit.slot.failures().is_multiple_of(4) {
            return own;
        }
        let others = self.units.iter().filter(|other| !other.slot.is_silent());
        let slowest_us = others.flat_map(|other| other.trips.iter()).max().copied();
        let Some(slowest_us) = slowest_us else {
            return own;
        };
        Duration::from_micros(4 * u64::from(slowest_us)).clamp(own / 4, own)
    }

    /// What follows of a failure; `Some` ends the connection.
    pub(super) fn after_failure(
        &mut self,
        link: &Link,
        at: usize,
        error: &LinkError,
    ) -> Option<BadReason> {
        if link.is_lost() {
            return Some(error.reason());
        }
        if error.is_answer() || matches!(error, LinkError::Request(_)) {
            self.units[at].slot.answered();
            return None;
        }
        let given_up = matches!(error, LinkError::OutOfStep);
        if self.units[at].slot.failed(given_up) {
            if self
                .units
                .iter()
                .enumerate()
                .all(|(i, u)| i == at || u.slot.is_silent())
            {
                // Nobody answers: the fault may be the connection's.
                return Some(error.reason());
            }
            let (now, back_off) = (self.now_us(), self.back_off());
            let share = self.share(u32::from(self.units[at].bound.config.unit));
            let unit = &mut self.units[at];
            unit.slot.set_aside(now, back_off, share);
            // Whoever answers next may be another one.
            unit.identified = false;
            with_status(&unit.bound.status, |status| status.backing_off = true);
            unit.publisher.publish_all(error.reason());
        }
        None
    }

    /// Finds the SunSpec map of a unit; `Some` ends the connection.
    pub(super) async fn discover(&mut self, link: &mut Link, at: usize) -> Option<BadReason> {
        let wanted = self.units[at].bound.config.profile.clone();
        let mut search = sunspec::Search::new();
        loop {
            let request = match search.next() {
                sunspec::SearchStep::Read(request) => request,
                sunspec::SearchStep::Done(device) => {
                    let unit = &mut self.units[at];
                    let (profile, missing) = sunspec::resolve(&wanted, &device);
                    let there = |index: &usize| !missing.contains(index);
                    unit.map = (0..wanted.keys.len()).filter(there).collect();
                    unit.profile = profile;
                    unit.unknown = false;
                    if let Some(recorder) = &self.task.wire.recorder {
                        let config = &unit.bound.config;
                        let line = self.task.wire.line;
                        recorder.unit(line, config.unit, config.device, &unit.profile);
                    }
                    unit.slot.restart(0);
                    let now = Instant::now();
                    for index in missing {
                        unit.publisher
                            .publish(index, Err(BadReason::NotImplemented), now);
                    }
                    link.add(UnitShape::of(unit.bound.config.unit, &unit.profile));
                    return None;
                }
                sunspec::SearchStep::NotFound => {
                    self.refuse(at, "it has no SunSpec map".to_owned());
                    return None;
                }
            };
            match self.ask(link, at, &request).await {
                Ok(registers) => search.found(&registers),
                Err(error) if error.is_answer() => {
                    self.units[at].slot.answered();
                    search.refused();
                }
                Err(error) => {
                    self.units[at].publisher.publish_all(error.reason());
                    return self.after_failure(link, at, &error);
                }
            }
        }
    }

    /// Sets what was written to its fail-safe value before the line closes.
    async fn release(&mut self, link: &mut Link) {
        for unit in &mut self.units {
            if let Some(end) = &mut unit.bound.control {
                end.control.disarm(DisarmReason::Unbound);
            }
        }
        let until = Instant::now() + RELEASE;
        while Instant::now() < until
            && self.units.iter().any(|u| {
                u.bound
                    .control
                    .as_ref()
                    .is_some_and(|e| e.control.is_releasing())
            })
        {
            if self.serve_controls(link).await.is_some() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn failed(&self, at: usize, error: &LinkError) {
        with_status(&self.units[at].bound.status, |status| {
            error.count(&mut status.errors);
            status.last_error = Some(error.to_string());
        });
    }
}

/// Forgets units that were unbound and have released; true when none is left.
fn with_units_dropped(units: &mut Vec<Unit>) -> bool {
    units.retain(|unit| {
        with_status(&unit.bound.status, |status| status.running)
            || unit
                .bound
                .control
                .as_ref()
                .is_some_and(|end| end.control.is_releasing())
    });
    units.is_empty()
}

impl Unit {
    /// Time an answer may take: four times the slowest of the last answers,
    /// between half of the profile's time and all of it.
    fn limit(&self) -> Duration {
        let most = self.profile.timeout_ms;
        let slowest_us = self.trips.iter().max().copied();
        let limit_us = match slowest_us {
            Some(slowest) if self.bound.config.adaptive && self.trips.len() >= ROUND_TRIPS => {
                (4 * u64::from(slowest)).clamp(most * 500, most * 1_000)
            }
            _ => most * 1_000,
        };
        Duration::from_micros(limit_us)
    }

    fn note_trip(&mut self, round_trip: Duration) {
        let us = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX);
        if self.trips.len() < ROUND_TRIPS {
            self.trips.push(us);
        } else {
            self.trips[self.next_trip % ROUND_TRIPS] = us;
            self.next_trip = (self.next_trip + 1) % ROUND_TRIPS;
        }
    }
}
