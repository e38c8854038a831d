//! Layer switches and legend.

use egui::{Align2, CornerRadius, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::{HomeState, HomeView};

use super::place::Placed;
use super::{ribbons, symbols};
use crate::window::panels::facts;
use crate::window::state::Layers;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// The six layer switches.
pub fn switches(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let size = vec2(80.0, 28.0);
    let on = cx.state.layers.all();
    for (index, name) in Layers::NAMES.iter().enumerate() {
        let cell = Rect::from_min_size(
            rect.min + vec2((index % 3) as f32 * 84.0, (index / 3) as f32 * 32.0),
            size,
        );
        let response = ui.interact(cell, ui.id().with(("layer", index)), egui::Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::WidgetType::Checkbox, true, on[index], *name)
        });
        let fill = if on[index] {
            cx.theme.raised
        } else {
            cx.theme.panel
        };
        let edge = if on[index] || response.hovered() {
            cx.theme.edge
        } else {
            cx.theme.rule
        };
        ui.painter().rect(
            cell,
            CornerRadius::same(4),
            fill,
            Stroke::new(1.0, edge),
            StrokeKind::Inside,
        );
        let key = Style::mono(11.0, cx.theme.text3);
        text::text(
            ui,
            cell.left_center() + vec2(9.0, 0.0),
            Align2::LEFT_CENTER,
            &key,
            ["1", "2", "3", "4", "5", "6"][index],
        );
        let style = if on[index] {
            Style::strong(12.0, cx.theme.text1)
        } else {
            Style::body(12.0, cx.theme.text2)
        };
        text::text(
            ui,
            cell.left_center() + vec2(24.0, 0.0),
            Align2::LEFT_CENTER,
            &style,
            name,
        );
        if on[index] {
            let y = cell.max.y - 3.5;
            ui.painter().line_segment(
                [pos2(cell.min.x + 8.0, y), pos2(cell.max.x - 8.0, y)],
                Stroke::new(1.5, cx.theme.text1),
            );
        }
        if response.clicked()
            && let Some(switch) = cx.state.layers.switch(index)
        {
            *switch = !*switch;
        }
    }
}

/// The legend card: what width, squares, houses and halo mean.
pub fn show(ui: &Ui, cx: &Cx<'_>, placed: &Placed, rect: Rect) {
    let theme = cx.theme;
    let edge = Stroke::new(1.0, theme.rule);
    let painter = ui.painter();
    painter.rect(
        rect,
        CornerRadius::same(4),
        theme.panel,
        edge,
        StrokeKind::Inside,
    );
    let heading = Style::heading(theme.text2);
    text::text(
        ui,
        rect.min + vec2(12.0, 16.0),
        Align2::LEFT_CENTER,
        &heading,
        "LEGEND",
    );
    let signs = format!("kW: + from {0}, \u{2212} to {0}", facts::source(cx.view));
    let right = pos2(rect.max.x - 12.0, rect.min.y + 16.0);
    let room = rect.width() - 90.0;
    text::text_if_fits(ui, right, Align2::RIGHT_CENTER, &note(cx), room, &signs);
    let mut shapes = Vec::new();
    flows(ui, cx, placed, rect, &mut shapes);
    breakers(ui, cx, rect, &mut shapes);
    houses(ui, cx, rect, &mut shapes);
    voltage_bar(ui, cx, rect);
    painter.extend(shapes);
}

fn note(cx: &Cx<'_>) -> Style {
    Style::body(11.0, cx.theme.text2)
}

/// Words at places of one row.
fn row<const N: usize>(ui: &Ui, cx: &Cx<'_>, left: f32, y: f32, words: [(f32, &str); N]) {
    for (x, words) in words {
        text::text(ui, pos2(left + x, y), Align2::LEFT_CENTER, &note(cx), words);
    }
}

