//! The wholesale market above a cluster, and how an agent bids there for it.
//!
//! The market quotes around an anchor price: it sells from a spread above it
//! and buys from a spread below, and every further block of energy moves its
//! price by the same step. The agent forecasts what the cluster will take from
//! the grid, bids a curve for it, and the two are cleared like any double
//! auction. At the price of the agent's position, plus and less its margin, the
//! cluster then deals with the grid in that slot, never worse than at the
//! utility's tariff. What the meters take beyond the position is bought at the
//! tariff, what they take less is sold back at it, both on the agent's account:
//! the members have one price, the agent has the risk and the margin.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{AccountId, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, amount};
use serde::{Deserialize, Serialize};

use crate::auction::{Order, clear_auction};
use crate::{MarketError, checked_total};

/// Hours of the anchor's day.
pub const HOURS: usize = 24;
/// Most steps of a bid.
pub const MAX_BID_STEPS: usize = 8;
/// Blocks the market quotes on each side.
const BLOCKS: i64 = 64;

/// What the market quotes, and on which terms an agent deals for a cluster.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct WholesaleTerms {
    /// Anchor price by hour of the day, micro-EUR/kWh.
    pub anchor: [PriceMicroEurPerKwh; HOURS],
    /// Distance of the first block from the anchor, micro-EUR/kWh.
    pub spread: PriceMicroEurPerKwh,
    /// Energy of a block in one slot, Wh.
    pub block_wh: EnergyWh,
    /// How much dearer (or, buying, cheaper) each further block is, micro-EUR/kWh.
    pub impact: PriceMicroEurPerKwh,
    /// What the agent adds for the members' buying and takes off their selling,
    /// micro-EUR/kWh.
    pub margin: PriceMicroEurPerKwh,
    /// Largest position of a slot, Wh.
    pub max_wh: EnergyWh,
}

/// The utility's two prices, micro-EUR/kWh.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct GridPrices {
    /// What is paid for energy given to the grid.
    pub feed_in: PriceMicroEurPerKwh,
    /// What is asked for energy taken from it.
    pub import: PriceMicroEurPerKwh,
}

/// A step of an agent's bid.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct BidStep {
    /// Energy bought (positive) or sold (negative), Wh.
    pub wh: EnergyWh,
    /// Most paid, or least taken, micro-EUR/kWh.
    pub limit: PriceMicroEurPerKwh,
}

/// What a bid cleared at.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Position {
    /// Energy bought (positive) or sold (negative), Wh; never zero.
    pub wh: EnergyWh,
    /// Price of all of it, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
}

/// Why a bid is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BidFault {
    /// None, or too many.
    #[error("{0} steps: a bid has 1 to {MAX_BID_STEPS}")]
    Steps(usize),
    /// Buying and selling, or nothing.
    #[error("the steps of a bid all buy or all sell, none is empty")]
    Sides,
    /// More than the terms allow.
    #[error("a position of {wh} Wh: at most {most} Wh in a slot")]
    Energy {
        /// What is bid for.
        wh: EnergyWh,
        /// The most.
        most: EnergyWh,
    },
    /// A limit outside the tariff: the utility is always there as well.
    #[error("a limit of {limit} µEUR/kWh is not between {lower} and {upper}")]
    Limit {
        /// The limit.
        limit: PriceMicroEurPerKwh,
        /// What the utility pays.
        lower: PriceMicroEurPerKwh,
        /// What the utility asks.
        upper: PriceMicroEurPerKwh,
    },
}

impl WholesaleTerms {
    /// Anchor price of the slot that starts at a minute of the day.
    #[must_use]
    pub fn anchor_at(&self, minute_of_day: u16) -> PriceMicroEurPerKwh {
        self.anchor[usize::from(minute_of_day / 60) % HOURS]
    }

    /// Whether a bid may stand.
    ///
    /// # Errors
    /// Names the first fault.
    pub fn check(&self, steps: &[BidStep], tariff: GridPrices) -> Result<(), BidFault> {
        if !(1..=MAX_BID_STEPS).contains(&steps.len()) {
            return Err(BidFault::Steps(steps.len()));
        }
        let side = steps[0].wh.signum();
        if side == 0 || steps.iter().any(|step| step.wh.signum() != side) {
            return Err(BidFault::Sides);
        }
        let wh = steps
            .iter()
            .fold(0_i64, |sum, step| sum.saturating_add(step.wh));
        if wh.unsigned_abs() > self.max_wh.unsigned_abs() {
            return Err(BidFault::Energy {
                wh,
                most: self.max_wh,
            });
        }
        let (lower, upper) = (tariff.feed_in, tariff.import);
        match steps
            .iter()
            .find(|step| !(lower..=upper).contains(&step.limit))
        {
            Some(step) => Err(BidFault::Limit {
                limit: step.limit,
                lower,
                upper,
            }),
            None => Ok(()),
        }
    }

