//! Sequence of events: what happened, to the millisecond, and because of what.

use borsh::{BorshDeserialize, BorshSerialize};

/// Number of an event; numbers rise without gaps in the order of events.
pub type EventId = u64;

/// Kind of an event, for filters and symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum SoeKind {
    /// A fault began.
    Fault,
    /// A fault is gone.
    FaultCleared,
    /// An element has started (its quantity passed its setting).
    Pickup,
    /// It went back without operating.
    Dropout,
    /// An element operated and trips its breaker.
    Operate,
    /// A fuse link melted.
    Melted,
    /// A circuit was interrupted.
    Opened,
    /// A circuit was closed.
    Closed,
    /// A breaker did not interrupt; its backup is tripped.
    BreakerFailure,
    /// A device will not close again by itself.
    Lockout,
    /// The reclosing sequence begins again.
    Reclaimed,
    /// Raised settings began or ended.
    ColdLoad,
    /// A fault passage indicator saw fault current.
    Passage,
    /// M-LMDs agreed, or found that they cannot.
    Agreement,
    /// A switch was locked open at a faulted section.
    Isolation,
    /// A step of restoration: question, promise, refusal, decision.
    Restoration,
    /// Load was shed or returned by a load-management rule.
    LoadManagement,
    /// A person or the scene changed something.
    Operator,
    /// A limit of the engine was reached, or the network had no solution.
    Engine,
}

impl SoeKind {
    /// Word for tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::FaultCleared => "fault cleared",
            Self::Pickup => "pickup",
            Self::Dropout => "dropout",
            Self::Operate => "operate",
            Self::Melted => "melted",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::BreakerFailure => "breaker failure",
            Self::Lockout => "lockout",
            Self::Reclaimed => "reclaimed",
            Self::ColdLoad => "cold load",
            Self::Passage => "fault passage",
            Self::Agreement => "agreement",
            Self::Isolation => "isolation",
            Self::Restoration => "restoration",
            Self::LoadManagement => "load management",
            Self::Operator => "operator",
            Self::Engine => "engine",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct SoeEvent {
    /// Number.
    pub id: EventId,
    /// When, us.
    pub at_us: u64,
    /// Device or fault it concerns, by id in the scene.
    pub device: String,
    /// Kind.
    pub kind: SoeKind,
    /// What happened, with values and units.
    pub text: String,
    /// The event that caused it.
    pub cause: Option<EventId>,
    /// What an operating element measured against what its curve says.
    pub timing: Option<Timing>,
}

/// Operating time of an element.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Timing {
    /// From start to operation, ms.
    pub took_ms: f64,
    /// What the curve gives at the current of the operation, ms, where the
    /// current was the same all the time.
    pub curve_ms: Option<f64>,
    /// What the element measured when it operated, in the unit of its setting.
    pub value: f64,
    /// Position of the element in the settings of its device.
    pub element: u32,
}

impl SoeEvent {
    /// Time stamp, ms.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        (self.at_us + 500) / 1_000
    }

    /// Header of [`SoeEvent::csv`].
    pub const CSV_HEADER: &'static str = "id,time,device,kind,cause,event";

    /// One line of a table; the time is of the day, to the millisecond.
    #[must_use]
    pub fn csv(&self) -> String {
        let ms = self.at_ms();
        let s = ms / 1_000;
        let cause = self.cause.map_or_else(String::new, |id| id.to_string());
        format!(
            "{},{:02}:{:02}:{:02}.{:03},{},{},{},\"{}\"",
            self.id,
            s / 3_600,
            s / 60 % 60,
            s % 60,
            ms % 1_000,
            field(&self.device),
            self.kind.label(),
            cause,
            self.text.replace('"', "\"\"")
        )
    }
}

/// A field, in quotes where it needs them.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Collects the events of one advance and numbers them.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Recorder {
    next: EventId,
    fresh: Vec<SoeEvent>,
}

impl Recorder {
    /// Adds an event; returns its number.
    pub fn push(
        &mut self,
        at_us: u64,
        device: &str,
        kind: SoeKind,
        cause: Option<EventId>,
        text: impl Into<String>,
    ) -> EventId {
        self.push_timed(at_us, device, kind, cause, text, None)
    }

    /// Adds an event with an operating time.
    pub fn push_timed(
        &mut self,
        at_us: u64,
        device: &str,
        kind: SoeKind,
        cause: Option<EventId>,
        text: impl Into<String>,
        timing: Option<Timing>,
    ) -> EventId {
        let id = self.next;
        self.next += 1;
        debug_assert!(cause.is_none_or(|cause| cause < id), "a cause comes first");
        self.fresh.push(SoeEvent {
            id,
            at_us,
            device: device.to_owned(),
            kind,
            text: text.into(),
            cause,
            timing,
        });
        id
    }

    /// Takes what was added since the last call.
    pub fn take(&mut self) -> Vec<SoeEvent> {
        std::mem::take(&mut self.fresh)
    }

    /// Events so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_gaps_and_stamps_are_milliseconds() {
        let mut recorder = Recorder::default();
        let first = recorder.push(3_600_001_499, "F1", SoeKind::Fault, None, "phase \"a\"");
        let second = recorder.push(3_600_052_500, "R,1", SoeKind::Operate, Some(first), "51");
        assert_eq!((first, second), (0, 1));
        let events = recorder.take();
        assert_eq!(
            events[0].csv(),
            "0,01:00:00.001,F1,fault,,\"phase \"\"a\"\"\""
        );
        assert_eq!(events[1].csv(), "1,01:00:00.053,\"R,1\",operate,0,\"51\"");
        assert!(recorder.take().is_empty());
        assert_eq!(recorder.count(), 2);
    }
}
