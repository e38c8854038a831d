//! Points that are found by a name of the protocol instead of a register.

use serde::{Deserialize, Serialize};

use super::{Area, PollGroup};
use crate::control::WriteSpec;

/// How a device is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// Modbus with the register map of the profile.
    #[default]
    Modbus,
    /// Modbus whose map is found by asking the device (SunSpec). A key is
    /// `MODEL:POINT`, several models parted by commas (`101,103:W`).
    SunSpec,
    /// Telegrams the meter sends by itself: DSMR P1, IEC 62056-21 mode D. A
    /// key is an OBIS code (`1-0:1.7.0`).
    P1,
    /// Files the meter sends by itself: SML. A key is an OBIS code
    /// (`1-0:16.7.0`).
    Sml,
    /// JSON over HTTP. A key is path and JSON pointer, `/rpc/x?id=0#/a/b`.
    Http,
    /// Messages of a broker. A key is topic and JSON pointer, `meter/1#/p`;
    /// without a pointer the whole message is the number.
    Mqtt,
}

/// A point of a protocol without register map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPoint {
    /// Name, unique in the profile (`"ac/p"`).
    pub id: String,
    /// Where the protocol has it; see [`Protocol`].
    pub key: String,
    /// Factor from the protocol's number to the unit.
    #[serde(default = "one")]
    pub factor: f64,
    /// Whether the device counts in the opposite direction.
    #[serde(default)]
    pub negate: bool,
    /// Unit of the value.
    #[serde(default)]
    pub unit: String,
    /// How often it is read, where the twin asks.
    #[serde(default)]
    pub poll: PollGroup,
    /// Smallest and largest plausible value, in the unit.
    #[serde(default)]
    pub range: Option<(f64, f64)>,
    /// How it may be written; only SunSpec points can be.
    #[serde(default)]
    pub write: Option<WriteSpec>,
}

fn one() -> f64 {
    1.0
}

impl KeyPoint {
    /// The protocol's number in the point's unit; `None` when it is not
    /// finite, outside the range or no number.
    #[must_use]
    pub fn value(&self, number: f64) -> Option<f64> {
        let value = number * self.factor * if self.negate { -1.0 } else { 1.0 };
        let plausible = self
            .range
            .is_none_or(|(low, high)| (low..=high).contains(&value));
        (value.is_finite() && plausible).then_some(value)
    }
}

/// Registers with known contents: either whole words or the beginning of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Table.
    pub area: Area,
    /// First register.
    pub addr: u16,
    /// What is in them.
    #[serde(default)]
    pub words: Vec<u16>,
    /// What the text in them begins with, capitals and small letters alike.
    #[serde(default)]
    pub text: String,
    /// Registers of the text.
    #[serde(default)]
    pub count: u16,
}

/// Where a device has its serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialAt {
    /// Table.
    pub area: Area,
    /// First register.
    pub addr: u16,
    /// Registers.
    pub count: u16,
    /// How it is coded.
    #[serde(default)]
    pub coded: SerialCode,
}

/// How a serial number is coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SerialCode {
    /// A whole number, high word first.
    #[default]
    Number,
    /// Text.
    Text,
}

/// What the common model of a SunSpec device begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nameplate {
    /// Maker; empty for any.
    #[serde(default)]
    pub maker: String,
    /// Model; empty for any.
    #[serde(default)]
    pub model: String,
}

/// Text in registers, up to the first zero byte.
pub(crate) fn text_in(words: &[u16]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

impl Identity {
    /// Registers to read.
    #[must_use]
    pub fn registers(&self) -> u16 {
        self.count
            .max(u16::try_from(self.words.len()).unwrap_or(u16::MAX))
    }

    /// Whether these are the registers of such a device.
    #[must_use]
    pub fn holds(&self, words: &[u16]) -> bool {
        if !self.words.is_empty() {
            return words == self.words;
        }
        let (found, wanted) = (text_in(words), self.text.as_str());
        found
            .get(..wanted.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(wanted))
    }

    /// What is wanted, for people.
    #[must_use]
    pub fn wanted(&self) -> String {
        if self.words.is_empty() {
            format!("`{}`", self.text)
        } else {
            format!("{:04x?}", self.words)
        }
    }
}

impl SerialAt {
    /// The number in these registers; `None` where there is none.
    #[must_use]
    pub fn read(&self, words: &[u16]) -> Option<String> {
        let text = match self.coded {
            SerialCode::Text => text_in(words),
            SerialCode::Number => words
                .iter()
                .fold(0_u64, |number, word| number << 16 | u64::from(*word))
                .to_string(),
        };
        (!text.is_empty() && text != "0").then_some(text)
    }
}

/// Parity of a serial line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parity {
    /// None.
    #[default]
    None,
    /// Even.
    Even,
    /// Odd.
    Odd,
}

