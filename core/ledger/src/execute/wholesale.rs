//! The community's dealings at the wholesale market.
//!
//! The agent's bid for a slot is on record before the slot begins. What it
//! cleared at is computed with the slot's price by every validator alike, from
//! that bid and the quotes around the anchor, and is part of the price's record:
//! price formation and settlement take the grid's two prices from there. With
//! the settlement the agent gets, or pays, what lies between the members' prices
//! and what the position and its imbalance cost.

use std::collections::BTreeMap;

use gridloom_market::wholesale::{BidStep, Delivered, GridPrices, Position, deliver};
use gridloom_market::{Reason, Settlement};
use gridloom_units::{AccountId, EnergyWh, MoneyNanoEur};

use super::{Executor, Refusal};
use crate::genesis::{ClusterRoles, MarketRules};
use crate::receipt::Receipt;
use crate::state::{PlacedBid, SlotPrice, StateKey, StateValue, View};

/// Bids the agent may send for one slot.
const MAX_BIDS_PER_SLOT: u32 = 32;

/// What the agent's bid for a slot cleared at, and at which prices the members
/// deal with the grid then.
pub(super) fn grid_prices(
    view: &View<'_>,
    rules: &MarketRules,
    slot: u32,
) -> Result<(GridPrices, Option<Position>), Refusal> {
    let tariff = rules.tariff();
    let Some(agent) = &rules.wholesale else {
        return Ok((tariff, None));
    };
    let bid = view
        .bids()
        .and_then(|bids| bids.iter().find(|bid| bid.slot == slot));
    let position = match bid {
        Some(bid) => agent
            .terms
            .clear(&bid.steps, rules.minute_of_day(slot))
            .map_err(|error| error.to_string())?,
        None => None,
    };
    Ok((agent.terms.prices(position, tariff), position))
}

/// Money that goes from the utility to the agent with a slot's settlement.
pub(super) struct Margin {
    pub(super) agent: AccountId,
    pub(super) utility: AccountId,
    pub(super) position: Position,
    pub(super) delivered: Delivered,
}

impl Margin {
    /// What a settled slot leaves between members, agent and utility; the
    /// members dealt with the grid at the prices `grid`.
    pub(super) fn of(
        roles: &ClusterRoles,
        price: Option<&SlotPrice>,
        grid: GridPrices,
        settlement: &Settlement,
    ) -> Option<Self> {
        let agent = roles.market.wholesale.as_ref()?.account;
        let position = price?.position?;
        let sum = |reason: Reason| -> EnergyWh {
            let lines = settlement.lines.iter().filter(|l| l.reason == reason);
            lines.map(|line| line.energy_wh).sum()
        };
        let (taken_wh, given_wh) = (sum(Reason::GridImport), sum(Reason::GridExport));
        let tariff = roles.market.tariff();
        Some(Self {
            agent,
            utility: roles.utility,
            position,
            delivered: deliver(position, grid, tariff, taken_wh, given_wh),
        })
    }

    /// Adds it to the changes of the slot.
    pub(super) fn add_to(&self, changes: &mut BTreeMap<AccountId, MoneyNanoEur>) {
        *changes.entry(self.agent).or_default() += self.delivered.earned;
        *changes.entry(self.utility).or_default() -= self.delivered.earned;
    }

    pub(super) fn receipt(&self, slot: u32) -> Receipt {
        Receipt::WholesaleSettled {
            slot,
            position: self.position,
            delivered: self.delivered,
        }
    }
}

impl Executor<'_> {
    /// Takes the agent's bid for a coming slot in place of an earlier one.
    pub(super) fn wholesale_bid(
        &mut self,
        rules: &MarketRules,
        signer: AccountId,
        nonce: u64,
        slot: u32,
        steps: &[BidStep],
    ) -> Result<(), Refusal> {
        let agent = rules
            .wholesale
            .as_ref()
            .ok_or("nobody deals at the wholesale market for this cluster")?;
        if signer != agent.account {
            return Err(format!(
                "only the wholesale agent may send this, not {signer}"
            ));
        }
        self.check_open(rules, slot)?;
        agent
            .terms
            .check(steps, rules.tariff())
            .map_err(|fault| fault.to_string())?;
        let now = rules.slot_at(self.env.time_ms);
        let mut bids = self.view.bids().cloned().unwrap_or_default();
        // The running slot may not be priced yet.
        bids.retain(|bid| bid.slot >= now);
        let bid = |placed| PlacedBid {
            slot,
            steps: steps.to_vec(),
            nonce,
            placed,
        };
        match bids.binary_search_by_key(&slot, |bid| bid.slot) {
            Ok(at) => {
                let standing = &mut bids[at];
                if nonce < standing.nonce {
                    return Err(format!("a newer bid for slot {slot} stands"));
                }
                if standing.placed >= MAX_BIDS_PER_SLOT {
                    return Err(format!(
                        "{MAX_BIDS_PER_SLOT} bids for slot {slot}: more are not taken"
                    ));
                }
                *standing = bid(standing.placed + 1);
            }
            Err(at) => bids.insert(at, bid(1)),
        }
        self.view.put(StateKey::Bids, StateValue::Bids(bids));
        self.receipts.push(Receipt::WholesaleBid {
            slot,
            wh: steps.iter().map(|step| step.wh).sum(),
        });
        Ok(())
    }
}
