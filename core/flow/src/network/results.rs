//! Currents, powers, loadings and losses of the last solution.

use super::*;

/// Current and power at one conductor of a terminal, into the element.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConductorFlow {
    /// Conductor number at its bus; 0 is earth.
    pub conductor: u8,
    /// Current, A.
    pub current: Complex,
    /// Active power, kW.
    pub p_kw: f64,
    /// Reactive power, kvar.
    pub q_kvar: f64,
}

/// Flow through a line or transformer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BranchFlow {
    /// Conductors of each terminal: the two ends of a line, the windings of a transformer.
    pub terminals: Vec<Vec<ConductorFlow>>,
    /// Largest current of a phase over the rating; `None` where no rating is known.
    pub loading: Option<f64>,
}

impl BranchFlow {
    /// Power into the element at a terminal, kW and kvar.
    pub fn power_kw_kvar(&self, terminal: usize) -> (f64, f64) {
        self.terminals.get(terminal).map_or((0.0, 0.0), |t| {
            t.iter()
                .fold((0.0, 0.0), |(p, q), c| (p + c.p_kw, q + c.q_kvar))
        })
    }
}

/// Power balance of the network, W and var.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Active power delivered by the sources at their terminals.
    pub source_w: f64,
    /// Reactive power delivered by the sources.
    pub source_var: f64,
    /// Active power drawn at ports that draw.
    pub drawn_w: f64,
    /// Active power fed in at ports that feed in, positive.
    pub fed_in_w: f64,
    /// Reactive power drawn at ports, net.
    pub port_var: f64,
    /// Active losses of lines, transformers and shunts, summed element by element, and in faults.
    pub losses_w: f64,
    /// Reactive losses likewise.
    pub losses_var: f64,
}

impl Totals {
    /// What the balance misses by, W; zero but for the residual of the solution.
    pub fn error_w(&self) -> f64 {
        self.source_w + self.fed_in_w - self.drawn_w - self.losses_w
    }
}

