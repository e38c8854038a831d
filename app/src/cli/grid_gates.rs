//! Gates of the grid area: cases kept in the project, and the given ones
//! where they stand beside it.

use std::path::PathBuf;
use std::time::Instant;

use gridloom_dss::gates::{self, Gate};

use super::output::{self, Figure};

/// The folder of given feeders and reference solutions, where it stands.
pub fn given_data() -> Option<PathBuf> {
    let scene = super::scene::default_scene().ok()?;
    let project = scene.parent()?.parent()?;
    let data = project.join("../shared/data");
    data.is_dir().then_some(data)
}

/// Runs every gate of the area.
pub fn figures() -> Vec<Figure> {
    let mut all = gates::kept();
    let begun = Instant::now();
    all.extend(gates::no_solution(&mut || begun.elapsed().as_secs_f64()));
    match given_data() {
        Some(data) => all.extend(gates::given(&data)),
        None => output::error(
            "the given reference cases do not stand beside the project: kept cases only",
        ),
    }
    all.into_iter().map(figure).collect()
}

fn figure(gate: Gate) -> Figure {
    let note = if gate.note.is_empty() {
        String::new()
    } else {
        format!(" ({})", gate.note)
    };
    Figure {
        case: gate.case,
        metric: gate.metric.into(),
        value: gate.value,
        unit: gate.unit.into(),
        target: Some(format!("<= {}{note}", output::number(gate.target))),
        pass: Some(gate.pass),
        peer: None,
        ratio: None,
    }
}
