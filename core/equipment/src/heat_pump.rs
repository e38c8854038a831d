//! Heat pump and the building it heats (paper G7).
//!
//! The coefficient of performance is a share (`quality`) of Carnot's between
//! the outdoor air and the flow temperature, within limits; it falls as it gets
//! colder outside. The building is one thermal mass behind one conductance:
//! `C dT/dt = heat + gains - H (T - T_outside)`, solved exactly over a tick.
//! Off is a wish: below the lowest comfortable temperature the unit runs
//! regardless until `band_k` above it, and it never heats beyond the highest.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::energy::{NanoWh, energy_nano_wh};
use crate::{EquipmentError, check};

/// Absolute zero, degrees Celsius.
const ZERO_K_C: f64 = -273.15;

/// Least and largest coefficient of performance of an air-source unit.
const COP_LIMITS: (f64, f64) = (1.0, 7.0);

/// Data of a heat pump and its building.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct HeatPumpParams {
    /// Electric power when running, kW.
    pub kw: f64,
    /// Share of Carnot's efficiency, 0..1.
    pub quality: f64,
    /// Flow temperature of the heating, degrees Celsius.
    pub flow_c: f64,
    /// Heat capacity of the building, kWh/K.
    pub capacity_kwh_per_k: f64,
    /// Conductance to the outside, kW/K.
    pub loss_kw_per_k: f64,
    /// Gains from people, appliances and sun, kW.
    pub gains_kw: f64,
    /// Lowest comfortable temperature, degrees Celsius.
    pub low_c: f64,
    /// Highest comfortable temperature, degrees Celsius.
    pub high_c: f64,
    /// Rise above the lowest temperature after which it may stop again, K.
    pub band_k: f64,
}

impl HeatPumpParams {
    /// Heat per electric energy at an outdoor temperature.
    #[must_use]
    pub fn cop(&self, outside_c: f64) -> f64 {
        let hot_k = self.flow_c - ZERO_K_C;
        let lift_k = (self.flow_c - outside_c).max(1.0);
        (self.quality * hot_k / lift_k).clamp(COP_LIMITS.0, COP_LIMITS.1)
    }
}

/// A heat pump and its counters.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct HeatPump {
    params: HeatPumpParams,
    inside_c: f64,
    outside_c: f64,
    recovering: bool,
    last_kw: f64,
    used: NanoWh,
    heat: NanoWh,
    cold_ms: u64,
}

/// Result of one tick of a heat pump.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeatPumpStep {
    /// Mean electric power, kW >= 0.
    pub p_kw: f64,
    /// Mean heat into the building, kW >= 0.
    pub heat_kw: f64,
    /// It ran although it was told not to.
    pub overridden: bool,
}

/// How far below the lowest temperature counts as a comfort missed, K.
const COLD_K: f64 = 1.0;

impl HeatPump {
    /// A unit in a building at the given temperature.
    ///
    /// # Errors
    /// Refuses values outside their physical range.
    pub fn new(params: HeatPumpParams, inside_c: f64) -> Result<Self, EquipmentError> {
        const DEVICE: &str = "heat pump";
        let p = &params;
        for (field, value) in [
            ("kw", p.kw),
            ("capacity_kwh_per_k", p.capacity_kwh_per_k),
            ("loss_kw_per_k", p.loss_kw_per_k),
        ] {
            check(value > 0.0, DEVICE, field, value, "above 0")?;
        }
        for (field, value) in [("gains_kw", p.gains_kw), ("band_k", p.band_k)] {
            check(value >= 0.0, DEVICE, field, value, "0 or more")?;
        }
        let ok = p.quality > 0.0 && p.quality <= 1.0;
        check(ok, DEVICE, "quality", p.quality, "above 0, at most 1")?;
        for (field, value) in [("low_c", p.low_c), ("inside_c", inside_c)] {
            let ok = (-50.0..=60.0).contains(&value);
            check(ok, DEVICE, field, value, "-50 to 60")?;
        }
        let ok = p.high_c > p.low_c && p.high_c <= 60.0;
        check(ok, DEVICE, "high_c", p.high_c, "above low_c, at most 60")?;
        let ok = p.flow_c > p.high_c && p.flow_c <= 90.0;
        check(ok, DEVICE, "flow_c", p.flow_c, "above high_c, at most 90")?;
        Ok(Self {
            params,
            inside_c,
            outside_c: inside_c,
            recovering: false,
            last_kw: 0.0,
            used: 0,
            heat: 0,
            cold_ms: 0,
        })
    }

