//! Certificates: the proof that a quorum decided a block, and its check.

use arc_malachitebft_core_types as engine;
use borsh::{BorshDeserialize, BorshSerialize};
use engine::{
    CertificateError, CommitCertificate, CommitSignature, ExtendedCommitCertificate,
    ExtendedCommitSignature, NilOrVal, PolkaCertificate, Round, RoundCertificate,
    RoundCertificateType, ThresholdParams, VoteType,
};

use crate::context::{Address, BlockId, ChainId, Ctx, Height, Sig, ValidatorSet, Vote};
use crate::preimage;
use crate::sign::SigMemo;

/// Proof that validators holding more than two thirds of the power committed a block.
///
/// Nodes may hold different certificates of one block (each keeps the
/// signatures that reached it), so a certificate is never hashed into a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// Height of the block.
    pub height: u64,
    /// Round in which it was decided.
    pub round: u32,
    /// The block.
    pub block: BlockId,
    /// Precommit signatures in strictly rising order of address.
    pub signatures: Vec<(Address, Sig)>,
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// More signatures than validators.
    #[error("{0} signatures for {1} validators")]
    TooMany(usize, usize),
    /// Signatures out of order or given twice.
    #[error("the signature of {0} is out of order or repeated")]
    Order(Address),
    /// A signer who is not in the set.
    #[error("{0} is not a validator")]
    Unknown(Address),
    /// A signature that does not verify.
    #[error("the signature of {0} is bad")]
    Signature(Address),
    /// Too little power signed.
    #[error("signed power {signed} of {total}, more than two thirds are needed")]
    Power {
        /// Power behind good signatures.
        signed: u64,
        /// Power of the whole set.
        total: u64,
    },
}

impl Certificate {
    /// Checks the certificate against the validator set of its height.
    ///
    /// This is all a light client needs besides the set itself.
    ///
    /// # Errors
    /// Names the first reason why it proves nothing.
    pub fn verify(
        &self,
        chain: &ChainId,
        validators: &ValidatorSet,
        memo: &mut SigMemo,
    ) -> Result<(), CertificateFault> {
        let quorum = ThresholdParams::default().quorum;
        self.verify_quorum(chain, validators, quorum, memo)
    }

    fn verify_quorum(
        &self,
        chain: &ChainId,
        validators: &ValidatorSet,
        quorum: engine::ThresholdParam,
        memo: &mut SigMemo,
    ) -> Result<(), CertificateFault> {
        let count = validators.members().len();
        if self.signatures.len() > count {
            return Err(CertificateFault::TooMany(self.signatures.len(), count));
        }
        let mut last: Option<Address> = None;
        let mut signed = 0_u64;
        for (address, signature) in &self.signatures {
            if last.is_some_and(|before| before >= *address) {
                return Err(CertificateFault::Order(*address));
            }
            last = Some(*address);
            let validator = validators
                .get(address)
                .ok_or(CertificateFault::Unknown(*address))?;
            let bytes = preimage::precommit(chain, self.height, self.round, self.block, address);
            if !memo.verify(&validator.key, &bytes, signature) {
                return Err(CertificateFault::Signature(*address));
            }
            signed += validator.power;
        }
        let total = validators.total_power();
        if quorum.is_met(signed, total) {
            Ok(())
        } else {
            Err(CertificateFault::Power { signed, total })
        }
    }

    pub(crate) fn from_engine(certificate: &CommitCertificate<Ctx>) -> Self {
        let mut signatures: Vec<(Address, Sig)> = certificate
            .commit_signatures
            .iter()
            .map(|entry| (entry.address, entry.signature))
            .collect();
        signatures.sort_by_key(|(address, _)| *address);
        signatures.dedup_by_key(|(address, _)| *address);
        Self {
            height: certificate.height.0,
            round: certificate.round.as_u32().unwrap_or(0),
            block: certificate.value_id,
            signatures,
        }
    }

