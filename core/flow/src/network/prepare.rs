//! Brings pattern, topology, factor, sources and starting point up to date.

use super::*;

/// Conductance that holds a dead node near zero, S; small, so that a dead
/// conductor beside live ones carries no current worth the name.
const DEAD_S: f64 = 1e-6;

impl Network {
    /// Solves without port currents and makes that the starting point.
    ///
    /// # Errors
    /// The bus at which the matrix is singular.
    pub fn solve_no_load(&mut self) -> Result<(), usize> {
        self.stale.start = true;
        match self.prepare() {
            Ok(_) => {
                self.expand();
                Ok(())
            }
            Err(position) => Err(self.nodes[self.matrix.factor.node(position)].bus as usize),
        }
    }

    /// Voltages of the leading part from those of the trailing part.
    pub(super) fn expand(&mut self) {
        let n = self.nodes.len();
        self.matrix.factor.expand(&mut self.v[..n]);
    }

    /// Brings pattern, values, factor and starting point up to date; returns
    /// whether the matrix was factored.
    pub(super) fn prepare(&mut self) -> Result<bool, usize> {
        if self.stale.pattern {
            self.analyse();
            self.stale.pattern = false;
            self.stale.topology = true;
        }
        if self.stale.topology {
            self.dead_nodes = self.find_islands();
            self.place_branches();
            self.stale.topology = false;
            self.stale.values = true;
        }
        let refactor = self.stale.values;
        if refactor {
            self.linearised = None;
            self.refactor()?;
            self.stale.values = false;
        }
        if refactor || self.stale.sources {
            self.source_currents();
            self.stale.sources = false;
        }
        if self.stale.start {
            self.start_from_no_load();
            self.stale.start = false;
        }
        Ok(refactor)
    }

    fn analyse(&mut self) {
        let n = self.nodes.len();
        let by_node: Vec<Complex> = if self.v.len() == n + 1 {
            (0..n)
                .map(|node| self.v[self.at(node as NodeRef)])
                .collect()
        } else {
            self.stale.start = true;
            vec![Complex::ZERO; n]
        };
        let mut ports: Vec<u32> = self
            .branches
            .iter()
            .flat_map(|b| [b.a, b.b])
            .chain(
                self.sources
                    .iter()
                    .flat_map(|s| self.elements[s.element].nodes.iter().copied()),
            )
            .filter(|&node| node != EARTH)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        self.matrix
            .analyse(&self.buses, &self.elements, &self.branches, &ports);
        self.v = vec![Complex::ZERO; n + 1];
        for (node, &value) in by_node.iter().enumerate() {
            let at = self.at(node as NodeRef);
            self.v[at] = value;
        }
        let trailing = n - self.matrix.factor.first_port();
        self.work = vec![Complex::ZERO; trailing + 1];
        self.rhs0 = vec![Complex::ZERO; trailing + 1];
        self.accelerator = Accelerator::new(self.branches.len());
    }

    fn place_branches(&mut self) {
        // What a dead branch noted while it was live must not count.
        self.accelerator.clear();
        let n = self.nodes.len();
        let first = self.matrix.factor.first_port();
        let factor = &self.matrix.factor;
        let at = |node: NodeRef| {
            let position = if node == EARTH {
                n
            } else {
                factor.position(node as usize)
            };
            (position - first) as u32
        };
        for branch in &mut self.branches {
            branch.at_a = at(branch.a);
            branch.at_b = at(branch.b);
            let standing = |node: NodeRef| {
                if node == EARTH {
                    Standing::Fixed
                } else {
                    self.standing[node as usize]
                }
            };
            let ends = [standing(branch.a), standing(branch.b)];
            branch.live = branch.a != branch.b
                && ends.contains(&Standing::Live)
                && !ends.contains(&Standing::Dead);
        }
    }

    fn refactor(&mut self) -> Result<(), usize> {
        let overlay = self.overlay();
        let dead = (self.dead_nodes > 0).then(|| {
            let factor = &self.matrix.factor;
            (0..factor.len())
                .map(|position| self.standing[factor.node(position)] == Standing::Dead)
                .collect()
        });
        self.matrix.factor_with(&overlay, dead)
    }

    /// What stands in the matrix beside the elements, by slots: forming
    /// sources, slopes of control laws, faults, and what holds dead nodes.
    pub(super) fn overlay(&self) -> Vec<(usize, Complex)> {
        let factor = &self.matrix.factor;
        let mut out = Vec::new();
        for branch in self.branches.iter().filter(|b| b.live) {
            let y = branch.held - branch.built;
            if y != Complex::ZERO {
                push_between(factor, branch.a, branch.b, y, &mut out);
            }
        }
        self.push_earths(&mut out);
        self.push_bus_faults(&mut out);
        if self.dead_nodes > 0 {
            for node in (0..self.nodes.len()).filter(|&n| self.standing[n] == Standing::Dead) {
                let slot = factor.diagonal_slot(factor.position(node));
                out.push((slot, Complex::new(DEAD_S, 0.0)));
            }
        }
        out
    }

    /// Norton currents of the sources.
    fn source_currents(&mut self) {
        self.rhs0.fill(Complex::ZERO);
        let first = self.matrix.factor.first_port();
        let earth = self.nodes.len() - first;
        for source in &self.sources {
            let nodes = &self.elements[source.element].nodes;
            for i in 0..source.conductors {
                let current: Complex = (0..source.conductors)
                    .map(|j| source.admittance.at(i, j) * source.volts[j])
                    .sum();
                for (node, value) in [
                    (nodes[i], current),
                    (nodes[i + source.conductors], -current),
                ] {
                    let at = if node == EARTH {
                        earth
                    } else {
                        self.matrix.factor.position(node as usize) - first
                    };
                    self.rhs0[at] += value;
                }
            }
        }
        for branch in self.branches.iter().filter(|b| b.live && b.forming) {
            let current = (branch.held - branch.built) * branch.emf;
            self.rhs0[branch.at_a as usize] += current;
            self.rhs0[branch.at_b as usize] -= current;
        }
    }

    pub(super) fn start_from_no_load(&mut self) {
        let first = self.matrix.factor.first_port();
        let n = self.nodes.len();
        self.work.copy_from_slice(&self.rhs0);
        let trailing = n - first;
        self.matrix.factor.solve_ports(&mut self.work[..trailing]);
        self.v[first..n].copy_from_slice(&self.work[..trailing]);
    }
}
