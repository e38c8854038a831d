//! Electric water heater as a thermal store (paper G7).
//!
//! Level 0 is the lowest comfortable temperature, level 1 the highest; the
//! store holds `store_kwh` between them. Hot water leaves in draws at fixed
//! times of day, a standing loss runs all the time, and
//! `heated = drawn + lost + (level - level_0)` holds to the last unit. Off is
//! a wish: the element runs regardless below the comfort reserve, and when the
//! time left before a coming draw only just suffices to heat for it. A draw
//! that the store cannot serve is counted as unmet.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::SimTime;

use crate::energy::{NanoWh, energy_nano_wh, energy_per_ms, from_kwh, power_kw, spare_ticks_ms};
use crate::{DAY_MS, EquipmentError, check};

/// Data of a water heater.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct HeaterParams {
    /// Element power, kW.
    pub kw: f64,
    /// Energy between the lowest comfortable and the highest temperature, kWh.
    pub store_kwh: f64,
    /// Standing loss, kW.
    pub loss_kw: f64,
    /// Level at or below which the element must run, 0..1.
    pub reserve: f64,
    /// Rise above the reserve after which it may stop again, 0..1.
    pub reserve_band: f64,
    /// Draws as (time of day, kWh); at most [`HeaterParams::MAX_DRAWS`].
    pub draws: Vec<(SimTime, f64)>,
}

impl HeaterParams {
    /// Most draws a day.
    pub const MAX_DRAWS: usize = 96;
}

/// A water heater and its counters.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct WaterHeater {
    params: HeaterParams,
    capacity: NanoWh,
    stored: NanoWh,
    recovering: bool,
    last_kw: f64,
    heated: NanoWh,
    drawn: NanoWh,
    lost: NanoWh,
    unmet: NanoWh,
}

/// Result of one tick of a water heater.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeaterStep {
    /// Mean power of the element, kW >= 0.
    pub p_kw: f64,
    /// The element ran although it was told not to.
    pub overridden: bool,
    /// Draw of this tick that could not be served.
    pub unmet: NanoWh,
}

impl WaterHeater {
    /// A heater at the given level.
    ///
    /// # Errors
    /// Refuses values outside their physical range.
    pub fn new(params: HeaterParams, level: f64) -> Result<Self, EquipmentError> {
        let p = &params;
        let share = 0.0..=1.0;
        check(p.kw > 0.0, "heater", "kw", p.kw, "above 0")?;
        check(
            p.store_kwh > 0.0,
            "heater",
            "store_kwh",
            p.store_kwh,
            "above 0",
        )?;
        check(
            p.loss_kw >= 0.0,
            "heater",
            "loss_kw",
            p.loss_kw,
            "0 or more",
        )?;
        for (field, value) in [
            ("level", level),
            ("reserve", p.reserve),
            ("reserve_band", p.reserve_band),
        ] {
            check(share.contains(&value), "heater", field, value, "0 to 1")?;
        }
        let count = p.draws.len() as f64;
        check(
            p.draws.len() <= HeaterParams::MAX_DRAWS,
            "heater",
            "draws",
            count,
            "at most 96",
        )?;
        for &(at, draw_kwh) in &p.draws {
            check(draw_kwh >= 0.0, "heater", "draw", draw_kwh, "0 or more kWh")?;
            check(
                at.0 < DAY_MS,
                "heater",
                "draw time",
                at.as_secs_f64(),
                "a time of day",
            )?;
        }
        let capacity = from_kwh(p.store_kwh);
        let stored = from_kwh(p.store_kwh * level).clamp(0, capacity);
        Ok(Self {
            params,
            capacity,
            stored,
            recovering: false,
            last_kw: 0.0,
            heated: 0,
            drawn: 0,
            lost: 0,
            unmet: 0,
        })
    }

    /// Parameters.
    #[must_use]
    pub fn params(&self) -> &HeaterParams {
        &self.params
    }

