//! Sense: weather, occupants and orders give every device its power.

use bevy::prelude::*;
use gridloom_units::SimTime;

use super::components::{
    BaseLoad, BatteryUnit, EvUnit, HeatPumpUnit, HeaterUnit, Profiles, PvUnit, Setpoints, Site,
    SitePower, Weather,
};
use super::remote::RemoteSetpoints;
use crate::clock::SimClock;
use crate::grid::Grid;
use crate::island::{ColdPickup, Forming, IslandPlan, Islands, MainState, Plan, Shed};

/// Equipment that a tick advances.
type Equipment<'w> = (
    Option<&'w mut PvUnit>,
    Option<&'w mut BatteryUnit>,
    Option<&'w mut HeaterUnit>,
    Option<&'w mut HeatPumpUnit>,
    Option<&'w mut EvUnit>,
    Option<&'w mut ColdPickup>,
);

/// The same equipment, at hand.
type Fitted<'w> = (
    Option<Mut<'w, PvUnit>>,
    Option<Mut<'w, BatteryUnit>>,
    Option<Mut<'w, HeaterUnit>>,
    Option<Mut<'w, HeatPumpUnit>>,
    Option<Mut<'w, EvUnit>>,
    Option<Mut<'w, ColdPickup>>,
);
use crate::protection::{Held, ProtectionPlan, ProtectionState};

type Devices<'w> = (
    &'w Site,
    &'w mut SitePower,
    (&'w Setpoints, &'w RemoteSetpoints),
    Option<&'w BaseLoad>,
    Option<&'w Forming>,
    &'w mut Before,
    Equipment<'w>,
);

/// Equipment as it was before the running tick, for a tick whose supply is lost
/// in `Flow`. Written and read within one tick: no state of the run.
#[derive(Component, Clone, Debug, Default)]
pub struct Before {
    pv: Option<PvUnit>,
    battery: Option<BatteryUnit>,
    heater: Option<HeaterUnit>,
    heat_pump: Option<HeatPumpUnit>,
    ev: Option<EvUnit>,
    cold: Option<ColdPickup>,
    noted: bool,
}

/// Share by which a tick of balancing takes the exchange away.
const BALANCING_GAIN: f64 = 0.7;

/// What all sites of a tick have in common.
struct Around<'a> {
    now: SimTime,
    dt_ms: u64,
    profiles: &'a Profiles,
    weather: &'a Weather,
    islands: &'a Islands,
    plan: Option<&'a Plan>,
    protection: (&'a ProtectionPlan, &'a ProtectionState),
}

/// Sets the power of every device and hands it to the network's ports.
pub(super) fn give_power(
    clock: Res<SimClock>,
    profiles: Res<Profiles>,
    plan: Res<IslandPlan>,
    islands: Res<Islands>,
    mut weather: ResMut<Weather>,
    mut grid: ResMut<Grid>,
    devices: Res<ProtectionPlan>,
    protection: Res<ProtectionState>,
    mut sites: Query<Devices<'_>>,
) {
    let (now, dt_ms) = (clock.time(), clock.tick_ms);
    weather.solar_w_per_kw = profiles.solar.at(now.0);
    if let Some(air) = &profiles.air_c {
        weather.air_c = air.at(now.0);
    }
    let around = Around {
        now,
        dt_ms,
        profiles: &profiles,
        weather: &weather,
        islands: &islands,
        plan: plan.0.as_ref(),
        protection: (&devices, &protection),
    };
    // Only an island can be lost in `Flow`.
    let keep = !islands.holding().is_empty();
    // Ports are addressed by index, so the order of sites does not matter.
    for (site, mut power, orders, load, forming, mut before, mut equipment) in &mut sites {
        let live = grid.bus_live(site.bus);
        if keep {
            before.note(&equipment);
        }
        before.noted = keep;
        let forming = forming.map(|forming| forming.0);
        let parts = (load, forming);
        let (given, share) = around.power(&grid, site, orders, parts, live, &mut equipment);
        *power = given;
        hand_over(&mut grid, site, load.map(|load| (load, share)), &power);
    }
}

/// A section that lost its units in `Flow` had no supply in this tick: its
/// equipment goes back to before it and passes the tick without.
pub(crate) fn withdraw(
    clock: Res<SimClock>,
    profiles: Res<Profiles>,
    plan: Res<IslandPlan>,
    islands: Res<Islands>,
    weather: Res<Weather>,
    grid: Res<Grid>,
    devices: Res<ProtectionPlan>,
    protection: Res<ProtectionState>,
    mut sites: Query<Devices<'_>>,
) {
    let around = Around {
        now: clock.time(),
        dt_ms: clock.tick_ms,
        profiles: &profiles,
        weather: &weather,
        islands: &islands,
        plan: plan.0.as_ref(),
        protection: (&devices, &protection),
    };
    for (site, mut power, orders, load, forming, before, mut equipment) in &mut sites {
        // Supply lost to protection within the tick is no lost island: what was
        // served until then counts.
        if !power.live || grid.bus_live(site.bus) || !before.noted || grid.disturbed() {
            continue;
        }
        before.restore(&mut equipment);
        let parts = (load, forming.map(|forming| forming.0));
        (*power, _) = around.power(&grid, site, orders, parts, false, &mut equipment);
    }
}

