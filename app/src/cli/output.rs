//! What the program prints: tables for people, one JSON object a line for machines.

use std::io::Write;

use serde::Serialize;

/// A measured figure of a bench or gate.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Case, for example `euro_lv`.
    pub case: String,
    /// Metric, unit last in the name.
    pub metric: String,
    /// Measured value.
    pub value: f64,
    /// Unit.
    pub unit: String,
    /// What it must reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<bool>,
    /// A peer's figure with its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Peer's figure divided by ours where less is better, else ours by the peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// Prints one line to standard output; a closed pipe is no error.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints an error to standard error.
pub fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {text}");
}

/// Prints a line of progress to standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints figures as a table or as JSON lines; returns whether all passed.
pub fn figures(figures: &[Figure], json: bool) -> bool {
    if json {
        for figure in figures {
            if let Ok(text) = serde_json::to_string(figure) {
                line(&text);
            }
        }
    } else {
        table(figures);
    }
    figures.iter().all(|figure| figure.pass != Some(false))
}

fn table(figures: &[Figure]) {
    let width = |of: fn(&Figure) -> usize, least: usize| {
        figures.iter().map(of).max().unwrap_or(0).max(least)
    };
    let case = width(|f| f.case.chars().count(), 4);
    let metric = width(|f| f.metric.chars().count(), 6);
    line(&format!(
        "{:case$}  {:metric$}  {:>14}  {:<8}  note",
        "case", "metric", "value", "unit"
    ));
    for f in figures {
        let mut note = String::new();
        if let Some(target) = &f.target {
            note.push_str(&format!("target {target}"));
        }
        match f.pass {
            Some(true) => note.push_str("  pass"),
            Some(false) => note.push_str("  FAIL"),
            None => {}
        }
        if let Some(peer) = &f.peer {
            note.push_str(&format!("  peer {peer}"));
        }
        if let Some(ratio) = f.ratio {
            note.push_str(&format!("  ratio {ratio:.2}"));
        }
        line(&format!(
            "{:case$}  {:metric$}  {:>14}  {:<8}  {}",
            f.case,
            f.metric,
            number(f.value),
            f.unit,
            note.trim_start()
        ));
    }
}

/// A number with six significant digits, in scientific form when very small.
pub fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        "0".into()
    } else if !(1e-3..1e9).contains(&magnitude) {
        format!("{value:.3e}")
    } else if magnitude < 10.0 {
        format!("{value:.4}")
    } else if magnitude < 10_000.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}
