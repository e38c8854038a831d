//! Ports: where loads, photovoltaic plants and storage meet the network.

use gridloom_model::grid::{Connection, Generator, Load, LoadLaw, VoltageBand};

use super::*;
use crate::law::PhaseLaw;
use crate::primitive;

/// Number of a port: loads of the grid file first, then its generators, then
/// those added later, each in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

/// Why a port was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The bus index is out of range.
    #[error("there is no bus {0}")]
    NoSuchBus(usize),
    /// The bus has no such conductor.
    #[error("bus `{bus}` has no conductor {conductor}")]
    NoSuchConductor {
        /// The bus.
        bus: String,
        /// The conductor asked for.
        conductor: u8,
    },
    /// The number of conductors does not suit the connection.
    #[error("{given} conductors given, {needed} needed")]
    Conductors {
        /// Given.
        given: usize,
        /// Needed.
        needed: usize,
    },
    /// The port id is in use.
    #[error("port `{0}` already exists")]
    Taken(String),
    /// A rating is not usable.
    #[error("the rated voltage must be a positive number")]
    Rating,
    /// More ports than a network may have.
    #[error("more than {MAX_PORTS} ports")]
    TooMany,
}

/// Most ports of one network.
const MAX_PORTS: usize = 1_000_000;

/// How a port behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PortLaw {
    /// Phases.
    pub phases: u8,
    /// Connection.
    pub connection: Connection,
    /// Rated voltage, kV: line to line for two and three phases and delta, across the port for one.
    pub kv: f64,
    /// Law inside the band.
    pub law: LoadLaw,
    /// Band in which the law holds.
    pub band: VoltageBand,
}

impl PortLaw {
    /// A single-phase injection to earth or neutral with stated power at every voltage.
    pub fn injection(kv: f64) -> Self {
        Self {
            phases: 1,
            connection: Connection::Wye,
            kv,
            law: LoadLaw::ConstPower,
            band: VoltageBand::WIDE,
        }
    }

    /// The law of a load of a grid file.
    pub fn of_load(load: &Load) -> Self {
        Self {
            phases: load.phases,
            connection: load.connection,
            kv: load.kv,
            law: load.law,
            band: load.band,
        }
    }

    /// The law of a generator of a grid file.
    pub fn of_generator(generator: &Generator) -> Self {
        Self {
            phases: generator.phases,
            connection: generator.connection,
            kv: generator.kv,
            law: generator.law,
            band: generator.band,
        }
    }

    /// Conductors a port of this law lists: phases, and for wye the return conductor last.
    pub fn conductors(&self) -> usize {
        let phases = usize::from(self.phases);
        match self.connection {
            Connection::Delta if phases >= 3 => phases,
            Connection::Delta | Connection::Wye => phases + 1,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) id: String,
    pub(super) law: PortLaw,
    pub(super) p_w: f64,
    pub(super) q_var: f64,
    first: u32,
    count: u32,
}

impl Port {
    pub(super) fn phases(&self) -> usize {
        self.count as usize
    }

    pub(super) fn branches(&self) -> std::ops::Range<usize> {
        self.first as usize..(self.first + self.count) as usize
    }

    pub(super) fn push(
        ports: &mut Vec<Self>,
        branches: &mut Vec<Branch>,
        id: &str,
        nodes: &[NodeRef],
        law: PortLaw,
        kw: f64,
        kvar: f64,
    ) {
        let phases = usize::from(law.phases);
        let share = 1.0 / phases as f64;
        let s = Complex::new(kw * 1000.0 * share, kvar * 1000.0 * share);
        let v_base = primitive::phase_volts(law.kv, law.connection, phases);
        let keeps_q = matches!(law.law, LoadLaw::PowerFixedQ | LoadLaw::PowerFixedReactance);
        let q_rated = if keeps_q { s.im } else { 0.0 };
        let first = branches.len() as u32;
        for i in 0..phases {
            let (a, b) = match law.connection {
                Connection::Wye => (nodes[i], nodes[nodes.len() - 1]),
                Connection::Delta => (nodes[i], nodes[(i + 1) % nodes.len()]),
            };
            branches.push(Branch {
                a,
                b,
                at_a: 0,
                at_b: 0,
                live: false,
                plain: true,
                forming: false,
                soft: false,
                s,
                law: PhaseLaw::new(law.law, law.band, v_base, q_rated),
                built: Complex::ZERO,
                held: Complex::ZERO,
                current: Complex::ZERO,
                emf: Complex::ZERO,
                limit_a: f64::INFINITY,
                floor: branch::FLOOR_VA2,
            });
        }
        ports.push(Self {
            id: id.to_owned(),
            law,
            p_w: kw * 1000.0,
            q_var: kvar * 1000.0,
            first,
            count: phases as u32,
        });
    }
}

impl Network {
    /// Port by id: loads and generators of the grid file carry their ids.
    pub fn port_index(&self, id: &str) -> Option<PortId> {
        self.port_by_id.get(id).copied()
    }

