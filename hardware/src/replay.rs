//! A recording played again: the same bytes through the same codecs, no port.
//!
//! Every reading is made anew from the recorded frames and compared with the
//! recorded one, bit by bit. Nothing here opens a file but the recording, and
//! nothing opens a connection.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use gridloom_units::DeviceId;

use crate::bus::record::{MAGIC, unhex};
use crate::modbus::rtu::{Progress, judge};
use crate::modbus::tcp::{HEADER_LEN, parse_header};
use crate::modbus::{Ask, ReadRequest, ReplyError};
use crate::profile::{Profile, Protocol, decode};
use crate::push::{Ear, Heard, same_code};
use crate::reading::{BadReason, Quality};

/// Longest line of a recording, bytes.
const MOST_LINE: usize = 1 << 20;

/// A reading made anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// Time since the start of the recording, microseconds.
    pub at_us: u64,
    /// The device.
    pub device: DeviceId,
    /// Name of the point.
    pub point: String,
    /// The value; `None` when it was not good.
    pub value: Option<f64>,
}

/// What a replay found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Good values in order.
    pub readings: Vec<Replayed>,
    /// Readings in the recording.
    pub recorded: u64,
    /// Readings that came out with the same bits.
    pub equal: u64,
    /// Readings that came from faults of the line, not from bytes; kept as
    /// recorded.
    pub faults: u64,
    /// The first difference, if any.
    pub difference: Option<String>,
    /// Hash over the readings as computed now.
    pub hash: String,
    /// Hash in the recording; `None` when it was cut off.
    pub recorded_hash: Option<String>,
}

impl Replay {
    /// Whether everything came out as recorded.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.difference.is_none()
            && self.equal + self.faults == self.recorded
            && self
                .recorded_hash
                .as_ref()
                .is_some_and(|hash| *hash == self.hash)
    }
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("cannot read the recording")]
    Read(#[from] std::io::Error),
    /// It is no recording.
    #[error("line {line}: {what}")]
    Format {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

/// A unit of a recording.
struct Unit {
    device: DeviceId,
    line: u32,
    unit: u8,
    profile: Profile,
    ear: Option<Ear>,
    /// What the bytes said and the recording has not named yet, by point.
    expected: BTreeMap<String, Result<f64, BadReason>>,
}

/// The exchange under way on a line.
struct Asked {
    unit: u8,
    request: ReadRequest,
    points: Vec<usize>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

#[derive(Default)]
struct Player {
    units: Vec<Unit>,
    asked: BTreeMap<u32, Asked>,
    result: Replay,
    hasher: blake3::Hasher,
}

/// Plays a recording.
///
/// # Errors
/// Fails when it cannot be read or is no recording.
pub fn replay(from: impl Read) -> Result<Replay, ReplayError> {
    let mut player = Player::default();
    let mut reader = BufReader::new(from);
    let mut text = String::new();
    let mut number = 0;
    loop {
        text.clear();
        number += 1;
        let count = (&mut reader).take(MOST_LINE as u64).read_line(&mut text)?;
        if count == 0 {
            break;
        }
        let line = text.trim_end_matches('\n');
        let wrong = |what: &str| ReplayError::Format {
            line: number,
            what: what.to_owned(),
        };
        if number == 1 {
            if line != MAGIC {
                return Err(wrong("this is no recording of this version"));
            }
            continue;
        }
        player.line(line).map_err(|what| {
            wrong(&format!(
                "{what}: `{}`",
                line.chars().take(80).collect::<String>()
            ))
        })?;
    }
    let mut result = player.result;
    result.hash = player.hasher.finalize().to_hex().to_string();
    Ok(result)
}

impl Player {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(rest) = line.strip_prefix("hash ") {
            let hash = rest.split(' ').nth(1).ok_or("no hash")?;
            self.result.recorded_hash = Some(hash.to_owned());
            return Ok(());
        }
        let (at, event) = line.split_once(' ').ok_or("no event")?;
        let at_us: u64 = at.parse().map_err(|_| "no time")?;
        let (kind, rest) = event.split_once(' ').ok_or("no event")?;
        match kind {
            "unit" => self.unit(rest),
            "ask" => self.ask(rest),
            ">" => self.frame(rest, true),
            "<" => self.frame(rest, false),
            "end" => self.end(rest),
            "read" => self.read(at_us, event, rest),
            _ => Err("an unknown event"),
        }
    }

    fn unit(&mut self, rest: &str) -> Result<(), &'static str> {
        let mut parts = rest.splitn(4, ' ');
        let line = number(parts.next())?;
        let unit = number(parts.next())?;
        let device = DeviceId(number(parts.next())?);
        let text = parts.next().ok_or("no profile")?;
        let profile = Profile::parse(text, "recording").map_err(|_| "an unusable profile")?;
        let ear = Ear::of(profile.protocol, profile.needs_crc);
        // A SunSpec device is named again once its map is known.
        self.units.retain(|unit| unit.device != device);
        self.units.push(Unit {
            device,
            line,
            unit,
            profile,
            ear,
            expected: BTreeMap::new(),
        });
        Ok(())
    }

    fn ask(&mut self, rest: &str) -> Result<(), &'static str> {
        let mut parts = rest.split(' ');
        let line: u32 = number(parts.next())?;
        let unit = number(parts.next())?;
        let area = parts
            .next()
            .and_then(|text| ron::from_str(text).ok())
            .ok_or("no table")?;
        let addr = number(parts.next())?;
        let count = number(parts.next())?;
        let points = parts
            .next()
            .unwrap_or("")
            .split(',')
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|_| "no point"))
            .collect::<Result<_, _>>()?;
        let asked = Asked {
            unit,
            request: ReadRequest { area, addr, count },
            points,
            sent: Vec::new(),
            received: Vec::new(),
        };
        self.asked.insert(line, asked);
        Ok(())
    }

    fn frame(&mut self, rest: &str, out: bool) -> Result<(), &'static str> {
        let (line, hex) = rest.split_once(' ').ok_or("no bytes")?;
        let line: u32 = number(Some(line))?;
        let bytes = unhex(hex).ok_or("bytes that are none")?;
        if let Some(asked) = self.asked.get_mut(&line) {
            if out {
                // Probes come before the request itself: the last one counts.
                asked.sent = bytes;
                asked.received.clear();
            } else {
                asked.received.extend(bytes);
            }
            return Ok(());
        }
        for unit in self.units.iter_mut().filter(|unit| unit.line == line) {
            unit.hear(&bytes, out);
        }
        Ok(())
    }

    fn end(&mut self, rest: &str) -> Result<(), &'static str> {
        let (line, result) = rest.split_once(' ').ok_or("no result")?;
        let line: u32 = number(Some(line))?;
        let asked = self.asked.remove(&line).ok_or("an end without a start")?;
        let unit = self
            .units
            .iter_mut()
            .find(|unit| unit.line == line && unit.unit == asked.unit)
            .ok_or("an unknown unit")?;
        if result != "ok" {
            // Faults of the line have no bytes to be made from.
            return Ok(());
        }
        let registers = asked.registers().map_err(|_| "frames that are no answer")?;
        for index in &asked.points {
            let Some(point) = unit.profile.points.get(*index) else {
                return Err("a point that is not in the profile");
            };
            let found = decode(point, asked.request.addr, &registers).map(|found| found.value);
            unit.expected.insert(point.id.clone(), found);
        }
        Ok(())
    }

    fn read(&mut self, at_us: u64, event: &str, rest: &str) -> Result<(), &'static str> {
        let mut parts = rest.split(' ');
        let device = DeviceId(number(parts.next())?);
        let point = parts.next().ok_or("no point")?;
        let bits = parts.next().ok_or("no value")?;
        let _raw = parts.next().ok_or("no raw value")?;
        let quality = parts.next().ok_or("no quality")?;
        self.hasher.update(event.as_bytes());
        self.hasher.update(b"\n");
        self.result.recorded += 1;
        let unit = self
            .units
            .iter_mut()
            .find(|unit| unit.device == device)
            .ok_or("an unknown device")?;
        let expected = unit.expected.remove(point);
        let recorded = u64::from_str_radix(bits, 16).ok();
        let same = match &expected {
            None => {
                if quality == "good" {
                    false
                } else {
                    self.result.faults += 1;
                    return Ok(());
                }
            }
            Some(Ok(value)) => quality == "good" && recorded == Some(value.to_bits()),
            Some(Err(reason)) => quality == Quality::Bad(*reason).label().replace(' ', "_"),
        };
        if same {
            self.result.equal += 1;
        } else if self.result.difference.is_none() {
            self.result.difference = Some(format!("{event}: now {expected:?}"));
        }
        if let Some(Ok(value)) = expected {
            self.result.readings.push(Replayed {
                at_us,
                device,
                point: point.to_owned(),
                value: Some(value),
            });
        }
        Ok(())
    }
}

