//! Buildings of the tilted view: three flat faces, no shading but one.

use egui::{Pos2, Shape, Stroke, vec2};
use gridloom_core::view::{HomeState, HomeView};
use gridloom_model::scene::HomeKind;

use super::symbols;
use crate::window::theme::{Theme, mix};

/// A building standing at a place, `rise` of its full height.
pub fn building(
    at: Pos2,
    size: f32,
    rise: f32,
    home: &HomeView,
    state: Option<&HomeState>,
    theme: &Theme,
    out: &mut Vec<Shape>,
) {
    let live = state.is_some_and(|s| s.v_pu.is_some());
    let ink = if live { theme.energised } else { theme.dead };
    let (w, d) = (size * 0.58, size * 0.30);
    let h = size
        * rise
        * if home.kind == HomeKind::Flats {
            1.15
        } else {
            0.62
        };
    let roof = size * 0.42 * rise;
    // Ground corners: left, front, right, back.
    let (left, front, right, back) = (
        at + vec2(-w, 0.0),
        at + vec2(0.0, d),
        at + vec2(w, 0.0),
        at + vec2(0.0, -d),
    );
    let up = vec2(0.0, -h);
    let stroke = Stroke::new(1.0, ink);
    let light = theme.raised;
    let shade = mix(theme.raised, theme.base, 0.45);
    let face = |points: Vec<Pos2>, fill, out: &mut Vec<Shape>| {
        out.push(Shape::convex_polygon(points, fill, stroke));
    };
    // A plate in ground colour keeps ribbons from running through the walls.
    face(vec![left, front, right, back], theme.base, out);
    face(vec![left, front, front + up, left + up], shade, out);
    face(vec![front, right, right + up, front + up], light, out);
    let pane = mix(theme.base, ink, 0.55);
    if home.kind == HomeKind::House || home.kind == HomeKind::Care {
        // A gable roof over the right wall; its near side carries the panels.
        let ridge_a = (left + vec2(0.0, 0.0) + (front - left) * 0.5) + up - vec2(0.0, roof);
        let ridge_b = ridge_a + (right - front);
        let cover = if home.pv_kw > 0.0 && live {
            pane
        } else {
            light
        };
        face(vec![left + up, front + up, ridge_a], shade, out);
        face(vec![front + up, right + up, ridge_b, ridge_a], cover, out);
        face(
            vec![left + up, ridge_a, ridge_b, back + up],
            mix(shade, theme.base, 0.3),
            out,
        );
        if home.pv_kw > 0.0 && live {
            for share in [0.33, 0.66] {
                let a = (front + up) + (right - front) * share;
                let b = ridge_a + (ridge_b - ridge_a) * share;
                out.push(Shape::line_segment([a, b], Stroke::new(0.75, theme.base)));
            }
        }
    } else {
        let cover = if home.pv_kw > 0.0 && live {
            pane
        } else {
            light
        };
        face(
            vec![left + up, front + up, right + up, back + up],
            cover,
            out,
        );
    }
    if live {
        let from = at + vec2(w + 5.0, 0.0);
        symbols::net_bar(from, state.map_or(0.0, |s| s.net_kw), theme, out);
    }
}
