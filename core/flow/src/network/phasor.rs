//! Phasors at line ends and buses, as relays see them.

use gridloom_model::grid::LineEnd;

use super::*;

/// Phasors by conductor: phases 1 to 3, neutral (conductor 4 and above, summed).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Phasors {
    /// Phases 1, 2, 3; zero where there is none.
    pub phase: [Complex; 3],
    /// Neutral conductor.
    pub neutral: Complex,
    /// Which of phases 1, 2, 3 exist.
    pub present: [bool; 3],
}

/// Symmetrical components of three phases (Fortescue, 1918).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sequence {
    /// Zero sequence.
    pub zero: Complex,
    /// Positive sequence.
    pub positive: Complex,
    /// Negative sequence.
    pub negative: Complex,
}

impl Phasors {
    /// Sum of the phases: 3 I0 of currents, 3 V0 of voltages.
    pub fn residual(&self) -> Complex {
        self.phase[0] + self.phase[1] + self.phase[2]
    }

    /// Largest magnitude of a phase.
    pub fn largest(&self) -> f64 {
        self.phase.iter().map(|p| p.abs()).fold(0.0, f64::max)
    }

    /// Symmetrical components; of missing phases as zero.
    pub fn sequence(&self) -> Sequence {
        let [a, b, c] = self.phase;
        let turn = Complex::new(-0.5, 0.75_f64.sqrt());
        let back = turn.conj();
        let third = |z: Complex| z.scale(1.0 / 3.0);
        Sequence {
            zero: third(a + b + c),
            positive: third(a + turn * b + back * c),
            negative: third(a + back * b + turn * c),
        }
    }

    fn add(&mut self, conductor: u8, value: Complex) {
        match conductor {
            0 => {}
            1..=3 => {
                let at = usize::from(conductor) - 1;
                self.phase[at] += value;
                self.present[at] = true;
            }
            _ => self.neutral += value,
        }
    }
}

impl Network {
    /// Currents into a line at one end, A; no allocation.
    ///
    /// # Panics
    /// If the line is not one of this network, as with a slice.
    pub fn line_current(&self, line: usize, end: LineEnd) -> Phasors {
        let info = &self.lines[line];
        let n = info.conductors;
        let range = match end {
            LineEnd::From => 0..n,
            LineEnd::To => n..2 * n,
        };
        self.element_phasors(info.element, range)
    }

    /// Currents into a transformer at a winding (from 0), A; no allocation.
    ///
    /// # Panics
    /// If an index is not one of this network, as with a slice.
    pub fn transformer_current(&self, transformer: usize, winding: usize) -> Phasors {
        let element = self.transformers[transformer].element;
        self.element_phasors(element, self.winding_range(transformer, winding))
    }

    fn element_phasors(&self, element: usize, range: std::ops::Range<usize>) -> Phasors {
        let mut out = Phasors::default();
        for i in range {
            let node = self.elements[element].nodes[i];
            if node != EARTH {
                let conductor = self.nodes[node as usize].conductor;
                out.add(conductor, self.element_current(element, i));
            }
        }
        out
    }

    /// Voltages of a bus to earth, V; zero where dead. No allocation.
    pub fn bus_voltage(&self, bus: usize) -> Phasors {
        let mut out = Phasors::default();
        for node in self.bus_nodes(bus) {
            out.add(self.nodes[node].conductor, self.voltage(node));
        }
        out
    }

    /// Currents into a port by conductor of its bus, A; those of a conductor that
    /// several phases share are separate entries. Empty when dead.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_flow(&self, port: PortId) -> Vec<(u8, Complex)> {
        let mut out = Vec::new();
        for branch in &self.branches[self.ports[port.0 as usize].branches()] {
            if !branch.live {
                continue;
            }
            let v = self.potential(branch.a) - self.potential(branch.b);
            let current = branch.drawn(v);
            for (node, value) in [(branch.a, current), (branch.b, -current)] {
                if node != EARTH {
                    out.push((self.nodes[node as usize].conductor, value));
                }
            }
        }
        out
    }

    /// Currents into a port, one for each of its phases, A.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_current(&self, port: PortId) -> Phasors {
        let mut out = Phasors::default();
        for (conductor, current) in self.port_flow(port) {
            out.add(conductor, current);
        }
        out
    }
}
