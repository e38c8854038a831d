//! The intervals an area is judged by.

use std::collections::VecDeque;

use borsh::{BorshDeserialize, BorshSerialize};

/// One interval of an area; vectors are in the order of its meters.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Interval {
    /// End, ms.
    pub end_ms: u64,
    /// Net energy each meter reported, Wh, positive taken.
    pub reported_wh: Vec<f64>,
    /// Energy into the area by its M-LMD, Wh.
    pub area_wh: f64,
    /// Losses in the area by the network model, Wh.
    pub losses_wh: f64,
    /// Voltage measured by each meter less the one computed from the reports, V,
    /// relative to the M-LMD's own.
    pub voltage_off_v: Vec<f64>,
}

impl Interval {
    /// Energy that no meter reported, Wh.
    #[must_use]
    pub fn energy_off_wh(&self) -> f64 {
        self.area_wh - self.losses_wh - self.reported_wh.iter().sum::<f64>()
    }
}

/// The newest intervals of an area and what a load at one meter does to the
/// voltage at the others.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Window {
    /// Meters of the area.
    pub meters: usize,
    /// `sensitivity[j * meters + i]`: voltage at meter `j`, V, per Wh taken at
    /// meter `i` within one interval; negative where a load lowers it.
    pub sensitivity: Vec<f64>,
    intervals: VecDeque<Interval>,
    limit: usize,
}

impl Window {
    /// For an area whose window holds at most `limit` intervals.
    #[must_use]
    pub fn new(meters: usize, sensitivity: Vec<f64>, limit: usize) -> Self {
        debug_assert_eq!(sensitivity.len(), meters * meters);
        Self {
            meters,
            sensitivity,
            intervals: VecDeque::new(),
            limit: limit.max(1),
        }
    }

    /// Adds an interval; the oldest goes when the window is full. One that
    /// does not have as many values as the area has meters is ignored.
    pub fn push(&mut self, interval: Interval) {
        let fits = interval.reported_wh.len() == self.meters
            && interval.voltage_off_v.len() == self.meters;
        if !fits {
            return;
        }
        if self.intervals.len() == self.limit {
            self.intervals.pop_front();
        }
        self.intervals.push_back(interval);
    }

    /// Forgets every interval (after the network has changed).
    pub fn clear(&mut self) {
        self.intervals.clear();
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Interval> + ExactSizeIterator {
        self.intervals.iter()
    }

    /// Number of intervals.
    #[must_use]
    pub fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// What one meter reported, oldest first, Wh.
    #[must_use]
    pub fn reported(&self, meter: usize) -> Vec<f64> {
        self.iter().map(|i| i.reported_wh[meter]).collect()
    }
}
