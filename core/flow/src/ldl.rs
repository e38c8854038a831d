//! Sparse factorisation `P Y Pt = L D Lt` of complex-symmetric matrices.
//!
//! The order is a static minimum degree, found once; the pattern of `L` and
//! the list of updates ("program") are found once; the numbers are computed
//! as often as values change. Nothing is conjugated and nothing pivoted: a
//! nodal admittance matrix whose dead nodes are earthed has no zero pivot.
//!
//! Nodes that receive currents ("ports") and all their ancestors in the
//! elimination tree are numbered last. An iteration that only changes port
//! currents then works on that trailing part alone.

mod chord;
mod order;
mod partial;

use std::collections::BTreeSet;

use crate::Complex;
use order::{minimum_degree, ports_last, update_program};
use partial::History;

pub(crate) use chord::{Block, Chord};

/// Symbolic and numeric factor of one pattern.
#[derive(Clone, Debug)]
pub(crate) struct Ldl {
    n: usize,
    /// First column of the trailing part.
    first_port: usize,
    /// Position of each node.
    position: Vec<u32>,
    /// Node at each position.
    node: Vec<u32>,
    column: Vec<u32>,
    rows: Vec<u32>,
    /// Rows of the trailing columns, counted from `first_port`.
    trailing_rows: Vec<u32>,
    /// First entry of the trailing columns.
    trailing_start: usize,
    /// Targets of the updates of a factorisation, in the order it makes them.
    program: Vec<u32>,
    /// Entries of `L` by columns, then the diagonal.
    values: Vec<Complex>,
    inverse_diagonal: Vec<Complex>,
    history: History,
}

