//! Variants A to E: devices that answer a price, or bid slot by slot.

use super::homes::{BATTERY_SLOT_KWH, Devices, HEAT_SLOT_KWH, SLOTS, Street};
use super::{Course, LOWER, UPPER, typed};

/// Line limit of variant E, kWh per slot, for 600 homes.
const LINE_KWH: f64 = 900.0 / 4.0;
/// Largest rise of the flexible load per slot in variant E, kWh.
const RAMP_KWH: f64 = 150.0 / 4.0;

/// Price by supply-demand ratio (Liu et al. 2017).
fn liu(supply: f64, demand: f64) -> f64 {
    if demand <= supply {
        return LOWER;
    }
    let ratio = supply / demand;
    UPPER * LOWER / ((UPPER - LOWER) * ratio + LOWER)
}

/// Runs the heaters and batteries that `heat` and `charge` choose and notes the slot.
fn step(
    street: &Street,
    devices: &mut Devices,
    slot: usize,
    course: &mut Course,
    price_of: impl Fn(f64, f64) -> f64,
    heat: impl Fn(usize) -> bool,
    charge: impl Fn(usize) -> f64,
) {
    let extra: Vec<f64> = (0..street.homes())
        .map(|home| {
            let heated = if devices.must_heat(home, slot) || heat(home) {
                devices.heat(home)
            } else {
                0.0
            };
            heated + devices.battery(home, charge(home))
        })
        .collect();
    let (supply, demand) = street.exchange(slot, |home| extra[home]);
    course.net_kwh.push(demand - supply);
    course.price.push(price_of(supply, demand));
}

/// A and B: everybody compares the last slot's price with the same thresholds.
pub(super) fn thresholds(street: &Street, devices: &mut Devices, by_ratio: bool) -> Course {
    let mut course = Course::default();
    let rule = if by_ratio { liu } else { typed };
    let mut last = (LOWER + UPPER) / 2.0;
    for slot in 0..SLOTS {
        devices.begin(slot);
        let full = if last < 0.16 {
            BATTERY_SLOT_KWH
        } else if last > 0.24 {
            -BATTERY_SLOT_KWH
        } else {
            0.0
        };
        step(
            street,
            devices,
            slot,
            &mut course,
            rule,
            |_| last < 0.19,
            |_| full,
        );
        last = course.price[slot];
    }
    finish(course, devices)
}

/// C: spread thresholds, proportional batteries, a limit on the price step.
pub(super) fn damped(street: &Street, devices: &mut Devices) -> Course {
    let mut course = Course::default();
    let mut last = (LOWER + UPPER) / 2.0;
    for slot in 0..SLOTS {
        devices.begin(slot);
        let held = |supply: f64, demand: f64| typed(supply, demand).clamp(last - 0.02, last + 0.02);
        let charge = (0.19 - last) / 0.08;
        step(
            street,
            devices,
            slot,
            &mut course,
            held,
            |home| last < 0.12 + 0.14 * street.hash[home],
            |_| charge.clamp(-1.0, 1.0) * BATTERY_SLOT_KWH,
        );
        last = course.price[slot];
    }
    finish(course, devices)
}

/// What every device would do at a price.
struct Bids<'a> {
    street: &'a Street,
    devices: &'a Devices,
    /// What each heater pays at most; `None` when it needs nothing.
    heat: Vec<Option<f64>>,
}

impl<'a> Bids<'a> {
    fn new(street: &'a Street, devices: &'a Devices, slot: usize, limited: bool) -> Self {
        let value = |home: usize| {
            let (left, needed) = devices.heat_slots(home, slot);
            if needed == 0 {
                return None;
            }
            if needed >= left {
                return Some(if limited {
                    1.0 + street.hash[home]
                } else {
                    f64::INFINITY
                });
            }
            let slack = (left - needed) as f64;
            Some(0.10 + 0.06 * street.hash[home] + 0.25 * libm::exp(-slack / 16.0))
        };
        Self {
            street,
            devices,
            heat: (0..street.homes()).map(value).collect(),
        }
    }

    /// Heat and battery of a home at a price, kWh.
    fn at(&self, home: usize, price: f64) -> (f64, f64) {
        let heat = if self.heat[home].is_some_and(|value| value >= price) {
            HEAT_SLOT_KWH
        } else {
            0.0
        };
        let (charge, discharge) = self.devices.battery_range(home);
        let hash = self.street.hash[home];
        let battery = if price <= 0.13 + 0.03 * hash {
            charge
        } else if price >= 0.20 + 0.03 * hash {
            -discharge
        } else {
            0.0
        };
        (heat, battery)
    }

    fn exchange(&self, slot: usize, price: f64) -> (f64, f64) {
        self.street.exchange(slot, |home| {
            let (heat, battery) = self.at(home, price);
            heat + battery
        })
    }

    fn flexible(&self, price: f64) -> f64 {
        (0..self.street.homes())
            .map(|home| {
                let (heat, battery) = self.at(home, price);
                heat + battery
            })
            .sum()
    }
}

/// Smallest price from which `holds` is true, by bisection.
fn lowest(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// D and E: all bids cleared jointly, each slot alone.
pub(super) fn joint(street: &Street, devices: &mut Devices, limited: bool) -> Course {
    let mut course = Course::default();
    let mut before = 0.0;
    let line = LINE_KWH.max(street.line_kw() / 4.0);
    for slot in 0..SLOTS {
        devices.begin(slot);
        let bids = Bids::new(street, devices, slot, limited);
        let mut price = lowest(LOWER, UPPER, |price| {
            let (supply, demand) = bids.exchange(slot, price);
            typed(supply, demand) <= price
        });
        if limited {
            let fits = |price: f64| {
                let flexible = bids.flexible(price);
                street.fixed(slot) + flexible <= line && flexible - before <= RAMP_KWH
            };
            if !fits(price) {
                price = lowest(price, 2.1, fits);
            }
        }
        let chosen: Vec<(f64, f64)> = (0..street.homes())
            .map(|home| bids.at(home, price))
            .collect();
        before = bids.flexible(price);
        let extra: Vec<f64> = chosen
            .iter()
            .enumerate()
            .map(|(home, (heat, battery))| {
                let heated = if *heat > 0.0 { devices.heat(home) } else { 0.0 };
                heated + devices.battery(home, *battery)
            })
            .collect();
        let (supply, demand) = street.exchange(slot, |home| extra[home]);
        course.net_kwh.push(demand - supply);
        course.price.push(price.min(UPPER));
    }
    finish(course, devices)
}

pub(super) fn finish(mut course: Course, devices: &mut Devices) -> Course {
    devices.close();
    course.unmet_kwh = devices.unmet_kwh;
    course
}
