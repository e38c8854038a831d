//! Typed price, allocation and settlement in integers.
//!
//! One market slot of one cluster runs in three steps, each a pure function of
//! its arguments and independent of the order they are listed in:
//!
//! 1. [`form_price`]: supply per energy type, demand and preferences give a
//!    price per type between the grid's two prices ([`Rule`] picks how).
//! 2. [`allocate`]: who gets which kilowatt-hour, by simultaneous eating.
//! 3. [`settle`]: what everybody pays and receives, exact to the nano-euro and
//!    adding to zero.
//!
//! Replicas of a ledger run this code and have to agree to the bit, so there is
//! no floating point here: energy is in Wh, prices in micro-EUR/kWh, money in
//! nano-EUR, ratios in fixed point with 32 or 48 fraction bits.
#![deny(missing_docs)]

mod accounts;
mod allocation;
mod auction;
pub mod bench;
mod bill;
mod clearing;
mod error;
pub mod forward;
pub mod gates;
mod island;
mod order;
mod price;
mod rounding;
mod settlement;
pub mod street;
pub mod tiers;
mod tree;
pub mod voltage;
mod wallet;
pub mod wholesale;

pub use allocation::{
    Allocation, BuyOrder, NAMED_PLANTS_LIMIT, PlantWish, SellOrder, Transfer, allocate,
    allocate_by_wish,
};
pub use auction::{AuctionOutcome, Clearing, Order, clear_auction};
pub use bill::{Bill, BillLine, co2_g_per_kwh};
pub use clearing::{Cleared, SlotOrders, clear_slot};
pub use error::MarketError;
pub use island::{GridPart, IslandInput, settle_island};
pub use order::{Household, MAX_STEPS, OrderFault, Step, Terms, split_demand, split_supply};
pub use price::{
    Ask, BillSharing, Buyer, CriticalPeak, Exponent, FlatPrice, LinearIndex, MidMarket, Nodal,
    PayAsBid, PayAsClear, PriceInput, PriceOutcome, PriceRule, Rule, StepLimit, SupplyDemandRatio,
    TimeOfUse, TouBand, TypedPressure, Weights, form_price, typed_price,
};
pub use settlement::{MeteredNet, MoneyLine, Reason, Settlement, SettlementInput, settle};
pub use tree::{NodeOutcome, TreeInput, TreeNode, TreeOutcome, clear_tree};
pub use wallet::{Credit, CreditShort, Wallet, book_settlement};

use gridloom_units::{EnergyType, EnergyWh};

/// Largest sum of energy one slot may hold, Wh; keeps every product in range.
pub const ENERGY_LIMIT_WH: EnergyWh = 1 << 48;

/// Prices per energy type in canonical order, micro-EUR/kWh.
pub type TypedPrice = [gridloom_units::PriceMicroEurPerKwh; EnergyType::COUNT];

/// Adds energies, refusing negative ones and sums above [`ENERGY_LIMIT_WH`].
fn checked_total(
    what: &'static str,
    energies: impl IntoIterator<Item = EnergyWh>,
) -> Result<EnergyWh, MarketError> {
    let mut total: EnergyWh = 0;
    for energy_wh in energies {
        if energy_wh < 0 {
            return Err(MarketError::NegativeEnergy { what, energy_wh });
        }
        total = total
            .checked_add(energy_wh)
            .filter(|sum| *sum <= ENERGY_LIMIT_WH)
            .ok_or(MarketError::TooMuchEnergy { what })?;
    }
    Ok(total)
}
