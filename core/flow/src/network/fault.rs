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
    /// The phases together, without earth.
    ThreePhase,
    /// Every phase to earth.
    ThreePhaseEarth,
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
    /// The line index is out of range.
    #[error("there is no line {0}")]
    NoSuchLine(usize),
    /// A place on a line is not between its ends.
    #[error("the position on the line must be from 0 to 1")]
    Position,
    /// An impedance is not usable.
    #[error("the impedance of a fault must be finite, its resistance not negative")]
    Impedance,
    /// A fault between a conductor and itself.
    #[error("a fault between conductors needs two different ones")]
    SameConductor,
    /// More faults than may stand at once.
    #[error("more than {MAX_FAULTS} faults at once")]
    TooMany,
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
        factor
            .factor(&matrix, &[])
            .map_err(|_| FaultError::Singular)?;
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

    /// Adds the rated admittances of the ports to matrix values: of forming
    /// ports their own, of ports with a limited current none.
    fn add_loads(&self, matrix: &mut [Complex]) {
        let mut entries = Vec::new();
        for branch in self.branches.iter().filter(|b| b.live) {
            let y = if branch.forming {
                branch.held - branch.built
            } else if branch.limit_a.is_finite() {
                -branch.built
            } else {
                branch.law.rated_admittance(branch.s) - branch.built
            };
            push_between(&self.matrix.factor, branch.a, branch.b, y, &mut entries);
        }
        self.push_earths(&mut entries);
        self.push_bus_faults(&mut entries);
        for (slot, y) in entries {
            matrix[slot] += y;
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
        let free = matches!(kind, FaultKind::LineLine(..) | FaultKind::ThreePhase);
        let currents = if free && at.len() < 2 {
            vec![Complex::ZERO; at.len()]
        } else if free && at.len() == 3 {
            free_star(z, n, &at, &before, z_ohm)?
        } else if free {
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
            FaultKind::ThreePhase | FaultKind::ThreePhaseEarth => Ok(known
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

/// Currents of three conductors that meet without earth.
fn free_star(
    z: &[Complex],
    n: usize,
    at: &[usize],
    before: &[Complex],
    z_ohm: Complex,
) -> Result<Vec<Complex>, FaultError> {
    // Two loops, from the first conductor to each of the others.
    let own = |i: usize, j: usize| {
        let extra = if i == j { z_ohm } else { Complex::ZERO };
        z[at[i] * n + at[j]] + extra
    };
    let mut m = Matrix::zeros(2);
    for i in 1..3 {
        for j in 1..3 {
            m.set(i - 1, j - 1, own(0, 0) - own(0, j) - own(i, 0) + own(i, j));
        }
    }
    let y = m.inverse().ok_or(FaultError::Singular)?;
    let loops: Vec<Complex> = (1..3).map(|i| before[at[i]] - before[at[0]]).collect();
    let b = y.at(0, 0) * loops[0] + y.at(0, 1) * loops[1];
    let c = y.at(1, 0) * loops[0] + y.at(1, 1) * loops[1];
    Ok(vec![-(b + c), b, c])
}
