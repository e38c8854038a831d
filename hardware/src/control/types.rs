//! What goes in and out of a control.

/// The right to make one writing request; only [`super::Control`] gives it out.
#[derive(Debug)]
pub struct Permit(());

impl Permit {
    pub(super) fn new() -> Self {
        Self(())
    }

    /// For tests of the codec.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self(())
    }
}

/// Who arms, for how long, and what was checked before.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmRequest {
    /// The person.
    pub by: String,
    /// How long, ms.
    pub lease_ms: u64,
    /// Speed of simulated time, permille of real time.
    pub speed_permille: u32,
    /// Whether the device was just read and is the expected one.
    pub identity_checked: bool,
    /// Whether model and device agree, or the person said that they need not.
    pub model_agrees: bool,
}

/// Whether a device may be written.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlState {
    /// Not at all.
    Disarmed(DisarmReason),
    /// By the order of this person.
    Armed {
        /// The person.
        by: String,
    },
}

/// Why a device is not armed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DisarmReason {
    /// Nobody has armed it since it was bound.
    #[error("never armed")]
    NeverArmed,
    /// A person ended it.
    #[error("released by {0}")]
    Released(String),
    /// The time is over.
    #[error("its time was over")]
    LeaseOver,
    /// The twin's heartbeat stopped, or its time is not real time any more.
    #[error("the twin's heartbeat stopped")]
    Watchdog,
    /// The connection broke.
    #[error("the link was lost")]
    LinkLost,
    /// A write failed.
    #[error("writing `{point}` failed")]
    WriteFailed {
        /// The point.
        point: String,
    },
    /// The device does not hold what was written.
    #[error("`{point}` was set to {wanted} and reads {found:?}")]
    ReadBack {
        /// The point.
        point: String,
        /// What was written.
        wanted: f64,
        /// What it reads; `None` when it could not be read.
        found: Option<f64>,
    },
    /// It is another device than before.
    #[error("another device answers")]
    Identity,
    /// The device was unbound.
    #[error("unbound")]
    Unbound,
}

/// Why a request was refused; nothing was written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// No person is named.
    #[error("name the person who arms")]
    NoName,
    /// The time is zero or too long.
    #[error("{0} ms is no time to arm for: use 1 ms to 8 h")]
    Lease(u64),
    /// Simulated time is not real time.
    #[error("simulated time runs at {0} permille of real time: control needs 1x")]
    NotRealTime(u32),
    /// There is no connection.
    #[error("there is no connection to the device")]
    LinkDown,
    /// The device is not the expected one, or could not be asked.
    #[error("the device is not the one of the profile, or did not answer")]
    Identity,
    /// Model and device do not agree.
    #[error("model and device do not agree: look at the shadow residual first")]
    Disagreement,
    /// A fail-safe value has yet to be confirmed.
    #[error("a fail-safe value has yet to be confirmed")]
    Releasing,
    /// The profile has no writable point.
    #[error("the profile has no writable point")]
    NothingWritable,
    /// Not armed.
    #[error("the device is not armed")]
    NotArmed,
    /// No such writable point.
    #[error("`{0}` is not a writable point")]
    NotWritable(String),
    /// Outside the limits.
    #[error("{value} is outside {min} to {max}")]
    OutOfLimits {
        /// The value.
        value: f64,
        /// Lowest.
        min: f64,
        /// Highest.
        max: f64,
    },
    /// Not a multiple of the step.
    #[error("{value} is no multiple of {step}")]
    OffStep {
        /// The value.
        value: f64,
        /// The step.
        step: f64,
    },
    /// An interlock is not met.
    #[error("interlock: {0}")]
    Interlock(String),
    /// Too many writes to memory that wears.
    #[error("the daily budget of {0} writes is used up")]
    Budget(u32),
}

/// A reading as an interlock sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Value in the point's unit.
    pub value: f64,
    /// Whether it is good.
    pub good: bool,
    /// Its age, ms.
    pub age_ms: u64,
}

/// Something to do on the line.
#[derive(Debug)]
pub enum Task {
    /// Write a value.
    Write {
        /// The right to.
        permit: Permit,
        /// Point of the profile.
        point: usize,
        /// The value, in its unit.
        value: f64,
        /// Device-native revert timer to set before: point and seconds.
        revert: Option<(usize, f64)>,
        /// Point that is set to 1 after, to make the value count.
        enable: Option<usize>,
        /// Whether this is the way to the fail-safe value.
        releasing: bool,
    },
    /// Read a point back.
    ReadBack {
        /// Point of the profile that was written.
        point: usize,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlEvent {
    /// Armed.
    Armed {
        /// The person.
        by: String,
        /// How long, ms.
        lease_ms: u64,
    },
    /// The device holds a value.
    Confirmed {
        /// The point.
        point: String,
        /// The value.
        value: f64,
    },
    /// Not armed any more.
    Disarmed(DisarmReason),
    /// A fail-safe value is confirmed.
    Released {
        /// The point.
        point: String,
        /// The value.
        value: f64,
    },
    /// Somebody has to look.
    Alarm(String),
}
