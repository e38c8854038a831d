//! Settlement of a slot in which the cluster had no grid (design section 5.2,
//! island mode: the lower bound is zero, the upper one the cost of the dearest
//! dispatchable source).
//!
//! There is no utility to buy from or to sell to. Demand that the local trades
//! left open was served all the same, by the units that hold the island: it is
//! paid to whoever metered energy that found no buyer, batteries first. What
//! other clusters of the same island gave or took passes through one carrier,
//! the grid operator, at the same price. Surplus nobody took is unpaid.

use gridloom_units::{AccountId, EnergyType, EnergyWh, PriceMicroEurPerKwh};

use crate::allocation::Allocation;
use crate::rounding::in_proportion;
use crate::settlement::{MeteredNet, MoneyLine, Reason, Settlement, SettlementInput, settle};
use crate::{MarketError, TypedPrice};

/// Exchange with the grid in a slot that had one for a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridPart {
    /// Account of the utility.
    pub utility: AccountId,
    /// What the grid pays, micro-EUR/kWh.
    pub feed_in: PriceMicroEurPerKwh,
    /// What the grid asks, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// Energy it gave, Wh, negative when it took; zero without a grid.
    pub from_grid_wh: EnergyWh,
}

/// An islanded slot to settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IslandInput<'a> {
    /// Account that carries energy between the clusters of the island; not a
    /// participant.
    pub carrier: AccountId,
    /// Price of what the island serves beyond the local trades: cost of the
    /// dearest dispatchable source, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
    /// Energy that the other clusters of the island took, Wh; zero without any.
    pub to_neighbours_wh: EnergyWh,
    /// What was exchanged with the utility while there was a grid.
    pub grid: GridPart,
    /// Price of local trades per type, micro-EUR/kWh.
    pub typed: TypedPrice,
    /// As [`SettlementInput::paid`].
    pub paid: Option<&'a [PriceMicroEurPerKwh]>,
    /// Result of the local tier.
    pub allocation: &'a Allocation,
    /// Every participant's meter, each once; all traders must be among them.
    pub metered: &'a [MeteredNet],
}

/// Metered energy without a buyer so far.
struct Lot {
    seller: AccountId,
    kind: EnergyType,
    left_wh: EnergyWh,
}

/// Settles an islanded slot: local trades at their price, then what the grid
/// exchanged while there was one, in proportion; then open demand from open
/// supply at the island's price, batteries before other types and each in
/// proportion; then what neighbours took. Demand that remains came from
/// neighbours (or is an estimate) and is the carrier's to deliver, as battery
/// energy; supply that remains is taken for nothing. Deviations of a meter
/// from its orders are exchanged with the carrier, at the island's price when
/// the cluster is short and at zero when it is long. Without a grid no line names the
/// utility.
///
/// # Errors
/// As [`settle`], with the carrier in the utility's place.
pub fn settle_island(input: &IslandInput<'_>) -> Result<Settlement, MarketError> {
    let base = settle(&SettlementInput {
        utility: input.carrier,
        feed_in: 0,
        import: input.price,
        price: input.typed,
        paid: input.paid,
        allocation: input.allocation,
        metered: input.metered,
    })?;
    let mut open: Vec<(AccountId, EnergyWh)> = Vec::new();
    let mut lots: Vec<Lot> = Vec::new();
    let mut lines: Vec<MoneyLine> = Vec::new();
    let mut deviations: Vec<MoneyLine> = Vec::new();
    for line in base.lines {
        match line.reason {
            Reason::GridImport => open.push((line.buyer, line.energy_wh)),
            Reason::GridExport => lots.push(Lot {
                seller: line.seller,
                kind: line.kind,
                left_wh: line.energy_wh,
            }),
            Reason::Imbalance => deviations.push(line),
            _ => lines.push(line),
        }
    }
    lots.sort_by_key(|lot| (lot.kind != EnergyType::Battery, lot.kind, lot.seller));
    exchange(&input.grid, &mut open, &mut lots, &mut lines);
    let demand_wh: EnergyWh = open.iter().map(|(_, wh)| wh).sum();
    let served = taken(&mut lots, demand_wh);
    supply(input, &open, &lots, &served, &mut lines);
    let given = taken(&mut lots, input.to_neighbours_wh.max(0));
    let rest: Vec<EnergyWh> = lots.iter().map(|lot| lot.left_wh).collect();
    for (energies, price, reason) in [
        (&given, input.price, Reason::IslandDelivery),
        (&rest, 0, Reason::Unused),
    ] {
        lines.extend(lots.iter().zip(energies).filter(|(_, wh)| **wh > 0).map(
            |(lot, energy_wh)| MoneyLine {
                buyer: input.carrier,
                seller: lot.seller,
                kind: lot.kind,
                energy_wh: *energy_wh,
                price,
                reason,
            },
        ));
    }
    lines.append(&mut deviations);
    Ok(Settlement {
        lines,
        imbalance_price: base.imbalance_price,
    })
}

