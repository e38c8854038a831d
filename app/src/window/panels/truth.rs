//! Three-way truth: energy into each M-LMD's area by physics, meters, ledger.

use egui::{Align2, Rect, Stroke, Ui, pos2, vec2};
use gridloom_core::view::{Selected, TruthView};

use super::Column;
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Residual above which a person should look, percent.
const WATCH_PCT: f64 = 2.0;

/// Most rows shown before the list scrolls.
const ROWS: usize = 12;

/// Shows the table of the last settled slot.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, column: &mut Column) {
    column.heading(ui, cx, "TRUTH PER M-LMD", &slot(cx));
    let head = Style::body(11.0, cx.theme.text2);
    let edges = edges(column);
    let names = [
        "physics",
        "meters",
        "ledger",
        if cx.compact { "res. %" } else { "residual %" },
    ];
    for (x, name) in edges.iter().zip(names) {
        text::text(
            ui,
            pos2(*x, column.y + 7.0),
            Align2::RIGHT_CENTER,
            &head,
            name,
        );
    }
    column.y += 19.0;
    let mut clicked = None;
    let count = cx.view.mlmds.len().min(cx.view.scene.mlmds.len()).min(ROWS);
    for index in 0..count {
        draw::rule(
            ui.painter(),
            column.left..=column.right,
            column.y.round() - 0.5,
            cx.theme,
        );
        row(ui, cx, column, index, &edges);
        let rect = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 24.0));
        let response = ui.interact(rect, ui.id().with(("truth", index)), egui::Sense::click());
        response.widget_info(|| {
            let name = cx.view.scene.mlmds.get(index).map_or("", |m| m.id.as_str());
            let words = format!("Truth of {name}");
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
        });
        if response.clicked() {
            clicked = Some(Selected::Mlmd(index));
        }
        column.y += 24.0;
    }
    draw::rule(
        ui.painter(),
        column.left..=column.right,
        column.y.round() - 0.5,
        cx.theme,
    );
    let note = if count == 0 {
        "No M-LMD in this scene"
    } else if cx.compact {
        "Meters + losses against area"
    } else {
        "Meters + computed losses against area load"
    };
    text::text_within(
        ui,
        pos2(column.left, column.y + 14.0),
        Align2::LEFT_CENTER,
        &Style::body(11.0, cx.theme.text3),
        column.width(),
        note,
    );
    column.y += 21.0;
    column.rule(ui, cx);
    if clicked.is_some() {
        cx.select(clicked);
    }
}

/// Energy in kWh with three figures or so, to keep the columns apart.
fn energy(wh: i64) -> String {
    let kwh = wh as f64 / 1_000.0;
    let decimals = match kwh.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    text::signed(kwh, decimals)
}

/// Right edges of the four columns.
fn edges(column: &Column) -> [f32; 4] {
    let at = if column.width() < 240.0 {
        [72.0, 118.0, 164.0, 200.0]
    } else {
        [84.0, 140.0, 196.0, 264.0]
    };
    at.map(|x| column.left + x)
}

/// The slot the table speaks of: the last one that ended.
fn slot(cx: &Cx<'_>) -> String {
    let slot_ms = cx.view.scene.slot_ms;
    if slot_ms == 0 || cx.view.mlmds.iter().all(|m| m.truth.physics_wh.is_none()) {
        return "kWh".to_owned();
    }
    let end = cx.view.time.0 / slot_ms * slot_ms;
    let clock = |ms: u64| format!("{:02}:{:02}", ms / 3_600_000 % 24, ms / 60_000 % 60);
    format!("kWh, {}–{}", clock(end.saturating_sub(slot_ms)), clock(end))
}

fn row(ui: &Ui, cx: &Cx<'_>, column: &Column, index: usize, edges: &[f32; 4]) {
    let y = column.y + 12.0;
    let theme = cx.theme;
    let name = &cx.view.scene.mlmds[index].id;
    let truth: &TruthView = &cx.view.mlmds[index].truth;
    let room = edges[0] - column.left - 46.0;
    text::text_within(
        ui,
        pos2(column.left, y),
        Align2::LEFT_CENTER,
        &Style::strong(12.0, theme.text1),
        room.max(20.0),
        name,
    );
    let style = Style::body(12.0, theme.text1);
    for (x, wh) in edges
        .iter()
        .zip([truth.physics_wh, truth.meters_wh, truth.ledger_wh])
    {
        let words = wh.map_or("–".to_owned(), energy);
        text::text(ui, pos2(*x, y), Align2::RIGHT_CENTER, &style, &words);
    }
    let Some(residual) = truth.residual_pct.filter(|r| r.is_finite()) else {
        text::text(
            ui,
            pos2(edges[3], y),
            Align2::RIGHT_CENTER,
            &Style::body(12.0, theme.text3),
            "–",
        );
        return;
    };
    text::text(
        ui,
        pos2(edges[3], y),
        Align2::RIGHT_CENTER,
        &style,
        &text::plain(residual, 1),
    );
    if cx.compact {
        return;
    }
    let bar_w = (edges[3] - edges[2] - 44.0).clamp(6.0, 28.0);
    let bar = Rect::from_min_size(pos2(edges[2] + 14.0, y - 3.0), vec2(bar_w, 6.0));
    // The bar ends at 5 %, its tick stands at 2 %.
    let x = |pct: f64| bar.min.x + bar.width() * (pct / 5.0).clamp(0.0, 1.0) as f32;
    ui.painter().rect_filled(bar, 0.0, theme.raised);
    let fill = if residual > WATCH_PCT {
        theme.text1
    } else {
        theme.energised
    };
    ui.painter().rect_filled(
        Rect::from_min_max(bar.min, pos2(x(residual), bar.max.y)),
        0.0,
        fill,
    );
    let tick = x(WATCH_PCT);
    ui.painter().line_segment(
        [pos2(tick, bar.min.y - 2.0), pos2(tick, bar.max.y + 2.0)],
        Stroke::new(1.0, theme.text3),
    );
}
