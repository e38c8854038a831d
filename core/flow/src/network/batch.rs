//! Several load sets of one network in one sweep.
//!
//! Eight independent sets are lanes of one iteration: every entry of the factor
//! is read once for all of them, and the arithmetic of the lanes is the same
//! instruction. For time series whose steps do not wait for each other, Monte
//! Carlo and searches. The iteration is the chord method with the derivative at
//! the solution that the batch was made from.

use super::*;
use crate::complex::exceeds;
use crate::law::PhaseLaw;
use crate::ldl::{Block, Chord};

/// Load sets solved together.
pub const LANES: usize = 8;

type Lanes = [f64; LANES];

#[derive(Clone, Copy, Debug)]
struct LaneBranch {
    at_a: u32,
    at_b: u32,
    /// Branch of the network.
    origin: u32,
    held: Complex,
    slope: Block,
    from: f64,
    to: f64,
}

/// Work space of a batch, bound to the topology and taps it was made for.
#[derive(Clone, Debug)]
pub struct Batch {
    chord: Chord,
    branches: Vec<LaneBranch>,
    laws: Vec<PhaseLaw>,
    /// First lane branch of each branch of the network; `u32::MAX` when dead.
    place: Vec<u32>,
    s_re: Vec<Lanes>,
    s_im: Vec<Lanes>,
    /// Currents beyond matrix and slope with which the voltages were last solved.
    i_re: Vec<Lanes>,
    i_im: Vec<Lanes>,
    /// Voltages of the trailing part; one more entry, always zero, for earth.
    v_re: Vec<Lanes>,
    v_im: Vec<Lanes>,
    floor: Vec<f64>,
}

/// What a batch solution found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchReport {
    /// Whether each lane is a solution.
    pub converged: [bool; LANES],
    /// Iterations made, all lanes together.
    pub iterations: u32,
    /// Largest power mismatch of each lane, relative.
    pub residual: [f64; LANES],
}

impl BatchReport {
    /// Whether every lane is a solution.
    pub fn all_converged(&self) -> bool {
        self.converged.iter().all(|&c| c)
    }
}

impl Network {
    /// Prepares for solving [`LANES`] load sets at once with the network as it
    /// is switched now; every lane starts from the last solution and its powers.
    ///
    /// # Errors
    /// If the matrix is singular, or a port has a control law or a limit, which
    /// lanes do not follow.
    pub fn batch(&mut self) -> Result<Batch, ReduceError> {
        self.prepare().map_err(|_| ReduceError::Singular)?;
        let first = self.matrix.factor.first_port();
        let trailing = self.nodes.len() - first;
        let (chord, slopes) = self.chord_here().ok_or(ReduceError::Singular)?;
        let mut batch = Batch {
            chord,
            branches: Vec::new(),
            laws: Vec::new(),
            place: vec![u32::MAX; self.branches.len()],
            s_re: Vec::new(),
            s_im: Vec::new(),
            i_re: Vec::new(),
            i_im: Vec::new(),
            v_re: vec![[0.0; LANES]; trailing + 1],
            v_im: vec![[0.0; LANES]; trailing + 1],
            floor: Vec::new(),
        };
        for port in 0..self.ports.len() {
            let range = self.ports[port].branches();
            let unusual = |b: &Branch| !b.plain || self.controls.contains_key(&(port as u32));
            if self.branches[range.clone()].iter().any(unusual) {
                return Err(ReduceError::Controlled(self.ports[port].id.clone()));
            }
            for b in range.filter(|&b| self.branches[b].live) {
                batch.place[b] = batch.branches.len() as u32;
                batch.add(b, &self.branches[b], slopes[b]);
            }
        }
        let count = batch.branches.len();
        batch.i_re = vec![[0.0; LANES]; count];
        batch.i_im = vec![[0.0; LANES]; count];
        for at in 0..trailing {
            batch.v_re[at] = [self.v[first + at].re; LANES];
            batch.v_im[at] = [self.v[first + at].im; LANES];
        }
        Ok(batch)
    }
}

