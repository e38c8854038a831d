//! The network with a port for every device and a switch for every M-LMD.

use bevy::prelude::*;
use gridloom_flow::{Network, PortId, PortLaw};
use gridloom_model::grid::{Connection, LoadLaw, VoltageBand};
use gridloom_model::scene::LoadedScene;
use gridloom_units::DeviceId;

use super::{SpawnError, Spawner};
use crate::grid::{Breaker, Mlmd, Overcurrent, Through};

/// A built network and where the sites hang in it.
pub(super) struct Wired {
    /// The network.
    pub network: Network,
    /// Per home: (bus, conductor, load port, controlled port).
    pub homes: Vec<(usize, u8, usize, usize)>,
    /// Per shared battery: (bus, port).
    pub batteries: Vec<(usize, usize)>,
    /// Per M-LMD: switch.
    pub switches: Vec<usize>,
}

/// Builds the network of a scene. Every load of the grid file that no home
/// stands for keeps its rated power.
pub(super) fn build(loaded: &LoadedScene) -> Result<Wired, SpawnError> {
    let mut network = Network::build(&loaded.grid)?;
    let mut homes = Vec::with_capacity(loaded.refs.homes.len());
    for (spec, refs) in loaded.scene.homes.iter().zip(&loaded.refs.homes) {
        let load = &loaded.grid.loads[refs.load];
        let port = network
            .port_index(&load.id)
            .ok_or_else(|| SpawnError::Scene(format!("load `{}` has no port", load.id)))?;
        let conductor = load.at.conductors.first().copied().unwrap_or(1);
        let law = PortLaw::injection(load.kv);
        let controlled = network
            .add_port(
                &format!("{}:controlled", spec.id),
                refs.bus,
                &[conductor, 0],
                law,
            )
            .map_err(|source| SpawnError::Port {
                device: spec.id.clone(),
                source,
            })?;
        homes.push((refs.bus, conductor, index(port), index(controlled)));
    }
    let mut batteries = Vec::new();
    for (spec, refs) in loaded
        .scene
        .shared_batteries
        .iter()
        .zip(&loaded.refs.shared_batteries)
    {
        let law = PortLaw {
            phases: 3,
            connection: Connection::Wye,
            kv: network.bus_base_v(refs.bus) * 3.0_f64.sqrt() / 1_000.0,
            law: LoadLaw::ConstPower,
            band: VoltageBand::WIDE,
        };
        let port = network
            .add_port(&spec.id, refs.bus, &[1, 2, 3, 0], law)
            .map_err(|source| SpawnError::Port {
                device: spec.id.clone(),
                source,
            })?;
        batteries.push((refs.bus, index(port)));
    }
    let mut switches = Vec::new();
    for (spec, refs) in loaded.scene.mlmds.iter().zip(&loaded.refs.mlmds) {
        switches.push(network.declare_switch(&spec.id, refs.line, refs.end)?);
    }
    Ok(Wired {
        network,
        homes,
        batteries,
        switches,
    })
}

fn index(port: PortId) -> usize {
    port.0 as usize
}

/// Entities of the M-LMDs.
pub(super) fn mlmds(loaded: &LoadedScene, wired: &Wired) -> Vec<Spawner> {
    let scene = &loaded.scene;
    let first = (scene.homes.len() + scene.shared_batteries.len()) as u32;
    let mut spawners: Vec<Spawner> = Vec::new();
    for (i, (spec, refs)) in scene.mlmds.iter().zip(&loaded.refs.mlmds).enumerate() {
        let children = loaded
            .refs
            .mlmds
            .iter()
            .filter(|other| other.parent == Some(i))
            .map(|other| (other.line, other.end))
            .collect();
        let (from, to) = wired.network.line_buses(refs.line);
        let mlmd = Mlmd {
            device: DeviceId(first + i as u32),
            index: i as u32,
            id: spec.id.clone(),
            line: refs.line,
            bus: if refs.end == gridloom_model::grid::LineEnd::From {
                from
            } else {
                to
            },
            end: refs.end,
            switch: wired.switches[i],
            limit_a: spec.limit_a,
            trip_after_s: spec.trip_after_s,
            cluster: refs.cluster as u32,
            children,
        };
        let breaker = Breaker {
            closed: spec.closed,
            pending: None,
            operations: 0,
        };
        spawners.push(Box::new(move |world: &mut World| {
            world
                .spawn((mlmd, breaker, Through::default(), Overcurrent::default()))
                .id()
        }));
    }
    spawners
}
