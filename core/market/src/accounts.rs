//! Accounts of a slot in order, to be found fast.

use std::collections::BTreeMap;

use gridloom_units::AccountId;

/// Some accounts, each once, in their order.
///
/// A slot looks every account up for every lot. What is looked up is known
/// beforehand, so a sorted list does, searched by the first eight bytes alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    first_bytes: Vec<u64>,
    accounts: Vec<AccountId>,
}

fn first_bytes(account: &AccountId) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&account.0[..8]);
    u64::from_be_bytes(bytes)
}

impl Accounts {
    /// These accounts; any order, any number of times.
    pub(crate) fn new(accounts: impl Iterator<Item = AccountId>) -> Self {
        let mut accounts: Vec<AccountId> = accounts.collect();
        accounts.sort_unstable();
        accounts.dedup();
        Self {
            first_bytes: accounts.iter().map(first_bytes).collect(),
            accounts,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Place of an account; `None` when it is not one of them.
    pub(crate) fn place(&self, account: &AccountId) -> Option<usize> {
        let wanted = first_bytes(account);
        let at = self.first_bytes.partition_point(|bytes| *bytes < wanted);
        if self.accounts.get(at)? == account {
            return Some(at);
        }
        // Accounts are hashes: two with the same first bytes do not happen,
        // unless somebody made them so.
        self.accounts[at..]
            .binary_search(account)
            .ok()
            .map(|n| at + n)
    }

    /// One value per account, by account.
    pub(crate) fn with<V>(self, values: Vec<V>) -> BTreeMap<AccountId, V> {
        self.accounts.into_iter().zip(values).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_account_is_found_and_no_other(
            have in prop::collection::vec((0_u8..4, 0_u8..8), 0..40),
            wanted in (0_u8..4, 0_u8..8),
        ) {
            // Few first bytes, so that several accounts share all eight.
            let account = |(first, last): (u8, u8)| {
                let mut bytes = [first; 32];
                bytes[31] = last;
                AccountId(bytes)
            };
            let accounts = Accounts::new(have.iter().map(|n| account(*n)));
            let place = accounts.place(&account(wanted));
            prop_assert_eq!(place.is_some(), have.contains(&wanted));
            if let Some(place) = place {
                prop_assert_eq!(accounts.accounts[place], account(wanted));
            }
        }
    }
}
