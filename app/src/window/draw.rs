//! Small drawn symbols; none of them is a letter.

use egui::{Align2, Color32, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2};

use super::text::{self, Style};
use super::theme::Theme;

/// Alarm shape by priority: square, triangle, diamond; outline only when not `filled`.
pub fn alarm(painter: &Painter, at: Pos2, size: f32, priority: usize, filled: bool, theme: &Theme) {
    let r = size * 0.5;
    let points: Vec<Pos2> = match priority {
        0 => vec![
            at + vec2(-r, -r),
            at + vec2(r, -r),
            at + vec2(r, r),
            at + vec2(-r, r),
        ],
        1 => vec![
            at + vec2(0.0, -r),
            at + vec2(r * 1.08, r * 0.86),
            at + vec2(-r * 1.08, r * 0.86),
        ],
        _ => vec![
            at + vec2(0.0, -r * 1.1),
            at + vec2(r * 1.1, 0.0),
            at + vec2(0.0, r * 1.1),
            at + vec2(-r * 1.1, 0.0),
        ],
    };
    if filled {
        let edge = match priority {
            1 => Stroke::new(1.5, theme.alarm2_edge),
            _ => Stroke::NONE,
        };
        painter.add(Shape::convex_polygon(points, theme.alarm(priority), edge));
    } else {
        painter.add(Shape::closed_line(points, Stroke::new(1.25, theme.text3)));
    }
}

/// The digit in an alarm shape.
pub fn alarm_digit(ui: &Ui, at: Pos2, priority: usize, size: f32, theme: &Theme) {
    let colour = [theme.alarm1_digit, theme.alarm2_digit, theme.alarm3_digit][priority.min(2)];
    let shift = if priority == 1 { size * 0.12 } else { 0.0 };
    let digit = ["1", "2", "3"][priority.min(2)];
    text::text(
        ui,
        at + vec2(0.0, shift),
        Align2::CENTER_CENTER,
        &Style::strong(size, colour),
        digit,
    );
}

/// The program's mark: a woven grid.
pub fn logo(painter: &Painter, at: Pos2, colour: Color32) {
    for shift in [-4.5, 0.0, 4.5] {
        let stroke = Stroke::new(1.75, colour);
        painter.line_segment([at + vec2(shift, -7.5), at + vec2(shift, 7.5)], stroke);
        painter.line_segment([at + vec2(-7.5, shift), at + vec2(7.5, shift)], stroke);
    }
}

/// Rows of the community balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Solar generation.
    Sun,
    /// Demand.
    House,
    /// Storage.
    Battery,
    /// Exchange with the upstream grid.
    Exchange,
    /// Losses.
    Wave,
}

/// An icon of 14 px.
pub fn icon(painter: &Painter, at: Pos2, icon: Icon, colour: Color32) {
    let stroke = Stroke::new(1.25, colour);
    match icon {
        Icon::Sun => {
            painter.circle_filled(at, 3.2, colour);
            for k in 0..8 {
                let angle = std::f32::consts::FRAC_PI_4 * k as f32;
                let way = vec2(angle.cos(), angle.sin());
                painter.line_segment([at + way * 5.0, at + way * 7.2], stroke);
            }
        }
        Icon::House => {
            let points = [
                (-5.5, 6.0),
                (-5.5, -1.0),
                (0.0, -6.5),
                (5.5, -1.0),
                (5.5, 6.0),
            ];
            painter.add(Shape::closed_line(
                points.iter().map(|&(x, y)| at + vec2(x, y)).collect(),
                stroke,
            ));
        }
        Icon::Battery => {
            painter.rect_stroke(
                Rect::from_center_size(at, vec2(13.0, 8.0)),
                0.0,
                stroke,
                StrokeKind::Inside,
            );
            painter.rect_filled(
                Rect::from_center_size(at + vec2(-2.5, 0.0), vec2(3.0, 4.0)),
                0.0,
                colour,
            );
            painter.rect_filled(
                Rect::from_center_size(at + vec2(7.5, 0.0), vec2(2.0, 4.0)),
                0.0,
                colour,
            );
        }
        Icon::Exchange => {
            for (y, way) in [(-3.0, 1.0), (3.0, -1.0)] {
                let tip = at + vec2(6.5 * way, y);
                painter.line_segment([at + vec2(-6.5 * way, y), tip], stroke);
                painter.line_segment([tip, tip + vec2(-3.0 * way, -2.6)], stroke);
                painter.line_segment([tip, tip + vec2(-3.0 * way, 2.6)], stroke);
            }
        }
        Icon::Wave => {
            let points = (0..=20)
                .map(|k| {
                    let x = k as f32 / 20.0;
                    at + vec2(x * 14.0 - 7.0, -3.6 * (x * std::f32::consts::TAU).sin())
                })
                .collect();
            painter.add(Shape::line(points, stroke));
        }
    }
}

