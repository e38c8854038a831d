//! What cannot be steered, learned from the days before.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::EnergyWh;
use serde::{Deserialize, Serialize};

/// Days of history a forecast uses.
pub const DAYS_KEPT: usize = 3;

/// Net import of a cluster without anything that is steered, slot by slot.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct LoadHistory {
    /// Newest last, Wh per slot; at most [`DAYS_KEPT`] days and one slot.
    recent_wh: Vec<EnergyWh>,
}

impl LoadHistory {
    /// Notes the slot that just ended.
    pub fn push(&mut self, net_wh: EnergyWh, slots_per_day: usize) {
        self.recent_wh.push(net_wh);
        let most = DAYS_KEPT * slots_per_day + 1;
        if self.recent_wh.len() > most {
            self.recent_wh.drain(..self.recent_wh.len() - most);
        }
    }

    /// Slots noted, up to the limit.
    #[must_use]
    pub fn len(&self) -> usize {
        self.recent_wh.len()
    }

    /// Whether nothing is noted yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recent_wh.is_empty()
    }

    /// Net import expected from the next slot on, Wh: the mean of the same
    /// slot on the days before, moved by how far the last slot was off that
    /// mean; the correction loses a sixteenth per slot. A slot of the day that
    /// was never seen is expected to be like the mean of what was.
    #[must_use]
    pub fn forecast(&self, horizon: usize, slots_per_day: usize) -> Vec<EnergyWh> {
        let Some(last) = self.recent_wh.last().copied() else {
            return vec![0; horizon];
        };
        let day = slots_per_day.max(1);
        let count = self.recent_wh.len().min(day);
        let newest = &self.recent_wh[self.recent_wh.len() - count..];
        let mean = newest.iter().sum::<EnergyWh>() / count as EnergyWh;
        let mut error = last - self.usual(day, day).unwrap_or(mean);
        (0..horizon)
            .map(|ahead| {
                error = error * 15 / 16;
                // The slot `ahead` from now was `back` slots ago a day before.
                let back = day - ahead % day;
                self.usual(back - 1, day).unwrap_or(mean) + error
            })
            .collect()
    }

    /// [`Self::forecast`] raised by how far the highest value within an hour of
    /// the same time on the days before was above the mean, Wh: what a reserve
    /// is kept for, since a peak comes a little earlier or later each day.
    #[must_use]
    pub fn forecast_high(&self, horizon: usize, slots_per_day: usize) -> Vec<EnergyWh> {
        let day = slots_per_day.max(1);
        let hour = day / 24;
        let expected = self.forecast(horizon, day);
        expected
            .into_iter()
            .enumerate()
            .map(|(ahead, expected)| {
                let back = day - ahead % day - 1;
                let highest = (back.saturating_sub(hour)..=back + hour)
                    .flat_map(|back| self.same_slot(back, day))
                    .max();
                let above = highest.zip(self.usual(back, day));
                expected + above.map_or(0, |(highest, mean)| highest - mean)
            })
            .collect()
    }

    /// Values `back`, `back + day`, ... before the newest.
    fn same_slot(&self, back: usize, day: usize) -> impl Iterator<Item = EnergyWh> + '_ {
        let newest = self.recent_wh.len().checked_sub(1 + back);
        newest
            .into_iter()
            .flat_map(move |newest| (0..=newest / day).map(move |n| newest - n * day))
            .map(|index| self.recent_wh[index])
    }

    /// Mean of the values `back`, `back + day`, ... before the newest; `None`
    /// when there is none.
    fn usual(&self, back: usize, day: usize) -> Option<EnergyWh> {
        let (mut sum, mut count) = (0, 0);
        for wh in self.same_slot(back, day) {
            sum += wh;
            count += 1;
        }
        (count > 0).then(|| sum / count)
    }

    /// Highest net import of the last day (or of what is known of it), Wh.
    #[must_use]
    pub fn peak_wh(&self, slots_per_day: usize) -> EnergyWh {
        let from = self.recent_wh.len().saturating_sub(slots_per_day);
        self.recent_wh[from..].iter().copied().max().unwrap_or(0)
    }
}
