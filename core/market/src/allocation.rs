//! Who gets which kilowatt-hour: simultaneous eating (design section 5.3).
//!
//! Every buyer eats from the best type of their ranking that is not exhausted,
//! at a speed in proportion to their demand, all at the same time (the
//! probabilistic serial rule of Bogomolnaia and Moulin 2001). Nobody prefers
//! another's share, scaled to their own demand, and a refused type is never
//! delivered. Buyers with the same ranking spend the same share of the time on
//! each type, so the phases run over rankings, not buyers.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{AccountId, EnergyType, EnergyWh, TypedWh};
use serde::{Deserialize, Serialize};

use crate::price::Weights;
use crate::rounding::{END, Shares, TIME_BITS, TimeShares, whole_wh};
use crate::{MarketError, TypedPrice, checked_total};

const COUNT: usize = EnergyType::COUNT;
/// Energy an account wants in the slot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct BuyOrder {
    /// Who buys; once per slot.
    pub account: AccountId,
    /// Energy wanted, Wh.
    pub demand_wh: EnergyWh,
    /// Preference per type; 0 refuses the type.
    pub weights: Weights,
}

/// Energy of one type an account offers in the slot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct SellOrder {
    /// Who sells.
    pub account: AccountId,
    /// Type of the energy.
    pub kind: EnergyType,
    /// Energy offered, Wh.
    pub offered_wh: EnergyWh,
}

/// Energy that changes hands inside the cluster.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Transfer {
    /// Who delivers.
    pub seller: AccountId,
    /// Who receives.
    pub buyer: AccountId,
    /// Type of the energy.
    pub kind: EnergyType,
    /// Energy, Wh; at least 1.
    pub energy_wh: EnergyWh,
}

/// Result of the local tier.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Allocation {
    /// Trades, by type, then in account order.
    pub transfers: Vec<Transfer>,
    /// Demand left for the next tier, in account order, without zeros.
    pub unmet: Vec<(AccountId, EnergyWh)>,
    /// Supply left for the next tier, in account order, without zeros.
    pub unsold: Vec<(AccountId, EnergyType, EnergyWh)>,
    /// Energy delivered per type, Wh.
    pub delivered_wh: TypedWh,
}

/// Types a buyer accepts, best first.
type Ranking = Vec<u8>;

/// Allocates the supply of a slot to its buyers.
///
/// Types are ranked by weight, then by lower price, then in canonical order.
/// Shares become whole Wh by running sums in account order: no type is
/// over-delivered, no buyer gets more than they asked for, and rounding moves
/// a buyer's share of a type by less than 2 Wh.
///
/// # Errors
/// Fails on negative or excessive energies and when an account buys twice.
pub fn allocate(
    buyers: &[BuyOrder],
    sellers: &[SellOrder],
    price: &TypedPrice,
) -> Result<Allocation, MarketError> {
    checked_total("demand", buyers.iter().map(|order| order.demand_wh))?;
    checked_total("supply", sellers.iter().map(|order| order.offered_wh))?;
    let mut buyers = buyers.to_vec();
    buyers.sort_unstable_by_key(|order| order.account);
    if let Some(pair) = buyers
        .windows(2)
        .find(|pair| pair[0].account == pair[1].account)
    {
        return Err(MarketError::DuplicateAccount {
            account: pair[0].account,
            what: "the buy orders",
        });
    }
    let mut offers: BTreeMap<(EnergyType, AccountId), EnergyWh> = BTreeMap::new();
    let mut supply_wh: TypedWh = [0; COUNT];
    for order in sellers.iter().filter(|order| order.offered_wh > 0) {
        *offers.entry((order.kind, order.account)).or_default() += order.offered_wh;
        supply_wh[order.kind.index()] += order.offered_wh;
    }

    let groups = Groups::of(&buyers, price);
    let (time, exhausted) = eat(&groups, &supply_wh);
    let received = whole_wh(&Shares {
        buyers: &buyers,
        group_of: &groups.group_of,
        time: &time,
        supply_wh: &supply_wh,
        exhausted,
    });
    Ok(pair_up(&buyers, &received, &offers, &supply_wh))
}

/// Buyers with the same ranking eat as one.
struct Groups {
    /// Group of each buyer.
    group_of: Vec<usize>,
    /// Ranking of each group.
    rankings: Vec<Ranking>,
    /// Sum of the group's demands, Wh: its speed.
    speeds: Vec<u128>,
}

impl Groups {
    fn of(buyers: &[BuyOrder], price: &TypedPrice) -> Self {
        let mut index: BTreeMap<Ranking, usize> = BTreeMap::new();
        let mut groups = Self {
            group_of: Vec::with_capacity(buyers.len()),
            rankings: vec![],
            speeds: vec![],
        };
        for order in buyers {
            let ranking = ranking(&order.weights, price);
            let group = match index.get(&ranking) {
                Some(group) => *group,
                None => {
                    let group = groups.rankings.len();
                    groups.rankings.push(ranking.clone());
                    groups.speeds.push(0);
                    index.insert(ranking, group);
                    group
                }
            };
            groups.group_of.push(group);
            groups.speeds[group] += u128::from(order.demand_wh.unsigned_abs());
        }
        groups
    }
}

