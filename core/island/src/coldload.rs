//! Cold-load pickup: after an outage thermostatic loads have lost their
//! diversity and ask together.
//!
//! The delayed-exponential model of Lang, Anderson and Fouad ("An analytical
//! method for quantifying the electrical space heating component of a cold
//! load pickup", IEEE Trans. Power App. Syst. 101(4), 1982): the excess grows
//! with the outage towards `peak`, stays for `hold_s` once supply is back and
//! then decays. Heaters, heat pumps and vehicles that the twin models ask for
//! their own arrears; this is for what stands in a profile alone.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{IslandError, check};

/// Data of the model.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ColdLoadParams {
    /// Excess over the undisturbed load after a long outage, share of it.
    pub excess: f64,
    /// Time constant with which diversity is lost, s.
    pub build_s: f64,
    /// How long the excess stays at its peak, s.
    pub hold_s: f64,
    /// Time constant with which diversity returns, s.
    pub decay_s: f64,
}

impl ColdLoadParams {
    /// Checks every figure.
    ///
    /// # Errors
    /// Names the first one outside its range.
    pub fn check(&self) -> Result<(), IslandError> {
        const WHAT: &str = "cold load";
        let ok = (0.0..=10.0).contains(&self.excess);
        check(ok, WHAT, "excess", self.excess, "0 to 10")?;
        for (field, value) in [("build_s", self.build_s), ("decay_s", self.decay_s)] {
            check(value > 0.0, WHAT, field, value, "above 0")?;
        }
        check(self.hold_s >= 0.0, WHAT, "hold_s", self.hold_s, "0 or more")
    }
}

/// State of one load or area.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ColdLoad {
    /// Excess reached, share of the undisturbed load.
    excess: f64,
    /// Time since supply came back, ms.
    back_ms: u64,
}

impl ColdLoad {
    /// Factor on the undisturbed load, 1 or more.
    #[must_use]
    pub fn factor(&self) -> f64 {
        1.0 + self.excess
    }

    /// Advances by a tick with or without supply.
    pub fn step(&mut self, params: &ColdLoadParams, supplied: bool, dt_ms: u64) {
        let dt_s = dt_ms as f64 / 1_000.0;
        if !supplied {
            self.back_ms = 0;
            let keep = libm::exp(-dt_s / params.build_s);
            self.excess = params.excess + (self.excess - params.excess) * keep;
            return;
        }
        if self.excess == 0.0 {
            return;
        }
        self.back_ms += dt_ms;
        if self.back_ms as f64 > params.hold_s * 1_000.0 {
            self.excess *= libm::exp(-dt_s / params.decay_s);
            if self.excess < 1e-4 {
                self.excess = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: ColdLoadParams = ColdLoadParams {
        excess: 1.5,
        build_s: 1_200.0,
        hold_s: 60.0,
        decay_s: 600.0,
    };

    #[test]
    fn excess_grows_with_the_outage_and_decays_after_it() {
        let mut load = ColdLoad::default();
        load.step(&PARAMS, true, 1_000);
        assert_eq!(load.factor(), 1.0, "no outage, no excess");
        for _ in 0..1_200 {
            load.step(&PARAMS, false, 1_000);
        }
        let peak = load.factor();
        // 1 - 1/e of the full excess after one time constant.
        assert!((peak - (1.0 + 1.5 * (1.0 - libm::exp(-1.0)))).abs() < 1e-9);
        for _ in 0..60 {
            load.step(&PARAMS, true, 1_000);
        }
        assert_eq!(load.factor(), peak, "held");
        for _ in 0..600 {
            load.step(&PARAMS, true, 1_000);
        }
        assert!(((load.factor() - 1.0) / (peak - 1.0) - libm::exp(-1.0)).abs() < 1e-9);
        for _ in 0..10_000 {
            load.step(&PARAMS, true, 1_000);
        }
        assert_eq!(load.factor(), 1.0);
    }

    #[test]
    fn the_length_of_a_tick_does_not_matter_while_dark() {
        let (mut fine, mut coarse) = (ColdLoad::default(), ColdLoad::default());
        for _ in 0..600 {
            fine.step(&PARAMS, false, 100);
        }
        coarse.step(&PARAMS, false, 60_000);
        assert!((fine.factor() - coarse.factor()).abs() < 1e-12);
    }
}
