//! One protective element: starts, integrates, operates, resets.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::curve::{Curve, Reset};
use crate::phasor::{Direction, Measurement, Phasor};
use crate::settings::{ElementSettings, Facing, Watch};
use crate::soe::{EventId, Timing};

/// Highest phase voltage below which a place is without supply, pu.
pub const DEAD_PU: f64 = 0.1;

/// Share of a disc's way that counts as all of it.
const FULL: f64 = 1.0 - 1e-9;

/// State of one element.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct ElementState {
    /// Way to operation, 0..1: the position of the disc.
    pub progress: f64,
    /// When it started, us, and the event.
    pub started: Option<(u64, EventId)>,
    /// Full time at the present quantity, s; `None` below the setting.
    pub operate_s: Option<f64>,
    /// Full reset time at the present quantity, s.
    reset_s: f64,
    /// What was accumulated is lost at this time, us.
    held_until_us: Option<u64>,
    /// The quantity was the same since the start.
    steady: bool,
    /// It has operated and not gone back since.
    pub operated: bool,
}

/// A change of an element at the start of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It started.
    Pickup,
    /// It went back.
    Dropout,
}

impl ElementSettings {
    /// The watched quantity as a multiple of the setting; `None` where the
    /// element does not act (wrong direction, no supply).
    #[must_use]
    pub fn multiple(&self, m: &Measurement, memory: Phasor, raise: f64) -> Option<f64> {
        let wanted = match self.facing {
            Facing::Both => None,
            Facing::Forward => Some(Direction::Forward),
            Facing::Reverse => Some(Direction::Reverse),
        };
        let against = || wanted.is_some() && m.direction(memory) != wanted;
        let (low, high) = m.bus_pu();
        let dead = high < DEAD_PU;
        match self.watch {
            Watch::PhaseCurrent => {
                let multiple = m.phase_a() / (self.pickup * raise);
                (!(multiple > 1.0 && against())).then_some(multiple)
            }
            Watch::EarthCurrent => {
                let multiple = m.residual_a() / (self.pickup * raise);
                (!(multiple > 1.0 && against())).then_some(multiple)
            }
            // Turned round so that beyond the setting is always above one.
            Watch::UnderVoltage => (!dead).then(|| self.pickup / low.max(1e-6)),
            Watch::OverVoltage => Some(high / self.pickup),
            Watch::UnderFrequency => {
                (!dead && m.frequency_hz > 0.0).then(|| self.pickup / m.frequency_hz)
            }
            Watch::OverFrequency => (!dead).then(|| m.frequency_hz / self.pickup),
        }
    }

    /// The watched quantity in the unit of the setting.
    #[must_use]
    pub fn value(&self, m: &Measurement) -> f64 {
        match self.watch {
            Watch::PhaseCurrent => m.phase_a(),
            Watch::EarthCurrent => m.residual_a(),
            Watch::UnderVoltage => m.bus_pu().0,
            Watch::OverVoltage => m.bus_pu().1,
            Watch::UnderFrequency | Watch::OverFrequency => m.frequency_hz,
        }
    }
}

impl ElementState {
    /// Takes the quantity of the segment that begins.
    pub fn begin(
        &mut self,
        settings: &ElementSettings,
        multiple: Option<f64>,
        now_us: u64,
    ) -> Option<Change> {
        let multiple = multiple.unwrap_or(0.0);
        let before = self.operate_s;
        self.operate_s = settings
            .curve
            .operate_s(multiple, settings.dial, settings.flat_above);
        self.reset_s = match (settings.reset, settings.curve) {
            (Reset::Standard, curve) => curve.reset_s(multiple, settings.dial),
            _ => 0.0,
        };
        match (before, self.operate_s) {
            (None, Some(_)) => {
                if self.held_until_us.take().is_none() && self.reset_s == 0.0 {
                    self.progress = 0.0;
                }
                // A disc on its way back starts from where it is.
                self.steady = self.progress == 0.0;
                (self.started.is_none() && !self.operated).then_some(Change::Pickup)
            }
            (Some(_), None) => {
                self.steady = false;
                self.operated = false;
                match settings.reset {
                    Reset::Definite(ms) if self.progress > 0.0 => {
                        self.held_until_us = Some(now_us + ms * 1_000);
                    }
                    Reset::Standard if self.reset_s > 0.0 => {}
                    _ => self.progress = 0.0,
                }
                self.started.is_some().then_some(Change::Dropout)
            }
            (Some(old), Some(new)) => {
                self.steady &= old == new;
                None
            }
            (None, None) => None,
        }
    }

