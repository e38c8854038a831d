//! `gridloom check node`: four node processes under load, one killed at random
//! moments again and again, then files damaged.

use std::time::Duration;

use anyhow::Result;
use gridloom_node::local::{KillPlan, KillReport, Program, kill_test};

use super::check::{gate, none};
use super::output::{self, Figure};

/// Transactions offered during the test, 1/s.
const RATE_PER_S: u32 = 300;
/// Homes they come from.
const HOMES: u32 = 100;
/// Slowest recovery that passes, ms (reliability bar: a restarted node is back soon).
const RECOVERY_MS: f64 = 10_000.0;

/// This program as a node.
pub(super) fn program() -> Result<Program> {
    Ok(Program {
        path: std::env::current_exe()?,
        arguments: vec!["node".into()],
    })
}

/// A folder of its own that does not outlive the test when it went well.
pub(super) fn folder(what: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("gridloom-{what}-{}", std::process::id()))
}

/// Runs the gates.
pub fn figures(kills: u32, seed: u64) -> Result<Vec<Figure>> {
    let dir = folder("check-node");
    let plan = KillPlan {
        program: program()?,
        dir: dir.clone(),
        kills,
        seed,
        rate_per_s: RATE_PER_S,
        homes: HOMES,
        damage: true,
        patience: Duration::from_secs(30),
    };
    let report = kill_test(&plan, &mut |line| output::note(line))?;
    for problem in &report.problems {
        output::error(problem);
    }
    let figures = judge(&report);
    if figures.iter().all(|figure| figure.pass != Some(false)) {
        std::fs::remove_dir_all(&dir)?;
    } else {
        output::error(&format!("the nodes' folders stay in {}", dir.display()));
    }
    Ok(figures)
}

fn judge(report: &KillReport) -> Vec<Figure> {
    let case = "4 nodes";
    let plain = |metric: &str, value: f64, unit: &str| Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: None,
        pass: None,
        peer: None,
        ratio: None,
    };
    let mut figures = vec![
        plain("kills", f64::from(report.kills), "kills"),
        plain("heights", report.heights as f64, "blocks"),
        plain("transactions", report.transactions as f64, "txs"),
        plain("signed_messages_compared", report.signed as f64, "messages"),
        none(case, "stuck", report.stuck as f64, "nodes"),
        none(
            case,
            "committed_blocks_lost",
            report.lost_blocks as f64,
            "blocks",
        ),
        none(case, "double_signed", report.double_signed as f64, "places"),
        none(
            case,
            "disagreements",
            report.disagreements as f64,
            "heights",
        ),
        none(case, "problems", report.problems.len() as f64, "problems"),
        plain("recovery_p50_ms", report.recovery_at(0.5) as f64, "ms"),
        plain("recovery_p99_ms", report.recovery_at(0.99) as f64, "ms"),
        gate(
            case,
            "recovery_max_ms",
            report.recovery_at(1.0) as f64,
            "ms",
            RECOVERY_MS,
        ),
    ];
    let bad = report.damage.iter().filter(|damage| !damage.good()).count();
    figures.push(plain("damages_done", report.damage.len() as f64, "kinds"));
    figures.push(none(
        case,
        "damages_not_named_or_healed",
        bad as f64,
        "kinds",
    ));
    figures
}
