//! The score: points for what was reached and kept, less what hints cost.

use super::{Story, StoryState};

/// One line of the score.
#[derive(Clone, Debug, PartialEq)]
pub struct ScorePart {
    /// What it is about.
    pub text: String,
    /// Points so far.
    pub points: f64,
    /// Points possible.
    pub of: f64,
    /// Whether it is decided for good (a check that was reached).
    pub done: bool,
    /// When it was reached, ms.
    pub at_ms: Option<u64>,
}

/// The score of a run so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// 0..100.
    pub total: f64,
    /// Lines: bounds, then checks.
    pub parts: Vec<ScorePart>,
    /// Points lost to hints.
    pub hints: f64,
}

impl Score {
    /// Computes the score from what happened; a bound starts with all of its
    /// points and loses some for every second outside, a check gives its
    /// points when it is reached.
    #[must_use]
    pub fn of(story: &Story, state: &StoryState) -> Self {
        let spec = story.scene();
        let bounds = spec.bounds.iter().zip(&state.outside_ms).map(|(b, &ms)| {
            let lost = b.per_s * ms as f64 / 1_000.0;
            ScorePart {
                text: b.text.clone(),
                points: (b.weight - lost).max(0.0),
                of: b.weight,
                done: false,
                at_ms: None,
            }
        });
        let checks = spec
            .checks
            .iter()
            .zip(&state.reached_ms)
            .map(|(c, at)| ScorePart {
                text: c.text.clone(),
                points: if at.is_some() { c.weight } else { 0.0 },
                of: c.weight,
                done: at.is_some(),
                at_ms: *at,
            });
        let parts: Vec<ScorePart> = bounds.chain(checks).collect();
        let hints: f64 = spec
            .hints
            .iter()
            .zip(&state.hints)
            .filter(|(_, taken)| **taken)
            .map(|(hint, _)| hint.penalty)
            .sum();
        let (points, of): (f64, f64) = parts
            .iter()
            .fold((0.0, 0.0), |(p, o), part| (p + part.points, o + part.of));
        let total = if of > 0.0 {
            (points * 100.0 / of - hints).clamp(0.0, 100.0)
        } else {
            0.0
        };
        Self {
            total,
            parts,
            hints,
        }
    }
}
