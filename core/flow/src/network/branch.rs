//! One phase of a port: what it draws at a voltage.

use super::*;
use crate::law::PhaseLaw;

/// One phase of a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    /// Node the current leaves from.
    pub(super) a: NodeRef,
    /// Node it returns to.
    pub(super) b: NodeRef,
    /// Position of `a` in the trailing part.
    pub(super) at_a: u32,
    /// Position of `b` in the trailing part.
    pub(super) at_b: u32,
    /// Connected to a source.
    pub(super) live: bool,
    /// Its law alone says what it draws: no limit, no control, no source.
    pub(super) plain: bool,
    /// Holds the voltage instead of drawing a power.
    pub(super) forming: bool,
    /// Draws as an impedance at low voltage, whatever its law says there.
    pub(super) soft: bool,
    /// Nominal power, VA.
    pub(super) s: Complex,
    pub(super) law: PhaseLaw,
    /// Part of its admittance that stands in an element of its own, S.
    pub(super) built: Complex,
    /// Part of its admittance that stands in the matrix altogether, S.
    pub(super) held: Complex,
    /// Current beyond the held admittance, A.
    pub(super) current: Complex,
    /// Voltage behind the impedance of a forming branch, V.
    pub(super) emf: Complex,
    /// Largest current, A.
    pub(super) limit_a: f64,
    /// Squared power below which its mismatch is judged absolutely, VA2.
    pub(super) floor: f64,
}

/// Squared power below which the mismatch of a port is judged absolutely, VA2.
pub(super) const FLOOR_VA2: f64 = 1.0;

/// Voltage, per unit of the rating, below which a softened branch is an impedance.
const SOFT_PU: f64 = 0.7;

/// Voltage, per unit of the rating, below which a limited branch lets its current fall to nothing.
const CUT_PU: f64 = 0.1;

impl Branch {
    /// Turns a current into a power at rated voltage, kVA per ampere.
    #[inline]
    pub(super) fn weight(&self) -> f64 {
        self.law.v_base() * 1e-3
    }

    /// Whether an element of its own carries part of its admittance.
    pub(super) fn in_matrix(&self) -> bool {
        self.built != Complex::ZERO
    }

    /// Current into the branch, A, at voltage `v` across it.
    #[inline]
    pub(super) fn drawn(&self, v: Complex) -> Complex {
        if self.plain {
            return self.law.current(self.s, v);
        }
        self.special(v)
    }

    fn special(&self, v: Complex) -> Complex {
        if self.forming {
            return (self.held - self.built) * (v - self.emf);
        }
        let base = self.law.v_base();
        let pu = v.abs() / base;
        if pu == 0.0 || pu.is_nan() {
            return Complex::ZERO;
        }
        if self.limit_a.is_finite() {
            let current = self.law.current(self.s, v);
            let most = self.limit_a * (pu / CUT_PU).min(1.0);
            let size = current.abs();
            return if size > most {
                current.scale(most / size)
            } else {
                current
            };
        }
        if self.soft && pu < SOFT_PU {
            let at_edge = self.law.current(self.s, v.scale(SOFT_PU / pu));
            return at_edge.scale(pu / SOFT_PU);
        }
        self.law.current(self.s, v)
    }

    /// Current beyond what the matrix carries, A.
    #[inline]
    pub(super) fn beyond(&self, v: Complex) -> Complex {
        if self.forming {
            return -(self.built * v);
        }
        let current = self.drawn(v);
        if self.held == Complex::ZERO {
            return current;
        }
        current - self.held * v
    }
}
