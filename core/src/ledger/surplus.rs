//! What is left in one cluster for consumers of another (paper K5 to K7).
//!
//! After each cluster has settled a slot on its own, what it sold to the utility
//! and what others bought from it in the same slot clears on the network tree
//! with the limits of the M-LMDs and the network fees. The LG-Aggregators send
//! the lots over as parcels, which keep plant and slot; each ledger has the
//! utility pay back what the trade is better than its tariff, and the utility
//! keeps fees and rent. Where a scene has no trade between clusters the lots
//! only say where the energy came from. The link is contractual.

use std::collections::BTreeMap;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_ledger::{LedgerChain, Lot, LotTerms, TxBody};
use gridloom_market::tiers::{ClusterOrders, Tier, TierInput, TierNode, clear_tiers};
use gridloom_market::{BuyOrder, Exponent, Reason, SellOrder};
use gridloom_units::{AccountId, EnergyType, EnergyWh, PriceMicroEurPerKwh};

use super::group::{LedgerGroup, Ledgers};
use super::officials::Officials;
use crate::edge::Outbox;
use crate::sim_state::plain_sim_state;

/// Most lots one cluster hands over per slot; well within the window of numbers a signer may use
/// out of order, since area loads overtake them.
const LOTS_PER_SLOT: usize = 24;
/// Root blocks after which a lot that did not arrive comes back.
const DEADLINE: u64 = 240;
/// Value of load that no line can serve, in multiples of the import price.
const LOST_LOAD: PriceMicroEurPerKwh = 10;

/// The network that trade between clusters clears on; fixed for a run.
#[derive(Resource, Clone, Debug, Default)]
pub struct TradeNetwork(pub Option<TradeTree>);

/// Lines, fees and the tariff at the head of the feeder.
#[derive(Clone, Debug)]
pub struct TradeTree {
    /// Head of the feeder, then a node per cluster.
    pub nodes: Vec<TierNode>,
    /// What the grid asks there: the tariff less the network fees in it, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// What it pays there: feed-in and the fees, micro-EUR/kWh.
    pub export: PriceMicroEurPerKwh,
    /// What members get from and pay to the utility, micro-EUR/kWh.
    pub tariff: (PriceMicroEurPerKwh, PriceMicroEurPerKwh),
}

/// How far the matching has come.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct SurplusDesk {
    /// Slots up to here are handed over, by all clusters.
    through: Option<u32>,
    /// Lots that found no room in a slot's share.
    pub left_over: u64,
    /// Sold from cluster to cluster, Wh, as it left.
    pub sold_wh: EnergyWh,
    /// Slots whose clearing failed; none ever should.
    pub failed: u64,
}

plain_sim_state!(SurplusDesk);

/// A lot on its way: from a cluster to an account of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Handed {
    from: u32,
    dst: u32,
    to: AccountId,
    lot: Lot,
    terms: Option<LotTerms>,
}

/// What each home of a cluster bought from the utility in a slot, Wh.
fn bought(chain: &LedgerChain, slot: u32) -> BTreeMap<AccountId, EnergyWh> {
    let mut sums = BTreeMap::new();
    let settled = chain
        .settlements()
        .find(|(_, settled)| settled.slot == slot);
    for line in settled.iter().flat_map(|(_, settled)| &settled.lines) {
        if line.reason == Reason::GridImport {
            *sums.entry(line.buyer).or_default() += line.energy_wh;
        }
    }
    sums
}

/// Pairs of (consumer, lot) for a slot.
fn matched(lots: &[Lot], mut open: BTreeMap<AccountId, EnergyWh>) -> Vec<(AccountId, Lot)> {
    let mut pairs = Vec::new();
    for lot in lots {
        let mut left = lot.wh;
        for (consumer, wanted) in &mut open {
            let wh = left.min(*wanted);
            if wh > 0 {
                pairs.push((*consumer, Lot { wh, ..*lot }));
                *wanted -= wh;
                left -= wh;
            }
        }
    }
    pairs
}

/// Statements of origin: each cluster's surplus for the next one.
fn origins(chains: &[&LedgerChain], slot: u32) -> Vec<Handed> {
    let count = chains.len();
    (0..count)
        .flat_map(|index| {
            let next = (index + 1) % count;
            let pairs = matched(chains[index].surplus(slot), bought(chains[next], slot));
            pairs.into_iter().map(move |(to, lot)| Handed {
                from: index as u32,
                dst: next as u32,
                to,
                lot,
                terms: None,
            })
        })
        .collect()
}

/// What is left of a slot in a cluster: surplus that was sold to the utility,
/// demand that was bought from it.
fn rest(chain: &LedgerChain, slot: u32, node: usize) -> ClusterOrders {
    let weights: BTreeMap<AccountId, [u32; EnergyType::COUNT]> = chain
        .participants()
        .into_iter()
        .filter_map(|member| {
            let instance = chain.instance(member.account, member.version)?;
            Some((member.account, instance.preferences.weights.to_array()))
        })
        .collect();
    let buyers = bought(chain, slot)
        .into_iter()
        .filter_map(|(account, demand_wh)| {
            Some(BuyOrder {
                account,
                demand_wh,
                weights: *weights.get(&account)?,
            })
        });
    let sellers = chain.surplus(slot).iter().filter(|lot| lot.wh > 0);
    let sellers = sellers.map(|lot| SellOrder {
        account: lot.plant,
        kind: lot.kind,
        offered_wh: lot.wh,
    });
    ClusterOrders {
        node,
        buyers: buyers.collect(),
        sellers: sellers.collect(),
        ..ClusterOrders::default()
    }
}

