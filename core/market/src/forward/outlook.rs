//! What a cluster will use and give in the coming slot, by type of energy.
//!
//! Four simple forecasts are made of every quantity: the slot before again
//! (persistence, the bench mark), two by Holt's damped trend (a quick one for the
//! sun, a smooth one for demand), and the same slot of the days before moved by
//! how far off it was lately. Each is judged by what then came; the one with the
//! smallest error lately is used. So the forecast is a trend on a morning without
//! history, a profile once there are days to learn from, and never much worse than
//! persistence. All in integers: every validator forms the same forecast.
//!
//! Damped trend: Gardner and McKenzie 1985. Its figures were chosen on the default
//! scene's day: 0.88 and 0.89 of the error of persistence for the demand of its
//! clusters, 0.95 and 0.90 for what their roofs give.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyType, EnergyWh};
use serde::{Deserialize, Serialize};

use super::LoadHistory;

/// Fraction bits of the decayed errors.
const ERROR_BITS: u32 = 16;

/// An error loses a thirty-second per slot: about a third of a day of quarter hours.
const DECAY: i128 = 32;

/// How a value was forecast.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Method {
    /// As in the slot before.
    #[default]
    Last,
    /// Along the trend.
    Trend,
    /// Along the trend of what was smoothed.
    Smooth,
    /// As in the same slot of the days before, moved by the last error.
    Days,
}

impl Method {
    /// All, in the order in which equal errors decide.
    pub const ALL: [Self; 4] = [Self::Last, Self::Trend, Self::Smooth, Self::Days];

    /// Short name for tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Last => "last slot",
            Self::Trend => "trend",
            Self::Smooth => "smooth trend",
            Self::Days => "days before",
        }
    }
}

/// A forecast of one quantity for one slot.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Expected {
    /// Expected energy, Wh.
    pub wh: EnergyWh,
    /// Energy of the slot before: what persistence expects, Wh.
    pub last_wh: EnergyWh,
    /// How it was formed.
    pub method: Method,
}

/// Level and slope of a series by Holt's damped method, 2^-16 Wh.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
struct Holt {
    level: i128,
    slope: i128,
}

/// Weights of a damped trend, permille: newest value, newest slope, damping.
struct Weights {
    value: i128,
    slope: i128,
    damping: i128,
}

/// For what changes steadily, like the sun.
const QUICK: Weights = Weights {
    value: 700,
    slope: 300,
    damping: 950,
};

/// For what is noisy, like demand.
const CALM: Weights = Weights {
    value: 500,
    slope: 300,
    damping: 800,
};

impl Holt {
    fn start(wh: EnergyWh) -> Self {
        Self {
            level: i128::from(wh) << ERROR_BITS,
            slope: 0,
        }
    }

    fn take(&mut self, wh: EnergyWh, weights: &Weights) {
        let carried = weights.damping * self.slope / 1_000;
        let value = i128::from(wh) << ERROR_BITS;
        let level =
            (weights.value * value + (1_000 - weights.value) * (self.level + carried)) / 1_000;
        self.slope =
            (weights.slope * (level - self.level) + (1_000 - weights.slope) * carried) / 1_000;
        self.level = level;
    }

    /// Never below zero.
    fn next_wh(&self, weights: &Weights) -> EnergyWh {
        let next = self.level + weights.damping * self.slope / 1_000;
        EnergyWh::try_from(next >> ERROR_BITS).unwrap_or(0).max(0)
    }
}

/// Forecasts of one quantity and how good they were; energies are never negative.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Series {
    history: LoadHistory,
    /// The slot before, Wh.
    last_wh: EnergyWh,
    quick: Holt,
    calm: Holt,
    /// What each method expected of the coming slot, Wh.
    expected_wh: [EnergyWh; 4],
    /// Decayed absolute errors, 2^-16 Wh.
    lately: [i128; 4],
    /// Sum of the absolute errors of what was used, Wh.
    pub error_wh: EnergyWh,
    /// The same of persistence, Wh.
    pub naive_error_wh: EnergyWh,
    /// Slots judged.
    pub judged: u32,
}

impl Series {
    /// Notes the slot that ended, judges what was expected of it, and expects
    /// the next one.
    pub fn push(&mut self, wh: EnergyWh, slots_per_day: usize) {
        if !self.history.is_empty() {
            let chosen = self.method() as usize;
            let error = |expected: EnergyWh| (expected - wh).abs();
            self.error_wh += error(self.expected_wh[chosen]);
            self.naive_error_wh += error(self.expected_wh[Method::Last as usize]);
            self.judged += 1;
            for (lately, expected) in self.lately.iter_mut().zip(self.expected_wh) {
                *lately += (i128::from(error(expected)) << ERROR_BITS) - *lately / DECAY;
            }
        }
        if self.history.is_empty() {
            (self.quick, self.calm) = (Holt::start(wh), Holt::start(wh));
        } else {
            self.quick.take(wh, &QUICK);
            self.calm.take(wh, &CALM);
        }
        self.history.push(wh, slots_per_day);
        self.last_wh = wh;
        let days = self.history.forecast(1, slots_per_day);
        self.expected_wh = [
            wh,
            self.quick.next_wh(&QUICK),
            self.calm.next_wh(&CALM),
            days.first().copied().unwrap_or(wh).max(0),
        ];
    }

