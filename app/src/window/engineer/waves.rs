//! Waveforms of the fault recorder: currents and voltages of one device around
//! one disturbance, with the position of its breaker.

use egui::{Align2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};
use gridloom_core::protection::Oscillogram;
use gridloom_protection::comtrade::Segment;

use super::relay;
use crate::window::plot::{self, Pyramid};
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Samples a second of what is drawn.
const RATE_HZ: f64 = 4_000.0;

/// Longest waveform that is drawn, samples.
const MOST: usize = 400_000;

/// Shortest shown span, ms.
const SHORTEST_MS: f64 = 20.0;

/// Channels of a device in a record: currents L1 to L3, then voltages.
const CHANNELS: usize = 6;

/// Sampled channels of one device in one record.
#[derive(Default)]
pub struct Sampled {
    /// Trigger of the record and device they belong to.
    of: Option<(u64, usize)>,
    channels: Vec<Pyramid>,
    /// Samples at which the position of the breaker changes, and whether it is open then.
    open: Vec<(usize, bool)>,
    /// Begin of the record against its trigger, ms.
    from_ms: f64,
    /// Length, ms.
    length_ms: f64,
}

/// Shows the chosen record.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let records = std::sync::Arc::clone(&cx.view.protection.records);
    let newest = records.len().saturating_sub(1);
    // Unless one was chosen: the last in which the breaker of the device moved.
    let moved = relay::chosen(cx).and_then(|device| {
        let state = |s: &Segment| s.states.get(device).copied();
        let moves = |r: &Oscillogram| r.segments.windows(2).any(|w| state(&w[0]) != state(&w[1]));
        records.iter().rposition(moves)
    });
    let chosen = cx.state.engineer.record.or(moved);
    let number = chosen.unwrap_or(newest).min(newest);
    let note = format!("record {} of {}", number + 1, records.len());
    let below = relay::head(ui, cx, rect, if records.is_empty() { "" } else { &note });
    let (Some(record), Some(device)) = (records.get(number), relay::chosen(cx)) else {
        let words = "No disturbance has been recorded yet. Insert a fault (Train, Insert event).";
        relay::nothing(ui, cx, below, words);
        return;
    };
    choose(ui, cx, below, number, records.len());
    if cx.state.engineer.waves.of != Some((record.trigger_us, device)) {
        cx.state.engineer.waves = sample(record, device, cx.view.grid.frequency_hz);
        cx.state.engineer.wave_ms = None;
    }
    let body = Rect::from_min_max(below.min + vec2(52.0, 30.0), below.max - vec2(14.0, 34.0));
    if !body.is_positive() {
        return;
    }
    let span = steer(ui, cx, body);
    let half = body.height() * 0.5;
    for (row, (unit, from)) in [("A", 0), ("V", 3)].into_iter().enumerate() {
        let place = Rect::from_min_size(
            body.min + vec2(0.0, half * row as f32),
            vec2(body.width(), half - 8.0),
        );
        quantity(ui, cx, place, unit, from, span);
    }
    breaker(ui, cx, body, span);
    axis(ui, cx, body, span);
}

/// Two buttons that go from record to record, and when it was triggered.
fn choose(ui: &Ui, cx: &mut Cx<'_>, below: Rect, number: usize, count: usize) {
    let y = below.min.y + 12.0;
    let earlier = Rect::from_center_size(pos2(below.min.x + 46.0, y), vec2(68.0, 20.0));
    let later = earlier.translate(vec2(74.0, 0.0));
    if cx.button(ui, earlier, "Earlier", "", number > 0) {
        cx.state.engineer.record = Some(number - 1);
    }
    if cx.button(ui, later, "Later", "", number + 1 < count) {
        cx.state.engineer.record = Some(number + 1);
    }
    let trigger = cx.view.protection.records.get(number);
    let words = trigger.map_or_else(String::new, |r| {
        format!("trigger {}", gridloom_units::SimTime(r.trigger_us / 1_000))
    });
    let style = Style::mono(11.0, cx.theme.text2);
    let at = pos2(later.max.x + 12.0, y);
    let room = below.max.x - at.x - 12.0;
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &words);
}

