//! Energy into a section against energy out of it.

use borsh::{BorshDeserialize, BorshSerialize};

/// Power of one section over a tick, kW, each >= 0 except storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SectionPower {
    /// Delivered by grid-forming units, by the current through their impedance.
    pub formed_kw: f64,
    /// Taken at ports, by their own currents and voltages; negative when they feed in.
    pub ports_kw: f64,
    /// Lost in conductors and transformers, by the drop along each.
    pub losses_kw: f64,
}

/// How well a section's energy closed, over its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Closure {
    /// Residual of the last tick, share of throughput.
    pub last: f64,
    /// Largest residual of any tick.
    pub worst: f64,
    /// Ticks looked at.
    pub ticks: u64,
}

/// Throughput below which a residual is not a share of anything, kW.
const FLOOR_KW: f64 = 1e-3;

impl SectionPower {
    /// What does not close, share of throughput. Throughput is the larger of
    /// what goes in and what comes out.
    #[must_use]
    pub fn residual(&self, throughput_kw: f64) -> f64 {
        let off = (self.formed_kw - self.ports_kw - self.losses_kw).abs();
        off / throughput_kw.abs().max(FLOOR_KW)
    }
}

impl Closure {
    /// Notes the residual of a tick; not-a-number counts as infinite.
    pub fn note(&mut self, residual: f64) {
        let residual = if residual.is_nan() {
            f64::INFINITY
        } else {
            residual
        };
        self.last = residual;
        self.worst = self.worst.max(residual);
        self.ticks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_shows() {
        let closed = SectionPower {
            formed_kw: 10.0,
            ports_kw: 9.5,
            losses_kw: 0.5,
        };
        assert_eq!(closed.residual(10.0), 0.0);
        let leaky = SectionPower {
            losses_kw: 0.4,
            ..closed
        };
        assert!((leaky.residual(10.0) - 0.01).abs() < 1e-12);
        let mut closure = Closure::default();
        closure.note(leaky.residual(10.0));
        closure.note(0.0);
        assert!((closure.worst - 0.01).abs() < 1e-12);
        assert_eq!((closure.last, closure.ticks), (0.0, 2));
        closure.note(f64::NAN);
        assert_eq!(closure.worst, f64::INFINITY);
    }
}
