//! Gates of the grid area: the shipped feeder against kept reference values,
//! and the given reference cases where they stand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gridloom_flow::{Network, compare_nodes};
use gridloom_model::grid::{GridCase, VoltageBand};

use super::output::{self, Figure};

fn gate(case: &str, metric: &str, value: f64, unit: &str, limit: f64) -> Figure {
    Figure {
        case: case.into(),
        metric: metric.into(),
        value,
        unit: unit.into(),
        target: Some(format!("<= {}", output::number(limit))),
        pass: Some(value <= limit),
        peer: None,
        ratio: None,
    }
}

/// Folder of the project, found from the default scene.
fn project() -> Result<PathBuf> {
    let scene = super::scene::default_scene()?;
    let folder = scene
        .parent()
        .and_then(Path::parent)
        .context("the scene has no project folder")?;
    Ok(folder.to_path_buf())
}

/// Runs every gate of the area.
pub fn figures() -> Result<Vec<Figure>> {
    let project = project()?;
    let grid = project.join("scenes/grids/euro_lv.grid.ron");
    let text = std::fs::read_to_string(&grid)
        .with_context(|| format!("cannot read {}", grid.display()))?;
    let published = GridCase::from_ron(&text, &grid.display().to_string())?;
    let mut constant = published.clone();
    for load in &mut constant.loads {
        load.band = VoltageBand::WIDE;
    }
    let mut figures = Vec::new();
    for (case, name) in [(&published, "euro_lv"), (&constant, "euro_lv_constP")] {
        let mut network = Network::build(case)?;
        let report = network.solve();
        let totals = network.totals();
        figures.push(gate(name, "mismatch", report.residual, "rel", 1e-8));
        figures.push(gate(
            name,
            "energy_balance_w",
            totals.error_w().abs(),
            "W",
            1e-4,
        ));
        figures.push(gate(name, "kcl_error_a", network.kcl_error_a(), "A", 1e-6));
        for folder in [
            project.join("tests/reference"),
            project.join("../shared/data/reference"),
        ] {
            let reference = folder.join(name).join("nodes.csv");
            if let Ok(csv) = std::fs::read_to_string(&reference) {
                let comparison = compare_nodes(&network, &csv)?;
                figures.push(gate(name, "max_dv_pu", comparison.max_dv_pu, "pu", 1e-8));
                let missing = comparison.missing.len() as f64;
                figures.push(gate(name, "nodes_missing", missing, "nodes", 0.0));
                break;
            }
        }
    }
    Ok(figures)
}
