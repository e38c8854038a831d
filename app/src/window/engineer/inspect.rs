//! The selection to the bottom: values, solver, proof, walk, both branches.

use egui::{Align2, CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::{Selected, ViewModel, WalkStep};

use super::{explorer, steps};
use crate::window::draw;
use crate::window::map::hit;
use crate::window::panels::{Column, facts, scrolled};
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shows the inspector.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let foot = if cx.compact { 86.0 } else { 128.0 };
    let body = Rect::from_min_max(rect.min, pos2(rect.max.x, rect.max.y - foot));
    scrolled(ui, "inspect", body, |ui, area| {
        let mut column = Column::inside(area);
        let note = if cx.compact {
            ""
        } else {
            "block > tx > contract run"
        };
        column.heading(ui, cx, "INSPECT", note);
        match cx
            .state
            .selected
            .filter(|what| facts::known(cx.view, *what))
        {
            None => solver(ui, cx, &mut column),
            Some(Selected::Block(ledger, height)) => {
                explorer::block(ui, cx, &mut column, ledger, height);
            }
            Some(Selected::Transaction(ledger, height, index)) => {
                explorer::block(ui, cx, &mut column, ledger, height);
                explorer::transaction(ui, cx, &mut column, (ledger, height, index));
            }
            Some(what) => object(ui, cx, &mut column, what),
        }
        column.y + 8.0
    });
    let foot = Rect::from_min_max(pos2(rect.min.x, body.max.y), rect.max);
    draw::rule(
        ui.painter(),
        rect.min.x..=rect.max.x,
        foot.min.y.round() - 0.5,
        cx.theme,
    );
    walk(ui, cx, foot);
}

/// A row: name, value.
pub fn row(ui: &Ui, cx: &Cx<'_>, column: &mut Column, name: &str, value: &str, mono: bool) {
    let y = column.y + 9.0;
    let style = Style::body(12.0, cx.theme.text2);
    text::text(ui, pos2(column.left, y), Align2::LEFT_CENTER, &style, name);
    let style = if mono {
        Style::mono(12.0, cx.theme.text1)
    } else {
        Style::body(12.0, cx.theme.text1)
    };
    let x = column.left + 92.0;
    let room = column.right - x;
    if text::width(ui, &style, value) <= room {
        text::text(ui, pos2(x, y), Align2::LEFT_CENTER, &style, value);
        column.y += 20.0;
    } else {
        // Long values go on below: nothing of them is lost.
        let shown = text::paragraph(ui, pos2(x, column.y + 1.0), &style, room, value);
        column.y = shown.max.y + 4.0;
    }
}

/// Title of the inspected object.
fn title(ui: &Ui, cx: &Cx<'_>, column: &mut Column, what: Selected) {
    let y = column.y + 10.0;
    let name = hit::name(&cx.view.scene, what);
    let style = Style::strong(16.0, cx.theme.text1);
    let at = pos2(column.left, y);
    let shown = text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), &name);
    let room = column.right - shown.max.x - 10.0;
    let kind = facts::kind(cx.view, what);
    let style = Style::body(12.0, cx.theme.text2);
    let at = pos2(shown.max.x + 10.0, y + 1.0);
    text::text_if_fits(ui, at, Align2::LEFT_CENTER, &style, room, &kind);
    column.y += 28.0;
}

/// Values of an object, beside those of the branch.
fn object(ui: &Ui, cx: &Cx<'_>, column: &mut Column, what: Selected) {
    title(ui, cx, column, what);
    let other = cx.desk.other.as_ref();
    let beside = other.map(|o| facts::of(&o.view, what));
    for (index, fact) in facts::of(cx.view, what).iter().enumerate() {
        let b = beside.as_ref().and_then(|list| list.get(index));
        let value = match b {
            Some(b) if b.value != fact.value => format!("{} | {}", fact.value, b.value),
            _ => fact.value.clone(),
        };
        let value = if fact.note.is_empty() {
            value
        } else {
            format!("{value}   {}", fact.note)
        };
        row(ui, cx, column, fact.name, &value, false);
    }
    if let Some((good, words)) = facts::quality(cx.view, what) {
        let words = if good {
            words
        } else {
            format!("not good: {words}")
        };
        row(ui, cx, column, "Quality", &words, false);
    }
    if let Some(details) = cx.view.selection.as_ref().filter(|d| d.what == Some(what)) {
        for line in details.contract_trace.iter().take(6) {
            row(ui, cx, column, "contract", line, false);
        }
    }
    column.y += 8.0;
    solver(ui, cx, column);
}

/// Solver and hashes of the shown moment.
fn solver(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    let grid = &cx.view.grid;
    let style = Style::heading(cx.theme.text2);
    let at = pos2(column.left, column.y + 8.0);
    text::text(ui, at, Align2::LEFT_CENTER, &style, "SOLVER AND STATE");
    column.y += 22.0;
    let words = format!(
        "{} iterations, mismatch {:.1e}{}",
        grid.iterations,
        grid.residual,
        if grid.converged { "" } else { ", no solution" }
    );
    row(ui, cx, column, "power flow", &words, false);
    if let Some(at) = steps::iteration(cx) {
        let (mismatch, bus) = &grid.trail[at];
        let words = format!(
            "{} of {}: mismatch {mismatch:.1e} at bus {bus}",
            at + 1,
            grid.trail.len()
        );
        row(ui, cx, column, "iteration", &words, false);
    }
    let hash = match &cx.desk.other {
        Some(other) => format!("{} | {}", cx.desk.hash, other.hash),
        None => cx.desk.hash.clone(),
    };
    row(ui, cx, column, "state hash", &hash, true);
    let (spacing, held) = cx.desk.keyframes;
    let rewind = cx
        .desk
        .rewind_ms
        .map_or_else(String::new, |ms| format!(", last rewind {ms:.0} ms"));
    let words = format!("every {spacing} ticks, {held} held{rewind}");
    row(ui, cx, column, "keyframes", &words, false);
    let books = &cx.view.books;
    let words = format!(
        "{} slots settled, off by {} nEUR and {} Wh",
        books.slots_settled, books.money_off_nano_eur, books.energy_off_wh
    );
    row(ui, cx, column, "books", &words, false);
}

