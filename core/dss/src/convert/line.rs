//! Lines, line codes and switches.

use gridloom_model::grid::{Line, LineCode, LineEnd, LineImpedance, Switch};

use super::*;
use crate::script::EarthModel;

/// Default sequence values per 1000 ft, ohm and nF.
const DEFAULT: LineImpedance = LineImpedance::Sequence {
    r1: 0.0580,
    x1: 0.1206,
    r0: 0.1784,
    x0: 0.4047,
    c1_nf: 3.4,
    c0_nf: 1.6,
};

/// Impedance of a code or line per unit of length.
#[derive(Clone)]
pub(super) struct PerLength {
    pub(super) conductors: usize,
    pub(super) impedance: LineImpedance,
    /// Metres of the unit of length; `None` when none is stated.
    pub(super) unit: Option<f64>,
    pub(super) norm_amps: f64,
    capacitance_given: bool,
    base_frequency_hz: f64,
}

/// Where a line's impedance comes from.
enum From {
    Own,
    Code(String),
    Geometry(String),
}

struct Replay {
    phases: usize,
    own: PerLength,
    from: From,
    length: f64,
    unit: Option<f64>,
    user_unit: Option<f64>,
    switch: bool,
    norm_amps: Option<f64>,
    open: Vec<usize>,
    rho: f64,
    earth: EarthModel,
}

impl PerLength {
    fn new(conductors: usize, frequency_hz: f64) -> Self {
        Self {
            conductors,
            impedance: DEFAULT,
            unit: None,
            norm_amps: 400.0,
            capacitance_given: false,
            base_frequency_hz: frequency_hz,
        }
    }

    /// Sets a sequence value; matrices given before are forgotten.
    fn sequence(&mut self, property: &str, value: f64) {
        if matches!(self.impedance, LineImpedance::Matrix { .. }) {
            self.impedance = DEFAULT;
        }
        let susceptance = 1e9 * 1e-6 / (2.0 * core::f64::consts::PI * self.base_frequency_hz);
        let LineImpedance::Sequence {
            r1,
            x1,
            r0,
            x0,
            c1_nf,
            c0_nf,
        } = &mut self.impedance
        else {
            return;
        };
        match property {
            "r1" => *r1 = value,
            "x1" => *x1 = value,
            "r0" => *r0 = value,
            "x0" => *x0 = value,
            "c1" => *c1_nf = value,
            "c0" => *c0_nf = value,
            "b1" => *c1_nf = value * susceptance,
            _ => *c0_nf = value * susceptance,
        }
        if matches!(property, "c1" | "c0" | "b1" | "b0") {
            self.capacitance_given = true;
        }
    }

    /// Sets a matrix; the others keep what the sequence values gave.
    fn matrix(&mut self, property: &str, rows: Vec<Vec<f64>>) {
        if let LineImpedance::Sequence { .. } = self.impedance {
            self.impedance = self.as_matrix();
        }
        let LineImpedance::Matrix { r, x, c_nf } = &mut self.impedance else {
            return;
        };
        match property {
            "rmatrix" => *r = rows,
            "xmatrix" => *x = rows,
            _ => {
                *c_nf = rows;
                self.capacitance_given = true;
            }
        }
    }

    fn as_matrix(&self) -> LineImpedance {
        let LineImpedance::Sequence {
            r1,
            x1,
            r0,
            x0,
            c1_nf,
            c0_nf,
        } = self.impedance
        else {
            return self.impedance.clone();
        };
        let n = self.conductors;
        let fill = |one: f64, zero: f64| -> Vec<Vec<f64>> {
            let own = (2.0 * one + zero) / 3.0;
            let mutual = (zero - one) / 3.0;
            (0..n)
                .map(|i| (0..=i).map(|j| if i == j { own } else { mutual }).collect())
                .collect()
        };
        LineImpedance::Matrix {
            r: fill(r1, r0),
            x: fill(x1, x0),
            c_nf: fill(c1_nf, c0_nf),
        }
    }

    /// The impedance per kilometre at the frequency of the network.
    pub(super) fn per_km(&self, frequency_hz: f64) -> LineImpedance {
        let scale = self.unit.map_or(1.0, |m| 1000.0 / m);
        let x_scale = scale * frequency_hz / self.base_frequency_hz;
        let times = |rows: &[Vec<f64>], factor: f64| -> Vec<Vec<f64>> {
            rows.iter()
                .map(|r| r.iter().map(|v| v * factor).collect())
                .collect()
        };
        match &self.impedance {
            LineImpedance::Sequence {
                r1,
                x1,
                r0,
                x0,
                c1_nf,
                c0_nf,
            } => LineImpedance::Sequence {
                r1: r1 * scale,
                x1: x1 * x_scale,
                r0: r0 * scale,
                x0: x0 * x_scale,
                c1_nf: c1_nf * scale,
                c0_nf: c0_nf * scale,
            },
            LineImpedance::Matrix { r, x, c_nf } => {
                let none = c_nf.iter().flatten().all(|c| *c == 0.0);
                LineImpedance::Matrix {
                    r: times(r, scale),
                    x: times(x, x_scale),
                    c_nf: if none { Vec::new() } else { times(c_nf, scale) },
                }
            }
        }
    }
}