impl Network {
    /// Voltage of a node to earth, V; zero when it is dead.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn voltage(&self, node: usize) -> Complex {
        if self.v.is_empty() || self.standing[node] == Standing::Dead {
            return Complex::ZERO;
        }
        self.v[self.at(node as NodeRef)]
    }

    /// Voltage of a node, per unit of its bus; `None` where the bus has no base.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn voltage_pu(&self, node: usize) -> Option<f64> {
        let base = self.buses[self.nodes[node].bus as usize].kv_ln * 1000.0;
        (base > 0.0).then(|| self.voltage(node).abs() / base)
    }

    /// Whether any conductor of a bus is connected to a source.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn bus_energised(&self, bus: usize) -> bool {
        let info = &self.buses[bus];
        self.standing[info.first_node..info.first_node + info.nodes].contains(&Standing::Live)
    }

    /// Whether a node is connected to a source.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn node_energised(&self, node: usize) -> bool {
        self.standing[node] == Standing::Live
    }

    pub(super) fn potential(&self, node: NodeRef) -> Complex {
        // Also at dead nodes: an open conductor beside loaded ones has a
        // voltage along it that their currents cause.
        if node == EARTH || self.v.is_empty() {
            Complex::ZERO
        } else {
            self.v[self.at(node)]
        }
    }

    /// Current into an element at terminal conductor `i`, A.
    pub(super) fn element_current(&self, element: usize, i: usize) -> Complex {
        let info = &self.elements[element];
        let n = info.nodes.len();
        let row = &self.matrix.primitive[info.offset + i * n..info.offset + (i + 1) * n];
        row.iter()
            .zip(&info.nodes)
            .map(|(&y, &node)| y * self.potential(node))
            .sum()
    }

    /// Power into an element at terminal conductors, VA.
    pub(super) fn element_power(
        &self,
        element: usize,
        conductors: std::ops::Range<usize>,
    ) -> Complex {
        conductors
            .map(|i| {
                let v = self.potential(self.elements[element].nodes[i]);
                v * self.element_current(element, i).conj()
            })
            .sum()
    }

    fn conductor_flows(
        &self,
        element: usize,
        conductors: std::ops::Range<usize>,
    ) -> Vec<ConductorFlow> {
        conductors
            .map(|i| {
                let node = self.elements[element].nodes[i];
                let current = self.element_current(element, i);
                let power = self.potential(node) * current.conj();
                ConductorFlow {
                    conductor: if node == EARTH {
                        0
                    } else {
                        self.nodes[node as usize].conductor
                    },
                    current,
                    p_kw: power.re / 1000.0,
                    q_kvar: power.im / 1000.0,
                }
            })
            .collect()
    }

    /// Currents and powers of a line at both ends.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn branch_flow(&self, line: usize) -> BranchFlow {
        let info = &self.lines[line];
        let n = info.conductors;
        BranchFlow {
            terminals: vec![
                self.conductor_flows(info.element, 0..n),
                self.conductor_flows(info.element, n..2 * n),
            ],
            loading: info.rating_a.map(|rating| self.line_amps(line) / rating),
        }
    }

    /// Largest current of any conductor at either end of a line, A; no allocation.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn line_amps(&self, line: usize) -> f64 {
        let info = &self.lines[line];
        (0..2 * info.conductors)
            .map(|i| self.element_current(info.element, i).norm_sqr())
            .fold(0.0, f64::max)
            .sqrt()
    }

    /// Power into a line at one end, W and var; no allocation.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn line_power(&self, line: usize, end: LineEnd) -> (f64, f64) {
        let info = &self.lines[line];
        let n = info.conductors;
        let range = match end {
            LineEnd::From => 0..n,
            LineEnd::To => n..2 * n,
        };
        let s = self.element_power(info.element, range);
        (s.re, s.im)
    }

    /// Currents and powers of a transformer by winding.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn transformer_flow(&self, transformer: usize) -> BranchFlow {
        let info = &self.transformers[transformer];
        let terminals: Vec<Vec<ConductorFlow>> = (0..info.offsets.len())
            .map(|w| self.conductor_flows(info.element, self.winding_range(transformer, w)))
            .collect();
        let rated_va = info.case.windings.first().map_or(0.0, |w| w.kva * 1000.0);
        let va: f64 = (0..info.offsets.len())
            .map(|w| {
                self.element_power(info.element, self.winding_range(transformer, w))
                    .abs()
            })
            .fold(0.0, f64::max);
        BranchFlow {
            terminals,
            loading: (rated_va > 0.0).then(|| va / rated_va),
        }
    }

    /// Power into a transformer at a winding (from 0), W and var; no allocation.
    ///
    /// # Panics
    /// If an index is not one of this network, as with a slice.
    pub fn transformer_power(&self, transformer: usize, winding: usize) -> (f64, f64) {
        let element = self.transformers[transformer].element;
        let s = self.element_power(element, self.winding_range(transformer, winding));
        (s.re, s.im)
    }

    pub(super) fn winding_range(
        &self,
        transformer: usize,
        winding: usize,
    ) -> std::ops::Range<usize> {
        let info = &self.transformers[transformer];
        let start = info.offsets[winding];
        start..start + info.case.windings[winding].at.conductors.len()
    }

    /// Power a port draws at the present voltage, all phases: W and var, negative when it feeds in.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_power(&self, port: PortId) -> (f64, f64) {
        let mut sum = Complex::ZERO;
        for branch in &self.branches[self.ports[port.0 as usize].branches()] {
            if branch.live {
                let v = self.potential(branch.a) - self.potential(branch.b);
                sum += v * branch.drawn(v).conj();
            }
        }
        (sum.re, sum.im)
    }

    /// Voltage across the first phase of a port, V.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_voltage(&self, port: PortId) -> Complex {
        let branch = &self.branches[self.ports[port.0 as usize].branches().start];
        self.potential(branch.a) - self.potential(branch.b)
    }

    /// Whether a port is connected to a source.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_energised(&self, port: PortId) -> bool {
        self.branches[self.ports[port.0 as usize].branches()]
            .iter()
            .any(|b| b.live)
    }

    /// Number of sources.
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// Id of a source.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn source_id(&self, source: usize) -> &str {
        &self.sources[source].id
    }

    /// Power a source delivers at its terminal, W and var.
    ///
    /// Summed over everything else that is connected there: the difference of
    /// the voltages before and behind a stiff source has too few digits left.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn source_power(&self, source: usize) -> (f64, f64) {
        let info = &self.sources[source];
        let s = if info.alone {
            self.power_from_neighbours(info)
        } else {
            self.power_behind(info)
        };
        (s.re, s.im)
    }

    fn power_from_neighbours(&self, info: &SourceInfo) -> Complex {
        let nodes = &self.elements[info.element].nodes[..info.conductors];
        let mut sum = Complex::ZERO;
        for &(element, i) in &info.around {
            let node = self.elements[element as usize].nodes[i as usize];
            let current = self.element_current(element as usize, i as usize);
            sum += self.potential(node) * current.conj();
        }
        for branch in self.branches.iter().filter(|b| b.live) {
            for (node, sign) in [(branch.a, 1.0), (branch.b, -1.0)] {
                if nodes.contains(&node) {
                    let v = self.potential(branch.a) - self.potential(branch.b);
                    let current = branch.drawn(v).scale(sign);
                    sum += self.potential(node) * current.conj();
                }
            }
        }
        sum
    }

    fn power_behind(&self, info: &SourceInfo) -> Complex {
        let nodes = &self.elements[info.element].nodes;
        let mut sum = Complex::ZERO;
        for i in 0..info.conductors {
            let current: Complex = (0..info.conductors)
                .map(|j| {
                    let across =
                        self.potential(nodes[j]) - self.potential(nodes[j + info.conductors]);
                    info.admittance.at(i, j) * (info.volts[j] - across)
                })
                .sum();
            sum += self.potential(nodes[i]) * current.conj();
            sum -= self.potential(nodes[i + info.conductors]) * current.conj();
        }
        sum
    }
}
