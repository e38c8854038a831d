//! Plots under one cursor: the run solid, the branch dashed.

use egui::{Align2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::{HistoryView, Selected};
use gridloom_units::Tick;

use crate::window::draw;
use crate::window::map::hit;
use crate::window::panels::transport;
use crate::window::plot;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shortest span that can be shown, ms.
const SHORTEST_MS: f64 = 120_000.0;

/// One plot: name, unit, series of the run and of the branch.
struct Plot<'a> {
    name: String,
    decimals: usize,
    a: &'a [f32],
    b: Option<&'a [f32]>,
}

/// Shows the plots of the selection and of the community.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let view = cx.view;
    let history = std::sync::Arc::clone(&view.history);
    let other = cx
        .desk
        .other
        .as_ref()
        .map(|other| std::sync::Arc::clone(&other.view.history));
    let plots = choose(cx, &history, other.as_deref());
    let step_ms = history.step_ms.max(1);
    let end_ms = (history.exchange_kw.len() as u64 * step_ms).max(2 * step_ms);
    let body = Rect::from_min_max(rect.min + vec2(46.0, 6.0), rect.max - vec2(14.0, 22.0));
    if !body.is_positive() {
        return;
    }
    let span = steer(ui, cx, body, end_ms);
    let pitch = body.height() / plots.len().max(1) as f32;
    for (index, plot) in plots.iter().enumerate() {
        let place = Rect::from_min_size(
            pos2(body.min.x, body.min.y + index as f32 * pitch),
            vec2(body.width(), pitch),
        );
        one(ui, cx, place, plot, step_ms, span);
    }
    cursors(ui, cx, body, span);
    axis(ui, cx, body, span);
}

/// What is worth plotting: values of the selection first.
fn choose<'a>(
    cx: &Cx<'_>,
    history: &'a HistoryView,
    other: Option<&'a HistoryView>,
) -> Vec<Plot<'a>> {
    let mut plots = Vec::new();
    let trend = |history: &'a HistoryView| match cx.state.selected {
        Some(Selected::SharedBattery(i)) => history.shared_battery.get(i),
        Some(Selected::Mlmd(i)) => history.mlmd.get(i),
        Some(Selected::Home(i)) => history.home.get(i),
        _ => history.mlmd.first(),
    };
    let name = match cx.state.selected {
        Some(what @ (Selected::Home(_) | Selected::SharedBattery(_) | Selected::Mlmd(_))) => {
            hit::name(&cx.view.scene, what)
        }
        _ => cx
            .view
            .scene
            .mlmds
            .first()
            .map_or_else(|| "head".to_owned(), |m| m.id.clone()),
    };
    if let Some(own) = trend(history) {
        let beside = other.and_then(trend);
        plots.push(Plot {
            name: format!("V at {name}, pu"),
            decimals: 3,
            a: &own.v_pu,
            b: beside.map(|t| t.v_pu.as_slice()),
        });
        plots.push(Plot {
            name: format!("P of {name}, kW"),
            decimals: 1,
            a: &own.p_kw,
            b: beside.map(|t| t.p_kw.as_slice()),
        });
    }
    plots.push(Plot {
        name: "Exchange, kW".to_owned(),
        decimals: 1,
        a: &history.exchange_kw,
        b: other.map(|h| h.exchange_kw.as_slice()),
    });
    if let Some(price) = history.price_ct.first() {
        plots.push(Plot {
            name: "Price, ct/kWh".to_owned(),
            decimals: 1,
            a: price,
            b: other.and_then(|h| h.price_ct.first()).map(Vec::as_slice),
        });
    }
    plots
}

