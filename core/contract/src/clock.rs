//! A time of day as people write it.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Minutes per day.
pub(crate) const DAY_MIN: u16 = 24 * 60;

/// Minute of the day, written `"06:30"` in files.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct ClockTime(u16);

impl ClockTime {
    /// From minutes after midnight; wraps at the end of the day.
    #[must_use]
    pub fn from_minute(minute: u16) -> Self {
        Self(minute % DAY_MIN)
    }

    /// Minutes after midnight, below 1440 (values from the wire are wrapped).
    #[must_use]
    pub fn minute(self) -> u16 {
        self.0 % DAY_MIN
    }

    /// Minutes from `now` until this time next comes, 1 to 1440.
    #[must_use]
    pub fn minutes_after(self, now: u16) -> u16 {
        let wait = (self.minute() + DAY_MIN - now % DAY_MIN) % DAY_MIN;
        if wait == 0 { DAY_MIN } else { wait }
    }

    /// Reads `HH:MM`.
    ///
    /// # Errors
    /// Returns a sentence that names the text and the accepted form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a time of day: write HH:MM, 00:00 to 23:59");
        let (hours, minutes) = text.split_once(':').ok_or_else(bad)?;
        let hours: u16 = hours.parse().map_err(|_| bad())?;
        let minutes: u16 = minutes.parse().map_err(|_| bad())?;
        if hours > 23 || minutes > 59 {
            return Err(bad());
        }
        Ok(Self(hours * 60 + minutes))
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute() / 60, self.minute() % 60)
    }
}

impl Serialize for ClockTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClockTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_times_are_read_written_and_waited_for() {
        let seven = ClockTime::parse("07:00").expect("valid");
        assert_eq!(seven.to_string(), "07:00");
        assert_eq!(seven.minutes_after(6 * 60), 60);
        assert_eq!(seven.minutes_after(22 * 60), 9 * 60);
        assert_eq!(seven.minutes_after(7 * 60), DAY_MIN);
        for text in ["", "7", "24:00", "07:60", "-1:00", "aa:bb"] {
            assert!(ClockTime::parse(text).is_err(), "{text}");
        }
    }
}
