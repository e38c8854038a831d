//! Voltage laws of what is connected at ports.
//!
//! Inside the band a law is what its name says. Above the band it continues as
//! the impedance that draws the same at the band's edge; below, the current
//! falls linearly to that of the rated impedance at `low_pu`, and under that
//! the rated impedance remains. This is the rule of OpenDSS loads, written
//! out so that results on its decks agree.

use gridloom_model::grid::{LoadLaw, VoltageBand};

use crate::Complex;

/// Law and ratings of one phase of a port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PhaseLaw {
    law: LoadLaw,
    band: VoltageBand,
    /// Rated voltage across the phase, V.
    v_base: f64,
    /// Reactive power at rated voltage whatever the multiplier, var.
    q_rated_var: f64,
    /// Squared voltages between which the power is constant, V2; an empty range
    /// where the law is another.
    constant_from: f64,
    constant_to: f64,
}

impl PhaseLaw {
    pub(crate) fn new(law: LoadLaw, band: VoltageBand, v_base: f64, q_rated_var: f64) -> Self {
        let from = band.min_pu.max(band.low_pu) * v_base;
        let to = if matches!(law, LoadLaw::ConstPower) {
            band.max_pu * v_base
        } else {
            0.0
        };
        Self {
            constant_from: from * from,
            constant_to: to * to,
            law,
            band,
            v_base,
            q_rated_var,
        }
    }

    /// Rated voltage, V.
    #[inline]
    pub(crate) fn v_base(&self) -> f64 {
        self.v_base
    }

    /// Squared voltages, V2, above the first and up to the second of which the
    /// power is constant.
    pub(crate) fn constant_range(&self) -> (f64, f64) {
        (self.constant_from, self.constant_to)
    }

    /// Admittance that draws `s` (VA) at rated voltage, S.
    pub(crate) fn rated_admittance(&self, s: Complex) -> Complex {
        s.conj().scale(1.0 / (self.v_base * self.v_base))
    }

    /// Current into the phase, A, at voltage `v` across it when `s` (VA) is its nominal power.
    #[inline]
    pub(crate) fn current(&self, s: Complex, v: Complex) -> Complex {
        let square = v.norm_sqr();
        if square > self.constant_from && square <= self.constant_to {
            // conj(s / v), without a division of complex numbers.
            return (s.conj() * v).scale(1.0 / square);
        }
        if s == Complex::ZERO && self.q_rated_var == 0.0 {
            return Complex::ZERO;
        }
        self.general(s, v, square.sqrt())
    }

    fn general(&self, s: Complex, v: Complex, magnitude: f64) -> Complex {
        let rated = self.rated_admittance(s);
        if matches!(self.law, LoadLaw::ConstImpedance) {
            return rated * v;
        }
        let low = self.band.low_pu * self.v_base;
        let min = self.band.min_pu * self.v_base;
        if magnitude <= low || magnitude == 0.0 {
            return rated * v;
        }
        if magnitude <= min {
            return self.below(rated, v, magnitude, low, min);
        }
        if magnitude > self.band.max_pu * self.v_base {
            return self.above(rated, v);
        }
        self.inside(s, rated, v, magnitude)
    }

    /// Between `low_pu` and `min_pu`: current on the straight line from the rated
    /// impedance to what the law draws at the edge.
    fn below(&self, rated: Complex, v: Complex, magnitude: f64, low: f64, min: f64) -> Complex {
        let at_low = rated.scale(low);
        let line = |at_min: Complex| {
            (at_low + (at_min - at_low).scale((magnitude - low) / (min - low)))
                .scale(1.0 / magnitude)
        };
        let power = line(rated.scale(self.v_base * self.v_base / min));
        let current = line(rated.scale(self.v_base));
        match self.law {
            LoadLaw::ConstCurrent => current * v,
            LoadLaw::PowerFixedReactance | LoadLaw::PowerFixedQ => {
                let edge = self.v_base / min;
                Complex::new(rated.re * edge * edge, self.fixed_susceptance()) * v
            }
            LoadLaw::Zip { p, q, cutoff_pu } => {
                let y = Complex::new(
                    rated.re * p.0 + current.re * p.1 + power.re * p.2,
                    rated.im * q.0 + current.im * q.1 + power.im * q.2,
                );
                (y * v).scale(drop_out(magnitude / self.v_base, cutoff_pu))
            }
            _ => power * v,
        }
    }

    fn above(&self, rated: Complex, v: Complex) -> Complex {
        let edge = 1.0 / self.band.max_pu;
        let power = rated.scale(edge * edge);
        let current = rated.scale(edge);
        match self.law {
            LoadLaw::ConstCurrent => current * v,
            LoadLaw::PowerFixedReactance | LoadLaw::PowerFixedQ => {
                Complex::new(power.re, self.fixed_susceptance()) * v
            }
            LoadLaw::Zip { p, q, .. } => {
                Complex::new(
                    rated.re * p.0 + current.re * p.1 + power.re * p.2,
                    rated.im * q.0 + current.im * q.1 + power.im * q.2,
                ) * v
            }
            _ => power * v,
        }
    }

