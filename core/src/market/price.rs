//! Prices: proposed by the cloud, or by the edge without it, decided by the
//! ledger, acted on by contracts.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::{Receipt, TxBody};

use super::MarketClock;
use crate::clock::SimClock;
use crate::edge::{Aggregator, Cloud, Outbox, Step, Steps, Uplink};
use crate::ledger::{FreshBlocks, LedgerGroup, Ledgers, Officials};
use crate::link::{Body, DataPlane, LinkTable, RecentHops};
use crate::record::EventLog;
use crate::sim_state::plain_sim_state;
use crate::spawn::Organisation;
use crate::view::{EventKind, Place};

/// How long the cloud waits for missing readings before it prices a slot, ms.
const GRACE_MS: u64 = 120_000;

/// When a price or settlement that was not decided is sent again, ms.
pub(super) const RETRY_MS: u64 = 90_000;

/// How far each cluster is priced.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Pricing {
    /// Per cluster: slot last proposed and when, ms.
    pub(super) proposed: Vec<Option<(u32, u64)>>,
    /// Per cluster: slot last asked to be settled and when, ms.
    pub(super) settling: Vec<Option<(u32, u64)>>,
    /// Slots that an LG-Aggregator priced because the cloud did not answer.
    pub by_edge: u64,
}

plain_sim_state!(Pricing);

impl Pricing {
    /// For a number of clusters.
    #[must_use]
    pub fn new(clusters: usize) -> Self {
        Self {
            proposed: vec![None; clusters],
            settling: vec![None; clusters],
            by_edge: 0,
        }
    }
}

/// Whether something for `slot` may be sent (again) at `now_ms`.
pub(super) fn due(last: Option<(u32, u64)>, slot: u32, now_ms: u64) -> bool {
    last.is_none_or(|(sent, at_ms)| sent != slot || now_ms >= at_ms + RETRY_MS)
}

/// Who may propose the price of a cluster now, and from what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proposer {
    /// The cloud, which can be reached.
    Cloud,
    /// The LG-Aggregator: the cloud has not answered it for a while.
    Edge,
}

/// Who proposes, and up to when it has the cluster's area loads, ms: the cloud
/// where it is reached, else the LG-Aggregator once it knows that it is alone.
fn proposer(
    cloud_until_ms: Option<u64>,
    uplink: Option<&Uplink>,
    now_ms: u64,
) -> Option<(Proposer, u64)> {
    if let Some(until_ms) = cloud_until_ms {
        return Some((Proposer::Cloud, until_ms));
    }
    let link = uplink.filter(|link| link.alone_since_ms(now_ms).is_some())?;
    Some((Proposer::Edge, link.complete_until_ms()))
}

/// What the edge decides on old knowledge says so.
fn alone_words(cluster: &str, slot: u32, link: &Uplink, now_ms: u64) -> String {
    format!(
        "LG-Aggregator of {cluster} prices slot {slot} without the cloud (grid state {}, {} s old)",
        link.grid.version,
        now_ms.saturating_sub(link.heard_ms.unwrap_or(0)) / 1_000
    )
}

