//! Checking signatures, each one once.

use std::collections::BTreeSet;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::context::{Address, Sig};

/// A validator's or device's key pair.
#[derive(Clone)]
pub struct KeyPair {
    key: SigningKey,
    address: Address,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret stays out of logs.
        write!(f, "KeyPair({})", self.address)
    }
}

impl KeyPair {
    /// From 32 secret bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        let address = Address::of(&key.verifying_key());
        Self { key, address }
    }

    /// Address of the public key.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// Signs bytes; equal bytes give equal signatures.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Sig {
        Sig(self.key.sign(bytes).to_bytes())
    }
}

/// The one rule for every signature that decides validity: strict ed25519.
#[must_use]
pub fn verify(key: &VerifyingKey, bytes: &[u8], signature: &Sig) -> bool {
    key.verify_strict(bytes, &Signature::from_bytes(&signature.0))
        .is_ok()
}

/// How often a process checks one signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checks {
    /// Every validator checks every signature, as on separate machines.
    Always,
    /// Each signature once per process.
    Once,
    /// Once, and not at all when this process made it with the secret key.
    #[default]
    Foreign,
}

/// Memory of good signatures.
///
/// That a signature is good is a fact, so all validators of a process may
/// share it; only good ones are kept. Two generations bound its size: when
/// the newer one is full it replaces the older one.
#[derive(Debug)]
pub struct SigMemo {
    checks: Checks,
    /// Sabotage: every signature is good.
    trust_all: bool,
    capacity: usize,
    newer: BTreeSet<[u8; 32]>,
    older: BTreeSet<[u8; 32]>,
    /// Signatures that were really checked.
    pub checked: u64,
    /// Questions answered from memory.
    pub remembered: u64,
}

impl SigMemo {
    /// A memory of at most `2 * capacity` signatures.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            checks: Checks::default(),
            trust_all: false,
            capacity: capacity.max(1),
            newer: BTreeSet::new(),
            older: BTreeSet::new(),
            checked: 0,
            remembered: 0,
        }
    }

    /// The same memory with another rule of when to check.
    #[must_use]
    pub fn with_checks(self, checks: Checks) -> Self {
        Self { checks, ..self }
    }

    /// Switches checking off, to test that the tests notice.
    pub(crate) fn trusting_all(self, trust_all: bool) -> Self {
        Self { trust_all, ..self }
    }

    /// Whether the signature is good by the strict rule.
    pub fn verify(&mut self, key: &VerifyingKey, bytes: &[u8], signature: &Sig) -> bool {
        if self.trust_all {
            return true;
        }
        if self.checks == Checks::Always {
            self.checked += 1;
            return verify(key, bytes, signature);
        }
        let entry = entry(key, bytes, signature);
        if self.newer.contains(&entry) || self.older.contains(&entry) {
            self.remembered += 1;
            return true;
        }
        self.checked += 1;
        let good = verify(key, bytes, signature);
        if good {
            self.insert(entry);
        }
        good
    }

    /// Signs, and remembers the result: what this process signed with the
    /// key's own secret is good by construction, so a simulation need not
    /// check it once more at each receiver.
    pub fn sign(&mut self, pair: &KeyPair, bytes: &[u8]) -> Sig {
        let signature = pair.sign(bytes);
        let key = pair.public();
        if self.checks == Checks::Foreign && !key.is_weak() {
            self.insert(entry(&key, bytes, &signature));
        }
        signature
    }

    /// Number of remembered signatures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.newer.len() + self.older.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newer.is_empty() && self.older.is_empty()
    }

    fn insert(&mut self, entry: [u8; 32]) {
        if self.newer.len() >= self.capacity {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(entry);
    }
}

impl Default for SigMemo {
    fn default() -> Self {
        Self::new(4_096)
    }
}

fn entry(key: &VerifyingKey, bytes: &[u8], signature: &Sig) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&signature.0);
    hasher.update(key.as_bytes());
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_signature_vouches_for_nothing_else() {
        let pair = KeyPair::from_seed([3; 32]);
        let other = KeyPair::from_seed([4; 32]);
        let mut memo = SigMemo::new(8);
        let signature = memo.sign(&pair, b"one");
        assert!(memo.verify(&pair.public(), b"one", &signature));
        assert_eq!((memo.checked, memo.remembered), (0, 1));
        assert!(!memo.verify(&pair.public(), b"two", &signature));
        assert!(!memo.verify(&other.public(), b"one", &signature));
        let mut forged = signature;
        forged.0[0] ^= 1;
        assert!(!memo.verify(&pair.public(), b"one", &forged));
        assert_eq!(memo.checked, 3);
    }

    #[test]
    fn the_memory_is_bounded() {
        let pair = KeyPair::from_seed([3; 32]);
        let mut memo = SigMemo::new(8);
        for i in 0..100_u8 {
            let _ = memo.sign(&pair, &[i]);
            assert!(memo.len() <= 16);
        }
        // The newest is still known, the oldest has to be checked again.
        let newest = pair.sign(&[99]);
        let oldest = pair.sign(&[0]);
        assert!(memo.verify(&pair.public(), &[99], &newest));
        assert_eq!(memo.checked, 0);
        assert!(memo.verify(&pair.public(), &[0], &oldest));
        assert_eq!(memo.checked, 1);
    }
}
