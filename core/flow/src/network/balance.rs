//! Power balance, current balance and refinement of the last solution.

use super::*;

impl Network {
    /// Power balance of the network.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for source in 0..self.sources.len() {
            let (p, q) = self.source_power(source);
            totals.source_w += p;
            totals.source_var += q;
        }
        for port in 0..self.ports.len() {
            let (p, q) = self.port_power(PortId(port as u32));
            if p >= 0.0 {
                totals.drawn_w += p;
            } else {
                totals.fed_in_w -= p;
            }
            totals.port_var += q;
        }
        let mut own = vec![true; self.elements.len()];
        for source in &self.sources {
            own[source.element] = false;
        }
        for (element, info) in self.elements.iter().enumerate() {
            // Held port admittances belong to the port.
            if own[element] && !self.is_held(element) {
                let s = self.element_power(element, 0..info.nodes.len());
                totals.losses_w += s.re;
                totals.losses_var += s.im;
            }
        }
        for (node, current) in self.overlay_currents() {
            let s = self.voltage(node) * current.conj();
            totals.losses_w += s.re;
            totals.losses_var += s.im;
        }
        totals
    }

    pub(super) fn is_held(&self, element: usize) -> bool {
        element >= self.held_from
    }

    /// Node-wise current balance of the solution: largest current that does not
    /// balance at a node, A.
    pub fn kcl_error_a(&self) -> f64 {
        let sum = self.unbalanced();
        (0..self.nodes.len())
            .filter(|&node| self.standing[node] != Standing::Dead)
            .map(|node| sum[node].abs())
            .fold(0.0, f64::max)
    }

    /// Current that leaves each node without balance, A; summed with twice the
    /// usual digits, because large currents cancel there.
    fn unbalanced(&self) -> Vec<Complex> {
        let n = self.nodes.len();
        let mut sum = vec![Wide::default(); n];
        for (e, element) in self.elements.iter().enumerate() {
            if self.is_held(e) {
                continue;
            }
            let k = element.nodes.len();
            for (i, &node) in element.nodes.iter().enumerate() {
                if node == EARTH {
                    continue;
                }
                let row = &self.matrix.primitive[element.offset + i * k..][..k];
                for (&y, &other) in row.iter().zip(&element.nodes) {
                    sum[node as usize].add_product(y, self.potential(other));
                }
            }
        }
        let mut add = |node: NodeRef, value: Complex| {
            if node != EARTH {
                sum[node as usize].add(value);
            }
        };
        for source in &self.sources {
            let nodes = &self.elements[source.element].nodes;
            for i in 0..source.conductors {
                let current: Complex = (0..source.conductors)
                    .map(|j| source.admittance.at(i, j) * source.volts[j])
                    .sum();
                add(nodes[i], -current);
                add(nodes[i + source.conductors], current);
            }
        }
        for branch in self.branches.iter().filter(|b| b.live) {
            let v = self.potential(branch.a) - self.potential(branch.b);
            let current = branch.drawn(v);
            add(branch.a, current);
            add(branch.b, -current);
        }
        for (node, current) in self.overlay_currents() {
            sum[node].add(current);
        }
        sum.into_iter().map(Wide::value).collect()
    }

    /// Currents that leave nodes into faults at buses and into the earthing of
    /// forming sources.
    pub(super) fn overlay_currents(&self) -> Vec<(usize, Complex)> {
        let mut out = self.bus_fault_currents();
        self.add_earth_currents(&mut out);
        out
    }

    /// One step of iterative refinement of the last solution: the currents that
    /// do not balance are solved for once more. Returns the largest change of a
    /// voltage, V. Worth its cost only where weakly held nodes (an unearthed
    /// winding) are compared digit by digit.
    pub fn refine(&mut self) -> f64 {
        if !self.last.converged || self.stale != Stale::default() {
            return 0.0;
        }
        let unbalanced = self.unbalanced();
        let n = self.nodes.len();
        let mut x = vec![Complex::ZERO; n];
        for (node, &value) in unbalanced.iter().enumerate() {
            if self.standing[node] != Standing::Dead {
                x[self.at(node as NodeRef)] = -value;
            }
        }
        self.matrix.factor.solve(&mut x);
        let mut largest = 0.0_f64;
        for (v, change) in self.v[..n].iter_mut().zip(&x) {
            *v += *change;
            largest = largest.max(change.abs());
        }
        largest
    }
}

/// A complex sum that keeps its rounding errors (Ogita, Rump and Oishi, 2005).
#[derive(Clone, Copy, Debug, Default)]
struct Wide {
    sum: Complex,
    error: Complex,
}

impl Wide {
    fn add(&mut self, value: Complex) {
        self.add_re(value.re);
        self.add_im(value.im);
    }

    fn add_product(&mut self, a: Complex, b: Complex) {
        for (x, y) in [(a.re, b.re), (-a.im, b.im)] {
            let product = x * y;
            self.add_re(product);
            self.error.re += libm::fma(x, y, -product);
        }
        for (x, y) in [(a.re, b.im), (a.im, b.re)] {
            let product = x * y;
            self.add_im(product);
            self.error.im += libm::fma(x, y, -product);
        }
    }

    fn add_re(&mut self, value: f64) {
        self.error.re += two_sum(&mut self.sum.re, value);
    }

    fn add_im(&mut self, value: f64) {
        self.error.im += two_sum(&mut self.sum.im, value);
    }

    fn value(self) -> Complex {
        self.sum + self.error
    }
}

/// Adds and returns the rounding error of the addition.
fn two_sum(sum: &mut f64, value: f64) -> f64 {
    let old = *sum;
    *sum = old + value;
    let part = *sum - old;
    (old - (*sum - part)) + (value - part)
}
