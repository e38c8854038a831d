//! Transformers and transformer codes.

use gridloom_model::grid::{TapRange, Transformer, Winding};

use super::*;

#[derive(Clone)]
struct Wdg {
    bus: Option<Value>,
    connection: Connection,
    kv: f64,
    kva: f64,
    tap: f64,
    r_percent: f64,
    neutral: (f64, f64),
    taps: TapRange,
}

impl Wdg {
    fn new() -> Self {
        Self {
            bus: None,
            connection: Connection::Wye,
            kv: 12.47,
            kva: 1000.0,
            tap: 1.0,
            r_percent: 0.2,
            neutral: (-1.0, 0.0),
            taps: TapRange::default(),
        }
    }
}

#[derive(Clone)]
struct Replay {
    phases: usize,
    windings: Vec<Wdg>,
    active: usize,
    /// XHL, XHT, XLT in percent.
    x3: [f64; 3],
    /// All pairs in percent, when given as a list.
    x_all: Option<Vec<f64>>,
    no_load: f64,
    magnetising: f64,
    ppm: f64,
    high_leads: bool,
    bank: String,
}

impl Replay {
    fn new() -> Self {
        Self {
            phases: 3,
            windings: vec![Wdg::new(), Wdg::new()],
            active: 0,
            x3: [7.0, 35.0, 30.0],
            x_all: None,
            no_load: 0.0,
            magnetising: 0.0,
            ppm: 1.0,
            high_leads: false,
            bank: String::new(),
        }
    }

    fn wdg(&mut self, at: &Place) -> Result<&mut Wdg, DssError> {
        let active = self.active;
        let n = self.windings.len();
        self.windings
            .get_mut(active)
            .ok_or_else(|| DssError::Syntax {
                at: at.clone(),
                message: format!("winding {} of {n}", active + 1),
            })
    }

    fn each(&mut self, a: &Assign, set: impl Fn(&mut Wdg, f64)) -> Result<(), DssError> {
        for (w, value) in self.windings.iter_mut().zip(numbers(a)?) {
            set(w, value);
        }
        Ok(())
    }

    fn x_percent(&self) -> Vec<f64> {
        let n = self.windings.len();
        let pairs = n * (n - 1) / 2;
        if let Some(all) = &self.x_all {
            let mut all = all.clone();
            all.resize(pairs, 30.0);
            return all;
        }
        match n {
            2 => vec![self.x3[0]],
            3 => self.x3.to_vec(),
            _ => {
                let mut all = vec![30.0; pairs];
                all[0] = self.x3[0];
                all
            }
        }
    }
}

