//! Where everything stands on the screen for one camera.

use std::collections::BTreeMap;

use egui::{Pos2, Rect, Vec2, pos2, vec2};
use gridloom_core::view::SceneView;

use super::camera::{CLOSE_PX_PER_M, Detail, HOUSE_M, Transform};
use super::net::Net;
use super::space::Space;
use crate::window::state::MapCamera;

/// A transformer's symbol: the bus it feeds, and its drawing line to the side.
#[derive(Clone, Debug)]
pub struct TransformerPlace {
    /// Feeding point on the map.
    pub bus: Pos2,
    /// Middle of the two circles.
    pub circles: Pos2,
    /// Middle of the upstream bar.
    pub bar: Pos2,
}

/// Everything in pixels.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The transform used.
    pub transform: Transform,
    /// Level of detail.
    pub detail: Detail,
    /// Edge of a house, px.
    pub house_px: f32,
    /// Customers as points whatever the scale.
    pub dots: bool,
    /// Scale of ribbons and chevrons: thinner where the streets are close.
    pub strength: f32,
    /// Simplified points per run.
    pub runs: Vec<Vec<Pos2>>,
    /// For each simplified point, the index of its bus within the run.
    pub run_buses: Vec<Vec<usize>>,
    /// Per home.
    pub homes: Vec<Pos2>,
    /// Per M-LMD: place and direction of the conductor.
    pub mlmds: Vec<(Pos2, Vec2)>,
    /// Per shared battery: connection and symbol.
    pub batteries: Vec<(Pos2, Pos2)>,
    /// Per transformer.
    pub transformers: Vec<TransformerPlace>,
    /// Per cluster.
    pub aggregators: Vec<Pos2>,
}

/// Where symbols without a surveyed place stand; found once for the fitted
/// camera, so that they do not wander when the camera moves.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// Per shared battery: its symbol from its bus, px.
    batteries_px: Vec<Vec2>,
    /// Per cluster: its LG-Aggregator, m.
    aggregators_m: Vec<(f64, f64)>,
}

/// Layers of the paper's architecture, from the ground up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Grid infrastructure layer.
    Grid = 0,
    /// Edge computing layer.
    Edge = 1,
    /// Cloud computing layer.
    Cloud = 2,
    /// Distributed ledger overlay.
    Ledger = 3,
}

/// Size of the shared battery's symbol, px.
pub const BATTERY_SIZE: Vec2 = vec2(40.0, 28.0);

/// The camera that shows everything inside `area`.
pub fn fit(net: &Net, area: Rect) -> MapCamera {
    let (lo, hi) = net.bounds_m;
    let size = ((hi.0 - lo.0).max(1.0), (hi.1 - lo.1).max(1.0));
    let scale = (f64::from(area.width().max(40.0)) / size.0)
        .min(f64::from(area.height().max(40.0)) / size.1);
    MapCamera {
        centre_m: ((lo.0 + hi.0) * 0.5, (lo.1 + hi.1) * 0.5),
        px_per_m: scale.clamp(0.05, 200.0),
    }
}

impl Placed {
    /// Places everything for one camera.
    ///
    /// `anchors` are the free places found for another camera; without them
    /// they are looked for.
    pub fn build(
        scene: &SceneView,
        net: &Net,
        transform: Transform,
        old: Option<Detail>,
        anchors: Option<&Anchors>,
    ) -> Self {
        let house_m_px = HOUSE_M * transform.camera.px_per_m;
        let detail = Detail::of(house_m_px, old);
        let house_px = (house_m_px as f32)
            .clamp(8.0, 17.0)
            .max((house_m_px as f32 * 0.42).min(30.0));
        let mut placed = Self {
            transform,
            detail,
            house_px,
            dots: transform.ground.layers > 0.5,
            strength: ((transform.camera.px_per_m / CLOSE_PX_PER_M).clamp(0.55, 1.0)
                * (1.0 - 0.4 * transform.ground.layers)) as f32,
            runs: Vec::new(),
            run_buses: Vec::new(),
            homes: Vec::new(),
            mlmds: Vec::new(),
            batteries: Vec::new(),
            transformers: Vec::new(),
            aggregators: Vec::new(),
        };
        let at = |bus: usize| transform.px(scene.buses.get(bus).map_or((0.0, 0.0), |b| b.pos_m));
        for run in &net.runs {
            let points: Vec<Pos2> = run.buses.iter().map(|&bus| at(bus)).collect();
            let keep = simplify(&points, 0.4);
            placed.runs.push(keep.iter().map(|&i| points[i]).collect());
            placed.run_buses.push(keep);
        }
        placed.place_homes(scene, net);
        placed.mlmds = scene
            .mlmds
            .iter()
            .map(|m| (at(m.bus), placed.direction(net, m.line)))
            .collect();
        placed.part_mlmds();
        placed.transformers = scene
            .transformers
            .iter()
            .map(|t| beside(net, transform, at(t.to)))
            .collect();
        if let Some(anchors) = anchors {
            placed.batteries = scene
                .shared_batteries
                .iter()
                .zip(&anchors.batteries_px)
                .map(|(battery, offset)| {
                    let bus = at(battery.bus);
                    let flat = vec2(1.0, transform.ground.squash as f32);
                    (bus, bus + *offset * flat)
                })
                .collect();
            placed.aggregators = anchors
                .aggregators_m
                .iter()
                .map(|m| transform.px(*m) - placed.lift(Plane::Edge))
                .collect();
        } else {
            let mut space = placed.obstacles();
            placed.place_batteries(scene, &mut space, at);
            placed.place_aggregators(scene, &mut space);
        }
        placed
    }

