//! `gridloom trace`: one lot of energy from its consumer to the meter and back.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use gridloom_core::TwinOptions;
use gridloom_ledger::trace::{Trace, TraceStep, trace};
use gridloom_ledger::{Delivery, LedgerChain};
use gridloom_units::{AccountId, SimTime, Tick};
use serde::Serialize;

use super::{output, scene};

/// Most lots looked through for one that fits.
const LOTS: usize = 4_096;

/// Arguments of `trace`.
#[derive(Args)]
pub struct TraceArgs {
    /// Scene to run.
    scene: PathBuf,
    /// Home (or shared battery) whose energy is traced.
    #[arg(long)]
    home: String,
    /// Simulated time to run to.
    #[arg(long, default_value = "13:00", value_parser = SimTime::parse)]
    at: SimTime,
    /// Slot in which the energy was consumed (default: the newest with energy of a neighbour).
    #[arg(long)]
    slot: Option<u32>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// A step as one line of JSON.
#[derive(Serialize)]
struct Line<'t> {
    direction: &'t str,
    what: &'t str,
    proof: &'t str,
    bytes: usize,
    holds: bool,
}

/// Runs the scene and traces; exit code 1 when a proof does not hold.
pub fn run(args: &TraceArgs) -> Result<ExitCode> {
    let mut twin = scene::twin(&args.scene, TwinOptions::default())?;
    let (cluster, account) = twin
        .account(&args.home)
        .ok_or_else(|| anyhow!("the scene has no home or shared battery `{}`", args.home))?;
    let end = Tick(args.at.as_millis() / twin.tick_ms()).min(twin.end());
    twin.run_until(end);
    let ledgers = twin.ledgers();
    let Some(((_, root), clusters)) = ledgers.split_last() else {
        bail!("the scene has no ledgers");
    };
    let (name, chain) = clusters
        .get(cluster as usize)
        .ok_or_else(|| anyhow!("cluster {cluster} has no ledger"))?;
    let lots = chain.statement(account, LOTS);
    let fits = |lot: &&Delivery| {
        let wanted = args.slot.is_none_or(|slot| lot.delivered_slot == slot);
        wanted && chain.participant(lot.plant).is_some() && lot.plant != account && lot.wh > 0
    };
    let lot = lots.iter().find(fits).ok_or_else(|| {
        anyhow!(
            "{} received no energy of a plant in cluster {name} up to {}{}: what it took came from \
             outside the cluster. Try another time (--at) or slot (--slot).",
            args.home,
            args.at,
            args.slot
                .map_or(String::new(), |slot| format!(" in slot {slot}"))
        )
    })?;
    let traced = trace(cluster, chain, root, *lot).map_err(anyhow::Error::msg)?;
    print(args, name, &traced);
    print_claims(args, account, chain, clusters);
    Ok(if traced.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(args: &TraceArgs, cluster: &str, traced: &Trace) {
    if args.json {
        let parts = [("there", &traced.there), ("back", &traced.back)];
        for (direction, steps) in parts {
            for step in steps {
                let TraceStep {
                    what,
                    proof,
                    bytes,
                    holds,
                } = step;
                let line = Line {
                    direction,
                    what,
                    proof,
                    bytes: *bytes,
                    holds: *holds,
                };
                if let Ok(text) = serde_json::to_string(&line) {
                    output::line(&text);
                }
            }
        }
        return;
    }
    let lot = &traced.lot;
    output::line(&format!(
        "{} Wh {} that {} used in slot {} (cluster {cluster})",
        lot.wh,
        lot.kind.label(),
        args.home,
        lot.delivered_slot
    ));
    output::line("\nfrom the consumer to the meter of the plant");
    traced.there.iter().for_each(print_step);
    output::line("\nand back");
    traced.back.iter().for_each(print_step);
    output::line(
        "\nThe link is contractual, not physical: within a slot the ledger assigns what plants \
         metered out to what consumers metered in. Which electrons went where nobody knows.",
    );
}

/// Lots of other clusters the home holds: energy of the grid whose origin is known.
fn print_claims(
    args: &TraceArgs,
    account: AccountId,
    chain: &LedgerChain,
    clusters: &[(String, LedgerChain)],
) {
    let claims = chain.claims(account);
    if claims.is_empty() || args.json {
        return;
    }
    output::line(&format!(
        "\nof what {} bought from the grid, the origin of {} Wh in {} lots is known; the newest:",
        args.home,
        claims.iter().map(|lot| lot.wh).sum::<i64>(),
        claims.len()
    ));
    for lot in claims.iter().rev().take(3) {
        let source = clusters.get(lot.cluster as usize);
        let plant = source
            .and_then(|(_, chain)| chain.participant(lot.plant))
            .map_or_else(|| lot.plant.to_string(), |known| known.name.clone());
        let cluster = source.map_or("?", |(name, _)| name.as_str());
        output::line(&format!(
            "  {} Wh {} of {plant} in cluster {cluster}, slot {}",
            lot.wh,
            lot.kind.label(),
            lot.slot
        ));
    }
}

fn print_step(step: &TraceStep) {
    let verdict = if step.holds { "holds" } else { "DOES NOT HOLD" };
    output::line(&format!("  {}", step.what));
    output::line(&format!(
        "    {verdict}: {}{}",
        step.proof,
        if step.bytes > 0 {
            format!(" ({} bytes)", step.bytes)
        } else {
            String::new()
        }
    ));
}
