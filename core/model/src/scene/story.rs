//! What a scene tells and asks: narration, autopilot, conditional events,
//! checks, bounds, hints and questions for the debrief.
//!
//! Conditions are written in the language of [`crate::expr`].

use serde::{Deserialize, Serialize};

use super::events::{EventAction, EventSpec};

/// The part of a scene that trains and shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Story {
    /// Number in the library (`"S4"`); empty for scenes without one.
    pub number: String,
    /// One line for the library.
    pub teaser: String,
    /// Captions in the order they are told.
    pub narration: Vec<Caption>,
    /// What a good operator does, for playing without one.
    pub autopilot: Vec<EventSpec>,
    /// Events that wait for a condition instead of a time.
    pub when: Vec<WhenSpec>,
    /// What the trainee shall reach, with weights.
    pub checks: Vec<CheckSpec>,
    /// What must stay within bounds, with weights.
    pub bounds: Vec<BoundSpec>,
    /// Help, at a price.
    pub hints: Vec<HintSpec>,
    /// Score below which the exercise ends, 0..100.
    pub abort_below: Option<f64>,
    /// Alarms allowed within the ten minutes after the first event (EEMUA 191: 10).
    pub alarm_budget: Option<u32>,
    /// Questions for the debrief.
    pub debrief: Vec<Question>,
}

/// A caption with what the camera does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caption {
    /// Simulated time; a caption has this or `when`.
    #[serde(default)]
    pub at: Option<String>,
    /// Condition; told at the first tick at which it holds.
    #[serde(default)]
    pub when: Option<String>,
    /// First line, short.
    pub title: String,
    /// Second line.
    #[serde(default)]
    pub text: String,
    /// Id of the object to ring; the camera goes there.
    #[serde(default)]
    pub show: Option<String>,
    /// View to change to.
    #[serde(default)]
    pub view: Option<ViewName>,
    /// Stop time until somebody goes on.
    #[serde(default)]
    pub pause: bool,
}

/// A view of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewName {
    /// Single-line on the map.
    SingleLine,
    /// Tilted neighbourhood.
    Neighbourhood,
    /// Four layers.
    Layers,
}

/// An event that happens when a condition holds for the first time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhenSpec {
    /// The condition.
    pub when: String,
    /// What happens in the tick after.
    #[serde(rename = "do")]
    pub action: EventAction,
    /// A note for the tape.
    #[serde(default)]
    pub note: String,
}

/// Something to reach by a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSpec {
    /// What it is, for the trainee.
    pub text: String,
    /// Condition that reaches it.
    pub that: String,
    /// Simulated time by which it must hold (default: end of the run).
    #[serde(default)]
    pub by: Option<String>,
    /// Points.
    pub weight: f64,
}

/// Something that must stay within bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundSpec {
    /// What it is, for the trainee.
    pub text: String,
    /// The signal, an expression with a number.
    pub signal: String,
    /// Lower bound.
    #[serde(default)]
    pub lo: Option<f64>,
    /// Upper bound.
    #[serde(default)]
    pub hi: Option<f64>,
    /// Points.
    pub weight: f64,
    /// Points lost per second outside.
    pub per_s: f64,
}

/// Help for the trainee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HintSpec {
    /// The hint.
    pub text: String,
    /// Points it costs.
    pub penalty: f64,
}

/// A question for afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The question.
    pub ask: String,
    /// What a good answer says.
    pub answer: String,
}