/// Accepted types, higher weight first, then cheaper, then canonical order.
fn ranking(weights: &Weights, price: &TypedPrice) -> Ranking {
    let mut kinds: Vec<usize> = (0..COUNT).filter(|k| weights[*k] > 0).collect();
    kinds.sort_by_key(|k| (std::cmp::Reverse(weights[*k]), price[*k], *k));
    // Indices below seven.
    kinds.into_iter().map(|k| k as u8).collect()
}

/// Runs the eating clock; returns the time per group and type, and which types
/// were eaten up.
fn eat(groups: &Groups, supply_wh: &TypedWh) -> (Vec<TimeShares>, [bool; COUNT]) {
    let mut time = vec![[0; COUNT]; groups.rankings.len()];
    let mut left = supply_wh.map(|wh| u128::from(wh.unsigned_abs()) << TIME_BITS);
    let mut exhausted = supply_wh.map(|wh| wh == 0);
    let mut time_left = END;

    // Each phase exhausts a type or is the last.
    for _ in 0..=COUNT {
        let best = |ranking: &Ranking| {
            ranking
                .iter()
                .map(|k| usize::from(*k))
                .find(|k| !exhausted[*k])
        };
        let mut rate = [0_u128; COUNT];
        for (ranking, speed) in groups.rankings.iter().zip(&groups.speeds) {
            if let Some(k) = best(ranking) {
                rate[k] += speed;
            }
        }
        let eaten = (0..COUNT).filter(|k| rate[*k] > 0);
        let Some(phase) = eaten.clone().map(|k| left[k] / rate[k]).min() else {
            break;
        };
        let phase = phase.min(time_left);
        for (ranking, time) in groups.rankings.iter().zip(&mut time) {
            if let Some(k) = best(ranking) {
                time[k] += phase;
            }
        }
        let mut finished = exhausted;
        for k in eaten {
            // The type that set the length of the phase has less left than one
            // unit of time takes; rounding to whole Wh hands it out.
            finished[k] = left[k] / rate[k] == phase;
            left[k] -= rate[k] * phase;
        }
        exhausted = finished;
        time_left -= phase;
        if time_left == 0 {
            break;
        }
    }
    (time, exhausted)
}

/// Draws the sellers of each type pro rata and pairs them with the buyers.
fn pair_up(
    buyers: &[BuyOrder],
    received: &[TypedWh],
    offers: &BTreeMap<(EnergyType, AccountId), EnergyWh>,
    supply_wh: &TypedWh,
) -> Allocation {
    let mut result = Allocation::default();
    let mut unsold: BTreeMap<(AccountId, EnergyType), EnergyWh> = BTreeMap::new();
    for kind in EnergyType::ALL {
        let k = kind.index();
        let delivered: EnergyWh = received.iter().map(|row| row[k]).sum();
        result.delivered_wh[k] = delivered;
        let mut takers = buyers
            .iter()
            .zip(received)
            .map(|(order, row)| (order.account, row[k]))
            .filter(|(_, wh)| *wh > 0);
        let mut taker = takers.next();
        let mut offered_before = 0;
        for ((_, seller), offered) in offers
            .range((kind, AccountId([0; 32]))..)
            .take_while(|((of, _), _)| *of == kind)
        {
            let mut sold = pro_rata(offered_before + offered, delivered, supply_wh[k])
                - pro_rata(offered_before, delivered, supply_wh[k]);
            offered_before += offered;
            if *offered > sold {
                unsold.insert((*seller, kind), offered - sold);
            }
            while let Some((buyer, wanted)) = &mut taker
                && sold > 0
            {
                let energy_wh = sold.min(*wanted);
                result.transfers.push(Transfer {
                    seller: *seller,
                    buyer: *buyer,
                    kind,
                    energy_wh,
                });
                sold -= energy_wh;
                *wanted -= energy_wh;
                if *wanted == 0 {
                    taker = takers.next();
                }
            }
        }
    }
    result.unsold = unsold
        .into_iter()
        .map(|((account, kind), wh)| (account, kind, wh))
        .collect();
    result.unmet = buyers
        .iter()
        .zip(received)
        .map(|(order, row)| {
            (
                order.account,
                order.demand_wh - row.iter().sum::<EnergyWh>(),
            )
        })
        .filter(|(_, wh)| *wh > 0)
        .collect();
    result
}

/// `part * delivered / whole`, rounded down; zero when there is nothing.
fn pro_rata(part: EnergyWh, delivered: EnergyWh, whole: EnergyWh) -> EnergyWh {
    if whole == 0 {
        return 0;
    }
    let wh = i128::from(part) * i128::from(delivered) / i128::from(whole);
    // At most `delivered`, since `part` is at most `whole`.
    EnergyWh::try_from(wh).unwrap_or(delivered)
}