    /// How far a plane lies above the ground, px.
    pub fn lift(&self, plane: Plane) -> Vec2 {
        let ground = &self.transform.ground;
        // The ground is drawn `drop_px` below the middle of the world; four planes
        // two thirds of that apart fill it.
        let pitch = ground.drop_px as f32 * 0.66;
        vec2(0.0, pitch * plane as u8 as f32)
    }

    /// The free places found here, for other cameras.
    pub fn anchors(&self) -> Anchors {
        Anchors {
            batteries_px: self.batteries.iter().map(|(bus, at)| *at - *bus).collect(),
            aggregators_m: self
                .aggregators
                .iter()
                .map(|at| self.transform.metres(*at))
                .collect(),
        }
    }

    /// Direction of the conductor at a line, as a unit vector on the screen.
    fn direction(&self, net: &Net, line: usize) -> Vec2 {
        let points = net
            .run_of_line
            .get(line)
            .and_then(|&run| self.runs.get(run))
            .filter(|points| points.len() > 1);
        let Some(points) = points else {
            return vec2(1.0, 0.0);
        };
        // The first segments may be shorter than a pixel; look 12 px ahead.
        let far = points.iter().find(|p| (**p - points[0]).length() > 12.0);
        let far = far.or(points.last()).copied().unwrap_or(points[0]);
        let along = (far - points[0]).normalized();
        if along.length() > 0.5 {
            along
        } else {
            vec2(1.0, 0.0)
        }
    }

    /// Breakers of two branches of one junction move along their own branch.
    fn part_mlmds(&mut self) {
        let places: Vec<Pos2> = self.mlmds.iter().map(|m| m.0).collect();
        for (index, (at, along)) in self.mlmds.iter_mut().enumerate() {
            let shared = places
                .iter()
                .enumerate()
                .any(|(k, p)| k != index && (*p - *at).length() < 15.0);
            if shared {
                *at += *along * 13.0;
            }
        }
    }