fn flows(ui: &Ui, cx: &Cx<'_>, placed: &Placed, rect: Rect, out: &mut Vec<Shape>) {
    let theme = cx.theme;
    let (left, y) = (rect.min.x, rect.min.y + 40.0);
    for (x, length, kw, loading) in [
        (12.0, 36.0, 1.0, 0.05),
        (76.0, 44.0, 10.0, 0.25),
        (148.0, 56.0, 40.0, 0.5),
    ] {
        let (a, b) = (pos2(left + x, y), pos2(left + x + length, y));
        let width = ribbons::width(kw) * placed.strength;
        out.push(Shape::line_segment(
            [a, b],
            Stroke::new(width, theme.ribbon(loading)),
        ));
        let flow = ribbons::Flow {
            p_kw: kw,
            loading,
            live: true,
        };
        if let Some(size) = ribbons::chevron_size(flow) {
            let (at, along) = (a + (b - a) * 0.5, vec2(1.0, 0.0));
            ribbons::arrow_head(
                at,
                along,
                size * placed.strength,
                theme.chevron,
                theme.panel,
                out,
            );
        }
    }
    row(
        ui,
        cx,
        left,
        y + 18.0,
        [(12.0, "1 kW"), (76.0, "10"), (148.0, "40")],
    );
}

fn breakers(ui: &Ui, cx: &Cx<'_>, rect: Rect, out: &mut Vec<Shape>) {
    let (left, y) = (rect.min.x, rect.min.y + 80.0);
    let along = vec2(1.0, 0.0);
    symbols::breaker(pos2(left + 19.0, y), along, true, cx.theme, out);
    symbols::breaker(pos2(left + 89.0, y), along, false, cx.theme, out);
    let dash = [pos2(left + 146.0, y), pos2(left + 174.0, y)];
    out.extend(Shape::dashed_line(
        &dash,
        Stroke::new(2.0, cx.theme.dead),
        6.0,
        5.0,
    ));
    row(
        ui,
        cx,
        left,
        y,
        [(32.0, "closed"), (102.0, "open"), (180.0, "dead")],
    );
}

fn houses(ui: &Ui, cx: &Cx<'_>, rect: Rect, out: &mut Vec<Shape>) {
    let (left, y) = (rect.min.x, rect.min.y + 106.0);
    let with_pv = HomeView {
        pv_kw: 1.0,
        battery_kwh: 1.0,
        ..HomeView::default()
    };
    let with_ev = HomeView {
        ev_kw: 1.0,
        ..HomeView::default()
    };
    for (x, home, net_kw) in [(19.0, &with_pv, -4.0), (89.0, &with_ev, 4.0)] {
        let state = HomeState {
            net_kw,
            v_pu: Some(1.0),
            ..HomeState::default()
        };
        symbols::house(
            pos2(left + x, y),
            15.0,
            true,
            home,
            Some(&state),
            cx.theme,
            out,
        );
    }
    row(
        ui,
        cx,
        left,
        y,
        [
            (39.0, "gives"),
            (109.0, "takes"),
            (148.0, "roof filled = PV"),
        ],
    );
}

fn voltage_bar(ui: &Ui, cx: &Cx<'_>, rect: Rect) {
    let y = rect.min.y + 132.0;
    let bar = Rect::from_min_size(pos2(rect.min.x + 12.0, y - 6.0), vec2(106.0, 11.0));
    let steps = 53;
    for step in 0..steps {
        let v = 0.9 + 0.2 * (f64::from(step) + 0.5) / f64::from(steps);
        let colour = cx.theme.voltage(v).unwrap_or(cx.theme.base);
        let cell = Rect::from_min_size(bar.min + vec2(step as f32 * 2.0, 0.0), vec2(2.0, 11.0));
        ui.painter().rect_filled(cell, 0.0, colour);
    }
    for quarter in 0..5 {
        let x = bar.min.x + bar.width() * quarter as f32 / 4.0;
        ui.painter().line_segment(
            [pos2(x, bar.max.y), pos2(x, bar.max.y + 3.0)],
            Stroke::new(1.0, cx.theme.text3),
        );
    }
    let note = Style::body(11.0, cx.theme.text2);
    text::text(
        ui,
        pos2(bar.max.x + 8.0, y),
        Align2::LEFT_CENTER,
        &note,
        "voltage \u{2212}10 … +10 %",
    );
}