impl Convert<'_> {
    pub(super) fn transformer(&mut self, object: &Object) -> Result<(), DssError> {
        let mut t = Replay::new();
        for a in &object.assigns {
            self.transformer_property(object, a, &mut t)?;
        }
        let phases = t.phases;
        let mut windings = Vec::new();
        for (i, w) in t.windings.iter().enumerate() {
            let Some(bus) = &w.bus else {
                return syntax(
                    &object.at,
                    format!("transformer.{}: winding {} has no bus", object.name, i + 1),
                );
            };
            let mut at = self.terminal(bus, phases, phases + 1)?;
            if w.connection == Connection::Delta && phases >= 3 {
                at.conductors.truncate(phases);
            }
            windings.push(Winding {
                at,
                connection: w.connection,
                kv: w.kv,
                kva: w.kva,
                r_percent: w.r_percent,
                tap_pu: w.tap,
                taps: w.taps,
                neutral_ohm: (w.neutral.0 >= 0.0 && w.connection == Connection::Wye)
                    .then_some(w.neutral),
            });
        }
        self.case.transformers.push(Transformer {
            id: object.label.clone(),
            phases: phases as u8,
            windings,
            x_percent: t.x_percent(),
            no_load_loss_percent: t.no_load,
            magnetising_percent: t.magnetising,
            antifloat_ppm: t.ppm,
            high_leads: t.high_leads,
            bank: t.bank,
        });
        Ok(())
    }

    fn transformer_property(
        &mut self,
        object: &Object,
        a: &Assign,
        t: &mut Replay,
    ) -> Result<(), DssError> {
        match a.property {
            "phases" => t.phases = count(a)?,
            "windings" => {
                let n = count(a)?;
                if n < 2 {
                    return syntax(&a.value.at, "a transformer has at least two windings");
                }
                t.windings = vec![Wdg::new(); n];
            }
            "wdg" => t.active = count(a)? - 1,
            "bus" => t.wdg(&a.value.at)?.bus = Some(a.value.clone()),
            "buses" => {
                for (w, word) in t.windings.iter_mut().zip(a.value.words()) {
                    w.bus = Some(Value {
                        text: word,
                        quoted: false,
                        at: a.value.at.clone(),
                    });
                }
            }
            "conn" => t.wdg(&a.value.at)?.connection = connection(&a.value.text),
            "conns" => {
                for (w, word) in t.windings.iter_mut().zip(a.value.words()) {
                    w.connection = connection(&word);
                }
            }
            "kv" | "tap" | "%r" | "rneut" | "xneut" | "maxtap" | "mintap" => {
                winding_number(t, a)?;
            }
            "numtaps" => t.wdg(&a.value.at)?.taps.steps = number(a)? as u16,
            "kva" => set_kva(t, a)?,
            "kvs" => t.each(a, |w, v| w.kv = v)?,
            "kvas" => t.each(a, |w, v| w.kva = v)?,
            "taps" => t.each(a, |w, v| w.tap = v)?,
            "%rs" => t.each(a, |w, v| w.r_percent = v)?,
            "xfmrcode" => self.transformer_code(a, t)?,
            "leadlag" => {
                let text = a.value.text.to_lowercase();
                t.high_leads = text.starts_with("le") || text.starts_with("eu");
            }
            "bank" => t.bank = a.value.text.to_lowercase(),
            "xrconst" | "core" => self.skip(object, a, "is not carried over"),
            _ => general(t, a)?,
        }
        Ok(())
    }

    fn transformer_code(&mut self, a: &Assign, t: &mut Replay) -> Result<(), DssError> {
        let name = a.value.text.to_lowercase();
        let Some(code) = self.script.object("xfmrcode", &name).cloned() else {
            return syntax(&a.value.at, format!("xfmrcode.{name} does not exist"));
        };
        let buses: Vec<Option<Value>> = t.windings.iter().map(|w| w.bus.clone()).collect();
        let mut fresh = Replay::new();
        for assign in &code.assigns {
            self.transformer_property(&code, assign, &mut fresh)?;
        }
        fresh.active = t.active;
        fresh.bank.clone_from(&t.bank);
        fresh.high_leads = t.high_leads;
        for (w, bus) in fresh.windings.iter_mut().zip(buses) {
            w.bus = bus;
        }
        *t = fresh;
        Ok(())
    }
}

fn winding_number(t: &mut Replay, a: &Assign) -> Result<(), DssError> {
    let value = number(a)?;
    let w = t.wdg(&a.value.at)?;
    match a.property {
        "kv" => w.kv = value,
        "tap" => w.tap = value,
        "%r" => w.r_percent = value,
        "rneut" => w.neutral.0 = value,
        "xneut" => w.neutral.1 = value,
        "maxtap" => w.taps.max_pu = value,
        _ => w.taps.min_pu = value,
    }
    Ok(())
}

/// The rating of winding 1 is that of all others until they state their own.
fn set_kva(t: &mut Replay, a: &Assign) -> Result<(), DssError> {
    let value = number(a)?;
    t.wdg(&a.value.at)?.kva = value;
    if t.active == 0 {
        for w in &mut t.windings {
            w.kva = value;
        }
    } else if t.windings.len() == 2 {
        t.windings[0].kva = value;
    }
    Ok(())
}

fn general(t: &mut Replay, a: &Assign) -> Result<(), DssError> {
    match a.property {
        "xhl" | "x12" => (t.x3[0], t.x_all) = (number(a)?, None),
        "xht" | "x13" => (t.x3[1], t.x_all) = (number(a)?, None),
        "xlt" | "x23" => (t.x3[2], t.x_all) = (number(a)?, None),
        "xscarray" => t.x_all = Some(numbers(a)?),
        "%loadloss" => {
            let half = number(a)? / 2.0;
            for w in t.windings.iter_mut().take(2) {
                w.r_percent = half;
            }
        }
        "%noloadloss" => t.no_load = number(a)?,
        "%imag" => t.magnetising = number(a)?,
        "ppm_antifloat" => t.ppm = number(a)?,
        _ => {}
    }
    Ok(())
}
