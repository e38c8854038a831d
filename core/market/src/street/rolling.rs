//! Forward clearing: the recorded variant F, and the default rule.

use std::ops::Range;

use gridloom_units::EnergyWh;

use super::homes::{
    BATTERY_KWH, CHARGE_EFFICIENCY, Devices, HEAT_DAY_KWH, HEAT_SLOT_KWH, SLOTS, SLOTS_PER_DAY,
    Street,
};
use super::literal::finish;
use super::{Course, LINE_KW, LOWER, UPPER, typed};
use crate::forward::{ForwardInput, LoadHistory, Store, Task, clear_forward};

/// F as recorded: water level over the rest of the day, a fixed cap of 900 kW,
/// batteries by the distance from the mean, a price that stands for the level.
pub(super) fn recorded(street: &Street, devices: &mut Devices) -> Course {
    let mut course = Course::default();
    let most = HEAT_SLOT_KWH * street.homes() as f64;
    let cap = LINE_KW / 4.0 * street.homes() as f64 / 600.0;
    let fixed: Vec<f64> = (0..SLOTS).map(|slot| street.fixed(slot)).collect();
    for slot in 0..SLOTS {
        devices.begin(slot);
        let now = fixed[slot];
        let left = SLOTS_PER_DAY - slot % SLOTS_PER_DAY;
        let forecast: Vec<f64> = (0..left)
            .map(|k| match (slot + k).checked_sub(SLOTS_PER_DAY) {
                Some(before) => {
                    let error = now - fixed[slot - SLOTS_PER_DAY];
                    fixed[before] + error * libm::exp(-(k as f64) / 8.0)
                }
                None => now,
            })
            .collect();
        let need: f64 = devices
            .heat_kwh
            .iter()
            .map(|heat| (HEAT_DAY_KWH - heat).max(0.0))
            .sum();
        let level = water_level(&forecast, need, most);
        let run = (level - now).clamp(0.0, most).min((cap - now).max(0.0));
        let extra = heat_by_need(street, devices, slot, run);
        let mean = forecast.iter().sum::<f64>() / left as f64;
        let wanted = if now < 0.6 * mean {
            (0.6 * mean - now) / 80.0
        } else {
            -((now - 1.15 * mean) / 60.0).max(0.0)
        };
        let mut flexible: f64 = extra.iter().sum();
        for home in 0..street.homes() {
            flexible += devices.battery(home, wanted);
        }
        course.net_kwh.push(now + flexible);
        let shown = ((level + 60.0) / 260.0).clamp(0.0, 1.0);
        course.price.push(LOWER + (UPPER - LOWER) * shown);
    }
    finish(course, devices)
}

