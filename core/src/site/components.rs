//! Components of a site and the weather above it.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{Battery, EvCharger, HeatPump, Pv, WaterHeater};
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
    /// Port of the photovoltaic unit where its inverter has functions of its own.
    pub pv_port: Option<usize>,
    /// Position on the map of the network, in its units.
    pub xy: Option<(f64, f64)>,
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

/// Heat pump with its building.
#[derive(Component, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct HeatPumpUnit(pub HeatPump);

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
    /// Water heater or heat pump.
    pub heater_kw: f64,
    /// Vehicle.
    pub ev_kw: f64,
    /// Net power from the network.
    pub net_kw: f64,
    /// Whether the connection is energised and not shed.
    pub live: bool,
    /// Power that shedding holds back and that would return.
    pub held_kw: f64,
}

/// Temperature of the air where a scene states none, degrees Celsius.
const MILD_C: f64 = 15.0;

/// What the weather does beside the irradiance series.
#[derive(Resource, Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Weather {
    /// Factor on the irradiance, permille.
    pub cloud_permille: u32,
    /// Output per installed kW at the running tick, W.
    pub solar_w_per_kw: f64,
    /// Temperature of the air, degrees Celsius.
    pub air_c: f64,
    /// Clouds that have entered the map.
    pub fronts: Vec<CloudFront>,
}

/// The edge of a cloud on its way over the map.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct CloudFront {
    /// When its edge crossed the middle of the map's edge, ms.
    pub since_ms: u64,
    /// Place and way.
    pub way: CloudWay,
}

/// How a cloud moves; integers, as commands are kept and compared.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct CloudWay {
    /// Direction it moves to, millidegrees from the x axis.
    pub towards_mdeg: i32,
    /// Speed, mm/s.
    pub speed_mm_s: u32,
    /// Width of its edge, mm.
    pub edge_mm: u32,
    /// Length behind its edge, mm.
    pub length_mm: u32,
    /// Sun left under it, permille.
    pub left_permille: u32,
    /// How far behind the middle of the map its edge starts, mm.
    pub behind_mm: u32,
}

impl CloudFront {
    /// Sun that is left at a place (relative to the middle of the map, m), 0..1.
    #[must_use]
    pub fn left_at(&self, now_ms: u64, xy_m: (f64, f64)) -> f64 {
        let way = &self.way;
        let angle = f64::from(way.towards_mdeg) / 1_000.0 * std::f64::consts::PI / 180.0;
        let along_m = xy_m.0 * libm::cos(angle) + xy_m.1 * libm::sin(angle);
        let gone_s = now_ms.saturating_sub(self.since_ms) as f64 / 1_000.0;
        let edge_m =
            gone_s * f64::from(way.speed_mm_s) / 1_000.0 - f64::from(way.behind_mm) / 1_000.0;
        // Depth of the place behind the front edge and before the rear one.
        let width_m = (f64::from(way.edge_mm) / 1_000.0).max(1e-3);
        let length_m = f64::from(way.length_mm) / 1_000.0;
        let front = ((edge_m - along_m) / width_m).clamp(0.0, 1.0);
        let rear = ((along_m - (edge_m - length_m - 2.0 * width_m)) / width_m).clamp(0.0, 1.0);
        1.0 - front.min(rear) * (1.0 - f64::from(way.left_permille) / 1_000.0)
    }
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            cloud_permille: 1_000,
            solar_w_per_kw: 0.0,
            air_c: MILD_C,
            fronts: Vec::new(),
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
    /// Temperature of the air, degrees Celsius.
    pub air_c: Option<Table>,
    /// Middle of the map, in the units of the network.
    pub middle: (f64, f64),
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
    HeatPumpUnit,
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
    fn a_cloud_passes_a_place_once() {
        let front = CloudFront {
            since_ms: 0,
            way: CloudWay {
                towards_mdeg: 0,
                speed_mm_s: 10_000,
                edge_mm: 50_000,
                length_mm: 200_000,
                left_permille: 300,
                behind_mm: 100_000,
            },
        };
        let at = |seconds: u64, x: f64| front.left_at(seconds * 1_000, (x, 0.0));
        assert_eq!(at(0, 0.0), 1.0);
        assert_eq!(at(10, 0.0), 1.0, "the edge arrives after 10 s");
        assert!(
            (at(12, 0.0) - (1.0 - 0.7 * 0.4)).abs() < 1e-9,
            "20 m into a 50 m edge"
        );
        assert!((at(20, 0.0) - 0.3).abs() < 1e-9);
        assert_eq!(at(12, 60.0), 1.0, "further along it comes later");
        assert_eq!(at(45, 0.0), 1.0, "and goes again");
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
