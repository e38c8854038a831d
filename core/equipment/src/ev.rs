//! EV charger with one plug-in session a day (paper G7).
//!
//! The car is plugged in from `arrives` to `departs`, across midnight when
//! departure is the earlier time of day, and needs `need_kwh` at the charger's
//! terminals per session. A limit is a wish: when the time left only just
//! suffices, the charger runs at full power regardless. What is missing at
//! departure is counted as unmet.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::SimTime;

use crate::energy::{NanoWh, energy_nano_wh, energy_per_ms, from_kwh, power_kw, spare_ticks_ms};
use crate::{DAY_MS, EquipmentError, check};

/// Data of an EV charger and of the car's habits.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct EvParams {
    /// Charger power, kW.
    pub kw: f64,
    /// Time of day the car is plugged in.
    pub arrives: SimTime,
    /// Time of day the car must be ready; earlier than `arrives` = next day.
    pub departs: SimTime,
    /// Energy needed per session, kWh.
    pub need_kwh: f64,
}

/// An EV charger and its counters.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct EvCharger {
    params: EvParams,
    /// Ordinal of the session under way (0 = began before the run).
    session: Option<u64>,
    remaining: NanoWh,
    last_kw: f64,
    delivered: NanoWh,
    unmet: NanoWh,
    sessions_ended: u32,
    sessions_unmet: u32,
}

/// Result of one tick of an EV charger.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EvStep {
    /// Mean power, kW >= 0.
    pub p_kw: f64,
    /// A car is plugged in.
    pub plugged: bool,
    /// It charged faster than the limit asked, to be ready in time.
    pub overridden: bool,
    /// Energy missing at a departure in this tick.
    pub unmet: NanoWh,
}

impl EvCharger {
    /// A charger before its first tick. A session that spans the start of the
    /// run begins with its whole need outstanding.
    ///
    /// # Errors
    /// Refuses values outside their range, and a session without length.
    pub fn new(params: EvParams) -> Result<Self, EquipmentError> {
        check(params.kw > 0.0, "ev", "kw", params.kw, "above 0")?;
        check(
            params.need_kwh >= 0.0,
            "ev",
            "need_kwh",
            params.need_kwh,
            "0 or more",
        )?;
        for (field, at) in [("arrives", params.arrives), ("departs", params.departs)] {
            check(
                at.0 < DAY_MS,
                "ev",
                field,
                at.as_secs_f64(),
                "a time of day",
            )?;
        }
        let departs_s = params.departs.as_secs_f64();
        let apart = params.arrives != params.departs;
        check(
            apart,
            "ev",
            "departs",
            departs_s,
            "another time than arrives",
        )?;
        Ok(Self {
            params,
            session: None,
            remaining: 0,
            last_kw: 0.0,
            delivered: 0,
            unmet: 0,
            sessions_ended: 0,
            sessions_unmet: 0,
        })
    }

    /// Parameters.
    #[must_use]
    pub fn params(&self) -> &EvParams {
        &self.params
    }

    /// Whether a car is plugged in since the last tick.
    #[must_use]
    pub fn plugged(&self) -> bool {
        self.session.is_some()
    }

    /// Energy the session under way still needs.
    #[must_use]
    pub fn remaining(&self) -> NanoWh {
        self.remaining
    }

    /// Power of the last tick, kW.
    #[must_use]
    pub fn p_kw(&self) -> f64 {
        self.last_kw
    }

    /// Energy delivered since the start.
    #[must_use]
    pub fn delivered(&self) -> NanoWh {
        self.delivered
    }

    /// Energy missing at departures since the start.
    #[must_use]
    pub fn unmet(&self) -> NanoWh {
        self.unmet
    }

    /// Sessions that have ended, and how many of them short of their need.
    #[must_use]
    pub fn sessions(&self) -> (u32, u32) {
        (self.sessions_ended, self.sessions_unmet)
    }

