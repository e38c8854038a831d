//! Orders that participants place for a coming slot.
//!
//! An order may be placed for the next slot or the one after, until that slot
//! begins. The price of a slot is formed in the slot, so no order can come
//! between a proposed price and its block. Of a participant's orders for a slot
//! the one with the highest number stands, whichever reached a block first.
//! What is settled is forgotten: the state holds a few orders per member.

use std::collections::BTreeMap;

use gridloom_market::{PriceRule, Terms};
use gridloom_units::{AccountId, SimTime};

use super::{Executor, Refusal};
use crate::genesis::MarketRules;
use crate::receipt::Receipt;
use crate::state::{PlacedOrder, StateKey, StateValue, View};

/// Orders one participant may place for one slot, changes and cancels included.
pub const MAX_ORDERS_PER_SLOT: u32 = 32;
/// Slots not settled yet for which a participant may have orders.
pub const MAX_OPEN_SLOTS: usize = 16;

/// The order that stands for a participant in a slot.
pub(super) fn terms_of<'v>(view: &'v View<'_>, account: AccountId, slot: u32) -> Option<&'v Terms> {
    let order = view.orders(account)?.iter().find(|o| o.slot == slot)?;
    (!order.terms.is_cancel()).then_some(&order.terms)
}

impl Executor<'_> {
    /// Takes an order for a coming slot in place of an earlier one.
    pub(super) fn order(
        &mut self,
        rules: &MarketRules,
        signer: AccountId,
        nonce: u64,
        slot: u32,
        terms: &Terms,
    ) -> Result<(), Refusal> {
        if self.view.participant(signer).is_none() {
            return Err(format!(
                "{signer} is no participant here: only members place orders"
            ));
        }
        self.check_open(rules, slot)?;
        let market = self.market();
        let version = market.version_for(slot)?;
        let template = self.view.template(version);
        let rule = &template
            .ok_or("the EM contract is not registered")?
            .price
            .rule;
        if !rule.takes_orders() {
            return Err(format!(
                "the contract forms prices by `{}`, which asks for no orders: pay as bid and pay as clear do",
                rule.name()
            ));
        }
        terms
            .check(rules.feed_in, rules.import)
            .map_err(|fault| fault.to_string())?;
        let mut orders = self.view.orders(signer).cloned().unwrap_or_default();
        orders.retain(|order| market.settled_through.is_none_or(|last| order.slot > last));
        let order = |placed| PlacedOrder {
            slot,
            terms: terms.clone(),
            nonce,
            placed,
            height: self.env.height,
        };
        match orders.binary_search_by_key(&slot, |order| order.slot) {
            Ok(at) => {
                let standing = &mut orders[at];
                if nonce < standing.nonce {
                    return Err(format!("a newer order for slot {slot} stands"));
                }
                if standing.placed >= MAX_ORDERS_PER_SLOT {
                    return Err(format!(
                        "{MAX_ORDERS_PER_SLOT} orders for slot {slot}: more are not taken"
                    ));
                }
                *standing = order(standing.placed + 1);
            }
            Err(_) if orders.len() >= MAX_OPEN_SLOTS => {
                return Err(format!(
                    "orders for {MAX_OPEN_SLOTS} slots wait for their settlement: more are not taken"
                ));
            }
            Err(at) => orders.insert(at, order(1)),
        }
        self.view
            .put(StateKey::Orders(signer), StateValue::Orders(orders));
        self.receipts.push(Receipt::OrderPlaced {
            account: signer,
            slot,
            nonce,
        });
        Ok(())
    }

    /// Refuses a slot that has begun or lies too far ahead.
    pub(super) fn check_open(&self, rules: &MarketRules, slot: u32) -> Result<(), Refusal> {
        let now = rules.slot_at(self.env.time_ms);
        let ahead = u64::from(slot).checked_sub(u64::from(now));
        if matches!(ahead, Some(1 | 2)) {
            return Ok(());
        }
        Err(format!(
            "slot {slot} is not open for bids at {}, which is in slot {now}: the next two slots are",
            SimTime(self.env.time_ms)
        ))
    }

    /// Orders that count in a slot.
    pub(super) fn placed(
        &self,
        accounts: impl Iterator<Item = AccountId>,
        slot: u32,
    ) -> BTreeMap<AccountId, Terms> {
        accounts
            .filter_map(|account| Some((account, terms_of(&self.view, account, slot)?.clone())))
            .collect()
    }

    /// Forgets orders of settled slots.
    pub(super) fn forget_orders(
        &mut self,
        accounts: impl Iterator<Item = AccountId>,
        settled_through: u32,
    ) {
        for account in accounts {
            let Some(orders) = self.view.orders(account) else {
                continue;
            };
            if orders.iter().all(|order| order.slot > settled_through) {
                continue;
            }
            let mut orders = orders.clone();
            orders.retain(|order| order.slot > settled_through);
            self.view
                .put(StateKey::Orders(account), StateValue::Orders(orders));
        }
    }
}
