//! Fault study: what a short circuit at each bus draws.
//!
//! The network is seen from the bus through its Thevenin impedance, which is
//! the block of the inverse of the admittance matrix that belongs to the nodes
//! of the bus. All blocks come from one pass over the factor (the selected
//! inversion of Takahashi, Fagan and Chin, 1973). Loads stand in the matrix as
//! the admittance that draws their nominal power at rated voltage, and the
//! voltages before the fault are those of the last solution: a study of the
//! network as it is loaded, not one of IEC 60909.

use super::*;

/// Kinds of short circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Every phase to earth.
    ThreePhase,
    /// Conductors a and b together.
    LineLine(u8, u8),
    /// Conductors a and b to earth.
    LineLineEarth(u8, u8),
    /// One conductor to earth.
    LineEarth(u8),
}

/// Why a fault cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// There is no solution to start from.
    #[error("the network has no solution before the fault")]
    NotSolved,
    /// The bus index is out of range.
    #[error("there is no bus {0}")]
    NoSuchBus(usize),
    /// The bus has no such conductor.
    #[error("bus `{bus}` has no conductor {conductor}")]
    NoSuchConductor {
        /// The bus.
        bus: String,
        /// The conductor.
        conductor: u8,
    },
    /// Nothing feeds the bus.
    #[error("bus `{0}` is dead")]
    Dead(String),
    /// The matrix cannot be factored.
    #[error("the admittance matrix is singular")]
    Singular,
}

/// Thevenin impedances of every bus.
#[derive(Clone, Debug)]
pub struct FaultStudy {
    /// Voltages before the fault by node, V.
    before: Vec<Complex>,
    /// Impedance blocks by bus, by rows, ohm.
    blocks: Vec<Vec<Complex>>,
    /// First node of each bus.
    first: Vec<usize>,
    conductors: Vec<Vec<u8>>,
    live: Vec<bool>,
    ids: Vec<String>,
}

/// Currents of one fault.
#[derive(Clone, Debug, PartialEq)]
pub struct BusFault {
    /// Conductors in fault.
    pub conductors: Vec<u8>,
    /// Current from each of them into the fault, A.
    pub currents: Vec<Complex>,
    /// Voltages of the bus during the fault, all its conductors, V.
    pub voltages: Vec<Complex>,
}

impl Network {
    /// Thevenin impedances of all buses with the loads as impedances.
    ///
    /// # Errors
    /// If the network has not been solved or its matrix is singular.
    pub fn fault_study(&mut self) -> Result<FaultStudy, FaultError> {
        if !self.last.converged || self.stale != Stale::default() {
            return Err(FaultError::NotSolved);
        }
        self.prepare().map_err(|_| FaultError::Singular)?;
        let mut matrix = self.matrix.sum.clone();
        self.add_loads(&mut matrix);
        for node in (0..self.nodes.len()).filter(|&n| self.standing[n] == Standing::Dead) {
            let at = self.matrix.factor.position(node);
            matrix[self.matrix.factor.diagonal_slot(at)] += Complex::ONE;
        }
        let mut factor = self.matrix.factor.clone();
        factor.factor(&matrix).map_err(|_| FaultError::Singular)?;
        let inverse = factor.selected_inverse();
        let mut blocks = Vec::with_capacity(self.buses.len());
        for bus in &self.buses {
            let mut block = Vec::with_capacity(bus.nodes * bus.nodes);
            for i in 0..bus.nodes {
                for j in 0..bus.nodes {
                    let (a, b) = (
                        factor.position(bus.first_node + i),
                        factor.position(bus.first_node + j),
                    );
                    let z = factor.slot(a, b).map(|slot| inverse[slot]);
                    block.push(z.unwrap_or(Complex::ZERO));
                }
            }
            blocks.push(block);
        }
        Ok(FaultStudy {
            before: (0..self.nodes.len()).map(|n| self.voltage(n)).collect(),
            blocks,
            first: self.buses.iter().map(|b| b.first_node).collect(),
            conductors: (0..self.buses.len())
                .map(|b| self.bus_nodes(b).map(|n| self.nodes[n].conductor).collect())
                .collect(),
            live: (0..self.buses.len())
                .map(|b| self.bus_energised(b))
                .collect(),
            ids: self.buses.iter().map(|b| b.id.clone()).collect(),
        })
    }

