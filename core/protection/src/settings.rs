//! Settings of protection devices as a scene writes them.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::curve::{Curve, Reset};
use crate::fuse::FuseLink;

/// Most elements of one device.
pub const MAX_ELEMENTS: usize = 32;
/// Most reclosing shots of one device.
pub const MAX_SHOTS: usize = 8;
/// Longest delay of any setting, ms: one day.
const MAX_MS: u64 = 86_400_000;
/// Largest pick-up of any element.
const MAX_PICKUP: f64 = 1e6;

/// What an element watches.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
pub enum Watch {
    /// Highest phase current, A (50, 51).
    PhaseCurrent,
    /// Residual current 3 I0, A (50N, 51N).
    EarthCurrent,
    /// Lowest phase voltage below the setting, pu (27).
    UnderVoltage,
    /// Highest phase voltage above the setting, pu (59).
    OverVoltage,
    /// Frequency below the setting, Hz (81U).
    UnderFrequency,
    /// Frequency above the setting, Hz (81O).
    OverFrequency,
}

/// In which direction a current element acts.
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
pub enum Facing {
    /// Either.
    #[default]
    Both,
    /// From the bus into the line only (67).
    Forward,
    /// From the line into the bus only (67).
    Reverse,
}

/// One protective element.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields)]
pub struct ElementSettings {
    /// What it watches.
    pub watch: Watch,
    /// Setting: A, pu or Hz.
    pub pickup: f64,
    /// Time over the watched quantity.
    pub curve: Curve,
    /// Time multiplier or dial of an inverse curve.
    #[serde(default = "one")]
    pub dial: f64,
    /// How it resets.
    #[serde(default)]
    pub reset: Reset,
    /// Multiple of the setting above which an inverse time stays what it is there.
    #[serde(default)]
    pub flat_above: Option<f64>,
    /// Direction of currents.
    #[serde(default)]
    pub facing: Facing,
    /// Shots of the reclosing sequence in which it acts, from 0 (before the
    /// first reclosure); empty for all.
    #[serde(default)]
    pub shots: Vec<u8>,
}

impl ElementSettings {
    /// A definite-time phase overcurrent element.
    #[must_use]
    pub fn definite(pickup_a: f64, delay_ms: u64) -> Self {
        Self {
            watch: Watch::PhaseCurrent,
            pickup: pickup_a,
            curve: Curve::Definite(delay_ms),
            dial: 1.0,
            reset: Reset::Standard,
            flat_above: None,
            facing: Facing::Both,
            shots: Vec::new(),
        }
    }

    /// Device number (IEEE C37.2).
    #[must_use]
    pub fn number(&self) -> &'static str {
        let timed = !matches!(self.curve, Curve::Definite(0));
        let directed = self.facing != Facing::Both;
        match (self.watch, timed, directed) {
            (Watch::PhaseCurrent, _, true) => "67",
            (Watch::PhaseCurrent, false, _) => "50",
            (Watch::PhaseCurrent, true, _) => "51",
            (Watch::EarthCurrent, _, true) => "67N",
            (Watch::EarthCurrent, false, _) => "50N",
            (Watch::EarthCurrent, true, _) => "51N",
            (Watch::UnderVoltage, ..) => "27",
            (Watch::OverVoltage, ..) => "59",
            (Watch::UnderFrequency, ..) => "81U",
            (Watch::OverFrequency, ..) => "81O",
        }
    }

    /// Unit of the setting.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.watch {
            Watch::PhaseCurrent | Watch::EarthCurrent => "A",
            Watch::UnderVoltage | Watch::OverVoltage => "pu",
            Watch::UnderFrequency | Watch::OverFrequency => "Hz",
        }
    }

    /// Whether it acts in a shot of the reclosing sequence.
    #[must_use]
    pub fn acts_in(&self, shot: u8) -> bool {
        self.shots.is_empty() || self.shots.contains(&shot)
    }

    /// Whether it watches a current.
    #[must_use]
    pub fn of_current(&self) -> bool {
        matches!(self.watch, Watch::PhaseCurrent | Watch::EarthCurrent)
    }
}

