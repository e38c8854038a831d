//! What clearing between the clusters would have done with the recorded slots.
//!
//! Each cluster's ledger settles on its own and against the utility. This takes
//! the energies that the ledgers settled and clears them over the network tree
//! with the limits of the M-LMDs and fees per level: the trade between
//! clusters, its prices, fees and congestion rent, and the welfare that
//! clearing clusters first gives away. With voltage limits every slot is also
//! solved by the power flow, on the network as it is switched now.

use std::collections::BTreeMap;

use gridloom_flow::PortId;
use gridloom_ledger::{LedgerChain, SettledSlot};
use gridloom_market::tiers::{
    ClusterOrders, Tier, TierInput, TierNode, TierOutcome, clear_tiers, welfare_gap,
};
use gridloom_market::{BuyOrder, SellOrder};
use gridloom_model::scene::LoadedScene;
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh};
use serde::Serialize;

use super::feeder::{Feeder, FeederMember};
use super::inspect::each_cluster;
use super::voltage::{VoltageLimits, VoltageRow, clear_on_feeder};
use crate::grid::Grid;
use crate::site::{BaseLoad, Site};
use crate::spawn::Organisation;
use crate::twin::Twin;

/// Fees per level, micro-EUR/kWh.
#[derive(Clone, Copy, Debug)]
pub struct Fees {
    /// On a cluster's line.
    pub neighbour: PriceMicroEurPerKwh,
    /// At the head of the feeder.
    pub grid: PriceMicroEurPerKwh,
}

/// One slot over all clusters.
#[derive(Clone, Debug, Serialize)]
pub struct BetweenRow {
    /// The slot.
    pub slot: u32,
    /// Traded inside clusters, Wh.
    pub inside_wh: EnergyWh,
    /// Traded between clusters, Wh.
    pub between_wh: EnergyWh,
    /// From the grid, Wh.
    pub import_wh: EnergyWh,
    /// To the grid, Wh.
    pub export_wh: EnergyWh,
    /// Price of the rest at each cluster's boundary, micro-EUR/kWh.
    pub boundary: Vec<PriceMicroEurPerKwh>,
    /// Network fees, nano-EUR.
    pub fees_nano_eur: MoneyNanoEur,
    /// Congestion rent, nano-EUR.
    pub rent_nano_eur: MoneyNanoEur,
    /// Demand beyond the limits, Wh.
    pub shed_wh: EnergyWh,
    /// Welfare that clearing clusters first gives away, nano-EUR.
    pub gap_nano_eur: MoneyNanoEur,
    /// Sum of all money: zero.
    pub off_nano_eur: MoneyNanoEur,
    /// Voltages, where limits were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voltage: Option<VoltageRow>,
}

/// Clears every slot that all clusters have settled, within voltage limits if
/// there are any.
///
/// # Errors
/// As [`clear_tiers`] and [`clear_on_feeder`].
pub fn between(
    twin: &mut Twin,
    fees: Fees,
    limits: Option<VoltageLimits>,
) -> Result<Vec<BetweenRow>, String> {
    let network = network(twin.scene(), fees);
    let market = &twin.scene().scene.market;
    let (import, export, slot_min) = (market.import, market.feed_in, market.slot_min);
    let mut slots: BTreeMap<u32, Vec<ClusterOrders>> = BTreeMap::new();
    let mut clusters = 0;
    each_cluster(twin, |_, chain| {
        for (_, settled) in chain.settlements() {
            let orders = orders(chain, settled, clusters + 1);
            slots.entry(settled.slot).or_default().push(orders);
        }
        clusters += 1;
    });
    slots.retain(|_, orders| orders.len() == clusters);
    let mut wires = match limits {
        Some(limits) => Some((wires(twin, slots.values(), slot_min)?, limits)),
        None => None,
    };
    slots
        .iter()
        .map(|(slot, orders)| {
            let input = TierInput {
                import,
                export,
                lost_load: import.saturating_mul(10),
                reserve: 0,
                exponent: gridloom_market::Exponent::One,
                network: &network,
                clusters: orders,
            };
            let (outcome, voltage) = match &mut wires {
                Some(((feeder, places), limits)) => {
                    let (outcome, row) = clear_on_feeder(feeder, &input, places, slot_min, *limits)
                        .map_err(|reason| format!("slot {slot}: {reason}"))?;
                    (outcome, Some(row))
                }
                None => (clear_tiers(&input).map_err(|e| e.to_string())?, None),
            };
            let gap = welfare_gap(&input, &outcome).map_err(|e| e.to_string())?;
            Ok(row(*slot, &outcome, gap, voltage))
        })
        .collect()
}