    pub(crate) fn to_engine(&self) -> ExtendedCommitCertificate<Ctx> {
        ExtendedCommitCertificate {
            height: Height(self.height),
            round: Round::new(self.round),
            value_id: self.block,
            commit_signatures: self
                .signatures
                .iter()
                .map(|(address, sig)| ExtendedCommitSignature::new(*address, *sig, None))
                .collect(),
        }
    }
}

/// Answers the engine's question about a commit certificate.
pub(crate) fn check_commit(
    chain: &ChainId,
    certificate: &CommitCertificate<Ctx>,
    validators: &ValidatorSet,
    thresholds: &ThresholdParams,
    memo: &mut SigMemo,
) -> Result<(), CertificateError<Ctx>> {
    // Repeated signers must be refused, not merged as `from_engine` would.
    let mut seen: Vec<Address> = certificate
        .commit_signatures
        .iter()
        .map(|s| s.address)
        .collect();
    seen.sort();
    if let Some(pair) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(CertificateError::DuplicateVote(pair[0]));
    }
    if certificate.round.is_nil() {
        return Err(CertificateError::VerificationError(None));
    }
    let own = Certificate::from_engine(certificate);
    own.verify_quorum(chain, validators, thresholds.quorum, memo)
        .map_err(|fault| match fault {
            CertificateFault::Unknown(address) => CertificateError::UnknownValidator(address),
            CertificateFault::Order(address) => CertificateError::DuplicateVote(address),
            CertificateFault::Signature(address) => {
                let signature = own
                    .signatures
                    .iter()
                    .find(|(other, _)| *other == address)
                    .map_or(Sig([0; 64]), |(_, sig)| *sig);
                CertificateError::InvalidCommitSignature(CommitSignature::new(address, signature))
            }
            CertificateFault::Power { signed, total } => CertificateError::NotEnoughVotingPower {
                signed,
                total,
                expected: thresholds.quorum.min_expected(total),
            },
            CertificateFault::TooMany(..) => CertificateError::VerificationError(None),
        })
}

/// Answers the engine's question about a polka certificate (a quorum of prevotes).
pub(crate) fn check_polka(
    chain: &ChainId,
    certificate: &PolkaCertificate<Ctx>,
    validators: &ValidatorSet,
    thresholds: &ThresholdParams,
    memo: &mut SigMemo,
) -> Result<(), CertificateError<Ctx>> {
    let votes = certificate.polka_signatures.iter().map(|entry| {
        let vote = Vote {
            height: certificate.height,
            round: certificate.round,
            kind: VoteType::Prevote,
            value: NilOrVal::Val(certificate.value_id),
            voter: entry.address,
            extension: None,
        };
        (vote, entry.signature)
    });
    let signed = sum_votes(chain, votes, validators, memo)?;
    require(thresholds.quorum, signed, validators.total_power())
}

/// Answers the engine's question about a round certificate.
///
/// Entering a round by skipping needs one honest validator (more than a
/// third); entering it after failed precommits needs a quorum.
pub(crate) fn check_round(
    chain: &ChainId,
    certificate: &RoundCertificate<Ctx>,
    validators: &ValidatorSet,
    thresholds: &ThresholdParams,
    memo: &mut SigMemo,
) -> Result<(), CertificateError<Ctx>> {
    let precommits_only = certificate.cert_type == RoundCertificateType::Precommit;
    if precommits_only
        && let Some(entry) = certificate
            .round_signatures
            .iter()
            .find(|entry| entry.vote_type == VoteType::Prevote)
    {
        return Err(CertificateError::InvalidVoteType(entry.address));
    }
    let votes = certificate.round_signatures.iter().map(|entry| {
        let vote = Vote {
            height: certificate.height,
            round: certificate.round,
            kind: entry.vote_type,
            value: entry.value_id,
            voter: entry.address,
            extension: None,
        };
        (vote, entry.signature)
    });
    let signed = sum_votes(chain, votes, validators, memo)?;
    let needed = if precommits_only {
        thresholds.quorum
    } else {
        thresholds.honest
    };
    require(needed, signed, validators.total_power())
}

