//! Runs the commands of a deck and collects the elements they define.

mod commands;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::classes::{Class, Use};
use crate::lexer::{self, Param, Value};
use crate::{DssError, Finding, Place, Severity};

/// Depth of redirections.
pub const MAX_DEPTH: usize = 32;

/// Lines of a deck with everything it redirects to.
pub const MAX_LINES: usize = 5_000_000;

/// Findings kept; more are counted only.
const MAX_FINDINGS: usize = 10_000;

/// Where decks are read from.
pub trait Files {
    /// Content of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> Result<String, String>;

    /// Names in a directory, for decks written with another case than the files.
    fn names(&self, directory: &Path) -> Vec<String>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsFiles;

impl Files for OsFiles {
    fn read(&self, path: &Path) -> Result<String, String> {
        let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
        // Decks are ASCII with stray bytes in comments.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(directory) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|e| e.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

/// A property given to an element.
#[derive(Clone, Debug)]
pub(crate) struct Assign {
    pub(crate) property: &'static str,
    pub(crate) value: Value,
    /// Directory of the file it stands in, for file names.
    pub(crate) directory: PathBuf,
}

/// An element as the deck defines it.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) class: &'static Class,
    /// Name, lower case.
    pub(crate) name: String,
    /// Name as first written.
    pub(crate) label: String,
    pub(crate) at: Place,
    pub(crate) assigns: Vec<Assign>,
    pub(crate) enabled: bool,
    /// Terminals opened by command.
    pub(crate) open: Vec<usize>,
}

/// State of a deck while it runs.
pub(crate) struct Script<'f> {
    pub(crate) files: &'f dyn Files,
    pub(crate) objects: Vec<Object>,
    index: BTreeMap<(&'static str, String), usize>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) dropped_findings: usize,
    active: Option<usize>,
    last_property: Option<&'static str>,
    pub(crate) frequency_hz: f64,
    pub(crate) circuit: Option<String>,
    pub(crate) load_mult: f64,
    pub(crate) carson: EarthModel,
    pub(crate) voltage_bases_kv: Vec<f64>,
    /// Bases are to be found from the no-load voltages.
    pub(crate) calc_bases: bool,
    /// Bases set by hand after that: bus and kV line to line.
    pub(crate) set_bases: Vec<(String, f64)>,
    pub(crate) coordinates: BTreeMap<String, (f64, f64)>,
    lines: usize,
}

/// Earth return of line geometries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarthModel {
    /// Simplified Carson.
    Carson,
    /// Full Carson series.
    FullCarson,
    /// Deri-Semlyen.
    Deri,
}

impl EarthModel {
    /// By its first letter, as the deck language does.
    pub(crate) fn of(text: &str) -> Self {
        match text.trim().to_lowercase().chars().next() {
            Some('c') => Self::Carson,
            Some('f') => Self::FullCarson,
            _ => Self::Deri,
        }
    }
}

impl<'f> Script<'f> {
    pub(crate) fn new(files: &'f dyn Files) -> Self {
        Self {
            files,
            objects: Vec::new(),
            index: BTreeMap::new(),
            findings: Vec::new(),
            dropped_findings: 0,
            active: None,
            last_property: None,
            frequency_hz: 60.0,
            circuit: None,
            load_mult: 1.0,
            carson: EarthModel::Deri,
            voltage_bases_kv: Vec::new(),
            calc_bases: false,
            set_bases: Vec::new(),
            coordinates: BTreeMap::new(),
            lines: 0,
        }
    }

    pub(crate) fn find(&mut self, severity: Severity, at: &Place, message: impl Into<String>) {
        if self.findings.len() >= MAX_FINDINGS {
            self.dropped_findings += 1;
            return;
        }
        self.findings.push(Finding {
            severity,
            at: at.clone(),
            message: message.into(),
        });
    }

    pub(crate) fn object(&self, class: &str, name: &str) -> Option<&Object> {
        let class = Class::find(class)?.name;
        let at = self.index.get(&(class, name.to_lowercase()))?;
        self.objects.get(*at)
    }

