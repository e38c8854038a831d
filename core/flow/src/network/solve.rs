//! Factor, iterate on the ports, judge.

use std::collections::BTreeSet;

use super::*;
use crate::complex::exceeds;

/// How a solution attempt ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Every port draws its power within the tolerance.
    Solved,
    /// Nothing has been solved yet.
    #[default]
    NotSolved,
    /// The mismatch did not fall below the tolerance in the iterations allowed.
    IterationLimit,
    /// The iteration ran away: the network cannot carry this load.
    Diverged,
    /// Currents and voltages agree, but at voltages so low that a load at the
    /// worst bus is no longer served: the upper solution does not exist.
    Collapsed,
    /// The admittance matrix is singular at the worst bus.
    Singular,
}

/// What a solution attempt found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SolveReport {
    /// How it ended.
    pub verdict: Verdict,
    /// Whether the voltages are a solution.
    pub converged: bool,
    /// Iterations made.
    pub iterations: u32,
    /// Largest power mismatch at a port, relative to the power there.
    pub residual: f64,
    /// Bus of that port, or of the singular node.
    pub worst_bus: Option<usize>,
    /// Nodes without connection to a source; their voltage is zero.
    pub dead_nodes: usize,
    /// Whether the matrix was factored anew.
    pub refactored: bool,
}

/// Power below which the mismatch of a port is judged absolutely, VA.
const POWER_FLOOR_VA: f64 = 1.0;

/// Mismatch, relative, above which an iteration has run away.
const RUNAWAY: f64 = 1e6;

/// Port voltage, per unit of its rating, below which the no-load start is tried as well.
const SUSPICIOUS_PU: f64 = 0.7;

/// Port voltage, per unit of its rating, below which a network counts as collapsed.
const COLLAPSED_PU: f64 = 0.5;

/// Solutions allowed until the regulators are at rest.
const CONTROL_ROUNDS: u32 = 100;

/// Conductance that holds a dead node at zero, S.
const DEAD_S: f64 = 1.0;

impl NetworkMatrix {
    pub(super) fn empty(primitive: Vec<Complex>) -> Self {
        Self {
            factor: Ldl::analyse(&[], &[]),
            primitive,
            start: Vec::new(),
            contribution: Vec::new(),
            touched_start: Vec::new(),
            touched: Vec::new(),
            sum: Vec::new(),
        }
    }

    /// Sums the slots an element writes to, always in the same order.
    pub(super) fn sum_element(&mut self, element: usize) {
        let Some(&end) = self.touched_start.get(element + 1) else {
            return;
        };
        let range = self.touched_start[element] as usize..end as usize;
        for t in range {
            let slot = self.touched[t] as usize;
            self.sum[slot] = self.slot_sum(slot);
        }
    }

    fn slot_sum(&self, slot: usize) -> Complex {
        let range = self.start[slot] as usize..self.start[slot + 1] as usize;
        self.contribution[range]
            .iter()
            .map(|&at| self.primitive[at as usize])
            .sum()
    }

    /// Order, pattern and summation lists for a set of elements.
    fn analyse(&mut self, nodes: usize, elements: &[Element], branches: &[Branch], ports: &[u32]) {
        let mut neighbours = vec![BTreeSet::new(); nodes];
        // Loads between two conductors need their entry in fault studies.
        for branch in branches.iter().filter(|b| b.a != EARTH && b.b != EARTH) {
            if branch.a != branch.b {
                neighbours[branch.a as usize].insert(branch.b);
                neighbours[branch.b as usize].insert(branch.a);
            }
        }
        for element in elements {
            for &a in element.nodes.iter().filter(|&&n| n != EARTH) {
                for &b in element.nodes.iter().filter(|&&n| n != EARTH && n != a) {
                    neighbours[a as usize].insert(b);
                }
            }
        }
        self.factor = Ldl::analyse(&neighbours, ports);
        self.list_contributions(elements);
        self.sum = (0..self.factor.slots()).map(|s| self.slot_sum(s)).collect();
    }