impl Ldl {
    /// Orders and analyses a pattern.
    ///
    /// `neighbours[i]` are the nodes that share an entry with node `i` (both
    /// directions present, no diagonal); `ports` are the nodes whose currents change.
    pub(crate) fn analyse(neighbours: &[BTreeSet<u32>], ports: &[u32]) -> Self {
        let n = neighbours.len();
        let (order, patterns) = minimum_degree(neighbours, ports);
        let (order, first_port) = ports_last(&order, &patterns, ports);
        let mut position = vec![0u32; n];
        for (k, &node) in order.iter().enumerate() {
            position[node as usize] = k as u32;
        }
        let mut column = Vec::with_capacity(n + 1);
        let mut rows: Vec<u32> = Vec::new();
        column.push(0u32);
        for &node in &order {
            let start = rows.len();
            rows.extend(
                patterns[node as usize]
                    .iter()
                    .map(|&p| position[p as usize]),
            );
            rows[start..].sort_unstable();
            column.push(rows.len() as u32);
        }
        let nl = rows.len();
        let program = update_program(n, &column, &rows);
        let trailing_start = column[first_port] as usize;
        let trailing_rows = rows[trailing_start..]
            .iter()
            .map(|&row| row - first_port as u32)
            .collect();
        Self {
            history: History::new(n, &column, &rows),
            trailing_rows,
            trailing_start,
            n,
            first_port,
            position,
            node: order,
            column,
            rows,
            program,
            values: vec![Complex::ZERO; nl + n],
            inverse_diagonal: vec![Complex::ZERO; n],
        }
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// Entries of `L` below the diagonal.
    pub(crate) fn nnz(&self) -> usize {
        self.rows.len()
    }

    /// First position of the trailing part that holds every port.
    pub(crate) fn first_port(&self) -> usize {
        self.first_port
    }

    /// Position of a node in elimination order.
    pub(crate) fn position(&self, node: usize) -> usize {
        self.position[node] as usize
    }

    /// Node at a position.
    pub(crate) fn node(&self, position: usize) -> usize {
        self.node[position] as usize
    }

    /// Where the matrix entry of two positions is kept; `None` outside the pattern.
    pub(crate) fn slot(&self, a: usize, b: usize) -> Option<usize> {
        if a == b {
            return Some(self.rows.len() + a);
        }
        let (row, col) = if a > b { (a, b) } else { (b, a) };
        let range = self.column[col] as usize..self.column[col + 1] as usize;
        self.rows[range.clone()]
            .binary_search(&(row as u32))
            .ok()
            .map(|at| range.start + at)
    }

    /// Number of slots: pattern of `L` and diagonal.
    pub(crate) fn slots(&self) -> usize {
        self.values.len()
    }

    /// Slot of a diagonal entry.
    pub(crate) fn diagonal_slot(&self, position: usize) -> usize {
        self.rows.len() + position
    }

    /// Solves for the trailing part in place; `x` starts at position `first_port`
    /// and nothing is injected elsewhere.
    pub(crate) fn solve_ports(&self, x: &mut [Complex]) {
        let first = self.first_port;
        let x = &mut x[..self.n - first];
        for k in first..self.n {
            let value = x[k - first];
            if value == Complex::ZERO {
                continue;
            }
            let range = self.column[k] as usize..self.column[k + 1] as usize;
            let rows = &self.trailing_rows[range.start - self.trailing_start..][..range.len()];
            for (&row, &l) in rows.iter().zip(&self.values[range]) {
                x[row as usize] -= l * value;
            }
        }
        for k in (first..self.n).rev() {
            let mut value = x[k - first] * self.inverse_diagonal[k];
            let range = self.column[k] as usize..self.column[k + 1] as usize;
            let rows = &self.trailing_rows[range.start - self.trailing_start..][..range.len()];
            for (&row, &l) in rows.iter().zip(&self.values[range]) {
                value -= l * x[row as usize];
            }
            x[k - first] = value;
        }
    }

    /// Fills in the leading part of `x` from its trailing part when nothing is
    /// injected at leading nodes; `x` covers all positions.
    pub(crate) fn expand(&self, x: &mut [Complex]) {
        for k in (0..self.first_port).rev() {
            let mut value = Complex::ZERO;
            let range = self.column[k] as usize..self.column[k + 1] as usize;
            for (&row, &l) in self.rows[range.clone()].iter().zip(&self.values[range]) {
                value -= l * x[row as usize];
            }
            x[k] = value;
        }
    }

    /// Solves for all positions in place.
    pub(crate) fn solve(&self, x: &mut [Complex]) {
        self.forward(x);
        for k in (0..self.n).rev() {
            let mut value = x[k] * self.inverse_diagonal[k];
            let range = self.column[k] as usize..self.column[k + 1] as usize;
            for (&row, &l) in self.rows[range.clone()].iter().zip(&self.values[range]) {
                value -= l * x[row as usize];
            }
            x[k] = value;
        }
    }

    /// Entries of the inverse within the pattern of `L`, by slots.
    pub(crate) fn selected_inverse(&self) -> Vec<Complex> {
        let nl = self.rows.len();
        let mut z = vec![Complex::ZERO; self.values.len()];
        let mut step = self.program.len();
        for k in (0..self.n).rev() {
            let (start, end) = (self.column[k] as usize, self.column[k + 1] as usize);
            let count = end - start;
            step -= count * (count + 1) / 2;
            // z(i, k) = - sum over j of z(i, j) l(j, k); the program of column k
            // lists where z(i, j) stands, row by row of the triangle.
            let mut t = step;
            for a in 0..count {
                let own = z[self.program[t] as usize];
                z[start + a] -= own * self.values[start + a];
                t += 1;
                for b in a + 1..count {
                    let pair = z[self.program[t] as usize];
                    z[start + a] -= pair * self.values[start + b];
                    z[start + b] -= pair * self.values[start + a];
                    t += 1;
                }
            }
            let mut own = self.inverse_diagonal[k];
            for (z, l) in z[start..end].iter().zip(&self.values[start..end]) {
                own -= *z * *l;
            }
            z[nl + k] = own;
        }
        z
    }

    fn forward(&self, x: &mut [Complex]) {
        for k in 0..self.n {
            let value = x[k];
            if value == Complex::ZERO {
                continue;
            }
            let range = self.column[k] as usize..self.column[k + 1] as usize;
            for (&row, &l) in self.rows[range.clone()].iter().zip(&self.values[range]) {
                x[row as usize] -= l * value;
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn random(
        n: usize,
        edges: &[(usize, usize, f64, f64)],
        ports: &[u32],
    ) -> (Ldl, Vec<Complex>) {
        let mut neighbours = vec![BTreeSet::new(); n];
        for &(a, b, ..) in edges {
            if a != b {
                neighbours[a].insert(b as u32);
                neighbours[b].insert(a as u32);
            }
        }
        let ldl = Ldl::analyse(&neighbours, ports);
        let mut matrix = vec![Complex::ZERO; ldl.slots()];
        for i in 0..n {
            matrix[ldl.diagonal_slot(ldl.position(i))] = Complex::new(0.1, 0.05);
        }
        for &(a, b, re, im) in edges {
            if a != b {
                let y = Complex::new(re, im);
                let (p, q) = (ldl.position(a), ldl.position(b));
                matrix[ldl.slot(p, q).expect("in the pattern")] -= y;
                matrix[ldl.diagonal_slot(p)] += y;
                matrix[ldl.diagonal_slot(q)] += y;
            }
        }
        (ldl, matrix)
    }

    proptest! {
        #[test]
        fn solutions_satisfy_the_matrix(
            edges in prop::collection::vec((0usize..20, 0usize..20, 0.1f64..2.0, -3.0f64..-0.1), 1..60),
            ports in prop::collection::vec(0u32..20, 1..5),
            currents in prop::collection::vec((-1.0f64..1.0, -1.0f64..1.0), 5),
        ) {
            let (mut ldl, matrix) = random(20, &edges, &ports);
            prop_assert!(ldl.factor(&matrix, &[]).is_ok());
            let mut rhs = vec![Complex::ZERO; 20];
            for (&port, &(re, im)) in ports.iter().zip(&currents) {
                rhs[ldl.position(port as usize)] += Complex::new(re, im);
            }
            let mut full = rhs.clone();
            ldl.solve(&mut full);
            let mut residual = rhs.clone();
            for (a, residual) in residual.iter_mut().enumerate() {
                for (b, &v) in full.iter().enumerate() {
                    if let Some(slot) = ldl.slot(a, b) {
                        *residual -= matrix[slot] * v;
                    }
                }
            }
            prop_assert!(residual.iter().all(|r| r.abs() < 1e-9));
            let mut split = rhs;
            ldl.solve_ports(&mut split[ldl.first_port()..]);
            ldl.expand(&mut split);
            for (a, b) in full.iter().zip(&split) {
                prop_assert!((*a - *b).abs() < 1e-12);
            }
            let inverse = ldl.selected_inverse();
            for b in 0..20 {
                let mut unit = vec![Complex::ZERO; 20];
                unit[b] = Complex::ONE;
                ldl.solve(&mut unit);
                for (a, z) in unit.iter().enumerate() {
                    if let Some(slot) = ldl.slot(a, b) {
                        prop_assert!((inverse[slot] - *z).abs() < 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn a_zero_pivot_is_reported() {
        let (mut ldl, mut matrix) = random(2, &[(0, 1, 1.0, -1.0)], &[0]);
        matrix.fill(Complex::ZERO);
        assert_eq!(ldl.factor(&matrix, &[]), Err(0));
    }
}
