//! What is left of a line: open ends, interrupted conductors, faults on the way.

use super::*;
use crate::dense::Matrix;

/// Conductors of one line that can be interrupted one by one.
const MAX_BROKEN: usize = 32;

impl Network {
    pub(super) fn set_line_end(&mut self, line: usize, end: usize, open: bool) -> bool {
        let info = &mut self.lines[line];
        if info.open[end] == open {
            return false;
        }
        info.open[end] = open;
        self.line_changed(line);
        true
    }

    fn line_changed(&mut self, line: usize) {
        self.write_line(line);
        self.stale.topology = true;
        self.stale.values = true;
        self.stale.start = true;
    }

    /// Interrupts or restores one conductor of a line, at its first end: a
    /// broken conductor, or a fuse or pole that opens alone. `conductor` is its
    /// number at the bus there. Returns whether anything changed; `false` also
    /// when the line has no such conductor.
    ///
    /// # Panics
    /// If the line is not one of this network, as with a slice.
    pub fn set_conductor_open(&mut self, line: usize, conductor: u8, open: bool) -> bool {
        let Some(index) = self.line_conductor(line, conductor) else {
            return false;
        };
        let info = &mut self.lines[line];
        let bit = 1_u32 << index;
        if (info.broken & bit != 0) == open {
            return false;
        }
        info.broken ^= bit;
        self.line_changed(line);
        true
    }

    /// Whether one conductor of a line is interrupted.
    ///
    /// # Panics
    /// If the line is not one of this network, as with a slice.
    pub fn conductor_open(&self, line: usize, conductor: u8) -> bool {
        self.line_conductor(line, conductor)
            .is_some_and(|index| self.lines[line].broken & (1 << index) != 0)
    }

    /// Place of a bus conductor among those of a line's first end.
    pub(super) fn line_conductor(&self, line: usize, conductor: u8) -> Option<usize> {
        let info = &self.lines[line];
        let nodes = &self.elements[info.element].nodes[..info.conductors];
        nodes
            .iter()
            .position(|&node| node != EARTH && self.nodes[node as usize].conductor == conductor)
            .filter(|&index| index < MAX_BROKEN)
    }

    /// Writes the present matrix of a line.
    pub(super) fn write_line(&mut self, line: usize) {
        let matrix = self.line_chain(line).terminals(&self.lines[line]);
        let element = self.lines[line].element;
        self.write_element(element, &matrix);
    }

    /// The line cut at its faults.
    pub(super) fn line_chain(&self, line: usize) -> Chain {
        let faults: Vec<(u32, f64, Matrix)> = self
            .faults
            .iter()
            .filter_map(|(&id, fault)| match fault.place {
                FaultPlace::Line { line: at, position } if at == line => {
                    let admittance = self.fault_matrix(fault)?;
                    Some((id, position, admittance))
                }
                _ => None,
            })
            .collect();
        Chain::new(&self.lines[line], faults)
    }
}

/// A line as a chain of pi sections: first end, faults in order, second end.
pub(super) struct Chain {
    conductors: usize,
    /// Admittances of all nodes of the chain, a block of conductors for each.
    full: Matrix,
    /// Id, block and admittance of each fault.
    faults: Vec<(u32, usize, Matrix)>,
}

impl Chain {
    fn new(info: &LineInfo, mut faults: Vec<(u32, f64, Matrix)>) -> Self {
        let n = info.conductors;
        faults.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        // Faults at one place share a node.
        let mut places: Vec<f64> = faults.iter().map(|f| f.1).collect();
        places.dedup();
        let count = places.len();
        let mut full = Matrix::zeros((count + 2) * n);
        if count == 0 {
            full = info.closed_matrix.clone();
        } else {
            let mut from = 0.0;
            for (section, &to) in places.iter().chain(std::iter::once(&1.0)).enumerate() {
                // Blocks: 0 is the first end, 1 to count the faults, count + 1 the second end.
                add_section(&mut full, info, section, section + 1, to - from);
                from = to;
            }
        }
        let faults: Vec<(u32, usize, Matrix)> = faults
            .into_iter()
            .map(|(id, position, admittance)| {
                let place = places.iter().position(|&p| p == position);
                (id, 1 + place.unwrap_or(0), admittance)
            })
            .collect();
        for (_, block, admittance) in &faults {
            for i in 0..n {
                for j in 0..n {
                    full.add(block * n + i, block * n + j, admittance.at(i, j));
                }
            }
        }
        Self {
            conductors: n,
            full,
            faults,
        }
    }

