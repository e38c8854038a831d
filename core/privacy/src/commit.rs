//! Pedersen commitments over ristretto255: a sum can be checked without its parts.
//!
//! C = v·G + r·H with G the base point and H a point nobody knows the
//! logarithm of (hashed to the group). Hiding whatever the computing power,
//! binding under the discrete logarithm assumption (Pedersen 1991).

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;

/// A commitment to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commitment(pub [u8; 32]);

/// The blinding of a commitment; secret of who made it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Blinding(Scalar);

impl std::fmt::Debug for Blinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blinding")
    }
}

fn wide(context: &'static str, bytes: &[&[u8]]) -> [u8; 64] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in bytes {
        hasher.update(part);
    }
    let mut out = [0; 64];
    hasher.finalize_xof().fill(&mut out);
    out
}

fn second_generator() -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&wide("gridloom pedersen second generator 1", &[]))
}

fn scalar(value: i64) -> Scalar {
    let size = Scalar::from(value.unsigned_abs());
    if value < 0 { -size } else { size }
}

impl Blinding {
    /// From secret entropy that is used for one commitment only.
    #[must_use]
    pub fn derive(entropy: &[u8; 32]) -> Self {
        let bytes = wide("gridloom pedersen blinding 1", &[entropy]);
        Self(Scalar::from_bytes_mod_order_wide(&bytes))
    }

    /// Sum of blindings, which opens the sum of their commitments.
    #[must_use]
    pub fn sum<'b>(parts: impl IntoIterator<Item = &'b Self>) -> Self {
        Self(parts.into_iter().map(|part| part.0).sum())
    }
}

impl Commitment {
    /// Commits to a value.
    #[must_use]
    pub fn to(value: i64, blinding: &Blinding) -> Self {
        let point = scalar(value) * RISTRETTO_BASEPOINT_POINT + blinding.0 * second_generator();
        Self(point.compress().to_bytes())
    }

    /// Whether value and blinding are the ones committed to.
    #[must_use]
    pub fn opens_to(&self, value: i64, blinding: &Blinding) -> bool {
        *self == Self::to(value, blinding)
    }

    /// Commitment to the sum of the values; `None` when one of them is no point.
    #[must_use]
    pub fn sum(parts: &[Self]) -> Option<Self> {
        let mut sum = RistrettoPoint::default();
        for part in parts {
            sum += CompressedRistretto(part.0).decompress()?;
        }
        Some(Self(sum.compress().to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn sums_open_to_the_sum_only(values in prop::collection::vec(-100_000_i64..100_000, 1..12), off in 1_i64..1_000) {
            let blindings: Vec<Blinding> = (0..values.len()).map(|i| Blinding::derive(&[i as u8; 32])).collect();
            let parts: Vec<Commitment> = values.iter().zip(&blindings).map(|(v, b)| Commitment::to(*v, b)).collect();
            let total = Commitment::sum(&parts).expect("points");
            let blinding = Blinding::sum(&blindings);
            let sum: i64 = values.iter().sum();
            prop_assert!(total.opens_to(sum, &blinding));
            prop_assert!(!total.opens_to(sum + off, &blinding));
            prop_assert!(!total.opens_to(sum, &Blinding::derive(&[99; 32])));
        }
    }

    #[test]
    fn bytes_that_are_no_point_have_no_sum() {
        assert_eq!(Commitment::sum(&[Commitment([0xff; 32])]), None);
    }
}
