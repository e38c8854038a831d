//! Event stepping: from one event to the next inside a tick.
//!
//! Between two events the network is in quasi-steady state: its phasors are
//! constant. The engine solves, lets every device measure, finds the earliest
//! next event (an element that operates, a breaker that has opened, a dead time
//! that is over, a fault that begins or goes out, a message that arrives),
//! moves discs and heat up to it, carries it out, and solves again if it
//! changed the network. Times are whole microseconds; records show milliseconds.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::device::{Act, DeviceConfig, DeviceState, Now};
use crate::fault::{ARC_A, FaultState};
use crate::flisr::{Flisr, FlisrConfig, Scope};
use crate::phasor::Measurement;
use crate::settings::DeviceSettings;
use crate::soe::{EventId, Recorder, SoeEvent, SoeKind};

/// Solutions of one advance at most.
pub const SOLVES_PER_ADVANCE: u32 = 400;
/// Steps of one advance at most, radio messages included.
pub const STEPS_PER_ADVANCE: u32 = 20_000;
/// Faults of a run at most.
pub const MAX_FAULTS: usize = 1_000;

/// The network as protection sees it. Devices and faults are counted from 0.
pub trait Plant {
    /// Opens or closes one phase (0 to 2) of a device, or all.
    fn set_pole(&mut self, device: usize, phase: Option<usize>, closed: bool);
    /// Puts a fault into the network or takes it out.
    fn set_fault(&mut self, fault: usize, on: bool);
    /// Solves for the present switches and faults.
    ///
    /// # Errors
    /// A sentence about a network without solution.
    fn solve(&mut self) -> Result<(), String>;
    /// What a device measures in the present solution.
    fn measure(&self, device: usize) -> Measurement;
    /// Whether each meter of the network has voltage; none where nobody asks meters.
    fn meters(&self) -> Vec<bool> {
        Vec::new()
    }
    /// Highest current of a conductor into a fault, A.
    fn fault_a(&self, fault: usize) -> f64;
    /// The present solution held from one time to another, us.
    fn elapse(&mut self, from_us: u64, to_us: u64);
}

/// What one advance did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advance {
    /// Events in the order they happened.
    pub events: Vec<SoeEvent>,
    /// Solutions.
    pub solves: u32,
    /// Steps.
    pub steps: u32,
    /// Whether the network changed.
    pub changed: bool,
    /// Whether a limit ended the stepping before the end.
    pub limited: bool,
}

/// Devices, faults and M-LMDs of a run.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Protection {
    /// Devices; settings may change while the run goes on.
    pub configs: Vec<DeviceConfig>,
    /// Their states.
    pub devices: Vec<DeviceState>,
    /// Faults so far, over or not.
    pub faults: Vec<FaultState>,
    /// M-LMDs that restore supply, one entry per area.
    pub areas: Vec<(FlisrConfig, Flisr)>,
    /// Whether each meter has voltage, in the present segment.
    meters: Vec<bool>,
    recorder: Recorder,
    /// The last event that changed the network.
    last_change: Option<EventId>,
    /// Advances that a limit ended, since the start.
    pub limited: u64,
    /// Solutions that failed inside a tick, since the start.
    pub unsolved: u64,
}

impl Protection {
    /// Devices with their positions at the start.
    #[must_use]
    pub fn new(devices: Vec<(DeviceConfig, bool)>) -> Self {
        let states = devices
            .iter()
            .map(|(config, closed)| DeviceState::new(config, *closed))
            .collect();
        Self {
            configs: devices.into_iter().map(|(config, _)| config).collect(),
            devices: states,
            faults: Vec::new(),
            areas: Vec::new(),
            meters: Vec::new(),
            recorder: Recorder::default(),
            last_change: None,
            limited: 0,
            unsolved: 0,
        }
    }

    /// Device by id.
    #[must_use]
    pub fn device_index(&self, id: &str) -> Option<usize> {
        self.configs.iter().position(|config| config.id == id)
    }

    /// Events since the start.
    #[must_use]
    pub fn event_count(&self) -> u64 {
        self.recorder.count()
    }

    /// Faults in the network.
    #[must_use]
    pub fn faults_on(&self) -> usize {
        self.faults.iter().filter(|fault| fault.on).count()
    }

    /// Plans a fault.
    ///
    /// # Errors
    /// If the id is in use by a fault that is not over, or there are too many.
    pub fn add_fault(&mut self, fault: FaultState) -> Result<usize, String> {
        if self.faults.len() >= MAX_FAULTS {
            return Err(format!("{MAX_FAULTS} faults so far, no more are taken"));
        }
        if self.faults.iter().any(|f| f.id == fault.id && !f.over) {
            return Err(format!("fault {} is there already", fault.id));
        }
        self.faults.push(fault);
        Ok(self.faults.len() - 1)
    }

