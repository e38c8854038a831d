//! Frequency-watt: photovoltaic output falls when the frequency is high.
//!
//! IEEE 1547-2018 clause 6.5.2.7 (frequency-droop) and EN 50549-1 (LFSM-O)
//! state the same straight line: from `start_hz` on, output falls by the
//! droop. The reference here is the power available at the moment. The
//! response is a first-order lag.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{IslandError, check};

/// Data of the function.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct FreqWattParams {
    /// Frequency from which output falls, Hz.
    pub start_hz: f64,
    /// Rise of frequency, % of nominal, that takes the whole output away.
    pub droop_pct: f64,
    /// Time constant of the response, s.
    pub response_s: f64,
}

impl Default for FreqWattParams {
    /// EN 50549-1: from 50.2 Hz with a droop of 5 %.
    fn default() -> Self {
        Self {
            start_hz: 50.2,
            droop_pct: 5.0,
            response_s: 0.5,
        }
    }
}

impl FreqWattParams {
    /// Checks every figure.
    ///
    /// # Errors
    /// Names the first one outside its range.
    pub fn check(&self, nominal_hz: f64) -> Result<(), IslandError> {
        const WHAT: &str = "frequency-watt";
        let start = self.start_hz;
        let ok = start >= nominal_hz && start <= nominal_hz * 1.1;
        check(ok, WHAT, "start_hz", start, "nominal to 10 % above")?;
        let droop = self.droop_pct;
        let ok = (0.1..=20.0).contains(&droop);
        check(ok, WHAT, "droop_pct", droop, "0.1 to 20")?;
        let response = self.response_s;
        check(response > 0.0, WHAT, "response_s", response, "above 0")
    }

    /// Share of the available power at a steady frequency, 0..1.
    #[must_use]
    pub fn share(&self, f_hz: f64, nominal_hz: f64) -> f64 {
        let above = (f_hz - self.start_hz).max(0.0);
        (1.0 - above / (self.droop_pct / 100.0 * nominal_hz)).clamp(0.0, 1.0)
    }

    /// The share after `dt_s` on the way from `share` to its steady value;
    /// backward Euler, so that no step is too long.
    #[must_use]
    pub fn step(&self, share: f64, f_hz: f64, nominal_hz: f64, dt_s: f64) -> f64 {
        let gain = dt_s / self.response_s;
        (share + gain * self.share(f_hz, nominal_hz)) / (1.0 + gain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_passes_through_its_points() {
        let f = FreqWattParams::default();
        assert_eq!(f.share(49.0, 50.0), 1.0);
        assert_eq!(f.share(50.2, 50.0), 1.0);
        // 1 Hz above start at 5 % of 50 Hz = 2.5 Hz: 40 % away.
        assert!((f.share(51.2, 50.0) - 0.6).abs() < 1e-12);
        assert_eq!(f.share(53.0, 50.0), 0.0);
    }

    #[test]
    fn the_response_settles_on_the_curve() {
        let f = FreqWattParams::default();
        let share = (0..1_000).fold(1.0, |share, _| f.step(share, 51.2, 50.0, 0.01));
        assert!((share - 0.6).abs() < 1e-6);
    }
}
