//! Factoring again after a change: only the columns that it reaches.
//!
//! A column depends on its own entries and on its descendants in the
//! elimination tree, so a changed entry reaches the path from its column to
//! the root and nothing else. Dead parts of the network are left out: their
//! columns are kept as they were when last alive and come back unchanged when
//! the breaker closes again. Every column is summed in the same order as in a
//! factorisation of the whole, so both give the same bits.

use super::Ldl;
use crate::Complex;

/// What the stored columns were computed from.
#[derive(Clone, Debug)]
pub(super) struct History {
    /// Entries left of the diagonal by rows: first entry of each row.
    row_start: Vec<u32>,
    /// Column, and place within that column.
    row_entries: Vec<(u32, u32)>,
    /// First step of each column in the program.
    program_start: Vec<u32>,
    /// Columns before the division by their pivot.
    raw: Vec<Complex>,
    /// Inverse pivots, of left-out columns too.
    pivot_inverse: Vec<Complex>,
    /// Matrix the columns were computed from.
    seen: Vec<Complex>,
    /// Whether a column is not what its matrix asks for.
    dirty: Vec<bool>,
    /// Whether a column is left out at present.
    off: Vec<bool>,
    /// Columns that a change reaches; all false between calls.
    reached: Vec<bool>,
}

impl History {
    pub(super) fn new(n: usize, column: &[u32], rows: &[u32]) -> Self {
        let mut row_start = vec![0_u32; n + 1];
        for &row in rows {
            row_start[row as usize + 1] += 1;
        }
        for row in 0..n {
            row_start[row + 1] += row_start[row];
        }
        let mut next = row_start.clone();
        let mut row_entries = vec![(0, 0); rows.len()];
        let mut program_start = Vec::with_capacity(n);
        let mut step = 0;
        for k in 0..n {
            program_start.push(step);
            let list = &rows[column[k] as usize..column[k + 1] as usize];
            let count = list.len() as u32;
            step += count * (count + 1) / 2;
            for (place, &row) in list.iter().enumerate() {
                row_entries[next[row as usize] as usize] = (k as u32, place as u32);
                next[row as usize] += 1;
            }
        }
        Self {
            row_start,
            row_entries,
            program_start,
            raw: vec![Complex::ZERO; rows.len()],
            pivot_inverse: vec![Complex::ZERO; n],
            seen: vec![Complex::ZERO; rows.len() + n],
            dirty: vec![true; n],
            off: vec![false; n],
            reached: vec![false; n],
        }
    }
}

impl Ldl {
    /// Factors the matrix whose lower triangle is given by slots, without the
    /// positions in `off` (none when empty): they must have no entry with the
    /// others, and solutions are zero there.
    ///
    /// Returns the position of the first pivot that is zero or not finite.
    pub(crate) fn factor(&mut self, matrix: &[Complex], off: &[bool]) -> Result<(), usize> {
        let dirty = self.note_changes(matrix, off);
        let result = if dirty * 2 > self.n {
            self.factor_all(matrix, off)
        } else {
            self.factor_dirty(matrix, off)
        };
        if result.is_err() {
            self.history.dirty.fill(true);
        }
        result
    }

    /// Marks the columns that changed entries reach; returns how many columns
    /// are to be computed.
    fn note_changes(&mut self, matrix: &[Complex], off: &[bool]) -> usize {
        let nl = self.rows.len();
        let history = &mut self.history;
        let mut count = 0;
        for k in 0..self.n {
            let is_off = off.get(k) == Some(&true);
            let (start, end) = (self.column[k] as usize, self.column[k + 1] as usize);
            let mut changed = std::mem::take(&mut history.reached[k]);
            if !same(&matrix[start..end], &history.seen[start..end]) {
                history.seen[start..end].copy_from_slice(&matrix[start..end]);
                changed = true;
            }
            // What holds a dead node has no part in the column that is kept.
            let own = nl + k;
            if !is_off && !same(&matrix[own..=own], &history.seen[own..=own]) {
                history.seen[own] = matrix[own];
                changed = true;
            }
            if changed {
                history.dirty[k] = true;
                if let Some(&parent) = self.rows[start..end].first() {
                    history.reached[parent as usize] = true;
                }
            }
            count += usize::from(history.dirty[k] && !is_off);
        }
        count
    }

