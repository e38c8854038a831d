//! Messages that arrive within the tick, in order of arrival.

use bevy::prelude::*;
use gridloom_ledger::{Transaction, TxBody};

use super::stats::{Step, Steps};
use super::store::{Aggregator, Cloud, Mailbox, Outbox};
use crate::clock::SimClock;
use crate::ledger::{Ledgers, Membership, Officials};
use crate::link::{Body, DataPlane, Delivery, LinkTable, RecentHops};
use crate::market::MarketClock;
use crate::meter::Meter;
use crate::site::Site;
use crate::spawn::Organisation;
use crate::truth::MeterTruth;
use crate::view::Place;

/// Everything message handling may touch.
pub(super) struct Handling<'a> {
    organisation: &'a Organisation,
    market: &'a MarketClock,
    membership: &'a Membership,
    ledgers: &'a Ledgers,
    links: &'a LinkTable,
    plane: &'a mut DataPlane,
    recent: &'a mut RecentHops,
    steps: &'a mut Steps,
    mailbox: &'a mut Mailbox,
    outbox: &'a mut Outbox,
    cloud: &'a mut Cloud,
    officials: &'a mut Officials,
    truth: &'a mut MeterTruth,
}

/// Delivers what is due before the end of the tick; what is forwarded may
/// arrive in the same tick and is delivered in its turn.
pub(super) fn deliver_messages(
    clock: Res<SimClock>,
    (organisation, market): (Res<Organisation>, Res<MarketClock>),
    membership: Res<Membership>,
    ledgers: Res<Ledgers>,
    links: Res<LinkTable>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut steps: ResMut<Steps>,
    mut mailbox: ResMut<Mailbox>,
    mut outbox: ResMut<Outbox>,
    mut cloud: ResMut<Cloud>,
    mut officials: ResMut<Officials>,
    mut truth: ResMut<MeterTruth>,
    mut aggregators: Query<&mut Aggregator>,
    mut meters: Query<(&Site, &mut Meter)>,
) {
    let mut handling = Handling {
        organisation: &organisation,
        market: &market,
        membership: &membership,
        ledgers: &ledgers,
        links: &links,
        plane: &mut plane,
        recent: &mut recent,
        steps: &mut steps,
        mailbox: &mut mailbox,
        outbox: &mut outbox,
        cloud: &mut cloud,
        officials: &mut officials,
        truth: &mut truth,
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
            Place::Home(_) | Place::SharedBattery(_) => match delivery.body {
                Body::Notice { meter, text } => {
                    if let Some((_, mut meter)) =
                        meters.iter_mut().find(|(site, _)| site.meter == meter)
                    {
                        meter.notice = Some(text);
                    }
                }
                _ => handling.mailbox.orders.push(delivery),
            },
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
                quality,
            } => {
                if let Ok(Transaction {
                    body: TxBody::Reading(told),
                    ..
                }) = Transaction::decode(&transaction)
                {
                    let registers = [told.import_wh, told.export_solar_wh, told.export_battery_wh];
                    self.truth
                        .note_reading(meter, interval_end_ms, registers, quality);
                }
                store.note_reading(interval_end_ms);
                self.steps
                    .complete(Step::MeterToAggregator, now_ms - delivery.sent_ms);
                // The data path is that of the wires, the ledger that of the membership.
                self.outbox.push(self.membership.of(meter), transaction);
                return Some((meter, interval_end_ms));
            }
            Body::AreaLoad {
                mlmd,
                interval_end_ms,
                energy_wh,
                phases_upu,
            } => {
                self.truth
                    .note_area(mlmd, interval_end_ms, energy_wh, phases_upu);
                self.record_area(cluster, mlmd, interval_end_ms, energy_wh);
                let expected = self.organisation.mlmds_of_cluster(cluster);
                if store.note_area(interval_end_ms, mlmd, energy_wh, expected) {
                    let total = store.areas.get(&interval_end_ms).map(|a| a.values().sum());
                    let total = total.unwrap_or(0);
                    if store
                        .uplink
                        .note(interval_end_ms, total, self.market.slot_ms)
                    {
                        self.report(store, now_ms);
                    }
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
            Body::GridState {
                through_ms,
                strategy,
                grid,
            } => {
                if store.uplink.answered(now_ms, through_ms, strategy, grid) {
                    self.report(store, now_ms);
                }
            }
            Body::ClusterLoad { .. } | Body::Orders { .. } | Body::Notice { .. } => {}
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
        let signer = self.officials.aggregator(cluster);
        self.outbox.sign(self.ledgers, cluster, signer, body);
    }

    /// An LG-Aggregator reports to the cloud.
    fn report(&mut self, store: &mut Aggregator, now_ms: u64) {
        let ends = (Place::Aggregator(store.cluster), Place::Cloud);
        let body = Body::ClusterLoad {
            cluster: store.cluster,
            loads: store.uplink.report(now_ms),
        };
        self.plane
            .send_from(self.links, self.recent, now_ms, now_ms, ends, body);
    }

    /// The cloud learns the load of a cluster and answers.
    fn learn(&mut self, delivery: &Delivery) {
        if let Body::ClusterLoad { cluster, loads } = &delivery.body {
            let now_ms = delivery.arrives_ms;
            let answer = Body::GridState {
                through_ms: self.cloud.learn(*cluster, loads),
                strategy: self.cloud.strategy,
                grid: self.cloud.state(),
            };
            let ends = (Place::Cloud, Place::Aggregator(*cluster));
            self.plane
                .send_from(self.links, self.recent, now_ms, now_ms, ends, answer);
        }
    }
}

/// Reports that were not answered go again.
pub(crate) fn repeat_reports(
    clock: Res<SimClock>,
    links: Res<LinkTable>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut aggregators: Query<&mut Aggregator>,
) {
    let now_ms = clock.end_ms();
    let mut order: Vec<_> = aggregators
        .iter_mut()
        .filter(|store| store.uplink.must_repeat(now_ms))
        .collect();
    order.sort_by_key(|store| store.cluster);
    for mut store in order {
        let ends = (Place::Aggregator(store.cluster), Place::Cloud);
        let body = Body::ClusterLoad {
            cluster: store.cluster,
            loads: store.uplink.report(now_ms),
        };
        plane.send_from(&links, &mut recent, now_ms, now_ms, ends, body);
    }
}