impl Allocation {
    /// Energy bought and sold inside the cluster per account, Wh.
    #[must_use]
    pub fn traded(&self) -> BTreeMap<AccountId, (EnergyWh, EnergyWh)> {
        let mut traded: BTreeMap<AccountId, (EnergyWh, EnergyWh)> = BTreeMap::new();
        for transfer in &self.transfers {
            traded.entry(transfer.buyer).or_default().0 += transfer.energy_wh;
            traded.entry(transfer.seller).or_default().1 += transfer.energy_wh;
        }
        traded
    }

    /// Every account the allocation mentions.
    #[must_use]
    pub fn accounts(&self) -> BTreeSet<AccountId> {
        let parties = self
            .transfers
            .iter()
            .flat_map(|transfer| [transfer.buyer, transfer.seller]);
        parties
            .chain(self.unmet.iter().map(|(account, _)| *account))
            .chain(self.unsold.iter().map(|(account, _, _)| *account))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u8) -> AccountId {
        AccountId([n; 32])
    }

    fn buy(n: u8, demand_wh: EnergyWh, weights: Weights) -> BuyOrder {
        BuyOrder {
            account: account(n),
            demand_wh,
            weights,
        }
    }

    fn sell(n: u8, kind: EnergyType, offered_wh: EnergyWh) -> SellOrder {
        SellOrder {
            account: account(n),
            kind,
            offered_wh,
        }
    }

    const LIKE_SOLAR: Weights = [2, 1, 0, 0, 0, 0, 0];
    const ANY: Weights = [1; COUNT];

    #[test]
    fn everybody_eats_the_best_type_at_the_same_time() {
        // Both like solar best; 60 Wh of it run out at half time, then wind.
        let buyers = [buy(1, 80, LIKE_SOLAR), buy(2, 40, LIKE_SOLAR)];
        let sellers = [
            sell(9, EnergyType::Solar, 60),
            sell(8, EnergyType::Wind, 100),
        ];
        let result = allocate(&buyers, &sellers, &[10; COUNT]).expect("valid");
        let got = |n, kind| {
            result
                .transfers
                .iter()
                .filter(|t| t.buyer == account(n) && t.kind == kind)
                .map(|t| t.energy_wh)
                .sum::<EnergyWh>()
        };
        assert_eq!(
            [got(1, EnergyType::Solar), got(2, EnergyType::Solar)],
            [40, 20]
        );
        assert_eq!(
            [got(1, EnergyType::Wind), got(2, EnergyType::Wind)],
            [40, 20]
        );
        assert_eq!(result.unmet, vec![]);
        assert_eq!(result.unsold, vec![(account(8), EnergyType::Wind, 40)]);
    }

    #[test]
    fn a_refused_type_is_left_on_the_shelf() {
        let buyers = [buy(1, 100, LIKE_SOLAR)];
        let sellers = [sell(9, EnergyType::Fossil, 500)];
        let result = allocate(&buyers, &sellers, &[10; COUNT]).expect("valid");
        assert_eq!(result.transfers, vec![]);
        assert_eq!(result.unmet, vec![(account(1), 100)]);
        assert_eq!(result.unsold, vec![(account(9), EnergyType::Fossil, 500)]);
    }

    #[test]
    fn equal_weights_take_the_cheaper_type_first() {
        let mut price = [20; COUNT];
        price[EnergyType::Wind.index()] = 10;
        let sellers = [
            sell(9, EnergyType::Solar, 50),
            sell(9, EnergyType::Wind, 50),
        ];
        let result = allocate(&[buy(1, 50, ANY)], &sellers, &price).expect("valid");
        assert_eq!(result.delivered_wh[EnergyType::Wind.index()], 50);
        assert_eq!(result.delivered_wh[EnergyType::Solar.index()], 0);
    }

    #[test]
    fn sellers_are_drawn_pro_rata() {
        let sellers = [
            sell(7, EnergyType::Solar, 300),
            sell(8, EnergyType::Solar, 100),
            sell(8, EnergyType::Solar, 100),
        ];
        let result = allocate(&[buy(1, 250, ANY)], &sellers, &[10; COUNT]).expect("valid");
        let traded = result.traded();
        assert_eq!(traded[&account(7)], (0, 150));
        assert_eq!(traded[&account(8)], (0, 100));
    }

    #[test]
    fn an_exhausted_type_is_handed_out_to_the_last_watt_hour() {
        // A third each of 100 Wh: the shares do not end on whole Wh.
        let buyers = [buy(1, 77, ANY), buy(2, 77, ANY), buy(3, 77, ANY)];
        let result =
            allocate(&buyers, &[sell(9, EnergyType::Solar, 100)], &[10; COUNT]).expect("valid");
        assert_eq!(result.delivered_wh[0], 100);
        assert_eq!(result.unsold, vec![]);
    }

    #[test]
    fn an_account_buys_once() {
        let buyers = [buy(1, 1, ANY), buy(1, 2, ANY)];
        assert!(matches!(
            allocate(&buyers, &[], &[0; COUNT]),
            Err(MarketError::DuplicateAccount { .. })
        ));
    }
}
