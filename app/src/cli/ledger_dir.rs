//! `gridloom ledger`: what an operator does with a stopped node's folder.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use gridloom_ledger::LedgerBlock;
use gridloom_node::{hex, ops};
use gridloom_units::SimTime;

use super::output;

/// Arguments of `ledger`.
#[derive(Args)]
pub struct LedgerArgs {
    #[command(subcommand)]
    command: LedgerCommand,
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Check everything on disk: checksums, links, certificates, states, and every transaction again.
    Verify {
        /// Folder of a node.
        dir: PathBuf,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// List blocks, the newest or those from a height on.
    Show {
        /// Folder of a node.
        dir: PathBuf,
        /// First height.
        #[arg(long)]
        from: Option<u64>,
        /// Number of blocks.
        #[arg(long, default_value_t = 20)]
        count: u64,
        /// List the transactions as well.
        #[arg(long)]
        transactions: bool,
    },
    /// Drop the transactions of old blocks; headers and certificates stay.
    Prune {
        /// Folder of a node.
        dir: PathBuf,
        /// Newest blocks to keep whole.
        #[arg(long)]
        keep: u64,
    },
    /// Write blocks as JSON, one a line, with their canonical bytes.
    Export {
        /// Folder of a node.
        dir: PathBuf,
        /// First height.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// File to write; standard output without.
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
}

/// Runs the command; `verify` exits with 1 when something is wrong.
pub fn run(args: &LedgerArgs) -> Result<ExitCode> {
    match &args.command {
        LedgerCommand::Verify { dir, json } => verify(dir, *json),
        LedgerCommand::Show {
            dir,
            from,
            count,
            transactions,
        } => show(dir, *from, *count, *transactions),
        LedgerCommand::Prune { dir, keep } => {
            let pruned = ops::prune(dir, *keep)?;
            output::line(&format!(
                "dropped the transactions of {} blocks; whole from height {}; {} kB, before {} kB",
                pruned.blocks,
                pruned.whole_from,
                pruned.bytes_after / 1_000,
                pruned.bytes_before / 1_000
            ));
            Ok(ExitCode::SUCCESS)
        }
        LedgerCommand::Export { dir, from, output } => export(dir, *from, output.as_deref()),
    }
}

fn verify(dir: &Path, json: bool) -> Result<ExitCode> {
    let verified = ops::verify(dir)?;
    let good = verified.problems.is_empty();
    if json {
        let object = serde_json::json!({
            "height": verified.height, "state_root": verified.state_root,
            "executed": verified.executed, "pruned": verified.pruned,
            "certificates": verified.certificates, "transactions": verified.transactions,
            "saved_states": verified.states, "problems": verified.problems,
        });
        output::line(&object.to_string());
    } else {
        output::line(&format!(
            "{}: height {}, {} blocks executed again with {} transactions, {} pruned, {} \
             certificates, saved states at {:?}",
            dir.display(),
            verified.height,
            verified.executed,
            verified.transactions,
            verified.pruned,
            verified.certificates,
            verified.states
        ));
        if let Some(root) = &verified.state_root {
            output::line(&format!("state root {root}"));
        }
        for problem in &verified.problems {
            output::line(problem);
        }
        output::line(if good { "sound" } else { "NOT SOUND" });
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(dir: &Path, from: Option<u64>, count: u64, transactions: bool) -> Result<ExitCode> {
    let (tip, rows) = ops::show(dir, from, count)?;
    output::line(&format!("{}: height {tip}", dir.display()));
    output::line("  height  round  txs  time          block             state");
    for row in rows {
        match row.block {
            Ok(decided) => {
                let block: &LedgerBlock = &decided.block;
                let header = block.header();
                let short = |bytes: &[u8; 32]| hex::encode(&bytes[..8]);
                output::line(&format!(
                    "{:8}  {:5}  {:3}  {:12}  {}  {}",
                    row.height,
                    decided.certificate.round,
                    block.transactions().len(),
                    SimTime(header.time_ms).to_string(),
                    short(&header.id().0),
                    short(&header.state_root)
                ));
                for tx in block.transactions().iter().filter(|_| transactions) {
                    output::line(&format!("            {}", tx.summary()));
                }
            }
            Err(why) => output::line(&format!("{:8}  {why}", row.height)),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn export(dir: &Path, from: u64, to: Option<&Path>) -> Result<ExitCode> {
    match to {
        Some(path) => {
            let file = std::fs::File::create(path)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            let mut file = std::io::BufWriter::new(file);
            let count = ops::export(dir, from, &mut file)?;
            file.flush()?;
            output::line(&format!("{count} blocks exported to {}", path.display()));
        }
        None => {
            ops::export(dir, from, &mut std::io::stdout().lock())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
