//! Simulated time: a tick counter is the only clock of a run.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Number of ticks since the start of the run.
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
pub struct Tick(pub u64);

impl Tick {
    /// Simulated time at the start of this tick.
    #[must_use]
    pub fn start(self, tick_ms: u64) -> SimTime {
        SimTime(self.0 * tick_ms)
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Milliseconds of simulated time since local midnight of the scene's first day.
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
pub struct SimTime(pub u64);

impl SimTime {
    /// From whole seconds.
    #[must_use]
    pub fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }

    /// Whole milliseconds.
    #[must_use]
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// Seconds with fraction.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// Parses `"24h"`, `"90m"`, `"30s"`, `"500ms"` or `"12:00"`, `"12:00:30"`.
    ///
    /// # Errors
    /// Returns a sentence that names the text and the accepted forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad =
            || format!("`{text}` is not a time: write 24h, 90m, 30s, 500ms, 12:00 or 12:00:30");
        let text = text.trim();
        if text.contains(':') {
            let parts: Vec<u64> = text
                .split(':')
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map_err(|_| bad())?;
            let (h, m, s) = match parts[..] {
                [h, m] => (h, m, 0),
                [h, m, s] => (h, m, s),
                _ => return Err(bad()),
            };
            if m > 59 || s > 59 || h > 24 * 366 {
                return Err(bad());
            }
            return Ok(Self::from_secs(h * 3_600 + m * 60 + s));
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let value: u64 = digits.parse().map_err(|_| bad())?;
        let factor = match &text[digits.len()..] {
            "h" => 3_600_000,
            "m" | "min" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return Err(bad()),
        };
        value.checked_mul(factor).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.0 / 1_000;
        write!(
            f,
            "{:02}:{:02}:{:02}.{:03}",
            s / 3_600,
            s / 60 % 60,
            s % 60,
            self.0 % 1_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_written_form() {
        for (text, ms) in [
            ("24h", 86_400_000),
            ("90m", 5_400_000),
            ("500ms", 500),
            ("12:00", 43_200_000),
            ("12:00:30", 43_230_000),
        ] {
            assert_eq!(SimTime::parse(text), Ok(SimTime(ms)), "{text}");
        }
        for text in ["", "12", "12:61", "h", "-3h", "99999999999999999999h"] {
            assert!(SimTime::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_prints_as_a_clock() {
        assert_eq!(SimTime(43_476_200).to_string(), "12:04:36.200");
    }
}
