//! Problems with files people write or keep: where, what, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// One problem in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line from 1, 0 where a line means nothing.
    pub line: usize,
    /// Column from 1, 0 where it means nothing.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// A problem of a whole file.
    pub fn of_file(file: &Path, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            file: file.to_path_buf(),
            line: 0,
            column: 0,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A text file and where things stand in it.
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// Largest configuration or genesis file, bytes.
const MAX_TEXT: u64 = 16 * 1024 * 1024;

impl Source {
    pub(crate) fn read(file: &Path) -> Result<Self, Problem> {
        let fail = |error: std::io::Error| {
            Problem::of_file(
                file,
                format!("cannot be read: {error}"),
                "`gridloom node init DIR --validators 4` writes a working set of files",
            )
        };
        let size = std::fs::metadata(file).map_err(fail)?.len();
        if size > MAX_TEXT {
            return Err(Problem::of_file(
                file,
                format!("{size} bytes are more than a configuration may have ({MAX_TEXT})"),
                "is this the right file?",
            ));
        }
        Ok(Self {
            file: file.to_path_buf(),
            text: std::fs::read_to_string(file).map_err(fail)?,
        })
    }

    /// Parses the whole text.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        ron::from_str(&self.text).map_err(|error| Problem {
            file: self.file.clone(),
            line: error.span.start.line,
            column: error.span.start.col,
            message: error.code.to_string(),
            hint: String::new(),
        })
    }

    /// A problem at the first place where `needle` stands.
    pub(crate) fn at(
        &self,
        needle: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        let (line, column) = self.place(needle);
        Problem {
            file: self.file.clone(),
            line,
            column,
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn place(&self, needle: &str) -> (usize, usize) {
        for (index, line) in self.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            if let Some(at) = code.find(needle) {
                return (index + 1, code[..at].chars().count() + 1);
            }
        }
        (1, 1)
    }
}