/// The waveforms that the phasors of a record stand for.
fn sample(record: &Oscillogram, device: usize, frequency_hz: f64) -> Sampled {
    let (Some(first), Some(last)) = (record.segments.first(), record.segments.last()) else {
        return Sampled::default();
    };
    let length_us = last.to_us - first.from_us;
    let count = ((length_us as f64 * 1e-6 * RATE_HZ) as usize).min(MOST);
    let mut channels: Vec<_> = (0..CHANNELS).map(|_| Vec::with_capacity(count)).collect();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let (mut at, root2) = (0, std::f64::consts::SQRT_2);
    for n in 0..count {
        let after_us = (n as f64 / RATE_HZ * 1e6) as u64;
        while at + 1 < record.segments.len()
            && first.from_us + after_us >= record.segments[at].to_us
        {
            at += 1;
        }
        let segment = &record.segments[at];
        let angle = std::f64::consts::TAU * frequency_hz * after_us as f64 * 1e-6;
        let (sin, cos) = libm::sincos(angle);
        for (k, channel) in channels.iter_mut().enumerate() {
            let phasor = segment.phasors.get(device * CHANNELS + k);
            let value = phasor.map_or(f64::NAN, |p| root2 * (p.re * cos - p.im * sin));
            channel.push(value as f32);
        }
        let is_open = segment.states.get(device).copied().unwrap_or(false);
        if open.last().is_none_or(|last| last.1 != is_open) {
            open.push((n, is_open));
        }
    }
    Sampled {
        of: Some((record.trigger_us, device)),
        channels: channels.into_iter().map(Pyramid::new).collect(),
        open,
        from_ms: first.from_us as f64 / 1_000.0 - record.trigger_us as f64 / 1_000.0,
        length_ms: length_us as f64 / 1_000.0,
    }
}

/// Pan by dragging, zoom to the pointer, everything on double click; ms after
/// the begin of the record.
fn steer(ui: &Ui, cx: &mut Cx<'_>, body: Rect) -> (f64, f64) {
    let state = &mut cx.state.engineer;
    let response = ui.interact(body, ui.id().with("waves"), Sense::click_and_drag());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::WidgetType::Other, true, "Waveforms of the record")
    });
    let all = state.waves.length_ms.max(SHORTEST_MS);
    if response.double_clicked() {
        state.wave_ms = None;
    }
    let mut span = state.wave_ms.unwrap_or((0.0, all));
    let per_px = (span.1 - span.0) / f64::from(body.width());
    let before = span;
    if response.dragged() {
        let by = f64::from(response.drag_delta().x) * per_px;
        span = (span.0 - by, span.1 - by);
    }
    let hover = ui.input(|i| i.pointer.hover_pos());
    let hover = hover.filter(|at| body.contains(*at) && response.contains_pointer());
    let scroll = ui.input(|i| i.smooth_scroll_delta.y);
    if let Some(at) = hover.filter(|_| scroll.abs() > 0.1) {
        let middle = span.0 + f64::from(at.x - body.min.x) * per_px;
        let factor = libm::exp(-f64::from(scroll) * 0.004);
        let length = ((span.1 - span.0) * factor).clamp(SHORTEST_MS, all);
        let share = (middle - span.0) / (span.1 - span.0).max(1e-9);
        span = (middle - length * share, middle + length * (1.0 - share));
    }
    if span != before {
        let length = (span.1 - span.0).min(all);
        let start = span.0.clamp(0.0, all - length);
        span = (start, start + length);
        state.wave_ms = Some(span);
    }
    span
}

