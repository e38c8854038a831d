//! Readings of physical meters, signed where they were read, and the one rule
//! by which one may follow another.
//!
//! Edge and ledger share form and rule, so that neither can take what the
//! other refuses. Signatures and hashes are computed by whoever has the
//! cryptography; here are only the bytes they cover.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Domain of the signed bytes.
const DOMAIN: &[u8] = b"gridloom/device-reading/1";
/// Most counters of one meter.
pub const MAX_COUNTERS: usize = 8;
/// Longest name of a point, bytes.
const MAX_POINT: usize = 32;
/// Longest unit, bytes.
const MAX_UNIT: usize = 8;
/// Largest power of ten of a value, and smallest with the other sign.
const MAX_EXPONENT: i8 = 12;

/// A reading of a counter, signed at the edge.
///
/// A signature says "this edge read it", not "the meter measured it": the hash
/// of the raw bytes stands beside the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub struct SignedReading {
    /// Public key of the meter's edge.
    pub meter: [u8; 32],
    /// Name of the point.
    pub point: String,
    /// Value as a whole number.
    pub value: i64,
    /// Power of ten of the value.
    pub exponent: i8,
    /// Unit.
    pub unit: String,
    /// Whether it was good.
    pub good: bool,
    /// Time of the edge, ms since 1970.
    pub wall_ms: u64,
    /// The device's own time, ms since 1970, if it has one.
    pub device_ms: Option<u64>,
    /// Hash of the raw frame it came from.
    pub frame: [u8; 32],
    /// Grows by at least one from reading to reading.
    pub seq: u64,
    /// Hash of the reading before; zeros for the first of a chain.
    pub before: [u8; 32],
    /// Signature over [`SignedReading::signed_bytes`].
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub signature: [u8; 64],
}

fn to_hex<S: Serializer>(bytes: &[u8; 64], to: S) -> Result<S::Ok, S::Error> {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let text: String = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect();
    to.serialize_str(&text)
}

fn from_hex<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 64], D::Error> {
    let text = <String as Deserialize>::deserialize(from)?;
    let wrong = || de::Error::custom("a signature has 64 bytes in hexadecimal");
    if text.len() != 128 || !text.is_ascii() {
        return Err(wrong());
    }
    let mut bytes = [0; 64];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let pair = &text[2 * at..2 * at + 2];
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

impl SignedReading {
    /// What is signed: every field, each with its length before it.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        let mut part = |part: &[u8]| {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        };
        part(&self.meter);
        part(self.point.as_bytes());
        part(&self.value.to_be_bytes());
        part(&self.exponent.to_be_bytes());
        part(self.unit.as_bytes());
        part(&[u8::from(self.good)]);
        part(&self.wall_ms.to_be_bytes());
        part(&[u8::from(self.device_ms.is_some())]);
        part(&self.device_ms.unwrap_or(0).to_be_bytes());
        part(&self.frame);
        part(&self.seq.to_be_bytes());
        part(&self.before);
        bytes
    }

    /// What the next reading's `before` is the BLAKE3 hash of.
    #[must_use]
    pub fn chained_bytes(&self) -> Vec<u8> {
        let mut bytes = self.signed_bytes();
        bytes.extend_from_slice(&self.signature);
        bytes
    }
}

/// Why a reading is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordRefusal {
    /// Not signed by that meter.
    Signature,
    /// The reading was not good.
    NotGood,
    /// Names or powers of ten out of range.
    Form,
    /// Not after the last one.
    Sequence {
        /// Number of the last one.
        last: u64,
        /// Its number.
        got: u64,
    },
    /// Not a successor of the last one.
    Chain,
    /// A counter that runs backwards.
    Decreasing {
        /// Last value.
        last: i64,
        /// Its value.
        got: i64,
    },
    /// Another unit or power of ten than before.
    Unit,
    /// A meter with more counters than are kept.
    Counters,
}

impl std::fmt::Display for RecordRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Signature => f.write_str("the signature is not that of the meter"),
            Self::NotGood => f.write_str("a bad reading cannot be booked"),
            Self::Form => f.write_str("its names or its power of ten are out of range"),
            Self::Sequence { last, got } => write!(f, "number {got} is not after {last}"),
            Self::Chain => f.write_str("it does not follow the last reading"),
            Self::Decreasing { last, got } => {
                write!(f, "the counter runs backwards: {got} after {last}")
            }
            Self::Unit => f.write_str("unit or power of ten changed"),
            Self::Counters => write!(f, "a meter has at most {MAX_COUNTERS} counters"),
        }
    }
}

impl std::error::Error for RecordRefusal {}

/// The last value of a counter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Counter {
    /// Name of the point.
    pub point: String,
    /// Unit.
    pub unit: String,
    /// Power of ten of the value.
    pub exponent: i8,
    /// Value.
    pub value: i64,
    /// When it was read, ms since 1970.
    pub wall_ms: u64,
}

/// The readings of one meter so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RecordChain {
    /// Key of the meter's edge.
    pub meter: [u8; 32],
    /// Number of the last reading taken; 0 before the first.
    pub seq: u64,
    /// Hash of that reading.
    pub last: [u8; 32],
    /// Readings taken.
    pub taken: u64,
    /// Chains begun anew by the edge, after it ended without closing.
    pub restarts: u64,
    /// Its counters in the order they were first read.
    pub counters: Vec<Counter>,
}

impl RecordChain {
    /// Of a meter nothing is known of.
    #[must_use]
    pub fn new(meter: [u8; 32]) -> Self {
        Self {
            meter,
            ..Self::default()
        }
    }

