//! Homes of the experiment: what they draw, and the devices that can be steered.

use gridloom_units::{Stream, draw_f64};

use super::LINE_KW;
use super::data::{SHAPES, StreetData};

/// Slots of a run: five days of quarter hours.
pub(super) const SLOTS: usize = 480;
pub(super) const SLOTS_PER_DAY: usize = 96;
/// Heat a home needs per day, and what its heater gives per slot, kWh.
pub(super) const HEAT_DAY_KWH: f64 = 4.0;
pub(super) const HEAT_SLOT_KWH: f64 = 0.5;
pub(super) const BATTERY_KWH: f64 = 5.0;
/// Most a battery takes or gives per slot, kWh.
pub(super) const BATTERY_SLOT_KWH: f64 = 0.625;
pub(super) const CHARGE_EFFICIENCY: f64 = 0.95;

/// How alike the devices of a street are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Herd {
    /// Every device has a hash of its own, three homes in ten a battery.
    Mixed,
    /// Every home has a battery and all hashes are equal: nothing tells one
    /// device from another.
    Identical,
}

/// A street with its fixed load, the same for every variant.
#[derive(Clone, Debug)]
pub struct Street {
    /// Fixed net import per slot and home, kWh.
    fixed_kwh: Vec<Vec<f64>>,
    /// Hash of each home's devices, 0..1.
    pub(super) hash: Vec<f64>,
    pub(super) has_battery: Vec<bool>,
}

impl Street {
    /// Draws a street of `homes` homes over a window of the data.
    #[must_use]
    pub fn new(data: &StreetData, homes: usize, seed: u64, herd: Herd) -> Self {
        let draw = |home: usize, what: u64| draw_f64(seed, what, home as u64, Stream::Behaviour);
        let mut street = Self {
            fixed_kwh: vec![Vec::new(); SLOTS],
            hash: Vec::with_capacity(homes),
            has_battery: Vec::with_capacity(homes),
        };
        for home in 0..homes {
            let shape = (draw(home, 0) * SHAPES as f64) as usize;
            let shift = (draw(home, 1) * 7.0) as i64 - 3;
            let factor = 0.6 + 0.8 * draw(home, 2);
            let pv = (draw(home, 3) < 0.6).then(|| (draw(home, 4) * SHAPES as f64) as usize);
            for (slot, row) in street.fixed_kwh.iter_mut().enumerate() {
                let noise = libm::exp(0.15 * normal(seed, slot, home));
                let load = data.load_kwh(slot as i64 + shift, shape) / 4.0 * factor * noise;
                let sun = pv.map_or(0.0, |shape| {
                    7.0 * data.sun_kw_per_kw(slot as i64, shape) / 4.0
                });
                row.push(load - sun);
            }
            let mixed = herd == Herd::Mixed;
            street.has_battery.push(!mixed || draw(home, 5) < 0.3);
            let hash = draw_f64(seed, 0, home as u64, Stream::DeviceSpread);
            street.hash.push(if mixed { hash } else { 0.5 });
        }
        street
    }

    /// Number of homes.
    #[must_use]
    pub fn homes(&self) -> usize {
        self.hash.len()
    }

    /// Fixed net import of all homes in a slot, kWh.
    pub(super) fn fixed(&self, slot: usize) -> f64 {
        self.fixed_kwh[slot].iter().sum()
    }

    /// What homes give and take in a slot with `extra` on top of each, kWh.
    pub(super) fn exchange(&self, slot: usize, extra: impl Fn(usize) -> f64) -> (f64, f64) {
        let (mut supply, mut demand) = (0.0, 0.0);
        for (home, fixed) in self.fixed_kwh[slot].iter().enumerate() {
            let net = fixed + extra(home);
            if net > 0.0 {
                demand += net;
            } else {
                supply -= net;
            }
        }
        (supply, demand)
    }

