//! Orders of homes on their way to the ledger.
//!
//! Whoever bids for a home (a scene, a person, a program outside) hands an
//! order in as a command; it leaves for the ledger of the home's cluster in the
//! owner's name, and what the ledger says of it is kept here by the order's
//! number. Prices, limits and terms are judged by the ledger; only what could
//! never reach it is refused at once.

use std::collections::VecDeque;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::{Receipt, Transaction, TxBody};
use gridloom_market::Terms;
use serde::{Deserialize, Serialize};

use super::MarketClock;
use crate::clock::SimClock;
use crate::edge::Outbox;
use crate::ledger::{FreshBlocks, LedgerGroup, Ledgers, Membership};
use crate::meter::{DeviceEdge, MeterKeys};
use crate::record::EventLog;
use crate::sim_state::plain_sim_state;
use crate::site::Site;
use crate::spawn::Organisation;
use crate::view::EventKind;

/// Orders of a home that may be under way.
pub const MAX_UNDER_WAY: usize = 16;
/// Outcomes kept per home.
const KEPT: usize = 32;
/// Time after which a transaction without receipt is sent again, ms.
const AGAIN_MS: u64 = 20_000;
/// How long after the gate an order may still turn up in a block, ms.
const LATE_MS: u64 = 60_000;

/// The slot an order is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum OrderSlot {
    /// By its number.
    At(u32),
    /// So many slots after the running one.
    Ahead(u32),
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// It stands, in the block of this height.
    Placed {
        /// Height of the block.
        height: u64,
    },
    /// It does not, for this reason.
    Refused {
        /// Why.
        reason: String,
    },
}

/// An order that was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct OrderOutcome {
    /// Which order of the home, from 1.
    pub number: u64,
    /// The slot it was for.
    pub slot: u32,
    /// What became of it.
    pub state: OrderState,
}

/// An order under way.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct UnderWay {
    number: u64,
    slot: u32,
    terms: Terms,
    sent: Option<Sent>,
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Sent {
    ledger: u32,
    nonce: u64,
    id: [u8; 32],
    bytes: Vec<u8>,
    at_ms: u64,
}

/// The orders of a home.
#[derive(Component, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct OrderDesk {
    /// Orders handed in so far, those refused at once among them.
    pub count: u64,
    /// Orders the ledger took.
    pub placed: u64,
    /// Orders that came to nothing.
    pub refused: u64,
    under_way: Vec<UnderWay>,
    outcomes: VecDeque<OrderOutcome>,
}

plain_sim_state!(OrderDesk);

impl OrderDesk {
    /// Hands in an order; returns the slot it is for.
    ///
    /// # Errors
    /// When its slot has begun or lies too far ahead, its terms are none, or
    /// too many orders are under way. The refusal is kept as the outcome.
    pub fn hand_in(
        &mut self,
        now_ms: u64,
        market: &MarketClock,
        slot: OrderSlot,
        terms: &Terms,
    ) -> Result<u32, String> {
        self.count += 1;
        let running = u32::try_from(now_ms / market.slot_ms).unwrap_or(u32::MAX);
        let slot = match slot {
            OrderSlot::At(slot) => slot,
            OrderSlot::Ahead(ahead) => running.saturating_add(ahead),
        };
        let fault = if !(1..=2).contains(&(i64::from(slot) - i64::from(running))) {
            Some(format!(
                "slot {slot} is not open for bids: slots {} and {} are",
                running.saturating_add(1),
                running.saturating_add(2)
            ))
        } else if self.under_way.len() >= MAX_UNDER_WAY {
            Some(format!("{MAX_UNDER_WAY} orders are under way already"))
        } else {
            let (feed_in, import) = market.tariff;
            terms.check(feed_in, import).err().map(|e| e.to_string())
        };
        if let Some(reason) = fault {
            self.decide(
                self.count,
                slot,
                OrderState::Refused {
                    reason: reason.clone(),
                },
            );
            return Err(reason);
        }
        self.under_way.push(UnderWay {
            number: self.count,
            slot,
            terms: terms.clone(),
            sent: None,
        });
        Ok(slot)
    }

    /// What became of an order; `None` while it is under way, or long ago.
    #[must_use]
    pub fn outcome(&self, number: u64) -> Option<&OrderOutcome> {
        self.outcomes.iter().find(|o| o.number == number)
    }

    /// Orders under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn decide(&mut self, number: u64, slot: u32, state: OrderState) {
        match state {
            OrderState::Placed { .. } => self.placed += 1,
            OrderState::Refused { .. } => self.refused += 1,
        }
        if self.outcomes.len() >= KEPT {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(OrderOutcome {
            number,
            slot,
            state,
        });
    }

    /// Gives up what can be in no block any more.
    fn close_gates(&mut self, now_ms: u64, slot_ms: u64) {
        let late =
            |order: &UnderWay| now_ms >= u64::from(order.slot).saturating_mul(slot_ms) + LATE_MS;
        while let Some(at) = self.under_way.iter().position(late) {
            let order = self.under_way.remove(at);
            let reason = "no block had taken it when its slot began".into();
            self.decide(order.number, order.slot, OrderState::Refused { reason });
        }
    }

    fn settle_with(&mut self, mine: impl Fn(&Sent) -> bool, state: OrderState) -> Option<UnderWay> {
        let at = self
            .under_way
            .iter()
            .position(|order| order.sent.as_ref().is_some_and(&mine))?;
        let order = self.under_way.remove(at);
        self.decide(order.number, order.slot, state);
        Some(order)
    }
}

