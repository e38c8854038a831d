//! Orders of programs: handed to the run, numbered, and followed to their end.

use std::collections::BTreeMap;

use gridloom_core::market::agents::{order_outcome, orders_so_far, running_slot};
use gridloom_core::market::{OrderSlot, OrderState};
use gridloom_core::{Command, Twin};
use gridloom_market::Terms;
use gridloom_units::DeviceId;

use super::AgentHub;
use super::wire::{Answer, ORDERS_PER_SLOT};

/// An order on its way: the connection, its reference, home and slot.
pub(super) struct OnItsWay {
    agent: u64,
    reference: u64,
    device: DeviceId,
    slot: u32,
    /// Which order of the home it is, once the run has taken it.
    number: Option<u64>,
}

impl AgentHub {
    pub(super) fn place(
        &mut self,
        twin: &mut Twin,
        number: u64,
        reference: u64,
        slot: u32,
        terms: Terms,
    ) {
        let home = self.agents.get(&number).and_then(|a| a.home.as_ref());
        let Some((_, device)) = home else {
            let reason = "this connection acts for no home: name one in hello".into();
            self.refuse(number, reference, slot, reason);
            return;
        };
        let device = *device;
        let running = running_slot(twin);
        if !(1..=2).contains(&(i64::from(slot) - i64::from(running))) {
            let reason = format!(
                "slot {slot} is not open for bids: slots {} and {} are",
                running.saturating_add(1),
                running.saturating_add(2)
            );
            self.refuse(number, reference, slot, reason);
            return;
        }
        // Only open slots get here, so this stays as small as the homes are many.
        let placed = self.placed.entry((device, slot)).or_default();
        if *placed >= ORDERS_PER_SLOT {
            let reason = format!("{ORDERS_PER_SLOT} orders of a home for one slot: no more");
            self.refuse(number, reference, slot, reason);
            return;
        }
        *placed += 1;
        let tick = twin.tick().0;
        twin.send(Command::PlaceOrder {
            device,
            slot: OrderSlot::At(slot),
            terms: Box::new(terms),
        });
        self.counts.orders += 1;
        self.on_their_way.push(OnItsWay {
            agent: number,
            reference,
            device,
            slot,
            number: None,
        });
        self.tell(
            number,
            Answer::Taken {
                reference,
                slot,
                tick,
            },
        );
    }

    /// The orders handed in with the last tick are the last ones of their homes,
    /// in the order they were sent.
    pub(super) fn number_orders(&mut self, twin: &Twin) {
        let mut last: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for order in self.on_their_way.iter_mut().rev() {
            if order.number.is_some() {
                break;
            }
            let next = last
                .entry(order.device)
                .or_insert_with(|| orders_so_far(twin, order.device));
            order.number = Some(*next);
            *next = next.saturating_sub(1);
        }
    }

    pub(super) fn tell_outcomes(&mut self, twin: &Twin) {
        let waiting = std::mem::take(&mut self.on_their_way);
        for order in waiting {
            let found = order
                .number
                .and_then(|number| order_outcome(twin, order.device, number));
            let (reference, slot) = (order.reference, order.slot);
            match found.map(|outcome| outcome.state) {
                None => self.on_their_way.push(order),
                Some(OrderState::Placed { height }) => {
                    self.counts.placed += 1;
                    let time_ms = twin.time().0;
                    let answer = Answer::Placed {
                        reference,
                        slot,
                        height,
                        time_ms,
                    };
                    self.tell(order.agent, answer);
                }
                Some(OrderState::Refused { reason }) => {
                    self.refuse(order.agent, reference, slot, reason);
                }
            }
        }
    }

    pub(super) fn refuse(&mut self, number: u64, reference: u64, slot: u32, reason: String) {
        self.counts.refused += 1;
        let answer = Answer::Refused {
            reference,
            slot,
            reason,
        };
        self.tell(number, answer);
    }
}