    /// Line limit of the street, kW: 900 for 600 homes, or its inflexible
    /// peak where that is higher.
    #[must_use]
    pub fn line_kw(&self) -> f64 {
        (0..SLOTS)
            .map(|slot| self.fixed(slot) * 4.0)
            .fold(LINE_KW * self.homes() as f64 / 600.0, f64::max)
    }
}

/// A standard normal draw (Box and Muller 1958).
fn normal(seed: u64, slot: usize, home: usize) -> f64 {
    let draw = |part: u64| {
        draw_f64(
            seed,
            slot as u64 * 2 + part,
            home as u64,
            Stream::MeterNoise,
        )
    };
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - draw(0)));
    radius * libm::cos(std::f64::consts::TAU * draw(1))
}

/// State of everything that can be steered.
pub(super) struct Devices {
    /// Heat received since midnight, kWh.
    pub(super) heat_kwh: Vec<f64>,
    /// Energy in the battery, kWh; `None` without one.
    pub(super) battery_kwh: Vec<Option<f64>>,
    pub(super) unmet_kwh: f64,
}

impl Devices {
    pub(super) fn new(street: &Street) -> Self {
        Self {
            heat_kwh: vec![0.0; street.homes()],
            battery_kwh: street
                .has_battery
                .iter()
                .map(|has| has.then_some(BATTERY_KWH / 2.0))
                .collect(),
            unmet_kwh: 0.0,
        }
    }

    /// Books missing heat and starts a new day at midnight.
    pub(super) fn begin(&mut self, slot: usize) {
        if slot.is_multiple_of(SLOTS_PER_DAY) && slot > 0 {
            self.close();
            self.heat_kwh.fill(0.0);
        }
    }

    /// Books the heat that is missing now.
    pub(super) fn close(&mut self) {
        self.unmet_kwh += self
            .heat_kwh
            .iter()
            .map(|heat| (HEAT_DAY_KWH - heat).max(0.0))
            .sum::<f64>();
    }

    /// Slots left until midnight and slots the heater still needs.
    pub(super) fn heat_slots(&self, home: usize, slot: usize) -> (usize, usize) {
        let left = SLOTS_PER_DAY - slot % SLOTS_PER_DAY;
        let missing = (HEAT_DAY_KWH - self.heat_kwh[home]).max(0.0);
        (left, libm::ceil(missing / HEAT_SLOT_KWH - 1e-9) as usize)
    }

    /// Whether a heater must run now to be done by midnight.
    pub(super) fn must_heat(&self, home: usize, slot: usize) -> bool {
        let (left, needed) = self.heat_slots(home, slot);
        needed > 0 && needed >= left
    }

    /// Runs a heater; returns what it took, kWh.
    pub(super) fn heat(&mut self, home: usize) -> f64 {
        let taken = HEAT_SLOT_KWH.min((HEAT_DAY_KWH - self.heat_kwh[home]).max(0.0));
        self.heat_kwh[home] += taken;
        taken
    }

    /// What a battery can take and give in a slot, kWh at its terminals.
    pub(super) fn battery_range(&self, home: usize) -> (f64, f64) {
        self.battery_kwh[home].map_or((0.0, 0.0), |stored| {
            let room = (BATTERY_KWH - stored) / CHARGE_EFFICIENCY;
            (room.min(BATTERY_SLOT_KWH), stored.min(BATTERY_SLOT_KWH))
        })
    }

    /// Charges (positive) or discharges a battery within its range; returns
    /// what it took, kWh.
    pub(super) fn battery(&mut self, home: usize, wanted_kwh: f64) -> f64 {
        let (charge, discharge) = self.battery_range(home);
        let taken = wanted_kwh.clamp(-discharge, charge);
        if let Some(stored) = &mut self.battery_kwh[home] {
            *stored += if taken > 0.0 {
                taken * CHARGE_EFFICIENCY
            } else {
                taken
            };
        }
        taken
    }
}
