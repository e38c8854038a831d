//! Power along the conductors: halo, ribbon and chevrons.
//!
//! Width and chevron size carry the magnitude, the chevron the direction and
//! the grey the loading, so a still picture tells everything; motion only
//! repeats it.

use egui::{Color32, Pos2, Shape, Stroke, Vec2};
use gridloom_core::view::ViewModel;

use super::net::{Net, Run};
use super::place::Placed;
use crate::window::theme::Theme;

/// Distance between chevrons along a conductor, px.
const SPACING: f32 = 58.0;

/// What a run carries now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Power along the run, kW; negative against it.
    pub p_kw: f64,
    /// Worst loading, 0...
    pub loading: f64,
    /// Whether all of it is energised.
    pub live: bool,
}

/// Reads the flow of a run; missing values count as dead.
pub fn flow(view: &ViewModel, run: &Run) -> Flow {
    let middle = run.lines.len() / 2;
    let value = |values: &[f64], line: usize| values.get(line).copied().filter(|v| v.is_finite());
    let p = run
        .lines
        .get(middle)
        .and_then(|&line| value(&view.grid.line_p_kw, line))
        .unwrap_or(0.0);
    Flow {
        p_kw: if run.along.get(middle) == Some(&false) {
            -p
        } else {
            p
        },
        loading: run
            .lines
            .iter()
            .filter_map(|&line| value(&view.grid.line_loading, line))
            .fold(0.0, f64::max),
        live: run
            .lines
            .iter()
            .all(|&line| view.grid.line_live.get(line).copied().unwrap_or(false)),
    }
}

/// Ribbon width of a power, px.
pub fn width(p_kw: f64) -> f32 {
    (1.75 * p_kw.abs().sqrt()).clamp(1.0, 14.0) as f32
}

/// Chevron size of a power on a ribbon, px; `None` where there is none.
pub fn chevron_size(flow: Flow) -> Option<f32> {
    let kw = flow.p_kw.abs();
    if !flow.live || kw < 0.02 || flow.loading < 0.005 {
        return None;
    }
    let size: f32 = match kw {
        kw if kw < 2.5 => 6.5,
        kw if kw < 8.0 => 8.5,
        kw if kw < 20.0 => 12.0,
        kw if kw < 45.0 => 16.0,
        _ => 20.0,
    };
    Some(size.max(width(kw) + 5.0))
}

/// Chevron speed in wall time, px/s.
pub fn speed(flow: Flow) -> f32 {
    (6.0 + 18.0 * libm::log10(1.0 + 100.0 * flow.loading.max(0.0))).min(60.0) as f32
}

/// Halo of the voltage under the conductors.
pub fn halo(view: &ViewModel, net: &Net, placed: &Placed, theme: &Theme, out: &mut Vec<Shape>) {
    let main = 18.0 * placed.strength;
    for ((run, points), kept) in net.runs.iter().zip(&placed.runs).zip(&placed.run_buses) {
        // An unused stub has no customer whose voltage could matter.
        if flow(view, run).p_kw.abs() < 1e-3 {
            continue;
        }
        // Customers' own lines stay slimmer than the street's.
        let width = if run.service { main * 0.67 } else { main };
        for (pair, ends) in points.windows(2).zip(kept.windows(2)) {
            let v = |end: usize| {
                let bus = run.buses.get(end)?;
                view.grid.bus_v_pu.get(*bus).copied().flatten()
            };
            let (Some(a), Some(b)) = (v(ends[0]), v(ends[1])) else {
                continue;
            };
            if let Some(colour) = theme.voltage((a + b) * 0.5) {
                out.push(Shape::line_segment(
                    [pair[0], pair[1]],
                    Stroke::new(width, colour),
                ));
                out.push(Shape::circle_filled(pair[0], width * 0.5, colour));
                out.push(Shape::circle_filled(pair[1], width * 0.5, colour));
            }
        }
    }
}

/// The conductors, small flows first so that large ones stay whole.
pub fn ribbons(
    flows: &[Flow],
    net: &Net,
    placed: &Placed,
    theme: &Theme,
    power: bool,
    out: &mut Vec<Shape>,
) {
    let mut order: Vec<usize> = (0..net.runs.len().min(flows.len())).collect();
    order.sort_by(|&a, &b| flows[a].p_kw.abs().total_cmp(&flows[b].p_kw.abs()));
    for (dead, live) in [(true, false), (false, true)] {
        for &index in &order {
            let (flow, points) = (flows[index], &placed.runs[index]);
            if points.len() < 2 || flow.live != live {
                continue;
            }
            if dead {
                dashed(points, net.runs[index].service, theme, out);
                continue;
            }
            let w = if power {
                (width(flow.p_kw) * placed.strength).max(1.0)
            } else {
                1.0
            };
            let colour = if power {
                theme.ribbon(flow.loading)
            } else {
                theme.dead
            };
            out.push(Shape::line(
                points.clone(),
                Stroke::new(w + 3.0, theme.base),
            ));
            thick_line(points, w, colour, out);
        }
    }
}

