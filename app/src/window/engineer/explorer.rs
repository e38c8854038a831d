//! Block explorer: a block, its transactions, a proof of inclusion, and what
//! the contract made of it.

use egui::{Align2, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::{BlockView, ProofView, Selected, TransactionView};

use super::inspect::row;
use crate::window::panels::Column;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Transactions drawn as squares at most.
const SQUARES: usize = 120;

/// The block of the selection, if the twin has prepared it.
fn prepared(cx: &Cx<'_>, ledger: usize, height: u64) -> Option<BlockView> {
    let details = cx.view.selection.as_ref().and_then(|d| d.block.clone());
    let shown = cx.view.ledgers.get(ledger)?;
    details
        .filter(|block| block.height == height)
        .or_else(|| shown.blocks.iter().find(|b| b.height == height).cloned())
}

/// Shows a block with a square per transaction.
pub fn block(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column, ledger: usize, height: u64) {
    let theme = cx.theme;
    let y = column.y + 10.0;
    let square = Rect::from_center_size(pos2(column.left + 8.0, y), vec2(14.0, 14.0));
    let stroke = Stroke::new(2.0, theme.ledger);
    ui.painter()
        .rect_stroke(square, 0.0, stroke, StrokeKind::Inside);
    let id = cx
        .view
        .scene
        .clusters
        .get(ledger)
        .map_or_else(|| "root".to_owned(), |c| format!("ledger {}", c.id));
    let words = format!("Block {}", text::grouped(height));
    let style = Style::strong(16.0, theme.text1);
    let at = pos2(column.left + 24.0, y);
    let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, &words);
    let Some(block) = prepared(cx, ledger, height) else {
        column.y += 28.0;
        row(
            ui,
            cx,
            column,
            "state",
            "not decided at the shown moment",
            false,
        );
        return;
    };
    let words = format!("{id}, round {}, {}", block.round, block.time);
    let style = Style::body(12.0, theme.text2);
    let room = column.right - shown.max.x - 12.0;
    let at = pos2(shown.max.x + 12.0, y + 1.0);
    text::text_if_fits(ui, at, Align2::LEFT_CENTER, &style, room, &words);
    column.y += 28.0;
    let top = column.y;
    let squares_w = if column.width() > 380.0 { 132.0 } else { 0.0 };
    let mut left = Column {
        right: column.right - squares_w,
        ..*column
    };
    row(ui, cx, &mut left, "hash", &block.hash, true);
    row(ui, cx, &mut left, "parent", &block.parent, true);
    let validators = cx.view.ledgers.get(ledger).map_or(0, |l| l.validators);
    let quorum = validators * 2 / 3 + 1;
    let words = format!("v{}", block.proposer);
    row(ui, cx, &mut left, "proposer", &words, true);
    let words = format!(
        "{} of {validators} precommits, quorum {quorum}",
        block.signatures
    );
    row(ui, cx, &mut left, "certificate", &words, false);
    row(ui, cx, &mut left, "state root", &block.state_root, true);
    let words = kinds(&block);
    row(ui, cx, &mut left, "txs", &words, false);
    column.y = left.y;
    let place = if squares_w > 0.0 {
        Rect::from_min_size(
            pos2(column.right - squares_w + 8.0, top),
            vec2(squares_w - 8.0, 116.0),
        )
    } else {
        let rect = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 40.0));
        column.y += 44.0;
        rect
    };
    squares(ui, cx, place, ledger, &block);
    column.y += 6.0;
}

/// How many of each kind.
fn kinds(block: &BlockView) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for (kind, _) in &block.transactions {
        match counts.iter_mut().find(|c| c.0 == *kind) {
            Some(count) => count.1 += 1,
            None => counts.push((kind.clone(), 1)),
        }
    }
    let parts: Vec<String> = counts.iter().map(|(k, n)| format!("{n} {k}")).collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: {}", block.transactions.len(), parts.join(", "))
    }
}

/// One square per transaction with the first letter of its kind.
fn squares(ui: &Ui, cx: &mut Cx<'_>, place: Rect, ledger: usize, block: &BlockView) {
    let theme = cx.theme;
    let pitch = 20.0;
    let columns = ((place.width() / pitch) as usize).max(1);
    for (index, (kind, summary)) in block.transactions.iter().enumerate().take(SQUARES) {
        let at = vec2(
            (index % columns) as f32 * pitch,
            (index / columns) as f32 * pitch,
        );
        let cell = Rect::from_min_size(place.min + at, vec2(17.0, 17.0));
        if cell.max.y > place.max.y {
            break;
        }
        let what = Selected::Transaction(ledger, block.height, index);
        let chosen = cx.state.selected == Some(what);
        let response = ui.interact(cell, ui.id().with(("tx", index)), Sense::click());
        response.widget_info(|| {
            let words = format!("Transaction {}: {summary}", index + 1);
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
        });
        let stroke = Stroke::new(1.25, theme.ledger);
        let painter = ui.painter();
        if chosen {
            painter.rect_filled(cell, 0.0, theme.ledger);
        } else if response.hovered() {
            painter.rect_filled(cell, 0.0, theme.raised);
        }
        painter.rect_stroke(cell, 0.0, stroke, StrokeKind::Inside);
        let letter = kind.chars().next().unwrap_or(' ').to_string();
        let style = Style::body(11.0, if chosen { theme.base } else { theme.text1 });
        text::text(ui, cell.center(), Align2::CENTER_CENTER, &style, &letter);
        if response.clicked() {
            cx.select(Some(what));
        }
    }
}

