//! Gates 1 to 4, 6 to 8 and 14, over random slots.

use std::collections::BTreeMap;
use std::ops::Range;

use gridloom_units::{AccountId, EnergyWh, MoneyNanoEur, amount};

use super::cases::{COUNT, Draws, Slot, UTILITY};
use super::{Count, unless};
use crate::{
    Allocation, BuyOrder, Exponent, MarketError, MeteredNet, PriceOutcome, Settlement, typed_price,
};

/// Counts of the gates on single slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotGates {
    /// 1: the sum of all account changes is zero.
    pub money: Count,
    /// 2: energy of every type is conserved.
    pub energy: Count,
    /// 3: nobody is worse off than with the grid alone.
    pub rationality: Count,
    /// 4: bounds, monotone in supply and demand, scale, limit of equal weights.
    pub price: Count,
    /// 6: the order of the input changes no byte.
    pub order: Count,
    /// 7: splitting a house in two moves nobody by more than 1 Wh per type.
    pub split: Count,
    /// 8: nobody envies, no refused type is delivered.
    pub envy: Count,
    /// 14: the penalty lands on the account whose meter deviated.
    pub penalty: Count,
    /// Combinations of gate 14 that occurred: short, long or even cluster,
    /// times buyer or seller, times more or less taken.
    pub signs: u16,
}

impl SlotGates {
    /// Adds the counts of another range of cases.
    pub fn add(&mut self, other: Self) {
        self.money.add(other.money);
        self.energy.add(other.energy);
        self.rationality.add(other.rationality);
        self.price.add(other.price);
        self.order.add(other.order);
        self.split.add(other.split);
        self.envy.add(other.envy);
        self.penalty.add(other.penalty);
        self.signs |= other.signs;
    }

    /// Sign combinations of gate 14 that occurred; there are 12.
    #[must_use]
    pub fn sign_cases(&self) -> u32 {
        self.signs.count_ones()
    }
}

/// Runs the gates over a range of case numbers.
///
/// # Errors
/// Fails when a generated slot is refused, which no valid slot may be.
pub fn slot_gates(cases: Range<u64>) -> Result<SlotGates, MarketError> {
    let mut gates = SlotGates::default();
    for case in cases {
        Case::new(case)?.run(&mut gates)?;
    }
    Ok(gates)
}

struct Case {
    number: u64,
    draws: Draws,
    slot: Slot,
    price: PriceOutcome,
    allocation: Allocation,
    meters: Vec<MeteredNet>,
    agreed: Settlement,
}

type Received = BTreeMap<AccountId, [EnergyWh; COUNT]>;

fn received(allocation: &Allocation) -> Received {
    let mut received = Received::new();
    for transfer in &allocation.transfers {
        received.entry(transfer.buyer).or_default()[transfer.kind.index()] += transfer.energy_wh;
    }
    received
}

impl Case {
    fn new(number: u64) -> Result<Self, MarketError> {
        let mut draws = Draws::new(number);
        let slot = Slot::draw(&mut draws);
        let price = typed_price(&slot.price_input())?;
        let allocation = slot.allocation(&price.price)?;
        let meters = slot.meters();
        let agreed = slot.settle(price.price, &allocation, &meters)?;
        Ok(Self {
            number,
            draws,
            slot,
            price,
            allocation,
            meters,
            agreed,
        })
    }

    fn run(mut self, gates: &mut SlotGates) -> Result<(), MarketError> {
        let fault = self.money_and_penalty(gates)?;
        gates.money.note(fault);
        gates.energy.note(self.energy());
        gates.rationality.note(self.rationality());
        let fault = self.price_gate()?;
        gates.price.note(fault);
        let fault = self.order()?;
        gates.order.note(fault);
        let fault = self.split()?;
        gates.split.note(fault);
        gates.envy.note(self.envy());
        Ok(())
    }

    fn text(&self, what: &str) -> String {
        format!("case {}: {what}", self.number)
    }

