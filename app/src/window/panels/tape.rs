//! Tape: the whole run on one line of time; a click goes there.

use egui::{Align2, Painter, Rect, Stroke, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::EventKind;
use gridloom_units::Tick;

use super::transport;
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Width of the track names, px.
const NAMES: f32 = 104.0;

/// Time on the tape.
#[derive(Clone, Copy)]
struct Axis {
    left: f32,
    right: f32,
    end_ms: f64,
}

impl Axis {
    fn x(&self, ms: u64) -> f32 {
        self.left + (self.right - self.left) * (ms as f64 / self.end_ms).clamp(0.0, 1.0) as f32
    }

    fn ms(&self, x: f32) -> u64 {
        let share = f64::from((x - self.left) / (self.right - self.left).max(1.0)).clamp(0.0, 1.0);
        (share * self.end_ms) as u64
    }
}

/// Shows the tape.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let names_w = if cx.compact { 100.0 } else { NAMES };
    let end_ms = cx
        .view
        .scene
        .duration_ms
        .max(cx.view.head.start(cx.view.scene.tick_ms).0)
        .max(3_600_000);
    let axis = Axis {
        left: rect.min.x + names_w,
        right: rect.max.x - 16.0,
        end_ms: end_ms as f64,
    };
    let head_h = if cx.compact { 18.0 } else { 24.0 };
    let body = Rect::from_min_max(
        pos2(axis.left, rect.min.y + head_h),
        pos2(rect.max.x, rect.max.y),
    );
    let head_x = axis.x(cx.view.head.start(cx.view.scene.tick_ms).0);
    let future = Rect::from_min_max(pos2(head_x, body.min.y), body.max);
    ui.painter().rect_filled(future, 0.0, cx.theme.base);
    hours(ui, cx, &axis, rect, body);
    let mut y = body.min.y;
    let tracks: &[(&str, f32)] = if cx.compact {
        &[("Alarms", 20.0), ("Blocks", 16.0), ("Net kW", 28.0)]
    } else {
        &[
            ("Alarms", 19.0),
            ("Events", 18.0),
            ("Blocks", 18.0),
            ("Price", 21.0),
            ("Net kW", 31.0),
        ]
    };
    for (name, height) in tracks {
        let track = Rect::from_min_max(pos2(axis.left, y), pos2(axis.right, y + height));
        let middle = pos2(rect.min.x + 12.0, track.center().y);
        text::text(
            ui,
            middle,
            Align2::LEFT_CENTER,
            &Style::body(11.0, cx.theme.text2),
            name,
        );
        draw::rule(
            ui.painter(),
            rect.min.x..=rect.max.x,
            y.round() - 0.5,
            cx.theme,
        );
        let value = match *name {
            "Alarms" => alarms(ui.painter(), cx, &axis, track),
            "Events" => events(ui, cx, &axis, track),
            "Blocks" => blocks(ui.painter(), cx, &axis, track),
            "Price" => price(ui.painter(), cx, &axis, track),
            _ => net(ui.painter(), cx, &axis, track),
        };
        if !value.is_empty() {
            let at = pos2(axis.left - 8.0, track.center().y);
            text::text(
                ui,
                at,
                Align2::RIGHT_CENTER,
                &Style::strong(11.0, cx.theme.text1),
                &value,
            );
        }
        y += height;
    }
    cursor(ui, cx, &axis, rect, head_h);
    scrub(ui, cx, &axis, rect);
}

fn hours(ui: &Ui, cx: &Cx<'_>, axis: &Axis, rect: Rect, body: Rect) {
    let minutes = axis.end_ms / 60_000.0;
    let px = f64::from(axis.right - axis.left) / minutes.max(1e-6);
    const EVERY: [u32; 13] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1_440];
    let every = EVERY
        .into_iter()
        .find(|minutes| f64::from(*minutes) * px >= 46.0)
        .unwrap_or(7 * 1_440);
    let style = Style::body(11.0, cx.theme.text2);
    let stroke = Stroke::new(1.0, cx.theme.rule);
    let y = (rect.min.y + body.min.y) * 0.5;
    for minute in (0..=minutes as u32).step_by(every as usize) {
        let x = axis.x(u64::from(minute) * 60_000);
        ui.painter()
            .line_segment([pos2(x, body.min.y), pos2(x, body.max.y)], stroke);
        let words = format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
        let (at, anchor) = if x + 18.0 > rect.max.x {
            (pos2(rect.max.x - 4.0, y), Align2::RIGHT_CENTER)
        } else {
            (pos2(x, y), Align2::CENTER_CENTER)
        };
        text::text(ui, at, anchor, &style, &words);
    }
}

