//! Prices that come out of bids and asks.
//!
//! A household bids for what it needs up to the limit in its contract and asks
//! for what it gives from the limit there; without limits these are the grid's
//! two prices. The price announced for a slot is that of the slot before;
//! [`crate::clear_slot`] matches the slot's own orders.

use gridloom_units::{AccountId, EnergyWh, PriceMicroEurPerKwh};

use super::rules::uniform;
use super::{PriceInput, PriceOutcome, PriceRule};
use crate::MarketError;
use crate::auction::{Order, clear_auction};

/// Every buyer pays what they bid (discriminatory double auction); the price
/// shown is the mean of what was paid.
#[derive(Clone, Copy, Debug)]
pub struct PayAsBid;

/// One price for everybody, where supply and demand cross (uniform double
/// auction).
#[derive(Clone, Copy, Debug)]
pub struct PayAsClear;

/// Bids and asks of a slot within its bounds.
fn book(input: &PriceInput) -> (Vec<Order>, Vec<Order>) {
    let order = |(index, energy_wh, price): (usize, EnergyWh, PriceMicroEurPerKwh)| {
        let mut account = AccountId([0; 32]);
        account.0[..8].copy_from_slice(&(index as u64).to_be_bytes());
        Order {
            account,
            price,
            energy_wh,
        }
    };
    let limit = |limit: Option<PriceMicroEurPerKwh>, otherwise| {
        limit.unwrap_or(otherwise).clamp(input.lower, input.upper)
    };
    let bids = input
        .buyers
        .iter()
        .enumerate()
        .map(|(n, buyer)| order((n, buyer.demand_wh, limit(buyer.limit, input.upper))))
        .collect();
    let asked: EnergyWh = input.asks.iter().map(|ask| ask.offered_wh).sum();
    let supply: EnergyWh = input.supply_wh.iter().sum();
    let mut asks: Vec<Order> = input
        .asks
        .iter()
        .enumerate()
        .map(|(n, ask)| order((n, ask.offered_wh, limit(ask.limit, input.lower))))
        .collect();
    // What is on offer without an ask is sold from the feed-in price on.
    asks.push(order((usize::MAX, (supply - asked).max(0), input.lower)));
    (bids, asks)
}

/// Without a trade the next kilowatt-hour comes from the grid or goes to it.
fn without_trade(input: &PriceInput, demand_wh: EnergyWh) -> PriceMicroEurPerKwh {
    if demand_wh > 0 {
        input.upper
    } else {
        input.lower
    }
}

impl PriceRule for PayAsClear {
    fn name(&self) -> &'static str {
        "pay as clear"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let (bids, asks) = book(input);
        let price = clear_auction(&bids, &asks)?
            .clearing
            .map_or_else(|| without_trade(input, demand_wh), |found| found.price);
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

impl PriceRule for PayAsBid {
    fn name(&self) -> &'static str {
        "pay as bid"
    }

    fn price(&self, input: &PriceInput, _minute_of_day: u16) -> Result<PriceOutcome, MarketError> {
        let (supply_wh, demand_wh) = input.totals()?;
        let (bids, asks) = book(input);
        let outcome = clear_auction(&bids, &asks)?;
        let (mut value, mut volume) = (0_i128, 0_i128);
        for (account, wh) in &outcome.bought {
            if let Some(bid) = bids.iter().find(|bid| bid.account == *account) {
                value += i128::from(bid.price) * i128::from(*wh);
                volume += i128::from(*wh);
            }
        }
        let price = if volume == 0 {
            without_trade(input, demand_wh)
        } else {
            let mean = (2 * value + volume).div_euclid(2 * volume);
            PriceMicroEurPerKwh::try_from(mean).unwrap_or(input.upper)
        };
        Ok(uniform(price, supply_wh, demand_wh))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ask, Buyer, Exponent};
    use super::*;

    const CENT: i64 = 10_000;

    fn input() -> PriceInput {
        let bid = |demand_wh, cents: i64| Buyer {
            limit: Some(cents * CENT),
            ..Buyer::new(demand_wh, [1; 7])
        };
        let ask = |offered_wh, cents: i64| Ask {
            offered_wh,
            limit: Some(cents * CENT),
        };
        PriceInput {
            lower: 8 * CENT,
            upper: 30 * CENT,
            exponent: Exponent::One,
            supply_wh: [10, 0, 0, 0, 0, 0, 0],
            buyers: vec![bid(5, 28), bid(5, 20)],
            asks: vec![ask(5, 10), ask(5, 25)],
        }
    }

    #[test]
    fn one_price_clears_and_bids_are_paid_as_bid() {
        let price = |rule: &dyn PriceRule| rule.price(&input(), 0).expect("valid").scalar;
        // 5 Wh trade; any price from 20 to 25 ct clears them.
        assert_eq!(price(&PayAsClear), 225_000);
        assert_eq!(price(&PayAsBid), 28 * CENT);
    }

    #[test]
    fn without_a_crossing_the_grid_sets_the_price() {
        let mut none = input();
        none.asks[0].limit = Some(29 * CENT);
        none.asks[1].limit = Some(29 * CENT);
        for rule in [&PayAsClear as &dyn PriceRule, &PayAsBid] {
            assert_eq!(rule.price(&none, 0).expect("valid").scalar, 30 * CENT);
        }
        none.buyers.clear();
        for rule in [&PayAsClear as &dyn PriceRule, &PayAsBid] {
            assert_eq!(rule.price(&none, 0).expect("valid").scalar, 8 * CENT);
        }
    }
}
