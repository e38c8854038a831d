//! From the elements of a deck to the project's grid model.
//!
//! Every element replays its properties in the order the deck gave them, with
//! the defaults and side effects the deck language documents.

mod bases;
mod curve;
mod geometry;
mod inverter;
mod line;
mod load;
mod plant;
mod regulator;
mod shape;
mod shunt;
mod source;
mod transformer;

use std::collections::BTreeMap;
use std::path::Path;

use gridloom_model::grid::{Bus, Connection, GridCase, Problem, Terminal};

use crate::classes::Use;
use crate::lexer::Value;
use crate::script::{Assign, Object, Script};
use crate::{DssError, DssImport, Place, Severity};

/// Deck and grid during the conversion.
pub(crate) struct Convert<'f> {
    pub(crate) script: Script<'f>,
    pub(crate) case: GridCase,
    /// Line codes carried over so far, by name and length unit of the line.
    codes: BTreeMap<String, usize>,
    shapes: Vec<crate::Shape>,
    /// Buses as first written, by their name in lower case.
    bus_names: BTreeMap<String, String>,
    /// What each generator of the case is in the deck, `class.name`.
    plants: Vec<String>,
    /// What plants behind an inverter are capable of.
    capabilities: BTreeMap<usize, inverter::Capability>,
}