    /// The method whose errors were smallest lately.
    #[must_use]
    pub fn method(&self) -> Method {
        Method::ALL
            .into_iter()
            .min_by_key(|method| self.lately[*method as usize])
            .unwrap_or_default()
    }

    /// What is expected of the coming slot.
    #[must_use]
    pub fn expected(&self) -> Expected {
        let method = self.method();
        Expected {
            wh: self.expected_wh[method as usize],
            last_wh: self.last_wh,
            method,
        }
    }
}

/// Forecasts of a cluster's demand and of what it gives, by type.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Outlook {
    /// What members take.
    pub demand: Series,
    /// What members give, in canonical order.
    pub supply: [Series; EnergyType::COUNT],
    /// The last slot that is noted.
    pub noted: Option<u32>,
}

impl Outlook {
    /// Notes a slot, once and in order; a slot that was left out only costs
    /// what could have been learned from it.
    pub fn note(
        &mut self,
        slot: u32,
        demand_wh: EnergyWh,
        supply_wh: &[EnergyWh; EnergyType::COUNT],
        slots_per_day: usize,
    ) {
        if self.noted.is_some_and(|noted| slot <= noted) {
            return;
        }
        self.noted = Some(slot);
        self.demand.push(demand_wh, slots_per_day);
        for (series, wh) in self.supply.iter_mut().zip(supply_wh) {
            // Types nobody has ever given cost nothing.
            if *wh > 0 || !series.history.is_empty() {
                series.push(*wh, slots_per_day);
            }
        }
    }

    /// Expected supply by type, Wh.
    #[must_use]
    pub fn supply_wh(&self) -> [EnergyWh; EnergyType::COUNT] {
        std::array::from_fn(|kind| self.supply[kind].expected().wh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: usize = 96;

    /// A clear day: nothing at night, a parabola from slot 24 to 72.
    fn sun(slot: usize) -> EnergyWh {
        let x = (slot % DAY) as i64 - 48;
        (24 * 24 - x * x).max(0) * 10
    }

    fn run(values: impl Iterator<Item = EnergyWh>) -> Series {
        let mut series = Series::default();
        for wh in values {
            series.push(wh, DAY);
        }
        series
    }

    #[test]
    fn a_clear_morning_is_followed_by_its_trend() {
        let series = run((0..40).map(sun));
        assert_eq!(series.method(), Method::Trend);
        assert!(
            series.error_wh * 4 < series.naive_error_wh * 3,
            "{} against {}",
            series.error_wh,
            series.naive_error_wh
        );
    }

    #[test]
    fn days_alike_are_learned() {
        // A jagged profile that no trend follows, three days long.
        let load = |slot: usize| 500 + (slot % DAY * 7_919 % 101) as EnergyWh * 10;
        let series = run((0..3 * DAY).map(load));
        assert_eq!(series.method(), Method::Days);
        assert!(series.error_wh * 2 < series.naive_error_wh);
    }

    #[test]
    fn what_stands_still_is_expected_to_stand() {
        let series = run(std::iter::repeat_n(300, 20));
        assert_eq!(series.expected().wh, 300);
        assert_eq!(
            (series.error_wh, series.naive_error_wh, series.judged),
            (0, 0, 19)
        );
    }

    #[test]
    fn a_slot_is_noted_once_and_unknown_types_cost_nothing() {
        let mut outlook = Outlook::default();
        let mut supply = [0; EnergyType::COUNT];
        outlook.note(4, 100, &supply, DAY);
        outlook.note(4, 900, &supply, DAY);
        outlook.note(3, 900, &supply, DAY);
        assert_eq!(outlook.demand.expected().wh, 100);
        assert!(outlook.supply.iter().all(|s| s.history.is_empty()));
        supply[EnergyType::Solar.index()] = 50;
        outlook.note(5, 100, &supply, DAY);
        assert_eq!(outlook.supply_wh()[EnergyType::Solar.index()], 50);
    }

    proptest! {
        /// Whatever comes, what is used is never negative and its error is
        /// bounded by that of the best method and what choosing costs.
        #[test]
        fn never_negative_and_not_much_worse_than_persistence(
            values in prop::collection::vec(0_i64..5_000, 60..200)
        ) {
            let mut series = Series::default();
            for wh in &values {
                series.push(*wh, DAY);
                prop_assert!(series.expected().wh >= 0);
            }
            prop_assert!(series.error_wh <= series.naive_error_wh * 2 + 5_000);
        }
    }
}