/// A line with round ends and joints.
pub fn thick_line(points: &[Pos2], width: f32, colour: Color32, out: &mut Vec<Shape>) {
    out.push(Shape::line(points.to_vec(), Stroke::new(width, colour)));
    if width > 2.0 {
        for point in points {
            out.push(Shape::circle_filled(*point, width * 0.5, colour));
        }
    }
}

/// A conductor without supply.
pub fn dashed(points: &[Pos2], service: bool, theme: &Theme, out: &mut Vec<Shape>) {
    let (w, dash, gap) = if service {
        (1.25, 3.0, 3.0)
    } else {
        (2.0, 6.0, 5.0)
    };
    out.extend(Shape::dashed_line(
        points,
        Stroke::new(w, theme.dead),
        dash,
        gap,
    ));
}

/// Lengths along a polyline.
fn cumulative(points: &[Pos2]) -> Vec<f32> {
    let mut sum = 0.0;
    let mut out = Vec::with_capacity(points.len());
    out.push(0.0);
    for pair in points.windows(2) {
        sum += (pair[1] - pair[0]).length();
        out.push(sum);
    }
    out
}

/// Place and direction at a length along a polyline.
pub fn along(points: &[Pos2], lengths: &[f32], at: f32) -> Option<(Pos2, Vec2)> {
    let next = lengths.iter().position(|&l| l >= at)?.max(1);
    let (a, b) = (*points.get(next - 1)?, *points.get(next)?);
    let length = (b - a).length();
    if length <= 0.0 {
        return None;
    }
    let dir = (b - a) / length;
    Some((a + dir * (at - lengths[next - 1]), dir))
}

/// An arrow head: run, place, direction, size.
type Head = (usize, Pos2, Vec2, f32);

/// Moving arrow heads, kept clear of breakers.
pub fn chevrons(
    flows: &[Flow],
    net: &Net,
    placed: &Placed,
    theme: &Theme,
    phase: &[f32],
    out: &mut Vec<Shape>,
) {
    for (_, tip, dir, size) in heads(flows, net, placed, phase).into_iter().rev() {
        arrow_head(tip, dir, size, theme.chevron, theme.base, out);
    }
}

/// Runs above 1 % of their rating that show their direction in a still
/// picture, and all of them that are long enough to show anything.
pub fn readable(flows: &[Flow], net: &Net, placed: &Placed) -> (usize, usize) {
    let heads = heads(flows, net, placed, &[]);
    let (mut shown, mut all) = (0, 0);
    for (index, (flow, points)) in flows.iter().zip(&placed.runs).enumerate() {
        let long = cumulative(points).last().copied().unwrap_or(0.0);
        let Some(size) = chevron_size(*flow).map(|s| s * placed.strength) else {
            continue;
        };
        if flow.loading > 0.01 && long >= size * 2.0 {
            all += 1;
            // A head of a neighbour within reach tells the same flow.
            let near = |(run, at, ..): &Head| {
                *run == index || points.iter().any(|p| (*p - *at).length() < 24.0)
            };
            shown += usize::from(heads.iter().any(near));
        }
    }
    (shown, all)
}

/// Where the heads stand.
fn heads(flows: &[Flow], net: &Net, placed: &Placed, phase: &[f32]) -> Vec<Head> {
    let mut order: Vec<usize> = (0..net.runs.len().min(flows.len())).collect();
    order.sort_by(|&a, &b| flows[b].p_kw.abs().total_cmp(&flows[a].p_kw.abs()));
    let mut heads: Vec<Head> = Vec::new();
    let mut crowd = Crowd::default();
    for index in order {
        let flow = flows[index];
        let Some(size) = chevron_size(flow).map(|size| size * placed.strength) else {
            continue;
        };
        let points = &placed.runs[index];
        let lengths = cumulative(points);
        let total = lengths.last().copied().unwrap_or(0.0);
        // Too short to point anywhere: the neighbours tell the same flow.
        if total < size * 1.1 {
            continue;
        }
        let moved = phase.get(index).copied().unwrap_or(0.0);
        let strand = (net.runs[index].strand_m * placed.transform.camera.px_per_m) as f32;
        for at in places(total, strand, moved) {
            let Some((tip, dir)) = along(points, &lengths, at) else {
                continue;
            };
            let near_breaker = placed
                .mlmds
                .iter()
                .any(|(m, _)| (*m - tip).length() < 9.0 + size * 0.4);
            // Where two runs meet, the larger flow's head stands for both.
            if near_breaker || !crowd.take(tip, size) {
                continue;
            }
            let dir = if flow.p_kw < 0.0 { -dir } else { dir };
            heads.push((index, tip, dir, size));
        }
    }
    heads
}

