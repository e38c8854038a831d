//! Pattern and values of the nodal admittance matrix.

use std::collections::BTreeSet;

use super::*;

impl NetworkMatrix {
    pub(super) fn empty(primitive: Vec<Complex>) -> Self {
        Self {
            factor: Ldl::analyse(&[], &[]),
            primitive,
            start: Vec::new(),
            contribution: Vec::new(),
            touched_start: Vec::new(),
            touched: Vec::new(),
            sum: Vec::new(),
        }
    }

    /// Sums the slots an element writes to, always in the same order.
    pub(super) fn sum_element(&mut self, element: usize) {
        let Some(&end) = self.touched_start.get(element + 1) else {
            return;
        };
        let range = self.touched_start[element] as usize..end as usize;
        for t in range {
            let slot = self.touched[t] as usize;
            self.sum[slot] = self.slot_sum(slot);
        }
    }

    /// Factors the sums with an overlay by slots added to them, without those
    /// `dead` positions that are cut off from the rest.
    pub(super) fn factor_with(
        &mut self,
        overlay: &[(usize, Complex)],
        dead: Option<Vec<bool>>,
    ) -> Result<(), usize> {
        let before: Vec<Complex> = overlay.iter().map(|&(slot, _)| self.sum[slot]).collect();
        for &(slot, value) in overlay {
            self.sum[slot] += value;
        }
        let off = dead.map_or_else(Vec::new, |dead| self.factor.cut_off(&self.sum, dead));
        let result = self.factor.factor(&self.sum, &off);
        for (&(slot, _), value) in overlay.iter().zip(before).rev() {
            self.sum[slot] = value;
        }
        result
    }

    fn slot_sum(&self, slot: usize) -> Complex {
        let range = self.start[slot] as usize..self.start[slot + 1] as usize;
        self.contribution[range]
            .iter()
            .map(|&at| self.primitive[at as usize])
            .sum()
    }

    /// Order, pattern and summation lists for a set of elements.
    pub(super) fn analyse(
        &mut self,
        buses: &[BusInfo],
        elements: &[Element],
        branches: &[Branch],
        ports: &[u32],
    ) {
        let nodes = buses.iter().map(|b| b.nodes).sum();
        let mut neighbours = vec![BTreeSet::new(); nodes];
        // Faults join the conductors of a bus.
        for bus in buses {
            let range = bus.first_node as u32..(bus.first_node + bus.nodes) as u32;
            for a in range.clone() {
                neighbours[a as usize].extend(range.clone().filter(|&b| b != a));
            }
        }
        // Loads between two conductors need their entry in fault studies.
        for branch in branches.iter().filter(|b| b.a != EARTH && b.b != EARTH) {
            if branch.a != branch.b {
                neighbours[branch.a as usize].insert(branch.b);
                neighbours[branch.b as usize].insert(branch.a);
            }
        }
        for element in elements {
            for &a in element.nodes.iter().filter(|&&n| n != EARTH) {
                for &b in element.nodes.iter().filter(|&&n| n != EARTH && n != a) {
                    neighbours[a as usize].insert(b);
                }
            }
        }
        self.factor = Ldl::analyse(&neighbours, ports);
        self.list_contributions(elements);
        self.sum = (0..self.factor.slots()).map(|s| self.slot_sum(s)).collect();
    }

    fn list_contributions(&mut self, elements: &[Element]) {
        let factor = &self.factor;
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        self.touched_start = vec![0];
        self.touched = Vec::new();
        for element in elements {
            let n = element.nodes.len();
            let first = pairs.len();
            for i in 0..n {
                for j in 0..n {
                    let (a, b) = (element.nodes[i], element.nodes[j]);
                    if a == EARTH || b == EARTH {
                        continue;
                    }
                    let p = factor.position(a as usize);
                    let q = factor.position(b as usize);
                    if p < q {
                        continue;
                    }
                    if let Some(slot) = factor.slot(p, q) {
                        pairs.push((slot as u32, (element.offset + i * n + j) as u32));
                    }
                }
            }
            let mut slots: Vec<u32> = pairs[first..].iter().map(|p| p.0).collect();
            slots.sort_unstable();
            slots.dedup();
            self.touched.extend(slots);
            self.touched_start.push(self.touched.len() as u32);
        }
        pairs.sort_unstable();
        self.start = vec![0; factor.slots() + 1];
        for &(slot, _) in &pairs {
            self.start[slot as usize + 1] += 1;
        }
        for s in 0..factor.slots() {
            self.start[s + 1] += self.start[s];
        }
        self.contribution = pairs.into_iter().map(|p| p.1).collect();
    }
}

/// Entries of an admittance between two nodes, by slots.
pub(super) fn push_between(
    factor: &Ldl,
    a: NodeRef,
    b: NodeRef,
    y: Complex,
    out: &mut Vec<(usize, Complex)>,
) {
    let place = |n: NodeRef| (n != EARTH).then(|| factor.position(n as usize));
    let (a, b) = (place(a), place(b));
    for at in [a, b].into_iter().flatten() {
        out.push((factor.diagonal_slot(at), y));
    }
    let between = a.zip(b).and_then(|(a, b)| factor.slot(a, b));
    if let Some(slot) = between {
        out.push((slot, -y));
    }
}
