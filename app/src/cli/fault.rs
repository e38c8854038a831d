//! `gridloom fault`: short-circuit currents at a bus.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gridloom_flow::{Complex, Fault, FaultKind, FaultPlace, Network, PortId};

use super::{output, solve};

/// Kind of fault on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// All phases to earth.
    #[value(name = "3ph")]
    ThreePhase,
    /// All phases together, without earth.
    #[value(name = "3phf")]
    ThreePhaseFree,
    /// Phase to phase.
    Ll,
    /// Two phases to earth.
    Llg,
    /// One phase to earth.
    Lg,
}

/// Arguments of `fault`.
#[derive(Args)]
pub struct FaultArgs {
    /// OpenDSS deck (`.dss`) or RON grid (`.grid.ron`).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Bus of the fault.
    #[arg(long, required_unless_present = "line", conflicts_with = "line")]
    bus: Option<String>,
    /// Line of the fault, instead of a bus.
    #[arg(long)]
    line: Option<String>,
    /// Where on the line, from its first end (0) to its second (1).
    #[arg(long, requires = "line", default_value_t = 0.5)]
    at: f64,
    /// Kind of fault.
    #[arg(long = "type", value_enum)]
    kind: Kind,
    /// Conductors in fault (default: 1, or 1,2 between two).
    #[arg(long, value_delimiter = ',')]
    phases: Vec<u8>,
    /// Impedance of the fault, ohm.
    #[arg(long, value_name = "R,X", default_value = "0,0", value_parser = impedance)]
    z: Complex,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

fn impedance(text: &str) -> Result<Complex, String> {
    let wrong = || format!("`{text}` is no impedance: write R,X in ohm, for example 0.01,0");
    let (r, x) = text.split_once(',').ok_or_else(wrong)?;
    let number = |part: &str| {
        part.trim()
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .ok_or_else(wrong)
    };
    Ok(Complex::new(number(r)?, number(x)?))
}

/// Fault id in the running network.
const ID: u32 = 0;

/// What is printed of a fault.
struct Found {
    /// How it was found.
    mode: &'static str,
    currents: Vec<(u8, Complex)>,
    voltages: Vec<(u8, Complex)>,
}

/// Computes the fault from the loaded state: at a bus with the loads as
/// impedances; on a line, or where the current of a plant is limited, in the
/// running network.
pub fn run(args: &FaultArgs) -> Result<ExitCode> {
    let mut network = solve::network(&args.file, false)?;
    if !network.solve_exactly().converged {
        bail!("the network has no solution before the fault");
    }
    // A study solves for the state its impedances belong to.
    network.solve();
    let kind = kind(args)?;
    let (place, name) = match (&args.bus, &args.line) {
        (_, Some(id)) => {
            let line = network
                .line_index(id)
                .with_context(|| format!("no line `{id}`"))?;
            let position = args.at;
            let place = FaultPlace::Line { line, position };
            (place, format!("line {id} at {position}"))
        }
        (Some(id), None) => {
            let bus = network
                .bus_index(id)
                .with_context(|| format!("no bus `{id}`"))?;
            (FaultPlace::Bus(bus), format!("bus {id}"))
        }
        (None, None) => bail!("give --bus or --line"),
    };
    let limited = (0..network.port_count()).any(|p| network.port_limit(PortId(p as u32)).is_some());
    let found = match place {
        FaultPlace::Bus(bus) if !limited => study(&mut network, bus, kind, args.z)?,
        _ => running(&mut network, place, kind, args.z)?,
    };
    print(args, kind, &name, &found);
    Ok(ExitCode::SUCCESS)
}

fn kind(args: &FaultArgs) -> Result<FaultKind> {
    Ok(match (args.kind, &args.phases[..]) {
        (Kind::ThreePhase, []) => FaultKind::ThreePhaseEarth,
        (Kind::ThreePhaseFree, []) => FaultKind::ThreePhase,
        (Kind::Ll, []) => FaultKind::LineLine(1, 2),
        (Kind::Ll, &[a, b]) => FaultKind::LineLine(a, b),
        (Kind::Llg, []) => FaultKind::LineLineEarth(1, 2),
        (Kind::Llg, &[a, b]) => FaultKind::LineLineEarth(a, b),
        (Kind::Lg, []) => FaultKind::LineEarth(1),
        (Kind::Lg, &[a]) => FaultKind::LineEarth(a),
        _ => {
            return Err(anyhow!(
                "--phases does not fit --type: one for lg, two for ll and llg"
            ));
        }
    })
}

fn study(network: &mut Network, bus: usize, kind: FaultKind, z: Complex) -> Result<Found> {
    let fault = network.fault_study()?.fault(bus, kind, z)?;
    let nodes = network.bus_nodes(bus).map(|n| network.node_at(n).1);
    Ok(Found {
        mode: "loads as impedances at rated voltage",
        voltages: nodes.zip(fault.voltages).collect(),
        currents: fault.conductors.into_iter().zip(fault.currents).collect(),
    })
}

fn running(
    network: &mut Network,
    place: FaultPlace,
    kind: FaultKind,
    z_ohm: Complex,
) -> Result<Found> {
    let fault = Fault {
        z_ohm,
        ..Fault::bolted(place, kind)
    };
    network.set_fault(ID, Some(fault))?;
    let report = network.solve();
    if !report.converged {
        bail!(
            "the network has no solution with the fault ({:?})",
            report.verdict
        );
    }
    let reading = network
        .fault_reading(ID)
        .context("the fault is not in the network")?;
    Ok(Found {
        mode: "running network, loads by their laws and as impedances below 0.7 pu",
        currents: reading.currents,
        voltages: reading.voltages,
    })
}

fn print(args: &FaultArgs, kind: FaultKind, name: &str, found: &Found) {
    if args.json {
        let list = |values: &[(u8, Complex)], size: &str, angle: &str| -> Vec<_> {
            values
                .iter()
                .map(|(c, x)| {
                    serde_json::json!({ "conductor": c, size: x.abs(), angle: x.arg_deg() })
                })
                .collect()
        };
        let object = serde_json::json!({
            "bus": args.bus, "line": args.line, "type": format!("{kind:?}"), "mode": found.mode,
            "currents": list(&found.currents, "i_amps", "i_deg"),
            "voltages": list(&found.voltages, "v_volts", "v_deg"),
        });
        output::line(&object.to_string());
        return;
    }
    output::line(&format!("{kind:?} at {name} ({})", found.mode));
    for (conductor, current) in &found.currents {
        output::line(&format!(
            "  conductor {conductor}: {:.2} A at {:.2} deg",
            current.abs(),
            current.arg_deg()
        ));
    }
    for (conductor, volts) in &found.voltages {
        output::line(&format!(
            "  voltage {conductor}: {:.2} V at {:.2} deg",
            volts.abs(),
            volts.arg_deg()
        ));
    }
}
