//! Identifiers that are stable across runs, files and machines.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Dense index of a piece of equipment in one loaded scene.
///
/// Assigned in scene order when the scene is loaded and never reused, so it
/// may be sorted, hashed, logged and stored, unlike an ECS entity. The name a
/// person reads (CIM's mRID, `"H17"`) is looked up beside it.
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
pub struct DeviceId(pub u32);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A ledger account: the 32-byte BLAKE3 hash of the owner's public key.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct AccountId(pub [u8; 32]);

impl AccountId {
    /// The two halves as numbers in the order of the bytes.
    #[inline]
    fn halves(&self) -> [u128; 2] {
        let half = |at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&self.0[at..at + 16]);
            u128::from_be_bytes(bytes)
        };
        [half(0), half(16)]
    }
}

/// Byte by byte, as derived; written out because every account of every slot
/// is looked up by it many times, and two numbers compare faster than a call
/// to compare memory.
impl Ord for AccountId {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.halves().cmp(&other.halves())
    }
}

impl PartialOrd for AccountId {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl AccountId {
    /// First eight hex digits, enough for a table.
    #[must_use]
    pub fn short(&self) -> String {
        self.0[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({}…)", self.short())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}
