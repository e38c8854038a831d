//! Grid-forming inverter of a battery: a voltage behind a coupling impedance.
//!
//! Frequency falls with active power and voltage with reactive power, so that
//! units share a load without talking to each other (Chandorkar, Divan and
//! Adapa, IEEE Trans. Ind. Appl. 29(1), 1993). A low-pass filter on the
//! measured power acts as inertia (D'Arco and Suul, IEEE Trans. Smart Grid
//! 5(1), 2014); virtual inertia may be added and is zero unless set (paper
//! A16). Beyond its limits of power an overload controller integrates the
//! excess into the frequency, as in the droop model REGFM_A1 (PNNL-32278,
//! 2023): an overloaded island falls in frequency until load is shed, a full
//! battery raises it until photovoltaic plants give way.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{IslandError, check};

/// Smallest droop: below it units on one bus would fight over rounding.
const MIN_DROOP_PCT: f64 = 0.01;

/// Data of a grid-forming unit.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct FormingParams {
    /// Rated apparent power, kVA.
    pub kva: f64,
    /// Change of frequency for a change of active power by the rating, % of nominal.
    pub f_droop_pct: f64,
    /// Change of voltage for a change of reactive power by the rating, % of nominal.
    pub v_droop_pct: f64,
    /// Time constant of the power measurement, s.
    pub filter_s: f64,
    /// Virtual inertia constant H, s on its rating.
    pub inertia_s: f64,
    /// Coupling resistance, pu on its rating.
    pub r_pu: f64,
    /// Coupling reactance, pu on its rating.
    pub x_pu: f64,
    /// Largest phase current, pu of rated.
    pub current_limit_pu: f64,
    /// Gain of the overload controller, Hz per second at an excess by the rating.
    pub overload_hz_per_s: f64,
    /// How long more than rated active power is borne before the unit trips, s.
    pub overload_s: f64,
    /// State of charge at which it stops delivering, 0..1.
    pub soc_min: f64,
    /// State of charge at which it stops taking, 0..1.
    pub soc_max: f64,
}

impl Default for FormingParams {
    fn default() -> Self {
        Self {
            kva: 100.0,
            f_droop_pct: 1.0,
            v_droop_pct: 5.0,
            filter_s: 0.05,
            inertia_s: 0.0,
            r_pu: 0.01,
            x_pu: 0.1,
            current_limit_pu: 1.5,
            overload_hz_per_s: 5.0,
            overload_s: 10.0,
            soc_min: 0.05,
            soc_max: 0.98,
        }
    }
}

impl FormingParams {
    /// Checks every figure.
    ///
    /// # Errors
    /// Names the first one outside its range.
    pub fn check(&self) -> Result<(), IslandError> {
        const WHAT: &str = "grid-forming unit";
        let positive = [
            ("kva", self.kva),
            ("filter_s", self.filter_s),
            ("x_pu", self.x_pu),
            ("overload_hz_per_s", self.overload_hz_per_s),
            ("overload_s", self.overload_s),
        ];
        for (field, value) in positive {
            check(value > 0.0, WHAT, field, value, "above 0")?;
        }
        for (field, value) in [("inertia_s", self.inertia_s), ("r_pu", self.r_pu)] {
            check(value >= 0.0, WHAT, field, value, "0 or more")?;
        }
        for (field, value) in [
            ("f_droop_pct", self.f_droop_pct),
            ("v_droop_pct", self.v_droop_pct),
        ] {
            let ok = (MIN_DROOP_PCT..=20.0).contains(&value);
            check(ok, WHAT, field, value, "0.01 to 20")?;
        }
        let limit = self.current_limit_pu;
        check(limit >= 1.0, WHAT, "current_limit_pu", limit, "1 or more")?;
        let (low, high) = (self.soc_min, self.soc_max);
        check((0.0..1.0).contains(&low), WHAT, "soc_min", low, "0 to 1")?;
        let ok = high > low && high <= 1.0;
        check(ok, WHAT, "soc_max", high, "above soc_min, at most 1")
    }

    /// Frequency droop, Hz per kW.
    #[must_use]
    pub fn hz_per_kw(&self, nominal_hz: f64) -> f64 {
        self.f_droop_pct / 100.0 * nominal_hz / self.kva
    }

    /// Voltage droop, pu per kvar.
    #[must_use]
    pub fn pu_per_kvar(&self) -> f64 {
        self.v_droop_pct / 100.0 / self.kva
    }

    /// Inertia, kW per (Hz/s): what the filter acts as, and the virtual one.
    #[must_use]
    pub fn kw_per_hz_s(&self, nominal_hz: f64) -> f64 {
        self.filter_s / self.hz_per_kw(nominal_hz) + 2.0 * self.inertia_s * self.kva / nominal_hz
    }

    /// Active power it may deliver and take at a state of charge, kW:
    /// (least, most), the least negative. Both fall linearly to zero over the
    /// last [`TAPER_SOC`] before the end of charge, so that an island is
    /// relieved before the cells must stop.
    #[must_use]
    pub fn window_kw(&self, max_kw: f64, soc: f64) -> (f64, f64) {
        let most = max_kw.min(self.kva);
        let share = |room: f64| (room / TAPER_SOC).clamp(0.0, 1.0);
        (
            -most * share(self.soc_max - soc),
            most * share(soc - self.soc_min),
        )
    }
}

