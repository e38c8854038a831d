//! What is under the pointer, and what Tab visits.

use egui::{Pos2, Rect, vec2};
use gridloom_core::view::{SceneView, Selected};

use super::net::Net;
use super::place::{BATTERY_SIZE, Placed};

/// The entity at a point, symbols before conductors.
pub fn at(point: Pos2, net: &Net, placed: &Placed) -> Option<Selected> {
    let near = |places: &mut dyn Iterator<Item = Pos2>, reach: f32| -> Option<usize> {
        places
            .enumerate()
            .map(|(i, p)| (i, (p - point).length()))
            .filter(|(_, d)| *d <= reach)
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(i, _)| i)
    };
    if let Some(i) = near(&mut placed.mlmds.iter().map(|m| m.0), 14.0) {
        return Some(Selected::Mlmd(i));
    }
    for (i, (_, middle)) in placed.batteries.iter().enumerate() {
        if Rect::from_center_size(*middle, BATTERY_SIZE + vec2(6.0, 6.0)).contains(point) {
            return Some(Selected::SharedBattery(i));
        }
    }
    if let Some(i) = near(&mut placed.aggregators.iter().copied(), 17.0) {
        return Some(Selected::Aggregator(i));
    }
    if let Some(i) = near(
        &mut placed.homes.iter().copied(),
        (placed.house_px * 0.75).max(9.0),
    ) {
        return Some(Selected::Home(i));
    }
    if let Some(i) = near(&mut placed.transformers.iter().map(|t| t.circles), 28.0) {
        return Some(Selected::Transformer(i));
    }
    conductor(point, net, placed)
}

/// The conductor within 7 px of a point.
fn conductor(point: Pos2, net: &Net, placed: &Placed) -> Option<Selected> {
    let mut best: Option<(f32, usize)> = None;
    for ((run, points), kept) in net.runs.iter().zip(&placed.runs).zip(&placed.run_buses) {
        for (pair, ends) in points.windows(2).zip(kept.windows(2)) {
            let d = pair[1] - pair[0];
            let share = ((point - pair[0]).dot(d) / d.length_sq().max(1e-6)).clamp(0.0, 1.0);
            let off = (point - (pair[0] + d * share)).length();
            let step = (ends[1] - ends[0]) as f32 * share;
            let line = run
                .lines
                .get(ends[0] + (step as usize).min(ends[1] - ends[0] - 1));
            if let Some(&line) =
                line.filter(|_| off <= 7.0 && best.is_none_or(|(old, _)| off < old))
            {
                best = Some((off, line));
            }
        }
    }
    best.map(|(_, line)| Selected::Line(line))
}

/// Everything Tab visits, in a fixed order.
pub fn tab_order(scene: &SceneView) -> Vec<Selected> {
    let mlmds = (0..scene.mlmds.len()).map(Selected::Mlmd);
    let batteries = (0..scene.shared_batteries.len()).map(Selected::SharedBattery);
    let aggregators = (0..scene.clusters.len()).map(Selected::Aggregator);
    let transformers = (0..scene.transformers.len()).map(Selected::Transformer);
    let homes = (0..scene.homes.len()).map(Selected::Home);
    transformers
        .chain(mlmds)
        .chain(batteries)
        .chain(aggregators)
        .chain(homes)
        .collect()
}

/// Name of an entity, for titles and the palette.
pub fn name(scene: &SceneView, what: Selected) -> String {
    let named = |name: Option<&String>| name.cloned().unwrap_or_else(|| "unknown".to_owned());
    match what {
        Selected::Home(i) => named(scene.homes.get(i).map(|h| &h.id)),
        Selected::SharedBattery(i) => named(scene.shared_batteries.get(i).map(|b| &b.id)),
        Selected::Mlmd(i) => named(scene.mlmds.get(i).map(|m| &m.id)),
        Selected::Aggregator(i) => named(scene.clusters.get(i).map(|c| &c.aggregator)),
        Selected::Transformer(i) => named(scene.transformers.get(i).map(|t| &t.name)),
        Selected::Line(i) => named(scene.lines.get(i).map(|l| &l.name)),
        Selected::Block(ledger, height) => {
            let id = scene.clusters.get(ledger).map_or("root", |c| c.id.as_str());
            format!("{id} {height}")
        }
        Selected::Transaction(ledger, height, index) => {
            let id = scene.clusters.get(ledger).map_or("root", |c| c.id.as_str());
            format!("{id} {height}, no. {}", index + 1)
        }
    }
}
