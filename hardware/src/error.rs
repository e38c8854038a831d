//! What can go wrong before a device is polled; polling itself only counts.

use std::io;

use crate::profile::ProfileProblem;

/// A failure the caller has to act on.
#[derive(Debug, thiserror::Error)]
pub enum HardwareError {
    /// A profile file cannot be read.
    #[error("cannot read profile {path}")]
    ReadProfile {
        /// File.
        path: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A profile is not valid RON of the profile format.
    #[error("{path}:{line}:{column}: {message}")]
    ParseProfile {
        /// File or name of the text.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// A profile contradicts itself.
    #[error("profile {name} has {} problem(s): {}", problems.len(), list(problems))]
    InvalidProfile {
        /// Vendor and model.
        name: String,
        /// Every problem.
        problems: Vec<ProfileProblem>,
    },
    /// An address is not `host:port`.
    #[error("`{address}` is not an address: write host:port, for example 127.0.0.1:502")]
    BadAddress {
        /// The text.
        address: String,
    },
    /// A setting is out of range.
    #[error("{what}")]
    BadSetting {
        /// What is wrong and what is allowed.
        what: String,
    },
    /// A point name that the profile does not have.
    #[error("profile {profile} has no point `{point}`")]
    NoSuchPoint {
        /// Vendor and model.
        profile: String,
        /// The name.
        point: String,
    },
    /// A value cannot be written into a point's registers.
    #[error("{value} does not fit point `{point}`: {reason}")]
    DoesNotFit {
        /// The point.
        point: String,
        /// The value, in the point's unit.
        value: f64,
        /// Why.
        reason: String,
    },
    /// The server of an emulator cannot listen.
    #[error("cannot listen on {address}")]
    Listen {
        /// Address.
        address: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start the {what} thread")]
    Start {
        /// Which.
        what: &'static str,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A device did not answer while it was read once.
    #[error("{address} unit {unit}: {reason}")]
    NoAnswer {
        /// Address.
        address: String,
        /// Modbus unit.
        unit: u8,
        /// Last error of the line.
        reason: String,
    },
}

fn list(problems: &[ProfileProblem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
