//! `gridloom import`: other people's figures into the project's own files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use gridloom_dss::{SolarDay, import_csv_profile, import_deck};

use super::output;

/// Arguments of `import`.
#[derive(Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    /// An OpenDSS deck with the load shapes it uses.
    Deck {
        /// Deck (`.dss`).
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Grid file to write (`.grid.ron`).
        #[arg(long, value_name = "FILE")]
        grid: PathBuf,
        /// Profile file to write when the loads use shapes (`.profile.ron`).
        #[arg(long, value_name = "FILE")]
        profile: Option<PathBuf>,
        /// Where the figures come from: publication, repository, commit.
        #[arg(long)]
        source: String,
        /// Licence of the figures.
        #[arg(long)]
        licence: String,
    },
    /// Days of hourly values out of a comma-separated table.
    Days {
        /// Table with a header line.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Profile file to write (`.profile.ron`).
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// A day as ID=COLUMN@FIRST_ROW (rows from 0, without the header); repeatable.
        #[arg(long = "day", value_name = "ID=COLUMN@ROW", required = true)]
        days: Vec<String>,
        /// What a value means, with its unit.
        #[arg(long)]
        unit: String,
        /// Name shown to people.
        #[arg(long)]
        name: String,
        /// Where the figures come from.
        #[arg(long)]
        source: String,
        /// Licence of the figures.
        #[arg(long)]
        licence: String,
    },
}

/// Imports and writes; findings go to standard error.
pub fn run(args: &ImportArgs) -> Result<ExitCode> {
    match &args.kind {
        Kind::Deck {
            file,
            grid,
            profile,
            source,
            licence,
        } => deck(file, grid, profile.as_deref(), source, licence),
        Kind::Days {
            file,
            output,
            days,
            unit,
            name,
            source,
            licence,
        } => {
            let csv = read(file)?;
            let days: Vec<(String, String, usize)> = days
                .iter()
                .map(|day| parse_day(day))
                .collect::<Result<_>>()?;
            let days: Vec<SolarDay<'_>> = days
                .iter()
                .map(|(id, column, row)| SolarDay {
                    id,
                    note: "",
                    column,
                    first_row: *row,
                })
                .collect();
            let set = import_csv_profile(&csv, name, source, licence, unit, &days)?;
            write(output, &set.to_ron()?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn deck(
    file: &Path,
    grid: &Path,
    profile: Option<&Path>,
    source: &str,
    licence: &str,
) -> Result<ExitCode> {
    let imported = import_deck(file, source, licence)?;
    for finding in &imported.report {
        output::error(&finding.to_string());
    }
    write(grid, &imported.grid.to_ron()?)?;
    match (profile, &imported.profiles) {
        (Some(path), Some(set)) => write(path, &set.to_ron()?)?,
        (None, Some(_)) => bail!("the loads use shapes: name a file for them with --profile"),
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn parse_day(text: &str) -> Result<(String, String, usize)> {
    let wrong = || anyhow!("`{text}` is no day: write ID=COLUMN@ROW, for example clear=h01_pv@120");
    let (id, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (column, row) = rest.rsplit_once('@').ok_or_else(wrong)?;
    Ok((
        id.to_owned(),
        column.to_owned(),
        row.parse().map_err(|_| wrong())?,
    ))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
