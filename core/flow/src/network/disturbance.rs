//! Faults in the running network.
//!
//! A fault is an admittance between conductors of a bus, or of a point on a
//! line, and earth. It stands in the matrix beside the elements: applying,
//! changing and removing it costs one factorisation with the known pattern. Any
//! number of faults may stand at once, also on what is already dead.
//! While there is one, loads and plants below 0.7 per unit are impedances.

use super::*;
use crate::dense::Matrix;

/// Faults that may stand at once.
pub const MAX_FAULTS: usize = 64;

/// Least impedance of a fault, ohm; a bolted fault has this.
const BOLTED_OHM: f64 = 1e-8;

/// Least distance of a fault on a line from its ends, share of the length:
/// nearer ones would hide behind the bus.
const NEAREST: f64 = 1e-4;

/// Where a fault is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultPlace {
    /// At a bus.
    Bus(usize),
    /// On a line, `position` from its first end (0) to its second (1).
    Line {
        /// The line.
        line: usize,
        /// Share of the length from the first end.
        position: f64,
    },
}

/// A short circuit in the running network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// Where.
    pub place: FaultPlace,
    /// What is connected; conductors by their numbers at the bus, or at the
    /// first end of the line.
    pub kind: FaultKind,
    /// Impedance from each conductor in fault to the point where they meet, ohm.
    /// Between two conductors it lies once between them.
    pub z_ohm: Complex,
    /// Impedance from that point to earth, ohm; only for faults to earth.
    pub z_earth_ohm: Complex,
}

impl Fault {
    /// A fault without impedance.
    pub fn bolted(place: FaultPlace, kind: FaultKind) -> Self {
        Self {
            place,
            kind,
            z_ohm: Complex::ZERO,
            z_earth_ohm: Complex::ZERO,
        }
    }
}

/// What a fault draws in the last solution.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultReading {
    /// Current from each conductor in fault into it, A.
    pub currents: Vec<(u8, Complex)>,
    /// Voltage to earth of every conductor there, V.
    pub voltages: Vec<(u8, Complex)>,
    /// Current into earth, A: the sum of the conductors' currents.
    pub earth: Complex,
    /// Power turned into heat, W.
    pub p_w: f64,
}

impl FaultReading {
    /// Largest current of a conductor, A.
    pub fn largest_a(&self) -> f64 {
        self.currents.iter().map(|c| c.1.abs()).fold(0.0, f64::max)
    }
}

impl Network {
    /// Applies, changes or (`None`) clears the fault that its owner calls `id`;
    /// returns whether anything changed. Takes effect with the next
    /// [`Network::solve`], which then starts from the no-load solution.
    ///
    /// # Errors
    /// If the place or a conductor does not exist, an impedance is not finite
    /// or has a negative resistance, or [`MAX_FAULTS`] stand already.
    pub fn set_fault(&mut self, id: u32, fault: Option<Fault>) -> Result<bool, FaultError> {
        let fault = match fault {
            Some(fault) => Some(self.checked(fault)?),
            None => None,
        };
        let before = self.faults.get(&id).copied();
        if before == fault {
            return Ok(false);
        }
        match fault {
            Some(fault) => {
                if before.is_none() && self.faults.len() >= MAX_FAULTS {
                    return Err(FaultError::TooMany);
                }
                self.faults.insert(id, fault);
            }
            None => {
                self.faults.remove(&id);
            }
        }
        for fault in [before, fault].into_iter().flatten() {
            if let FaultPlace::Line { line, .. } = fault.place {
                self.write_line(line);
            }
        }
        self.soften();
        self.stale.values = true;
        self.stale.start = true;
        Ok(true)
    }

    /// Faults that stand, by id.
    pub fn faults(&self) -> impl Iterator<Item = (u32, &Fault)> {
        self.faults.iter().map(|(&id, fault)| (id, fault))
    }

