//! Space-time diagram: one lifeline per validator, time runs down.

use egui::{Align2, Color32, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};
use gridloom_core::view::{LedgerView, MessageView};

use super::votes;
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Messages drawn at most in one picture; more are counted.
const DRAWN: usize = 4_000;

/// Shortest and longest time shown, µs.
const SPAN_US: std::ops::RangeInclusive<f64> = 2_000.0..=600_000_000.0;

/// Shows the newest messages of the chosen ledger.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let chooser = Rect::from_min_size(rect.min + vec2(12.0, 6.0), vec2(rect.width() - 24.0, 22.0));
    votes::ledgers(ui, cx, chooser);
    let view = cx.view;
    let Some(ledger) = view.ledgers.get(cx.state.engineer.ledger) else {
        return;
    };
    let body = Rect::from_min_max(rect.min + vec2(64.0, 56.0), rect.max - vec2(14.0, 20.0));
    if ledger.message_log.is_empty() || !body.is_positive() {
        let style = Style::body(12.0, cx.theme.text3);
        let at = pos2(rect.min.x + 16.0, rect.min.y + 48.0);
        text::text(
            ui,
            at,
            Align2::LEFT_CENTER,
            &style,
            "No message was seen yet",
        );
        return;
    }
    let range = steer(ui, cx, body, ledger);
    let axis = Axis {
        body,
        range,
        hosts: ledger.validators.max(1),
    };
    lifelines(ui, cx, &axis);
    times(ui, cx, &axis, rect);
    let counted = messages(ui, cx, &axis, ledger);
    let words = format!(
        "{} of {} messages kept shown, {} sent",
        counted,
        ledger.message_log.len(),
        text::grouped(ledger.messages)
    );
    let style = Style::body(11.0, cx.theme.text3);
    let at = pos2(rect.min.x + 12.0, rect.max.y - 9.0);
    let room = rect.width() - 24.0;
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &words);
}

struct Axis {
    body: Rect,
    range: (f64, f64),
    hosts: usize,
}

impl Axis {
    fn x(&self, host: usize) -> f32 {
        let share = (host as f32 + 0.5) / self.hosts as f32;
        self.body.min.x + self.body.width() * share
    }

    fn y(&self, us: f64) -> f32 {
        let share = (us - self.range.0) / (self.range.1 - self.range.0);
        self.body.min.y + self.body.height() * share as f32
    }
}

/// The shown time: the last two heights, unless a person moved it.
fn steer(ui: &Ui, cx: &mut Cx<'_>, body: Rect, ledger: &LedgerView) -> (f64, f64) {
    let log = &ledger.message_log;
    let newest = log.last().map_or(0, |m| m.arrives_us.unwrap_or(m.sent_us));
    let height = log.iter().rev().map(|m| m.height).find(|h| *h > 0);
    let first = log
        .iter()
        .rev()
        .filter(|m| m.height > 0)
        .take_while(|m| Some(m.height) == height)
        .last()
        .map_or(newest, |m| m.sent_us);
    let margin = (newest.saturating_sub(first) / 20).max(1_500);
    let auto = (
        first.saturating_sub(margin) as f64,
        (newest + margin) as f64,
    );
    let state = &mut cx.state.engineer;
    let id = ui.id().with("space-time");
    let response = ui.interact(body, id, Sense::click_and_drag());
    response.widget_info(|| {
        let words = "Space-time diagram of consensus messages";
        egui::WidgetInfo::labeled(egui::WidgetType::Other, true, words)
    });
    if response.double_clicked() {
        state.spacetime_us = None;
    }
    let mut range = state.spacetime_us.unwrap_or(auto);
    let per_px = (range.1 - range.0) / f64::from(body.height().max(1.0));
    if response.dragged() {
        let moved = f64::from(response.drag_delta().y) * per_px;
        range = (range.0 - moved, range.1 - moved);
        state.spacetime_us = Some(range);
    }
    if response.contains_pointer() {
        let (scroll, at) = ui.input(|i| (i.smooth_scroll_delta.y, i.pointer.hover_pos()));
        if let Some(at) = at.filter(|_| scroll.abs() > 0.1) {
            let factor = libm::exp(-f64::from(scroll) * 0.004);
            let middle = range.0 + f64::from(at.y - body.min.y) * per_px;
            let length = ((range.1 - range.0) * factor).clamp(*SPAN_US.start(), *SPAN_US.end());
            let share = (middle - range.0) / (range.1 - range.0).max(1.0);
            range = (middle - length * share, middle + length * (1.0 - share));
            state.spacetime_us = Some(range);
        }
    }
    (range.0, range.1.max(range.0 + 1.0))
}

