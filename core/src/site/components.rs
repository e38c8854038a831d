//! Components of a site and the weather above it.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{Battery, EvCharger, Pv, WaterHeater};
use gridloom_units::DeviceId;

use crate::sim_state::plain_sim_state;
use crate::view::Place;

/// Where a site hangs in the network and in the organisation; fixed for a run.
#[derive(Component, Clone, Debug)]
pub struct Site {
    /// Device id of its meter.
    pub device: DeviceId,
    /// Index among all meters: homes in scene order, then shared batteries.
    pub meter: u32,
    /// The same as an end of messages.
    pub place: Place,
    /// Bus index in the network.
    pub bus: usize,
    /// Conductor of a single-phase connection, from 1; `None` for three phases.
    pub phase: Option<u8>,
    /// Port of the uncontrolled load, with the load law of the grid file.
    pub load_port: Option<usize>,
    /// Port of everything that is controlled, constant power.
    pub controlled_port: usize,
    /// Nearest M-LMD upstream.
    pub mlmd: u32,
    /// Cluster it belongs to.
    pub cluster: u32,
}

/// Uncontrolled load: a profile times a rating; fixed for a run.
#[derive(Component, Clone, Copy, Debug)]
pub struct BaseLoad {
    /// Index of the series in the profile tables.
    pub series: usize,
    /// Rated active power, kW.
    pub rated_kw: f64,
    /// Rated reactive power, kvar.
    pub rated_kvar: f64,
}

/// Photovoltaic unit.
#[derive(Component, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct PvUnit(pub Pv);

/// Battery.
#[derive(Component, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct BatteryUnit(pub Battery);

/// Water heater.
#[derive(Component, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct HeaterUnit(pub WaterHeater);

/// Charging point.
#[derive(Component, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct EvUnit(pub EvCharger);

/// What the I-meter told its equipment to do, and until when that holds.
///
/// Orders lapse after two slots: without a living contract the equipment
/// falls back to its own rule (battery idle, heater by thermostat, vehicle at
/// full power), never to the last value for ever.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Setpoints {
    /// Battery power, W, positive charges.
    pub battery_w: i64,
    /// Heater may run beyond what comfort requires.
    pub heater_on: bool,
    /// Vehicle charging limit, W.
    pub ev_limit_w: i64,
    /// Slot of the price they follow.
    pub slot: u32,
    /// Orders hold before this time, ms.
    pub valid_until_ms: u64,
}

impl Setpoints {
    /// Whether orders hold at `now_ms`.
    #[must_use]
    pub fn hold(&self, now_ms: u64) -> bool {
        now_ms < self.valid_until_ms
    }
}

/// Power of every device of a site over the last tick, kW.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct SitePower {
    /// Uncontrolled load asked for by the profile.
    pub asked_kw: f64,
    /// Uncontrolled load as served by the network (after the power flow).
    pub load_kw: f64,
    /// Photovoltaic output, positive.
    pub pv_kw: f64,
    /// Photovoltaic power not used (clipped or without supply), positive.
    pub curtailed_kw: f64,
    /// Battery, positive charges.
    pub battery_kw: f64,
    /// Water heater.
    pub heater_kw: f64,
    /// Vehicle.
    pub ev_kw: f64,
    /// Net power from the network.
    pub net_kw: f64,
    /// Whether the connection is energised.
    pub live: bool,
}

/// What the weather does beside the irradiance series.
#[derive(Resource, Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
pub struct Weather {
    /// Factor on the irradiance, permille.
    pub cloud_permille: u32,
    /// Output per installed kW at the running tick, W.
    pub solar_w_per_kw: f64,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            cloud_permille: 1_000,
            solar_w_per_kw: 0.0,
        }
    }
}

/// The profile tables of the scene; fixed for a run.
#[derive(Resource, Clone, Debug, Default)]
pub struct Profiles {
    /// Output per installed kW, W.
    pub solar: Table,
    /// Multipliers of the uncontrolled loads.
    pub loads: Vec<Table>,
}

/// A sampled series that repeats daily or at its own length.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Time between two samples, ms.
    pub step_ms: u64,
    /// Straight lines between samples instead of steps.
    pub linear: bool,
    /// Samples from midnight on.
    pub values: Vec<f64>,
}

impl Table {
    /// Value at a time; the table repeats at its end.
    #[must_use]
    pub fn at(&self, time_ms: u64) -> f64 {
        let count = self.values.len() as u64;
        if count == 0 || self.step_ms == 0 {
            return 0.0;
        }
        let position = time_ms / self.step_ms;
        let here = self.values[(position % count) as usize];
        if !self.linear {
            return here;
        }
        let next = self.values[((position + 1) % count) as usize];
        let share = (time_ms % self.step_ms) as f64 / self.step_ms as f64;
        here + (next - here) * share
    }
}

plain_sim_state!(
    PvUnit,
    BatteryUnit,
    HeaterUnit,
    EvUnit,
    Setpoints,
    SitePower,
    Weather
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_hold_or_interpolate_and_repeat() {
        let mut table = Table {
            step_ms: 1_000,
            linear: false,
            values: vec![1.0, 3.0],
        };
        assert_eq!(table.at(999), 1.0);
        assert_eq!(table.at(1_000), 3.0);
        assert_eq!(table.at(2_000), 1.0);
        table.linear = true;
        assert_eq!(table.at(500), 2.0);
        assert_eq!(table.at(1_500), 2.0);
        assert_eq!(Table::default().at(5), 0.0);
    }

    #[test]
    fn orders_lapse() {
        let orders = Setpoints {
            valid_until_ms: 100,
            ..Setpoints::default()
        };
        assert!(orders.hold(99) && !orders.hold(100));
    }
}