    fn checked(&self, mut fault: Fault) -> Result<Fault, FaultError> {
        for z in [fault.z_ohm, fault.z_earth_ohm] {
            if !(z.is_finite() && z.re >= 0.0) {
                return Err(FaultError::Impedance);
            }
        }
        match &mut fault.place {
            FaultPlace::Bus(bus) => {
                if *bus >= self.buses.len() {
                    return Err(FaultError::NoSuchBus(*bus));
                }
            }
            FaultPlace::Line { line, position } => {
                if *line >= self.lines.len() {
                    return Err(FaultError::NoSuchLine(*line));
                }
                if !(0.0..=1.0).contains(position) {
                    return Err(FaultError::Position);
                }
                *position = position.clamp(NEAREST, 1.0 - NEAREST);
            }
        }
        self.members(&fault)?;
        Ok(fault)
    }

    /// Conductors at the place of a fault, by number; `None` marks earth.
    fn conductors_at(&self, place: FaultPlace) -> Vec<Option<u8>> {
        match place {
            FaultPlace::Bus(bus) => self
                .bus_nodes(bus)
                .map(|n| Some(self.nodes[n].conductor))
                .collect(),
            FaultPlace::Line { line, .. } => {
                let info = &self.lines[line];
                self.elements[info.element].nodes[..info.conductors]
                    .iter()
                    .map(|&n| (n != EARTH).then(|| self.nodes[n as usize].conductor))
                    .collect()
            }
        }
    }

    /// Places of the conductors in fault among those there.
    fn members(&self, fault: &Fault) -> Result<Vec<usize>, FaultError> {
        let known = self.conductors_at(fault.place);
        let find = |conductor: u8| {
            known
                .iter()
                .position(|&c| c == Some(conductor))
                .ok_or_else(|| FaultError::NoSuchConductor {
                    bus: match fault.place {
                        FaultPlace::Bus(bus) => self.buses[bus].id.clone(),
                        FaultPlace::Line { line, .. } => self.lines[line].id.clone(),
                    },
                    conductor,
                })
        };
        match fault.kind {
            FaultKind::ThreePhase | FaultKind::ThreePhaseEarth => Ok((0..known.len())
                .filter(|&i| known[i].is_some_and(|c| (1..=3).contains(&c)))
                .collect()),
            FaultKind::LineLine(a, b) | FaultKind::LineLineEarth(a, b) => {
                let (a, b) = (find(a)?, find(b)?);
                if a == b {
                    return Err(FaultError::SameConductor);
                }
                Ok(vec![a, b])
            }
            FaultKind::LineEarth(a) => Ok(vec![find(a)?]),
        }
    }

    /// Admittance of a fault between all conductors at its place.
    pub(super) fn fault_matrix(&self, fault: &Fault) -> Option<Matrix> {
        let members = self.members(fault).ok()?;
        let n = self.conductors_at(fault.place).len();
        let mut out = Matrix::zeros(n);
        let between = star(fault, members.len());
        for (i, &r) in members.iter().enumerate() {
            for (j, &c) in members.iter().enumerate() {
                out.set(r, c, between.at(i, j));
            }
        }
        Some(out)
    }

    /// Entries of the faults at buses.
    pub(super) fn push_bus_faults(&self, out: &mut Vec<(usize, Complex)>) {
        let factor = &self.matrix.factor;
        for fault in self.faults.values() {
            let FaultPlace::Bus(bus) = fault.place else {
                continue;
            };
            let Some(matrix) = self.fault_matrix(fault) else {
                continue;
            };
            let first = self.buses[bus].first_node;
            for i in 0..matrix.n {
                for j in 0..=i {
                    let slot = factor.slot(factor.position(first + i), factor.position(first + j));
                    if let Some(slot) = slot {
                        out.push((slot, matrix.at(i, j)));
                    }
                }
            }
        }
    }

