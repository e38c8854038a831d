//! Values nearest to their limits.

use egui::{Align2, Rect, Ui, pos2, vec2};

use super::Column;
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// One value against its limit.
struct Row<'a> {
    name: &'a str,
    value: String,
    place: String,
    /// Position in the bar, 0..1.
    share: f32,
    /// Position of the limit in the bar.
    limit: f32,
    /// How near to the limit, 1 = at it.
    near: f64,
}

fn rows<'a>(cx: &'a Cx<'_>) -> Vec<Row<'a>> {
    let l = &cx.view.limits;
    let voltage = |name: &'a str, (v, place): &(f64, String), low: bool| {
        // The bar spans 0.88 to 1.12 pu; EN 50160 allows 10 % either way.
        let share = ((v - 0.88) / 0.24) as f32;
        let limit = if low { 0.02 / 0.24 } else { 0.22 / 0.24 };
        let near = if low {
            (1.0 - v) / 0.1
        } else {
            (v - 1.0) / 0.1
        };
        Row {
            name,
            // Nobody has supply: there is no extreme to show.
            value: if *v > 0.0 {
                format!("{} pu", text::plain(*v, 3))
            } else {
                "–".to_owned()
            },
            place: place.clone(),
            share: if *v > 0.0 { share } else { f32::NAN },
            limit,
            near,
        }
    };
    let percent = |name: &'a str, (load, place): &(f64, String)| Row {
        name,
        value: format!("{} %", text::plain(load * 100.0, 0)),
        place: place.clone(),
        share: (load / 1.1) as f32,
        limit: 1.0 / 1.1,
        near: *load,
    };
    vec![
        voltage("V max", &l.v_max, false),
        voltage("V min", &l.v_min, true),
        percent("Line", &l.line),
        percent(
            crate::window::panels::facts::source(cx.view),
            &l.transformer,
        ),
    ]
}

/// Shows the limits; in small windows only the two nearest.
pub fn show(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    column.heading(ui, cx, "LIMITS", "nearest to its limit");
    let mut rows = rows(cx);
    if cx.compact {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by(|&a, &b| rows[b].near.total_cmp(&rows[a].near));
        order.truncate(2);
        let mut at = 0;
        rows.retain(|_| {
            at += 1;
            order.contains(&(at - 1))
        });
    }
    let bar_from = column.left + if cx.compact { 112.0 } else { 124.0 };
    for row in rows {
        let y = column.y + 10.0;
        text::text(
            ui,
            pos2(column.left, y),
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text2),
            row.name,
        );
        let value = pos2(bar_from - 10.0, y);
        text::text(
            ui,
            value,
            Align2::RIGHT_CENTER,
            &Style::strong(13.0, cx.theme.text1),
            &row.value,
        );
        let bar_w = if cx.compact { 40.0 } else { 84.0 };
        let bar = Rect::from_min_size(pos2(bar_from, y - 2.5), vec2(bar_w, 5.0));
        draw::gauge(ui.painter(), bar, row.share, row.limit, cx.theme);
        let room = column.right - bar.max.x - 6.0;
        text::text_within(
            ui,
            pos2(column.right, y),
            Align2::RIGHT_CENTER,
            &Style::body(11.0, cx.theme.text2),
            room,
            &row.place,
        );
        column.y += 24.0;
    }
    column.rule(ui, cx);
}
