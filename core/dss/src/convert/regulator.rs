//! Voltage regulator controls.

use gridloom_model::grid::Regulator;

use super::*;

impl Convert<'_> {
    pub(super) fn regulator(&mut self, object: &Object) -> Result<(), DssError> {
        let mut r = Regulator {
            id: object.label.clone(),
            transformer: String::new(),
            winding: 1,
            tap_winding: 0,
            phase: 1,
            v_set: 120.0,
            band_v: 3.0,
            pt_ratio: 60.0,
            ct_primary_a: 300.0,
            ldc_v: (0.0, 0.0),
            remote: None,
            delay_s: 15.0,
            tap_delay_s: 2.0,
            max_taps: 16,
            v_limit: 0.0,
            enabled: true,
        };
        for a in &object.assigns {
            match a.property {
                "transformer" => {
                    let text = a.value.text.to_lowercase();
                    let name = text.rsplit('.').next().unwrap_or_default();
                    r.transformer = self
                        .label("transformer", name)
                        .unwrap_or_else(|| name.to_owned());
                }
                "winding" => {
                    r.winding = count(a)? as u8;
                    r.tap_winding = r.winding;
                }
                "tapwinding" => r.tap_winding = count(a)? as u8,
                "ptphase" => {
                    r.phase = match a.value.text.to_lowercase().as_str() {
                        "max" => 0,
                        "min" => 255,
                        _ => count(a)? as u8,
                    };
                }
                "bus" if !a.value.text.is_empty() => {
                    r.remote = Some(self.terminal(&a.value, 1, 1)?);
                }
                "maxtapchange" => r.max_taps = number(a)? as u16,
                "vreg" | "band" | "ptratio" | "ctprim" | "r" | "x" | "delay" | "tapdelay"
                | "vlimit" => regulator_number(&mut r, a)?,
                "reversible" | "inversetime" | "revneutral" | "cogen" if a.value.flag() => {
                    self.skip(object, a, "is not carried over");
                }
                "ldc_z" | "remoteptratio" | "tapnum" => {
                    self.skip(object, a, "is not carried over");
                }
                _ => {}
            }
        }
        if r.tap_winding == 0 {
            r.tap_winding = r.winding;
        }
        self.case.regulators.push(r);
        Ok(())
    }
}

fn regulator_number(r: &mut Regulator, a: &Assign) -> Result<(), DssError> {
    let value = number(a)?;
    match a.property {
        "vreg" => r.v_set = value,
        "band" => r.band_v = value,
        "ptratio" => r.pt_ratio = value,
        "ctprim" => r.ct_primary_a = value,
        "r" => r.ldc_v.0 = value,
        "x" => r.ldc_v.1 = value,
        "delay" => r.delay_s = value,
        "tapdelay" => r.tap_delay_s = value,
        _ => r.v_limit = value,
    }
    Ok(())
}
