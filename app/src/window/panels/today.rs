//! Figures since the start of the run.

use egui::{Align2, Ui, pos2};

use super::Column;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shows today's figures; folded away in small windows.
pub fn show(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    if cx.compact {
        return;
    }
    let t = &cx.view.today;
    column.heading(ui, cx, "TODAY", "");
    let price = cx
        .view
        .prices
        .first()
        .map_or(f64::NAN, |p| p.scalar as f64 / 1e4);
    // The stability gauge: worst loop gain of the clusters; swings begin near 1.
    let gain = cx
        .view
        .prices
        .iter()
        .filter_map(|p| p.loop_gain)
        .reduce(f64::max);
    let price_label = gain.map_or_else(
        || "Local price".to_owned(),
        |gain| format!("Price \u{b7} gain {}", text::plain(gain, 2)),
    );
    let books = &cx.view.books;
    let balanced = if books.money_off_nano_eur == 0 && books.energy_off_wh == 0 {
        format!("balanced, {} slots", text::grouped(books.slots_settled))
    } else {
        format!(
            "off by {} nEUR, {} Wh",
            books.money_off_nano_eur, books.energy_off_wh
        )
    };
    let cells = [
        (
            "Self-sufficient",
            format!("{} %", text::plain(t.self_sufficiency * 100.0, 0)),
        ),
        (
            "Green wasted",
            format!("{} kWh", text::plain(t.wasted_kwh, 1)),
        ),
        (
            price_label.as_str(),
            format!("{} ct", text::plain(price, 1)),
        ),
        (
            "To neighbours",
            format!("{} kWh", text::plain(t.traded_kwh, 0)),
        ),
        ("Solar", format!("{} kWh", text::plain(t.solar_kwh, 0))),
        ("Demand", format!("{} kWh", text::plain(t.demand_kwh, 0))),
        ("Import", format!("{} kWh", text::plain(t.import_kwh, 0))),
        ("Export", format!("{} kWh", text::plain(t.export_kwh, 0))),
    ];
    for pair in cells.chunks(2) {
        for (side, (name, value)) in pair.iter().enumerate() {
            let x = column.left + side as f32 * (column.width() * 0.515);
            text::text(
                ui,
                pos2(x, column.y + 4.0),
                Align2::LEFT_CENTER,
                &Style::body(11.0, cx.theme.text2),
                name,
            );
            text::text(
                ui,
                pos2(x, column.y + 21.0),
                Align2::LEFT_CENTER,
                &Style::strong(14.0, cx.theme.text1),
                value,
            );
        }
        column.y += 39.0;
    }
    text::text(
        ui,
        pos2(column.left, column.y + 4.0),
        Align2::LEFT_CENTER,
        &Style::body(11.0, cx.theme.text2),
        "Books",
    );
    let style = Style::strong(13.0, cx.theme.text1);
    text::text_within(
        ui,
        pos2(column.left, column.y + 21.0),
        Align2::LEFT_CENTER,
        &style,
        column.width(),
        &balanced,
    );
    column.y += 36.0;
}
