//! Ranges of numbers and times.

use gridloom_units::SimTime;

use super::Check;
use crate::scene::spans::At;

/// Largest power or energy a scene may state, kW or kWh. Far above any
/// low-voltage device, far below where integer registers overflow.
pub(super) const MAX_KW: f64 = 1e6;

const DAY_MS: u64 = 86_400_000;

/// An allowed range of a number.
#[derive(Clone, Copy)]
pub(super) enum Range {
    /// Above zero, up to the bound.
    Positive(f64),
    /// From the first to the second value, both allowed.
    Closed(f64, f64),
}

impl Range {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Positive(max) => value > 0.0 && value <= max,
            Self::Closed(min, max) => value >= min && value <= max,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Positive(max) => format!("write a number above 0 and at most {max}"),
            Self::Closed(min, max) => format!("write a number from {min} to {max}"),
        }
    }
}

impl Check<'_, '_, '_> {
    /// Reports a number outside its range; not-a-number is outside every range.
    pub(super) fn number(&mut self, at: At<'_>, field: &str, value: f64, range: Range) -> bool {
        let holds = range.holds(value);
        if !holds {
            let at = at.field(field);
            self.report
                .say(at, format!("{field} is {value}"), range.words());
        }
        holds
    }

    /// Reports an integer outside its range.
    pub(super) fn whole(
        &mut self,
        at: At<'_>,
        field: &str,
        value: u64,
        min: u64,
        max: u64,
    ) -> bool {
        let holds = (min..=max).contains(&value);
        if !holds {
            self.report.say(
                at.field(field),
                format!("{field} is {value}"),
                format!("write a whole number from {min} to {max}"),
            );
        }
        holds
    }

    /// A time since the start of the run, at most its end.
    pub(super) fn time(&mut self, at: At<'_>, text: &str) -> Option<SimTime> {
        match SimTime::parse(text) {
            Ok(time) => {
                let end_ms = self.duration_ms();
                if end_ms.is_some_and(|end| time.0 > end) {
                    self.report.say(
                        at,
                        format!("`{text}` is after the end of the run"),
                        format!("the run lasts {} h", self.scene.duration_h),
                    );
                }
                Some(time)
            }
            Err(_) => {
                self.bad_time(at, text);
                None
            }
        }
    }

    /// A time of day.
    pub(super) fn time_of_day(&mut self, at: At<'_>, text: &str) -> Option<SimTime> {
        match SimTime::parse(text) {
            Ok(time) if time.0 < DAY_MS => Some(time),
            Ok(_) => {
                self.report.say(
                    at,
                    format!("`{text}` is not a time of day"),
                    "write 00:00 to 23:59, or with seconds 23:59:59",
                );
                None
            }
            Err(_) => {
                self.bad_time(at, text);
                None
            }
        }
    }

    fn bad_time(&mut self, at: At<'_>, text: &str) {
        self.report.say(
            at,
            format!("`{text}` is not a time"),
            "write 12:00, 12:00:30, 24h, 90m, 30s or 500ms",
        );
    }

    /// Length of the run, ms; `None` when the scene states none that makes sense.
    pub(super) fn duration_ms(&self) -> Option<u64> {
        let ms = self.scene.duration_h * 3_600_000.0;
        (ms.is_finite() && ms > 0.0).then_some(ms as u64)
    }
}
