//! A small world for comparing: dots, ribbons and breakers, one selection.

use egui::{Rect, Sense, Shape, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};
use gridloom_core::view::ViewModel;

use super::cache::MapCache;
use super::camera::{Projection, Transform};
use super::{hit, place, place_of, ribbons, symbols};
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Widest ribbon of a small world relative to the large one.
const STRENGTH: f32 = 0.6;

/// Shows one world; what differs from `reference` is outlined.
pub fn small_world(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    cache: &mut MapCache,
    view: &ViewModel,
    reference: Option<&ViewModel>,
    rect: Rect,
) {
    cache.follow(view);
    let room = Rect::from_min_max(rect.min + vec2(176.0, 30.0), rect.max - vec2(24.0, 30.0));
    if !room.is_positive() {
        return;
    }
    let transform = Transform {
        camera: place::fit(&cache.net, room),
        middle: room.center(),
        ground: Projection::default(),
    };
    let mut placed = (*cache.placed(view, transform, transform, rect)).clone();
    placed.strength = placed.strength.min(STRENGTH);
    placed.dots = true;
    let salt = usize::from(reference.is_some());
    let response = ui.interact(rect, ui.id().with(("small-world", salt)), Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::WidgetType::Other, true, "World: click selects")
    });
    if response.clicked()
        && let Some(at) = response.interact_pointer_pos()
    {
        let found = hit::at(at, &cache.net, &placed);
        cx.select(found);
    }
    cache.read_flows(view);
    let theme = cx.theme;
    let mut shapes = Vec::new();
    ribbons::ribbons(&cache.flows, &cache.net, &placed, theme, true, &mut shapes);
    ribbons::chevrons(
        &cache.flows,
        &cache.net,
        &placed,
        theme,
        &cx.state.phase,
        &mut shapes,
    );
    symbols::symbols(view, &placed, theme, &mut shapes);
    if let Some(reference) = reference {
        differing(view, reference, &placed, theme, &mut shapes);
    }
    let selected = cx
        .state
        .selected
        .and_then(|what| place_of(view, &cache.net, &placed, what));
    if let Some(at) = selected {
        let ring = Rect::from_center_size(at, Vec2::splat(24.0));
        let stroke = Stroke::new(1.5, theme.text1);
        shapes.push(Shape::rect_stroke(ring, 4.0, stroke, StrokeKind::Middle));
    }
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.extend(shapes);
    names(ui, cx, view, &placed, rect);
    for alarm in view.alarms.iter().filter(|a| a.active && a.state.listed()) {
        let place = alarm
            .place
            .and_then(|what| place_of(view, &cache.net, &placed, what));
        if let Some(at) = place {
            let at = at - vec2(0.0, 16.0);
            draw::alarm(&painter, at, 16.0, alarm.priority as usize, true, theme);
        }
    }
}

/// Outlines around what is not as in the reference.
fn differing(
    view: &ViewModel,
    reference: &ViewModel,
    placed: &super::place::Placed,
    theme: &crate::window::theme::Theme,
    out: &mut Vec<Shape>,
) {
    let stroke = Stroke::new(1.5, theme.text1);
    for (index, (at, _)) in placed.mlmds.iter().enumerate() {
        let closed = |view: &ViewModel| view.mlmds.get(index).map(|m| m.closed);
        if closed(view) != closed(reference) {
            let ring = Rect::from_center_size(*at, Vec2::splat(26.0));
            out.push(Shape::rect_stroke(ring, 4.0, stroke, StrokeKind::Middle));
        }
    }
    for (index, at) in placed.homes.iter().enumerate() {
        let live = |view: &ViewModel| view.homes.get(index).map(|h| h.v_pu.is_some());
        if live(view) != live(reference) {
            out.push(Shape::circle_stroke(
                *at,
                6.5,
                Stroke::new(1.25, theme.text1),
            ));
        }
    }
}

/// Names of the breakers, where they do not run into each other.
fn names(ui: &Ui, cx: &Cx<'_>, view: &ViewModel, placed: &super::place::Placed, rect: Rect) {
    let style = Style::strong(11.0, cx.theme.text1);
    // The line at the foot keeps its place.
    let rect = Rect::from_min_max(rect.min, rect.max - vec2(0.0, 24.0));
    let mut taken: Vec<Rect> = Vec::new();
    for (mlmd, (at, _)) in view.scene.mlmds.iter().zip(&placed.mlmds) {
        let width = text::width(ui, &style, &mlmd.id);
        let size = vec2(width + 4.0, 15.0);
        let places = [
            vec2(0.0, 17.0),
            vec2(0.0, -17.0),
            vec2(14.0 + width * 0.5, 0.0),
            vec2(-14.0 - width * 0.5, 0.0),
        ];
        let found = places
            .iter()
            .map(|off| Rect::from_center_size(*at + *off, size))
            .find(|place| {
                rect.contains_rect(*place) && !taken.iter().any(|t| t.intersects(*place))
            });
        let Some(place) = found else { continue };
        draw::plate(ui.painter(), place, cx.theme.base.gamma_multiply(0.75));
        text::text(
            ui,
            place.center(),
            egui::Align2::CENTER_CENTER,
            &style,
            &mlmd.id,
        );
        taken.push(place);
    }
    if let (Some(spec), Some(t)) = (view.scene.transformers.first(), placed.transformers.first()) {
        let at = pos2(t.circles.x, t.circles.y - 26.0);
        text::text(ui, at, egui::Align2::CENTER_CENTER, &style, &spec.name);
    }
}