/// Settings of a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Bits per second.
    #[serde(default = "default_baud")]
    pub baud: u32,
    /// Parity.
    #[serde(default)]
    pub parity: Parity,
    /// Data bits, 7 or 8.
    #[serde(default = "eight")]
    pub data_bits: u8,
    /// Stop bits, 1 or 2.
    #[serde(default = "one_bit")]
    pub stop_bits: u8,
    /// Whether the line hears its own sender (two-wire RS-485 without cut-off).
    #[serde(default)]
    pub echo: bool,
}

fn default_baud() -> u32 {
    9_600
}

fn eight() -> u8 {
    8
}

fn one_bit() -> u8 {
    1
}

impl Default for Line {
    fn default() -> Self {
        Self {
            baud: default_baud(),
            parity: Parity::None,
            data_bits: 8,
            stop_bits: 1,
            echo: false,
        }
    }
}

impl Line {
    /// Silence that ends a frame: 3.5 characters, and 1.75 ms above 19200
    /// bit/s (Modbus over serial line 1.02, 2.5.1.1), microseconds.
    #[must_use]
    pub fn silence_us(&self) -> u64 {
        if self.baud > 19_200 {
            return 1_750;
        }
        let parity = u64::from(self.parity != Parity::None);
        let bits = 1 + u64::from(self.data_bits) + parity + u64::from(self.stop_bits);
        (3_500_000 * bits).div_ceil(u64::from(self.baud.max(1)))
    }
}

/// What is wrong with a point found by a key.
pub(super) fn problems(point: &KeyPoint, protocol: Protocol) -> Vec<String> {
    let mut problems = Vec::new();
    let shape = match protocol {
        Protocol::Modbus => Ok(()),
        Protocol::SunSpec => sunspec_key(&point.key),
        Protocol::P1 | Protocol::Sml => obis_key(&point.key),
        Protocol::Http if !point.key.starts_with('/') || !point.key.contains('#') => {
            Err("write /PATH#/POINTER")
        }
        Protocol::Mqtt if point.key.is_empty() || point.key.contains(['+', '\0']) => {
            Err("write TOPIC or TOPIC#/POINTER, without wildcards")
        }
        Protocol::Http | Protocol::Mqtt => Ok(()),
    };
    if let Err(hint) = shape {
        problems.push(format!("key `{}`: {hint}", point.key));
    }
    if let Some(spec) = &point.write {
        problems.extend(spec.problems());
        if protocol != Protocol::SunSpec {
            problems.push(format!("a point of {protocol:?} cannot be written"));
        }
    }
    if protocol == Protocol::SunSpec && point.factor != 1.0 {
        problems.push("a SunSpec point brings its own factor".to_owned());
    }
    if !point.factor.is_finite() || point.factor == 0.0 {
        problems.push(format!("factor {} is not usable", point.factor));
    }
    if point
        .range
        .is_some_and(|(low, high)| low.partial_cmp(&high) != Some(std::cmp::Ordering::Less))
    {
        problems.push(format!("range {:?} is empty", point.range));
    }
    problems
}

fn sunspec_key(key: &str) -> Result<(), &'static str> {
    let good = key.split_once(':').is_some_and(|(models, point)| {
        !point.is_empty() && models.split(',').all(|id| id.parse::<u16>().is_ok())
    });
    if good {
        Ok(())
    } else {
        Err("write MODEL:POINT, for example 103:W")
    }
}

fn obis_key(key: &str) -> Result<(), &'static str> {
    let good = key.split_once(':').is_some_and(|(medium, code)| {
        medium
            .split_once('-')
            .is_some_and(|(a, b)| a.parse::<u8>().is_ok() && b.parse::<u8>().is_ok())
            && code
                .split(['.', '*'])
                .all(|part| part.parse::<u8>().is_ok())
    });
    if good {
        Ok(())
    } else {
        Err("write an OBIS code, for example 1-0:1.7.0")
    }
}
