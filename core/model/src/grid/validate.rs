//! Checks the meaning of a grid; reports every problem at once.

mod controls;

use std::collections::BTreeMap;

use super::*;

/// Most problems reported, so that a broken generator cannot flood a terminal.
const MAX_PROBLEMS: usize = 200;

struct Check<'a> {
    case: &'a GridCase,
    buses: BTreeMap<&'a str, usize>,
    codes: BTreeMap<&'a str, &'a LineCode>,
    problems: Vec<Problem>,
}

pub(super) fn validate(case: &GridCase) -> Vec<Problem> {
    let mut check = Check {
        case,
        buses: case
            .buses
            .iter()
            .enumerate()
            .map(|(i, bus)| (bus.id.as_str(), i))
            .collect(),
        codes: case.line_codes.iter().map(|c| (c.id.as_str(), c)).collect(),
        problems: Vec::new(),
    };
    check.head();
    check.ids();
    check.buses();
    check.sources();
    check.codes();
    check.lines();
    check.switches();
    check.transformers();
    check.shunts();
    check.loads();
    check.controls();
    check.problems.truncate(MAX_PROBLEMS);
    check.problems
}

impl Check<'_> {
    fn say(&mut self, kind: &'static str, id: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            kind,
            id: id.to_owned(),
            message: message.into(),
        });
    }

    fn need(&mut self, ok: bool, kind: &'static str, id: &str, message: impl Into<String>) {
        if !ok {
            self.say(kind, id, message);
        }
    }

    fn positive(&mut self, value: f64, kind: &'static str, id: &str, what: &str) {
        self.need(
            value.is_finite() && value > 0.0,
            kind,
            id,
            format!("{what} must be a positive number, is {value}"),
        );
    }

    fn finite(&mut self, value: f64, kind: &'static str, id: &str, what: &str) {
        self.need(
            value.is_finite(),
            kind,
            id,
            format!("{what} must be a finite number, is {value}"),
        );
    }

    fn terminal(&mut self, t: &Terminal, conductors: usize, kind: &'static str, id: &str) {
        if !self.buses.contains_key(t.bus.as_str()) {
            let hint = self.nearest_bus(&t.bus);
            self.say(kind, id, format!("bus `{}` does not exist{hint}", t.bus));
        }
        self.need(
            t.conductors.len() == conductors,
            kind,
            id,
            format!(
                "terminal `{t}` lists {} conductors, {conductors} needed",
                t.conductors.len()
            ),
        );
    }

    fn nearest_bus(&self, id: &str) -> String {
        let lower = id.to_lowercase();
        self.buses
            .keys()
            .find(|known| known.to_lowercase() == lower)
            .map_or_else(String::new, |known| format!(", did you mean `{known}`"))
    }

    fn head(&mut self) {
        self.need(
            self.case.format == GRID_FORMAT,
            "grid",
            "",
            format!(
                "format {} is not known, this version reads {GRID_FORMAT}",
                self.case.format
            ),
        );
        self.positive(self.case.base_frequency_hz, "grid", "", "base_frequency_hz");
        self.need(
            !self.case.sources.is_empty(),
            "grid",
            "",
            "no voltage source: nothing can be solved",
        );
    }

    fn ids(&mut self) {
        let case = self.case;
        self.unique("bus", case.buses.iter().map(|e| e.id.as_str()));
        self.unique("source", case.sources.iter().map(|e| e.id.as_str()));
        self.unique("line code", case.line_codes.iter().map(|e| e.id.as_str()));
        self.unique("line", case.lines.iter().map(|e| e.id.as_str()));
        self.unique("switch", case.switches.iter().map(|e| e.id.as_str()));
        self.unique(
            "transformer",
            case.transformers.iter().map(|e| e.id.as_str()),
        );
        self.unique("regulator", case.regulators.iter().map(|e| e.id.as_str()));
        self.unique("capacitor", case.capacitors.iter().map(|e| e.id.as_str()));
        self.unique(
            "capacitor control",
            case.capacitor_controls.iter().map(|e| e.id.as_str()),
        );
        self.unique("reactor", case.reactors.iter().map(|e| e.id.as_str()));
        self.unique("load", case.loads.iter().map(|e| e.id.as_str()));
        self.unique("generator", case.generators.iter().map(|e| e.id.as_str()));
    }

    fn unique<'b>(&mut self, kind: &'static str, ids: impl Iterator<Item = &'b str>) {
        let mut seen = BTreeMap::new();
        for id in ids {
            if id.is_empty() {
                self.say(kind, "", format!("a {kind} has an empty id"));
            } else if seen.insert(id, ()).is_some() {
                self.say(kind, id, "id is used twice");
            }
        }
    }

    fn buses(&mut self) {
        for bus in &self.case.buses {
            self.need(
                !bus.id.contains('.'),
                "bus",
                &bus.id,
                "a bus id may not contain a dot",
            );
            self.need(
                bus.kv_ln.is_finite() && bus.kv_ln >= 0.0,
                "bus",
                &bus.id,
                format!("kv_ln must be a number from 0, is {}", bus.kv_ln),
            );
            if let Some((x, y)) = bus.xy {
                self.finite(x, "bus", &bus.id, "x");
                self.finite(y, "bus", &bus.id, "y");
            }
        }
    }

    fn sources(&mut self) {
        for s in &self.case.sources {
            self.need(
                !s.at.conductors.is_empty(),
                "source",
                &s.id,
                "needs at least one conductor",
            );
            self.terminal(&s.at, s.at.conductors.len(), "source", &s.id);
            if let Some(from) = &s.from {
                self.terminal(from, s.at.conductors.len(), "source", &s.id);
            }
            self.positive(s.kv, "source", &s.id, "kv");
            self.positive(s.v_pu, "source", &s.id, "v_pu");
            self.finite(s.angle_deg, "source", &s.id, "angle_deg");
            match s.impedance {
                SourceImpedance::ShortCircuit {
                    mva3,
                    mva1,
                    x1r1,
                    x0r0,
                } => {
                    for (value, what) in [
                        (mva3, "mva3"),
                        (mva1, "mva1"),
                        (x1r1, "x1r1"),
                        (x0r0, "x0r0"),
                    ] {
                        self.positive(value, "source", &s.id, what);
                    }
                }
                SourceImpedance::Sequence { r1, x1, r0, x0 } => {
                    for (value, what) in [(r1, "r1"), (x1, "x1"), (r0, "r0"), (x0, "x0")] {
                        self.finite(value, "source", &s.id, what);
                    }
                    self.need(
                        r1 != 0.0 || x1 != 0.0,
                        "source",
                        &s.id,
                        "r1 and x1 may not both be zero",
                    );
                }
            }
        }
    }

    fn impedance(&mut self, z: &LineImpedance, n: usize, kind: &'static str, id: &str) {
        match z {
            LineImpedance::Sequence {
                r1,
                x1,
                r0,
                x0,
                c1_nf,
                c0_nf,
            } => {
                for (value, what) in [
                    (r1, "r1"),
                    (x1, "x1"),
                    (r0, "r0"),
                    (x0, "x0"),
                    (c1_nf, "c1_nf"),
                    (c0_nf, "c0_nf"),
                ] {
                    self.finite(*value, kind, id, what);
                }
                self.need(
                    *r1 != 0.0 || *x1 != 0.0,
                    kind,
                    id,
                    "r1 and x1 may not both be zero",
                );
            }
            LineImpedance::Matrix { r, x, c_nf } => {
                self.triangle(r, n, kind, id, "r");
                self.triangle(x, n, kind, id, "x");
                if !c_nf.is_empty() {
                    self.triangle(c_nf, n, kind, id, "c_nf");
                }
            }
        }
    }

    fn triangle(&mut self, rows: &[Vec<f64>], n: usize, kind: &'static str, id: &str, what: &str) {
        let shape = rows.len() == n && rows.iter().enumerate().all(|(i, r)| r.len() == i + 1);
        self.need(
            shape,
            kind,
            id,
            format!("matrix {what} must have {n} rows of 1 to {n} values (lower triangle)"),
        );
        self.need(
            rows.iter().flatten().all(|v| v.is_finite()),
            kind,
            id,
            format!("matrix {what} contains a value that is not finite"),
        );
    }

    fn codes(&mut self) {
        for code in &self.case.line_codes {
            self.need(
                code.conductors > 0,
                "line code",
                &code.id,
                "needs at least one conductor",
            );
            self.impedance(
                &code.per_km,
                usize::from(code.conductors),
                "line code",
                &code.id,
            );
        }
    }

    fn lines(&mut self) {
        for line in &self.case.lines {
            let n = line.from.conductors.len();
            self.need(n > 0, "line", &line.id, "needs at least one conductor");
            self.terminal(&line.from, n, "line", &line.id);
            self.terminal(&line.to, n, "line", &line.id);
            self.positive(line.km, "line", &line.id, "km");
            if let Some(amps) = line.norm_amps {
                self.finite(amps, "line", &line.id, "norm_amps");
            }
            match (&line.per_km, line.code.as_str()) {
                (Some(z), "") => self.impedance(z, n, "line", &line.id),
                (None, "") => self.say("line", &line.id, "needs `code` or `per_km`"),
                (Some(_), _) => self.say("line", &line.id, "has both `code` and `per_km`"),
                (None, code) => match self.codes.get(code) {
                    None => self.say(
                        "line",
                        &line.id,
                        format!("line code `{code}` does not exist"),
                    ),
                    Some(code) => self.need(
                        usize::from(code.conductors) == n,
                        "line",
                        &line.id,
                        format!(
                            "has {n} conductors, its line code `{}` has {}",
                            code.id, code.conductors
                        ),
                    ),
                },
            }
        }
    }

    fn switches(&mut self) {
        let lines: BTreeMap<&str, ()> = self
            .case
            .lines
            .iter()
            .map(|l| (l.id.as_str(), ()))
            .collect();
        for switch in &self.case.switches {
            self.need(
                lines.contains_key(switch.line.as_str()),
                "switch",
                &switch.id,
                format!("line `{}` does not exist", switch.line),
            );
        }
    }

    fn transformers(&mut self) {
        for t in &self.case.transformers {
            let phases = usize::from(t.phases);
            let n = t.windings.len();
            self.need(phases > 0, "transformer", &t.id, "needs at least one phase");
            self.need(n >= 2, "transformer", &t.id, "needs at least two windings");
            self.need(
                t.x_percent.len() == n * n.saturating_sub(1) / 2,
                "transformer",
                &t.id,
                format!(
                    "{} windings need {} reactances in x_percent, {} given",
                    n,
                    n * n.saturating_sub(1) / 2,
                    t.x_percent.len()
                ),
            );
            for &x in &t.x_percent {
                self.finite(x, "transformer", &t.id, "x_percent");
                self.need(x != 0.0, "transformer", &t.id, "x_percent may not be zero");
            }
            for w in &t.windings {
                let need = t.winding_conductors(w.connection);
                self.terminal(&w.at, need, "transformer", &t.id);
                self.positive(w.kv, "transformer", &t.id, "kv");
                self.positive(w.kva, "transformer", &t.id, "kva");
                self.positive(w.tap_pu, "transformer", &t.id, "tap_pu");
                self.finite(w.r_percent, "transformer", &t.id, "r_percent");
            }
            self.finite(t.antifloat_ppm, "transformer", &t.id, "antifloat_ppm");
        }
        let known: BTreeMap<&str, &Transformer> = self
            .case
            .transformers
            .iter()
            .map(|t| (t.id.as_str(), t))
            .collect();
        for r in &self.case.regulators {
            match known.get(r.transformer.as_str()) {
                None => self.say(
                    "regulator",
                    &r.id,
                    format!("transformer `{}` does not exist", r.transformer),
                ),
                Some(t) => {
                    let n = t.windings.len();
                    let ok = |w: u8| w >= 1 && usize::from(w) <= n;
                    self.need(
                        ok(r.winding) && ok(r.tap_winding),
                        "regulator",
                        &r.id,
                        format!("transformer `{}` has windings 1 to {n}", t.id),
                    );
                }
            }
            if let Some(remote) = &r.remote {
                self.terminal(remote, remote.conductors.len(), "regulator", &r.id);
            }
            self.need(
                r.ct_primary_a.is_finite() && r.ct_primary_a > 0.0,
                "regulator",
                &r.id,
                "ct_primary_a must be a positive number",
            );
            self.positive(r.v_set, "regulator", &r.id, "v_set");
            self.positive(r.band_v, "regulator", &r.id, "band_v");
            self.positive(r.pt_ratio, "regulator", &r.id, "pt_ratio");
        }
    }

    fn shunts(&mut self) {
        for c in &self.case.capacitors {
            let phases = usize::from(c.phases);
            let n = delta_or(c.connection, phases, phases);
            self.terminal(&c.at, n, "capacitor", &c.id);
            if let Some(to) = &c.to {
                self.terminal(to, phases, "capacitor", &c.id);
            }
            self.positive(c.kv, "capacitor", &c.id, "kv");
            self.positive(c.kvar, "capacitor", &c.id, "kvar");
        }
        for r in &self.case.reactors {
            let phases = usize::from(r.phases);
            let n = delta_or(r.connection, phases, phases);
            self.terminal(&r.at, n, "reactor", &r.id);
            if let Some(to) = &r.to {
                self.terminal(to, phases, "reactor", &r.id);
            }
            self.finite(r.r_ohm, "reactor", &r.id, "r_ohm");
            self.finite(r.x_ohm, "reactor", &r.id, "x_ohm");
            self.need(
                r.r_ohm != 0.0 || r.x_ohm != 0.0,
                "reactor",
                &r.id,
                "r_ohm and x_ohm may not both be zero",
            );
        }
    }

    fn loads(&mut self) {
        for l in &self.case.loads {
            let n = port_conductors(l.connection, l.phases);
            self.terminal(&l.at, n, "load", &l.id);
            self.need(l.phases > 0, "load", &l.id, "needs at least one phase");
            self.positive(l.kv, "load", &l.id, "kv");
            self.finite(l.kw, "load", &l.id, "kw");
            self.finite(l.kvar, "load", &l.id, "kvar");
            self.band(&l.band, "load", &l.id);
        }
        for g in &self.case.generators {
            let n = port_conductors(g.connection, g.phases);
            self.terminal(&g.at, n, "generator", &g.id);
            self.need(g.phases > 0, "generator", &g.id, "needs at least one phase");
            self.positive(g.kv, "generator", &g.id, "kv");
            self.finite(g.kw, "generator", &g.id, "kw");
            self.finite(g.kvar, "generator", &g.id, "kvar");
            self.band(&g.band, "generator", &g.id);
        }
    }

    fn band(&mut self, band: &VoltageBand, kind: &'static str, id: &str) {
        let ok = band.min_pu.is_finite()
            && band.max_pu.is_finite()
            && band.low_pu.is_finite()
            && band.min_pu >= 0.0
            && band.max_pu > band.min_pu;
        self.need(ok, kind, id, "band needs 0 <= min_pu < max_pu");
    }
}

fn delta_or(connection: Connection, phases: usize, wye: usize) -> usize {
    match connection {
        Connection::Delta if phases < 3 => phases + 1,
        Connection::Delta => phases,
        Connection::Wye => wye,
    }
}

/// Conductors of a load or generator terminal.
pub(super) fn port_conductors(connection: Connection, phases: u8) -> usize {
    let phases = usize::from(phases);
    delta_or(connection, phases, phases + 1)
}

impl Transformer {
    /// Conductors that a winding of this transformer lists.
    pub fn winding_conductors(&self, connection: Connection) -> usize {
        let phases = usize::from(self.phases);
        delta_or(connection, phases, phases + 1)
    }
}
