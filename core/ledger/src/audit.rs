//! The books: money and energy are conserved, to the last unit.

use gridloom_units::{AccountId, EnergyType, EnergyWh, MoneyNanoEur, TypedWh};

use crate::cross::{Moved, Worth};
use crate::genesis::{Genesis, Kind};
use crate::state::{EnergyTotals, State, StateValue, View};

/// Books that do not balance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// Money appeared or vanished.
    #[error("accounts hold {found} nEUR, deposits were {deposited} nEUR")]
    Money {
        /// Sum of all accounts.
        found: MoneyNanoEur,
        /// What there has to be.
        deposited: MoneyNanoEur,
    },
    /// An account is below zero.
    #[error("account {account} holds {money} nEUR and owes {debt} nEUR")]
    Negative {
        /// The account.
        account: AccountId,
        /// Its money.
        money: MoneyNanoEur,
        /// Its debt.
        debt: MoneyNanoEur,
    },
    /// Debts of the accounts and what the operator lent differ.
    #[error("accounts owe {found} nEUR, the operator lent {lent} nEUR")]
    Debt {
        /// Sum of the debts.
        found: MoneyNanoEur,
        /// What was lent and not paid back.
        lent: MoneyNanoEur,
    },
    /// Accounts and totals of a type differ.
    #[error("{what} of {} in the accounts is {found} Wh, in the totals {booked} Wh", kind.label())]
    Energy {
        /// Which flow.
        what: &'static str,
        /// Which type.
        kind: EnergyType,
        /// Sum over the accounts.
        found: EnergyWh,
        /// What the totals say.
        booked: EnergyWh,
    },
    /// Minted + bought is not retired + sold + held.
    #[error("{} does not balance: in {supplied} Wh, out {used} Wh", kind.label())]
    Balance {
        /// Which type.
        kind: EnergyType,
        /// Minted and bought.
        supplied: EnergyWh,
        /// Retired, sold and held.
        used: EnergyWh,
    },
    /// Settled registers and retired or minted energy differ.
    #[error("meters settled {metered} Wh of {what}, the accounts have {booked} Wh")]
    Meters {
        /// Which register.
        what: &'static str,
        /// Sum of the settled registers.
        metered: EnergyWh,
        /// What was minted or retired.
        booked: EnergyWh,
    },
    /// Energy sold to the utility and lots of it, here or away, differ.
    #[error("lots hold {found} Wh, {booked} Wh were sold to the utility or came from elsewhere")]
    Lots {
        /// Wh in surplus and claims.
        found: EnergyWh,
        /// What there has to be.
        booked: EnergyWh,
    },
    /// The state lacks a part it must have.
    #[error("the state has no {0}")]
    Missing(&'static str),
}

/// Books that balance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Number of accounts.
    pub accounts: usize,
    /// Money in all of them: exactly the deposits, nano-EUR.
    pub money: MoneyNanoEur,
    /// Owed to the operator, nano-EUR.
    pub debt: MoneyNanoEur,
    /// Energy flows per type.
    pub totals: EnergyTotals,
    /// Energy in wallets per type, Wh.
    pub held_wh: TypedWh,
}

/// Sums over accounts and meters.
#[derive(Default)]
struct Sums {
    accounts: usize,
    money: MoneyNanoEur,
    debt: MoneyNanoEur,
    minted: TypedWh,
    retired: TypedWh,
    held: TypedWh,
    metered: [EnergyWh; 3],
    /// Came from other clusters less what went there.
    net: Worth,
    moved: Moved,
    lots: EnergyWh,
}

impl Sums {
    /// Adds a record, or takes its older version away.
    fn add(&mut self, value: &StateValue, utility: AccountId, sign: i64) {
        match value {
            StateValue::Account(record) => {
                self.money += record.money * i128::from(sign);
                self.debt += record.debt * i128::from(sign);
                for k in 0..EnergyType::COUNT {
                    self.minted[k] += sign * record.minted_wh[k];
                    self.retired[k] += sign * record.retired_wh[k];
                }
                if record.id != utility {
                    for (sum, held) in self.held.iter_mut().zip(record.held_wh()) {
                        *sum += sign * held;
                    }
                }
            }
            StateValue::Flows(flows) => {
                let net = flows.net();
                self.net.money += net.money * i128::from(sign);
                self.net.wh += net.wh * sign;
                for k in 0..EnergyType::COUNT {
                    self.moved.minted_wh[k] += sign * flows.moved.minted_wh[k];
                    self.moved.retired_wh[k] += sign * flows.moved.retired_wh[k];
                }
                let metered = self.moved.metered_wh.iter_mut();
                for (sum, wh) in metered.zip(flows.moved.metered_wh) {
                    *sum += sign * wh;
                }
            }
            StateValue::Surplus(lots) | StateValue::Claims(lots) => {
                self.lots += sign * lots.iter().map(|lot| lot.wh).sum::<EnergyWh>();
            }
            StateValue::Meter(meter) => {
                for (sum, wh) in self.metered.iter_mut().zip(meter.settled.to_array()) {
                    *sum += sign * wh;
                }
            }
            _ => {}
        }
    }

