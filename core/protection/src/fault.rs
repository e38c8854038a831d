//! Faults in time: when they begin, what ends them.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::soe::EventId;

/// How long a fault lasts.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    BorshSerialize,
    BorshDeserialize,
)]
pub enum Lasting {
    /// Until a person repairs it.
    #[default]
    Permanent,
    /// This time, ms.
    For(u64),
    /// Until it has had no current for this time, ms: an arc that needs the
    /// dead time of a recloser to go out.
    UntilDead(u64),
}

/// Current below which an arc is out, A.
pub(crate) const ARC_A: f64 = 1.0;

/// A fault of the run.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct FaultState {
    /// Id for commands and records.
    pub id: String,
    /// Where and what, for people.
    pub label: String,
    /// What ends it.
    pub lasting: Lasting,
    /// When it begins, us.
    pub begins_us: u64,
    /// Present in the network.
    pub on: bool,
    /// Over, by itself or repaired.
    pub over: bool,
    /// Event of its beginning.
    pub began: Option<EventId>,
    /// Its current in the last segment, A.
    pub current_a: f64,
    /// Without current since, us.
    pub(crate) quiet_since_us: Option<u64>,
    /// Its current has been reported since it began or supply returned.
    pub(crate) reported: bool,
}

impl FaultState {
    /// A fault that begins at a time.
    #[must_use]
    pub fn new(id: &str, label: &str, lasting: Lasting, begins_us: u64) -> Self {
        Self {
            id: id.to_owned(),
            label: label.to_owned(),
            lasting,
            begins_us,
            on: false,
            over: false,
            began: None,
            current_a: 0.0,
            quiet_since_us: None,
            reported: false,
        }
    }

    /// When it begins or ends if nothing changes, us.
    pub(crate) fn next_us(&self) -> Option<u64> {
        if self.over {
            return None;
        }
        if !self.on {
            return Some(self.begins_us);
        }
        match self.lasting {
            Lasting::Permanent => None,
            Lasting::For(ms) => Some(self.begins_us + ms * 1_000),
            Lasting::UntilDead(ms) => self.quiet_since_us.map(|since| since + ms * 1_000),
        }
    }
}

/// Where a fault is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
pub enum FaultPlace {
    /// At a bus, by id.
    Bus(String),
    /// Along a line, by id, and the share of its length from its first end, 0..1.
    Line(String, f64),
}

/// Which conductors touch what.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum FaultKind {
    /// Every phase together, without earth.
    ThreePhase,
    /// Every phase to earth.
    ThreePhaseEarth,
    /// Two conductors together.
    LineLine(u8, u8),
    /// Two conductors to earth.
    LineLineEarth(u8, u8),
    /// One conductor to earth.
    LineEarth(u8),
}

/// A fault as a scene or a person asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// Id for the record and for its repair.
    pub id: String,
    /// Where.
    pub at: FaultPlace,
    /// Which conductors.
    pub kind: FaultKind,
    /// Impedance of the fault, ohm: resistance, reactance.
    #[serde(default)]
    pub z_ohm: (f64, f64),
    /// How long it lasts.
    #[serde(default)]
    pub lasting: Lasting,
    /// Time after the beginning of its tick, ms.
    #[serde(default)]
    pub after_ms: u64,
}

/// Highest impedance of a fault, ohm.
const MAX_OHM: f64 = 1e6;

impl FaultSpec {
    /// The first thing that is wrong, and what to do.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, String, &'static str)> {
        let (r, x) = self.z_ohm;
        if self.id.is_empty() || self.id.len() > 64 {
            return Some(("id", format!("id is `{}`", self.id), "give it a short id"));
        }
        if !(0.0..=MAX_OHM).contains(&r) || !(-MAX_OHM..=MAX_OHM).contains(&x) {
            let what = format!("z_ohm is ({r}, {x})");
            return Some(("z_ohm", what, "write (resistance, reactance) up to 1000000"));
        }
        if let FaultPlace::Line(_, share) = &self.at
            && !(*share > 0.0 && *share < 1.0)
        {
            let what = format!("place on the line is {share}");
            return Some((
                "at",
                what,
                "write a share between 0 and 1; at its ends name a bus",
            ));
        }
        let conductors: Vec<u8> = match self.kind {
            FaultKind::ThreePhase | FaultKind::ThreePhaseEarth => Vec::new(),
            FaultKind::LineLine(a, b) | FaultKind::LineLineEarth(a, b) => vec![a, b],
            FaultKind::LineEarth(a) => vec![a],
        };
        let twice = conductors.len() == 2 && conductors[0] == conductors[1];
        if twice || conductors.contains(&0) {
            let what = format!("kind is {:?}", self.kind);
            return Some(("kind", what, "name different conductors from 1"));
        }
        None
    }

    /// Kind, place and impedance for people.
    #[must_use]
    pub fn label(&self) -> String {
        let kind = match self.kind {
            FaultKind::ThreePhase => "three-phase fault".to_owned(),
            FaultKind::ThreePhaseEarth => "three-phase-earth fault".to_owned(),
            FaultKind::LineLine(a, b) => format!("fault L{a}-L{b}"),
            FaultKind::LineLineEarth(a, b) => format!("fault L{a}-L{b}-earth"),
            FaultKind::LineEarth(a) => format!("fault L{a}-earth"),
        };
        let place = match &self.at {
            FaultPlace::Bus(bus) => format!("at {bus}"),
            FaultPlace::Line(line, share) => format!("on {line} at {:.0} %", share * 100.0),
        };
        let (r, x) = self.z_ohm;
        if (r, x) == (0.0, 0.0) {
            format!("{kind} {place}")
        } else {
            format!("{kind} {place} through {r} + j{x} ohm")
        }
    }
}
