//! Turns public data into the project's own files.

use std::path::Path;

use gridloom_model::grid::GridCase;
use gridloom_model::profile::{Between, PROFILE_FORMAT, ProfileSet, Series};

use crate::{DssError, Finding, load_deck};

/// A deck as the project's own grid and profiles.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedDeck {
    /// The network.
    pub grid: GridCase,
    /// The shapes its loads use; `None` when they use none.
    pub profiles: Option<ProfileSet>,
    /// What the reader has to say.
    pub report: Vec<Finding>,
}

/// Why data cannot be imported.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImportError {
    /// The deck cannot be read.
    #[error(transparent)]
    Deck(#[from] DssError),
    /// Shapes of one deck have different steps.
    #[error("shape `{0}` has another step than the first")]
    Step(String),
    /// A load names a shape that the deck does not define.
    #[error("load `{load}` names shape `{shape}`, which does not exist")]
    NoShape {
        /// The load.
        load: String,
        /// The shape.
        shape: String,
    },
    /// A column of a table is missing.
    #[error("the table has no column `{0}`")]
    NoColumn(String),
    /// A cell is not a number.
    #[error("line {line}: `{text}` in column `{column}` is not a number")]
    NotANumber {
        /// Line from 1.
        line: usize,
        /// Column.
        column: String,
        /// What stands there.
        text: String,
    },
    /// A day lies outside the table.
    #[error("day {0} is not in the table")]
    NoDay(usize),
}

/// Reads a deck and keeps the shapes its loads use.
///
/// # Errors
/// If the deck cannot be read or its shapes do not fit together.
pub fn import_deck(path: &Path, source: &str, licence: &str) -> Result<ImportedDeck, ImportError> {
    let deck = load_deck(path)?;
    let mut grid = deck.case;
    source.clone_into(&mut grid.source);
    licence.clone_into(&mut grid.licence);
    let mut series: Vec<Series> = Vec::new();
    let mut step_s = None;
    for load in grid.loads.iter().filter(|l| !l.profile.is_empty()) {
        if series.iter().any(|s| s.id == load.profile) {
            continue;
        }
        let shape = deck.shapes.iter().find(|s| s.id == load.profile);
        let shape = shape.ok_or_else(|| ImportError::NoShape {
            load: load.id.clone(),
            shape: load.profile.clone(),
        })?;
        if *step_s.get_or_insert(shape.step_s) != shape.step_s {
            return Err(ImportError::Step(shape.id.clone()));
        }
        series.push(Series {
            id: shape.id.clone(),
            note: String::new(),
            values: shape.values.clone(),
        });
    }
    let profiles = step_s.map(|step_s| ProfileSet {
        format: PROFILE_FORMAT,
        name: format!("{} load shapes", grid.name),
        source: source.to_owned(),
        licence: licence.to_owned(),
        unit: "multiplier of the rated power of the load".to_owned(),
        step_s,
        between: Between::Hold,
        series,
    });
    Ok(ImportedDeck {
        grid,
        profiles,
        report: deck.report,
    })
}

/// A day to take out of an hourly table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SolarDay<'a> {
    /// Id of the series.
    pub id: &'a str,
    /// What the day shows.
    pub note: &'a str,
    /// Column of the table.
    pub column: &'a str,
    /// First row of the day, from 0 without the header.
    pub first_row: usize,
}

/// Takes days of 24 hourly values out of a comma-separated table with a header.
///
/// # Errors
/// If a column or row is missing or a cell is not a number.
pub fn import_csv_profile(
    csv: &str,
    name: &str,
    source: &str,
    licence: &str,
    unit: &str,
    days: &[SolarDay<'_>],
) -> Result<ProfileSet, ImportError> {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    let series = days
        .iter()
        .map(|day| {
            let column = header
                .iter()
                .position(|h| h.trim() == day.column)
                .ok_or_else(|| ImportError::NoColumn(day.column.to_owned()))?;
            let values = (day.first_row..day.first_row + 24)
                .map(|row| {
                    let cells = rows.get(row).ok_or(ImportError::NoDay(day.first_row))?;
                    let text = cells.get(column).copied().unwrap_or_default().trim();
                    match text.parse::<f64>() {
                        Ok(value) if value.is_finite() => Ok(value),
                        _ => Err(ImportError::NotANumber {
                            line: row + 2,
                            column: day.column.to_owned(),
                            text: text.to_owned(),
                        }),
                    }
                })
                .collect::<Result<Vec<f64>, ImportError>>()?;
            Ok(Series {
                id: day.id.to_owned(),
                note: day.note.to_owned(),
                values,
            })
        })
        .collect::<Result<Vec<_>, ImportError>>()?;
    Ok(ProfileSet {
        format: PROFILE_FORMAT,
        name: name.to_owned(),
        source: source.to_owned(),
        licence: licence.to_owned(),
        unit: unit.to_owned(),
        step_s: 3600.0,
        between: Between::Linear,
        series,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_taken_out_of_a_table() {
        let mut csv = String::from("t,pv\n");
        for i in 0..48 {
            csv.push_str(&format!("{i},{}\n", i * 10));
        }
        let day = SolarDay {
            id: "d",
            note: "",
            column: "pv",
            first_row: 24,
        };
        let set = import_csv_profile(&csv, "n", "s", "l", "W/kW", &[day]).expect("readable");
        assert_eq!(set.series[0].values[0], 240.0);
        let late = SolarDay {
            first_row: 40,
            ..day
        };
        assert_eq!(
            import_csv_profile(&csv, "n", "s", "l", "W/kW", &[late]),
            Err(ImportError::NoDay(40))
        );
    }
}