fn sum_votes(
    chain: &ChainId,
    votes: impl Iterator<Item = (Vote, Sig)>,
    validators: &ValidatorSet,
    memo: &mut SigMemo,
) -> Result<u64, CertificateError<Ctx>> {
    let mut seen = vec![false; validators.members().len()];
    let mut signed = 0;
    for (vote, signature) in votes {
        let position = validators
            .position(&vote.voter)
            .ok_or(CertificateError::UnknownValidator(vote.voter))?;
        if std::mem::replace(&mut seen[position], true) {
            return Err(CertificateError::DuplicateVote(vote.voter));
        }
        let validator = &validators.members()[position];
        if !memo.verify(&validator.key, &preimage::vote(chain, &vote), &signature) {
            return Err(CertificateError::VerificationError(None));
        }
        signed += validator.power;
    }
    Ok(signed)
}

fn require(
    threshold: engine::ThresholdParam,
    signed: u64,
    total: u64,
) -> Result<(), CertificateError<Ctx>> {
    if threshold.is_met(signed, total) {
        Ok(())
    } else {
        Err(CertificateError::NotEnoughVotingPower {
            signed,
            total,
            expected: threshold.min_expected(total),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::KeyPair;
    use proptest::prelude::*;

    fn keys(n: u8) -> (Vec<KeyPair>, ValidatorSet) {
        let mut keys: Vec<KeyPair> = (1..=n).map(|i| KeyPair::from_seed([i; 32])).collect();
        keys.sort_by_key(KeyPair::address);
        let set = ValidatorSet::new(keys.iter().map(|key| (key.public(), 1))).expect("a good set");
        (keys, set)
    }

    fn signed(chain: &ChainId, keys: &[KeyPair]) -> Certificate {
        let block = BlockId([9; 32]);
        Certificate {
            height: 5,
            round: 1,
            block,
            signatures: keys
                .iter()
                .map(|key| {
                    let bytes = preimage::precommit(chain, 5, 1, block, &key.address());
                    (key.address(), key.sign(&bytes))
                })
                .collect(),
        }
    }

    #[test]
    fn a_quorum_is_more_than_two_thirds() {
        let chain = ChainId::from_name("x");
        let (keys, set) = keys(4);
        let mut memo = SigMemo::default();
        assert_eq!(
            signed(&chain, &keys[..3]).verify(&chain, &set, &mut memo),
            Ok(())
        );
        assert_eq!(
            signed(&chain, &keys[..2]).verify(&chain, &set, &mut memo),
            Err(CertificateFault::Power {
                signed: 2,
                total: 4
            })
        );
        let mut doubled = signed(&chain, &keys[..2]);
        doubled.signatures.push(doubled.signatures[1]);
        assert!(matches!(
            doubled.verify(&chain, &set, &mut memo),
            Err(CertificateFault::Order(_))
        ));
        let other = ChainId::from_name("y");
        assert!(
            signed(&chain, &keys)
                .verify(&other, &set, &mut memo)
                .is_err()
        );
    }

    proptest! {
        /// A flipped bit anywhere in the bytes is refused or changes nothing that is claimed.
        #[test]
        fn a_mutated_certificate_is_refused(byte in 0_usize..340, bit in 0_u8..8) {
            let chain = ChainId::from_name("x");
            let (keys, set) = keys(4);
            let good = signed(&chain, &keys[..3]);
            let mut bytes = borsh::to_vec(&good).expect("encodes");
            let at = byte % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(mutant) = borsh::from_slice::<Certificate>(&bytes) {
                prop_assert!(mutant != good);
                prop_assert!(mutant.verify(&chain, &set, &mut SigMemo::default()).is_err());
            }
        }
    }
}