/// Step d: with the records and area loads of the past interval at hand, the
/// cloud proposes the price of the running slot; without a cloud the
/// LG-Aggregator does for its own cluster, from the same records.
pub(super) fn propose_prices(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    (organisation, ledgers): (Res<Organisation>, Res<Ledgers>),
    (cloud, plane): (Res<Cloud>, Res<DataPlane>),
    mut pricing: ResMut<Pricing>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    mut steps: ResMut<Steps>,
    mut events: ResMut<EventLog>,
    groups: Query<&LedgerGroup>,
    aggregators: Query<&Aggregator>,
) {
    let now_ms = clock.end_ms();
    let slot = u32::try_from(now_ms / market.slot_ms).unwrap_or(u32::MAX);
    if slot == 0 {
        return;
    }
    let slot_start_ms = u64::from(slot) * market.slot_ms;
    for (index, chain) in ledgers.clusters(groups) {
        let cluster = index as usize;
        if chain.price(slot).is_some() || !due(pricing.proposed[cluster], slot, now_ms) {
            continue;
        }
        let uplink = aggregators
            .iter()
            .find(|store| store.cluster == index)
            .map(|store| &store.uplink);
        let reached = plane.reaches_cloud();
        let cloud_until_ms = reached.then(|| cloud.loads_until_ms[cluster]);
        let Some((proposer, loads_until_ms)) = proposer(cloud_until_ms, uplink, now_ms) else {
            continue;
        };
        let (recorded, expected) = chain.slot_complete(slot - 1);
        let complete = recorded == expected && loads_until_ms >= slot_start_ms;
        if expected == 0 || !(complete || now_ms >= slot_start_ms + GRACE_MS) {
            continue;
        }
        let Some((typed, scalar)) = chain.next_price(slot) else {
            continue;
        };
        if pricing.proposed[cluster].is_none_or(|(sent, _)| sent != slot) {
            steps.begin(Step::PriceToLedger);
            if let (Proposer::Edge, Some(link)) = (proposer, uplink) {
                pricing.by_edge += 1;
                let words = alone_words(&organisation.cluster_names[cluster], slot, link, now_ms);
                events.push(&clock, EventKind::Price, None, words);
            }
        }
        let signer = match proposer {
            Proposer::Cloud => officials.cloud(index),
            Proposer::Edge => officials.aggregator(index),
        };
        let body = TxBody::Price {
            slot,
            typed,
            scalar,
        };
        outbox.sign(&ledgers, index, signer, body);
        pricing.proposed[cluster] = Some((slot, now_ms));
    }
}

/// Step e: a decided price has run the contracts; their orders leave the
/// LG-Aggregator for the meters. Also counts steps a, b and d as final.
pub(super) fn hand_out_orders(
    clock: Res<SimClock>,
    market: Res<MarketClock>,
    organisation: Res<Organisation>,
    links: Res<LinkTable>,
    fresh: Res<FreshBlocks>,
    mut plane: ResMut<DataPlane>,
    mut recent: ResMut<RecentHops>,
    mut steps: ResMut<Steps>,
    mut events: ResMut<EventLog>,
) {
    let now_ms = clock.end_ms();
    for block in &fresh.0 {
        for receipt in block.receipts.iter() {
            match receipt {
                Receipt::ContractRegistered { .. } => steps.complete(Step::Register, now_ms),
                Receipt::ParticipantRegistered { .. } => steps.complete(Step::Users, now_ms),
                Receipt::PriceDecided { slot, scalar, .. } => {
                    let lag = block
                        .time
                        .0
                        .saturating_sub(u64::from(*slot) * market.slot_ms);
                    steps.complete(Step::PriceToLedger, lag);
                    events.push(
                        &clock,
                        EventKind::Price,
                        None,
                        format!(
                            "Cluster {}: price {:.1} ct/kWh",
                            organisation.cluster_names[block.ledger as usize],
                            *scalar as f64 / 10_000.0
                        ),
                    );
                }
                Receipt::Refused { reason, .. } | Receipt::RecordRefused { reason, .. } => events
                    .push(
                        &clock,
                        EventKind::Ledger,
                        None,
                        format!(
                            "Ledger {} refuses: {reason}",
                            organisation.ledger_names[block.ledger as usize]
                        ),
                    ),
                Receipt::ContractRun {
                    account,
                    slot,
                    orders,
                    ..
                } if !orders.is_empty() => {
                    let Some((meter, place)) = organisation.meter_of(account) else {
                        continue;
                    };
                    steps.begin(Step::ControlToMeter);
                    let body = Body::Orders {
                        meter,
                        slot: *slot,
                        final_ms: block.time.0,
                        orders: orders.clone(),
                    };
                    let from = Place::Aggregator(block.ledger);
                    if !plane.send(&links, &mut recent, now_ms, from, place, body) {
                        steps.fail(Step::ControlToMeter);
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

    #[test]
    fn a_proposal_is_repeated_only_after_a_pause() {
        assert!(due(None, 4, 0));
        assert!(due(Some((3, 1_000)), 4, 1_000));
        assert!(!due(Some((4, 1_000)), 4, 1_000 + RETRY_MS - 1));
        assert!(due(Some((4, 1_000)), 4, 1_000 + RETRY_MS));
    }
}