    /// Parameters.
    #[must_use]
    pub fn params(&self) -> &HeatPumpParams {
        &self.params
    }

    /// Temperature inside, degrees Celsius.
    #[must_use]
    pub fn inside_c(&self) -> f64 {
        self.inside_c
    }

    /// Place of the temperature between lowest and highest comfort, 0..1.
    #[must_use]
    pub fn level(&self) -> f64 {
        let p = &self.params;
        ((self.inside_c - p.low_c) / (p.high_c - p.low_c)).clamp(0.0, 1.0)
    }

    /// Electric energy that heats from lowest to highest comfort at the outdoor
    /// temperature of the last tick, kWh.
    #[must_use]
    pub fn store_kwh(&self) -> f64 {
        let p = &self.params;
        p.capacity_kwh_per_k * (p.high_c - p.low_c) / p.cop(self.outside_c)
    }

    /// Power of the last tick, kW.
    #[must_use]
    pub fn p_kw(&self) -> f64 {
        self.last_kw
    }

    /// Electric energy used since the start.
    #[must_use]
    pub fn used(&self) -> NanoWh {
        self.used
    }

    /// Heat given to the building since the start.
    #[must_use]
    pub fn heat(&self) -> NanoWh {
        self.heat
    }

    /// Time the building was more than 1 K below the lowest comfort, ms.
    #[must_use]
    pub fn cold_ms(&self) -> u64 {
        self.cold_ms
    }

    /// Whether it has to run whatever it is told.
    #[must_use]
    pub fn must_run(&self) -> bool {
        self.recovering || self.inside_c <= self.params.low_c
    }

    /// Advances a tick: runs if `on` or [`Self::must_run`], unless too warm.
    pub fn step(&mut self, on: bool, outside_c: f64, dt_ms: u64) -> HeatPumpStep {
        let must = self.must_run();
        self.recovering = must && self.inside_c < self.params.low_c + self.params.band_k;
        let share = if on || must {
            self.share_until_warm(outside_c, dt_ms)
        } else {
            0.0
        };
        let p_kw = self.params.kw * share;
        let heat_kw = p_kw * self.params.cop(outside_c);
        self.advance(heat_kw, outside_c, dt_ms);
        self.last_kw = p_kw;
        self.used += energy_nano_wh(p_kw, dt_ms);
        self.heat += energy_nano_wh(heat_kw, dt_ms);
        HeatPumpStep {
            p_kw,
            heat_kw,
            overridden: must && !on && p_kw > 0.0,
        }
    }

    /// Advances a tick without supply.
    pub fn step_unsupplied(&mut self, outside_c: f64, dt_ms: u64) -> HeatPumpStep {
        self.recovering = self.inside_c <= self.params.low_c;
        self.advance(0.0, outside_c, dt_ms);
        self.last_kw = 0.0;
        HeatPumpStep::default()
    }

    /// Share of full power that does not pass the highest comfort in this tick.
    fn share_until_warm(&self, outside_c: f64, dt_ms: u64) -> f64 {
        let full = self.params.kw * self.params.cop(outside_c);
        let with = self.after(full, outside_c, dt_ms);
        if with <= self.params.high_c {
            return 1.0;
        }
        let without = self.after(0.0, outside_c, dt_ms);
        if without >= self.params.high_c || with <= without {
            return 0.0;
        }
        ((self.params.high_c - without) / (with - without)).clamp(0.0, 1.0)
    }