    /// Number of ports.
    pub fn port_count(&self) -> usize {
        self.ports.len()
    }

    /// Id of a port.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_id(&self, port: PortId) -> &str {
        &self.ports[port.0 as usize].id
    }

    /// Law of a port.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_law(&self, port: PortId) -> PortLaw {
        self.ports[port.0 as usize].law
    }

    /// Bus of a port.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_bus(&self, port: PortId) -> usize {
        let branch = &self.branches[self.ports[port.0 as usize].branches().start];
        let node = if branch.a == EARTH {
            branch.b
        } else {
            branch.a
        };
        self.nodes.get(node as usize).map_or(0, |n| n.bus as usize)
    }

    /// Nominal power drawn by a port at rated voltage, all phases: W and var, negative when it feeds in.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn port_nominal(&self, port: PortId) -> (f64, f64) {
        let p = &self.ports[port.0 as usize];
        (p.p_w, p.q_var)
    }

    /// Adds a port at a bus; conductors one per phase and, for wye, the return
    /// conductor last (0 = earth). It starts with no power.
    ///
    /// # Errors
    /// If bus, conductors or rating do not fit.
    pub fn add_port(
        &mut self,
        id: &str,
        bus: usize,
        conductors: &[u8],
        law: PortLaw,
    ) -> Result<PortId, PortError> {
        if bus >= self.buses.len() {
            return Err(PortError::NoSuchBus(bus));
        }
        if self.port_by_id.contains_key(id) {
            return Err(PortError::Taken(id.to_owned()));
        }
        if self.ports.len() >= MAX_PORTS {
            return Err(PortError::TooMany);
        }
        if !(law.kv.is_finite() && law.kv > 0.0) || law.phases == 0 {
            return Err(PortError::Rating);
        }
        if conductors.len() != law.conductors() {
            return Err(PortError::Conductors {
                given: conductors.len(),
                needed: law.conductors(),
            });
        }
        let nodes = conductors
            .iter()
            .map(|&c| match c {
                0 => Ok(EARTH),
                _ => self.node(bus, c).map(|n| n as NodeRef).ok_or_else(|| {
                    PortError::NoSuchConductor {
                        bus: self.buses[bus].id.clone(),
                        conductor: c,
                    }
                }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Port::push(
            &mut self.ports,
            &mut self.branches,
            id,
            &nodes,
            law,
            0.0,
            0.0,
        );
        let port = PortId(self.ports.len() as u32 - 1);
        self.port_by_id.insert(id.to_owned(), port);
        self.stale.pattern = true;
        Ok(port)
    }

    /// Sets the nominal power of a port for the next solution, all phases
    /// together, positive when drawn: W and var at rated voltage. Values that
    /// are not finite are refused and leave the port as it was.
    ///
    /// # Panics
    /// If the port is not one of this network, as with a slice.
    pub fn set_port_power(&mut self, port: PortId, p_w: f64, q_var: f64) -> bool {
        if !(p_w.is_finite() && q_var.is_finite()) {
            return false;
        }
        let entry = &mut self.ports[port.0 as usize];
        entry.p_w = p_w;
        entry.q_var = q_var;
        let share = 1.0 / f64::from(entry.count);
        let s = Complex::new(p_w * share, q_var * share);
        let range = entry.branches();
        for branch in &mut self.branches[range] {
            branch.s = s;
        }
        true
    }

    /// Puts the rated admittance of the listed ports into the matrix.
    pub(super) fn hold_in_matrix(&mut self, ports: &[usize]) {
        for &port in ports {
            for b in self.ports[port].branches() {
                let branch = &mut self.branches[b];
                let y = branch.law.rated_admittance(branch.s);
                if y == Complex::ZERO {
                    continue;
                }
                branch.built = y;
                branch.held = y;
                let mut matrix = Matrix::zeros(2);
                matrix.set(0, 0, y);
                matrix.set(1, 1, y);
                matrix.set(0, 1, -y);
                matrix.set(1, 0, -y);
                self.elements.push(Element {
                    nodes: vec![branch.a, branch.b],
                    offset: self.matrix.primitive.len(),
                    joins: Joins::Nothing,
                });
                self.matrix.primitive.extend_from_slice(&matrix.a);
            }
        }
    }
}