/// The selected transaction: fields, proof, effects.
pub fn transaction(
    ui: &Ui,
    cx: &mut Cx<'_>,
    column: &mut Column,
    (ledger, height, index): (usize, u64, usize),
) {
    let found: Option<TransactionView> = cx
        .view
        .selection
        .as_ref()
        .and_then(|details| details.transaction.clone())
        .filter(|tx| (tx.ledger, tx.height, tx.index) == (ledger, height, index));
    let Some(tx) = found else {
        row(ui, cx, column, "tx", "is being read", false);
        return;
    };
    let theme = cx.theme;
    let y = column.y + 12.0;
    let square = Rect::from_center_size(pos2(column.left + 7.0, y), vec2(12.0, 12.0));
    ui.painter().rect_filled(square, 0.0, theme.ledger);
    let words = format!("Tx {}, {}", tx.index + 1, tx.kind);
    let style = Style::strong(14.0, theme.text1);
    let at = pos2(column.left + 22.0, y);
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &style,
        column.width() - 24.0,
        &words,
    );
    column.y += 28.0;
    let tree_w = if column.width() > 380.0 { 140.0 } else { 0.0 };
    let top = column.y;
    let mut left = Column {
        right: column.right - tree_w,
        ..*column
    };
    row(ui, cx, &mut left, "says", &tx.summary, false);
    row(ui, cx, &mut left, "id", &tx.id, true);
    row(ui, cx, &mut left, "signed by", &tx.signer, true);
    row(ui, cx, &mut left, "signature", &tx.signature, true);
    if let Some(end) = tx.interval_end {
        row(ui, cx, &mut left, "interval to", &end.to_string(), true);
    }
    let words = format!(
        "{} hashes, {}",
        tx.proof.siblings.len(),
        if tx.proof.holds {
            "root matches"
        } else {
            "ROOT DIFFERS"
        }
    );
    row(ui, cx, &mut left, "proof", &words, false);
    for effect in &tx.effects {
        row(ui, cx, &mut left, "effect", effect, false);
    }
    column.y = left.y;
    if tree_w > 0.0 {
        let place = Rect::from_min_size(
            pos2(column.right - tree_w + 10.0, top),
            vec2(tree_w - 10.0, 104.0),
        );
        merkle(ui, cx, place, &tx.proof);
    }
    for line in &tx.trace {
        row(ui, cx, column, "contract", line, false);
    }
}

/// The path from the leaf to the root: filled = on the path, hollow = sibling.
fn merkle(ui: &Ui, cx: &Cx<'_>, place: Rect, proof: &ProofView) {
    let theme = cx.theme;
    let levels = proof.siblings.len().min(8);
    let pitch = (place.height() - 12.0) / levels.max(1) as f32;
    let painter = ui.painter();
    let mut index = proof.index;
    let mut at = pos2(place.center().x + 30.0, place.max.y - 6.0);
    for level in 0..=levels {
        let rect = Rect::from_center_size(at, vec2(9.0, 9.0));
        if level < levels {
            let right = index.is_multiple_of(2);
            let side = if right { 26.0 } else { -26.0 };
            let sibling = at + vec2(side, 0.0);
            let parent = pos2(at.x + side * 0.5, at.y - pitch);
            let stroke = Stroke::new(1.0, theme.ledger_dim(0.5));
            painter.line_segment([at, parent], Stroke::new(1.5, theme.ledger));
            painter.line_segment([sibling, parent], stroke);
            let box_ = Rect::from_center_size(sibling, vec2(9.0, 9.0));
            painter.rect_filled(box_, 0.0, theme.panel);
            painter.rect_stroke(
                box_,
                0.0,
                Stroke::new(1.25, theme.ledger_dim(0.7)),
                StrokeKind::Inside,
            );
            painter.rect_filled(rect, 0.0, theme.ledger);
            at = parent;
            index /= 2;
        } else {
            painter.rect_filled(rect, 0.0, theme.ledger);
            let style = Style::mono(11.0, theme.text2);
            let room = place.max.x - at.x - 8.0;
            let place = at + vec2(9.0, 0.0);
            text::text_if_fits(ui, place, Align2::LEFT_CENTER, &style, room, &proof.root);
        }
    }
}
