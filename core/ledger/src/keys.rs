//! Key pairs of people, meters and services, and the accounts they own.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use gridloom_units::AccountId;

/// The ed25519 key pair of an account holder or a meter.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of logs.
        write!(f, "KeyPair({})", self.account())
    }
}

impl KeyPair {
    /// From 32 secret bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The account this key owns.
    #[must_use]
    pub fn account(&self) -> AccountId {
        account_of(&self.public())
    }

    /// Signs bytes; equal bytes give equal signatures.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }
}

/// The account a public key owns: its domain-tagged BLAKE3 hash.
#[must_use]
pub fn account_of(public: &[u8; 32]) -> AccountId {
    AccountId(tagged_hash(b"gridloom/account/1", &[public]))
}

/// Whether bytes are a public key whose signatures prove something: a point on
/// the curve and not of small order.
#[must_use]
pub fn is_usable(public: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(public).is_ok_and(|key| !key.is_weak())
}

/// The one rule for signatures: strict ed25519.
pub(crate) fn verify(public: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public).is_ok_and(|key| {
        key.verify_strict(bytes, &Signature::from_bytes(signature))
            .is_ok()
    })
}

/// BLAKE3 of bytes that carry their own domain.
pub(crate) fn tagless_hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// BLAKE3 over a domain tag and parts of fixed width.
pub(crate) fn tagged_hash(tag: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(tag);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