/// Level at which `need` kWh fit between it and the forecast.
fn water_level(forecast: &[f64], need: f64, most: f64) -> f64 {
    let (mut low, mut high) = (
        forecast.iter().copied().fold(f64::MAX, f64::min),
        forecast.iter().copied().fold(f64::MIN, f64::max) + most,
    );
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        let held: f64 = forecast
            .iter()
            .map(|kwh| (middle - kwh).clamp(0.0, most))
            .sum();
        if held < need {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Runs heaters for about `run` kWh, largest need first; forced ones always.
fn heat_by_need(street: &Street, devices: &mut Devices, slot: usize, run: f64) -> Vec<f64> {
    let mut extra = vec![0.0; street.homes()];
    let mut left = run;
    for (home, heat) in extra.iter_mut().enumerate() {
        if devices.must_heat(home, slot) {
            *heat = devices.heat(home);
            left -= *heat;
        }
    }
    let mut order: Vec<usize> = (0..street.homes())
        .filter(|home| extra[*home] == 0.0 && devices.heat_slots(*home, slot).1 > 0)
        .collect();
    order.sort_by(|a, b| {
        devices.heat_kwh[*a]
            .total_cmp(&devices.heat_kwh[*b])
            .then(street.hash[*a].total_cmp(&street.hash[*b]))
    });
    for home in order {
        if left < HEAT_SLOT_KWH / 2.0 {
            break;
        }
        extra[home] = devices.heat(home);
        left -= extra[home];
    }
    extra
}

fn wh(kwh: f64) -> EnergyWh {
    (kwh * 1_000.0) as EnergyWh
}

/// The default rule, with what a meter and a ledger can know: the slot that
/// ended and the days before, never the slot that is running.
///
/// During `event` no import is asked for at all.
pub(super) fn default_rule(street: &Street, devices: &mut Devices, event: Range<usize>) -> Course {
    let mut course = Course::default();
    let mut history = LoadHistory::default();
    // What was metered before the first slot: its own load, as a start.
    history.push(wh(street.fixed(0)), SLOTS_PER_DAY);
    let mut price = f64::midpoint(LOWER, UPPER);
    for slot in 0..SLOTS {
        devices.begin(slot);
        let mut input = forward_input(street, devices, slot, &history);
        let day = course.net_kwh.len().saturating_sub(SLOTS_PER_DAY);
        let metered = course.net_kwh[day..].iter().copied().fold(0.0, f64::max);
        input.metered_peak_wh = wh(metered);
        if event.contains(&slot) {
            input.event_wh = Some(0);
        }
        let Ok(plan) = clear_forward(&input) else {
            break;
        };
        let extra: Vec<f64> = (0..street.homes())
            .map(|home| {
                let heated = if plan.tasks_wh[home] > 0 {
                    devices.heat(home)
                } else {
                    0.0
                };
                heated + devices.battery(home, plan.stores_wh[home] as f64 / 1_000.0)
            })
            .collect();
        let (supply, demand) = street.exchange(slot, |home| extra[home]);
        course.net_kwh.push(demand - supply);
        price = typed(supply, demand).clamp(price - 0.02, price + 0.02);
        course.price.push(price);
        history.push(wh(street.fixed(slot)), SLOTS_PER_DAY);
    }
    finish(course, devices)
}

fn forward_input(
    street: &Street,
    devices: &Devices,
    slot: usize,
    history: &LoadHistory,
) -> ForwardInput {
    let tasks = (0..street.homes()).map(|home| {
        let (left, _) = devices.heat_slots(home, slot);
        Task {
            need_wh: wh((HEAT_DAY_KWH - devices.heat_kwh[home]).max(0.0)),
            slot_wh: wh(HEAT_SLOT_KWH),
            whole: true,
            slots_left: left as u16,
            now: false,
            spread: (street.hash[home] * 65_535.0) as u16,
        }
    });
    let stores = (0..street.homes()).map(|home| {
        let (charge, discharge) = devices.battery_range(home);
        devices.battery_kwh[home].map_or_else(Store::default, |stored| Store {
            stored_wh: wh(stored),
            room_wh: wh((BATTERY_KWH - stored) / CHARGE_EFFICIENCY),
            charge_wh: wh(charge),
            discharge_wh: wh(discharge),
        })
    });
    ForwardInput {
        forecast_wh: history.forecast(SLOTS_PER_DAY, SLOTS_PER_DAY),
        high_wh: history.forecast_high(SLOTS_PER_DAY, SLOTS_PER_DAY),
        limit_wh: Some(wh(street.line_kw() / 4.0)),
        peak_wh: history.peak_wh(SLOTS_PER_DAY),
        event_wh: None,
        metered_peak_wh: 0,
        ramp_wh: None,
        before_wh: 0,
        tasks: tasks.collect(),
        stores: stores.collect(),
    }
}

/// Peaks around a demand-response event, kW.
#[derive(Clone, Copy, Debug)]
pub struct EventPeaks {
    /// Of the day that ends as the event begins.
    pub before_kw: f64,
    /// Of the day that begins as the event ends.
    pub after_kw: f64,
    /// Of the same time had there been no event.
    pub undisturbed_kw: f64,
    /// Energy that the event took out of its hour, kWh.
    pub relief_kwh: f64,
}

/// One hour of demand response under the default rule, on the third day from
/// this hour on.
#[must_use]
pub fn event_peaks(street: &Street, hour: usize) -> EventPeaks {
    let first = 2 * SLOTS_PER_DAY + hour.min(23) * 4;
    let event = first..first + 4;
    let with = default_rule(street, &mut Devices::new(street), event.clone()).net_kwh;
    let without = default_rule(street, &mut Devices::new(street), 0..0).net_kwh;
    let peak_kw = |net: &[f64]| net.iter().map(|kwh| kwh * 4.0).fold(f64::MIN, f64::max);
    let after = event.end..event.end + SLOTS_PER_DAY;
    let sum = |net: &[f64]| net[event.clone()].iter().sum::<f64>();
    EventPeaks {
        before_kw: peak_kw(&with[event.start - SLOTS_PER_DAY..event.start]),
        after_kw: peak_kw(&with[after.clone()]),
        undisturbed_kw: peak_kw(&without[after]),
        relief_kwh: sum(&without) - sum(&with),
    }
}
