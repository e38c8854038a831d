//! Rules that are tariffs or community schemes rather than markets.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyWh, PriceMicroEurPerKwh};
use serde::{Deserialize, Serialize};

use super::rules::{TimeOfUse, TouBand, uniform, within};
use super::{PriceInput, PriceOutcome, PriceRule};
use crate::MarketError;

/// Critical-peak pricing: time of use on ordinary slots, and a dearer price
/// inside a daily window in slots whose net demand passes a threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct CriticalPeak {
    /// Price by time of day on ordinary slots, as for time of use.
    pub bands: Vec<TouBand>,
    /// Price of a critical slot, micro-EUR/kWh.
    pub critical: PriceMicroEurPerKwh,
    /// First minute of the day at which a slot can be critical.
    pub from_minute: u16,
    /// First minute after the window; before `from_minute` it ends the next day.
    pub until_minute: u16,
    /// Net demand of a slot (demand less supply) above which it is critical, Wh.
    pub above_wh: EnergyWh,
}

impl CriticalPeak {
    fn in_window(&self, minute: u16) -> bool {
        if self.from_minute <= self.until_minute {
            (self.from_minute..self.until_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.until_minute
        }
    }
}

impl PriceRule for CriticalPeak {
    fn name(&self) -> &'static str {
        "critical peak"
    }

    fn price(&self, input: &PriceInput, minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let usual = TimeOfUse {
            bands: self.bands.clone(),
        }
        .price(input, minute_of_day)?;
        let (supply_wh, demand_wh) = input.totals()?;
        if !(self.in_window(minute_of_day % 1_440) && demand_wh - supply_wh > self.above_wh) {
            return Ok(usual);
        }
        let price = self.critical.clamp(input.lower, input.upper);
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

/// Bill sharing (Long et al. 2017): energy from inside is shared in proportion
/// and costs nothing; everybody pays the same part of the outside bill per
/// kilowatt-hour used and gets the same part of the outside income per
/// kilowatt-hour given. The price shown is the buyers' mean price.
///
/// Sellers can get less than the grid would pay them: the scheme is for
/// communities that agreed to it, and [`crate::clear_slot`] trades at zero.
#[derive(Clone, Copy, Debug)]
pub struct BillSharing;

impl PriceRule for BillSharing {
    fn name(&self) -> &'static str {
        "bill sharing"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        if demand_wh == 0 {
            return Ok(uniform(input.lower, supply_wh, demand_wh));
        }
        let short = i128::from((demand_wh - supply_wh).max(0));
        let demand = i128::from(demand_wh);
        let mean = (2 * i128::from(input.upper) * short + demand).div_euclid(2 * demand);
        let price = PriceMicroEurPerKwh::try_from(mean).unwrap_or(input.upper);
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

/// Nodal price: what one more kilowatt-hour costs at the cluster's node. The
/// bounds are the prices at its boundary ([`crate::clear_tree`] gives them with
/// fees and congestion in them); short it is the upper one, long the lower one.
#[derive(Clone, Copy, Debug)]
pub struct Nodal;

impl PriceRule for Nodal {
    fn name(&self) -> &'static str {
        "nodal"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let price = match demand_wh.cmp(&supply_wh) {
            std::cmp::Ordering::Greater => input.upper,
            std::cmp::Ordering::Less => input.lower,
            std::cmp::Ordering::Equal => {
                let sum = i128::from(input.lower) + i128::from(input.upper);
                within(input, (sum + 1).div_euclid(2))
            }
        };
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Buyer, Exponent};
    use super::*;

    const CENT: i64 = 10_000;

    fn slot(supply_wh: i64, demand_wh: i64) -> PriceInput {
        PriceInput {
            lower: 8 * CENT,
            upper: 30 * CENT,
            exponent: Exponent::One,
            supply_wh: [supply_wh, 0, 0, 0, 0, 0, 0],
            buyers: vec![Buyer::new(demand_wh, [1; 7])],
            asks: vec![],
        }
    }

    fn scalar(rule: &dyn PriceRule, supply_wh: i64, demand_wh: i64, minute: u16) -> i64 {
        rule.price(&slot(supply_wh, demand_wh), minute)
            .expect("a valid slot")
            .scalar
            / CENT
    }

    #[test]
    fn a_slot_is_critical_inside_the_window_and_above_the_threshold_only() {
        let rule = CriticalPeak {
            bands: vec![TouBand {
                from_minute: 0,
                price: 15 * CENT,
            }],
            critical: 29 * CENT,
            from_minute: 1_020,
            until_minute: 1_260,
            above_wh: 1_000,
        };
        assert_eq!(scalar(&rule, 0, 1_001, 1_020), 29);
        assert_eq!(scalar(&rule, 0, 1_000, 1_020), 15);
        assert_eq!(scalar(&rule, 1, 1_001, 1_259), 15);
        assert_eq!(scalar(&rule, 0, 9_000, 1_019), 15);
        assert_eq!(scalar(&rule, 0, 9_000, 1_260), 15);
        let over_midnight = CriticalPeak {
            from_minute: 1_380,
            until_minute: 60,
            ..rule
        };
        assert_eq!(scalar(&over_midnight, 0, 9_000, 0), 29);
        assert_eq!(scalar(&over_midnight, 0, 9_000, 60), 15);
    }

    #[test]
    fn bill_sharing_shows_the_buyers_mean_price() {
        assert_eq!(scalar(&BillSharing, 0, 1_000, 0), 30);
        assert_eq!(scalar(&BillSharing, 500, 1_000, 0), 15);
        assert_eq!(scalar(&BillSharing, 1_000, 1_000, 0), 0);
        assert_eq!(scalar(&BillSharing, 10, 0, 0), 8);
    }

    #[test]
    fn the_nodal_price_is_that_of_the_next_kilowatt_hour() {
        assert_eq!(scalar(&Nodal, 500, 1_000, 0), 30);
        assert_eq!(scalar(&Nodal, 1_000, 500, 0), 8);
        assert_eq!(scalar(&Nodal, 500, 500, 0), 19);
    }
}