    /// Repairs a fault; the caller takes it out of the network at once.
    ///
    /// # Errors
    /// If no such fault is there.
    pub fn clear_fault(&mut self, id: &str, now_us: u64) -> Result<usize, String> {
        let index = self
            .faults
            .iter()
            .position(|fault| fault.id == id && !fault.over)
            .ok_or_else(|| format!("there is no fault {id}"))?;
        let fault = &mut self.faults[index];
        fault.on = false;
        fault.over = true;
        let (cause, text) = (fault.began, format!("{}: repaired", fault.label));
        self.recorder
            .push(now_us, id, SoeKind::FaultCleared, cause, text);
        Ok(index)
    }

    /// A person or the scene moved a device at the start of an advance.
    pub fn operated(&mut self, device: usize, closed: bool, by: &str, now_us: u64) {
        self.devices[device].operated_by_hand(closed);
        let kind = if closed {
            SoeKind::Closed
        } else {
            SoeKind::Opened
        };
        let verb = if closed { "closed" } else { "opened" };
        let id = self.configs[device].id.clone();
        let event = self
            .recorder
            .push(now_us, &id, kind, None, format!("{verb} by {by}"));
        self.last_change = Some(event);
    }

    /// Changes the settings of a device.
    ///
    /// # Errors
    /// The first problem of the settings.
    pub fn program(
        &mut self,
        device: usize,
        settings: DeviceSettings,
        backup: Vec<usize>,
        now_us: u64,
    ) -> Result<(), String> {
        if let Some(problem) = settings.validate().first() {
            return Err(format!(
                "{}: {}; {}",
                problem.field, problem.what, problem.hint
            ));
        }
        let config = &mut self.configs[device];
        config.settings = settings;
        config.backup = backup;
        self.devices[device].reprogrammed(config);
        let id = config.id.clone();
        let text = "settings changed";
        self.recorder
            .push(now_us, &id, SoeKind::Operator, None, text);
        Ok(())
    }

    /// Notes something that a person or another part of the run did.
    pub fn note(&mut self, device: &str, kind: SoeKind, text: impl Into<String>, now_us: u64) {
        self.recorder.push(now_us, device, kind, None, text);
    }

    /// Whether anything can happen in the time to come beside elements that
    /// start: nothing moves, no fault is near, no M-LMD is at work.
    #[must_use]
    pub fn at_rest(&self, until_us: u64) -> bool {
        let later = |at: Option<u64>| at.is_none_or(|at| at >= until_us);
        self.faults.iter().all(|fault| later(fault.next_us()))
    }

    /// Goes from one time to another, event by event. The plant is solved
    /// first and holds the solution of the end when this returns.
    pub fn advance(&mut self, plant: &mut impl Plant, from_us: u64, to_us: u64) -> Advance {
        let mut report = Advance::default();
        let mut now_us = from_us;
        let mut stale = true;
        loop {
            // Before a solution: what begins at this very time belongs to it.
            stale |= self.due_faults(plant, now_us);
            if stale {
                self.solve(plant, now_us, &mut report);
                report.changed |= now_us > from_us;
                stale = false;
                self.measure(plant, now_us);
                // New voltages may let an M-LMD act that waits for nothing else.
                self.due_areas(now_us);
            } else {
                self.measure(plant, now_us);
            }
            let over = report.solves >= SOLVES_PER_ADVANCE || report.steps >= STEPS_PER_ADVANCE;
            if over && !report.limited {
                report.limited = true;
                self.limited += 1;
                let text = format!(
                    "more than {} solutions or {} steps within one tick: the rest of the tick \
                     has no events",
                    SOLVES_PER_ADVANCE, STEPS_PER_ADVANCE
                );
                self.recorder
                    .push(now_us, "engine", SoeKind::Engine, None, text);
            }
            let next_us = if report.limited {
                to_us
            } else {
                self.next_us(now_us)
                    .map_or(to_us, |at| at.clamp(now_us, to_us))
            };
            if next_us > now_us {
                plant.elapse(now_us, next_us);
                for (config, device) in self.configs.iter().zip(&mut self.devices) {
                    device.integrate(config, next_us - now_us);
                }
                now_us = next_us;
            }
            if report.limited || now_us >= to_us {
                break;
            }
            report.steps += 1;
            stale |= self.due(plant, now_us);
        }
        report.events = self.recorder.take();
        report
    }

