//! Device profiles: which registers a device has and what they mean.

mod check;
mod decode;
mod keys;
mod plan;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use check::ProfileProblem;
pub(crate) use decode::{Decoded, decode, encode, times_power_of_ten};
pub(crate) use keys::text_in;
pub use keys::{Identity, KeyPoint, Line, Nameplate, Parity, Protocol, SerialAt, SerialCode};
pub use plan::{Block, PlanLimits, plan_blocks};

use crate::HardwareError;
use crate::control::{Interlock, WriteSpec};

/// A device profile, read from a `.profile.ron` file.
///
/// Addresses are those on the wire, from zero. Unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of the format, 1.
    #[serde(default = "one")]
    pub format: u32,
    /// Maker.
    pub vendor: String,
    /// Model as the maker calls it.
    pub model: String,
    /// Where the register facts come from.
    #[serde(default)]
    pub sources: Vec<String>,
    /// How the device is spoken to.
    #[serde(default)]
    pub protocol: Protocol,
    /// What it usually is set to on a serial line.
    #[serde(default)]
    pub line: Line,
    /// Its usual Modbus unit.
    #[serde(default = "default_unit")]
    pub unit: u8,
    /// Whether telegrams without a checksum are refused (P1).
    #[serde(default = "yes")]
    pub needs_crc: bool,
    /// Registers that tell this model from others; read after every connection
    /// and before arming.
    #[serde(default)]
    pub identity: Vec<Identity>,
    /// Where its serial number is: another one than before is another device.
    #[serde(default)]
    pub serial: Option<SerialAt>,
    /// What a SunSpec device says of itself.
    #[serde(default)]
    pub nameplate: Option<Nameplate>,
    /// Most registers in one request, 1 to 125.
    #[serde(default = "default_max_regs")]
    pub max_regs: u16,
    /// Most unneeded registers read to save a request.
    #[serde(default)]
    pub max_gap: u16,
    /// Addresses a request must not cross: it ends before them or starts there.
    #[serde(default)]
    pub barriers: Vec<u16>,
    /// Time the device has to answer, ms.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Pause between two requests, ms.
    #[serde(default)]
    pub min_interval_ms: u64,
    /// Pause after connecting, ms.
    #[serde(default)]
    pub connect_delay_ms: u64,
    /// First of at least ten registers that can be read at any time without
    /// effect; needed on RTU lines.
    #[serde(default)]
    pub probe_block: Option<(Area, u16)>,
    /// The points, for Modbus with a register map.
    #[serde(default)]
    pub points: Vec<Point>,
    /// The points of every other protocol, found by a key.
    #[serde(default)]
    pub keys: Vec<KeyPoint>,
    /// Conditions without which writable points are not written.
    #[serde(default)]
    pub interlocks: Vec<Interlock>,
}

/// One value of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Name, unique in the profile (`"ac/l1/v"`).
    pub id: String,
    /// Table it is in.
    pub area: Area,
    /// First register or bit, from zero.
    pub addr: u16,
    /// How it is coded.
    pub ty: PointType,
    /// Order of its words and bytes.
    #[serde(default)]
    pub order: WordOrder,
    /// Factor from the coded number to the unit.
    #[serde(default)]
    pub scale: Scale,
    /// Whether the device counts in the opposite direction.
    #[serde(default)]
    pub negate: bool,
    /// Unit of the value (`"W"`), empty for plain numbers.
    #[serde(default)]
    pub unit: String,
    /// How often it is read.
    #[serde(default)]
    pub poll: PollGroup,
    /// Coded numbers that mean "no value", beside NaN.
    #[serde(default)]
    pub invalid: Vec<u64>,
    /// Smallest and largest plausible value, in the unit.
    #[serde(default)]
    pub range: Option<(f64, f64)>,
    /// How it may be written; read-only when not given.
    #[serde(default)]
    pub write: Option<WriteSpec>,
}

/// A table of a Modbus device.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Area {
    /// Coils, function 1.
    Coil,
    /// Discrete inputs, function 2.
    Discrete,
    /// Holding registers, function 3.
    #[default]
    Holding,
    /// Input registers, function 4.
    Input,
}

impl Area {
    /// Whether it holds single bits.
    #[must_use]
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }
}

/// How a value is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PointType {
    /// A coil or discrete input, 0 or 1.
    Bit,
    /// Unsigned, 1 register.
    U16,
    /// Signed, 1 register.
    I16,
    /// Unsigned, 2 registers.
    U32,
    /// Signed, 2 registers.
    I32,
    /// Unsigned, 4 registers.
    U64,
    /// Signed, 4 registers.
    I64,
    /// IEEE 754 single, 2 registers.
    F32,
    /// IEEE 754 double, 4 registers.
    F64,
}

