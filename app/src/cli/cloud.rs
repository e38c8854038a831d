//! `gridloom cloud`: questions to the database of a run.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use gridloom_cloud::{Answer, Question, STANDARD, Store, parse};

use super::output;

/// Arguments of `cloud`.
#[derive(Args)]
pub struct CloudArgs {
    #[command(subcommand)]
    command: CloudCommand,
}

#[derive(Subcommand)]
enum CloudCommand {
    /// Ask a database the ten standard questions, or your own.
    Ask {
        /// SQLite file, or postgres://user@host/name.
        #[arg(value_name = "DATABASE")]
        database: String,
        /// A file of SQL statements, each ended by a semicolon.
        #[arg(long, value_name = "FILE", conflicts_with = "sql")]
        file: Option<PathBuf>,
        /// One SQL statement.
        #[arg(long)]
        sql: Option<String>,
    },
}

/// Runs the command.
pub fn run(args: &CloudArgs) -> Result<ExitCode> {
    let CloudCommand::Ask {
        database,
        file,
        sql,
    } = &args.command;
    let questions = match (file, sql) {
        (Some(file), _) => {
            let text = fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            parse(&text)
        }
        (None, Some(sql)) => vec![Question {
            words: String::new(),
            sql: sql.clone(),
        }],
        (None, None) => parse(STANDARD),
    };
    if !database.contains("://") && !std::path::Path::new(database).exists() {
        anyhow::bail!(
            "there is no database {database}: make one with `gridloom run SCENE --db {database}`"
        );
    }
    let mut store = Store::open(database)?;
    for (number, question) in questions.iter().enumerate() {
        if number > 0 {
            output::line("");
        }
        if !question.words.is_empty() {
            output::line(&format!("{}. {}", number + 1, question.words));
        }
        let answer = store
            .ask(&question.sql)
            .with_context(|| format!("question {}", number + 1))?;
        print(&answer);
    }
    Ok(ExitCode::SUCCESS)
}

/// A table with columns as wide as their widest cell.
fn print(answer: &Answer) {
    let width = |column: usize| {
        let cells = answer.rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([answer.columns[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..answer.columns.len()).map(width).collect();
    let show = |row: &[String]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| {
                if cell.parse::<f64>().is_ok() {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        output::line(format!("  {}", cells.join("  ")).trim_end());
    };
    show(&answer.columns);
    for row in &answer.rows {
        show(row);
    }
    if answer.rows.is_empty() {
        output::line("  (no rows)");
    }
    if answer.cut {
        output::line(&format!("  … cut after {} rows", answer.rows.len()));
    }
}
