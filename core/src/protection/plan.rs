//! Where protection devices sit: what never changes in a run.

use std::collections::BTreeMap;

use bevy::prelude::*;
use gridloom_flow::Network;
use gridloom_model::grid::LineEnd;
use gridloom_model::scene::{LoadedScene, RecorderSpec};
use gridloom_protection::comtrade::Day;
use gridloom_protection::flisr::{Flisr, FlisrConfig, Member};
use gridloom_protection::load::{LoadSettings, LoadState};
use gridloom_protection::{DeviceConfig, DeviceSettings, ElementSettings, Protection};

use super::state::ProtectionState;

/// A device in the network.
#[derive(Clone, Debug)]
pub struct Place {
    /// Id in the scene.
    pub id: String,
    /// Line.
    pub line: usize,
    /// End of the line.
    pub end: LineEnd,
    /// Bus at that end.
    pub bus: usize,
    /// Bus at the other end.
    pub far_bus: usize,
    /// Switch of the network.
    pub switch: usize,
    /// Index of the M-LMD that it is.
    pub mlmd: Option<usize>,
}

/// Places of all devices: M-LMDs in scene order, then the other devices.
#[derive(Resource, Clone, Debug)]
pub struct ProtectionPlan {
    /// By device.
    pub places: Vec<Place>,
    /// Ids of the restoration areas.
    pub areas: Vec<String>,
    /// The fault recorder.
    pub recorder: RecorderSpec,
    /// Name of the station in fault records.
    pub station: String,
    /// Day of time 0.
    pub day: Day,
    /// Whether every segment is checked for its balance.
    pub audit: bool,
    /// Load management by M-LMD.
    pub loads: Vec<Option<LoadSettings>>,
    /// M-LMD towards the source by M-LMD.
    pub parents: Vec<Option<usize>>,
    /// Names by meter.
    pub meters: Vec<String>,
    /// Bus by meter.
    pub meter_buses: Vec<usize>,
}

impl ProtectionPlan {
    /// Device by id.
    #[must_use]
    pub fn device(&self, id: &str) -> Option<usize> {
        self.places.iter().position(|place| place.id == id)
    }
}

/// Protection of an M-LMD without settings of its own: its operating limit for
/// its programmed time.
fn by_limit(limit_a: u32, trip_after_s: u32) -> DeviceSettings {
    DeviceSettings {
        elements: vec![ElementSettings::definite(
            f64::from(limit_a),
            u64::from(trip_after_s) * 1_000,
        )],
        ..DeviceSettings::default()
    }
}

/// Devices of a scene with their switches; `network` gets the switches.
pub(crate) fn build(
    loaded: &LoadedScene,
    network: &mut Network,
    mlmd_switches: &[usize],
    seed: u64,
) -> Result<(ProtectionPlan, ProtectionState), gridloom_flow::BuildError> {
    let scene = &loaded.scene;
    let mut places = Vec::new();
    let mut devices = Vec::new();
    let place = |network: &Network, id: &str, line: usize, end: LineEnd, switch: usize| {
        let (from, to) = network.line_buses(line);
        let (bus, far_bus) = match end {
            LineEnd::From => (from, to),
            LineEnd::To => (to, from),
        };
        Place {
            id: id.to_owned(),
            line,
            end,
            bus,
            far_bus,
            switch,
            mlmd: None,
        }
    };
    for (i, (spec, refs)) in scene.mlmds.iter().zip(&loaded.refs.mlmds).enumerate() {
        places.push(Place {
            mlmd: Some(i),
            ..place(network, &spec.id, refs.line, refs.end, mlmd_switches[i])
        });
        let settings = spec
            .protection
            .clone()
            .unwrap_or_else(|| by_limit(spec.limit_a, spec.trip_after_s));
        devices.push((config(&spec.id, settings), spec.closed));
    }
    for (spec, &line) in scene.protection.devices.iter().zip(&loaded.refs.devices) {
        let switch = network.declare_switch(&spec.id, line, spec.end)?;
        places.push(place(network, &spec.id, line, spec.end, switch));
        devices.push((config(&spec.id, spec.settings.clone()), spec.closed));
    }
    let index: BTreeMap<String, usize> = places
        .iter()
        .enumerate()
        .map(|(i, place)| (place.id.clone(), i))
        .collect();
    for (config, _) in &mut devices {
        config.backup = backups(&config.settings, &index);
    }
    let mut protection = Protection::new(devices);
    for (number, spec) in scene.protection.areas.iter().enumerate() {
        let (members, meters) = members(loaded, &spec.members, &places, network);
        let config = FlisrConfig::new(spec.settings, members, meters);
        // Every area has its own draws.
        let flisr = Flisr::new(&config, seed ^ (0x464c_4953_5200 + number as u64));
        protection.areas.push((config, flisr));
    }
    let plan = ProtectionPlan {
        places,
        areas: scene
            .protection
            .areas
            .iter()
            .map(|a| a.id.clone())
            .collect(),
        recorder: scene.protection.recorder,
        station: scene.title.clone(),
        day: Day::parse(&scene.date).unwrap_or(Day {
            year: 2000,
            month: 1,
            day: 1,
        }),
        loads: scene
            .mlmds
            .iter()
            .map(|m| m.load_management.clone())
            .collect(),
        parents: loaded.refs.mlmds.iter().map(|m| m.parent).collect(),
        meters: meters(loaded).map(|(id, _)| id.to_owned()).collect(),
        meter_buses: meters(loaded).map(|(_, bus)| bus).collect(),
        audit: scene
            .expect
            .iter()
            .any(|e| super::expect::needs_audit(&e.that)),
    };
    let mut state = ProtectionState::new(protection);
    state.loads = vec![LoadState::default(); scene.mlmds.len()];
    Ok((plan, state))
}

