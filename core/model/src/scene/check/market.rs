//! Bids of homes and the terms of the wholesale agent.

use gridloom_units::SimTime;

use super::value::Range;
use super::{Check, ROOT_LEDGER};
use crate::scene::market::{AnchorSpec, BidSlot, BidSpec};
use crate::scene::spans::At;

/// Largest anchor, margin and step between blocks, micro-EUR/kWh: 1000 EUR/kWh.
const MAX_PRICE: i64 = 1_000_000_000;
/// Largest position and block, kW; keeps a slot's energy in range.
const MAX_WHOLESALE_KW: f64 = 10_000.0;
/// Most slots for which one event bids.
const MAX_SLOTS: u32 = 10_000;

impl<'a> Check<'a, '_, '_> {
    pub(super) fn wholesale(&mut self) {
        let scene = self.scene;
        let Some(spec) = &scene.market.wholesale else {
            return;
        };
        let at = self.root.field("market").field("wholesale");
        for (i, cluster) in spec.clusters.iter().enumerate() {
            let place = at.field("clusters").item(i);
            if cluster == ROOT_LEDGER {
                self.report.say(
                    place,
                    "the root trades no energy",
                    "name clusters, or none for all of them",
                );
            } else {
                self.ledger_named(place, cluster);
            }
        }
        let prices = match &spec.anchor {
            AnchorSpec::Fixed(price) => std::slice::from_ref(price),
            AnchorSpec::Hourly(prices) => prices.as_slice(),
        };
        if matches!(spec.anchor, AnchorSpec::Hourly(_)) && prices.len() != 24 {
            self.report.say(
                at.field("anchor"),
                format!("{} hourly prices", prices.len()),
                "write 24, from midnight on, or Fixed(price)",
            );
        }
        if let Some(price) = prices
            .iter()
            .find(|price| !(-MAX_PRICE..=MAX_PRICE).contains(*price))
        {
            self.report.say(
                at.field("anchor"),
                format!("an anchor of {price}"),
                format!("write micro-EUR/kWh from -{MAX_PRICE} to {MAX_PRICE}; 1 ct is 10000"),
            );
        }
        for (field, price) in [
            ("spread", spec.spread),
            ("impact", spec.impact),
            ("margin", spec.margin),
        ] {
            if !(0..=MAX_PRICE).contains(&price) {
                self.report.say(
                    at.field(field),
                    format!("{field} is {price}"),
                    format!("write micro-EUR/kWh from 0 to {MAX_PRICE}; 1 ct is 10000"),
                );
            }
        }
        let power = Range::Positive(MAX_WHOLESALE_KW);
        self.number(at, "block_kw", spec.block_kw, power);
        self.number(at, "max_kw", spec.max_kw, power);
    }

    /// A bid of a home: who bids, for which slot, at which prices.
    pub(super) fn bid(&mut self, at: At<'a>, home: &str, bid: &BidSpec) {
        let (scene, names) = (self.scene, self.names);
        self.refers(at.item(0), "meter of", home, &names.meters);
        let terms = at.item(1);
        self.whole(
            terms,
            "slots",
            u64::from(bid.slots),
            1,
            u64::from(MAX_SLOTS),
        );
        match bid.slot {
            BidSlot::Ahead(1 | 2) => {}
            BidSlot::Ahead(ahead) => self.report.say(
                terms.field("slot"),
                format!("a bid {ahead} slots ahead"),
                "write Ahead(1) or Ahead(2): the next two slots are open",
            ),
            BidSlot::At(_) if bid.slots > 1 => self.report.say(
                terms.field("slots"),
                format!("a bid for slot {:?} placed {} times", bid.slot, bid.slots),
                "write slot: Ahead(1) to bid slot after slot",
            ),
            BidSlot::At(_) => {}
        }
        let market = &scene.market;
        if let Err(fault) = bid.terms().check(market.feed_in, market.import) {
            self.report.say(
                terms,
                fault.to_string(),
                format!(
                    "limits are micro-EUR/kWh from {} to {}, energies whole Wh",
                    market.feed_in, market.import
                ),
            );
        }
        let own = scene.clusters.iter().filter_map(|c| c.contract.as_ref());
        if !own
            .chain([&scene.contract])
            .any(|contract| contract.price.rule.takes_orders())
        {
            self.report.say(
                at,
                "no contract of this scene asks for bids",
                "choose the price rule PayAsBid or PayAsClear",
            );
        }
    }

    /// Nobody knows when a condition holds: its bid is for a slot from then on, once.
    pub(super) fn bid_on_condition(&mut self, at: At<'_>, bid: &BidSpec) {
        if bid.slots > 1 || matches!(bid.slot, BidSlot::At(_)) {
            self.report.say(
                at.item(1),
                "a bid that waits for a condition names a slot or several of them",
                "write slot: Ahead(1) and leave out slots",
            );
        }
    }

    /// A bid for a slot by its number has to be placed shortly before it.
    pub(super) fn bid_in_time(&mut self, at: At<'_>, bid: &BidSpec, time: SimTime) {
        let BidSlot::At(slot) = bid.slot else {
            return;
        };
        let slot_ms = u64::from(self.scene.market.slot_min.max(1)) * 60_000;
        let running = time.0 / slot_ms;
        if !(running + 1..=running + 2).contains(&u64::from(slot)) {
            self.report.say(
                at.item(1).field("slot"),
                format!("slot {slot} is not open at this time, in slot {running}"),
                format!("slots {} and {} are", running + 1, running + 2),
            );
        }
    }
}
