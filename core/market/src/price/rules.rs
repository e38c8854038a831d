//! Other ways to form a price, selectable per scene for comparison.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyWh, PriceMicroEurPerKwh};
use serde::{Deserialize, Serialize};

use super::{
    BillSharing, CriticalPeak, Nodal, PayAsBid, PayAsClear, PriceInput, PriceOutcome, PriceRule,
    typed_price,
};
use crate::MarketError;

const MINUTES_PER_DAY: u16 = 24 * 60;

/// The rule of a scene or contract, as data.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum Rule {
    /// Price per type from the pressure on it.
    #[default]
    Typed,
    /// One price for every slot.
    Flat(FlatPrice),
    /// One price per time of day.
    TimeOfUse(TimeOfUse),
    /// Linear in the covered share of demand.
    Linear,
    /// Supply-demand ratio of Liu et al. 2017.
    Liu,
    /// Middle of the outside prices, Long et al. 2017.
    MidMarket,
    /// Time of use with a dearer price in critical slots.
    CriticalPeak(CriticalPeak),
    /// Outside bill and income shared in proportion, Long et al. 2017.
    BillSharing,
    /// Double auction, every buyer pays the own bid.
    PayAsBid,
    /// Double auction at one price.
    PayAsClear,
    /// Price of the next kilowatt-hour at the cluster's node.
    Nodal,
}

impl Rule {
    /// Whether households may place orders of their own: the auctions clear
    /// bids, every other rule forms its price without asking for any.
    #[must_use]
    pub fn takes_orders(&self) -> bool {
        matches!(self, Self::PayAsBid | Self::PayAsClear)
    }

    /// The rule behind the data.
    fn rule(&self) -> &dyn PriceRule {
        match self {
            Self::Typed => &TypedPressure,
            Self::Flat(rule) => rule,
            Self::TimeOfUse(rule) => rule,
            Self::Linear => &LinearIndex,
            Self::Liu => &SupplyDemandRatio,
            Self::MidMarket => &MidMarket,
            Self::CriticalPeak(rule) => rule,
            Self::BillSharing => &BillSharing,
            Self::PayAsBid => &PayAsBid,
            Self::PayAsClear => &PayAsClear,
            Self::Nodal => &Nodal,
        }
    }
}

impl PriceRule for Rule {
    fn name(&self) -> &'static str {
        self.rule().name()
    }

    fn price(&self, input: &PriceInput, minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        self.rule().price(input, minute_of_day)
    }
}

/// [`typed_price`] as a rule.
#[derive(Clone, Copy, Debug)]
pub struct TypedPressure;

impl PriceRule for TypedPressure {
    fn name(&self) -> &'static str {
        "typed pressure"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        typed_price(input)
    }
}

/// The same price in every slot, held within the slot's bounds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct FlatPrice {
    /// The price, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
}

impl PriceRule for FlatPrice {
    fn name(&self) -> &'static str {
        "flat"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let price = self.price.clamp(input.lower, input.upper);
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

/// A band of a time-of-use tariff.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct TouBand {
    /// First minute of the day it applies to.
    pub from_minute: u16,
    /// Price until the next band, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
}

/// A price per time of day, held within the slot's bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct TimeOfUse {
    /// Bands, the first from minute 0, rising; the last lasts until midnight.
    pub bands: Vec<TouBand>,
}

impl TimeOfUse {
    fn band_at(&self, minute_of_day: u16) -> Result<&TouBand, MarketError> {
        let bad = |reason: &str| MarketError::BadBands {
            reason: reason.to_owned(),
        };
        if self.bands.first().is_none_or(|band| band.from_minute != 0) {
            return Err(bad("the first band does not start at minute 0"));
        }
        if self
            .bands
            .windows(2)
            .any(|pair| pair[0].from_minute >= pair[1].from_minute)
        {
            return Err(bad("a band does not start after the one before"));
        }
        if self
            .bands
            .iter()
            .any(|band| band.from_minute >= MINUTES_PER_DAY)
        {
            return Err(bad("a band starts after the end of the day"));
        }
        let minute = minute_of_day % MINUTES_PER_DAY;
        self.bands
            .iter()
            .rev()
            .find(|band| band.from_minute <= minute)
            .ok_or_else(|| bad("no band covers the slot"))
    }
}

