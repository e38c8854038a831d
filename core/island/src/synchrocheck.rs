//! Whether a switch may join two live sections.
//!
//! Limits by the rating of what is joined: IEEE 1547-2018, table 5.

use borsh::{BorshDeserialize, BorshSerialize};

/// Largest differences across a switch at which it may close.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SyncLimits {
    /// Frequency, Hz.
    pub df_hz: f64,
    /// Voltage, % of nominal.
    pub dv_pct: f64,
    /// Angle, degrees.
    pub dphi_deg: f64,
}

impl SyncLimits {
    /// Limits for an aggregate rating of distributed resources, kVA.
    #[must_use]
    pub fn ieee_1547(kva: f64) -> Self {
        let (df_hz, dv_pct, dphi_deg) = if kva <= 500.0 {
            (0.3, 10.0, 20.0)
        } else if kva <= 1_500.0 {
            (0.2, 5.0, 15.0)
        } else {
            (0.1, 3.0, 10.0)
        };
        Self {
            df_hz,
            dv_pct,
            dphi_deg,
        }
    }
}

/// One side of a switch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// Frequency, Hz.
    pub f_hz: f64,
    /// Voltage, pu.
    pub v_pu: f64,
    /// Angle against a clock at nominal frequency, degrees.
    pub angle_deg: f64,
}

/// Differences across a switch.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SyncDifference {
    /// Frequency, Hz.
    pub df_hz: f64,
    /// Voltage, % of nominal.
    pub dv_pct: f64,
    /// Angle, degrees, -180..180.
    pub dphi_deg: f64,
}

/// An angle brought into -180..180 degrees.
#[must_use]
pub fn wrapped_deg(angle_deg: f64) -> f64 {
    if !angle_deg.is_finite() {
        return 180.0;
    }
    let turns = ((angle_deg + 180.0) / 360.0).floor();
    angle_deg - 360.0 * turns
}

impl SyncDifference {
    /// From one side to the other.
    #[must_use]
    pub fn between(a: Side, b: Side) -> Self {
        Self {
            df_hz: b.f_hz - a.f_hz,
            dv_pct: (b.v_pu - a.v_pu) * 100.0,
            dphi_deg: wrapped_deg(b.angle_deg - a.angle_deg),
        }
    }

    /// Why the switch must stay open, or `None` when it may close.
    #[must_use]
    pub fn refusal(&self, limits: &SyncLimits) -> Option<String> {
        let over = |value: f64, limit: f64| value.is_nan() || value.abs() > limit;
        let parts: Vec<String> = [
            (
                over(self.df_hz, limits.df_hz),
                format!("df {:.2} Hz above {} Hz", self.df_hz.abs(), limits.df_hz),
            ),
            (
                over(self.dv_pct, limits.dv_pct),
                format!("dV {:.1} % above {} %", self.dv_pct.abs(), limits.dv_pct),
            ),
            (
                over(self.dphi_deg, limits.dphi_deg),
                format!(
                    "dphi {:.0} deg above {} deg",
                    self.dphi_deg.abs(),
                    limits.dphi_deg
                ),
            ),
        ]
        .into_iter()
        .filter_map(|(over, text)| over.then_some(text))
        .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn side(f_hz: f64, v_pu: f64, angle_deg: f64) -> Side {
        Side {
            f_hz,
            v_pu,
            angle_deg,
        }
    }

    #[test]
    fn limits_are_those_of_the_table() {
        let small = SyncLimits::ieee_1547(499.0);
        assert_eq!(
            (small.df_hz, small.dv_pct, small.dphi_deg),
            (0.3, 10.0, 20.0)
        );
        assert_eq!(SyncLimits::ieee_1547(1_000.0).dphi_deg, 15.0);
        assert_eq!(SyncLimits::ieee_1547(5_000.0).dv_pct, 3.0);
    }

    #[test]
    fn each_limit_is_named_when_it_is_missed() {
        let limits = SyncLimits::ieee_1547(100.0);
        let grid = side(50.0, 1.0, 0.0);
        let refusal = |other| SyncDifference::between(grid, other).refusal(&limits);
        assert_eq!(refusal(side(50.2, 1.05, 350.0)), None);
        assert!(refusal(side(50.4, 1.0, 0.0)).unwrap().starts_with("df"));
        assert!(refusal(side(50.0, 0.85, 0.0)).unwrap().starts_with("dV"));
        assert!(refusal(side(50.0, 1.0, 200.0)).unwrap().starts_with("dphi"));
        assert!(refusal(side(f64::NAN, 1.0, 0.0)).is_some());
    }

    proptest! {
        #[test]
        fn angles_wrap_into_half_turns(angle in -1e6..1e6_f64) {
            let wrapped = wrapped_deg(angle);
            prop_assert!((-180.0..=180.0).contains(&wrapped));
            let turns = (angle - wrapped) / 360.0;
            prop_assert!((turns - turns.round()).abs() < 1e-6);
        }
    }
}