    fn list_contributions(&mut self, elements: &[Element]) {
        let factor = &self.factor;
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        self.touched_start = vec![0];
        self.touched = Vec::new();
        for element in elements {
            let n = element.nodes.len();
            let first = pairs.len();
            for i in 0..n {
                for j in 0..n {
                    let (a, b) = (element.nodes[i], element.nodes[j]);
                    if a == EARTH || b == EARTH {
                        continue;
                    }
                    let p = factor.position(a as usize);
                    let q = factor.position(b as usize);
                    if p < q {
                        continue;
                    }
                    if let Some(slot) = factor.slot(p, q) {
                        pairs.push((slot as u32, (element.offset + i * n + j) as u32));
                    }
                }
            }
            let mut slots: Vec<u32> = pairs[first..].iter().map(|p| p.0).collect();
            slots.sort_unstable();
            slots.dedup();
            self.touched.extend(slots);
            self.touched_start.push(self.touched.len() as u32);
        }
        pairs.sort_unstable();
        self.start = vec![0; factor.slots() + 1];
        for &(slot, _) in &pairs {
            self.start[slot as usize + 1] += 1;
        }
        for s in 0..factor.slots() {
            self.start[s + 1] += self.start[s];
        }
        self.contribution = pairs.into_iter().map(|p| p.1).collect();
    }
}

impl Network {
    /// Solves for the present switches, taps and port powers, starting from the
    /// last solution. Without a solution the voltages stay those of the last one.
    pub fn solve(&mut self) -> SolveReport {
        let fresh = self.stale.start || self.stale.pattern;
        let refactored = match self.prepare() {
            Ok(refactored) => refactored,
            Err(position) => {
                let node = self.matrix.factor.node(position);
                self.stale.values = true;
                return self.finish(SolveReport {
                    verdict: Verdict::Singular,
                    worst_bus: Some(self.nodes[node].bus as usize),
                    dead_nodes: self.dead_nodes,
                    ..SolveReport::default()
                });
            }
        };
        let mut report = self.iterate();
        if !report.converged && fresh {
            self.expand();
        }
        if report.converged && self.lowest_port(&self.work).0 < SUSPICIOUS_PU {
            report = self.retry_from_no_load(report);
        }
        report.refactored = refactored;
        if report.converged {
            let first = self.matrix.factor.first_port();
            let n = self.nodes.len();
            self.v[first..n].copy_from_slice(&self.work[..n - first]);
            self.expand();
            let (lowest, branch) = self.lowest_port(&self.v[first..]);
            if lowest < COLLAPSED_PU {
                report.verdict = Verdict::Collapsed;
                report.worst_bus = branch.map(|b| self.branch_bus(b));
            }
        }
        self.finish(report)
    }

    /// Lowest voltage of a loaded port, per unit of its rating, among voltages
    /// of the trailing part.
    pub(super) fn lowest_port(&self, v: &[Complex]) -> (f64, Option<usize>) {
        let mut lowest = (f64::INFINITY, None);
        for (i, branch) in self.branches.iter().enumerate() {
            if branch.live && branch.s != Complex::ZERO {
                let across = v[branch.at_a as usize] - v[branch.at_b as usize];
                let base = branch.law.v_base();
                let square = across.norm_sqr() / (base * base);
                if square < lowest.0 {
                    lowest = (square, Some(i));
                }
            }
        }
        (lowest.0.sqrt(), lowest.1)
    }

    /// A low voltage may be what is left of an earlier collapse: the no-load
    /// start finds the upper solution if there is one.
    fn retry_from_no_load(&mut self, first_try: SolveReport) -> SolveReport {
        let found = self.work.clone();
        let before = self.v.clone();
        let lowest = self.lowest_port(&found).0;
        self.start_from_no_load();
        let mut second = self.iterate();
        second.iterations += first_try.iterations;
        if second.converged && self.lowest_port(&self.work).0 >= lowest {
            return second;
        }
        self.work = found;
        self.v = before;
        first_try
    }

    /// Solves as exactly as the numbers allow: regulators driven to rest,
    /// mismatch below 1e-12, one step of refinement. For comparisons digit by
    /// digit; the limits set with [`Network::set_options`] stay as they are.
    /// Regulators that do not come to rest count as no convergence.
    pub fn solve_exactly(&mut self) -> SolveReport {
        let options = self.options;
        self.options = SolveOptions {
            tolerance: 1e-12,
            max_iterations: 1000,
        };
        let control = self.settle_regulators(CONTROL_ROUNDS);
        let mut report = self.solve();
        self.refine();
        self.options = options;
        if !control.settled && report.converged {
            report.verdict = Verdict::IterationLimit;
            report.converged = false;
        }
        self.finish(report)
    }

    /// Report of the last solution attempt.
    pub fn last_report(&self) -> SolveReport {
        self.last
    }

    fn finish(&mut self, report: SolveReport) -> SolveReport {
        self.last = report;
        report
    }

