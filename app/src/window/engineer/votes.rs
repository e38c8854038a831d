//! Vote grid: heights and rounds downwards, validators across.

use egui::{Align2, Painter, Pos2, Rect, Sense, Shape, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::{RoundView, Selected, Vote};

use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::theme::Theme;
use crate::window::ui::Cx;

/// Height of a row, px.
const ROW: f32 = 24.0;

/// Room at the foot for the legend, px.
const FOOT: f32 = 46.0;

/// Shows the newest rounds of the chosen ledger, newest first.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let chooser = Rect::from_min_size(rect.min + vec2(12.0, 6.0), vec2(rect.width() - 24.0, 22.0));
    ledgers(ui, cx, chooser);
    let view = cx.view;
    let Some(ledger) = view.ledgers.get(cx.state.engineer.ledger) else {
        return;
    };
    let index = cx.state.engineer.ledger;
    let left = rect.min.x + 92.0;
    let validators = ledger.validators.max(1);
    let pitch = ((rect.max.x - 12.0 - left) / validators as f32).min(44.0);
    let side = (pitch * 0.36).clamp(3.0, 14.0);
    let head = rect.min.y + 42.0;
    let named = pitch >= 22.0;
    for v in 0..validators {
        if named || v % 10 == 0 {
            let at = pos2(left + (v as f32 + 0.5) * pitch, head);
            let style = Style::strong(11.0, cx.theme.text2);
            text::text(ui, at, Align2::CENTER_CENTER, &style, &format!("v{v}"));
        }
    }
    let list = Rect::from_min_max(
        pos2(rect.min.x, head + 12.0),
        pos2(rect.max.x, rect.max.y - FOOT),
    );
    let rows = ledger.rounds.len();
    let mut place = ui.new_child(egui::UiBuilder::new().max_rect(list).id_salt("votes"));
    place.set_clip_rect(list.intersect(ui.clip_rect()));
    egui::ScrollArea::vertical()
        .id_salt(("votes", index))
        .auto_shrink(false)
        .show_viewport(&mut place, |ui, port| {
            ui.set_height((rows as f32 * ROW).max(1.0));
            let top = ui.min_rect().min.y;
            let first = (port.min.y / ROW).max(0.0) as usize;
            let last = ((port.max.y / ROW) as usize + 1).min(rows);
            for at in first..last {
                let Some(round) = ledger.rounds.get(rows - 1 - at) else {
                    continue;
                };
                let y = top + at as f32 * ROW;
                let row = Rect::from_min_size(pos2(rect.min.x, y), vec2(rect.width(), ROW));
                let frame = Frame { left, pitch, side };
                show_round(ui, cx, row, index, round, &frame);
            }
        });
    legend(ui, cx, rect, ledger.rounds.as_slice());
}

struct Frame {
    left: f32,
    pitch: f32,
    side: f32,
}

/// Choice of the ledger.
pub fn ledgers(ui: &Ui, cx: &mut Cx<'_>, rect: Rect) {
    let view = cx.view;
    let mut x = rect.min.x;
    for (index, ledger) in view.ledgers.iter().enumerate().take(8) {
        let words = if index < view.scene.clusters.len() {
            format!("Ledger {}", ledger.id)
        } else {
            "Root".to_owned()
        };
        let chosen = cx.state.engineer.ledger == index;
        let style = if chosen {
            Style::strong(11.0, cx.theme.text1)
        } else {
            Style::body(11.0, cx.theme.text2)
        };
        let width = text::width(ui, &Style::strong(11.0, cx.theme.text1), &words) + 16.0;
        if x + width > rect.max.x {
            break;
        }
        let cell = Rect::from_min_size(pos2(x, rect.min.y), vec2(width, 20.0));
        let response = ui.interact(cell, ui.id().with(("ledger", index)), Sense::click());
        response.widget_info(|| {
            let kind = egui::WidgetType::RadioButton;
            egui::WidgetInfo::selected(kind, true, chosen, &words)
        });
        if chosen || response.hovered() {
            ui.painter().rect_filled(cell, 4.0, cx.theme.raised);
        }
        text::text(ui, cell.center(), Align2::CENTER_CENTER, &style, &words);
        if response.clicked() {
            cx.state.engineer.ledger = index;
            cx.state.engineer.message = None;
        }
        x = cell.max.x + 4.0;
    }
}

