//! Cluster, between clusters, grid: a slot cleared tier by tier (design section 5.4).
//!
//! Each cluster first clears alone, by the typed price and the eating
//! allocation, between what a kilowatt-hour costs and earns at its boundary.
//! What is left over clears on the network tree with line limits and a fee per
//! line; that gives each cluster one price for the rest, which lies between
//! the same bounds. So nearer is never dearer, for buyer and seller alike.
//!
//! Money goes through a clearing account: members pay and get their cluster's
//! price, the utility its own for what crosses the root, and exactly the fees
//! and the congestion rent remain, which belong to the network.

mod lots;

use std::collections::BTreeMap;

use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, amount};

use crate::allocation::{Allocation, BuyOrder, PlantWish, SellOrder, allocate_by_wish};
use crate::auction::Order;
use crate::price::{Buyer, Exponent, PriceInput, typed_price};
use crate::tree::{TreeInput, TreeNode, TreeOutcome, clear_tree};
use crate::{ENERGY_LIMIT_WH, MarketError, TypedPrice};

/// A node of the network: a cluster, or a place where lines meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierNode {
    /// Position of the parent, before this node; `None` for the first only,
    /// whose line goes to the grid.
    pub parent: Option<usize>,
    /// Most energy the line or transformer carries in the slot, Wh.
    pub capacity_wh: EnergyWh,
    /// Network fee on that line, micro-EUR/kWh.
    pub fee: PriceMicroEurPerKwh,
}

/// Orders of the members at one node.
#[derive(Clone, Debug, Default)]
pub struct ClusterOrders {
    /// Node of the network.
    pub node: usize,
    /// Who wants energy.
    pub buyers: Vec<BuyOrder>,
    /// Who gives energy.
    pub sellers: Vec<SellOrder>,
    /// Wishes about single plants.
    pub wishes: Vec<PlantWish>,
}

/// A slot of all clusters.
#[derive(Clone, Debug)]
pub struct TierInput<'a> {
    /// What the grid asks, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// What the grid pays, micro-EUR/kWh.
    pub export: PriceMicroEurPerKwh,
    /// Value of load that cannot be served, micro-EUR/kWh; above the import price.
    pub lost_load: PriceMicroEurPerKwh,
    /// Least that sellers take for what is left over, micro-EUR/kWh: its price
    /// where a limit holds it back.
    pub reserve: PriceMicroEurPerKwh,
    /// Exponent of the typed price.
    pub exponent: Exponent,
    /// The network, parents first.
    pub network: &'a [TierNode],
    /// Orders per cluster.
    pub clusters: &'a [ClusterOrders],
}

impl TierInput<'_> {
    /// What a cluster's sellers ask for what is left over, micro-EUR/kWh: below
    /// what the grid pays at its boundary, so that it is taken there at the least.
    pub(crate) fn ask(&self, cluster: &ClusterTier) -> PriceMicroEurPerKwh {
        self.reserve.min(cluster.bounds.0 - 1)
    }
}

/// How far energy went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Inside the cluster.
    Cluster,
    /// From one cluster to another.
    Neighbour,
    /// From or to the grid.
    Grid,
}

/// Energy with its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Who delivers; `None` for the grid.
    pub seller: Option<AccountId>,
    /// Who receives; `None` for the grid.
    pub buyer: Option<AccountId>,
    /// Its type.
    pub kind: EnergyType,
    /// Energy, Wh.
    pub energy_wh: EnergyWh,
    /// How far it went.
    pub tier: Tier,
}

/// What a cluster came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterTier {
    /// Lowest and highest price at its boundary, micro-EUR/kWh.
    pub bounds: (PriceMicroEurPerKwh, PriceMicroEurPerKwh),
    /// Price per type of what is traded inside, micro-EUR/kWh.
    pub typed: TypedPrice,
    /// Price of what is left over, micro-EUR/kWh.
    pub boundary: PriceMicroEurPerKwh,
    /// Part of it that a voltage limit makes, micro-EUR/kWh: negative where
    /// exports are held back, positive where imports are.
    pub voltage: PriceMicroEurPerKwh,
    /// Net export, Wh.
    pub exchange_wh: EnergyWh,
    /// Trades inside.
    pub local: Allocation,
    /// Demand that no line could bring, Wh.
    pub shed_wh: EnergyWh,
    /// Supply that no line could take, Wh.
    pub curtailed_wh: EnergyWh,
    /// The same by account: supply not taken, or with a minus demand not served, Wh.
    pub cut_wh: BTreeMap<AccountId, EnergyWh>,
}

/// A slot cleared over all tiers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierOutcome {
    /// Per cluster, in the order given.
    pub clusters: Vec<ClusterTier>,
    /// The clearing of the rest.
    pub tree: TreeOutcome,
    /// Every lot of energy, local ones first.
    pub lots: Vec<Lot>,
    /// Change of every member's money, nano-EUR.
    pub money: BTreeMap<AccountId, MoneyNanoEur>,
    /// What the utility gets, nano-EUR.
    pub utility: MoneyNanoEur,
    /// Network fees, nano-EUR.
    pub fees: MoneyNanoEur,
    /// Congestion rent, nano-EUR.
    pub rent: MoneyNanoEur,
    /// Rent of the voltage limits, nano-EUR; the network's like the other one.
    pub voltage_rent: MoneyNanoEur,
}

/// Most a cluster may export and import in a slot, Wh; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExchangeLimit {
    /// Most net export, Wh.
    pub export_wh: Option<EnergyWh>,
    /// Most net import, Wh.
    pub import_wh: Option<EnergyWh>,
}

