//! A recording of everything that went over the lines and what was read of it.
//!
//! One line an event: microseconds since the start, then
//! `unit LINE UNIT DEVICE PROFILE` (a unit and its profile as RON),
//! `ask LINE UNIT AREA ADDR COUNT POINTS`, `> LINE HEX`, `< LINE HEX`,
//! `end LINE RESULT`, `read DEVICE POINT VALUE RAW QUALITY`. Values are the bits
//! of the double. The last line carries a hash over all `read` lines.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gridloom_units::DeviceId;

use super::status::Direction;
use crate::profile::{Block, Profile};
use crate::reading::DeviceReading;

/// First line of a recording.
pub(crate) const MAGIC: &str = "gridloom recording 1";
/// Longest recording, bytes; what comes later is left out and counted.
const MOST_BYTES: u64 = 1 << 30;

/// Writes a recording; clones write to the same file.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    file: BufWriter<File>,
    started: Instant,
    hasher: blake3::Hasher,
    written: u64,
    readings: u64,
    left_out: u64,
    error: Option<io::Error>,
}

/// What a recording holds, when it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSummary {
    /// Readings written.
    pub readings: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Events left out because the file was full.
    pub left_out: u64,
    /// Hash over the readings.
    pub hash: String,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Starts a recording in a new file.
    ///
    /// # Errors
    /// Fails when the file cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{MAGIC}")?;
        Ok(Self {
            shared: Arc::new(Mutex::new(Shared {
                file,
                started: Instant::now(),
                hasher: blake3::Hasher::new(),
                written: 0,
                readings: 0,
                left_out: 0,
                error: None,
            })),
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn unit(&self, line: u32, unit: u8, device: DeviceId, profile: &Profile) {
        let text = ron::to_string(profile).unwrap_or_default();
        self.with(|shared| shared.event(&format!("unit {line} {unit} {} {text}", device.0)));
    }

    pub(crate) fn ask(&self, line: u32, unit: u8, block: &Block) {
        let points: Vec<String> = block.points.iter().map(ToString::to_string).collect();
        let text = format!(
            "ask {line} {unit} {:?} {} {} {}",
            block.area,
            block.addr,
            block.count,
            points.join(",")
        );
        self.with(|shared| shared.event(&text));
    }

    pub(crate) fn frame(&self, line: u32, direction: Direction, bytes: &[u8]) {
        let sign = match direction {
            Direction::Out => '>',
            Direction::In => '<',
        };
        self.with(|shared| shared.event(&format!("{sign} {line} {}", hex(bytes))));
    }

    pub(crate) fn end(&self, line: u32, result: &str) {
        self.with(|shared| shared.event(&format!("end {line} {result}")));
    }

    pub(crate) fn reading(&self, reading: &DeviceReading) {
        let text = reading_line(reading);
        self.with(|shared| {
            if shared.event(&text) {
                shared.hasher.update(text.as_bytes());
                shared.hasher.update(b"\n");
                shared.readings += 1;
            }
        });
    }

    /// Writes the closing line and everything that is still buffered.
    ///
    /// # Errors
    /// Fails when anything could not be written since the start.
    pub fn finish(&self) -> io::Result<RecordSummary> {
        self.with(|shared| {
            if let Some(error) = shared.error.take() {
                return Err(error);
            }
            let hash = shared.hasher.finalize().to_hex().to_string();
            writeln!(shared.file, "hash {} {hash}", shared.readings)?;
            shared.file.flush()?;
            Ok(RecordSummary {
                readings: shared.readings,
                bytes: shared.written,
                left_out: shared.left_out,
                hash,
            })
        })
    }
}

impl Shared {
    fn event(&mut self, text: &str) -> bool {
        if self.error.is_some() || self.written > MOST_BYTES {
            self.left_out += 1;
            return false;
        }
        let at = self.started.elapsed().as_micros();
        match writeln!(self.file, "{at} {text}") {
            Ok(()) => {
                self.written += text.len() as u64 + 12;
                true
            }
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }
}

/// What is hashed of a reading: everything but the times.
pub(crate) fn reading_line(reading: &DeviceReading) -> String {
    let bits = |value: Option<u64>| value.map_or_else(|| "-".into(), |bits| format!("{bits:x}"));
    format!(
        "read {} {} {} {} {}",
        reading.device.0,
        reading.point,
        bits(reading.value.map(f64::to_bits)),
        bits(reading.raw),
        reading.quality.label().replace(' ', "_")
    )
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok())
        .collect()
}
