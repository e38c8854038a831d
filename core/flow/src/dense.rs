//! Small dense complex matrices for primitive admittances.

use crate::Complex;

/// A square matrix stored by rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    /// Rows and columns.
    pub(crate) n: usize,
    /// Entries by rows.
    pub(crate) a: Vec<Complex>,
}

impl Matrix {
    pub(crate) fn zeros(n: usize) -> Self {
        Self {
            n,
            a: vec![Complex::ZERO; n * n],
        }
    }

    #[inline]
    pub(crate) fn at(&self, row: usize, col: usize) -> Complex {
        self.a[row * self.n + col]
    }

    #[inline]
    pub(crate) fn set(&mut self, row: usize, col: usize, value: Complex) {
        self.a[row * self.n + col] = value;
    }

    #[inline]
    pub(crate) fn add(&mut self, row: usize, col: usize, value: Complex) {
        self.a[row * self.n + col] += value;
    }

    /// Adds a symmetric pair, or one value on the diagonal.
    pub(crate) fn add_symmetric(&mut self, row: usize, col: usize, value: Complex) {
        self.add(row, col, value);
        if row != col {
            self.add(col, row, value);
        }
    }

    /// Inverse by Gauss-Jordan elimination with partial pivoting; `None` when singular.
    pub(crate) fn inverse(&self) -> Option<Self> {
        let n = self.n;
        let mut a = self.clone();
        let mut inv = Self::zeros(n);
        for i in 0..n {
            inv.set(i, i, Complex::ONE);
        }
        for k in 0..n {
            let pivot = (k..n).max_by(|&i, &j| {
                a.at(i, k)
                    .norm_sqr()
                    .total_cmp(&a.at(j, k).norm_sqr())
                    .then(j.cmp(&i))
            })?;
            let p = a.at(pivot, k);
            if !p.is_finite() || p.norm_sqr() == 0.0 {
                return None;
            }
            if pivot != k {
                for c in 0..n {
                    a.a.swap(k * n + c, pivot * n + c);
                    inv.a.swap(k * n + c, pivot * n + c);
                }
            }
            let scale = a.at(k, k).recip();
            for c in 0..n {
                a.a[k * n + c] *= scale;
                inv.a[k * n + c] *= scale;
            }
            for r in (0..n).filter(|&r| r != k) {
                let factor = a.at(r, k);
                if factor == Complex::ZERO {
                    continue;
                }
                for c in 0..n {
                    let (x, y) = (a.at(k, c), inv.at(k, c));
                    a.a[r * n + c] -= factor * x;
                    inv.a[r * n + c] -= factor * y;
                }
            }
        }
        inv.symmetrise_if(self);
        Some(inv)
    }

    /// The inverse of a symmetric matrix is symmetric; rounding is not.
    fn symmetrise_if(&mut self, source: &Self) {
        let n = self.n;
        let symmetric = (0..n).all(|i| (0..i).all(|j| source.at(i, j) == source.at(j, i)));
        if !symmetric {
            return;
        }
        for i in 0..n {
            for j in 0..i {
                let mean = (self.at(i, j) + self.at(j, i)).scale(0.5);
                self.set(i, j, mean);
                self.set(j, i, mean);
            }
        }
    }

    /// Eliminates the listed rows and columns (Kron reduction): what remains
    /// seen from the others when nothing is injected there. `None` when the
    /// eliminated block is singular.
    pub(crate) fn kron(&self, eliminate: &[usize]) -> Option<Self> {
        let m = eliminate.len();
        let mut block = Self::zeros(m);
        for (i, &r) in eliminate.iter().enumerate() {
            for (j, &c) in eliminate.iter().enumerate() {
                block.set(i, j, self.at(r, c));
            }
        }
        let inv = block.inverse()?;
        let mut out = Self::zeros(self.n);
        let kept: Vec<usize> = (0..self.n).filter(|i| !eliminate.contains(i)).collect();
        for &r in &kept {
            for &c in &kept {
                let mut value = self.at(r, c);
                for (i, &e) in eliminate.iter().enumerate() {
                    for (j, &f) in eliminate.iter().enumerate() {
                        value -= self.at(r, e) * inv.at(i, j) * self.at(f, c);
                    }
                }
                out.set(r, c, value);
            }
        }
        Some(out)
    }
}

/// Inverse of a dense matrix of order `n` given by rows; `None` when singular.
pub fn invert_dense(a: &[Complex], n: usize) -> Option<Vec<Complex>> {
    if a.len() != n * n {
        return None;
    }
    Matrix { n, a: a.to_vec() }.inverse().map(|m| m.a)
}

/// Kron reduction of a dense impedance matrix of order `n` given by rows: the
/// listed rows and columns are eliminated (their voltage drop is zero) and
/// left as zeros. `None` when their block is singular.
pub fn kron_dense(a: &[Complex], n: usize, eliminate: &[usize]) -> Option<Vec<Complex>> {
    if a.len() != n * n {
        return None;
    }
    Matrix { n, a: a.to_vec() }.kron(eliminate).map(|m| m.a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_inverse_times_its_matrix_is_one(values in prop::collection::vec(-1.0f64..1.0, 32)) {
            let mut m = Matrix::zeros(4);
            for i in 0..4 {
                for j in 0..4 {
                    let k = 2 * (4 * i + j);
                    m.set(i, j, Complex::new(values[k], values[k + 1]));
                }
                m.add(i, i, Complex::new(5.0, 1.0));
            }
            let inv = m.inverse().expect("diagonally dominant");
            for i in 0..4 {
                for j in 0..4 {
                    let sum: Complex = (0..4).map(|k| m.at(i, k) * inv.at(k, j)).sum();
                    let want = if i == j { Complex::ONE } else { Complex::ZERO };
                    prop_assert!((sum - want).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_singular_matrix_has_no_inverse() {
        assert!(Matrix::zeros(2).inverse().is_none());
    }
}
