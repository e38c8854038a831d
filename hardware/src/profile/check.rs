//! Everything that can be wrong with a profile, found in one pass.

use std::collections::BTreeSet;
use std::fmt;

use super::{Point, PointType, Profile, Scale};

/// Something wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileProblem {
    /// Point or field.
    pub at: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for ProfileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl Profile {
    /// Every problem of the profile; empty when it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<ProfileProblem> {
        let mut problems = Vec::new();
        let mut check = |good: bool, at: &str, what: String| {
            if !good {
                problems.push(ProfileProblem {
                    at: at.to_owned(),
                    what,
                });
            }
        };
        check(
            self.format == 1,
            "format",
            format!("{} is not known; this version reads 1", self.format),
        );
        check(
            (1..=125).contains(&self.max_regs),
            "max_regs",
            format!(
                "{} is not between 1 and 125, the most Modbus allows",
                self.max_regs
            ),
        );
        check(
            (10..=60_000).contains(&self.timeout_ms),
            "timeout_ms",
            format!("{} is not between 10 and 60000", self.timeout_ms),
        );
        check(
            self.min_interval_ms <= 60_000 && self.connect_delay_ms <= 60_000,
            "min_interval_ms",
            "pauses above 60000 ms are refused".to_owned(),
        );
        check(
            !self.points.is_empty(),
            "points",
            "is empty: a profile needs at least one".to_owned(),
        );
        check(
            self.points.len() <= 10_000,
            "points",
            format!("{} points are more than 10000", self.points.len()),
        );
        let mut seen = BTreeSet::new();
        for point in &self.points {
            check(
                !point.id.is_empty(),
                "points",
                "a point has an empty id".to_owned(),
            );
            check(
                seen.insert(&point.id),
                &point.id,
                "is listed twice".to_owned(),
            );
            for what in point_problems(point, self) {
                check(false, &point.id, what);
            }
        }
        for (first, second) in overlaps(&self.points) {
            check(
                false,
                &second.id,
                format!("overlaps `{}` without being the same registers", first.id),
            );
        }
        problems
    }
}

fn point_problems(point: &Point, profile: &Profile) -> Vec<String> {
    let mut problems = Vec::new();
    if point.area.is_bits() != (point.ty == PointType::Bit) {
        problems.push("type Bit and the areas Coil and Discrete belong together".to_owned());
    }
    if point.addr.checked_add(point.ty.width() - 1).is_none() {
        problems.push(format!("reaches past address 65535 from {}", point.addr));
    }
    let (first, last) = point.span();
    let needed = u32::from(last) - u32::from(first) + 1;
    if needed > u32::from(profile.max_regs) {
        problems.push(format!(
            "needs {needed} registers in one request, max_regs is {}",
            profile.max_regs
        ));
    }
    if profile
        .barriers
        .iter()
        .any(|barrier| first < *barrier && *barrier <= last)
    {
        problems.push("lies across a barrier".to_owned());
    }
    match point.scale {
        Scale::Fixed(factor) if !factor.is_finite() || factor == 0.0 => {
            problems.push(format!("scale {factor} is not a usable factor"));
        }
        Scale::Pow10Reg(_) if point.area.is_bits() => {
            problems.push("a bit has no scale factor".to_owned());
        }
        _ => {}
    }
    if let Some((low, high)) = point.range
        && !(low < high && low.is_finite() && high.is_finite())
    {
        problems.push(format!("range ({low}, {high}) is empty or not finite"));
    }
    problems
}

/// Pairs of points that share some registers but not the same ones.
fn overlaps(points: &[Point]) -> Vec<(&Point, &Point)> {
    let mut sorted: Vec<&Point> = points.iter().collect();
    sorted.sort_by_key(|point| (point.area, point.addr, point.ty.width()));
    sorted
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
        .filter(|(a, b)| a.area == b.area)
        .filter(|(a, b)| (a.addr, a.ty.width()) != (b.addr, b.ty.width()))
        .filter(|(a, b)| u32::from(a.addr) + u32::from(a.ty.width()) > u32::from(b.addr))
        .collect()
}