    /// Susceptance of the reactive power that no multiplier changes, S.
    fn fixed_susceptance(&self) -> f64 {
        -self.q_rated_var / (self.v_base * self.v_base)
    }

    fn inside(&self, s: Complex, rated: Complex, v: Complex, magnitude: f64) -> Complex {
        let pu = magnitude / self.v_base;
        let power_current =
            |p: f64, q: f64| (Complex::new(p, -q) * v).scale(1.0 / (magnitude * magnitude));
        match self.law {
            LoadLaw::ConstPower => power_current(s.re, s.im),
            LoadLaw::ConstImpedance => rated * v,
            LoadLaw::ConstCurrent => power_current(s.re * pu, s.im * pu),
            LoadLaw::PowerAndReactance => {
                power_current(s.re, 0.0) + Complex::new(0.0, rated.im) * v
            }
            LoadLaw::PowerFixedQ => power_current(s.re, self.q_rated_var),
            LoadLaw::PowerFixedReactance => {
                power_current(s.re, 0.0) + Complex::new(0.0, self.fixed_susceptance()) * v
            }
            LoadLaw::Exponential { p, q } => {
                power_current(s.re * power(pu, p), s.im * power(pu, q))
            }
            LoadLaw::Zip { p, q, cutoff_pu } => {
                let wp = p.0 * pu * pu + p.1 * pu + p.2;
                let wq = q.0 * pu * pu + q.1 * pu + q.2;
                power_current(s.re * wp, s.im * wq).scale(drop_out(pu, cutoff_pu))
            }
        }
    }
}

fn power(base: f64, exponent: f64) -> f64 {
    if exponent == 0.0 {
        1.0
    } else if exponent == 1.0 {
        base
    } else if exponent == 2.0 {
        base * base
    } else {
        libm::pow(base, exponent)
    }
}

/// Smooth drop-out of a load below its cut-off voltage.
fn drop_out(pu: f64, cutoff_pu: f64) -> f64 {
    if cutoff_pu <= 0.0 {
        return 1.0;
    }
    0.5 * (1.0 + libm::tanh(500.0 * (pu - cutoff_pu)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn laws() -> Vec<LoadLaw> {
        vec![
            LoadLaw::ConstPower,
            LoadLaw::ConstImpedance,
            LoadLaw::ConstCurrent,
            LoadLaw::PowerAndReactance,
            LoadLaw::PowerFixedQ,
            LoadLaw::PowerFixedReactance,
            LoadLaw::Exponential { p: 1.2, q: 2.5 },
            LoadLaw::Zip {
                p: (0.3, 0.3, 0.4),
                q: (0.5, 0.2, 0.3),
                cutoff_pu: 0.0,
            },
        ]
    }

    proptest! {
        #[test]
        fn every_law_draws_its_rating_at_rated_voltage(angle in -180.0f64..180.0, p in -5e3f64..5e3, q in -2e3f64..2e3) {
            let v = Complex::from_polar_deg(230.0, angle);
            for law in laws() {
                let phase = PhaseLaw::new(law, VoltageBand::default(), 230.0, q);
                let s = v * phase.current(Complex::new(p, q), v).conj();
                prop_assert!((s - Complex::new(p, q)).abs() < 1e-8, "{law:?} {s:?}");
            }
        }

        #[test]
        fn currents_are_continuous_at_the_edges_of_the_band(edge in prop::sample::select(vec![0.5, 0.95, 1.05])) {
            // The exponential law is not: outside the band it continues as a constant-power load would.
            for law in laws().into_iter().filter(|l| !matches!(l, LoadLaw::Exponential { .. } | LoadLaw::PowerAndReactance | LoadLaw::PowerFixedReactance | LoadLaw::PowerFixedQ)) {
                let phase = PhaseLaw::new(law, VoltageBand::default(), 230.0, 300.0);
                let s = Complex::new(1000.0, 300.0);
                let below = phase.current(s, Complex::new(230.0 * (edge - 1e-9), 0.0));
                let above = phase.current(s, Complex::new(230.0 * (edge + 1e-9), 0.0));
                prop_assert!((below - above).abs() < 1e-6 * above.abs(), "{law:?} at {edge}");
            }
        }
    }

    #[test]
    fn nothing_is_drawn_at_zero_voltage() {
        for law in laws() {
            for band in [VoltageBand::default(), VoltageBand::WIDE] {
                let phase = PhaseLaw::new(law, band, 230.0, 300.0);
                let i = phase.current(Complex::new(1000.0, 300.0), Complex::ZERO);
                assert_eq!(i, Complex::ZERO, "{law:?}");
            }
        }
    }
}
