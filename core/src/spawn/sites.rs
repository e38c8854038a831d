//! Entities of homes and shared batteries, and the profile tables.

use bevy::prelude::*;
use gridloom_equipment::{
    Battery, BatteryParams, CellParams, EquipmentError, EvCharger, EvParams, HeatPump,
    HeatPumpParams, HeaterParams, Pv, PvParams, WaterHeater,
};
use gridloom_model::profile::{Between, ProfileSet};
use gridloom_model::scene::{
    BatterySpec, EvSpec, HeatPumpSpec, HeaterSpec, HomeSpec, LoadedScene, PvSpec, SeriesRef,
};
use gridloom_units::{DeviceId, SimTime};

use super::network::Wired;
use super::organisation::key;
use super::{SpawnError, Spawner};
use crate::bound::BoundDevice;
use crate::island::{ColdPickup, Forming};
use crate::market::OrderDesk;
use crate::meter::{DeviceEdge, Meter, MeterKeys};
use crate::site::{
    BaseLoad, BatteryUnit, Before, EvUnit, HeatPumpUnit, HeaterUnit, Profiles, PvUnit,
    RemoteSetpoints, Setpoints, Site, SitePower, Table,
};
use crate::truth::{Probe, Told};
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
        air_c: loaded
            .refs
            .temperature
            .map(|at| table(&loaded.profiles, at))
            .transpose()?,
        middle: super::island::extent(&loaded.grid).0,
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

fn photovoltaics(device: &str, spec: &PvSpec) -> Result<PvUnit, SpawnError> {
    let params = PvParams {
        kw_peak: spec.kw_peak,
        inverter_kva: spec.inverter_kva,
        cell: spec.cell.map(|cell| CellParams {
            noct_c: cell.noct_c,
            gamma_per_k: cell.gamma_pct_per_k / 100.0,
        }),
    };
    Pv::new(params).map(PvUnit).map_err(of(device))
}

fn heat_pump(device: &str, spec: &HeatPumpSpec) -> Result<HeatPumpUnit, SpawnError> {
    let params = HeatPumpParams {
        kw: spec.kw,
        quality: spec.quality,
        flow_c: spec.flow_c,
        capacity_kwh_per_k: spec.capacity_kwh_per_k,
        loss_kw_per_k: spec.loss_kw_per_k,
        gains_kw: spec.gains_kw,
        low_c: spec.comfort_c.0,
        high_c: spec.comfort_c.1,
        band_k: spec.band_k,
    };
    HeatPump::new(params, spec.inside_c)
        .map(HeatPumpUnit)
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
            pv_port: None,
            xy: loaded.grid.buses[bus].xy,
            mlmd: refs.mlmd as u32,
            cluster: refs.cluster as u32,
        };
        let unit = battery(&spec.id, &spec.battery)?;
        let common = common(loaded, seed, &spec.id);
        let forming = super::island::forming_index(loaded, i);
        spawners.push(Box::new(move |world: &mut World| {
            let mut entity = world.spawn((site, common, unit));
            if let Some(index) = forming {
                entity.insert(Forming(index));
            }
            entity.id()
        }));
    }
    Ok(spawners)
}

type Common = (
    MeterKeys,
    Meter,
    Told,
    Probe,
    Setpoints,
    RemoteSetpoints,
    SitePower,
    BoundDevice,
    DeviceEdge,
    OrderDesk,
    Before,
);

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
        Told::default(),
        Probe::default(),
        Setpoints::default(),
        RemoteSetpoints::default(),
        SitePower {
            live: true,
            ..SitePower::default()
        },
        BoundDevice::new(bound),
        DeviceEdge::default(),
        OrderDesk::default(),
        Before::default(),
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
        pv_port: wired.pv[meter],
        xy: loaded.grid.buses[bus].xy,
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
        .as_ref()
        .map(|spec| photovoltaics(id, spec))
        .transpose()?;
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
    let heat_pump = spec
        .heat_pump
        .as_ref()
        .map(|spec| heat_pump(id, spec))
        .transpose()?;
    let ev = spec.ev.as_ref().map(|spec| charger(id, spec)).transpose()?;
    let cold = loaded
        .scene
        .islanding
        .as_ref()
        .and_then(|spec| spec.cold_load)
        .map(|_| ColdPickup::default());
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
        if let Some(unit) = heat_pump {
            entity.insert(unit);
        }
        if let Some(cold) = cold {
            entity.insert(cold);
        }
        entity.id()
    }))
}
