//! Voltage regulators: on-load tap changers driven to rest, with the controls of
//! capacitor banks.
//!
//! A regulator looks at the voltage of one phase through its transformers,
//! subtracts the drop of its compensator and moves the tap when the result
//! leaves the band. With time standing still, the regulators with the shortest
//! delay act first, all others look again after them.

use gridloom_model::grid::Regulator;

use super::*;
use crate::primitive;

/// What driving the regulators to rest took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegulateReport {
    /// Whether no regulator and no capacitor control wants to act.
    pub settled: bool,
    /// Network solutions made.
    pub rounds: u32,
    /// Tap and switching operations made.
    pub operations: u32,
}

#[derive(Clone, Debug)]
pub(super) struct RegulatorInfo {
    pub(super) case: Regulator,
    pub(super) transformer: usize,
    /// Node watched instead of the winding.
    pub(super) remote: Option<NodeRef>,
    /// Tap change wanted, per unit.
    pending: f64,
    armed: bool,
}

impl RegulatorInfo {
    pub(super) fn new(case: Regulator, transformer: usize, remote: Option<NodeRef>) -> Self {
        Self {
            case,
            transformer,
            remote,
            pending: 0.0,
            armed: false,
        }
    }
}

impl Network {
    /// Number of regulators.
    pub fn regulator_count(&self) -> usize {
        self.regulators.len()
    }

    /// Solves, moves taps and switches capacitor banks until every control is
    /// content or cannot go further, at most `max_rounds` times.
    pub fn settle_regulators(&mut self, max_rounds: u32) -> RegulateReport {
        let mut report = RegulateReport::default();
        for regulator in &mut self.regulators {
            regulator.armed = false;
            regulator.pending = 0.0;
        }
        for control in &mut self.capacitor_controls {
            control.disarm();
        }
        while report.rounds < max_rounds.max(1) {
            report.rounds += 1;
            if !self.solve().converged {
                return report;
            }
            for i in 0..self.regulators.len() {
                self.sample(i);
            }
            for i in 0..self.capacitor_controls.len() {
                self.sample_capacitor(i);
            }
            let due = self
                .regulators
                .iter()
                .filter(|r| r.armed)
                .map(|r| r.case.delay_s)
                .chain(self.capacitor_controls.iter().filter_map(|c| c.due_s()))
                .fold(f64::INFINITY, f64::min);
            if due == f64::INFINITY {
                report.settled = true;
                return report;
            }
            for i in 0..self.regulators.len() {
                if self.regulators[i].armed && self.regulators[i].case.delay_s == due {
                    self.act(i);
                    report.operations += 1;
                }
            }
            for i in 0..self.capacitor_controls.len() {
                if self.capacitor_controls[i].due_s() == Some(due) {
                    self.act_capacitor(i);
                    report.operations += 1;
                }
            }
        }
        report
    }

    /// Voltage a regulator compares with its set point, V on the secondary side.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn regulator_voltage(&self, regulator: usize) -> f64 {
        let info = &self.regulators[regulator];
        let case = &info.case;
        if let Some(node) = info.remote {
            return self.potential(node).abs() / case.pt_ratio;
        }
        let winding = usize::from(case.winding) - 1;
        let phase = self.watched_phase(info, winding);
        let volts = self.winding_voltage(info.transformer, winding, phase);
        let mut seen = volts.scale(1.0 / case.pt_ratio);
        if case.ldc_v != (0.0, 0.0) {
            let transformer = &self.transformers[info.transformer];
            let conductor = transformer.offsets[winding] + phase;
            let current = self
                .element_current(transformer.element, conductor)
                .scale(1.0 / case.ct_primary_a);
            seen += Complex::new(case.ldc_v.0, case.ldc_v.1) * current;
        }
        seen.abs()
    }

    fn watched_phase(&self, info: &RegulatorInfo, winding: usize) -> usize {
        let phases = usize::from(self.transformers[info.transformer].case.phases);
        let size = |p: usize| self.winding_voltage(info.transformer, winding, p).abs();
        match info.case.phase {
            0 => (0..phases).max_by(|&a, &b| size(a).total_cmp(&size(b)).then(b.cmp(&a))),
            255 => (0..phases).min_by(|&a, &b| size(a).total_cmp(&size(b)).then(a.cmp(&b))),
            p => Some((usize::from(p) - 1).min(phases - 1)),
        }
        .unwrap_or(0)
    }

    /// Voltage across one phase of a winding, V.
    fn winding_voltage(&self, transformer: usize, winding: usize, phase: usize) -> Complex {
        let info = &self.transformers[transformer];
        let (a, b) = primitive::phase_ends(&info.case, winding, phase);
        let nodes = &self.elements[info.element].nodes;
        let first = info.offsets[winding];
        self.potential(nodes[first + a]) - self.potential(nodes[first + b])
    }

    /// Looks at the voltage and arms or disarms the regulator.
    fn sample(&mut self, regulator: usize) {
        let info = &self.regulators[regulator];
        if !info.case.enabled || info.case.max_taps == 0 {
            return;
        }
        let seen = self.regulator_voltage(regulator);
        let mut error = info.case.v_set - seen;
        let mut outside = error.abs() > info.case.band_v / 2.0;
        if info.case.v_limit > 0.0 {
            let local = self.local_voltage(info);
            if local > info.case.v_limit {
                outside = true;
                error = info.case.v_limit - local;
            }
        }
        let case = &self.transformers[info.transformer].case;
        let winding = &case.windings[usize::from(info.case.winding) - 1];
        let tapped = &case.windings[usize::from(info.case.tap_winding) - 1];
        let step = tap_step(tapped);
        let base = primitive::winding_volts(winding, usize::from(case.phases));
        let mut change = 0.0;
        if outside && step > 0.0 {
            change = libm::rint(error * info.case.pt_ratio / base / step) * step;
            if info.case.tap_winding != info.case.winding {
                change = -change;
            }
        }
        let free = if change > 0.0 {
            tapped.tap_pu < tapped.taps.max_pu
        } else {
            tapped.tap_pu > tapped.taps.min_pu
        };
        let info = &mut self.regulators[regulator];
        info.pending = change;
        if !outside {
            info.armed = false;
        } else if change != 0.0 && free {
            info.armed = true;
        }
    }

    fn local_voltage(&self, info: &RegulatorInfo) -> f64 {
        let winding = usize::from(info.case.winding) - 1;
        self.winding_voltage(info.transformer, winding, 0).abs() / info.case.pt_ratio
    }

    /// Goes most of the way wanted, at least one step.
    fn act(&mut self, regulator: usize) {
        let info = &mut self.regulators[regulator];
        info.armed = false;
        let change = std::mem::take(&mut info.pending);
        if change == 0.0 {
            return;
        }
        let (transformer, winding) = (info.transformer, usize::from(info.case.tap_winding) - 1);
        let most = f64::from(info.case.max_taps);
        let tapped = &self.transformers[transformer].case.windings[winding];
        let step = tap_step(tapped);
        let count = libm::trunc(0.7 * change.abs() / step).clamp(1.0, most.max(1.0));
        let moved = tapped.tap_pu + count * step * if change > 0.0 { 1.0 } else { -1.0 };
        let tap = moved.clamp(tapped.taps.min_pu, tapped.taps.max_pu);
        self.set_tap(transformer, winding, tap);
    }
}

/// One step of a tap changer, per unit; zero when it has none.
fn tap_step(w: &gridloom_model::grid::Winding) -> f64 {
    if w.taps.steps == 0 {
        0.0
    } else {
        (w.taps.max_pu - w.taps.min_pu) / f64::from(w.taps.steps)
    }
}