    /// Solves without port currents and makes that the starting point.
    ///
    /// # Errors
    /// The bus at which the matrix is singular.
    pub fn solve_no_load(&mut self) -> Result<(), usize> {
        self.stale.start = true;
        match self.prepare() {
            Ok(_) => {
                self.expand();
                Ok(())
            }
            Err(position) => Err(self.nodes[self.matrix.factor.node(position)].bus as usize),
        }
    }

    /// Voltages of the leading part from those of the trailing part.
    fn expand(&mut self) {
        let n = self.nodes.len();
        self.matrix.factor.expand(&mut self.v[..n]);
    }

    /// Brings pattern, values, factor and starting point up to date.
    pub(super) fn prepare(&mut self) -> Result<bool, usize> {
        if self.stale.pattern {
            self.analyse();
            self.stale.pattern = false;
            self.stale.values = true;
        }
        let refactor = self.stale.values;
        if refactor {
            self.dead_nodes = self.find_islands();
            self.place_branches();
            self.refactor()?;
            self.source_currents();
            self.stale.values = false;
        }
        if self.stale.start {
            self.start_from_no_load();
            self.stale.start = false;
        }
        Ok(refactor)
    }

    fn analyse(&mut self) {
        let n = self.nodes.len();
        let by_node: Vec<Complex> = if self.v.len() == n + 1 {
            (0..n)
                .map(|node| self.v[self.at(node as NodeRef)])
                .collect()
        } else {
            self.stale.start = true;
            vec![Complex::ZERO; n]
        };
        let mut ports: Vec<u32> = self
            .branches
            .iter()
            .flat_map(|b| [b.a, b.b])
            .chain(
                self.sources
                    .iter()
                    .flat_map(|s| self.elements[s.element].nodes.iter().copied()),
            )
            .filter(|&node| node != EARTH)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        self.matrix
            .analyse(n, &self.elements, &self.branches, &ports);
        self.v = vec![Complex::ZERO; n + 1];
        for (node, &value) in by_node.iter().enumerate() {
            let at = self.at(node as NodeRef);
            self.v[at] = value;
        }
        let trailing = n - self.matrix.factor.first_port();
        self.work = vec![Complex::ZERO; trailing + 1];
        self.rhs0 = vec![Complex::ZERO; trailing + 1];
        self.accelerator = Accelerator::new(self.branches.len());
    }

    fn place_branches(&mut self) {
        let n = self.nodes.len();
        let first = self.matrix.factor.first_port();
        let factor = &self.matrix.factor;
        let at = |node: NodeRef| {
            let position = if node == EARTH {
                n
            } else {
                factor.position(node as usize)
            };
            (position - first) as u32
        };
        for branch in &mut self.branches {
            branch.at_a = at(branch.a);
            branch.at_b = at(branch.b);
            let standing = |node: NodeRef| {
                if node == EARTH {
                    Standing::Fixed
                } else {
                    self.standing[node as usize]
                }
            };
            let ends = [standing(branch.a), standing(branch.b)];
            branch.live = branch.a != branch.b
                && ends.contains(&Standing::Live)
                && !ends.contains(&Standing::Dead);
        }
    }

    fn refactor(&mut self) -> Result<(), usize> {
        if self.dead_nodes == 0 {
            return self.matrix.factor.factor(&self.matrix.sum);
        }
        let mut held = Vec::with_capacity(self.dead_nodes);
        for node in (0..self.nodes.len()).filter(|&n| self.standing[n] == Standing::Dead) {
            let slot = self
                .matrix
                .factor
                .diagonal_slot(self.matrix.factor.position(node));
            held.push((slot, self.matrix.sum[slot]));
            self.matrix.sum[slot] += Complex::new(DEAD_S, 0.0);
        }
        let result = self.matrix.factor.factor(&self.matrix.sum);
        for (slot, value) in held {
            self.matrix.sum[slot] = value;
        }
        result
    }

    /// Norton currents of the sources.
    fn source_currents(&mut self) {
        self.rhs0.fill(Complex::ZERO);
        let first = self.matrix.factor.first_port();
        let earth = self.nodes.len() - first;
        for source in &self.sources {
            let nodes = &self.elements[source.element].nodes;
            for i in 0..source.conductors {
                let current: Complex = (0..source.conductors)
                    .map(|j| source.admittance.at(i, j) * source.volts[j])
                    .sum();
                for (node, value) in [
                    (nodes[i], current),
                    (nodes[i + source.conductors], -current),
                ] {
                    let at = if node == EARTH {
                        earth
                    } else {
                        self.matrix.factor.position(node as usize) - first
                    };
                    self.rhs0[at] += value;
                }
            }
        }
    }

