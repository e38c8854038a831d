//! Profile files: named series of multipliers at a fixed step.

use serde::{Deserialize, Serialize};

use crate::grid::{Diagnostic, Diagnostics, parse_error, ron_options};

/// The profile format this crate reads and writes.
pub const PROFILE_FORMAT: u32 = 1;

/// Most values in one series: a leap year of seconds.
const MAX_VALUES: usize = 31_622_400;

/// A set of series with a common step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSet {
    /// Version of the file format; must be [`PROFILE_FORMAT`].
    pub format: u32,
    /// Name shown to people.
    pub name: String,
    /// Where the figures come from: publication, repository, commit.
    #[serde(default)]
    pub source: String,
    /// Licence of the figures.
    #[serde(default)]
    pub licence: String,
    /// What a value means, with its unit.
    #[serde(default)]
    pub unit: String,
    /// Time from one value to the next, s.
    pub step_s: f64,
    /// How a time between two values is read.
    #[serde(default)]
    pub between: Between,
    /// The series.
    pub series: Vec<Series>,
}

/// Value between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Between {
    /// The value at the start of the step holds to its end.
    #[default]
    Hold,
    /// Straight line to the next value.
    Linear,
}

/// One series; the first value belongs to time 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Id, unique in the set.
    pub id: String,
    /// What it is; free text.
    #[serde(default)]
    pub note: String,
    /// The values.
    pub values: Vec<f64>,
}

impl ProfileSet {
    /// Reads and validates a profile set from RON text; `file` only names it in messages.
    ///
    /// # Errors
    /// The first syntax error, or all problems of meaning at once.
    pub fn from_ron(text: &str, file: &str) -> Result<Self, Diagnostics> {
        let set: Self = ron_options()
            .from_str(text)
            .map_err(|error| Diagnostics(vec![parse_error(file, &error)]))?;
        let problems = set.validate();
        if problems.is_empty() {
            return Ok(set);
        }
        Err(Diagnostics(
            problems
                .into_iter()
                .map(|message| Diagnostic {
                    file: file.to_owned(),
                    line: 1,
                    column: 1,
                    message,
                    hint: String::new(),
                })
                .collect(),
        ))
    }

    /// Writes the set as RON, one series a line.
    ///
    /// # Errors
    /// Only if a value cannot be represented in RON.
    pub fn to_ron(&self) -> Result<String, ron::Error> {
        crate::grid::to_ron_lines(self)
    }

    /// All problems of meaning.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.format != PROFILE_FORMAT {
            problems.push(format!(
                "format {} is not known, this version reads {PROFILE_FORMAT}",
                self.format
            ));
        }
        if !(self.step_s.is_finite() && self.step_s > 0.0) {
            problems.push(format!("step_s must be positive, is {}", self.step_s));
        }
        let mut ids: Vec<&str> = self.series.iter().map(|s| s.id.as_str()).collect();
        ids.sort_unstable();
        for pair in ids.windows(2) {
            if pair[0] == pair[1] {
                problems.push(format!("series `{}` is there twice", pair[0]));
            }
        }
        for series in &self.series {
            if series.values.is_empty() || series.values.len() > MAX_VALUES {
                problems.push(format!(
                    "series `{}` has {} values, 1 to {MAX_VALUES} allowed",
                    series.id,
                    series.values.len()
                ));
            }
            if let Some(at) = series.values.iter().position(|v| !v.is_finite()) {
                problems.push(format!(
                    "value {} of series `{}` is not finite",
                    at + 1,
                    series.id
                ));
            }
        }
        problems
    }

    /// A series by id.
    pub fn series(&self, id: &str) -> Option<&Series> {
        self.series.iter().find(|s| s.id == id)
    }

    /// Position of a series by id.
    pub fn series_index(&self, id: &str) -> Option<usize> {
        self.series.iter().position(|s| s.id == id)
    }

    /// Value of a series at a time in seconds; the series repeats from its end.
    pub fn value_at(&self, series: usize, time_s: f64) -> Option<f64> {
        let values = &self.series.get(series)?.values;
        let n = values.len();
        let position = time_s / self.step_s;
        if n == 0 || !position.is_finite() {
            return None;
        }
        let whole = libm::floor(position);
        let index = libm::fmod(whole, n as f64);
        let index = if index < 0.0 { index + n as f64 } else { index } as usize % n;
        match self.between {
            Between::Hold => Some(values[index]),
            Between::Linear => {
                let next = values[(index + 1) % n];
                Some(values[index] + (position - whole) * (next - values[index]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(between: Between) -> ProfileSet {
        ProfileSet {
            format: PROFILE_FORMAT,
            name: "t".into(),
            source: String::new(),
            licence: String::new(),
            unit: String::new(),
            step_s: 60.0,
            between,
            series: vec![Series {
                id: "a".into(),
                note: String::new(),
                values: vec![1.0, 3.0],
            }],
        }
    }

    #[test]
    fn a_series_holds_or_interpolates_and_repeats() {
        let hold = set(Between::Hold);
        assert_eq!(hold.value_at(0, 59.0), Some(1.0));
        assert_eq!(hold.value_at(0, 60.0), Some(3.0));
        assert_eq!(hold.value_at(0, 120.0), Some(1.0));
        assert_eq!(hold.value_at(0, -60.0), Some(3.0));
        assert_eq!(set(Between::Linear).value_at(0, 30.0), Some(2.0));
        assert_eq!(hold.value_at(1, 0.0), None);
        assert_eq!(hold.value_at(0, f64::NAN), None);
    }

    #[test]
    fn a_set_round_trips_and_reports_its_problems() {
        let good = set(Between::Hold);
        let text = good.to_ron().expect("writes");
        assert_eq!(ProfileSet::from_ron(&text, "p.ron").expect("valid"), good);
        let mut bad = good;
        bad.step_s = 0.0;
        bad.series[0].values.clear();
        assert_eq!(bad.validate().len(), 2);
    }
}