/// What the grid gave goes to open demand, what it took comes out of open supply.
fn exchange(
    grid: &GridPart,
    open: &mut [(AccountId, EnergyWh)],
    lots: &mut [Lot],
    lines: &mut Vec<MoneyLine>,
) {
    let bought = in_proportion(grid.from_grid_wh, open.iter().map(|(_, wh)| *wh));
    for ((buyer, wh), energy_wh) in open.iter_mut().zip(bought) {
        *wh -= energy_wh;
        lines.push(MoneyLine {
            buyer: *buyer,
            seller: grid.utility,
            kind: EnergyType::GridMix,
            energy_wh,
            price: grid.import,
            reason: Reason::GridImport,
        });
    }
    let out_wh = grid.from_grid_wh.saturating_neg();
    let sold = in_proportion(out_wh, lots.iter().map(|lot| lot.left_wh));
    for (lot, energy_wh) in lots.iter_mut().zip(sold) {
        lot.left_wh -= energy_wh;
        lines.push(MoneyLine {
            buyer: grid.utility,
            seller: lot.seller,
            kind: lot.kind,
            energy_wh,
            price: grid.feed_in,
            reason: Reason::GridExport,
        });
    }
    lines.retain(|line| line.energy_wh > 0);
}

/// Takes up to `wanted_wh` out of the lots, batteries first and within a group
/// in proportion; returns what was taken of each.
fn taken(lots: &mut [Lot], wanted_wh: EnergyWh) -> Vec<EnergyWh> {
    let batteries = lots.partition_point(|lot| lot.kind == EnergyType::Battery);
    let (first, second) = lots.split_at_mut(batteries);
    let mut left_wh = wanted_wh;
    let mut all = Vec::with_capacity(first.len() + second.len());
    for group in [first, second] {
        let parts = in_proportion(left_wh, group.iter().map(|lot| lot.left_wh));
        for (lot, part_wh) in group.iter_mut().zip(parts) {
            lot.left_wh -= part_wh;
            left_wh -= part_wh;
            all.push(part_wh);
        }
    }
    all
}