/// From the wire to the contract; every step is a button.
fn walk(ui: &Ui, cx: &mut Cx<'_>, rect: Rect) {
    let mut column = Column::inside(rect);
    column.y -= 8.0;
    let note = if cx.compact {
        ""
    } else {
        "contractual origin, not physical"
    };
    column.heading(ui, cx, "WALK", note);
    let steps: Vec<WalkStep> = cx
        .view
        .selection
        .as_ref()
        .filter(|details| details.what == cx.state.selected)
        .map_or_else(Vec::new, |details| details.walk.clone());
    if steps.is_empty() {
        let style = Style::body(12.0, cx.theme.text3);
        let at = pos2(column.left, column.y + 10.0);
        let words = "Select a house, its line, or a reading in a block.";
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), words);
    }
    let gap = 12.0;
    // Small windows have two rows of three with one line each.
    let per_row = if cx.compact { 3 } else { steps.len().max(1) };
    let (height, pitch) = if cx.compact {
        (20.0, 24.0)
    } else {
        (38.0, 42.0)
    };
    let across = per_row as f32;
    let width = ((column.width() - gap * (across - 1.0)) / across).min(96.0);
    for (index, step) in steps.iter().enumerate() {
        let x = column.left + (index % per_row) as f32 * (width + gap);
        let y = column.y - 2.0 + (index / per_row) as f32 * pitch;
        let cell = Rect::from_min_size(pos2(x, y), vec2(width, height));
        chip(ui, cx, cell, index, step);
        if index + 1 < steps.len() && (index + 1) % per_row != 0 {
            let at = pos2(cell.max.x + gap * 0.5, cell.center().y);
            draw::chevron_right(ui.painter(), at, 6.0, cx.theme.text3);
        }
    }
    if !cx.compact {
        let at = pos2(column.left, rect.max.y - 14.0);
        difference(ui, cx, at, column.width());
    }
}

fn chip(ui: &Ui, cx: &mut Cx<'_>, cell: Rect, index: usize, step: &WalkStep) {
    let theme = cx.theme;
    let response = ui.interact(cell, ui.id().with(("walk", index)), Sense::click());
    response.widget_info(|| {
        let words = format!("Walk to {} {}", step.label, step.value);
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
    });
    let chosen = step.target.is_some() && step.target == cx.state.selected;
    let edge = match step.label.as_str() {
        _ if chosen => theme.text1,
        "message" => theme.data,
        "transaction" | "block" | "contract" => theme.ledger,
        _ => theme.edge,
    };
    let fill = if response.hovered() || chosen {
        theme.edge
    } else {
        theme.raised
    };
    ui.painter().rect(
        cell,
        CornerRadius::same(4),
        fill,
        Stroke::new(1.25, edge),
        StrokeKind::Inside,
    );
    let room = cell.width() - 6.0;
    let strong = Style::strong(12.0, theme.text1);
    if cell.height() < 30.0 {
        let middle = cell.center();
        text::text_within(
            ui,
            middle,
            Align2::CENTER_CENTER,
            &strong,
            room,
            &step.value,
        );
    } else {
        let style = Style::body(11.0, theme.text2);
        let at = pos2(cell.center().x, cell.min.y + 12.0);
        text::text_within(ui, at, Align2::CENTER_CENTER, &style, room, &step.label);
        let at = pos2(cell.center().x, cell.min.y + 27.0);
        text::text_within(ui, at, Align2::CENTER_CENTER, &strong, room, &step.value);
    }
    if response.clicked() && step.target.is_some() {
        cx.select(step.target);
    }
}

/// What differs between the two worlds, shortest first.
fn difference(ui: &Ui, cx: &Cx<'_>, at: egui::Pos2, room: f32) {
    let Some(other) = &cx.desk.other else {
        return;
    };
    let words = differences(cx.view, &other.view).join("   ");
    let style = Style::body(12.0, cx.theme.text1);
    let words = if words.is_empty() {
        "A and B are equal here".to_owned()
    } else {
        format!("A | B   {words}")
    };
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &words);
}

/// Values that differ: breakers first, then the community.
pub fn differences(a: &ViewModel, b: &ViewModel) -> Vec<String> {
    let mut out = Vec::new();
    for ((mlmd, x), y) in a.scene.mlmds.iter().zip(&a.mlmds).zip(&b.mlmds) {
        if x.closed != y.closed {
            let word = |closed| if closed { "closed" } else { "open" };
            out.push(format!(
                "{} {} | {}",
                mlmd.id,
                word(x.closed),
                word(y.closed)
            ));
        }
    }
    let mut number = |name: &str, x: f64, y: f64, decimals| {
        let (x, y) = (text::signed(x, decimals), text::signed(y, decimals));
        if x != y {
            out.push(format!("{name} {x} | {y}"));
        }
    };
    number(
        "exchange kW",
        a.balance.exchange_kw,
        b.balance.exchange_kw,
        1,
    );
    number("solar kW", a.balance.solar_kw, b.balance.solar_kw, 1);
    number("storage kW", a.balance.storage_kw, b.balance.storage_kw, 1);
    out.truncate(5);
    out
}
