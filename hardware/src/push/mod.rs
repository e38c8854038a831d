//! Meters that speak by themselves: framing and values, without input or output.

pub mod p1;
pub mod sml;

use crate::profile::Protocol;

/// A number a meter sent under an OBIS code.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Code (`1-0:1.7.0`).
    pub code: String,
    /// The number, in the unit the meter states.
    pub value: f64,
    /// The unit as the meter states it, empty when it does not.
    pub unit: String,
}

/// What came out of some bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A whole and checked telegram with its numbers.
    Telegram(Vec<Sent>),
    /// A telegram whose checksum is wrong.
    Checksum,
    /// Bytes that are no telegram.
    Shape,
}

/// Takes bytes of a line and gives telegrams.
#[derive(Debug)]
pub enum Ear {
    /// DSMR P1 and its relatives.
    P1(p1::Framer),
    /// SML.
    Sml(Box<sml::Framer>),
}

impl Ear {
    /// For a protocol; `None` when it is not one that speaks by itself.
    /// `needs_crc` refuses P1 telegrams without a checksum.
    #[must_use]
    pub fn of(protocol: Protocol, needs_crc: bool) -> Option<Self> {
        match protocol {
            Protocol::P1 => Some(Self::P1(p1::Framer::new(needs_crc))),
            Protocol::Sml => Some(Self::Sml(Box::default())),
            _ => None,
        }
    }

    /// Takes bytes; gives what ended in them.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        match self {
            Self::P1(framer) => framer
                .push(bytes)
                .into_iter()
                .map(|found| match found {
                    Ok(telegram) => Heard::Telegram(telegram.numbers()),
                    Err(p1::P1Error::Checksum { .. }) => Heard::Checksum,
                    Err(_) => Heard::Shape,
                })
                .collect(),
            Self::Sml(framer) => framer.push(bytes),
        }
    }
}

/// Whether two OBIS codes name the same; a missing last part (`*255`) fits any.
#[must_use]
pub fn same_code(wanted: &str, sent: &str) -> bool {
    wanted == sent || (!wanted.contains('*') && sent.split('*').next() == Some(wanted))
}
