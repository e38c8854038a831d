//! Certified headers: what a node keeps that does not execute.

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_consensus::{BlockId, Certificate, ChainId, Sig, SigMemo, ValidatorSet};

use crate::cross::{Seat, set_of};
use crate::header::BlockHeader;
use crate::transaction::encoded;

/// A certificate as signatures and one bit per validator of the sorted set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CompactCertificate {
    /// Round in which the block was decided.
    pub round: u32,
    /// Bit `i` stands for validator `i` of the set, sorted by address.
    pub signers: u128,
    /// Signatures in the same order.
    pub signatures: Vec<Sig>,
}

impl CompactCertificate {
    /// From a full one; `None` when a signer is not in the set, or the set is too large.
    #[must_use]
    pub fn new(certificate: &Certificate, set: &ValidatorSet) -> Option<Self> {
        let mut signers = 0;
        let mut signatures = Vec::with_capacity(certificate.signatures.len());
        for (address, signature) in &certificate.signatures {
            let place = u32::try_from(set.position(address)?).ok()?;
            signers |= 1_u128.checked_shl(place)?;
            signatures.push(*signature);
        }
        Some(Self {
            round: certificate.round,
            signers,
            signatures,
        })
    }

    /// The full certificate of a block; `None` when bits and signatures do not match.
    #[must_use]
    pub fn expand(&self, height: u64, block: BlockId, set: &ValidatorSet) -> Option<Certificate> {
        if self.signers.count_ones() as usize != self.signatures.len() {
            return None;
        }
        let known = set.members().len();
        if known < 128 && self.signers >> known != 0 {
            return None;
        }
        let places = (0..known).filter(|place| self.signers >> place & 1 == 1);
        let signers = places.filter_map(|place| set.members().get(place));
        Some(Certificate {
            height,
            round: self.round,
            block,
            signatures: signers
                .map(|validator| validator.address)
                .zip(self.signatures.iter().copied())
                .collect(),
        })
    }

    /// Whether it proves that `set` decided the header on `chain`.
    #[must_use]
    pub fn certifies(&self, header: &BlockHeader, chain: &ChainId, set: &ValidatorSet) -> bool {
        header.chain == *chain
            && self
                .expand(header.height, header.id(), set)
                .is_some_and(|certificate| {
                    let mut memo = SigMemo::new(set.members().len());
                    certificate.verify(chain, set, &mut memo).is_ok()
                })
    }
}

/// Why a header is not the next one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Of another chain, height or parent.
    #[error("header {found} does not follow header {last}")]
    Order {
        /// Height of the offered one.
        found: u64,
        /// Height of the last known.
        last: u64,
    },
    /// The certificate does not prove it.
    #[error("the certificate of header {0} proves nothing")]
    Certificate(u64),
    /// It names validators that were not brought along.
    #[error("header {0} changes the validators to others than were brought along")]
    Validators(u64),
}

/// Headers and certificates of one chain, each checked against the last.
#[derive(Clone, Debug)]
pub struct HeaderChain {
    chain: ChainId,
    set: ValidatorSet,
    headers: Vec<(BlockHeader, CompactCertificate)>,
}

impl HeaderChain {
    /// Before the first header, with the validators of the genesis.
    #[must_use]
    pub fn new(chain: ChainId, set: ValidatorSet) -> Self {
        Self {
            chain,
            set,
            headers: Vec::new(),
        }
    }

    /// The newest header.
    #[must_use]
    pub fn last(&self) -> Option<&BlockHeader> {
        self.headers.last().map(|(header, _)| header)
    }

    /// Lets go of all but the newest headers, at least one.
    pub fn forget(&mut self, keep: usize) {
        let old = self.headers.len().saturating_sub(keep.max(1));
        self.headers.drain(..old);
    }

    /// Number of headers kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether there is none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// Validators of the next header.
    #[must_use]
    pub fn validators(&self) -> &ValidatorSet {
        &self.set
    }

    /// Bytes it stores.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.headers.iter().map(|pair| encoded(pair).len()).sum()
    }

    /// Takes the next header in; `next` are the next validators where it changes them.
    ///
    /// # Errors
    /// Says why it is not the next one.
    pub fn follow(
        &mut self,
        header: &BlockHeader,
        certificate: &Certificate,
        next: Option<&[Seat]>,
    ) -> Result<(), HeaderFault> {
        let last = self.last().map_or(0, |header| header.height);
        let linked = self.last().is_none_or(|last| header.parent == last.id());
        if header.chain != self.chain || header.height != last + 1 || !linked {
            return Err(HeaderFault::Order {
                found: header.height,
                last,
            });
        }
        let compact = CompactCertificate::new(certificate, &self.set)
            .filter(|_| certificate.block == header.id() && certificate.height == header.height)
            .filter(|compact| compact.certifies(header, &self.chain, &self.set))
            .ok_or(HeaderFault::Certificate(header.height))?;
        if header.next_validators != self.set.hash() {
            let set = next.and_then(|seats| set_of(seats).ok());
            self.set = set
                .filter(|set| set.hash() == header.next_validators)
                .ok_or(HeaderFault::Validators(header.height))?;
        }
        self.headers.push((header.clone(), compact));
        Ok(())
    }
}
