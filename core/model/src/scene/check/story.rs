//! Narration, autopilot, conditional events, checks, bounds and hints.

use super::Check;
use super::value::Range;
use crate::expr;
use crate::scene::EventAction;
use crate::scene::spans::At;

/// Most points one check, bound or hint may give or cost.
const MAX_POINTS: f64 = 100.0;

/// Most seconds-rate of loss, points per second.
const MAX_RATE: f64 = 100.0;

impl<'a> Check<'a, '_, '_> {
    pub(super) fn story(&mut self) {
        let story = &self.scene.story;
        let at = self.root.field("story");
        self.captions(at.field("narration"));
        for (i, event) in story.autopilot.iter().enumerate() {
            let place = at.field("autopilot").item(i);
            self.time(place.field("at"), &event.at);
            self.action(place.field("do"), &event.action);
        }
        for (i, event) in story.when.iter().enumerate() {
            let place = at.field("when").item(i);
            self.expression(place.field("when"), &event.when);
            self.action(place.field("do"), &event.action);
            if let EventAction::Bid(_, bid) = &event.action {
                self.bid_on_condition(place.field("do"), bid);
            }
        }
        for (i, check) in story.checks.iter().enumerate() {
            let place = at.field("checks").item(i);
            self.expression(place.field("that"), &check.that);
            if let Some(by) = &check.by {
                self.time(place.field("by"), by);
            }
            self.number(place, "weight", check.weight, Range::Positive(MAX_POINTS));
        }
        for (i, bound) in story.bounds.iter().enumerate() {
            let place = at.field("bounds").item(i);
            self.expression(place.field("signal"), &bound.signal);
            self.number(place, "weight", bound.weight, Range::Positive(MAX_POINTS));
            self.number(place, "per_s", bound.per_s, Range::Positive(MAX_RATE));
            if bound.lo.is_none() && bound.hi.is_none() {
                self.report.say(
                    place,
                    "a bound without `lo` and `hi`",
                    "give at least one of them",
                );
            }
        }
        for (i, hint) in story.hints.iter().enumerate() {
            let place = at.field("hints").item(i);
            self.number(
                place,
                "penalty",
                hint.penalty,
                Range::Closed(0.0, MAX_POINTS),
            );
        }
    }

    fn captions(&mut self, list: At<'a>) {
        let scene = self.scene;
        for (i, caption) in scene.story.narration.iter().enumerate() {
            let at = list.item(i);
            match (&caption.at, &caption.when) {
                (Some(time), None) => {
                    self.time(at.field("at"), time);
                }
                (None, Some(when)) => self.expression(at.field("when"), when),
                _ => self.report.say(
                    at,
                    "a caption has exactly one of `at` and `when`",
                    "write when it is told: at: Some(\"12:00\") or when: Some(\"f < 49.5\")",
                ),
            }
            if let Some(show) = &caption.show {
                let known = self
                    .names
                    .entities
                    .as_ref()
                    .is_none_or(|names| names.contains(show.as_str()))
                    || scene.clusters.iter().any(|c| c.aggregator == *show)
                    || self
                        .names
                        .lines
                        .as_ref()
                        .is_some_and(|l| l.contains(show.as_str()));
                if !known {
                    let names = self.names;
                    self.refers(at.field("show"), "object", show, &names.entities);
                }
            }
        }
    }

    pub(super) fn expression(&mut self, at: At<'_>, text: &str) {
        if let Err(error) = expr::parse(text) {
            self.report.say(
                at,
                format!("`{text}` cannot be read: {error}"),
                "write a condition, for example v(H12) < 0.94 and closed(M2)",
            );
        }
    }
}