    /// When it operates or loses what it held, if nothing changes, us.
    #[must_use]
    pub fn next_us(&self, now_us: u64) -> Option<u64> {
        if let Some(full_s) = self.operate_s {
            if self.operated {
                return None;
            }
            let left_s = (1.0 - self.progress).max(0.0) * full_s;
            return Some(now_us.saturating_add(whole_us(left_s)));
        }
        self.held_until_us
    }

    /// Moves the disc over a segment.
    pub fn integrate(&mut self, dt_us: u64) {
        let dt_s = dt_us as f64 * 1e-6;
        match self.operate_s {
            Some(full_s) if full_s > 0.0 => self.progress += dt_s / full_s,
            Some(_) => self.progress = 1.0,
            None if self.reset_s > 0.0 => {
                self.progress = (self.progress - dt_s / self.reset_s).max(0.0);
            }
            None => {}
        }
    }

    /// Whether it operates now; also lets go of what a definite reset held.
    pub fn due(&mut self, now_us: u64) -> bool {
        if self.operate_s.is_some() {
            let instantaneous = self.operate_s == Some(0.0);
            if !self.operated && (instantaneous || self.progress >= FULL) {
                self.operated = true;
                return true;
            }
        } else if self.held_until_us.is_some_and(|until| until <= now_us) {
            self.held_until_us = None;
            self.progress = 0.0;
        }
        false
    }

    /// The operating time for the record, with what was measured and the
    /// position of the element in its device.
    #[must_use]
    pub fn timing(&self, now_us: u64, value: f64, element: usize) -> Option<Timing> {
        let (started_us, _) = self.started?;
        let curve_ms = self.operate_s.filter(|_| self.steady);
        Some(Timing {
            took_ms: (now_us - started_us) as f64 / 1_000.0,
            curve_ms: curve_ms.map(|s| s * 1_000.0),
            value,
            element: element as u32,
        })
    }

