//! Which nodes are connected to a source.

use super::*;

/// How a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Connected to nothing that fixes its voltage; held at zero.
    #[default]
    Dead,
    /// Fixed by earth or by coupling to live conductors, but not fed.
    Fixed,
    /// Connected to a source.
    Live,
}

/// Union-find over nodes; one more member stands for earth.
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
        self.union_with_earth(a, b);
    }

    fn union_with_earth(&mut self, a: NodeRef, b: NodeRef) {
        let earth = self.parent.len() - 1;
        let member = |n: NodeRef| if n == EARTH { earth } else { n as usize };
        let (a, b) = (self.find(member(a)), self.find(member(b)));
        let (low, high) = (a.min(b), a.max(b));
        self.parent[high] = low as u32;
    }

    /// Joins conductors that run through to earth.
    pub(super) fn earth(&mut self, element: &Element) {
        if element.joins == Joins::Straight {
            let half = element.nodes.len() / 2;
            for i in 0..half {
                self.union_with_earth(element.nodes[i], element.nodes[i + half]);
            }
        }
    }

    /// Joins all conductors of an element, which couple by their fields.
    fn couple(&mut self, element: &Element) {
        for pair in element.nodes.windows(2) {
            self.union(pair[0], pair[1]);
        }
    }

    /// Joins the nodes of an element that is in service.
    pub(super) fn join(&mut self, element: &Element) {
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

    /// Finds how every node stands; returns how many are dead.
    pub(super) fn find_islands(&mut self) -> usize {
        let n = self.nodes.len();
        let mut sets = Sets::new(n);
        let in_service = |e: usize| {
            let line = self.line_of[e];
            line == u32::MAX || self.lines[line as usize].open == [false; 2]
        };
        for (e, element) in self.elements.iter().enumerate() {
            if in_service(e) {
                sets.join(element);
            }
        }
        for branch in &self.branches {
            if branch.in_matrix() {
                sets.union(branch.a, branch.b);
            }
        }
        let mut fed = vec![false; n + 1];
        self.mark_sources(&mut sets, &mut fed);
        let mut dead = 0;
        for node in 0..n {
            self.standing[node] = if fed[sets.find(node)] {
                Standing::Live
            } else {
                dead += 1;
                Standing::Dead
            };
        }
        if dead > 0 {
            dead -= self.find_fixed(&mut sets);
        }
        dead
    }

    fn mark_sources(&self, sets: &mut Sets, fed: &mut [bool]) {
        for source in &self.sources {
            for &node in &self.elements[source.element].nodes {
                if node != EARTH {
                    fed[sets.find(node as usize)] = true;
                }
            }
        }
    }

    /// Marks nodes that earth or coupling fixes; returns how many.
    fn find_fixed(&mut self, sets: &mut Sets) -> usize {
        let n = self.nodes.len();
        for (e, element) in self.elements.iter().enumerate() {
            let line = self.line_of[e];
            if line == u32::MAX {
                sets.earth(element);
            } else {
                let info = &self.lines[line as usize];
                if info.open == [false; 2] {
                    sets.earth(element);
                    if info.charging {
                        sets.couple(element);
                    }
                }
            }
        }
        let mut fixed = vec![false; n + 1];
        self.mark_sources(sets, &mut fixed);
        fixed[sets.find(n)] = true;
        let mut count = 0;
        for node in 0..n {
            if self.standing[node] == Standing::Dead && fixed[sets.find(node)] {
                self.standing[node] = Standing::Fixed;
                count += 1;
            }
        }
        count
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

/// Whether a line has shunt capacitance.
pub(super) fn has_charging(closed: &Matrix, n: usize) -> bool {
    (0..n).any(|i| (0..n).any(|j| closed.at(i, j) + closed.at(i, j + n) != Complex::ZERO))
}