    /// Temperature after a tick with constant heat.
    fn after(&self, heat_kw: f64, outside_c: f64, dt_ms: u64) -> f64 {
        let p = &self.params;
        let steady_c = outside_c + (heat_kw + p.gains_kw) / p.loss_kw_per_k;
        let hours = dt_ms as f64 / 3_600_000.0;
        let keep = libm::exp(-hours * p.loss_kw_per_k / p.capacity_kwh_per_k);
        steady_c + (self.inside_c - steady_c) * keep
    }

    fn advance(&mut self, heat_kw: f64, outside_c: f64, dt_ms: u64) {
        self.outside_c = outside_c;
        self.inside_c = self.after(heat_kw, outside_c, dt_ms);
        if self.inside_c < self.params.low_c - COLD_K {
            self.cold_ms += dt_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params() -> HeatPumpParams {
        HeatPumpParams {
            kw: 2.5,
            quality: 0.45,
            flow_c: 35.0,
            capacity_kwh_per_k: 8.0,
            loss_kw_per_k: 0.2,
            gains_kw: 0.4,
            low_c: 20.0,
            high_c: 22.0,
            band_k: 0.5,
        }
    }

    #[test]
    fn it_heats_more_per_kilowatt_hour_when_it_is_mild() {
        let p = params();
        // 0.45 * 308.15 / 28 at +7, / 42 at -7: typical of EN 14511 ratings at A7/W35 and A-7/W35.
        assert!((p.cop(7.0) - 4.9524).abs() < 1e-3);
        assert!((p.cop(-7.0) - 3.3016).abs() < 1e-3);
        assert_eq!(p.cop(40.0), COP_LIMITS.1);
    }

    #[test]
    fn left_alone_the_building_cools_as_its_time_constant_says() {
        let mut pump = HeatPump::new(
            HeatPumpParams {
                gains_kw: 0.0,
                ..params()
            },
            21.0,
        )
        .unwrap();
        for _ in 0..40 * 60 {
            pump.step_unsupplied(1.0, 60_000);
        }
        // C / H = 40 h: 1/e of the 20 K is left.
        assert!((pump.inside_c() - (1.0 + 20.0 * libm::exp(-1.0))).abs() < 1e-6);
        assert!(pump.cold_ms() > 0);
    }

    #[test]
    fn comfort_wins_over_the_order() {
        let mut pump = HeatPump::new(params(), 20.0).unwrap();
        let step = pump.step(false, 0.0, 60_000);
        assert!(step.overridden && step.p_kw == 2.5);
        while pump.must_run() {
            pump.step(false, 0.0, 60_000);
        }
        assert!(pump.inside_c() >= 20.49, "{}", pump.inside_c());
        assert_eq!(pump.step(false, 0.0, 60_000).p_kw, 0.0);
        for _ in 0..24 * 60 {
            pump.step(true, 0.0, 60_000);
            assert!(pump.inside_c() <= 22.0 + 1e-9);
        }
        assert!((pump.level() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn bad_parameters_are_named() {
        let bad = HeatPumpParams {
            flow_c: 21.0,
            ..params()
        };
        assert_eq!(HeatPump::new(bad, 20.0).unwrap_err().field, "flow_c");
        assert_eq!(
            HeatPump::new(params(), f64::NAN).unwrap_err().field,
            "inside_c"
        );
    }

    proptest! {
        #[test]
        fn heat_in_is_heat_out_plus_what_stays(
            start in 18.0..23.0_f64, outside in -15.0..15.0_f64,
            orders in prop::collection::vec(any::<bool>(), 1..50),
        ) {
            let mut pump = HeatPump::new(params(), start).unwrap();
            for on in orders {
                let before = pump.inside_c();
                let step = pump.step(on, outside, 300_000);
                prop_assert!(step.p_kw >= 0.0 && step.p_kw <= 2.5);
                prop_assert!((step.heat_kw - step.p_kw * params().cop(outside)).abs() < 1e-9);
                // Loss at the mean temperature closes the balance to the curvature of the tick.
                let mean = (before + pump.inside_c()) / 2.0;
                let stored = (pump.inside_c() - before) * 8.0 * 12.0;
                let balance = step.heat_kw + 0.4 - 0.2 * (mean - outside) - stored;
                prop_assert!(balance.abs() < 1e-3, "{balance}");
            }
        }
    }
}
