//! Gates of the cloud's database: the same answers on both databases, and
//! nothing lost that was committed when the writer is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use gridloom_cloud::{STANDARD, ServerError, Store, TemporaryServer, parse};
use gridloom_core::{Twin, TwinOptions};
use gridloom_units::{Stream, Tick, draw_u64};

use super::archive::Recorder;
use super::output::{self, Figure};
use super::scene;

/// Times the writer is killed.
const KILLS: u64 = 5;

/// Runs the gates on the first minutes of a scene.
///
/// # Errors
/// When the scene or a database cannot be opened.
pub fn figures(path: &Path, minutes: u64) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let case = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut figures = Vec::new();
    let file = folder.path().join("run.sqlite").display().to_string();
    let rows_after = record(path, minutes, &file)?;
    let questions = parse(STANDARD);
    let mut store = Store::open(&file)?;
    let mut empty = 0;
    let mut on_file = Vec::new();
    for question in &questions {
        let answer = store.ask(&question.sql).context(question.words.clone())?;
        empty += u64::from(answer.rows.is_empty());
        on_file.push(answer);
    }
    let slots = rows_after.len() as f64;
    figures.push(plain(
        &case,
        "database_rows",
        *rows_after.last().unwrap_or(&0) as f64,
        "rows",
    ));
    figures.push(plain(&case, "slots_recorded", slots, "slots"));
    figures.push(plain(
        &case,
        "questions_without_rows",
        empty as f64,
        "questions",
    ));

    let server_folder = tempfile::tempdir().context("a temporary folder")?;
    match TemporaryServer::start(server_folder.path()) {
        Ok(server) => {
            record(path, minutes, &server.url())?;
            let mut store = Store::open(&server.url())?;
            let mut different = 0;
            for (question, expected) in questions.iter().zip(&on_file) {
                different += u64::from(store.ask(&question.sql)? != *expected);
            }
            figures.push(none(
                &case,
                "answers_that_differ_postgresql",
                different as f64,
                "of 10",
            ));
        }
        Err(ServerError::Missing) => {
            output::line("PostgreSQL is not installed: its gate is left out");
        }
        Err(error) => return Err(error).context("starting a server"),
    }
    let mut lost = 0;
    let mut unsound = 0;
    for kill in 0..KILLS {
        let file = folder.path().join(format!("killed{kill}.sqlite"));
        let after = 1 + draw_u64(kill, 0, 0, Stream::Keys) % (rows_after.len() as u64).max(1);
        let committed = kill_after(path, minutes, &file, after)?;
        let mut store = Store::open(&file.display().to_string())?;
        unsound += u64::from(!store.is_sound()?);
        let kept = count(&mut store)?;
        let promised = committed
            .checked_sub(1)
            .map_or(0, |slot| rows_after[slot as usize]);
        lost += promised.saturating_sub(kept);
    }
    figures.push(none(
        &case,
        &format!("rows_lost_in_{KILLS}_kills"),
        lost as f64,
        "rows",
    ));
    figures.push(none(
        &case,
        "unsound_files_after_kill",
        unsound as f64,
        "files",
    ));
    Ok(figures)
}

fn plain(case: &str, metric: &str, value: f64, unit: &str) -> Figure {
    Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: None,
        pass: None,
        peer: None,
        ratio: None,
    }
}

fn none(case: &str, metric: &str, value: f64, unit: &str) -> Figure {
    Figure {
        target: Some("<= 0".into()),
        pass: Some(value <= 0.0),
        ..plain(case, metric, value, unit)
    }
}

/// Records the first minutes; returns the rows on disk after each slot.
fn record(path: &Path, minutes: u64, url: &str) -> Result<Vec<u64>> {
    let mut twin: Twin = scene::twin(path, TwinOptions::default())?;
    let mut recorder = Recorder::open(url, &mut twin)?;
    let end = Tick(minutes * 60_000 / twin.tick_ms()).min(twin.end());
    let mut rows = Vec::new();
    while twin.tick() < end {
        twin.step();
        if recorder.observe(&mut twin)? {
            rows.push(recorder.rows());
        }
    }
    recorder.flush(&mut twin)?;
    Ok(rows)
}

/// Starts a run of this program and kills it once it has said that `after`
/// slots are committed; returns the last number it said.
fn kill_after(path: &Path, minutes: u64, file: &Path, after: u64) -> Result<u64> {
    let program = std::env::current_exe().context("this program's own file")?;
    let mut child = Command::new(program)
        .arg("run")
        .arg(path)
        .args(["--until", &format!("{minutes}m"), "--db-progress", "--db"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting a run")?;
    let errors = child.stderr.take().context("the run's messages")?;
    let mut committed = 0;
    for line in BufReader::new(errors).lines() {
        let line = line.context("the run's messages")?;
        let said = line
            .split("committed ")
            .nth(1)
            .and_then(|n| n.trim().parse().ok());
        committed = said.unwrap_or(committed);
        if committed >= after {
            child.kill().context("killing the run")?;
            break;
        }
    }
    child.wait().context("the killed run")?;
    Ok(committed)
}

/// Rows of all tables.
fn count(store: &mut Store) -> Result<u64> {
    let mut total = 0;
    for table in gridloom_cloud::Table::ALL {
        let answer = store.ask(&format!("SELECT COUNT(*) FROM {}", table.name()))?;
        let cell = answer.rows.first().and_then(|row| row.first());
        total += cell.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(total)
}
