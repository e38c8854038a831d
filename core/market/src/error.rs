//! Why a market slot cannot be computed.

use gridloom_units::{AccountId, EnergyWh, PriceMicroEurPerKwh};

/// A slot that cannot be priced, allocated or settled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarketError {
    /// An energy that has to be zero or more is negative.
    #[error("{what} is {energy_wh} Wh: it cannot be negative")]
    NegativeEnergy {
        /// Which quantity.
        what: &'static str,
        /// Its value, Wh.
        energy_wh: EnergyWh,
    },
    /// A sum of energies is beyond [`crate::ENERGY_LIMIT_WH`].
    #[error("{what} adds to more than {} Wh", crate::ENERGY_LIMIT_WH)]
    TooMuchEnergy {
        /// Which quantity.
        what: &'static str,
    },
    /// The upper price bound is below the lower one.
    #[error("price bounds are reversed: lower {lower}, upper {upper} micro-EUR/kWh")]
    BoundsReversed {
        /// Lower bound, micro-EUR/kWh.
        lower: PriceMicroEurPerKwh,
        /// Upper bound, micro-EUR/kWh.
        upper: PriceMicroEurPerKwh,
    },
    /// A price is outside the range the fixed-point arithmetic covers.
    #[error("price {price} micro-EUR/kWh is beyond +-{limit}")]
    PriceOutOfRange {
        /// The price.
        price: PriceMicroEurPerKwh,
        /// Largest magnitude.
        limit: PriceMicroEurPerKwh,
    },
    /// The step limit is negative.
    #[error("price step limit {step} micro-EUR/kWh is negative")]
    NegativeStep {
        /// The limit.
        step: PriceMicroEurPerKwh,
    },
    /// A time-of-use table is empty, unsorted, or does not start at midnight.
    #[error("time-of-use bands must start at minute 0, rise and stay below 1440: {reason}")]
    BadBands {
        /// What is wrong.
        reason: String,
    },
    /// An account has two buy orders or two meter values in one slot.
    #[error("account {account} appears twice in {what}")]
    DuplicateAccount {
        /// The account.
        account: AccountId,
        /// Where.
        what: &'static str,
    },
    /// The allocation names an account whose meter value is missing.
    #[error("no meter value for account {account}, which traded in this slot")]
    NotMetered {
        /// The account.
        account: AccountId,
    },
    /// The utility's account is also a participant.
    #[error("the utility's account {account} is listed as a participant")]
    UtilityTrades {
        /// The account.
        account: AccountId,
    },
    /// Wishes name more plants than one slot can tell apart.
    #[error(
        "wishes name {plants} plants with energy in the slot, at most {} are told apart",
        crate::NAMED_PLANTS_LIMIT
    )]
    TooManyPlants {
        /// How many.
        plants: usize,
    },
    /// A forward clearing looks at no slot or at too many.
    #[error(
        "a forward clearing looks ahead 1 to {} slots, not {slots}",
        crate::forward::MAX_HORIZON
    )]
    BadHorizon {
        /// Slots of the forecast.
        slots: usize,
    },
    /// The network is not a tree with sane lines.
    #[error("node {node} of the network: {reason}")]
    BadTree {
        /// Position of the node.
        node: usize,
        /// What has to hold.
        reason: &'static str,
    },
}