    /// Forgets everything, as after the breaker has moved.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A time in whole microseconds, rounded up so that it has passed.
pub(crate) fn whole_us(s: f64) -> u64 {
    let us = libm::ceil(s * 1e6);
    if us < 9e18 { us as u64 } else { u64::MAX / 4 }
}

/// A short description of a setting for the record.
#[must_use]
pub fn describe(settings: &ElementSettings) -> String {
    let number = settings.number();
    let unit = settings.unit();
    match settings.curve {
        Curve::Definite(0) => format!("{number} {} {unit}", settings.pickup),
        Curve::Definite(ms) => format!("{number} {} {unit} {ms} ms", settings.pickup),
        curve => format!(
            "{number} {} {unit} {} x {}",
            settings.pickup,
            curve.label(),
            settings.dial
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs an element over segments of (multiple, s); returns when it operates, us.
    fn run(settings: &ElementSettings, segments: &[(f64, f64)]) -> Option<u64> {
        let mut state = ElementState::default();
        let mut now = 0;
        for &(multiple, s) in segments {
            if state.begin(settings, Some(multiple), now) == Some(Change::Pickup) {
                state.started = Some((now, 0));
            }
            let end = now + whole_us(s);
            if let Some(next) = state.next_us(now).filter(|&next| next <= end) {
                state.integrate(next - now);
                if state.due(next) {
                    return Some(next);
                }
            }
            state.integrate(end - now);
            now = end;
        }
        None
    }

    fn inverse(curve: Curve) -> ElementSettings {
        ElementSettings {
            curve,
            dial: 0.5,
            ..ElementSettings::definite(100.0, 0)
        }
    }

    proptest! {
        /// Constant current: the time is that of the curve, to the microsecond.
        #[test]
        fn a_constant_current_operates_on_the_curve(which in 0..8_usize, m in 1.05..40.0_f64) {
            let settings = inverse(Curve::INVERSE[which]);
            let expected = settings.curve.operate_s(m, 0.5, None).expect("above");
            let found = run(&settings, &[(m, 1e5)]).expect("operates");
            prop_assert!((found as f64 - expected * 1e6).abs() <= 1.5);
        }

        /// Changing current: the integral of dt / t(I) is one at operation.
        #[test]
        fn a_changing_current_operates_when_the_integral_is_one(
            which in 0..8_usize,
            steps in proptest::collection::vec((1.1..20.0_f64, 0.01..0.4_f64), 1..6),
        ) {
            let settings = inverse(Curve::INVERSE[which]);
            let mut segments = steps;
            segments.push((3.0, 1e5));
            let found = run(&settings, &segments).expect("operates") as f64 * 1e-6;
            let (mut integral, mut left) = (0.0, found);
            for (m, s) in segments {
                let dt = left.min(s);
                integral += dt / settings.curve.operate_s(m, 0.5, None).expect("above");
                left -= dt;
            }
            prop_assert!((integral - 1.0).abs() < 1e-3, "{}", integral);
        }
    }

    #[test]
    fn a_disc_keeps_what_it_has_an_iec_element_forgets() {
        let full = |curve: Curve| curve.operate_s(4.0, 0.5, None).expect("above");
        let half = full(Curve::IeeeVi) / 2.0;
        // Half the way, a short gap, then again: the disc needs little more than half.
        let with_gap = [(4.0, half), (0.0, 0.1), (4.0, 1e3)];
        let again = run(&inverse(Curve::IeeeVi), &with_gap).expect("operates") as f64 * 1e-6;
        let back = 0.1 / Curve::IeeeVi.reset_s(0.0, 0.5) * full(Curve::IeeeVi);
        assert!((again - (2.0 * half + 0.1 + back)).abs() < 1e-5);
        let half = full(Curve::IecVi) / 2.0;
        let with_gap = [(4.0, half), (0.0, 0.1), (4.0, 1e3)];
        let again = run(&inverse(Curve::IecVi), &with_gap).expect("operates") as f64 * 1e-6;
        assert!((again - (half + 0.1 + full(Curve::IecVi))).abs() < 1e-5);
        // A definite reset holds the half way over a gap that is short enough.
        let held = ElementSettings {
            reset: Reset::Definite(200),
            ..inverse(Curve::IecVi)
        };
        let again = run(&held, &with_gap).expect("operates") as f64 * 1e-6;
        assert!((again - (2.0 * half + 0.1)).abs() < 1e-5);
    }

    #[test]
    fn undervoltage_does_not_act_without_supply() {
        let settings = ElementSettings {
            watch: Watch::UnderVoltage,
            pickup: 0.8,
            ..ElementSettings::definite(0.8, 500)
        };
        let at = |pu: f64| Measurement {
            v: [0.0, -120.0, 120.0].map(|a| Phasor::polar(pu * 230.0, a)),
            v_nominal: 230.0,
            ..Measurement::default()
        };
        let multiple = |pu| settings.multiple(&at(pu), Phasor::ZERO, 1.0);
        assert!(multiple(0.7).expect("acts") > 1.0);
        assert!(multiple(0.9).expect("acts") < 1.0);
        assert_eq!(multiple(0.0), None);
    }
}
