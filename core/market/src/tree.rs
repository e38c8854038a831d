//! Clearing between clusters on a radial network with limits and fees
//! (design section 5.4, step 3).
//!
//! Every node turns its orders and those below it into one curve of net export
//! over price; its line clips the curve to what it can carry and its fee
//! shifts it. Only that curve goes up the tree, so the messages grow with the
//! clusters and not with the houses. The result is the welfare optimum of the
//! whole tree, and a price per node that differs across a line only by the fee
//! or because the line is full.

use gridloom_units::{EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, amount};

use crate::auction::Order;
use crate::price::PRICE_LIMIT;
use crate::{MarketError, checked_total};

/// A node and the line to its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeNode {
    /// Position of the parent, before this node in the list; `None` for the
    /// first node only, whose line goes to the grid.
    pub parent: Option<usize>,
    /// Most energy the line carries in the slot in either direction, Wh.
    pub capacity_wh: EnergyWh,
    /// Most energy towards the parent where that is less than the capacity, Wh.
    pub export_limit_wh: Option<EnergyWh>,
    /// Most energy from the parent where that is less than the capacity, Wh.
    pub import_limit_wh: Option<EnergyWh>,
    /// Fee for energy on the line in either direction, micro-EUR/kWh.
    pub fee: PriceMicroEurPerKwh,
    /// What is wanted here.
    pub bids: Vec<Order>,
    /// What is offered here.
    pub offers: Vec<Order>,
}

impl TreeNode {
    /// Least and most energy on the line, Wh, positive towards the parent.
    #[must_use]
    pub fn flow_bounds(&self) -> (EnergyWh, EnergyWh) {
        let within = |limit: Option<EnergyWh>| limit.unwrap_or(EnergyWh::MAX).min(self.capacity_wh);
        (-within(self.import_limit_wh), within(self.export_limit_wh))
    }
}

/// A tree to clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeInput {
    /// Nodes, parents first.
    pub nodes: Vec<TreeNode>,
    /// What the grid asks for a kilowatt-hour, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// What the grid pays for a kilowatt-hour, micro-EUR/kWh.
    pub export: PriceMicroEurPerKwh,
}

/// Result at one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOutcome {
    /// Energy served of each bid, Wh, in the order given.
    pub served_wh: Vec<EnergyWh>,
    /// Energy taken of each offer, Wh, in the order given.
    pub taken_wh: Vec<EnergyWh>,
    /// Energy on the line, Wh: positive towards the parent.
    pub flow_wh: EnergyWh,
    /// Price at the node, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
    /// Fee earned by the line, nano-EUR.
    pub fee: MoneyNanoEur,
    /// Rent of the line when it is full, nano-EUR.
    pub rent: MoneyNanoEur,
}

/// Result of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeOutcome {
    /// Per node, in the order given.
    pub nodes: Vec<NodeOutcome>,
    /// Value of what is served less cost, fees and what the grid is paid,
    /// nano-EUR.
    pub welfare: MoneyNanoEur,
}

/// Where a step of a curve comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Bid(usize),
    Offer(usize),
    Child(usize),
}

/// A step of a curve: above `price`, `energy_wh` more is exported.
#[derive(Clone, Copy, Debug)]
struct Step {
    price: PriceMicroEurPerKwh,
    energy_wh: EnergyWh,
    source: Source,
}

/// Net export over price: `start` below every step, then up the steps.
#[derive(Clone, Debug, Default)]
struct Curve {
    start: EnergyWh,
    steps: Vec<Step>,
}