/// Pan by dragging, zoom to the pointer, everything on double click.
fn steer(ui: &Ui, cx: &mut Cx<'_>, body: Rect, end_ms: u64) -> (f64, f64) {
    let state = &mut cx.state.engineer;
    let response = ui.interact(body, ui.id().with("plots"), Sense::click_and_drag());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::WidgetType::Other, true, "Plots with linked cursor")
    });
    let all = (0.0, end_ms as f64);
    if response.double_clicked() {
        state.span_ms = None;
    }
    let mut span = state.span_ms.map_or(all, |(a, b)| (a as f64, b as f64));
    let per_px = (span.1 - span.0) / f64::from(body.width());
    let mut moved = false;
    if response.dragged() {
        let by = f64::from(response.drag_delta().x) * per_px;
        span = (span.0 - by, span.1 - by);
        moved = true;
    }
    let hover = ui
        .input(|i| i.pointer.hover_pos())
        .filter(|at| body.contains(*at));
    if let Some(at) = hover.filter(|_| response.contains_pointer()) {
        let scroll = ui.input(|i| i.smooth_scroll_delta.y);
        let middle = span.0 + f64::from(at.x - body.min.x) * per_px;
        if scroll.abs() > 0.1 {
            let factor = libm::exp(-f64::from(scroll) * 0.004);
            let length = ((span.1 - span.0) * factor).clamp(SHORTEST_MS, all.1.max(SHORTEST_MS));
            let share = (middle - span.0) / (span.1 - span.0).max(1.0);
            span = (middle - length * share, middle + length * (1.0 - share));
            moved = true;
        }
        state.cursor_ms = Some(middle.max(0.0) as u64);
    } else {
        state.cursor_ms = None;
    }
    if moved {
        let length = span.1 - span.0;
        let start = span.0.clamp(0.0, (all.1 - length).max(0.0));
        span = (start, start + length);
        state.span_ms = Some((span.0 as u64, span.1 as u64));
    }
    if response.clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        let ms = span.0 + f64::from(at.x - body.min.x) * per_px;
        let tick = ms.max(0.0) as u64 / cx.view.scene.tick_ms.max(1);
        transport::send(cx, PlaybackCommand::Seek(Tick(tick)));
    }
    span
}

fn one(ui: &Ui, cx: &Cx<'_>, place: Rect, plot: &Plot<'_>, step_ms: u64, span: (f64, f64)) {
    let theme = cx.theme;
    let head = place.min.y + 9.0;
    let style = Style::body(11.0, theme.text2);
    let at = pos2(place.min.x, head);
    let value_at = |series: &[f32]| {
        let ms = cx.state.engineer.cursor_ms.unwrap_or(cx.view.time.0);
        // The sample of the running minute is not there yet: the last one holds.
        let index = ((ms / step_ms) as usize).min(series.len().saturating_sub(1));
        let value = series.get(index).copied();
        value.filter(|v| v.is_finite()).map_or("–".to_owned(), |v| {
            text::plain(f64::from(v), plot.decimals)
        })
    };
    let mut words = value_at(plot.a);
    if let Some(b) = plot.b {
        words = format!("{words} | {}", value_at(b));
    }
    let strong = Style::strong(11.0, theme.text1);
    let right = pos2(place.max.x, head);
    let shown = text::text(ui, right, Align2::RIGHT_CENTER, &strong, &words);
    let room = shown.min.x - at.x - 8.0;
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &plot.name);
    let area = Rect::from_min_max(
        pos2(place.min.x, head + 9.0),
        pos2(place.max.x, place.max.y - 5.0),
    );
    if area.height() < 12.0 {
        return;
    }
    ui.painter().rect_filled(area, 0.0, theme.base);
    let range = ((span.0 / step_ms as f64).max(0.0), span.1 / step_ms as f64);
    let columns = area.width() as usize;
    let a = plot::columns(plot.a, range, columns);
    let b = plot.b.map(|b| plot::columns(b, range, columns));
    let all = a.iter().chain(b.iter().flatten()).flatten();
    let Some((lo, hi)) = plot::extent(all.copied()) else {
        return;
    };
    let pad = ((hi - lo) * 0.08).max(if plot.decimals > 2 { 0.002 } else { 0.05 });
    let (lo, hi) = (lo - pad, hi + pad);
    let y = |v: f32| area.max.y - (v - lo) / (hi - lo) * area.height();
    for value in plot::ticks(lo, hi, (area.height() / 26.0) as usize) {
        let at = y(value);
        let ends = [pos2(area.min.x, at), pos2(area.max.x, at)];
        ui.painter()
            .line_segment(ends, Stroke::new(1.0, theme.rule));
        let words = text::plain(f64::from(value), plot.decimals.min(2));
        let place = pos2(area.min.x - 6.0, at);
        let fits = at > area.min.y + 5.0 && at < area.max.y - 4.0;
        if fits {
            text::text(ui, place, Align2::RIGHT_CENTER, &style, &words);
        }
    }
    gaps(ui, cx, area, &a);
    plot::draw(
        ui.painter(),
        area,
        &a,
        &y,
        Stroke::new(1.5, theme.energised),
    );
    if let Some(b) = &b {
        plot::draw_dashed(ui.painter(), area, b, &y, Stroke::new(1.25, theme.text2));
    }
}

