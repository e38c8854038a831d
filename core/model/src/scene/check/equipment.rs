//! Homes, their equipment and shared batteries.

use std::collections::BTreeMap;

use super::Check;
use super::value::{MAX_KW, Range};
use crate::scene::spans::At;
use crate::scene::{BatterySpec, EvSpec, HeaterSpec, HomeSpec, PvSpec};

/// Most homes of a scene.
const MAX_HOMES: usize = 100_000;
/// Most hot-water draws a day.
const MAX_DRAWS: usize = 96;

const POWER: Range = Range::Positive(MAX_KW);
/// Of an inverter's rated current: it must at least reach that, and no device gives much more.
const FAULT_CURRENT: Range = Range::Closed(1.0, 3.0);
const SHARE: Range = Range::Closed(0.0, 1.0);

impl Check<'_, '_, '_> {
    pub(super) fn homes(&mut self) {
        let scene = self.scene;
        let list = self.root.field("homes");
        if scene.homes.is_empty() || scene.homes.len() > MAX_HOMES {
            self.report.say(
                list,
                format!("the scene has {} homes", scene.homes.len()),
                format!("write 1 to {MAX_HOMES} homes"),
            );
        }
        let names = self.names;
        let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
        for (i, home) in scene.homes.iter().enumerate() {
            let at = list.item(i);
            let load_at = at.field("load");
            if let Some(other) = owner.insert(&home.load, &home.id) {
                self.report.say(
                    load_at,
                    format!("load `{}` already belongs to home `{other}`", home.load),
                    "every load of the grid is one customer",
                );
            }
            self.refers(load_at, "load", &home.load, &names.loads);
            let profile = at.field("profile");
            self.refers(profile, "profile series", &home.profile, &names.series);
            let preferences = at.field("preferences");
            self.refers(
                preferences,
                "preference set",
                &home.preferences,
                &names.preferences,
            );
            if let Some(pv) = home.pv {
                self.pv(at.field("pv"), pv);
            }
            if let Some(battery) = home.battery {
                self.battery(at.field("battery"), battery);
            }
            if let Some(heater) = &home.heater {
                self.heater(at.field("heater"), heater);
            }
            if let Some(pump) = &home.heat_pump {
                self.heat_pump(at.field("heat_pump"), pump);
                if home.heater.is_some() {
                    self.report.say(
                        at.field("heat_pump"),
                        format!("home `{}` has a heater and a heat pump", home.id),
                        "the contract steers one thermal store per home: keep one",
                    );
                }
            }
            if let Some(ev) = &home.ev {
                self.ev(at.field("ev"), ev);
            }
            self.alone_behind_terminals(at, home);
        }
    }

    pub(super) fn shared_batteries(&mut self) {
        let scene = self.scene;
        let names = self.names;
        for (i, battery) in scene.shared_batteries.iter().enumerate() {
            let at = self.at("shared_batteries", i);
            self.refers(at.field("bus"), "bus", &battery.bus, &names.buses);
            self.battery(at.field("battery"), battery.battery);
            if let Some(forming) = &battery.forming {
                self.forming(at.field("forming"), forming);
            }
            let preferences = at.field("preferences");
            self.refers(
                preferences,
                "preference set",
                &battery.preferences,
                &names.preferences,
            );
            for (j, home) in battery.shared_by.iter().enumerate() {
                self.refers(at.field("shared_by").item(j), "home", home, &names.homes);
            }
        }
    }

    fn pv(&mut self, at: At<'_>, pv: PvSpec) {
        self.number(at, "kw_peak", pv.kw_peak, POWER);
        self.number(at, "inverter_kva", pv.inverter_kva, POWER);
        if let Some(most_pu) = pv.fault_current_pu {
            self.number(at, "fault_current_pu", most_pu, FAULT_CURRENT);
        }
        if let Some(cell) = pv.cell {
            let at = at.field("cell");
            self.number(at, "noct_c", cell.noct_c, Range::Closed(20.0, 90.0));
            let gamma = cell.gamma_pct_per_k;
            self.number(at, "gamma_pct_per_k", gamma, Range::Closed(-2.0, 0.0));
        }
    }

    fn battery(&mut self, at: At<'_>, battery: BatterySpec) {
        self.number(at, "capacity_kwh", battery.capacity_kwh, POWER);
        self.number(at, "max_kw", battery.max_kw, POWER);
        let efficiency = Range::Positive(1.0);
        self.number(
            at,
            "charge_efficiency",
            battery.charge_efficiency,
            efficiency,
        );
        self.number(
            at,
            "discharge_efficiency",
            battery.discharge_efficiency,
            efficiency,
        );
        self.number(at, "soc", battery.soc, SHARE);
        self.number(at, "taper_from_soc", battery.taper_from_soc, SHARE);
        if let Some(ramp) = battery.ramp_kw_per_s {
            self.number(at, "ramp_kw_per_s", ramp, POWER);
        }
        if let Some(most_pu) = battery.fault_current_pu {
            self.number(at, "fault_current_pu", most_pu, FAULT_CURRENT);
        }
    }

    /// A limit of current is one of the terminals, which a home's steered
    /// devices share.
    fn alone_behind_terminals(&mut self, at: At<'_>, home: &HomeSpec) {
        let limited = home
            .battery
            .is_some_and(|battery| battery.fault_current_pu.is_some());
        let others = home.heater.is_some() || home.heat_pump.is_some() || home.ev.is_some();
        if limited && others {
            self.report.say(
                at.field("battery").field("fault_current_pu"),
                format!(
                    "home `{}` steers other devices behind its battery's terminals",
                    home.id
                ),
                "limit a battery that is alone, or make it a shared battery at the same bus",
            );
        }
    }

    fn heater(&mut self, at: At<'_>, heater: &HeaterSpec) {
        self.number(at, "kw", heater.kw, POWER);
        self.number(at, "store_kwh", heater.store_kwh, POWER);
        self.number(at, "loss_kw", heater.loss_kw, Range::Closed(0.0, MAX_KW));
        self.number(at, "level", heater.level, SHARE);
        self.number(at, "reserve", heater.reserve, SHARE);
        self.number(at, "reserve_band", heater.reserve_band, SHARE);
        if heater.draws.len() > MAX_DRAWS {
            self.report.say(
                at.field("draws"),
                format!("{} draws a day", heater.draws.len()),
                format!("write at most {MAX_DRAWS}"),
            );
        }
        for (i, (time, draw_kwh)) in heater.draws.iter().enumerate() {
            let draw = at.field("draws").item(i);
            self.time_of_day(draw.item(0), time);
            if !(0.0..=MAX_KW).contains(draw_kwh) {
                self.report.say(
                    draw.item(1),
                    format!("draw is {draw_kwh} kWh"),
                    format!("write a number from 0 to {MAX_KW}"),
                );
            } else if *draw_kwh > heater.store_kwh {
                self.report.say(
                    draw.item(1),
                    format!(
                        "draw of {draw_kwh} kWh is more than store_kwh {}",
                        heater.store_kwh
                    ),
                    "split the draw or enlarge the store",
                );
            }
        }
    }

    fn ev(&mut self, at: At<'_>, ev: &EvSpec) {
        let kw_fits = self.number(at, "kw", ev.kw, POWER);
        let need_fits = self.number(at, "need_kwh", ev.need_kwh, Range::Closed(0.0, MAX_KW));
        let arrives = self.time_of_day(at.field("arrives"), &ev.arrives);
        let departs = self.time_of_day(at.field("departs"), &ev.departs);
        let (Some(arrives), Some(departs)) = (arrives, departs) else {
            return;
        };
        let stay_ms = (departs.0 + 86_400_000 - arrives.0) % 86_400_000;
        if stay_ms == 0 {
            self.report.say(
                at.field("departs"),
                format!("departs `{}` is when it arrives", ev.departs),
                "the car must be plugged in for some time",
            );
            return;
        }
        let most_kwh = ev.kw * stay_ms as f64 / 3_600_000.0;
        if kw_fits && need_fits && ev.need_kwh > most_kwh {
            self.report.say(
                at.field("need_kwh"),
                format!("need_kwh {} cannot be charged in one stay", ev.need_kwh),
                format!(
                    "from {} to {} it can take {most_kwh:.1} kWh",
                    ev.arrives, ev.departs
                ),
            );
        }
    }
}
