//! From a grid file to a network.

mod elements;

use std::collections::{BTreeMap, BTreeSet};

use gridloom_model::grid::{GridCase, Line, Problem, Terminal, Transformer, VoltageSource};

use super::*;
use crate::primitive;

/// Why a network cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The grid file has problems of meaning.
    #[error("the grid has {} problems, first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Invalid(Vec<Problem>),
    /// An element's impedance cannot be turned into an admittance.
    #[error("{kind} `{id}`: {message}")]
    Impedance {
        /// Kind of element.
        kind: &'static str,
        /// Its id.
        id: String,
        /// What is wrong.
        message: String,
    },
    /// A switch id is in use elsewhere.
    #[error("switch `{id}` is already mounted elsewhere")]
    SwitchTaken {
        /// The id.
        id: String,
    },
    /// A line index is out of range.
    #[error("there is no line {line}")]
    NoSuchLine {
        /// The index.
        line: usize,
    },
    /// More nodes or entries than indices can count.
    #[error("the network is too large")]
    TooLarge,
}

/// Most nodes of one network; keeps every index within 32 bits.
const MAX_NODES: usize = 4_000_000;

/// Elements and nodes while they are collected.
struct Builder<'a> {
    case: &'a GridCase,
    bus_by_id: BTreeMap<String, usize>,
    first_node: Vec<usize>,
    conductors: Vec<Vec<u8>>,
    elements: Vec<Element>,
    primitive: Vec<Complex>,
}

impl Network {
    /// Builds a network from a grid; every switch as the file says, every port at its rating.
    ///
    /// # Errors
    /// If the grid is not valid or an impedance is singular.
    pub fn build(case: &GridCase) -> Result<Self, BuildError> {
        let problems = case.validate();
        if !problems.is_empty() {
            return Err(BuildError::Invalid(problems));
        }
        let mut builder = Builder::new(case);
        let nodes = builder.nodes()?;
        let sources = builder.sources()?;
        let lines = builder.lines()?;
        let transformers = builder.transformers()?;
        let capacitors = builder.capacitors();
        let reactors = builder.shunts();
        let regulators = builder.regulators();
        let (ports, branches) = builder.ports();
        let weak = builder.weak_ports(&nodes, &sources, &ports, &branches);
        let Builder {
            bus_by_id,
            first_node,
            conductors,
            elements,
            primitive,
            ..
        } = builder;
        let port_by_id = ports
            .iter()
            .enumerate()
            .map(|(i, p)| (p.id.clone(), PortId(i as u32)))
            .collect();
        let mut network = Self {
            name: case.name.clone(),
            frequency_hz: case.base_frequency_hz,
            buses: bus_infos(case, &first_node, &conductors),
            bus_by_id,
            line_by_id: index(lines.iter().map(|l| l.id.clone())),
            switch_by_id: index(case.switches.iter().map(|s| s.id.clone())),
            switches: Vec::new(),
            matrix: NetworkMatrix::empty(primitive),
            v: Vec::new(),
            rhs0: Vec::new(),
            work: Vec::new(),
            accelerator: Accelerator::default(),
            linearised: None,
            standing: vec![Standing::default(); nodes.len()],
            section: vec![0; nodes.len()],
            faults: BTreeMap::new(),
            forming: BTreeMap::new(),
            controls: BTreeMap::new(),
            controlled: Vec::new(),
            capacitors,
            reactors,
            capacitor_controls: Vec::new(),
            line_of: Vec::new(),
            dead_nodes: 0,
            stale: Stale {
                pattern: true,
                topology: true,
                values: true,
                sources: true,
                start: true,
            },
            options: SolveOptions::default(),
            last: SolveReport::default(),
            trail: Vec::new(),
            held_from: elements.len(),
            nodes,
            elements,
            lines,
            transformers,
            regulators,
            sources,
            ports,
            port_by_id,
            branches,
        };
        network.list_lines();
        network.mount_switches(case)?;
        network.list_neighbours();
        network.hold_in_matrix(&weak);
        network.list_lines();
        network.place_plants(&case.generators);
        network.capacitor_controls = case
            .capacitor_controls
            .iter()
            .filter_map(|c| CapacitorControlInfo::new(c, &network))
            .collect();
        Ok(network)
    }
}

fn bus_infos(case: &GridCase, first_node: &[usize], conductors: &[Vec<u8>]) -> Vec<BusInfo> {
    case.buses
        .iter()
        .enumerate()
        .map(|(i, bus)| BusInfo {
            id: bus.id.clone(),
            kv_ln: bus.kv_ln,
            xy: bus.xy,
            first_node: first_node[i],
            nodes: conductors[i].len(),
        })
        .collect()
}

impl Network {
    fn mount_switches(&mut self, case: &GridCase) -> Result<(), BuildError> {
        for switch in &case.switches {
            let line = self.line_by_id.get(&switch.line).copied();
            let line = line.ok_or(BuildError::NoSuchLine { line: usize::MAX })?;
            let end = usize::from(switch.end == LineEnd::To);
            self.switches.push(SwitchInfo {
                id: switch.id.clone(),
                line,
                end,
            });
            self.set_line_end(line, end, !switch.closed);
        }
        Ok(())
    }

