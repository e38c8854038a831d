//! Fuse links: melting and clearing times between the gates of the standards.
//!
//! A gate is a current at which a link must not melt before, or must have
//! melted by, a stated time. The curve through the lower gates is taken as the
//! minimum melting curve, the one through the upper gates as the total
//! clearing curve, straight lines in log-log between them. Beyond the fastest
//! gate melting is adiabatic (I²t constant), below the slowest one the link
//! carries the current for ever.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Family of fuse links.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum FuseKind {
    /// Fast expulsion link of type K (IEEE C37.42 / NEMA SG 2).
    K,
    /// General-purpose low-voltage link gG (IEC 60269-1, table 3).
    GG,
}

/// A fuse link of a family and rating.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct FuseLink {
    /// Family.
    pub kind: FuseKind,
    /// Rated current, A: one of [`FuseLink::ratings`].
    pub rated_a: u32,
}

/// Type K: rating, then melting current in A, least and largest, at 300 s (600 s
/// above 100 A), at 10 s and at 0.1 s. Source: IEEE C37.42 time-current gates.
const K: [(u32, [(f64, f64); 3]); 13] = [
    (6, [(12.0, 14.4), (13.5, 20.5), (72.0, 86.0)]),
    (8, [(15.0, 18.0), (18.0, 27.0), (97.0, 116.0)]),
    (10, [(19.5, 23.4), (22.5, 34.0), (128.0, 154.0)]),
    (12, [(25.0, 30.0), (29.5, 44.0), (166.0, 199.0)]),
    (15, [(31.0, 37.2), (37.0, 55.0), (215.0, 258.0)]),
    (20, [(39.0, 47.0), (48.0, 71.0), (273.0, 328.0)]),
    (25, [(50.0, 60.0), (60.0, 90.0), (350.0, 420.0)]),
    (30, [(63.0, 76.0), (77.5, 115.0), (447.0, 546.0)]),
    (40, [(80.0, 96.0), (98.0, 146.0), (565.0, 680.0)]),
    (50, [(101.0, 121.0), (126.0, 188.0), (719.0, 862.0)]),
    (65, [(128.0, 153.0), (159.0, 237.0), (918.0, 1100.0)]),
    (80, [(160.0, 192.0), (205.0, 307.0), (1180.0, 1420.0)]),
    (100, [(200.0, 240.0), (258.0, 388.0), (1520.0, 1820.0)]),
];

/// gG: rating; current not melting within 10 s, clearing within 5 s, not
/// melting within 0.1 s, clearing within 0.1 s, A. Source: IEC 60269-1, table 3.
const GG: [(u32, [f64; 4]); 17] = [
    (16, [33.0, 65.0, 85.0, 150.0]),
    (20, [42.0, 85.0, 110.0, 200.0]),
    (25, [52.0, 110.0, 150.0, 260.0]),
    (32, [75.0, 150.0, 200.0, 350.0]),
    (40, [95.0, 190.0, 260.0, 450.0]),
    (50, [125.0, 250.0, 350.0, 610.0]),
    (63, [160.0, 320.0, 450.0, 820.0]),
    (80, [215.0, 425.0, 610.0, 1100.0]),
    (100, [290.0, 580.0, 820.0, 1450.0]),
    (125, [355.0, 715.0, 1100.0, 1910.0]),
    (160, [460.0, 950.0, 1450.0, 2590.0]),
    (200, [610.0, 1250.0, 1910.0, 3420.0]),
    (250, [750.0, 1650.0, 2590.0, 4500.0]),
    (315, [1050.0, 2200.0, 3420.0, 6000.0]),
    (400, [1420.0, 2840.0, 4500.0, 8060.0]),
    (500, [1780.0, 3800.0, 6000.0, 10_600.0]),
    (630, [2200.0, 5100.0, 8060.0, 14_140.0]),
];

/// Arcing time of an expulsion link after melting: half a cycle to one cycle, s.
const K_ARC_S: f64 = 0.02;

/// Current and time of a point of a curve, A and s.
type Point = (f64, f64);

impl FuseLink {
    /// Ratings of a family, A.
    #[must_use]
    pub fn ratings(kind: FuseKind) -> Vec<u32> {
        match kind {
            FuseKind::K => K.iter().map(|row| row.0).collect(),
            FuseKind::GG => GG.iter().map(|row| row.0).collect(),
        }
    }