/// The network as it is switched now, with every meter as a member that gives
/// what it gave in the mean of the slots, and who is which member.
fn wires<'a>(
    twin: &mut Twin,
    slots: impl ExactSizeIterator<Item = &'a Vec<ClusterOrders>>,
    slot_min: u32,
) -> Result<(Feeder, BTreeMap<AccountId, usize>), String> {
    let world = twin.world_mut();
    let mut query = world.query::<(&Site, Option<&BaseLoad>)>();
    let mut sites: Vec<(Site, f64)> = query
        .iter(world)
        .map(|(site, load)| {
            let tan_phi = load.filter(|load| load.rated_kw > 0.0);
            let tan_phi = tan_phi.map_or(0.0, |load| load.rated_kvar / load.rated_kw);
            (site.clone(), tan_phi)
        })
        .collect();
    sites.sort_by_key(|(site, _)| site.meter);
    let organisation = world.resource::<Organisation>();
    let places: BTreeMap<AccountId, usize> = sites
        .iter()
        .enumerate()
        .map(|(place, (site, _))| {
            let party = &organisation.participants[site.meter as usize];
            (party.account, place)
        })
        .collect();
    let mut network = world.resource::<Grid>().network().clone();
    for port in (0..network.port_count()).map(|port| PortId(port as u32)) {
        // Meters know what came out of the inverters, not how they decide.
        let cleared = network.set_port_law(port, None).is_ok()
            && network.set_source(port, None).is_ok()
            && network.set_port_power(port, 0.0, 0.0);
        if !cleared {
            return Err(format!("port {} cannot be cleared", network.port_id(port)));
        }
    }
    let mut nodes: Vec<usize> = sites
        .iter()
        .flat_map(|(site, _)| {
            let phases = site.phase.map_or(1..=3, |phase| phase..=phase);
            let nodes = phases.filter_map(|phase| network.node(site.bus, phase));
            nodes.collect::<Vec<usize>>()
        })
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    let members: Vec<FeederMember> = sites
        .iter()
        .map(|(site, tan_phi)| FeederMember {
            port: PortId(site.controlled_port as u32),
            tan_phi: *tan_phi,
        })
        .collect();
    let mut mean_kw = vec![0.0; members.len()];
    let hours = (slots.len().max(1) as f64) * f64::from(slot_min) / 60.0;
    for cluster in slots.flatten() {
        let sold = cluster.sellers.iter().map(|o| (o.account, o.offered_wh));
        let bought = cluster.buyers.iter().map(|o| (o.account, -o.demand_wh));
        for (account, wh) in sold.chain(bought) {
            if let Some(place) = places.get(&account) {
                mean_kw[*place] += wh as f64 / 1_000.0 / hours;
            }
        }
    }
    Ok((Feeder::new(network, members, nodes, mean_kw)?, places))
}

/// The head of the feeder, and below it one node per cluster. A cluster's line
/// carries what the outermost of its M-LMDs together allow.
pub(crate) fn network(loaded: &LoadedScene, fees: Fees) -> Vec<TierNode> {
    let scene = &loaded.scene;
    let refs = &loaded.refs;
    let slot_min = i64::from(scene.market.slot_min);
    // Three phases of 230 V.
    let carries = |amperes: i64| amperes * 3 * 230 * slot_min / 60;
    let limit = |m: usize| i64::from(scene.mlmds[m].limit_a);
    let head: i64 = (0..scene.mlmds.len())
        .filter(|m| refs.mlmds[*m].parent.is_none())
        .map(limit)
        .sum();
    let mut nodes = vec![TierNode {
        parent: None,
        capacity_wh: carries(head),
        fee: fees.grid,
    }];
    for cluster in 0..scene.clusters.len() {
        let outermost = |m: &usize| {
            refs.mlmds[*m].cluster == cluster
                && refs.mlmds[*m]
                    .parent
                    .is_none_or(|above| refs.mlmds[above].cluster != cluster)
        };
        let amperes: i64 = (0..scene.mlmds.len()).filter(outermost).map(limit).sum();
        nodes.push(TierNode {
            parent: Some(0),
            capacity_wh: carries(amperes),
            fee: fees.neighbour,
        });
    }
    nodes
}

/// What the members wanted and gave in a settled slot.
fn orders(chain: &LedgerChain, settled: &SettledSlot, node: usize) -> ClusterOrders {
    let mut bought: BTreeMap<AccountId, EnergyWh> = BTreeMap::new();
    let mut sold: BTreeMap<(AccountId, EnergyType), EnergyWh> = BTreeMap::new();
    for line in &settled.lines {
        *bought.entry(line.buyer).or_default() += line.energy_wh;
        *sold.entry((line.seller, line.kind)).or_default() += line.energy_wh;
    }
    let mut orders = ClusterOrders {
        node,
        ..ClusterOrders::default()
    };
    for member in chain.participants() {
        let weights = chain
            .instance(member.account, member.version)
            .map_or([1; EnergyType::COUNT], |instance| {
                instance.preferences.weights.to_array()
            });
        if let Some(wh) = bought.get(&member.account) {
            orders.buyers.push(BuyOrder {
                account: member.account,
                demand_wh: *wh,
                weights,
            });
        }
        for kind in EnergyType::ALL {
            if let Some(wh) = sold.get(&(member.account, kind)) {
                orders.sellers.push(SellOrder {
                    account: member.account,
                    kind,
                    offered_wh: *wh,
                });
            }
        }
    }
    orders
}

fn row(
    slot: u32,
    outcome: &TierOutcome,
    gap_nano_eur: MoneyNanoEur,
    voltage: Option<VoltageRow>,
) -> BetweenRow {
    let sum = |of: &dyn Fn(&gridloom_market::tiers::Lot) -> bool| -> EnergyWh {
        let lots = outcome.lots.iter().filter(|lot| of(lot));
        lots.map(|lot| lot.energy_wh).sum()
    };
    BetweenRow {
        slot,
        inside_wh: sum(&|lot| lot.tier == Tier::Cluster),
        between_wh: sum(&|lot| lot.tier == Tier::Neighbour),
        import_wh: sum(&|lot| lot.tier == Tier::Grid && lot.buyer.is_some()),
        export_wh: sum(&|lot| lot.tier == Tier::Grid && lot.seller.is_some()),
        boundary: outcome.clusters.iter().map(|c| c.boundary).collect(),
        fees_nano_eur: outcome.fees,
        rent_nano_eur: outcome.rent,
        shed_wh: outcome.clusters.iter().map(|c| c.shed_wh).sum(),
        gap_nano_eur,
        off_nano_eur: outcome.imbalance(),
        voltage,
    }
}
