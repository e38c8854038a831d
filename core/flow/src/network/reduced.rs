//! The network reduced to the nodes that carry ports.
//!
//! `v = v0 - Z c` with the dense impedance between those nodes: the cheapest
//! form for time series and searches while the network does not change. The
//! other voltages follow by one back-substitution ([`Reduced::write_back`]).

use super::*;
use crate::complex::exceeds;

/// Port nodes up to which the dense form is worth its memory.
const MAX_NODES: usize = 4_000;

/// Why a network cannot be reduced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReduceError {
    /// Too many nodes carry ports.
    #[error("{0} nodes carry ports, at most {MAX_NODES} can be reduced to")]
    TooMany(usize),
    /// The admittance matrix is singular.
    #[error("the admittance matrix is singular")]
    Singular,
    /// A port has a control law or a limit, which the reduced and batch forms do not follow.
    #[error(
        "port `{0}` has a control law or limit, which the reduced and batch forms do not follow"
    )]
    Controlled(String),
}

/// A network reduced to its port nodes.
#[derive(Clone, Debug)]
pub struct Reduced {
    n: usize,
    z_re: Vec<f64>,
    z_im: Vec<f64>,
    v0_re: Vec<f64>,
    v0_im: Vec<f64>,
    v_re: Vec<f64>,
    v_im: Vec<f64>,
    c_re: Vec<f64>,
    c_im: Vec<f64>,
    branches: Vec<Branch>,
    /// Branch of the network that each stands for.
    origin: Vec<usize>,
    /// Branches of each port of the network.
    ports: Vec<std::ops::Range<usize>>,
}

impl Network {
    /// Reduces the network, as it is switched now, to its port nodes.
    ///
    /// # Errors
    /// If too many nodes carry ports or the matrix is singular.
    pub fn reduce(&mut self) -> Result<Reduced, ReduceError> {
        if let Some(&port) = self.controlled.first() {
            let id = self.ports[port as usize].id.clone();
            return Err(ReduceError::Controlled(id));
        }
        self.prepare().map_err(|_| ReduceError::Singular)?;
        let first = self.matrix.factor.first_port();
        let trailing = self.nodes.len() - first;
        let mut list: Vec<u32> = self
            .branches
            .iter()
            .filter(|b| b.live)
            .flat_map(|b| [b.at_a, b.at_b])
            .filter(|&at| (at as usize) < trailing)
            .collect();
        list.sort_unstable();
        list.dedup();
        let n = list.len();
        if n > MAX_NODES {
            return Err(ReduceError::TooMany(n));
        }
        let index = |at: u32| list.binary_search(&at).unwrap_or(n) as u32;
        let mut reduced = Reduced {
            n,
            z_re: vec![0.0; n * n],
            z_im: vec![0.0; n * n],
            v0_re: vec![0.0; n],
            v0_im: vec![0.0; n],
            v_re: vec![0.0; n + 1],
            v_im: vec![0.0; n + 1],
            c_re: vec![0.0; n + 1],
            c_im: vec![0.0; n + 1],
            branches: Vec::new(),
            origin: Vec::new(),
            ports: Vec::new(),
        };
        for port in &self.ports {
            let start = reduced.branches.len();
            for b in port.branches().filter(|&b| self.branches[b].live) {
                let branch = &self.branches[b];
                reduced.branches.push(Branch {
                    at_a: index(branch.at_a),
                    at_b: index(branch.at_b),
                    current: Complex::ZERO,
                    ..*branch
                });
                reduced.origin.push(b);
            }
            reduced.ports.push(start..reduced.branches.len());
        }
        let mut x = vec![Complex::ZERO; trailing];
        for (j, &at) in list.iter().enumerate() {
            x.fill(Complex::ZERO);
            x[at as usize] = Complex::ONE;
            self.matrix.factor.solve_ports(&mut x);
            for (i, &row) in list.iter().enumerate() {
                reduced.z_re[j * n + i] = x[row as usize].re;
                reduced.z_im[j * n + i] = x[row as usize].im;
            }
        }
        x.copy_from_slice(&self.rhs0[..trailing]);
        self.matrix.factor.solve_ports(&mut x);
        for (i, &at) in list.iter().enumerate() {
            let (start, now) = (x[at as usize], self.v[first + at as usize]);
            reduced.v0_re[i] = start.re;
            reduced.v0_im[i] = start.im;
            reduced.v_re[i] = now.re;
            reduced.v_im[i] = now.im;
        }
        Ok(reduced)
    }
}

impl Reduced {
    /// Nodes that carry ports.
    pub fn nodes(&self) -> usize {
        self.n
    }