fn show_round(
    ui: &Ui,
    cx: &mut Cx<'_>,
    row: Rect,
    ledger: usize,
    round: &RoundView,
    frame: &Frame,
) {
    let theme = cx.theme;
    let what = Selected::Block(ledger, round.height);
    let id = ui.id().with(("round", round.height, round.round));
    let response = ui.interact(row, id, Sense::click());
    response.widget_info(|| {
        let words = format!("Height {} round {}", round.height, round.round);
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
    });
    if cx.state.selected == Some(what) || response.hovered() {
        ui.painter().rect_filled(row, 0.0, theme.raised);
    }
    let y = row.center().y;
    let style = Style::mono(12.0, theme.text1);
    let height = text::grouped(round.height);
    let at = pos2(row.min.x + 12.0, y);
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, 50.0, &height);
    let ink = if round.round > 0 {
        theme.text1
    } else {
        theme.text3
    };
    let at = pos2(frame.left - 10.0, y);
    let words = format!("r{}", round.round);
    text::text(
        ui,
        at,
        Align2::RIGHT_CENTER,
        &Style::mono(11.0, ink),
        &words,
    );
    let painter = ui.painter();
    for v in 0..round.prevotes.len().max(round.precommits.len()) {
        let middle = pos2(frame.left + (v as f32 + 0.5) * frame.pitch, y);
        let off = frame.side * 0.5 + 1.0;
        let vote = |votes: &[Vote]| votes.get(v).copied().unwrap_or_default();
        let (first, second) = (vote(&round.prevotes), vote(&round.precommits));
        mark(painter, middle - vec2(off, 0.0), frame.side, first, theme);
        mark(painter, middle + vec2(off, 0.0), frame.side, second, theme);
        if round.proposer == Some(v as u16) {
            let w = frame.side + 3.0;
            let foot = [middle + vec2(-w, off + 2.0), middle + vec2(w, off + 2.0)];
            painter.line_segment(foot, Stroke::new(1.5, theme.text2));
        }
    }
    if response.clicked() {
        cx.select(Some(what));
    }
}

/// Filled = block, hollow = nil, dot = missing, cross = conflict.
fn mark(painter: &Painter, at: Pos2, side: f32, vote: Vote, theme: &Theme) {
    let rect = Rect::from_center_size(at, vec2(side, side));
    let colour = theme.ledger_dim(0.85);
    match vote {
        Vote::Block => {
            painter.rect_filled(rect, 0.0, colour);
        }
        Vote::Nil => {
            let stroke = Stroke::new(1.25, colour);
            painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
        }
        Vote::Missing => {
            painter.circle_filled(at, 1.25, theme.text3);
        }
        Vote::Conflict => {
            painter.add(Shape::rect_filled(rect, 0.0, theme.base));
            draw::cross(painter, at, side * 0.42, theme.text1);
        }
    }
}

fn legend(ui: &Ui, cx: &Cx<'_>, rect: Rect, rounds: &[RoundView]) {
    let theme = cx.theme;
    let y = rect.max.y - 32.0;
    draw::rule(
        ui.painter(),
        rect.min.x..=rect.max.x,
        rect.max.y - FOOT,
        theme,
    );
    let mut x = rect.min.x + 18.0;
    let style = Style::body(11.0, theme.text2);
    for (vote, words) in [
        (Vote::Block, "block"),
        (Vote::Nil, "nil"),
        (Vote::Missing, "missing"),
        (Vote::Conflict, "conflict"),
    ] {
        if x + 70.0 > rect.max.x {
            break;
        }
        mark(ui.painter(), pos2(x, y), 11.0, vote, theme);
        let at = pos2(x + 12.0, y);
        let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, words);
        x = shown.max.x + 20.0;
    }
    let late = rounds.iter().filter(|r| r.round > 0).count();
    let conflicts = rounds
        .iter()
        .flat_map(|r| r.prevotes.iter().chain(&r.precommits))
        .filter(|v| **v == Vote::Conflict)
        .count();
    let words = format!(
        "{} rounds kept, {late} above round 0, {conflicts} conflicts",
        rounds.len()
    );
    let at = pos2(rect.min.x + 12.0, rect.max.y - 13.0);
    let room = rect.width() - 24.0;
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &words);
}
