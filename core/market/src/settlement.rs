//! What everybody pays and receives for one slot, exact to the nano-euro.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, PriceMicroEurPerKwh, amount};
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::allocation::Allocation;
use crate::{MarketError, TypedPrice, checked_total};

/// Metered energy of one participant in the slot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct MeteredNet {
    /// Whose meter.
    pub account: AccountId,
    /// Energy taken less energy given in the slot, Wh: positive consumed,
    /// negative delivered.
    pub net_wh: EnergyWh,
}

/// A slot to settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementInput<'a> {
    /// Account of the utility, the other side of every exchange with the grid.
    pub utility: AccountId,
    /// What the grid pays for a kilowatt-hour, micro-EUR/kWh.
    pub feed_in: PriceMicroEurPerKwh,
    /// What the grid asks for a kilowatt-hour, micro-EUR/kWh.
    pub import: PriceMicroEurPerKwh,
    /// Price of local trades per type, micro-EUR/kWh.
    pub price: TypedPrice,
    /// Price of each local trade where they differ inside a type (auctions,
    /// bill sharing), in the order of the allocation; `None` for the typed price.
    pub paid: Option<&'a [PriceMicroEurPerKwh]>,
    /// Result of the local tier.
    pub allocation: &'a Allocation,
    /// Every participant's meter, each once; all traders must be among them.
    pub metered: &'a [MeteredNet],
}

/// Why money moves.
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
pub enum Reason {
    /// Energy traded inside the cluster.
    LocalTrade,
    /// Demand the cluster could not meet, bought from the grid.
    GridImport,
    /// Supply the cluster could not use, sold to the grid.
    GridExport,
    /// Difference between the meter and what was agreed for the slot.
    Imbalance,
    /// What energy of another cluster is better than the grid; the energy itself
    /// is in a line with the grid.
    NeighbourTrade,
    /// Open demand of an islanded slot, served by the units that hold the island.
    IslandSupply,
    /// Supply of an islanded slot that other clusters of the island took.
    IslandDelivery,
    /// Supply of an islanded slot that nobody took; unpaid.
    Unused,
}

impl Reason {
    /// Text of a bill line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::LocalTrade => "local trade",
            Self::GridImport => "import from the grid",
            Self::GridExport => "export to the grid",
            Self::Imbalance => "difference to the meter",
            Self::NeighbourTrade => "trade between clusters",
            Self::IslandSupply => "supply of the island",
            Self::IslandDelivery => "delivery into the island",
            Self::Unused => "surplus nobody took",
        }
    }

    /// Whether it is about an island.
    #[must_use]
    pub fn is_island(self) -> bool {
        matches!(
            self,
            Self::IslandSupply | Self::IslandDelivery | Self::Unused
        )
    }

    /// Whether the buyer's meter consumed the energy, so that it is gone.
    #[must_use]
    pub fn is_consumed(self) -> bool {
        !matches!(self, Self::GridExport | Self::IslandDelivery | Self::Unused)
    }
}

/// One movement of money, with the energy it pays for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct MoneyLine {
    /// Who receives the energy and pays (or is paid, at a negative price).
    pub buyer: AccountId,
    /// Who delivers the energy.
    pub seller: AccountId,
    /// Type of the energy.
    pub kind: EnergyType,
    /// Energy, Wh; at least 1.
    pub energy_wh: EnergyWh,
    /// Price, micro-EUR/kWh.
    pub price: PriceMicroEurPerKwh,
    /// Why.
    pub reason: Reason,
}

impl MoneyLine {
    /// What the buyer pays the seller, nano-EUR; negative at a negative price.
    #[must_use]
    pub fn money(&self) -> MoneyNanoEur {
        amount(self.energy_wh, self.price)
    }

    /// Payer, payee and the amount, which is never negative.
    #[must_use]
    pub fn payment(&self) -> (AccountId, AccountId, MoneyNanoEur) {
        let money = self.money();
        if money < 0 {
            (self.seller, self.buyer, -money)
        } else {
            (self.buyer, self.seller, money)
        }
    }
}

/// All money of one slot.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub struct Settlement {
    /// Movements: local trades, then grid exchange and imbalance by account.
    pub lines: Vec<MoneyLine>,
    /// Price of deviations in this slot, micro-EUR/kWh.
    pub imbalance_price: PriceMicroEurPerKwh,
}

