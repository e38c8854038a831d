//! Voltage bases from the no-load voltages.

use gridloom_flow::Network;

use super::*;

impl Convert<'_> {
    /// Gives each bus the listed base nearest to its no-load voltage.
    pub(super) fn voltage_bases(&mut self, file: &str) -> Result<(), DssError> {
        if self.script.calc_bases && !self.script.voltage_bases_kv.is_empty() {
            let mut bare = self.case.clone();
            bare.loads.clear();
            bare.generators.clear();
            // Switches stand as the deck leaves them when it asks for bases.
            let names: Vec<String> = bare.buses.iter().map(|b| b.id.clone()).collect();
            let error = |message: String| DssError::Network {
                file: file.to_owned(),
                message,
            };
            let mut network = Network::build(&bare).map_err(|e| error(e.to_string()))?;
            network
                .solve_no_load()
                .map_err(|bus| error(format!("the matrix is singular at bus `{}`", names[bus])))?;
            let bases = self.script.voltage_bases_kv.clone();
            for bus in &mut self.case.buses {
                let Some(index) = network.bus_index(&bus.id) else {
                    continue;
                };
                let Some(node) = network.bus_nodes(index).next() else {
                    continue;
                };
                let kv_ll = network.voltage(node).abs() * 0.001 * 3.0_f64.sqrt();
                bus.kv_ln = nearest(&bases, kv_ll).map_or(0.0, |kv| kv / 3.0_f64.sqrt());
            }
        }
        for (name, kv) in &self.script.set_bases {
            if let Some(bus) = self
                .case
                .buses
                .iter_mut()
                .find(|b| b.id.eq_ignore_ascii_case(name))
            {
                bus.kv_ln = kv / 3.0_f64.sqrt();
            }
        }
        Ok(())
    }
}

/// The base at which a voltage is closest to 1 per unit.
fn nearest(bases: &[f64], kv_ll: f64) -> Option<f64> {
    if kv_ll <= 0.0 {
        return None;
    }
    bases
        .iter()
        .copied()
        .filter(|b| *b > 0.0)
        .min_by(|a, b| (1.0 - kv_ll / a).abs().total_cmp(&(1.0 - kv_ll / b).abs()))
}
