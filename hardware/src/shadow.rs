//! A model beside its device: how far they are apart, and since when too far.
//!
//! The model is never changed by what is found here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Residuals kept for the trend.
const TREND: usize = 240;
/// Residuals the usual spread is estimated from.
const WINDOW: usize = 60;
/// Spreads beyond which a residual counts as a violation.
const SPREADS: f64 = 6.0;

/// Model minus device, followed over time.
#[derive(Clone, Debug)]
pub struct Shadow {
    floor_w: f64,
    residuals: VecDeque<f64>,
    violated_since: Option<Instant>,
    violated: Duration,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Model minus device, W.
    pub residual_w: f64,
    /// Size from which it is too large, W.
    pub threshold_w: f64,
    /// Whether it is too large now.
    pub violated: bool,
    /// Time it was too large in all.
    pub violated_for: Duration,
}

impl Shadow {
    /// Differences below `floor_w` never count.
    #[must_use]
    pub fn new(floor_w: f64) -> Self {
        Self {
            floor_w,
            residuals: VecDeque::new(),
            violated_since: None,
            violated: Duration::ZERO,
        }
    }

    /// Compares a model's value with a good one of the device.
    pub fn compare(&mut self, model_w: f64, device_w: f64, now: Instant) -> Comparison {
        let residual_w = model_w - device_w;
        let threshold_w = self.threshold();
        let violated = residual_w.abs() > threshold_w;
        if violated {
            self.violated_since.get_or_insert(now);
        } else if let Some(since) = self.violated_since.take() {
            self.violated += now.saturating_duration_since(since);
        }
        if self.residuals.len() >= TREND {
            self.residuals.pop_front();
        }
        self.residuals.push_back(residual_w);
        Comparison {
            residual_w,
            threshold_w,
            violated,
            violated_for: self.violated_for(now),
        }
    }

    /// There is no good value to compare with: the clock of a violation stops.
    pub fn lost(&mut self, now: Instant) {
        if let Some(since) = self.violated_since.take() {
            self.violated += now.saturating_duration_since(since);
        }
    }

    /// Time the residual was too large in all.
    #[must_use]
    pub fn violated_for(&self, now: Instant) -> Duration {
        let running = self
            .violated_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.violated + running
    }

    /// The last residuals, oldest first, W.
    #[must_use]
    pub fn trend(&self) -> Vec<f64> {
        self.residuals.iter().copied().collect()
    }

    /// The last residual, W.
    #[must_use]
    pub fn residual_w(&self) -> Option<f64> {
        self.residuals.back().copied()
    }

    /// Six times the median distance of the last residuals from zero, as a
    /// spread that outliers do not move, and at least the floor.
    fn threshold(&self) -> f64 {
        let mut sizes: Vec<f64> = self
            .residuals
            .iter()
            .rev()
            .take(WINDOW)
            .map(|residual| residual.abs())
            .collect();
        sizes.sort_by(f64::total_cmp);
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
        (SPREADS * median).max(self.floor_w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_no_violation_and_a_step_is_one_until_it_ends() {
        let mut shadow = Shadow::new(50.0);
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for second in 0..60 {
            let noise = if second % 2 == 0 { 12.0 } else { -9.0 };
            assert!(
                !shadow
                    .compare(1_000.0 + noise, 1_000.0, at(second))
                    .violated
            );
        }
        assert!(shadow.compare(1_500.0, 1_000.0, at(60)).violated);
        let still = shadow.compare(1_500.0, 1_000.0, at(64));
        assert_eq!(
            (still.violated, still.violated_for),
            (true, Duration::from_secs(4))
        );
        let over = shadow.compare(1_000.0, 1_000.0, at(66));
        assert_eq!(
            (over.violated, over.violated_for),
            (false, Duration::from_secs(6))
        );
        shadow.compare(2_000.0, 1_000.0, at(70));
        shadow.lost(at(72));
        assert_eq!(shadow.violated_for(at(90)), Duration::from_secs(8));
        assert_eq!(shadow.trend().len(), 64);
    }
}
