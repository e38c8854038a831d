//! Which nodes are connected to a source.

use super::*;

/// Union-find over nodes; one more set member, never joined, stands for earth.
#[derive(Clone, Debug)]
pub(super) struct Sets {
    parent: Vec<u32>,
}

impl Sets {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            parent: (0..=nodes as u32).collect(),
        }
    }

    /// Representative of a node's set: its smallest member.
    pub(super) fn find(&mut self, mut i: usize) -> usize {
        while self.parent[i] as usize != i {
            let up = self.parent[i] as usize;
            self.parent[i] = self.parent[up];
            i = self.parent[i] as usize;
        }
        i
    }

    fn union(&mut self, a: NodeRef, b: NodeRef) {
        if a == EARTH || b == EARTH {
            return;
        }
        let (a, b) = (self.find(a as usize), self.find(b as usize));
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low as u32;
    }

    /// Joins the nodes of an element that is in service.
    pub(super) fn join(&mut self, element: &Element, _nodes: usize) {
        match element.joins {
            Joins::Nothing => {}
            Joins::All => {
                let mut first = EARTH;
                for &node in &element.nodes {
                    if node != EARTH {
                        if first != EARTH {
                            self.union(first, node);
                        }
                        first = node;
                    }
                }
            }
            Joins::Straight => {
                let half = element.nodes.len() / 2;
                for i in 0..half {
                    self.union(element.nodes[i], element.nodes[i + half]);
                }
            }
        }
    }
}

impl Network {
    pub(super) fn set_line_end(&mut self, line: usize, end: usize, open: bool) -> bool {
        let info = &mut self.lines[line];
        if info.open[end] == open {
            return false;
        }
        info.open[end] = open;
        self.write_line(line);
        self.stale.values = true;
        self.stale.start = true;
        true
    }

    /// Writes the present matrix of a line: closed, open at one end, or out of service.
    pub(super) fn write_line(&mut self, line: usize) {
        let info = &self.lines[line];
        let n = info.conductors;
        let matrix = match info.open {
            [false, false] => info.closed_matrix.clone(),
            [true, true] => Matrix::zeros(2 * n),
            open => open_ended(&info.closed_matrix, n, open[1]),
        };
        let element = info.element;
        self.write_element(element, &matrix);
    }

    pub(super) fn write_element(&mut self, element: usize, matrix: &Matrix) {
        let offset = self.elements[element].offset;
        self.matrix.primitive[offset..offset + matrix.a.len()].copy_from_slice(&matrix.a);
        self.matrix.sum_element(element);
    }

    /// Finds live nodes; returns how many are dead.
    pub(super) fn find_islands(&mut self) -> usize {
        let n = self.nodes.len();
        let mut sets = Sets::new(n);
        let mut line_of = vec![usize::MAX; self.elements.len()];
        for (i, line) in self.lines.iter().enumerate() {
            line_of[line.element] = i;
        }
        for (e, element) in self.elements.iter().enumerate() {
            let line = line_of[e];
            if line == usize::MAX || self.lines[line].open == [false; 2] {
                sets.join(element, n);
            }
        }
        for branch in &self.branches {
            if branch.in_matrix() {
                sets.union(branch.a, branch.b);
            }
        }
        let mut fed = vec![false; n + 1];
        for source in &self.sources {
            for &node in &self.elements[source.element].nodes {
                if node != EARTH {
                    fed[sets.find(node as usize)] = true;
                }
            }
        }
        for node in 0..n {
            self.live[node] = fed[sets.find(node)];
        }
        self.live.iter().filter(|live| !**live).count()
    }
}

/// Matrix of a line whose one end is open: what remains is its charging seen from the other end.
fn open_ended(closed: &Matrix, n: usize, second_open: bool) -> Matrix {
    let open: Vec<usize> = if second_open {
        (n..2 * n).collect()
    } else {
        (0..n).collect()
    };
    let charging =
        (0..n).any(|i| (0..n).any(|j| closed.at(i, j) + closed.at(i, j + n) != Complex::ZERO));
    if !charging {
        return Matrix::zeros(2 * n);
    }
    closed.kron(&open).unwrap_or_else(|| Matrix::zeros(2 * n))
}
