//! Money of an account: never below zero, partly held for what was bid.
//!
//! A bid needs a hold of what it may cost; too little money lowers the bid and
//! never the balance below zero. What a household used and cannot pay is lent
//! to it by the operator, openly, as a debt that its next income pays back.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{AccountId, MoneyNanoEur};
use serde::{Deserialize, Serialize};

/// Money of one account, nano-EUR; no part of it is ever negative.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Wallet {
    /// Money in it.
    pub money: MoneyNanoEur,
    /// Part of the money that is held for bids.
    pub held: MoneyNanoEur,
    /// Owed to the operator.
    pub debt: MoneyNanoEur,
}

/// What the operator lent and got back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Lent because wallets were empty.
    pub lent: MoneyNanoEur,
    /// Paid back out of income.
    pub repaid: MoneyNanoEur,
}

/// The operator cannot lend what wallets lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wallets lack {lent} nEUR and the operator's credit falls {short} nEUR short")]
pub struct CreditShort {
    /// What had to be lent.
    pub lent: MoneyNanoEur,
    /// What the operator does not have.
    pub short: MoneyNanoEur,
}

impl Wallet {
    /// A wallet with a first deposit.
    #[must_use]
    pub fn new(money: MoneyNanoEur) -> Self {
        Self {
            money: money.max(0),
            ..Self::default()
        }
    }

    /// Money that is not held.
    #[must_use]
    pub fn free(&self) -> MoneyNanoEur {
        self.money - self.held
    }

    /// Holds up to `wanted`; returns how much of it is held.
    pub fn hold(&mut self, wanted: MoneyNanoEur) -> MoneyNanoEur {
        let granted = wanted.clamp(0, self.free().max(0));
        self.held += granted;
        granted
    }

    /// Lets go of a hold.
    pub fn release(&mut self, amount: MoneyNanoEur) {
        self.held -= amount.clamp(0, self.held);
    }

    /// Whether no part is negative and the hold is covered.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.held >= 0 && self.held <= self.money && self.debt >= 0
    }

    /// Books a change; says what had to be lent or was paid back.
    fn book(&mut self, change: MoneyNanoEur) -> Credit {
        let mut credit = Credit::default();
        self.money += change;
        if self.money < 0 {
            credit.lent = -self.money;
            self.money = 0;
            self.debt += credit.lent;
        } else if change > 0 && self.debt > 0 {
            credit.repaid = self.debt.min(change);
            self.money -= credit.repaid;
            self.debt -= credit.repaid;
        }
        self.held = self.held.min(self.money);
        credit
    }
}

/// Books the changes of a settlement. What a wallet cannot pay the operator
/// lends it; what a wallet in debt earns pays the operator back first.
///
/// # Errors
/// Fails when the operator cannot lend enough; then nothing is booked.
pub fn book_settlement(
    wallets: &mut BTreeMap<AccountId, Wallet>,
    operator: AccountId,
    changes: &BTreeMap<AccountId, MoneyNanoEur>,
) -> Result<Credit, CreditShort> {
    let mut after: BTreeMap<AccountId, Wallet> = BTreeMap::new();
    let of = |id: &AccountId| wallets.get(id).copied().unwrap_or_default();
    let mut credit = Credit::default();
    for (id, change) in changes.iter().filter(|(id, _)| **id != operator) {
        let mut wallet = of(id);
        let part = wallet.book(*change);
        credit.lent += part.lent;
        credit.repaid += part.repaid;
        after.insert(*id, wallet);
    }
    let own = changes.get(&operator).copied().unwrap_or(0);
    let moved = own + credit.repaid - credit.lent;
    if moved != 0 {
        let mut lender = of(&operator);
        lender.money += moved;
        if lender.money < 0 {
            return Err(CreditShort {
                lent: credit.lent,
                short: -lender.money,
            });
        }
        lender.held = lender.held.min(lender.money);
        after.insert(operator, lender);
    }
    wallets.extend(after);
    Ok(credit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u8) -> AccountId {
        AccountId([n; 32])
    }

    #[test]
    fn a_bid_is_lowered_and_the_balance_is_not_touched() {
        let mut wallet = Wallet::new(100);
        assert_eq!(wallet.hold(70), 70);
        assert_eq!(wallet.hold(70), 30);
        assert_eq!(wallet.hold(1), 0);
        wallet.release(50);
        assert_eq!((wallet.money, wallet.free()), (100, 50));
        wallet.release(1_000);
        assert_eq!(wallet.held, 0);
    }

    #[test]
    fn an_empty_wallet_borrows_and_pays_back_first() {
        let (poor, operator) = (account(1), account(2));
        let mut wallets = BTreeMap::from([(poor, Wallet::new(10)), (operator, Wallet::new(1_000))]);
        let credit = book_settlement(&mut wallets, operator, &BTreeMap::from([(poor, -60)]));
        assert_eq!(
            credit,
            Ok(Credit {
                lent: 50,
                repaid: 0
            })
        );
        assert_eq!((wallets[&poor].money, wallets[&poor].debt), (0, 50));
        assert_eq!(wallets[&operator].money, 950);
        let credit = book_settlement(&mut wallets, operator, &BTreeMap::from([(poor, 80)]));
        assert_eq!(
            credit,
            Ok(Credit {
                lent: 0,
                repaid: 50
            })
        );
        assert_eq!((wallets[&poor].money, wallets[&poor].debt), (30, 0));
        let before = wallets.clone();
        let short = book_settlement(&mut wallets, operator, &BTreeMap::from([(poor, -5_000)]));
        assert_eq!(
            short,
            Err(CreditShort {
                lent: 4_970,
                short: 3_970
            })
        );
        assert_eq!(wallets, before);
    }
}
