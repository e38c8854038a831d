//! `gridloom race`: one day of readings under several ledger configurations.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use gridloom_consensus::LinkConfig;
use gridloom_consensus::compare::{Family, Load, Outcome, Setting, compare};
use gridloom_ledger::scale::{ScaleSetting, run as run_ledgers};
use gridloom_model::scene::{DataPlace, Execution, Preset as Named, TechnologySpec};
use serde::Serialize;

use super::output;

/// Bytes of a reading on a ledger, with its signature.
const READING_BYTES: u64 = 250;
/// Bytes that stand for it where the reading itself lies outside: hash, signer, signature.
const POINTER_BYTES: u64 = 130;
/// Power of a node that votes, W: a single-board computer.
const NODE_W: f64 = 5.0;
/// Power of a node that computes for its right to commit, W: one graphics card.
const MINER_W: f64 = 200.0;
/// Endorsers that simulate each transaction before it is ordered, and compare.
const ENDORSERS: u64 = 2;

/// There and back to the slowest of them, ms: twice the longest delay of [`links`].
const ASKED_MS: u64 = 120;

/// A ledger configuration with a name (paper Table 1, groups of its presets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Four BFT clusters of four and a root of four.
    Gridloom,
    /// One BFT ledger of all validators.
    Flat,
    /// Group 1: ordered by a leader, simulated and compared, data outside.
    Fabric,
    /// Known signers in turn.
    Authority,
    /// Group 2: seven elected nodes vote, two simulate first, the others follow.
    Neo,
    /// Group 2: a committee drawn by stake votes on each block.
    Algorand,
    /// Group 3 as the paper has it: proof of work.
    Ethereum,
    /// Proof of stake with finality by epochs, what Ethereum became.
    EthereumStake,
    /// Proof of work in shards under a root chain.
    Quarkchain,
}

impl Preset {
    /// What a scene calls it: its parts are in one place.
    fn parts(self) -> TechnologySpec {
        match self {
            Self::Gridloom | Self::Flat => Named::Gridloom,
            Self::Fabric => Named::Fabric,
            Self::Authority => Named::Authority,
            Self::Neo => Named::Neo,
            Self::Algorand => Named::Algorand,
            Self::Ethereum => Named::Ethereum,
            Self::EthereumStake => Named::EthereumStake,
            Self::Quarkchain => Named::Quarkchain,
        }
        .parts()
    }

    fn on_chain(self) -> bool {
        self.parts().data == DataPlace::OnChain
    }
}

/// Arguments of `race`.
#[derive(Args)]
pub struct RaceArgs {
    /// Configurations (default: all).
    #[arg(long, value_delimiter = ',')]
    presets: Vec<Preset>,
    /// Simulated hours.
    #[arg(long, default_value_t = 24)]
    hours: u64,
    /// Homes; each is read every five minutes.
    #[arg(long, default_value_t = 55)]
    homes: u32,
    /// Nodes of every configuration without clusters.
    #[arg(long, default_value_t = 20)]
    nodes: u16,
    /// Seed of all draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also draw the wall of one flat ledger, and what clusters make of it, into an SVG file.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    preset: String,
    group: u8,
    codes: String,
    nodes: u64,
    finality_p50_s: f64,
    finality_p99_s: f64,
    finalised_per_s: f64,
    finalised_pct: f64,
    messages_per_reading: f64,
    sent_mb: f64,
    energy_kwh: f64,
    orphans: u64,
    deepest_reorganisation: u64,
    stored_mb_per_node: f64,
    outside_mb: f64,
}

/// Time between two readings of a home, ms.
const READING_MS: u64 = 300_000;

