//! What a household bids in one slot, in place of the limits of its contract.
//!
//! An order is a curve: so much up to this price, more up to that one, each
//! step for any type of energy or for one. What the meter counts stays what is
//! settled; an order only says at which prices it trades inside the cluster.
//! Demand that no step takes up is bought from the grid, supply that no step
//! offers goes to it.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{EnergyType, EnergyWh, PriceMicroEurPerKwh, TypedWh};
use serde::{Deserialize, Serialize};

use crate::price::{Ask, Buyer, PriceInput, Weights};

/// Most steps on one side of an order.
pub const MAX_STEPS: usize = 8;

/// Most energy a step may name, Wh (a thousand MWh in a slot).
const MAX_STEP_WH: EnergyWh = 1_000_000_000;

/// A step of an order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Most a buyer pays or least a seller takes, micro-EUR/kWh.
    pub limit: PriceMicroEurPerKwh,
    /// Most energy at this limit, Wh; `None` for all there is.
    #[serde(default)]
    pub wh: Option<EnergyWh>,
    /// Only this type; `None` for every type that the contract accepts.
    #[serde(default)]
    pub kind: Option<EnergyType>,
}

/// An order of one household for one slot.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Steps of what it buys; `None` for the limit of the contract, no step for
    /// buying nothing inside the cluster.
    pub buy: Option<Vec<Step>>,
    /// Steps of what it sells, likewise.
    pub sell: Option<Vec<Step>>,
}

/// Why an order is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderFault {
    /// Too many steps on a side.
    #[error("{0} steps on one side: at most {MAX_STEPS}")]
    Steps(usize),
    /// A limit outside the grid's two prices.
    #[error(
        "a limit of {limit} µEUR/kWh is not between what the grid pays ({lower}) and asks ({upper})"
    )]
    Limit {
        /// The limit.
        limit: PriceMicroEurPerKwh,
        /// What the grid pays.
        lower: PriceMicroEurPerKwh,
        /// What the grid asks.
        upper: PriceMicroEurPerKwh,
    },
    /// Nothing, less than nothing or more than a slot can carry.
    #[error("a step of {0} Wh: 1 to {MAX_STEP_WH}")]
    Energy(EnergyWh),
    /// A type that is not traded inside a cluster.
    #[error("{} is not traded inside a cluster", .0.label())]
    Type(EnergyType),
}

impl Terms {
    /// Whether it takes back an order: both sides as in the contract.
    #[must_use]
    pub fn is_cancel(&self) -> bool {
        self.buy.is_none() && self.sell.is_none()
    }

    /// Whether every step is one that can be traded between the grid's prices.
    ///
    /// # Errors
    /// Names the first fault.
    pub fn check(
        &self,
        lower: PriceMicroEurPerKwh,
        upper: PriceMicroEurPerKwh,
    ) -> Result<(), OrderFault> {
        for steps in self.buy.iter().chain(&self.sell) {
            if steps.len() > MAX_STEPS {
                return Err(OrderFault::Steps(steps.len()));
            }
            for step in steps {
                let limit = step.limit;
                if !(lower..=upper).contains(&limit) {
                    return Err(OrderFault::Limit {
                        limit,
                        lower,
                        upper,
                    });
                }
                if let Some(wh) = step.wh.filter(|wh| !(1..=MAX_STEP_WH).contains(wh)) {
                    return Err(OrderFault::Energy(wh));
                }
                if step.kind == Some(EnergyType::GridMix) {
                    return Err(OrderFault::Type(EnergyType::GridMix));
                }
            }
        }
        Ok(())
    }

    /// One line for people.
    #[must_use]
    pub fn words(&self) -> String {
        if self.is_cancel() {
            return "trades as its contract says".into();
        }
        let side = |verb: &str, bound: &str, steps: &Option<Vec<Step>>| {
            let steps = steps.as_ref()?;
            if steps.is_empty() {
                return Some(format!("{verb} nothing"));
            }
            let step = |step: &Step| {
                let wh = step.wh.map_or("all".into(), |wh| format!("{wh} Wh"));
                let kind = step.kind.map_or("", EnergyType::label);
                let ct = step.limit as f64 / 10_000.0;
                format!("{wh} {kind} {bound} {ct:.2} ct").replace("  ", " ")
            };
            let steps: Vec<String> = steps.iter().map(step).collect();
            Some(format!("{verb} {}", steps.join(", ")))
        };
        let sides = [
            side("buys", "up to", &self.buy),
            side("sells", "from", &self.sell),
        ];
        sides.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// Steps of a buyer, dearest first, equal ones in their order.
#[must_use]
pub fn by_falling_limit(steps: &[Step]) -> Vec<Step> {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|step| std::cmp::Reverse(step.limit));
    steps
}

/// A demand taken up by steps, dearest first: limit and energy of each. What is
/// left when the steps end is not bid for.
#[must_use]
pub fn split_demand(steps: &[Step], demand_wh: EnergyWh) -> Vec<(PriceMicroEurPerKwh, EnergyWh)> {
    let mut left = demand_wh;
    let mut parts = Vec::with_capacity(steps.len());
    for step in by_falling_limit(steps) {
        let wh = step.wh.unwrap_or(left).min(left);
        if wh > 0 {
            parts.push((step.limit, wh));
            left -= wh;
        }
    }
    parts
}

/// A supply offered by steps, cheapest first: type, limit and energy of each,
/// and what no step offers.
#[must_use]
pub fn split_supply(
    steps: &[Step],
    supply_wh: TypedWh,
) -> (Vec<(EnergyType, PriceMicroEurPerKwh, EnergyWh)>, TypedWh) {
    let mut steps = steps.to_vec();
    steps.sort_by_key(|step| step.limit);
    let mut left = supply_wh;
    let mut parts = Vec::with_capacity(steps.len());
    for step in steps {
        let mut room = step.wh.unwrap_or(EnergyWh::MAX);
        for kind in EnergyType::ALL {
            let there = &mut left[kind.index()];
            let wh = room.min(*there);
            if wh > 0 && step.kind.is_none_or(|only| only == kind) {
                parts.push((kind, step.limit, wh));
                *there -= wh;
                room -= wh;
            }
        }
    }
    (parts, left)
}

/// A household in the slot a price is formed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Household {
    /// Energy it took, Wh.
    pub demand_wh: EnergyWh,
    /// Energy it gave, per type, Wh.
    pub supply_wh: TypedWh,
    /// How much it wants each type.
    pub weights: Weights,
    /// Most it pays by its contract; `None` for the grid's price.
    pub buy_up_to: Option<PriceMicroEurPerKwh>,
    /// Least it takes by its contract; `None` for the grid's price.
    pub sell_from: Option<PriceMicroEurPerKwh>,
}

