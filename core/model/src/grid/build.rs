//! Small lookups on a grid.

use super::*;

impl GridCase {
    /// A grid with a name and nothing in it.
    pub fn empty(name: impl Into<String>, base_frequency_hz: f64) -> Self {
        Self {
            format: GRID_FORMAT,
            name: name.into(),
            source: String::new(),
            licence: String::new(),
            base_frequency_hz,
            buses: Vec::new(),
            sources: Vec::new(),
            line_codes: Vec::new(),
            lines: Vec::new(),
            switches: Vec::new(),
            transformers: Vec::new(),
            regulators: Vec::new(),
            capacitors: Vec::new(),
            capacitor_controls: Vec::new(),
            reactors: Vec::new(),
            loads: Vec::new(),
            generators: Vec::new(),
        }
    }

    /// Impedance of a line per kilometre: its own or that of its code.
    pub fn line_impedance<'a>(&'a self, line: &'a Line) -> Option<&'a LineImpedance> {
        line.per_km.as_ref().or_else(|| {
            self.line_codes
                .iter()
                .find(|code| code.id == line.code)
                .map(|code| &code.per_km)
        })
    }

    /// Continuous rating of a line, A; `None` where none is known.
    pub fn line_rating_a(&self, line: &Line) -> Option<f64> {
        line.norm_amps
            .or_else(|| {
                self.line_codes
                    .iter()
                    .find(|code| code.id == line.code)
                    .map(|code| code.norm_amps)
            })
            .filter(|amps| *amps > 0.0)
    }
}

impl Load {
    /// Conductors a load of this connection lists.
    pub fn conductors(&self) -> usize {
        validate::port_conductors(self.connection, self.phases)
    }
}
