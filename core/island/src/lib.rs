//! Islands of the grid: who holds frequency and voltage, what is shed when
//! they cannot, and how supply comes back.
//!
//! Pure state machines, advanced by the caller tick by tick. A *section* is
//! what closed switches join; a live section without the upstream grid is an
//! island and needs at least one grid-forming unit. Power of units is positive
//! when delivered into the network (the opposite of the sign at a meter, and
//! therefore always called `delivered` or `p_kw` *of a unit*).
//!
//! | Module | What |
//! |---|---|
//! | [`forming`] | grid-forming inverter: droop, limits, trips |
//! | [`sharing`] | voltages behind the inverters at which all droops agree |
//! | [`frequency`] | frequency within a tick: swing, overload, shedding, PV |
//! | [`shedding`] | under-frequency stages, restore rule |
//! | [`freqwatt`] | output of photovoltaic plants at high frequency |
//! | [`synchrocheck`] | whether two live sections may be joined |
//! | [`blackstart`] | sequence of steps with conditions |
//! | [`coldload`] | extra demand after an outage |
//! | [`balance`] | energy in against energy out of a section |
#![deny(missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that unwraps fails where it should"
    )
)]

pub mod balance;
pub mod blackstart;
pub mod coldload;
pub mod forming;
pub mod frequency;
pub mod freqwatt;
pub mod sharing;
pub mod shedding;
pub mod synchrocheck;

use thiserror::Error;

/// A parameter outside its range.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{what}: {field} is {value}, must be {range}")]
pub struct IslandError {
    /// What it belongs to.
    pub what: &'static str,
    /// Parameter.
    pub field: &'static str,
    /// The value refused.
    pub value: f64,
    /// The range in words.
    pub range: &'static str,
}

/// Refuses `value` unless `ok` (false for not-a-number).
pub(crate) fn check(
    ok: bool,
    what: &'static str,
    field: &'static str,
    value: f64,
    range: &'static str,
) -> Result<(), IslandError> {
    if ok && value.is_finite() {
        return Ok(());
    }
    Err(IslandError {
        what,
        field,
        value,
        range,
    })
}
