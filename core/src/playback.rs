//! What a person may ask of time.

use gridloom_units::{SimTime, Tick};

/// A request to the playback driver; never part of the simulated world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlaybackCommand {
    /// Let time run at the chosen speed.
    Play,
    /// Stop time.
    Pause,
    /// Pause and move by this many ticks, backwards when negative.
    Step(i64),
    /// Simulated seconds per second of wall time, 0.1 to 3600.
    SetSpeed(f64),
    /// Pause at this tick, rewinding or running as needed.
    Seek(Tick),
    /// Run from the newest simulated tick onwards.
    Live,
    /// Pause at the next (`true`) or last thing of a kind.
    StepTo(StepKind, bool),
}

/// What a step goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The next tick.
    Tick,
    /// An event of the list.
    Event,
    /// A consensus message.
    Message,
    /// A round of consensus.
    Round,
    /// A decided block.
    Block,
    /// A raised alarm.
    Alarm,
    /// A contract run.
    Contract,
    /// An iteration of the power flow; within a tick, so the window goes through
    /// them and asks for a tick only beyond the first or last.
    Iteration,
}

impl StepKind {
    /// All kinds in the order of the step bar.
    pub const ALL: [Self; 8] = [
        Self::Tick,
        Self::Iteration,
        Self::Event,
        Self::Message,
        Self::Round,
        Self::Block,
        Self::Alarm,
        Self::Contract,
    ];

    /// A word for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Tick => "Tick",
            Self::Event => "Event",
            Self::Message => "Message",
            Self::Round => "Round",
            Self::Block => "Block",
            Self::Alarm => "Alarm",
            Self::Contract => "Contract",
            Self::Iteration => "Iteration",
        }
    }
}

/// What the driver is doing, for the transport buttons.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlaybackState {
    /// Whether time runs.
    pub playing: bool,
    /// Asked speed, simulated seconds per second.
    pub speed: f64,
    /// Speed reached over the last second.
    pub reached: f64,
    /// Whether a seek is under way, with its target.
    pub seeking: Option<Tick>,
    /// Time at which the run ends.
    pub end: SimTime,
    /// Wall time since the last alarm evaluation, s.
    pub alarms_checked_s: f64,
}
