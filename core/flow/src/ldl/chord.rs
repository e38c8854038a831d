//! The trailing part with the slopes of what hangs at the ports.
//!
//! A current that depends on voltage has a derivative that is no complex
//! number but a real 2 x 2 block. With these blocks at the ports the trailing
//! part of the matrix is factored once as `L U` in real blocks, on the pattern
//! and by the program of the complex factor; an iteration with it is Newton's
//! with a fixed derivative (the chord method) and contracts by how far the
//! state has moved, not by how weak the network is.

use super::Ldl;
use crate::Complex;

/// A real 2 x 2 matrix by rows; it acts on (real, imaginary) part.
pub(crate) type Block = [f64; 4];

/// Factor of the trailing part in real blocks.
#[derive(Clone, Debug)]
pub(crate) struct Chord {
    /// Below the diagonal by columns, each column times the inverse of its pivot.
    lower: Vec<Block>,
    /// Right of the diagonal by rows, at the same places.
    upper: Vec<Block>,
    /// Inverse pivots.
    inverse: Vec<Block>,
}

fn of_complex(y: Complex) -> Block {
    [y.re, -y.im, y.im, y.re]
}

fn add(to: &mut Block, b: &Block, sign: f64) {
    for (t, b) in to.iter_mut().zip(b) {
        *t += sign * b;
    }
}

#[inline]
fn product(a: &Block, b: &Block) -> Block {
    [
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
    ]
}

fn inverse(a: &Block) -> Option<Block> {
    let scale = 1.0 / (a[0] * a[3] - a[1] * a[2]);
    scale
        .is_finite()
        .then(|| [a[3] * scale, -a[1] * scale, -a[2] * scale, a[0] * scale])
}

impl Ldl {
    /// Factors the trailing part of a matrix (by slots) with blocks added
    /// between positions of the trailing part: `(a, b, block)`, where a position
    /// beyond the last is earth. `None` when a pivot is singular.
    pub(crate) fn chord(
        &self,
        matrix: &[Complex],
        blocks: impl Iterator<Item = (u32, u32, Block)>,
    ) -> Option<Chord> {
        let (values, step) = self.without_leading(matrix)?;
        let (nl, start) = (self.rows.len(), self.trailing_start);
        let count = self.n - self.first_port;
        let lower: Vec<Block> = values[start..nl].iter().map(|&y| of_complex(y)).collect();
        let mut chord = Chord {
            upper: lower.clone(),
            lower,
            inverse: values[nl + self.first_port..]
                .iter()
                .map(|&y| of_complex(y))
                .collect(),
        };
        for (a, b, block) in blocks {
            let (a, b) = (a as usize, b as usize);
            for at in [a, b].into_iter().filter(|&at| at < count) {
                add(&mut chord.inverse[at], &block, 1.0);
            }
            if a < count && b < count && a != b {
                let slot = self.slot(self.first_port + a, self.first_port + b)?;
                add(&mut chord.lower[slot - start], &block, -1.0);
                add(&mut chord.upper[slot - start], &block, -1.0);
            }
        }
        self.eliminate(&mut chord, step)?;
        Some(chord)
    }

    /// Values after the leading columns are eliminated, and where the program
    /// goes on.
    fn without_leading(&self, matrix: &[Complex]) -> Option<(Vec<Complex>, usize)> {
        let mut values = matrix.to_vec();
        let nl = self.rows.len();
        let mut step = 0;
        for k in 0..self.first_port {
            let pivot = values[nl + k].recip();
            if !pivot.is_finite() {
                return None;
            }
            let (start, end) = (self.column[k] as usize, self.column[k + 1] as usize);
            for a in start..end {
                let factor = values[a] * pivot;
                for b in a..end {
                    let update = factor * values[b];
                    values[self.program[step] as usize] -= update;
                    step += 1;
                }
            }
        }
        Some((values, step))
    }