    /// Sets the nominal power of a port, W and var, positive when drawn.
    /// Returns `false` for values that are not finite or a port without supply.
    pub fn set_port_power(&mut self, port: PortId, p_w: f64, q_var: f64) -> bool {
        let Some(range) = self.ports.get(port.0 as usize).cloned() else {
            return false;
        };
        if range.is_empty() || !(p_w.is_finite() && q_var.is_finite()) {
            return false;
        }
        let share = 1.0 / range.len() as f64;
        let s = Complex::new(p_w * share, q_var * share);
        for branch in &mut self.branches[range] {
            branch.s = s;
        }
        true
    }

    /// Voltage across the first phase of a port, V; zero for one without supply.
    pub fn port_voltage(&self, port: PortId) -> Complex {
        self.ports
            .get(port.0 as usize)
            .and_then(|range| self.branches.get(range.start))
            .map_or(Complex::ZERO, |b| self.across(b))
    }

    /// Goes back to the no-load voltages.
    pub fn start_from_no_load(&mut self) {
        self.v_re[..self.n].copy_from_slice(&self.v0_re);
        self.v_im[..self.n].copy_from_slice(&self.v0_im);
    }

    #[inline]
    fn across(&self, branch: &Branch) -> Complex {
        let (a, b) = (branch.at_a as usize, branch.at_b as usize);
        Complex::new(self.v_re[a] - self.v_re[b], self.v_im[a] - self.v_im[b])
    }

    /// Solves for the present port powers from the present voltages.
    pub fn solve(&mut self, options: SolveOptions) -> SolveReport {
        let mut report = SolveReport {
            verdict: Verdict::IterationLimit,
            ..SolveReport::default()
        };
        self.draw();
        let mut previous = f64::INFINITY;
        for iteration in 1..=options.max_iterations {
            self.voltages();
            let residual = self.draw();
            report.iterations = iteration;
            report.residual = residual;
            if !residual.is_finite() {
                self.start_from_no_load();
                report.verdict = Verdict::Diverged;
                return report;
            }
            if solve::certain(residual, residual / previous, options.tolerance) {
                report.verdict = Verdict::Solved;
                report.converged = true;
                return report;
            }
            previous = residual;
        }
        report
    }

    /// New currents at the present voltages; largest relative power mismatch.
    fn draw(&mut self) -> f64 {
        let mut worst = 0.0_f64;
        self.c_re.fill(0.0);
        self.c_im.fill(0.0);
        for branch in &mut self.branches {
            let (a, b) = (branch.at_a as usize, branch.at_b as usize);
            let v = Complex::new(self.v_re[a] - self.v_re[b], self.v_im[a] - self.v_im[b]);
            let current = branch.beyond(v);
            let change = current - branch.current;
            let relative = change.norm_sqr() * v.norm_sqr() / branch.s.norm_sqr().max(branch.floor);
            if exceeds(relative, worst) {
                worst = relative;
            }
            branch.current = current;
            self.c_re[a] += current.re;
            self.c_im[a] += current.im;
            self.c_re[b] -= current.re;
            self.c_im[b] -= current.im;
        }
        worst.sqrt()
    }

    /// Voltages that the currents leave.
    fn voltages(&mut self) {
        let n = self.n;
        let (v_re, v_im) = (&mut self.v_re[..n], &mut self.v_im[..n]);
        v_re.copy_from_slice(&self.v0_re);
        v_im.copy_from_slice(&self.v0_im);
        for j in 0..n {
            let (cr, ci) = (self.c_re[j], self.c_im[j]);
            let zr = &self.z_re[j * n..(j + 1) * n];
            let zi = &self.z_im[j * n..(j + 1) * n];
            for i in 0..n {
                v_re[i] -= zr[i] * cr - zi[i] * ci;
                v_im[i] -= zr[i] * ci + zi[i] * cr;
            }
        }
    }

    /// Writes port powers and all voltages of the last solution back to the
    /// network it was reduced from.
    pub fn write_back(&self, network: &mut Network) -> bool {
        if network.stale != Stale::default() || network.ports.len() != self.ports.len() {
            return false;
        }
        let first = network.matrix.factor.first_port();
        let n = network.nodes.len();
        network.work.copy_from_slice(&network.rhs0);
        for (branch, &origin) in self.branches.iter().zip(&self.origin) {
            let target = &mut network.branches[origin];
            target.s = branch.s;
            target.current = branch.current;
            network.work[target.at_a as usize] -= branch.current;
            network.work[target.at_b as usize] += branch.current;
        }
        for port in &mut network.ports {
            let sum: Complex = network.branches[port.branches()].iter().map(|b| b.s).sum();
            (port.p_w, port.q_var) = (sum.re, sum.im);
        }
        network
            .matrix
            .factor
            .solve_ports(&mut network.work[..n - first]);
        network.v[first..n].copy_from_slice(&network.work[..n - first]);
        network.matrix.factor.expand(&mut network.v[..n]);
        true
    }
}
