//! Community balance: what is supplied and used, closing to zero.

use egui::{Align2, Rect, Stroke, Ui, pos2, vec2};

use super::Column;
use crate::window::draw::{self, Icon};
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// One row: name, note, value.
struct Row {
    icon: Icon,
    name: &'static str,
    note: String,
    value: f64,
    /// Whether it has a bar.
    bar: bool,
    /// Range seen so far today, kW.
    band: Option<(f64, f64)>,
}

/// Range of a series so far, as the band of normal values.
fn band(series: &[f32], negative: bool) -> Option<(f64, f64)> {
    let mut lo = f64::INFINITY;
    let mut hi = f64::NEG_INFINITY;
    for value in series.iter().copied().filter(|v| v.is_finite()) {
        let value = if negative {
            -f64::from(value)
        } else {
            f64::from(value)
        };
        lo = lo.min(value);
        hi = hi.max(value);
    }
    (lo < hi).then_some((lo, hi))
}

/// Whether there is a battery at all.
fn owns_storage(cx: &Cx<'_>) -> bool {
    let scene = &cx.view.scene;
    !scene.shared_batteries.is_empty() || scene.homes.iter().any(|home| home.battery_kwh > 0.0)
}

fn rows(cx: &Cx<'_>) -> Vec<Row> {
    let b = &cx.view.balance;
    let h = &cx.view.history;
    let storage = match b.storage_kw {
        p if p > 0.05 => "discharging",
        p if p < -0.05 => "charging",
        _ => "resting",
    };
    let exchange = match b.exchange_kw {
        p if p > 0.05 => "import",
        p if p < -0.05 => "export",
        _ => "balanced",
    };
    let curtailed = if b.solar_curtailed_kw > 0.05 {
        format!("{} curtailed", text::plain(b.solar_curtailed_kw, 1))
    } else {
        String::new()
    };
    let row = |icon, name, note: String, value, band| Row {
        icon,
        name,
        note,
        value,
        bar: true,
        band,
    };
    vec![
        row(
            Icon::Sun,
            "Solar",
            curtailed,
            b.solar_kw,
            band(&h.solar_kw, false),
        ),
        row(
            Icon::House,
            "Demand",
            format!("{} flexible", text::plain(b.flexible_kw, 1)),
            b.demand_kw,
            band(&h.demand_kw, h.demand_kw.iter().any(|v| *v > 0.0)),
        ),
        row(
            Icon::Battery,
            "Storage",
            if owns_storage(cx) {
                format!("{storage} · {} %", text::plain(b.storage_soc * 100.0, 0))
            } else {
                "none".to_owned()
            },
            b.storage_kw,
            band(&h.storage_kw, false),
        ),
        row(
            Icon::Exchange,
            "Exchange",
            exchange.to_owned(),
            b.exchange_kw,
            band(&h.exchange_kw, false),
        ),
        Row {
            icon: Icon::Wave,
            name: "Losses",
            note: String::new(),
            value: b.losses_kw,
            bar: false,
            band: None,
        },
    ]
}

/// Shows the balance.
pub fn show(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    column.heading(ui, cx, "COMMUNITY BALANCE", "kW  + supply  \u{2212} use");
    let scale = cx.view.balance.scale_kw;
    let scale = if scale.is_finite() && scale > 0.0 {
        scale
    } else {
        1.0
    };
    let pitch = if cx.compact { 41.0 } else { 46.0 };
    for row in rows(cx) {
        let y = column.y + 17.0;
        draw::icon(
            ui.painter(),
            pos2(column.left + 7.0, y),
            row.icon,
            cx.theme.text2,
        );
        let value = text::signed(row.value, 1);
        let shown = text::text(
            ui,
            pos2(column.right, y),
            Align2::RIGHT_CENTER,
            &Style::strong(16.0, cx.theme.text1),
            &value,
        );
        let name = text::text(
            ui,
            pos2(column.left + 24.0, y),
            Align2::LEFT_CENTER,
            &Style::body(13.0, cx.theme.text1),
            row.name,
        );
        if !row.note.is_empty() && !cx.compact {
            let room = shown.min.x - name.max.x - 14.0;
            let at = pos2(name.max.x + 8.0, y + 0.5);
            text::text_if_fits(
                ui,
                at,
                Align2::LEFT_CENTER,
                &Style::body(11.0, cx.theme.text3),
                room,
                &row.note,
            );
        }
        if row.bar {
            let bar = Rect::from_min_size(pos2(column.left, y + 14.0), vec2(column.width(), 8.0));
            signed_bar(ui, cx, bar, row.value, row.band, scale);
            column.y += pitch;
        } else {
            column.y += 32.0;
        }
    }
    draw::rule(
        ui.painter(),
        column.left..=column.right,
        column.y.round() + 0.5,
        cx.theme,
    );
    let y = column.y + 15.0;
    let name = text::text(
        ui,
        pos2(column.left + 24.0, y),
        Align2::LEFT_CENTER,
        &Style::body(12.0, cx.theme.text2),
        "Sum",
    );
    let note = Style::body(11.0, cx.theme.text3);
    text::text(
        ui,
        pos2(name.max.x + 10.0, y),
        Align2::LEFT_CENTER,
        &note,
        "closes every tick",
    );
    let sum = text::plain(cx.view.balance.sum_kw, 1);
    text::text(
        ui,
        pos2(column.right, y),
        Align2::RIGHT_CENTER,
        &Style::strong(13.0, cx.theme.text1),
        &sum,
    );
    column.y += 22.0;
    column.rule(ui, cx);
}

/// A bar around zero: right is supply, left is use; the band is today's range.
fn signed_bar(ui: &Ui, cx: &Cx<'_>, rect: Rect, value: f64, band: Option<(f64, f64)>, scale: f64) {
    let painter = ui.painter();
    painter.rect_filled(rect, 0.0, cx.theme.raised);
    let zero = rect.center().x;
    let x = |kw: f64| zero + (kw / scale).clamp(-1.0, 1.0) as f32 * rect.width() * 0.5;
    let span = |a: f64, b: f64, shrink: f32| {
        let (a, b) = (x(a), x(b));
        Rect::from_x_y_ranges(
            a.min(b)..=a.max(b),
            rect.min.y + shrink..=rect.max.y - shrink,
        )
    };
    if let Some((lo, hi)) = band {
        painter.rect_filled(span(lo, hi, 0.0), 0.0, cx.theme.edge);
    }
    if value.is_finite() {
        painter.rect_filled(span(0.0, value, 1.5), 0.0, cx.theme.energised);
    }
    painter.line_segment(
        [pos2(zero, rect.min.y - 2.0), pos2(zero, rect.max.y + 2.0)],
        Stroke::new(1.0, cx.theme.text2),
    );
}