    fn eliminate(&self, chord: &mut Chord, mut step: usize) -> Option<()> {
        let (nl, first) = (self.rows.len(), self.first_port);
        for k in first..self.n {
            let pivot = inverse(&chord.inverse[k - first])?;
            chord.inverse[k - first] = pivot;
            let start = self.column[k] as usize - self.trailing_start;
            let end = self.column[k + 1] as usize - self.trailing_start;
            for a in start..end {
                chord.lower[a] = product(&chord.lower[a], &pivot);
            }
            for a in start..end {
                let own = product(&chord.lower[a], &chord.upper[a]);
                let target = self.program[step] as usize - nl - first;
                add(&mut chord.inverse[target], &own, -1.0);
                step += 1;
                for b in a + 1..end {
                    let target = self.program[step] as usize - self.trailing_start;
                    let below = product(&chord.lower[b], &chord.upper[a]);
                    let right = product(&chord.lower[a], &chord.upper[b]);
                    add(&mut chord.lower[target], &below, -1.0);
                    add(&mut chord.upper[target], &right, -1.0);
                    step += 1;
                }
            }
        }
        Some(())
    }

    /// Solves for the trailing part in place.
    pub(crate) fn solve_chord(&self, chord: &Chord, x: &mut [Complex]) {
        let first = self.first_port;
        for k in 0..self.n - first {
            let value = x[k];
            let (start, end) = self.trailing_column(k);
            for (&row, l) in self.trailing_rows[start..end]
                .iter()
                .zip(&chord.lower[start..end])
            {
                let x = &mut x[row as usize];
                x.re -= l[0] * value.re + l[1] * value.im;
                x.im -= l[2] * value.re + l[3] * value.im;
            }
        }
        for k in (0..self.n - first).rev() {
            let mut value = x[k];
            let (start, end) = self.trailing_column(k);
            for (&row, u) in self.trailing_rows[start..end]
                .iter()
                .zip(&chord.upper[start..end])
            {
                let x = x[row as usize];
                value.re -= u[0] * x.re + u[1] * x.im;
                value.im -= u[2] * x.re + u[3] * x.im;
            }
            let d = &chord.inverse[k];
            x[k] = Complex::new(
                d[0] * value.re + d[1] * value.im,
                d[2] * value.re + d[3] * value.im,
            );
        }
    }

    /// [`Ldl::solve_chord`] for several right-hand sides at once.
    pub(crate) fn solve_chord_lanes<const L: usize>(
        &self,
        chord: &Chord,
        re: &mut [[f64; L]],
        im: &mut [[f64; L]],
    ) {
        let count = self.n - self.first_port;
        for k in 0..count {
            let (vr, vi) = (re[k], im[k]);
            let (start, end) = self.trailing_column(k);
            for (&row, l) in self.trailing_rows[start..end]
                .iter()
                .zip(&chord.lower[start..end])
            {
                let (xr, xi) = (&mut re[row as usize], &mut im[row as usize]);
                for lane in 0..L {
                    xr[lane] -= l[0] * vr[lane] + l[1] * vi[lane];
                    xi[lane] -= l[2] * vr[lane] + l[3] * vi[lane];
                }
            }
        }
        for k in (0..count).rev() {
            let (mut vr, mut vi) = (re[k], im[k]);
            let (start, end) = self.trailing_column(k);
            for (&row, u) in self.trailing_rows[start..end]
                .iter()
                .zip(&chord.upper[start..end])
            {
                let (xr, xi) = (&re[row as usize], &im[row as usize]);
                for lane in 0..L {
                    vr[lane] -= u[0] * xr[lane] + u[1] * xi[lane];
                    vi[lane] -= u[2] * xr[lane] + u[3] * xi[lane];
                }
            }
            let d = &chord.inverse[k];
            for lane in 0..L {
                re[k][lane] = d[0] * vr[lane] + d[1] * vi[lane];
                im[k][lane] = d[2] * vr[lane] + d[3] * vi[lane];
            }
        }
    }

    #[inline]
    fn trailing_column(&self, k: usize) -> (usize, usize) {
        let k = self.first_port + k;
        (
            self.column[k] as usize - self.trailing_start,
            self.column[k + 1] as usize - self.trailing_start,
        )
    }
}
