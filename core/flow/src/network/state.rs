//! What a solution depends on, so that a run can go back to any tick.

use super::*;

/// Everything the next solution depends on beside the structure of the
/// network: switch positions, open conductors, taps, capacitor steps, faults,
/// sources, control laws, port powers and the starting voltages.
#[derive(Clone, Debug, PartialEq)]
pub struct SolutionState {
    v: Vec<Complex>,
    open: Vec<[bool; 2]>,
    broken: Vec<u32>,
    taps: Vec<Vec<f64>>,
    power: Vec<(f64, f64)>,
    steps: Vec<u16>,
    faults: BTreeMap<u32, Fault>,
    forming: BTreeMap<u32, Forming>,
    controls: BTreeMap<u32, PortControl>,
    limits: Vec<(u32, f64)>,
    start: bool,
    last: SolveReport,
}

impl SolutionState {
    /// Nominal power of every port, W and var.
    pub fn powers(&self) -> &[(f64, f64)] {
        &self.power
    }

    /// Voltages by node, for hashes; earth is not among them.
    pub fn voltages(&self) -> &[Complex] {
        &self.v
    }
}

impl Network {
    /// The present state; restoring it gives the same solutions to the bit.
    pub fn solution_state(&self) -> SolutionState {
        let ready = self.v.len() == self.nodes.len() + 1;
        SolutionState {
            v: (0..self.nodes.len())
                .map(|n| {
                    if ready {
                        self.v[self.at(n as NodeRef)]
                    } else {
                        Complex::ZERO
                    }
                })
                .collect(),
            open: self.lines.iter().map(|l| l.open).collect(),
            broken: self.lines.iter().map(|l| l.broken).collect(),
            steps: self.capacitors.iter().map(|c| c.on()).collect(),
            faults: self.faults.clone(),
            forming: self.forming.clone(),
            controls: self.controls.clone(),
            limits: self.limits(),
            taps: self
                .transformers
                .iter()
                .map(|t| t.case.windings.iter().map(|w| w.tap_pu).collect())
                .collect(),
            power: self.ports.iter().map(|p| (p.p_w, p.q_var)).collect(),
            start: self.stale.start || !ready,
            last: self.last,
        }
    }

    /// Goes back to a state of this network; ports added since keep no power.
    /// Returns `false` and changes nothing when the state is of another network.
    pub fn restore(&mut self, state: &SolutionState) -> bool {
        if state.v.len() != self.nodes.len()
            || state.open.len() != self.lines.len()
            || state.steps.len() != self.capacitors.len()
            || state.taps.len() != self.transformers.len()
            || state.power.len() > self.ports.len()
        {
            return false;
        }
        self.linearised = None;
        self.restore_lines(state);
        self.restore_devices(state);
        for (transformer, taps) in state.taps.iter().enumerate() {
            for (winding, &tap) in taps.iter().enumerate() {
                self.set_tap(transformer, winding, tap);
            }
        }
        for port in 0..self.ports.len() {
            let (p, q) = state.power.get(port).copied().unwrap_or((0.0, 0.0));
            self.set_port_power(PortId(port as u32), p, q);
        }
        // Factor first: it may renumber, and it would overwrite the start.
        self.stale.start = false;
        if self.prepare().is_err() {
            self.stale.values = true;
        }
        for (node, &value) in state.v.iter().enumerate() {
            let at = self.at(node as NodeRef);
            self.v[at] = value;
        }
        self.control_at(Stage::Start);
        self.stale.start = state.start;
        self.last = state.last;
        true
    }

    fn restore_lines(&mut self, state: &SolutionState) {
        let same_faults = self.faults == state.faults;
        let faulted = |faults: &BTreeMap<u32, Fault>, line: usize| {
            faults
                .values()
                .any(|f| matches!(f.place, FaultPlace::Line { line: at, .. } if at == line))
        };
        let before = std::mem::replace(&mut self.faults, state.faults.clone());
        for (line, (open, &broken)) in state.open.iter().zip(&state.broken).enumerate() {
            let info = &mut self.lines[line];
            let moved = info.open != *open || info.broken != broken;
            (info.open, info.broken) = (*open, broken);
            let struck = !same_faults && (faulted(&before, line) || faulted(&state.faults, line));
            if moved || struck {
                self.write_line(line);
                self.stale.values = true;
                self.stale.topology |= moved;
            }
        }
        if !same_faults {
            self.stale.values = true;
        }
    }

    fn restore_devices(&mut self, state: &SolutionState) {
        for (capacitor, &steps) in state.steps.iter().enumerate() {
            self.set_capacitor_steps(capacitor, steps);
        }
        if self.limits() != state.limits {
            for branch in &mut self.branches {
                branch.limit_a = f64::INFINITY;
            }
            for &(branch, limit) in &state.limits {
                if let Some(branch) = self.branches.get_mut(branch as usize) {
                    branch.limit_a = limit;
                }
            }
        }
        if self.forming != state.forming || self.controls != state.controls {
            let mut touched: Vec<u32> = self.forming.keys().copied().collect();
            touched.extend(state.forming.keys());
            touched.extend(self.controls.keys());
            touched.extend(state.controls.keys());
            touched.sort_unstable();
            touched.dedup();
            self.forming = state.forming.clone();
            self.controls = state.controls.clone();
            self.list_controlled();
            for port in touched {
                self.place_source(port);
            }
            self.stale.topology = true;
        }
        self.soften();
    }

    /// Branches with a limited current.
    fn limits(&self) -> Vec<(u32, f64)> {
        self.branches
            .iter()
            .enumerate()
            .filter(|(_, b)| b.limit_a.is_finite())
            .map(|(i, b)| (i as u32, b.limit_a))
            .collect()
    }

    /// Sets the tap of a transformer winding (from 0), per unit; returns whether it changed.
    ///
    /// # Panics
    /// If an index is not one of this network, as with a slice.
    pub fn set_tap(&mut self, transformer: usize, winding: usize, tap_pu: f64) -> bool {
        let info = &mut self.transformers[transformer];
        let old = info.case.windings[winding].tap_pu;
        if old == tap_pu || !(tap_pu.is_finite() && tap_pu > 0.0) {
            return false;
        }
        info.case.windings[winding].tap_pu = tap_pu;
        let element = info.element;
        match crate::primitive::transformer_admittance(&info.case) {
            Ok(matrix) => {
                self.write_element(element, &matrix);
                self.stale.values = true;
                true
            }
            Err(_) => {
                self.transformers[transformer].case.windings[winding].tap_pu = old;
                false
            }
        }
    }
}
