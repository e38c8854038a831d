//! Equipment behind and beside the meter, as pure state machines.
//!
//! Every model is advanced by `step` with a set-point and the length of the
//! tick, and answers with the power at its terminals. Power is `f64` kW and
//! positive from the node into the equipment (consumption positive, export
//! negative, as in CIM); energy is an integer number of nano-watt-hours
//! ([`NanoWh`]), so that the books of every device close exactly and no
//! rounding is lost over a day. One kilowatt over one second is 2.8e8 nWh, so
//! the integer resolves power to a few parts in 1e9.
//!
//! Commands are wishes: a device obeys them inside its limits and its duty to
//! serve (comfort of a water heater, departure of a car), and says when it
//! overrode one (paper G7, G9).
#![deny(missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that unwraps fails where it should"
    )
)]

mod battery;
mod energy;
mod ev;
mod heat_pump;
mod heater;
mod meter;
mod pv;
mod voltage_control;

pub use battery::{Battery, BatteryParams, BatteryStep};
pub use energy::{NANO_WH_PER_KWH, NANO_WH_PER_WH, NanoWh, energy_nano_wh, kwh, power_kw};
pub use ev::{EvCharger, EvParams, EvStep};
pub use heat_pump::{HeatPump, HeatPumpParams, HeatPumpStep};
pub use heater::{HeaterParams, HeaterStep, WaterHeater};
pub use meter::{MeterReading, MeterRegisters};
pub use pv::{CellParams, Pv, PvOutput, PvParams};
pub use voltage_control::{CapacitorBank, CapacitorParams, TapChanger, TapParams};

use thiserror::Error;

/// A device parameter outside its physical range.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{device}: {field} is {value}, must be {range}")]
pub struct EquipmentError {
    /// Kind of device.
    pub device: &'static str,
    /// Parameter.
    pub field: &'static str,
    /// The value refused.
    pub value: f64,
    /// The range in words.
    pub range: &'static str,
}

/// Milliseconds of one day, the period of draws and sessions.
pub(crate) const DAY_MS: u64 = 86_400_000;

/// Refuses `value` unless `ok` (which must be false for NaN).
pub(crate) fn check(
    ok: bool,
    device: &'static str,
    field: &'static str,
    value: f64,
    range: &'static str,
) -> Result<(), EquipmentError> {
    if ok && value.is_finite() {
        Ok(())
    } else {
        Err(EquipmentError {
            device,
            field,
            value,
            range,
        })
    }
}
