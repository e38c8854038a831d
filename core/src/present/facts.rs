//! Facts of the scene for the map: positions, runs of conductors, areas.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy::prelude::*;
use gridloom_model::grid::{GridCase, LineEnd};
use gridloom_model::scene::{Layout, LoadedScene};
use gridloom_units::DeviceId;

use crate::spawn::{Organisation, duration_ms};
use crate::view::{
    BusView, ClusterView, HomeView, LineView, MlmdView, SceneView, SharedBatteryView,
    TransformerView,
};

/// The static half of the view; made once per load.
#[derive(Resource, Clone)]
pub struct SceneFacts(Arc<SceneView>);

impl SceneFacts {
    /// From a loaded scene.
    #[must_use]
    pub fn new(loaded: &LoadedScene, organisation: &Organisation) -> Self {
        let scene = &loaded.scene;
        let grid = &loaded.grid;
        let index: BTreeMap<&str, usize> = grid
            .buses
            .iter()
            .enumerate()
            .map(|(i, bus)| (bus.id.as_str(), i))
            .collect();
        let bus_of = |id: &str| index.get(id).copied().unwrap_or(0);
        let mut view = SceneView {
            title: scene.title.clone(),
            objective: scene.objective.clone(),
            date: scene.date.clone(),
            tick_ms: scene.tick_ms,
            duration_ms: duration_ms(scene),
            slot_ms: u64::from(scene.market.slot_min) * 60_000,
            reading_ms: u64::from(scene.market.reading_s) * 1_000,
            buses: buses(grid, &scene.layout),
            lines: lines(grid, &bus_of),
            transformers: transformers(grid, &bus_of),
            load_law: load_law(grid),
            ..SceneView::default()
        };
        let supplied: Vec<usize> = loaded.refs.homes.iter().map(|home| home.bus).collect();
        trace(&mut view, grid, &bus_of, &supplied);
        place_unsurveyed(&mut view, grid, &bus_of);
        homes(&mut view, loaded, organisation);
        mlmds(&mut view, loaded, organisation, &bus_of);
        clusters(&mut view, loaded);
        let ledgers = scene.clusters.iter().map(|c| c.ledger).chain([scene.root]);
        let validators: Vec<u32> = ledgers.map(|ledger| ledger.validators).collect();
        view.catalogue = crate::record::alarm_rows(organisation, &validators);
        Self(Arc::new(view))
    }

    /// Shared access.
    #[must_use]
    pub fn view(&self) -> Arc<SceneView> {
        Arc::clone(&self.0)
    }
}

/// Bus positions, m, centred and turned as the layout says.
fn buses(grid: &GridCase, layout: &Layout) -> Vec<BusView> {
    let known: Vec<(f64, f64)> = grid.buses.iter().filter_map(|bus| bus.xy).collect();
    let span = |of: fn(&(f64, f64)) -> f64| {
        let low = known.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = known.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        if low.is_finite() {
            (low + high) / 2.0
        } else {
            0.0
        }
    };
    let (cx, cy) = (span(|p| p.0), span(|p| p.1));
    let angle = layout.rotate_deg.to_radians();
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    grid.buses
        .iter()
        .map(|bus| {
            let (x, y) = bus.xy.map_or((0.0, 0.0), |(x, y)| (x - cx, y - cy));
            let x = if layout.mirror { -x } else { x };
            BusView {
                name: bus.id.clone(),
                pos_m: (x * cos - y * sin, x * sin + y * cos),
                surveyed: bus.xy.is_some(),
                v_nominal: bus.kv_ln * 1_000.0,
            }
        })
        .collect()
}