/// Nominal powers of a site's ports.
fn hand_over(grid: &mut Grid, site: &Site, load: Option<(&BaseLoad, f64)>, power: &SitePower) {
    if let (Some((load, share)), Some(port)) = (load, site.load_port) {
        grid.set_port_kw(port, load.rated_kw * share, load.rated_kvar * share);
    }
    let mut controlled = power.battery_kw + power.heater_kw + power.ev_kw;
    match site.pv_port {
        Some(port) => grid.set_port_kw(port, -power.pv_kw, 0.0),
        None => controlled -= power.pv_kw,
    }
    grid.set_port_kw(site.controlled_port, controlled, 0.0);
}

impl Around<'_> {
    fn shed(&self, site: &Site) -> Shed {
        if self.held(site).all {
            return Shed::All;
        }
        self.plan.map_or(Shed::Nothing, |plan| {
            self.islands.shed(plan, site.mlmd, site.meter)
        })
    }

    /// What the load management of the M-LMDs holds back.
    fn held(&self, site: &Site) -> Held {
        let (plan, state) = self.protection;
        if plan.manages_load() {
            plan.held(state, site.mlmd, site.meter)
        } else {
            Held::default()
        }
    }

    /// Power of a site, and the share of its rated uncontrolled load that goes to
    /// the network; advances its equipment by the tick.
    fn power(
        &self,
        grid: &Grid,
        site: &Site,
        (orders, remote): (&Setpoints, &RemoteSetpoints),
        (load, forming): (Option<&BaseLoad>, Option<usize>),
        energised: bool,
        (pv, battery, heater, heat_pump, ev, cold): &mut Fitted<'_>,
    ) -> (SitePower, f64) {
        let shed = self.shed(site);
        let live = energised && shed != Shed::All;
        let flexible = live && shed == Shed::Nothing;
        let held = self.held(site);
        let ordered = orders.hold(self.now.0);
        let mut power = SitePower {
            live,
            ..SitePower::default()
        };
        let mut share = 0.0;
        if let Some(load) = load {
            let multiplier = self
                .profiles
                .loads
                .get(load.series)
                .map_or(0.0, |table| table.at(self.now.0));
            let mut factor = 1.0;
            if let (Some(cold), Some(params)) = (cold, self.cold_load()) {
                cold.0.step(params, live, self.dt_ms);
                factor = cold.0.factor();
            }
            power.asked_kw = load.rated_kw * multiplier * factor;
            if shed != Shed::All {
                share = multiplier * factor;
            }
        }
        if let Some(pv) = pv {
            self.pv_power(grid, site, pv, remote, &mut power);
        }
        if let Some(battery) = battery {
            let limited = Setpoints {
                battery_w: orders.battery_w.min(0),
                ..*orders
            };
            let orders = if held.charging { &limited } else { orders };
            power.battery_kw =
                self.battery_power(battery, forming, (orders, remote), live, ordered);
        }
        if let Some(heater) = heater {
            let may = flexible && !held.heater;
            power.heater_kw = heater_power(heater, may, ordered, orders, self.now, self.dt_ms);
        }
        if let Some(pump) = heat_pump {
            let air_c = self.weather.air_c;
            power.heater_kw = if flexible && !held.heater {
                let on = !ordered || orders.heater_on;
                pump.0.step(on, air_c, self.dt_ms).p_kw
            } else {
                pump.0.step_unsupplied(air_c, self.dt_ms).p_kw
            };
        }
        if let Some(ev) = ev {
            let may = flexible && !held.vehicle;
            power.ev_kw = ev_power(ev, may, ordered, orders, self.now, self.dt_ms);
        }
        if energised && !flexible {
            power.held_kw = held_kw(&power, shed, heater, heat_pump, ev);
        }
        (power, share)
    }

    fn cold_load(&self) -> Option<&gridloom_island::coldload::ColdLoadParams> {
        self.plan?.cold_load.as_ref()
    }

    /// Sun at a site, as a factor on the series.
    fn sun(&self, site: &Site) -> f64 {
        let mut left = f64::from(self.weather.cloud_permille) / 1_000.0;
        if let Some((x, y)) = site.xy {
            let middle = self.profiles.middle;
            for front in &self.weather.fronts {
                left *= front.left_at(self.now.0, (x - middle.0, y - middle.1));
            }
        }
        left
    }

    fn pv_power(
        &self,
        grid: &Grid,
        site: &Site,
        pv: &mut PvUnit,
        remote: &RemoteSetpoints,
        power: &mut SitePower,
    ) {
        let (series, sun) = (self.weather.solar_w_per_kw, self.sun(site));
        let air_c = self.weather.air_c;
        // Without supply the inverter is off; what it could have given is lost.
        let share = if power.live {
            self.pv_share(grid, site.bus)
        } else {
            0.0
        };
        let limit = (share < 1.0).then(|| pv.0.output(series, sun, air_c).available_kw * share);
        let asked = remote.pv_limit_kw(pv.0.params().inverter_kva);
        let lower = limit.into_iter().chain(asked).reduce(f64::min);
        pv.0.set_limit_kw(lower);
        let output = pv.0.step(series, sun, air_c, self.dt_ms);
        power.pv_kw = output.delivered_kw;
        power.curtailed_kw = output.curtailed_kw;
    }

    /// Share that the frequency of an island leaves to the sun.
    fn pv_share(&self, grid: &Grid, bus: usize) -> f64 {
        let section = grid.network().bus_section(bus);
        section
            .and_then(|section| self.islands.lead_of(section))
            .map_or(1.0, |unit| self.islands.frequency[unit].pv_share)
    }

    fn battery_power(
        &self,
        battery: &mut BatteryUnit,
        forming: Option<usize>,
        (orders, remote): (&Setpoints, &RemoteSetpoints),
        live: bool,
        ordered: bool,
    ) -> f64 {
        if let Some(unit) = forming {
            // A forming battery gives what the solution says, after it is made.
            if self.islands.forms(unit) {
                return 0.0;
            }
            if live && matches!(self.islands.main, MainState::Balancing { .. }) {
                return self.balancing_kw(battery, unit);
            }
        }
        let ordered_w = if ordered { orders.battery_w } else { 0 };
        let setpoint_w = if live {
            remote.battery_w.unwrap_or(ordered_w)
        } else {
            0
        };
        battery.0.step(setpoint_w as f64 / 1_000.0, self.dt_ms).p_kw
    }

    /// Before a planned islanding the units take the exchange over.
    fn balancing_kw(&self, battery: &mut BatteryUnit, unit: usize) -> f64 {
        let units = self.plan.map_or(&[][..], |plan| &plan.units);
        let rating: f64 = units.iter().map(|unit| unit.params.kva).sum();
        let share = units.get(unit).map_or(0.0, |own| own.params.kva / rating);
        let change = BALANCING_GAIN * share * self.islands.exchange_kw;
        battery.0.step(battery.0.p_kw() - change, self.dt_ms).p_kw
    }
}

