//! `gridloom bill`: a household's energy and money, for people and machines.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use gridloom_core::market::bill::{self, HomeBill, HomeLine, IslandPart};
use gridloom_units::SimTime;

use super::market::{eur, kwh, simulated};
use super::output;

/// Arguments of `bill`.
#[derive(Args)]
pub struct BillArgs {
    /// Scene file.
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// Home or shared battery (`H17`).
    #[arg(long)]
    home: String,
    /// Stop at this simulated time; default: end of the scene.
    #[arg(long, value_parser = SimTime::parse)]
    until: Option<SimTime>,
    /// Write the bill as a CSV table.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the bill as a page for people.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints or writes a household's bill.
pub fn run(args: &BillArgs) -> Result<ExitCode> {
    let mut twin = simulated(&args.scene, args.until)?;
    let bill = bill::bill(&mut twin, &args.home).map_err(|error| anyhow!(error))?;
    if args.json {
        output::line(&serde_json::to_string(&bill)?);
    } else {
        print_bill(&bill);
    }
    for (file, text) in [(&args.csv, csv(&bill)), (&args.html, html(&bill))] {
        if let Some(file) = file {
            fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
            output::line(&format!("written: {}", file.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn direction(received: bool) -> &'static str {
    if received { "received" } else { "delivered" }
}

fn print_bill(bill: &HomeBill) {
    let line = output::line;
    line(&format!(
        "{}, cluster {}: {} settled slots, {} of them with an estimate for a silent meter",
        bill.home, bill.cluster, bill.slots, bill.estimated_slots
    ));
    line(&format!(
        "{:24} {:10} {:10} {:>9} {:>10}",
        "position", "", "type", "kWh", "EUR"
    ));
    let sum = |what: &str, nano: i128| line(&format!("{what:57} {:>10.4}", eur(nano)));
    print_positions(&bill.lines);
    sum("sum", bill.grid_nano_eur);
    sum(
        "the same at the utility's tariff alone",
        bill.utility_only_nano_eur,
    );
    if let Some(island) = &bill.island {
        line("");
        line(&format!("island: {}", island_slots(island)));
        print_positions(&island.lines);
        sum("sum of the island", island.total_nano_eur);
        sum("sum of all", bill.total_nano_eur);
    }
    line("");
    line("where the kilowatt-hours came from");
    for (plant, kind, wh) in bill.origins.iter().take(12) {
        line(&format!("  {:12} {:10} {:>9.3} kWh", plant, kind, kwh(*wh)));
    }
    line(&format!(
        "emissions {:.0} g CO2e (all from the grid: {:.0} g); wallet {:.2} EUR, owed {:.2} EUR",
        bill.co2_g,
        bill.co2_grid_g,
        eur(bill.wallet_nano_eur),
        eur(bill.debt_nano_eur)
    ));
}

fn print_positions(lines: &[HomeLine]) {
    for position in lines {
        output::line(&format!(
            "{:24} {:10} {:10} {:>9.3} {:>10.4}",
            position.what,
            direction(position.received),
            position.kind,
            kwh(position.energy_wh),
            eur(position.money_nano_eur)
        ));
    }
}

fn island_slots(island: &IslandPart) -> String {
    format!(
        "{} slots without a grid, {} without one for a part",
        island.slots, island.part_slots
    )
}

/// Exact figures: Wh and nano-EUR as whole numbers beside kWh and EUR.
fn csv(bill: &HomeBill) -> String {
    let mut text = String::from("section,what,direction,type,energy_wh,money_nano_eur\n");
    let island = bill.island.iter().flat_map(|part| &part.lines);
    let sections = bill.lines.iter().map(|line| ("position", line));
    for (section, line) in sections.chain(island.map(|line| ("island", line))) {
        let _ = writeln!(
            text,
            "{section},{},{},{},{},{}",
            line.what,
            direction(line.received),
            line.kind,
            line.energy_wh,
            line.money_nano_eur
        );
    }
    for (plant, kind, wh) in &bill.origins {
        let _ = writeln!(text, "origin,{plant},received,{kind},{wh},");
    }
    let _ = writeln!(text, "total,sum,,,,{}", bill.total_nano_eur);
    if let Some(island) = &bill.island {
        let _ = writeln!(text, "total,sum of the island,,,,{}", island.total_nano_eur);
    }
    let _ = writeln!(
        text,
        "total,utility tariff alone,,,,{}",
        bill.utility_only_nano_eur
    );
    let _ = writeln!(text, "estimated,slots,,,{},", bill.estimated_slots);
    let _ = writeln!(text, "emissions,g CO2e,received,,{:.0},", bill.co2_g);
    text
}

fn html_rows(lines: &[HomeLine]) -> String {
    let mut rows = String::new();
    for line in lines {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=n>{:.3}</td><td class=n>{:.4}</td></tr>",
            escaped(line.what),
            direction(line.received),
            escaped(line.kind),
            kwh(line.energy_wh),
            eur(line.money_nano_eur)
        );
    }
    rows
}

/// The slots without a grid, as a section of its own.
fn html_island(bill: &HomeBill) -> String {
    bill.island.as_ref().map_or_else(String::new, |island| {
        format!(
            "<h2>Island</h2><p>{}: the members and their batteries supplied each other.</p>\
             <table><tbody>{}</tbody><tfoot><tr><td colspan=4>Sum of the island</td><td class=n>{:.4}</td></tr>\
             <tr><td colspan=4>Sum of all (negative: to pay)</td><td class=n>{:.4}</td></tr></tfoot></table>",
            island_slots(island),
            html_rows(&island.lines),
            eur(island.total_nano_eur),
            eur(bill.total_nano_eur),
        )
    })
}

fn html(bill: &HomeBill) -> String {
    let rows = html_rows(&bill.lines);
    let mut origins = String::new();
    for (plant, kind, wh) in &bill.origins {
        let _ = write!(
            origins,
            "<tr><td>{}</td><td>{}</td><td class=n>{:.3}</td></tr>",
            escaped(plant),
            escaped(kind),
            kwh(*wh)
        );
    }
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Bill of {home}</title>\
         <style>body{{font:15px/1.5 sans-serif;max-width:46em;margin:2em auto}}table{{border-collapse:collapse;\
         width:100%;margin:1em 0}}td,th{{border-bottom:1px solid #ccc;padding:.3em .5em;text-align:left}}\
         .n{{text-align:right;font-variant-numeric:tabular-nums}}tfoot td{{font-weight:bold}}</style>\
         <h1>Bill of {home}</h1><p>Cluster {cluster}, {slots} settled slots; {estimated} of them provisionally, with an estimate for a silent \
         meter, put right with its next readings.</p>\
         <table><thead><tr><th>Position</th><th></th><th>Type</th><th class=n>kWh</th><th class=n>EUR</th></tr></thead>\
         <tbody>{rows}</tbody><tfoot><tr><td colspan=4>Sum (negative: to pay)</td><td class=n>{total:.4}</td></tr>\
         <tr><td colspan=4>The same at the utility's tariff alone</td><td class=n>{utility:.4}</td></tr></tfoot></table>{island}\
         <h2>Where the energy came from</h2><table><thead><tr><th>Plant</th><th>Type</th><th class=n>kWh</th></tr></thead>\
         <tbody>{origins}</tbody></table>\
         <p>Life-cycle emissions {co2:.0} g CO2e; all from the grid it would have been {grid:.0} g. \
         Wallet {wallet:.2} EUR, owed to the operator {debt:.2} EUR.</p></html>\n",
        home = escaped(&bill.home),
        cluster = escaped(&bill.cluster),
        slots = bill.slots,
        estimated = bill.estimated_slots,
        total = eur(bill.grid_nano_eur),
        island = html_island(bill),
        utility = eur(bill.utility_only_nano_eur),
        co2 = bill.co2_g,
        grid = bill.co2_grid_g,
        wallet = eur(bill.wallet_nano_eur),
        debt = eur(bill.debt_nano_eur),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
