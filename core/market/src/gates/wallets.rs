//! Gate 5: wallets stay at or above zero under any order of operations, over a
//! crash and in a replay.

use std::collections::BTreeMap;
use std::ops::Range;

use gridloom_units::{AccountId, MoneyNanoEur};

use super::cases::{Draws, account};
use super::{Count, unless};
use crate::wallet::{Wallet, book_settlement};

/// What can happen to wallets.
#[derive(Clone, Debug)]
enum Operation {
    Hold(AccountId, MoneyNanoEur),
    Release(AccountId, MoneyNanoEur),
    Settle(BTreeMap<AccountId, MoneyNanoEur>),
}

type Wallets = BTreeMap<AccountId, Wallet>;

/// Runs random operations on random wallets; a case is a whole history.
#[must_use]
pub fn wallet_gates(cases: Range<u64>) -> Count {
    let mut count = Count::default();
    for case in cases {
        count.note(history(case));
    }
    count
}

fn history(case: u64) -> Option<String> {
    let mut draws = Draws::new(case);
    let people = 2 + draws.below(5);
    let operator = account(0);
    let mut wallets: Wallets = (0..people)
        .map(|n| (account(n), Wallet::new(i128::from(draws.within(0, 2_000)))))
        .collect();
    let start = wallets.clone();
    let deposited: MoneyNanoEur = wallets.values().map(|wallet| wallet.money).sum();
    let operations: Vec<Operation> = (0..4 + draws.below(20))
        .map(|_| operation(&mut draws, people))
        .collect();
    let crash = draws.below(operations.len());
    let mut lent = 0;
    for (index, operation) in operations.iter().enumerate() {
        if index == crash {
            // Only bytes survive a crash.
            let bytes = borsh::to_vec(&wallets).ok()?;
            wallets = borsh::from_slice(&bytes).ok()?;
        }
        lent += apply(&mut wallets, operator, operation);
        let money: MoneyNanoEur = wallets.values().map(|wallet| wallet.money).sum();
        let debt: MoneyNanoEur = wallets.values().map(|wallet| wallet.debt).sum();
        let sound = wallets.values().all(Wallet::is_sound);
        if !sound || money != deposited || debt != lent {
            return Some(format!("case {case}, operation {index}: {wallets:?}"));
        }
    }
    let mut again = start;
    for operation in &operations {
        apply(&mut again, operator, operation);
    }
    unless(again == wallets, || {
        format!("case {case}: a replay gives other wallets")
    })
}

/// Applies an operation; returns the change of what is lent.
fn apply(wallets: &mut Wallets, operator: AccountId, operation: &Operation) -> MoneyNanoEur {
    match operation {
        Operation::Hold(id, wanted) => {
            if let Some(wallet) = wallets.get_mut(id) {
                wallet.hold(*wanted);
            }
        }
        Operation::Release(id, amount) => {
            if let Some(wallet) = wallets.get_mut(id) {
                wallet.release(*amount);
            }
        }
        Operation::Settle(changes) => {
            if let Ok(credit) = book_settlement(wallets, operator, changes) {
                return credit.lent - credit.repaid;
            }
        }
    }
    0
}

fn operation(draws: &mut Draws, people: usize) -> Operation {
    let who = account(draws.below(people));
    let amount = i128::from(draws.within(0, 1_500));
    match draws.within(0, 3) {
        0 => Operation::Hold(who, amount),
        1 => Operation::Release(who, amount),
        _ => {
            // Payments between pairs, so that the changes add to zero.
            let mut changes: BTreeMap<AccountId, MoneyNanoEur> = BTreeMap::new();
            for _ in 0..1 + draws.below(people) {
                let (payer, payee) = (draws.below(people), draws.below(people));
                let sum = i128::from(draws.within(0, 1_500));
                *changes.entry(account(payer)).or_default() -= sum;
                *changes.entry(account(payee)).or_default() += sum;
            }
            Operation::Settle(changes)
        }
    }
}
