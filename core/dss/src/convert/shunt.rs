//! Capacitors and reactors.

use gridloom_model::grid::{Capacitor, LineEnd, Reactor, Switch};

use super::*;

/// Connection data that both kinds share.
struct Place2 {
    bus1: Option<Value>,
    bus2: Option<Value>,
    phases: usize,
    connection: Connection,
}

impl Place2 {
    fn new() -> Self {
        Self {
            bus1: None,
            bus2: None,
            phases: 3,
            connection: Connection::Wye,
        }
    }

    /// Takes a property; `false` when it is none of these.
    fn take(&mut self, a: &Assign) -> Result<bool, DssError> {
        match a.property {
            "bus1" => self.bus1 = Some(a.value.clone()),
            "bus2" => self.bus2 = Some(a.value.clone()),
            "phases" => self.phases = count(a)?,
            "conn" => self.connection = connection(&a.value.text),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn terminals(
        &self,
        convert: &mut Convert<'_>,
        object: &Object,
    ) -> Result<(Terminal, Option<Terminal>), DssError> {
        let Some(bus1) = &self.bus1 else {
            return syntax(
                &object.at,
                format!("{}.{} has no bus", object.class.name, object.name),
            );
        };
        let n = match self.connection {
            Connection::Delta if self.phases < 3 => self.phases + 1,
            _ => self.phases,
        };
        let at = convert.terminal(bus1, self.phases, n)?;
        let to = match (&self.bus2, self.connection) {
            (Some(bus2), Connection::Wye) => Some(convert.terminal(bus2, self.phases, n)?),
            _ => None,
        };
        Ok((at, to))
    }
}

impl Convert<'_> {
    pub(super) fn capacitor(&mut self, object: &Object) -> Result<(), DssError> {
        let mut place = Place2::new();
        let (mut kv, mut kvar, mut r_ohm) = (12.47, vec![1200.0], 0.0);
        let mut states: Option<Vec<f64>> = None;
        let mut steps = 1;
        for a in &object.assigns {
            if place.take(a)? {
                continue;
            }
            match a.property {
                "kv" => kv = number(a)?,
                "kvar" => kvar = numbers(a)?,
                "r" => r_ohm = numbers(a)?.first().copied().unwrap_or(0.0),
                "states" => states = Some(numbers(a)?),
                "numsteps" => steps = count(a)?,
                "cmatrix" | "cuf" | "harm" | "xl" => self.skip(object, a, "is not carried over"),
                _ => {}
            }
        }
        let (at, to) = place.terminals(self, object)?;
        let on: f64 = match &states {
            None => kvar.iter().sum(),
            Some(states) => kvar
                .iter()
                .zip(states)
                .filter(|(_, s)| **s != 0.0)
                .map(|(k, _)| k)
                .sum(),
        };
        let total: f64 = kvar.iter().sum();
        let whole = on == total || on == 0.0;
        if !whole {
            // The steps in service become one bank that is not switched by step.
            steps = 1;
        }
        self.case.capacitors.push(Capacitor {
            id: object.label.clone(),
            at,
            to,
            connection: place.connection,
            phases: place.phases as u8,
            kv,
            kvar: if on > 0.0 { on } else { total },
            r_ohm,
            steps: steps as u16,
            closed: on > 0.0 && object.open.is_empty(),
        });
        Ok(())
    }

    pub(super) fn reactor(&mut self, object: &Object) -> Result<(), DssError> {
        let mut place = Place2::new();
        let (mut kv, mut kvar) = (12.47, 100.0);
        let (mut r, mut x, mut rp) = (0.0, 0.0, 0.0);
        let mut by_kvar = true;
        for a in &object.assigns {
            if place.take(a)? {
                continue;
            }
            match a.property {
                "kv" => kv = number(a)?,
                "kvar" => (kvar, by_kvar) = (number(a)?, true),
                // A resistance alone leaves the reactance that the rating gives.
                "r" => r = number(a)?,
                "x" => (x, by_kvar) = (number(a)?, false),
                "rp" => rp = number(a)?,
                "lmh" => {
                    let w = 2.0 * core::f64::consts::PI * self.script.frequency_hz;
                    (x, by_kvar) = (number(a)? / 1000.0 * w, false);
                }
                "z" => match numbers(a)?.as_slice() {
                    [re, im, ..] => (r, x, by_kvar) = (*re, *im, false),
                    _ => return syntax(&a.value.at, "`z` needs two values"),
                },
                "rmatrix" | "xmatrix" | "z1" | "z2" | "z0" | "rcurve" | "lcurve" => {
                    return syntax(
                        &a.value.at,
                        format!("property `{}` of a reactor is not supported", a.property),
                    );
                }
                _ => {}
            }
        }
        let phases = place.phases;
        if by_kvar {
            let phase_kv = match place.connection {
                Connection::Wye if phases == 2 || phases == 3 => kv / 3.0_f64.sqrt(),
                _ => kv,
            };
            x = phase_kv * phase_kv * 1000.0 / (kvar / phases as f64);
        }
        let (at, to) = place.terminals(self, object)?;
        self.case.reactors.push(Reactor {
            id: object.label.clone(),
            at,
            to,
            connection: place.connection,
            phases: phases as u8,
            r_ohm: r,
            x_ohm: x,
            g_parallel_s: if rp == 0.0 { 0.0 } else { 1.0 / rp },
        });
        Ok(())
    }

    /// A fault of the deck that stands from the start: resistances.
    pub(super) fn fault(&mut self, object: &Object) -> Result<(), DssError> {
        let mut place = Place2::new();
        place.phases = 1;
        let (mut r_ohm, mut on_time_s) = (1e-4, 0.0);
        for a in &object.assigns {
            if place.take(a)? {
                continue;
            }
            match a.property {
                "r" => r_ohm = number(a)?,
                "ontime" => on_time_s = number(a)?,
                "gmatrix" => {
                    return syntax(
                        &a.value.at,
                        "property `gmatrix` of a fault is not supported",
                    );
                }
                _ => {}
            }
        }
        if on_time_s > 0.0 {
            self.script.find(
                Severity::Note,
                &object.at,
                format!("fault.{} is not there yet at the start", object.name),
            );
            return Ok(());
        }
        let (at, to) = place.terminals(self, object)?;
        self.case.reactors.push(Reactor {
            id: format!("fault.{}", object.label),
            at,
            to,
            connection: place.connection,
            phases: place.phases as u8,
            r_ohm,
            x_ohm: 0.0,
            g_parallel_s: 0.0,
        });
        Ok(())
    }

    /// A control of a switch: its state at the start.
    pub(super) fn switch_control(&mut self, object: &Object) -> Result<(), DssError> {
        let (mut switched, mut terminal, mut state) = (String::new(), 1, None);
        let mut normal = None;
        for a in &object.assigns {
            let opens = a.value.text.to_lowercase().starts_with('o');
            match a.property {
                "switchedobj" => switched = a.value.text.to_lowercase(),
                "switchedterm" => terminal = count(a)?,
                "action" | "state" => state = Some(opens),
                "normal" => normal = Some(opens),
                _ => {}
            }
        }
        if state.or(normal) != Some(true) {
            return Ok(());
        }
        let end = if terminal == 2 {
            LineEnd::To
        } else {
            LineEnd::From
        };
        let line = switched
            .strip_prefix("line.")
            .and_then(|name| self.label("line", name));
        let Some(line) = line else {
            self.script.find(
                Severity::Loss,
                &object.at,
                format!(
                    "swtcontrol.{}: opening `{switched}` is not carried over",
                    object.name
                ),
            );
            return Ok(());
        };
        match self
            .case
            .switches
            .iter_mut()
            .find(|s| s.line == line && s.end == end)
        {
            Some(switch) => switch.closed = false,
            None => self.case.switches.push(Switch {
                id: object.label.clone(),
                line,
                end,
                closed: false,
            }),
        }
        Ok(())
    }
}