/// Settles one slot against the meters (design section 5.5).
///
/// Local trades pay the typed price. What the allocation left over is bought
/// from the utility at the import price and sold to it at the feed-in price.
/// Where a meter differs from what was agreed (bought + unmet - sold - unsold),
/// the difference is exchanged with the utility at one price for the whole
/// slot: the import price when the cluster as a whole is short, the feed-in
/// price when it is long. It lands on the account whose meter deviated, and
/// whoever helped is paid. Every line has two sides, so the slot adds to zero.
///
/// # Errors
/// Fails when a trader has no meter value, an account two, or the utility is
/// itself a participant.
pub fn settle(input: &SettlementInput<'_>) -> Result<Settlement, MarketError> {
    let mut deviation = deviations(input)?;
    let allocation = input.allocation;
    let mut lines: Vec<MoneyLine> = allocation
        .transfers
        .iter()
        .enumerate()
        .map(|(index, transfer)| MoneyLine {
            buyer: transfer.buyer,
            seller: transfer.seller,
            kind: transfer.kind,
            energy_wh: transfer.energy_wh,
            price: input
                .paid
                .and_then(|paid| paid.get(index).copied())
                .unwrap_or(input.price[transfer.kind.index()]),
            reason: Reason::LocalTrade,
        })
        .collect();
    lines.extend(allocation.unmet.iter().map(|(account, wh)| MoneyLine {
        buyer: *account,
        seller: input.utility,
        kind: EnergyType::GridMix,
        energy_wh: *wh,
        price: input.import,
        reason: Reason::GridImport,
    }));
    lines.extend(
        allocation
            .unsold
            .iter()
            .map(|(account, kind, wh)| MoneyLine {
                buyer: input.utility,
                seller: *account,
                kind: *kind,
                energy_wh: *wh,
                price: input.feed_in,
                reason: Reason::GridExport,
            }),
    );

    let short_wh: i128 = deviation.values().map(|wh| i128::from(*wh)).sum();
    let imbalance_price = if short_wh > 0 {
        input.import
    } else {
        input.feed_in
    };
    deviation.retain(|_, wh| *wh != 0);
    lines.extend(deviation.into_iter().map(|(account, wh)| {
        let took_more = wh > 0;
        MoneyLine {
            buyer: if took_more { account } else { input.utility },
            seller: if took_more { input.utility } else { account },
            kind: EnergyType::GridMix,
            energy_wh: wh.abs(),
            price: imbalance_price,
            reason: Reason::Imbalance,
        }
    }));
    Ok(Settlement {
        lines,
        imbalance_price,
    })
}

/// Metered less agreed net energy per account, Wh: positive took more.
fn deviations(input: &SettlementInput<'_>) -> Result<BTreeMap<AccountId, EnergyWh>, MarketError> {
    // A meter value of i64::MIN has no magnitude; it is refused as excessive.
    checked_total(
        "metered energy",
        input.metered.iter().map(|m| m.net_wh.saturating_abs()),
    )?;
    let accounts = Accounts::new(input.metered.iter().map(|meter| meter.account));
    let mut deviation: Vec<Option<EnergyWh>> = vec![None; accounts.len()];
    for meter in input.metered {
        let account = meter.account;
        if account == input.utility {
            return Err(MarketError::UtilityTrades { account });
        }
        let place = accounts.place(&account).map(|at| &mut deviation[at]);
        if place.is_none_or(|place| place.replace(meter.net_wh).is_some()) {
            return Err(MarketError::DuplicateAccount {
                account,
                what: "the meter values",
            });
        }
    }
    let mut deviation: Vec<EnergyWh> = deviation.into_iter().flatten().collect();
    for (account, energy_wh, takes) in agreed(input.allocation) {
        if energy_wh < 0 {
            return Err(MarketError::NegativeEnergy {
                what: "allocated energy",
                energy_wh,
            });
        }
        let at = accounts
            .place(&account)
            .ok_or(MarketError::NotMetered { account })?;
        let agreed = if takes { -energy_wh } else { energy_wh };
        deviation[at] = deviation[at]
            .checked_add(agreed)
            .ok_or(MarketError::TooMuchEnergy {
                what: "allocated energy",
            })?;
    }
    Ok(accounts.with(deviation))
}

/// Account, energy in Wh and whether it takes it, for everything allocated.
fn agreed(allocation: &Allocation) -> impl Iterator<Item = (AccountId, EnergyWh, bool)> + '_ {
    let transfers = allocation
        .transfers
        .iter()
        .flat_map(|t| [(t.buyer, t.energy_wh, true), (t.seller, t.energy_wh, false)]);
    let unmet = allocation
        .unmet
        .iter()
        .map(|(account, wh)| (*account, *wh, true));
    let unsold = allocation
        .unsold
        .iter()
        .map(|(account, _, wh)| (*account, *wh, false));
    transfers.chain(unmet).chain(unsold)
}

