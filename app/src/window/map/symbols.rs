//! Houses, breakers, transformer, battery and aggregators.

use egui::{Color32, CornerRadius, Pos2, Rect, Shape, Stroke, StrokeKind, Vec2, pos2, vec2};
use gridloom_core::view::{BoundValue, HomeState, HomeView, ViewModel};
use gridloom_model::scene::HomeKind;

use super::camera::{Detail, HOUSE_M};
use super::place::{BATTERY_SIZE, Placed};
use super::prism;
use super::ribbons::{self, Flow};
use crate::window::theme::Theme;

/// Everything that stands on the map.
pub fn symbols(view: &ViewModel, placed: &Placed, theme: &Theme, out: &mut Vec<Shape>) {
    let scene = &view.scene;
    // Under the houses, which may stand on its way.
    for (index, (bus, at)) in placed.batteries.iter().enumerate() {
        connection(*bus, *at, view, index, placed.strength, theme, out);
    }
    if placed.detail > Detail::Community {
        for ((home, at), index) in scene.homes.iter().zip(&placed.homes).zip(0..) {
            let state = view.homes.get(index);
            let small = placed.dots || HOUSE_M * placed.transform.camera.px_per_m < 7.0;
            if small {
                dot(*at, state, theme, out);
            } else if placed.transform.ground.rise > 0.02 {
                let rise = placed.transform.ground.rise as f32;
                prism::building(*at, placed.house_px, rise, home, state, theme, out);
            } else {
                house(
                    *at,
                    placed.house_px,
                    placed.detail >= Detail::Street,
                    home,
                    state,
                    theme,
                    out,
                );
            }
            if let Some(bound) = state.and_then(|state| state.bound.as_ref()) {
                let size = if small { 8.0 } else { placed.house_px };
                device(*at, size, bound, theme, out);
            }
        }
    }
    for (index, t) in placed.transformers.iter().enumerate() {
        transformer(t, view, index, placed.strength, theme, out);
    }
    for (index, (_, at)) in placed.batteries.iter().enumerate() {
        battery(*at, view, index, theme, out);
    }
    for (index, (at, along)) in placed.mlmds.iter().enumerate() {
        let state = view.mlmds.get(index);
        let closed = state.is_none_or(|m| m.closed);
        breaker(*at, *along, closed, theme, out);
    }
}

/// A physical device at a customer, at the upper right: filled while its value
/// is good and fresh, hollow and crossed out otherwise.
fn device(at: Pos2, size: f32, bound: &BoundValue, theme: &Theme, out: &mut Vec<Shape>) {
    let half = 3.5;
    let centre = at + vec2(size * 0.5 + half, -size * 0.5);
    let square = Rect::from_center_size(centre, Vec2::splat(2.0 * half));
    let trusted = bound.good && bound.age_s.is_finite();
    let (fill, ink) = if trusted {
        (theme.text1, theme.text1)
    } else {
        (theme.base, theme.text3)
    };
    out.push(Shape::rect_filled(square, CornerRadius::same(1), fill));
    let line = Stroke::new(1.25, ink);
    out.push(Shape::rect_stroke(
        square,
        CornerRadius::same(1),
        line,
        StrokeKind::Inside,
    ));
    if !trusted {
        out.push(Shape::line_segment(
            [square.left_top(), square.right_bottom()],
            line,
        ));
    }
}

/// A customer as a point: filled gives, hollow takes.
fn dot(at: Pos2, state: Option<&HomeState>, theme: &Theme, out: &mut Vec<Shape>) {
    let net = state.map_or(0.0, |s| s.net_kw);
    let live = state.is_some_and(|s| s.v_pu.is_some());
    let colour = if live { theme.energised } else { theme.dead };
    let fill = if net < 0.0 && live {
        colour
    } else {
        theme.base
    };
    out.push(Shape::circle_filled(at, 3.0, fill));
    out.push(Shape::circle_stroke(at, 3.0, Stroke::new(1.25, colour)));
}

