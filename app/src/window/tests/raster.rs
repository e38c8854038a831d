//! A small software rasteriser, so that bars about pixels need no device.

use egui::{Color32, epaint::Primitive};
use gridloom_core::view::Priority;

use super::colour::chroma;
use super::*;
use crate::window::ThemeName;

/// The window as pixels, without letters (they are grey or on a counted ground).
fn pixels(harness: &Harness<'_, Shown>, size: (usize, usize), base: Color32) -> Vec<Color32> {
    let output = harness.output();
    let mut out = vec![base; size.0 * size.1];
    for part in harness.ctx.tessellate(output.shapes.clone(), 1.0) {
        let Primitive::Mesh(mesh) = part.primitive else {
            continue;
        };
        for corners in mesh.indices.chunks_exact(3) {
            let v = [0, 1, 2].map(|k| mesh.vertices[corners[k] as usize]);
            if v.iter().any(|v| v.uv != egui::epaint::WHITE_UV) {
                continue;
            }
            triangle(&mut out, size, part.clip_rect, v);
        }
    }
    out
}

/// Blends one triangle with a colour per corner.
fn triangle(
    out: &mut [Color32],
    size: (usize, usize),
    clip: egui::Rect,
    v: [egui::epaint::Vertex; 3],
) {
    let area = |a: egui::Pos2, b: egui::Pos2, c: egui::Pos2| {
        (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
    };
    let whole = area(v[0].pos, v[1].pos, v[2].pos);
    if whole.abs() < 1e-9 {
        return;
    }
    let bounds = egui::Rect::from_points(&v.map(|v| v.pos)).intersect(clip);
    let (x0, y0) = (
        bounds.min.x.floor().max(0.0) as usize,
        bounds.min.y.floor().max(0.0) as usize,
    );
    let (x1, y1) = (
        (bounds.max.x.ceil().max(0.0) as usize).min(size.0),
        (bounds.max.y.ceil().max(0.0) as usize).min(size.1),
    );
    for y in y0..y1 {
        for x in x0..x1 {
            let p = egui::pos2(x as f32 + 0.5, y as f32 + 0.5);
            let w = [
                area(v[1].pos, v[2].pos, p),
                area(v[2].pos, v[0].pos, p),
                area(v[0].pos, v[1].pos, p),
            ]
            .map(|a| a / whole);
            if w.iter().any(|w| *w < 0.0) || !clip.contains(p) {
                continue;
            }
            let channel = |of: &dyn Fn(Color32) -> u8| -> f32 {
                (0..3).map(|k| f32::from(of(v[k].color)) * w[k]).sum()
            };
            let alpha = channel(&|c| c.a()) / 255.0;
            let under = out[y * size.0 + x];
            let over =
                |c: f32, u: u8| (c + f32::from(u) * (1.0 - alpha)).round().clamp(0.0, 255.0) as u8;
            out[y * size.0 + x] = Color32::from_rgb(
                over(channel(&|c| c.r()), under.r()),
                over(channel(&|c| c.g()), under.g()),
                over(channel(&|c| c.b()), under.b()),
            );
        }
    }
}

/// Share of pixels with a CIELAB chroma above 40.
fn saturated(pixels: &[Color32]) -> f64 {
    pixels.iter().filter(|c| chroma(**c) > 40.0).count() as f64 / pixels.len() as f64
}

fn share(view: ViewModel, theme: ThemeName, size: (usize, usize)) -> f64 {
    let mut shown = Shown::new(view);
    shown.ui.theme = theme;
    let base = shown.themes.get(theme).base;
    let harness = window(shown, (size.0 as f32, size.1 as f32));
    saturated(&pixels(&harness, size, base))
}

/// O2: a normal state shows less than 1 % saturated pixels; an urgent one shouts.
#[test]
fn a_normal_state_is_quiet() {
    for theme in [ThemeName::Night, ThemeName::Day] {
        for size in [(1_280, 720), (1_920, 1_080)] {
            let quiet = share(at(12.0), theme, size);
            println!("O2 {theme:?} {size:?}: {:.3} % saturated", quiet * 100.0);
            assert!(quiet <= 0.01, "{theme:?} {size:?}: {quiet}");
            let mut view = at(12.0);
            let raised = view.time;
            view.alarms
                .insert(0, fixture::alarm(9, Priority::P1, raised));
            let loud = share(view, theme, size);
            let banner = if size.0 == 1_280 {
                752.0 * 40.0
            } else {
                1_272.0 * 40.0
            };
            assert!(
                (loud - quiet) * (size.0 * size.1) as f64 > banner * 0.9,
                "{loud} against {quiet}"
            );
        }
    }
}
