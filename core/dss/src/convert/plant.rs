//! Generators and photovoltaic plants with a stated output.

use gridloom_model::grid::{Generator, GeneratorKind, LoadLaw, VoltageBand};

use super::curve::value_at;
use super::inverter::Capability;
use super::load::kvar_at;
use super::*;

struct Replay {
    phases: usize,
    kv: f64,
    connection: Connection,
    model: usize,
    kw: f64,
    kvar: Option<f64>,
    pf: f64,
    kva: f64,
    pmpp: f64,
    irradiance: f64,
    percent_pmpp: f64,
    band: VoltageBand,
    bus: Option<Value>,
    kvar_max: Option<f64>,
    kvar_max_abs: Option<f64>,
    watt_priority: bool,
    temperature: f64,
    cut_out_percent: f64,
}

impl Replay {
    fn new() -> Self {
        Self {
            phases: 3,
            kv: 12.47,
            connection: Connection::Wye,
            model: 1,
            kw: 1000.0,
            kvar: None,
            pf: 1.0,
            kva: 0.0,
            pmpp: 500.0,
            irradiance: 1.0,
            percent_pmpp: 100.0,
            band: VoltageBand {
                min_pu: 0.9,
                max_pu: 1.1,
                low_pu: 0.0,
            },
            bus: None,
            kvar_max: None,
            kvar_max_abs: None,
            watt_priority: false,
            temperature: 25.0,
            cut_out_percent: 20.0,
        }
    }

    /// What the inverter is capable of at a rated active power, kW.
    fn capability(&self, kw: f64) -> Capability {
        let inject = self.kvar_max.unwrap_or(self.kva);
        Capability {
            kvar: (inject, self.kvar_max_abs.unwrap_or(inject)),
            kw,
            watt_priority: self.watt_priority,
        }
    }

