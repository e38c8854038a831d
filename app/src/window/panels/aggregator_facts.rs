//! Facts of an LG-Aggregator: its ledger, its price, its way to the cloud.

use gridloom_core::view::{EdgeView, MakingView, ViewModel};

use super::selection::Fact;
use crate::window::text;

/// Everything about an LG-Aggregator.
pub fn aggregator(view: &ViewModel, index: usize) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(ledger) = view.ledgers.get(index) {
        facts.push(Fact::plain(
            "Height",
            text::grouped(ledger.height),
            &format!("{} s old", text::plain(ledger.age_s, 1)),
        ));
        let up = format!("{} of {}", ledger.validators_up, ledger.validators);
        let note = match ledger.elsewhere {
            0 => "running".to_owned(),
            count => format!("running, {count} elsewhere"),
        };
        facts.push(Fact::plain("Validators", up, &note));
        facts.push(Fact::plain(
            "Waiting",
            ledger.mempool.to_string(),
            "transactions",
        ));
        facts.push(Fact::plain(
            "Messages",
            text::grouped(ledger.messages),
            "since the start",
        ));
        facts.extend(making(&ledger.making));
    }
    if let Some(price) = view.prices.get(index) {
        let words = format!("{} ct", text::plain(price.scalar as f64 / 1e4, 2));
        let note = if price.island { ", no grid" } else { "" };
        let note = format!("slot {}{note}", price.slot);
        facts.push(Fact::plain("Price", words, &note));
        let expected = format!(
            "{} / {} kWh",
            text::plain(price.expected_demand_kwh, 1),
            text::plain(price.expected_supply_kwh, 1)
        );
        facts.push(Fact::plain("Expected", expected, "demand / supply"));
        if let Some(share) = price.forecast_share {
            let words = format!("{} %", text::plain(share * 100.0, 0));
            facts.push(Fact::plain("Forecast error", words, "of the slot before's"));
        }
    }
    if let Some(lag) = view.ledger_lag_s.get(index) {
        facts.push(Fact::plain(
            "Lag",
            format!("{} s", text::plain(*lag, 1)),
            "meter to final record",
        ));
    }
    if let Some(edge) = view.edges.get(index) {
        facts.extend(cloud(edge));
    }
    facts
}

/// What a ledger is made of, and what that costs.
fn making(making: &MakingView) -> Vec<Fact> {
    let group = format!("group {}", making.group);
    let short = making.codes.split(' ').nth(3).unwrap_or_default();
    let mut facts = vec![
        Fact::plain("Consensus", short.to_owned(), making.family),
        Fact::plain("Table 1", group, &making.codes),
    ];
    if let Some(deadline_s) = making.deadline_s {
        let late = text::grouped(making.late);
        let note = format!("later than {} s", text::plain(deadline_s, 0));
        facts.push(Fact::plain("Late records", late, &note));
    }
    if making.orphans > 0 {
        let deepest = format!("{} taken back at once", making.deepest_reorganisation);
        let orphans = text::grouped(making.orphans);
        facts.push(Fact::plain("Orphans", orphans, &deepest));
    }
    if making.differing > 0 {
        let differing = text::grouped(making.differing);
        facts.push(Fact::plain("Differing", differing, "results, not ordered"));
    }
    if making.not_taken > 0 {
        let count = text::grouped(making.not_taken);
        facts.push(Fact::plain("Not taken", count, "no room, or no nodes"));
    }
    let megabytes = |bytes: u64| format!("{} MB", text::plain(bytes as f64 / 1e6, 2));
    let outside = match making.outside_bytes {
        0 if making.lost_through > 0 => format!("data lost to block {}", making.lost_through),
        0 if making.first_kept > 1 => format!("from block {}", text::grouped(making.first_kept)),
        0 => String::new(),
        bytes => format!("{} outside", megabytes(bytes)),
    };
    let kept = megabytes(making.chain_bytes);
    facts.push(Fact::plain("Kept", kept, &outside));
    facts
}

/// The way of an LG-Aggregator to the cloud.
fn cloud(edge: &EdgeView) -> Vec<Fact> {
    let ago = |s: f64| format!("{} s ago", text::plain(s, 0));
    let heard = edge.heard_s.map_or_else(|| "never".to_owned(), ago);
    let state = match edge.alone_s {
        Some(_) => "alone",
        None => "answers",
    };
    let mut facts = vec![Fact::plain("Cloud", state.to_owned(), &heard)];
    let waiting = if edge.dropped > 0 {
        format!("intervals, {} given up", edge.dropped)
    } else {
        "intervals".to_owned()
    };
    facts.push(Fact::plain(
        "For the cloud",
        edge.waiting.to_string(),
        &waiting,
    ));
    let every = match edge.threshold_wh {
        0 => format!("every {}", edge.every),
        wh => format!("every {} or by {wh} Wh", edge.every),
    };
    let version = format!("strategy {}", edge.strategy);
    facts.push(Fact::plain("Reports", every, &version));
    if edge.grid_version > 0 {
        let load = format!("{} kW", text::signed(edge.grid_kw, 1));
        let note = format!(
            "state {}, {} s old",
            edge.grid_version,
            text::plain(edge.grid_age_s, 0)
        );
        facts.push(Fact::plain("Whole grid", load, &note));
    }
    facts
}