    /// Adds the rated admittances of the ports to matrix values.
    fn add_loads(&self, matrix: &mut [Complex]) {
        let factor = &self.matrix.factor;
        for branch in self.branches.iter().filter(|b| b.live) {
            let y = branch.law.rated_admittance(branch.s) - branch.held;
            let place = |n: NodeRef| (n != EARTH).then(|| factor.position(n as usize));
            let (a, b) = (place(branch.a), place(branch.b));
            for at in [a, b].into_iter().flatten() {
                matrix[factor.diagonal_slot(at)] += y;
            }
            let between = a.zip(b).and_then(|(a, b)| factor.slot(a, b));
            if let Some(slot) = between {
                matrix[slot] -= y;
            }
        }
    }
}

impl FaultStudy {
    /// Open-circuit voltage of a node before the fault, V.
    ///
    /// # Panics
    /// If the index is not one of the network, as with a slice.
    pub fn voltage_before(&self, node: usize) -> Complex {
        self.before[node]
    }

    /// Thevenin impedance of a bus between its conductors, by rows, ohm.
    ///
    /// # Panics
    /// If the index is not one of the network, as with a slice.
    pub fn impedance(&self, bus: usize) -> &[Complex] {
        &self.blocks[bus]
    }

    /// Currents of a fault at a bus; `z_ohm` lies from each faulted conductor
    /// to earth, or between the two for a fault between conductors.
    ///
    /// # Errors
    /// If the bus lacks the conductors or is dead.
    pub fn fault(
        &self,
        bus: usize,
        kind: FaultKind,
        z_ohm: Complex,
    ) -> Result<BusFault, FaultError> {
        let conductors = self.faulted(bus, kind)?;
        let n = self.conductors[bus].len();
        let z = &self.blocks[bus];
        let before: Vec<Complex> = (0..n).map(|i| self.before[self.first[bus] + i]).collect();
        let at: Vec<usize> = conductors.iter().map(|c| c.0).collect();
        let currents = if let FaultKind::LineLine(..) = kind {
            let (a, b) = (at[0], at[1]);
            let loop_z = z[a * n + a] + z[b * n + b] - z[a * n + b] - z[b * n + a] + z_ohm;
            let current = (before[a] - before[b]) / loop_z;
            vec![current, -current]
        } else {
            let k = at.len();
            let mut m = Matrix::zeros(k);
            for (i, &r) in at.iter().enumerate() {
                for (j, &c) in at.iter().enumerate() {
                    m.set(i, j, z[r * n + c]);
                }
                m.add(i, i, z_ohm);
            }
            let y = m.inverse().ok_or(FaultError::Singular)?;
            (0..k)
                .map(|i| (0..k).map(|j| y.at(i, j) * before[at[j]]).sum())
                .collect()
        };
        let voltages = (0..n)
            .map(|i| {
                let drop: Complex = at
                    .iter()
                    .zip(&currents)
                    .map(|(&j, &current)| z[i * n + j] * current)
                    .sum();
                before[i] - drop
            })
            .collect();
        Ok(BusFault {
            conductors: conductors.iter().map(|c| c.1).collect(),
            currents,
            voltages,
        })
    }

    /// Positions and numbers of the conductors in fault.
    fn faulted(&self, bus: usize, kind: FaultKind) -> Result<Vec<(usize, u8)>, FaultError> {
        let known = self.conductors.get(bus).ok_or(FaultError::NoSuchBus(bus))?;
        if !self.live[bus] {
            return Err(FaultError::Dead(self.ids[bus].clone()));
        }
        let find = |conductor: u8| {
            known
                .iter()
                .position(|&c| c == conductor)
                .map(|at| (at, conductor))
                .ok_or_else(|| FaultError::NoSuchConductor {
                    bus: self.ids[bus].clone(),
                    conductor,
                })
        };
        match kind {
            FaultKind::ThreePhase => Ok(known
                .iter()
                .copied()
                .enumerate()
                .filter(|(_, c)| (1..=3).contains(c))
                .collect()),
            FaultKind::LineLine(a, b) | FaultKind::LineLineEarth(a, b) => {
                Ok(vec![find(a)?, find(b)?])
            }
            FaultKind::LineEarth(a) => Ok(vec![find(a)?]),
        }
    }
}