/// Outline of a building, from the left foot clockwise.
fn outline(at: Pos2, size: f32, kind: HomeKind) -> Vec<Pos2> {
    let (w, h) = (size * 0.44, size * 0.5);
    let p = |x: f32, y: f32| at + vec2(x, y);
    match kind {
        HomeKind::House | HomeKind::Care => {
            let eave = -h * 0.12;
            vec![p(-w, h), p(-w, eave), p(0.0, -h), p(w, eave), p(w, h)]
        }
        HomeKind::Flats => vec![
            p(-w * 1.15, h),
            p(-w * 1.15, -h),
            p(w * 1.15, -h),
            p(w * 1.15, h),
        ],
        HomeKind::Firm => vec![
            p(-w * 1.15, h),
            p(-w * 1.15, -h * 0.1),
            p(0.0, -h * 0.9),
            p(0.0, -h * 0.1),
            p(w * 1.15, -h * 0.9),
            p(w * 1.15, h),
        ],
    }
}

/// The part that stands for solar panels.
fn roof(at: Pos2, size: f32, kind: HomeKind) -> Vec<Vec<Pos2>> {
    let (w, h) = (size * 0.44, size * 0.5);
    let p = |x: f32, y: f32| at + vec2(x, y);
    let eave = -h * 0.12;
    match kind {
        HomeKind::House | HomeKind::Care => vec![vec![p(-w, eave), p(0.0, -h), p(w, eave)]],
        HomeKind::Flats => vec![vec![
            p(-w * 1.15, -h),
            p(w * 1.15, -h),
            p(w * 1.15, -h * 0.45),
            p(-w * 1.15, -h * 0.45),
        ]],
        HomeKind::Firm => vec![
            vec![p(-w * 1.15, -h * 0.1), p(0.0, -h * 0.9), p(0.0, -h * 0.1)],
            vec![
                p(0.0, -h * 0.1),
                p(w * 1.15, -h * 0.9),
                p(w * 1.15, -h * 0.1),
            ],
        ],
    }
}

/// A building with what it owns and what it gives or takes.
pub fn house(
    at: Pos2,
    size: f32,
    pips: bool,
    home: &HomeView,
    state: Option<&HomeState>,
    theme: &Theme,
    out: &mut Vec<Shape>,
) {
    let live = state.is_some_and(|s| s.v_pu.is_some());
    let line = outline(at, size, home.kind);
    out.push(Shape::convex_polygon(
        hull_of(&line),
        theme.base,
        Stroke::new(3.0, theme.base),
    ));
    if !live {
        let mut closed = line.clone();
        closed.push(line[0]);
        out.extend(Shape::dashed_line(
            &closed,
            Stroke::new(1.25, theme.dead),
            2.0,
            2.0,
        ));
        return;
    }
    let ink = theme.energised;
    out.push(Shape::convex_polygon(
        hull_of(&line),
        theme.panel,
        Stroke::NONE,
    ));
    if home.pv_kw > 0.0 {
        for part in roof(at, size, home.kind) {
            out.push(Shape::convex_polygon(part, ink, Stroke::NONE));
        }
    }
    out.push(Shape::closed_line(line, Stroke::new(1.25, ink)));
    if pips {
        marks(at, size, home, ink, out);
        let from = at + vec2(size * 0.5 + 4.0, 0.0);
        net_bar(from, state.map_or(0.0, |s| s.net_kw), theme, out);
    }
}

/// Bounding polygon for the fill: the firm's saw teeth are not convex.
fn hull_of(line: &[Pos2]) -> Vec<Pos2> {
    if line.len() == 6 {
        vec![line[0], line[1], line[2], line[4], line[5]]
    } else {
        line.to_vec()
    }
}