    /// Compares the sums with the totals.
    fn check(
        &self,
        totals: &EnergyTotals,
        lent: MoneyNanoEur,
        has_root: bool,
    ) -> Result<(), AuditError> {
        let sold: EnergyWh = totals.sold_wh.iter().sum();
        if has_root && self.lots != sold + self.net.wh {
            return Err(AuditError::Lots {
                found: self.lots,
                booked: sold + self.net.wh,
            });
        }
        if self.debt != lent {
            return Err(AuditError::Debt {
                found: self.debt,
                lent,
            });
        }
        for kind in EnergyType::ALL {
            let k = kind.index();
            for (what, found, booked) in [
                (
                    "minted",
                    self.minted[k],
                    totals.minted_wh[k] + self.moved.minted_wh[k],
                ),
                (
                    "retired",
                    self.retired[k],
                    totals.retired_wh[k] + self.moved.retired_wh[k],
                ),
            ] {
                if found != booked {
                    return Err(AuditError::Energy {
                        what,
                        kind,
                        found,
                        booked,
                    });
                }
            }
            let supplied = totals.minted_wh[k] + totals.bought_wh[k];
            let used = totals.retired_wh[k] + totals.sold_wh[k] + self.held[k];
            if supplied != used {
                return Err(AuditError::Balance {
                    kind,
                    supplied,
                    used,
                });
            }
        }
        let retired: EnergyWh = totals.retired_wh.iter().sum();
        for (what, metered, booked) in [
            ("import", self.metered[0], retired),
            (
                "solar export",
                self.metered[1],
                totals.minted_wh[EnergyType::Solar.index()],
            ),
            (
                "battery export",
                self.metered[2],
                totals.minted_wh[EnergyType::Battery.index()],
            ),
        ]
        .into_iter()
        .zip(self.moved.metered_wh)
        .map(|((what, metered, booked), moved)| (what, metered, booked + moved))
        {
            if metered != booked {
                return Err(AuditError::Meters {
                    what,
                    metered,
                    booked,
                });
            }
        }
        Ok(())
    }
}

fn positive(value: &StateValue) -> Result<(), AuditError> {
    match value {
        StateValue::Account(record) if record.money < 0 || record.debt < 0 => {
            Err(AuditError::Negative {
                account: record.id,
                money: record.money,
                debt: record.debt,
            })
        }
        _ => Ok(()),
    }
}

/// Audits what a block changed; runs on every block.
///
/// A block that moves nothing unbalanced onto balanced books leaves balanced
/// books, so the changes suffice; [`audit`] goes through everything.
pub(crate) fn check_changes(genesis: &Genesis, view: &View<'_>) -> Result<(), AuditError> {
    let Kind::Cluster(roles) = &genesis.kind else {
        return Ok(());
    };
    let (mut sums, mut totals, mut lent) = (Sums::default(), EnergyTotals::default(), 0);
    for (before, now) in view.changes() {
        positive(now)?;
        sums.add(now, roles.utility, 1);
        if let Some(before) = before {
            sums.add(before, roles.utility, -1);
        }
        if let StateValue::Market(market) = now.as_ref() {
            let older = match before.map(AsRef::as_ref) {
                Some(StateValue::Market(older)) => older.clone(),
                _ => Default::default(),
            };
            totals = market.totals.since(&older.totals);
            lent = market.lent - older.lent;
        }
    }
    if sums.money != sums.net.money {
        return Err(AuditError::Money {
            found: roles.deposited + sums.money - sums.net.money,
            deposited: roles.deposited,
        });
    }
    sums.check(&totals, lent, roles.root.is_some())
}

