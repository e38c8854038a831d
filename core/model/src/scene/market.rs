//! Bids of homes and the wholesale agent of a scene.

use gridloom_market::{Step, Terms};
use gridloom_units::PriceMicroEurPerKwh;
use serde::{Deserialize, Serialize};

/// What a home bids in a coming slot, in place of the limits of its contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BidSpec {
    /// The slot, the next one by default.
    #[serde(default)]
    pub slot: BidSlot,
    /// For how many slots the bid is placed again, one after the other.
    #[serde(default = "once")]
    pub slots: u32,
    /// Steps of what it buys; left out: the limit of the contract.
    #[serde(default)]
    pub buy: Option<Vec<Step>>,
    /// Steps of what it sells; left out: the limit of the contract.
    #[serde(default)]
    pub sell: Option<Vec<Step>>,
}

impl BidSpec {
    /// As the ledger takes it.
    #[must_use]
    pub fn terms(&self) -> Terms {
        Terms {
            buy: self.buy.clone(),
            sell: self.sell.clone(),
        }
    }
}

fn once() -> u32 {
    1
}

/// The slot of a bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BidSlot {
    /// So many slots after the running one: 1 or 2.
    Ahead(u32),
    /// By its number since the start of the run.
    At(u32),
}

impl Default for BidSlot {
    fn default() -> Self {
        Self::Ahead(1)
    }
}

/// An agent per cluster that deals at the wholesale market for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholesaleSpec {
    /// Clusters with an agent; empty for all.
    #[serde(default)]
    pub clusters: Vec<String>,
    /// Price around which the market quotes.
    pub anchor: AnchorSpec,
    /// Distance of the first block from the anchor, micro-EUR/kWh.
    #[serde(default = "spread")]
    pub spread: PriceMicroEurPerKwh,
    /// Power of a block, kW.
    #[serde(default = "block_kw")]
    pub block_kw: f64,
    /// How much dearer (or, buying, cheaper) each further block is, micro-EUR/kWh.
    #[serde(default = "impact")]
    pub impact: PriceMicroEurPerKwh,
    /// What the agent adds for the members' buying and takes off their selling,
    /// micro-EUR/kWh.
    #[serde(default = "margin")]
    pub margin: PriceMicroEurPerKwh,
    /// Largest position, kW.
    #[serde(default = "max_kw")]
    pub max_kw: f64,
    /// Money each agent brings to its cluster's ledger, EUR.
    #[serde(default = "deposit")]
    pub deposit_eur: u32,
}

/// Price around which the market quotes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnchorSpec {
    /// Always the same, micro-EUR/kWh.
    Fixed(PriceMicroEurPerKwh),
    /// One for each hour of the day, micro-EUR/kWh.
    Hourly(Vec<PriceMicroEurPerKwh>),
}

fn spread() -> PriceMicroEurPerKwh {
    5_000
}

fn block_kw() -> f64 {
    10.0
}

fn impact() -> PriceMicroEurPerKwh {
    2_000
}

fn margin() -> PriceMicroEurPerKwh {
    30_000
}

fn max_kw() -> f64 {
    1_000.0
}

fn deposit() -> u32 {
    1_000
}