    /// Whether the family has this rating.
    #[must_use]
    pub fn exists(self) -> bool {
        Self::ratings(self.kind).contains(&self.rated_a)
    }

    /// Name as on the link, `40K` or `gG 100`.
    #[must_use]
    pub fn label(self) -> String {
        match self.kind {
            FuseKind::K => format!("{}K", self.rated_a),
            FuseKind::GG => format!("gG {}", self.rated_a),
        }
    }

    /// Points of both curves, slowest first: minimum melting, total clearing.
    fn points(self) -> Option<[[Point; 3]; 2]> {
        match self.kind {
            FuseKind::K => {
                let (_, gates) = K.iter().find(|row| row.0 == self.rated_a)?;
                let times = [300.0, 10.0, 0.1];
                let melt = [0, 1, 2].map(|i| (gates[i].0, times[i]));
                let clear = [0, 1, 2].map(|i| (gates[i].1, times[i] + K_ARC_S));
                Some([melt, clear])
            }
            FuseKind::GG => {
                let (_, [i10, i5, low, high]) = GG.iter().find(|row| row.0 == self.rated_a)?;
                let rated = f64::from(self.rated_a);
                // Conventional time and currents: 1.25 In holds, 1.6 In melts.
                let hours = match self.rated_a {
                    0..=63 => 1.0,
                    64..=160 => 2.0,
                    161..=400 => 3.0,
                    _ => 4.0,
                };
                let conventional = hours * 3_600.0;
                Some([
                    [(1.25 * rated, conventional), (*i10, 10.0), (*low, 0.1)],
                    [(1.6 * rated, conventional), (*i5, 5.0), (*high, 0.1)],
                ])
            }
        }
    }

    /// Shortest time after which the link may have melted, s; `None` if never.
    #[must_use]
    pub fn melting_s(self, current_a: f64) -> Option<f64> {
        self.points().and_then(|[melt, _]| along(&melt, current_a))
    }

    /// Time after which the current is interrupted at the latest, s; `None` if never.
    #[must_use]
    pub fn clearing_s(self, current_a: f64) -> Option<f64> {
        self.points()
            .and_then(|[_, clear]| along(&clear, current_a))
    }
}

/// Time at a current on a curve through points of falling time.
fn along(points: &[Point; 3], current_a: f64) -> Option<f64> {
    let melts = current_a >= points[0].0;
    if !melts {
        return None;
    }
    for pair in points.windows(2) {
        let ((i0, t0), (i1, t1)) = (pair[0], pair[1]);
        if current_a <= i1 {
            let share = libm::log(current_a / i0) / libm::log(i1 / i0);
            return Some(t0 * libm::exp(share * libm::log(t1 / t0)));
        }
    }
    let (i, t) = points[2];
    let ratio = i / current_a;
    Some(t * ratio * ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_curves_pass_through_their_gates() {
        let link = FuseLink {
            kind: FuseKind::K,
            rated_a: 40,
        };
        let at = |i: f64| link.melting_s(i).expect("melts");
        assert!((at(80.0) - 300.0).abs() < 1e-9);
        assert!((at(98.0) - 10.0).abs() < 1e-9);
        assert!((at(565.0) - 0.1).abs() < 1e-12);
        assert_eq!(link.melting_s(79.0), None);
        // Ten times the current of the last gate: a hundredth of its time.
        assert!((at(5650.0) - 0.001).abs() < 1e-12);
        let gg = FuseLink {
            kind: FuseKind::GG,
            rated_a: 100,
        };
        assert!((gg.clearing_s(580.0).expect("clears") - 5.0).abs() < 1e-9);
        assert_eq!(gg.clearing_s(100.0), None);
        assert!(
            !FuseLink {
                kind: FuseKind::GG,
                rated_a: 99
            }
            .exists()
        );
    }

    proptest! {
        #[test]
        fn a_link_never_clears_before_it_melts_and_faster_at_more_current(
            kind in prop_oneof![Just(FuseKind::K), Just(FuseKind::GG)],
            index in 0..13_usize,
            current in 10.0..20_000.0_f64,
        ) {
            let link = FuseLink { kind, rated_a: FuseLink::ratings(kind)[index] };
            if let (Some(melt), Some(clear)) = (link.melting_s(current), link.clearing_s(current)) {
                prop_assert!(melt <= clear);
                prop_assert!(link.melting_s(current * 1.01).expect("melts") < melt);
            }
        }
    }
}