/// Clears what is left of a slot between the clusters.
///
/// A cluster buys or sells here, never both with itself: its own market came
/// first, and what it could not match there (refused types, limits) stays with
/// the grid.
fn traded(tree: &TradeTree, chains: &[&LedgerChain], slot: u32) -> Option<Vec<Handed>> {
    let clusters: Vec<ClusterOrders> = chains
        .iter()
        .enumerate()
        .map(|(index, chain)| rest(chain, slot, index + 1))
        .collect();
    let outcome = clear_tiers(&TierInput {
        import: tree.import,
        export: tree.export,
        lost_load: tree.import.saturating_mul(LOST_LOAD),
        // Never a reason to hold back: what nobody takes is the utility's.
        reserve: tree.export,
        exponent: Exponent::One,
        network: &tree.nodes,
        clusters: &clusters,
    })
    .ok()?;
    let mut of: BTreeMap<AccountId, usize> = BTreeMap::new();
    for (index, cluster) in clusters.iter().enumerate() {
        let buyers = cluster.buyers.iter().map(|order| order.account);
        for account in buyers.chain(cluster.sellers.iter().map(|order| order.account)) {
            of.insert(account, index);
        }
    }
    let handed = outcome.lots.iter().filter_map(|lot| {
        let (seller, to) = (lot.seller?, lot.buyer?);
        let (from, dst) = (*of.get(&seller)?, *of.get(&to)?);
        (lot.tier == Tier::Neighbour && from != dst && lot.energy_wh > 0).then(|| Handed {
            from: from as u32,
            dst: dst as u32,
            to,
            lot: Lot {
                cluster: from as u32,
                plant: seller,
                kind: lot.kind,
                slot,
                wh: lot.energy_wh,
            },
            terms: Some(LotTerms {
                // A line at its limit may push a price beyond the tariff.
                seller: outcome.clusters[from].boundary.max(tree.tariff.0),
                buyer: outcome.clusters[dst].boundary.min(tree.tariff.1),
            }),
        })
    });
    Some(handed.collect())
}

/// Hands over what is left of the slots that every cluster has settled.
pub(super) fn hand_over(
    ledgers: Res<Ledgers>,
    network: Res<TradeNetwork>,
    mut desk: ResMut<SurplusDesk>,
    mut officials: ResMut<Officials>,
    mut outbox: ResMut<Outbox>,
    groups: Query<&LedgerGroup>,
) {
    let clusters = ledgers.root();
    if clusters < 2 {
        return;
    }
    let chains = ledgers.clusters(groups);
    let chains: Vec<&LedgerChain> = chains.into_iter().map(|(_, chain)| chain).collect();
    if chains.len() < clusters as usize {
        return;
    }
    let slot = desk.through.map_or(0, |slot| slot + 1);
    let settled = chains.iter().map(|chain| chain.settled_through()).min();
    if settled.flatten().is_none_or(|last| slot > last) {
        return;
    }
    desk.through = Some(slot);
    let handed = match &network.0 {
        None => origins(&chains, slot),
        Some(tree) => traded(tree, &chains, slot).unwrap_or_else(|| {
            desk.failed += 1;
            Vec::new()
        }),
    };
    let mut sent = vec![0; clusters as usize];
    for Handed {
        from,
        dst,
        to,
        lot,
        terms,
    } in handed
    {
        if sent[from as usize] == LOTS_PER_SLOT {
            desk.left_over += 1;
            continue;
        }
        sent[from as usize] += 1;
        if terms.is_some() {
            desk.sold_wh += lot.wh;
        }
        let root_height = chains[from as usize]
            .root_seen()
            .map_or(0, |seen| seen.height);
        let body = TxBody::ExportLot {
            dst,
            to,
            slot,
            plant: lot.plant,
            kind: lot.kind,
            wh: lot.wh,
            terms,
            deadline_root_height: root_height + DEADLINE,
        };
        outbox.sign(&ledgers, from, officials.aggregator(from), body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_matched_twice() {
        let lot = |plant: u8, wh| Lot {
            cluster: 0,
            plant: AccountId([plant; 32]),
            kind: EnergyType::Solar,
            slot: 4,
            wh,
        };
        let open = BTreeMap::from([(AccountId([8; 32]), 30), (AccountId([9; 32]), 50)]);
        let pairs = matched(&[lot(1, 40), lot(2, 100)], open);
        let sum: EnergyWh = pairs.iter().map(|(_, lot)| lot.wh).sum();
        assert_eq!(sum, 80);
        let of_first: EnergyWh = pairs
            .iter()
            .filter(|(_, lot)| lot.plant == AccountId([1; 32]))
            .map(|(_, lot)| lot.wh)
            .sum();
        assert_eq!(of_first, 40);
    }
}
