//! What the ledger knows about the selection: wallet, provenance, blocks.

use egui::{Align2, Ui, pos2};
use gridloom_core::view::Selected;
use gridloom_units::EnergyType;

use super::Column;
use super::selection::details;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Rows of a list that are laid out at once.
const ROWS: usize = 60;

/// Heading inside the selection.
fn heading(ui: &Ui, cx: &Cx<'_>, column: &mut Column, title: &str, note: &str) {
    let y = column.y + 10.0;
    let shown = text::text(
        ui,
        pos2(column.left, y),
        Align2::LEFT_CENTER,
        &Style::heading(cx.theme.text2),
        title,
    );
    let room = column.right - shown.max.x - 10.0;
    text::text_within(
        ui,
        pos2(column.right, y),
        Align2::RIGHT_CENTER,
        &Style::body(11.0, cx.theme.text3),
        room,
        note,
    );
    column.y += 22.0;
}

/// A row of a list: words at the left, value at the right; long words wrap
/// and the value follows below them.
fn row(ui: &Ui, cx: &Cx<'_>, column: &mut Column, words: &str, value: &str) {
    let (body, strong) = (
        Style::body(12.0, cx.theme.text2),
        Style::strong(12.0, cx.theme.text1),
    );
    let room = column.width() - text::width(ui, &strong, value) - 8.0;
    if text::width(ui, &body, words) <= room {
        let at = pos2(column.left, column.y + 9.0);
        text::text(ui, at, Align2::LEFT_CENTER, &body, words);
    } else {
        let at = pos2(column.left, column.y + 1.0);
        let rect = text::paragraph(ui, at, &body, column.width(), words);
        column.y = rect.max.y - 1.0;
    }
    let at = pos2(column.right, column.y + 9.0);
    text::text_within(ui, at, Align2::RIGHT_CENTER, &strong, column.width(), value);
    column.y += 20.0;
}

/// Wallet, provenance, bill and the last contract run.
pub fn wallet(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column, what: Selected) {
    let Some(details) = details(cx.view, what) else {
        return;
    };
    if let Some(eur) = details.wallet_eur {
        let account = match what {
            Selected::Home(i) => cx
                .view
                .scene
                .homes
                .get(i)
                .map_or("", |h| h.account.as_str()),
            _ => "",
        };
        heading(ui, cx, column, "WALLET", account);
        row(
            ui,
            cx,
            column,
            "Balance",
            &format!("{} EUR", text::signed(eur, 4)),
        );
        for (label, eur) in details.bill.iter().take(ROWS) {
            row(
                ui,
                cx,
                column,
                label,
                &format!("{} EUR", text::signed(*eur, 4)),
            );
        }
        column.y += 8.0;
    }
    if !details.provenance.is_empty() {
        heading(ui, cx, column, "WHERE ITS kWh CAME FROM", "contractual");
        for p in details.provenance.iter().take(ROWS) {
            let kind = p.kind.map_or("", |k| k.label());
            let words = format!("{} {kind}, slot {}, block {}", p.plant, p.slot, p.height);
            row(
                ui,
                cx,
                column,
                &words,
                &format!("{} Wh", text::grouped(p.wh.unsigned_abs())),
            );
        }
        cx.state.lists_cut += u64::from(details.provenance.len() > ROWS);
        column.y += 8.0;
    }
    if !details.contract_trace.is_empty() {
        heading(ui, cx, column, "LAST CONTRACT RUN", "");
        for words in details.contract_trace.iter().take(ROWS) {
            let style = Style::mono(11.0, cx.theme.text2);
            let at = pos2(column.left, column.y);
            let rect = text::paragraph(ui, at, &style, column.width(), words);
            column.y = rect.max.y + 3.0;
        }
        column.y += 8.0;
    }
}

/// What a kilowatt-hour of each origin costs in a cluster now.
pub fn prices(ui: &Ui, cx: &Cx<'_>, column: &mut Column, cluster: usize) {
    let Some(prices) = cx.view.prices.get(cluster) else {
        return;
    };
    let words = |micro: i64| format!("{} ct", text::plain(micro as f64 / 1e4, 2));
    column.y += 8.0;
    heading(ui, cx, column, "PRICE BY ORIGIN", "per kWh");
    for kind in EnergyType::ALL {
        if let Some(price) = prices.typed[kind.index()] {
            row(ui, cx, column, kind.label(), &words(price));
        }
    }
    let (low, high) = prices.bounds;
    let bounds = format!("{} to {}", words(low), words(high));
    let label = if prices.island {
        "without a grid within"
    } else {
        "within"
    };
    row(ui, cx, column, label, &bounds);
    column.y += 8.0;
}

/// A block in full.
pub fn block(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column, ledger: usize, height: u64) {
    let prepared = cx
        .view
        .selection
        .as_ref()
        .and_then(|details| details.block.as_ref())
        .filter(|block| block.height == height);
    let listed = || {
        cx.view
            .ledgers
            .get(ledger)?
            .blocks
            .iter()
            .find(|b| b.height == height)
    };
    let Some(block) = prepared.or_else(listed) else {
        let words = "This block is no longer among the newest; its details are on their way.";
        text::paragraph(
            ui,
            pos2(column.left, column.y),
            &Style::body(12.0, cx.theme.text2),
            column.width(),
            words,
        );
        column.y += 40.0;
        return;
    };
    row(ui, cx, column, "Id", &block.hash);
    row(ui, cx, column, "Parent", &block.parent);
    row(ui, cx, column, "State root", &block.state_root);
    row(ui, cx, column, "Time", &block.time.to_string());
    row(ui, cx, column, "Decided in round", &block.round.to_string());
    row(
        ui,
        cx,
        column,
        "Proposer",
        &format!("validator {}", block.proposer),
    );
    row(ui, cx, column, "Signatures", &block.signatures.to_string());
    row(
        ui,
        cx,
        column,
        "Fullness",
        &format!("{} %", text::plain(f64::from(block.fullness) * 100.0, 1)),
    );
    column.y += 8.0;
    heading(
        ui,
        cx,
        column,
        "TRANSACTIONS",
        &block.transactions.len().to_string(),
    );
    for (kind, summary) in block.transactions.iter().take(ROWS) {
        let y = column.y + 9.0;
        let shown = text::text(
            ui,
            pos2(column.left, y),
            Align2::LEFT_CENTER,
            &Style::strong(12.0, cx.theme.text1),
            kind,
        );
        // Long ones wrap beside their kind.
        let left = shown.max.x + 8.0;
        let body = Style::body(12.0, cx.theme.text2);
        let at = pos2(left, column.y + 1.0);
        let rect = text::paragraph(ui, at, &body, column.right - left, summary);
        column.y = rect.max.y + 3.0;
    }
    if block.transactions.len() > ROWS {
        cx.state.lists_cut += 1;
        row(
            ui,
            cx,
            column,
            "more",
            &(block.transactions.len() - ROWS).to_string(),
        );
    }
}