    fn start_from_no_load(&mut self) {
        let first = self.matrix.factor.first_port();
        let n = self.nodes.len();
        self.work.copy_from_slice(&self.rhs0);
        let trailing = n - first;
        self.matrix.factor.solve_ports(&mut self.work[..trailing]);
        self.v[first..n].copy_from_slice(&self.work[..trailing]);
    }

    /// Fixed point on the port currents; leaves the voltages in `work`.
    fn iterate(&mut self) -> SolveReport {
        let first = self.matrix.factor.first_port();
        let trailing = self.nodes.len() - first;
        let mut report = SolveReport {
            verdict: Verdict::IterationLimit,
            dead_nodes: self.dead_nodes,
            ..SolveReport::default()
        };
        for branch in &mut self.branches {
            branch.current = if branch.live {
                let v = self.v[first + branch.at_a as usize] - self.v[first + branch.at_b as usize];
                branch.law.current(branch.s, v) - branch.held * v
            } else {
                Complex::ZERO
            };
        }
        self.accelerator.reset();
        for iteration in 1..=self.options.max_iterations {
            self.work.copy_from_slice(&self.rhs0);
            for branch in self.branches.iter().filter(|b| b.live) {
                self.work[branch.at_a as usize] -= branch.current;
                self.work[branch.at_b as usize] += branch.current;
            }
            self.matrix.factor.solve_ports(&mut self.work[..trailing]);
            self.work[trailing] = Complex::ZERO;
            let (residual, worst) = mismatch(&mut self.branches, &self.work, &mut self.accelerator);
            report.iterations = iteration;
            report.residual = residual;
            report.worst_bus = worst.map(|b| self.branch_bus(b));
            if !residual.is_finite() || residual > RUNAWAY {
                report.verdict = Verdict::Diverged;
                return report;
            }
            let coefficients = self.accelerator.coefficients(residual);
            if certain(
                residual,
                self.accelerator.contraction(),
                self.options.tolerance,
            ) {
                report.verdict = Verdict::Solved;
                report.converged = true;
                return report;
            }
            if let Some(coefficients) = coefficients {
                for (i, branch) in self.branches.iter_mut().enumerate().filter(|(_, b)| b.live) {
                    let weighted = self.accelerator.correction(i, &coefficients);
                    branch.current -= weighted.scale(1.0 / branch.weight());
                }
            }
        }
        report
    }

    pub(super) fn branch_bus(&self, branch: usize) -> usize {
        let b = &self.branches[branch];
        let node = if b.a == EARTH { b.b } else { b.a };
        self.nodes.get(node as usize).map_or(0, |n| n.bus as usize)
    }
}

/// Whether a mismatch guarantees the tolerance: where the map contracts slowly
/// the distance to the solution is larger than the mismatch.
pub(super) fn certain(residual: f64, contraction: f64, tolerance: f64) -> bool {
    if residual == 0.0 {
        return true;
    }
    let c = contraction.min(0.99);
    residual <= tolerance && residual * c <= tolerance * (1.0 - c)
}

/// New port currents at new voltages; the power by which each misses the
/// current it was solved with, relative to its nominal power.
fn mismatch(
    branches: &mut [Branch],
    v: &[Complex],
    accelerator: &mut Accelerator,
) -> (f64, Option<usize>) {
    let mut worst = (0.0_f64, None);
    for (i, branch) in branches.iter_mut().enumerate().filter(|(_, b)| b.live) {
        let across = v[branch.at_a as usize] - v[branch.at_b as usize];
        let mut current = branch.law.current(branch.s, across);
        if branch.in_matrix() {
            current -= branch.held * across;
        }
        let change = current - branch.current;
        branch.current = current;
        let weight = branch.weight();
        accelerator.note(i, change.scale(weight), current.scale(weight));
        let scale = branch.s.norm_sqr().max(POWER_FLOOR_VA * POWER_FLOOR_VA);
        let relative = change.norm_sqr() * across.norm_sqr() / scale;
        // A mismatch that is no number must win the comparison.
        if exceeds(relative, worst.0) {
            worst = (relative, Some(i));
        }
    }
    (worst.0.sqrt(), worst.1)
}
