//! Photovoltaic unit behind an inverter (paper G4).
//!
//! The irradiance series is already the output of a plant in W per installed
//! kW, so the model only scales, clips at the inverter and curtails. The
//! inverter runs at unity power factor. Clipping is a property of the plant;
//! only curtailment counts as wasted green energy (paper G18).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::energy::{NanoWh, energy_nano_wh};
use crate::{EquipmentError, check};

/// Data of a photovoltaic unit.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct PvParams {
    /// Installed module power at standard test conditions, kW.
    pub kw_peak: f64,
    /// Inverter limit, kVA.
    pub inverter_kva: f64,
}

/// A photovoltaic unit and its counters.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Pv {
    params: PvParams,
    limit_kw: Option<f64>,
    generated: NanoWh,
    curtailed: NanoWh,
}

/// Result of one tick of a photovoltaic unit; all values are >= 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PvOutput {
    /// What the sun and the inverter allow, kW.
    pub available_kw: f64,
    /// What is fed into the node, kW.
    pub delivered_kw: f64,
    /// What the curtailment limit cut off, kW.
    pub curtailed_kw: f64,
}

impl Pv {
    /// A unit without curtailment.
    ///
    /// # Errors
    /// Refuses powers that are not finite and positive.
    pub fn new(params: PvParams) -> Result<Self, EquipmentError> {
        check(
            params.kw_peak > 0.0,
            "pv",
            "kw_peak",
            params.kw_peak,
            "above 0",
        )?;
        let kva = params.inverter_kva;
        check(kva > 0.0, "pv", "inverter_kva", kva, "above 0")?;
        Ok(Self {
            params,
            limit_kw: None,
            generated: 0,
            curtailed: 0,
        })
    }

    /// Parameters.
    #[must_use]
    pub fn params(&self) -> &PvParams {
        &self.params
    }

    /// Caps the delivered power at `limit_kw` (>= 0) until `None` lifts the cap.
    pub fn set_limit_kw(&mut self, limit_kw: Option<f64>) {
        self.limit_kw = limit_kw.map(|limit| limit.max(0.0));
    }

    /// The curtailment limit in force, kW.
    #[must_use]
    pub fn limit_kw(&self) -> Option<f64> {
        self.limit_kw
    }

    /// Output for a series value in W per installed kW and a cloud factor
    /// (1 = as in the series); negative and undefined inputs count as dark.
    #[must_use]
    pub fn output(&self, series_w_per_kw: f64, cloud: f64) -> PvOutput {
        // f64::max drops NaN, so a gap in the series is darkness, not poison.
        let share = (series_w_per_kw / 1_000.0).max(0.0) * cloud.max(0.0);
        let available_kw = (self.params.kw_peak * share)
            .max(0.0)
            .min(self.params.inverter_kva);
        let delivered_kw = self
            .limit_kw
            .map_or(available_kw, |limit| available_kw.min(limit));
        PvOutput {
            available_kw,
            delivered_kw,
            curtailed_kw: available_kw - delivered_kw,
        }
    }

    /// [`Self::output`] over one tick, counted in the totals.
    pub fn step(&mut self, series_w_per_kw: f64, cloud: f64, dt_ms: u64) -> PvOutput {
        let out = self.output(series_w_per_kw, cloud);
        self.generated = self
            .generated
            .saturating_add(energy_nano_wh(out.delivered_kw, dt_ms));
        self.curtailed = self
            .curtailed
            .saturating_add(energy_nano_wh(out.curtailed_kw, dt_ms));
        out
    }

    /// Energy delivered since the start.
    #[must_use]
    pub fn generated(&self) -> NanoWh {
        self.generated
    }

    /// Energy curtailed since the start: green energy wasted.
    #[must_use]
    pub fn curtailed(&self) -> NanoWh {
        self.curtailed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pv() -> Pv {
        Pv::new(PvParams {
            kw_peak: 5.0,
            inverter_kva: 4.0,
        })
        .unwrap()
    }

    #[test]
    fn output_is_scaled_clipped_and_curtailed() {
        let mut pv = pv();
        assert!((pv.output(500.0, 1.0).delivered_kw - 2.5).abs() < 1e-12);
        assert!((pv.output(500.0, 0.4).delivered_kw - 1.0).abs() < 1e-12);
        assert_eq!(pv.output(1_000.0, 1.0).available_kw, 4.0);
        assert_eq!(
            pv.output(1_000.0, 1.0).curtailed_kw,
            0.0,
            "clipping is not curtailment"
        );
        pv.set_limit_kw(Some(1.5));
        let out = pv.step(1_000.0, 1.0, 3_600_000);
        assert_eq!((out.delivered_kw, out.curtailed_kw), (1.5, 2.5));
        assert_eq!(pv.generated(), 1_500_000_000_000);
        assert_eq!(pv.curtailed(), 2_500_000_000_000);
    }

    #[test]
    fn bad_parameters_are_named() {
        let error = Pv::new(PvParams {
            kw_peak: f64::NAN,
            inverter_kva: 4.0,
        })
        .unwrap_err();
        assert_eq!(error.field, "kw_peak");
        assert!(
            Pv::new(PvParams {
                kw_peak: 1.0,
                inverter_kva: 0.0
            })
            .is_err()
        );
    }

    proptest! {
        #[test]
        fn limits_hold_for_any_input(series in any::<f64>(), cloud in any::<f64>(),
                                     limit in proptest::option::of(any::<f64>())) {
            let mut pv = pv();
            pv.set_limit_kw(limit);
            let out = pv.output(series, cloud);
            prop_assert!(out.available_kw >= 0.0 && out.available_kw <= 4.0);
            prop_assert!(out.delivered_kw >= 0.0 && out.delivered_kw <= out.available_kw);
            prop_assert!((out.delivered_kw + out.curtailed_kw - out.available_kw).abs() < 1e-12);
            if let Some(limit) = pv.limit_kw() {
                prop_assert!(out.delivered_kw <= limit);
            }
        }
    }
}