/// Clears a tree.
///
/// # Errors
/// Fails when a node does not come after its parent, on negative energies,
/// limits or fees, on excessive figures, and when the grid pays more than it
/// asks.
pub fn clear_tree(input: &TreeInput) -> Result<TreeOutcome, MarketError> {
    check(input)?;
    let count = input.nodes.len();
    let mut curves: Vec<Curve> = input.nodes.iter().map(own_curve).collect();
    // Starts of the curves as the parent sees them.
    let mut starts = vec![0; count];
    let mut root = Curve::default();
    for n in (0..count).rev() {
        let node = &input.nodes[n];
        curves[n]
            .steps
            .sort_by_key(|step| (step.price, step.source));
        let up = clipped(&curves[n], node.flow_bounds(), node.fee, n);
        starts[n] = up.start;
        match node.parent {
            Some(parent) => {
                curves[parent].start += up.start;
                curves[parent].steps.extend(up.steps);
            }
            None => root = up,
        }
    }

    let mut outcome = TreeOutcome {
        nodes: input
            .nodes
            .iter()
            .map(|node| NodeOutcome {
                served_wh: node.bids.iter().map(|order| order.energy_wh).collect(),
                taken_wh: vec![0; node.offers.len()],
                ..NodeOutcome::default()
            })
            .collect(),
        welfare: 0,
    };
    if count > 0 {
        outcome.nodes[0].flow_wh = root_flow(&root, input);
    }
    for (n, curve) in curves.iter().enumerate() {
        dispatch(n, curve, &starts, &mut outcome);
        price(n, curve, input, &mut outcome);
    }
    outcome.welfare = welfare(input, &outcome);
    Ok(outcome)
}

fn check(input: &TreeInput) -> Result<(), MarketError> {
    let bad = |node: usize, reason: &'static str| MarketError::BadTree { node, reason };
    for (n, node) in input.nodes.iter().enumerate() {
        match node.parent {
            None if n > 0 => return Err(bad(n, "only the first node is without a parent")),
            Some(_) if n == 0 => return Err(bad(n, "the first node has no parent")),
            Some(parent) if parent >= n => {
                return Err(bad(n, "a parent comes before its children"));
            }
            _ => {}
        }
        if node.fee < 0 || node.fee > PRICE_LIMIT {
            return Err(bad(n, "a fee is zero or more and within the price limit"));
        }
        let limits = [node.export_limit_wh, node.import_limit_wh];
        if node.capacity_wh < 0 || limits.into_iter().flatten().any(|limit| limit < 0) {
            return Err(bad(n, "a capacity or limit is zero or more"));
        }
    }
    if input.export > input.import {
        return Err(MarketError::BoundsReversed {
            lower: input.export,
            upper: input.import,
        });
    }
    let orders = || {
        input
            .nodes
            .iter()
            .flat_map(|node| node.bids.iter().chain(&node.offers))
    };
    let prices = orders()
        .map(|order| order.price)
        .chain([input.import, input.export]);
    for price in prices {
        if price.checked_abs().is_none_or(|size| size > PRICE_LIMIT) {
            return Err(MarketError::PriceOutOfRange {
                price,
                limit: PRICE_LIMIT,
            });
        }
    }
    checked_total("orders", orders().map(|order| order.energy_wh)).map(|_| ())
}

/// The node's own orders: every bid served at the start, shed as the price
/// passes it; offers taken as the price passes them.
fn own_curve(node: &TreeNode) -> Curve {
    let bids = node
        .bids
        .iter()
        .enumerate()
        .map(|(i, order)| (Source::Bid(i), order));
    let offers = node
        .offers
        .iter()
        .enumerate()
        .map(|(i, order)| (Source::Offer(i), order));
    Curve {
        start: -node
            .bids
            .iter()
            .map(|order| order.energy_wh)
            .sum::<EnergyWh>(),
        steps: bids
            .chain(offers)
            .filter(|(_, order)| order.energy_wh > 0)
            .map(|(source, order)| Step {
                price: order.price,
                energy_wh: order.energy_wh,
                source,
            })
            .collect(),
    }
}

/// The curve as the parent sees it through the line: net export within the
/// limits, cheaper by the fee while importing, dearer while exporting.
fn clipped(
    curve: &Curve,
    (least_wh, most_wh): (EnergyWh, EnergyWh),
    fee: PriceMicroEurPerKwh,
    node: usize,
) -> Curve {
    let mut up = Curve {
        start: curve.start.max(least_wh),
        steps: Vec::new(),
    };
    let mut at = curve.start;
    for step in &curve.steps {
        let end = at + step.energy_wh;
        let (from, to) = (at.max(least_wh), end.min(most_wh));
        at = end;
        // The import part and the export part of what is left of the step.
        for (low, high, price) in [
            (from, to.min(0), step.price - fee),
            (from.max(0), to, step.price + fee),
        ] {
            if low < high {
                up.steps.push(Step {
                    price,
                    energy_wh: high - low,
                    source: Source::Child(node),
                });
            }
        }
    }
    up
}