fn lifelines(ui: &Ui, cx: &Cx<'_>, axis: &Axis) {
    let pitch = axis.body.width() / axis.hosts as f32;
    let style = Style::strong(11.0, cx.theme.text2);
    for host in 0..axis.hosts {
        let x = axis.x(host);
        let ends = [pos2(x, axis.body.min.y), pos2(x, axis.body.max.y)];
        ui.painter()
            .line_segment(ends, Stroke::new(1.0, cx.theme.rule));
        if pitch >= 22.0 || host % 5 == 0 {
            let at = pos2(x, axis.body.min.y - 12.0);
            text::text(ui, at, Align2::CENTER_CENTER, &style, &format!("v{host}"));
        }
    }
}

/// Times at the left, with as many digits as the span needs.
fn times(ui: &Ui, cx: &Cx<'_>, axis: &Axis, rect: Rect) {
    let span = axis.range.1 - axis.range.0;
    const STEPS: [f64; 15] = [
        1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 3e7, 6e7,
    ];
    let step = STEPS
        .into_iter()
        .find(|s| f64::from(axis.body.height()) * s / span >= 34.0)
        .unwrap_or(6e7);
    let style = Style::mono(11.0, cx.theme.text2);
    let mut at = (axis.range.0 / step).ceil().max(0.0) * step;
    for _ in 0..60 {
        if at > axis.range.1 {
            break;
        }
        let y = axis.y(at);
        let ms = (at / 1_000.0).round() as u64;
        let words = if step >= 1e6 {
            format!("{:02}:{:02}", ms / 60_000 % 60, ms / 1_000 % 60)
        } else {
            format!("{:02}.{:03}", ms / 1_000 % 60, ms % 1_000)
        };
        let place = pos2(rect.min.x + 56.0, y);
        if y < axis.body.max.y - 4.0 {
            text::text(ui, place, Align2::RIGHT_CENTER, &style, &words);
        }
        let tick = [pos2(axis.body.min.x - 4.0, y), pos2(axis.body.max.x, y)];
        let faint = cx.theme.rule.gamma_multiply(0.6);
        ui.painter().line_segment(tick, Stroke::new(1.0, faint));
        at += step;
    }
}

/// Colour and weight of a kind.
fn look(cx: &Cx<'_>, message: &MessageView) -> (Color32, f32) {
    let theme = cx.theme;
    match message.kind {
        "proposal" | "block" => (theme.ledger, 1.75),
        "prevote" | "prevote-nil" => (theme.ledger_dim(0.7), 1.0),
        "precommit" | "precommit-nil" => (theme.ledger_dim(0.5), 1.0),
        _ if message.from.is_none() => (theme.data, 1.0),
        _ => (theme.text3, 1.0),
    }
}

