//! `gridloom market`: what came out of a scene's market.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use gridloom_core::market::inspect::{self, OutlookRow, SlotRow};
use gridloom_core::{Twin, TwinOptions};
use gridloom_units::{EnergyType, SimTime, Tick};
use indicatif::ProgressBar;

use super::market_tiers::tiers;
use super::{output, scene};

/// Arguments of `market`.
#[derive(Args)]
pub struct MarketArgs {
    /// Scene file.
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// Stop at this simulated time; default: end of the scene.
    #[arg(long, value_parser = SimTime::parse)]
    until: Option<SimTime>,
    /// Only this cluster.
    #[arg(long)]
    cluster: Option<String>,
    /// Take the price of this slot apart.
    #[arg(long)]
    why: Option<u32>,
    /// What clearing between the clusters would have done with the slots.
    #[arg(long)]
    tiers: bool,
    /// Largest voltage at any customer for --tiers, pu: clears within limits and
    /// checks the result against the power flow.
    #[arg(long, value_name = "PU")]
    pub(super) v_max: Option<f64>,
    /// Least voltage at any customer for --tiers, pu.
    #[arg(long, value_name = "PU")]
    pub(super) v_min: Option<f64>,
    /// Network fee on a cluster's line for --tiers, ct/kWh.
    #[arg(long, default_value_t = 1.0, value_name = "CT")]
    pub(super) neighbour_fee: f64,
    /// Network fee at the head of the feeder for --tiers, ct/kWh.
    #[arg(long, default_value_t = 2.0, value_name = "CT")]
    pub(super) grid_fee: f64,
    /// One JSON object a slot.
    #[arg(long)]
    pub(super) json: bool,
}

/// A scene run up to a time.
pub(super) fn simulated(path: &std::path::Path, until: Option<SimTime>) -> Result<Twin> {
    let mut twin = scene::twin(path, TwinOptions::default())?;
    let end = until.map_or(twin.end(), |until| {
        Tick(until.as_millis() / twin.tick_ms()).min(twin.end())
    });
    let bar = ProgressBar::new(end.0);
    while twin.tick() < end {
        twin.step();
        if twin.tick().0.is_multiple_of(600) {
            bar.set_position(twin.tick().0);
        }
    }
    bar.finish_and_clear();
    Ok(twin)
}

