//! The network of the run and what hangs where in it.

use bevy::prelude::*;
use gridloom_flow::{Network, PortId, SolutionState, SolveReport, Verdict};
use gridloom_model::grid::LineEnd;
use gridloom_units::DeviceId;

use crate::sim_state::{SimState, StateHasher};
use crate::site::Site;

/// An M-LMD: a breaker with a meter at one end of a line (paper G10, G19).
#[derive(Component, Clone, Debug)]
pub struct Mlmd {
    /// Device id.
    pub device: DeviceId,
    /// Index in scene order.
    pub index: u32,
    /// Id in the scene.
    pub id: String,
    /// Line it sits on.
    pub line: usize,
    /// Bus at that end.
    pub bus: usize,
    /// End of the line it sits at: the one towards the source.
    pub end: LineEnd,
    /// Switch of the network.
    pub switch: usize,
    /// Programmed limit per phase, A.
    pub limit_a: u32,
    /// Programmed time above the limit before it trips, s.
    pub trip_after_s: u32,
    /// Cluster it reports to.
    pub cluster: u32,
    /// M-LMDs directly behind it, as (line, end).
    pub children: Vec<(usize, LineEnd)>,
}

/// The network with its ports; the only electrical state of a run.
#[derive(Resource, Clone, Debug)]
pub struct Grid {
    network: Network,
    report: SolveReport,
    moved: bool,
    /// Solutions that did not converge since the start.
    failures: u64,
}

impl Grid {
    /// Takes a built network.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            network,
            report: SolveReport::default(),
            moved: false,
            failures: 0,
        }
    }

    /// The network, for reading.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Report of the last solution.
    #[must_use]
    pub fn report(&self) -> &SolveReport {
        &self.report
    }

    /// Solutions that did not converge since the start.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Opens what starts open and finds out what is live.
    pub(crate) fn start(&mut self, open: &[usize]) {
        for &switch in open {
            self.network.set_switch(switch, false);
        }
        self.moved = true;
        self.settle_topology();
    }

    /// Moves a switch; [`Self::settle_topology`] makes the change known.
    pub(super) fn set_switch(&mut self, switch: usize, closed: bool) {
        self.moved |= self.network.set_switch(switch, closed);
    }

    /// Recomputes which sections are live after switches have moved.
    pub(super) fn settle_topology(&mut self) {
        if std::mem::take(&mut self.moved) {
            // A singular network is reported by the solution that follows.
            let _ = self.network.solve_no_load();
        }
    }

    /// Whether a bus has a closed path to a source.
    #[must_use]
    pub fn bus_live(&self, bus: usize) -> bool {
        self.network.bus_energised(bus)
    }

    /// Whether neither end of a line, or only the end before an open breaker, is live.
    #[must_use]
    pub fn line_dead(&self, line: usize) -> bool {
        let (from, to) = self.network.line_buses(line);
        !(self.bus_live(from) && self.bus_live(to))
    }

    /// Nominal power of a port for the coming solution.
    pub(crate) fn set_port_kw(&mut self, port: usize, p_kw: f64, q_kvar: f64) {
        self.network
            .set_port_power(PortId(port as u32), p_kw * 1_000.0, q_kvar * 1_000.0);
    }

    /// Solves every live island.
    pub(super) fn solve(&mut self) {
        self.report = self.network.solve();
        self.failures += u64::from(!self.report.converged);
    }

    /// Active power a port was served, kW; zero when dead.
    #[must_use]
    pub fn served_kw(&self, port: usize) -> f64 {
        let (p_w, _) = self.network.port_power(PortId(port as u32));
        p_w / 1_000.0
    }

    /// Active power into a line at one end, kW.
    #[must_use]
    pub fn line_kw(&self, line: usize, end: LineEnd) -> f64 {
        self.network.line_power(line, end).0 / 1_000.0
    }

    /// Active power delivered by the sources, kW.
    #[must_use]
    pub fn source_kw(&self) -> f64 {
        (0..self.network.source_count())
            .map(|s| self.network.source_power(s).0)
            .sum::<f64>()
            / 1_000.0
    }

    /// Worst phase of a bus relative to its nominal voltage, pu; `None` when dead.
    #[must_use]
    pub fn bus_v_pu(&self, bus: usize) -> Option<f64> {
        if !self.network.bus_energised(bus) {
            return None;
        }
        let off = |v: f64| (v - 1.0).abs();
        self.network
            .bus_nodes(bus)
            .filter(|&node| (1..=3).contains(&self.network.node_at(node).1))
            .filter_map(|node| self.network.voltage_pu(node))
            .reduce(|worst, v| if off(v) > off(worst) { v } else { worst })
    }

    /// Voltage at a site's connection relative to the bus's nominal voltage,
    /// pu: its own phase, or the worst one of three; `None` when dead.
    #[must_use]
    pub fn site_v_pu(&self, site: &Site) -> Option<f64> {
        if !self.bus_live(site.bus) {
            return None;
        }
        match site.phase {
            Some(phase) => self.network.voltage_pu(self.network.node(site.bus, phase)?),
            None => self.bus_v_pu(site.bus),
        }
    }

    /// Negative- over positive-sequence voltage of a bus, 0..1 (IEC 61000-2-2).
    #[must_use]
    pub fn unbalance(&self, bus: usize) -> f64 {
        let nodes = [1, 2, 3].map(|phase| self.network.node(bus, phase));
        let [Some(a), Some(b), Some(c)] = nodes else {
            return 0.0;
        };
        let [a, b, c] = [a, b, c].map(|node| self.network.voltage(node));
        let turn = gridloom_flow::Complex::new(-0.5, 0.75_f64.sqrt());
        let back = turn.conj();
        let positive = (a + turn * b + back * c).abs();
        let negative = (a + back * b + turn * c).abs();
        if positive > 0.0 {
            negative / positive
        } else {
            0.0
        }
    }

    /// A sentence about a failed solution.
    #[must_use]
    pub fn verdict(&self) -> Option<String> {
        let at = || {
            self.report.worst_bus.map_or_else(String::new, |bus| {
                format!(" at bus {}", self.network.bus_id(bus))
            })
        };
        match self.report.verdict {
            Verdict::Solved | Verdict::NotSolved => None,
            Verdict::IterationLimit => Some(format!(
                "no solution after {} iterations, mismatch {:.1e}{}",
                self.report.iterations,
                self.report.residual,
                at()
            )),
            cause => Some(format!(
                "the network cannot carry this load ({cause:?}){}",
                at()
            )),
        }
    }
}

/// What a snapshot keeps of the network.
#[derive(Clone)]
pub struct SavedGrid {
    solution: SolutionState,
    report: SolveReport,
    failures: u64,
}

impl SimState for Grid {
    type Saved = SavedGrid;

    fn save(&self) -> SavedGrid {
        SavedGrid {
            solution: self.network.solution_state(),
            report: self.report,
            failures: self.failures,
        }
    }

    fn load(&mut self, saved: &SavedGrid) {
        self.network.restore(&saved.solution);
        self.report = saved.report;
        self.failures = saved.failures;
    }

    fn digest(&self, hasher: &mut StateHasher) {
        // The voltages at the ports determine every other one.
        for port in 0..self.network.port_count() {
            let v = self.network.port_voltage(PortId(port as u32));
            hasher.add_bytes(&v.re.to_bits().to_le_bytes());
            hasher.add_bytes(&v.im.to_bits().to_le_bytes());
        }
        hasher.add(&self.report.iterations);
        hasher.add(&self.failures);
    }
}