/// Places taken by heads, by cells of the picture, so that thousands of heads
/// are compared with their neighbours only.
#[derive(Default)]
struct Crowd(std::collections::BTreeMap<(i32, i32), Vec<(Pos2, f32)>>);

impl Crowd {
    /// Edge of a cell: two largest heads and their distance.
    const CELL: f32 = 32.0;

    /// Takes a place, unless another head is too near.
    fn take(&mut self, at: Pos2, size: f32) -> bool {
        let cell = |v: f32| (v / Self::CELL).floor() as i32;
        let (x, y) = (cell(at.x), cell(at.y));
        for dx in -1..=1 {
            for dy in -1..=1 {
                let near = self.0.get(&(x + dx, y + dy)).into_iter().flatten();
                for (other, other_size) in near {
                    if (*other - at).length() < (size + other_size) * 0.5 + 5.0 {
                        return false;
                    }
                }
            }
        }
        self.0.entry((x, y)).or_default().push((at, size));
        true
    }
}

/// Distances along a run of `total` px at which chevrons stand.
fn places(total: f32, strand: f32, moved: f32) -> Vec<f32> {
    if total < SPACING {
        return vec![(total * 0.5 + moved).rem_euclid(total)];
    }
    let first = (SPACING * 0.5 - strand + moved).rem_euclid(SPACING);
    let mut out = Vec::new();
    let mut at = first;
    // A run never holds more than fit into the largest world.
    while at < total && out.len() < 2_000 {
        out.push(at);
        at += SPACING;
    }
    out
}

/// An arrow head with a notch: points along `dir` with its middle at `at`.
pub fn arrow_head(
    at: Pos2,
    dir: Vec2,
    size: f32,
    fill: Color32,
    edge: Color32,
    out: &mut Vec<Shape>,
) {
    let across = Vec2::new(-dir.y, dir.x);
    let p = |x: f32, y: f32| at + dir * (x * size) + across * (y * size);
    let (tip, notch) = (p(0.55, 0.0), p(-0.22, 0.0));
    let (up, down) = (p(-0.48, 0.42), p(-0.48, -0.42));
    out.push(Shape::closed_line(
        vec![tip, up, notch, down],
        Stroke::new(3.0, edge),
    ));
    // Two convex halves that overlap by a hair, so no seam shows.
    let hair = across * 0.35;
    for (wing, shift) in [(up, -hair), (down, hair)] {
        out.push(Shape::convex_polygon(
            vec![tip + shift, wing, notch + shift],
            fill,
            Stroke::NONE,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_speed_grow_with_the_flow() {
        let flow = |p_kw, loading| Flow {
            p_kw,
            loading,
            live: true,
        };
        assert_eq!(width(0.0), 1.0);
        assert!((width(16.0) - 7.0).abs() < 1e-6);
        assert_eq!(width(1_000.0), 14.0);
        assert_eq!(chevron_size(flow(1.0, 0.004)), None);
        assert_eq!(chevron_size(flow(1.0, 0.02)), Some(6.75));
        assert_eq!(chevron_size(flow(-30.0, 0.5)), Some(16.0));
        assert!(speed(flow(5.0, 0.1)) < speed(flow(5.0, 0.4)));
        assert!(speed(flow(5.0, 1e9)) <= 60.0);
    }

    #[test]
    fn every_long_run_shows_its_direction() {
        for total in [20.0, 57.0, 58.0, 59.0, 400.0] {
            for moved in [0.0, 13.0, 570.0, -20.0] {
                let at = places(total, 31.0, moved);
                assert!(!at.is_empty());
                assert!(
                    at.iter().all(|&a| a >= 0.0 && a < total),
                    "{total} {moved} {at:?}"
                );
            }
        }
    }
}