    /// Runs a file.
    pub(crate) fn run_file(
        &mut self,
        path: &Path,
        from: &Place,
        depth: usize,
    ) -> Result<(), DssError> {
        if depth > MAX_DEPTH {
            return Err(DssError::Limit {
                at: from.clone(),
                message: format!("files redirect more than {MAX_DEPTH} levels deep"),
            });
        }
        let (path, text) = self.read(path, from)?;
        let file = path.display().to_string();
        let mut in_block = false;
        for (i, raw) in text.lines().enumerate() {
            self.lines += 1;
            let at = Place {
                file: file.clone(),
                line: i + 1,
            };
            if self.lines > MAX_LINES {
                return Err(DssError::Limit {
                    at,
                    message: format!("the deck has more than {MAX_LINES} lines"),
                });
            }
            let line = lexer::strip_comment(raw, &mut in_block);
            self.run_line(&line, &at, depth)?;
        }
        Ok(())
    }

    /// Reads a file whose name may be written in another case.
    pub(crate) fn read(&self, path: &Path, from: &Place) -> Result<(PathBuf, String), DssError> {
        let first = match self.files.read(path) {
            Ok(text) => return Ok((path.to_owned(), text)),
            Err(reason) => reason,
        };
        if let Some(found) = self.other_case(path)
            && let Ok(text) = self.files.read(&found)
        {
            return Ok((found, text));
        }
        Err(DssError::Unreadable {
            at: from.clone(),
            path: path.display().to_string(),
            reason: first,
        })
    }

    fn other_case(&self, path: &Path) -> Option<PathBuf> {
        let mut found = PathBuf::new();
        for part in path.components() {
            let name = part.as_os_str().to_str()?;
            let next = found.join(name);
            let directory = if found.as_os_str().is_empty() {
                Path::new(".")
            } else {
                found.as_path()
            };
            let real = match part {
                std::path::Component::Normal(_) => self
                    .files
                    .names(directory)
                    .into_iter()
                    .find(|n| n.eq_ignore_ascii_case(name)),
                _ => None,
            };
            found = real.map_or(next, |n| found.join(n));
        }
        Some(found)
    }

    /// Runs one line without comments.
    pub(crate) fn run_line(
        &mut self,
        line: &str,
        at: &Place,
        depth: usize,
    ) -> Result<(), DssError> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        let line = match line.strip_prefix('~') {
            Some(rest) => format!("~ {rest}"),
            None => line.to_owned(),
        };
        let params = lexer::params(&line, at).map_err(|message| DssError::Syntax {
            at: at.clone(),
            message,
        })?;
        let Some(first) = params.first() else {
            return Ok(());
        };
        if !first.name.is_empty() {
            return self.direct(&params, at);
        }
        let verb = first.value.text.to_lowercase();
        let rest = &params[1..];
        match verb.as_str() {
            "new" => self.new_object(rest, at),
            "edit" => self.edit(rest, at),
            "~" | "more" | "m" => self.continue_object(rest, at),
            "batchedit" => self.batch_edit(rest, at),
            "redirect" | "compile" => self.redirect(rest, at, depth),
            "clear" | "clearall" => {
                self.clear();
                Ok(())
            }
            "set" => self.set(rest, at),
            "calcvoltagebases" | "calcv" => {
                self.calc_bases = true;
                Ok(())
            }
            "setkvbase" => self.set_kv_base(rest, at),
            "buscoords" | "latlongcoords" => self.bus_coords(rest, at),
            "open" | "close" => self.operate(rest, at, verb == "open"),
            "enable" | "disable" => self.enable(rest, at, verb == "enable"),
            "select" => self.select(rest, at),
            _ => {
                self.other(&verb, &first.value, at);
                Ok(())
            }
        }
    }

