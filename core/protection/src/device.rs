//! A protection device: elements or a fuse link, a mechanism, reclosing.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::element::{Change, DEAD_PU, ElementState, describe, whole_us};
use crate::phasor::{Measurement, Phasor, sequences};
use crate::settings::DeviceSettings;
use crate::soe::{EventId, Recorder, SoeKind};

/// Lowest phase voltage above which a place has supply, pu.
pub const LIVE_PU: f64 = 0.8;

/// Time after which a warm fuse link has cooled, s.
const COOLING_S: f64 = 300.0;

/// A device of the run; its settings may be changed while it runs.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct DeviceConfig {
    /// Id in the scene.
    pub id: String,
    /// Settings.
    pub settings: DeviceSettings,
    /// Devices tripped when this one fails, by index.
    pub backup: Vec<usize>,
}

/// A movement under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Motion {
    close: bool,
    at_us: u64,
    cause: EventId,
    /// Reclosing follows an opening of the device's own protection only.
    recloses: bool,
}

/// One phase of a fuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
struct Link {
    melt: f64,
    clear: f64,
    melted: Option<EventId>,
}

/// State of a device.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct DeviceState {
    /// Which phases conduct.
    pub poles: [bool; 3],
    /// What it measured in the last segment.
    pub measured: Measurement,
    /// Elements as in the settings.
    pub elements: Vec<ElementState>,
    motion: Option<Motion>,
    links: [Link; 3],
    /// Reclosures made in this sequence.
    pub shot: u8,
    dead_until_us: Option<(u64, EventId)>,
    reclaim_us: Option<u64>,
    /// It will not close by itself.
    pub locked_out: bool,
    /// The mechanism does not move when told to open.
    pub stuck: bool,
    failure_at: Option<(u64, EventId)>,
    dead_since_us: Option<u64>,
    cold_until_us: Option<u64>,
    /// Positive-sequence voltage of the last healthy segment, V.
    memory: Phasor,
    /// Operations since the start.
    pub operations: u32,
    /// Last event of its own protection.
    pub last_trip: Option<EventId>,
}

/// What a device asks the engine to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Move one phase, or all; the event says so.
    Pole(Option<usize>, bool, EventId),
    /// Trip another device.
    Trip(usize, EventId),
}

/// Where and when something happens.
pub(crate) struct Now<'a> {
    pub at_us: u64,
    /// The last event that changed the network.
    pub change: Option<EventId>,
    pub soe: &'a mut Recorder,
}

impl DeviceState {
    /// A device at rest.
    #[must_use]
    pub fn new(config: &DeviceConfig, closed: bool) -> Self {
        Self {
            poles: [closed; 3],
            elements: vec![ElementState::default(); config.settings.elements.len()],
            ..Self::default()
        }
    }