    fn solve(&mut self, plant: &mut impl Plant, now_us: u64, report: &mut Advance) {
        report.solves += 1;
        if let Err(why) = plant.solve() {
            self.unsolved += 1;
            let text = format!("no solution, the last one holds: {why}");
            self.recorder
                .push(now_us, "engine", SoeKind::Engine, None, text);
        }
    }

    fn measure(&mut self, plant: &impl Plant, now_us: u64) {
        for i in 0..self.devices.len() {
            let m = plant.measure(i);
            let mut now = Now {
                at_us: now_us,
                change: self.last_change,
                soe: &mut self.recorder,
            };
            self.devices[i].begin(&self.configs[i], m, &mut now);
        }
        for (i, fault) in self.faults.iter_mut().enumerate().filter(|(_, f)| f.on) {
            fault.current_a = plant.fault_a(i);
            let flows = fault.current_a > ARC_A;
            if flows {
                fault.quiet_since_us = None;
            } else {
                fault.quiet_since_us.get_or_insert(now_us);
            }
            if !fault.reported {
                fault.reported = true;
                let text = if flows {
                    format!("{:.0} A flow into the fault", fault.current_a)
                } else {
                    "no current flows: the place is without supply".to_owned()
                };
                self.recorder
                    .push(now_us, &fault.id, SoeKind::Fault, fault.began, text);
            }
        }
        if self.areas.iter().any(|(_, flisr)| flisr.asks_meters()) {
            self.meters = plant.meters();
        }
        let mut orders = Vec::new();
        for (config, flisr) in &mut self.areas {
            flisr.observe(&mut Scope {
                now_us,
                change: self.last_change,
                config,
                devices: &self.devices,
                meters: &self.meters,
                soe: &mut self.recorder,
                orders: &mut orders,
            });
        }
    }

    /// Earliest event if nothing else changes, us.
    fn next_us(&self, now_us: u64) -> Option<u64> {
        let devices = self
            .configs
            .iter()
            .zip(&self.devices)
            .filter_map(|(config, device)| device.next_us(config, now_us));
        let faults = self.faults.iter().filter_map(FaultState::next_us);
        let areas = self
            .areas
            .iter()
            .filter_map(|(config, flisr)| flisr.next_us(now_us, config));
        devices.chain(faults).chain(areas).min()
    }

    /// Begins and ends faults; returns whether the network changed.
    fn due_faults(&mut self, plant: &mut impl Plant, now_us: u64) -> bool {
        let mut changed = false;
        for (i, fault) in self.faults.iter_mut().enumerate() {
            if fault.next_us().is_none_or(|at| at > now_us) {
                continue;
            }
            changed = true;
            fault.on = !fault.on;
            plant.set_fault(i, fault.on);
            if fault.on {
                let id = self.recorder.push(
                    now_us,
                    &fault.id,
                    SoeKind::Fault,
                    None,
                    fault.label.clone(),
                );
                fault.began = Some(id);
                self.last_change = Some(id);
                fault.quiet_since_us = None;
                fault.reported = false;
            } else {
                fault.over = true;
                let text = format!("{}: gone by itself", fault.label);
                self.recorder
                    .push(now_us, &fault.id, SoeKind::FaultCleared, fault.began, text);
            }
        }
        changed
    }

    /// Carries out what is due; returns whether the network changed.
    fn due(&mut self, plant: &mut impl Plant, now_us: u64) -> bool {
        let mut changed = false;
        let mut acts = Vec::new();
        for i in 0..self.devices.len() {
            let mut now = Now {
                at_us: now_us,
                change: self.last_change,
                soe: &mut self.recorder,
            };
            self.devices[i].due(&self.configs[i], &mut now, &mut acts);
            for act in acts.drain(..) {
                match act {
                    Act::Pole(phase, closed, event) => {
                        self.last_change = Some(event);
                        plant.set_pole(i, phase, closed);
                        changed = true;
                    }
                    Act::Trip(device, cause) => {
                        let config = &self.configs[device];
                        self.devices[device].trip(config, cause, false, now_us);
                        self.devices[device].locked_out = true;
                    }
                }
            }
        }
        self.due_areas(now_us);
        changed
    }

    fn due_areas(&mut self, now_us: u64) {
        let mut orders = Vec::new();
        for (config, flisr) in &mut self.areas {
            flisr.due(&mut Scope {
                now_us,
                change: self.last_change,
                config,
                devices: &self.devices,
                meters: &self.meters,
                soe: &mut self.recorder,
                orders: &mut orders,
            });
        }
        for order in orders {
            let config = &self.configs[order.device];
            let device = &mut self.devices[order.device];
            if order.close {
                device.prepare_single_shot(config);
                device.close(config, order.cause, now_us);
            } else {
                device.trip(config, order.cause, false, now_us);
            }
        }
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