/// Reclosing after trips (79).
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct RecloseSettings {
    /// Dead time before each reclosure, ms; as many reclosures as entries, then lockout.
    pub dead_ms: Vec<u64>,
    /// Time closed without a trip after which the sequence begins again, ms.
    pub reset_ms: u64,
}

/// The mechanism that interrupts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// From the trip to the interrupted current, ms.
    pub open_ms: u64,
    /// From the closing order to the closed circuit, ms.
    pub close_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            open_ms: 60,
            close_ms: 80,
        }
    }
}

/// Breaker failure protection (50BF).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureSettings {
    /// Current that still flows, A.
    pub pickup_a: f64,
    /// Time after the trip, ms.
    pub delay_ms: u64,
    /// Devices that are tripped instead.
    pub backup: Vec<String>,
}

/// Less sensitive settings while a load that was long without supply comes back.
#[derive(
    Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct ColdLoadSettings {
    /// Time without supply after which a return counts as cold, ms.
    pub after_ms: u64,
    /// How long the settings stay raised, ms.
    pub hold_ms: u64,
    /// Factor on every current setting.
    pub factor: f64,
}

/// Everything a device is set to.
#[derive(
    Clone, Debug, Default, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceSettings {
    /// Protective elements; any of them trips.
    pub elements: Vec<ElementSettings>,
    /// Reclosing; none for a device that locks out at its first trip.
    pub reclose: Option<RecloseSettings>,
    /// Mechanism.
    pub breaker: BreakerSettings,
    /// Breaker failure protection.
    pub failure: Option<FailureSettings>,
    /// Raised settings after a long outage.
    pub cold_load: Option<ColdLoadSettings>,
    /// A fuse link instead of relay and breaker.
    pub fuse: Option<FuseLink>,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Field below the device, dots between levels, indices as numbers.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

fn one() -> f64 {
    1.0
}

impl DeviceSettings {
    /// Every problem of these settings.
    #[must_use]
    pub fn validate(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut say = |field: String, what: String, hint: &str| {
            found.push(Problem {
                field,
                what,
                hint: hint.to_owned(),
            });
        };
        if self.elements.len() > MAX_ELEMENTS {
            let what = format!("{} elements", self.elements.len());
            say("elements".into(), what, "a device has at most 32");
        }
        let shots = self.reclose.as_ref().map_or(0, |r| r.dead_ms.len());
        for (i, element) in self.elements.iter().enumerate() {
            element_problems(element, shots, &mut |field, what, hint| {
                say(format!("elements.{i}.{field}"), what, hint);
            });
        }
        if let Some(reclose) = &self.reclose {
            if reclose.dead_ms.is_empty() || reclose.dead_ms.len() > MAX_SHOTS {
                let what = format!("{} reclosures", reclose.dead_ms.len());
                say("reclose.dead_ms".into(), what, "write 1 to 8 dead times");
            }
            for (i, &ms) in reclose.dead_ms.iter().enumerate() {
                if !(100..=MAX_MS).contains(&ms) {
                    let what = format!("dead time is {ms} ms");
                    say(
                        format!("reclose.dead_ms.{i}"),
                        what,
                        "write 100 to 86400000",
                    );
                }
            }
            if reclose.reset_ms == 0 || reclose.reset_ms > MAX_MS {
                let what = format!("reset_ms is {}", reclose.reset_ms);
                say("reclose.reset_ms".into(), what, "write 1 to 86400000");
            }
        }
        for (field, ms) in [
            ("breaker.open_ms", self.breaker.open_ms),
            ("breaker.close_ms", self.breaker.close_ms),
        ] {
            if ms > 10_000 {
                say(field.into(), format!("{field} is {ms}"), "write 0 to 10000");
            }
        }
        if let Some(failure) = &self.failure {
            if !(failure.pickup_a > 0.0 && failure.pickup_a <= MAX_PICKUP) {
                let what = format!("pickup_a is {}", failure.pickup_a);
                say("failure.pickup_a".into(), what, "write a positive current");
            }
            if failure.delay_ms <= self.breaker.open_ms {
                let what = format!("delay_ms is {}", failure.delay_ms);
                let hint = "it must be longer than breaker.open_ms, or every trip fails";
                say("failure.delay_ms".into(), what, hint);
            }
        }
        if let Some(cold) = self.cold_load
            && !(1.0..=20.0).contains(&cold.factor)
        {
            let what = format!("factor is {}", cold.factor);
            say("cold_load.factor".into(), what, "write 1 to 20");
        }
        if let Some(fuse) = self.fuse {
            if !fuse.exists() {
                let what = format!("there is no {} link", fuse.label());
                let known = FuseLink::ratings(fuse.kind);
                let list: Vec<String> = known.iter().map(u32::to_string).collect();
                let hint = format!("ratings are {}", list.join(", "));
                say("fuse.rated_a".into(), what, &hint);
            }
            if !self.elements.is_empty() || self.reclose.is_some() {
                let what = "a fuse has no relay elements and does not reclose".to_owned();
                say("fuse".into(), what, "leave elements and reclose out");
            }
        }
        found
    }
}

fn element_problems(
    element: &ElementSettings,
    shots: usize,
    say: &mut dyn FnMut(&str, String, &str),
) {
    if !(element.pickup > 0.0 && element.pickup <= MAX_PICKUP) {
        let what = format!("pickup is {}", element.pickup);
        say("pickup", what, "write a positive number");
    }
    if !(element.dial >= 0.01 && element.dial <= 100.0) {
        say(
            "dial",
            format!("dial is {}", element.dial),
            "write 0.01 to 100",
        );
    }
    if let Curve::Definite(ms) = element.curve
        && ms > MAX_MS
    {
        say(
            "curve",
            format!("delay is {ms} ms"),
            "write at most 86400000",
        );
    }
    if (element.flat_above).is_some_and(|end| end.is_nan() || end <= 1.0) {
        let what = format!("flat_above is {:?}", element.flat_above);
        say("flat_above", what, "write a multiple above 1");
    }
    let of_current = element.of_current();
    if element.curve.is_inverse() && !of_current {
        let what = format!("{} on a voltage or frequency", element.curve.label());
        say(
            "curve",
            what,
            "voltage and frequency elements take Definite(ms)",
        );
    }
    if element.facing != Facing::Both && !of_current {
        say(
            "facing",
            "only currents have a direction".into(),
            "leave it out",
        );
    }
    if let Some(&shot) = element.shots.iter().find(|&&s| usize::from(s) > shots) {
        let what = format!("shot {shot} never comes");
        say("shots", what, "shots are 0 to the number of reclosures");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_all_named() {
        let mut settings = DeviceSettings {
            elements: vec![ElementSettings {
                pickup: f64::NAN,
                shots: vec![3],
                facing: Facing::Forward,
                watch: Watch::UnderVoltage,
                curve: Curve::IecSi,
                ..ElementSettings::definite(1.0, 0)
            }],
            reclose: Some(RecloseSettings {
                dead_ms: vec![500],
                reset_ms: 0,
            }),
            ..DeviceSettings::default()
        };
        let fields: Vec<String> = settings.validate().into_iter().map(|p| p.field).collect();
        assert_eq!(
            fields,
            [
                "elements.0.pickup",
                "elements.0.curve",
                "elements.0.facing",
                "elements.0.shots",
                "reclose.reset_ms"
            ]
        );
        settings = DeviceSettings {
            elements: vec![ElementSettings::definite(200.0, 60_000)],
            ..DeviceSettings::default()
        };
        assert!(settings.validate().is_empty());
        assert_eq!(settings.elements[0].number(), "51");
    }
}