fn lines(grid: &GridCase, bus_of: &dyn Fn(&str) -> usize) -> Vec<LineView> {
    let ratings: BTreeMap<&str, f64> = grid
        .line_codes
        .iter()
        .map(|code| (code.id.as_str(), code.norm_amps))
        .collect();
    grid.lines
        .iter()
        .map(|line| LineView {
            name: line.id.clone(),
            from: bus_of(&line.from.bus),
            to: bus_of(&line.to.bus),
            length_m: line.km * 1_000.0,
            rating_a: line
                .norm_amps
                .or_else(|| ratings.get(line.code.as_str()).copied())
                .unwrap_or(0.0),
            ..LineView::default()
        })
        .collect()
}

fn transformers(grid: &GridCase, bus_of: &dyn Fn(&str) -> usize) -> Vec<TransformerView> {
    grid.transformers
        .iter()
        .filter(|transformer| transformer.windings.len() >= 2)
        .map(|transformer| {
            let (first, second) = (&transformer.windings[0], &transformer.windings[1]);
            TransformerView {
                name: transformer.id.to_uppercase(),
                from: bus_of(&first.at.bus),
                to: bus_of(&second.at.bus),
                rating_kva: first.kva,
                kv_from: first.kv,
                kv_to: second.kv,
            }
        })
        .collect()
}

fn load_law(grid: &GridCase) -> String {
    match grid.loads.first() {
        Some(load) => format!("{:?} within {:?}", load.law, load.band),
        None => "no loads".into(),
    }
}

/// Walks the network from its sources: depth, conductor runs, service drops.
fn trace(
    view: &mut SceneView,
    grid: &GridCase,
    bus_of: &dyn Fn(&str) -> usize,
    supplied: &[usize],
) {
    let count = view.buses.len();
    let mut at_bus: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (i, line) in view.lines.iter().enumerate() {
        at_bus[line.from].push(i);
        at_bus[line.to].push(i);
    }
    let mut depth: Vec<Option<usize>> = vec![None; count];
    let mut queue: std::collections::VecDeque<usize> = std::collections::VecDeque::new();
    for source in &grid.sources {
        let bus = bus_of(&source.at.bus);
        depth[bus] = Some(0);
        queue.push_back(bus);
    }
    let mut order = Vec::new();
    let mut run_of_bus: Vec<Option<usize>> = vec![None; count];
    let mut runs = 0;
    while let Some(bus) = queue.pop_front() {
        let here = depth[bus].unwrap_or(0);
        for transformer in &view.transformers {
            let other = match (transformer.from == bus, transformer.to == bus) {
                (true, _) => transformer.to,
                (_, true) => transformer.from,
                _ => continue,
            };
            if depth[other].is_none() {
                depth[other] = Some(here + 1);
                queue.push_back(other);
            }
        }
        let through = at_bus[bus].len() == 2;
        for &i in &at_bus[bus] {
            let line = &view.lines[i];
            let other = if line.from == bus { line.to } else { line.from };
            if depth[other].is_some() {
                continue;
            }
            depth[other] = Some(here + 1);
            let run = run_of_bus[bus].filter(|_| through).unwrap_or_else(|| {
                runs += 1;
                runs - 1
            });
            run_of_bus[other] = Some(run);
            view.lines[i].run = run;
            view.lines[i].depth = here;
            order.push((i, bus, other));
            queue.push_back(other);
        }
    }
    // Customers behind each bus, from the ends towards the source.
    let mut behind = vec![0_usize; count];
    for &bus in supplied {
        behind[bus] += 1;
    }
    for &(i, near, far) in order.iter().rev() {
        view.lines[i].service = behind[far] <= 1;
        behind[near] += behind[far];
    }
}

/// Buses without coordinates (a source behind its transformer) go beside
/// their neighbour.
fn place_unsurveyed(view: &mut SceneView, grid: &GridCase, bus_of: &dyn Fn(&str) -> usize) {
    let mut pairs: Vec<(usize, usize)> = view.transformers.iter().map(|t| (t.from, t.to)).collect();
    pairs.extend(
        grid.lines
            .iter()
            .map(|l| (bus_of(&l.from.bus), bus_of(&l.to.bus))),
    );
    for (a, b) in pairs {
        let (known, unknown) = match (view.buses[a].surveyed, view.buses[b].surveyed) {
            (true, false) => (a, b),
            (false, true) => (b, a),
            _ => continue,
        };
        let (x, y) = view.buses[known].pos_m;
        view.buses[unknown].pos_m = (x - 8.0, y);
    }
}