impl Settlement {
    /// Change of every account's money, nano-EUR; adds to zero.
    #[must_use]
    pub fn balances(&self) -> BTreeMap<AccountId, MoneyNanoEur> {
        let sides = self.lines.iter().flat_map(|line| [line.buyer, line.seller]);
        let accounts = Accounts::new(sides);
        let mut balances = vec![0; accounts.len()];
        for line in &self.lines {
            let (payer, payee, money) = line.payment();
            for (account, change) in [(payer, -money), (payee, money)] {
                if let Some(at) = accounts.place(&account) {
                    balances[at] += change;
                }
            }
        }
        accounts.with(balances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuyOrder, SellOrder, allocate};

    const CENT: i64 = 10_000;
    const UTILITY: AccountId = AccountId([0xff; 32]);

    fn account(n: u8) -> AccountId {
        AccountId([n; 32])
    }

    fn input<'a>(allocation: &'a Allocation, metered: &'a [MeteredNet]) -> SettlementInput<'a> {
        SettlementInput {
            utility: UTILITY,
            feed_in: 8 * CENT,
            import: 30 * CENT,
            price: [19 * CENT; EnergyType::COUNT],
            paid: None,
            allocation,
            metered,
        }
    }

    /// House 1 buys 1 kWh, house 2 sells 3 kWh of sun, 1 of it locally.
    fn neighbours() -> Allocation {
        let buyers = [BuyOrder {
            account: account(1),
            demand_wh: 1_000,
            weights: [1; 7],
        }];
        let sellers = [SellOrder {
            account: account(2),
            kind: EnergyType::Solar,
            offered_wh: 3_000,
        }];
        allocate(&buyers, &sellers, &[19 * CENT; 7]).expect("valid")
    }

    fn meters(net: [i64; 2]) -> [MeteredNet; 2] {
        [
            MeteredNet {
                account: account(1),
                net_wh: net[0],
            },
            MeteredNet {
                account: account(2),
                net_wh: net[1],
            },
        ]
    }

    #[test]
    fn a_neighbourly_trade_is_paid_to_the_nano_euro() {
        let (allocation, metered) = (neighbours(), meters([1_000, -3_000]));
        let settlement = settle(&input(&allocation, &metered)).expect("valid");
        let balances = settlement.balances();
        assert_eq!(balances[&account(1)], -190_000_000);
        assert_eq!(balances[&account(2)], 190_000_000 + 160_000_000);
        assert_eq!(balances[&UTILITY], -160_000_000);
        let bill = settlement.bill(account(2));
        assert_eq!(bill.total, 350_000_000);
        assert_eq!(bill.lines.len(), 2);
        assert_eq!(bill.lines[0].energy_wh, -1_000);
    }

    #[test]
    fn the_penalty_lands_on_whoever_deviated_in_every_case() {
        let allocation = neighbours();
        // (buyer's meter, seller's meter) -> (buyer's extra, seller's extra), mEUR.
        for (net, extra) in [
            ([1_500, -3_000], [-150, 0]), // buyer takes more, cluster short: pays import
            ([500, -3_000], [40, 0]),     // buyer takes less, cluster long: gets feed-in
            ([1_000, -2_000], [0, -300]), // seller gives less: pays import
            ([1_000, -4_000], [0, 80]),   // seller gives more: gets feed-in
            ([1_500, -3_500], [-40, 40]), // both more, they cancel at one price
            ([500, -2_000], [150, -300]), // short: the buyer helped and is paid
        ] {
            let metered = meters(net);
            let settlement = settle(&input(&allocation, &metered)).expect("valid");
            let balances = settlement.balances();
            let milli = 1_000_000;
            assert_eq!(
                balances[&account(1)],
                -190 * milli + extra[0] * milli,
                "{net:?}"
            );
            assert_eq!(
                balances[&account(2)],
                350 * milli + extra[1] * milli,
                "{net:?}"
            );
            assert_eq!(balances.values().sum::<i128>(), 0);
        }
    }

    #[test]
    fn a_negative_price_turns_the_payment_round() {
        let (allocation, metered) = (neighbours(), meters([1_000, -3_000]));
        let mut slot = input(&allocation, &metered);
        slot.feed_in = -CENT;
        let settlement = settle(&slot).expect("valid");
        let export = settlement
            .lines
            .iter()
            .find(|line| line.reason == Reason::GridExport);
        let (payer, payee, money) = export.expect("surplus is exported").payment();
        assert_eq!((payer, payee, money), (account(2), UTILITY, 20_000_000));
    }

    #[test]
    fn a_slot_without_all_meters_is_refused() {
        let allocation = neighbours();
        let metered = meters([1_000, -3_000]);
        assert_eq!(
            settle(&input(&allocation, &metered[..1])),
            Err(MarketError::NotMetered {
                account: account(2)
            })
        );
        let twice = [metered[0], metered[1], metered[0]];
        assert!(matches!(
            settle(&input(&allocation, &twice)),
            Err(MarketError::DuplicateAccount { .. })
        ));
        let utility = [
            metered[0],
            metered[1],
            MeteredNet {
                account: UTILITY,
                net_wh: 0,
            },
        ];
        assert!(matches!(
            settle(&input(&allocation, &utility)),
            Err(MarketError::UtilityTrades { .. })
        ));
        let absurd = [
            metered[0],
            MeteredNet {
                account: account(2),
                net_wh: i64::MIN,
            },
        ];
        assert!(matches!(
            settle(&input(&allocation, &absurd)),
            Err(MarketError::TooMuchEnergy { .. })
        ));
    }
}
