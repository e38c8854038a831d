//! The electricity-management (EM) contract: terms, rules, receipts.
//!
//! The operator registers a template ([`EmTemplate`]: how the price is formed,
//! how strongly devices answer it, what is allowed at all); each customer has
//! an instance of it with their own [`Preferences`]. When a price is decided,
//! [`run`] turns price, preferences and what the meter said into
//! [`ControlOrder`]s for the I-meter, with one readable [`TraceLine`] per
//! decision (paper steps a, b and e).
//!
//! Every validator runs the same function on the same ledger facts, so it is
//! pure and in integers, and its effort is metered.
//!
//! How devices are steered is the template's choice ([`Control`]). By default
//! they are cleared together over the coming day ([`clear_cluster`]) and the
//! contract carries out what was committed. Under [`Control::Price`] each
//! device answers the price on its own, damped by the template: in proportion,
//! at thresholds that differ from device to device, in turns; without damping
//! that is the loop of the paper taken literally, and a street herds.
#![deny(missing_docs)]

mod clock;
mod flexible;
mod run;
mod terms;
mod trace;
mod validate;

pub use clock::ClockTime;
pub use flexible::{ClusterPlan, Committed, Member, Moment, clear_cluster};
pub use run::{
    BatteryFacts, ControlOrder, EvFacts, HeaterFacts, MeterFacts, RunInput, RunOutcome, run,
};
pub use terms::{
    AllowedDevices, Basis, BatteryTerms, Control, EmInstance, EmTemplate, EvTerms, HeaterTerms,
    PlantFactor, Preferences, PriceTerms, TradeLimits, TypeWeights,
};
pub use trace::{FiredRule, Subject, TraceLine};
pub use validate::Problem;

/// Largest power a device fact or limit may state, W.
pub const POWER_LIMIT_W: i64 = 100_000_000;
/// Largest magnitude of a price, micro-EUR/kWh.
pub const PRICE_LIMIT: i64 = 1 << 35;
