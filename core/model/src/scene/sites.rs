//! Homes, firms, shared batteries and their equipment.

use serde::{Deserialize, Serialize};

use super::island::{CellSpec, FormingSpec, HeatPumpSpec, PvFunctions};

/// A customer: meter, uncontrolled load and controllable equipment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeSpec {
    /// Id, unique in the scene (`"H17"`).
    pub id: String,
    /// Load of the grid file that this customer is.
    pub load: String,
    /// Profile series of the uncontrolled load, multiplier of the load's rated kW.
    pub profile: String,
    /// Kind of building; changes only its symbol.
    #[serde(default)]
    pub kind: HomeKind,
    /// Photovoltaic unit.
    #[serde(default)]
    pub pv: Option<PvSpec>,
    /// Battery behind the meter.
    #[serde(default)]
    pub battery: Option<BatterySpec>,
    /// Water heater, a deferrable asset.
    #[serde(default)]
    pub heater: Option<HeaterSpec>,
    /// Heat pump, a deferrable asset; instead of a water heater.
    #[serde(default)]
    pub heat_pump: Option<HeatPumpSpec>,
    /// EV charger, a deferrable asset.
    #[serde(default)]
    pub ev: Option<EvSpec>,
    /// Name of a preference set of the scene.
    pub preferences: String,
    /// Money in the wallet at the start, EUR.
    pub deposit_eur: u32,
}

/// Kind of building.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HomeKind {
    /// Single-family house.
    #[default]
    House,
    /// Multi-family house.
    Flats,
    /// Care home or clinic.
    Care,
    /// Shop, school or firm.
    Firm,
}

/// Photovoltaic unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PvSpec {
    /// Installed module power at standard test conditions, kW.
    pub kw_peak: f64,
    /// Inverter limit, kVA.
    pub inverter_kva: f64,
    /// Temperature behaviour of the cells.
    #[serde(default)]
    pub cell: Option<CellSpec>,
    /// Functions of the inverter.
    #[serde(default)]
    pub functions: PvFunctions,
    /// Most current the inverter feeds into a fault, of its rated current;
    /// without it the inverter holds its power however low the voltage.
    #[serde(default)]
    pub fault_current_pu: Option<f64>,
}

/// Battery with inverter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatterySpec {
    /// Usable energy, kWh.
    pub capacity_kwh: f64,
    /// Largest charging and discharging power at the terminals, kW.
    pub max_kw: f64,
    /// Efficiency of charging, 0..1 (AC to stored).
    pub charge_efficiency: f64,
    /// Efficiency of discharging, 0..1 (stored to AC).
    pub discharge_efficiency: f64,
    /// State of charge at the start, 0..1.
    pub soc: f64,
    /// State of charge from which charging tapers off linearly, 0..1 (1 = no taper).
    #[serde(default = "no_taper")]
    pub taper_from_soc: f64,
    /// Largest change of power, kW per second (absent = unlimited).
    #[serde(default)]
    pub ramp_kw_per_s: Option<f64>,
    /// Most current the inverter feeds into a fault, of its rated current;
    /// without it the inverter holds its power however low the voltage. At a
    /// home only where nothing else is steered behind the same terminals.
    #[serde(default)]
    pub fault_current_pu: Option<f64>,
}

fn no_taper() -> f64 {
    1.0
}

/// Electric water heater as a thermal store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaterSpec {
    /// Element power, kW.
    pub kw: f64,
    /// Energy between the lowest comfortable and the highest temperature, kWh.
    pub store_kwh: f64,
    /// Standing loss, kW.
    pub loss_kw: f64,
    /// Stored share at the start, 0..1.
    pub level: f64,
    /// Hot-water draws: (time of day `"07:00"`, kWh).
    pub draws: Vec<(String, f64)>,
    /// Stored share at or below which the element runs whatever it is told, 0..1.
    #[serde(default)]
    pub reserve: f64,
    /// Rise above the reserve after which it may stop again, 0..1.
    #[serde(default)]
    pub reserve_band: f64,
}

/// EV charger with one plug-in session a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvSpec {
    /// Charger power, kW.
    pub kw: f64,
    /// Time the car is plugged in, `"17:40"`.
    pub arrives: String,
    /// Time the car must be ready, `"07:00"` (earlier than `arrives` = next day).
    pub departs: String,
    /// Energy needed per session, kWh.
    pub need_kwh: f64,
}

/// A battery shared by a multi-family house.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedBatterySpec {
    /// Id (`"BESS"`).
    pub id: String,
    /// Bus of its three-phase connection.
    pub bus: String,
    /// Battery data.
    pub battery: BatterySpec,
    /// Makes its inverter grid-forming where the grid is missing.
    #[serde(default)]
    pub forming: Option<FormingSpec>,
    /// Name of a preference set of the scene.
    pub preferences: String,
    /// Homes whose members own it, for the display of shares.
    #[serde(default)]
    pub shared_by: Vec<String>,
    /// Money in the wallet at the start, EUR.
    pub deposit_eur: u32,
}