/// Audits everything.
pub(crate) fn audit(genesis: &Genesis, state: &State) -> Result<AuditReport, AuditError> {
    let Kind::Cluster(roles) = &genesis.kind else {
        return Ok(AuditReport::default());
    };
    let mut sums = Sums::default();
    let mut fault = Ok(());
    state.for_each(&mut |value| {
        sums.accounts += usize::from(matches!(value.as_ref(), StateValue::Account(_)));
        if fault.is_ok() {
            fault = positive(value);
        }
        sums.add(value, roles.utility, 1);
    });
    fault?;
    let due = roles.deposited + sums.net.money;
    if sums.money != due {
        return Err(AuditError::Money {
            found: sums.money,
            deposited: due,
        });
    }
    let market = state.market().ok_or(AuditError::Missing("market record"))?;
    sums.check(&market.totals, market.lent, roles.root.is_some())?;
    Ok(AuditReport {
        accounts: sums.accounts,
        money: sums.money,
        debt: sums.debt,
        totals: market.totals,
        held_wh: sums.held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Account, MarketState, StateKey};
    use gridloom_consensus::ChainId;

    const HOME: AccountId = AccountId([1; 32]);
    const UTILITY: AccountId = AccountId([2; 32]);

    fn genesis() -> Genesis {
        let (_, validators) = crate::rehearsal::four_validators(1).expect("good keys");
        let market = crate::MarketRules {
            slot_ms: 900_000,
            reading_ms: 300_000,
            feed_in: 1,
            import: 2,
            max_step: 0,
            wholesale: None,
            island: 3,
        };
        crate::ClusterGenesis {
            setup: crate::Setup::default(),
            chain: ChainId::from_name("x"),
            validators,
            operator: AccountId([3; 32]),
            utility: UTILITY,
            cloud: AccountId([4; 32]),
            aggregator: AccountId([5; 32]),
            accounts: vec![(HOME, 100), (UTILITY, 50)],
            market,
            root: None,
        }
        .seal()
    }

    fn state() -> State {
        let accounts = [(HOME, 100), (UTILITY, 50)].map(|(id, money)| {
            (
                StateKey::Account(id),
                StateValue::Account(Account::new(id, money)).into(),
            )
        });
        let market = (
            StateKey::Market,
            StateValue::Market(MarketState::default()).into(),
        );
        State::default().put(accounts.into_iter().chain([market]))
    }

    /// What both audits say after a change of the home's account and the market.
    fn after(change: impl FnOnce(&mut Account, &mut MarketState)) -> Result<(), AuditError> {
        let (genesis, state) = (genesis(), state());
        let mut home = state.account(HOME).expect("listed").clone();
        let mut market = MarketState::default();
        change(&mut home, &mut market);
        let mut view = View::new(&state);
        view.put(StateKey::Account(HOME), StateValue::Account(home));
        view.put(StateKey::Market, StateValue::Market(market));
        let changes = check_changes(&genesis, &view);
        let whole = audit(&genesis, &view.commit()).map(|_| ());
        assert_eq!(changes.is_ok(), whole.is_ok(), "{changes:?} {whole:?}");
        changes
    }

    #[test]
    fn every_kind_of_broken_book_is_found() {
        let solar = EnergyType::Solar.index();
        assert_eq!(after(|_, _| ()), Ok(()));
        assert!(matches!(
            after(|home, _| home.money += 1),
            Err(AuditError::Money {
                found: 151,
                deposited: 150
            })
        ));
        assert!(matches!(
            after(|home, _| home.money = -1),
            Err(AuditError::Negative { .. })
        ));
        assert!(matches!(
            after(|home, _| home.debt = 7),
            Err(AuditError::Debt { found: 7, .. })
        ));
        assert!(matches!(
            after(|home, _| home.minted_wh[solar] = 5),
            Err(AuditError::Energy {
                what: "minted",
                found: 5,
                booked: 0,
                ..
            })
        ));
        assert!(matches!(
            after(|home, _| home.retired_wh[solar] = 5),
            Err(AuditError::Energy {
                what: "retired",
                ..
            })
        ));
        assert!(matches!(
            after(|home, _| home.bought_wh[solar] = 5),
            Err(AuditError::Balance {
                supplied: 0,
                used: 5,
                ..
            })
        ));
        // Minted and held, but no meter says so.
        assert!(matches!(
            after(|home, market| {
                home.minted_wh[solar] = 5;
                market.totals.minted_wh[solar] = 5;
            }),
            Err(AuditError::Meters {
                what: "solar export",
                metered: 0,
                booked: 5
            })
        ));
    }
}
