//! Sense: weather, occupants and orders give every device its power.

use bevy::prelude::*;
use gridloom_units::SimTime;

use super::components::{
    BaseLoad, BatteryUnit, EvUnit, HeaterUnit, Profiles, PvUnit, Setpoints, Site, SitePower,
    Weather,
};
use crate::clock::SimClock;
use crate::grid::Grid;

type Devices<'w> = (
    &'w Site,
    &'w mut SitePower,
    &'w Setpoints,
    Option<&'w BaseLoad>,
    Option<&'w mut PvUnit>,
    Option<&'w mut BatteryUnit>,
    Option<&'w mut HeaterUnit>,
    Option<&'w mut EvUnit>,
);

/// Sets the power of every device and hands it to the network's ports.
pub(super) fn give_power(
    clock: Res<SimClock>,
    profiles: Res<Profiles>,
    mut weather: ResMut<Weather>,
    mut grid: ResMut<Grid>,
    mut sites: Query<Devices<'_>>,
) {
    let (now, dt_ms) = (clock.time(), clock.tick_ms);
    let solar = profiles.solar.at(now.0);
    weather.solar_w_per_kw = solar;
    let cloud = f64::from(weather.cloud_permille) / 1_000.0;
    // Ports are addressed by index, so the order of sites does not matter.
    for (site, mut power, orders, load, pv, battery, heater, ev) in &mut sites {
        let live = grid.bus_live(site.bus);
        let ordered = orders.hold(now.0);
        *power = SitePower {
            live,
            ..SitePower::default()
        };
        if let (Some(load), Some(port)) = (load, site.load_port) {
            let multiplier = profiles
                .loads
                .get(load.series)
                .map_or(0.0, |table| table.at(now.0));
            power.asked_kw = load.rated_kw * multiplier;
            grid.set_port_kw(port, power.asked_kw, load.rated_kvar * multiplier);
        }
        if let Some(mut pv) = pv {
            pv_power(&mut pv, &mut power, solar, cloud, dt_ms);
        }
        if let Some(mut battery) = battery {
            let setpoint_w = if live && ordered { orders.battery_w } else { 0 };
            power.battery_kw = battery.0.step(setpoint_w as f64 / 1_000.0, dt_ms).p_kw;
        }
        if let Some(mut heater) = heater {
            power.heater_kw = heater_power(&mut heater, live, ordered, orders, now, dt_ms);
        }
        if let Some(mut ev) = ev {
            power.ev_kw = ev_power(&mut ev, live, ordered, orders, now, dt_ms);
        }
        let controlled = power.battery_kw + power.heater_kw + power.ev_kw - power.pv_kw;
        grid.set_port_kw(site.controlled_port, controlled, 0.0);
    }
}

fn pv_power(pv: &mut PvUnit, power: &mut SitePower, solar: f64, cloud: f64, dt_ms: u64) {
    // Without supply the inverter is off; what it could have given is lost.
    pv.0.set_limit_kw(if power.live { None } else { Some(0.0) });
    let output = pv.0.step(solar, cloud, dt_ms);
    power.pv_kw = output.delivered_kw;
    power.curtailed_kw = output.curtailed_kw;
}

fn heater_power(
    heater: &mut HeaterUnit,
    live: bool,
    ordered: bool,
    orders: &Setpoints,
    now: SimTime,
    dt_ms: u64,
) -> f64 {
    if !live {
        return heater.0.step_unsupplied(now, dt_ms).p_kw;
    }
    let on = if ordered {
        orders.heater_on
    } else {
        heater.0.level() < 1.0
    };
    heater.0.step(on, now, dt_ms).p_kw
}

fn ev_power(
    ev: &mut EvUnit,
    live: bool,
    ordered: bool,
    orders: &Setpoints,
    now: SimTime,
    dt_ms: u64,
) -> f64 {
    if !live {
        return ev.0.step_unsupplied(now, dt_ms).p_kw;
    }
    let limit_kw = if ordered {
        orders.ev_limit_w as f64 / 1_000.0
    } else {
        f64::INFINITY
    };
    ev.0.step(limit_kw, now, dt_ms).p_kw
}