    /// Meters off by random amounts: sums stay zero, and each account's money
    /// changes by exactly its own deviation at the imbalance price.
    fn money_and_penalty(&mut self, gates: &mut SlotGates) -> Result<Option<String>, MarketError> {
        let buyers: BTreeMap<AccountId, ()> =
            self.slot.buyers.iter().map(|o| (o.account, ())).collect();
        let mut off = self.meters.clone();
        for meter in &mut off {
            if self.draws.chance(70) {
                meter.net_wh += self.draws.within(-3_000, 3_000);
            }
        }
        // In some cases what one takes more another takes less.
        if off.len() > 1 && self.draws.chance(20) {
            let pair = self.draws.below(off.len() - 1);
            let more = self.draws.within(1, 3_000);
            off.clone_from(&self.meters);
            off[pair].net_wh += more;
            off[pair + 1].net_wh -= more;
        }
        let settled = self.slot.settle(self.price.price, &self.allocation, &off)?;
        let balances = settled.balances();
        let total: MoneyNanoEur = balances.values().sum();
        let bills = balances
            .iter()
            .all(|(account, change)| settled.bill(*account).total == *change);

        let before = self.agreed.balances();
        let of = |balances: &BTreeMap<AccountId, MoneyNanoEur>, account: &AccountId| {
            balances.get(account).copied().unwrap_or(0)
        };
        let short: EnergyWh = off
            .iter()
            .zip(&self.meters)
            .map(|(m, x)| m.net_wh - x.net_wh)
            .sum();
        let mut fair = true;
        for (metered, agreed) in off.iter().zip(&self.meters) {
            let deviation = metered.net_wh - agreed.net_wh;
            let moved = of(&balances, &metered.account) - of(&before, &metered.account);
            fair &= moved == -amount(deviation, settled.imbalance_price);
            if deviation != 0 {
                let cluster = match short.signum() {
                    1 => 0,
                    -1 => 1,
                    _ => 2,
                };
                let side = u16::from(buyers.contains_key(&metered.account));
                let sign = u16::from(deviation > 0);
                gates.signs |= 1 << (cluster * 4 + side * 2 + sign);
            }
        }
        let priced = match short.signum() {
            1 => settled.imbalance_price == self.slot.upper,
            -1 => settled.imbalance_price == self.slot.lower,
            _ => true,
        };
        gates.penalty.note(unless(fair && priced, || {
            self.text("a deviation is not paid by its own account")
        }));
        let net: EnergyWh = off.iter().map(|meter| meter.net_wh).sum();
        let to_utility: EnergyWh = settled
            .lines
            .iter()
            .map(|line| {
                i64::from(line.seller == UTILITY) * line.energy_wh
                    - i64::from(line.buyer == UTILITY) * line.energy_wh
            })
            .sum();
        Ok(unless(total == 0 && bills && to_utility == net, || {
            self.text(&format!("accounts change by {total} nEUR together"))
        }))
    }

    fn energy(&self) -> Option<String> {
        let supply = self.slot.supply_wh();
        let mut placed = [0; COUNT];
        let mut positive = true;
        for transfer in &self.allocation.transfers {
            positive &= transfer.energy_wh > 0;
            placed[transfer.kind.index()] += transfer.energy_wh;
        }
        let delivered = placed;
        for (_, kind, wh) in &self.allocation.unsold {
            positive &= *wh > 0;
            placed[kind.index()] += wh;
        }
        let unmet: BTreeMap<AccountId, EnergyWh> = self.allocation.unmet.iter().copied().collect();
        let got = received(&self.allocation);
        let served = self.slot.buyers.iter().all(|order| {
            let got: EnergyWh = got.get(&order.account).map_or(0, |row| row.iter().sum());
            got + unmet.get(&order.account).copied().unwrap_or(0) == order.demand_wh
        });
        let holds =
            positive && placed == supply && delivered == self.allocation.delivered_wh && served;
        unless(holds, || {
            self.text(&format!("supply {supply:?}, placed {placed:?}"))
        })
    }

    fn rationality(&self) -> Option<String> {
        let balances = self.agreed.balances();
        let change = |account| balances.get(&account).copied().unwrap_or(0);
        let buyers = self
            .slot
            .buyers
            .iter()
            .all(|order| change(order.account) >= -amount(order.demand_wh, self.slot.upper));
        let sellers = self
            .slot
            .sellers
            .iter()
            .all(|order| change(order.account) >= amount(order.offered_wh, self.slot.lower));
        unless(buyers && sellers, || {
            self.text("somebody is worse off than with the grid alone")
        })
    }

    fn price_gate(&mut self) -> Result<Option<String>, MarketError> {
        let (lower, upper) = (self.slot.lower, self.slot.upper);
        let base = self.price.price;
        let bounded = base
            .iter()
            .chain([&self.price.scalar])
            .all(|price| (lower..=upper).contains(price));
        let input = self.slot.price_input();
        let (kind, more) = (self.draws.below(COUNT), self.draws.within(1, 20_000));
        let mut richer = input.clone();
        richer.supply_wh[kind] += more;
        let richer = typed_price(&richer)?.price;
        let falls = richer.iter().zip(base).all(|(r, b)| *r <= b);

        let buyer = self.draws.below(input.buyers.len());
        let mut hungrier = input.clone();
        hungrier.buyers[buyer].demand_wh += more;
        let hungrier = typed_price(&hungrier)?.price;
        let rises = hungrier.iter().zip(base).all(|(h, b)| *h >= b);

        let factor = self.draws.within(2, 50);
        let mut scaled = input.clone();
        scaled.supply_wh = scaled.supply_wh.map(|wh| wh * factor);
        for buyer in &mut scaled.buyers {
            buyer.demand_wh *= factor;
        }
        let scale_free = typed_price(&scaled)?.price == base;

        let mut equal = input;
        for buyer in &mut equal.buyers {
            buyer.weights = [1; COUNT];
        }
        let outcome = typed_price(&equal)?;
        let (supply, demand) = equal.totals()?;
        // At g = 1 the price is L + (U - L) D / (S + D), rounded half up.
        let limit = self.slot.exponent != Exponent::One || supply == 0 || {
            let spread = i128::from(upper - lower);
            let (supply, demand) = (i128::from(supply), i128::from(demand));
            let above = i128::from(outcome.price[0] - lower);
            let off = (above * (supply + demand) - spread * demand).abs();
            // Half a unit for rounding, and as much for the fraction bits of the ratio.
            off <= supply + demand
        };
        let even = outcome.price.iter().all(|price| *price == outcome.price[0]);
        let holds = bounded && falls && rises && scale_free && limit && even;
        Ok(unless(holds, || {
            self.text(&format!(
                "bounded {bounded}, falls {falls}, rises {rises}, scale {scale_free}, limit {limit}, even {even}"
            ))
        }))
    }

