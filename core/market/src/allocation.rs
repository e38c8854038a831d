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

/// A buyer's wish about the energy of one household or plant.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct PlantWish {
    /// Who wishes.
    pub buyer: AccountId,
    /// Whose energy.
    pub seller: AccountId,
    /// Multiplies the weight of the energy's type: 1 changes nothing, 0 refuses it.
    pub factor: u32,
}

/// Goods a buyer accepts, best first.
type Ranking = Vec<u16>;

/// Most plants that wishes of one slot may name.
pub const NAMED_PLANTS_LIMIT: usize = 4_096;

/// Allocates the supply of a slot to its buyers, who wish by type only.
///
/// # Errors
/// As [`allocate_by_wish`].
pub fn allocate(
    buyers: &[BuyOrder],
    sellers: &[SellOrder],
    price: &TypedPrice,
) -> Result<Allocation, MarketError> {
    allocate_by_wish(buyers, sellers, &[], price)
}

/// Allocates the supply of a slot to its buyers.
///
/// Goods are the types; the energy of a seller that a wish names is a good of
/// its own. They are ranked by weight, then by lower price, then in canonical
/// order. Shares become whole Wh by running sums in account order: no good is
/// over-delivered, no buyer gets more than they asked for, and rounding moves
/// a buyer's share of a good by less than 2 Wh.
///
/// # Errors
/// Fails on negative or excessive energies, when an account buys twice, when a
/// buyer wishes twice about one seller, and when too many plants are named.
pub fn allocate_by_wish(
    buyers: &[BuyOrder],
    sellers: &[SellOrder],
    wishes: &[PlantWish],
    price: &TypedPrice,
) -> Result<Allocation, MarketError> {
    checked_total("demand", buyers.iter().map(|order| order.demand_wh))?;
    checked_total("supply", sellers.iter().map(|order| order.offered_wh))?;
    let mut buyers = buyers.to_vec();
    buyers.sort_unstable_by_key(|order| order.account);
    let duplicate = |account: AccountId, what| MarketError::DuplicateAccount { account, what };
    if let Some(pair) = buyers
        .windows(2)
        .find(|pair| pair[0].account == pair[1].account)
    {
        return Err(duplicate(pair[0].account, "the buy orders"));
    }
    let mut factors: BTreeMap<(AccountId, AccountId), u32> = BTreeMap::new();
    for wish in wishes {
        if factors
            .insert((wish.buyer, wish.seller), wish.factor)
            .is_some()
        {
            return Err(duplicate(wish.buyer, "the wishes about one seller"));
        }
    }
    let goods = Goods::of(sellers, &factors)?;
    let groups = Groups::of(&buyers, &goods, &factors, price);
    let (time, exhausted) = eat(&groups, &goods.supply_wh);
    let received = whole_wh(&Shares {
        buyers: &buyers,
        group_of: &groups.group_of,
        time: &time,
        supply_wh: &goods.supply_wh,
        exhausted: &exhausted,
    });
    Ok(pair_up(&buyers, &received, &goods))
}

/// What is on offer: the types in canonical order, then named plants.
struct Goods {
    /// Type and, for a named plant, seller of each good.
    of: Vec<(EnergyType, Option<AccountId>)>,
    /// Supply of each good, Wh.
    supply_wh: Vec<EnergyWh>,
    /// Offers of each good by seller, Wh.
    offers: Vec<BTreeMap<AccountId, EnergyWh>>,
}

