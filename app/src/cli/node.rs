//! `gridloom node`: a ledger node on the network, and what belongs to it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use gridloom_node::api::Client;
use gridloom_node::config::Pacing;
use gridloom_node::status::Status;
use gridloom_node::{Config, InitOptions, init};

use super::output;
use crate::remote::{JoinOptions, join};

/// Arguments of `node`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct NodeArgs {
    #[command(subcommand)]
    command: Option<NodeCommand>,
    /// Configuration of the node to run.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum NodeCommand {
    /// Write genesis, keys and configurations of a new ledger.
    Init(InitArgs),
    /// Ask a running node how it is.
    Status(StatusArgs),
    /// Print every block of a running node as it becomes durable, one JSON object a line.
    Watch {
        /// Address of its endpoint for clients, HOST:PORT.
        address: String,
    },
    /// Be a validator of a running scene, in place of the simulated one.
    Join(JoinArgs),
    /// Send meter readings to the nodes of a folder that `init` wrote.
    Load(LoadArgs),
}

#[derive(Args)]
struct InitArgs {
    /// New folder.
    dir: PathBuf,
    /// Number of validators.
    #[arg(long, default_value_t = 4)]
    validators: usize,
    /// Hosts of the validators in turn; one serves all.
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1")]
    hosts: Vec<String>,
    /// First port; each node takes two.
    #[arg(long, default_value_t = 4_700)]
    port: u16,
    /// Name of the ledger, at most 16 bytes.
    #[arg(long, default_value = "gridloom-local")]
    chain: String,
    /// Homes with an account and a deposit in the genesis.
    #[arg(long, default_value_t = 100)]
    homes: u32,
    /// Least time between two blocks, ms.
    #[arg(long, default_value_t = Pacing::default().min_block_ms)]
    min_block_ms: u64,
}