    /// The bid for a forecast: three quarters of it at any price that still
    /// leaves the margin below the tariff, the rest, which is less certain,
    /// only near the anchor. Nothing when nothing is to be won.
    #[must_use]
    pub fn bid(
        &self,
        forecast_wh: EnergyWh,
        minute_of_day: u16,
        tariff: GridPrices,
    ) -> Vec<BidStep> {
        let wh = forecast_wh.clamp(-self.max_wh, self.max_wh);
        let anchor = self.anchor_at(minute_of_day);
        let within = |limit: PriceMicroEurPerKwh| limit.clamp(tariff.feed_in, tariff.import);
        // Buying lies above the anchor, selling below it.
        let (worst, away) = if wh > 0 {
            (tariff.import - self.margin, 1)
        } else {
            (tariff.feed_in + self.margin, -1)
        };
        let worth = |limit: PriceMicroEurPerKwh| (worst - limit) * away >= 0;
        if wh == 0 || !worth(anchor + away * self.spread) {
            return Vec::new();
        }
        let sure = wh / 4 * 3;
        let near = within(anchor + away * (self.spread + self.impact));
        let nearest = within(anchor + away * self.spread);
        let rest = wh - sure;
        let steps = [
            (sure, within(worst)),
            (rest / 2, if worth(near) { near } else { within(worst) }),
            (rest - rest / 2, nearest),
        ];
        steps
            .into_iter()
            .filter(|(wh, _)| *wh != 0)
            .map(|(wh, limit)| BidStep { wh, limit })
            .collect()
    }

    /// Clears a bid against what the market quotes; `None` when they do not meet.
    ///
    /// # Errors
    /// Fails on excessive energies.
    pub fn clear(
        &self,
        steps: &[BidStep],
        minute_of_day: u16,
    ) -> Result<Option<Position>, MarketError> {
        checked_total("bid", steps.iter().map(|step| step.wh.saturating_abs()))?;
        let buys = steps.first().is_some_and(|step| step.wh > 0);
        let away = if buys { 1 } else { -1 };
        let anchor = self.anchor_at(minute_of_day);
        let order = |account: u8, price, energy_wh| Order {
            account: AccountId([account; 32]),
            price,
            energy_wh,
        };
        let market: Vec<Order> = (0..BLOCKS)
            .map(|block| {
                let price = anchor + away * (self.spread + block * self.impact);
                order(1, price, self.block_wh)
            })
            .collect();
        let agent: Vec<Order> = steps
            .iter()
            .map(|step| order(2, step.limit, step.wh.saturating_abs()))
            .collect();
        let outcome = if buys {
            clear_auction(&agent, &market)?
        } else {
            clear_auction(&market, &agent)?
        };
        Ok(outcome.clearing.map(|found| Position {
            wh: away * found.quantity_wh,
            price: found.price,
        }))
    }

    /// At which prices the members deal with the grid when the agent has a
    /// position: its price with the margin, within the tariff.
    #[must_use]
    pub fn prices(&self, position: Option<Position>, tariff: GridPrices) -> GridPrices {
        let Some(position) = position else {
            return tariff;
        };
        let import = position
            .price
            .saturating_add(self.margin)
            .clamp(tariff.feed_in, tariff.import);
        let feed_in = position
            .price
            .saturating_sub(self.margin)
            .clamp(tariff.feed_in, import);
        GridPrices { feed_in, import }
    }
}

/// What an agent's position came to when its slot was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Delivered {
    /// Metered from the grid less metered to it, Wh.
    pub net_wh: EnergyWh,
    /// Net beyond the position, Wh; negative when the cluster took less.
    pub imbalance_wh: EnergyWh,
    /// What the members' prices bring above what the grid gets, nano-EUR: what
    /// the agent is paid, or pays.
    pub earned: MoneyNanoEur,
}

/// Settles a position: the members paid the grid at `prices` for what they took
/// and gave; the grid is owed the position at its price and the difference to
/// the meters at the tariff. The agent gets or pays what lies between.
#[must_use]
pub fn deliver(
    position: Position,
    prices: GridPrices,
    tariff: GridPrices,
    taken_wh: EnergyWh,
    given_wh: EnergyWh,
) -> Delivered {
    let net_wh = taken_wh - given_wh;
    let imbalance_wh = net_wh - position.wh;
    let at = if imbalance_wh > 0 {
        tariff.import
    } else {
        tariff.feed_in
    };
    let members = amount(taken_wh, prices.import) - amount(given_wh, prices.feed_in);
    let owed = amount(position.wh, position.price) + amount(imbalance_wh, at);
    Delivered {
        net_wh,
        imbalance_wh,
        earned: members - owed,
    }
}

/// Net energy that a slot will take from the grid, from the slots before it.
///
/// `history` is the net of settled slots without gaps, oldest first; the slot
/// asked for lies `ahead` slots after its last one, `day` is a day's number of
/// slots. With a day on record it goes as it went then, from where it is now;
/// without one it goes on half as far as it went last.
#[must_use]
pub fn forecast(history: &[EnergyWh], ahead: usize, day: usize) -> Option<EnergyWh> {
    let last = *history.last()?;
    let newest = history.len() - 1;
    let then = (newest + ahead)
        .checked_sub(day)
        .zip(newest.checked_sub(day));
    if let Some((target, from)) = then
        && let (Some(target), Some(from)) = (history.get(target), history.get(from))
    {
        return Some(last.saturating_add(target - from));
    }
    let before = history.iter().rev().nth(1).copied().unwrap_or(last);
    Some(last.saturating_add(last.saturating_sub(before) / 2))
}

#[cfg(test)]
mod tests;
