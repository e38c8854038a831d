//! The network with a port for every device and a switch for every M-LMD.

use bevy::prelude::*;
use gridloom_flow::inverter::{Category, InverterLaw};
use gridloom_flow::{Network, PortId, PortLaw};
use gridloom_model::grid::{Connection, LineEnd, LoadLaw, VoltageBand};
use gridloom_model::scene::{LoadedScene, PvFunctions, PvSpec, VoltVarCategory};
use gridloom_units::DeviceId;

use super::{SpawnError, Spawner};
use crate::bound::BoundPosition;
use crate::grid::{Breaker, Mlmd, Through};
use crate::protection::{ProtectionPlan, ProtectionState};
use crate::truth::{Drift, PhaseProbe};

/// Electronics keep their power down to 0.7 pu; below, their current falls and
/// under 0.5 pu they are impedances (a missing phase, a fault nearby).
const CONTROLLED: VoltageBand = VoltageBand {
    min_pu: 0.7,
    max_pu: 2.0,
    low_pu: 0.5,
};

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
    /// Per home: port of a photovoltaic unit whose inverter has functions.
    pub pv: Vec<Option<usize>>,
    /// Switch on the line over which the grid feeds in, with islanding.
    pub grid_switch: Option<usize>,
    /// Protection devices: places and state.
    pub protection: (ProtectionPlan, ProtectionState),
}

/// Builds the network of a scene. Every load of the grid file that no home
/// stands for keeps its rated power.
pub(super) fn build(loaded: &LoadedScene, seed: u64) -> Result<Wired, SpawnError> {
    let mut network = Network::build(&loaded.grid)?;
    let mut homes = Vec::with_capacity(loaded.refs.homes.len());
    let mut pv = Vec::with_capacity(loaded.refs.homes.len());
    for (spec, refs) in loaded.scene.homes.iter().zip(&loaded.refs.homes) {
        let load = &loaded.grid.loads[refs.load];
        let port = network
            .port_index(&load.id)
            .ok_or_else(|| SpawnError::Scene(format!("load `{}` has no port", load.id)))?;
        let conductor = load.at.conductors.first().copied().unwrap_or(1);
        let law = PortLaw {
            band: CONTROLLED,
            ..PortLaw::injection(load.kv)
        };
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
        if let Some(battery) = spec.battery
            && let Some(most_pu) = battery.fault_current_pu
        {
            network.set_port_limit(controlled, Some(most_pu * battery.max_kw / load.kv));
        }
        homes.push((refs.bus, conductor, index(port), index(controlled)));
        pv.push(match &spec.pv {
            Some(unit)
                if unit.functions != PvFunctions::default() || unit.fault_current_pu.is_some() =>
            {
                let at = (refs.bus, conductor);
                Some(pv_port(&mut network, &spec.id, at, unit, load.kv)?)
            }
            _ => None,
        });
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
            band: CONTROLLED,
        };
        let port = network
            .add_port(&spec.id, refs.bus, &[1, 2, 3, 0], law)
            .map_err(|source| SpawnError::Port {
                device: spec.id.clone(),
                source,
            })?;
        if let Some(most_pu) = spec.battery.fault_current_pu {
            // Rated current of each phase: kW over the square root of three and the voltage.
            let rated_a = spec.battery.max_kw / (3.0_f64.sqrt() * law.kv);
            network.set_port_limit(port, Some(most_pu * rated_a));
        }
        batteries.push((refs.bus, index(port)));
    }
    let mut switches = Vec::new();
    for (spec, refs) in loaded.scene.mlmds.iter().zip(&loaded.refs.mlmds) {
        switches.push(network.declare_switch(&spec.id, refs.line, refs.end)?);
    }
    let grid_switch = loaded
        .scene
        .islanding
        .as_ref()
        .and_then(|spec| network.line_index(&spec.grid_line))
        .map(|line| network.declare_switch("upstream grid", line, LineEnd::From))
        .transpose()?;
    let protection = crate::protection::build(loaded, &mut network, &switches, seed)?;
    Ok(Wired {
        pv,
        grid_switch,
        protection,
        network,
        homes,
        batteries,
        switches,
    })
}

