//! The network of the run and what hangs where in it.

use bevy::prelude::*;
use gridloom_flow::{
    EmfBehindImpedance, Network, PortId, SolutionState, SolveReport, SourceReading, Verdict,
};
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
    /// Ties at its area, as (line, sign): power into the first end of the line
    /// leaves the area at that end (-1) and enters the one at the other (+1).
    pub ties: Vec<(usize, f64)>,
}

/// Means over a tick with events inside, weighted by the length of the segments.
#[derive(Clone, Debug, Default)]
struct Means {
    /// Share of the tick that has been added.
    share: f64,
    port_kw: Vec<f64>,
    /// Both ends of every line.
    line_kw: Vec<[f64; 2]>,
    source_kw: f64,
}

/// The network with its ports; the only electrical state of a run.
#[derive(Resource, Clone, Debug)]
pub struct Grid {
    network: Network,
    report: SolveReport,
    moved: bool,
    /// Solutions that did not converge since the start.
    failures: u64,
    /// Empty unless the running tick has events inside; remade in every tick.
    means: Means,
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
            means: Means::default(),
        }
    }

    /// Changes faults and conductors; the next solution takes them up.
    pub(crate) fn network_mut(&mut self) -> &mut Network {
        self.moved = true;
        &mut self.network
    }

    /// A tick begins: what it sums up is empty.
    pub(crate) fn begin_means(&mut self) {
        self.means.share = 0.0;
    }

    /// Adds the present solution for a share of the tick.
    pub(crate) fn add_to_means(&mut self, share: f64) {
        let mut means = std::mem::take(&mut self.means);
        if means.share == 0.0 {
            means.port_kw = vec![0.0; self.network.port_count()];
            means.line_kw = vec![[0.0; 2]; self.network.line_count()];
            means.source_kw = 0.0;
        }
        means.share += share;
        for (port, sum) in means.port_kw.iter_mut().enumerate() {
            *sum += share * self.served_now_kw(port);
        }
        for (line, sums) in means.line_kw.iter_mut().enumerate() {
            for (sum, end) in sums.iter_mut().zip([LineEnd::From, LineEnd::To]) {
                *sum += share * self.network.line_power(line, end).0 / 1_000.0;
            }
        }
        means.source_kw += share * self.source_now_kw();
        self.means = means;
    }

    /// Whether the running tick has events inside.
    #[must_use]
    pub fn disturbed(&self) -> bool {
        self.means.share > 0.0
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
    pub(crate) fn set_switch(&mut self, switch: usize, closed: bool) {
        self.moved |= self.network.set_switch(switch, closed);
    }

    /// Recomputes which sections are live after switches or sources have changed.
    pub(crate) fn settle_topology(&mut self) {
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

    /// Whether a line has supply from neither end.
    #[must_use]
    pub fn line_dead(&self, line: usize) -> bool {
        let (from, to) = self.network.line_buses(line);
        let fed =
            |bus: usize, end: LineEnd| !self.network.line_open(line, end) && self.bus_live(bus);
        !(fed(from, LineEnd::From) || fed(to, LineEnd::To))
    }

    /// Nominal power of a port for the coming solution.
    pub(crate) fn set_port_kw(&mut self, port: usize, p_kw: f64, q_kvar: f64) {
        self.network
            .set_port_power(PortId(port as u32), p_kw * 1_000.0, q_kvar * 1_000.0);
    }

    /// Solves every live section once.
    pub(crate) fn solve(&mut self) {
        self.solve_once();
        self.note_report();
    }

    /// Solves without counting a failure; whether it converged.
    pub(crate) fn solve_once(&mut self) -> bool {
        self.report = self.network.solve();
        self.report.converged
    }

    /// Counts the last solution if it failed.
    pub(crate) fn note_report(&mut self) {
        self.failures += u64::from(!self.report.converged);
    }

    /// Section in which the last solution failed.
    pub(crate) fn failing_section(&self) -> Option<usize> {
        self.network.bus_section(self.report.worst_bus?)
    }

    /// Makes a port a voltage source, or a port again; data that are no source
    /// leave it as it was.
    pub(crate) fn set_source(&mut self, port: usize, source: Option<EmfBehindImpedance>) {
        let known = self.network.source_of(PortId(port as u32)).is_some();
        self.moved |= known != source.is_some();
        // Refused only for values that no plan or state contains.
        let _ = self.network.set_source(PortId(port as u32), source);
    }

    /// What a forming port delivers.
    pub(crate) fn source_reading(&self, port: usize) -> Option<SourceReading> {
        self.network.source_reading(PortId(port as u32))
    }

    /// Moves a tap; takes effect with the next solution.
    pub(crate) fn set_tap(&mut self, transformer: usize, winding: usize, tap_pu: f64) {
        self.network.set_tap(transformer, winding, tap_pu);
    }

    /// Puts steps of a capacitor bank into service.
    pub(crate) fn set_capacitor_steps(&mut self, capacitor: usize, steps: u16) {
        self.network.set_capacitor_steps(capacitor, steps);
    }

    /// Active power a port was served over the tick, kW; zero when dead.
    #[must_use]
    pub fn served_kw(&self, port: usize) -> f64 {
        if self.disturbed() {
            return self.means.port_kw[port];
        }
        self.served_now_kw(port)
    }

    /// Active power a port is served in the present solution, kW.
    #[must_use]
    pub fn served_now_kw(&self, port: usize) -> f64 {
        let (p_w, _) = self.network.port_power(PortId(port as u32));
        p_w / 1_000.0
    }

    /// Active power into a line at one end over the tick, kW.
    #[must_use]
    pub fn line_kw(&self, line: usize, end: LineEnd) -> f64 {
        if self.disturbed() {
            return self.means.line_kw[line][usize::from(end == LineEnd::To)];
        }
        self.network.line_power(line, end).0 / 1_000.0
    }

    /// Active power delivered by the sources over the tick, kW.
    #[must_use]
    pub fn source_kw(&self) -> f64 {
        if self.disturbed() {
            return self.means.source_kw;
        }
        self.source_now_kw()
    }

    fn source_now_kw(&self) -> f64 {
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
        self.means.share = 0.0;
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