    fn leave_out(&mut self, k: usize) {
        let (start, end) = (self.column[k] as usize, self.column[k + 1] as usize);
        self.values[start..end].fill(Complex::ZERO);
        self.inverse_diagonal[k] = Complex::ZERO;
        self.history.off[k] = true;
    }

    /// All columns from left to right, each giving to those right of it.
    fn factor_all(&mut self, matrix: &[Complex], off: &[bool]) -> Result<(), usize> {
        self.values.copy_from_slice(matrix);
        let nl = self.rows.len();
        let mut step = 0;
        for k in 0..self.n {
            let (start, end) = (self.column[k] as usize, self.column[k + 1] as usize);
            if off.get(k) == Some(&true) {
                let count = end - start;
                step += count * (count + 1) / 2;
                self.leave_out(k);
                self.history.dirty[k] = true;
                continue;
            }
            let inverse = self.values[nl + k].recip();
            if !inverse.is_finite() {
                return Err(k);
            }
            self.finish_pivot(k, inverse);
            for a in start..end {
                let factor = self.values[a] * inverse;
                let targets = &self.program[step..step + (end - a)];
                for (b, &target) in (a..end).zip(targets) {
                    let update = factor * self.values[b];
                    self.values[target as usize] -= update;
                }
                step += end - a;
            }
            self.divide(start, end, inverse);
        }
        Ok(())
    }

    /// The columns to be computed, each taking from those left of it.
    fn factor_dirty(&mut self, matrix: &[Complex], off: &[bool]) -> Result<(), usize> {
        let nl = self.rows.len();
        for k in 0..self.n {
            let was_off = self.history.off[k];
            if off.get(k) == Some(&true) {
                if !was_off {
                    self.leave_out(k);
                }
                continue;
            }
            if !self.history.dirty[k] && !was_off {
                continue;
            }
            let (start, end) = (self.column[k] as usize, self.column[k + 1] as usize);
            let inverse = if self.history.dirty[k] {
                self.values[start..end].copy_from_slice(&matrix[start..end]);
                self.values[nl + k] = matrix[nl + k];
                self.take_from_left(k);
                self.values[nl + k].recip()
            } else {
                self.values[start..end].copy_from_slice(&self.history.raw[start..end]);
                self.history.pivot_inverse[k]
            };
            if !inverse.is_finite() {
                return Err(k);
            }
            self.finish_pivot(k, inverse);
            self.divide(start, end, inverse);
        }
        Ok(())
    }

    /// Subtracts from column `k` what the columns left of it give.
    fn take_from_left(&mut self, k: usize) {
        let history = &self.history;
        let row = history.row_start[k] as usize..history.row_start[k + 1] as usize;
        for &(left, place) in &history.row_entries[row] {
            if history.off[left as usize] {
                continue;
            }
            let (left, place) = (left as usize, place as usize);
            let (start, end) = (self.column[left] as usize, self.column[left + 1] as usize);
            let count = end - start;
            let step = history.program_start[left] as usize + place * count
                - place * place.saturating_sub(1) / 2;
            let factor = self.values[start + place];
            let targets = &self.program[step..step + count - place];
            for (&raw, &target) in history.raw[start + place..end].iter().zip(targets) {
                self.values[target as usize] -= factor * raw;
            }
        }
    }

    fn finish_pivot(&mut self, k: usize, inverse: Complex) {
        self.inverse_diagonal[k] = inverse;
        self.history.pivot_inverse[k] = inverse;
        self.history.dirty[k] = false;
        self.history.off[k] = false;
    }

    fn divide(&mut self, start: usize, end: usize, inverse: Complex) {
        self.history.raw[start..end].copy_from_slice(&self.values[start..end]);
        for value in &mut self.values[start..end] {
            *value *= inverse;
        }
    }

