//! Everything that can be wrong with a profile, found in one pass.

use std::collections::BTreeSet;
use std::fmt;

use super::{Point, PointType, Profile, Protocol, Scale, SerialCode};

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
        let (listed, other) = if self.protocol == Protocol::Modbus {
            (("points", self.points.len()), ("keys", self.keys.len()))
        } else {
            (("keys", self.keys.len()), ("points", self.points.len()))
        };
        check(
            listed.1 > 0,
            listed.0,
            "is empty: a profile needs at least one".to_owned(),
        );
        check(
            other.1 == 0,
            other.0,
            format!("does not belong into a profile of {:?}", self.protocol),
        );
        check(
            listed.1 <= 10_000,
            listed.0,
            format!("{} points are more than 10000", listed.1),
        );
        check(
            (1..=247).contains(&self.unit),
            "unit",
            format!("{} is not between 1 and 247", self.unit),
        );
        check(
            (300..=4_000_000).contains(&self.line.baud)
                && matches!(self.line.data_bits, 7 | 8)
                && matches!(self.line.stop_bits, 1 | 2),
            "line",
            "needs 300 to 4000000 baud, 7 or 8 data bits, 1 or 2 stop bits".to_owned(),
        );
        for what in identity_problems(self) {
            check(false, "identity", what);
        }
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
        for key in &self.keys {
            check(!key.id.is_empty(), "keys", "a point has an empty id".into());
            check(seen.insert(&key.id), &key.id, "is listed twice".into());
            for what in super::keys::problems(key, self.protocol) {
                check(false, &key.id, what);
            }
        }
        for lock in &self.interlocks {
            check(
                seen.contains(&lock.point) && lock.holds.iter().all(|id| seen.contains(id)),
                "interlocks",
                format!(
                    "`{}` or a point it holds for is not in the profile",
                    lock.point
                ),
            );
            check(
                lock.range.0 <= lock.range.1,
                "interlocks",
                format!("range {:?} is empty", lock.range),
            );
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

fn identity_problems(profile: &Profile) -> Vec<String> {
    let mut problems = Vec::new();
    let most = u32::from(profile.max_regs);
    let mut range = |what: &str, addr: u16, count: u16| {
        if count == 0 || u32::from(count) > most || u32::from(addr) + u32::from(count) > 1 << 16 {
            problems.push(format!("{what} at {addr} needs 1 to {most} registers"));
        }
    };
    for identity in &profile.identity {
        range("a mark", identity.addr, identity.registers());
    }
    if let Some(serial) = &profile.serial {
        range("the serial number", serial.addr, serial.count);
    }
    for identity in &profile.identity {
        if identity.words.is_empty() == identity.text.is_empty() {
            problems.push("a mark is either words or a text with its count of registers".into());
        }
        if identity.area.is_bits() {
            problems.push("marks are registers, not bits".into());
        }
    }
    if let Some(serial) = &profile.serial
        && serial.coded == SerialCode::Number
        && serial.count > 4
    {
        problems.push("a serial number has at most four registers, or is a text".into());
    }
    let registers = !profile.identity.is_empty() || profile.serial.is_some();
    if registers && profile.protocol != Protocol::Modbus {
        problems.push("only profiles of Modbus have marks and serial numbers in registers".into());
    }
    if profile.nameplate.is_some() && profile.protocol != Protocol::SunSpec {
        problems.push("only SunSpec devices have a nameplate".into());
    }
    problems
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
    problems.extend(write_problems(point, profile));
    if let Some((low, high)) = point.range
        && !(low < high && low.is_finite() && high.is_finite())
    {
        problems.push(format!("range ({low}, {high}) is empty or not finite"));
    }
    problems
}

fn write_problems(point: &Point, profile: &Profile) -> Vec<String> {
    let Some(spec) = &point.write else {
        return Vec::new();
    };
    let mut problems = spec.problems();
    if matches!(point.area, super::Area::Input | super::Area::Discrete) {
        problems.push("input registers and discrete inputs cannot be written".to_owned());
    }
    for (field, id) in [
        ("read_back", &spec.read_back),
        ("revert", &spec.revert),
        ("enable", &spec.enable),
    ] {
        if let Some(id) = id
            && !profile.points.iter().any(|point| point.id == *id)
        {
            problems.push(format!("{field}: no point `{id}`"));
        }
    }
    if let Scale::Fixed(_) = point.scale {
        for value in [spec.min, spec.max, spec.fail_safe] {
            if let Err(why) = super::encode(point, value, 0) {
                problems.push(format!("write limit {value}: {why}"));
            }
        }
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