/// A port for a photovoltaic unit with functions of IEEE 1547-2018 or a
/// limit of its current.
fn pv_port(
    network: &mut Network,
    home: &str,
    (bus, conductor): (usize, u8),
    unit: &PvSpec,
    kv: f64,
) -> Result<usize, SpawnError> {
    let port = network
        .add_port(
            &format!("{home}:pv"),
            bus,
            &[conductor, 0],
            PortLaw::injection(kv),
        )
        .map_err(|source| SpawnError::Port {
            device: home.to_owned(),
            source,
        })?;
    let rated_w = unit.kw_peak.min(unit.inverter_kva) * 1_000.0;
    let mut law = InverterLaw::new(unit.inverter_kva * 1_000.0, rated_w);
    if let Some(category) = unit.functions.volt_var {
        law = law.volt_var(match category {
            VoltVarCategory::A => Category::A,
            VoltVarCategory::B => Category::B,
        });
    }
    if unit.functions.volt_watt {
        law = law.volt_watt();
    }
    network
        .set_port_law(port, Some(law))
        .map_err(|error| SpawnError::Scene(format!("{home}: {error}")))?;
    if let Some(most_pu) = unit.fault_current_pu {
        network.set_port_limit(port, Some(most_pu * unit.inverter_kva / kv));
    }
    Ok(index(port))
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
            ties: ties(loaded, i),
        };
        let breaker = Breaker {
            closed: spec.closed,
            pending: None,
            operations: 0,
        };
        let bound = scene.bindings.iter().any(|b| b.entity == spec.id);
        spawners.push(Box::new(move |world: &mut World| {
            world
                .spawn((
                    mlmd,
                    breaker,
                    BoundPosition::new(bound),
                    Through::default(),
                    Drift::default(),
                    PhaseProbe::default(),
                ))
                .id()
        }));
    }
    spawners
}

/// Lines of normally open devices that begin or end in the area of an M-LMD.
fn ties(loaded: &LoadedScene, mlmd: usize) -> Vec<(usize, f64)> {
    let specs = loaded.scene.protection.devices.iter();
    let open = specs.zip(&loaded.refs.devices).filter(|(s, _)| !s.closed);
    let bus = |id: &str| loaded.grid.buses.iter().position(|bus| bus.id == id);
    let area = |id: &str| bus(id).and_then(|bus| loaded.refs.area_of_bus[bus]);
    open.flat_map(|(_, &line)| {
        let ends = &loaded.grid.lines[line];
        let (from, to) = (area(&ends.from.bus), area(&ends.to.bus));
        [(from, -1.0), (to, 1.0)]
            .into_iter()
            .filter(move |(area, _)| from != to && *area == Some(mlmd))
            .map(move |(_, sign)| (line, sign))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use gridloom_model::scene::{BatterySpec, load};

    use super::*;

    #[test]
    fn a_battery_with_terminals_of_its_own_limits_its_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut loaded = load(&root.join("scenes/two_houses.scene.ron")).expect("a good scene");
        let of = |loaded: &LoadedScene| {
            let wired = build(loaded, 1).expect("a network");
            let (.., port) = wired.homes[0];
            wired.network.port_limit(PortId(port as u32))
        };
        assert_eq!(of(&loaded), None);
        loaded.scene.homes[0].battery = Some(BatterySpec {
            capacity_kwh: 10.0,
            max_kw: 4.6,
            charge_efficiency: 0.95,
            discharge_efficiency: 0.95,
            soc: 0.5,
            taper_from_soc: 1.0,
            ramp_kw_per_s: None,
            fault_current_pu: Some(1.2),
        });
        // 4.6 kW on one phase are 20 A at 230 V.
        let kv = loaded.grid.loads[loaded.refs.homes[0].load].kv;
        let limit_a = of(&loaded).expect("a limit");
        assert!((limit_a - 1.2 * 4.6 / kv).abs() < 1e-9, "{limit_a}");
        assert!((20.0..30.0).contains(&limit_a), "{limit_a}");
    }
}