/// Runs the day under every configuration and prints them side by side.
pub fn run(args: &RaceArgs) -> Result<ExitCode> {
    if args.hours == 0 || args.hours > 24 * 31 {
        bail!("--hours must be 1 to 744, is {}", args.hours);
    }
    if args.nodes < 4 || args.nodes > 100 || args.homes < 4 || args.homes > 10_000 {
        bail!("a race needs 4 to 100 --nodes and 4 to 10000 --homes");
    }
    let mut rows = Vec::new();
    for preset in Preset::value_variants() {
        if args.presets.is_empty() || args.presets.contains(preset) {
            rows.push(row(args, *preset)?);
        }
    }
    if args.json {
        for row in &rows {
            output::line(&serde_json::to_string(row)?);
        }
    } else {
        table(args, &rows);
    }
    if let Some(path) = &args.plot {
        super::plot_wall::draw(path, args.seed)?;
        output::line(&format!("\nwrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn links() -> LinkConfig {
    LinkConfig {
        latency_min_us: 10_000,
        latency_max_us: 60_000,
        loss_ppm: 0,
        ..LinkConfig::default()
    }
}

fn load(args: &RaceArgs, bytes: u64) -> Load {
    Load {
        per_s: f64::from(args.homes) * 1_000.0 / READING_MS as f64,
        tx_bytes: bytes,
        horizon_ms: args.hours * 3_600_000,
        seed: args.seed,
    }
}

fn model(args: &RaceArgs, family: Family, nodes: u16, block_ms: u64, bytes: u64) -> Outcome {
    let node_w = if family == Family::Work {
        MINER_W
    } else {
        NODE_W
    };
    let setting = Setting {
        family,
        nodes,
        block_ms,
        links: links(),
        node_w,
        block_bytes: 1 << 20,
    };
    compare(&setting, &load(args, bytes))
}

fn row(args: &RaceArgs, preset: Preset) -> Result<Row> {
    let n = args.nodes;
    let bytes = if preset.on_chain() {
        READING_BYTES
    } else {
        POINTER_BYTES
    };
    let outcome = match preset {
        Preset::Gridloom => return ledgers(args, preset, 4, 4),
        Preset::Flat => return ledgers(args, preset, 0, u32::from(n)),
        Preset::Neo => return elected(args, preset),
        Preset::Fabric => model(args, Family::CrashFault, n, 2_000, bytes),
        Preset::Authority => model(args, Family::Authority, n, 5_000, bytes),
        Preset::Algorand => model(args, Family::Delegated, n, 3_000, bytes),
        Preset::Ethereum => model(args, Family::Work, n, 13_000, bytes),
        Preset::EthereumStake => model(args, Family::Stake, n, 12_000, bytes),
        Preset::Quarkchain => sharded(args, bytes),
    };
    let compared = preset.parts().execution != Execution::Deterministic;
    let outcome = if compared { endorsed(outcome) } else { outcome };
    Ok(of_model(args, preset, u64::from(n), &outcome))
}

/// Every transaction is simulated by endorsers first: asked and answered.
fn endorsed(mut outcome: Outcome) -> Outcome {
    outcome.finality_p50_ms += ASKED_MS;
    outcome.finality_p99_ms += ASKED_MS;
    outcome.messages += outcome.offered * ENDORSERS * 2;
    outcome.bytes += outcome.offered * ENDORSERS * 2 * READING_BYTES;
    outcome
}

/// Four shards of a quarter of the nodes under a root chain of all: a reading
/// is final when the root block that lists its shard block is.
fn sharded(args: &RaceArgs, bytes: u64) -> Outcome {
    const SHARDS: u64 = 4;
    let quarter = (args.nodes / SHARDS as u16).max(1);
    let shard = model(args, Family::Work, quarter, 10_000, bytes);
    // The root lists shard headers, one per shard block.
    let mut root_args = load(args, 150);
    root_args.per_s = SHARDS as f64 / 10.0;
    let setting = Setting {
        family: Family::Work,
        nodes: args.nodes,
        block_ms: 60_000,
        links: links(),
        node_w: MINER_W,
        block_bytes: 1 << 20,
    };
    let root = compare(&setting, &root_args);
    let in_shard_ms = 10_000;
    Outcome {
        finality_p50_ms: in_shard_ms + root.finality_p50_ms,
        finality_p99_ms: 3 * in_shard_ms + root.finality_p99_ms,
        messages: shard.messages * SHARDS + root.messages,
        bytes: shard.bytes + root.bytes,
        energy_kwh: root.energy_kwh,
        orphans: shard.orphans * SHARDS + root.orphans,
        deepest_reorganisation: shard
            .deepest_reorganisation
            .max(root.deepest_reorganisation),
        storage_bytes: shard.storage_bytes / SHARDS + root.storage_bytes,
        ..shard
    }
}

fn of_model(args: &RaceArgs, preset: Preset, nodes: u64, outcome: &Outcome) -> Row {
    let seconds = args.hours as f64 * 3_600.0;
    let offered = outcome.offered.max(1) as f64;
    Row {
        preset: name(preset),
        group: preset.parts().group(),
        codes: preset.parts().codes(),
        nodes,
        finality_p50_s: outcome.finality_p50_ms as f64 / 1e3,
        finality_p99_s: outcome.finality_p99_ms as f64 / 1e3,
        finalised_per_s: outcome.finalised as f64 / seconds,
        finalised_pct: outcome.finalised as f64 * 100.0 / offered,
        messages_per_reading: outcome.messages as f64 / offered,
        sent_mb: outcome.bytes as f64 / 1e6,
        energy_kwh: outcome.energy_kwh,
        orphans: outcome.orphans,
        deepest_reorganisation: outcome.deepest_reorganisation,
        stored_mb_per_node: outcome.storage_bytes as f64 / 1e6,
        outside_mb: if preset.on_chain() {
            0.0
        } else {
            offered * READING_BYTES as f64 / 1e6
        },
    }
}

/// Nodes that are elected to vote.
const ELECTED: u16 = 7;

/// An elected set votes with the project's own engine; every transaction is
/// simulated and compared first, and every block sent to the nodes that follow.
fn elected(args: &RaceArgs, preset: Preset) -> Result<Row> {
    let voters = ELECTED.min(args.nodes);
    let row = ledgers(args, preset, 0, u32::from(voters))?;
    let followers = u64::from(args.nodes - voters);
    let readings = f64::from(args.homes) * args.hours as f64 * 3.6e6 / READING_MS as f64;
    let simulated = ENDORSERS as f64 * 2.0;
    let blocks = args.hours as f64 * 3.6e6 / BLOCK_MS as f64;
    let followed = blocks * followers as f64;
    Ok(Row {
        nodes: u64::from(args.nodes),
        finality_p50_s: row.finality_p50_s + ASKED_MS as f64 / 1e3,
        finality_p99_s: row.finality_p99_s + ASKED_MS as f64 / 1e3,
        messages_per_reading: row.messages_per_reading + simulated + followed / readings,
        sent_mb: row.sent_mb
            + readings * simulated * READING_BYTES as f64 / 1e6
            + row.stored_mb_per_node * followers as f64,
        energy_kwh: NODE_W * f64::from(args.nodes) * args.hours as f64 / 1e3,
        ..row
    })
}

/// Time between blocks of the project's own ledgers, ms.
const BLOCK_MS: u64 = 15_000;

/// The project's own ledgers: blocks, execution, certificates, root.
fn ledgers(args: &RaceArgs, preset: Preset, clusters: u32, validators: u32) -> Result<Row> {
    let point = run_ledgers(&ScaleSetting {
        clusters,
        validators,
        root_validators: 4,
        meters: args.homes,
        reading_ms: READING_MS,
        block_ms: BLOCK_MS,
        kbit_per_s: 0,
        propose_ms: 1_500,
        measured_ms: args.hours * 3_600_000,
        seed: args.seed,
    })
    .map_err(anyhow::Error::msg)?;
    let seconds = args.hours as f64 * 3_600.0;
    let offered = point.offered_per_s * seconds;
    let nodes = u64::from(validators) * u64::from(clusters.max(1)) + 4 * u64::from(clusters.min(1));
    Ok(Row {
        preset: name(preset),
        group: preset.parts().group(),
        codes: preset.parts().codes(),
        nodes,
        finality_p50_s: point.finality_p50_ms as f64 / 1e3,
        finality_p99_s: point.finality_p99_ms as f64 / 1e3,
        finalised_per_s: point.finalised_per_s,
        finalised_pct: point.finalised_per_s * seconds * 100.0 / offered,
        messages_per_reading: point.messages as f64 / offered,
        sent_mb: point.bytes as f64 / 1e6,
        energy_kwh: NODE_W * nodes as f64 * args.hours as f64 / 1e3,
        orphans: 0,
        deepest_reorganisation: 0,
        stored_mb_per_node: point.stored_bytes as f64 / 1e6,
        outside_mb: 0.0,
    })
}

fn name(preset: Preset) -> String {
    preset
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

fn table(args: &RaceArgs, rows: &[Row]) {
    output::line(&format!(
        "{} h, {} homes read every 5 min, seed {}: readings under each configuration\n",
        args.hours, args.homes, args.seed
    ));
    output::line(&format!(
        "{:<15} {:<5} {:<20} {:>5} {:>9} {:>9} {:>8} {:>7} {:>9} {:>9} {:>8} {:>7} {:>5} {:>9} {:>8}",
        "preset",
        "group",
        "Table 1",
        "nodes",
        "final p50",
        "p99 s",
        "per s",
        "final %",
        "msg/read",
        "sent MB",
        "kWh",
        "orphans",
        "reorg",
        "MB/node",
        "outside"
    ));
    for r in rows {
        output::line(&format!(
            "{:<15} {:<5} {:<20} {:>5} {:>9.2} {:>9.2} {:>8.3} {:>7.2} {:>9.1} {:>9.1} {:>8.2} {:>7} {:>5} {:>9.2} {:>8.2}",
            r.preset,
            r.group,
            r.codes,
            r.nodes,
            r.finality_p50_s,
            r.finality_p99_s,
            r.finalised_per_s,
            r.finalised_pct,
            r.messages_per_reading,
            r.sent_mb,
            r.energy_kwh,
            r.orphans,
            r.deepest_reorganisation,
            r.stored_mb_per_node,
            r.outside_mb
        ));
    }
    output::line(&format!(
        "\ngridloom, flat and neo run the project's own engine with execution; the others are models of \
         their family on links of the same delays (10 to 60 ms), without execution. Energy: {NODE_W} \
         W per node that votes, {MINER_W} W per node that computes. Groups and codes: the paper's \
         Table 1."
    ));
}
