//! Grid files: schema, loading, writing and validation.

mod build;
mod schema;
mod terminal;
mod validate;

pub use schema::*;
pub use terminal::{Terminal, TerminalError};

use ron::extensions::Extensions;
use ron::ser::PrettyConfig;

use std::fmt;

/// One thing that is wrong with a file, with its place where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// File as the caller named it.
    pub file: String,
    /// Line from 1; 0 where the place is not known.
    pub line: usize,
    /// Column from 1; 0 where the place is not known.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty when there is nothing to add.
    pub hint: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a grid or profile file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Diagnostics(pub Vec<Diagnostic>);

/// A problem found in the meaning of a grid, before it has a place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Kind of element (`line`, `bus`, ...).
    pub kind: &'static str,
    /// Its id, empty for the file as a whole.
    pub id: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.id.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{} `{}`: {}", self.kind, self.id, self.message)
        }
    }
}

pub(crate) fn ron_options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

/// Writes RON with one list element a line.
pub(crate) fn to_ron_lines<T: serde::Serialize>(value: &T) -> Result<String, ron::Error> {
    let config = PrettyConfig::new()
        .depth_limit(2)
        .indentor("  ")
        .struct_names(false)
        .extensions(Extensions::IMPLICIT_SOME);
    let mut text = ron_options().to_string_pretty(value, config)?;
    text.push('\n');
    Ok(text)
}

pub(crate) fn parse_error(file: &str, error: &ron::error::SpannedError) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: error.span.start.line,
        column: error.span.start.col,
        message: error.code.to_string(),
        hint: String::new(),
    }
}

impl GridCase {
    /// Reads and validates a grid from RON text; `file` only names it in messages.
    ///
    /// # Errors
    /// Every problem of the file: the first syntax error, or all problems of
    /// its meaning at once.
    pub fn from_ron(text: &str, file: &str) -> Result<Self, Diagnostics> {
        let case: Self = ron_options()
            .from_str(text)
            .map_err(|error| Diagnostics(vec![parse_error(file, &error)]))?;
        let problems = case.validate();
        if problems.is_empty() {
            return Ok(case);
        }
        Err(Diagnostics(
            problems
                .into_iter()
                .map(|problem| {
                    let (line, column) = locate(text, problem.kind, &problem.id);
                    Diagnostic {
                        file: file.to_owned(),
                        line,
                        column,
                        message: problem.to_string(),
                        hint: String::new(),
                    }
                })
                .collect(),
        ))
    }

    /// Writes the grid as RON, one element a line.
    ///
    /// # Errors
    /// Only if a value cannot be represented in RON.
    pub fn to_ron(&self) -> Result<String, ron::Error> {
        to_ron_lines(self)
    }

    /// All problems of meaning; empty when the grid can be built.
    pub fn validate(&self) -> Vec<Problem> {
        validate::validate(self)
    }
}

/// Place of an element in the text: the `id` field after the head of its list.
fn locate(text: &str, kind: &str, id: &str) -> (usize, usize) {
    if id.is_empty() {
        return (1, 1);
    }
    let list = match kind {
        "bus" => "buses",
        "switch" => "switches",
        "line code" => "line_codes",
        other => other,
    };
    let start = text
        .match_indices(list)
        .find(|(at, _)| {
            text[at + list.len()..]
                .trim_start_matches('s')
                .trim_start()
                .starts_with(':')
        })
        .map_or(0, |(at, _)| at);
    let needle = format!("\"{id}\"");
    let mut rest = start;
    while let Some(found) = text[rest..].find(&needle) {
        let at = rest + found;
        let before = text[..at].trim_end();
        if before.ends_with("id:") || before.ends_with("id :") {
            let line_start = text[..at].rfind('\n').map_or(0, |n| n + 1);
            return (
                text[..at].matches('\n').count() + 1,
                text[line_start..at].chars().count() + 1,
            );
        }
        rest = at + needle.len();
    }
    (1, 1)
}

#[cfg(test)]
mod tests;