    /// Takes a reading whose signature was found good and whose
    /// [`SignedReading::chained_bytes`] have this hash.
    ///
    /// # Errors
    /// Fails, changing nothing, when it is of another meter, not good,
    /// replayed, out of order, not chained to the last one or decreasing.
    pub fn follow(&mut self, reading: &SignedReading, hash: [u8; 32]) -> Result<(), RecordRefusal> {
        if reading.meter != self.meter {
            return Err(RecordRefusal::Signature);
        }
        if !reading.good {
            return Err(RecordRefusal::NotGood);
        }
        if reading.point.is_empty()
            || reading.point.len() > MAX_POINT
            || reading.unit.len() > MAX_UNIT
            || !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&reading.exponent)
        {
            return Err(RecordRefusal::Form);
        }
        if reading.seq <= self.seq {
            return Err(RecordRefusal::Sequence {
                last: self.seq,
                got: reading.seq,
            });
        }
        // A chain begun anew is no gap in the numbers, and it shows.
        let restarted = self.taken > 0 && reading.before == [0; 32];
        if self.taken > 0 && !restarted && reading.before != self.last {
            return Err(RecordRefusal::Chain);
        }
        let known = self.counters.iter().position(|c| c.point == reading.point);
        let at = match known {
            Some(at) => {
                let counter = &self.counters[at];
                if (&counter.unit, counter.exponent) != (&reading.unit, reading.exponent) {
                    return Err(RecordRefusal::Unit);
                }
                if reading.value < counter.value {
                    return Err(RecordRefusal::Decreasing {
                        last: counter.value,
                        got: reading.value,
                    });
                }
                at
            }
            None if self.counters.len() >= MAX_COUNTERS => return Err(RecordRefusal::Counters),
            None => self.counters.len(),
        };
        let counter = Counter {
            point: reading.point.clone(),
            unit: reading.unit.clone(),
            exponent: reading.exponent,
            value: reading.value,
            wall_ms: reading.wall_ms,
        };
        if at < self.counters.len() {
            self.counters[at] = counter;
        } else {
            self.counters.push(counter);
        }
        self.restarts += u64::from(restarted);
        self.taken += 1;
        (self.seq, self.last) = (reading.seq, hash);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(seq: u64, point: &str, value: i64, before: [u8; 32]) -> SignedReading {
        SignedReading {
            meter: [3; 32],
            point: point.into(),
            value,
            exponent: 0,
            unit: "Wh".into(),
            good: true,
            wall_ms: 1_000 * seq,
            device_ms: None,
            frame: [0; 32],
            seq,
            before,
            signature: [0; 64],
        }
    }

    #[test]
    fn readings_follow_each_other_or_change_nothing() {
        let mut chain = RecordChain::new([3; 32]);
        let refused = |chain: &mut RecordChain, reading: &SignedReading| {
            let before = chain.clone();
            let refusal = chain.follow(reading, [9; 32]).expect_err("refused");
            assert_eq!(*chain, before);
            refusal
        };
        // The first one known may be in the middle of the edge's chain.
        assert_eq!(
            chain.follow(&reading(5, "e/imp", 100, [7; 32]), [5; 32]),
            Ok(())
        );
        assert_eq!(
            chain.follow(&reading(6, "e/exp", 10, [5; 32]), [6; 32]),
            Ok(())
        );
        let replayed = reading(6, "e/exp", 10, [5; 32]);
        assert_eq!(
            refused(&mut chain, &replayed),
            RecordRefusal::Sequence { last: 6, got: 6 }
        );
        let gap = reading(9, "e/imp", 120, [5; 32]);
        assert_eq!(refused(&mut chain, &gap), RecordRefusal::Chain);
        let backwards = reading(7, "e/imp", 99, [6; 32]);
        assert_eq!(
            refused(&mut chain, &backwards),
            RecordRefusal::Decreasing { last: 100, got: 99 }
        );
        let bad = SignedReading {
            good: false,
            ..reading(7, "e/imp", 120, [6; 32])
        };
        assert_eq!(refused(&mut chain, &bad), RecordRefusal::NotGood);
        let unit = SignedReading {
            unit: "kWh".into(),
            ..reading(7, "e/imp", 120, [6; 32])
        };
        assert_eq!(refused(&mut chain, &unit), RecordRefusal::Unit);
        let other = SignedReading {
            meter: [4; 32],
            ..reading(7, "e/imp", 120, [6; 32])
        };
        assert_eq!(refused(&mut chain, &other), RecordRefusal::Signature);
        let form = SignedReading {
            point: String::new(),
            ..reading(7, "", 120, [6; 32])
        };
        assert_eq!(refused(&mut chain, &form), RecordRefusal::Form);
        // A new chain of the same edge goes on with the counters.
        assert_eq!(
            chain.follow(&reading(70, "e/imp", 120, [0; 32]), [7; 32]),
            Ok(())
        );
        assert_eq!((chain.restarts, chain.taken, chain.seq), (1, 3, 70));
    }

    #[test]
    fn the_counters_of_a_meter_are_limited() {
        let mut chain = RecordChain::new([3; 32]);
        for n in 0..=MAX_COUNTERS as u64 {
            let taken = chain.follow(&reading(n + 1, &format!("c{n}"), 1, chain.last), [1; 32]);
            assert_eq!(taken.is_ok(), n < MAX_COUNTERS as u64, "{n}: {taken:?}");
        }
    }
}
