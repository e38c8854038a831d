//! Anderson acceleration of the port fixed point.
//!
//! The iteration maps port currents to the currents that the voltages they
//! cause would draw. Where that map contracts slowly, the next currents are
//! the combination of the last few that would have cancelled their mismatch
//! best (Walker and Ni, "Anderson acceleration for fixed-point iterations",
//! SIAM J. Numer. Anal. 49 (2011), type II). All storage is allocated once.

use crate::Complex;

/// Differences kept.
const DEPTH: usize = 5;

/// Contraction above which acceleration is worth its arithmetic.
const WORTHWHILE: f64 = 0.12;

/// Mismatch, relative, below which a step may be bold.
const NEAR: f64 = 0.05;

/// Weight of the ridge that keeps nearly dependent differences harmless.
const RIDGE: f64 = 1e-13;

#[derive(Clone, Debug, Default)]
pub(super) struct Accelerator {
    ports: usize,
    /// Last mismatch and result.
    f: Vec<Complex>,
    g: Vec<Complex>,
    /// Differences, `DEPTH` rows of `ports`.
    df: Vec<Complex>,
    dg: Vec<Complex>,
    gram: [[f64; DEPTH]; DEPTH],
    kept: usize,
    next: usize,
    started: bool,
    /// Estimate of how much the map shrinks distances.
    contraction: f64,
}

impl Accelerator {
    pub(super) fn new(ports: usize) -> Self {
        Self {
            ports,
            f: vec![Complex::ZERO; ports],
            g: vec![Complex::ZERO; ports],
            df: vec![Complex::ZERO; ports * DEPTH],
            dg: vec![Complex::ZERO; ports * DEPTH],
            ..Self::default()
        }
    }

    pub(super) fn reset(&mut self) {
        self.kept = 0;
        self.next = 0;
        self.started = false;
        self.contraction = 0.0;
    }

    /// Forgets everything, also of ports that are no longer noted.
    pub(super) fn clear(&mut self) {
        for values in [&mut self.f, &mut self.g, &mut self.df, &mut self.dg] {
            values.fill(Complex::ZERO);
        }
        self.reset();
    }

    pub(super) fn contraction(&self) -> f64 {
        self.contraction
    }

    /// Notes mismatch `f = g - x` and result `g` of port `i`, both weighted to power.
    #[inline]
    pub(super) fn note(&mut self, i: usize, f: Complex, g: Complex) {
        if self.started {
            let at = self.next * self.ports + i;
            self.df[at] = f - self.f[i];
            self.dg[at] = g - self.g[i];
        }
        self.f[i] = f;
        self.g[i] = g;
    }

    /// After all ports are noted: the coefficients of the differences for the
    /// next step, or `None` for a plain step.
    ///
    /// Far from a solution a bold step could land at a low-voltage root, which
    /// the plain iteration runs away from; there the step stays plain.
    pub(super) fn coefficients(&mut self, residual: f64) -> Option<[f64; DEPTH]> {
        if !self.started {
            self.started = true;
            return None;
        }
        self.estimate_contraction();
        let row = self.next;
        self.kept = (self.kept + 1).min(DEPTH);
        self.next = (self.next + 1) % DEPTH;
        for other in 0..self.kept {
            let value = dot(self.row(&self.df, row), self.row(&self.df, other));
            self.gram[row][other] = value;
            self.gram[other][row] = value;
        }
        if self.contraction < WORTHWHILE || residual > NEAR {
            return None;
        }
        let mut rhs = [0.0; DEPTH];
        for (other, value) in rhs.iter_mut().enumerate().take(self.kept) {
            *value = dot(self.row(&self.df, other), &self.f);
        }
        solve_small(self.gram, rhs, self.kept).or_else(|| {
            // Differences that depend on each other: the newest alone.
            let mut only = [0.0; DEPTH];
            only[row] = rhs[row] / self.gram[row][row];
            only[row].is_finite().then_some(only)
        })
    }

    /// Correction of port `i` for given coefficients, weighted like `g`.
    #[inline]
    pub(super) fn correction(&self, i: usize, coefficients: &[f64; DEPTH]) -> Complex {
        (0..self.kept)
            .map(|j| self.dg[j * self.ports + i].scale(coefficients[j]))
            .sum()
    }

    fn row<'a>(&self, all: &'a [Complex], row: usize) -> &'a [Complex] {
        &all[row * self.ports..(row + 1) * self.ports]
    }

    fn estimate_contraction(&mut self) {
        let (df, dg) = (self.row(&self.df, self.next), self.row(&self.dg, self.next));
        let mut moved = 0.0;
        let mut answered = 0.0;
        for (f, g) in df.iter().zip(dg) {
            moved += (*g - *f).norm_sqr();
            answered += g.norm_sqr();
        }
        if moved > 0.0 {
            self.contraction = (answered / moved).sqrt();
        }
    }
}

fn dot(a: &[Complex], b: &[Complex]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(x, y)| x.re * y.re + x.im * y.im)
        .sum()
}

/// Solves a small symmetric positive system by Cholesky on its equilibrated
/// form; `None` when it is not positive.
fn solve_small(
    mut a: [[f64; DEPTH]; DEPTH],
    mut b: [f64; DEPTH],
    n: usize,
) -> Option<[f64; DEPTH]> {
    let mut scale = [0.0; DEPTH];
    for i in 0..n {
        if a[i][i] <= 0.0 || a[i][i].is_nan() {
            return None;
        }
        scale[i] = 1.0 / a[i][i].sqrt();
    }
    for i in 0..n {
        b[i] *= scale[i];
        for j in 0..n {
            a[i][j] *= scale[i] * scale[j];
        }
        a[i][i] += RIDGE;
    }
    for i in 0..n {
        for j in 0..i {
            for k in 0..j {
                a[i][j] -= a[i][k] * a[j][k];
            }
            a[i][j] /= a[j][j];
        }
        for k in 0..i {
            a[i][i] -= a[i][k] * a[i][k];
        }
        if a[i][i] <= 0.0 || a[i][i].is_nan() {
            return None;
        }
        a[i][i] = a[i][i].sqrt();
    }
    for i in 0..n {
        for k in 0..i {
            b[i] -= a[i][k] * b[k];
        }
        b[i] /= a[i][i];
    }
    for i in (0..n).rev() {
        for k in i + 1..n {
            b[i] -= a[k][i] * b[k];
        }
        b[i] /= a[i][i];
    }
    for i in 0..n {
        b[i] *= scale[i];
    }
    b.iter().all(|v| v.is_finite()).then_some(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_linear_map_is_solved_in_a_few_steps() {
        let ports = 3;
        let slope = [
            Complex::new(0.9, 0.0),
            Complex::new(-0.8, 0.1),
            Complex::new(0.5, 0.4),
        ];
        let mut x = vec![Complex::ZERO; ports];
        let mut accelerator = Accelerator::new(ports);
        for _ in 0..40 {
            let g: Vec<Complex> = (0..ports).map(|i| slope[i] * x[i] + Complex::ONE).collect();
            for i in 0..ports {
                accelerator.note(i, g[i] - x[i], g[i]);
            }
            let coefficients = accelerator.coefficients(0.0);
            for i in 0..ports {
                x[i] = g[i];
                if let Some(c) = &coefficients {
                    x[i] -= accelerator.correction(i, c);
                }
            }
        }
        for i in 0..ports {
            let want = Complex::ONE / (Complex::ONE - slope[i]);
            assert!((x[i] - want).abs() < 1e-9, "{:?} {want:?}", x[i]);
        }
    }
}