    /// Currents and voltages of a fault in the last solution; `None` when there
    /// is no such fault. All zero where the network is dead.
    pub fn fault_reading(&self, id: u32) -> Option<FaultReading> {
        let fault = self.faults.get(&id)?;
        let members = self.members(fault).ok()?;
        let known = self.conductors_at(fault.place);
        let (volts, matrix) = match fault.place {
            FaultPlace::Bus(bus) => {
                let volts = self.bus_nodes(bus).map(|n| self.voltage(n)).collect();
                (volts, self.fault_matrix(fault)?)
            }
            FaultPlace::Line { line, .. } => {
                let info = &self.lines[line];
                let chain = self.line_chain(line);
                let ends: Vec<Complex> = self.elements[info.element]
                    .nodes
                    .iter()
                    .map(|&n| self.potential(n))
                    .collect();
                let (volts, matrix) = chain.at_fault(info, id, &ends)?;
                (volts, matrix.clone())
            }
        };
        let current =
            |i: usize| -> Complex { (0..volts.len()).map(|j| matrix.at(i, j) * volts[j]).sum() };
        let mut reading = FaultReading {
            currents: Vec::new(),
            voltages: Vec::new(),
            earth: Complex::ZERO,
            p_w: 0.0,
        };
        for (i, conductor) in known.iter().enumerate() {
            let Some(conductor) = *conductor else {
                continue;
            };
            reading.voltages.push((conductor, volts[i]));
            if members.contains(&i) {
                let current = current(i);
                reading.currents.push((conductor, current));
                reading.earth += current;
                reading.p_w += (volts[i] * current.conj()).re;
            }
        }
        Some(reading)
    }

    /// Currents that leave nodes into faults at buses, with their nodes.
    pub(super) fn bus_fault_currents(&self) -> Vec<(usize, Complex)> {
        let mut out = Vec::new();
        for fault in self.faults.values() {
            let FaultPlace::Bus(bus) = fault.place else {
                continue;
            };
            let Some(matrix) = self.fault_matrix(fault) else {
                continue;
            };
            let nodes: Vec<usize> = self.bus_nodes(bus).collect();
            for (i, &node) in nodes.iter().enumerate() {
                let current = (0..matrix.n)
                    .map(|j| matrix.at(i, j) * self.voltage(nodes[j]))
                    .sum();
                out.push((node, current));
            }
        }
        out
    }

    /// Loads and plants draw as impedances at low voltage while there is a fault
    /// or a source of limited strength.
    pub(super) fn soften(&mut self) {
        let soft = !self.faults.is_empty() || !self.forming.is_empty();
        for branch in &mut self.branches {
            branch.soft = soft;
            branch.plain = !soft && !branch.forming && branch.limit_a == f64::INFINITY;
        }
    }
}

/// Admittance of branches that meet in a point, which an impedance earths in
/// faults to earth.
fn star(fault: &Fault, members: usize) -> Matrix {
    let least = |z: Complex| {
        if z.abs() < BOLTED_OHM {
            Complex::new(BOLTED_OHM, 0.0)
        } else {
            z
        }
    };
    let mut out = Matrix::zeros(members);
    match fault.kind {
        FaultKind::LineLine(..) => {
            let y = least(fault.z_ohm).recip();
            out.set(0, 0, y);
            out.set(1, 1, y);
            out.set(0, 1, -y);
            out.set(1, 0, -y);
        }
        FaultKind::LineEarth(_) => out.set(0, 0, least(fault.z_ohm + fault.z_earth_ohm).recip()),
        FaultKind::ThreePhase | FaultKind::ThreePhaseEarth | FaultKind::LineLineEarth(..) => {
            let z = least(fault.z_ohm);
            let y = z.recip();
            // The share that flows on between the branches: 1/m for a point
            // without earth, less the better the point is earthed.
            let m = members as f64;
            let share = if fault.kind == FaultKind::ThreePhase {
                Complex::new(1.0 / m, 0.0)
            } else {
                fault.z_earth_ohm / (z + fault.z_earth_ohm.scale(m))
            };
            for i in 0..members {
                for j in 0..members {
                    let own = if i == j { Complex::ONE } else { Complex::ZERO };
                    out.set(i, j, y * (own - share));
                }
            }
        }
    }
    out
}