fn homes(view: &mut SceneView, loaded: &LoadedScene, organisation: &Organisation) {
    let scene = &loaded.scene;
    for (i, (spec, refs)) in scene.homes.iter().zip(&loaded.refs.homes).enumerate() {
        let load = &loaded.grid.loads[refs.load];
        let conductor = load.at.conductors.first().copied().unwrap_or(1);
        view.homes.push(HomeView {
            device: DeviceId(i as u32),
            id: spec.id.clone(),
            kind: spec.kind,
            bus: refs.bus,
            phase: conductor.saturating_sub(1),
            mlmd: refs.mlmd,
            cluster: refs.cluster,
            pv_kw: spec.pv.map_or(0.0, |pv| pv.kw_peak),
            battery_kwh: spec.battery.map_or(0.0, |battery| battery.capacity_kwh),
            heater_kw: spec.heater.as_ref().map_or(0.0, |heater| heater.kw),
            ev_kw: spec.ev.as_ref().map_or(0.0, |ev| ev.kw),
            preferences: spec.preferences.clone(),
            account: organisation.participants[i].account.short(),
        });
    }
    let first = scene.homes.len();
    for (i, (spec, refs)) in scene
        .shared_batteries
        .iter()
        .zip(&loaded.refs.shared_batteries)
        .enumerate()
    {
        view.shared_batteries.push(SharedBatteryView {
            device: DeviceId((first + i) as u32),
            id: spec.id.clone(),
            bus: refs.bus,
            capacity_kwh: spec.battery.capacity_kwh,
            max_kw: spec.battery.max_kw,
            mlmd: refs.mlmd,
            cluster: refs.cluster,
        });
    }
}

fn mlmds(
    view: &mut SceneView,
    loaded: &LoadedScene,
    organisation: &Organisation,
    bus_of: &dyn Fn(&str) -> usize,
) {
    let first = view.homes.len() + view.shared_batteries.len();
    for (i, (spec, refs)) in loaded
        .scene
        .mlmds
        .iter()
        .zip(&loaded.refs.mlmds)
        .enumerate()
    {
        let line = &loaded.grid.lines[refs.line];
        let end = if refs.end == LineEnd::From {
            &line.from
        } else {
            &line.to
        };
        view.mlmds.push(MlmdView {
            device: DeviceId((first + i) as u32),
            id: spec.id.clone(),
            line: refs.line,
            bus: bus_of(&end.bus),
            limit_a: f64::from(spec.limit_a),
            cluster: refs.cluster,
            homes: (0..view.homes.len())
                .filter(|&home| view.homes[home].mlmd == i)
                .collect(),
            customers_behind: organisation.customers_behind[i] as usize,
            parent: refs.parent,
        });
    }
}

fn clusters(view: &mut SceneView, loaded: &LoadedScene) {
    let first = view.homes.len() + view.shared_batteries.len() + view.mlmds.len();
    for (i, spec) in loaded.scene.clusters.iter().enumerate() {
        let places: Vec<(f64, f64)> = view
            .mlmds
            .iter()
            .filter(|mlmd| mlmd.cluster == i)
            .map(|mlmd| view.buses[mlmd.bus].pos_m)
            .collect();
        let n = places.len().max(1) as f64;
        view.clusters.push(ClusterView {
            id: spec.id.clone(),
            aggregator: spec.aggregator.clone(),
            device: DeviceId((first + i) as u32),
            pos_m: (
                places.iter().map(|p| p.0).sum::<f64>() / n,
                places.iter().map(|p| p.1).sum::<f64>() / n,
            ),
            validators: spec.ledger.validators as usize,
        });
    }
}
