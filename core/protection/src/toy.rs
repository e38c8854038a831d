//! A small resistive network for tests: every phase alike.

use crate::engine::Plant;
use crate::phasor::{Measurement, Phasor};

pub(crate) const NOMINAL_V: f64 = 1_000.0;

/// A branch; its device, if any, sits at the `from` end.
pub(crate) struct Branch {
    pub from: usize,
    pub to: usize,
    pub ohm: f64,
    pub device: Option<usize>,
}

pub(crate) struct Toy {
    pub buses: usize,
    /// (bus, internal resistance).
    pub sources: Vec<(usize, f64)>,
    pub branches: Vec<Branch>,
    /// Conductance of each bus, S.
    pub load_s: Vec<f64>,
    /// (bus, ohm) of each fault.
    pub faults: Vec<(usize, f64)>,
    pub on: Vec<bool>,
    pub closed: Vec<[bool; 3]>,
    v: Vec<[f64; 3]>,
    /// Bus of each meter.
    pub meters: Vec<usize>,
    pub solves: u32,
    /// (from, to, bus voltages, current of the faults) of every segment.
    pub log: Vec<(u64, u64, Vec<f64>, f64)>,
}

impl Toy {
    pub fn new(
        buses: usize,
        sources: Vec<(usize, f64)>,
        branches: Vec<Branch>,
        load_s: f64,
        closed: Vec<bool>,
    ) -> Self {
        Self {
            buses,
            sources,
            branches,
            load_s: vec![load_s; buses],
            faults: Vec::new(),
            on: Vec::new(),
            closed: closed.into_iter().map(|c| [c; 3]).collect(),
            v: vec![[0.0; 3]; buses],
            meters: Vec::new(),
            solves: 0,
            log: Vec::new(),
        }
    }

    pub fn add_fault(&mut self, bus: usize, ohm: f64) {
        self.faults.push((bus, ohm));
        self.on.push(false);
    }

    pub fn v(&self, bus: usize) -> f64 {
        self.v[bus][0]
    }

    fn conducts(&self, branch: &Branch, phase: usize) -> bool {
        branch.device.is_none_or(|d| self.closed[d][phase])
    }

    fn solve_phase(&self, phase: usize) -> Vec<f64> {
        let n = self.buses;
        let mut a = vec![vec![0.0; n + 1]; n];
        for (i, row) in a.iter_mut().enumerate() {
            row[i] += self.load_s[i] + 1e-9;
        }
        for &(bus, ohm) in &self.sources {
            a[bus][bus] += 1.0 / ohm;
            a[bus][n] += NOMINAL_V / ohm;
        }
        for branch in self.branches.iter().filter(|b| self.conducts(b, phase)) {
            let (i, j, g) = (branch.from, branch.to, 1.0 / branch.ohm);
            a[i][i] += g;
            a[j][j] += g;
            a[i][j] -= g;
            a[j][i] -= g;
        }
        for (&(bus, ohm), _) in self.faults.iter().zip(&self.on).filter(|(_, on)| **on) {
            a[bus][bus] += 1.0 / ohm;
        }
        for k in 0..n {
            let pivot = a[k].clone();
            for row in a.iter_mut().skip(k + 1) {
                let f = row[k] / pivot[k];
                for (x, p) in row.iter_mut().zip(&pivot).skip(k) {
                    *x -= f * p;
                }
            }
        }
        let mut v = vec![0.0; n];
        for k in (0..n).rev() {
            let sum: f64 = (k + 1..n).map(|j| a[k][j] * v[j]).sum();
            v[k] = (a[k][n] - sum) / a[k][k];
        }
        v
    }
}

fn phasors(values: [f64; 3]) -> [Phasor; 3] {
    let turned = |p: usize, angle| Phasor::polar(values[p], angle);
    [turned(0, 0.0), turned(1, -120.0), turned(2, 120.0)]
}

impl Plant for Toy {
    fn set_pole(&mut self, device: usize, phase: Option<usize>, closed: bool) {
        match phase {
            Some(phase) => self.closed[device][phase] = closed,
            None => self.closed[device] = [closed; 3],
        }
    }

    fn set_fault(&mut self, fault: usize, on: bool) {
        self.on[fault] = on;
    }

    fn solve(&mut self) -> Result<(), String> {
        self.solves += 1;
        for phase in 0..3 {
            for (bus, v) in self.solve_phase(phase).into_iter().enumerate() {
                self.v[bus][phase] = if v < 1e-3 { 0.0 } else { v };
            }
        }
        Ok(())
    }

    fn meters(&self) -> Vec<bool> {
        let live = |bus: &usize| self.v[*bus][0] > 0.5 * NOMINAL_V;
        self.meters.iter().map(live).collect()
    }

    fn measure(&self, device: usize) -> Measurement {
        let Some(branch) = self.branches.iter().find(|b| b.device == Some(device)) else {
            return Measurement::default();
        };
        let (near, far) = (self.v[branch.from], self.v[branch.to]);
        let amps = [0, 1, 2].map(|p| {
            if self.conducts(branch, p) {
                (near[p] - far[p]) / branch.ohm
            } else {
                0.0
            }
        });
        let line = [0, 1, 2].map(|p| {
            if self.conducts(branch, p) {
                near[p]
            } else {
                far[p]
            }
        });
        Measurement {
            i: phasors(amps),
            v: phasors(near),
            v_line: phasors(line),
            v_nominal: NOMINAL_V,
            frequency_hz: 50.0,
        }
    }

    fn fault_a(&self, fault: usize) -> f64 {
        let (bus, ohm) = self.faults[fault];
        self.v[bus][0] / ohm
    }

    fn elapse(&mut self, from_us: u64, to_us: u64) {
        let amps = (0..self.faults.len())
            .filter(|&f| self.on[f])
            .map(|f| self.fault_a(f))
            .sum();
        let v = self.v.iter().map(|v| v[0]).collect();
        self.log.push((from_us, to_us, v, amps));
    }
}
