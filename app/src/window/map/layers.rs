//! Four layers of one entity set: grid, edge, cloud and the ledger overlay.

use egui::{Pos2, Rect, Shape, Stroke, StrokeKind, Vec2, pos2, vec2};
use gridloom_core::view::ViewModel;

use super::place::{Placed, Plane};
use crate::window::theme::{Theme, mix};

/// Names of the planes, from the ground up.
pub const NAMES: [(Plane, &str); 4] = [
    (Plane::Grid, "Grid"),
    (Plane::Edge, "Edge"),
    (Plane::Cloud, "Cloud"),
    (Plane::Ledger, "Ledger overlay"),
];

/// Corners of a plane on the screen, from the front left, clockwise.
pub fn corners(placed: &Placed, rect: Rect, plane: Plane) -> [Pos2; 4] {
    let ground = &placed.transform.ground;
    let middle = placed.transform.middle;
    let half_w = rect.width() * 0.34;
    let half_h = rect.height() * 0.105;
    let shift = rect.width() * 0.065;
    let share = if plane == Plane::Grid { 1.0 } else { 0.94 };
    let (w, h) = (half_w * share, half_h * share);
    let at = pos2(rect.center().x, middle.y + ground.drop_px as f32) - placed.lift(plane);
    [
        at + vec2(-w - shift, h),
        at + vec2(-w + shift, -h),
        at + vec2(w + shift, -h),
        at + vec2(w - shift, h),
    ]
}

/// A place on a plane: shares from its front left corner.
pub fn on(placed: &Placed, rect: Rect, plane: Plane, x: f32, y: f32) -> Pos2 {
    let [a, b, c, d] = corners(placed, rect, plane);
    let front = a + (d - a) * x;
    let back = b + (c - b) * x;
    front + (back - front) * y
}

/// The sheets, lowest first.
pub fn planes(placed: &Placed, rect: Rect, theme: &Theme, out: &mut Vec<Shape>) {
    let strength = placed.transform.ground.layers as f32;
    for (plane, _) in NAMES {
        let points = corners(placed, rect, plane).to_vec();
        if plane == Plane::Ledger {
            let sheet = mix(theme.base, theme.ledger, 0.16);
            out.push(Shape::convex_polygon(
                points.clone(),
                sheet.gamma_multiply(0.74 * strength),
                Stroke::NONE,
            ));
        }
        let edge = match plane {
            Plane::Ledger => theme.ledger_dim(0.8),
            Plane::Grid => theme.text2,
            _ => theme.text3,
        };
        let mut closed = points;
        closed.push(closed[0]);
        out.push(Shape::line(
            closed,
            Stroke::new(1.0, edge.gamma_multiply(strength)),
        ));
    }
}

/// Where validators of a ledger stand on the overlay.
pub fn validators(view: &ViewModel, placed: &Placed, rect: Rect, ledger: usize) -> Vec<Pos2> {
    let count = view.ledgers.get(ledger).map_or(0, |l| l.validators).min(24);
    let groups = view.ledgers.len().max(1) as f32;
    let from = (ledger as f32 + 0.12) / groups;
    let width = 0.76 / groups;
    (0..count)
        .map(|v| {
            let share = (v as f32 + 0.5) / count.max(1) as f32;
            let depth = if v % 2 == 0 { 0.32 } else { 0.68 };
            on(placed, rect, Plane::Ledger, from + width * share, depth)
        })
        .collect()
}

/// Where the cloud's server stands.
pub fn server(placed: &Placed, rect: Rect) -> Pos2 {
    on(placed, rect, Plane::Cloud, 0.5, 0.5)
}

/// Servers, validators, and the links between the planes.
pub fn upper(view: &ViewModel, placed: &Placed, rect: Rect, theme: &Theme, out: &mut Vec<Shape>) {
    let strength = placed.transform.ground.layers as f32;
    let server_at = server(placed, rect);
    let data = Stroke::new(1.25, theme.data.gamma_multiply(strength));
    for (index, at) in placed.aggregators.iter().enumerate() {
        if view.edges.get(index).is_some_and(|edge| !edge.link) {
            cut(*at, server_at, data, theme, strength, out);
        } else {
            out.extend(Shape::dashed_line(&[*at, server_at], data, 2.0, 5.0));
        }
    }
    let faint = Stroke::new(1.0, theme.ledger_dim(0.35).gamma_multiply(strength));
    let strong = Stroke::new(1.25, theme.ledger_dim(0.7).gamma_multiply(strength));
    for ledger in 0..view.ledgers.len() {
        let nodes = validators(view, placed, rect, ledger);
        for (index, a) in nodes.iter().enumerate() {
            for b in &nodes[index + 1..] {
                out.push(Shape::line_segment([*a, *b], faint));
            }
        }
        let root = ledger >= view.scene.clusters.len();
        let below = if root {
            Some(server_at)
        } else {
            placed.aggregators.get(ledger).copied()
        };
        if let (Some(below), Some(first)) = (below, nodes.first()) {
            out.push(Shape::line_segment([below, *first], strong));
        }
        let up = view.ledgers.get(ledger).map_or(0, |l| l.validators_up);
        for (index, at) in nodes.iter().enumerate() {
            node(*at, index < up, theme, strength, out);
        }
    }
    rack(server_at, theme, strength, out);
}

/// A link that is cut: its two ends, and a cross in the gap.
fn cut(from: Pos2, to: Pos2, data: Stroke, theme: &Theme, strength: f32, out: &mut Vec<Shape>) {
    let at = |share: f32| from + (to - from) * share;
    for ends in [[from, at(0.4)], [at(0.6), to]] {
        out.extend(Shape::dashed_line(&ends, data, 2.0, 5.0));
    }
    let stroke = Stroke::new(2.0, theme.alarm3.gamma_multiply(strength));
    let centre = at(0.5);
    for arm in [egui::vec2(5.0, 5.0), egui::vec2(5.0, -5.0)] {
        out.push(Shape::line_segment([centre - arm, centre + arm], stroke));
    }
}

fn node(at: Pos2, up: bool, theme: &Theme, strength: f32, out: &mut Vec<Shape>) {
    let points: Vec<Pos2> = (0..6)
        .map(|k| {
            let angle = std::f32::consts::FRAC_PI_3 * k as f32 + std::f32::consts::FRAC_PI_6;
            at + vec2(angle.cos(), angle.sin()) * 10.0
        })
        .collect();
    let ink = theme.ledger.gamma_multiply(strength);
    out.push(Shape::convex_polygon(
        points.clone(),
        theme.base.gamma_multiply(strength),
        Stroke::NONE,
    ));
    out.push(Shape::closed_line(points, Stroke::new(1.5, ink)));
    if up {
        out.push(Shape::circle_filled(at, 3.5, ink));
    }
}

/// A rack of three units.
fn rack(at: Pos2, theme: &Theme, strength: f32, out: &mut Vec<Shape>) {
    let ink = theme.energised.gamma_multiply(strength);
    for k in 0..3 {
        let unit = Rect::from_center_size(at + vec2(0.0, (k as f32 - 1.0) * 11.0), vec2(38.0, 9.0));
        out.push(Shape::rect_filled(
            unit,
            0.0,
            theme.base.gamma_multiply(strength),
        ));
        out.push(Shape::rect_stroke(
            unit,
            0.0,
            Stroke::new(1.5, ink),
            StrokeKind::Inside,
        ));
        let lamp = Rect::from_center_size(unit.right_center() - vec2(8.0, 0.0), Vec2::splat(3.0));
        out.push(Shape::rect_filled(lamp, 0.0, ink));
    }
}