/// Transport buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// To the start.
    Start,
    /// One tick back.
    Back,
    /// Run.
    Play,
    /// Stop.
    Pause,
    /// One tick on.
    Forward,
    /// To the newest tick.
    End,
    /// Run backwards.
    Rewind,
}

/// A transport symbol at two thirds of its size.
pub fn transport_small(painter: &Painter, at: Pos2, what: Transport, colour: Color32) {
    let way = if what == Transport::Rewind { -1.0 } else { 1.0 };
    let points = vec![
        at + vec2(3.5 * way, 0.0),
        at + vec2(-2.5 * way, -3.8),
        at + vec2(-2.5 * way, 3.8),
    ];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// A cross, for removing and for conflicts.
pub fn cross(painter: &Painter, at: Pos2, r: f32, colour: Color32) {
    let stroke = Stroke::new(1.5, colour);
    painter.line_segment([at + vec2(-r, -r), at + vec2(r, r)], stroke);
    painter.line_segment([at + vec2(-r, r), at + vec2(r, -r)], stroke);
}

/// A small diamond.
pub fn diamond(painter: &Painter, at: Pos2, r: f32, colour: Color32) {
    let points = vec![
        at + vec2(0.0, -r),
        at + vec2(r, 0.0),
        at + vec2(0.0, r),
        at + vec2(-r, 0.0),
    ];
    painter.add(Shape::closed_line(points, Stroke::new(1.5, colour)));
}

/// A flag on a moment.
pub fn flag(painter: &Painter, at: Pos2, colour: Color32) {
    let stroke = Stroke::new(1.5, colour);
    painter.line_segment([at + vec2(-3.0, -6.0), at + vec2(-3.0, 6.0)], stroke);
    let points = vec![
        at + vec2(-3.0, -6.0),
        at + vec2(5.0, -3.0),
        at + vec2(-3.0, 0.0),
    ];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// A tick in a circle: done.
pub fn done(painter: &Painter, at: Pos2, filled: bool, theme: &Theme) {
    if filled {
        painter.circle_filled(at, 7.0, theme.text2);
        let points = vec![
            at + vec2(-3.2, 0.2),
            at + vec2(-0.8, 2.8),
            at + vec2(3.4, -2.6),
        ];
        painter.add(Shape::line(points, Stroke::new(1.75, theme.panel)));
    } else {
        painter.circle_stroke(at, 6.5, Stroke::new(1.25, theme.text3));
    }
}

/// A transport symbol of 12 px.
pub fn transport(painter: &Painter, at: Pos2, what: Transport, colour: Color32) {
    let triangle = |shift: f32, way: f32| {
        let points = vec![
            at + vec2(shift + 5.0 * way, 0.0),
            at + vec2(shift - 4.0 * way, -5.5),
            at + vec2(shift - 4.0 * way, 5.5),
        ];
        Shape::convex_polygon(points, colour, Stroke::NONE)
    };
    let bar = |x: f32, w: f32| {
        Shape::rect_filled(
            Rect::from_center_size(at + vec2(x, 0.0), vec2(w, 11.0)),
            0.0,
            colour,
        )
    };
    match what {
        Transport::Start => painter.extend([bar(-5.5, 2.0), triangle(1.0, -1.0)]),
        Transport::Back => painter.extend([triangle(-1.5, -1.0), bar(5.5, 1.5)]),
        Transport::Play => painter.extend([triangle(0.5, 1.0)]),
        Transport::Pause => painter.extend([bar(-3.0, 3.0), bar(3.0, 3.0)]),
        Transport::Forward => painter.extend([triangle(1.5, 1.0), bar(-5.5, 1.5)]),
        Transport::End => painter.extend([bar(5.5, 2.0), triangle(-1.0, 1.0)]),
        Transport::Rewind => painter.extend([triangle(-0.5, -1.0)]),
    }
}

/// A small `>` before an action or between the parts of a path.
pub fn chevron_right(painter: &Painter, at: Pos2, size: f32, colour: Color32) {
    let stroke = Stroke::new(1.5, colour);
    painter.line_segment(
        [
            at + vec2(-size * 0.3, -size * 0.5),
            at + vec2(size * 0.3, 0.0),
        ],
        stroke,
    );
    painter.line_segment(
        [
            at + vec2(size * 0.3, 0.0),
            at + vec2(-size * 0.3, size * 0.5),
        ],
        stroke,
    );
}

/// A curve through samples; gaps (not finite) stay gaps.
pub fn series(painter: &Painter, points: impl Iterator<Item = Option<Pos2>>, stroke: Stroke) {
    let mut line: Vec<Pos2> = Vec::new();
    for point in points.chain(std::iter::once(None)) {
        match point {
            Some(p) => line.push(p),
            None if line.len() > 1 => {
                painter.add(Shape::line(std::mem::take(&mut line), stroke));
            }
            None => line.clear(),
        }
    }
}

/// The space between a curve and a level, as one mesh without seams.
pub fn filled(
    painter: &Painter,
    points: impl Iterator<Item = Option<Pos2>>,
    level: f32,
    colour: Color32,
) {
    let mut mesh = egui::Mesh::default();
    let mut joined = false;
    for point in points {
        let Some(p) = point else {
            joined = false;
            continue;
        };
        let next = mesh.vertices.len() as u32;
        mesh.colored_vertex(p, colour);
        mesh.colored_vertex(pos2(p.x, level), colour);
        if joined {
            mesh.add_triangle(next - 2, next - 1, next);
            mesh.add_triangle(next - 1, next, next + 1);
        }
        joined = true;
    }
    painter.add(Shape::mesh(mesh));
}

/// A ground under text, with hard edges so that it does not show by itself.
pub fn plate(painter: &Painter, rect: Rect, colour: Color32) {
    let mut mesh = egui::Mesh::default();
    mesh.add_colored_rect(rect, colour);
    painter.add(Shape::mesh(mesh));
}

/// A horizontal rule.
pub fn rule(painter: &Painter, x: std::ops::RangeInclusive<f32>, y: f32, theme: &Theme) {
    painter.line_segment(
        [pos2(*x.start(), y), pos2(*x.end(), y)],
        Stroke::new(1.0, theme.rule),
    );
}

/// A bar with a range and a pointer: values in their limits.
pub fn gauge(painter: &Painter, rect: Rect, share: f32, limit: f32, theme: &Theme) {
    painter.rect_filled(rect, 0.0, theme.edge);
    let x = |share: f32| rect.min.x + rect.width() * share.clamp(0.0, 1.0);
    painter.line_segment(
        [
            pos2(x(limit), rect.min.y - 3.0),
            pos2(x(limit), rect.max.y + 3.0),
        ],
        Stroke::new(1.0, theme.text2),
    );
    if share.is_finite() {
        let at = pos2(x(share), rect.center().y);
        let points = vec![
            at + vec2(-4.5, -4.0),
            at + vec2(4.5, -4.0),
            at + vec2(0.0, 4.0),
        ];
        painter.add(Shape::convex_polygon(
            points,
            theme.text1,
            Stroke::new(1.0, theme.panel),
        ));
    }
}