impl PriceInput {
    /// Adds a household's part, by its order for the slot or else by the limits
    /// of its contract. What an order does not bid for or keeps back has no
    /// part in the price.
    pub fn add(&mut self, home: &Household, terms: Option<&Terms>) {
        let buys = match terms.and_then(|terms| terms.buy.as_ref()) {
            Some(steps) => split_demand(steps, home.demand_wh)
                .into_iter()
                .map(|(limit, wh)| (Some(limit), wh))
                .collect(),
            None => vec![(home.buy_up_to, home.demand_wh)],
        };
        self.buyers
            .extend(buys.into_iter().map(|(limit, demand_wh)| Buyer {
                demand_wh,
                weights: home.weights,
                limit,
            }));
        if let Some(steps) = terms.and_then(|terms| terms.sell.as_ref()) {
            for (kind, limit, wh) in split_supply(steps, home.supply_wh).0 {
                self.supply_wh[kind.index()] += wh;
                self.asks.push(Ask {
                    offered_wh: wh,
                    limit: Some(limit),
                });
            }
            return;
        }
        for (sum, wh) in self.supply_wh.iter_mut().zip(home.supply_wh) {
            *sum += wh;
        }
        if home.sell_from.is_some() {
            self.asks.push(Ask {
                offered_wh: home.supply_wh.iter().sum(),
                limit: home.sell_from,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(limit: i64, wh: Option<i64>, kind: Option<EnergyType>) -> Step {
        Step { limit, wh, kind }
    }

    #[test]
    fn a_demand_is_taken_up_from_the_dearest_step_on() {
        let steps = [step(10, Some(3), None), step(20, Some(4), None)];
        assert_eq!(split_demand(&steps, 9), [(20, 4), (10, 3)]);
        assert_eq!(split_demand(&steps, 2), [(20, 2)]);
        let all = [step(10, None, None), step(20, Some(4), None)];
        assert_eq!(split_demand(&all, 9), [(20, 4), (10, 5)]);
        assert!(split_demand(&[], 9).is_empty());
    }

    #[test]
    fn a_supply_is_offered_by_type_and_the_rest_is_kept_back() {
        let mut supply = [0; EnergyType::COUNT];
        supply[EnergyType::Solar.index()] = 10;
        supply[EnergyType::Battery.index()] = 5;
        let steps = [
            step(20, None, Some(EnergyType::Battery)),
            step(10, Some(4), Some(EnergyType::Solar)),
        ];
        let (parts, left) = split_supply(&steps, supply);
        assert_eq!(
            parts,
            [(EnergyType::Solar, 10, 4), (EnergyType::Battery, 20, 5)]
        );
        assert_eq!(left[EnergyType::Solar.index()], 6);
        assert_eq!(left.iter().sum::<i64>(), 6);
    }

    #[test]
    fn orders_are_checked_and_said_in_words() {
        let order = |steps: Vec<Step>| Terms {
            buy: Some(steps),
            sell: None,
        };
        let good = order(vec![step(150_000, Some(500), Some(EnergyType::Solar))]);
        assert_eq!(good.check(80_000, 300_000), Ok(()));
        assert_eq!(good.words(), "buys 500 Wh solar up to 15.00 ct");
        assert_eq!(order(vec![]).words(), "buys nothing");
        assert!(Terms::default().is_cancel() && !order(vec![]).is_cancel());
        for (bad, fault) in [
            (
                step(300_001, None, None),
                OrderFault::Limit {
                    limit: 300_001,
                    lower: 80_000,
                    upper: 300_000,
                },
            ),
            (step(80_000, Some(0), None), OrderFault::Energy(0)),
            (step(80_000, Some(-5), None), OrderFault::Energy(-5)),
            (
                step(80_000, None, Some(EnergyType::GridMix)),
                OrderFault::Type(EnergyType::GridMix),
            ),
        ] {
            assert_eq!(order(vec![bad]).check(80_000, 300_000), Err(fault));
        }
        let many = order(vec![step(80_000, None, None); MAX_STEPS + 1]);
        assert_eq!(
            many.check(80_000, 300_000),
            Err(OrderFault::Steps(MAX_STEPS + 1))
        );
    }
}