fn alarms(painter: &Painter, cx: &Cx<'_>, axis: &Axis, track: Rect) -> String {
    for alarm in cx.view.alarms.iter().rev() {
        let at = pos2(axis.x(alarm.raised.0), track.center().y);
        draw::alarm(
            painter,
            at,
            12.0,
            alarm.priority as usize,
            alarm.active,
            cx.theme,
        );
    }
    // Alarms that cleared long ago are only known as events.
    for event in cx.view.events.iter() {
        if let EventKind::Alarm(priority) = event.kind
            && !cx
                .view
                .alarms
                .iter()
                .any(|alarm| alarm.raised == event.time)
        {
            let at = pos2(axis.x(event.time.0), track.center().y);
            draw::alarm(painter, at, 11.0, priority as usize, false, cx.theme);
        }
    }
    String::new()
}

/// Marks, and words where they do not run into the next ones.
fn events(ui: &Ui, cx: &Cx<'_>, axis: &Axis, track: Rect) -> String {
    let style = Style::body(11.0, cx.theme.text2);
    let shown: Vec<_> = cx
        .view
        .events
        .iter()
        .filter(|event| !matches!(event.kind, EventKind::Alarm(_) | EventKind::Price))
        .collect();
    let now = axis.x(cx.view.time.0);
    let mut free = track.min.x;
    let mut last_mark = f32::NEG_INFINITY;
    for (index, event) in shown.iter().enumerate() {
        let x = axis.x(event.time.0);
        if x - last_mark >= 2.0 {
            let y = track.center().y;
            ui.painter().line_segment(
                [pos2(x, y - 5.0), pos2(x, y + 5.0)],
                Stroke::new(1.5, cx.theme.text2),
            );
            last_mark = x;
        }
        let next = shown[index + 1..]
            .iter()
            .map(|e| axis.x(e.time.0))
            .find(|n| *n > x + 1.0)
            .unwrap_or(track.max.x);
        let width = text::width(ui, &style, &event.text);
        let crosses = x <= now && x + 6.0 + width > now;
        if crosses && x - 12.0 - width >= free {
            let at = pos2(x - 5.0, track.center().y);
            text::text(ui, at, Align2::RIGHT_CENTER, &style, &event.text);
            free = x + 6.0;
        } else if !crosses && x >= free && x + 6.0 + width < next.min(track.max.x) {
            let at = pos2(x + 5.0, track.center().y);
            text::text(ui, at, Align2::LEFT_CENTER, &style, &event.text);
            free = x + 12.0 + width;
        }
        // A mark without words still keeps words off itself.
        free = free.max(x + 4.0);
    }
    String::new()
}

/// A tick where blocks were decided; taller where a round above 0 was needed.
fn blocks(painter: &Painter, cx: &Cx<'_>, axis: &Axis, track: Rect) -> String {
    let blocks = &cx.view.history.blocks;
    let pitch = 3.0;
    let columns = ((track.width() / pitch) as usize).min(4_000);
    for column in 0..columns {
        let x = track.min.x + column as f32 * pitch;
        let (from, to) = (axis.ms(x), axis.ms(x + pitch));
        let first = blocks.partition_point(|(time, ..)| time.0 < from);
        let last = blocks.partition_point(|(time, ..)| time.0 < to);
        let Some(found) = blocks.get(first..last).filter(|found| !found.is_empty()) else {
            continue;
        };
        let late = found.iter().any(|(_, _, late)| *late);
        let (h, strength) = if late { (5.5, 0.9) } else { (2.0, 0.6) };
        let y = track.center().y + 2.0;
        let stroke = Stroke::new(1.0, cx.theme.ledger_dim(strength));
        painter.line_segment([pos2(x + 0.5, y - h), pos2(x + 0.5, y + 2.0)], stroke);
    }
    String::new()
}

/// Sampled values up to the head as points.
fn samples<'a>(
    cx: &'a Cx<'_>,
    axis: &'a Axis,
    values: &'a [f32],
    y: impl Fn(f32) -> f32 + 'a,
) -> impl Iterator<Item = Option<egui::Pos2>> + 'a {
    let step = cx.view.history.step_ms.max(1);
    let stride = (values.len() / (axis.right - axis.left).max(1.0) as usize).max(1);
    values
        .iter()
        .enumerate()
        .step_by(stride)
        .map(move |(index, v)| {
            v.is_finite()
                .then(|| pos2(axis.x(index as u64 * step), y(*v)))
        })
}

/// Smallest and largest finite value.
fn extent<'a>(values: impl Iterator<Item = &'a f32>) -> Option<(f32, f32)> {
    values.filter(|v| v.is_finite()).fold(None, |acc, v| {
        Some(acc.map_or((*v, *v), |(lo, hi): (f32, f32)| (lo.min(*v), hi.max(*v))))
    })
}

