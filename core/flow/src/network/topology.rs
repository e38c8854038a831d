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

    /// Joins conductors that run through to earth, but for those interrupted.
    pub(super) fn earth(&mut self, element: &Element, broken: u32) {
        if element.joins == Joins::Straight {
            let half = element.nodes.len() / 2;
            for i in (0..half).filter(|&i| !is_broken(broken, i)) {
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

    /// Joins the nodes of an element that is in service, but for conductors
    /// interrupted on the way.
    pub(super) fn join(&mut self, element: &Element, broken: u32) {
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
                for i in (0..half).filter(|&i| !is_broken(broken, i)) {
                    self.union(element.nodes[i], element.nodes[i + half]);
                }
            }
        }
    }
}

impl Network {
    pub(super) fn write_element(&mut self, element: usize, matrix: &Matrix) {
        let offset = self.elements[element].offset;
        self.matrix.primitive[offset..offset + matrix.a.len()].copy_from_slice(&matrix.a);
        self.matrix.sum_element(element);
    }

    /// Finds how every node stands; returns how many are dead.
    pub(super) fn find_islands(&mut self) -> usize {
        let n = self.nodes.len();
        let mut sets = Sets::new(n);
        for (e, element) in self.elements.iter().enumerate() {
            if let Some(broken) = self.in_service(e) {
                sets.join(element, broken);
            }
        }
        for branch in &self.branches {
            if branch.in_matrix() {
                sets.union(branch.a, branch.b);
            }
        }
        self.join_forming(&mut sets);
        let mut fed = vec![false; n + 1];
        self.mark_sources(&mut sets, &mut fed);
        let mut dead = 0;
        for node in 0..n {
            let section = sets.find(node);
            self.section[node] = section as u32;
            self.standing[node] = if fed[section] {
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

    /// Conductors of an element that are interrupted; `None` when it is a line
    /// with an open end.
    fn in_service(&self, element: usize) -> Option<u32> {
        match self.line_of[element] {
            u32::MAX => Some(0),
            line => {
                let info = &self.lines[line as usize];
                (info.open == [false; 2]).then_some(info.broken)
            }
        }
    }

    /// A forming port joins its conductors as a source does.
    fn join_forming(&self, sets: &mut Sets) {
        for &port in self.forming.keys() {
            let mut first = EARTH;
            for b in self.ports[port as usize].branches() {
                for node in [self.branches[b].a, self.branches[b].b] {
                    if node != EARTH {
                        sets.union(first, node);
                        first = node;
                    }
                }
            }
        }
    }

    fn mark_sources(&self, sets: &mut Sets, fed: &mut [bool]) {
        for source in &self.sources {
            for &node in &self.elements[source.element].nodes {
                if node != EARTH {
                    fed[sets.find(node as usize)] = true;
                }
            }
        }
        for &port in self.forming.keys() {
            for b in self.ports[port as usize].branches() {
                let branch = &self.branches[b];
                for node in [branch.a, branch.b].into_iter().filter(|&n| n != EARTH) {
                    fed[sets.find(node as usize)] = true;
                }
            }
        }
    }

    /// Marks nodes that earth or coupling fixes; returns how many.
    fn find_fixed(&mut self, sets: &mut Sets) -> usize {
        let n = self.nodes.len();
        for (e, element) in self.elements.iter().enumerate() {
            let Some(broken) = self.in_service(e) else {
                continue;
            };
            sets.earth(element, broken);
            let line = self.line_of[e];
            if line != u32::MAX && self.lines[line as usize].charging {
                sets.couple(element);
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

/// Whether a line has shunt capacitance.
pub(super) fn has_charging(closed: &Matrix, n: usize) -> bool {
    (0..n).any(|i| (0..n).any(|j| closed.at(i, j) + closed.at(i, j + n) != Complex::ZERO))
}

fn is_broken(broken: u32, conductor: usize) -> bool {
    conductor < 32 && broken & (1 << conductor) != 0
}

impl Network {
    /// Section a bus belongs to, as the smallest node connected with it; two
    /// buses are connected exactly when theirs are equal. `None` when dead.
    pub fn bus_section(&self, bus: usize) -> Option<usize> {
        self.bus_nodes(bus)
            .find(|&node| self.standing[node] == Standing::Live)
            .map(|node| self.section[node] as usize)
    }

    /// Section a node belongs to, as the smallest node connected with it; `None` when dead.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn node_section(&self, node: usize) -> Option<usize> {
        (self.standing[node] == Standing::Live).then(|| self.section[node] as usize)
    }

    /// Brings topology and factor up to date without solving, so that
    /// [`Network::bus_energised`] and [`Network::bus_section`] tell of the
    /// present switches.
    ///
    /// # Errors
    /// The bus at which the matrix is singular.
    pub fn settle_topology(&mut self) -> Result<(), usize> {
        self.prepare()
            .map(|_| ())
            .map_err(|position| self.nodes[self.matrix.factor.node(position)].bus as usize)
    }
}
