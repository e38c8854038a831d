//! Three-phase unbalanced power flow in phase coordinates.
//!
//! A network is a set of nodes (bus, conductor) with earth as reference and a
//! complex-symmetric nodal admittance matrix. It is factored once per change of
//! switches or taps; loads, photovoltaic plants and storage are currents at
//! ports that depend on the voltage there, found by a fixed point on those
//! ports alone. The stop criterion is the power mismatch at the ports, not the
//! last voltage step. A network that cannot be solved is a verdict
//! ([`Verdict`]), never a panic, and leaves the last solution in place.
//!
//! All quantities are SI (V, A, W, var, S) unless a name says otherwise. Power
//! at ports is positive when drawn.
#![deny(missing_docs)]

pub mod bench;
mod complex;
mod dense;
pub mod inverter;
mod law;
mod ldl;
mod network;
mod primitive;

pub use complex::Complex;
pub use dense::{invert_dense, kron_dense};
pub use network::{
    Batch, BatchReport, BranchFlow, BuildError, BusFault, CompareError, Comparison, ConductorFlow,
    EmfBehindImpedance, Fault, FaultError, FaultKind, FaultPlace, FaultReading, FaultStudy,
    Iteration, LANES, MAX_FAULTS, Margin, Network, Phasors, PortError, PortId, PortLaw,
    ReduceError, Reduced, RegulateReport, Sequence, SolutionState, SolveOptions, SolveReport,
    SourceError, SourceReading, Totals, Verdict, compare_nodes, nodes_csv,
};
