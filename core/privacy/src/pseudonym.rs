//! Keys that change with every epoch and cannot be linked without a secret.

use borsh::{BorshDeserialize, BorshSerialize};
use hkdf::Hkdf;
use sha2::Sha512;

/// Derives the pseudonyms of one home: HKDF-SHA512 (RFC 5869) of a master
/// secret, hardened only: no pseudonym and no seed leads to another one.
#[derive(Clone)]
pub struct Pseudonyms(Hkdf<Sha512>);

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of logs.
        f.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// From the home's 32 secret bytes.
    #[must_use]
    pub fn new(master: &[u8; 32]) -> Self {
        Self(Hkdf::new(Some(b"gridloom/pseudonym/1"), master))
    }

    /// Seed of the signing key of an epoch.
    #[must_use]
    pub fn seed(&self, epoch: u64) -> [u8; 32] {
        self.expand(b"seed", epoch)
    }

    /// Entropy for the sealing and blinding of one slot.
    #[must_use]
    pub fn entropy(&self, slot: u64) -> [u8; 32] {
        self.expand(b"entropy", slot)
    }

    fn expand(&self, what: &[u8], number: u64) -> [u8; 32] {
        let mut out = [0; 32];
        // 32 bytes are far below the 255 blocks that HKDF can give.
        let _always = self
            .0
            .expand_multi_info(&[what, &number.to_le_bytes()], &mut out);
        out
    }
}

/// Which account stands behind a pseudonym in an epoch; sealed for operator and regulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Link {
    /// Index of the home.
    pub home: u32,
    /// The epoch.
    pub epoch: u64,
    /// The account that is known by name.
    pub account: [u8; 32],
    /// The account of the epoch.
    pub pseudonym: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_by_home_epoch_and_purpose() {
        let (a, b) = (Pseudonyms::new(&[1; 32]), Pseudonyms::new(&[2; 32]));
        assert_eq!(a.seed(4), Pseudonyms::new(&[1; 32]).seed(4));
        let mut all = vec![a.seed(0), a.seed(1), b.seed(0), a.entropy(0), a.entropy(1)];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 5);
    }
}