    fn clear(&mut self) {
        self.objects.clear();
        self.index.clear();
        self.active = None;
        self.last_property = None;
        self.circuit = None;
        self.calc_bases = false;
        self.set_bases.clear();
        self.coordinates.clear();
        self.load_mult = 1.0;
    }

    /// Commands that do not change the network.
    fn other(&mut self, verb: &str, value: &Value, at: &Place) {
        const REPORTING: &[&str] = &[
            "solve",
            "show",
            "plot",
            "export",
            "visualize",
            "closedi",
            "sample",
            "reset",
            "interpolate",
            "summary",
            "help",
            "comparecases",
            "calcincmatrix",
            "fileedit",
            "makebuslist",
            "var",
            "cd",
            "set",
            "get",
            "?",
            "dump",
            "save",
            "currents",
            "buildy",
            "uploads",
            "formedit",
            "init",
            "reprocessbuses",
            "cleanup",
            "alignfile",
            "relcalc",
            "addbusmarker",
            "clearbusmarkers",
            "nodediff",
            "losses",
            "voltages",
        ];
        if REPORTING.contains(&verb) {
            self.find(
                Severity::Note,
                at,
                format!("command `{verb}` does not change the network"),
            );
        } else {
            self.find(
                Severity::Loss,
                at,
                format!("command `{}` is not known and was skipped", value.text),
            );
        }
    }

    fn syntax<T>(&self, at: &Place, message: impl Into<String>) -> Result<T, DssError> {
        Err(DssError::Syntax {
            at: at.clone(),
            message: message.into(),
        })
    }

    fn directory(at: &Place) -> PathBuf {
        Path::new(&at.file)
            .parent()
            .map_or_else(PathBuf::new, Path::to_owned)
    }