pub(crate) fn convert(script: Script<'_>, path: &Path) -> Result<DssImport, DssError> {
    let file = path.display().to_string();
    let Some(name) = script.circuit.clone() else {
        return Err(DssError::NoCircuit { file });
    };
    let mut case = GridCase::empty(name, script.frequency_hz);
    case.source = format!("OpenDSS deck {}", file_name(path));
    let mut convert = Convert {
        script,
        case,
        codes: BTreeMap::new(),
        shapes: Vec::new(),
        bus_names: BTreeMap::new(),
        plants: Vec::new(),
        capabilities: BTreeMap::new(),
    };
    convert.elements()?;
    convert.buses();
    convert.voltage_bases(&file)?;
    let problems = convert.case.validate();
    if let Some(problem) = problems.first() {
        let more = match problems.len() {
            1 => String::new(),
            n => format!(" (and {} more problems)", n - 1),
        };
        let message = format!("{problem}{more}");
        return Err(match convert.place_of(problem) {
            Some(at) => DssError::Syntax { at, message },
            None => DssError::Network { file, message },
        });
    }
    let mut report = convert.script.findings;
    if convert.script.dropped_findings > 0 {
        report.push(crate::Finding {
            severity: Severity::Note,
            at: Place { file, line: 0 },
            message: format!(
                "{} more findings not listed",
                convert.script.dropped_findings
            ),
        });
    }
    Ok(DssImport {
        case: convert.case,
        shapes: convert.shapes,
        report,
    })
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

impl Convert<'_> {
    fn elements(&mut self) -> Result<(), DssError> {
        let objects = self.script.objects.clone();
        for object in &objects {
            if !object.enabled {
                self.script.find(
                    Severity::Note,
                    &object.at,
                    format!("{}.{} is not enabled", object.class.name, object.name),
                );
                continue;
            }
            if object.class.use_of != Use::Model {
                continue;
            }
            match object.class.name {
                "vsource" => self.source(object)?,
                "line" => self.line(object)?,
                "transformer" => self.transformer(object)?,
                "regcontrol" => self.regulator(object)?,
                "load" => self.load(object)?,
                "capacitor" => self.capacitor(object)?,
                "reactor" => self.reactor(object)?,
                "generator" => self.generator(object)?,
                "pvsystem" => self.pv(object)?,
                "storage" => self.storage(object)?,
                "loadshape" => self.shape(object)?,
                "fault" => self.fault(object)?,
                // Looked up by the elements that use them, or below.
                _ => {}
            }
        }
        for object in objects.iter().filter(|o| o.enabled) {
            match object.class.name {
                "invcontrol" => self.inverter_control(object)?,
                "capcontrol" => self.capacitor_control(object)?,
                "swtcontrol" => self.switch_control(object)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Buses in the order in which elements first name them.
    fn buses(&mut self) {
        let case = &self.case;
        let mut names: Vec<&str> = Vec::new();
        names.extend(case.sources.iter().map(|s| s.at.bus.as_str()));
        for line in &case.lines {
            names.push(&line.from.bus);
            names.push(&line.to.bus);
        }
        for t in &case.transformers {
            names.extend(t.windings.iter().map(|w| w.at.bus.as_str()));
        }
        names.extend(case.capacitors.iter().map(|c| c.at.bus.as_str()));
        names.extend(
            case.capacitors
                .iter()
                .filter_map(|c| c.to.as_ref().map(|t| t.bus.as_str())),
        );
        names.extend(case.reactors.iter().map(|r| r.at.bus.as_str()));
        names.extend(
            case.reactors
                .iter()
                .filter_map(|r| r.to.as_ref().map(|t| t.bus.as_str())),
        );
        names.extend(case.loads.iter().map(|l| l.at.bus.as_str()));
        names.extend(case.generators.iter().map(|g| g.at.bus.as_str()));
        let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
        let mut buses = Vec::new();
        for name in names {
            if seen.insert(name, ()).is_none() {
                buses.push(Bus {
                    id: name.to_owned(),
                    kv_ln: 0.0,
                    xy: self.script.coordinates.get(&name.to_lowercase()).copied(),
                });
            }
        }
        self.case.buses = buses;
    }

    /// Conductors of a bus text: those written, then 1 to `phases`, then earth.
    pub(crate) fn terminal(
        &mut self,
        value: &Value,
        phases: usize,
        conductors: usize,
    ) -> Result<Terminal, DssError> {
        let mut parts = value.text.trim().split('.');
        let written = parts.next().unwrap_or_default().trim();
        if written.is_empty() {
            return syntax(&value.at, "the bus has no name");
        }
        let bus = self
            .bus_names
            .entry(written.to_lowercase())
            .or_insert_with(|| written.to_owned())
            .clone();
        let mut nodes: Vec<u8> = (1..=conductors)
            .map(|i| if i <= phases { i as u8 } else { 0 })
            .collect();
        for (i, part) in parts.enumerate() {
            let Ok(node) = part.trim().parse::<u8>() else {
                return syntax(&value.at, format!("node `{part}` of `{}`", value.text));
            };
            if let Some(place) = nodes.get_mut(i) {
                *place = node;
            }
        }
        Ok(Terminal {
            bus,
            conductors: nodes,
        })
    }

    /// Where the element stands that a problem of the grid is about.
    fn place_of(&self, problem: &Problem) -> Option<Place> {
        let name = problem.id.to_lowercase();
        let kind: String = problem.kind.chars().filter(|c| *c != ' ').collect();
        let class = match kind.as_str() {
            "source" => "vsource",
            "regulator" => "regcontrol",
            "capacitorcontrol" => "capcontrol",
            other => other,
        };
        let objects = &self.script.objects;
        objects
            .iter()
            .find(|o| o.class.name == class && o.name == name)
            .or_else(|| objects.iter().find(|o| o.name == name))
            .map(|o| o.at.clone())
    }

    /// Name of an element as first written.
    pub(crate) fn label(&self, class: &str, name: &str) -> Option<String> {
        self.script.object(class, name).map(|o| o.label.clone())
    }

    pub(crate) fn skip(&mut self, object: &Object, assign: &Assign, what: &str) {
        self.script.find(
            Severity::Warning,
            &assign.value.at,
            format!(
                "property `{}` of {}.{} {what}",
                assign.property, object.class.name, object.name
            ),
        );
    }
}

pub(crate) fn syntax<T>(at: &Place, message: impl Into<String>) -> Result<T, DssError> {
    Err(DssError::Syntax {
        at: at.clone(),
        message: message.into(),
    })
}

/// Number of a property, with the place of the text in the error.
pub(crate) fn number(assign: &Assign) -> Result<f64, DssError> {
    assign.value.number().or_else(|message| {
        syntax(
            &assign.value.at,
            format!("property `{}`: {message}", assign.property),
        )
    })
}

/// List of numbers of a property.
pub(crate) fn numbers(assign: &Assign) -> Result<Vec<f64>, DssError> {
    assign.value.numbers().or_else(|message| {
        syntax(
            &assign.value.at,
            format!("property `{}`: {message}", assign.property),
        )
    })
}

/// Most phases or conductors of one element.
const MAX_CONDUCTORS: usize = 64;

/// Count of a property, at least one and within reason.
pub(crate) fn count(assign: &Assign) -> Result<usize, DssError> {
    match assign.value.count() {
        Ok(n) if (1..=MAX_CONDUCTORS).contains(&n) => Ok(n),
        Ok(n) => syntax(
            &assign.value.at,
            format!(
                "property `{}` is {n}, 1 to {MAX_CONDUCTORS} allowed",
                assign.property
            ),
        ),
        Err(message) => syntax(
            &assign.value.at,
            format!("property `{}`: {message}", assign.property),
        ),
    }
}

/// Connection by its first letters: `wye`, `y`, `ln`, `delta`, `ll`.
pub(crate) fn connection(text: &str) -> Connection {
    let lower = text.trim().to_lowercase();
    if lower.starts_with('d') || lower == "ll" {
        Connection::Delta
    } else {
        Connection::Wye
    }
}

/// Metres of a length unit; `None` for no or an unknown unit.
pub(crate) fn metres(unit: &str) -> Option<f64> {
    let lower = unit.trim().to_lowercase();
    let two: String = lower.chars().take(2).collect();
    Some(match two.as_str() {
        "mi" => 1609.344,
        "kf" => 304.8,
        "km" => 1000.0,
        "m" | "me" => 1.0,
        "ft" => 0.3048,
        "in" => 0.0254,
        "cm" => 0.01,
        "mm" => 0.001,
        _ => return None,
    })
}
