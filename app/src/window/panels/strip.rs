//! The procedure a to e, step by step, and the lag of the ledger.

use egui::{Align2, Rect, Stroke, Ui, pos2, vec2};
use gridloom_core::view::StepView;

use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Names of the steps, as the procedure numbers them.
const STEPS: [(&str, &str); 5] = [
    ("a", "Register"),
    ("b", "Users"),
    ("c", "Meter to aggregator"),
    ("d", "Price to ledger"),
    ("e", "Control to meter"),
];

/// Lag that fills half of its bar, s: two blocks of the slowest ledger or so.
const LAG_TICK_S: f64 = 30.0;

/// Shows the strip.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let lag_w = if cx.compact { 296.0 } else { 352.0 };
    let steps = Rect::from_min_max(rect.min, pos2(rect.max.x - lag_w, rect.max.y));
    let lag = Rect::from_min_max(pos2(steps.max.x, rect.min.y), rect.max);
    // The latencies need more room than the two registers.
    let shares = [0.189, 0.153, 0.226, 0.217, 0.215];
    let mut x = steps.min.x;
    for (index, share) in shares.iter().enumerate() {
        let cell = Rect::from_min_size(
            pos2(x, steps.min.y),
            vec2(steps.width() * share, steps.height()),
        );
        step(ui, cx, cell, index);
        x = cell.max.x;
        if index + 1 < shares.len() {
            let stroke = Stroke::new(1.0, cx.theme.rule);
            let tip = pos2(x + 5.0, cell.center().y);
            ui.painter()
                .line_segment([pos2(x - 5.0, cell.min.y), tip], stroke);
            ui.painter()
                .line_segment([tip, pos2(x - 5.0, cell.max.y)], stroke);
        }
    }
    ui.painter().line_segment(
        [
            lag.left_top() + vec2(0.5, 0.0),
            lag.left_bottom() + vec2(0.5, 0.0),
        ],
        Stroke::new(1.0, cx.theme.rule),
    );
    show_lag(ui, cx, lag);
}

/// Note and value of a step.
fn words(step: &StepView, index: usize) -> (String, String) {
    let seconds =
        |s: Option<f64>| s.map_or("–".to_owned(), |s| format!("{} s", text::plain(s, 1)));
    match index {
        0 => {
            let note = if step.note.is_empty() {
                "EM contract".to_owned()
            } else {
                step.note.clone()
            };
            (note, text::grouped(step.count))
        }
        1 => {
            let note = if step.note.is_empty() {
                format!("{} waiting", step.waiting)
            } else {
                step.note.clone()
            };
            (note, text::grouped(step.count))
        }
        _ => {
            let tail = if step.failed > 0 {
                format!("{} failed", text::grouped(step.failed))
            } else {
                format!("{} done", text::grouped(step.count))
            };
            (
                format!("p95 {}, {tail}", seconds(step.p95_s)),
                seconds(step.last_s),
            )
        }
    }
}

fn step(ui: &Ui, cx: &Cx<'_>, cell: Rect, index: usize) {
    let theme = cx.theme;
    let (letter, name) = STEPS[index];
    let (note, value) = words(&cx.view.steps[index], index);
    let badge = pos2(
        cell.min.x + 28.0 - if index > 0 { 4.0 } else { 0.0 },
        cell.center().y,
    );
    ui.painter()
        .circle(badge, 10.0, theme.raised, Stroke::new(1.0, theme.edge));
    text::text(
        ui,
        badge,
        Align2::CENTER_CENTER,
        &Style::strong(12.0, theme.text1),
        letter,
    );
    let right = pos2(cell.max.x - 16.0, cell.center().y);
    let shown = text::text(
        ui,
        right,
        Align2::RIGHT_CENTER,
        &Style::strong(14.0, theme.text1),
        &value,
    );
    let left = badge.x + 20.0;
    if cx.compact {
        let room = shown.min.x - left - 8.0;
        if text::width(ui, &Style::body(12.0, theme.text2), name) <= room {
            text::text(
                ui,
                pos2(left, cell.center().y),
                Align2::LEFT_CENTER,
                &Style::body(12.0, theme.text2),
                name,
            );
        }
        return;
    }
    let style = Style::strong(12.0, theme.text1);
    let bars_end = shown.min.x.min(cell.max.x - 66.0) - 96.0;
    let needed =
        text::width(ui, &style, name).max(text::width(ui, &Style::body(11.0, theme.text2), &note));
    let bars = index >= 2 && !cx.view.steps[index].recent_s.is_empty() && needed <= bars_end - left;
    let end = if bars { bars_end } else { shown.min.x - 8.0 };
    let middle = cell.center().y;
    text::text_within(
        ui,
        pos2(left, middle - 8.0),
        Align2::LEFT_CENTER,
        &style,
        end - left,
        name,
    );
    let below = Style::body(11.0, theme.text2);
    text::text_if_fits(
        ui,
        pos2(left, middle + 8.5),
        Align2::LEFT_CENTER,
        &below,
        end - left,
        &note,
    );
    if bars {
        let place = Rect::from_min_size(pos2(end + 6.0, middle - 10.0), vec2(80.0, 20.0));
        spark(ui, cx, place, &cx.view.steps[index].recent_s);
    }
}

/// Latencies of the last completions as bars, newest at the right.
fn spark(ui: &Ui, cx: &Cx<'_>, rect: Rect, values: &[f32]) {
    let count = 13;
    let shown = &values[values.len().saturating_sub(count)..];
    let top = shown
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .fold(0.0_f32, f32::max)
        .max(1e-3);
    for (k, value) in shown.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let x = rect.max.x - (shown.len() - k) as f32 * 6.0;
        let h = (rect.height() * (value / top) * 0.9).max(1.0);
        let bar = Rect::from_min_max(pos2(x, rect.max.y - h), pos2(x + 4.0, rect.max.y));
        ui.painter().rect_filled(bar, 0.0, cx.theme.text3);
    }
}

fn show_lag(ui: &Ui, cx: &Cx<'_>, rect: Rect) {
    let theme = cx.theme;
    let y = rect.center().y;
    let name = text::text(
        ui,
        pos2(rect.min.x + 16.0, y),
        Align2::LEFT_CENTER,
        &Style::heading(theme.text2),
        "LEDGER LAG",
    );
    let lag = cx
        .view
        .ledger_lag_s
        .iter()
        .copied()
        .filter(|l| l.is_finite())
        .fold(f64::NAN, f64::max);
    let value = if lag.is_finite() {
        format!("{} s", text::plain(lag, 1))
    } else {
        "–".to_owned()
    };
    let shown = text::text(
        ui,
        pos2(rect.max.x - 16.0, y),
        Align2::RIGHT_CENTER,
        &Style::strong(14.0, theme.text1),
        &value,
    );
    let bar = Rect::from_min_max(
        pos2(name.max.x + 20.0, y - 3.0),
        pos2((rect.max.x - 90.0).min(shown.min.x - 12.0), y + 3.0),
    );
    if !bar.is_positive() {
        return;
    }
    ui.painter().rect_filled(bar, 0.0, theme.raised);
    let share = (lag / (2.0 * LAG_TICK_S)).clamp(0.0, 1.0);
    if share.is_finite() {
        let fill = Rect::from_min_size(bar.min, vec2(bar.width() * share as f32, bar.height()));
        ui.painter().rect_filled(fill, 0.0, theme.ledger_dim(0.8));
    }
    let x = bar.center().x;
    ui.painter().line_segment(
        [pos2(x, bar.min.y - 4.0), pos2(x, bar.max.y + 4.0)],
        Stroke::new(1.0, theme.text2),
    );
}