impl Batch {
    fn add(&mut self, origin: usize, branch: &Branch, slope: Block) {
        let (from, to) = branch.law.constant_range();
        self.branches.push(LaneBranch {
            at_a: branch.at_a,
            at_b: branch.at_b,
            origin: origin as u32,
            held: branch.held,
            slope,
            from,
            to,
        });
        self.laws.push(branch.law);
        self.s_re.push([branch.s.re; LANES]);
        self.s_im.push([branch.s.im; LANES]);
        self.floor.push(branch.floor);
    }

    /// Sets the nominal power of a port in one lane, W and var, positive when
    /// drawn. Returns `false` for a lane or port that does not exist or is
    /// dead, and for values that are not finite.
    pub fn set_port_power(
        &mut self,
        network: &Network,
        lane: usize,
        port: PortId,
        p_w: f64,
        q_var: f64,
    ) -> bool {
        let Some(info) = network.ports.get(port.0 as usize) else {
            return false;
        };
        if lane >= LANES || !(p_w.is_finite() && q_var.is_finite()) {
            return false;
        }
        let share = 1.0 / info.phases() as f64;
        let mut live = false;
        for b in info.branches() {
            let at = self.place[b] as usize;
            if at < self.branches.len() {
                self.s_re[at][lane] = p_w * share;
                self.s_im[at][lane] = q_var * share;
                live = true;
            }
        }
        live
    }

    /// Voltage across the first phase of a port in one lane, V; zero when dead.
    pub fn port_voltage(&self, network: &Network, lane: usize, port: PortId) -> Complex {
        let Some(info) = network.ports.get(port.0 as usize) else {
            return Complex::ZERO;
        };
        let at = self.place[info.branches().start] as usize;
        match self.branches.get(at) {
            Some(branch) if lane < LANES => {
                let (a, b) = (branch.at_a as usize, branch.at_b as usize);
                Complex::new(
                    self.v_re[a][lane] - self.v_re[b][lane],
                    self.v_im[a][lane] - self.v_im[b][lane],
                )
            }
            _ => Complex::ZERO,
        }
    }

    /// Solves every lane from its present voltages.
    ///
    /// Returns `None` when the network was switched or changed since the batch
    /// was made.
    pub fn solve(&mut self, network: &Network) -> Option<BatchReport> {
        let first = network.matrix.factor.first_port();
        let trailing = network.nodes.len() - first;
        if network.stale != Stale::default()
            || self.v_re.len() != trailing + 1
            || self.place.len() != network.branches.len()
        {
            return None;
        }
        let options = network.options;
        let mut report = BatchReport {
            converged: [false; LANES],
            iterations: 0,
            residual: [f64::INFINITY; LANES],
        };
        self.draw();
        for iteration in 1..=options.max_iterations {
            self.inject(network);
            network.matrix.factor.solve_chord_lanes(
                &self.chord,
                &mut self.v_re[..trailing],
                &mut self.v_im[..trailing],
            );
            let before = report.residual;
            report.residual = self.draw();
            report.iterations = iteration;
            let mut done = true;
            for (lane, before) in before.iter().enumerate() {
                let residual = report.residual[lane];
                let contraction = residual / before;
                report.converged[lane] = solve::certain(residual, contraction, options.tolerance);
                done &= report.converged[lane];
            }
            if done || !report.residual.iter().all(|r| r.is_finite()) {
                break;
            }
        }
        Some(report)
    }

    /// Right-hand side of every lane.
    fn inject(&mut self, network: &Network) {
        for (at, value) in network.rhs0.iter().enumerate() {
            self.v_re[at] = [value.re; LANES];
            self.v_im[at] = [value.im; LANES];
        }
        for (k, branch) in self.branches.iter().enumerate() {
            let (a, b) = (branch.at_a as usize, branch.at_b as usize);
            for lane in 0..LANES {
                self.v_re[a][lane] -= self.i_re[k][lane];
                self.v_im[a][lane] -= self.i_im[k][lane];
                self.v_re[b][lane] += self.i_re[k][lane];
                self.v_im[b][lane] += self.i_im[k][lane];
            }
        }
        if let (Some(re), Some(im)) = (self.v_re.last_mut(), self.v_im.last_mut()) {
            *re = [0.0; LANES];
            *im = [0.0; LANES];
        }
    }