    /// Those of the `dead` positions that the matrix does not couple with any
    /// other position, over however many dead ones.
    pub(crate) fn cut_off(&self, matrix: &[Complex], mut dead: Vec<bool>) -> Vec<bool> {
        let mut touched = Vec::new();
        for k in 0..self.n {
            let range = self.column[k] as usize..self.column[k + 1] as usize;
            for (&row, value) in self.rows[range.clone()].iter().zip(&matrix[range]) {
                let row = row as usize;
                if dead[k] != dead[row] && *value != Complex::ZERO {
                    for at in [k, row] {
                        if std::mem::take(&mut dead[at]) {
                            touched.push(at);
                        }
                    }
                }
            }
        }
        while let Some(k) = touched.pop() {
            let right = (self.column[k] as usize..self.column[k + 1] as usize)
                .map(|a| (a, self.rows[a] as usize));
            let row = self.history.row_start[k] as usize..self.history.row_start[k + 1] as usize;
            let left = self.history.row_entries[row].iter().map(|&(c, place)| {
                (
                    self.column[c as usize] as usize + place as usize,
                    c as usize,
                )
            });
            for (slot, other) in right.chain(left) {
                if matrix[slot] != Complex::ZERO && std::mem::take(&mut dead[other]) {
                    touched.push(other);
                }
            }
        }
        dead
    }
}

/// Whether two lists have the same bits: a zero of the other sign may lead to
/// other bits later.
fn same(a: &[Complex], b: &[Complex]) -> bool {
    a.iter()
        .zip(b)
        .all(|(a, b)| a.re.to_bits() == b.re.to_bits() && a.im.to_bits() == b.im.to_bits())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::random;
    use super::*;

    proptest! {
        /// Whatever was factored before, the bits are those of a first factorisation.
        #[test]
        fn a_part_gives_the_bits_of_the_whole(
            edges in prop::collection::vec((0usize..24, 0usize..24, 0.1f64..2.0, -3.0f64..-0.1), 10..50),
            ports in prop::collection::vec(0u32..24, 1..5),
            steps in prop::collection::vec((0usize..50, any::<bool>(), 0usize..24), 1..12),
        ) {
            let (first, _) = random(24, &edges, &ports);
            let mut kept = first.clone();
            let mut open = vec![false; edges.len()];
            for &(edge, opens, held) in &steps {
                open[edge % edges.len()] = opens;
                let present: Vec<_> = edges
                    .iter()
                    .zip(&open)
                    .filter(|(_, open)| !**open)
                    .map(|(edge, _)| *edge)
                    .collect();
                let matrix = fill(&first, &present);
                // Everything not connected with one node counts as dead.
                let dead = unreached(24, &present, held);
                let off = kept.cut_off(&matrix, (0..24).map(|k| dead[kept.node(k)]).collect());
                prop_assert!((0..24).all(|k| off[k] == dead[kept.node(k)]));
                prop_assert!(kept.factor(&matrix, &off).is_ok());
                let mut anew = first.clone();
                prop_assert!(anew.factor(&matrix, &off).is_ok());
                let nl = kept.nnz();
                prop_assert!(same(&kept.values[..nl], &anew.values[..nl]));
                prop_assert!(same(&kept.inverse_diagonal, &anew.inverse_diagonal));
            }
        }
    }

    fn fill(ldl: &Ldl, edges: &[(usize, usize, f64, f64)]) -> Vec<Complex> {
        let mut matrix = vec![Complex::ZERO; ldl.slots()];
        for i in 0..ldl.len() {
            matrix[ldl.diagonal_slot(ldl.position(i))] = Complex::new(0.1, 0.05);
        }
        for &(a, b, re, im) in edges.iter().filter(|e| e.0 != e.1) {
            let y = Complex::new(re, im);
            let (p, q) = (ldl.position(a), ldl.position(b));
            matrix[ldl.slot(p, q).expect("in the pattern")] -= y;
            matrix[ldl.diagonal_slot(p)] += y;
            matrix[ldl.diagonal_slot(q)] += y;
        }
        matrix
    }

    fn unreached(n: usize, edges: &[(usize, usize, f64, f64)], from: usize) -> Vec<bool> {
        let mut dead = vec![true; n];
        dead[from] = false;
        for _ in 0..n {
            for &(a, b, ..) in edges {
                if dead[a] != dead[b] {
                    dead[a] = false;
                    dead[b] = false;
                }
            }
        }
        dead
    }
}
