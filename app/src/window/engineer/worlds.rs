//! The run and the branch beside it, small, under one cursor.

use egui::{Align2, CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::ViewModel;

use crate::window::map;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Height of a header, px.
const HEAD: f32 = 28.0;

/// Shows one world, or two when a branch is compared.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    ui.painter().rect_filled(rect, 0.0, cx.theme.base);
    let desk = cx.desk;
    let Some(other) = &desk.other else {
        header(ui, cx, rect, "A", "the run", cx.view);
        let place = Rect::from_min_max(rect.min + vec2(0.0, HEAD), rect.max);
        let mut cache = std::mem::take(&mut cx.state.engineer.world_a);
        map::small_world(ui, cx, &mut cache, cx.view, None, place);
        cx.state.engineer.world_a = cache;
        foot(ui, cx, place, "click selects");
        return;
    };
    let middle = rect.center().x;
    let left = Rect::from_min_max(rect.min, pos2(middle, rect.max.y));
    let right = Rect::from_min_max(pos2(middle, rect.min.y), rect.max);
    let at = other
        .differs_at
        .map_or(cx.view.time, |t| t.start(cx.view.scene.tick_ms));
    header(ui, cx, left, "A", "the run", cx.view);
    let words = format!("branch {}, parts {}", other.id, &at.to_string()[..8]);
    header(ui, cx, right, "B", &words, &other.view);
    let body = |rect: Rect| Rect::from_min_max(rect.min + vec2(0.0, HEAD), rect.max);
    let mut cache = std::mem::take(&mut cx.state.engineer.world_a);
    map::small_world(ui, cx, &mut cache, cx.view, None, body(left));
    cx.state.engineer.world_a = cache;
    let mut cache = std::mem::take(&mut cx.state.engineer.world_b);
    let view = std::sync::Arc::clone(&other.view);
    map::small_world(ui, cx, &mut cache, &view, Some(cx.view), body(right));
    cx.state.engineer.world_b = cache;
    foot(ui, cx, body(right), "outlined = differs from A");
    let ends = [pos2(middle, rect.min.y), pos2(middle, rect.max.y)];
    ui.painter()
        .line_segment(ends, Stroke::new(1.0, cx.theme.rule));
}

fn header(ui: &Ui, cx: &Cx<'_>, rect: Rect, letter: &str, words: &str, view: &ViewModel) {
    let theme = cx.theme;
    let head = Rect::from_min_size(rect.min, vec2(rect.width(), HEAD));
    ui.painter().rect_filled(head, 0.0, theme.panel);
    let y = head.center().y;
    let tag = Rect::from_center_size(pos2(head.min.x + 20.0, y), vec2(18.0, 18.0));
    let corner = CornerRadius::same(4);
    let stroke = Stroke::new(1.25, theme.text1);
    ui.painter()
        .rect(tag, corner, theme.raised, stroke, StrokeKind::Inside);
    let style = Style::strong(12.0, theme.text1);
    text::text(ui, tag.center(), Align2::CENTER_CENTER, &style, letter);
    let at = pos2(head.min.x + 38.0, y);
    let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, words);
    let homes = view.homes.len();
    let live = view.homes.iter().filter(|h| h.v_pu.is_some()).count();
    let open: Vec<&str> = view
        .scene
        .mlmds
        .iter()
        .zip(&view.mlmds)
        .filter(|(_, m)| !m.closed)
        .map(|(m, _)| m.id.as_str())
        .collect();
    let words = if open.is_empty() {
        format!("{live} of {homes} supplied")
    } else {
        format!("{} open, {live} of {homes} supplied", open.join(", "))
    };
    let style = Style::body(12.0, theme.text2);
    let room = head.max.x - shown.max.x - 28.0;
    let at = pos2(head.max.x - 12.0, y);
    text::text_if_fits(ui, at, Align2::RIGHT_CENTER, &style, room, &words);
}

fn foot(ui: &Ui, cx: &Cx<'_>, rect: Rect, words: &str) {
    let style = Style::body(11.0, cx.theme.text3);
    let at = rect.right_bottom() - vec2(12.0, 12.0);
    text::text(ui, at, Align2::RIGHT_CENTER, &style, words);
}