/// Prints the slots of a scene's market.
pub fn run(args: &MarketArgs) -> Result<ExitCode> {
    let mut twin = simulated(&args.scene, args.until)?;
    if args.tiers {
        return tiers(&mut twin, args);
    }
    let mut rows = inspect::slots(&mut twin);
    if let Some(cluster) = &args.cluster {
        rows.retain(|row| row.cluster == *cluster);
    }
    if let Some(slot) = args.why {
        rows.retain(|row| row.slot == slot);
    }
    if rows.is_empty() {
        return Err(anyhow!(
            "no decided slot matches: a slot is priced once the readings of the one before are on record"
        ));
    }
    if args.json {
        for row in &rows {
            output::line(&serde_json::to_string(row)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    output::line(
        "cluster slot  time   price  solar battery | supply solar battery demand | local bought   sold | by rule  held  no battery",
    );
    output::line(
        "                     ct/kWh                | kWh, formed from            | kWh, this slot      | ct/kWh",
    );
    for row in &rows {
        output::line(&slot_line(row));
    }
    if args.why.is_some() {
        for row in &rows {
            explain(row);
        }
    } else {
        let mut outlooks = inspect::outlooks(&mut twin);
        if let Some(cluster) = &args.cluster {
            outlooks.retain(|row| row.cluster == *cluster);
        }
        forecasts(&outlooks);
    }
    Ok(ExitCode::SUCCESS)
}

/// How far off the forecasts were, against the slot before.
fn forecasts(rows: &[OutlookRow]) {
    if rows.is_empty() {
        return;
    }
    output::line("");
    output::line(
        "forecast of the coming slot | slots  off by kWh  slot before kWh  share | method now",
    );
    for row in rows {
        let share = if row.naive_error_wh > 0 {
            format!(
                "{:.0} %",
                100.0 * row.error_wh as f64 / row.naive_error_wh as f64
            )
        } else {
            "-".to_owned()
        };
        output::line(&format!(
            "{:12} {:14} | {:>5} {:>11.2} {:>16.2} {:>6} | {}",
            row.cluster,
            row.quantity,
            row.slots,
            kwh(row.error_wh),
            kwh(row.naive_error_wh),
            share,
            row.method
        ));
    }
}

pub(super) fn ct(price: i64) -> f64 {
    price as f64 / 10_000.0
}

pub(super) fn kwh(wh: i64) -> f64 {
    wh as f64 / 1_000.0
}

fn slot_line(row: &SlotRow) -> String {
    let (solar, battery) = (EnergyType::Solar.index(), EnergyType::Battery.index());
    let why = row.why.as_ref().map_or_else(String::new, |why| {
        format!(
            "{:>7.2} {:>+5.2} {:>11.2}",
            ct(why.free),
            ct(why.held),
            ct(why.without_batteries)
        )
    });
    format!(
        "{:7} {:>4}  {:02}:{:02} {:>7.2} {:>6.2} {:>7.2} | {:>12.2} {:>7.2} {:>6.2} | {:>5.2} {:>6.2} {:>6.2} | {why}{}",
        row.cluster,
        row.slot,
        row.minute / 60,
        row.minute % 60,
        ct(row.scalar),
        ct(row.typed[solar]),
        ct(row.typed[battery]),
        kwh(row.supply_wh[solar]),
        kwh(row.supply_wh[battery]),
        kwh(row.demand_wh),
        kwh(row.local_wh),
        kwh(row.bought_wh),
        kwh(row.sold_wh),
        notes(row),
    )
}

/// What is unusual about a slot.
fn notes(row: &SlotRow) -> String {
    let mut notes = String::new();
    if row.island {
        let _ = write!(notes, "  island, {:.2} kWh", kwh(row.island_wh));
    }
    if row.estimated > 0 {
        let _ = write!(notes, "  {} estimated", row.estimated);
    }
    notes
}

/// The price of one slot in sentences.
fn explain(row: &SlotRow) {
    let line = output::line;
    line("");
    line(&format!(
        "Why {:.2} ct/kWh in slot {} of cluster {}",
        ct(row.scalar),
        row.slot,
        row.cluster
    ));
    let forecast = (row.demand_wh, row.supply_wh) != (row.metered_demand_wh, row.metered_supply_wh);
    let Some(why) = &row.why else {
        line("  the slot before is not settled yet");
        return;
    };
    if let Some(position) = &why.position {
        let (verb, wh) = if position.wh > 0 {
            ("bought", position.wh)
        } else {
            ("sold", -position.wh)
        };
        line(&format!(
            "  {:>7.2} ct  at which the wholesale agent {verb} {:.2} kWh for this slot",
            ct(position.price),
            kwh(wh)
        ));
    }
    line(&format!(
        "  {:>7.2} ct  {}: nobody sells below it",
        ct(why.lower),
        if row.island {
            "no grid pays anything"
        } else {
            "what the grid pays"
        }
    ));
    line(&format!(
        "  {:>+7.2} ct  demand of {:.2} kWh on {:.2} kWh of supply {}, by the rule `{}`",
        ct(why.free - why.lower),
        kwh(row.demand_wh),
        kwh(row.supply_wh.iter().sum()),
        if forecast {
            "expected"
        } else {
            "in the slot before"
        },
        why.rule
    ));
    if forecast {
        line(&format!(
            "               (metered in the slot before: {:.2} kWh on {:.2} kWh)",
            kwh(row.metered_demand_wh),
            kwh(row.metered_supply_wh.iter().sum())
        ));
    }
    line(&format!(
        "  {:>+7.2} ct  held by the limit on the step from slot to slot",
        ct(why.held)
    ));
    line(&format!(
        "  {:>7.2} ct  {}: nobody buys above it",
        ct(why.upper),
        if row.island {
            "what the dearest source of the island costs"
        } else {
            "what the grid asks"
        }
    ));
    if why.orders > 0 {
        line(&format!(
            "  orders that stood in place of a contract's limits: {}",
            why.orders
        ));
    }
    for kind in EnergyType::ALL {
        let k = kind.index();
        if row.supply_wh[k] > 0 {
            line(&format!(
                "  pressure on {}: {:.2}, price {:.2} ct",
                kind.label(),
                why.pressure[k],
                ct(row.typed[k])
            ));
        }
    }
    line(&format!(
        "  without batteries the rule gives {:.2} ct",
        ct(why.without_batteries)
    ));
    if let Some((name, price)) = &why.without_largest {
        line(&format!("  without {name} it gives {:.2} ct", ct(*price)));
    }
}

pub(super) fn eur(nano: i128) -> f64 {
    nano as f64 / 1e9
}
