//! Sums over one section.

use super::*;

impl Network {
    /// Active losses of lines, transformers, shunts and earthings in a section,
    /// W, summed element by element from the voltages along each; a section is
    /// what [`Network::bus_section`] says.
    pub fn section_losses_w(&self, section: usize) -> f64 {
        let here =
            |node: NodeRef| node != EARTH && self.node_section(node as usize) == Some(section);
        let mut own = vec![true; self.elements.len()];
        for source in &self.sources {
            own[source.element] = false;
        }
        let mut losses_w = 0.0;
        for (element, info) in self.elements.iter().enumerate() {
            if own[element] && !self.is_held(element) && info.nodes.iter().any(|&n| here(n)) {
                losses_w += self.element_power(element, 0..info.nodes.len()).re;
            }
        }
        for (node, current) in self.overlay_currents() {
            if here(node as NodeRef) {
                losses_w += (self.voltage(node) * current.conj()).re;
            }
        }
        losses_w
    }
}
