//! Wholesale agents: one per cluster that deals at the wholesale market.
//!
//! Once the last slot but one is settled, the agent forecasts from the ledger's
//! settlements what its community will take from the grid in the coming slot,
//! and signs a bid for it. It knows nothing that is not on the ledger.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::{LedgerChain, MarketRules, Receipt, TxBody};
use gridloom_market::wholesale::forecast;

use super::MarketClock;
use super::price::due;
use crate::clock::SimClock;
use crate::edge::Outbox;
use crate::ledger::{FreshBlocks, LedgerGroup, Ledgers, Officials};
use crate::record::EventLog;
use crate::sim_state::plain_sim_state;
use crate::spawn::Organisation;
use crate::view::EventKind;

/// When a bid leaves at the latest before its slot, if settlement is late, ms.
const LAST_CALL_MS: u64 = 60_000;

/// What the agents have done.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct WholesaleDesk {
    /// Per cluster: slot last bid for and when, ms.
    bid: Vec<Option<(u32, u64)>>,
    /// Per cluster: the books of the agent.
    pub books: Vec<WholesaleBooks>,
}

/// What an agent's positions came to.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize,
)]
pub struct WholesaleBooks {
    /// Slots settled with a position.
    pub slots: u64,
    /// Bought at the market, Wh.
    pub bought_wh: i64,
    /// Sold at the market, Wh.
    pub sold_wh: i64,
    /// Sum of the differences between position and meters, each without sign, Wh.
    pub imbalance_wh: i64,
    /// Margin earned less imbalance paid, nano-EUR.
    pub earned_nano_eur: i128,
}

plain_sim_state!(WholesaleDesk);

impl WholesaleDesk {
    /// For a number of clusters.
    #[must_use]
    pub fn new(clusters: usize) -> Self {
        Self {
            bid: vec![None; clusters],
            books: vec![WholesaleBooks::default(); clusters],
        }
    }
}

/// Net energy from the grid in the settled slots, oldest first, without gaps.
fn history(chain: &LedgerChain, slots: usize) -> Vec<i64> {
    let mut nets: Vec<i64> = chain
        .settlements()
        .take(slots)
        .map(|(_, settled)| settled.bought_wh - settled.sold_wh)
        .collect();
    nets.reverse();
    nets
}

/// The bid of an agent for a coming slot, from what is on its ledger.
fn bid_for(chain: &LedgerChain, rules: &MarketRules, slot: u32) -> Option<TxBody> {
    let agent = rules.wholesale.as_ref()?;
    let settled = chain.settled_through()?;
    let day = usize::try_from(86_400_000 / rules.slot_ms.max(1)).unwrap_or(1);
    let ahead = usize::try_from(slot.checked_sub(settled)?).ok()?;
    let net_wh = forecast(&history(chain, day + 2), ahead, day)?;
    let steps = agent
        .terms
        .bid(net_wh, rules.minute_of_day(slot), rules.tariff());
    (!steps.is_empty()).then_some(TxBody::WholesaleBid { slot, steps })
}

/// Every agent bids for the coming slot, once its record is settled.
pub(super) fn bid_wholesale(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    ledgers: Res<Ledgers>,
    mut desk: ResMut<WholesaleDesk>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    groups: Query<&LedgerGroup>,
) {
    let now_ms = clock.end_ms();
    let running = u32::try_from(now_ms / market.slot_ms).unwrap_or(u32::MAX);
    let slot = running.saturating_add(1);
    let left_ms = u64::from(slot) * market.slot_ms - now_ms;
    let last_call = left_ms <= LAST_CALL_MS.min(market.slot_ms / 4);
    for (index, chain) in ledgers.clusters(groups) {
        let Some(rules) = chain.market_rules().filter(|r| r.wholesale.is_some()) else {
            continue;
        };
        let cluster = index as usize;
        let known = chain.settled_through().is_some_and(|s| s + 1 >= running);
        if !(known || last_call)
            || chain.wholesale_bid(slot).is_some()
            || !due(desk.bid[cluster], slot, now_ms)
        {
            continue;
        }
        let Some(body) = bid_for(chain, &rules, slot) else {
            continue;
        };
        outbox.sign(&ledgers, index, officials.wholesale(index), body);
        desk.bid[cluster] = Some((slot, now_ms));
    }
}

/// Keeps the agents' books from the blocks of the tick.
pub(super) fn follow_wholesale(
    clock: Res<SimClock>,
    organisation: Res<Organisation>,
    fresh: Res<FreshBlocks>,
    mut desk: ResMut<WholesaleDesk>,
    mut events: ResMut<EventLog>,
) {
    for block in &fresh.0 {
        for receipt in block.receipts.iter() {
            let Receipt::WholesaleSettled {
                slot,
                position,
                delivered,
            } = receipt
            else {
                continue;
            };
            let books = &mut desk.books[block.ledger as usize];
            books.slots += 1;
            books.bought_wh += position.wh.max(0);
            books.sold_wh += (-position.wh).max(0);
            books.imbalance_wh += delivered.imbalance_wh.abs();
            books.earned_nano_eur += delivered.earned;
            events.push(
                &clock,
                EventKind::Price,
                None,
                format!(
                    "Cluster {}: wholesale {} {:.2} kWh at {:.2} ct/kWh for slot {slot}, {:+.2} kWh off",
                    organisation.cluster_names[block.ledger as usize],
                    if position.wh > 0 { "bought" } else { "sold" },
                    position.wh.abs() as f64 / 1_000.0,
                    position.price as f64 / 10_000.0,
                    delivered.imbalance_wh as f64 / 1_000.0
                ),
            );
        }
    }
}
