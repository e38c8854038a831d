//! Voltages behind grid-forming inverters at which all their droops agree.
//!
//! In the steady state of an island every unit runs at one frequency,
//! `f = f_0 + shift_k - m_k (P_k - P_set,k)`, and holds the voltage
//! `E_k = V_set,k - n_k Q_k` behind its impedance, unless its current is at
//! the limit; then the voltage is what keeps it there (complementarity). The
//! unknowns are one magnitude per unit and one angle per unit beyond the first
//! of each section. They are found by Newton's method on top of any power
//! flow, with a Jacobian from differences.

use crate::forming::{Delivered, Emf, FormingParams};

/// Largest residual left, share of the droop ranges.
pub const TOLERANCE: f64 = 1e-8;

/// Newton steps tried.
const MAX_STEPS: u32 = 25;

/// Differences for the Jacobian: pu and degrees.
const DELTA: [f64; 2] = [1e-4, 1e-2];

/// Largest change in one step: pu and degrees.
const LONGEST: [f64; 2] = [0.1, 10.0];

/// Lowest and highest voltage behind an impedance, pu: below, nothing is held any more.
const VOLTS: (f64, f64) = (0.05, 1.5);

/// A power flow that can be asked for other voltages behind the impedances.
pub trait Electrical {
    /// What every unit delivers at these voltages; `None` without solution.
    fn solve(&mut self, emf: &[Emf]) -> Option<Vec<Delivered>>;
}

/// A unit as the sharing sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareUnit {
    /// Data.
    pub params: FormingParams,
    /// Section it stands in; units of one section have the same number.
    pub section: usize,
    /// Power at nominal frequency, kW.
    pub p_set_kw: f64,
    /// Voltage without reactive power, pu.
    pub v_set_pu: f64,
    /// Shift by its overload controller, Hz.
    pub shift_hz: f64,
}

impl ShareUnit {
    fn f_hz(&self, now: &Delivered, nominal_hz: f64) -> f64 {
        let droop = self.params.hz_per_kw(nominal_hz);
        nominal_hz + self.shift_hz - droop * (now.p_kw - self.p_set_kw)
    }

    /// Zero when voltage and current are as they must be, pu.
    fn voltage_residual(&self, emf: &Emf, now: &Delivered) -> f64 {
        let wanted = self.v_set_pu - self.params.pu_per_kvar() * now.q_kvar;
        let slack = self.params.current_limit_pu - now.current_pu;
        (wanted - emf.v_pu).min(slack)
    }
}

/// A state in which all units agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Per unit.
    pub delivered: Vec<Delivered>,
    /// Per unit: frequency by its droop, Hz.
    pub f_hz: Vec<f64>,
    /// Solutions of the power flow that were needed.
    pub solutions: u32,
    /// Largest residual left, share of the droop ranges.
    pub residual: f64,
}

/// No state was found in which the units agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsettled {
    /// Solutions of the power flow that were tried.
    pub solutions: u32,
    /// The power flow had no solution (else the droops did not meet).
    pub no_solution: bool,
}

/// One unknown: (unit, what).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    Volts(usize),
    Angle(usize),
}

struct Problem<'a> {
    units: &'a [ShareUnit],
    nominal_hz: f64,
    /// Per unit: the first unit of its section, whose angle is fixed.
    lead: Vec<usize>,
    unknowns: Vec<Unknown>,
}

impl<'a> Problem<'a> {
    fn new(units: &'a [ShareUnit], nominal_hz: f64) -> Self {
        let lead: Vec<usize> = units
            .iter()
            .map(|unit| {
                let first = units.iter().position(|other| other.section == unit.section);
                first.unwrap_or_default()
            })
            .collect();
        let volts = (0..units.len()).map(Unknown::Volts);
        let angles = (0..units.len()).filter(|&k| lead[k] != k);
        let unknowns = volts.chain(angles.map(Unknown::Angle)).collect();
        Self {
            units,
            nominal_hz,
            lead,
            unknowns,
        }
    }

    fn residuals(&self, emf: &[Emf], delivered: &[Delivered]) -> Vec<f64> {
        let f_hz = |k: usize| self.units[k].f_hz(&delivered[k], self.nominal_hz);
        self.unknowns
            .iter()
            .map(|unknown| match *unknown {
                Unknown::Volts(k) => self.units[k].voltage_residual(&emf[k], &delivered[k]),
                Unknown::Angle(k) => {
                    let range = self.units[k].params.f_droop_pct / 100.0 * self.nominal_hz;
                    (f_hz(k) - f_hz(self.lead[k])) / range
                }
            })
            .collect()
    }

