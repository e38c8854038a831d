//! Controls of inverters and of capacitor banks.

use gridloom_model::grid::{
    CapacitorControl, CapacitorSignal, Generator, InverterControl, LineEnd, ReactiveBase,
};

use super::*;

/// What a control of the deck says.
#[derive(Default)]
struct Replay {
    members: Option<Vec<String>>,
    mode: String,
    volt_var: Vec<(f64, f64)>,
    volt_watt: Vec<(f64, f64)>,
    watt_var: Vec<(f64, f64)>,
    stated_base: bool,
    base_of_watts: String,
}

/// What a plant says that its control needs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Capability {
    /// Most reactive power injected and absorbed, kvar.
    pub(super) kvar: (f64, f64),
    /// Rated active power, kW.
    pub(super) kw: f64,
    pub(super) watt_priority: bool,
}

impl Convert<'_> {
    /// Gives the plants that an inverter control names their functions. Comes
    /// after all plants.
    pub(super) fn inverter_control(&mut self, object: &Object) -> Result<(), DssError> {
        let mut r = Replay {
            base_of_watts: "pmpppu".to_owned(),
            ..Replay::default()
        };
        for a in &object.assigns {
            self.inverter_property(object, a, &mut r)?;
        }
        let known = ["voltvar", "voltwatt", "vv_vw", "wattvar"];
        if !known.contains(&r.mode.as_str()) {
            self.script.find(
                Severity::Loss,
                &object.at,
                format!(
                    "invcontrol.{}: mode `{}` is not carried over",
                    object.name, r.mode
                ),
            );
            return Ok(());
        }
        let (var, watt) = (
            matches!(r.mode.as_str(), "voltvar" | "vv_vw"),
            matches!(r.mode.as_str(), "voltwatt" | "vv_vw"),
        );
        let missing = if var && r.volt_var.is_empty() {
            Some("vvc_curve1")
        } else if watt && r.volt_watt.is_empty() {
            Some("voltwatt_curve")
        } else if r.mode == "wattvar" && r.watt_var.is_empty() {
            Some("wattvar_curve")
        } else {
            None
        };
        if let Some(curve) = missing {
            return syntax(
                &object.at,
                format!("invcontrol.{} needs {curve}", object.name),
            );
        }
        let mut found = 0;
        for i in 0..self.case.generators.len() {
            let Some(&capability) = self.capabilities.get(&i) else {
                continue;
            };
            if r.names(&self.plants[i]) {
                found += 1;
                let g = &mut self.case.generators[i];
                g.control = Some(r.control(g, capability, var, watt));
            }
        }
        if found == 0 {
            self.script.find(
                Severity::Warning,
                &object.at,
                format!("invcontrol.{} controls no plant", object.name),
            );
        }
        Ok(())
    }

    fn inverter_property(
        &mut self,
        object: &Object,
        a: &Assign,
        r: &mut Replay,
    ) -> Result<(), DssError> {
        let text = a.value.text.trim().to_lowercase();
        match a.property {
            "derlist" | "pvsystemlist" => {
                r.members = Some(a.value.words().iter().map(|w| w.to_lowercase()).collect());
            }
            "mode" | "combimode" if !text.is_empty() => r.mode = text,
            "vvc_curve1" => r.volt_var = self.xy_curve(a)?,
            "voltwatt_curve" => r.volt_watt = self.xy_curve(a)?,
            "wattvar_curve" => r.watt_var = self.xy_curve(a)?,
            "voltage_curvex_ref" if text != "rated" => {
                self.skip(object, a, "is carried over as `rated`");
            }
            "refreactivepower" => r.stated_base = text.starts_with("varmax"),
            "voltwattyaxis" => {
                if !["pmpppu", "kvaratingpu"].contains(&text.as_str()) {
                    self.skip(object, a, "is carried over as `pmpppu`");
                } else {
                    r.base_of_watts = text;
                }
            }
            "monbus" | "monvoltagecalc" | "hysteresis_offset" | "voltwattch_curve"
            | "wattpf_curve" | "rateofchangemode"
                if !["", "avg", "inactive", "0"].contains(&text.as_str()) =>
            {
                self.skip(object, a, "is not carried over");
            }
            // Steps and tolerances of the deck's own control loop.
            _ => {}
        }
        Ok(())
    }

    /// A control of a capacitor bank. Comes after all lines and banks.
    pub(super) fn capacitor_control(&mut self, object: &Object) -> Result<(), DssError> {
        let mut c = CapacitorControl {
            id: object.label.clone(),
            capacitor: String::new(),
            line: String::new(),
            end: LineEnd::From,
            signal: CapacitorSignal::Current,
            phase: 1,
            on: 300.0,
            off: 200.0,
            pt_ratio: 60.0,
            ct_ratio: 60.0,
            voltage_override: None,
            delay_s: 15.0,
            delay_off_s: 15.0,
            enabled: true,
        };
        let (mut limits, mut overrules, mut element) = ((115.0, 126.0), false, String::new());
        for a in &object.assigns {
            match a.property {
                "capacitor" => c.capacitor = a.value.text.to_lowercase(),
                "element" => element = a.value.text.to_lowercase(),
                "terminal" if count(a)? == 2 => c.end = LineEnd::To,
                "ctphase" | "ptphase" => c.phase = count(a)? as u8,
                "voltoverride" => overrules = a.value.flag(),
                "type" => {
                    c.signal = match a.value.text.to_lowercase().chars().next() {
                        Some('k') => CapacitorSignal::Kvar,
                        Some('v') => CapacitorSignal::Voltage,
                        Some('c') => CapacitorSignal::Current,
                        _ => {
                            self.lose(object, &format!("type `{}`", a.value.text));
                            return Ok(());
                        }
                    };
                }
                "ptratio" => c.pt_ratio = number(a)?,
                "ctratio" => c.ct_ratio = number(a)?,
                "onsetting" => c.on = number(a)?,
                "offsetting" => c.off = number(a)?,
                "delay" => c.delay_s = number(a)?,
                "delayoff" => c.delay_off_s = number(a)?,
                "vmin" => limits.0 = number(a)?,
                "vmax" => limits.1 = number(a)?,
                "vbus" | "usermodel" | "controlsignal" if !a.value.text.is_empty() => {
                    self.skip(object, a, "is not carried over");
                }
                _ => {}
            }
        }
        c.voltage_override = overrules.then_some(limits);
        let line = element
            .strip_prefix("line.")
            .and_then(|name| self.label("line", name));
        let capacitor = self.label("capacitor", &c.capacitor);
        match (line, capacitor) {
            (Some(line), Some(capacitor)) => {
                (c.line, c.capacitor) = (line, capacitor);
                self.case.capacitor_controls.push(c);
            }
            (None, _) => self.lose(object, &format!("measuring at `{element}`")),
            (_, None) => {
                return syntax(
                    &object.at,
                    format!("capacitor.{} does not exist", c.capacitor),
                );
            }
        }
        Ok(())
    }

    fn lose(&mut self, object: &Object, what: &str) {
        self.script.find(
            Severity::Loss,
            &object.at,
            format!(
                "{}.{}: {what} is not carried over",
                object.class.name, object.name
            ),
        );
    }
}

impl Replay {
    /// Whether the control names a plant, written `class.name`; without a list all.
    fn names(&self, plant: &str) -> bool {
        let Some(members) = &self.members else {
            return true;
        };
        members
            .iter()
            .any(|m| m == plant || plant.split_once('.').is_some_and(|(_, name)| m == name))
    }

    fn control(
        &self,
        g: &Generator,
        capability: Capability,
        var: bool,
        watt: bool,
    ) -> InverterControl {
        let own = |on: bool, curve: &Vec<(f64, f64)>| if on { curve.clone() } else { Vec::new() };
        InverterControl {
            p_rated_kw: if self.base_of_watts == "kvaratingpu" {
                g.kva
            } else {
                capability.kw
            },
            q_base: if self.stated_base {
                ReactiveBase::Stated {
                    inject: capability.kvar.0,
                    absorb: capability.kvar.1,
                }
            } else {
                ReactiveBase::Available
            },
            q_most_kvar: capability.kvar,
            volt_var: own(var, &self.volt_var),
            volt_watt: own(watt, &self.volt_watt),
            watt_var: own(self.mode == "wattvar", &self.watt_var),
            power_factor: None,
            frequency_watt: None,
            watt_priority: capability.watt_priority,
        }
    }
}