/// No supply is a grey foot, never a zero.
fn gaps(ui: &Ui, cx: &Cx<'_>, area: Rect, columns: &[Option<(f32, f32)>]) {
    let last = columns.iter().rposition(Option::is_some).unwrap_or(0);
    for (index, column) in columns.iter().enumerate().take(last) {
        if column.is_none() {
            let x = area.min.x + index as f32;
            let foot = Rect::from_min_max(pos2(x, area.max.y - 3.0), pos2(x + 1.0, area.max.y));
            ui.painter().rect_filled(foot, 0.0, cx.theme.dead);
        }
    }
}

/// The shown tick, the fork, and the pointer, through all plots.
fn cursors(ui: &Ui, cx: &Cx<'_>, body: Rect, span: (f64, f64)) {
    let x = |ms: f64| body.min.x + ((ms - span.0) / (span.1 - span.0)) as f32 * body.width();
    let now = x(cx.view.time.0 as f64);
    if body.x_range().contains(now) {
        let ends = [pos2(now, body.min.y), pos2(now, body.max.y)];
        ui.painter()
            .line_segment(ends, Stroke::new(1.5, cx.theme.text1));
    }
    let tick_ms = cx.view.scene.tick_ms;
    let dashed = |ms: f64| {
        let at = x(ms);
        if body.x_range().contains(at) {
            let ends = [pos2(at, body.min.y), pos2(at, body.max.y)];
            let stroke = Stroke::new(1.0, cx.theme.text3);
            ui.painter()
                .extend(Shape::dashed_line(&ends, stroke, 2.0, 3.0));
        }
    };
    if let Some(tick) = cx.desk.other.as_ref().and_then(|o| o.differs_at) {
        dashed(tick.start(tick_ms).0 as f64);
    }
    if let Some(ms) = cx.state.engineer.cursor_ms {
        dashed(ms as f64);
    }
}

fn axis(ui: &Ui, cx: &Cx<'_>, body: Rect, span: (f64, f64)) {
    const STEPS_MIN: [f64; 12] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0, 240.0, 360.0, 720.0,
    ];
    let per_min = f64::from(body.width()) * 60_000.0 / (span.1 - span.0);
    let step = STEPS_MIN
        .into_iter()
        .find(|m| m * per_min >= 58.0)
        .unwrap_or(1_440.0)
        * 60_000.0;
    let style = Style::body(11.0, cx.theme.text2);
    let mut ms = (span.0 / step).ceil() * step;
    for _ in 0..40 {
        if ms > span.1 {
            break;
        }
        let x = body.min.x + ((ms - span.0) / (span.1 - span.0)) as f32 * body.width();
        let minute = (ms / 60_000.0).round() as u64;
        let words = format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
        if x > body.min.x + 16.0 && x < body.max.x - 16.0 {
            let at = pos2(x, body.max.y + 10.0);
            text::text(ui, at, Align2::CENTER_CENTER, &style, &words);
        }
        ms += step;
    }
    draw::rule(ui.painter(), body.min.x..=body.max.x, body.max.y, cx.theme);
}