fn config(id: &str, settings: DeviceSettings) -> DeviceConfig {
    DeviceConfig {
        id: id.to_owned(),
        settings,
        backup: Vec::new(),
    }
}

/// Devices tripped when one fails, by index.
pub(super) fn backups(settings: &DeviceSettings, index: &BTreeMap<String, usize>) -> Vec<usize> {
    let ids = settings.failure.iter().flat_map(|failure| &failure.backup);
    ids.filter_map(|id| index.get(id).copied()).collect()
}

/// Members of an area with the zones at both sides of their switch, and all
/// meters with the zone of the area they are in.
///
/// A zone is what hangs together without the switches of the area; where a
/// source stands in it, it is none: nobody has to be asked there.
fn members(
    loaded: &LoadedScene,
    ids: &[String],
    places: &[Place],
    network: &Network,
) -> (Vec<Member>, Vec<(String, Option<usize>)>) {
    let chosen: Vec<(usize, &Place)> = ids
        .iter()
        .filter_map(|id| places.iter().enumerate().find(|(_, place)| place.id == *id))
        .collect();
    let bars = |line: usize, end: LineEnd| {
        chosen
            .iter()
            .any(|(_, place)| place.line == line && place.end == end)
    };
    // One node per bus and one per line: a switch cuts a line from one bus.
    let buses = network.bus_count();
    let mut sets = Sets::new(buses + network.line_count());
    for line in 0..network.line_count() {
        let (from, to) = network.line_buses(line);
        for (bus, end) in [(from, LineEnd::From), (to, LineEnd::To)] {
            let open = network.line_open(line, end) && !bars(line, end);
            if !bars(line, end) && !open {
                sets.join(bus, buses + line);
            }
        }
    }
    for transformer in 0..network.transformer_count() {
        for pair in network.transformer_buses(transformer).windows(2) {
            sets.join(pair[0], pair[1]);
        }
    }
    let sources: Vec<usize> = loaded
        .grid
        .sources
        .iter()
        .filter_map(|source| network.bus_index(&source.at.bus))
        .map(|bus| sets.find(bus))
        .collect();
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut zone = |node: usize| {
        let set = sets.find(node);
        if sources.contains(&set) {
            return None;
        }
        let next = numbers.len();
        Some(*numbers.entry(set).or_insert(next))
    };
    let members = chosen
        .iter()
        .map(|&(device, place)| {
            let (limit_a, tie) = limit_and_tie(loaded, place);
            Member {
                id: place.id.clone(),
                device,
                zones: [zone(place.bus), zone(buses + place.line)],
                limit_a,
                tie,
            }
        })
        .collect();
    let meters = meters(loaded)
        .map(|(id, bus)| (id.to_owned(), numbers.get(&sets.find(bus)).copied()))
        .collect();
    (members, meters)
}

/// Every meter with its bus: homes, then shared batteries.
pub(super) fn meters(loaded: &LoadedScene) -> impl Iterator<Item = (&str, usize)> {
    let scene = &loaded.scene;
    let homes = scene.homes.iter().zip(&loaded.refs.homes);
    let homes = homes.map(|(home, refs)| (home.id.as_str(), refs.bus));
    let batteries = scene
        .shared_batteries
        .iter()
        .zip(&loaded.refs.shared_batteries);
    homes.chain(batteries.map(|(battery, refs)| (battery.id.as_str(), refs.bus)))
}

fn limit_and_tie(loaded: &LoadedScene, place: &Place) -> (f64, bool) {
    let scene = &loaded.scene;
    match place.mlmd {
        Some(mlmd) => {
            let spec = &scene.mlmds[mlmd];
            (f64::from(spec.limit_a), !spec.closed)
        }
        None => scene
            .protection
            .device(&place.id)
            .map_or((0.0, false), |spec| {
                (spec.limit_a.unwrap_or(0.0), !spec.closed)
            }),
    }
}

/// Union-find.
struct Sets(Vec<usize>);

impl Sets {
    fn new(members: usize) -> Self {
        Self((0..members).collect())
    }

    fn find(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b);
    }
}
