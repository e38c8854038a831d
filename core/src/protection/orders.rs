//! What persons and scenes may ask of protection.

use gridloom_protection::{DeviceSettings, FaultSpec, FaultState, SoeKind};

use super::plan::{ProtectionPlan, backups};
use super::plant::fault_of;
use super::state::ProtectionState;
use crate::grid::Grid;

/// What such an order may touch.
pub(crate) struct Orders<'a> {
    pub plan: &'a ProtectionPlan,
    pub state: &'a mut ProtectionState,
    pub grid: &'a mut Grid,
    pub now_ms: u64,
    pub tick_ms: u64,
}

impl Orders<'_> {
    fn device(&self, id: &str) -> Result<usize, String> {
        self.plan
            .device(id)
            .ok_or_else(|| format!("there is no protection device {id}"))
    }

    fn now_us(&self) -> u64 {
        self.now_ms * 1_000
    }

    /// Opens or closes a device that is no M-LMD, at the next chance.
    pub fn operate(&mut self, id: &str, close: bool, by: &str) -> Result<String, String> {
        let device = self.device(id)?;
        let verb = if close { "close" } else { "open" };
        if self.state.core.devices[device].closed() == close {
            let state = if close { "closed" } else { "open" };
            return Err(format!("{id} is {state} already"));
        }
        self.state.orders.push((device, close, by.to_owned()));
        Ok(format!("{id} told to {verb}"))
    }

    /// Lets a fault begin in this tick.
    pub fn start_fault(&mut self, spec: &FaultSpec) -> Result<String, String> {
        if let Some((_, what, hint)) = spec.problem() {
            return Err(format!("{what}: {hint}"));
        }
        if spec.after_ms >= self.tick_ms {
            return Err(format!("after_ms must be below {}", self.tick_ms));
        }
        // Placed once for the check, so that it cannot fail later.
        let fault = fault_of(self.grid.network(), spec)?;
        let number = self.state.faults.len() as u32;
        let network = self.grid.network_mut();
        network
            .set_fault(number, Some(fault))
            .map_err(|error| error.to_string())?;
        let _ = network.set_fault(number, None);
        let begins_us = (self.now_ms + spec.after_ms) * 1_000;
        let state = FaultState::new(&spec.id, &spec.label(), spec.lasting, begins_us);
        self.state.core.add_fault(state)?;
        self.state.faults.push(spec.clone());
        Ok(format!("Fault {}: {}", spec.id, spec.label()))
    }

    /// Repairs a fault.
    pub fn clear_fault(&mut self, id: &str) -> Result<String, String> {
        let now_us = self.now_us();
        let number = self.state.core.clear_fault(id, now_us)?;
        let _ = self.grid.network_mut().set_fault(number as u32, None);
        Ok(format!("Fault {id} repaired"))
    }

    /// Breaks or repairs a conductor.
    pub fn conductor(&mut self, line: &str, conductor: u8, open: bool) -> Result<String, String> {
        let now_us = self.now_us();
        let network = self.grid.network_mut();
        let index = network
            .line_index(line)
            .ok_or_else(|| format!("there is no line {line}"))?;
        let word = if open { "broken" } else { "repaired" };
        if !network.set_conductor_open(index, conductor, open) {
            return Err(format!(
                "line {line} has no conductor {conductor}, or it is {word} already"
            ));
        }
        let text = format!("conductor {conductor} {word}");
        self.state
            .core
            .note(line, SoeKind::Operator, text.clone(), now_us);
        Ok(format!("Line {line}: {text}"))
    }

    /// Lets the mechanism of a device fail or work.
    pub fn stick(&mut self, id: &str, stuck: bool) -> Result<String, String> {
        let device = self.device(id)?;
        self.state.core.devices[device].stuck = stuck;
        let text = if stuck {
            "its mechanism will not open"
        } else {
            "its mechanism works"
        };
        let now_us = self.now_us();
        self.state.core.note(id, SoeKind::Operator, text, now_us);
        Ok(format!("{id}: {text}"))
    }

    /// Gives a device other settings.
    pub fn program(&mut self, id: &str, settings: &DeviceSettings) -> Result<String, String> {
        let device = self.device(id)?;
        let places = self.plan.places.iter().enumerate();
        let index = places.map(|(i, place)| (place.id.clone(), i)).collect();
        if let Some(failure) = &settings.failure {
            for backup in &failure.backup {
                self.device(backup)?;
            }
        }
        let backup = backups(settings, &index);
        let now_us = self.now_us();
        self.state
            .core
            .program(device, settings.clone(), backup, now_us)?;
        Ok(format!("{id} programmed anew"))
    }

    /// Declares the faulted sections at a member repaired.
    pub fn release(&mut self, id: &str) -> Result<String, String> {
        let now_us = self.now_us();
        let core = &mut self.state.core;
        for (config, flisr) in &mut core.areas {
            let member = config.members.iter().position(|member| member.id == id);
            let Some(member) = member else { continue };
            let names = flisr.release(config, member);
            if names.is_empty() {
                return Err(format!("no section at {id} is locked"));
            }
            let text = format!("zone {} released as repaired", names.join(", "));
            core.note(id, SoeKind::Operator, text.clone(), now_us);
            return Ok(format!("{id}: {text}"));
        }
        Err(format!("{id} belongs to no restoration area"))
    }

    /// Jams the radio of an area or lets it work.
    pub fn jam(&mut self, area: &str, jammed: bool) -> Result<String, String> {
        let index = self
            .plan
            .areas
            .iter()
            .position(|id| id == area)
            .ok_or_else(|| format!("there is no restoration area {area}"))?;
        self.state.core.areas[index].1.set_jammed(jammed);
        let text = if jammed {
            "radio jammed"
        } else {
            "radio works"
        };
        let now_us = self.now_us();
        self.state.core.note(area, SoeKind::Operator, text, now_us);
        Ok(format!("Area {area}: {text}"))
    }
}
