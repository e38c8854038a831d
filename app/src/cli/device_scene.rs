//! What was recorded in the field, as a load profile or as a scene.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use gridloom_hardware::replay::Replay;
use gridloom_units::SimTime;

use super::output;

/// Length of a step, ms.
const STEP_MS: u64 = 1_000;
/// A scene lasts at least this long, so that a market slot ends in it.
const LEAST_STEPS: u64 = 330;
/// Most devices of a recording that become homes.
const MOST_HOMES: usize = 60;
/// Longest scene made of a recording: a day.
const MOST_STEPS: u64 = 86_400;

/// Power of a recorded device, kW per step; the last value holds.
struct Course {
    device: u32,
    kw: Vec<f64>,
}

/// The courses of every device with a good power, all from the same start.
fn courses(played: &Replay) -> Result<Vec<Course>> {
    let mut powers: BTreeMap<u32, Vec<(u64, f64)>> = BTreeMap::new();
    for reading in played.readings.iter().filter(|r| r.point == "ac/p") {
        if let Some(w) = reading.value {
            let course = powers.entry(reading.device.0).or_default();
            course.push((reading.at_us / 1_000, w / 1_000.0));
        }
    }
    let all = || powers.values().flatten().map(|(at, _)| *at);
    let Some((first, last)) = all().min().zip(all().max()) else {
        bail!("the recording has no good `ac/p` to make a profile of");
    };
    let steps = ((last - first) / STEP_MS + 1).min(MOST_STEPS);
    Ok(powers
        .into_iter()
        .map(|(device, powers)| {
            let mut at = 0;
            let kw = (0..steps).map(|step| {
                let time = first + step * STEP_MS;
                while at + 1 < powers.len() && powers[at + 1].0 <= time {
                    at += 1;
                }
                powers[at].1
            });
            Course {
                device,
                kw: kw.collect(),
            }
        })
        .collect())
}

fn series(courses: &[Course]) -> String {
    let mut text = String::new();
    for course in courses {
        let values: Vec<String> = course.kw.iter().map(|kw| format!("{kw:.4}")).collect();
        let _ = writeln!(
            text,
            "        (id: \"recorded_{}\", values: [{}]),",
            course.device,
            values.join(", ")
        );
    }
    text
}

fn profile_text(courses: &[Course], more: &str) -> String {
    format!(
        "// Power of devices as it was recorded.\n(\n    format: 1,\n    name: \"Recorded devices\",\n    \
         source: \"a recording of `gridloom device record`\",\n    licence: \"of whoever recorded it\",\n    \
         unit: \"recorded_*: multiplier of a load rated 1 kW\",\n    step_s: {:.1},\n    between: Hold,\n    \
         series: [\n{}{more}    ],\n)\n",
        STEP_MS as f64 / 1_000.0,
        series(courses)
    )
}

/// Writes the recorded power as a load profile.
///
/// # Errors
/// When there is none, or the file cannot be written.
pub fn write_profile(played: &Replay, path: &Path) -> Result<()> {
    let courses = courses(played)?;
    write(path, &profile_text(&courses, ""))?;
    output::line(&format!(
        "{}: {} series of {} steps of {STEP_MS} ms",
        path.display(),
        courses.len(),
        courses.first().map_or(0, |course| course.kw.len())
    ));
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a scene, its grid and its profile side by side: one home per
/// recorded device, drawing what the device measured, with expectations that
/// the course is the recorded one.
///
/// # Errors
/// When there is no power, the name is none of a scene, or a file cannot be
/// written.
pub fn write_scene(played: &Replay, path: &Path) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(stem) = name.and_then(|name| name.strip_suffix(".scene.ron")) else {
        bail!("{} must end in .scene.ron", path.display());
    };
    let mut courses = courses(played)?;
    if courses.len() > MOST_HOMES {
        output::note(&format!(
            "{} devices: the first {MOST_HOMES} become homes",
            courses.len()
        ));
        courses.truncate(MOST_HOMES);
    }
    let steps = courses.first().map_or(0, |course| course.kw.len()) as u64;
    let lasting = steps.max(LEAST_STEPS);
    for course in &mut courses {
        // What was not recorded is as it was last.
        let last = course.kw.last().copied().unwrap_or(0.0);
        course.kw.resize(lasting as usize, last);
    }
    let beside = |ending: &str| path.with_file_name(format!("{stem}.{ending}.ron"));
    let dark = "        (id: \"dark\", values: [0.0]),\n";
    write(&beside("profile"), &profile_text(&courses, dark))?;
    write(&beside("grid"), &grid_text(&courses))?;
    write(path, &scene_text(stem, &courses, steps))?;
    output::line(&format!(
        "{}: {} homes, {steps} recorded seconds; `gridloom run {}` plays it",
        path.display(),
        courses.len(),
        path.display()
    ));
    Ok(())
}

