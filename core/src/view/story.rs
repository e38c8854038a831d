//! The story of the scene as the window tells it.

use gridloom_model::scene::ViewName;
use gridloom_units::{SimTime, Tick};

use super::Selected;
use crate::story::Score;

/// Captions, script, score and budget.
#[derive(Clone, Debug, Default)]
pub struct StoryView {
    /// Number in the library, for example `S4`.
    pub number: String,
    /// What a person should learn or watch.
    pub objective: String,
    /// Everything on the script, in the order of time; conditions last.
    pub script: Vec<ScriptEntry>,
    /// The caption to show, if one was told.
    pub caption: Option<CaptionView>,
    /// How many captions were told.
    pub told: usize,
    /// The score.
    pub score: Score,
    /// Hints: text, points, whether taken.
    pub hints: Vec<(String, f64, bool)>,
    /// Score below which the exercise ends.
    pub abort_below: Option<f64>,
    /// When it ended that way.
    pub aborted: Option<SimTime>,
    /// Alarms allowed after the first event.
    pub alarm_budget: Option<u32>,
    /// Alarms shown and raw in the ten minutes after the first event.
    pub budget_used: (u64, u64),
    /// Questions and answers for the debrief.
    pub debrief: Vec<(String, String)>,
}

/// One thing on the script.
#[derive(Clone, Debug)]
pub struct ScriptEntry {
    /// When, where it has a time.
    pub at: Option<SimTime>,
    /// The condition, where it has one.
    pub when: Option<String>,
    /// What happens or is said.
    pub text: String,
    /// A caption, not an event.
    pub says: bool,
    /// Whether it has happened.
    pub done: bool,
}

/// A caption that was told.
#[derive(Clone, Debug)]
pub struct CaptionView {
    /// Index on the script.
    pub index: usize,
    /// First line.
    pub title: String,
    /// Second line.
    pub text: String,
    /// What to ring.
    pub show: Option<Selected>,
    /// View to change to.
    pub view: Option<ViewName>,
    /// Whether time stops for it.
    pub pause: bool,
    /// Tick at which it was told.
    pub told: Tick,
}