/// Width of the tapers at both ends of charge.
pub const TAPER_SOC: f64 = 0.03;

/// What a unit does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub enum Mode {
    /// Feeds stated power into a grid that others form.
    #[default]
    Following,
    /// Holds frequency and voltage.
    Forming,
    /// Stopped; comes back only when told to.
    Blocked,
}

/// Voltage behind the coupling impedance.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Emf {
    /// Magnitude, pu.
    pub v_pu: f64,
    /// Angle against the section's reference, degrees.
    pub angle_deg: f64,
}

impl Default for Emf {
    fn default() -> Self {
        Self {
            v_pu: 1.0,
            angle_deg: 0.0,
        }
    }
}

/// What a unit delivers, by the network's solution.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Delivered {
    /// Active power into the network, kW.
    pub p_kw: f64,
    /// Reactive power into the network, kvar.
    pub q_kvar: f64,
    /// Highest phase current, pu of rated.
    pub current_pu: f64,
}

/// State of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct FormingUnit {
    /// What it does.
    pub mode: Mode,
    /// Voltage behind the impedance.
    pub emf: Emf,
    /// Power at which its droop gives nominal frequency, kW.
    pub p_set_kw: f64,
    /// Voltage at which its droop gives no reactive power, pu.
    pub v_set_pu: f64,
    /// Shift of its frequency by the overload controller, Hz.
    pub shift_hz: f64,
    /// What it delivers.
    pub now: Delivered,
    /// How long it has been beyond its rating, ms.
    pub over_ms: u64,
}

impl FormingUnit {
    /// A unit that follows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            v_set_pu: 1.0,
            ..Self::default()
        }
    }

    /// Takes over frequency and voltage from what it delivers now.
    pub fn form(&mut self, p_set_kw: f64) {
        *self = Self {
            mode: Mode::Forming,
            p_set_kw,
            v_set_pu: 1.0,
            ..Self::default()
        };
    }

    /// Goes back to stated power.
    pub fn follow(&mut self) {
        self.stop(Mode::Following);
    }

    /// Stops until told otherwise.
    pub fn block(&mut self) {
        self.stop(Mode::Blocked);
    }

    fn stop(&mut self, mode: Mode) {
        *self = Self {
            mode,
            ..Self::new()
        };
    }

    /// Notes what it delivers over a tick; `true` when it must trip because it
    /// bore more than `most_kw` for too long.
    pub fn bear(&mut self, params: &FormingParams, most_kw: f64, dt_ms: u64) -> bool {
        // A thousandth is rounding of the solution, not overload.
        let over = self.now.p_kw > most_kw + 1e-3 * params.kva;
        self.over_ms = if over { self.over_ms + dt_ms } else { 0 };
        self.over_ms as f64 > params.overload_s * 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn droop_of_one_percent_is_half_a_hertz_at_full_power() {
        let params = FormingParams {
            kva: 50.0,
            ..FormingParams::default()
        };
        assert!((params.hz_per_kw(50.0) * 50.0 - 0.5).abs() < 1e-12);
        assert!((params.pu_per_kvar() * 50.0 - 0.05).abs() < 1e-12);
    }

    #[test]
    fn filter_and_virtual_inertia_add() {
        let plain = FormingParams::default();
        let heavy = FormingParams {
            inertia_s: 2.0,
            ..plain
        };
        // 2 H S / f = 2 * 2 * 100 / 50
        let more = heavy.kw_per_hz_s(50.0) - plain.kw_per_hz_s(50.0);
        assert!((more - 8.0).abs() < 1e-12);
        assert!((plain.kw_per_hz_s(50.0) - 0.05 * 100.0 / 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_window_closes_at_both_ends_of_charge() {
        let params = FormingParams::default();
        assert_eq!(params.window_kw(80.0, 0.5), (-80.0, 80.0));
        assert_eq!(params.window_kw(80.0, params.soc_min), (-80.0, 0.0));
        let (least, most) = params.window_kw(80.0, params.soc_max);
        assert!(least.abs() < 1e-9 && most == 80.0);
        assert_eq!(
            params.window_kw(200.0, 0.5).1,
            100.0,
            "not above its rating"
        );
    }

    #[test]
    fn impossible_figures_are_named() {
        let bad = FormingParams {
            f_droop_pct: 0.0,
            ..FormingParams::default()
        };
        assert_eq!(bad.check().unwrap_err().field, "f_droop_pct");
        let bad = FormingParams {
            soc_max: f64::NAN,
            ..FormingParams::default()
        };
        assert_eq!(bad.check().unwrap_err().field, "soc_max");
        assert_eq!(FormingParams::default().check(), Ok(()));
    }

    #[test]
    fn overload_is_borne_for_its_time_only() {
        let params = FormingParams::default();
        let mut unit = FormingUnit::new();
        unit.form(0.0);
        unit.now.p_kw = 110.0;
        for _ in 0..10 {
            assert!(!unit.bear(&params, 100.0, 1_000));
        }
        assert!(unit.bear(&params, 100.0, 1_000));
        unit.now.p_kw = 90.0;
        assert!(!unit.bear(&params, 100.0, 1_000));
        assert_eq!(unit.over_ms, 0);
    }
}
