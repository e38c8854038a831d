//! Validators, their sets and whose turn it is.

use std::sync::Arc;

use arc_malachitebft_core_types as engine;
use ed25519_dalek::VerifyingKey;

use super::Ctx;
use super::id::Address;

/// A member of a validator set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Its address.
    pub address: Address,
    /// Its public key.
    pub key: VerifyingKey,
    /// Its voting power.
    pub power: u64,
}

impl engine::Validator<Ctx> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// The validators of one height, sorted by address; cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet(Arc<Vec<Validator>>);

/// Why a validator set was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// There are no validators.
    #[error("a validator set needs at least one validator")]
    Empty,
    /// A key is of small order: signatures by it prove nothing.
    #[error("the key of validator {0} is weak")]
    WeakKey(Address),
    /// Two validators have one key.
    #[error("validator {0} is listed twice")]
    Duplicate(Address),
    /// A validator without voting power, or a total that overflows the engine's thresholds.
    #[error("the voting power of validator {0} is out of range")]
    Power(Address),
}

impl ValidatorSet {
    /// Largest total power, so that the engine's threshold products cannot overflow.
    const MAX_TOTAL_POWER: u64 = u64::MAX / 8;

    /// From keys and voting powers, in any order.
    ///
    /// # Errors
    /// Refuses an empty set, weak or repeated keys and powers out of range.
    pub fn new(members: impl IntoIterator<Item = (VerifyingKey, u64)>) -> Result<Self, SetError> {
        let mut list: Vec<Validator> = members
            .into_iter()
            .map(|(key, power)| Validator {
                address: Address::of(&key),
                key,
                power,
            })
            .collect();
        list.sort_by_key(|validator| validator.address);
        let mut total = 0_u64;
        let mut last = None;
        for validator in &list {
            if validator.key.is_weak() {
                return Err(SetError::WeakKey(validator.address));
            }
            if last == Some(validator.address) {
                return Err(SetError::Duplicate(validator.address));
            }
            last = Some(validator.address);
            total = total
                .checked_add(validator.power)
                .filter(|sum| validator.power > 0 && *sum <= Self::MAX_TOTAL_POWER)
                .ok_or(SetError::Power(validator.address))?;
        }
        if list.is_empty() {
            return Err(SetError::Empty);
        }
        Ok(Self(Arc::new(list)))
    }

    /// The validators in order of address.
    #[must_use]
    pub fn members(&self) -> &[Validator] {
        &self.0
    }

    /// The validator with this address.
    #[must_use]
    pub fn get(&self, address: &Address) -> Option<&Validator> {
        self.position(address).map(|index| &self.0[index])
    }

    /// Position of an address in the set.
    #[must_use]
    pub fn position(&self, address: &Address) -> Option<usize> {
        self.0
            .binary_search_by_key(address, |validator| validator.address)
            .ok()
    }

    /// Sum of the voting powers.
    #[must_use]
    pub fn total_power(&self) -> u64 {
        self.0.iter().map(|validator| validator.power).sum()
    }

    /// Hash of the whole set, for block headers.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gridloom/validators/1");
        for validator in self.0.iter() {
            hasher.update(validator.key.as_bytes());
            hasher.update(&validator.power.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// Who proposes in `(height, round)`: a pure function of its arguments.
    ///
    /// Equal powers take turns; unequal ones are drawn in proportion to power
    /// from a hash of height and round, so no running state has to be kept.
    #[must_use]
    pub fn proposer(&self, height: u64, round: u32) -> &Validator {
        let count = self.0.len() as u64;
        let first = &self.0[0];
        if self
            .0
            .iter()
            .all(|validator| validator.power == first.power)
        {
            let index = (height % count + u64::from(round) % count) % count;
            return &self.0[index as usize];
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gridloom/proposer/1");
        hasher.update(&height.to_le_bytes());
        hasher.update(&round.to_le_bytes());
        let mut draw = [0; 16];
        hasher.finalize_xof().fill(&mut draw);
        let mut left = (u128::from_le_bytes(draw) % u128::from(self.total_power())) as u64;
        for validator in self.0.iter() {
            if left < validator.power {
                return validator;
            }
            left -= validator.power;
        }
        first
    }
}

impl engine::ValidatorSet<Ctx> for ValidatorSet {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.total_power()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.get(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Ed25519;
    use ed25519_dalek::SigningKey;

    fn set(powers: &[u64]) -> ValidatorSet {
        ValidatorSet::new(powers.iter().enumerate().map(|(i, power)| {
            (
                SigningKey::from_bytes(&[i as u8 + 1; 32]).verifying_key(),
                *power,
            )
        }))
        .expect("a good set")
    }

    #[test]
    fn equal_validators_take_turns_and_a_round_moves_the_turn_on() {
        let set = set(&[1, 1, 1, 1]);
        for height in 1..20 {
            let order: std::collections::BTreeSet<Address> = (0..4)
                .map(|round| set.proposer(height, round).address)
                .collect();
            assert_eq!(order.len(), 4);
            assert_eq!(set.proposer(height, 1), set.proposer(height + 1, 0));
        }
        // Far heights and rounds must not overflow.
        let _ = set.proposer(u64::MAX, u32::MAX);
    }

    #[test]
    fn unequal_validators_propose_in_proportion_to_power() {
        let set = set(&[1, 2, 5]);
        let mut counts = std::collections::BTreeMap::new();
        for height in 0..8_000 {
            *counts.entry(set.proposer(height, 0).power).or_insert(0_u32) += 1;
        }
        for (power, count) in counts {
            let expected = 1_000 * power as u32;
            assert!(count.abs_diff(expected) < 200, "power {power}: {count}");
        }
    }

    #[test]
    fn bad_sets_are_refused() {
        let key = SigningKey::from_bytes(&[1; 32]).verifying_key();
        assert_eq!(ValidatorSet::new([]), Err(SetError::Empty));
        assert_eq!(
            ValidatorSet::new([(key, 1), (key, 1)]),
            Err(SetError::Duplicate(Address::of(&key)))
        );
        assert_eq!(
            ValidatorSet::new([(key, 0)]),
            Err(SetError::Power(Address::of(&key)))
        );
        // The identity point has small order.
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(Ed25519::public_key(&identity).is_err());
        assert!(Ed25519::public_key(&[7; 31]).is_err());
    }
}
