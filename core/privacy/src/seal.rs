//! Readings that named recipients can read, and nobody else.
//!
//! HPKE (RFC 9180) in base mode with X25519, HKDF-SHA256 and
//! ChaCha20-Poly1305, once per recipient. The context (chain, slot, pseudonym)
//! is authenticated, so an envelope cannot be moved to another slot.

use std::convert::Infallible;

use borsh::{BorshDeserialize, BorshSerialize};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

/// Most recipients of one reading.
pub const MAX_RECIPIENTS: usize = 8;
/// Largest plain text, bytes.
pub const MAX_PLAIN_BYTES: usize = 4_096;

/// What goes wrong with an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A key that is none.
    #[error("the key of recipient {0} is not usable")]
    Key(usize),
    /// Too much or for too many.
    #[error("{0} bytes for {1} recipients: at most {MAX_PLAIN_BYTES} bytes for {MAX_RECIPIENTS}")]
    Size(usize, usize),
    /// No envelope for this key.
    #[error("it is not addressed to this key")]
    NotAddressed,
    /// Wrong key, another context, or changed bytes.
    #[error("it does not open: another context, or it was changed")]
    Broken,
}

/// A recipient's key pair.
#[derive(Clone)]
pub struct Recipient {
    private: Private,
    public: [u8; 32],
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Recipient({:02x}{:02x}…)",
            self.public[0], self.public[1]
        )
    }
}

impl Recipient {
    /// From 32 secret bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (private, public) = X25519HkdfSha256::derive_keypair(seed);
        Self {
            private,
            public: public.to_bytes().into(),
        }
    }

    /// Public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Opens what is addressed to this key.
    ///
    /// # Errors
    /// Says whether it is addressed to others or does not open.
    pub fn open(&self, sealed: &Sealed, context: &[u8]) -> Result<Vec<u8>, SealError> {
        let envelope = sealed
            .envelopes
            .iter()
            .find(|envelope| envelope.to == self.public)
            .ok_or(SealError::NotAddressed)?;
        self.open_envelope(envelope, context)
    }

    /// Tries this key on one envelope, whoever it is addressed to.
    ///
    /// # Errors
    /// When it does not open.
    pub fn open_envelope(&self, envelope: &Envelope, context: &[u8]) -> Result<Vec<u8>, SealError> {
        let encapped = Encapped::from_bytes(&envelope.encapped).map_err(|_| SealError::Broken)?;
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapped,
            context,
            &envelope.ciphertext,
            &envelope.to,
        )
        .map_err(|_| SealError::Broken)
    }
}

/// One recipient's copy.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Envelope {
    /// Public key of the recipient.
    pub to: [u8; 32],
    /// Encapsulated key.
    pub encapped: [u8; 32],
    /// Ciphertext with tag.
    pub ciphertext: Vec<u8>,
}

/// A text sealed for several recipients.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sealed {
    /// One per recipient.
    pub envelopes: Vec<Envelope>,
}

impl Sealed {
    /// What stands on a ledger in place of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("gridloom sealed reading 1");
        for envelope in &self.envelopes {
            hasher.update(&envelope.to);
            hasher.update(&envelope.encapped);
            hasher.update(&(envelope.ciphertext.len() as u64).to_le_bytes());
            hasher.update(&envelope.ciphertext);
        }
        *hasher.finalize().as_bytes()
    }
}

/// Seals a text for recipients by their public keys.
///
/// `entropy` must be secret and used for one context only; the ephemeral keys
/// are derived from it, so a simulated meter seals the same way in every run.
///
/// # Errors
/// Names the recipient whose key is none, or what is too large.
pub fn seal(
    recipients: &[[u8; 32]],
    context: &[u8],
    plain: &[u8],
    entropy: &[u8; 32],
) -> Result<Sealed, SealError> {
    if recipients.len() > MAX_RECIPIENTS || plain.len() > MAX_PLAIN_BYTES {
        return Err(SealError::Size(plain.len(), recipients.len()));
    }
    let mut envelopes = Vec::with_capacity(recipients.len());
    for (index, to) in recipients.iter().enumerate() {
        let public = Public::from_bytes(to).map_err(|_| SealError::Key(index))?;
        let mut source = Derived::new(entropy, context, index);
        let (encapped, ciphertext) = hpke::single_shot_seal_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(
            &OpModeS::Base, &public, context, plain, to, &mut source
        )
        .map_err(|_| SealError::Key(index))?;
        envelopes.push(Envelope {
            to: *to,
            encapped: encapped.to_bytes().into(),
            ciphertext,
        });
    }
    Ok(Sealed { envelopes })
}

/// Ephemeral key material derived from a secret: BLAKE3 in extendable-output mode.
struct Derived(blake3::OutputReader);

impl Derived {
    fn new(entropy: &[u8; 32], context: &[u8], recipient: usize) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(entropy);
        hasher.update(b"gridloom/hpke/ephemeral/1");
        hasher.update(&(recipient as u64).to_le_bytes());
        hasher.update(context);
        Self(hasher.finalize_xof())
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
}

impl TryRng for Derived {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.take()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.take()))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(dst);
        Ok(())
    }
}

impl TryCryptoRng for Derived {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> Vec<Recipient> {
        (1..=3).map(|i| Recipient::from_seed(&[i; 32])).collect()
    }

    #[test]
    fn recipients_read_it_and_nobody_else() {
        let keys = keys();
        let to: Vec<[u8; 32]> = keys[..2].iter().map(Recipient::public).collect();
        let sealed = seal(&to, b"slot 7", b"1234 Wh", &[9; 32]).expect("sealed");
        assert_eq!(
            keys[0].open(&sealed, b"slot 7").as_deref(),
            Ok(&b"1234 Wh"[..])
        );
        assert_eq!(
            keys[1].open(&sealed, b"slot 7").as_deref(),
            Ok(&b"1234 Wh"[..])
        );
        assert_eq!(
            keys[2].open(&sealed, b"slot 7"),
            Err(SealError::NotAddressed)
        );
        assert_eq!(keys[0].open(&sealed, b"slot 8"), Err(SealError::Broken));
        for envelope in &sealed.envelopes {
            assert_eq!(
                keys[2].open_envelope(envelope, b"slot 7"),
                Err(SealError::Broken)
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn changed_bytes_do_not_open(at in any::<u16>(), flip in 1_u8..) {
            let key = Recipient::from_seed(&[1; 32]);
            let sealed = seal(&[key.public()], b"c", b"reading", &[9; 32]).expect("sealed");
            let mut bytes = borsh::to_vec(&sealed).expect("a vector");
            let place = usize::from(at) % bytes.len();
            bytes[place] ^= flip;
            if let Ok(changed) = borsh::from_slice::<Sealed>(&bytes) {
                // The top bit of an X25519 coordinate is ignored by the standard.
                let same = changed.digest() == sealed.digest();
                let opened = key.open(&changed, b"c");
                prop_assert!(!same && opened.is_err(), "byte {} changed by {}", place, flip);
            }
        }
    }
}