impl Goods {
    fn of(
        sellers: &[SellOrder],
        factors: &BTreeMap<(AccountId, AccountId), u32>,
    ) -> Result<Self, MarketError> {
        let named: BTreeSet<AccountId> = factors.keys().map(|(_, seller)| *seller).collect();
        let plants: BTreeSet<(EnergyType, AccountId)> = sellers
            .iter()
            .filter(|order| order.offered_wh > 0 && named.contains(&order.account))
            .map(|order| (order.kind, order.account))
            .collect();
        if plants.len() > NAMED_PLANTS_LIMIT {
            return Err(MarketError::TooManyPlants {
                plants: plants.len(),
            });
        }
        let mut of: Vec<(EnergyType, Option<AccountId>)> =
            EnergyType::ALL.iter().map(|kind| (*kind, None)).collect();
        of.extend(plants.iter().map(|(kind, seller)| (*kind, Some(*seller))));
        let mut goods = Self {
            supply_wh: vec![0; of.len()],
            offers: vec![BTreeMap::new(); of.len()],
            of,
        };
        for order in sellers.iter().filter(|order| order.offered_wh > 0) {
            let plant = (order.kind, Some(order.account));
            let good = goods.of[COUNT..]
                .binary_search(&plant)
                .map_or(order.kind.index(), |at| COUNT + at);
            goods.supply_wh[good] += order.offered_wh;
            *goods.offers[good].entry(order.account).or_default() += order.offered_wh;
        }
        Ok(goods)
    }
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
    fn of(
        buyers: &[BuyOrder],
        goods: &Goods,
        factors: &BTreeMap<(AccountId, AccountId), u32>,
        price: &TypedPrice,
    ) -> Self {
        let mut index: BTreeMap<Ranking, usize> = BTreeMap::new();
        let mut groups = Self {
            group_of: Vec::with_capacity(buyers.len()),
            rankings: vec![],
            speeds: vec![],
        };
        for order in buyers {
            let ranking = ranking(order, goods, factors, price);
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

/// Accepted goods, higher weight first, then cheaper, then canonical order.
fn ranking(
    order: &BuyOrder,
    goods: &Goods,
    factors: &BTreeMap<(AccountId, AccountId), u32>,
    price: &TypedPrice,
) -> Ranking {
    let weight = |good: usize| {
        let (kind, seller) = goods.of[good];
        let factor = seller
            .and_then(|seller| factors.get(&(order.account, seller)))
            .map_or(1, |factor| *factor);
        u64::from(order.weights[kind.index()]) * u64::from(factor)
    };
    let mut accepted: Vec<(u64, usize)> = (0..goods.of.len())
        .map(|good| (weight(good), good))
        .filter(|(weight, _)| *weight > 0)
        .collect();
    accepted.sort_by_key(|(weight, good)| {
        let kind = goods.of[*good].0.index();
        (std::cmp::Reverse(*weight), price[kind], kind, *good)
    });
    // Types and named plants together are far below 2^16.
    accepted.into_iter().map(|(_, good)| good as u16).collect()
}

/// Runs the eating clock; returns the time per group and good, and which goods
/// were eaten up.
fn eat(groups: &Groups, supply_wh: &[EnergyWh]) -> (Vec<TimeShares>, Vec<bool>) {
    let count = supply_wh.len();
    let mut time = vec![vec![0; count]; groups.rankings.len()];
    let mut left: Vec<u128> = supply_wh
        .iter()
        .map(|wh| u128::from(wh.unsigned_abs()) << TIME_BITS)
        .collect();
    let mut exhausted: Vec<bool> = supply_wh.iter().map(|wh| *wh == 0).collect();
    let mut time_left = END;
    // Where each group has got to in its ranking.
    let mut at = vec![0_usize; groups.rankings.len()];

    // Each phase exhausts a good or is the last.
    for _ in 0..=count {
        let mut rate = vec![0_u128; count];
        let mut best = vec![None; groups.rankings.len()];
        for (group, ranking) in groups.rankings.iter().enumerate() {
            while ranking
                .get(at[group])
                .is_some_and(|k| exhausted[usize::from(*k)])
            {
                at[group] += 1;
            }
            if let Some(k) = ranking.get(at[group]) {
                best[group] = Some(usize::from(*k));
                rate[usize::from(*k)] += groups.speeds[group];
            }
        }
        let eaten = (0..count).filter(|k| rate[*k] > 0);
        let Some(phase) = eaten.clone().map(|k| left[k] / rate[k]).min() else {
            break;
        };
        let phase = phase.min(time_left);
        for (time, best) in time.iter_mut().zip(&best) {
            if let Some(k) = best {
                time[*k] += phase;
            }
        }
        for k in eaten {
            // The good that set the length of the phase has less left than one
            // unit of time takes; rounding to whole Wh hands it out.
            exhausted[k] = left[k] / rate[k] == phase;
            left[k] -= rate[k] * phase;
        }
        time_left -= phase;
        if time_left == 0 {
            break;
        }
    }
    (time, exhausted)
}

/// Draws the sellers of each good pro rata and pairs them with the buyers.
fn pair_up(buyers: &[BuyOrder], received: &[EnergyWh], goods: &Goods) -> Allocation {
    let count = goods.of.len();
    let mut result = Allocation::default();
    let mut unsold: BTreeMap<(AccountId, EnergyType), EnergyWh> = BTreeMap::new();
    for (good, (kind, _)) in goods.of.iter().enumerate() {
        let got = |buyer: usize| received[buyer * count + good];
        let delivered: EnergyWh = (0..buyers.len()).map(got).sum();
        result.delivered_wh[kind.index()] += delivered;
        let mut takers = buyers
            .iter()
            .enumerate()
            .map(|(n, order)| (order.account, got(n)))
            .filter(|(_, wh)| *wh > 0);
        let mut taker = takers.next();
        let mut offered_before = 0;
        for (seller, offered) in &goods.offers[good] {
            let supply_wh = goods.supply_wh[good];
            let mut sold = pro_rata(offered_before + offered, delivered, supply_wh)
                - pro_rata(offered_before, delivered, supply_wh);
            offered_before += offered;
            if *offered > sold {
                *unsold.entry((*seller, *kind)).or_default() += offered - sold;
            }
            while let Some((buyer, wanted)) = &mut taker
                && sold > 0
            {
                let energy_wh = sold.min(*wanted);
                result.transfers.push(Transfer {
                    seller: *seller,
                    buyer: *buyer,
                    kind: *kind,
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
    result
        .transfers
        .sort_by_key(|t| (t.kind, t.seller, t.buyer));
    result.unsold = unsold
        .into_iter()
        .map(|((account, kind), wh)| (account, kind, wh))
        .collect();
    result.unmet = buyers
        .iter()
        .zip(received.chunks(count))
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
    fn a_wish_for_one_household_is_honoured_before_its_type() {
        // Both want solar; buyer 1 wants it from house 9 above all, buyer 2
        // refuses house 9.
        let buyers = [buy(1, 100, LIKE_SOLAR), buy(2, 100, LIKE_SOLAR)];
        let sellers = [
            sell(8, EnergyType::Solar, 100),
            sell(9, EnergyType::Solar, 100),
        ];
        let wish = |buyer, factor| PlantWish {
            buyer: account(buyer),
            seller: account(9),
            factor,
        };
        let wishes = [wish(1, 5), wish(2, 0)];
        let result = allocate_by_wish(&buyers, &sellers, &wishes, &[10; COUNT]).expect("valid");
        assert_eq!(
            result.transfers,
            vec![
                Transfer {
                    seller: account(8),
                    buyer: account(2),
                    kind: EnergyType::Solar,
                    energy_wh: 100
                },
                Transfer {
                    seller: account(9),
                    buyer: account(1),
                    kind: EnergyType::Solar,
                    energy_wh: 100
                },
            ]
        );
        let twice = [wish(1, 5), wish(1, 2)];
        assert!(allocate_by_wish(&buyers, &sellers, &twice, &[10; COUNT]).is_err());
    }

    #[test]
    fn naming_a_plant_like_its_type_changes_nobodys_energy() {
        let buyers = [buy(1, 70, ANY), buy(2, 50, LIKE_SOLAR)];
        let sellers = [
            sell(8, EnergyType::Solar, 40),
            sell(9, EnergyType::Solar, 60),
        ];
        let wish = PlantWish {
            buyer: account(1),
            seller: account(9),
            factor: 1,
        };
        let plain = allocate(&buyers, &sellers, &[10; COUNT]).expect("valid");
        let named = allocate_by_wish(&buyers, &sellers, &[wish], &[10; COUNT]).expect("valid");
        for n in [1, 2] {
            let sum = |a: &Allocation| a.traded()[&account(n)].0;
            assert!((sum(&plain) - sum(&named)).abs() <= 1);
        }
        assert_eq!(named.delivered_wh, plain.delivered_wh);
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
