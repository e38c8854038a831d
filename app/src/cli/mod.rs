//! The command line: arguments, dispatch and exit codes.
//!
//! Exit codes: 0 done and every expectation met, 1 an expectation, gate or
//! file failed, 2 wrong arguments (clap).

mod archive;
mod bench;
mod bench_ledger;
mod bench_market;
mod bench_node;
mod bill;
mod check;
mod check_cloud;
mod check_devices;
mod check_ledger;
mod check_market;
mod check_market_bids;
mod check_market_ledger;
mod check_node;
mod check_room;
mod check_truth;
mod cloud;
mod device;
mod device_scene;
mod device_twin;
mod fault;
mod grid_gates;
mod import;
mod ledger_dir;
mod market;
mod market_tiers;
mod node;
#[cfg(feature = "window")]
mod open;
mod output;
mod plot_wall;
mod race;
mod records;
mod run;
mod run_agents;
mod scale;
pub(crate) mod scene;
#[cfg(feature = "window")]
mod shot;
mod solve;
mod sweep;
mod trace;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Digital twin of a microgrid that a distributed ledger runs.
///
/// Without a subcommand the window opens on the default scene.
#[derive(Parser)]
#[command(name = "gridloom", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    window: WindowArgs,
}

/// Arguments of the window.
#[derive(Args)]
#[cfg_attr(
    not(feature = "window"),
    allow(dead_code, reason = "they are for the window")
)]
struct WindowArgs {
    /// Scene for the window (default: the built-in Åkerby scene).
    #[arg(long, value_name = "SCENE")]
    scene: Option<PathBuf>,

    /// Watch a physical device beside an entity (monitor mode); repeatable.
    #[arg(long = "bind", value_name = "ENTITY=PROFILE@ADDRESS")]
    bindings: Vec<String>,

    /// Sign the counters of bound devices with the keys in this folder, for the ledger.
    #[arg(long, value_name = "DIR")]
    sign: Option<PathBuf>,

    /// Listen here for processes that run validators of the scene (`gridloom node join`).
    #[arg(long, value_name = "HOST:PORT")]
    validators: Option<String>,

    /// Look at a running ledger as well: endpoints for clients of its nodes.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    attach: Vec<String>,

    /// Genesis of that ledger, to check every header and certificate.
    #[arg(long, value_name = "FILE", requires = "attach")]
    genesis: Option<PathBuf>,
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
    /// Slots of a scene's market: prices, volumes and why a price is what it is.
    Market(market::MarketArgs),
    /// A household's bill: energy by type and origin, money, emissions.
    Bill(bill::BillArgs),
    /// Put many small ledgers through faults; every seed is a life that can be repeated.
    Sweep(sweep::SweepArgs),
    /// Follow energy of a home to the meter readings behind it and back, with proofs.
    Trace(trace::TraceArgs),
    /// Run a day of readings under several ledger configurations, side by side.
    Race(race::RaceArgs),
    /// Turn an OpenDSS deck or a CSV table into the project's own RON files.
    Import(import::ImportArgs),
    /// Read, serve or check physical devices.
    Device(device::DeviceArgs),
    /// Ask the database of a run.
    Cloud(cloud::CloudArgs),
    /// Run a ledger node on the network, set one up, or ask one how it is.
    Node(node::NodeArgs),
    /// Verify, list, prune or export the blocks in a stopped node's folder.
    Ledger(ledger_dir::LedgerArgs),
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let result = match cli.command {
        None => open_window(&cli.window),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Validate(args)) => validate::run(&args),
        Some(Command::Solve(args)) => solve::run(&args),
        Some(Command::Fault(args)) => fault::run(&args),
        #[cfg(feature = "window")]
        Some(Command::Shot(args)) => shot::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Market(args)) => market::run(&args),
        Some(Command::Bill(args)) => bill::run(&args),
        Some(Command::Sweep(args)) => sweep::run(&args),
        Some(Command::Trace(args)) => trace::run(&args),
        Some(Command::Race(args)) => race::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Device(args)) => device::run(&args),
        Some(Command::Cloud(args)) => cloud::run(&args),
        Some(Command::Node(args)) => node::run(args),
        Some(Command::Ledger(args)) => ledger_dir::run(&args),
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
fn open_window(args: &WindowArgs) -> anyhow::Result<ExitCode> {
    open::run(args)
}

#[cfg(not(feature = "window"))]
fn open_window(_args: &WindowArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "this build has no window (feature `window` is off): use `gridloom run SCENE`, or build \
         with default features"
    )
}

/// Logs go to standard error; `RUST_LOG` chooses what is shown.
fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(
            "warn,gridloom_node=info,arc_malachitebft=error,libp2p=error,wgpu=error,naga=error",
        )
    });
    // A second subscriber (set by a test harness) is no reason to stop.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .try_init();
}
