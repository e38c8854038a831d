//! The network: nodes, elements, ports and the matrix that joins them.

mod accelerate;
mod access;
mod balance;
mod batch;
mod branch;
mod build;
mod capacitor;
mod compare;
mod control;
mod disturbance;
mod fault;
mod forming;
mod line_state;
mod linearised;
mod margin;
mod matrix;
mod phasor;
mod ports;
mod prepare;
mod reduced;
mod regulate;
mod results;
mod section;
mod solve;
mod state;
mod switching;
mod topology;

pub use batch::{Batch, BatchReport, LANES};
pub use build::BuildError;
pub use compare::{CompareError, Comparison, compare_nodes, nodes_csv};
pub use disturbance::{Fault, FaultPlace, FaultReading, MAX_FAULTS};
pub use fault::{BusFault, FaultError, FaultKind, FaultStudy};
pub use forming::{EmfBehindImpedance, SourceError, SourceReading};
pub use margin::Margin;
pub use phasor::{Phasors, Sequence};
pub use ports::{PortError, PortId, PortLaw};
pub use reduced::{ReduceError, Reduced};
pub use regulate::RegulateReport;
pub use results::{BranchFlow, ConductorFlow, Totals};
pub use solve::{Iteration, SolveReport, Verdict};
pub use state::SolutionState;

use std::collections::BTreeMap;

use gridloom_model::grid::{LineEnd, Transformer};

use crate::Complex;
use crate::dense::Matrix;
use crate::ldl::Ldl;
use accelerate::Accelerator;
use branch::Branch;
use capacitor::{CapacitorInfo, ReactorInfo};
use control::{PortControl, Stage};
use forming::Forming;
use linearised::Linearised;
use matrix::push_between;
use ports::Port;
use regulate::RegulatorInfo;
use switching::CapacitorControlInfo;
use topology::Standing;

/// A network ready to be solved.
///
/// Nodes are (bus, conductor) pairs numbered by bus and then by conductor;
/// conductor 0 is earth and no node. Every index the API hands out is dense
/// and stays valid for the life of the network.
#[derive(Clone, Debug)]
pub struct Network {
    name: String,
    frequency_hz: f64,
    buses: Vec<BusInfo>,
    bus_by_id: BTreeMap<String, usize>,
    nodes: Vec<NodeInfo>,
    elements: Vec<Element>,
    lines: Vec<LineInfo>,
    line_by_id: BTreeMap<String, usize>,
    switches: Vec<SwitchInfo>,
    switch_by_id: BTreeMap<String, usize>,
    transformers: Vec<TransformerInfo>,
    regulators: Vec<RegulatorInfo>,
    sources: Vec<SourceInfo>,
    ports: Vec<Port>,
    port_by_id: BTreeMap<String, PortId>,
    branches: Vec<Branch>,
    /// First element that only holds a port's admittance in the matrix.
    held_from: usize,
    matrix: NetworkMatrix,
    /// Voltages by position in the factor; one more entry, always zero, for earth.
    v: Vec<Complex>,
    /// Right-hand side of the trailing part without port currents.
    rhs0: Vec<Complex>,
    /// Work vector of the trailing part and its earth entry.
    work: Vec<Complex>,
    accelerator: Accelerator,
    /// Present only between changes of the matrix.
    linearised: Option<Linearised>,
    standing: Vec<Standing>,
    /// Section of each node: the smallest node connected with it.
    section: Vec<u32>,
    /// Faults by the id their owner gave them.
    faults: BTreeMap<u32, Fault>,
    /// Ports that hold a voltage, by port.
    forming: BTreeMap<u32, Forming>,
    /// Control laws by port.
    controls: BTreeMap<u32, PortControl>,
    /// Ports with a control law, in order.
    controlled: Vec<u32>,
    capacitors: Vec<CapacitorInfo>,
    reactors: Vec<ReactorInfo>,
    capacitor_controls: Vec<CapacitorControlInfo>,
    /// Line of each element, `u32::MAX` for others.
    line_of: Vec<u32>,
    dead_nodes: usize,
    stale: Stale,
    options: SolveOptions,
    last: SolveReport,
    /// Iterations of the last solution; for looking at, never read by a solution.
    trail: Vec<Iteration>,
}

/// What must be brought up to date before the next solution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stale {
    /// Pattern and order: ports were added.
    pattern: bool,
    /// What is connected with what.
    topology: bool,
    /// Values and factor.
    values: bool,
    /// Currents of the sources.
    sources: bool,
    /// Start from the no-load solution instead of the last one.
    start: bool,
}

/// Limits of the iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SolveOptions {
    /// Largest power mismatch allowed at any port, relative to the power there.
    pub tolerance: f64,
    /// Iterations after which the verdict is [`Verdict::IterationLimit`].
    pub max_iterations: u32,
}

impl Default for SolveOptions {
    fn default() -> Self {
        Self {
            tolerance: 1e-9,
            max_iterations: 200,
        }
    }
}

#[derive(Clone, Debug)]
struct BusInfo {
    id: String,
    kv_ln: f64,
    xy: Option<(f64, f64)>,
    first_node: usize,
    nodes: usize,
}

#[derive(Clone, Copy, Debug)]
struct NodeInfo {
    bus: u32,
    conductor: u8,
}

/// Number of a node, or [`EARTH`].
type NodeRef = u32;

/// The reference of every voltage.
const EARTH: NodeRef = u32::MAX;

/// An element with an admittance matrix.
#[derive(Clone, Debug)]
struct Element {
    nodes: Vec<NodeRef>,
    /// First entry of its matrix in [`NetworkMatrix::primitive`].
    offset: usize,
    /// Which nodes it joins for the topology.
    joins: Joins,
}

/// How an element joins its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joins {
    /// Conductor i of the first half with conductor i of the second.
    Straight,
    /// All nodes with each other.
    All,
    /// None.
    Nothing,
}

#[derive(Clone, Debug)]
struct LineInfo {
    id: String,
    element: usize,
    from_bus: usize,
    to_bus: usize,
    conductors: usize,
    rating_a: Option<f64>,
    is_link: bool,
    open: [bool; 2],
    /// Conductors interrupted at the first end, one bit each.
    broken: u32,
    charging: bool,
    closed_matrix: Matrix,
}

#[derive(Clone, Debug)]
struct SwitchInfo {
    id: String,
    line: usize,
    end: usize,
}

#[derive(Clone, Debug)]
struct TransformerInfo {
    element: usize,
    case: Transformer,
    /// First terminal conductor of each winding.
    offsets: Vec<usize>,
    /// Buses of the windings.
    buses: Vec<usize>,
}

#[derive(Clone, Debug)]
struct SourceInfo {
    id: String,
    element: usize,
    conductors: usize,
    admittance: Matrix,
    volts: Vec<Complex>,
    /// Terminal conductors of other elements at its nodes.
    around: Vec<(u32, u32)>,
    /// Returns through earth and shares no node with another source.
    alone: bool,
}

/// Pattern, values and factor of the nodal admittance matrix.
#[derive(Clone, Debug)]
struct NetworkMatrix {
    factor: Ldl,
    /// Present matrices of all elements, by rows, one after the other.
    primitive: Vec<Complex>,
    /// Contributions to slot s: `contribution[start[s]..start[s + 1]]` index `primitive`.
    start: Vec<u32>,
    contribution: Vec<u32>,
    /// Slots that each element writes to: `touched[touched_start[e]..touched_start[e + 1]]`.
    touched_start: Vec<u32>,
    touched: Vec<u32>,
    /// Sum of contributions by slot.
    sum: Vec<Complex>,
}

#[cfg(test)]
mod tests;