/// Three phases of one quantity on one scale.
fn quantity(ui: &Ui, cx: &Cx<'_>, place: Rect, unit: &str, from: usize, span: (f64, f64)) {
    let theme = cx.theme;
    ui.painter().rect_filled(place, 0.0, theme.base);
    let range = (span.0 * RATE_HZ / 1_000.0, span.1 * RATE_HZ / 1_000.0);
    let columns = place.width() as usize;
    let waves = &cx.state.engineer.waves;
    let spans: Vec<_> = waves.channels[from.min(waves.channels.len())..]
        .iter()
        .take(3)
        .map(|channel| channel.columns(range, columns))
        .collect();
    let extent = plot::extent(spans.iter().flatten().flatten().copied());
    let Some((low, high)) = extent else { return };
    let peak = low.abs().max(high.abs()).max(1.0) * 1.08;
    let y = |v: f32| place.center().y - v / peak * place.height() * 0.5;
    let ends = [pos2(place.min.x, y(0.0)), pos2(place.max.x, y(0.0))];
    ui.painter()
        .line_segment(ends, Stroke::new(1.0, theme.rule));
    let small = Style::body(11.0, theme.text2);
    for tick in plot::ticks(-peak, peak, 4) {
        let at = y(tick);
        if at > place.min.y + 6.0 && at < place.max.y - 6.0 {
            let words = text::plain(f64::from(tick), 0);
            let to = pos2(place.min.x - 6.0, at);
            text::text(ui, to, Align2::RIGHT_CENTER, &small, &words);
        }
    }
    let strokes = [
        Stroke::new(1.75, theme.text1),
        Stroke::new(1.25, theme.text3),
        Stroke::new(1.25, theme.text2),
    ];
    // The first phase lies on top.
    for (phase, spans) in spans.iter().enumerate().rev() {
        if phase == 2 {
            plot::draw_dashed(ui.painter(), place, spans, &y, strokes[phase]);
        } else {
            plot::draw(ui.painter(), place, spans, &y, strokes[phase]);
        }
    }
    // Names stand on a plate: waves fill the whole height.
    for (left, width) in [(place.max.x - 134.0, 133.0), (place.min.x + 1.0, 18.0)] {
        let at = pos2(left.max(place.min.x), place.min.y + 1.0);
        let plate = Rect::from_min_size(at, egui::vec2(width, 16.0));
        ui.painter()
            .rect_filled(plate, 3.0, theme.base.gamma_multiply(0.85));
    }
    let mut x = place.max.x - 6.0;
    for phase in (0..3).rev() {
        let words = format!("L{}", phase + 1);
        let ink = Style::strong(11.0, strokes[phase].color);
        let at = pos2(x, place.min.y + 9.0);
        let shown = text::text(ui, at, Align2::RIGHT_CENTER, &ink, &words);
        let line = [
            pos2(shown.min.x - 20.0, at.y),
            pos2(shown.min.x - 4.0, at.y),
        ];
        if phase == 2 {
            ui.painter()
                .extend(Shape::dashed_line(&line, strokes[phase], 4.0, 3.0));
        } else {
            ui.painter().line_segment(line, strokes[phase]);
        }
        x = line[0].x - 8.0;
    }
    let at = pos2(place.min.x + 6.0, place.min.y + 9.0);
    text::text(ui, at, Align2::LEFT_CENTER, &small, unit);
}

/// Closed as a filled bar, open as a hollow one, below the waves.
fn breaker(ui: &Ui, cx: &Cx<'_>, body: Rect, span: (f64, f64)) {
    let waves = &cx.state.engineer.waves;
    let end = (waves.length_ms * RATE_HZ / 1_000.0) as usize;
    let x = |sample: usize| {
        let ms = sample as f64 * 1_000.0 / RATE_HZ;
        let share = (ms - span.0) / (span.1 - span.0);
        body.min.x + share.clamp(0.0, 1.0) as f32 * body.width()
    };
    for (index, (from, open)) in waves.open.iter().enumerate() {
        let to = waves.open.get(index + 1).map_or(end, |next| next.0);
        let bar = Rect::from_min_max(
            pos2(x(*from), body.max.y + 1.0),
            pos2(x(to), body.max.y + 7.0),
        );
        if bar.width() < 0.5 {
            continue;
        }
        if *open {
            let stroke = Stroke::new(1.0, cx.theme.energised);
            let inside = egui::StrokeKind::Inside;
            ui.painter().rect_stroke(bar, 0.0, stroke, inside);
        } else {
            ui.painter().rect_filled(bar, 0.0, cx.theme.energised);
        }
    }
}

/// Milliseconds after the trigger, and the trigger itself.
fn axis(ui: &Ui, cx: &Cx<'_>, body: Rect, span: (f64, f64)) {
    let offset = cx.state.engineer.waves.from_ms;
    let (low, high) = ((span.0 + offset) as f32, (span.1 + offset) as f32);
    let x = |ms: f32| body.min.x + (ms - low) / (high - low) * body.width();
    let style = Style::body(11.0, cx.theme.text2);
    for tick in plot::ticks(low, high, 6) {
        let at = pos2(x(tick), body.max.y + 18.0);
        if at.x > body.min.x + 18.0 && at.x < body.max.x - 18.0 {
            let words = format!("{} ms", text::signed(f64::from(tick), 0));
            text::text(ui, at, Align2::CENTER_CENTER, &style, &words);
        }
    }
    if low <= 0.0 && high >= 0.0 {
        let ends = [pos2(x(0.0), body.min.y), pos2(x(0.0), body.max.y)];
        let stroke = Stroke::new(1.0, cx.theme.text3);
        ui.painter()
            .extend(Shape::dashed_line(&ends, stroke, 2.0, 3.0));
    }
}