/// Clears a slot of all clusters.
///
/// # Errors
/// As the clearings it is made of; and when a cluster names a node that is not
/// there.
pub fn clear_tiers(input: &TierInput<'_>) -> Result<TierOutcome, MarketError> {
    let free = vec![ExchangeLimit::default(); input.clusters.len()];
    clear_tiers_within(input, &free)
}

/// The same with limits on the net exchange of each cluster, in their order;
/// a missing entry is no limit. Every cluster gets a place of its own below
/// its node, so that its limit has a price and a rent of its own. What a limit
/// or a line leaves over is shared in proportion among the cluster's members.
///
/// # Errors
/// As [`clear_tiers`], and for a negative limit.
pub fn clear_tiers_within(
    input: &TierInput<'_>,
    limits: &[ExchangeLimit],
) -> Result<TierOutcome, MarketError> {
    let mut outcome = TierOutcome::default();
    let mut nodes = tree_nodes(input);
    let lines = nodes.len();
    let paths = fees_to_grid(input)?;
    for cluster in input.clusters {
        let fee = *paths.get(cluster.node).ok_or(MarketError::BadTree {
            node: cluster.node,
            reason: "a cluster names a node that is not there",
        })?;
        let local = local(input, cluster, fee)?;
        let order = |account, price, energy_wh| Order {
            account,
            price,
            energy_wh,
        };
        let limit = limits.get(nodes.len() - lines).copied().unwrap_or_default();
        let mut node = TreeNode {
            parent: Some(cluster.node),
            capacity_wh: ENERGY_LIMIT_WH,
            export_limit_wh: limit.export_wh,
            import_limit_wh: limit.import_wh,
            ..TreeNode::default()
        };
        for (account, wh) in &local.local.unmet {
            node.bids.push(order(*account, input.lost_load, *wh));
        }
        for (account, _, wh) in &local.local.unsold {
            node.offers.push(order(*account, input.ask(&local), *wh));
        }
        nodes.push(node);
        outcome.clusters.push(local);
    }
    let tree = TreeInput {
        nodes,
        import: input.import,
        export: input.export,
    };
    outcome.tree = clear_tree(&tree)?;
    lots::deal(input, lines, &mut outcome);
    Ok(outcome)
}

/// The lines of the network, without orders.
fn tree_nodes(input: &TierInput<'_>) -> Vec<TreeNode> {
    input
        .network
        .iter()
        .map(|node| TreeNode {
            parent: node.parent,
            capacity_wh: node.capacity_wh,
            fee: node.fee,
            ..TreeNode::default()
        })
        .collect()
}

/// Sum of the fees between each node and the grid.
fn fees_to_grid(input: &TierInput<'_>) -> Result<Vec<PriceMicroEurPerKwh>, MarketError> {
    let mut fees: Vec<PriceMicroEurPerKwh> = Vec::with_capacity(input.network.len());
    for (n, node) in input.network.iter().enumerate() {
        let above = match node.parent {
            Some(parent) => *fees.get(parent).ok_or(MarketError::BadTree {
                node: n,
                reason: "a parent comes before its children",
            })?,
            None => 0,
        };
        fees.push(above.saturating_add(node.fee));
    }
    Ok(fees)
}

/// Tier 0: the cluster alone.
fn local(
    input: &TierInput<'_>,
    cluster: &ClusterOrders,
    fee: PriceMicroEurPerKwh,
) -> Result<ClusterTier, MarketError> {
    let bounds = (
        input.export.saturating_sub(fee),
        input.import.saturating_add(fee),
    );
    let mut supply_wh = [0; EnergyType::COUNT];
    for order in &cluster.sellers {
        supply_wh[order.kind.index()] += order.offered_wh;
    }
    let price = typed_price(&PriceInput {
        lower: bounds.0,
        upper: bounds.1,
        exponent: input.exponent,
        supply_wh,
        buyers: cluster
            .buyers
            .iter()
            .map(|order| Buyer::new(order.demand_wh, order.weights))
            .collect(),
        asks: vec![],
    })?;
    let local = allocate_by_wish(
        &cluster.buyers,
        &cluster.sellers,
        &cluster.wishes,
        &price.price,
    )?;
    Ok(ClusterTier {
        bounds,
        typed: price.price,
        local,
        ..ClusterTier::default()
    })
}

impl TierOutcome {
    /// What all accounts together gain: zero, or money appeared from nowhere.
    #[must_use]
    pub fn imbalance(&self) -> MoneyNanoEur {
        self.money.values().sum::<MoneyNanoEur>()
            + self.utility
            + self.fees
            + self.rent
            + self.voltage_rent
    }
}

/// Welfare that clearing clusters first gives away: the optimum of all orders
/// on the tree less what the tiers reached, nano-EUR. Never negative.
///
/// # Errors
/// As [`clear_tree`].
pub fn welfare_gap(
    input: &TierInput<'_>,
    outcome: &TierOutcome,
) -> Result<MoneyNanoEur, MarketError> {
    let mut nodes = tree_nodes(input);
    let mut tiers = outcome.tree.welfare;
    for (cluster, local) in input.clusters.iter().zip(&outcome.clusters) {
        let cost = input.ask(local);
        let traded: EnergyWh = local.local.transfers.iter().map(|t| t.energy_wh).sum();
        tiers += amount(traded, input.lost_load - cost);
        let node = &mut nodes[cluster.node];
        let order = |account, price, energy_wh| Order {
            account,
            price,
            energy_wh,
        };
        node.bids.extend(
            cluster
                .buyers
                .iter()
                .map(|o| order(o.account, input.lost_load, o.demand_wh)),
        );
        node.offers.extend(
            cluster
                .sellers
                .iter()
                .map(|o| order(o.account, cost, o.offered_wh)),
        );
    }
    let best = clear_tree(&TreeInput {
        nodes,
        import: input.import,
        export: input.export,
    })?;
    Ok(best.welfare - tiers)
}
