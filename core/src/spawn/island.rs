//! The plan of islands and of voltage controllers, from the scene.

use std::collections::BTreeMap;

use gridloom_equipment::{CapacitorBank, CapacitorParams, TapChanger, TapParams};
use gridloom_flow::Network;
use gridloom_island::blackstart::StepWhen;
use gridloom_island::coldload::ColdLoadParams;
use gridloom_island::forming::FormingParams;
use gridloom_island::frequency::TripParams;
use gridloom_island::freqwatt::FreqWattParams;
use gridloom_island::shedding::{SheddingParams, StageParams};
use gridloom_island::synchrocheck::SyncLimits;
use gridloom_model::grid::GridCase;
use gridloom_model::scene::{
    BlackStartAction, BlackStartStep, FormingSpec, IslandingSpec, LoadedScene, SharedBatterySpec,
    ShedTarget,
};
use gridloom_units::DeviceId;

use super::SpawnError;
use super::network::Wired;
use crate::grid::{VoltageControls, VoltagePlan};
use crate::island::{Plan, StepAct, Target, UnitPlan};

/// Middle of the map and the distance from it to the furthest bus, in the
/// units of the grid.
pub(crate) fn extent(grid: &GridCase) -> ((f64, f64), f64) {
    let places: Vec<(f64, f64)> = grid.buses.iter().filter_map(|bus| bus.xy).collect();
    if places.is_empty() {
        return ((0.0, 0.0), 0.0);
    }
    let middle = |of: fn(&(f64, f64)) -> f64| {
        let low = places.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = places.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        (low + high) / 2.0
    };
    let (x, y) = (middle(|p| p.0), middle(|p| p.1));
    let square = |p: &(f64, f64)| (p.0 - x) * (p.0 - x) + (p.1 - y) * (p.1 - y);
    let furthest = places.iter().map(square).fold(0.0, f64::max);
    ((x, y), furthest.sqrt())
}

/// Names of the scene as indices.
struct Names<'a> {
    mlmds: BTreeMap<&'a str, u32>,
    homes: BTreeMap<&'a str, u32>,
    forming: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn of(loaded: &'a LoadedScene) -> Self {
        let scene = &loaded.scene;
        let index = |ids: Vec<&'a str>| ids.into_iter().zip(0_u32..).collect();
        Self {
            mlmds: index(scene.mlmds.iter().map(|m| m.id.as_str()).collect()),
            homes: index(scene.homes.iter().map(|h| h.id.as_str()).collect()),
            forming: forming(loaded)
                .map(|(_, spec, _)| spec.id.as_str())
                .collect(),
        }
    }

    fn mlmd(&self, id: &str) -> Result<u32, SpawnError> {
        find(self.mlmds.get(id).copied(), id)
    }

    fn unit(&self, id: &str) -> Result<usize, SpawnError> {
        find(self.forming.iter().position(|name| *name == id), id)
    }
}

fn find<T>(found: Option<T>, id: &str) -> Result<T, SpawnError> {
    found.ok_or_else(|| SpawnError::Scene(format!("islanding names `{id}`, which is unknown")))
}

/// Grid-forming batteries of a scene: index among the shared ones, battery, inverter.
fn forming(
    loaded: &LoadedScene,
) -> impl Iterator<Item = (usize, &SharedBatterySpec, &FormingSpec)> {
    let batteries = loaded.scene.shared_batteries.iter().enumerate();
    batteries.filter_map(|(i, spec)| Some((i, spec, spec.forming.as_ref()?)))
}

/// Index of a shared battery among the grid-forming ones.
pub(super) fn forming_index(loaded: &LoadedScene, battery: usize) -> Option<usize> {
    forming(loaded).position(|(i, ..)| i == battery)
}

fn refused(what: &str, reason: impl std::fmt::Display) -> SpawnError {
    SpawnError::Scene(format!("{what}: {reason}"))
}

