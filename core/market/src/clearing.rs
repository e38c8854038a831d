//! A slot's orders cleared by the rule of the contract: who trades with whom,
//! and at which price.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gridloom_units::{AccountId, EnergyType, EnergyWh, PriceMicroEurPerKwh};

use crate::allocation::{Allocation, BuyOrder, PlantWish, SellOrder, Transfer, allocate_by_wish};
use crate::auction::{Order, clear_auction};
use crate::order::{Terms, by_falling_limit, split_demand, split_supply};
use crate::{MarketError, Rule, TypedPrice, Weights, checked_total};

/// Orders of one slot, in any order.
#[derive(Clone, Copy, Debug)]
pub struct SlotOrders<'a> {
    /// Best outside price for a seller, micro-EUR/kWh.
    pub lower: PriceMicroEurPerKwh,
    /// Best outside price for a buyer, micro-EUR/kWh.
    pub upper: PriceMicroEurPerKwh,
    /// Price per type that was decided for the slot, micro-EUR/kWh.
    pub decided: &'a TypedPrice,
    /// Who wants energy.
    pub buyers: &'a [BuyOrder],
    /// Who gives energy.
    pub sellers: &'a [SellOrder],
    /// Wishes about single households and plants.
    pub wishes: &'a [PlantWish],
    /// Price limits: most an account pays, least it sells for; missing means
    /// the outside prices. Only the auctions ask for them.
    pub limits: &'a BTreeMap<AccountId, (Option<PriceMicroEurPerKwh>, Option<PriceMicroEurPerKwh>)>,
    /// Orders placed for this slot, in place of those limits.
    pub placed: &'a BTreeMap<AccountId, Terms>,
}

/// A cleared slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Who gets which energy.
    pub allocation: Allocation,
    /// Price of each transfer, in the same order, micro-EUR/kWh.
    pub paid: Vec<PriceMicroEurPerKwh>,
}

/// Clears a slot by a rule.
///
/// Rules that decide a price before the slot trade everything that the eating
/// allocation pairs at that price; bill sharing trades at zero, because there
/// the outside bill is what is shared. The auctions match the limits of the
/// slot's own orders: the highest bid with the lowest ask, types and plants
/// that the buyer refuses left out.
///
/// # Errors
/// As [`crate::allocate_by_wish`].
pub fn clear_slot(rule: &Rule, orders: &SlotOrders<'_>) -> Result<Cleared, MarketError> {
    match rule {
        Rule::PayAsBid => matched(orders, None),
        Rule::PayAsClear => {
            let price = crossing(orders)?;
            matched(orders, Some(price))
        }
        Rule::BillSharing => {
            let equal: Vec<BuyOrder> = orders.buyers.iter().map(indifferent).collect();
            let allocation =
                allocate_by_wish(&equal, orders.sellers, &[], &[0; EnergyType::COUNT])?;
            Ok(priced(allocation, |_| 0))
        }
        _ => {
            let allocation =
                allocate_by_wish(orders.buyers, orders.sellers, orders.wishes, orders.decided)?;
            Ok(priced(allocation, |t| orders.decided[t.kind.index()]))
        }
    }
}

/// A buyer without preferences between the types they accept.
fn indifferent(order: &BuyOrder) -> BuyOrder {
    BuyOrder {
        weights: order.weights.map(|weight| weight.min(1)),
        ..*order
    }
}

fn priced(allocation: Allocation, price: impl Fn(&Transfer) -> PriceMicroEurPerKwh) -> Cleared {
    Cleared {
        paid: allocation.transfers.iter().map(price).collect(),
        allocation,
    }
}

/// A household's bid, or a step of it.
struct Bid {
    limit: PriceMicroEurPerKwh,
    account: AccountId,
    /// Most it takes of the household's demand, Wh.
    most_wh: EnergyWh,
    /// Only this type.
    kind: Option<EnergyType>,
    weights: Weights,
}

/// Energy on offer: ask, type, seller.
type Offers = BTreeMap<(PriceMicroEurPerKwh, EnergyType, AccountId), EnergyWh>;

/// Energy left over, by seller and type.
type Unsold = BTreeMap<(AccountId, EnergyType), EnergyWh>;

