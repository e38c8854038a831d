//! Reader of OpenDSS decks and importer of public profile data.
//!
//! [`load_deck`] reads a deck with everything it redirects to and turns it
//! into the project's own grid model. What the reader does not carry over is
//! reported with file and line, never dropped in silence.
#![deny(missing_docs)]

pub mod bench;
mod classes;
mod convert;
pub mod gates;
mod import;
mod lexer;
mod script;

pub use import::{ImportError, ImportedDeck, SolarDay, import_csv_profile, import_deck};
pub use script::{Files, MAX_DEPTH, MAX_LINES, OsFiles};

use std::fmt;
use std::path::Path;

use gridloom_model::grid::GridCase;

/// A line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// File as it was opened.
    pub file: String,
    /// Line from 1; 0 when it concerns the file as a whole.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Read and not needed for the physics.
    Note,
    /// Understood in part, or assumed.
    Warning,
    /// Part of the network that is missing from the result.
    Loss,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Loss => "loss",
        })
    }
}

/// Something the reader wants to say about a deck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where it stands.
    pub at: Place,
    /// What it is.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.at, self.severity, self.message)
    }
}

/// Why a deck cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DssError {
    /// A file cannot be opened.
    #[error("{at}: cannot read `{path}`: {reason}")]
    Unreadable {
        /// The line that names it.
        at: Place,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The deck says something that cannot be understood.
    #[error("{at}: {message}")]
    Syntax {
        /// Where.
        at: Place,
        /// What.
        message: String,
    },
    /// Files redirect to each other without end, or the deck is too long.
    #[error("{at}: {message}")]
    Limit {
        /// Where.
        at: Place,
        /// Which limit.
        message: String,
    },
    /// The deck defines no circuit.
    #[error("{file}:1: no circuit is defined")]
    NoCircuit {
        /// The deck.
        file: String,
    },
    /// The network that the deck describes cannot be built.
    #[error("{file}: {message}")]
    Network {
        /// The deck.
        file: String,
        /// What is wrong.
        message: String,
    },
}

/// A daily, yearly or duty shape of a deck.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Name, lower case.
    pub id: String,
    /// Time from one value to the next, s.
    pub step_s: f64,
    /// Multipliers.
    pub values: Vec<f64>,
}

/// A deck in the project's own model.
#[derive(Clone, Debug, PartialEq)]
pub struct DssImport {
    /// The network.
    pub case: GridCase,
    /// The shapes the deck defines.
    pub shapes: Vec<Shape>,
    /// What the reader has to say.
    pub report: Vec<Finding>,
}

/// Reads a deck from disk.
///
/// # Errors
/// If a file is missing or the deck cannot be understood.
pub fn load_deck(path: &Path) -> Result<DssImport, DssError> {
    load_deck_with(&OsFiles, path, &[])
}

/// Reads a deck through a file provider; `then` are further commands given
/// after it (`BatchEdit Load..* vminpu=0 vmaxpu=2`).
///
/// # Errors
/// If a file is missing or the deck cannot be understood.
pub fn load_deck_with(
    files: &dyn Files,
    path: &Path,
    then: &[&str],
) -> Result<DssImport, DssError> {
    let mut script = script::Script::new(files);
    script.run_file(path, &Place::default(), 0)?;
    for (i, line) in then.iter().enumerate() {
        let at = Place {
            file: "command".to_owned(),
            line: i + 1,
        };
        script.run_line(line, &at, 0)?;
    }
    convert::convert(script, path)
}