impl PriceRule for TimeOfUse {
    fn name(&self) -> &'static str {
        "time of use"
    }

    fn price(&self, input: &PriceInput, minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let price = self
            .band_at(minute_of_day)?
            .price
            .clamp(input.lower, input.upper);
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

/// A very simple index: the upper bound without local supply, falling in a
/// straight line to the lower bound when supply covers all demand.
#[derive(Clone, Copy, Debug)]
pub struct LinearIndex;

impl PriceRule for LinearIndex {
    fn name(&self) -> &'static str {
        "linear index"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let price = if supply_wh >= demand_wh {
            if supply_wh == 0 {
                input.upper
            } else {
                input.lower
            }
        } else {
            let spread = i128::from(input.upper) - i128::from(input.lower);
            let (supply, demand) = (i128::from(supply_wh), i128::from(demand_wh));
            // Rounded half up: spread * (1 - S/D).
            let above = (2 * spread * (demand - supply) + demand).div_euclid(2 * demand);
            within(input, i128::from(input.lower) + above)
        };
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

/// Price from the ratio of supply to demand (Liu et al. 2017): for `R = S/D`
/// below 1 it is `U L / ((U - L) R + L)`, from 1 on the lower bound.
#[derive(Clone, Copy, Debug)]
pub struct SupplyDemandRatio;

impl PriceRule for SupplyDemandRatio {
    fn name(&self) -> &'static str {
        "supply-demand ratio"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let (lower, upper) = (i128::from(input.lower), i128::from(input.upper));
        let (supply, demand) = (i128::from(supply_wh), i128::from(demand_wh));
        let price = if supply == 0 {
            input.upper
        } else if supply >= demand || lower <= 0 {
            // The hyperbola needs a positive feed-in price; it tends to that
            // price for any supply as the price tends to zero.
            input.lower
        } else {
            let denominator = (upper - lower) * supply + lower * demand;
            let numerator = upper * lower * demand;
            within(
                input,
                (2 * numerator + denominator).div_euclid(2 * denominator),
            )
        };
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

/// The middle of the outside prices for all local trade (Long et al. 2017);
/// what a side cannot trade settles with the grid.
#[derive(Clone, Copy, Debug)]
pub struct MidMarket;

impl PriceRule for MidMarket {
    fn name(&self) -> &'static str {
        "mid-market rate"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let sum = i128::from(input.lower) + i128::from(input.upper);
        let price = within(input, (sum + 1).div_euclid(2));
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

pub(super) fn within(input: &PriceInput, price: i128) -> PriceMicroEurPerKwh {
    PriceMicroEurPerKwh::try_from(price)
        .unwrap_or(input.upper)
        .clamp(input.lower, input.upper)
}

/// One price for all types, with the plain demand-to-supply ratio as pressure.
pub(super) fn uniform(
    price: PriceMicroEurPerKwh,
    supply_wh: EnergyWh,
    demand_wh: EnergyWh,
) -> PriceOutcome {
    if supply_wh == 0 {
        return PriceOutcome::uniform(price, 0, demand_wh > 0);
    }
    let ratio = (u128::from(demand_wh.unsigned_abs()) << 32) / u128::from(supply_wh.unsigned_abs());
    let pressure = u64::try_from(ratio.min(1 << 60)).unwrap_or(u64::MAX);
    PriceOutcome::uniform(price, pressure, false)
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

    fn scalar(rule: &dyn PriceRule, supply_wh: i64, demand_wh: i64) -> i64 {
        rule.price(&slot(supply_wh, demand_wh), 0)
            .expect("a valid slot")
            .scalar
    }

    #[test]
    fn liu_meets_the_outside_prices_at_its_ends_and_is_convex_between() {
        assert_eq!(scalar(&SupplyDemandRatio, 0, 1_000), 30 * CENT);
        assert_eq!(scalar(&SupplyDemandRatio, 1_000, 1_000), 8 * CENT);
        assert_eq!(scalar(&SupplyDemandRatio, 5_000, 1_000), 8 * CENT);
        // R = 1/2: 240 / (11 + 8) ct = 12.6316 ct.
        assert_eq!(scalar(&SupplyDemandRatio, 500, 1_000), 126_316);
    }

    #[test]
    fn the_linear_index_is_a_straight_line() {
        assert_eq!(scalar(&LinearIndex, 0, 1_000), 30 * CENT);
        assert_eq!(scalar(&LinearIndex, 500, 1_000), 19 * CENT);
        assert_eq!(scalar(&LinearIndex, 250, 1_000), 245_000);
        assert_eq!(scalar(&LinearIndex, 1_000, 1_000), 8 * CENT);
    }

    #[test]
    fn the_mid_market_rate_and_a_flat_price_ignore_the_load() {
        for (supply, demand) in [(0, 5), (5, 0), (7, 9)] {
            assert_eq!(scalar(&MidMarket, supply, demand), 19 * CENT);
            assert_eq!(
                scalar(&FlatPrice { price: 25 * CENT }, supply, demand),
                25 * CENT
            );
            assert_eq!(
                scalar(&FlatPrice { price: 99 * CENT }, supply, demand),
                30 * CENT
            );
        }
    }

    #[test]
    fn time_of_use_follows_the_clock_and_refuses_broken_tables() {
        let rule = TimeOfUse {
            bands: vec![
                TouBand {
                    from_minute: 0,
                    price: 10 * CENT,
                },
                TouBand {
                    from_minute: 17 * 60,
                    price: 28 * CENT,
                },
                TouBand {
                    from_minute: 21 * 60,
                    price: 12 * CENT,
                },
            ],
        };
        let at = |minute| rule.price(&slot(1, 1), minute).expect("valid").scalar / CENT;
        assert_eq!(
            [at(0), at(1_019), at(1_020), at(1_259), at(1_260), at(1_439)],
            [10, 10, 28, 28, 12, 12]
        );
        for bands in [
            vec![],
            vec![TouBand {
                from_minute: 1,
                price: 0,
            }],
            {
                let mut bands = rule.bands.clone();
                bands.reverse();
                bands
            },
        ] {
            let broken = TimeOfUse { bands };
            assert!(matches!(
                broken.price(&slot(1, 1), 0),
                Err(MarketError::BadBands { .. })
            ));
        }
    }

    #[test]
    fn a_rule_as_data_prices_like_the_rule_itself() {
        let input = slot(300, 900);
        assert_eq!(Rule::Typed.price(&input, 0), typed_price(&input));
        assert_eq!(
            Rule::Liu.price(&input, 0),
            SupplyDemandRatio.price(&input, 0)
        );
        assert_eq!(Rule::Linear.name(), LinearIndex.name());
    }
}