/// Draws the messages in the window; returns how many.
fn messages(ui: &Ui, cx: &mut Cx<'_>, axis: &Axis, ledger: &LedgerView) -> usize {
    let pointer = ui
        .input(|i| i.pointer.hover_pos())
        .filter(|at| axis.body.contains(*at));
    let mut nearest: Option<(f32, usize)> = None;
    let mut shapes = Vec::new();
    let mut drawn = 0;
    let mut heads: Vec<(&str, u32, f32)> = Vec::new();
    let chosen = cx.state.engineer.message;
    for (index, message) in ledger.message_log.iter().enumerate().rev() {
        if drawn >= DRAWN {
            break;
        }
        let sent = message.sent_us as f64;
        let arrives = message.arrives_us.map_or(sent + 4_000.0, |us| us as f64);
        if arrives < axis.range.0 || sent > axis.range.1 {
            continue;
        }
        drawn += 1;
        let from = message
            .from
            .map_or(axis.body.min.x, |f| axis.x(usize::from(f)));
        let a = pos2(from, axis.y(sent));
        let b = pos2(axis.x(usize::from(message.to)), axis.y(arrives));
        let (colour, width) = look(cx, message);
        if message.arrives_us.is_none() {
            let middle = a + (b - a) * 0.5;
            shapes.extend(Shape::dashed_line(
                &[a, middle],
                Stroke::new(1.0, colour),
                3.0,
                3.0,
            ));
            for (dx, dy) in [(3.0, 3.0), (3.0, -3.0)] {
                let ends = [middle - vec2(dx, dy), middle + vec2(dx, dy)];
                shapes.push(Shape::line_segment(ends, Stroke::new(1.25, cx.theme.text1)));
            }
        } else {
            let selected = chosen == Some(index);
            let (colour, width) = if selected {
                (cx.theme.text1, 2.5)
            } else {
                (colour, width)
            };
            shapes.push(Shape::line_segment([a, b], Stroke::new(width, colour)));
        }
        if message.kind == "proposal" {
            let square = Rect::from_center_size(a, vec2(9.0, 9.0));
            shapes.push(Shape::rect_filled(square, 0.0, cx.theme.ledger));
        }
        if matches!(
            message.kind,
            "proposal" | "prevote" | "precommit" | "prevote-nil"
        ) {
            heads.push((message.kind, message.round, a.y));
        }
        if let Some(at) = pointer {
            let off = distance(at, a, b);
            if off < 6.0 && nearest.is_none_or(|(best, _)| off < best) {
                nearest = Some((off, index));
            }
        }
    }
    shapes.reverse();
    ui.painter()
        .with_clip_rect(axis.body.expand(6.0))
        .extend(shapes);
    phases(ui, cx, axis, &heads);
    if let Some((_, index)) = nearest {
        tip(ui, cx, axis, &ledger.message_log[index]);
        if ui.input(|i| i.pointer.primary_clicked()) {
            cx.state.engineer.message = Some(index);
        }
    }
    drawn
}

/// Names of the phases at the right edge, where each begins.
fn phases(ui: &Ui, cx: &Cx<'_>, axis: &Axis, heads: &[(&str, u32, f32)]) {
    let mut first: Vec<(&str, u32, f32)> = Vec::new();
    for head in heads.iter().rev() {
        if !first.iter().any(|f| f.0 == head.0 && f.1 == head.1) {
            first.push(*head);
        }
    }
    let style = Style::strong(11.0, cx.theme.text1);
    let mut free = f32::NEG_INFINITY;
    let rank = |kind: &str| usize::from(kind != "proposal");
    first.sort_by(|a, b| a.2.total_cmp(&b.2).then(rank(a.0).cmp(&rank(b.0))));
    for (kind, round, y) in first {
        let y = y.max(axis.body.min.y + 8.0).max(free);
        if y > axis.body.max.y - 8.0 {
            continue;
        }
        let words = format!("{kind} r{round}");
        let width = text::width(ui, &style, &words);
        let at = pos2(axis.body.max.x - width * 0.5 - 4.0, y);
        let plate = Rect::from_center_size(at, vec2(width + 8.0, 15.0));
        draw::plate(ui.painter(), plate, cx.theme.panel);
        text::text(ui, at, Align2::CENTER_CENTER, &style, &words);
        free = y + 16.0;
    }
}

fn tip(ui: &Ui, cx: &Cx<'_>, axis: &Axis, message: &MessageView) {
    let from = message
        .from
        .map_or("client".to_owned(), |f| format!("v{f}"));
    let took = message.arrives_us.map_or("lost".to_owned(), |at| {
        format!("{:.1} ms", (at - message.sent_us) as f64 / 1_000.0)
    });
    let words = format!(
        "{} {from} to v{}, height {} round {}, {took}",
        message.kind, message.to, message.height, message.round
    );
    let style = Style::body(11.0, cx.theme.text1);
    let width = text::width(ui, &style, &words).min(axis.body.width() - 8.0);
    let plate = Rect::from_min_size(
        pos2(axis.body.min.x, axis.body.max.y - 20.0),
        vec2(width + 16.0, 18.0),
    );
    draw::plate(ui.painter(), plate, cx.theme.raised);
    let at = plate.left_center() + vec2(8.0, 0.0);
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, width, &words);
}

/// Distance of a point from a segment, px.
fn distance(at: Pos2, a: Pos2, b: Pos2) -> f32 {
    let d = b - a;
    let share = ((at - a).dot(d) / d.length_sq().max(1e-6)).clamp(0.0, 1.0);
    (at - (a + d * share)).length()
}