    fn moved(&self, emf: &[Emf], step: &[f64]) -> Vec<Emf> {
        let mut emf = emf.to_vec();
        for (unknown, &change) in self.unknowns.iter().zip(step) {
            match *unknown {
                Unknown::Volts(k) => {
                    emf[k].v_pu = (emf[k].v_pu + change).clamp(VOLTS.0, VOLTS.1);
                }
                Unknown::Angle(k) => emf[k].angle_deg += change,
            }
        }
        emf
    }

    fn unit_step(&self, at: usize) -> (Vec<f64>, f64) {
        let delta = match self.unknowns[at] {
            Unknown::Volts(_) => DELTA[0],
            Unknown::Angle(_) => DELTA[1],
        };
        let mut step = vec![0.0; self.unknowns.len()];
        step[at] = delta;
        (step, delta)
    }
}

fn largest(residuals: &[f64]) -> f64 {
    // Not-a-number must win.
    residuals.iter().fold(
        0.0,
        |worst: f64, r| {
            if r.abs() <= worst { worst } else { r.abs() }
        },
    )
}

/// Finds the voltages, starting from `emf` and leaving them there; the power
/// flow is left at the state that is returned.
///
/// # Errors
/// When the power flow has no solution or the droops do not meet.
pub fn settle(
    network: &mut impl Electrical,
    units: &[ShareUnit],
    emf: &mut [Emf],
    nominal_hz: f64,
) -> Result<Settled, Unsettled> {
    let problem = Problem::new(units, nominal_hz);
    let mut solutions = 0;
    let mut solve = |network: &mut _, emf: &[Emf]| {
        solutions += 1;
        let found = Electrical::solve(network, emf).filter(|d| d.len() == units.len());
        found.ok_or(Unsettled {
            solutions,
            no_solution: true,
        })
    };
    let mut delivered = solve(network, emf)?;
    let mut residuals = problem.residuals(emf, &delivered);
    for _ in 0..MAX_STEPS {
        let worst = largest(&residuals);
        if worst <= TOLERANCE {
            let f_hz = units.iter().zip(&delivered);
            return Ok(Settled {
                f_hz: f_hz.map(|(unit, now)| unit.f_hz(now, nominal_hz)).collect(),
                delivered,
                solutions,
                residual: worst,
            });
        }
        let count = problem.unknowns.len();
        let mut jacobian = vec![vec![0.0; count]; count];
        for column in 0..count {
            let (step, delta) = problem.unit_step(column);
            let near = problem.moved(emf, &step);
            let other = problem.residuals(&near, &solve(network, &near)?);
            for (row, (there, here)) in jacobian.iter_mut().zip(other.iter().zip(&residuals)) {
                row[column] = (there - here) / delta;
            }
        }
        let Some(mut step) = linear(jacobian, residuals.iter().map(|r| -r).collect()) else {
            break;
        };
        let stretch = problem
            .unknowns
            .iter()
            .zip(&step)
            .fold(1.0, |least: f64, (u, s)| {
                let longest = LONGEST[usize::from(matches!(u, Unknown::Angle(_)))];
                least.min(longest / s.abs().max(1e-300))
            });
        step.iter_mut().for_each(|s| *s *= stretch);
        // Shorten the step until it helps.
        let mut accepted = None;
        for _ in 0..6 {
            let near = problem.moved(emf, &step);
            if let Ok(there) = solve(network, &near) {
                let rest = problem.residuals(&near, &there);
                if largest(&rest) < worst {
                    accepted = Some((near, there, rest));
                    break;
                }
            }
            step.iter_mut().for_each(|s| *s *= 0.5);
        }
        let Some((near, there, rest)) = accepted else {
            break;
        };
        emf.copy_from_slice(&near);
        (delivered, residuals) = (there, rest);
    }
    Err(Unsettled {
        solutions,
        no_solution: false,
    })
}

