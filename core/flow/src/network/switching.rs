//! Controls that switch capacitor banks, beside the regulators.

use gridloom_model::grid::{CapacitorControl, CapacitorSignal};

use super::*;

#[derive(Clone, Debug)]
pub(super) struct CapacitorControlInfo {
    case: CapacitorControl,
    capacitor: usize,
    line: usize,
    /// Step on (`true`) or off that is due.
    wanted: Option<bool>,
}

impl CapacitorControlInfo {
    /// The control of a valid grid; `None` when bank or line are missing.
    pub(super) fn new(case: &CapacitorControl, network: &Network) -> Option<Self> {
        Some(Self {
            case: case.clone(),
            capacitor: network.capacitor_index(&case.capacitor)?,
            line: network.line_index(&case.line)?,
            wanted: None,
        })
    }

    pub(super) fn disarm(&mut self) {
        self.wanted = None;
    }

    /// Delay until it acts, s; `None` when it is content.
    pub(super) fn due_s(&self) -> Option<f64> {
        self.wanted.map(|on| {
            if on {
                self.case.delay_s
            } else {
                self.case.delay_off_s
            }
        })
    }
}

impl Network {
    /// Number of controls of capacitor banks.
    pub fn capacitor_control_count(&self) -> usize {
        self.capacitor_controls.len()
    }

    /// Looks at the network and arms or disarms a control.
    pub(super) fn sample_capacitor(&mut self, control: usize) {
        let info = &self.capacitor_controls[control];
        if !info.case.enabled {
            return;
        }
        let (on, steps) = self.capacitor_steps(info.capacitor);
        let (volts, amps, kvar) = self.seen_by(info);
        let case = &info.case;
        let (above, below) = match case.signal {
            CapacitorSignal::Kvar => (kvar > case.on, kvar < case.off),
            CapacitorSignal::Current => (amps > case.on, amps < case.off),
            CapacitorSignal::Voltage => (volts < case.on, volts > case.off),
        };
        let mut wanted = if above {
            Some(true)
        } else {
            below.then_some(false)
        };
        if let Some((low, high)) = case.voltage_override {
            // Beyond the limits only the voltage counts.
            if volts < low {
                wanted = Some(true);
            } else if volts > high {
                wanted = Some(false);
            }
        }
        let possible = match wanted {
            Some(true) => on < steps,
            Some(false) => on > 0,
            None => false,
        };
        let wanted = wanted.filter(|_| possible);
        self.capacitor_controls[control].wanted = wanted;
    }

    /// Voltage and current of its phase on the secondary side, reactive power
    /// of all phases into the line, kvar.
    fn seen_by(&self, info: &CapacitorControlInfo) -> (f64, f64, f64) {
        let line = &self.lines[info.line];
        let n = line.conductors;
        let first = if info.case.end == LineEnd::To { n } else { 0 };
        let at = first + usize::from(info.case.phase).clamp(1, n) - 1;
        let node = self.elements[line.element].nodes[at];
        let volts = self.potential(node).abs() / info.case.pt_ratio;
        let amps = self.element_current(line.element, at).abs() / info.case.ct_ratio;
        (
            volts,
            amps,
            self.line_power(info.line, info.case.end).1 / 1e3,
        )
    }

    /// Switches one step.
    pub(super) fn act_capacitor(&mut self, control: usize) {
        let info = &mut self.capacitor_controls[control];
        let Some(on) = info.wanted.take() else {
            return;
        };
        let capacitor = info.capacitor;
        let (now, _) = self.capacitor_steps(capacitor);
        let next = if on { now + 1 } else { now.saturating_sub(1) };
        self.set_capacitor_steps(capacitor, next);
    }
}