    /// Stored share, 0..1.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.stored as f64 / self.capacity as f64
    }

    /// Stored energy above the lowest comfortable temperature.
    #[must_use]
    pub fn stored(&self) -> NanoWh {
        self.stored
    }

    /// Power of the last tick, kW.
    #[must_use]
    pub fn p_kw(&self) -> f64 {
        self.last_kw
    }

    /// Electric energy turned into heat since the start.
    #[must_use]
    pub fn heated(&self) -> NanoWh {
        self.heated
    }

    /// Hot water drawn since the start.
    #[must_use]
    pub fn drawn(&self) -> NanoWh {
        self.drawn
    }

    /// Standing losses since the start.
    #[must_use]
    pub fn lost(&self) -> NanoWh {
        self.lost
    }

    /// Draws not served since the start.
    #[must_use]
    pub fn unmet(&self) -> NanoWh {
        self.unmet
    }

    /// Whether the element has to run in the tick that starts `at`: the level
    /// is at the reserve, or the time before a coming draw just suffices.
    #[must_use]
    pub fn must_run(&self, at: SimTime, dt_ms: u64) -> bool {
        self.recovering
            || self.level() <= self.params.reserve
            || self.slack_ms(at, dt_ms) < spare_ticks_ms(dt_ms)
    }

    /// How long heating can be put off from `at` on and still serve every draw
    /// of the coming day, ms; negative when it is too late. Draws in the tick
    /// that starts `at` count as served.
    #[must_use]
    pub fn slack_ms(&self, at: SimTime, dt_ms: u64) -> i64 {
        let now = at.0 % DAY_MS;
        let dt_ms = dt_ms.max(1);
        let coming = |draw: SimTime| {
            let until = (draw.0 + DAY_MS - now) % DAY_MS;
            // A draw of this tick is due again tomorrow.
            if until < dt_ms { until + DAY_MS } else { until }
        };
        let element = energy_per_ms(self.params.kw);
        let mut slack = i64::MAX;
        for &(draw, _) in &self.params.draws {
            let until = coming(draw);
            let needed: NanoWh = self
                .params
                .draws
                .iter()
                .filter(|&&(other, _)| coming(other) <= until)
                .map(|&(_, draw_kwh)| from_kwh(draw_kwh))
                .sum();
            let loss = energy_nano_wh(self.params.loss_kw, until);
            // A full store can do no more, so need beyond it is not waited for.
            let missing = (needed + loss).min(self.capacity) - self.stored;
            if missing > 0 {
                let heating = (missing as f64 / element).ceil() as i64;
                let whole_ticks = until - until % dt_ms;
                slack = slack.min(i64::try_from(whole_ticks).unwrap_or(i64::MAX) - heating);
            }
        }
        slack
    }

    /// Advances the tick that starts `at`: serves its draws, then heats if
    /// `on` or [`Self::must_run`], then loses standing heat.
    pub fn step(&mut self, on: bool, at: SimTime, dt_ms: u64) -> HeaterStep {
        if dt_ms == 0 {
            return HeaterStep::default();
        }
        let unmet = self.serve_draws(at, dt_ms);
        let low = self.recovering || self.level() <= self.params.reserve;
        let must = self.must_run(at, dt_ms);
        let lost = energy_nano_wh(self.params.loss_kw, dt_ms).min(self.stored);
        self.stored -= lost;
        self.lost += lost;
        let room = self.capacity - self.stored;
        let heat = if on || must {
            energy_nano_wh(self.params.kw, dt_ms).min(room)
        } else {
            0
        };
        self.stored += heat;
        self.heated += heat;
        self.last_kw = power_kw(heat, dt_ms).min(self.params.kw);
        let level = self.level();
        let restored = (self.params.reserve + self.params.reserve_band).min(1.0);
        self.recovering = low && level < restored;
        HeaterStep {
            p_kw: self.last_kw,
            overridden: must && !on && heat > 0,
            unmet,
        }
    }

    /// Advances the tick that starts `at` without supply: draws are served from
    /// the store and it cools, the element cannot run whatever is needed.
    pub fn step_unsupplied(&mut self, at: SimTime, dt_ms: u64) -> HeaterStep {
        if dt_ms == 0 {
            return HeaterStep::default();
        }
        let unmet = self.serve_draws(at, dt_ms);
        let lost = energy_nano_wh(self.params.loss_kw, dt_ms).min(self.stored);
        self.stored -= lost;
        self.lost += lost;
        self.last_kw = 0.0;
        self.recovering = self.level() <= self.params.reserve;
        HeaterStep {
            unmet,
            ..HeaterStep::default()
        }
    }

    fn serve_draws(&mut self, at: SimTime, dt_ms: u64) -> NanoWh {
        let now = at.0 % DAY_MS;
        let mut unmet = 0;
        for &(draw, draw_kwh) in &self.params.draws {
            if (draw.0 + DAY_MS - now) % DAY_MS < dt_ms {
                let wanted = from_kwh(draw_kwh);
                let served = wanted.min(self.stored);
                self.stored -= served;
                self.drawn += served;
                unmet += wanted - served;
            }
        }
        self.unmet += unmet;
        unmet
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::energy::{NANO_WH_PER_KWH, kwh};

    fn params() -> HeaterParams {
        HeaterParams {
            kw: 2.0,
            store_kwh: 6.0,
            loss_kw: 0.06,
            reserve: 0.0,
            reserve_band: 0.05,
            draws: vec![
                (SimTime::from_secs(7 * 3_600), 2.5),
                (SimTime::from_secs(19 * 3_600), 3.0),
            ],
        }
    }

    #[test]
    fn without_supply_the_element_never_runs_and_energy_still_balances() {
        let mut heater = WaterHeater::new(params(), 0.5).expect("valid");
        let before = heater.stored();
        for tick in 0..24 * 60 {
            let step = heater.step_unsupplied(SimTime(tick * 60_000), 60_000);
            assert_eq!(step.p_kw, 0.0);
        }
        assert_eq!(heater.heated(), 0);
        assert_eq!(before - heater.stored(), heater.drawn() + heater.lost());
        assert!(heater.unmet() > 0, "a day's draws exceed half a store");
    }

    fn run_day(heater: &mut WaterHeater, dt_ms: u64, mut on: impl FnMut(u64) -> bool) {
        for tick in 0..DAY_MS / dt_ms {
            heater.step(on(tick), SimTime(tick * dt_ms), dt_ms);
        }
    }

    #[test]
    fn put_off_as_long_as_possible_it_still_serves_every_draw() {
        let mut heater = WaterHeater::new(params(), 0.2).unwrap();
        run_day(&mut heater, 1_000, |_| false);
        assert_eq!(heater.unmet(), 0);
        assert!((kwh(heater.drawn()) - 5.5).abs() < 1e-9);
        let late = WaterHeater::new(params(), 0.2).unwrap();
        assert!(
            !late.must_run(SimTime::from_secs(4 * 3_600), 1_000),
            "three hours are plenty"
        );
        // 2.5 kWh + loss - 1.2 kWh stored take about 41 min at 2 kW.
        assert!(!late.must_run(SimTime::from_secs(6 * 3_600), 1_000));
        assert!(late.must_run(SimTime::from_secs(6 * 3_600 + 1_200), 1_000));
    }

    #[test]
    fn a_cold_store_leaves_a_draw_unmet() {
        let mut heater = WaterHeater::new(params(), 0.1).unwrap();
        let step = heater.step(true, SimTime::from_secs(7 * 3_600), 1_000);
        assert!((kwh(step.unmet) - 1.9).abs() < 1e-9);
        assert_eq!(heater.unmet(), step.unmet);
    }

    #[test]
    fn the_thermostat_stops_at_the_top() {
        let mut heater = WaterHeater::new(params(), 1.0).unwrap();
        let step = heater.step(true, SimTime(0), 60_000);
        assert!(
            (step.p_kw - 0.06).abs() < 1e-6,
            "only the standing loss: {}",
            step.p_kw
        );
        assert_eq!(heater.stored(), 6 * NANO_WH_PER_KWH);
    }

    #[test]
    fn at_the_reserve_off_is_refused_until_the_band_is_restored() {
        let mut heater = WaterHeater::new(
            HeaterParams {
                reserve: 0.5,
                reserve_band: 0.1,
                ..params()
            },
            0.5,
        )
        .unwrap();
        assert!(heater.step(false, SimTime(0), 1_000).overridden);
        let mut ticks = 1;
        while heater.step(false, SimTime(ticks * 1_000), 1_000).overridden {
            ticks += 1;
        }
        assert!((heater.level() - 0.6).abs() < 0.001, "{}", heater.level());
    }

    #[test]
    fn bad_parameters_are_named() {
        let draws = vec![(SimTime(DAY_MS), 1.0)];
        let error = WaterHeater::new(HeaterParams { draws, ..params() }, 0.5).unwrap_err();
        assert_eq!(error.field, "draw time");
        assert_eq!(
            WaterHeater::new(params(), f64::NAN).unwrap_err().field,
            "level"
        );
    }

    proptest! {
        #[test]
        fn heat_balances_exactly_and_stays_inside(
            level in 0.0..=1.0_f64,
            dt_ms in 500_u64..1_800_000,
            wishes in proptest::collection::vec(any::<bool>(), 64),
        ) {
            let mut heater = WaterHeater::new(params(), level).unwrap();
            let start = heater.stored();
            let mut unmet = 0;
            for tick in 0..(DAY_MS / dt_ms).min(500) {
                let on = wishes[tick as usize % 64];
                let step = heater.step(on, SimTime(tick * dt_ms), dt_ms);
                unmet += step.unmet;
                prop_assert!((0.0..=2.0).contains(&step.p_kw));
                prop_assert!(!(step.overridden && on));
                prop_assert!((0..=6 * NANO_WH_PER_KWH).contains(&heater.stored()));
            }
            prop_assert_eq!(heater.unmet(), unmet);
            prop_assert_eq!(
                heater.heated(),
                heater.drawn() + heater.lost() + heater.stored() - start
            );
        }

        #[test]
        fn a_warm_enough_store_never_leaves_a_draw_unmet(
            level in 0.45..=1.0_f64,
            dt in prop::sample::select(vec![1_000_u64, 10_000, 60_000, 300_000]),
            wishes in proptest::collection::vec(any::<bool>(), 64),
        ) {
            let mut heater = WaterHeater::new(params(), level).unwrap();
            run_day(&mut heater, dt, |tick| wishes[(tick / 7 % 64) as usize]);
            prop_assert_eq!(heater.unmet(), 0);
        }
    }
}