    /// Class and name of `Class.Name`.
    fn class_and_name<'v>(
        &self,
        value: &'v Value,
        at: &Place,
    ) -> Result<(&'static Class, &'v str), DssError> {
        let Some((class, name)) = value.text.split_once('.') else {
            return self.syntax(at, format!("`{}` is not written class.name", value.text));
        };
        let lower = class.trim().to_lowercase();
        match Class::find(&lower) {
            Some(class) => Ok((class, name.trim())),
            None => self.syntax(at, format!("class `{class}` is not known")),
        }
    }

    fn new_object(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        let Some(first) = params.first() else {
            return self.syntax(at, "`new` names no element");
        };
        if !(first.name.is_empty() || first.name == "object") {
            return self.syntax(at, "`new` must name its element first");
        }
        if let Some((class, name)) = first.value.text.split_once('.')
            && class.eq_ignore_ascii_case("circuit")
        {
            return self.new_circuit(name, &params[1..], at);
        }
        let (class, name) = self.class_and_name(&first.value, at)?;
        if self.circuit.is_none() && class.name == "load" {
            return self.syntax(at, "an element comes before `new circuit`");
        }
        let label = name.to_owned();
        let name = name.to_lowercase();
        if class.use_of == Use::Ignored {
            self.find(
                Severity::Loss,
                at,
                format!("{}.{name} is not carried over", class.name),
            );
        } else if class.use_of == Use::Observer {
            self.find(
                Severity::Note,
                at,
                format!("{}.{name} is not needed", class.name),
            );
        }
        if self.index.contains_key(&(class.name, name.clone())) {
            self.find(
                Severity::Warning,
                at,
                format!(
                    "{}.{name} is defined again and changes the first",
                    class.name
                ),
            );
        } else {
            self.insert(class, &label, at);
        }
        self.active = self.index.get(&(class.name, name)).copied();
        self.last_property = None;
        self.assign(&params[1..], at)
    }

    fn insert(&mut self, class: &'static Class, label: &str, at: &Place) {
        let name = label.to_lowercase();
        self.index
            .insert((class.name, name.clone()), self.objects.len());
        self.objects.push(Object {
            class,
            name,
            label: label.to_owned(),
            at: at.clone(),
            assigns: Vec::new(),
            enabled: true,
            open: Vec::new(),
        });
    }

    fn new_circuit(&mut self, name: &str, params: &[Param], at: &Place) -> Result<(), DssError> {
        self.circuit = Some(name.to_owned());
        let Some(class) = Class::find("vsource") else {
            return self.syntax(at, "class `vsource` is not known");
        };
        self.insert(class, "source", at);
        self.active = Some(self.objects.len() - 1);
        self.last_property = None;
        let bus = Param {
            name: "bus1".to_owned(),
            value: Value {
                text: "sourcebus".to_owned(),
                quoted: false,
                at: at.clone(),
            },
        };
        self.assign(&[bus], at)?;
        self.last_property = None;
        self.assign(params, at)
    }

    fn edit(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        self.select(&params[..params.len().min(1)], at)?;
        self.assign(&params[1..], at)
    }

    fn select(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        let Some(first) = params.first() else {
            return self.syntax(at, "no element is named");
        };
        if first.value.text.to_lowercase().starts_with("circuit.") {
            self.active = self.index.get(&("vsource", "source".to_owned())).copied();
            self.last_property = None;
            return Ok(());
        }
        let (class, name) = self.class_and_name(&first.value, at)?;
        let key = (class.name, name.to_lowercase());
        match self.index.get(&key) {
            Some(&found) => {
                self.active = Some(found);
                self.last_property = None;
                Ok(())
            }
            None => self.syntax(at, format!("{}.{name} does not exist", class.name)),
        }
    }

    fn continue_object(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        if self.active.is_none() {
            return self.syntax(at, "there is no element to continue");
        }
        self.assign(params, at)
    }

    fn assign(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        let Some(active) = self.active else {
            return self.syntax(at, "there is no active element");
        };
        let class = self.objects[active].class;
        let directory = Self::directory(at);
        for param in params {
            let property = if param.name.is_empty() {
                class.after(self.last_property)
            } else {
                class.property(&param.name)
            };
            let Some(property) = property else {
                if class.use_of == Use::Model {
                    let what = if param.name.is_empty() {
                        &param.value.text
                    } else {
                        &param.name
                    };
                    let message = format!(
                        "property `{what}` of {}.{} is not known and was skipped",
                        class.name, self.objects[active].name
                    );
                    self.find(Severity::Loss, at, message);
                }
                continue;
            };
            self.last_property = Some(property);
            if property == "like" {
                self.like(active, &param.value, at)?;
                continue;
            }
            if property == "enabled" {
                self.objects[active].enabled = param.value.flag();
                continue;
            }
            self.objects[active].assigns.push(Assign {
                property,
                value: param.value.clone(),
                directory: directory.clone(),
            });
        }
        Ok(())
    }

    fn like(&mut self, active: usize, value: &Value, at: &Place) -> Result<(), DssError> {
        let class = self.objects[active].class;
        let name = value.text.to_lowercase();
        let name = name.rsplit('.').next().unwrap_or_default().to_owned();
        let Some(&other) = self.index.get(&(class.name, name.clone())) else {
            return self.syntax(at, format!("{}.{name} does not exist", class.name));
        };
        let copied = self.objects[other].assigns.clone();
        self.objects[active].assigns.extend(copied);
        Ok(())
    }

    /// `Class.Name.Property=value` or `Property=value` of the active element.
    fn direct(&mut self, params: &[Param], at: &Place) -> Result<(), DssError> {
        let name = params[0].name.clone();
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            [class, object, property] => {
                let Some(class) = Class::find(class) else {
                    return self.syntax(at, format!("class `{class}` is not known"));
                };
                let Some(&found) = self.index.get(&(class.name, (*object).to_owned())) else {
                    return self.syntax(at, format!("{}.{object} does not exist", class.name));
                };
                self.active = Some(found);
                self.last_property = None;
                let mut params = params.to_vec();
                params[0].name = (*property).to_owned();
                self.assign(&params, at)
            }
            _ => {
                let message = format!("`{name}` names no element");
                self.syntax(at, message)
            }
        }
    }
}
