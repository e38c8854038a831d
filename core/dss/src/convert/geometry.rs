//! Line geometries.

use gridloom_model::grid::LineImpedance;

use super::*;

impl Convert<'_> {
    pub(super) fn geometry_phases(&self, name: &str, used: &Value) -> Result<usize, DssError> {
        let Some(object) = self.script.object("linegeometry", name) else {
            return syntax(&used.at, format!("linegeometry.{name} does not exist"));
        };
        let mut phases = 3;
        for a in &object.assigns {
            if a.property == "nphases" {
                phases = count(a)?;
            }
        }
        Ok(phases)
    }

    pub(super) fn geometry_impedance(
        &mut self,
        name: &str,
        _frequency_hz: f64,
        _rho: f64,
        at: &Place,
    ) -> Result<(LineImpedance, f64), DssError> {
        syntax(at, format!("linegeometry.{name} is not supported yet"))
    }
}
