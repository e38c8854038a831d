//! Factor, iterate on the ports, judge.

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

/// Mismatch, relative, above which an iteration has run away.
const RUNAWAY: f64 = 1e6;

/// Port voltage, per unit of its rating, below which the no-load start is tried as well.
const SUSPICIOUS_PU: f64 = 0.7;

/// Port voltage, per unit of its rating, below which a network counts as collapsed.
const COLLAPSED_PU: f64 = 0.5;

/// Iterations of the chord method after which its slopes are given up.
const CHORD_ITERATIONS: u32 = 30;

/// Contraction above which the slopes are too far from the state.
const CHORD_WORTH: f64 = 0.7;

/// Iterations of a solution that are kept to look at.
const TRAIL: usize = 64;

/// Where an iteration stood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Iteration {
    /// Largest power mismatch, relative.
    pub residual: f64,
    /// Bus of the largest mismatch.
    pub worst_bus: Option<usize>,
}

/// Solutions allowed until every forming source keeps its current limit.
const LIMIT_ROUNDS: usize = 40;

/// Solutions allowed until the regulators are at rest.
const CONTROL_ROUNDS: u32 = 100;

impl Network {
    /// Solves for the present switches, taps and port powers, starting from the
    /// last solution. Without a solution the voltages stay those of the last one.
    pub fn solve(&mut self) -> SolveReport {
        self.trail.clear();
        let mut report = self.solve_once();
        for _ in 0..LIMIT_ROUNDS {
            if !report.converged || self.limits_kept() {
                return report;
            }
            let before = report;
            report = self.solve_once();
            report.iterations += before.iterations;
            report.refactored = true;
        }
        if !self.limits_kept() {
            report.verdict = Verdict::IterationLimit;
            report.converged = false;
        }
        self.finish(report)
    }

    fn solve_once(&mut self) -> SolveReport {
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
        let mut report = match self.iterate_chord() {
            Some(report) => report,
            None => self.iterate(),
        };
        if !report.converged && fresh {
            self.expand();
        }
        // A fault pulls voltages down for a reason; loads are impedances there.
        let judged = self.faults.is_empty();
        if judged && report.converged && self.lowest_port(&self.work).0 < SUSPICIOUS_PU {
            report = self.retry_from_no_load(report);
        }
        report.refactored = refactored;
        if report.converged {
            let first = self.matrix.factor.first_port();
            let n = self.nodes.len();
            self.v[first..n].copy_from_slice(&self.work[..n - first]);
            self.expand();
            let (lowest, branch) = self.lowest_port(&self.v[first..]);
            if judged && lowest < COLLAPSED_PU {
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
            if branch.live && !branch.forming && branch.s != Complex::ZERO {
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

    /// Iterations of the last solution, in order, the first 64 of them; empty after
    /// a restore until the next solution.
    pub fn trail(&self) -> &[Iteration] {
        &self.trail
    }

    fn note(&mut self, report: &SolveReport) {
        if self.trail.len() < TRAIL {
            self.trail.push(Iteration {
                residual: report.residual,
                worst_bus: report.worst_bus,
            });
        }
    }

    /// Report of the last solution attempt.
    pub fn last_report(&self) -> SolveReport {
        self.last
    }

    fn finish(&mut self, report: SolveReport) -> SolveReport {
        self.last = report;
        report
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
        self.control_at(Stage::Start);
        for branch in &mut self.branches {
            branch.current = if branch.live {
                let v = self.v[first + branch.at_a as usize] - self.v[first + branch.at_b as usize];
                branch.beyond(v)
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
            self.control_at(Stage::Iterate);
            let (residual, worst) = mismatch(&mut self.branches, &self.work, &mut self.accelerator);
            report.iterations = iteration;
            report.residual = residual;
            report.worst_bus = worst.map(|b| self.branch_bus(b));
            self.note(&report);
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

    /// The iteration with the slopes of an earlier solution; `None` without
    /// them, or when they are too far from the present state, which drops them.
    fn iterate_chord(&mut self) -> Option<SolveReport> {
        let Linearised { chord, slopes } = self.linearised.take()?;
        let first = self.matrix.factor.first_port();
        let trailing = self.nodes.len() - first;
        let mut report = SolveReport {
            dead_nodes: self.dead_nodes,
            ..SolveReport::default()
        };
        self.work.copy_from_slice(&self.v[first..]);
        self.control_at(Stage::Start);
        chord_currents(&mut self.branches, &slopes, &self.work);
        let mut before = f64::INFINITY;
        for iteration in 1..=CHORD_ITERATIONS {
            self.work.copy_from_slice(&self.rhs0);
            for branch in self.branches.iter().filter(|b| b.live) {
                self.work[branch.at_a as usize] -= branch.current;
                self.work[branch.at_b as usize] += branch.current;
            }
            self.matrix
                .factor
                .solve_chord(&chord, &mut self.work[..trailing]);
            self.work[trailing] = Complex::ZERO;
            self.control_at(Stage::Iterate);
            let (residual, worst) = chord_currents(&mut self.branches, &slopes, &self.work);
            report.iterations = iteration;
            report.residual = residual;
            report.worst_bus = worst.map(|b| self.branch_bus(b));
            self.note(&report);
            let contraction = residual / before;
            if certain(residual, contraction, self.options.tolerance) {
                report.verdict = Verdict::Solved;
                report.converged = true;
                self.linearised = Some(Linearised { chord, slopes });
                return Some(report);
            }
            if !residual.is_finite() || (iteration > 1 && contraction > CHORD_WORTH) {
                return None;
            }
            before = residual;
        }
        None
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
        let current = branch.beyond(across);
        let change = current - branch.current;
        branch.current = current;
        let weight = branch.weight();
        accelerator.note(i, change.scale(weight), current.scale(weight));
        let scale = branch.s.norm_sqr().max(branch.floor);
        let relative = change.norm_sqr() * across.norm_sqr() / scale;
        // A mismatch that is no number must win the comparison.
        if exceeds(relative, worst.0) {
            worst = (relative, Some(i));
        }
    }
    (worst.0.sqrt(), worst.1)
}

/// New port currents beyond matrix and slopes; mismatch as [`mismatch`] gives it.
fn chord_currents(
    branches: &mut [Branch],
    slopes: &[crate::ldl::Block],
    v: &[Complex],
) -> (f64, Option<usize>) {
    let mut worst = (0.0_f64, None);
    for (i, (branch, slope)) in branches.iter_mut().zip(slopes).enumerate() {
        if !branch.live {
            continue;
        }
        let across = v[branch.at_a as usize] - v[branch.at_b as usize];
        let current = branch.beyond(across) - linearised::times(slope, across);
        let change = current - branch.current;
        branch.current = current;
        let scale = branch.s.norm_sqr().max(branch.floor);
        let relative = change.norm_sqr() * across.norm_sqr() / scale;
        if exceeds(relative, worst.0) {
            worst = (relative, Some(i));
        }
    }
    (worst.0.sqrt(), worst.1)
}