impl PointType {
    /// Registers (or bits) it takes.
    #[must_use]
    pub fn width(self) -> u16 {
        match self {
            Self::Bit | Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }
}

/// Order of words and bytes, named after the bytes of a 32-bit value as they
/// come over the wire; 64-bit values follow the same two choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WordOrder {
    /// High word first, high byte first (the Modbus standard).
    #[default]
    Abcd,
    /// Low word first, high byte first.
    Cdab,
    /// High word first, low byte first.
    Badc,
    /// Low word first, low byte first.
    Dcba,
}

/// Factor from the coded number to the unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scale {
    /// A constant.
    Fixed(f64),
    /// Ten to the power of a signed register of the same table, read in the
    /// same request (SunSpec scale factors).
    Pow10Reg(u16),
}

impl Default for Scale {
    fn default() -> Self {
        Self::Fixed(1.0)
    }
}

/// How often a point is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String", into = "String")]
pub enum PollGroup {
    /// Every poll interval.
    Fast,
    /// Every fifth poll interval.
    #[default]
    Normal,
    /// Every thirtieth poll interval.
    Slow,
    /// Once per connection.
    Once,
}

impl PollGroup {
    /// Poll intervals between two reads; `None` for once per connection.
    #[must_use]
    pub fn every(self) -> Option<u64> {
        match self {
            Self::Fast => Some(1),
            Self::Normal => Some(5),
            Self::Slow => Some(30),
            Self::Once => None,
        }
    }
}

impl TryFrom<String> for PollGroup {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "fast" => Ok(Self::Fast),
            "normal" => Ok(Self::Normal),
            "slow" => Ok(Self::Slow),
            "once" => Ok(Self::Once),
            _ => Err(format!(
                "`{text}` is not a poll group: fast, normal, slow or once"
            )),
        }
    }
}

impl From<PollGroup> for String {
    fn from(group: PollGroup) -> Self {
        match group {
            PollGroup::Fast => "fast",
            PollGroup::Normal => "normal",
            PollGroup::Slow => "slow",
            PollGroup::Once => "once",
        }
        .to_owned()
    }
}

fn one() -> u32 {
    1
}

fn default_max_regs() -> u16 {
    60
}

fn yes() -> bool {
    true
}

fn default_unit() -> u8 {
    1
}

fn default_timeout_ms() -> u64 {
    1_000
}

impl Profile {
    /// One without points.
    #[must_use]
    pub fn empty(protocol: Protocol) -> Self {
        Self {
            format: one(),
            vendor: String::new(),
            model: String::new(),
            sources: Vec::new(),
            protocol,
            line: Line::default(),
            unit: default_unit(),
            needs_crc: true,
            identity: Vec::new(),
            serial: None,
            nameplate: None,
            max_regs: default_max_regs(),
            max_gap: 0,
            barriers: Vec::new(),
            timeout_ms: default_timeout_ms(),
            min_interval_ms: 0,
            connect_delay_ms: 0,
            probe_block: None,
            points: Vec::new(),
            keys: Vec::new(),
            interlocks: Vec::new(),
        }
    }

    /// Reads and checks a profile file.
    ///
    /// # Errors
    /// Fails when the file cannot be read, is not valid RON of the format, or
    /// contradicts itself; the last lists every problem.
    pub fn load(path: &Path) -> Result<Self, HardwareError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| HardwareError::ReadProfile {
            path: name.clone(),
            source,
        })?;
        Self::parse(&text, &name)
    }

    /// Reads and checks a profile from text; `name` appears in messages.
    ///
    /// # Errors
    /// As [`Profile::load`], less reading the file.
    pub fn parse(text: &str, name: &str) -> Result<Self, HardwareError> {
        let options = ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let profile: Self =
            options
                .from_str(text)
                .map_err(|error| HardwareError::ParseProfile {
                    path: name.to_owned(),
                    line: error.span.start.line,
                    column: error.span.start.col,
                    message: error.code.to_string(),
                })?;
        let problems = profile.problems();
        if problems.is_empty() {
            Ok(profile)
        } else {
            Err(HardwareError::InvalidProfile {
                name: profile.name(),
                problems,
            })
        }
    }

    /// Vendor and model.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.vendor, self.model)
    }

    /// Position of the point called `id`.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn index_of(&self, id: &str) -> Result<usize, HardwareError> {
        self.points
            .iter()
            .position(|point| point.id == id)
            .ok_or_else(|| HardwareError::NoSuchPoint {
                profile: self.name(),
                point: id.to_owned(),
            })
    }
}

impl Point {
    /// Smallest difference its registers can show, in its unit.
    #[must_use]
    pub fn resolution(&self) -> f64 {
        match (self.ty, self.scale) {
            (PointType::F32 | PointType::F64, _) => 0.0,
            (_, Scale::Fixed(factor)) => factor.abs(),
            (_, Scale::Pow10Reg(_)) => 1.0,
        }
    }

    /// First and last register it needs, its scale factor included.
    #[must_use]
    pub fn span(&self) -> (u16, u16) {
        let last = self.addr.saturating_add(self.ty.width() - 1);
        match self.scale {
            Scale::Fixed(_) => (self.addr, last),
            Scale::Pow10Reg(register) => (self.addr.min(register), last.max(register)),
        }
    }
}
