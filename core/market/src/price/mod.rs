//! Price formation: what a kilowatt-hour of each type costs in one slot.

mod auctions;
mod rules;
mod tariffs;
mod typed;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyType, EnergyWh, PriceMicroEurPerKwh, TypedWh};
use serde::{Deserialize, Serialize};

pub use auctions::{PayAsBid, PayAsClear};
pub use rules::{
    FlatPrice, LinearIndex, MidMarket, Rule, SupplyDemandRatio, TimeOfUse, TouBand, TypedPressure,
};
pub use tariffs::{BillSharing, CriticalPeak, Nodal};
pub use typed::typed_price;

use crate::{MarketError, TypedPrice, checked_total};

/// How much a buyer wants each type, in canonical order; 0 refuses the type.
pub type Weights = [u32; EnergyType::COUNT];

/// Largest magnitude of a price bound, micro-EUR/kWh (about 34 000 EUR/kWh).
pub(crate) const PRICE_LIMIT: PriceMicroEurPerKwh = 1 << 35;

/// Exponent of the pressure in the price curve (`g` of the design).
///
/// Only powers that multiplication and an integer square root can form, so
/// that every replica gets the same digits.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Exponent {
    /// `g` = 1/2, the gentlest curve.
    Half,
    /// `g` = 1.
    #[default]
    One,
    /// `g` = 2, the steepest curve.
    Two,
}

/// One buyer's part in the price.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Buyer {
    /// Energy wanted in the slot, Wh.
    pub demand_wh: EnergyWh,
    /// Preference per type.
    pub weights: Weights,
    /// Most it pays, micro-EUR/kWh; `None` for up to the upper bound.
    pub limit: Option<PriceMicroEurPerKwh>,
}

impl Buyer {
    /// A buyer who pays up to the upper bound.
    #[must_use]
    pub fn new(demand_wh: EnergyWh, weights: Weights) -> Self {
        Self {
            demand_wh,
            weights,
            limit: None,
        }
    }
}

/// Energy on offer from a price on, for the auction rules.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Ask {
    /// Energy on offer, Wh; part of the supply.
    pub offered_wh: EnergyWh,
    /// Least it is sold for, micro-EUR/kWh; `None` for from the lower bound on.
    pub limit: Option<PriceMicroEurPerKwh>,
}

/// What a slot's price is formed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct PriceInput {
    /// Best outside price for a seller (feed-in), micro-EUR/kWh.
    pub lower: PriceMicroEurPerKwh,
    /// Best outside price for a buyer (import), micro-EUR/kWh.
    pub upper: PriceMicroEurPerKwh,
    /// Exponent of the typed price curve.
    pub exponent: Exponent,
    /// Energy on offer per type, Wh.
    pub supply_wh: TypedWh,
    /// Everybody who wants energy, in any order.
    pub buyers: Vec<Buyer>,
    /// Offers with a price limit, in any order; the rest of the supply has none.
    pub asks: Vec<Ask>,
}

impl PriceInput {
    /// Total supply and total demand, Wh, after checking every figure.
    pub(crate) fn totals(&self) -> Result<(EnergyWh, EnergyWh), MarketError> {
        for price in [self.lower, self.upper] {
            if price.checked_abs().is_none_or(|size| size > PRICE_LIMIT) {
                return Err(MarketError::PriceOutOfRange {
                    price,
                    limit: PRICE_LIMIT,
                });
            }
        }
        if self.lower > self.upper {
            return Err(MarketError::BoundsReversed {
                lower: self.lower,
                upper: self.upper,
            });
        }
        let supply_wh = checked_total("supply", self.supply_wh)?;
        let demand_wh = checked_total("demand", self.buyers.iter().map(|b| b.demand_wh))?;
        checked_total("asks", self.asks.iter().map(|ask| ask.offered_wh))?;
        Ok((supply_wh, demand_wh))
    }
}

