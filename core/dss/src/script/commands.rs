//! Commands that change elements already defined, options and coordinates.

use crate::lexer::Param;
use crate::{DssError, Place, Severity};

use super::{EarthModel, Script};

impl Script<'_> {
    pub(super) fn batch_edit(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        let Some(first) = params.first() else {
            return self.syntax(at, "`batchedit` names no elements");
        };
        let (class, pattern) = self.class_and_name(&first.value, at)?;
        let pattern = pattern.to_lowercase();
        let matching: Vec<usize> = (0..self.objects.len())
            .filter(|&i| {
                self.objects[i].class.name == class.name && matches(&pattern, &self.objects[i].name)
            })
            .collect();
        if matching.is_empty() {
            self.find(
                Severity::Warning,
                at,
                format!("no {} matches `{pattern}`", class.name),
            );
        }
        for i in matching {
            self.active = Some(i);
            self.last_property = None;
            self.assign(&params[1..], at)?;
        }
        Ok(())
    }

    pub(super) fn redirect(
        &mut self,
        params: &[Param],
        at: &Place,
        depth: usize,
    ) -> Result<(), DssError> {
        let Some(first) = params.first() else {
            return self.syntax(at, "no file is named");
        };
        let name = first.value.text.trim().replace('\\', "/");
        self.run_file(&Self::directory(at).join(name), at, depth + 1)
    }

    pub(super) fn operate(
        &mut self,
        params: &[Param],
        at: &Place,
        open: bool,
    ) -> Result<(), DssError> {
        self.select(&params[..params.len().min(1)], at)?;
        let terminal = match params.get(1) {
            Some(p) => p.value.count().map_err(|message| DssError::Syntax {
                at: at.clone(),
                message,
            })?,
            None => 1,
        };
        if params.len() > 2 {
            self.find(
                Severity::Warning,
                at,
                "single conductors cannot be operated; the whole terminal is",
            );
        }
        if let Some(active) = self.active {
            let list = &mut self.objects[active].open;
            list.retain(|t| *t != terminal);
            if open {
                list.push(terminal);
            }
        }
        Ok(())
    }

    pub(super) fn enable(
        &mut self,
        params: &[Param],
        at: &Place,
        enable: bool,
    ) -> Result<(), DssError> {
        self.select(params, at)?;
        if let Some(active) = self.active {
            self.objects[active].enabled = enable;
        }
        Ok(())
    }

    pub(super) fn set_kv_base(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        let by = |name: &str, position: usize| {
            params
                .iter()
                .find(|p| p.name.starts_with(name))
                .or_else(|| params.get(position).filter(|p| p.name.is_empty()))
        };
        let (Some(bus), Some(kv)) = (by("bus", 0), by("kv", 1)) else {
            return self.syntax(at, "`setkvbase` needs a bus and a voltage");
        };
        let bus = bus.value.text.to_lowercase();
        match kv.value.number() {
            Ok(volts) if kv.name == "kvln" => {
                self.set_bases.push((bus, volts * 3.0_f64.sqrt()));
                Ok(())
            }
            Ok(volts) => {
                self.set_bases.push((bus, volts));
                Ok(())
            }
            Err(message) => self.syntax(at, message),
        }
    }

    pub(super) fn bus_coords(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        let Some(first) = params.first() else {
            return self.syntax(at, "no file is named");
        };
        let name = first.value.text.trim().replace('\\', "/");
        let (path, text) = self.read(&Self::directory(at).join(name), at)?;
        for (i, line) in text.lines().enumerate() {
            let cells: Vec<&str> = line
                .split([',', ' ', '\t', ';'])
                .filter(|c| !c.is_empty())
                .collect();
            let [bus, x, y, ..] = cells.as_slice() else {
                continue;
            };
            match (x.parse::<f64>(), y.parse::<f64>()) {
                (Ok(x), Ok(y)) if x.is_finite() && y.is_finite() => {
                    self.coordinates
                        .insert(bus.trim_matches('"').to_lowercase(), (x, y));
                }
                _ => {
                    let at = Place {
                        file: path.display().to_string(),
                        line: i + 1,
                    };
                    self.find(Severity::Warning, &at, "coordinates that are not numbers");
                }
            }
        }
        Ok(())
    }

    pub(super) fn set(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        for param in params {
            let name = param.name.as_str();
            let value = &param.value;
            let number = || {
                value.number().map_err(|message| DssError::Syntax {
                    at: at.clone(),
                    message,
                })
            };
            if "defaultbasefrequency".starts_with(name) && name.starts_with("defaultb") {
                self.frequency_hz = number()?;
            } else if name == "loadmult" {
                self.load_mult = number()?;
            } else if "voltagebases".starts_with(name) && name.starts_with("volt") {
                self.voltage_bases_kv = value.numbers().map_err(|message| DssError::Syntax {
                    at: at.clone(),
                    message,
                })?;
            } else if name == "earthmodel" {
                self.carson = EarthModel::of(&value.text);
            } else {
                self.find(
                    Severity::Note,
                    at,
                    format!("option `{name}` does not change the network"),
                );
            }
        }
        Ok(())
    }
}

/// Whether a name matches a pattern of `batchedit`: `.*` and `*` stand for anything, `.` for one letter.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.replace(".*", "*").chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Which prefixes of the name each prefix of the pattern can match.
    let mut reach = vec![false; name.len() + 1];
    reach[0] = true;
    for &p in &pattern {
        let mut next = vec![false; name.len() + 1];
        match p {
            '*' => {
                let mut any = false;
                for i in 0..=name.len() {
                    any |= reach[i];
                    next[i] = any;
                }
            }
            _ => {
                for i in 0..name.len() {
                    next[i + 1] = reach[i] && (p == '.' || p == name[i]);
                }
            }
        }
        reach = next;
    }
    reach[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_the_batch_command() {
        assert!(matches("*", "anything"));
        assert!(matches(".*", "load1"));
        assert!(matches("load.*", "load17"));
        assert!(matches("load1", "load1"));
        assert!(!matches("load1", "load12"));
    }
}