    /// Puts houses at the end of their connection and pushes them apart.
    fn place_homes(&mut self, scene: &SceneView, net: &Net) {
        let gap = self.house_px * 0.62;
        self.homes = scene
            .homes
            .iter()
            .enumerate()
            .map(|(index, home)| {
                let bus = self
                    .transform
                    .px(scene.buses.get(home.bus).map_or((0.0, 0.0), |b| b.pos_m));
                let (dx, dy) = net.home_dir.get(index).copied().unwrap_or((0.0, 1.0));
                bus + vec2(dx as f32, -dy as f32) * gap
            })
            .collect();
        let apart = self.house_px * 1.5;
        // Only houses of neighbouring cells can be too near each other.
        let cell = |at: Pos2| ((at.x / apart).floor() as i32, (at.y / apart).floor() as i32);
        for _ in 0..12 {
            let mut cells: BTreeMap<(i32, i32), Vec<usize>> = BTreeMap::new();
            for (index, at) in self.homes.iter().enumerate() {
                cells.entry(cell(*at)).or_default().push(index);
            }
            let mut moved = false;
            for a in 0..self.homes.len() {
                let (x, y) = cell(self.homes[a]);
                for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
                    let near = cells.get(&(x + dx, y + dy)).into_iter().flatten();
                    for &b in near.filter(|&&b| b > a) {
                        moved |= self.push_apart(a, b, apart);
                    }
                }
            }
            if !moved {
                break;
            }
        }
    }

    /// Moves two houses away from each other; returns whether they were too near.
    fn push_apart(&mut self, a: usize, b: usize, apart: f32) -> bool {
        let d = self.homes[b] - self.homes[a];
        let length = d.length();
        if length >= apart {
            return false;
        }
        // Two customers on one bus stand side by side.
        let way = if length > 0.5 {
            d / length
        } else {
            vec2(1.0, 0.0)
        };
        let push = way * ((apart - length) * 0.26);
        self.homes[a] -= push;
        self.homes[b] += push;
        true
    }

    /// The drawing so far, as occupied space around everything.
    fn obstacles(&self) -> Space {
        let mut area = Rect::NOTHING;
        for point in self.runs.iter().flatten().chain(&self.homes) {
            area.extend_with(*point);
        }
        if !area.is_finite() || !area.is_positive() {
            area = Rect::from_center_size(self.transform.middle, Vec2::splat(400.0));
        }
        let mut space = Space::new(area.expand(160.0));
        self.mark(&mut space, 14.0);
        space
    }

    /// Marks conductors, houses and symbols.
    pub fn mark(&self, space: &mut Space, ribbon_px: f32) {
        for points in &self.runs {
            space.mark_line(points, ribbon_px, 1);
        }
        for home in &self.homes {
            space.mark(
                Rect::from_center_size(*home, Vec2::splat(self.house_px + 6.0)),
                2,
            );
            let bar = *home + vec2(self.house_px * 0.5 + 6.0, 0.0);
            space.mark(
                Rect::from_center_size(bar, vec2(8.0, self.house_px + 8.0)),
                2,
            );
        }
        for (at, _) in &self.mlmds {
            space.mark(Rect::from_center_size(*at, Vec2::splat(22.0)), 2);
        }
        for t in &self.transformers {
            space.mark(
                Rect::from_two_pos(t.bar, t.circles).expand2(vec2(26.0, 40.0)),
                2,
            );
            space.mark_line(&[t.bar, t.bus], 12.0, 2);
        }
        for (from, at) in &self.batteries {
            space.mark_line(&[*from, *at], 8.0, 1);
            space.mark(
                Rect::from_center_size(*at, BATTERY_SIZE + vec2(8.0, 6.0)),
                2,
            );
        }
        for at in &self.aggregators {
            space.mark(Rect::from_center_size(*at, Vec2::splat(34.0)), 2);
        }
    }

    fn place_batteries(
        &mut self,
        scene: &SceneView,
        space: &mut Space,
        at: impl Fn(usize) -> Pos2,
    ) {
        for battery in &scene.shared_batteries {
            let bus = at(battery.bus);
            let symbol = space
                .place(bus, BATTERY_SIZE + vec2(12.0, 10.0), 24.0, 120.0)
                .map_or(bus + vec2(46.0, 0.0), |rect| rect.center());
            space.mark(
                Rect::from_center_size(symbol, BATTERY_SIZE + vec2(12.0, 10.0)),
                2,
            );
            // Its chip stands beside it.
            space.mark(
                Rect::from_center_size(symbol + vec2(90.0, 0.0), vec2(140.0, 24.0)),
                1,
            );
            self.batteries.push((bus, symbol));
        }
    }

    fn place_aggregators(&mut self, scene: &SceneView, space: &mut Space) {
        for cluster in &scene.clusters {
            let wish = self.transform.px(cluster.pos_m);
            let size = vec2(120.0, 44.0);
            let rect = space.place(wish, size, -30.0, 320.0);
            // The hexagon stands at the left of the free box, its name at the right.
            let at = rect.map_or(wish, |rect| pos2(rect.min.x + 24.0, rect.center().y));
            let at = space.inside(at, 28.0);
            space.mark(rect.unwrap_or(Rect::from_center_size(at, size)), 2);
            self.aggregators.push(at);
        }
    }
}

/// The transformer stands on the side of its bus that has no network.
fn beside(net: &Net, transform: Transform, bus: Pos2) -> TransformerPlace {
    let (lo, hi) = net.bounds_m;
    let middle = transform.px(((lo.0 + hi.0) * 0.5, (lo.1 + hi.1) * 0.5));
    let side = if middle.x >= bus.x { -1.0 } else { 1.0 };
    TransformerPlace {
        bus,
        circles: bus + vec2(82.0 * side, 0.0),
        bar: bus + vec2(150.0 * side, 0.0),
    }
}

/// Indices of the points that keep the line within `tolerance` px (Douglas and
/// Peucker 1973), first and last always.
pub fn simplify(points: &[Pos2], tolerance: f32) -> Vec<usize> {
    if points.len() < 3 {
        return (0..points.len()).collect();
    }
    let mut keep = vec![false; points.len()];
    keep[0] = true;
    keep[points.len() - 1] = true;
    let mut stack = vec![(0, points.len() - 1)];
    while let Some((first, last)) = stack.pop() {
        let (a, b) = (points[first], points[last]);
        let length = (b - a).length();
        let far = (first + 1..last)
            .map(|i| {
                let p = points[i] - a;
                let off = if length > 1e-3 {
                    ((b - a).x * p.y - (b - a).y * p.x).abs() / length
                } else {
                    p.length()
                };
                (off, i)
            })
            .max_by(|x, y| x.0.total_cmp(&y.0));
        if let Some((off, i)) = far.filter(|far| far.0 > tolerance) {
            let _ = off;
            keep[i] = true;
            stack.push((first, i));
            stack.push((i, last));
        }
    }
    (0..points.len()).filter(|&i| keep[i]).collect()
}
