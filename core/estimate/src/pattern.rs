//! What a series of reports looks like by itself.

/// Intervals a register has to stand still to be called frozen.
const STILL: usize = 6;

/// Intervals that have to repeat earlier ones.
const RUN: usize = 8;

/// Different values a repeated run has to have: a quiet house repeats itself
/// by chance.
const VARIETY: usize = 4;

/// Shape of a meter's reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// No energy at all in the newest intervals: the register stands still.
    Frozen,
    /// The newest intervals repeat earlier ones of the window exactly.
    Repeats {
        /// How many intervals earlier.
        lag: usize,
    },
    /// Neither.
    Ordinary,
}

impl Pattern {
    /// Of a series, oldest first, Wh.
    #[must_use]
    pub fn of(series: &[f64]) -> Self {
        // Registers count whole watt-hours: equal means equal.
        let same = |a: f64, b: f64| (a - b).abs() < 0.5;
        let n = series.len();
        if n >= STILL && series[n - STILL..].iter().all(|&wh| same(wh, 0.0)) {
            return Self::Frozen;
        }
        if n < RUN {
            return Self::Ordinary;
        }
        let newest = &series[n - RUN..];
        let mut values = newest.to_vec();
        values.sort_by(f64::total_cmp);
        values.dedup_by(|a, b| same(*a, *b));
        if values.len() < VARIETY {
            return Self::Ordinary;
        }
        for lag in 1..=n - RUN {
            let earlier = &series[n - RUN - lag..n - lag];
            if newest.iter().zip(earlier).all(|(&a, &b)| same(a, b)) {
                return Self::Repeats { lag };
            }
        }
        Self::Ordinary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_register_is_frozen_and_a_repeated_one_repeats() {
        assert_eq!(Pattern::of(&[0.0; 8]), Pattern::Frozen);
        assert_eq!(
            Pattern::of(&[3.0; 30]),
            Pattern::Ordinary,
            "a standby load is no sign"
        );
        let mut series: Vec<f64> = (0..12).map(|n| f64::from(n * n % 17)).collect();
        assert_eq!(Pattern::of(&series), Pattern::Ordinary);
        series.extend_from_within(4..12);
        assert_eq!(Pattern::of(&series), Pattern::Repeats { lag: 8 });
        assert_eq!(Pattern::of(&[1.0, 1.0]), Pattern::Ordinary);
    }
}
