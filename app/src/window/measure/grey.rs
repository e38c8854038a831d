//! V4: states that a person must tell apart differ in shape, not only in colour.

use egui::epaint::{ClippedShape, Primitive};
use egui::{Color32, Pos2, Rect, Shape, pos2, vec2};

use crate::window::draw;
use crate::window::map::{ribbons, symbols};
use crate::window::theme::{ThemeName, Themes};

/// Side of the picture of a symbol, px.
const SIDE: usize = 40;

/// A symbol as inked and empty pixels.
type Mask = Vec<bool>;

/// Smallest share of pixels in which two states differ, of those that either
/// inks, over all pairs and both themes; and the pair.
pub fn apart() -> (f64, String) {
    let mut least = (f64::INFINITY, String::new());
    for name in [ThemeName::Night, ThemeName::Day] {
        for group in groups(name) {
            for (index, (a_name, a)) in group.iter().enumerate() {
                for (b_name, b) in &group[index + 1..] {
                    let either = a.iter().zip(b).filter(|(a, b)| **a || **b).count();
                    let differ = a.iter().zip(b).filter(|(a, b)| a != b).count();
                    let share = differ as f64 / either.max(1) as f64;
                    if share < least.0 {
                        least = (share, format!("{a_name} | {b_name}"));
                    }
                }
            }
        }
    }
    least
}

/// Priorities, positions of a breaker, conductors with and without supply.
fn groups(name: ThemeName) -> Vec<Vec<(&'static str, Mask)>> {
    let themes = Themes::built_in();
    let theme = themes.get(name);
    let at = pos2(SIDE as f32 * 0.5, SIDE as f32 * 0.5);
    let alarm =
        |level: usize| mask(|painter, _| draw::alarm(painter, at, 24.0, level, true, theme));
    let breaker =
        |closed: bool| mask(|_, out| symbols::breaker(at, vec2(1.0, 0.0), closed, theme, out));
    let line = [pos2(2.0, at.y), pos2(SIDE as f32 - 2.0, at.y)];
    let live = mask(|_, out| ribbons::thick_line(&line, 2.0, theme.energised, out));
    let dead = mask(|_, out| ribbons::dashed(&line, false, theme, out));
    vec![
        vec![
            ("priority 1", alarm(0)),
            ("priority 2", alarm(1)),
            ("priority 3", alarm(2)),
        ],
        vec![("closed", breaker(true)), ("open", breaker(false))],
        vec![("live", live), ("dead", dead)],
    ]
}

/// What a symbol inks, whatever its colour is.
fn mask(draw: impl Fn(&egui::Painter, &mut Vec<Shape>)) -> Mask {
    let ctx = egui::Context::default();
    let side = SIDE as f32;
    let input = egui::RawInput {
        screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(side, side))),
        ..Default::default()
    };
    let output = ctx.run_ui(input, |ui| {
        let painter = ui.ctx().layer_painter(egui::LayerId::background());
        let mut shapes = Vec::new();
        draw(&painter, &mut shapes);
        painter.extend(shapes);
    });
    rasterised(&ctx, output.shapes)
}

/// Pixels whose middle lies in a triangle that is drawn in ink; the ground under
/// a hollow symbol is no ink.
fn rasterised(ctx: &egui::Context, shapes: Vec<ClippedShape>) -> Mask {
    let themes = Themes::built_in();
    let grounds = [ThemeName::Night, ThemeName::Day].map(|name| themes.get(name).base);
    let mut mask = vec![false; SIDE * SIDE];
    for part in ctx.tessellate(shapes, 1.0) {
        let Primitive::Mesh(mesh) = part.primitive else {
            continue;
        };
        for corners in mesh.indices.chunks_exact(3) {
            let v = [0, 1, 2].map(|k| mesh.vertices[corners[k] as usize]);
            let solid = v.iter().all(|v| v.color.a() > 128);
            if solid && v.iter().all(|v| v.uv == egui::epaint::WHITE_UV) {
                let ground = grounds.contains(&opaque(v[0].color));
                ink(&mut mask, v.map(|v| v.pos), !ground);
            }
        }
    }
    mask
}

fn opaque(colour: Color32) -> Color32 {
    let [r, g, b, _] = colour.to_srgba_unmultiplied();
    Color32::from_rgb(r, g, b)
}

fn ink(mask: &mut Mask, v: [Pos2; 3], on: bool) {
    let area = |a: Pos2, b: Pos2, c: Pos2| (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    let whole = area(v[0], v[1], v[2]);
    if whole.abs() < 1e-9 {
        return;
    }
    for y in 0..SIDE {
        for x in 0..SIDE {
            let p = pos2(x as f32 + 0.5, y as f32 + 0.5);
            let inside = [
                area(v[1], v[2], p),
                area(v[2], v[0], p),
                area(v[0], v[1], p),
            ];
            if inside.iter().all(|a| a / whole >= 0.0) {
                mask[y * SIDE + x] = on;
            }
        }
    }
}
