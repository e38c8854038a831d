//! Proof that a validator signed two different messages in one place.

use arc_malachitebft_core_consensus::MisbehaviorEvidence;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::context::{Address, ChainId, Ctx, Sig, ValidatorSet};
use crate::preimage;
use crate::sign::verify;

/// Two conflicting signed messages of one validator; anyone can check it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Equivocation {
    /// Who signed both.
    pub offender: Address,
    /// Height of both.
    pub height: u64,
    /// First message, signed bytes and signature.
    pub first: (Vec<u8>, Sig),
    /// Second message.
    pub second: (Vec<u8>, Sig),
}

impl Equivocation {
    /// Whether it proves misbehaviour of a member of `validators` (the set of its height).
    #[must_use]
    pub fn holds(&self, chain: &ChainId, validators: &ValidatorSet) -> bool {
        let (Some(a), Some(b)) = (
            preimage::place(chain, &self.first.0),
            preimage::place(chain, &self.second.0),
        ) else {
            return false;
        };
        if a != b || a.height != self.height || a.signer != self.offender {
            return false;
        }
        let Some(validator) = validators.get(&self.offender) else {
            return false;
        };
        self.first.0 != self.second.0
            && verify(&validator.key, &self.first.0, &self.first.1)
            && verify(&validator.key, &self.second.0, &self.second.1)
    }
}

/// At most this many proofs are handed on per validator and height; one is enough to act.
const PER_VALIDATOR: usize = 1;

pub(crate) fn from_engine(
    chain: &ChainId,
    height: u64,
    evidence: &MisbehaviorEvidence<Ctx>,
) -> Vec<Equivocation> {
    let mut found = Vec::new();
    for (offender, pairs) in &evidence.votes {
        for (first, second) in pairs.iter().take(PER_VALIDATOR) {
            found.push(Equivocation {
                offender: *offender,
                height,
                first: (
                    preimage::vote(chain, &first.message).to_vec(),
                    first.signature,
                ),
                second: (
                    preimage::vote(chain, &second.message).to_vec(),
                    second.signature,
                ),
            });
        }
    }
    for (offender, pairs) in &evidence.proposals {
        for (first, second) in pairs.iter().take(PER_VALIDATOR) {
            found.push(Equivocation {
                offender: *offender,
                height,
                first: (
                    preimage::proposal(chain, &first.message).to_vec(),
                    first.signature,
                ),
                second: (
                    preimage::proposal(chain, &second.message).to_vec(),
                    second.signature,
                ),
            });
        }
    }
    found
}