#[derive(Args)]
struct StatusArgs {
    /// Addresses of endpoints for clients, HOST:PORT.
    #[arg(required = true)]
    addresses: Vec<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct JoinArgs {
    /// Where the run listens for validators, HOST:PORT.
    address: String,
    /// Scene of the run; genesis and key follow from it.
    #[arg(long, value_name = "SCENE")]
    scene: PathBuf,
    /// Seed of the run, if it is not the scene's.
    #[arg(long)]
    seed: Option<u64>,
    /// Ledger: a cluster's id, or root.
    #[arg(long)]
    ledger: String,
    /// Index of the validator.
    #[arg(long)]
    node: u16,
}

#[derive(Args)]
struct LoadArgs {
    /// Folder that `init` wrote.
    dir: PathBuf,
    /// Readings, 1/s.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Homes whose meters send.
    #[arg(long, default_value_t = 100)]
    homes: u32,
}

/// Runs a node or what belongs to it.
pub fn run(args: NodeArgs) -> Result<ExitCode> {
    match (args.command, args.config) {
        (Some(NodeCommand::Init(args)), _) => start(&args),
        (Some(NodeCommand::Status(args)), _) => status(&args),
        (Some(NodeCommand::Watch { address }), _) => watch(&address),
        (Some(NodeCommand::Load(args)), _) => load(&args),
        (Some(NodeCommand::Join(args)), _) => join_run(args),
        (None, Some(config)) => {
            gridloom_node::run(Config::load(&config)?)?;
            Ok(ExitCode::SUCCESS)
        }
        (None, None) => anyhow::bail!("name a configuration: `gridloom node --config FILE`"),
    }
}

fn start(args: &InitArgs) -> Result<ExitCode> {
    let options = InitOptions {
        validators: args.validators,
        hosts: args.hosts.clone(),
        port: args.port,
        chain: args.chain.clone(),
        homes: args.homes,
        pacing: Pacing {
            min_block_ms: args.min_block_ms,
            ..Pacing::default()
        },
        ..InitOptions::default()
    };
    let written = init(&args.dir, &options)?;
    output::line(&format!(
        "wrote genesis.ron, services/ and {} nodes to {}",
        written.nodes.len(),
        args.dir.display()
    ));
    for (node, api) in written.nodes.iter().zip(&written.apis) {
        output::line(&format!(
            "  gridloom node --config {}    (clients: {api})",
            node.display()
        ));
    }
    if args.hosts.len() > 1 {
        output::line("copy genesis.ron and its own folder to each machine; keep the keys apart");
    }
    Ok(ExitCode::SUCCESS)
}

fn join_run(args: JoinArgs) -> Result<ExitCode> {
    let words = format!("validator {} of {}", args.node, args.ledger);
    let options = JoinOptions {
        address: args.address,
        scene: args.scene,
        seed: args.seed,
        ledger: args.ledger,
        node: args.node,
    };
    let (height, why) = join(&options, |height| {
        output::line(&format!("{words}: height {height}"));
    })?;
    output::line(&format!("{words}: {why}; height {height}"));
    Ok(ExitCode::SUCCESS)
}

const PATIENCE: Duration = Duration::from_secs(5);

fn status(args: &StatusArgs) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for address in &args.addresses {
        match Client::connect(address, PATIENCE).and_then(|mut client| client.status()) {
            Ok(status) if args.json => output::line(&serde_json::to_string(&status)?),
            Ok(status) => show(&status),
            Err(error) => {
                output::error(&error.to_string());
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn show(status: &Status) {
    let v = &status.validator;
    output::line(&format!(
        "{} of {}: height {}, round {}, {}, up {:.0} s",
        status.name, status.chain, v.height, v.round, v.step, status.uptime_s
    ));
    output::line(&format!("  block       {}", v.block));
    output::line(&format!("  state       {}", v.state_root));
    output::line(&format!(
        "  transactions  {} executed, {} waiting, {} taken in, {} refused",
        v.executed, v.waiting, v.accepted, v.refused
    ));
    output::line(&format!(
        "  caught up {} blocks, {} invalid, {} dropped, {} proofs of double signing",
        v.caught_up, v.invalid_blocks, v.dropped, v.evidence
    ));
    match v.silent_below {
        0 => {}
        u64::MAX => output::line("  does not vote until the others have told their heights"),
        below => output::line(&format!("  does not vote below height {below}")),
    }
    if let Some(reason) = &v.stopped {
        output::line(&format!("  STOPPED: {reason}"));
    }
    for peer in &status.peers {
        let state = match (&peer.refused, peer.connected) {
            (Some(why), _) => format!("refused: {why}"),
            (None, true) => format!("height {}", peer.height),
            (None, false) => "away".into(),
        };
        output::line(&format!(
            "  peer {:8} {:22} {state}; sent {} ({} kB), received {} ({} kB), dropped {}+{}+{}, \
             limited {}, malformed {}",
            peer.name,
            peer.address,
            peer.sent,
            peer.sent_bytes / 1_000,
            peer.received,
            peer.received_bytes / 1_000,
            peer.dropped_full,
            peer.dropped_away,
            peer.dropped_busy,
            peer.rate_limited,
            peer.malformed
        ));
    }
    let disk = &status.disk;
    output::line(&format!(
        "  disk  {} flushes, state saved at {}, {} blocks missing, {} healed",
        disk.log_flushes, disk.saved_state, disk.holes, disk.healed
    ));
    for line in &disk.report {
        output::line(&format!("    {line}"));
    }
}

fn watch(address: &str) -> Result<ExitCode> {
    let mut client = Client::connect(address, PATIENCE)?;
    client.watch()?;
    loop {
        if let Some(block) = client.next_block()? {
            output::line(&serde_json::to_string(&block)?);
        }
    }
}

fn load(args: &LoadArgs) -> Result<ExitCode> {
    let mut apis = Vec::new();
    for entry in std::fs::read_dir(&args.dir).context("the folder cannot be read")? {
        let config = entry?.path().join("node.ron");
        if config.exists() {
            apis.push(Config::load(&config)?.file.api);
        }
    }
    apis.sort();
    let (accepted, refused) =
        gridloom_node::load::send(&args.dir, &apis, args.homes, args.rate, args.seconds)?;
    output::line(&format!("{accepted} readings taken in, {refused} refused"));
    Ok(ExitCode::SUCCESS)
}