    fn order(&mut self) -> Result<Option<String>, MarketError> {
        let mut other = self.slot.clone();
        self.draws.shuffle(&mut other.buyers);
        self.draws.shuffle(&mut other.sellers);
        let mut meters = self.meters.clone();
        self.draws.shuffle(&mut meters);
        let price = typed_price(&other.price_input())?;
        let allocation = other.allocation(&price.price)?;
        let settled = other.settle(price.price, &allocation, &meters)?;
        let bytes = |value: &Settlement| borsh::to_vec(value).unwrap_or_default();
        let same = price == self.price
            && allocation == self.allocation
            && bytes(&settled) == bytes(&self.agreed);
        Ok(unless(same, || {
            self.text("another order of the input gives another result")
        }))
    }

    /// The halves keep the place of the whole in account order; the twin's
    /// weights have the same ratios.
    fn split(&mut self) -> Result<Option<String>, MarketError> {
        let buyer = self.draws.below(self.slot.buyers.len());
        let whole = self.slot.buyers[buyer];
        let first = whole.demand_wh * self.draws.within(0, 1_000) / 1_000;
        let mut twin = whole.account;
        twin.0[30] = 1;
        let mut split = self.slot.clone();
        split.buyers[buyer].demand_wh = first;
        split.buyers.push(BuyOrder {
            account: twin,
            demand_wh: whole.demand_wh - first,
            weights: whole.weights.map(|weight| weight * 3),
        });
        let price = typed_price(&split.price_input())?;
        let after = received(&split.allocation(&price.price)?);
        let before = received(&self.allocation);
        let of = |received: &Received, account: &AccountId| {
            received.get(account).copied().unwrap_or_default()
        };
        let near = self.slot.buyers.iter().all(|order| {
            let got = of(&before, &order.account);
            let mut gets = of(&after, &order.account);
            if order.account == whole.account {
                for (sum, rest) in gets.iter_mut().zip(of(&after, &twin)) {
                    *sum += rest;
                }
            }
            got.iter().zip(gets).all(|(a, b)| (a - b).abs() <= 1)
        });
        let same = price.price == self.price.price;
        Ok(unless(same && near, || {
            self.text("splitting a house changes a price or moves more than 1 Wh")
        }))
    }

    fn envy(&self) -> Option<String> {
        let received = received(&self.allocation);
        let share = |account: &AccountId| received.get(account).copied().unwrap_or_default();
        let shares: Vec<(EnergyWh, [EnergyWh; COUNT])> = self
            .slot
            .buyers
            .iter()
            .filter(|order| order.demand_wh > 0)
            .map(|order| (order.demand_wh, share(&order.account)))
            .collect();
        let mut content = true;
        for order in &self.slot.buyers {
            let mine = share(&order.account);
            content &= order
                .weights
                .iter()
                .zip(mine)
                .all(|(weight, wh)| *weight > 0 || wh == 0);
            if order.demand_wh == 0 {
                continue;
            }
            let mut ranking: Vec<usize> = (0..COUNT).filter(|k| order.weights[*k] > 0).collect();
            ranking.sort_by_key(|k| {
                (
                    std::cmp::Reverse(order.weights[*k]),
                    self.price.price[*k],
                    *k,
                )
            });
            for (demand, theirs) in &shares {
                let (mut mine_best, mut theirs_best) = (0, 0);
                for (rank, k) in ranking.iter().enumerate() {
                    mine_best += mine[*k];
                    theirs_best += theirs[*k];
                    // Per unit of demand, with less than 2 Wh of rounding per type.
                    let slack = 2 * (rank as i64 + 1);
                    content &= i128::from(mine_best + slack) * i128::from(*demand)
                        >= i128::from(theirs_best - slack) * i128::from(order.demand_wh);
                }
            }
        }
        unless(content, || {
            self.text("a share is envied, or a refused type was delivered")
        })
    }
}