    /// Notes what else is connected at the nodes of each source.
    fn list_neighbours(&mut self) {
        for s in 0..self.sources.len() {
            let info = &self.sources[s];
            let (own, n) = (info.element, info.conductors);
            let (at, from) = self.elements[own].nodes.split_at(n);
            let mut alone = from.iter().all(|&node| node == EARTH);
            let mut around = Vec::new();
            for (e, element) in self.elements.iter().enumerate() {
                if e == own || e >= self.held_from {
                    continue;
                }
                let source = self.sources.iter().any(|other| other.element == e);
                for (i, node) in element.nodes.iter().enumerate() {
                    if *node != EARTH && at.contains(node) {
                        alone &= !source;
                        around.push((e as u32, i as u32));
                    }
                }
            }
            self.sources[s].around = around;
            self.sources[s].alone = alone;
        }
    }

    /// Notes which elements are lines.
    pub(super) fn list_lines(&mut self) {
        self.line_of = vec![u32::MAX; self.elements.len()];
        for (i, line) in self.lines.iter().enumerate() {
            self.line_of[line.element] = i as u32;
        }
    }
}

fn index(ids: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    ids.enumerate().map(|(i, id)| (id, i)).collect()
}

impl<'a> Builder<'a> {
    fn new(case: &'a GridCase) -> Self {
        let bus_by_id = index(case.buses.iter().map(|b| b.id.clone()));
        let mut sets = vec![BTreeSet::new(); case.buses.len()];
        let mut note = |terminal: &Terminal| {
            if let Some(&bus) = bus_by_id.get(&terminal.bus) {
                sets[bus].extend(terminal.conductors.iter().copied().filter(|&c| c != 0));
            }
        };
        for s in &case.sources {
            note(&s.at);
            s.from.iter().for_each(&mut note);
        }
        for l in &case.lines {
            note(&l.from);
            note(&l.to);
        }
        for t in &case.transformers {
            t.windings.iter().for_each(|w| note(&w.at));
        }
        for c in &case.capacitors {
            note(&c.at);
            c.to.iter().for_each(&mut note);
        }
        for r in &case.reactors {
            note(&r.at);
            r.to.iter().for_each(&mut note);
        }
        case.loads.iter().for_each(|l| note(&l.at));
        case.generators.iter().for_each(|g| note(&g.at));
        let conductors: Vec<Vec<u8>> = sets.into_iter().map(|s| s.into_iter().collect()).collect();
        let first_node = conductors
            .iter()
            .scan(0, |at, c| {
                let first = *at;
                *at += c.len();
                Some(first)
            })
            .collect();
        Self {
            case,
            bus_by_id,
            first_node,
            conductors,
            elements: Vec::new(),
            primitive: Vec::new(),
        }
    }

    fn nodes(&self) -> Result<Vec<NodeInfo>, BuildError> {
        let nodes: Vec<NodeInfo> = self
            .conductors
            .iter()
            .enumerate()
            .flat_map(|(bus, list)| {
                list.iter().map(move |&conductor| NodeInfo {
                    bus: bus as u32,
                    conductor,
                })
            })
            .collect();
        if nodes.len() > MAX_NODES {
            return Err(BuildError::TooLarge);
        }
        Ok(nodes)
    }

    /// Nodes of a terminal; the grid is valid, so its bus and conductors exist.
    fn refs(&self, terminal: &Terminal) -> Vec<NodeRef> {
        let bus = self.bus_by_id.get(&terminal.bus).copied();
        terminal
            .conductors
            .iter()
            .map(|&c| {
                bus.and_then(|bus| {
                    let at = self.conductors[bus].binary_search(&c).ok()?;
                    Some((self.first_node[bus] + at) as NodeRef)
                })
                .unwrap_or(EARTH)
            })
            .collect()
    }

    fn element(&mut self, nodes: Vec<NodeRef>, matrix: &Matrix, joins: Joins) -> usize {
        self.elements.push(Element {
            nodes,
            offset: self.primitive.len(),
            joins,
        });
        self.primitive.extend_from_slice(&matrix.a);
        self.elements.len() - 1
    }

    fn ports(&self) -> (Vec<Port>, Vec<Branch>) {
        let mut ports = Vec::new();
        let mut branches = Vec::new();
        for load in &self.case.loads {
            let nodes = self.refs(&load.at);
            let law = PortLaw::of_load(load);
            Port::push(
                &mut ports,
                &mut branches,
                &load.id,
                &nodes,
                law,
                load.kw,
                load.kvar,
            );
        }
        for g in &self.case.generators {
            let nodes = self.refs(&g.at);
            let law = PortLaw::of_generator(g);
            Port::push(
                &mut ports,
                &mut branches,
                &g.id,
                &nodes,
                law,
                -g.kw,
                -g.kvar,
            );
        }
        (ports, branches)
    }

    /// Ports without which a node would hang in the air: they must stand in the matrix.
    fn weak_ports(
        &self,
        nodes: &[NodeInfo],
        sources: &[SourceInfo],
        ports: &[Port],
        branches: &[Branch],
    ) -> Vec<usize> {
        let mut sets = topology::Sets::new(nodes.len());
        for element in &self.elements {
            sets.join(element, 0);
            sets.earth(element, 0);
        }
        let mut live = vec![false; nodes.len() + 1];
        live[sets.find(nodes.len())] = true;
        for source in sources {
            for &node in &self.elements[source.element].nodes {
                if node != EARTH {
                    live[sets.find(node as usize)] = true;
                }
            }
        }
        (0..ports.len())
            .filter(|&p| {
                ports[p].branches().any(|b| {
                    [branches[b].a, branches[b].b]
                        .into_iter()
                        .any(|n| n != EARTH && !live[sets.find(n as usize)])
                })
            })
            .collect()
    }
}

fn impedance(kind: &'static str, id: &str, error: &primitive::PrimitiveError) -> BuildError {
    BuildError::Impedance {
        kind,
        id: id.to_owned(),
        message: error.to_string(),
    }
}