fn unit(
    loaded: &LoadedScene,
    wired: &Wired,
    (index, battery, spec): (usize, &SharedBatterySpec, &FormingSpec),
) -> Result<UnitPlan, SpawnError> {
    let max_kw = battery.battery.max_kw;
    let params = FormingParams {
        kva: if spec.kva > 0.0 { spec.kva } else { max_kw },
        f_droop_pct: spec.f_droop_pct,
        v_droop_pct: spec.v_droop_pct,
        filter_s: spec.filter_s,
        inertia_s: spec.inertia_s,
        r_pu: spec.z_pu.0,
        x_pu: spec.z_pu.1,
        current_limit_pu: spec.current_limit_pu,
        overload_hz_per_s: spec.overload_hz_per_s,
        overload_s: spec.overload_s,
        soc_min: spec.soc.0,
        soc_max: spec.soc.1,
    };
    params.check().map_err(|e| refused(&battery.id, e))?;
    let (bus, port) = wired.batteries[index];
    let meter = (loaded.scene.homes.len() + index) as u32;
    Ok(UnitPlan {
        name: battery.id.clone(),
        device: DeviceId(meter),
        meter,
        bus,
        port,
        v_base: wired.network.bus_base_v(bus),
        params,
        max_kw,
    })
}

/// The plan of a scene with islanding.
pub(super) fn plan(loaded: &LoadedScene, wired: &Wired) -> Result<Option<Plan>, SpawnError> {
    let Some(spec) = &loaded.scene.islanding else {
        return Ok(None);
    };
    let names = Names::of(loaded);
    let nominal_hz = wired.network.frequency_hz();
    let units = forming(loaded)
        .map(|found| unit(loaded, wired, found))
        .collect::<Result<Vec<_>, _>>()?;
    let freq_watt = FreqWattParams {
        start_hz: spec.freq_watt.start_hz,
        droop_pct: spec.freq_watt.droop_pct,
        response_s: spec.freq_watt.response_s,
    };
    freq_watt
        .check(nominal_hz)
        .map_err(|e| refused("islanding", e))?;
    let (shedding, targets) = shedding(loaded, wired, spec, &names, nominal_hz)?;
    let cold_load = spec.cold_load.map(|cold| ColdLoadParams {
        excess: cold.excess,
        build_s: cold.build_s,
        hold_s: cold.hold_s,
        decay_s: cold.decay_s,
    });
    if let Some(cold) = &cold_load {
        cold.check().map_err(|e| refused("islanding", e))?;
    }
    let steps = spec
        .black_start
        .iter()
        .map(|step| Ok((act(step, &names)?, when(step))))
        .collect::<Result<_, SpawnError>>()?;
    Ok(Some(Plan {
        nominal_hz,
        units,
        main: names.mlmd(&spec.main_switch)?,
        grid_switch: find(wired.grid_switch, &spec.grid_line)?,
        detect_ms: u64::from(spec.detect_ms),
        limits: SyncLimits::ieee_1547(spec.sync_kva),
        secondary_s: spec.secondary_s,
        freq_watt,
        trip: TripParams {
            low_hz: spec.trip_hz.0,
            high_hz: spec.trip_hz.1,
            ..TripParams::default()
        },
        shedding,
        targets,
        cold_load,
        steps,
    }))
}

fn shedding(
    loaded: &LoadedScene,
    wired: &Wired,
    spec: &IslandingSpec,
    names: &Names<'_>,
    nominal_hz: f64,
) -> Result<(SheddingParams, Vec<(Target, usize)>), SpawnError> {
    let scheme = &spec.shedding;
    let params = SheddingParams {
        stages: scheme
            .stages
            .iter()
            .map(|stage| StageParams {
                f_hz: stage.f_hz,
                delay_ms: stage.delay_ms,
            })
            .collect(),
        breaker_ms: scheme.breaker_ms,
        restore_hz: scheme.restore_hz,
        restore_after_s: scheme.restore_after_s,
        restore_margin: scheme.restore_margin,
    };
    params
        .check(nominal_hz)
        .map_err(|e| refused("islanding", e))?;
    // A relay stands on the supply side of what it takes off.
    let mlmd_bus = |mlmd: u32| {
        let refs = &loaded.refs.mlmds[mlmd as usize];
        let (from, to) = wired.network.line_buses(refs.line);
        match refs.end {
            gridloom_model::grid::LineEnd::From => from,
            gridloom_model::grid::LineEnd::To => to,
        }
    };
    // Behind the main switch, so that it still measures in the island.
    let behind = |mlmd: u32| {
        let refs = &loaded.refs.mlmds[mlmd as usize];
        let (from, to) = wired.network.line_buses(refs.line);
        if mlmd_bus(mlmd) == from { to } else { from }
    };
    let mut targets = Vec::new();
    for stage in &scheme.stages {
        targets.push(match &stage.shed {
            ShedTarget::Flexible(ids) => {
                let mlmds = ids.iter().map(|id| names.mlmd(id));
                let mlmds = mlmds.collect::<Result<Vec<u32>, _>>()?;
                let bus = mlmds.first().map_or(0, |&mlmd| behind(mlmd));
                (Target::Flexible(mlmds), bus)
            }
            ShedTarget::Homes(ids) => {
                let homes = ids
                    .iter()
                    .map(|id| find(names.homes.get(id.as_str()).copied(), id));
                let homes = homes.collect::<Result<Vec<u32>, _>>()?;
                let bus = homes
                    .first()
                    .map_or(0, |&home| loaded.refs.homes[home as usize].bus);
                (Target::Homes(homes), bus)
            }
            ShedTarget::Area(id) => {
                let mlmd = names.mlmd(id)?;
                (Target::Area(mlmd), mlmd_bus(mlmd))
            }
        });
    }
    Ok((params, targets))
}

