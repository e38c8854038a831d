//! Entities of homes and shared batteries, and the profile tables.

use bevy::prelude::*;
use gridloom_equipment::{
    Battery, BatteryParams, EquipmentError, EvCharger, EvParams, HeaterParams, Pv, PvParams,
    WaterHeater,
};
use gridloom_model::profile::{Between, ProfileSet};
use gridloom_model::scene::{BatterySpec, EvSpec, HeaterSpec, HomeSpec, LoadedScene, SeriesRef};
use gridloom_units::{DeviceId, SimTime};

use super::network::Wired;
use super::organisation::key;
use super::{SpawnError, Spawner};
use crate::ingest::BoundDevice;
use crate::meter::{Meter, MeterKeys};
use crate::site::{
    BaseLoad, BatteryUnit, EvUnit, HeaterUnit, Profiles, PvUnit, Setpoints, Site, SitePower, Table,
};
use crate::view::Place;

/// The profile tables a scene uses: one per home, and the solar one.
pub(super) fn profiles(loaded: &LoadedScene) -> Result<Profiles, SpawnError> {
    let loads = loaded
        .refs
        .homes
        .iter()
        .map(|home| table(&loaded.profiles, home.profile));
    Ok(Profiles {
        solar: table(&loaded.profiles, loaded.refs.solar)?,
        loads: loads.collect::<Result<_, _>>()?,
    })
}

fn table(sets: &[ProfileSet], at: SeriesRef) -> Result<Table, SpawnError> {
    let set = sets.get(at.set);
    let (set, series) = set
        .and_then(|set| Some((set, set.series.get(at.series)?)))
        .ok_or_else(|| SpawnError::Scene("a profile series is missing".into()))?;
    Ok(Table {
        step_ms: (set.step_s * 1_000.0) as u64,
        linear: set.between == Between::Linear,
        values: series.values.clone(),
    })
}

fn of(device: &str) -> impl Fn(EquipmentError) -> SpawnError + '_ {
    move |source| SpawnError::Equipment {
        device: device.to_owned(),
        source,
    }
}

fn time(device: &str, text: &str) -> Result<SimTime, SpawnError> {
    SimTime::parse(text).map_err(|reason| SpawnError::Scene(format!("{device}: {reason}")))
}

fn battery(device: &str, spec: &BatterySpec) -> Result<BatteryUnit, SpawnError> {
    let params = BatteryParams {
        capacity_kwh: spec.capacity_kwh,
        max_kw: spec.max_kw,
        charge_efficiency: spec.charge_efficiency,
        discharge_efficiency: spec.discharge_efficiency,
        taper_from_soc: spec.taper_from_soc,
        ramp_kw_per_s: spec.ramp_kw_per_s,
    };
    Battery::new(params, spec.soc)
        .map(BatteryUnit)
        .map_err(of(device))
}

fn heater(device: &str, spec: &HeaterSpec) -> Result<HeaterUnit, SpawnError> {
    let draws = spec
        .draws
        .iter()
        .map(|(at, kwh)| Ok((time(device, at)?, *kwh)))
        .collect::<Result<_, SpawnError>>()?;
    let params = HeaterParams {
        kw: spec.kw,
        store_kwh: spec.store_kwh,
        loss_kw: spec.loss_kw,
        reserve: spec.reserve,
        reserve_band: spec.reserve_band,
        draws,
    };
    WaterHeater::new(params, spec.level)
        .map(HeaterUnit)
        .map_err(of(device))
}

fn charger(device: &str, spec: &EvSpec) -> Result<EvUnit, SpawnError> {
    let params = EvParams {
        kw: spec.kw,
        arrives: time(device, &spec.arrives)?,
        departs: time(device, &spec.departs)?,
        need_kwh: spec.need_kwh,
    };
    EvCharger::new(params).map(EvUnit).map_err(of(device))
}

/// Entities of all sites, in the order of their meters.
pub(super) fn spawners(
    loaded: &LoadedScene,
    wired: &Wired,
    seed: u64,
) -> Result<Vec<Spawner>, SpawnError> {
    let mut spawners = Vec::new();
    for (meter, spec) in loaded.scene.homes.iter().enumerate() {
        spawners.push(home(loaded, wired, seed, meter, spec)?);
    }
    let homes = loaded.scene.homes.len();
    for (i, spec) in loaded.scene.shared_batteries.iter().enumerate() {
        let refs = &loaded.refs.shared_batteries[i];
        let (bus, port) = wired.batteries[i];
        let site = Site {
            device: DeviceId((homes + i) as u32),
            meter: (homes + i) as u32,
            place: Place::SharedBattery(i as u32),
            bus,
            phase: None,
            load_port: None,
            controlled_port: port,
            mlmd: refs.mlmd as u32,
            cluster: refs.cluster as u32,
        };
        let unit = battery(&spec.id, &spec.battery)?;
        let common = common(loaded, seed, &spec.id);
        spawners.push(Box::new(move |world: &mut World| {
            world.spawn((site, common, unit)).id()
        }));
    }
    Ok(spawners)
}

type Common = (MeterKeys, Meter, Setpoints, SitePower, BoundDevice);

fn common(loaded: &LoadedScene, seed: u64, id: &str) -> Common {
    let keys = MeterKeys {
        account: key(seed, "account", id),
        meter: key(seed, "meter", id),
    };
    let bound = loaded
        .scene
        .bindings
        .iter()
        .any(|binding| binding.entity == id);
    (
        keys,
        Meter::default(),
        Setpoints::default(),
        SitePower {
            live: true,
            ..SitePower::default()
        },
        BoundDevice {
            bound,
            ..BoundDevice::default()
        },
    )
}

fn home(
    loaded: &LoadedScene,
    wired: &Wired,
    seed: u64,
    meter: usize,
    spec: &HomeSpec,
) -> Result<Spawner, SpawnError> {
    let refs = &loaded.refs.homes[meter];
    let load = &loaded.grid.loads[refs.load];
    let (bus, conductor, load_port, controlled_port) = wired.homes[meter];
    let site = Site {
        device: DeviceId(meter as u32),
        meter: meter as u32,
        place: Place::Home(meter as u32),
        bus,
        phase: Some(conductor),
        load_port: Some(load_port),
        controlled_port,
        mlmd: refs.mlmd as u32,
        cluster: refs.cluster as u32,
    };
    let base = BaseLoad {
        series: meter,
        rated_kw: load.kw,
        rated_kvar: load.kvar,
    };
    let id = spec.id.as_str();
    let pv = spec
        .pv
        .map(|pv| {
            Pv::new(PvParams {
                kw_peak: pv.kw_peak,
                inverter_kva: pv.inverter_kva,
            })
            .map(PvUnit)
        })
        .transpose()
        .map_err(of(id))?;
    let battery = spec
        .battery
        .as_ref()
        .map(|spec| battery(id, spec))
        .transpose()?;
    let heater = spec
        .heater
        .as_ref()
        .map(|spec| heater(id, spec))
        .transpose()?;
    let ev = spec.ev.as_ref().map(|spec| charger(id, spec)).transpose()?;
    let common = common(loaded, seed, id);
    Ok(Box::new(move |world: &mut World| {
        let mut entity = world.spawn((site, base, common));
        if let Some(unit) = pv {
            entity.insert(unit);
        }
        if let Some(unit) = battery {
            entity.insert(unit);
        }
        if let Some(unit) = heater {
            entity.insert(unit);
        }
        if let Some(unit) = ev {
            entity.insert(unit);
        }
        entity.id()
    }))
}
