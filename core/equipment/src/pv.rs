//! Photovoltaic unit behind an inverter (paper G4).
//!
//! Without cell data the irradiance series is the output of a plant in W per
//! installed kW, and the model only scales, clips at the inverter and curtails.
//! With cell data the series is irradiance in the plane of the modules, W/m2,
//! and output falls as the cells warm up: `T_cell = T_air + (NOCT - 20) / 800 *
//! G`, `P = kWp * G / 1000 * (1 + gamma (T_cell - 25))` (nominal operating cell
//! temperature of IEC 61215). Clipping is a property of the plant; only
//! curtailment counts as wasted green energy (paper G18).

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
    /// Cells; `None` when the series is output already.
    pub cell: Option<CellParams>,
}

/// How cells answer to temperature.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct CellParams {
    /// Nominal operating cell temperature, degrees Celsius.
    pub noct_c: f64,
    /// Change of power per kelvin of cell temperature, negative.
    pub gamma_per_k: f64,
}

impl CellParams {
    /// Temperature of the cells, degrees Celsius.
    #[must_use]
    pub fn cell_c(&self, irradiance_w_m2: f64, air_c: f64) -> f64 {
        air_c + (self.noct_c - 20.0) / 800.0 * irradiance_w_m2
    }

    /// Output relative to that at 25 degrees Celsius.
    #[must_use]
    pub fn factor(&self, irradiance_w_m2: f64, air_c: f64) -> f64 {
        let above_k = self.cell_c(irradiance_w_m2, air_c) - 25.0;
        (1.0 + self.gamma_per_k * above_k).max(0.0)
    }
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
        if let Some(cell) = params.cell {
            let ok = (20.0..=90.0).contains(&cell.noct_c);
            check(ok, "pv", "noct_c", cell.noct_c, "20 to 90")?;
            let ok = (-0.02..=0.0).contains(&cell.gamma_per_k);
            check(ok, "pv", "gamma_per_k", cell.gamma_per_k, "-0.02 to 0")?;
        }
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

    /// Output for a series value (W per installed kW, or W/m2 with cell data), a
    /// cloud factor (1 = as in the series) and the temperature of the air;
    /// negative and undefined inputs count as dark, an unknown temperature as 25.
    #[must_use]
    pub fn output(&self, series: f64, cloud: f64, air_c: f64) -> PvOutput {
        // f64::max drops NaN, so a gap in the series is darkness, not poison.
        let mut share = (series / 1_000.0).max(0.0) * cloud.max(0.0);
        if let Some(cell) = self.params.cell {
            let air_c = if air_c.is_finite() { air_c } else { 25.0 };
            share *= cell.factor(share * 1_000.0, air_c);
        }
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
    pub fn step(&mut self, series: f64, cloud: f64, air_c: f64, dt_ms: u64) -> PvOutput {
        let out = self.output(series, cloud, air_c);
        self.generated = self
            .generated
            .saturating_add(energy_nano_wh(out.delivered_kw, dt_ms));
        self.curtailed = self
            .curtailed
            .saturating_add(energy_nano_wh(out.curtailed_kw, dt_ms));
        out
    }

    /// Counts power that the network's voltage took off after the step.
    pub fn curtail_further(&mut self, less_kw: f64, dt_ms: u64) {
        let less = energy_nano_wh(less_kw.max(0.0), dt_ms).min(self.generated);
        self.generated -= less;
        self.curtailed = self.curtailed.saturating_add(less);
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
            cell: None,
        })
        .unwrap()
    }

    #[test]
    fn output_is_scaled_clipped_and_curtailed() {
        let mut pv = pv();
        assert!((pv.output(500.0, 1.0, 25.0).delivered_kw - 2.5).abs() < 1e-12);
        assert!((pv.output(500.0, 0.4, 25.0).delivered_kw - 1.0).abs() < 1e-12);
        assert_eq!(pv.output(1_000.0, 1.0, 25.0).available_kw, 4.0);
        assert_eq!(
            pv.output(1_000.0, 1.0, 25.0).curtailed_kw,
            0.0,
            "clipping is not curtailment"
        );
        pv.set_limit_kw(Some(1.5));
        let out = pv.step(1_000.0, 1.0, 25.0, 3_600_000);
        assert_eq!((out.delivered_kw, out.curtailed_kw), (1.5, 2.5));
        assert_eq!(pv.generated(), 1_500_000_000_000);
        assert_eq!(pv.curtailed(), 2_500_000_000_000);
    }

    #[test]
    fn bad_parameters_are_named() {
        let error = Pv::new(PvParams {
            kw_peak: f64::NAN,
            inverter_kva: 4.0,
            cell: None,
        })
        .unwrap_err();
        assert_eq!(error.field, "kw_peak");
        assert!(
            Pv::new(PvParams {
                kw_peak: 1.0,
                inverter_kva: 0.0,
                cell: None,
            })
            .is_err()
        );
    }

    #[test]
    fn warm_cells_give_less() {
        let cell = CellParams {
            noct_c: 45.0,
            gamma_per_k: -0.0035,
        };
        let pv = Pv::new(PvParams {
            kw_peak: 5.0,
            inverter_kva: 6.0,
            cell: Some(cell),
        })
        .unwrap();
        // 800 W/m2 at 20 degrees: the definition of NOCT.
        assert!((cell.cell_c(800.0, 20.0) - 45.0).abs() < 1e-12);
        let warm = pv.output(800.0, 1.0, 20.0).available_kw;
        assert!((warm - 4.0 * (1.0 - 0.0035 * 20.0)).abs() < 1e-12);
        assert!(pv.output(800.0, 1.0, -5.0).available_kw > warm);
        assert!(pv.output(800.0, 1.0, f64::NAN).available_kw.is_finite());
    }

    proptest! {
        #[test]
        fn limits_hold_for_any_input(series in any::<f64>(), cloud in any::<f64>(),
                                     limit in proptest::option::of(any::<f64>())) {
            let mut pv = pv();
            pv.set_limit_kw(limit);
            let out = pv.output(series, cloud, 20.0);
            prop_assert!(out.available_kw >= 0.0 && out.available_kw <= 4.0);
            prop_assert!(out.delivered_kw >= 0.0 && out.delivered_kw <= out.available_kw);
            prop_assert!((out.delivered_kw + out.curtailed_kw - out.available_kw).abs() < 1e-12);
            if let Some(limit) = pv.limit_kw() {
                prop_assert!(out.delivered_kw <= limit);
            }
        }
    }
}