/// The price of a slot and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct PriceOutcome {
    /// Price per type, micro-EUR/kWh.
    pub price: TypedPrice,
    /// Demand pressure per type, fixed point with 32 fraction bits.
    pub pressure: [u64; EnergyType::COUNT],
    /// Types wanted by a buyer none of whose accepted types is on offer.
    pub infinite: [bool; EnergyType::COUNT],
    /// Mean of the prices weighted by supply, micro-EUR/kWh; the upper bound
    /// when nothing is on offer, since the next kilowatt-hour is imported.
    pub scalar: PriceMicroEurPerKwh,
}

impl PriceOutcome {
    /// An outcome of a rule that knows one price for every type.
    pub(crate) fn uniform(price: PriceMicroEurPerKwh, pressure: u64, infinite: bool) -> Self {
        Self {
            price: [price; EnergyType::COUNT],
            pressure: [pressure; EnergyType::COUNT],
            infinite: [infinite; EnergyType::COUNT],
            scalar: price,
        }
    }
}

/// Supply-weighted mean of the typed prices, rounded half up.
pub(crate) fn scalar_price(
    price: &TypedPrice,
    supply_wh: &TypedWh,
    without_supply: PriceMicroEurPerKwh,
) -> PriceMicroEurPerKwh {
    let volume: i128 = supply_wh.iter().map(|wh| i128::from(*wh)).sum();
    if volume == 0 {
        return without_supply;
    }
    let value: i128 = price
        .iter()
        .zip(supply_wh)
        .map(|(price, wh)| i128::from(*price) * i128::from(*wh))
        .sum();
    let mean = (2 * value + volume).div_euclid(2 * volume);
    // A mean of prices lies between the prices, all of which are i64.
    PriceMicroEurPerKwh::try_from(mean).unwrap_or(without_supply)
}

/// A way to form the price of a slot.
pub trait PriceRule {
    /// Short name for tables and receipts.
    fn name(&self) -> &'static str;

    /// Price of the slot that starts `minute_of_day` minutes after midnight.
    ///
    /// # Errors
    /// Fails when the input is not a slot: negative or excessive energy,
    /// reversed or excessive bounds, a malformed table.
    fn price(&self, input: &PriceInput, minute_of_day: u16) -> Result<PriceOutcome, MarketError>;
}

/// Limit on how far a price moves from one slot to the next.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct StepLimit {
    /// Prices of the slot before, micro-EUR/kWh.
    pub previous: TypedPrice,
    /// Scalar price of the slot before, micro-EUR/kWh.
    pub previous_scalar: PriceMicroEurPerKwh,
    /// Largest change in either direction, micro-EUR/kWh.
    pub max_step: PriceMicroEurPerKwh,
}

/// Forms the price of a slot by `rule` and limits its step, if asked to.
///
/// The limit acts first and the bounds last: when the bounds themselves jump
/// (islanding), a price never lies outside them.
///
/// # Errors
/// As [`PriceRule::price`], and for a negative step limit.
pub fn form_price(
    rule: &dyn PriceRule,
    input: &PriceInput,
    minute_of_day: u16,
    limit: Option<&StepLimit>,
) -> Result<PriceOutcome, MarketError> {
    let mut outcome = rule.price(input, minute_of_day)?;
    let Some(limit) = limit else {
        return Ok(outcome);
    };
    if limit.max_step < 0 {
        return Err(MarketError::NegativeStep {
            step: limit.max_step,
        });
    }
    let within = |price: PriceMicroEurPerKwh, before: PriceMicroEurPerKwh| {
        price
            .max(before.saturating_sub(limit.max_step))
            .min(before.saturating_add(limit.max_step))
            .clamp(input.lower, input.upper)
    };
    for (price, before) in outcome.price.iter_mut().zip(limit.previous) {
        *price = within(*price, before);
    }
    outcome.scalar = within(outcome.scalar, limit.previous_scalar);
    Ok(outcome)
}
