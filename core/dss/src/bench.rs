//! Speed of the solver on the European low-voltage feeder, beside figures of
//! other programs.

use std::path::Path;

use gridloom_flow::Network;
use gridloom_flow::bench::{Measurement, measure};
use gridloom_model::grid::GridCase;

use crate::gates::{Table, euro_lv_constant, peers_text};
use crate::{OsFiles, load_deck_with};

/// A figure of another program.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Program.
    pub name: String,
    /// Its figure in the unit of the measurement.
    pub value: f64,
    /// Version and conditions.
    pub source: String,
}

/// A measurement with its target and the figures of other programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Bench {
    /// The measurement.
    pub measurement: Measurement,
    /// Largest value allowed, where there is one.
    pub target: Option<f64>,
    /// Other programs.
    pub peers: Vec<Peer>,
}

impl Bench {
    /// Whether the target is met; `None` without one.
    pub fn pass(&self) -> Option<bool> {
        self.target.map(|t| self.measurement.value <= t)
    }
}

/// Targets: case, metric, largest value.
const TARGETS: &[(&str, &str, f64)] = &[
    ("euro_lv_constP", "full_step_us", 100.0),
    ("euro_lv_constP", "reduced_step_us", 20.0),
    ("euro_lv_constP", "thousand_steps_ms", 50.0),
    ("euro_lv_constP", "breaker_us", 200.0),
    ("euro_lv_constP", "fault_study_ms", 15.0),
    ("ieee8500u", "full_step_us", 1500.0),
    ("ieee8500u", "thousand_steps_ms", 1000.0),
];

/// Measures the European feeder, and the 8500-node feeder where `data` (a
/// directory with `feeders`) has it. `clock` returns seconds.
///
/// # Errors
/// Why a feeder cannot be measured.
pub fn flow(data: Option<&Path>, clock: &mut dyn FnMut() -> f64) -> Result<Vec<Bench>, String> {
    let mut out = Vec::new();
    let case = euro_lv_constant()?;
    out.extend(feeder("euro_lv_constP", &case, "LINE24", clock)?);
    let deck = data.map(|d| d.join("feeders/ieee8500u/Master-unbal.dss"));
    if let Some(deck) = deck.filter(|d| d.is_file()) {
        let import = load_deck_with(&OsFiles, &deck, &[]).map_err(|e| e.to_string())?;
        out.extend(feeder("ieee8500u", &import.case, "LN5502549-1", clock)?);
    }
    Ok(out)
}

fn feeder(
    name: &str,
    case: &GridCase,
    line: &str,
    clock: &mut dyn FnMut() -> f64,
) -> Result<Vec<Bench>, String> {
    let mut network = Network::build(case).map_err(|e| e.to_string())?;
    network.settle_regulators(100);
    let line = network
        .line_index(line)
        .ok_or_else(|| format!("{name}: line {line} is missing"))?;
    let measured = measure(&network, name, line, clock).map_err(|e| e.to_string())?;
    measured
        .into_iter()
        .map(|measurement| {
            let target = TARGETS
                .iter()
                .find(|t| t.0 == name && t.1 == measurement.metric)
                .map(|t| t.2);
            Ok(Bench {
                peers: peers(name, measurement.metric)?,
                target,
                measurement,
            })
        })
        .collect()
}

fn peers(case: &str, metric: &str) -> Result<Vec<Peer>, String> {
    let table = Table::new(peers_text());
    let mut out = Vec::new();
    for row in &table.rows {
        if table.text(row, "case")? == case && table.text(row, "metric")? == metric {
            out.push(Peer {
                name: table.text(row, "peer")?.to_owned(),
                value: table.number(row, "value")?,
                // The last column may contain commas.
                source: row[5..].join(", ").trim_matches('"').to_owned(),
            });
        }
    }
    Ok(out)
}