/// One line per cluster, the first one strongest.
fn price(painter: &Painter, cx: &Cx<'_>, axis: &Axis, track: Rect) -> String {
    let history = &cx.view.history;
    if let Some((lo, hi)) = extent(history.price_ct.iter().flatten()) {
        let span = (hi - lo).max(0.5);
        let y = |v: f32| track.max.y - 4.0 - (v - lo) / span * (track.height() - 8.0);
        for (cluster, values) in history.price_ct.iter().enumerate().rev() {
            let colour = if cluster == 0 {
                cx.theme.energised
            } else {
                cx.theme.dead
            };
            draw::series(
                painter,
                samples(cx, axis, values, y),
                Stroke::new(1.5, colour),
            );
        }
    }
    let first = cx.view.prices.first();
    first.map_or(String::new(), |p| {
        format!("{} ct", text::plain(p.scalar as f64 / 1e4, 1))
    })
}

/// Exchange with the upstream grid around zero.
fn net(painter: &Painter, cx: &Cx<'_>, axis: &Axis, track: Rect) -> String {
    let values = &cx.view.history.exchange_kw;
    if let Some((lo, hi)) = extent(values.iter()) {
        let (lo, hi) = (lo.min(0.0), hi.max(0.0));
        let span = (hi - lo).max(1.0);
        let y = |v: f32| track.max.y - 4.0 - (v - lo) / span * (track.height() - 8.0);
        let zero = y(0.0);
        draw::filled(painter, samples(cx, axis, values, y), zero, cx.theme.edge);
        painter.line_segment(
            [pos2(track.min.x, zero), pos2(track.max.x, zero)],
            Stroke::new(1.0, cx.theme.text3),
        );
        draw::series(
            painter,
            samples(cx, axis, values, y),
            Stroke::new(1.25, cx.theme.energised),
        );
    }
    // Four digits leave no room for a decimal beside the name of the track.
    let kw = cx.view.balance.exchange_kw;
    text::signed(kw, usize::from(kw.abs() < 1_000.0))
}

/// Where the shown tick is.
fn cursor(ui: &Ui, cx: &Cx<'_>, axis: &Axis, rect: Rect, head_h: f32) {
    let painter = ui.painter();
    let x = axis.x(cx.view.time.0);
    let top = rect.min.y + head_h;
    painter.line_segment(
        [pos2(x, top), pos2(x, rect.max.y)],
        Stroke::new(2.0, cx.theme.text1),
    );
    let points = vec![
        pos2(x - 5.0, top - 6.0),
        pos2(x + 5.0, top - 6.0),
        pos2(x, top + 1.0),
    ];
    painter.add(egui::Shape::convex_polygon(
        points,
        cx.theme.text1,
        Stroke::NONE,
    ));
    if let Some(target) = cx.playback.seeking {
        let x = axis.x(target.start(cx.view.scene.tick_ms).0);
        let dash = [pos2(x, top), pos2(x, rect.max.y)];
        painter.extend(egui::Shape::dashed_line(
            &dash,
            Stroke::new(1.0, cx.theme.text2),
            3.0,
            3.0,
        ));
    }
}

/// A click or a drag on the tape goes to that tick.
fn scrub(ui: &Ui, cx: &mut Cx<'_>, axis: &Axis, rect: Rect) {
    let hot = Rect::from_min_max(pos2(axis.left, rect.min.y), pos2(axis.right, rect.max.y));
    let response = ui.interact(hot, ui.id().with("tape"), egui::Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Slider, true, "Time tape"));
    let tick_ms = cx.view.scene.tick_ms.max(1);
    let target = |x: f32| axis.ms(x) / tick_ms;
    if let Some(at) = response
        .interact_pointer_pos()
        .filter(|_| response.clicked() || response.dragged())
    {
        let tick = target(at.x);
        if cx.state.scrub != Some(tick) {
            cx.state.scrub = Some(tick);
            transport::send(cx, PlaybackCommand::Seek(Tick(tick)));
        }
    } else {
        cx.state.scrub = None;
    }
    if let Some(at) = ui
        .input(|i| i.pointer.hover_pos())
        .filter(|at| hot.contains(*at))
    {
        let x = at.x;
        let dash = [pos2(x, hot.min.y), pos2(x, hot.max.y)];
        ui.painter().extend(egui::Shape::dashed_line(
            &dash,
            Stroke::new(1.0, cx.theme.text3),
            2.0,
            3.0,
        ));
        let ms = axis.ms(x);
        let words = format!("{:02}:{:02}", ms / 3_600_000 % 24, ms / 60_000 % 60);
        let style = Style::mono(11.0, cx.theme.text1);
        let size = vec2(text::width(ui, &style, &words) + 10.0, 17.0);
        let left = (x + 6.0).min(rect.max.x - size.x - 2.0);
        let chip = Rect::from_min_size(pos2(left, rect.max.y - 20.0), size);
        ui.painter().rect_filled(chip, 4.0, cx.theme.raised);
        text::text(ui, chip.center(), Align2::CENTER_CENTER, &style, &words);
    }
}