/// A street behind one transformer, elements as in the scene of two houses.
fn grid_text(courses: &[Course]) -> String {
    let (mut buses, mut lines, mut loads) = (String::new(), String::new(), String::new());
    for (nth, course) in courses.iter().enumerate() {
        let (id, x) = (course.device, 60 + 10 * nth);
        let y = if nth % 2 == 0 { 30 } else { 10 };
        let phase = nth % 3 + 1;
        let _ = writeln!(
            buses,
            "    (id: \"house_{id}\", kv_ln: 0.24017771198288433, xy: ({x}.0, {y}.0)),"
        );
        let _ = writeln!(
            lines,
            "    (id: \"service_{id}\", from: \"junction.1.2.3\", to: \"house_{id}.1.2.3\", code: \"2c_16\", km: 0.015),"
        );
        let _ = writeln!(
            loads,
            "    (id: \"LOAD{id}\", at: \"house_{id}.{phase}.0\", phases: 1, kv: 0.23, kw: 1.0, kvar: 0.0, band: (min_pu: 0.0, max_pu: 2.0, low_pu: 0.0)),"
        );
    }
    format!(
        r#"// A street for recorded devices. Transformer, source and cables are elements of
// the IEEE European low-voltage test feeder.
(
  format: 1,
  name: "Recorded street",
  source: "Elements (TR1, its source, line codes) of the IEEE European LV test feeder; arrangement by `gridloom device replay`",
  licence: "BSD-3-Clause (EPRI)",
  base_frequency_hz: 50.0,
  buses: [
    (id: "grid", kv_ln: 6.350852961085884, xy: (0.0, 20.0)),
    (id: "station", kv_ln: 0.24017771198288433, xy: (10.0, 20.0)),
    (id: "junction", kv_ln: 0.24017771198288433, xy: (50.0, 20.0)),
{buses}  ],
  sources: [
    (id: "upstream", at: "grid.1.2.3", kv: 11.0, v_pu: 1.0, impedance: ShortCircuit(mva3: 57.157676649772295, mva1: 28.578838324886147, x1r1: 4.0, x0r0: 3.0)),
  ],
  line_codes: [
    (id: "4c_.1", conductors: 3, per_km: Sequence(r1: 0.274, x1: 0.073, r0: 0.959, x0: 0.079)),
    (id: "2c_16", conductors: 3, per_km: Sequence(r1: 1.15, x1: 0.088, r0: 1.2, x0: 0.088)),
  ],
  lines: [
    (id: "main", from: "station.1.2.3", to: "junction.1.2.3", code: "4c_.1", km: 0.04),
{lines}  ],
  transformers: [
    (id: "TR1", phases: 3, windings: [
      (at: "grid.1.2.3", connection: Delta, kv: 11.0, kva: 800.0, r_percent: 0.2),
      (at: "station.1.2.3.0", connection: Wye, kv: 0.416, kva: 800.0, r_percent: 0.2),
    ], x_percent: [4.0]),
  ],
  loads: [
{loads}  ],
)
"#
    )
}

/// Expectations at the beginning, in the middle and at the end of the
/// recording: the load is what was measured then.
fn expectations(courses: &[Course], steps: u64) -> String {
    let mut text = String::new();
    for course in courses {
        let mut moments = vec![1, steps / 2, steps.saturating_sub(2)];
        moments.retain(|at| *at >= 1);
        moments.dedup();
        for at in moments {
            let kw = course.kw[at as usize];
            let clock = |step: u64| SimTime(step * STEP_MS).to_string()[..8].to_owned();
            let _ = writeln!(
                text,
                "    (from: \"{}\", until: \"{}\", that: Holds(\"load(H{id}) > {:.4} and load(H{id}) < {:.4}\")),",
                clock(at),
                clock(at + 1),
                kw - 0.001,
                kw + 0.001,
                id = course.device
            );
        }
    }
    text
}