    /// How long charging can be put off from `at` on and still be done by
    /// departure, ms; negative when it is too late, `None` when nothing is due.
    #[must_use]
    pub fn slack_ms(&self, at: SimTime) -> Option<i64> {
        let (_, left) = self.session_at(at)?;
        let charging = (self.remaining as f64 / energy_per_ms(self.params.kw)).ceil() as i64;
        (self.remaining > 0).then(|| left as i64 - charging)
    }

    /// Time until departure while plugged in, ms.
    #[must_use]
    pub fn time_left_ms(&self, at: SimTime) -> Option<u64> {
        self.session_at(at).map(|(_, left)| left)
    }

    /// Whether the tick that starts `at` must charge at full power.
    #[must_use]
    pub fn must_run(&self, at: SimTime, dt_ms: u64) -> bool {
        self.slack_ms(at)
            .is_some_and(|slack| slack < spare_ticks_ms(dt_ms))
    }

    /// Advances the tick that starts `at`, charging at up to `limit_kw`.
    pub fn step(&mut self, limit_kw: f64, at: SimTime, dt_ms: u64) -> EvStep {
        if dt_ms == 0 {
            return EvStep::default();
        }
        let unmet = self.change_session(at);
        let Some((_, left)) = self.session_at(at) else {
            self.last_kw = 0.0;
            return EvStep {
                unmet,
                ..EvStep::default()
            };
        };
        let must = self.must_run(at, dt_ms);
        let wish_kw = limit_kw.max(0.0).min(self.params.kw);
        let p_kw = if must { self.params.kw } else { wish_kw };
        // A car that leaves within the tick charges only until then.
        let energy = energy_nano_wh(p_kw, dt_ms.min(left)).min(self.remaining);
        self.remaining -= energy;
        self.delivered += energy;
        self.last_kw = power_kw(energy, dt_ms).min(self.params.kw);
        EvStep {
            p_kw: self.last_kw,
            plugged: true,
            overridden: must && self.last_kw > wish_kw,
            unmet,
        }
    }

    /// Advances the tick that starts `at` without supply: sessions come and go,
    /// nothing is charged.
    pub fn step_unsupplied(&mut self, at: SimTime, dt_ms: u64) -> EvStep {
        if dt_ms == 0 {
            return EvStep::default();
        }
        let unmet = self.change_session(at);
        self.last_kw = 0.0;
        EvStep {
            plugged: self.session_at(at).is_some(),
            unmet,
            ..EvStep::default()
        }
    }

    /// Ends and begins sessions by the clock; returns what a departure lacked.
    fn change_session(&mut self, at: SimTime) -> NanoWh {
        let now = self.session_at(at).map(|(ordinal, _)| ordinal);
        if now == self.session {
            return 0;
        }
        let mut missing = 0;
        if self.session.is_some() {
            missing = self.remaining;
            self.unmet += missing;
            self.sessions_ended += 1;
            self.sessions_unmet += u32::from(missing > 0);
        }
        self.session = now;
        self.remaining = if now.is_some() {
            from_kwh(self.params.need_kwh)
        } else {
            0
        };
        missing
    }