/// Net export of the tree: imports while the grid is cheaper, exports while it
/// pays more.
fn root_flow(root: &Curve, input: &TreeInput) -> EnergyWh {
    let mut flow_wh = root.start;
    for step in &root.steps {
        // Steps are split at zero, so a step is wholly on one side.
        let worth = if flow_wh < 0 {
            input.import
        } else {
            input.export
        };
        if step.price >= worth {
            break;
        }
        flow_wh += step.energy_wh;
    }
    flow_wh
}

/// Takes the cheapest steps that make the node's flow; children get their part.
fn dispatch(n: usize, curve: &Curve, starts: &[EnergyWh], outcome: &mut TreeOutcome) {
    for step in &curve.steps {
        if let Source::Child(child) = step.source {
            outcome.nodes[child].flow_wh = starts[child];
        }
    }
    let mut need_wh = outcome.nodes[n].flow_wh - curve.start;
    for step in &curve.steps {
        let take_wh = need_wh.min(step.energy_wh);
        need_wh -= take_wh;
        match step.source {
            Source::Bid(i) => outcome.nodes[n].served_wh[i] -= take_wh,
            Source::Offer(i) => outcome.nodes[n].taken_wh[i] += take_wh,
            Source::Child(child) => outcome.nodes[child].flow_wh += take_wh,
        }
    }
}

/// Price of a node: the parent's, less or plus the fee, held between the last
/// step that was taken and the first that was not.
fn price(n: usize, curve: &Curve, input: &TreeInput, outcome: &mut TreeOutcome) {
    let node = &input.nodes[n];
    let flow_wh = outcome.nodes[n].flow_wh;
    let (mut low, mut high) = (PriceMicroEurPerKwh::MIN, PriceMicroEurPerKwh::MAX);
    let mut left_wh = flow_wh - curve.start;
    for step in &curve.steps {
        if left_wh > 0 {
            low = step.price;
        }
        if left_wh < step.energy_wh {
            high = step.price;
            break;
        }
        left_wh -= step.energy_wh;
    }
    let parent = node.parent.map(|parent| outcome.nodes[parent].price);
    let reference = match flow_wh {
        ..=-1 => parent.unwrap_or(input.import) + node.fee,
        1.. => parent.unwrap_or(input.export) - node.fee,
        0 => parent.unwrap_or_else(|| (input.import + input.export).div_euclid(2)),
    };
    // A cut step makes low and high equal; otherwise low is below high.
    let price = reference.max(low).min(high);
    let size_wh = flow_wh.abs();
    let across = match (parent, flow_wh) {
        (_, 0) => 0,
        (parent, ..=-1) => price - parent.unwrap_or(input.import) - node.fee,
        (parent, _) => parent.unwrap_or(input.export) - node.fee - price,
    };
    let result = &mut outcome.nodes[n];
    result.price = price;
    result.fee = amount(size_wh, node.fee);
    result.rent = amount(size_wh, across);
}

fn welfare(input: &TreeInput, outcome: &TreeOutcome) -> MoneyNanoEur {
    let mut welfare = 0;
    for (node, result) in input.nodes.iter().zip(&outcome.nodes) {
        for (order, wh) in node.bids.iter().zip(&result.served_wh) {
            welfare += amount(*wh, order.price);
        }
        for (order, wh) in node.offers.iter().zip(&result.taken_wh) {
            welfare -= amount(*wh, order.price);
        }
        welfare -= result.fee;
    }
    match outcome.nodes.first().map(|root| root.flow_wh) {
        Some(flow_wh @ ..=-1) => welfare - amount(-flow_wh, input.import),
        Some(flow_wh) => welfare + amount(flow_wh, input.export),
        None => welfare,
    }
}