/// Bar for a battery, dot for a car, cross for a care home.
fn marks(at: Pos2, size: f32, home: &HomeView, ink: Color32, out: &mut Vec<Shape>) {
    let unit = size / 17.0;
    let y = at.y + 4.0 * unit;
    if home.kind == HomeKind::Care {
        let arm = 3.0 * unit;
        let stroke = Stroke::new(1.5 * unit, ink);
        out.push(Shape::line_segment(
            [pos2(at.x - arm, y), pos2(at.x + arm, y)],
            stroke,
        ));
        out.push(Shape::line_segment(
            [pos2(at.x, y - arm), pos2(at.x, y + arm)],
            stroke,
        ));
        return;
    }
    let both = home.battery_kwh > 0.0 && home.ev_kw > 0.0;
    let shift = if both { 3.2 * unit } else { 0.0 };
    if home.battery_kwh > 0.0 {
        let rect = Rect::from_center_size(pos2(at.x - shift, y), vec2(2.6, 5.4) * unit);
        out.push(Shape::rect_filled(rect, 0.0, ink));
    }
    if home.ev_kw > 0.0 {
        out.push(Shape::circle_filled(pos2(at.x + shift, y), 2.0 * unit, ink));
    }
}

/// Filled and up: gives. Hollow and down: takes. 2 px per kW.
pub fn net_bar(from: Pos2, net_kw: f64, theme: &Theme, out: &mut Vec<Shape>) {
    let net = if net_kw.is_finite() { net_kw } else { 0.0 };
    let height = (2.0 * net.abs()).min(12.0) as f32;
    if height < 0.4 {
        return;
    }
    if net < 0.0 {
        let rect = Rect::from_min_max(from + vec2(0.0, -height), from + vec2(5.0, 0.0));
        out.push(Shape::rect_filled(rect.expand(1.0), 0.0, theme.base));
        out.push(Shape::rect_filled(rect, 0.0, theme.energised));
    } else {
        let rect = Rect::from_min_max(from, from + vec2(5.0, height.max(1.5)));
        out.push(Shape::rect_filled(rect.expand(1.0), 0.0, theme.base));
        out.push(Shape::rect_stroke(
            rect,
            0.0,
            Stroke::new(1.0, theme.energised),
            StrokeKind::Inside,
        ));
    }
}

/// A 14 px square along its conductor: filled closed, hollow open.
pub fn breaker(at: Pos2, along: Vec2, closed: bool, theme: &Theme, out: &mut Vec<Shape>) {
    let across = vec2(-along.y, along.x);
    let corner = |r: f32| -> Vec<Pos2> {
        [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)]
            .iter()
            .map(|&(x, y)| at + along * (x * r) + across * (y * r))
            .collect()
    };
    out.push(Shape::convex_polygon(corner(8.5), theme.base, Stroke::NONE));
    if closed {
        out.push(Shape::convex_polygon(
            corner(7.0),
            theme.energised,
            Stroke::NONE,
        ));
    } else {
        out.push(Shape::closed_line(
            corner(6.0),
            Stroke::new(2.0, theme.energised),
        ));
    }
}