/// Lines of open demand: out of the lots in their order, then from the carrier.
fn supply(
    input: &IslandInput<'_>,
    open: &[(AccountId, EnergyWh)],
    lots: &[Lot],
    served: &[EnergyWh],
    lines: &mut Vec<MoneyLine>,
) {
    let mut parts = lots
        .iter()
        .map(|lot| (lot.seller, lot.kind))
        .zip(served.iter().copied())
        .filter(|(_, wh)| *wh > 0);
    let mut part = parts.next();
    for (buyer, wanted_wh) in open {
        let mut left_wh = *wanted_wh;
        while left_wh > 0 {
            let ((seller, kind), energy_wh) = match &mut part {
                Some((from, wh)) => {
                    let energy_wh = left_wh.min(*wh);
                    *wh -= energy_wh;
                    (*from, energy_wh)
                }
                None => ((input.carrier, EnergyType::Battery), left_wh),
            };
            left_wh -= energy_wh;
            lines.push(MoneyLine {
                buyer: *buyer,
                seller,
                kind,
                energy_wh,
                price: input.price,
                reason: Reason::IslandSupply,
            });
            if part.as_ref().is_some_and(|(_, wh)| *wh == 0) {
                part = parts.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BuyOrder, SellOrder, allocate};

    const CENT: i64 = 10_000;
    const CARRIER: AccountId = AccountId([0xee; 32]);
    const UTILITY: AccountId = AccountId([0xff; 32]);
    const PRICE: i64 = 32 * CENT;

    fn account(n: u8) -> AccountId {
        AccountId([n; 32])
    }

    /// Buyers (1..) with demand and whether they accept batteries, sellers
    /// (100..) with sun and battery; what neighbours took.
    fn settled(
        buyers: &[(i64, bool)],
        sellers: &[(i64, i64)],
        to_neighbours_wh: i64,
        from_grid_wh: i64,
    ) -> Settlement {
        let mut metered = Vec::new();
        let buy: Vec<BuyOrder> = (1_u8..)
            .zip(buyers)
            .map(|(n, (demand_wh, battery))| {
                metered.push(MeteredNet {
                    account: account(n),
                    net_wh: *demand_wh,
                });
                BuyOrder {
                    account: account(n),
                    demand_wh: *demand_wh,
                    weights: [1, 0, 0, u32::from(*battery), 0, 0, 0],
                }
            })
            .collect();
        let mut sell = Vec::new();
        for (n, (sun, battery)) in (100_u8..).zip(sellers) {
            metered.push(MeteredNet {
                account: account(n),
                net_wh: -sun - battery,
            });
            for (kind, offered_wh) in [(EnergyType::Solar, *sun), (EnergyType::Battery, *battery)] {
                sell.push(SellOrder {
                    account: account(n),
                    kind,
                    offered_wh,
                });
            }
        }
        let typed = [19 * CENT; EnergyType::COUNT];
        let allocation = allocate(&buy, &sell, &typed).expect("valid");
        settle_island(&IslandInput {
            carrier: CARRIER,
            price: PRICE,
            to_neighbours_wh,
            grid: GridPart {
                utility: UTILITY,
                feed_in: 8 * CENT,
                import: 30 * CENT,
                from_grid_wh,
            },
            typed,
            paid: None,
            allocation: &allocation,
            metered: &metered,
        })
        .expect("valid")
    }

    fn of(settlement: &Settlement, reason: Reason) -> Vec<MoneyLine> {
        let lines = settlement.lines.iter();
        lines
            .filter(|line| line.reason == reason)
            .copied()
            .collect()
    }

    #[test]
    fn the_battery_serves_who_would_not_have_bought_from_it_and_is_paid() {
        // No sun: 1 kWh is taken all the same, out of the two batteries.
        let settlement = settled(&[(1_000, false)], &[(0, 900), (0, 300)], 0, 0);
        let supply = of(&settlement, Reason::IslandSupply);
        let parts: Vec<_> = supply.iter().map(|l| (l.seller, l.energy_wh)).collect();
        assert_eq!(parts, [(account(100), 750), (account(101), 250)]);
        assert!(
            supply
                .iter()
                .all(|l| l.kind == EnergyType::Battery && l.price == PRICE)
        );
        let unused = of(&settlement, Reason::Unused);
        assert_eq!(unused.iter().map(|l| l.energy_wh).sum::<i64>(), 200);
        assert!(unused.iter().all(|line| line.money() == 0));
        assert_eq!(
            settlement.balances()[&account(100)],
            750 * i128::from(PRICE)
        );
    }

    #[test]
    fn what_neighbours_took_is_paid_and_what_they_gave_is_bought() {
        let away = settled(&[], &[(400, 600)], 700, 0);
        let given: Vec<_> = of(&away, Reason::IslandDelivery)
            .iter()
            .map(|l| (l.kind, l.energy_wh, l.buyer))
            .collect();
        assert_eq!(
            given,
            [
                (EnergyType::Battery, 600, CARRIER),
                (EnergyType::Solar, 100, CARRIER)
            ]
        );
        assert_eq!(of(&away, Reason::Unused)[0].energy_wh, 300);
        let here = settled(&[(700, true)], &[], 0, 0);
        assert_eq!(here.lines.len(), 1);
        assert_eq!(here.lines[0].seller, CARRIER);
        assert_eq!(here.balances()[&CARRIER], 700 * i128::from(PRICE));
    }

    #[test]
    fn a_grid_for_a_part_of_the_slot_is_paid_for_what_it_gave() {
        let settlement = settled(&[(600, true), (400, true)], &[], 0, 500);
        let bought = of(&settlement, Reason::GridImport);
        let parts: Vec<_> = bought.iter().map(|l| (l.buyer, l.energy_wh)).collect();
        assert_eq!(parts, [(account(1), 300), (account(2), 200)]);
        let rest: i64 = of(&settlement, Reason::IslandSupply)
            .iter()
            .map(|line| line.energy_wh)
            .sum();
        assert_eq!(rest, 500);
        let sold = settled(&[], &[(0, 900)], 100, -700);
        assert_eq!(of(&sold, Reason::GridExport)[0].energy_wh, 700);
        assert_eq!(sold.balances()[&UTILITY], -700 * 80_000);
        assert_eq!(of(&sold, Reason::Unused)[0].energy_wh, 100);
    }

    proptest! {
        #[test]
        fn money_and_energy_balance_and_nobody_pays_beyond_the_island(
            buyers in prop::collection::vec((0_i64..3_000, any::<bool>()), 0..8),
            sellers in prop::collection::vec((0_i64..2_000, 0_i64..4_000), 0..6),
            to_neighbours_wh in -2_000_i64..8_000,
            from_grid_wh in prop_oneof![Just(0_i64), -3_000_i64..3_000],
        ) {
            let settlement = settled(&buyers, &sellers, to_neighbours_wh, from_grid_wh);
            prop_assert_eq!(settlement.balances().values().sum::<i128>(), 0);
            let bought: i64 = settlement.lines.iter()
                .filter(|l| l.reason.is_consumed()).map(|l| l.energy_wh).sum();
            let wanted: i64 = buyers.iter().map(|(wh, _)| wh).sum();
            prop_assert_eq!(bought, wanted);
            let sold: i64 = settlement.lines.iter()
                .filter(|l| l.seller != CARRIER && l.seller != UTILITY).map(|l| l.energy_wh).sum();
            let given: i64 = sellers.iter().map(|(sun, battery)| sun + battery).sum();
            prop_assert_eq!(sold, given);
            // The carrier delivers only when nobody here has anything left.
            let carried = settlement.lines.iter().any(|l| l.seller == CARRIER);
            let left = settlement.lines.iter().any(|l| l.buyer == CARRIER);
            prop_assert!(!(carried && left));
            let delivered: i64 = of(&settlement, Reason::IslandDelivery)
                .iter().map(|l| l.energy_wh).sum();
            prop_assert!(delivered <= to_neighbours_wh.max(0));
            for line in &settlement.lines {
                prop_assert!(line.energy_wh > 0 && (0..=PRICE).contains(&line.price));
                prop_assert_ne!(line.reason, Reason::Imbalance);
            }
            let grid: i64 = settlement.lines.iter().map(|line| match line.reason {
                Reason::GridImport => line.energy_wh,
                Reason::GridExport => -line.energy_wh,
                _ => 0,
            }).sum();
            prop_assert!(grid * from_grid_wh >= 0 && grid.abs() <= from_grid_wh.abs());
            let named = settlement.lines.iter()
                .any(|line| [line.buyer, line.seller].contains(&UTILITY));
            prop_assert!(!named || from_grid_wh != 0);
        }
    }
}
