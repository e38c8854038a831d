//! The command line: arguments, dispatch and exit codes.
//!
//! Exit codes: 0 done and every expectation met, 1 an expectation, gate or
//! file failed, 2 wrong arguments (clap).

mod bench;
mod check;
mod device;
mod fault;
mod grid_gates;
mod import;
#[cfg(feature = "window")]
mod open;
mod output;
mod run;
mod scene;
#[cfg(feature = "window")]
mod shot;
mod solve;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Digital twin of a microgrid that a distributed ledger runs.
///
/// Without a subcommand the window opens on the default scene.
#[derive(Parser)]
#[command(name = "gridloom", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    /// Scene for the window (default: the built-in Åkerby scene).
    #[arg(long, value_name = "SCENE")]
    scene: Option<PathBuf>,

    /// Watch a physical Modbus TCP meter beside an entity (monitor mode); repeatable.
    #[arg(long = "bind", value_name = "ENTITY=PROFILE@HOST:PORT")]
    bindings: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a scene without a window, print a summary and check its expectations.
    Run(run::RunArgs),
    /// Check scene files and report every problem with file, line and column.
    Validate(validate::ValidateArgs),
    /// Solve the power flow of an OpenDSS deck, a RON grid or a scene.
    Solve(solve::SolveArgs),
    /// Short-circuit currents at a bus, from the loaded state.
    Fault(fault::FaultArgs),
    /// Draw a scene at a moment into a PNG file, without a window or display.
    #[cfg(feature = "window")]
    Shot(shot::ShotArgs),
    /// Measure speed and print it beside a peer or a limit.
    Bench(bench::BenchArgs),
    /// Run the gates of an area: target, measured value, pass or not.
    Check(check::CheckArgs),
    /// Turn an OpenDSS deck or a CSV table into the project's own RON files.
    Import(import::ImportArgs),
    /// Read, serve or check physical devices.
    Device(device::DeviceArgs),
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let result = match cli.command {
        None => open_window(cli.scene, &cli.bindings),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Validate(args)) => validate::run(&args),
        Some(Command::Solve(args)) => solve::run(&args),
        Some(Command::Fault(args)) => fault::run(&args),
        #[cfg(feature = "window")]
        Some(Command::Shot(args)) => shot::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Device(args)) => device::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            output::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "window")]
fn open_window(scene: Option<PathBuf>, bindings: &[String]) -> anyhow::Result<ExitCode> {
    open::run(scene, bindings)
}

#[cfg(not(feature = "window"))]
fn open_window(_scene: Option<PathBuf>, _bindings: &[String]) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "this build has no window (feature `window` is off): use `gridloom run SCENE`, or build \
         with default features"
    )
}

/// Logs go to standard error; `RUST_LOG` chooses what is shown.
fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,arc_malachitebft=error,wgpu=error,naga=error"));
    // A second subscriber (set by a test harness) is no reason to stop.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
