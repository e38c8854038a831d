//! Gate 9: tree clearing solves the linear program, with a proof.
//!
//! No solver is asked: the prices of the clearing are a solution of the dual
//! program, and where its value equals the welfare of the dispatch both are
//! optimal (weak duality). The equality is of integers, so its tolerance is 0.

use std::ops::Range;

use gridloom_units::{MoneyNanoEur, amount};

use super::cases::{Draws, tree};
use super::{Count, unless};
use crate::{MarketError, TreeInput, TreeOutcome, clear_tree};

/// Counts of the gates on trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeGates {
    /// Welfare equals the optimum of the linear program.
    pub optimum: Count,
    /// Flows balance and keep the limits, prices differ over a line only by the
    /// fee or because it is full, money is complete.
    pub prices: Count,
    /// Lines that were full in all trees.
    pub full_lines: u64,
}

/// Clears random trees.
///
/// # Errors
/// Fails when a generated tree is refused.
pub fn tree_gates(cases: Range<u64>) -> Result<TreeGates, MarketError> {
    let mut gates = TreeGates::default();
    for case in cases {
        let input = tree(&mut Draws::new(case));
        let outcome = clear_tree(&input)?;
        let dual = dual_value(&input, &outcome);
        gates.optimum.note(unless(dual == outcome.welfare, || {
            format!(
                "case {case}: welfare {}, bound {dual} nEUR",
                outcome.welfare
            )
        }));
        gates.prices.note(unless(sound(&input, &outcome), || {
            format!("case {case}: a flow, price or payment is wrong")
        }));
        gates.full_lines += input
            .nodes
            .iter()
            .zip(&outcome.nodes)
            .filter(|(node, result)| {
                let (least_wh, most_wh) = node.flow_bounds();
                [least_wh, most_wh].contains(&result.flow_wh)
            })
            .count() as u64;
    }
    Ok(gates)
}

/// Value of the dual program at the outcome's prices: an upper bound of every
/// dispatch's welfare, nano-EUR.
fn dual_value(input: &TreeInput, outcome: &TreeOutcome) -> MoneyNanoEur {
    let mut bound = 0;
    for (node, result) in input.nodes.iter().zip(&outcome.nodes) {
        let price = result.price;
        for bid in &node.bids {
            bound += amount(bid.energy_wh, (bid.price - price).max(0));
        }
        for offer in &node.offers {
            bound += amount(offer.energy_wh, (price - offer.price).max(0));
        }
        let (sell, buy) = match node.parent {
            Some(parent) => (outcome.nodes[parent].price, outcome.nodes[parent].price),
            None => (input.export, input.import),
        };
        let (least_wh, most_wh) = node.flow_bounds();
        let rent = amount(most_wh, (sell - price - node.fee).max(0))
            + amount(-least_wh, (price - buy - node.fee).max(0));
        bound += rent;
    }
    bound
}

fn sound(input: &TreeInput, outcome: &TreeOutcome) -> bool {
    let mut net: Vec<i64> = outcome
        .nodes
        .iter()
        .map(|node| node.taken_wh.iter().sum::<i64>() - node.served_wh.iter().sum::<i64>())
        .collect();
    let mut holds = true;
    let mut money = 0;
    for n in (0..input.nodes.len()).rev() {
        let (node, result) = (&input.nodes[n], &outcome.nodes[n]);
        let (least_wh, most_wh) = node.flow_bounds();
        holds &= net[n] == result.flow_wh && (least_wh..=most_wh).contains(&result.flow_wh);
        if let Some(parent) = node.parent {
            net[parent] += result.flow_wh;
        }
        let full = [least_wh, most_wh].contains(&result.flow_wh);
        holds &= result.rent >= 0 && (full || result.rent == 0);
        holds &= result.fee == amount(result.flow_wh.abs(), node.fee);
        money += amount(result.served_wh.iter().sum(), result.price)
            - amount(result.taken_wh.iter().sum(), result.price)
            - result.fee
            - result.rent;
    }
    let flow = outcome.nodes.first().map_or(0, |root| root.flow_wh);
    money += amount(flow, if flow < 0 { input.import } else { input.export });
    holds && money == 0
}
