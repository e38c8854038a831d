//! Voltage sources.

use gridloom_model::grid::{SourceImpedance, VoltageSource};

use super::*;

/// State of a source while its properties are replayed.
struct Replay {
    phases: usize,
    kv: f64,
    pu: f64,
    angle: f64,
    mva3: f64,
    mva1: f64,
    isc3: f64,
    isc1: f64,
    x1r1: f64,
    x0r0: f64,
    r1: f64,
    x1: f64,
    r0: f64,
    x0: f64,
    pu_z1: Option<(f64, f64)>,
    pu_z0: Option<(f64, f64)>,
    z0_given: bool,
    base_mva: f64,
    spec: Spec,
}

#[derive(Clone, Copy, PartialEq)]
enum Spec {
    Power,
    Current,
    Ohm,
}

impl Convert<'_> {
    pub(super) fn source(&mut self, object: &Object) -> Result<(), DssError> {
        let mut s = Replay {
            phases: 3,
            kv: 115.0,
            pu: 1.0,
            angle: 0.0,
            mva3: 2000.0,
            mva1: 2100.0,
            isc3: 10000.0,
            isc1: 10540.0,
            x1r1: 4.0,
            x0r0: 3.0,
            r1: 1.65,
            x1: 6.6,
            r0: 1.9,
            x0: 5.7,
            pu_z1: None,
            pu_z0: None,
            z0_given: false,
            base_mva: 100.0,
            spec: Spec::Power,
        };
        let mut bus1 = None;
        let mut bus2 = None;
        for a in &object.assigns {
            match a.property {
                "bus1" => bus1 = Some(a.value.clone()),
                "bus2" => bus2 = Some(a.value.clone()),
                "phases" => s.phases = count(a)?,
                "basekv" | "pu" | "angle" | "basemva" => s.rating(a)?,
                "mvasc3" | "mvasc1" | "isc3" | "isc1" | "x1r1" | "x0r0" => s.short_circuit(a)?,
                "r1" | "x1" | "r0" | "x0" | "z1" | "z0" | "puz1" | "puz0" => s.ohm(a)?,
                "frequency" | "spectrum" | "basefreq" | "scantype" | "sequence" => {}
                _ => self.skip(object, a, "is not carried over"),
            }
        }
        let Some(bus1) = bus1 else {
            return syntax(&object.at, "the source has no bus");
        };
        let at = self.terminal(&bus1, s.phases, s.phases)?;
        let from = match bus2 {
            Some(bus) => Some(self.terminal(&bus, s.phases, s.phases)?),
            None => None,
        };
        self.case.sources.push(VoltageSource {
            id: object.label.clone(),
            at,
            from,
            kv: s.kv,
            v_pu: s.pu,
            angle_deg: s.angle,
            impedance: s.impedance(),
        });
        Ok(())
    }
}

impl Replay {
    fn rating(&mut self, a: &Assign) -> Result<(), DssError> {
        let value = number(a)?;
        match a.property {
            "basekv" => self.kv = value,
            "pu" => self.pu = value,
            "angle" => self.angle = value,
            _ => self.base_mva = value,
        }
        Ok(())
    }

    fn short_circuit(&mut self, a: &Assign) -> Result<(), DssError> {
        let value = match a.property {
            // `mvasc3=200000 200000` is two values; the second is the next property.
            _ if a.value.quoted => numbers(a)?.first().copied().unwrap_or(0.0),
            _ => number(a)?,
        };
        match a.property {
            "mvasc3" => (self.mva3, self.spec) = (value, Spec::Power),
            "mvasc1" => (self.mva1, self.spec) = (value, Spec::Power),
            "isc3" => (self.isc3, self.spec) = (value, Spec::Current),
            "isc1" => (self.isc1, self.spec) = (value, Spec::Current),
            "x1r1" => self.x1r1 = value,
            _ => self.x0r0 = value,
        }
        Ok(())
    }

    fn ohm(&mut self, a: &Assign) -> Result<(), DssError> {
        self.spec = Spec::Ohm;
        let pair = || -> Result<(f64, f64), DssError> {
            match numbers(a)?.as_slice() {
                [r, x, ..] => Ok((*r, *x)),
                _ => syntax(&a.value.at, format!("`{}` needs two values", a.property)),
            }
        };
        match a.property {
            "r1" => self.r1 = number(a)?,
            "x1" => self.x1 = number(a)?,
            "r0" => self.r0 = number(a)?,
            "x0" => self.x0 = number(a)?,
            "z1" => {
                (self.r1, self.x1) = pair()?;
                if !self.z0_given {
                    (self.r0, self.x0) = (self.r1, self.x1);
                }
            }
            "z0" => {
                (self.r0, self.x0) = pair()?;
                self.z0_given = true;
            }
            "puz1" => self.pu_z1 = Some(pair()?),
            _ => self.pu_z0 = Some(pair()?),
        }
        Ok(())
    }

    fn impedance(&self) -> SourceImpedance {
        let root3 = 3.0_f64.sqrt();
        let factor = if self.phases == 1 { 1.0 } else { root3 };
        match self.spec {
            Spec::Power => SourceImpedance::ShortCircuit {
                mva3: self.mva3,
                mva1: self.mva1,
                x1r1: self.x1r1,
                x0r0: self.x0r0,
            },
            Spec::Current => SourceImpedance::ShortCircuit {
                mva3: root3 * self.kv * self.isc3 / 1000.0,
                mva1: factor * self.kv * self.isc1 / 1000.0,
                x1r1: self.x1r1,
                x0r0: self.x0r0,
            },
            Spec::Ohm => {
                let base = self.kv * self.kv / self.base_mva;
                let z1 = self
                    .pu_z1
                    .map_or((self.r1, self.x1), |(r, x)| (r * base, x * base));
                let z0 = match (self.pu_z0, self.pu_z1) {
                    (Some((r, x)), _) => (r * base, x * base),
                    (None, Some(_)) => z1,
                    (None, None) => (self.r0, self.x0),
                };
                SourceImpedance::Sequence {
                    r1: z1.0,
                    x1: z1.1,
                    r0: z0.0,
                    x0: z0.1,
                }
            }
        }
    }
}
