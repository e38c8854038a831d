//! Set-points from outside: what a client of a served device asked for.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::sim_state::plain_sim_state;

/// Set-points that come before those of the EM contract, until they are ended.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct RemoteSetpoints {
    /// Limit of the photovoltaic unit, permille of its inverter's rating.
    pub pv_permille: Option<u32>,
    /// Battery power, W, positive charges.
    pub battery_w: Option<i64>,
}

plain_sim_state!(RemoteSetpoints);

impl RemoteSetpoints {
    /// Limit of a photovoltaic unit of this rating, kW.
    #[must_use]
    pub fn pv_limit_kw(&self, inverter_kva: f64) -> Option<f64> {
        self.pv_permille
            .map(|permille| inverter_kva * f64::from(permille) / 1_000.0)
    }

    /// Takes a limit.
    ///
    /// # Errors
    /// Fails above the rating.
    pub(crate) fn limit_pv(&mut self, permille: Option<u32>) -> Result<String, String> {
        if permille.is_some_and(|permille| permille > 1_000) {
            return Err("a limit above 1000 permille: use 0 to 1000".to_owned());
        }
        self.pv_permille = permille;
        Ok(permille.map_or_else(
            || "solar limit ended".to_owned(),
            |permille| format!("solar limited to {:.1} %", f64::from(permille) / 10.0),
        ))
    }

    /// Takes a battery power within `max_kw`.
    ///
    /// # Errors
    /// Fails beyond it.
    pub(crate) fn set_battery(&mut self, p_w: Option<i64>, max_kw: f64) -> Result<String, String> {
        if p_w.is_some_and(|p_w| p_w.unsigned_abs() as f64 > max_kw * 1_000.0) {
            return Err(format!("beyond the battery's {max_kw} kW"));
        }
        self.battery_w = p_w;
        Ok(p_w.map_or_else(
            || "battery set-point ended".to_owned(),
            |p_w| format!("battery set to {p_w} W"),
        ))
    }
}