    /// New currents at the present voltages; the largest relative power mismatch
    /// of each lane.
    fn draw(&mut self) -> Lanes {
        let mut worst = [0.0; LANES];
        for k in 0..self.branches.len() {
            let branch = &self.branches[k];
            let (a, b) = (branch.at_a as usize, branch.at_b as usize);
            let (sr, si) = (&self.s_re[k], &self.s_im[k]);
            let mut new_re = [0.0; LANES];
            let mut new_im = [0.0; LANES];
            let mut square = [0.0; LANES];
            let mut vr = [0.0; LANES];
            let mut vi = [0.0; LANES];
            let mut inside = true;
            for lane in 0..LANES {
                vr[lane] = self.v_re[a][lane] - self.v_re[b][lane];
                vi[lane] = self.v_im[a][lane] - self.v_im[b][lane];
                square[lane] = vr[lane] * vr[lane] + vi[lane] * vi[lane];
                let scale = 1.0 / square[lane];
                new_re[lane] = (sr[lane] * vr[lane] + si[lane] * vi[lane]) * scale;
                new_im[lane] = (sr[lane] * vi[lane] - si[lane] * vr[lane]) * scale;
                inside &= square[lane] > branch.from && square[lane] <= branch.to;
            }
            if !inside {
                for lane in 0..LANES {
                    let s = Complex::new(sr[lane], si[lane]);
                    let v = Complex::new(vr[lane], vi[lane]);
                    let current = self.laws[k].current(s, v);
                    (new_re[lane], new_im[lane]) = (current.re, current.im);
                }
            }
            // Beyond the held admittance and the slope.
            let (h, d) = (branch.held, &branch.slope);
            let y = [h.re + d[0], d[1] - h.im, h.im + d[2], h.re + d[3]];
            for lane in 0..LANES {
                new_re[lane] -= y[0] * vr[lane] + y[1] * vi[lane];
                new_im[lane] -= y[2] * vr[lane] + y[3] * vi[lane];
            }
            let (now_re, now_im) = (&self.i_re[k], &self.i_im[k]);
            for lane in 0..LANES {
                let (dr, di) = (new_re[lane] - now_re[lane], new_im[lane] - now_im[lane]);
                let s = sr[lane] * sr[lane] + si[lane] * si[lane];
                let floor = self.floor[k];
                let scale = if s > floor { s } else { floor };
                let relative = (dr * dr + di * di) * square[lane] / scale;
                if exceeds(relative, worst[lane]) {
                    worst[lane] = relative;
                }
            }
            (self.i_re[k], self.i_im[k]) = (new_re, new_im);
        }
        worst.map(f64::sqrt)
    }

    /// Takes one lane over as the network's solution, powers and voltages.
    /// Returns `false` when the network changed since the batch was made.
    pub fn write_back(&self, lane: usize, network: &mut Network) -> bool {
        let first = network.matrix.factor.first_port();
        let n = network.nodes.len();
        if lane >= LANES
            || network.stale != Stale::default()
            || self.v_re.len() != n - first + 1
            || self.place.len() != network.branches.len()
        {
            return false;
        }
        for (k, branch) in self.branches.iter().enumerate() {
            network.branches[branch.origin as usize].s =
                Complex::new(self.s_re[k][lane], self.s_im[k][lane]);
        }
        for port in &mut network.ports {
            let sum: Complex = network.branches[port.branches()].iter().map(|b| b.s).sum();
            (port.p_w, port.q_var) = (sum.re, sum.im);
        }
        for at in 0..n - first {
            network.v[first + at] = Complex::new(self.v_re[at][lane], self.v_im[at][lane]);
        }
        network.matrix.factor.expand(&mut network.v[..n]);
        true
    }
}