/// Orders leave for the ledger in the owner's name, and again while no block
/// has them.
pub(crate) fn forward_orders(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    ledgers: Res<Ledgers>,
    membership: Res<Membership>,
    mut outbox: ResMut<Outbox>,
    groups: Query<&LedgerGroup>,
    mut sites: Query<(&Site, &MeterKeys, &mut DeviceEdge, &mut OrderDesk)>,
) {
    let now_ms = clock.start_ms();
    let mut order: Vec<_> = sites
        .iter_mut()
        .filter(|(.., desk)| !desk.under_way.is_empty())
        .collect();
    order.sort_by_key(|(site, ..)| site.meter);
    for (site, keys, mut edge, mut desk) in order {
        desk.close_gates(now_ms, market.slot_ms);
        let ledger = membership.of(site.meter);
        let account = keys.account.account();
        let known = groups
            .iter()
            .find(|group| group.index == ledger)
            .and_then(LedgerGroup::chain)
            .is_some_and(|chain| chain.participant(account).is_some());
        if !known {
            continue;
        }
        for waiting in &mut desk.under_way {
            let sent = waiting.sent.as_mut().filter(|sent| sent.ledger == ledger);
            if let Some(sent) = sent {
                if now_ms >= sent.at_ms + AGAIN_MS {
                    sent.at_ms = now_ms;
                    outbox.push(ledger, sent.bytes.clone());
                }
                continue;
            }
            let nonce = edge.next_nonce();
            let body = TxBody::Order {
                slot: waiting.slot,
                terms: waiting.terms.clone(),
            };
            let tx = Transaction::sign(ledgers.chain_id(ledger), &keys.account, nonce, body);
            let bytes = tx.encode();
            outbox.push(ledger, bytes.clone());
            waiting.sent = Some(Sent {
                ledger,
                nonce,
                id: tx.id(),
                bytes,
                at_ms: now_ms,
            });
        }
    }
}

/// Notes what the ledgers said of orders in the blocks of the tick.
pub(super) fn follow_orders(
    clock: Res<SimClock>,
    organisation: Res<Organisation>,
    fresh: Res<FreshBlocks>,
    mut events: ResMut<EventLog>,
    mut sites: Query<(&Site, &mut OrderDesk)>,
) {
    let mut order: Vec<_> = sites
        .iter_mut()
        .filter(|(_, desk)| !desk.under_way.is_empty())
        .collect();
    if order.is_empty() {
        return;
    }
    order.sort_by_key(|(site, _)| site.meter);
    for block in &fresh.0 {
        for receipt in block.receipts.iter() {
            match receipt {
                Receipt::OrderPlaced { account, nonce, .. } => {
                    let Some((meter, _)) = organisation.meter_of(account) else {
                        continue;
                    };
                    let height = block.decided.block.header().height;
                    let desk = order.iter_mut().find(|(site, _)| site.meter == meter);
                    let placed = desk.and_then(|(_, desk)| {
                        let mine = |s: &Sent| s.ledger == block.ledger && s.nonce == *nonce;
                        desk.settle_with(mine, OrderState::Placed { height })
                    });
                    if let Some(placed) = placed {
                        let name = &organisation.participants[meter as usize].name;
                        let text =
                            format!("{name} in slot {}: {}", placed.slot, placed.terms.words());
                        events.push(&clock, EventKind::Ledger, None, text);
                    }
                }
                Receipt::Refused {
                    transaction,
                    reason,
                } => {
                    for (_, desk) in &mut order {
                        let state = OrderState::Refused {
                            reason: reason.clone(),
                        };
                        desk.settle_with(|sent| sent.id == *transaction, state);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridloom_market::Step;

    const MARKET: MarketClock = MarketClock {
        slot_ms: 300_000,
        reading_ms: 60_000,
        tariff: (80_000, 300_000),
    };

    fn buys(limit: i64) -> Terms {
        Terms {
            buy: Some(vec![Step {
                limit,
                wh: None,
                kind: None,
            }]),
            sell: None,
        }
    }

    #[test]
    fn what_can_never_stand_is_refused_at_once_and_kept() {
        let mut desk = OrderDesk::default();
        let mut hand = |slot, limit| desk.hand_in(310_000, &MARKET, slot, &buys(limit));
        assert_eq!(hand(OrderSlot::Ahead(1), 200_000), Ok(2));
        assert_eq!(hand(OrderSlot::At(3), 200_000), Ok(3));
        assert!(hand(OrderSlot::At(1), 200_000).is_err_and(|e| e.contains("2 and 3 are")));
        assert!(hand(OrderSlot::Ahead(3), 200_000).is_err());
        assert!(hand(OrderSlot::Ahead(u32::MAX), 200_000).is_err());
        assert!(hand(OrderSlot::Ahead(1), 310_000).is_err_and(|e| e.contains("not between")));
        assert_eq!((desk.count, desk.refused, desk.under_way()), (6, 4, 2));
        assert_eq!(desk.outcome(1), None);
        let third = desk.outcome(3).map(|outcome| outcome.slot);
        assert_eq!(third, Some(1));
    }

    #[test]
    fn orders_under_way_are_limited_and_given_up_when_their_slot_runs() {
        let mut desk = OrderDesk::default();
        for _ in 0..MAX_UNDER_WAY {
            let taken = desk.hand_in(0, &MARKET, OrderSlot::Ahead(1), &buys(200_000));
            assert_eq!(taken, Ok(1));
        }
        let full = desk.hand_in(0, &MARKET, OrderSlot::Ahead(1), &buys(200_000));
        assert!(full.is_err_and(|e| e.contains("under way already")));
        desk.close_gates(300_000 + LATE_MS - 1, MARKET.slot_ms);
        assert_eq!(desk.under_way(), MAX_UNDER_WAY);
        desk.close_gates(300_000 + LATE_MS, MARKET.slot_ms);
        assert_eq!(desk.under_way(), 0);
        assert_eq!(desk.refused, MAX_UNDER_WAY as u64 + 1);
    }
}