impl Convert<'_> {
    pub(super) fn line(&mut self, object: &Object) -> Result<(), DssError> {
        let mut l = Replay {
            phases: 3,
            own: PerLength::new(3, self.script.frequency_hz),
            from: From::Own,
            length: 1.0,
            unit: None,
            user_unit: None,
            switch: false,
            norm_amps: None,
            open: object.open.clone(),
            rho: 100.0,
            earth: self.script.carson,
        };
        let mut buses = [None, None];
        for a in &object.assigns {
            match a.property {
                "bus1" => buses[0] = Some(a.value.clone()),
                "bus2" => buses[1] = Some(a.value.clone()),
                _ => self.line_property(object, a, &mut l)?,
            }
        }
        let (impedance, km) = self.line_impedance(object, &mut l)?;
        let [Some(bus1), Some(bus2)] = buses else {
            return syntax(&object.at, format!("line.{} needs two buses", object.name));
        };
        let n = l.phases;
        let (code, per_km) = match impedance {
            Ok(code) => (code, None),
            Err(own) => (String::new(), Some(own)),
        };
        let from = self.terminal(&bus1, n, n)?;
        let to = self.terminal(&bus2, n, n)?;
        self.case.lines.push(Line {
            id: object.label.clone(),
            from,
            to,
            code,
            per_km,
            km,
            norm_amps: l.norm_amps,
            is_link: l.switch,
        });
        self.line_switches(object, &l);
        Ok(())
    }

    fn line_switches(&mut self, object: &Object, l: &Replay) {
        for terminal in [1, 2] {
            let open = l.open.contains(&terminal);
            if !(open || l.switch && terminal == 1) {
                continue;
            }
            let id = if terminal == 1 {
                object.label.clone()
            } else {
                format!("{}@2", object.label)
            };
            self.case.switches.push(Switch {
                id,
                line: object.label.clone(),
                end: if terminal == 1 {
                    LineEnd::From
                } else {
                    LineEnd::To
                },
                closed: !open,
            });
        }
    }

    fn line_property(
        &mut self,
        object: &Object,
        a: &Assign,
        l: &mut Replay,
    ) -> Result<(), DssError> {
        match a.property {
            "linecode" => {
                let name = a.value.text.to_lowercase();
                let code = self.code(&name, &a.value)?;
                l.phases = code.conductors;
                if l.switch {
                    // A switch keeps its own impedance.
                    l.own.conductors = code.conductors;
                } else {
                    l.own = code;
                    l.from = From::Code(name);
                }
            }
            "geometry" => {
                let name = a.value.text.to_lowercase();
                l.phases = self.geometry_phases(&name, &a.value)?;
                l.from = From::Geometry(name);
            }
            "length" => l.length = number(a)?,
            "phases" => {
                l.phases = count(a)?;
                l.own.conductors = l.phases;
            }
            "units" => {
                l.unit = metres(&a.value.text);
                l.user_unit = l.unit;
            }
            "r1" | "x1" | "r0" | "x0" | "c1" | "c0" | "b1" | "b0" => {
                l.take_own();
                l.own.sequence(a.property, number(a)?);
            }
            "rmatrix" | "xmatrix" | "cmatrix" => {
                l.take_own();
                let rows = a
                    .value
                    .triangle(l.phases)
                    .or_else(|message| syntax(&a.value.at, message))?;
                l.own.conductors = l.phases;
                l.own.matrix(a.property, rows);
            }
            "switch" if a.value.flag() => l.make_switch(),
            "switch" => l.switch = false,
            "normamps" => l.norm_amps = Some(number(a)?),
            "rho" => l.rho = number(a)?,
            "emergamps" | "faultrate" | "pctperm" | "repair" | "basefreq" | "rg" | "xg"
            | "seasons" | "ratings" | "linetype" => {}
            "earthmodel" => l.earth = EarthModel::of(&a.value.text),
            _ => {
                return syntax(
                    &a.value.at,
                    format!(
                        "property `{}` of line.{} is not supported",
                        a.property, object.name
                    ),
                );
            }
        }
        Ok(())
    }

    /// Code name or own impedance, and length in km.
    fn line_impedance(
        &mut self,
        object: &Object,
        l: &mut Replay,
    ) -> Result<(Result<String, LineImpedance>, f64), DssError> {
        let hz = self.script.frequency_hz;
        match &l.from {
            From::Code(name) => {
                let km = match (l.own.unit, l.unit) {
                    (Some(_), Some(own)) => l.length * own / 1000.0,
                    (Some(code), None) => l.length * code / 1000.0,
                    (None, _) => l.length,
                };
                let id = self.keep_code(&name.clone(), &l.own, hz);
                Ok((Ok(id), km))
            }
            From::Geometry(name) => {
                let unit = l.unit.unwrap_or(1.0);
                let (z, amps) =
                    self.geometry_impedance(&name.clone(), hz, (l.rho, l.earth), &object.at)?;
                if l.norm_amps.is_none() && amps > 0.0 {
                    l.norm_amps = Some(amps);
                }
                Ok((Err(z), l.length * unit / 1000.0))
            }
            From::Own => {
                if l.phases == 1 {
                    l.own.one_phase();
                }
                if !l.own.capacitance_given {
                    l.own.convert_default_capacitance(l.unit);
                }
                let mut own = l.own.clone();
                own.conductors = l.phases;
                own.unit = l.user_unit;
                let km = l.length * l.user_unit.map_or(1.0, |m| m / 1000.0);
                Ok((Err(own.per_km(hz)), km))
            }
        }
    }

    /// A line code as the deck defines it.
    fn code(&mut self, name: &str, used: &Value) -> Result<PerLength, DssError> {
        let Some(object) = self.script.object("linecode", name).cloned() else {
            return syntax(&used.at, format!("linecode.{name} does not exist"));
        };
        let mut code = PerLength::new(3, self.script.frequency_hz);
        for a in &object.assigns {
            match a.property {
                "nphases" => {
                    let n = count(a)?;
                    if n != code.conductors {
                        code.conductors = n;
                        if matches!(code.impedance, LineImpedance::Matrix { .. }) {
                            code.impedance = DEFAULT;
                        }
                    }
                }
                "units" => code.unit = metres(&a.value.text),
                "r1" | "x1" | "r0" | "x0" | "c1" | "c0" | "b1" | "b0" => {
                    code.sequence(a.property, number(a)?);
                }
                "rmatrix" | "xmatrix" | "cmatrix" => {
                    let rows = a
                        .value
                        .triangle(code.conductors)
                        .or_else(|message| syntax(&a.value.at, message))?;
                    code.matrix(a.property, rows);
                }
                "basefreq" => code.base_frequency_hz = number(a)?,
                "normamps" => code.norm_amps = number(a)?,
                "kron" if a.value.flag() => self.skip(&object, a, "is not carried over"),
                _ => {}
            }
        }
        Ok(code)
    }

    fn keep_code(&mut self, name: &str, code: &PerLength, frequency_hz: f64) -> String {
        let label = self
            .label("linecode", name)
            .unwrap_or_else(|| name.to_owned());
        if !self.codes.contains_key(name) {
            self.codes
                .insert(name.to_owned(), self.case.line_codes.len());
            self.case.line_codes.push(LineCode {
                id: label.clone(),
                conductors: code.conductors as u8,
                per_km: code.per_km(frequency_hz),
                norm_amps: code.norm_amps,
            });
        }
        label
    }
}

