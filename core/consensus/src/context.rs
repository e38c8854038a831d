//! The types the consensus engine is instantiated with.

use std::fmt;
use std::sync::Arc;

use arc_malachitebft_core_types as engine;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::VerifyingKey;
use engine::{LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType};
use serde::{Deserialize, Serialize};

macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in &self.0[..4] {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    };
}

bytes_newtype!(
    /// A validator's address: domain-tagged BLAKE3 hash of its public key.
    Address,
    32
);
bytes_newtype!(
    /// Identity of a block; what proposals and votes carry.
    BlockId,
    32
);
bytes_newtype!(
    /// An ed25519 signature as plain, ordered bytes.
    Sig,
    64
);
bytes_newtype!(
    /// Name of a chain, part of every signed preimage so that a vote counts on one chain only.
    ChainId,
    16
);

impl Default for BlockId {
    fn default() -> Self {
        Self([0; 32])
    }
}

impl ChainId {
    /// From a short text, zero-padded; longer texts are cut after 16 bytes.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl Address {
    /// Address of a public key.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gridloom/validator/1");
        hasher.update(key.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

impl engine::Address for Address {}

/// Number of a block in its chain; the first block has height 1.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl engine::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// What is agreed on: the identity of a block, never the block itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Value(pub BlockId);

impl engine::Value for Value {
    type Id = BlockId;

    fn id(&self) -> BlockId {
        self.0
    }
}

/// Blocks travel on our own channel, so the engine's proposal parts are never made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoParts;

impl engine::ProposalPart<Ctx> for NoParts {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// A proposal message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Height it is for.
    pub height: Height,
    /// Round it is for.
    pub round: Round,
    /// Identity of the proposed block.
    pub value: Value,
    /// Round of the proof of lock, `Nil` if there is none.
    pub pol_round: Round,
    /// Who proposes.
    pub proposer: Address,
}

impl engine::Proposal<Ctx> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// A prevote or precommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Height it is for.
    pub height: Height,
    /// Round it is for.
    pub round: Round,
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Block voted for, or nil.
    pub value: NilOrVal<BlockId>,
    /// Who votes.
    pub voter: Address,
    /// Unused; vote extensions are switched off.
    pub extension: Option<SignedExtension<Ctx>>,
}

impl engine::Vote<Ctx> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.voter
    }

    fn extension(&self) -> Option<&SignedExtension<Ctx>> {
        self.extension.as_ref()
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Ctx>> {
        self.extension.take()
    }

    fn extend(mut self, extension: SignedExtension<Ctx>) -> Self {
        self.extension = Some(extension);
        self
    }
}

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

/// The signing scheme: ed25519 with the strict verification rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ed25519;

/// Bytes that are not a key or a signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable ed25519 {0}")]
pub struct KeyError(&'static str);

impl Ed25519 {
    /// Decodes a public key.
    ///
    /// # Errors
    /// Refuses wrong lengths, points off the curve and weak keys.
    pub fn public_key(bytes: &[u8]) -> Result<VerifyingKey, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError("public key"))?;
        VerifyingKey::from_bytes(&bytes)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(KeyError("public key"))
    }
}

impl engine::SigningScheme for Ed25519 {
    type DecodingError = KeyError;
    type Signature = Sig;
    type PublicKey = VerifyingKey;
    type PrivateKey = ed25519_dalek::SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<Sig, KeyError> {
        bytes.try_into().map(Sig).map_err(|_| KeyError("signature"))
    }

    fn encode_signature(signature: &Sig) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<VerifyingKey, KeyError> {
        Self::public_key(bytes)
    }

    fn encode_public_key(key: &VerifyingKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}

/// The engine's view of Gridloom; carries no data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ctx;

impl engine::Context for Ctx {
    type Address = Address;
    type Height = Height;
    type ProposalPart = NoParts;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = Vec<u8>;
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validators.proposer(height.0, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            pol_round,
            proposer,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        voter: Address,
    ) -> Vote {
        vote(height, round, VoteType::Prevote, value, voter)
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        voter: Address,
    ) -> Vote {
        vote(height, round, VoteType::Precommit, value, voter)
    }
}

fn vote(
    height: Height,
    round: Round,
    kind: VoteType,
    value: NilOrVal<BlockId>,
    voter: Address,
) -> Vote {
    Vote {
        height,
        round,
        kind,
        value,
        voter,
        extension: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