fn act(step: &BlackStartStep, names: &Names<'_>) -> Result<StepAct, SpawnError> {
    Ok(match &step.action {
        BlackStartAction::Energise(id) => StepAct::Energise(names.unit(id)?),
        BlackStartAction::Join(id) => StepAct::Join(names.unit(id)?),
        BlackStartAction::Close(id) => StepAct::Close(names.mlmd(id)?),
    })
}

fn when(step: &BlackStartStep) -> StepWhen {
    StepWhen {
        dead: matches!(step.action, BlackStartAction::Energise(_)),
        within_hz: step.within_hz,
        v_min_pu: step.v_pu.0,
        v_max_pu: step.v_pu.1,
        reserve_kw: step.reserve_kw,
        steady_s: step.steady_s,
        patience_s: step.patience_s,
    }
}

/// Tap changers and capacitor banks; brings the network to their start.
pub(super) fn voltage_controls(
    loaded: &LoadedScene,
    network: &mut Network,
) -> Result<(VoltagePlan, VoltageControls), SpawnError> {
    let (mut plan, mut controls) = (VoltagePlan::default(), VoltageControls::default());
    let transformers = loaded.grid.transformers.iter();
    let index: BTreeMap<&str, usize> = transformers.map(|t| t.id.as_str()).zip(0..).collect();
    for spec in &loaded.scene.tap_changers {
        let name = &spec.transformer;
        let transformer = find(index.get(name.as_str()).copied(), name)?;
        let bus = find(network.bus_index(&spec.bus), &spec.bus)?;
        let windings = loaded.grid.transformers[transformer].windings.len();
        let winding = usize::from(spec.winding).saturating_sub(1);
        if winding >= windings {
            return Err(refused(name, format!("it has {windings} windings")));
        }
        let params = TapParams {
            v_set_pu: spec.v_set_pu,
            band_pu: spec.band_pu,
            delay_s: spec.delay_s,
            step_delay_s: spec.step_delay_s,
            step_pu: spec.step_pu,
            lowest: spec.positions.0,
            highest: spec.positions.1,
            block_below_pu: spec.block_below_pu,
        };
        let tap =
            TapChanger::new(params, spec.position).map_err(|source| SpawnError::Equipment {
                device: name.clone(),
                source,
            })?;
        network.set_tap(transformer, winding, tap.ratio_pu());
        plan.taps.push((name.clone(), transformer, winding, bus));
        controls.taps.push(tap);
    }
    for spec in &loaded.scene.capacitor_banks {
        let name = &spec.capacitor;
        let capacitor = find(network.capacitor_index(name), name)?;
        let bus = find(network.bus_index(&spec.bus), &spec.bus)?;
        let params = CapacitorParams {
            steps: u32::from(network.capacitor_steps(capacitor).1),
            on_below_pu: spec.on_below_pu,
            off_above_pu: spec.off_above_pu,
            delay_s: spec.delay_s,
            discharge_s: spec.discharge_s,
            most_per_day: spec.most_per_day,
        };
        let bank = CapacitorBank::new(params, spec.on).map_err(|source| SpawnError::Equipment {
            device: name.clone(),
            source,
        })?;
        network.set_capacitor_steps(capacitor, u16::try_from(spec.on).unwrap_or(u16::MAX));
        plan.banks.push((name.clone(), capacitor, bus));
        controls.banks.push(bank);
    }
    Ok((plan, controls))
}
