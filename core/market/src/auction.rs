//! Double auction with one clearing price (pay-as-clear).

use std::cmp::Reverse;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{AccountId, EnergyWh, PriceMicroEurPerKwh};
use serde::{Deserialize, Serialize};

use crate::{MarketError, checked_total};

/// A bid or an ask.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Order {
    /// Who stands behind it.
    pub account: AccountId,
    /// Highest price of a bid, lowest of an ask, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
    /// Energy, Wh; orders of zero or less do not take part.
    pub energy_wh: EnergyWh,
}

/// The two sides after clearing.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct AuctionOutcome {
    /// Price and quantity; `None` when no bid reaches an ask.
    pub clearing: Option<Clearing>,
    /// Energy bought per account, in the order of matching, Wh.
    pub bought: Vec<(AccountId, EnergyWh)>,
    /// Energy sold per account, in the order of matching, Wh.
    pub sold: Vec<(AccountId, EnergyWh)>,
}

/// Where supply and demand cross.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Clearing {
    /// Energy traded, Wh.
    pub quantity_wh: EnergyWh,
    /// Lowest price that clears the same quantity, micro-EUR/kWh.
    pub low: PriceMicroEurPerKwh,
    /// Highest price that clears the same quantity, micro-EUR/kWh.
    pub high: PriceMicroEurPerKwh,
    /// The price: the middle of the two, rounded half up.
    pub price: PriceMicroEurPerKwh,
}

/// Clears a double auction at one price.
///
/// Bids fall, asks rise, and they are matched while the bid reaches the ask.
/// Any price between the last matched ask (or the next bid, if higher) and the
/// last matched bid (or the next ask, if lower) clears the same quantity; an
/// order filled in part sets the price to its own. Equal prices are served in
/// account order.
///
/// # Errors
/// Fails when either side adds to an excessive energy.
pub fn clear_auction(bids: &[Order], asks: &[Order]) -> Result<AuctionOutcome, MarketError> {
    let mut bids: Vec<Order> = bids
        .iter()
        .copied()
        .filter(|order| order.energy_wh > 0)
        .collect();
    let mut asks: Vec<Order> = asks
        .iter()
        .copied()
        .filter(|order| order.energy_wh > 0)
        .collect();
    checked_total("bids", bids.iter().map(|order| order.energy_wh))?;
    checked_total("asks", asks.iter().map(|order| order.energy_wh))?;
    bids.sort_by_key(|order| (Reverse(order.price), order.account, order.energy_wh));
    asks.sort_by_key(|order| (order.price, order.account, order.energy_wh));

    let mut outcome = AuctionOutcome::default();
    let (mut bid, mut ask) = (0, 0);
    let (mut bid_filled, mut ask_filled) = (0, 0);
    let mut quantity_wh = 0;
    let mut last = None;
    while let (Some(buyer), Some(seller)) = (bids.get(bid), asks.get(ask))
        && buyer.price >= seller.price
    {
        let energy_wh = (buyer.energy_wh - bid_filled).min(seller.energy_wh - ask_filled);
        add(&mut outcome.bought, buyer.account, energy_wh);
        add(&mut outcome.sold, seller.account, energy_wh);
        quantity_wh += energy_wh;
        bid_filled += energy_wh;
        ask_filled += energy_wh;
        last = Some((buyer.price, seller.price));
        if bid_filled == buyer.energy_wh {
            (bid, bid_filled) = (bid + 1, 0);
        }
        if ask_filled == seller.energy_wh {
            (ask, ask_filled) = (ask + 1, 0);
        }
    }
    // After the loop `bid` and `ask` point at the first order that is not
    // filled completely, which is also the "next" one of its side.
    outcome.clearing = last.map(|(last_bid, last_ask)| {
        let low = bids
            .get(bid)
            .map_or(last_ask, |next| last_ask.max(next.price.min(last_bid)));
        let high = asks
            .get(ask)
            .map_or(last_bid, |next| last_bid.min(next.price.max(last_ask)));
        let middle = (i128::from(low) + i128::from(high) + 1).div_euclid(2);
        Clearing {
            quantity_wh,
            low,
            high,
            // Between two i64, so an i64.
            price: PriceMicroEurPerKwh::try_from(middle).unwrap_or(low),
        }
    });
    Ok(outcome)
}

/// Adds to the last entry when it is the same account.
fn add(side: &mut Vec<(AccountId, EnergyWh)>, account: AccountId, energy_wh: EnergyWh) {
    match side.last_mut() {
        Some((last, sum)) if *last == account => *sum += energy_wh,
        _ => side.push((account, energy_wh)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(n: u8, price: PriceMicroEurPerKwh, energy_wh: EnergyWh) -> Order {
        Order {
            account: AccountId([n; 32]),
            price,
            energy_wh,
        }
    }

    fn clearing(bids: &[Order], asks: &[Order]) -> Option<Clearing> {
        clear_auction(bids, asks)
            .expect("within the limits")
            .clearing
    }

    #[test]
    fn orders_filled_in_full_leave_an_interval_and_its_middle_is_the_price() {
        let bids = [order(1, 30, 5), order(2, 20, 5)];
        let asks = [order(3, 10, 5), order(4, 25, 5)];
        let found = clearing(&bids, &asks).expect("they cross");
        assert_eq!(
            found,
            Clearing {
                quantity_wh: 5,
                low: 20,
                high: 25,
                price: 23
            }
        );
    }

    #[test]
    fn an_order_filled_in_part_sets_the_price() {
        let found = clearing(&[order(1, 30, 8)], &[order(3, 10, 5)]).expect("they cross");
        assert_eq!((found.quantity_wh, found.price), (5, 30));
        let found = clearing(&[order(1, 30, 5)], &[order(3, 10, 8)]).expect("they cross");
        assert_eq!((found.quantity_wh, found.price), (5, 10));
    }

    #[test]
    fn nothing_trades_when_no_bid_reaches_an_ask() {
        assert_eq!(clearing(&[order(1, 9, 5)], &[order(3, 10, 5)]), None);
        assert_eq!(clearing(&[], &[order(3, 10, 5)]), None);
        assert_eq!(clearing(&[order(1, 30, 0)], &[order(3, 10, -5)]), None);
    }

    #[test]
    fn both_sides_trade_the_same_energy_and_equal_prices_go_by_account() {
        let bids = [order(2, 30, 5), order(1, 30, 5), order(3, 40, 5)];
        let asks = [order(9, 10, 12)];
        let outcome = clear_auction(&bids, &asks).expect("within the limits");
        let accounts: Vec<u8> = outcome
            .bought
            .iter()
            .map(|(account, _)| account.0[0])
            .collect();
        assert_eq!(accounts, [3, 1, 2]);
        assert_eq!(outcome.bought.iter().map(|(_, wh)| wh).sum::<i64>(), 12);
        assert_eq!(outcome.sold, vec![(AccountId([9; 32]), 12)]);
    }
}
