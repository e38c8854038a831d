//! Masked sums: whoever adds learns the sum of a cluster and nothing else.
//!
//! Each pair of meters shares a secret (X25519) and derives a mask per slot
//! from it (HKDF-SHA256); one adds it, the other subtracts it, modulo 2^64.
//! In the sum all masks cancel. Where meters drop out, the others reveal, for
//! that slot only, what they masked with the missing ones (the second round of
//! Bonawitz et al. 2017, without its secret sharing of seeds).

use std::collections::BTreeSet;

use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};

/// A meter's keys with all others of its cluster, set up once.
#[derive(Clone)]
pub struct Masker {
    index: usize,
    /// Per other meter; `None` at the own place.
    pairs: Vec<Option<Hkdf<Sha256>>>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} of {})", self.index, self.pairs.len())
    }
}

/// Public key of a masking secret.
#[must_use]
pub fn public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

impl Masker {
    /// Shares a secret with every other meter. `publics` are in one order for
    /// all; the own key stands at `index`. `None` when a key shares nothing
    /// (a point of small order).
    #[must_use]
    pub fn new(secret: &[u8; 32], index: usize, publics: &[[u8; 32]]) -> Option<Self> {
        let secret = StaticSecret::from(*secret);
        let mut pairs = Vec::with_capacity(publics.len());
        for (other, public) in publics.iter().enumerate() {
            if other == index {
                pairs.push(None);
                continue;
            }
            let shared = secret.diffie_hellman(&PublicKey::from(*public));
            if !shared.was_contributory() {
                return None;
            }
            let hkdf = Hkdf::<Sha256>::new(Some(b"gridloom/mask/1"), shared.as_bytes());
            pairs.push(Some(hkdf));
        }
        Some(Self { index, pairs })
    }

    fn pair(&self, other: usize, slot: u64) -> u64 {
        let Some(Some(hkdf)) = self.pairs.get(other) else {
            return 0;
        };
        let mut bytes = [0; 8];
        // Eight bytes are far below what HKDF can give.
        let _always = hkdf.expand(&slot.to_le_bytes(), &mut bytes);
        let mask = u64::from_le_bytes(bytes);
        if self.index < other {
            mask
        } else {
            mask.wrapping_neg()
        }
    }

    /// The reading with all masks of a slot on it.
    #[must_use]
    pub fn mask(&self, value: i64, slot: u64) -> u64 {
        (0..self.pairs.len()).fold(value as u64, |sum, other| {
            sum.wrapping_add(self.pair(other, slot))
        })
    }

    /// What this meter masked with those that did not report in a slot.
    #[must_use]
    pub fn reveal(&self, missing: &BTreeSet<usize>, slot: u64) -> u64 {
        missing
            .iter()
            .fold(0, |sum, other| sum.wrapping_add(self.pair(*other, slot)))
    }
}

/// Sum of the readings behind masked values; with the revealed masks of those
/// that reported where others are missing.
#[must_use]
pub fn sum(masked: &[u64], revealed: &[u64]) -> i64 {
    let all = masked.iter().fold(0_u64, |sum, v| sum.wrapping_add(*v));
    let off = revealed.iter().fold(0_u64, |sum, v| sum.wrapping_add(*v));
    all.wrapping_sub(off) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn maskers(n: usize) -> Vec<Masker> {
        let secrets: Vec<[u8; 32]> = (0..n).map(|i| [i as u8 + 1; 32]).collect();
        let publics: Vec<[u8; 32]> = secrets.iter().map(public).collect();
        secrets
            .iter()
            .enumerate()
            .map(|(i, secret)| Masker::new(secret, i, &publics).expect("good keys"))
            .collect()
    }

    #[test]
    fn a_key_of_small_order_is_refused() {
        let own = public(&[1; 32]);
        assert!(Masker::new(&[1; 32], 0, &[own, [0; 32]]).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn masks_cancel_whoever_is_missing(
            values in prop::collection::vec(-1_000_000_i64..1_000_000, 2..9),
            slot in any::<u64>(),
            gone in any::<u8>(),
        ) {
            let maskers = maskers(values.len());
            let missing: BTreeSet<usize> = (1..values.len()).filter(|i| gone >> i & 1 == 1).collect();
            let here: Vec<usize> = (0..values.len()).filter(|i| !missing.contains(i)).collect();
            let masked: Vec<u64> = here.iter().map(|i| maskers[*i].mask(values[*i], slot)).collect();
            let revealed: Vec<u64> = here.iter().map(|i| maskers[*i].reveal(&missing, slot)).collect();
            let expected: i64 = here.iter().map(|i| values[*i]).sum();
            prop_assert_eq!(sum(&masked, &revealed), expected);
            if here.len() > 1 {
                prop_assert!(masked.iter().zip(&here).all(|(m, i)| *m != values[*i] as u64));
            }
        }
    }
}
