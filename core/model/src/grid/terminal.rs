//! A bus with the conductors an element uses there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A bus and conductors, written `"34.1"` or `"650.1.2.3.0"`; earth is 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terminal {
    /// Bus id.
    pub bus: String,
    /// Conductors in the order of the element's phases.
    pub conductors: Vec<u8>,
}

/// Why a terminal text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TerminalError {
    /// No bus before the first dot.
    #[error("terminal `{0}` names no bus")]
    NoBus(String),
    /// A conductor is not a number from 0 to 255.
    #[error("conductor `{conductor}` of terminal `{text}` is not a number from 0 to 255")]
    BadConductor {
        /// The terminal as written.
        text: String,
        /// The part that was refused.
        conductor: String,
    },
    /// No conductor given.
    #[error("terminal `{0}` lists no conductors, write for example `{0}.1.2.3`")]
    NoConductor(String),
}

impl Terminal {
    /// A terminal from its parts.
    pub fn new(bus: impl Into<String>, conductors: &[u8]) -> Self {
        Self {
            bus: bus.into(),
            conductors: conductors.to_vec(),
        }
    }
}

impl FromStr for Terminal {
    type Err = TerminalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let bus = parts.next().unwrap_or_default().trim();
        if bus.is_empty() {
            return Err(TerminalError::NoBus(text.to_owned()));
        }
        let conductors = parts
            .map(|part| {
                part.trim()
                    .parse()
                    .map_err(|_| TerminalError::BadConductor {
                        text: text.to_owned(),
                        conductor: part.to_owned(),
                    })
            })
            .collect::<Result<Vec<u8>, _>>()?;
        if conductors.is_empty() {
            return Err(TerminalError::NoConductor(text.to_owned()));
        }
        Ok(Self {
            bus: bus.to_owned(),
            conductors,
        })
    }
}

impl fmt::Display for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bus)?;
        self.conductors.iter().try_for_each(|c| write!(f, ".{c}"))
    }
}

impl Serialize for Terminal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Terminal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_round_trips_through_its_text() {
        let t: Terminal = "650.1.2.3.0".parse().expect("valid");
        assert_eq!(t, Terminal::new("650", &[1, 2, 3, 0]));
        assert_eq!(t.to_string(), "650.1.2.3.0");
    }

    #[test]
    fn broken_terminals_are_refused() {
        assert!(matches!(
            ".1".parse::<Terminal>(),
            Err(TerminalError::NoBus(_))
        ));
        assert!(matches!(
            "a".parse::<Terminal>(),
            Err(TerminalError::NoConductor(_))
        ));
        assert!(matches!(
            "a.x".parse::<Terminal>(),
            Err(TerminalError::BadConductor { .. })
        ));
    }
}