impl Unit {
    /// Takes bytes of a device that speaks by itself or over the web.
    fn hear(&mut self, bytes: &[u8], out: bool) {
        if let Some(ear) = &mut self.ear {
            for heard in ear.hear(bytes) {
                if let Heard::Telegram(sent) = heard {
                    for key in &self.profile.keys {
                        let number = sent
                            .iter()
                            .find(|sent| same_code(&key.key, &sent.code))
                            .map(|sent| sent.value);
                        let found = number
                            .ok_or(BadReason::NotImplemented)
                            .and_then(|n| key.value(n).ok_or(BadReason::OutOfRange));
                        self.expected.insert(key.id.clone(), found);
                    }
                }
            }
            return;
        }
        if out || !matches!(self.profile.protocol, Protocol::Http | Protocol::Mqtt) {
            return;
        }
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) else {
            return;
        };
        for key in &self.profile.keys {
            let pointer = key.key.split_once('#').map_or("", |(_, pointer)| pointer);
            if let Some(number) = crate::bus::source::number_at(&json, pointer) {
                let found = key.value(number).ok_or(BadReason::OutOfRange);
                self.expected.insert(key.id.clone(), found);
            }
        }
    }
}

impl Asked {
    fn registers(&self) -> Result<Vec<u16>, ReplyError> {
        let is_tcp = self.sent.len() == HEADER_LEN + 5 && self.sent[2..4] == [0, 0];
        if !is_tcp {
            return match judge(&self.received, &self.sent, self.unit, &self.request, false)? {
                Progress::Complete(registers) => Ok(registers),
                Progress::Incomplete => Err(ReplyError::Length {
                    expected: self.request.reply_len(),
                    got: self.received.len(),
                }),
            };
        }
        // Late answers to earlier requests may stand before this one's.
        let mut rest = self.received.as_slice();
        loop {
            let short = ReplyError::Length {
                expected: HEADER_LEN,
                got: rest.len(),
            };
            let header = rest.first_chunk::<HEADER_LEN>().ok_or(short)?;
            let (transaction, _, length) = parse_header(header)?;
            let pdu = rest.get(HEADER_LEN..HEADER_LEN + length).ok_or(short)?;
            if transaction.to_be_bytes() == self.sent[..2] {
                return self.request.decode(pdu);
            }
            rest = &rest[HEADER_LEN + length..];
        }
    }
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Result<T, &'static str> {
    text.and_then(|text| text.parse().ok()).ok_or("no number")
}
