//! What is known about lines and units: counters, errors by class, raw frames.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::record::Recorder;

/// Raw frames a line remembers for the one who looks.
const FRAMES: usize = 40;

/// Errors of a unit since the start, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    /// The connection could not be made or broke.
    pub io: u64,
    /// No answer in time.
    pub timeout: u64,
    /// The device refused with an exception.
    pub exception: u64,
    /// Another length than asked for, or nothing the protocol knows.
    pub shape: u64,
    /// The checksum of a frame is wrong.
    pub checksum: u64,
    /// The line could not be brought back into step.
    pub out_of_step: u64,
    /// Another function than asked for.
    pub function: u64,
    /// Another unit than asked.
    pub unit: u64,
    /// The answer to another request.
    pub transaction: u64,
    /// Another device than the profile's or the one before.
    pub identity: u64,
}

impl ErrorCounts {
    /// Sum over the classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.classes().iter().map(|(_, count)| count).sum()
    }

    /// Every class with its count.
    #[must_use]
    pub fn classes(&self) -> [(&'static str, u64); 10] {
        [
            ("io", self.io),
            ("timeout", self.timeout),
            ("exception", self.exception),
            ("shape", self.shape),
            ("checksum", self.checksum),
            ("out of step", self.out_of_step),
            ("function", self.function),
            ("unit", self.unit),
            ("transaction", self.transaction),
            ("identity", self.identity),
        ]
    }
}

/// State of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether there is a connection.
    pub connected: bool,
    /// Connections made since the start.
    pub connects: u64,
    /// Requests answered in full.
    pub polls: u64,
    /// Probes sent to bring an RTU line back into step.
    pub probes: u64,
    /// Times an RTU line was brought into step, the first included.
    pub resyncs: u64,
    /// Turns that came too late to be taken.
    pub missed: u64,
    /// Writes confirmed by the device.
    pub writes: u64,
    /// Errors by class.
    pub errors: ErrorCounts,
    /// The last error, if any.
    pub last_error: Option<String>,
    /// Readings replaced by newer ones because nobody fetched them.
    pub dropped: u64,
    /// Time the last full answer took.
    pub round_trip: Option<Duration>,
    /// Time an answer may take now, adapted to the last ones.
    pub patience: Option<Duration>,
    /// Whether the unit is silent and only tried now and then.
    pub backing_off: bool,
    /// Its serial number, where it tells one.
    pub serial: Option<String>,
    /// Whether it is still polled.
    pub running: bool,
}

/// Status shared between the bus thread and its handles.
pub(crate) type SharedStatus = Arc<Mutex<Status>>;

pub(crate) fn with_status<T>(status: &SharedStatus, change: impl FnOnce(&mut Status) -> T) -> T {
    // A status is plain data: a panic elsewhere cannot leave it half changed.
    change(&mut status.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Way of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the device.
    Out,
    /// From the device.
    In,
}

/// Bytes as they went over a line.
#[derive(Clone, Debug)]
pub struct RawFrame {
    /// When.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// State of a line.
#[derive(Clone, Debug, Default)]
pub struct LineStats {
    /// The endpoint as text.
    pub endpoint: String,
    /// Whether there is a connection.
    pub connected: bool,
    /// Connections made.
    pub connects: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Time the line waited for answers, of all time.
    pub busy: Duration,
    /// When the line was started.
    pub since: Option<Instant>,
    /// The last frames, oldest first.
    pub frames: VecDeque<RawFrame>,
}

/// Where the frames of a line are noted.
#[derive(Clone)]
pub(crate) struct Wire {
    stats: Arc<Mutex<LineStats>>,
    pub(crate) recorder: Option<Recorder>,
    /// Number of the line in a recording.
    pub(crate) line: u32,
}

impl Wire {
    pub(crate) fn new(endpoint: String, line: u32, recorder: Option<Recorder>) -> Self {
        let stats = LineStats {
            endpoint,
            since: Some(Instant::now()),
            ..LineStats::default()
        };
        Self {
            stats: Arc::new(Mutex::new(stats)),
            recorder,
            line,
        }
    }

    pub(crate) fn stats<T>(&self, change: impl FnOnce(&mut LineStats) -> T) -> T {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hash of the bytes that came in since the last that went out.
    pub(crate) fn heard(&self) -> [u8; 32] {
        self.stats(|stats| {
            let mut hasher = blake3::Hasher::new();
            let came = |frame: &&RawFrame| frame.direction == Direction::In;
            let count = stats.frames.iter().rev().take_while(came).count();
            for frame in stats.frames.iter().skip(stats.frames.len() - count) {
                hasher.update(&frame.bytes);
            }
            *hasher.finalize().as_bytes()
        })
    }

    pub(crate) fn note(&self, direction: Direction, bytes: &[u8]) {
        let at = Instant::now();
        self.stats(|stats| {
            match direction {
                Direction::Out => stats.bytes_out += bytes.len() as u64,
                Direction::In => stats.bytes_in += bytes.len() as u64,
            }
            // The oldest frame's storage serves the newest.
            let oldest = if stats.frames.len() >= FRAMES {
                stats.frames.pop_front()
            } else {
                None
            };
            let mut kept = oldest.map_or_else(Vec::new, |frame| frame.bytes);
            kept.clear();
            kept.extend_from_slice(bytes);
            stats.frames.push_back(RawFrame {
                at,
                direction,
                bytes: kept,
            });
        });
        if let Some(recorder) = &self.recorder {
            recorder.frame(self.line, direction, bytes);
        }
    }
}
