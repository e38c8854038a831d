//! What a network consists of, and its switches.

use std::collections::BTreeSet;

use gridloom_model::grid::{LineEnd, Transformer};

use super::*;

impl Network {
    /// Name of the grid.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Frequency at which reactances are stated, Hz.
    pub fn frequency_hz(&self) -> f64 {
        self.frequency_hz
    }

    /// Number of buses.
    pub fn bus_count(&self) -> usize {
        self.buses.len()
    }

    /// Bus by id.
    pub fn bus_index(&self, id: &str) -> Option<usize> {
        self.bus_by_id.get(id).copied()
    }

    /// Id of a bus.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn bus_id(&self, bus: usize) -> &str {
        &self.buses[bus].id
    }

    /// Voltage base of a bus phase to neutral, V; 0 where none is known.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn bus_base_v(&self, bus: usize) -> f64 {
        self.buses[bus].kv_ln * 1000.0
    }

    /// Position of a bus in the units of the source.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn bus_xy(&self, bus: usize) -> Option<(f64, f64)> {
        self.buses[bus].xy
    }

    /// Sets the voltage base of a bus, V phase to neutral.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn set_bus_base_v(&mut self, bus: usize, v_ln: f64) {
        self.buses[bus].kv_ln = v_ln / 1000.0;
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Node of a bus and conductor.
    pub fn node(&self, bus: usize, conductor: u8) -> Option<usize> {
        let info = self.buses.get(bus)?;
        (info.first_node..info.first_node + info.nodes)
            .find(|&n| self.nodes[n].conductor == conductor)
    }

    /// Nodes of a bus, a contiguous range in the order of its conductors.
    pub fn bus_nodes(&self, bus: usize) -> std::ops::Range<usize> {
        self.buses
            .get(bus)
            .map_or(0..0, |info| info.first_node..info.first_node + info.nodes)
    }

    /// Bus and conductor of a node.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn node_at(&self, node: usize) -> (usize, u8) {
        let info = self.nodes[node];
        (info.bus as usize, info.conductor)
    }

    /// Number of lines.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Line by id.
    pub fn line_index(&self, id: &str) -> Option<usize> {
        self.line_by_id.get(id).copied()
    }

    /// Id of a line.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn line_id(&self, line: usize) -> &str {
        &self.lines[line].id
    }

    /// Buses at the two ends of a line.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn line_buses(&self, line: usize) -> (usize, usize) {
        (self.lines[line].from_bus, self.lines[line].to_bus)
    }

    /// Whether a line is a link without length (a switch) rather than a cable.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn line_is_link(&self, line: usize) -> bool {
        self.lines[line].is_link
    }

    /// Continuous rating of a line, A.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn line_rating_a(&self, line: usize) -> Option<f64> {
        self.lines[line].rating_a
    }

    /// Number of switches.
    pub fn switch_count(&self) -> usize {
        self.switches.len()
    }

    /// Switch by id.
    pub fn switch_index(&self, id: &str) -> Option<usize> {
        self.switch_by_id.get(id).copied()
    }

    /// Id of a switch.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn switch_id(&self, switch: usize) -> &str {
        &self.switches[switch].id
    }

    /// Line and end a switch is mounted at.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn switch_place(&self, switch: usize) -> (usize, LineEnd) {
        let info = &self.switches[switch];
        let end = if info.end == 0 {
            LineEnd::From
        } else {
            LineEnd::To
        };
        (info.line, end)
    }

    /// Declares a switch at one end of a line, closed; an existing switch there is returned.
    ///
    /// # Errors
    /// If the id is taken by a switch elsewhere or the line does not exist.
    pub fn declare_switch(
        &mut self,
        id: &str,
        line: usize,
        end: LineEnd,
    ) -> Result<usize, BuildError> {
        let end = usize::from(end == LineEnd::To);
        if line >= self.lines.len() {
            return Err(BuildError::NoSuchLine { line });
        }
        if let Some(&known) = self.switch_by_id.get(id) {
            let info = &self.switches[known];
            if info.line == line && info.end == end {
                return Ok(known);
            }
            return Err(BuildError::SwitchTaken { id: id.to_owned() });
        }
        self.switches.push(SwitchInfo {
            id: id.to_owned(),
            line,
            end,
        });
        let index = self.switches.len() - 1;
        self.switch_by_id.insert(id.to_owned(), index);
        Ok(index)
    }

    /// Opens or closes a switch; returns whether its position changed.
    ///
    /// The change takes effect with the next [`Network::solve`], which then
    /// starts from the no-load solution.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn set_switch(&mut self, switch: usize, closed: bool) -> bool {
        let (line, end) = (self.switches[switch].line, self.switches[switch].end);
        self.set_line_end(line, end, !closed)
    }

    /// Opens or closes one end of any line, whether or not a switch is declared there.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn set_line_open(&mut self, line: usize, end: LineEnd, open: bool) -> bool {
        self.set_line_end(line, usize::from(end == LineEnd::To), open)
    }

    /// Whether a switch is closed.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn switch_closed(&self, switch: usize) -> bool {
        let info = &self.switches[switch];
        !self.lines[info.line].open[info.end]
    }

    /// Whether an end of a line is open.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn line_open(&self, line: usize, end: LineEnd) -> bool {
        self.lines[line].open[usize::from(end == LineEnd::To)]
    }

    /// Number of transformers.
    pub fn transformer_count(&self) -> usize {
        self.transformers.len()
    }

    /// Transformer by id.
    pub fn transformer_index(&self, id: &str) -> Option<usize> {
        self.transformers.iter().position(|t| t.case.id == id)
    }

    /// Data of a transformer with its present taps.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn transformer(&self, transformer: usize) -> &Transformer {
        &self.transformers[transformer].case
    }

    /// Buses of a transformer's windings.
    ///
    /// # Panics
    /// If the index is not one of this network, as with a slice.
    pub fn transformer_buses(&self, transformer: usize) -> &[usize] {
        &self.transformers[transformer].buses
    }

    /// Limits of the iteration.
    pub fn options(&self) -> SolveOptions {
        self.options
    }

    /// Changes the limits of the iteration.
    pub fn set_options(&mut self, options: SolveOptions) {
        self.options = options;
    }

    /// Entries below the diagonal of the factor, for reports.
    pub fn factor_entries(&self) -> usize {
        self.matrix.factor.nnz()
    }

    /// Nodes that take part in the iteration, for reports.
    pub fn iterated_nodes(&self) -> usize {
        self.matrix.factor.len() - self.matrix.factor.first_port()
    }

    /// Stored entries of the nodal admittance matrix `(row node, column node, S)`, both triangles.
    ///
    /// Call after [`Network::solve`], which brings the matrix up to date.
    pub fn admittances(&self) -> Vec<(usize, usize, Complex)> {
        let factor = &self.matrix.factor;
        let mut out = Vec::new();
        let mut seen = BTreeSet::new();
        for element in &self.elements {
            for &a in element.nodes.iter().filter(|&&n| n != EARTH) {
                for &b in element.nodes.iter().filter(|&&n| n != EARTH) {
                    let (a, b) = (a as usize, b as usize);
                    if !seen.insert((a, b)) {
                        continue;
                    }
                    let slot = factor.slot(factor.position(a), factor.position(b));
                    if let Some(slot) = slot {
                        out.push((a, b, self.matrix.sum[slot]));
                    }
                }
            }
        }
        out
    }

    /// Position of a node in the voltage vector; earth has the last.
    #[inline]
    pub(super) fn at(&self, node: NodeRef) -> usize {
        if node == EARTH {
            self.nodes.len()
        } else {
            self.matrix.factor.position(node as usize)
        }
    }
}
