//! What a solution depends on, so that a run can go back to any tick.

use super::*;

/// Everything the next solution depends on beside the structure of the
/// network: switch positions, taps, port powers and the starting voltages.
#[derive(Clone, Debug, PartialEq)]
pub struct SolutionState {
    v: Vec<Complex>,
    open: Vec<[bool; 2]>,
    taps: Vec<Vec<f64>>,
    power: Vec<(f64, f64)>,
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
            || state.taps.len() != self.transformers.len()
            || state.power.len() > self.ports.len()
        {
            return false;
        }
        for (line, open) in state.open.iter().enumerate() {
            if self.lines[line].open != *open {
                self.lines[line].open = *open;
                self.write_line(line);
                self.stale.values = true;
            }
        }
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
        self.stale.start = state.start;
        self.last = state.last;
        true
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
