//! `gridloom solve`: power flow of one network, compared with a reference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use gridloom_core::TwinOptions;
use gridloom_dss::Severity;
use gridloom_flow::{Network, SolveReport, compare_nodes, nodes_csv};
use gridloom_model::grid::{GridCase, VoltageBand};
use gridloom_units::{SimTime, Tick};

use super::{output, scene};

/// Arguments of `solve`.
#[derive(Args)]
pub struct SolveArgs {
    /// OpenDSS deck (`.dss`), RON grid (`.grid.ron`) or scene (`.scene.ron`).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write every node voltage as CSV: bus,node,kv_base_ln,v_re,v_im,v_mag,v_pu,v_deg.
    #[arg(long, value_name = "CSV")]
    nodes: Option<PathBuf>,
    /// Compare with a CSV of the same columns.
    #[arg(long, value_name = "CSV")]
    compare: Option<PathBuf>,
    /// Largest allowed voltage difference, pu.
    #[arg(long, value_name = "PU", default_value_t = 1e-6)]
    tol: f64,
    /// Keep every load on its nominal law at all voltages (no voltage band).
    #[arg(long)]
    const_law: bool,
    /// Simulated time at which a scene is solved.
    #[arg(long, value_parser = SimTime::parse, default_value = "0s")]
    at: SimTime,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Solves and compares; exit code 1 when there is no solution or it differs too much.
pub fn run(args: &SolveArgs) -> Result<ExitCode> {
    if !(args.tol.is_finite() && args.tol > 0.0) {
        bail!("--tol must be a positive number, is {}", args.tol);
    }
    let mut network = load(args)?;
    let started = Instant::now();
    let report = network.solve_exactly();
    let wall_us = started.elapsed().as_secs_f64() * 1e6;
    let totals = network.totals();
    let mut ok = report.converged;
    let comparison = match &args.compare {
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let comparison = compare_nodes(&network, &text)
                .with_context(|| format!("{} is no node table", path.display()))?;
            ok &= comparison.max_dv_pu <= args.tol && comparison.missing.is_empty();
            Some(comparison)
        }
        None => None,
    };
    if let Some(path) = &args.nodes {
        fs::write(path, nodes_csv(&network))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    if args.json {
        let object = serde_json::json!({
            "network": network.name(), "buses": network.bus_count(), "nodes": network.node_count(),
            "converged": report.converged, "iterations": report.iterations,
            "residual": report.residual, "dead_nodes": report.dead_nodes, "wall_us": wall_us,
            "source_kw": totals.source_w / 1e3, "losses_kw": totals.losses_w / 1e3,
            "max_dv_pu": comparison.as_ref().map(|c| c.max_dv_pu),
            "worst_node": comparison.as_ref().map(|c| c.worst_node.clone()),
            "compared": comparison.as_ref().map(|c| c.compared), "tol_pu": args.tol, "pass": ok,
        });
        output::line(&object.to_string());
    } else {
        output::line(&format!(
            "{}: {} buses, {} nodes; {} in {} iterations, mismatch {:.1e}, {wall_us:.0} us first solve",
            network.name(),
            network.bus_count(),
            network.node_count(),
            if report.converged {
                "solved"
            } else {
                "NO SOLUTION"
            },
            report.iterations,
            report.residual,
        ));
        output::line(&format!(
            "source {:.4} kW, losses {:.4} kW, {} dead nodes",
            totals.source_w / 1e3,
            totals.losses_w / 1e3,
            report.dead_nodes
        ));
        if !report.converged {
            no_solution(&mut network, &report);
        }
        if let Some(c) = &comparison {
            output::line(&format!(
                "compared {} nodes: maximum voltage error {:.3e} pu ({:.3e} V) at {}, tolerance {:.1e} pu: {}",
                c.compared,
                c.max_dv_pu,
                c.max_dv_v,
                c.worst_node,
                args.tol,
                if ok { "pass" } else { "FAIL" }
            ));
            for node in c.missing.iter().take(10) {
                output::line(&format!("missing in the network: {node}"));
            }
        }
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Says why there is no solution, where, and how much load there would be one for.
fn no_solution(network: &mut Network, report: &SolveReport) {
    let bus = report
        .worst_bus
        .map_or("-", |bus| network.bus_id(bus))
        .to_owned();
    output::line(&format!(
        "verdict: {:?}, worst at bus {bus}",
        report.verdict
    ));
    let margin = network.loading_margin(1.0);
    let weakest = margin
        .weakest_bus
        .map_or("-", |bus| network.bus_id(bus))
        .to_owned();
    output::line(&format!(
        "it carries {:.1} % of this load; weakest bus there {weakest} at {:.3} pu",
        margin.factor * 100.0,
        margin.lowest_pu
    ));
}

fn load(args: &SolveArgs) -> Result<Network> {
    if args
        .file
        .to_string_lossy()
        .to_lowercase()
        .ends_with(".scene.ron")
    {
        return solve_scene(args);
    }
    network(&args.file, args.const_law)
}

/// The network of a deck or RON grid.
pub fn network(file: &Path, const_law: bool) -> Result<Network> {
    let name = file.to_string_lossy().to_lowercase();
    let mut case = if name.ends_with(".ron") {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        GridCase::from_ron(&text, &file.display().to_string())?
    } else {
        deck(file)?
    };
    if const_law {
        for load in &mut case.loads {
            // The law holds at every voltage; only below half the rated one a
            // load still turns into an impedance, as the engine of the
            // reference solutions does.
            load.band = VoltageBand {
                min_pu: 0.0,
                max_pu: 2.0,
                low_pu: load.band.low_pu,
            };
        }
    }
    Ok(Network::build(&case)?)
}

fn deck(file: &Path) -> Result<GridCase> {
    let import = gridloom_dss::load_deck(file)?;
    for finding in import
        .report
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
    {
        output::error(&finding.to_string());
    }
    Ok(import.case)
}

/// The network of a scene at a moment, with all ports as they were there.
fn solve_scene(args: &SolveArgs) -> Result<Network> {
    let mut twin = scene::twin(&args.file, TwinOptions::default())?;
    let tick = Tick(args.at.as_millis() / twin.tick_ms() + 1);
    twin.run_until(tick.min(twin.end()));
    Ok(twin.network().clone())
}
