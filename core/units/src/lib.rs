//! Quantities, money, identifiers, time and seeded randomness shared by every
//! Gridloom crate.
//!
//! Everything a ledger sees is an integer: energy in watt-hours
//! ([`EnergyWh`]), prices in micro-euro per kilowatt-hour
//! ([`PriceMicroEurPerKwh`]) and money in nano-euro ([`MoneyNanoEur`]). The
//! units are chosen so that `Wh x micro-EUR/kWh = nano-EUR` holds exactly and
//! settlement never rounds. Physics uses `f64` with the unit as the last part
//! of the name.
#![deny(missing_docs)]

mod energy;
mod id;
mod random;
mod record;
mod time;

pub use energy::{EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, TypedWh, amount};
pub use id::{AccountId, DeviceId};
pub use random::{Stream, draw_f64, draw_u64};
pub use record::{Counter, MAX_COUNTERS, RecordChain, RecordRefusal, SignedReading};
pub use time::{SimTime, Tick};
