//! Writable points and interlocks.

use serde::{Deserialize, Serialize};

use super::types::{Measured, Permit, Refused, Task};
use crate::Profile;

/// How a point may be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteSpec {
    /// Lowest value, in the point's unit.
    pub min: f64,
    /// Highest value.
    pub max: f64,
    /// Values are multiples of this; any value when not given.
    #[serde(default)]
    pub step: Option<f64>,
    /// Value that is safe when nobody watches.
    pub fail_safe: f64,
    /// Point that shows what was written; the point itself when not given.
    #[serde(default)]
    pub read_back: Option<String>,
    /// Time until the read-back shows it, ms.
    #[serde(default = "default_settle_ms")]
    pub settle_ms: u64,
    /// The value is written again after this time, for devices that fall back.
    #[serde(default)]
    pub refresh_s: Option<u64>,
    /// Whether it lands in memory that wears out.
    #[serde(default)]
    pub persistent: bool,
    /// Most changes a day of a persistent point.
    #[serde(default = "default_budget")]
    pub daily_budget: u32,
    /// Point with the device's own revert timer, seconds.
    #[serde(default)]
    pub revert: Option<String>,
    /// Point that is set to 1 after a write and to 0 with the fail-safe value.
    #[serde(default)]
    pub enable: Option<String>,
}

fn default_settle_ms() -> u64 {
    500
}

fn default_budget() -> u32 {
    48
}

impl WriteSpec {
    /// What is wrong with it, for the profile's check.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let finite = self.min.is_finite() && self.max.is_finite() && self.fail_safe.is_finite();
        if !finite || self.min > self.max {
            problems.push(format!("limits {} to {} are none", self.min, self.max));
        } else if !(self.min..=self.max).contains(&self.fail_safe) {
            problems.push(format!(
                "fail_safe {} is outside {} to {}",
                self.fail_safe, self.min, self.max
            ));
        }
        if self
            .step
            .is_some_and(|step| !(step.is_finite() && step > 0.0))
        {
            problems.push("step must be above zero".to_owned());
        }
        if !(1..=60_000).contains(&self.settle_ms) {
            problems.push(format!("settle_ms {} is not 1 to 60000", self.settle_ms));
        }
        if self.refresh_s.is_some_and(|s| s == 0) {
            problems.push("refresh_s must be above zero".to_owned());
        }
        if self.persistent && self.refresh_s.is_some() {
            problems.push("a persistent point must not be refreshed: its memory wears".to_owned());
        }
        problems
    }
}

/// A condition on a reading without which points are not written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interlock {
    /// Point that is looked at.
    pub point: String,
    /// Lowest and highest value at which writing is allowed.
    pub range: (f64, f64),
    /// Points it holds for; all when empty.
    #[serde(default)]
    pub holds: Vec<String>,
}

impl Interlock {
    /// Whether it holds for the point `id`.
    pub(super) fn concerns(&self, id: &str) -> bool {
        self.holds.is_empty() || self.holds.iter().any(|of| of == id)
    }

    pub(super) fn check(&self, found: Option<Measured>, most_ms: u64) -> Result<(), Refused> {
        let no = |why: String| Err(Refused::Interlock(format!("`{}` {why}", self.point)));
        let Some(found) = found else {
            return no("was never read".to_owned());
        };
        if !found.good {
            return no("is not good".to_owned());
        }
        if found.age_ms > most_ms {
            return no(format!("is {} ms old", found.age_ms));
        }
        if !(self.range.0..=self.range.1).contains(&found.value) {
            return no(format!(
                "is {}, allowed {} to {}",
                found.value, self.range.0, self.range.1
            ));
        }
        Ok(())
    }
}

/// A writable point and what was done to it today.
#[derive(Debug)]
pub(super) struct WritePoint {
    pub(super) id: String,
    /// Position in the profile.
    pub(super) index: usize,
    pub(super) spec: WriteSpec,
    /// Smallest difference the registers can show.
    resolution: f64,
    revert: Option<usize>,
    enable: Option<usize>,
    day: u64,
    spent: u32,
}

/// Writable points of a profile, by position among its points or its keys.
pub(super) fn writable(profile: &Profile) -> Vec<WritePoint> {
    let registers = profile
        .points
        .iter()
        .map(|point| (&point.id, &point.write, point.resolution()));
    // Scale factors of SunSpec points are known on the device only.
    let keys = profile.keys.iter().map(|key| (&key.id, &key.write, 1.0));
    let all: Vec<_> = registers.chain(keys).collect();
    let find = |id: &Option<String>| {
        let id = id.as_ref()?;
        all.iter().position(|(known, ..)| *known == id)
    };
    all.iter()
        .enumerate()
        .filter_map(|(index, (id, write, resolution))| {
            let spec = write.as_ref()?.clone();
            Some(WritePoint {
                id: (*id).clone(),
                index,
                resolution: *resolution,
                revert: find(&spec.revert),
                enable: find(&spec.enable),
                spec,
                day: 0,
                spent: 0,
            })
        })
        .collect()
}

/// Seconds of a device's own revert timer when the twin asks for none.
const REVERT_S: f64 = 60.0;

impl WritePoint {
    pub(super) fn check(&self, value: f64) -> Result<(), Refused> {
        let WriteSpec { min, max, step, .. } = self.spec;
        if !(min..=max).contains(&value) {
            return Err(Refused::OutOfLimits { value, min, max });
        }
        if let Some(step) = step {
            let steps = (value / step).round() * step;
            if (steps - value).abs() > 1e-9 * step.max(value.abs()) {
                return Err(Refused::OffStep { value, step });
            }
        }
        Ok(())
    }

    /// Counts a change of a persistent point.
    pub(super) fn spend(&mut self, day: u64) -> Result<(), Refused> {
        if !self.spec.persistent {
            return Ok(());
        }
        if self.day != day {
            (self.day, self.spent) = (day, 0);
        }
        if self.spent >= self.spec.daily_budget {
            return Err(Refused::Budget(self.spec.daily_budget));
        }
        self.spent += 1;
        Ok(())
    }

    /// Whether two values are the same in the device's registers.
    pub(super) fn agrees(&self, found: f64, wanted: f64) -> bool {
        (found - wanted).abs() <= self.resolution * 0.51 + wanted.abs() * 1e-6
    }

    pub(super) fn refresh_due(&self, since_ms: u64) -> bool {
        // A revert timer of the device has to be renewed well before it ends.
        let revert_s = self.revert.map(|_| REVERT_S as u64 / 3);
        match (self.spec.refresh_s, revert_s) {
            (None, None) => false,
            (a, b) => since_ms >= 1_000 * a.unwrap_or(u64::MAX).min(b.unwrap_or(u64::MAX)),
        }
    }

    pub(super) fn task(&self, permit: Permit, value: f64, releasing: bool) -> Task {
        Task::Write {
            permit,
            point: self.index,
            value,
            revert: self.revert.filter(|_| !releasing).map(|at| (at, REVERT_S)),
            enable: self.enable,
            releasing,
        }
    }
}