    fn take(&mut self, a: &Assign) -> Result<bool, DssError> {
        match a.property {
            "bus1" => self.bus = Some(a.value.clone()),
            "phases" => self.phases = count(a)?,
            "conn" => self.connection = connection(&a.value.text),
            "model" => self.model = count(a)?,
            "kv" => self.kv = number(a)?,
            "kw" => self.kw = number(a)?,
            "kvar" => self.kvar = Some(number(a)?),
            "pf" => (self.pf, self.kvar) = (number(a)?, None),
            "kva" => self.kva = number(a)?,
            "mva" => self.kva = number(a)? * 1000.0,
            "pmpp" => self.pmpp = number(a)?,
            "irradiance" => self.irradiance = number(a)?,
            "%pmpp" => self.percent_pmpp = number(a)?,
            "vminpu" => self.band.min_pu = number(a)?,
            "vmaxpu" => self.band.max_pu = number(a)?,
            "kvarmax" => self.kvar_max = Some(number(a)?),
            "kvarmaxabs" => self.kvar_max_abs = Some(number(a)?),
            "wattpriority" => self.watt_priority = a.value.flag(),
            "temperature" => self.temperature = number(a)?,
            "%cutout" => self.cut_out_percent = number(a)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn law(&self) -> LoadLaw {
        match self.model {
            2 => LoadLaw::ConstImpedance,
            _ => LoadLaw::ConstPower,
        }
    }
}

impl Convert<'_> {
    pub(super) fn generator(&mut self, object: &Object) -> Result<(), DssError> {
        let mut g = Replay::new();
        g.pf = 0.88;
        for a in &object.assigns {
            if !g.take(a)? && matches!(a.property, "yearly" | "daily" | "duty" | "dispmode") {
                self.skip(object, a, "is not carried over");
            }
        }
        if g.model > 2 {
            self.script.find(
                Severity::Warning,
                &object.at,
                format!(
                    "generator.{}: model {} is carried over as constant power",
                    object.name, g.model
                ),
            );
        }
        let kvar = g.kvar.unwrap_or_else(|| kvar_at(g.kw, g.pf));
        self.plant(object, &g, GeneratorKind::Generator, g.kw, kvar)
    }

    pub(super) fn pv(&mut self, object: &Object) -> Result<(), DssError> {
        let mut g = Replay::new();
        let (mut efficiency, mut derating) = (Vec::new(), Vec::new());
        for a in &object.assigns {
            match a.property {
                "effcurve" => efficiency = self.xy_curve(a)?,
                "p-tcurve" => derating = self.xy_curve(a)?,
                "daily" | "yearly" | "duty" | "%r" | "%x" | "tdaily" | "tyearly" | "tduty"
                | "usermodel" | "dynamiceq" => self.skip(object, a, "is not carried over"),
                _ => {
                    g.take(a)?;
                }
            }
        }
        if g.kva == 0.0 {
            g.kva = 500.0;
        }
        let mut dc = g.pmpp * g.irradiance * g.percent_pmpp / 100.0;
        if !derating.is_empty() {
            dc *= value_at(&derating, g.temperature);
        }
        let mut kw = dc;
        if !efficiency.is_empty() {
            kw *= value_at(&efficiency, dc / g.kva);
        }
        // Below its cut-out the inverter is off.
        if dc < g.kva * g.cut_out_percent / 100.0 {
            kw = 0.0;
        }
        let kw = kw.min(g.kva);
        let kvar = g.kvar.unwrap_or_else(|| kvar_at(kw, g.pf));
        let capability = g.capability(g.pmpp);
        self.capabilities
            .insert(self.case.generators.len(), capability);
        self.plant(object, &g, GeneratorKind::Pv, kw, kvar)
    }

    pub(super) fn storage(&mut self, object: &Object) -> Result<(), DssError> {
        let mut g = Replay::new();
        let (mut rated, mut charge, mut discharge, mut idling) = (25.0, 100.0, 100.0, 1.0);
        let mut state = String::new();
        let mut stated_kw = None;
        for a in &object.assigns {
            match a.property {
                "kwrated" => rated = number(a)?,
                "%charge" => charge = number(a)?,
                "%discharge" => discharge = number(a)?,
                "%idlingkw" => idling = number(a)?,
                "state" => state = a.value.text.to_lowercase(),
                "kw" => stated_kw = Some(number(a)?),
                "daily" | "yearly" | "duty" | "effcurve" | "usermodel" | "dynamiceq" => {
                    self.skip(object, a, "is not carried over");
                }
                "controlmode" if a.value.text.to_lowercase() == "gfm" => {
                    self.skip(object, a, "is not carried over: it forms no voltage");
                }
                "dispmode" if a.value.text.to_lowercase() != "default" => {
                    self.skip(object, a, "is not carried over");
                }
                _ => {
                    g.take(a)?;
                }
            }
        }
        if g.kva == 0.0 {
            g.kva = rated;
        }
        // A stated power moves the battery by itself.
        if let Some(kw) = stated_kw {
            let percent = kw.abs() / rated * 100.0;
            if kw < 0.0 {
                (state, charge) = ("charging".to_owned(), percent);
            } else if kw > 0.0 {
                (state, discharge) = ("discharging".to_owned(), percent);
            }
        }
        let kw = if state.starts_with('c') {
            -rated * charge / 100.0
        } else if state.starts_with('d') {
            rated * discharge / 100.0
        } else {
            -rated * idling / 100.0
        };
        let kvar = g.kvar.unwrap_or_else(|| kvar_at(kw.abs(), g.pf));
        let capability = g.capability(rated);
        self.capabilities
            .insert(self.case.generators.len(), capability);
        self.plant(object, &g, GeneratorKind::Storage, kw, kvar)
    }

    fn plant(
        &mut self,
        object: &Object,
        g: &Replay,
        kind: GeneratorKind,
        kw: f64,
        kvar: f64,
    ) -> Result<(), DssError> {
        let Some(bus) = &g.bus else {
            return syntax(
                &object.at,
                format!("{}.{} has no bus", object.class.name, object.name),
            );
        };
        if g.pf == 0.0 || g.pf.abs() > 1.0 {
            return syntax(
                &object.at,
                format!("a power factor of {} is not possible", g.pf),
            );
        }
        let conductors = match g.connection {
            Connection::Delta if g.phases >= 3 => g.phases,
            _ => g.phases + 1,
        };
        let at = self.terminal(bus, g.phases, conductors)?;
        let taken = self.case.loads.iter().any(|l| l.id == object.label)
            || self.case.generators.iter().any(|g| g.id == object.label);
        self.plants
            .push(format!("{}.{}", object.class.name, object.name));
        self.case.generators.push(Generator {
            // Classes name their elements apart from each other, the grid does not.
            id: if taken {
                format!("{}.{}", object.class.name, object.label)
            } else {
                object.label.clone()
            },
            at,
            phases: g.phases as u8,
            connection: g.connection,
            kind,
            kv: g.kv,
            kw,
            kvar,
            kva: g.kva,
            law: g.law(),
            band: g.band,
            current_limit_pu: None,
            control: None,
        });
        Ok(())
    }
}