/// Two circles, the conductor through them and the upstream bar.
fn transformer(
    t: &super::place::TransformerPlace,
    view: &ViewModel,
    index: usize,
    strength: f32,
    theme: &Theme,
    out: &mut Vec<Shape>,
) {
    let p_kw = view
        .grid
        .transformer_p_kw
        .get(index)
        .copied()
        .unwrap_or(0.0);
    let loading = view
        .grid
        .transformer_loading
        .get(index)
        .copied()
        .unwrap_or(0.0);
    let flow = Flow {
        p_kw,
        loading: loading.max(0.006),
        live: p_kw.is_finite(),
    };
    let points = [t.bar, t.bus];
    ribbons::thick_line(
        &points,
        (ribbons::width(p_kw) * strength).max(2.0),
        theme.ribbon(loading),
        out,
    );
    let away = (t.bus - t.bar).normalized();
    if let Some(size) = ribbons::chevron_size(flow) {
        let dir = if p_kw < 0.0 { -away } else { away };
        for at in [t.bar + away * 26.0, t.bus - away * 32.0] {
            ribbons::arrow_head(at, dir, size, theme.chevron, theme.base, out);
        }
    }
    for side in [-10.0, 10.0] {
        out.push(Shape::circle_filled(
            t.circles + away * side,
            16.5,
            theme.base,
        ));
    }
    for side in [-10.0, 10.0] {
        out.push(Shape::circle_stroke(
            t.circles + away * side,
            15.0,
            Stroke::new(2.0, theme.energised),
        ));
    }
    let bar = [t.bar + vec2(0.0, -22.0), t.bar + vec2(0.0, 22.0)];
    out.push(Shape::line_segment(bar, Stroke::new(4.0, theme.energised)));
    let end = Rect::from_center_size(t.bus, Vec2::splat(8.0));
    out.push(Shape::rect_filled(end, 0.0, theme.energised));
}

/// The line from a shared battery's bus to its symbol, with its flow.
fn connection(
    bus: Pos2,
    at: Pos2,
    view: &ViewModel,
    index: usize,
    strength: f32,
    theme: &Theme,
    out: &mut Vec<Shape>,
) {
    let state = view.shared_batteries.get(index);
    let p_kw = state.map_or(0.0, |s| s.p_kw);
    let live = state.is_some_and(|s| s.v_pu.is_some());
    let rated = view
        .scene
        .shared_batteries
        .get(index)
        .map_or(0.0, |b| b.max_kw);
    let loading = if rated > 0.0 {
        (p_kw / rated).abs()
    } else {
        0.0
    };
    if live {
        ribbons::thick_line(
            &[bus, at],
            (ribbons::width(p_kw) * strength).max(1.0),
            theme.ribbon(loading),
            out,
        );
    } else {
        out.extend(Shape::dashed_line(
            &[bus, at],
            Stroke::new(1.25, theme.dead),
            3.0,
            3.0,
        ));
    }
    let way = at - bus;
    let reach = way.length() - BATTERY_SIZE.x * 0.4;
    let flow = Flow {
        p_kw,
        loading,
        live,
    };
    if let Some(size) = ribbons::chevron_size(flow).filter(|size| reach > size * 1.2) {
        let dir = way.normalized();
        let dir_shown = if p_kw < 0.0 { -dir } else { dir };
        ribbons::arrow_head(
            bus + dir * (reach * 0.5),
            dir_shown,
            size,
            theme.chevron,
            theme.base,
            out,
        );
    }
}

/// Case with a pole; the fill is the state of charge.
fn battery(at: Pos2, view: &ViewModel, index: usize, theme: &Theme, out: &mut Vec<Shape>) {
    let state = view.shared_batteries.get(index);
    let live = state.is_some_and(|s| s.v_pu.is_some());
    let edge = if live { theme.energised } else { theme.dead };
    let case = Rect::from_center_size(at, BATTERY_SIZE);
    out.push(Shape::rect_filled(
        case.expand(1.5),
        CornerRadius::ZERO,
        theme.base,
    ));
    out.push(Shape::rect_stroke(
        case,
        0.0,
        Stroke::new(2.0, edge),
        StrokeKind::Inside,
    ));
    let pole = Rect::from_min_size(pos2(case.max.x, at.y - 5.0), vec2(3.0, 10.0));
    out.push(Shape::rect_filled(pole, 0.0, edge));
    let inside = case.shrink(4.0);
    let soc = state.map_or(0.0, |s| {
        if s.soc.is_finite() {
            s.soc.clamp(0.0, 1.0)
        } else {
            0.0
        }
    });
    let fill = Rect::from_min_size(
        inside.min,
        vec2(inside.width() * soc as f32, inside.height()),
    );
    out.push(Shape::rect_filled(fill, 0.0, theme.ribbon(0.4)));
}