/// What shedding holds back at an energised site.
fn held_kw(
    power: &SitePower,
    shed: Shed,
    heater: &Option<Mut<'_, HeaterUnit>>,
    heat_pump: &Option<Mut<'_, HeatPumpUnit>>,
    ev: &Option<Mut<'_, EvUnit>>,
) -> f64 {
    let heater_kw = heater
        .as_ref()
        .filter(|heater| heater.0.level() < 1.0)
        .map_or(0.0, |heater| heater.0.params().kw);
    let pump_kw = heat_pump
        .as_ref()
        .filter(|pump| pump.0.level() < 1.0)
        .map_or(0.0, |pump| pump.0.params().kw);
    let ev_kw = ev
        .as_ref()
        .filter(|ev| ev.0.plugged() && ev.0.remaining() > 0)
        .map_or(0.0, |ev| ev.0.params().kw);
    let own = if shed == Shed::All {
        power.asked_kw
    } else {
        0.0
    };
    own + heater_kw + pump_kw + ev_kw
}

impl Before {
    fn note(&mut self, (pv, battery, heater, heat_pump, ev, cold): &Fitted<'_>) {
        self.pv = pv.as_deref().cloned();
        self.battery = battery.as_deref().cloned();
        self.heater = heater.as_deref().cloned();
        self.heat_pump = heat_pump.as_deref().cloned();
        self.ev = ev.as_deref().cloned();
        self.cold = cold.as_deref().copied();
    }

    fn restore(&self, (pv, battery, heater, heat_pump, ev, cold): &mut Fitted<'_>) {
        fn put<T: Clone + Component<Mutability = bevy::ecs::component::Mutable>>(
            to: &mut Option<Mut<'_, T>>,
            from: &Option<T>,
        ) {
            if let (Some(to), Some(from)) = (to, from) {
                to.clone_from(from);
            }
        }
        put(pv, &self.pv);
        put(battery, &self.battery);
        put(heater, &self.heater);
        put(heat_pump, &self.heat_pump);
        put(ev, &self.ev);
        put(cold, &self.cold);
    }
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
