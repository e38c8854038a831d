//! Data exchange (blue) and the ledger (orange) over the map.
//!
//! Power flows, messages hop: each marker stands for a message that the twin
//! reported lately, and moves along its link in wall time.

use egui::{Pos2, Rect, Shape, Stroke, StrokeKind, Vec2, pos2, vec2};
use gridloom_core::view::{HopView, Place, ViewModel};

use super::place::Placed;
use super::space::Space;
use crate::window::theme::Theme;

/// Where the newest block of each ledger is drawn, if it is drawn.
pub type BlockPlaces = Vec<Option<Pos2>>;

/// Place of an end on the screen.
fn place(end: Place, placed: &Placed, blocks: &BlockPlaces) -> Option<Pos2> {
    match end {
        Place::Home(i) => placed.homes.get(i as usize).copied(),
        Place::SharedBattery(i) => placed.batteries.get(i as usize).map(|b| b.1),
        Place::Mlmd(i) => placed.mlmds.get(i as usize).map(|m| m.0),
        Place::Aggregator(i) => placed.aggregators.get(i as usize).copied(),
        Place::Ledger(i) => blocks.get(i as usize).copied().flatten(),
        Place::Cloud => blocks.last().copied().flatten(),
    }
}

/// A curve between two places that bows to one side.
fn bow(a: Pos2, b: Pos2, share: f32) -> Vec<Pos2> {
    let d = b - a;
    let middle = a + d * 0.5 + vec2(-d.y, d.x) * share;
    (0..=24)
        .map(|step| {
            let t = step as f32 / 24.0;
            let (p, q) = (a + (middle - a) * t, middle + (b - middle) * t);
            p + (q - p) * t
        })
        .collect()
}

/// Point at a share of a sampled curve.
fn at_share(points: &[Pos2], share: f32) -> Pos2 {
    let at = share.clamp(0.0, 1.0) * (points.len().saturating_sub(1)) as f32;
    let i = (at as usize).min(points.len().saturating_sub(2));
    let (Some(a), Some(b)) = (points.get(i), points.get(i + 1)) else {
        return points.first().copied().unwrap_or(Pos2::ZERO);
    };
    *a + (*b - *a) * (at - i as f32)
}

/// Links that carried a message lately. A message is gone within a tick;
/// its marker stays long enough to be seen.
#[derive(Debug, Default)]
pub struct Traffic {
    links: Vec<Link>,
}

/// One direction of a link.
#[derive(Debug)]
struct Link {
    from: Place,
    to: Place,
    count: usize,
    /// Motion time until which its markers show, s.
    until_s: f64,
}

/// How long a marker stays after the last message, s.
const LINGER_S: f64 = 2.0;

/// Links kept at once; more than this are not drawn anyway.
const LINKS: usize = 512;

impl Traffic {
    /// Takes note of the messages of a view.
    pub fn note<'a>(&mut self, hops: impl Iterator<Item = &'a HopView>, now_s: f64) {
        self.links.retain(|link| link.until_s > now_s);
        let mut fresh: Vec<(Place, Place, usize)> = Vec::new();
        for hop in hops {
            let shown = matches!(
                (hop.from, hop.to),
                (Place::Mlmd(_), Place::Aggregator(_))
                    | (Place::Aggregator(_), Place::Mlmd(_) | Place::Ledger(_))
            );
            if !shown {
                continue;
            }
            let known = fresh.iter().position(|f| f.0 == hop.from && f.1 == hop.to);
            if let Some(known) = known {
                fresh[known].2 += 1;
            } else if fresh.len() < LINKS {
                fresh.push((hop.from, hop.to, 1));
            }
        }
        for (from, to, count) in fresh {
            let until_s = now_s + LINGER_S;
            let known = self.links.iter_mut().find(|l| l.from == from && l.to == to);
            if let Some(link) = known {
                link.until_s = until_s;
                link.count = link.count.max(count);
            } else if self.links.len() < LINKS {
                self.links.push(Link {
                    from,
                    to,
                    count,
                    until_s,
                });
            }
        }
    }

    /// Messages that went this way lately.
    fn count(&self, from: Place, to: Place) -> usize {
        let link = self.links.iter().find(|l| l.from == from && l.to == to);
        link.map_or(0, |link| link.count)
    }
}