    fn blocks(&self) -> usize {
        self.full.n / self.conductors
    }

    /// Rows that carry no outside current: the faults' nodes and what is open.
    fn inner(&self, info: &LineInfo) -> Vec<usize> {
        let n = self.conductors;
        let last = self.blocks() - 1;
        let mut rows: Vec<usize> = (n..last * n).collect();
        for i in 0..n {
            if info.open[0] || info.broken & (1 << i.min(31)) != 0 {
                rows.push(i);
            }
            if info.open[1] {
                rows.push(last * n + i);
            }
        }
        rows
    }

    /// Matrix seen from the two ends, first end first.
    fn terminals(&self, info: &LineInfo) -> Matrix {
        let n = self.conductors;
        if info.open == [false; 2] && info.broken == 0 && self.faults.is_empty() {
            return info.closed_matrix.clone();
        }
        if info.open == [true; 2] {
            return Matrix::zeros(2 * n);
        }
        let bare = self.faults.is_empty() && !info.charging;
        if bare && info.open != [false; 2] {
            return Matrix::zeros(2 * n);
        }
        let inner = self.inner(info);
        let Some(reduced) = self.full.kron(&inner) else {
            return Matrix::zeros(2 * n);
        };
        let last = self.blocks() - 1;
        let place = |i: usize| if i < n { i } else { last * n + (i - n) };
        let mut out = Matrix::zeros(2 * n);
        for i in 0..2 * n {
            for j in 0..2 * n {
                out.set(i, j, reduced.at(place(i), place(j)));
            }
        }
        if bare {
            // Nothing is left of a conductor that is open at one end but rounding.
            for i in (0..n).filter(|&i| info.broken & (1 << i.min(31)) != 0) {
                for j in 0..2 * n {
                    out.set(n + i, j, Complex::ZERO);
                    out.set(j, n + i, Complex::ZERO);
                }
            }
        }
        out
    }

    /// Voltages to earth where a fault is, from those of the two ends.
    pub(super) fn at_fault(
        &self,
        info: &LineInfo,
        id: u32,
        ends: &[Complex],
    ) -> Option<(Vec<Complex>, &Matrix)> {
        let n = self.conductors;
        let index = self.faults.iter().position(|f| f.0 == id)?;
        let inner = self.inner(info);
        let last = self.blocks() - 1;
        let m = inner.len();
        let mut block = Matrix::zeros(m);
        let mut rhs = vec![Complex::ZERO; m];
        for (r, &row) in inner.iter().enumerate() {
            for (c, &col) in inner.iter().enumerate() {
                block.set(r, c, self.full.at(row, col));
            }
            for (i, &v) in ends.iter().enumerate() {
                let col = if i < n { i } else { last * n + (i - n) };
                if !inner.contains(&col) {
                    rhs[r] -= self.full.at(row, col) * v;
                }
            }
        }
        let inverse = block.inverse()?;
        // The rows of the faults' blocks come first, from block 1 on.
        let (_, place, admittance) = &self.faults[index];
        let volts = (0..n)
            .map(|i| {
                let row = (place - 1) * n + i;
                (0..m).map(|c| inverse.at(row, c) * rhs[c]).sum()
            })
            .collect();
        Some((volts, admittance))
    }
}

/// Adds a share of a line's length between two blocks of a chain.
fn add_section(full: &mut Matrix, info: &LineInfo, a: usize, b: usize, share: f64) {
    let n = info.conductors;
    let closed = &info.closed_matrix;
    for i in 0..n {
        for j in 0..n {
            let through = closed.at(i, j + n);
            let half = (closed.at(i, j) + through).scale(share);
            let series = -through.scale(1.0 / share);
            full.add(a * n + i, a * n + j, series + half);
            full.add(b * n + i, b * n + j, series + half);
            full.add(a * n + i, b * n + j, -series);
            full.add(b * n + i, a * n + j, -series);
        }
    }
}