fn scene_text(stem: &str, courses: &[Course], steps: u64) -> String {
    let homes: String = courses
        .iter()
        .map(|course| {
            format!(
                "    (id: \"H{id}\", load: \"LOAD{id}\", profile: \"recorded_{id}\", preferences: \"any\", deposit_eur: 20),\n",
                id = course.device
            )
        })
        .collect();
    let lasting = courses.first().map_or(0, |course| course.kw.len()) as f64;
    format!(
        r#"// Made of a recording: every home draws what a device measured in the field.
(
  format: 1,
  title: "Recording {stem}",
  objective: "Play a field recording through network, ledger and market.",
  sources: ["a recording of `gridloom device record`"],
  seed: 1,
  date: "2026-06-18",
  tick_ms: 1000,
  duration_h: {duration},
  grid: Ron("{stem}.grid.ron"),
  profiles: ["{stem}.profile.ron"],
  solar_series: "dark",
  homes: [
{homes}  ],
  mlmds: [(id: "M1", line: "main", limit_a: 400)],
  clusters: [
    (id: "A", aggregator: "LG-A", mlmds: ["M1"], ledger: (validators: 4, block_interval_ms: 5000, latency_ms: (20, 80), loss_permille: 1)),
  ],
  root: (validators: 4, block_interval_ms: 10000, latency_ms: (20, 80), loss_permille: 1),
  links: (
    meter: (latency_ms: (20, 200), loss_permille: 5),
    mlmd: (latency_ms: (10, 100), loss_permille: 2),
    cloud: (latency_ms: (20, 60), loss_permille: 1),
  ),
  market: (slot_min: 5, reading_s: 60, feed_in: 80000, import: 300000, max_step: 20000),
  contract: (version: 1, price: (rule: Typed, exponent: One)),
  preferences: {{
    "any": (weights: (solar: 1, battery: 1, grid_mix: 1)),
  }},
  expect: [
    (that: BooksBalance),
{expected}  ],
)
"#,
        duration = lasting * STEP_MS as f64 / 3_600_000.0,
        expected = expectations(courses, steps),
    )
}

#[cfg(test)]
mod tests {
    use gridloom_core::expect::Expectations;
    use gridloom_core::{Twin, TwinOptions};
    use gridloom_hardware::replay::Replayed;
    use gridloom_units::DeviceId;

    use super::*;

    #[test]
    fn a_recording_becomes_a_scene_that_plays_it() {
        let reading = |device: u32, second: u64, w: f64| Replayed {
            at_us: 5_000_000 + second * 1_000_000,
            device: DeviceId(device),
            point: "ac/p".into(),
            value: Some(w),
        };
        let played = Replay {
            readings: (0..40)
                .flat_map(|s| {
                    [
                        reading(1, s, 400.0 + 25.0 * s as f64),
                        reading(7, s, -900.0),
                    ]
                })
                .collect(),
            ..Replay::default()
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("field.scene.ron");
        write_scene(&played, &path).expect("written");
        let loaded = gridloom_model::scene::load(&path).unwrap_or_else(|i| panic!("{i:?}"));
        assert_eq!(loaded.scene.homes.len(), 2);
        let mut twin = Twin::new(loaded, TwinOptions::default()).expect("builds");
        let end = twin.end().start(twin.tick_ms());
        let mut expectations =
            Expectations::new(&twin.scene().scene.expect, end).expect("readable");
        while twin.tick() < twin.end() {
            twin.step();
            expectations.observe(&mut twin);
        }
        let outcomes = expectations.finish(&mut twin);
        assert_eq!(outcomes.len(), 7);
        for outcome in outcomes {
            assert!(outcome.met, "{}: {}", outcome.what, outcome.seen);
        }
        assert!(write_scene(&Replay::default(), &path).is_err());
    }
}