    /// Whether any phase conducts.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.poles.contains(&true)
    }

    /// Whether it moves or waits to reclose.
    #[must_use]
    pub fn in_sequence(&self) -> bool {
        self.motion.is_some() || self.dead_until_us.is_some()
    }

    /// Direction of the present current.
    #[must_use]
    pub fn direction(&self) -> Option<crate::phasor::Direction> {
        self.measured.direction(self.memory)
    }

    /// Takes the measurement of the segment that begins.
    pub(crate) fn begin(&mut self, config: &DeviceConfig, m: Measurement, now: &mut Now<'_>) {
        self.measured = m;
        self.watch_supply(config, now);
        let raise = self.raise(config, now.at_us);
        let closed = self.closed();
        for (settings, state) in config.settings.elements.iter().zip(&mut self.elements) {
            let acts = closed && settings.acts_in(self.shot);
            let multiple = acts
                .then(|| settings.multiple(&m, self.memory, raise))
                .flatten();
            match state.begin(settings, multiple, now.at_us) {
                Some(Change::Pickup) => {
                    let text = format!(
                        "{} starts at {}",
                        describe(settings),
                        shown(settings.value(&m), settings.unit())
                    );
                    let id = now
                        .soe
                        .push(now.at_us, &config.id, SoeKind::Pickup, now.change, text);
                    state.started = Some((now.at_us, id));
                }
                Some(Change::Dropout) => {
                    let cause = state.started.take().map(|(_, id)| id);
                    let text = format!("{} goes back", describe(settings));
                    now.soe
                        .push(now.at_us, &config.id, SoeKind::Dropout, cause, text);
                }
                None => {}
            }
        }
        let (v1, _) = sequences(m.v);
        let quiet = self.elements.iter().all(|e| e.operate_s.is_none());
        if quiet && v1.abs() > LIVE_PU * m.v_nominal {
            self.memory = v1;
        }
    }

    /// Notices how long the load side was without supply.
    fn watch_supply(&mut self, config: &DeviceConfig, now: &mut Now<'_>) {
        let (low, high) = self.measured.line_pu();
        if high < DEAD_PU {
            self.dead_since_us.get_or_insert(now.at_us);
            return;
        }
        if low < LIVE_PU {
            return;
        }
        let Some(since) = self.dead_since_us.take() else {
            return;
        };
        let Some(cold) = config.settings.cold_load else {
            return;
        };
        if now.at_us - since >= cold.after_ms * 1_000 {
            self.cold_until_us = Some(now.at_us + cold.hold_ms * 1_000);
            let text = format!(
                "load was {:.0} s without supply: current settings x {} for {:.0} s",
                (now.at_us - since) as f64 * 1e-6,
                cold.factor,
                cold.hold_ms as f64 / 1_000.0
            );
            now.soe
                .push(now.at_us, &config.id, SoeKind::ColdLoad, now.change, text);
        }
    }

    fn raise(&self, config: &DeviceConfig, now_us: u64) -> f64 {
        match (self.cold_until_us, config.settings.cold_load) {
            (Some(until), Some(cold)) if now_us < until => cold.factor,
            _ => 1.0,
        }
    }

    /// When something happens next if nothing else changes, us.
    pub(crate) fn next_us(&self, config: &DeviceConfig, now_us: u64) -> Option<u64> {
        let elements = self.elements.iter().filter_map(|e| e.next_us(now_us)).min();
        [
            elements,
            self.motion.map(|m| m.at_us),
            self.dead_until_us.map(|d| d.0),
            self.reclaim_us,
            self.failure_at.map(|f| f.0),
            self.cold_until_us,
            self.next_link_us(config, now_us),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn next_link_us(&self, config: &DeviceConfig, now_us: u64) -> Option<u64> {
        let fuse = config.settings.fuse?;
        let left = |share: f64, full_s: Option<f64>| {
            full_s.map(|s| now_us.saturating_add(whole_us((1.0 - share).max(0.0) * s)))
        };
        (0..3)
            .filter(|&p| self.poles[p])
            .flat_map(|p| {
                let (current, link) = (self.measured.i[p].abs(), self.links[p]);
                let melting = link.melted.is_none().then(|| fuse.melting_s(current));
                [
                    left(link.melt, melting.flatten()),
                    left(link.clear, fuse.clearing_s(current)),
                ]
            })
            .flatten()
            .min()
    }

    /// Moves discs and heat over a segment.
    pub(crate) fn integrate(&mut self, config: &DeviceConfig, dt_us: u64) {
        for element in &mut self.elements {
            element.integrate(dt_us);
        }
        let Some(fuse) = config.settings.fuse else {
            return;
        };
        let dt_s = dt_us as f64 * 1e-6;
        for p in 0..3 {
            let (current, link) = (self.measured.i[p].abs(), &mut self.links[p]);
            for (share, full_s) in [
                (&mut link.melt, fuse.melting_s(current)),
                (&mut link.clear, fuse.clearing_s(current)),
            ] {
                *share = match full_s {
                    Some(s) => *share + dt_s / s.max(1e-9),
                    None => (*share - dt_s / COOLING_S).max(0.0),
                };
            }
        }
    }

    /// Carries out what is due now.
    pub(crate) fn due(&mut self, config: &DeviceConfig, now: &mut Now<'_>, acts: &mut Vec<Act>) {
        self.due_elements(config, now);
        self.due_links(config, now, acts);
        if let Some(motion) = self.motion.filter(|m| m.at_us <= now.at_us) {
            self.motion = None;
            self.moved(config, motion, now, acts);
        }
        if let Some((_, cause)) = self.failure_at.filter(|f| f.0 <= now.at_us) {
            self.failure_at = None;
            self.failed(config, cause, now, acts);
        }
        if let Some((_, cause)) = self.dead_until_us.filter(|d| d.0 <= now.at_us) {
            self.dead_until_us = None;
            self.shot += 1;
            self.start_motion(config, true, cause, false, now.at_us);
        }
        if self.reclaim_us.is_some_and(|at| at <= now.at_us) {
            // A sequence that is timing again has not been quiet.
            let running = self.elements.iter().any(|e| e.operate_s.is_some());
            self.reclaim_us = running.then(|| now.at_us + 100_000);
            if !running && self.shot > 0 {
                self.shot = 0;
                let text = "closed long enough: the sequence begins again";
                now.soe
                    .push(now.at_us, &config.id, SoeKind::Reclaimed, None, text);
            }
        }
        if self.cold_until_us.is_some_and(|at| at <= now.at_us) {
            self.cold_until_us = None;
            let text = "current settings as programmed again";
            now.soe
                .push(now.at_us, &config.id, SoeKind::ColdLoad, None, text);
        }
    }

    fn due_elements(&mut self, config: &DeviceConfig, now: &mut Now<'_>) {
        for i in 0..self.elements.len().min(config.settings.elements.len()) {
            if !self.elements[i].due(now.at_us) {
                continue;
            }
            let (settings, state) = (&config.settings.elements[i], self.elements[i]);
            let value = settings.value(&self.measured);
            let timing = state.timing(now.at_us, value, i);
            let text = format!(
                "{} operates at {} after {:.0} ms",
                describe(settings),
                shown(value, settings.unit()),
                timing.map_or(0.0, |t| t.took_ms)
            );
            let cause = state.started.map(|(_, id)| id);
            let id =
                now.soe
                    .push_timed(now.at_us, &config.id, SoeKind::Operate, cause, text, timing);
            self.last_trip = Some(id);
            self.trip(config, id, true, now.at_us);
        }
    }

    fn due_links(&mut self, config: &DeviceConfig, now: &mut Now<'_>, acts: &mut Vec<Act>) {
        let Some(fuse) = config.settings.fuse else {
            return;
        };
        for p in 0..3 {
            let phase = ["L1", "L2", "L3"][p];
            if self.poles[p] && self.links[p].melted.is_none() && self.links[p].melt >= 1.0 - 1e-9 {
                let text = format!(
                    "link {} melts in {phase} at {:.0} A",
                    fuse.label(),
                    self.measured.i[p].abs()
                );
                let id = now
                    .soe
                    .push(now.at_us, &config.id, SoeKind::Melted, now.change, text);
                self.links[p].melted = Some(id);
                self.last_trip = Some(id);
            }
            let quenched = self.links[p].melted.is_some() && self.measured.i[p].abs() < 1e-3;
            if self.poles[p] && (self.links[p].clear >= 1.0 - 1e-9 || quenched) {
                self.poles[p] = false;
                self.operations += 1;
                self.locked_out = true;
                let cause = self.links[p].melted;
                let text = format!("link {} opens {phase}", fuse.label());
                let id = now
                    .soe
                    .push(now.at_us, &config.id, SoeKind::Opened, cause, text);
                acts.push(Act::Pole(Some(p), false, id));
            }
        }
    }

    /// Tells the mechanism to open.
    pub(crate) fn trip(
        &mut self,
        config: &DeviceConfig,
        cause: EventId,
        recloses: bool,
        at_us: u64,
    ) {
        if !self.closed() || config.settings.fuse.is_some() {
            return;
        }
        if self.motion.is_none_or(|m| m.close) {
            self.start_motion(config, false, cause, recloses, at_us);
        }
        if let Some(failure) = &config.settings.failure {
            self.failure_at
                .get_or_insert((at_us + failure.delay_ms * 1_000, cause));
        }
    }

    /// Tells the mechanism to close.
    pub(crate) fn close(&mut self, config: &DeviceConfig, cause: EventId, at_us: u64) {
        if !self.closed() && self.motion.is_none() {
            self.start_motion(config, true, cause, false, at_us);
        }
    }

    /// Before a restoration closes it: a trip now is final.
    pub(crate) fn prepare_single_shot(&mut self, config: &DeviceConfig) {
        let last = config
            .settings
            .reclose
            .as_ref()
            .map_or(0, |r| r.dead_ms.len());
        self.shot = u8::try_from(last).unwrap_or(u8::MAX);
        self.locked_out = false;
    }

    fn start_motion(
        &mut self,
        config: &DeviceConfig,
        close: bool,
        cause: EventId,
        recloses: bool,
        at_us: u64,
    ) {
        let breaker = config.settings.breaker;
        let ms = if close {
            breaker.close_ms
        } else {
            breaker.open_ms
        };
        self.motion = Some(Motion {
            close,
            at_us: at_us + ms * 1_000,
            cause,
            recloses,
        });
    }

    fn moved(
        &mut self,
        config: &DeviceConfig,
        motion: Motion,
        now: &mut Now<'_>,
        acts: &mut Vec<Act>,
    ) {
        if !motion.close && self.stuck {
            let text = "told to open, the mechanism does not move";
            let cause = Some(motion.cause);
            now.soe
                .push(now.at_us, &config.id, SoeKind::BreakerFailure, cause, text);
            return;
        }
        self.set_position(motion.close);
        let cause = Some(motion.cause);
        if motion.close {
            let text = if self.shot > 0 {
                format!("closed, reclosure {}", self.shot)
            } else {
                "closed".to_owned()
            };
            let id = now
                .soe
                .push(now.at_us, &config.id, SoeKind::Closed, cause, text);
            acts.push(Act::Pole(None, true, id));
            let reset = config.settings.reclose.as_ref().map(|r| r.reset_ms);
            self.reclaim_us = reset.map(|ms| now.at_us + ms * 1_000);
            return;
        }
        let amps = self.measured.phase_a();
        let text = format!("opened, interrupted {amps:.0} A");
        let opened = now
            .soe
            .push(now.at_us, &config.id, SoeKind::Opened, cause, text);
        acts.push(Act::Pole(None, false, opened));
        if !motion.recloses {
            return;
        }
        let dead_ms = config
            .settings
            .reclose
            .as_ref()
            .and_then(|r| r.dead_ms.get(usize::from(self.shot)));
        if let Some(ms) = dead_ms {
            self.dead_until_us = Some((now.at_us + ms * 1_000, opened));
        } else {
            self.locked_out = true;
            let text = match self.shot {
                0 => "locked out".to_owned(),
                shots => format!("locked out after {shots} reclosures"),
            };
            let cause = Some(opened);
            now.soe
                .push(now.at_us, &config.id, SoeKind::Lockout, cause, text);
        }
    }

    fn set_position(&mut self, closed: bool) {
        self.poles = [closed; 3];
        self.operations += 1;
        self.failure_at = None;
        self.reclaim_us = None;
        for element in &mut self.elements {
            element.clear();
        }
    }

    fn failed(
        &mut self,
        config: &DeviceConfig,
        cause: EventId,
        now: &mut Now<'_>,
        acts: &mut Vec<Act>,
    ) {
        let Some(failure) = &config.settings.failure else {
            return;
        };
        let amps = self.measured.phase_a();
        let flows = amps > failure.pickup_a;
        if !flows {
            return;
        }
        let text = format!(
            "50BF: {amps:.0} A still flow {} ms after the trip, tripping {}",
            failure.delay_ms,
            failure.backup.join(", ")
        );
        let id = now.soe.push(
            now.at_us,
            &config.id,
            SoeKind::BreakerFailure,
            Some(cause),
            text,
        );
        self.motion = None;
        self.locked_out = true;
        acts.extend(config.backup.iter().map(|&device| Act::Trip(device, id)));
    }

    /// A person moved it: the sequence is over, a lockout is lifted.
    pub(crate) fn operated_by_hand(&mut self, closed: bool) {
        self.motion = None;
        self.dead_until_us = None;
        self.shot = 0;
        self.locked_out = false;
        self.links = [Link::default(); 3];
        self.set_position(closed);
    }

    /// Takes new settings; timing elements begin again.
    pub(crate) fn reprogrammed(&mut self, config: &DeviceConfig) {
        self.elements = vec![ElementState::default(); config.settings.elements.len()];
        self.failure_at = None;
    }
}

/// A value with its unit, for people.
fn shown(value: f64, unit: &str) -> String {
    match unit {
        "A" => format!("{value:.0} A"),
        _ => format!("{value:.3} {unit}"),
    }
}
