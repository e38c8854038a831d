//! References of a scene as indices, so that nobody looks names up twice.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Report;
use super::schema::Scene;
use super::spans::{At, Node};
use super::topology::Supply;
use crate::grid::{GridCase, LineEnd};
use crate::profile::ProfileSet;

/// A series of one of the profile files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesRef {
    /// Index into [`super::LoadedScene::profiles`].
    pub set: usize,
    /// Index into the series of that set.
    pub series: usize,
}

/// What a home refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HomeRefs {
    /// Index of its load in the grid.
    pub load: usize,
    /// Index of its bus in the grid.
    pub bus: usize,
    /// Profile of the uncontrolled load.
    pub profile: SeriesRef,
    /// Index of the M-LMD in whose area it lies.
    pub mlmd: usize,
    /// Index of its cluster.
    pub cluster: usize,
}

/// What a shared battery refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedBatteryRefs {
    /// Index of its bus in the grid.
    pub bus: usize,
    /// Indices of the homes that own it.
    pub shared_by: Vec<usize>,
    /// Index of the M-LMD in whose area it lies.
    pub mlmd: usize,
    /// Index of its cluster.
    pub cluster: usize,
}

/// What an M-LMD refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MlmdRefs {
    /// Index of its line in the grid.
    pub line: usize,
    /// The end of the line it sits at: the one towards the source.
    pub end: LineEnd,
    /// Index of the next M-LMD towards the source.
    pub parent: Option<usize>,
    /// Index of its cluster.
    pub cluster: usize,
}

/// All references of a scene, in the order of the scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refs {
    /// Per home.
    pub homes: Vec<HomeRefs>,
    /// Per shared battery.
    pub shared_batteries: Vec<SharedBatteryRefs>,
    /// Per M-LMD.
    pub mlmds: Vec<MlmdRefs>,
    /// The irradiance series.
    pub solar: SeriesRef,
    /// The series of the air temperature.
    pub temperature: Option<SeriesRef>,
    /// Per protection device: index of its line.
    pub devices: Vec<usize>,
    /// Per bus of the grid: the M-LMD in whose area it lies.
    pub area_of_bus: Vec<Option<usize>>,
}

fn index<'a>(ids: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    ids.enumerate().map(|(i, id)| (id, i)).collect()
}

fn index_series(profiles: &[ProfileSet]) -> BTreeMap<&str, SeriesRef> {
    let sets = profiles.iter().enumerate();
    sets.flat_map(|(set, profile)| {
        let series = profile.series.iter().enumerate();
        series.map(move |(i, s)| (s.id.as_str(), SeriesRef { set, series: i }))
    })
    .collect()
}

/// Resolves a scene whose names are all known; reports equipment that no
/// source or no M-LMD supplies and returns `None` if there is any.
pub(super) fn resolve(
    scene: &Scene,
    grid: &GridCase,
    profiles: &[ProfileSet],
    places: &Node,
    report: &mut Report<'_>,
) -> Option<Refs> {
    let root = At::root(places);
    let buses = index(grid.buses.iter().map(|bus| bus.id.as_str()));
    let loads = index(grid.loads.iter().map(|load| load.id.as_str()));
    let lines = index(grid.lines.iter().map(|line| line.id.as_str()));
    let series = index_series(profiles);
    let homes = index(scene.homes.iter().map(|home| home.id.as_str()));
    let clusters: BTreeMap<&str, usize> = (scene.clusters.iter().enumerate())
        .flat_map(|(i, cluster)| cluster.mlmds.iter().map(move |mlmd| (mlmd.as_str(), i)))
        .collect();
    let cluster_of = |mlmd: usize| {
        scene
            .mlmds
            .get(mlmd)
            .and_then(|mlmd| clusters.get(mlmd.id.as_str()))
            .copied()
    };
    let on_line: BTreeMap<usize, usize> = (scene.mlmds.iter().enumerate())
        .filter_map(|(i, mlmd)| Some((*lines.get(mlmd.line.as_str())?, i)))
        .collect();
    if on_line.len() < scene.mlmds.len() {
        // An M-LMD without its line is reported already; the homes that would
        // lie behind it are no further problem.
        return None;
    }
    let ties: BTreeSet<&str> = (scene.protection.devices.iter())
        .filter(|device| !device.closed)
        .map(|device| device.line.as_str())
        .collect();
    let supply = Supply::trace(grid, &on_line, &ties);

    let mlmds: Vec<Option<MlmdRefs>> = (scene.mlmds.iter().enumerate())
        .map(|(i, mlmd)| {
            let line = *lines.get(mlmd.line.as_str())?;
            let Some((end, parent)) = supply.line(line) else {
                let at = root.field("mlmds").item(i).field("line");
                report.say(
                    at,
                    format!("no source reaches line `{}`", mlmd.line),
                    "connect the line or choose another",
                );
                return None;
            };
            Some(MlmdRefs {
                line,
                end,
                parent,
                cluster: cluster_of(i)?,
            })
        })
        .collect();

    let mut area = |at: At<'_>, id: &str, bus: usize| {
        if !supply.reaches(bus) {
            let name = &grid.buses.get(bus)?.id;
            report.say(
                at,
                format!("no source reaches bus `{name}` of `{id}`"),
                "connect the bus or close the switch before it",
            );
            return None;
        }
        let mlmd = supply.mlmd_of_bus(bus);
        if mlmd.is_none() {
            report.say(
                at,
                format!("no M-LMD lies between the source and `{id}`"),
                "put an M-LMD on a line upstream of it, for example at the head of the feeder",
            );
        }
        mlmd
    };
    let home_refs: Vec<Option<HomeRefs>> = (scene.homes.iter().enumerate())
        .map(|(i, home)| {
            let load = *loads.get(home.load.as_str())?;
            let bus = *buses.get(grid.loads.get(load)?.at.bus.as_str())?;
            let mlmd = area(root.field("homes").item(i).field("load"), &home.id, bus)?;
            let profile = *series.get(home.profile.as_str())?;
            Some(HomeRefs {
                load,
                bus,
                profile,
                mlmd,
                cluster: cluster_of(mlmd)?,
            })
        })
        .collect();
    let shared: Vec<Option<SharedBatteryRefs>> = (scene.shared_batteries.iter().enumerate())
        .map(|(i, battery)| {
            let bus = *buses.get(battery.bus.as_str())?;
            let at = root.field("shared_batteries").item(i).field("bus");
            let mlmd = area(at, &battery.id, bus)?;
            let shared_by = battery
                .shared_by
                .iter()
                .filter_map(|id| homes.get(id.as_str()).copied())
                .collect();
            Some(SharedBatteryRefs {
                bus,
                shared_by,
                mlmd,
                cluster: cluster_of(mlmd)?,
            })
        })
        .collect();
    Some(Refs {
        homes: home_refs.into_iter().collect::<Option<_>>()?,
        shared_batteries: shared.into_iter().collect::<Option<_>>()?,
        mlmds: mlmds.into_iter().collect::<Option<_>>()?,
        solar: *series.get(scene.solar_series.as_str())?,
        temperature: scene
            .temperature_series
            .as_ref()
            .and_then(|id| series.get(id.as_str()).copied()),
        devices: (scene.protection.devices.iter())
            .map(|device| lines.get(device.line.as_str()).copied())
            .collect::<Option<_>>()?,
        area_of_bus: (0..grid.buses.len())
            .map(|bus| supply.mlmd_of_bus(bus))
            .collect(),
    })
}
