//! Messages that arrive within the tick, in order of arrival.

use bevy::prelude::*;
use gridloom_ledger::{Transaction, TxBody};

use super::stats::{Step, Steps};
use super::store::{Aggregator, Cloud, Mailbox, Outbox};
use crate::clock::SimClock;
use crate::ledger::{Ledgers, Officials};
use crate::link::{Body, DataPlane, Delivery, LinkTable, RecentHops};
use crate::meter::Meter;
use crate::site::Site;
use crate::spawn::Organisation;
use crate::view::Place;

/// Everything message handling may touch.
pub(super) struct Handling<'a> {
    organisation: &'a Organisation,
    ledgers: &'a Ledgers,
    links: &'a LinkTable,
    plane: &'a mut DataPlane,
    recent: &'a mut RecentHops,
    steps: &'a mut Steps,
    mailbox: &'a mut Mailbox,
    outbox: &'a mut Outbox,
    cloud: &'a mut Cloud,
    officials: &'a mut Officials,
}

/// Delivers what is due before the end of the tick; what is forwarded may
/// arrive in the same tick and is delivered in its turn.
pub(super) fn deliver_messages(
    clock: Res<SimClock>,
    organisation: Res<Organisation>,
    ledgers: Res<Ledgers>,
    links: Res<LinkTable>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut steps: ResMut<Steps>,
    mut mailbox: ResMut<Mailbox>,
    mut outbox: ResMut<Outbox>,
    mut cloud: ResMut<Cloud>,
    mut officials: ResMut<Officials>,
    mut aggregators: Query<&mut Aggregator>,
    mut meters: Query<(&Site, &mut Meter)>,
) {
    let mut handling = Handling {
        organisation: &organisation,
        ledgers: &ledgers,
        links: &links,
        plane: &mut plane,
        recent: &mut recent,
        steps: &mut steps,
        mailbox: &mut mailbox,
        outbox: &mut outbox,
        cloud: &mut cloud,
        officials: &mut officials,
    };
    while let Some(delivery) = handling.plane.receive(clock.end_ms()) {
        match delivery.to {
            Place::Mlmd(mlmd) => handling.forward(delivery, mlmd),
            Place::Aggregator(cluster) => {
                let Some(mut store) = aggregators.iter_mut().find(|a| a.cluster == cluster) else {
                    continue;
                };
                if let Some((meter, interval)) = handling.collect(delivery, cluster, &mut store)
                    && let Some((_, mut meter)) =
                        meters.iter_mut().find(|(site, _)| site.meter == meter)
                {
                    meter.last_received_ms = meter.last_received_ms.max(Some(interval));
                }
            }
            Place::Cloud => handling.learn(&delivery),
            Place::Home(_) | Place::SharedBattery(_) => handling.mailbox.orders.push(delivery),
            Place::Ledger(_) => {}
        }
    }
}

impl Handling<'_> {
    /// An M-LMD passes a reading on to its LG-Aggregator.
    fn forward(&mut self, delivery: Delivery, mlmd: u32) {
        let cluster = self.organisation.cluster_of_mlmd(mlmd);
        let reading = matches!(delivery.body, Body::Reading { .. });
        let sent = self.plane.send_from(
            self.links,
            self.recent,
            delivery.arrives_ms,
            delivery.sent_ms,
            (Place::Mlmd(mlmd), Place::Aggregator(cluster)),
            delivery.body,
        );
        if reading && !sent {
            self.steps.fail(Step::MeterToAggregator);
        }
    }

    /// An LG-Aggregator takes a message; returns (meter, interval end) of a reading.
    fn collect(
        &mut self,
        delivery: Delivery,
        cluster: u32,
        store: &mut Aggregator,
    ) -> Option<(u32, u64)> {
        let now_ms = delivery.arrives_ms;
        match delivery.body {
            Body::Reading {
                meter,
                interval_end_ms,
                transaction,
            } => {
                store.note_reading(interval_end_ms);
                self.steps
                    .complete(Step::MeterToAggregator, now_ms - delivery.sent_ms);
                self.outbox.push(cluster, transaction);
                return Some((meter, interval_end_ms));
            }
            Body::AreaLoad {
                mlmd,
                interval_end_ms,
                energy_wh,
            } => {
                self.record_area(cluster, mlmd, interval_end_ms, energy_wh);
                let expected = self.organisation.mlmds_of_cluster(cluster);
                if store.note_area(interval_end_ms, mlmd, energy_wh, expected) {
                    let total = store.areas.get(&interval_end_ms).map(|a| a.values().sum());
                    let report = Body::ClusterLoad {
                        cluster,
                        interval_end_ms,
                        energy_wh: total.unwrap_or(0),
                        missing: 0,
                    };
                    let ends = (Place::Aggregator(cluster), Place::Cloud);
                    self.plane
                        .send_from(self.links, self.recent, now_ms, now_ms, ends, report);
                }
            }
            Body::Ack {
                final_ms, refused, ..
            } => {
                if refused > 0 {
                    self.steps.fail(Step::ControlToMeter);
                } else {
                    self.steps
                        .complete(Step::ControlToMeter, now_ms.saturating_sub(final_ms));
                }
            }
            Body::ClusterLoad { .. } | Body::Orders { .. } => {}
        }
        None
    }

    /// The LG-Aggregator writes an area load to its ledger, signed.
    fn record_area(&mut self, cluster: u32, mlmd: u32, interval_end_ms: u64, energy_wh: i64) {
        let body = TxBody::AreaLoad {
            mlmd,
            interval_end_ms,
            energy_wh,
        };
        let chain = self.ledgers.chain_id(cluster);
        let (key, nonce) = self.officials.aggregator(cluster);
        let transaction = Transaction::sign(chain, key, nonce, body).encode();
        self.outbox.push(cluster, transaction);
    }

    /// The cloud learns the load of a cluster.
    fn learn(&mut self, delivery: &Delivery) {
        if let Body::ClusterLoad {
            cluster,
            interval_end_ms,
            energy_wh,
            ..
        } = delivery.body
        {
            let index = cluster as usize;
            if let (Some(until), Some(load)) = (
                self.cloud.loads_until_ms.get_mut(index),
                self.cloud.load_wh.get_mut(index),
            ) && interval_end_ms > *until
            {
                *until = interval_end_ms;
                *load = energy_wh;
            }
        }
    }
}