/// Gaussian elimination with partial pivoting; `None` when singular.
fn linear(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        let size = a[pivot][k].abs();
        if size.is_nan() || size <= 1e-300 {
            return None;
        }
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            let (above, below) = a.split_at_mut(i);
            for (x, y) in below[0][k..].iter_mut().zip(&above[k][k..]) {
                *x -= factor * y;
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let sum: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - sum) / a[k][k];
    }
    b.iter().all(|x| x.is_finite()).then_some(b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type C = (f64, f64);

    fn mul(a: C, b: C) -> C {
        (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
    }

    fn inv(a: C) -> C {
        let square = a.0 * a.0 + a.1 * a.1;
        (a.0 / square, -a.1 / square)
    }

    /// Units behind their impedances on one bus with an impedance load, in pu of 100 kVA.
    struct OneBus {
        units: Vec<FormingParams>,
        load: C,
    }

    impl Electrical for OneBus {
        fn solve(&mut self, emf: &[Emf]) -> Option<Vec<Delivered>> {
            let y: Vec<C> = self
                .units
                .iter()
                .map(|u| inv((u.r_pu * 100.0 / u.kva, u.x_pu * 100.0 / u.kva)))
                .collect();
            let e: Vec<C> = emf
                .iter()
                .map(|e| {
                    let (sin, cos) = libm::sincos(e.angle_deg.to_radians());
                    (e.v_pu * cos, e.v_pu * sin)
                })
                .collect();
            let (mut top, mut bottom) = ((0.0, 0.0), self.load);
            for (y, e) in y.iter().zip(&e) {
                let i = mul(*y, *e);
                top = (top.0 + i.0, top.1 + i.1);
                bottom = (bottom.0 + y.0, bottom.1 + y.1);
            }
            let v = mul(top, inv(bottom));
            Some(
                y.iter()
                    .zip(&e)
                    .zip(&self.units)
                    .map(|((y, e), unit)| {
                        let i = mul(*y, (e.0 - v.0, e.1 - v.1));
                        let s = mul(v, (i.0, -i.1));
                        Delivered {
                            p_kw: s.0 * 100.0,
                            q_kvar: s.1 * 100.0,
                            current_pu: (i.0 * i.0 + i.1 * i.1).sqrt() * 100.0 / unit.kva,
                        }
                    })
                    .collect(),
            )
        }
    }

    fn units(kva: &[f64]) -> (Vec<ShareUnit>, Vec<FormingParams>, Vec<Emf>) {
        let params: Vec<FormingParams> = kva
            .iter()
            .map(|&kva| FormingParams {
                kva,
                ..FormingParams::default()
            })
            .collect();
        let share = params.iter().map(|&params| ShareUnit {
            params,
            section: 0,
            p_set_kw: 0.0,
            v_set_pu: 1.0,
            shift_hz: 0.0,
        });
        (
            share.collect(),
            params.clone(),
            vec![Emf::default(); kva.len()],
        )
    }

    #[test]
    fn two_units_on_one_bus_share_by_their_ratings() {
        let (share, params, mut emf) = units(&[100.0, 50.0]);
        let mut network = OneBus {
            units: params,
            load: (0.9, -0.3),
        };
        let found = settle(&mut network, &share, &mut emf, 50.0).unwrap();
        let [a, b] = found.delivered[..] else {
            panic!()
        };
        assert!((a.p_kw - 2.0 * b.p_kw).abs() < 1e-5, "{a:?} {b:?}");
        assert!((found.f_hz[0] - found.f_hz[1]).abs() < 1e-8);
        assert!((a.q_kvar / b.q_kvar - 2.0).abs() < 0.05, "{a:?} {b:?}");
        assert!((emf[0].v_pu - (1.0 - 0.05 * a.q_kvar / 100.0)).abs() < 1e-7);
        // Settled already: one look is enough.
        let again = settle(&mut network, &share, &mut emf, 50.0).unwrap();
        assert_eq!(again.solutions, 1);
    }

    #[test]
    fn a_limited_unit_holds_its_current_and_lets_the_voltage_go() {
        let (mut share, params, mut emf) = units(&[100.0]);
        share[0].params.current_limit_pu = 1.0;
        let mut network = OneBus {
            units: params,
            load: (2.0, 0.0),
        };
        let found = settle(&mut network, &share, &mut emf, 50.0).unwrap();
        assert!((found.delivered[0].current_pu - 1.0).abs() < 1e-7);
        assert!(emf[0].v_pu < 0.7);
    }

    #[test]
    fn a_dead_power_flow_is_an_answer() {
        struct Dead;
        impl Electrical for Dead {
            fn solve(&mut self, _: &[Emf]) -> Option<Vec<Delivered>> {
                None
            }
        }
        let (share, _, mut emf) = units(&[100.0]);
        let answer = settle(&mut Dead, &share, &mut emf, 50.0).unwrap_err();
        assert!(answer.no_solution);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_load_within_the_rating_is_shared(
            kva in prop::collection::vec(20.0..200.0_f64, 1..5),
            part in 0.05..0.9_f64,
            lag in 0.0..0.4_f64,
        ) {
            let (share, params, mut emf) = units(&kva);
            let total: f64 = kva.iter().sum();
            let mut network = OneBus {
                units: params,
                load: (part * total / 100.0, -lag * part * total / 100.0),
            };
            let found = settle(&mut network, &share, &mut emf, 50.0).unwrap();
            let first = found.delivered[0].p_kw / kva[0];
            for (now, kva) in found.delivered.iter().zip(&kva) {
                prop_assert!((now.p_kw / kva - first).abs() < 1e-6);
            }
        }
    }
}
