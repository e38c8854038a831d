//! The types the consensus engine is instantiated with.

mod id;
mod message;
mod set;

use arc_malachitebft_core_types as engine;
use ed25519_dalek::VerifyingKey;
use engine::{LinearTimeouts, NilOrVal, Round, VoteType};

pub use id::{Address, BlockId, ChainId, Height, Sig};
pub use message::{NoParts, Proposal, Value, Vote};
pub use set::{SetError, Validator, ValidatorSet};

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