impl SlotOrders<'_> {
    fn bid(&self, account: AccountId) -> PriceMicroEurPerKwh {
        let limit = self.limits.get(&account).and_then(|(buy, _)| *buy);
        self.within(limit.unwrap_or(self.upper))
    }

    fn ask(&self, account: AccountId) -> PriceMicroEurPerKwh {
        let limit = self.limits.get(&account).and_then(|(_, sell)| *sell);
        self.within(limit.unwrap_or(self.lower))
    }

    fn within(&self, price: PriceMicroEurPerKwh) -> PriceMicroEurPerKwh {
        price.clamp(self.lower, self.upper)
    }

    /// Every bid, highest first: the steps of who placed an order, else all of
    /// the demand at the contract's limit.
    fn bids(&self) -> Vec<Bid> {
        let mut bids = Vec::with_capacity(self.buyers.len());
        for order in self.buyers {
            let mut add = |limit, most_wh, kind| {
                bids.push(Bid {
                    limit,
                    account: order.account,
                    most_wh,
                    kind,
                    weights: order.weights,
                });
            };
            match self.placed.get(&order.account).and_then(|t| t.buy.as_ref()) {
                Some(steps) => {
                    for step in by_falling_limit(steps) {
                        let most_wh = step.wh.unwrap_or(order.demand_wh);
                        add(self.within(step.limit), most_wh, step.kind);
                    }
                }
                None => add(self.bid(order.account), order.demand_wh, None),
            }
        }
        // Stable: the steps of a household stay in their order.
        bids.sort_by_key(|bid| (Reverse(bid.limit), bid.account));
        bids
    }

    /// Every offer, and what orders keep back.
    fn offers(&self) -> (Offers, Unsold) {
        let (mut offers, mut kept) = (Offers::new(), Unsold::new());
        let mut curves: BTreeMap<AccountId, [EnergyWh; EnergyType::COUNT]> = BTreeMap::new();
        for order in self.sellers.iter().filter(|order| order.offered_wh > 0) {
            let placed = self.placed.get(&order.account);
            if placed.is_some_and(|terms| terms.sell.is_some()) {
                curves.entry(order.account).or_default()[order.kind.index()] += order.offered_wh;
            } else {
                let place = (self.ask(order.account), order.kind, order.account);
                *offers.entry(place).or_default() += order.offered_wh;
            }
        }
        for (account, supply_wh) in curves {
            let steps = self.placed.get(&account).and_then(|t| t.sell.as_deref());
            let (parts, left) = split_supply(steps.unwrap_or(&[]), supply_wh);
            for (kind, limit, wh) in parts {
                *offers
                    .entry((self.within(limit), kind, account))
                    .or_default() += wh;
            }
            for kind in EnergyType::ALL {
                if left[kind.index()] > 0 {
                    kept.insert((account, kind), left[kind.index()]);
                }
            }
        }
        (offers, kept)
    }

    /// Refuses sums out of range and buyers who are listed twice.
    fn check(&self) -> Result<(), MarketError> {
        checked_total("demand", self.buyers.iter().map(|o| o.demand_wh))?;
        checked_total("supply", self.sellers.iter().map(|o| o.offered_wh))?;
        let mut seen = BTreeSet::new();
        match self.buyers.iter().find(|o| !seen.insert(o.account)) {
            Some(twice) => Err(MarketError::DuplicateAccount {
                account: twice.account,
                what: "the buy orders",
            }),
            None => Ok(()),
        }
    }
}

/// Price at which the slot's bids and asks cross; the upper bound without one.
fn crossing(orders: &SlotOrders<'_>) -> Result<PriceMicroEurPerKwh, MarketError> {
    let bids = orders.buyers.iter().flat_map(|order| {
        let placed = orders.placed.get(&order.account);
        let parts = match placed.and_then(|terms| terms.buy.as_ref()) {
            Some(steps) => split_demand(steps, order.demand_wh),
            None => vec![(orders.bid(order.account), order.demand_wh)],
        };
        parts.into_iter().map(|(limit, energy_wh)| Order {
            account: order.account,
            price: orders.within(limit),
            energy_wh,
        })
    });
    let (offers, _) = orders.offers();
    let asks = offers
        .into_iter()
        .map(|((price, _, account), energy_wh)| Order {
            account,
            price,
            energy_wh,
        });
    let (bids, asks): (Vec<Order>, Vec<Order>) = (bids.collect(), asks.collect());
    let clearing = clear_auction(&bids, &asks)?.clearing;
    Ok(clearing.map_or(orders.upper, |found| found.price))
}

/// Matches highest bids with lowest asks; at `uniform` or as bid.
fn matched(
    orders: &SlotOrders<'_>,
    uniform: Option<PriceMicroEurPerKwh>,
) -> Result<Cleared, MarketError> {
    orders.check()?;
    let (mut offers, mut unsold) = orders.offers();
    let refused: BTreeSet<(AccountId, AccountId)> = orders
        .wishes
        .iter()
        .filter(|wish| wish.factor == 0)
        .map(|wish| (wish.buyer, wish.seller))
        .collect();
    let mut unmet: BTreeMap<AccountId, EnergyWh> = orders
        .buyers
        .iter()
        .map(|order| (order.account, order.demand_wh))
        .collect();

    let mut traded: BTreeMap<(EnergyType, AccountId, AccountId, PriceMicroEurPerKwh), EnergyWh> =
        BTreeMap::new();
    for bid in orders.bids() {
        let demand = unmet.entry(bid.account).or_default();
        let mut left = bid.most_wh.min(*demand);
        let price = uniform.unwrap_or(bid.limit);
        for ((ask, kind, seller), offered) in &mut offers {
            if left == 0 || *ask > price || bid.limit < price {
                break;
            }
            let accepts = bid.weights[kind.index()] > 0
                && bid.kind.is_none_or(|only| only == *kind)
                && !refused.contains(&(bid.account, *seller));
            let energy_wh = left.min(*offered);
            if accepts && energy_wh > 0 {
                left -= energy_wh;
                *demand -= energy_wh;
                *offered -= energy_wh;
                *traded
                    .entry((*kind, *seller, bid.account, price))
                    .or_default() += energy_wh;
            }
        }
    }
    for ((_, kind, seller), left) in offers.into_iter().filter(|(_, left)| *left > 0) {
        *unsold.entry((seller, kind)).or_default() += left;
    }
    let mut allocation = Allocation {
        unmet: unmet.into_iter().filter(|(_, left)| *left > 0).collect(),
        unsold: unsold
            .into_iter()
            .map(|((account, kind), wh)| (account, kind, wh))
            .collect(),
        ..Allocation::default()
    };
    let mut paid = Vec::with_capacity(traded.len());
    for ((kind, seller, buyer, price), energy_wh) in traded {
        allocation.delivered_wh[kind.index()] += energy_wh;
        allocation.transfers.push(Transfer {
            seller,
            buyer,
            kind,
            energy_wh,
        });
        paid.push(price);
    }
    Ok(Cleared { allocation, paid })
}

#[cfg(test)]
mod tests;