    /// Ordinal of the session at a time and the time left in it, ms.
    fn session_at(&self, at: SimTime) -> Option<(u64, u64)> {
        let length = (self.params.departs.0 + DAY_MS - self.params.arrives.0) % DAY_MS;
        let shifted = at.0 + DAY_MS - self.params.arrives.0;
        let elapsed = shifted % DAY_MS;
        (elapsed < length).then(|| (shifted / DAY_MS, length - elapsed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::energy::{NANO_WH_PER_KWH, kwh};

    fn at(h: u64, m: u64) -> SimTime {
        SimTime::from_secs(h * 3_600 + m * 60)
    }

    fn overnight() -> EvParams {
        EvParams {
            kw: 7.4,
            arrives: at(17, 40),
            departs: at(7, 0),
            need_kwh: 12.0,
        }
    }

    fn run(
        ev: &mut EvCharger,
        hours: std::ops::Range<u64>,
        dt_ms: u64,
        limit: impl Fn(u64) -> f64,
    ) {
        for tick in hours.start * 3_600_000 / dt_ms..hours.end * 3_600_000 / dt_ms {
            ev.step(limit(tick), SimTime(tick * dt_ms), dt_ms);
        }
    }

    #[test]
    fn a_session_spans_midnight() {
        let mut ev = EvCharger::new(overnight()).unwrap();
        assert!(
            ev.step(0.0, at(0, 0), 1_000).plugged,
            "it came the evening before"
        );
        run(&mut ev, 0..8, 1_000, |_| 1.0);
        assert!(!ev.plugged());
        assert_eq!(ev.sessions(), (1, 0));
        run(&mut ev, 8..24, 1_000, |_| 7.4);
        assert!(ev.plugged());
        assert_eq!(ev.remaining(), 0);
        assert!((kwh(ev.delivered()) - 24.0).abs() < 1e-9);
    }

    #[test]
    fn put_off_to_the_last_moment_it_is_ready_in_time() {
        let mut ev = EvCharger::new(overnight()).unwrap();
        run(&mut ev, 0..5, 1_000, |_| 0.0);
        assert_eq!(ev.delivered(), 0);
        assert!(ev.slack_ms(at(5, 0)).is_some_and(|slack| slack > 1_000_000));
        run(&mut ev, 5..8, 1_000, |_| 0.0);
        assert_eq!((ev.sessions(), ev.unmet()), ((1, 0), 0));
    }

    #[test]
    fn an_impossible_need_is_counted_as_unmet() {
        let params = EvParams {
            arrives: at(6, 0),
            need_kwh: 10.0,
            ..overnight()
        };
        let mut ev = EvCharger::new(params).unwrap();
        run(&mut ev, 0..8, 1_000, |_| 7.4);
        assert_eq!(ev.sessions(), (1, 1));
        assert!((kwh(ev.unmet()) - 2.6).abs() < 1e-6, "{}", kwh(ev.unmet()));
    }

    #[test]
    fn bad_parameters_are_named() {
        let field = |p| EvCharger::new(p).unwrap_err().field;
        assert_eq!(
            field(EvParams {
                kw: 0.0,
                ..overnight()
            }),
            "kw"
        );
        assert_eq!(
            field(EvParams {
                arrives: at(7, 0),
                ..overnight()
            }),
            "departs"
        );
        assert_eq!(
            field(EvParams {
                arrives: SimTime(DAY_MS),
                ..overnight()
            }),
            "arrives"
        );
    }

    proptest! {
        #[test]
        fn a_feasible_need_is_met_under_any_limits(
            arrives in 0..1_440_u64,
            hours in 2..20_u64,
            share in 0.0..0.95_f64,
            dt_ms in prop::sample::select(vec![1_000_u64, 7_000, 60_000]),
            limits in proptest::collection::vec(-1.0..9.0_f64, 32),
        ) {
            let departs = (arrives + hours * 60) % 1_440;
            let params = EvParams {
                kw: 7.4,
                arrives: at(0, arrives),
                departs: at(0, departs),
                need_kwh: 7.4 * hours as f64 * share,
            };
            let mut ev = EvCharger::new(params).unwrap();
            // From an arrival on, so that no session is already under way.
            let first = (DAY_MS + arrives * 60_000) / dt_ms;
            for tick in first..first + DAY_MS / dt_ms + 1 {
                let before = ev.delivered();
                let step = ev.step(limits[tick as usize / 97 % 32], SimTime(tick * dt_ms), dt_ms);
                prop_assert!((0.0..=7.4).contains(&step.p_kw));
                prop_assert!(step.plugged || step.p_kw == 0.0);
                prop_assert!(ev.delivered() >= before);
            }
            prop_assert_eq!(ev.unmet(), 0);
            prop_assert!(ev.delivered() <= 3 * 150 * NANO_WH_PER_KWH);
        }
    }
}
