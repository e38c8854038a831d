//! Values with quality and age.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gridloom_units::DeviceId;

/// How far a value can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// Read whole, checked and current.
    Good,
    /// Usable with care.
    Uncertain(UncertainReason),
    /// Not to be used.
    Bad(BadReason),
}

impl Quality {
    /// Whether the value may be acted on.
    #[must_use]
    pub fn is_good(self) -> bool {
        self == Self::Good
    }

    /// Short text for a table.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Good => "good".to_owned(),
            Self::Uncertain(UncertainReason::Stale) => "uncertain: stale".to_owned(),
            Self::Bad(reason) => format!("bad: {}", reason.label()),
        }
    }
}

/// Why a value is uncertain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UncertainReason {
    /// Older than the reader accepts; nothing newer has come.
    Stale,
}

/// Why a value is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadReason {
    /// No connection, or it broke.
    Comm,
    /// No answer in time.
    Timeout,
    /// The device refused with this exception code.
    Exception(u8),
    /// The answer does not have the form the request asked for.
    Malformed,
    /// The line could not be brought back into step after a fault.
    OutOfStep,
    /// The device has no value here (NaN, or a code that says so).
    NotImplemented,
    /// Outside the plausible range.
    OutOfRange,
    /// The profile and the reply do not match.
    ConfigMismatch,
    /// Nothing has been read yet.
    NeverRead,
}

impl BadReason {
    /// Short text for a table.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Comm => "no connection".to_owned(),
            Self::Timeout => "no answer in time".to_owned(),
            Self::Exception(code) => format!("exception {code}"),
            Self::Malformed => "malformed answer".to_owned(),
            Self::OutOfStep => "line out of step".to_owned(),
            Self::NotImplemented => "no value".to_owned(),
            Self::OutOfRange => "out of range".to_owned(),
            Self::ConfigMismatch => "profile mismatch".to_owned(),
            Self::NeverRead => "never read".to_owned(),
        }
    }
}

/// One value of one device, good or not.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceReading {
    /// The bound device.
    pub device: DeviceId,
    /// Name of the point in the profile.
    pub point: Arc<str>,
    /// Last value that was read well, in `unit`; `None` before the first.
    pub value: Option<f64>,
    /// Coded number behind the value, most significant word first.
    pub raw: Option<u64>,
    /// Unit of the value.
    pub unit: Arc<str>,
    /// Quality of this reading.
    pub quality: Quality,
    /// When `value` was sampled; `None` before the first.
    pub sampled_at: Option<Instant>,
    /// Hash of the bytes `value` came from, where the binding asks for it.
    pub frame: Option<[u8; 32]>,
    /// Counts the readings of the monitor; gaps are readings that were
    /// replaced by newer ones because nobody fetched them.
    pub seq: u64,
}

impl DeviceReading {
    /// Time since the value was sampled, as the reader's clock sees it.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.sampled_at.map(|at| now.saturating_duration_since(at))
    }
}

/// A point as the reader sees it now.
#[derive(Clone, Debug, PartialEq)]
pub struct PointState {
    /// The newest reading.
    pub reading: DeviceReading,
    /// Quality now: a good reading turns uncertain when it gets old.
    pub quality: Quality,
    /// Time since the value was sampled.
    pub age: Option<Duration>,
}

/// The newest reading of every point, kept by the reader.
///
/// Age and staleness come from the reader's own clock: if the monitor's thread
/// died, its last good values age here like any others.
#[derive(Clone, Debug, Default)]
pub struct LatestValues {
    latest: BTreeMap<(DeviceId, Arc<str>), DeviceReading>,
    stale_after: Duration,
}

impl LatestValues {
    /// A good value is stale when it is older than `stale_after`.
    #[must_use]
    pub fn new(stale_after: Duration) -> Self {
        Self {
            latest: BTreeMap::new(),
            stale_after,
        }
    }

    /// Takes a reading; an older one than the point already has is dropped.
    pub fn take(&mut self, reading: DeviceReading) {
        let key = (reading.device, Arc::clone(&reading.point));
        match self.latest.get(&key) {
            Some(known) if known.seq >= reading.seq => {}
            _ => {
                self.latest.insert(key, reading);
            }
        }
    }

    /// State of a point at `now`; `None` when nothing was ever received.
    #[must_use]
    pub fn get(&self, device: DeviceId, point: &str, now: Instant) -> Option<PointState> {
        let reading = self.latest.get(&(device, Arc::from(point)))?.clone();
        let age = reading.age(now);
        let quality = match (reading.quality, age) {
            (Quality::Good, Some(age)) if age > self.stale_after => {
                Quality::Uncertain(UncertainReason::Stale)
            }
            (quality, _) => quality,
        };
        Some(PointState {
            reading,
            quality,
            age,
        })
    }

    /// Forgets a device, after it was unbound.
    pub fn forget(&mut self, device: DeviceId) {
        self.latest.retain(|(of, _), _| *of != device);
    }

    /// Every point of a device at `now`, by name.
    #[must_use]
    pub fn of_device(&self, device: DeviceId, now: Instant) -> Vec<PointState> {
        let names: Vec<Arc<str>> = self
            .latest
            .keys()
            .filter(|(of, _)| *of == device)
            .map(|(_, point)| Arc::clone(point))
            .collect();
        names
            .iter()
            .filter_map(|point| self.get(device, point, now))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(seq: u64, value: f64, sampled_at: Instant) -> DeviceReading {
        DeviceReading {
            device: DeviceId(1),
            point: "p".into(),
            value: Some(value),
            raw: None,
            unit: "W".into(),
            quality: Quality::Good,
            sampled_at: Some(sampled_at),
            frame: None,
            seq,
        }
    }

    #[test]
    fn a_good_value_ages_by_itself_and_newer_readings_win() {
        let start = Instant::now();
        let mut latest = LatestValues::new(Duration::from_secs(3));
        latest.take(reading(2, 5.0, start));
        latest.take(reading(1, 4.0, start));
        let at = |seconds| {
            latest
                .get(DeviceId(1), "p", start + Duration::from_secs(seconds))
                .expect("known")
        };
        assert_eq!(
            (at(2).quality, at(2).reading.value),
            (Quality::Good, Some(5.0))
        );
        assert_eq!(at(4).quality, Quality::Uncertain(UncertainReason::Stale));
        assert_eq!(at(9).age, Some(Duration::from_secs(9)));
        assert_eq!(latest.get(DeviceId(2), "p", start), None);
        latest.forget(DeviceId(1));
        assert_eq!(latest.of_device(DeviceId(1), start), vec![]);
    }
}