/// Dashed lines M-LMD to LG-Aggregator with a dot per recent message.
pub fn data(
    view: &ViewModel,
    placed: &Placed,
    theme: &Theme,
    traffic: &Traffic,
    motion_s: f64,
    out: &mut Vec<Shape>,
) {
    let none = BlockPlaces::new();
    for (index, mlmd) in view.scene.mlmds.iter().enumerate() {
        let (from, to) = (
            Place::Mlmd(index as u32),
            Place::Aggregator(mlmd.cluster as u32),
        );
        let (Some(a), Some(b)) = (place(from, placed, &none), place(to, placed, &none)) else {
            continue;
        };
        let line = bow(a, b, 0.12);
        out.extend(Shape::dashed_line(
            &line,
            Stroke::new(1.25, theme.data),
            2.0,
            5.0,
        ));
        for (ends, back) in [((from, to), false), ((to, from), true)] {
            let dots = traffic.count(ends.0, ends.1).min(3);
            for dot in 0..dots {
                let share =
                    (motion_s * 0.22 + (dot as f64 + 0.4) / dots as f64).rem_euclid(1.0) as f32;
                let share = if back { 1.0 - share } else { share };
                out.push(Shape::circle_filled(
                    at_share(&line, share),
                    2.0,
                    theme.data,
                ));
            }
        }
    }
}

/// Marks the data lines, so that names keep off them.
pub fn mark(view: &ViewModel, placed: &Placed, space: &mut Space) {
    for (index, mlmd) in view.scene.mlmds.iter().enumerate() {
        let ends = (
            placed.mlmds.get(index),
            placed.aggregators.get(mlmd.cluster),
        );
        if let (Some((a, _)), Some(b)) = ends {
            space.mark_line(&bow(*a, *b, 0.12), 6.0, 1);
        }
    }
}

/// Arcs from each LG-Aggregator to its newest block, a square per transaction.
pub fn ledger(
    view: &ViewModel,
    placed: &Placed,
    theme: &Theme,
    blocks: &BlockPlaces,
    traffic: &Traffic,
    motion_s: f64,
    out: &mut Vec<Shape>,
) {
    let colour = theme.ledger_dim(0.6);
    for (index, _) in view.scene.clusters.iter().enumerate() {
        let (from, to) = (Place::Aggregator(index as u32), Place::Ledger(index as u32));
        let (Some(a), Some(b)) = (place(from, placed, blocks), place(to, placed, blocks)) else {
            continue;
        };
        let line = bow(a - vec2(0.0, 15.0), b + vec2(0.0, 32.0), 0.07);
        out.push(Shape::line(line.clone(), Stroke::new(1.0, colour)));
        let hops = traffic.count(from, to);
        let squares = hops.min(3);
        for square in 0..squares {
            let share =
                (motion_s * 0.16 + (square as f64 + 0.35) / squares as f64).rem_euclid(1.0) as f32;
            let rect = Rect::from_center_size(at_share(&line, share), Vec2::splat(7.0));
            out.push(Shape::rect_filled(rect, 0.0, theme.base));
            out.push(Shape::rect_stroke(
                rect,
                0.0,
                Stroke::new(1.25, theme.ledger_dim(0.8)),
                StrokeKind::Middle,
            ));
        }
    }
}

/// Hexagons of the LG-Aggregators.
pub fn aggregators(placed: &Placed, theme: &Theme, out: &mut Vec<Shape>) {
    let hexagon = |at: Pos2, r: f32| -> Vec<Pos2> {
        (0..6)
            .map(|k| {
                let angle = std::f32::consts::FRAC_PI_3 * k as f32 + std::f32::consts::FRAC_PI_6;
                at + vec2(angle.cos(), angle.sin()) * r
            })
            .collect()
    };
    for at in &placed.aggregators {
        out.push(Shape::convex_polygon(
            hexagon(*at, 15.0),
            theme.base,
            Stroke::NONE,
        ));
        out.push(Shape::closed_line(
            hexagon(*at, 15.0),
            Stroke::new(1.75, theme.ledger_dim(0.8)),
        ));
        out.push(Shape::convex_polygon(
            hexagon(*at, 5.0),
            theme.ledger_dim(0.8),
            Stroke::NONE,
        ));
    }
}

/// One block: edge, and a fill as high as it is full.
pub fn block(
    at: Pos2,
    size: f32,
    fullness: f32,
    strength: f32,
    theme: &Theme,
    out: &mut Vec<Shape>,
) {
    let rect = Rect::from_center_size(at, Vec2::splat(size));
    let colour = theme.ledger_dim(strength);
    out.push(Shape::rect_filled(rect, 0.0, theme.base));
    out.push(Shape::rect_stroke(
        rect,
        0.0,
        Stroke::new(1.5, colour),
        StrokeKind::Inside,
    ));
    // An empty block stays hollow; anything in it shows.
    if fullness.is_nan() || fullness <= 0.0 {
        return;
    }
    let inside = rect.shrink(4.0);
    let full = if fullness.is_finite() {
        fullness.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let top = inside.max.y - inside.height() * full.max(0.12);
    out.push(Shape::rect_filled(
        Rect::from_min_max(pos2(inside.min.x, top), inside.max),
        0.0,
        colour,
    ));
}
