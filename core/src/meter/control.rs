//! Orders of a contract run become setpoints.

use bevy::prelude::*;
use gridloom_contract::ControlOrder;

use crate::edge::Mailbox;
use crate::link::{Body, DataPlane, LinkTable, RecentHops};
use crate::market::MarketClock;
use crate::site::{BatteryUnit, EvUnit, HeatPumpUnit, HeaterUnit, Setpoints, Site};
use crate::view::Place;

type Controlled<'w> = (
    &'w Site,
    &'w mut Setpoints,
    Has<BatteryUnit>,
    Has<HeaterUnit>,
    Has<HeatPumpUnit>,
    Has<EvUnit>,
);

/// Takes the orders that arrived in this tick; the equipment follows in the next.
pub(super) fn take_orders(
    market: Res<MarketClock>,
    links: Res<LinkTable>,
    mut mailbox: ResMut<Mailbox>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut sites: Query<Controlled<'_>>,
) {
    let arrived = std::mem::take(&mut mailbox.orders);
    if arrived.is_empty() {
        return;
    }
    for delivery in arrived {
        let Body::Orders {
            meter,
            slot,
            final_ms,
            orders,
        } = delivery.body
        else {
            continue;
        };
        let Some((site, mut setpoints, battery, heater, heat_pump, ev)) =
            sites.iter_mut().find(|(site, ..)| site.meter == meter)
        else {
            continue;
        };
        // A device whose turn it is not keeps its last order, if that still holds.
        let standing = if setpoints.hold(delivery.arrives_ms) {
            *setpoints
        } else {
            Setpoints {
                ev_limit_w: i64::MAX,
                ..Setpoints::default()
            }
        };
        let mut taken = Setpoints {
            slot,
            // Orders of a slot hold until the next price would be overdue by a slot.
            valid_until_ms: (u64::from(slot) + 2) * market.slot_ms,
            ..standing
        };
        let (mut accepted, mut refused) = (0, 0);
        for order in &orders {
            let known = match order {
                ControlOrder::Battery { setpoint_w, .. } if battery => {
                    taken.battery_w = *setpoint_w;
                    true
                }
                ControlOrder::Heater { on, .. } if heater || heat_pump => {
                    taken.heater_on = *on;
                    true
                }
                ControlOrder::Ev { limit_w, .. } if ev => {
                    taken.ev_limit_w = *limit_w;
                    true
                }
                ControlOrder::Keep { .. } => true,
                _ => false,
            };
            if known {
                accepted += 1;
            } else {
                refused += 1;
            }
        }
        *setpoints = taken;
        let ack = Body::Ack {
            meter,
            final_ms,
            accepted,
            refused,
        };
        let to = Place::Aggregator(site.cluster);
        plane.send(
            &links,
            &mut recent,
            delivery.arrives_ms,
            site.place,
            to,
            ack,
        );
    }
}
