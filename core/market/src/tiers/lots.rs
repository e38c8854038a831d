//! Who gets which energy over which distance, and what it costs them.

use gridloom_units::{AccountId, EnergyType, EnergyWh, amount};

use super::{Lot, Tier, TierInput, TierOutcome};
use crate::accounts::Accounts;
use crate::allocation::Transfer;
use crate::rounding::in_proportion;

/// Lots and money of a cleared tree; clusters stand behind the lines in it.
pub(super) fn deal(input: &TierInput<'_>, lines: usize, outcome: &mut TierOutcome) {
    let members = Members::of(input);
    hand_out(input, &members, lines, outcome);
    book(input, members, outcome);
}

/// Everybody who trades in the slot.
struct Members {
    accounts: Accounts,
    /// Cluster of each.
    cluster: Vec<u32>,
    /// What each accepts; nothing for who only sells.
    weights: Vec<[u32; EnergyType::COUNT]>,
}

impl Members {
    fn of(input: &TierInput<'_>) -> Self {
        let accounts = Accounts::new(input.clusters.iter().flat_map(|cluster| {
            let buyers = cluster.buyers.iter().map(|order| order.account);
            buyers.chain(cluster.sellers.iter().map(|order| order.account))
        }));
        let mut members = Self {
            cluster: vec![0; accounts.len()],
            weights: vec![[0; EnergyType::COUNT]; accounts.len()],
            accounts,
        };
        for (index, cluster) in input.clusters.iter().enumerate() {
            for order in &cluster.buyers {
                if let Some(at) = members.accounts.place(&order.account) {
                    members.cluster[at] = index as u32;
                    members.weights[at] = order.weights;
                }
            }
            for order in &cluster.sellers {
                if let Some(at) = members.accounts.place(&order.account) {
                    members.cluster[at] = index as u32;
                }
            }
        }
        members
    }
}

/// Lots of all tiers. What the tree serves and takes of a cluster is shared in
/// proportion among its members, whose orders have one price, and paired by
/// type in the order of accounts; what is left on either side is the grid's.
fn hand_out(input: &TierInput<'_>, members: &Members, lines: usize, outcome: &mut TierOutcome) {
    let mut wanted: Vec<(AccountId, EnergyWh)> = Vec::new();
    let mut given: Vec<(AccountId, EnergyType, EnergyWh)> = Vec::new();
    for (index, local) in outcome.clusters.iter_mut().enumerate() {
        let node = &outcome.tree.nodes[lines + index];
        let above = &outcome.tree.nodes[input.clusters[index].node];
        local.boundary = node.price;
        local.voltage = node.price - above.price;
        local.exchange_wh = node.flow_wh;
        let (served_wh, taken_wh): (EnergyWh, EnergyWh) =
            (node.served_wh.iter().sum(), node.taken_wh.iter().sum());
        let unmet = local.local.unmet.iter();
        let parts = in_proportion(served_wh, unmet.clone().map(|(_, wh)| *wh));
        for ((account, wh), served) in unmet.zip(parts) {
            local.shed_wh += wh - served;
            *local.cut_wh.entry(*account).or_default() -= wh - served;
            wanted.push((*account, served));
        }
        let unsold = local.local.unsold.iter();
        let parts = in_proportion(taken_wh, unsold.clone().map(|(_, _, wh)| *wh));
        for ((account, kind, wh), taken) in unsold.zip(parts) {
            local.curtailed_wh += wh - taken;
            *local.cut_wh.entry(*account).or_default() += wh - taken;
            given.push((*account, *kind, taken));
        }
        local.cut_wh.retain(|_, wh| *wh != 0);
        let lot = |t: &Transfer| Lot {
            seller: Some(t.seller),
            buyer: Some(t.buyer),
            kind: t.kind,
            energy_wh: t.energy_wh,
            tier: Tier::Cluster,
        };
        outcome.lots.extend(local.local.transfers.iter().map(lot));
    }
    pair(members, &wanted, given, &mut outcome.lots);
}

/// Pairs what is wanted with what is given, by type and in the order of
/// accounts; each offer is passed once, so the work grows with the lots.
fn pair(
    members: &Members,
    wanted: &[(AccountId, EnergyWh)],
    given: Vec<(AccountId, EnergyType, EnergyWh)>,
    lots: &mut Vec<Lot>,
) {
    let mut offers: [Vec<(AccountId, EnergyWh)>; EnergyType::COUNT] = Default::default();
    for (seller, kind, wh) in given {
        if wh > 0 {
            offers[kind.index()].push((seller, wh));
        }
    }
    // The offer each type has got to.
    let mut at = [0_usize; EnergyType::COUNT];
    for (buyer, wanted_wh) in wanted {
        let mut left = *wanted_wh;
        let place = members.accounts.place(buyer);
        let weights = place.map_or([0; EnergyType::COUNT], |at| members.weights[at]);
        for kind in EnergyType::ALL {
            let k = kind.index();
            while weights[k] > 0
                && left > 0
                && let Some((seller, offered)) = offers[k].get_mut(at[k])
            {
                let energy_wh = left.min(*offered);
                left -= energy_wh;
                *offered -= energy_wh;
                at[k] += usize::from(*offered == 0);
                lots.push(Lot {
                    seller: Some(*seller),
                    buyer: Some(*buyer),
                    kind,
                    energy_wh,
                    tier: Tier::Neighbour,
                });
            }
        }
        if left > 0 {
            lots.push(Lot {
                seller: None,
                buyer: Some(*buyer),
                kind: EnergyType::GridMix,
                energy_wh: left,
                tier: Tier::Grid,
            });
        }
    }
    for kind in EnergyType::ALL {
        let k = kind.index();
        lots.extend(offers[k].drain(at[k]..).map(|(seller, energy_wh)| Lot {
            seller: Some(seller),
            buyer: None,
            kind,
            energy_wh,
            tier: Tier::Grid,
        }));
    }
}

/// Money of everybody; together with utility and network it adds to zero.
fn book(input: &TierInput<'_>, members: Members, outcome: &mut TierOutcome) {
    let mut money = vec![0; members.accounts.len()];
    for lot in &outcome.lots {
        for (account, sign) in [(lot.buyer, -1), (lot.seller, 1)] {
            let Some(at) = account.and_then(|a| members.accounts.place(&a)) else {
                continue;
            };
            let cluster = &outcome.clusters[members.cluster[at] as usize];
            let price = match lot.tier {
                Tier::Cluster => cluster.typed[lot.kind.index()],
                Tier::Neighbour | Tier::Grid => cluster.boundary,
            };
            money[at] += sign * amount(lot.energy_wh, price);
        }
    }
    outcome.money = members.accounts.with(money);
    let flow_wh = outcome.tree.nodes.first().map_or(0, |root| root.flow_wh);
    outcome.utility = if flow_wh < 0 {
        amount(-flow_wh, input.import)
    } else {
        -amount(flow_wh, input.export)
    };
    let (lines, places) = outcome.tree.nodes.split_at(input.network.len());
    outcome.fees = lines.iter().map(|node| node.fee).sum();
    outcome.rent = lines.iter().map(|node| node.rent).sum();
    outcome.voltage_rent = places.iter().map(|node| node.rent).sum();
}
