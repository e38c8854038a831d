//! `gridloom fault`: short-circuit currents at a bus.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gridloom_flow::{Complex, FaultKind};

use super::{output, solve};

/// Kind of fault on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// All phases to earth.
    #[value(name = "3ph")]
    ThreePhase,
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
    #[arg(long)]
    bus: String,
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

/// Computes the fault from the loaded state with loads as impedances.
pub fn run(args: &FaultArgs) -> Result<ExitCode> {
    let mut network = solve::network(&args.file, false)?;
    let bus = network
        .bus_index(&args.bus)
        .with_context(|| format!("no bus `{}`", args.bus))?;
    if !network.solve_exactly().converged {
        bail!("the network has no solution before the fault");
    }
    let kind = match (args.kind, &args.phases[..]) {
        (Kind::ThreePhase, []) => FaultKind::ThreePhase,
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
    };
    // A study solves for the state its impedances belong to.
    network.solve();
    let fault = network.fault_study()?.fault(bus, kind, args.z)?;
    if args.json {
        let currents: Vec<_> = fault
            .conductors
            .iter()
            .zip(&fault.currents)
            .map(|(c, i)| {
                serde_json::json!({ "conductor": c, "i_amps": i.abs(), "i_deg": i.arg_deg() })
            })
            .collect();
        let object = serde_json::json!({ "bus": args.bus, "currents": currents });
        output::line(&object.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{:?} at bus {}", kind, args.bus));
    for (conductor, current) in fault.conductors.iter().zip(&fault.currents) {
        output::line(&format!(
            "  conductor {conductor}: {:.2} A at {:.2} deg",
            current.abs(),
            current.arg_deg()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
