//! Loads.

use gridloom_model::grid::{Load, LoadLaw, VoltageBand};

use super::*;

/// How the power of a load is stated.
#[derive(Clone, Copy, PartialEq)]
enum Spec {
    KwPf,
    KwKvar,
    KvaPf,
    Allocated,
}

struct Replay {
    phases: usize,
    kv: f64,
    kw: f64,
    kvar: f64,
    kva: f64,
    pf: f64,
    spec: Spec,
    connection: Connection,
    model: usize,
    cvr: (f64, f64),
    zipv: Vec<f64>,
    band: VoltageBand,
    neutral: (f64, f64),
    fixed: bool,
    xf_kva: f64,
    allocation: f64,
    daily: String,
    yearly: String,
}

/// Reactive power of an active power at a power factor; negative factors feed reactive power in.
pub(super) fn kvar_at(kw: f64, pf: f64) -> f64 {
    let q = kw * (1.0 / (pf * pf) - 1.0).sqrt();
    if pf < 0.0 { -q } else { q }
}

impl Convert<'_> {
    pub(super) fn load(&mut self, object: &Object) -> Result<(), DssError> {
        let mut l = Replay {
            phases: 3,
            kv: 12.47,
            kw: 10.0,
            kvar: 5.0,
            kva: 10.0 / 0.88,
            pf: 0.88,
            spec: Spec::KwPf,
            connection: Connection::Wye,
            model: 1,
            cvr: (1.0, 2.0),
            zipv: Vec::new(),
            band: VoltageBand::default(),
            neutral: (-1.0, 0.0),
            fixed: false,
            xf_kva: 0.0,
            allocation: 0.5,
            daily: String::new(),
            yearly: String::new(),
        };
        let mut bus = None;
        for a in &object.assigns {
            match a.property {
                "bus1" => bus = Some(a.value.clone()),
                _ => self.load_property(object, a, &mut l)?,
            }
        }
        let Some(bus) = bus else {
            return syntax(&object.at, format!("load.{} has no bus", object.name));
        };
        let (kw, kvar) = l.power(object)?;
        let factor = if l.fixed { 1.0 } else { self.script.load_mult };
        let law = l.law(object)?;
        let conductors = match l.connection {
            Connection::Delta if l.phases >= 3 => l.phases,
            _ => l.phases + 1,
        };
        let at = self.terminal(&bus, l.phases, conductors)?;
        let shape = if l.yearly.is_empty() {
            l.daily
        } else {
            l.yearly
        };
        self.case.loads.push(Load {
            id: object.label.clone(),
            at,
            phases: l.phases as u8,
            connection: l.connection,
            kv: l.kv,
            kw: kw * factor,
            kvar: kvar * factor,
            law,
            band: l.band,
            neutral_ohm: (l.neutral.0 >= 0.0 && l.connection == Connection::Wye)
                .then_some(l.neutral),
            profile: self.label("loadshape", &shape).unwrap_or(shape),
        });
        Ok(())
    }

    fn load_property(
        &mut self,
        object: &Object,
        a: &Assign,
        l: &mut Replay,
    ) -> Result<(), DssError> {
        match a.property {
            "phases" => l.phases = count(a)?,
            "conn" => l.connection = connection(&a.value.text),
            "model" => l.model = count(a)?,
            "status" => {
                l.fixed = matches!(a.value.text.to_lowercase().chars().next(), Some('f' | 'e'));
            }
            "daily" => l.daily = a.value.text.to_lowercase(),
            "yearly" => l.yearly = a.value.text.to_lowercase(),
            "zipv" => l.zipv = numbers(a)?,
            "kv" | "kw" | "kvar" | "kva" | "pf" | "xfkva" | "allocationfactor" => {
                l.rating(a.property, number(a)?);
            }
            "rneut" => l.neutral.0 = number(a)?,
            "xneut" => l.neutral.1 = number(a)?,
            "vminpu" => l.band.min_pu = number(a)?,
            "vmaxpu" => l.band.max_pu = number(a)?,
            "vlowpu" => l.band.low_pu = number(a)?,
            "cvrwatts" => l.cvr.0 = number(a)?,
            "cvrvars" => l.cvr.1 = number(a)?,
            "kwh" | "kwhdays" | "cfactor" | "cvrcurve" => {
                self.skip(object, a, "is not carried over");
            }
            _ => {}
        }
        Ok(())
    }
}

impl Replay {
    fn rating(&mut self, property: &str, value: f64) {
        match property {
            "kv" => self.kv = value,
            "pf" => self.pf = value,
            "kw" => (self.kw, self.spec) = (value, Spec::KwPf),
            "kvar" => (self.kvar, self.spec) = (value, Spec::KwKvar),
            "kva" => (self.kva, self.spec) = (value, Spec::KvaPf),
            "xfkva" => (self.xf_kva, self.spec) = (value, Spec::Allocated),
            _ => (self.allocation, self.spec) = (value, Spec::Allocated),
        }
    }

    fn power(&self, object: &Object) -> Result<(f64, f64), DssError> {
        if self.pf == 0.0 || self.pf.abs() > 1.0 {
            return syntax(
                &object.at,
                format!(
                    "load.{}: a power factor of {} is not possible",
                    object.name, self.pf
                ),
            );
        }
        Ok(match self.spec {
            Spec::KwPf => (self.kw, kvar_at(self.kw, self.pf)),
            Spec::KwKvar => (self.kw, self.kvar),
            Spec::KvaPf => {
                let kw = self.kva * self.pf.abs();
                (kw, kvar_at(kw, self.pf))
            }
            Spec::Allocated => {
                let kw = self.xf_kva * self.allocation * self.pf.abs();
                (kw, kvar_at(kw, self.pf))
            }
        })
    }

    fn law(&self, object: &Object) -> Result<LoadLaw, DssError> {
        Ok(match self.model {
            1 => LoadLaw::ConstPower,
            2 => LoadLaw::ConstImpedance,
            3 => LoadLaw::PowerAndReactance,
            4 => LoadLaw::Exponential {
                p: self.cvr.0,
                q: self.cvr.1,
            },
            5 => LoadLaw::ConstCurrent,
            6 => LoadLaw::PowerFixedQ,
            7 => LoadLaw::PowerFixedReactance,
            8 => match self.zipv.as_slice() {
                [zp, ip, pp, zq, iq, pq, rest @ ..] => LoadLaw::Zip {
                    p: (*zp, *ip, *pp),
                    q: (*zq, *iq, *pq),
                    cutoff_pu: rest.first().copied().unwrap_or(0.0),
                },
                _ => {
                    return syntax(
                        &object.at,
                        format!("load.{}: model 8 needs seven values in zipv", object.name),
                    );
                }
            },
            other => {
                return syntax(
                    &object.at,
                    format!("load.{}: model {other} does not exist", object.name),
                );
            }
        })
    }
}
