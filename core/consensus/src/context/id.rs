//! Names: chains, blocks, validators, heights, signatures.

use std::fmt;

use arc_malachitebft_core_types as engine;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in &self.0[..4] {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }
    };
}

bytes_newtype!(
    /// A validator's address: domain-tagged BLAKE3 hash of its public key.
    Address,
    32
);
bytes_newtype!(
    /// Identity of a block; what proposals and votes carry.
    #[derive(Default)]
    BlockId,
    32
);
bytes_newtype!(
    /// An ed25519 signature as plain, ordered bytes.
    Sig,
    64
);
bytes_newtype!(
    /// Name of a chain, part of every signed preimage so that a vote counts on one chain only.
    ChainId,
    16
);

impl ChainId {
    /// From a short text, zero-padded; longer texts are cut after 16 bytes.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl Address {
    /// Address of a public key.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gridloom/validator/1");
        hasher.update(key.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

impl engine::Address for Address {}

/// Number of a block in its chain; the first block has height 1.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl engine::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}