impl PerLength {
    /// One conductor has one impedance: the positive-sequence values.
    fn one_phase(&mut self) {
        if let LineImpedance::Sequence {
            r1,
            x1,
            r0,
            x0,
            c1_nf,
            c0_nf,
        } = &mut self.impedance
        {
            (*r0, *x0, *c0_nf) = (*r1, *x1, *c1_nf);
        }
    }

    /// The default capacitance is stated per 1000 ft.
    fn convert_default_capacitance(&mut self, unit: Option<f64>) {
        let factor = unit.map_or(1.0, |m| 304.8 / m);
        if let LineImpedance::Sequence { c1_nf, c0_nf, .. } = &mut self.impedance {
            *c1_nf /= factor;
            *c0_nf /= factor;
        }
    }
}

impl Replay {
    /// Own impedances are per the unit in which the length is stated.
    fn take_own(&mut self) {
        self.from = From::Own;
        self.unit = None;
        self.own.unit = None;
    }

    fn make_switch(&mut self) {
        self.switch = true;
        self.take_own();
        self.user_unit = None;
        self.length = 0.001;
        self.own.impedance = LineImpedance::Sequence {
            r1: 1.0,
            x1: 1.0,
            r0: 1.0,
            x0: 1.0,
            c1_nf: 1.1,
            c0_nf: 1.0,
        };
        self.own.capacitance_given = false;
    }
}
