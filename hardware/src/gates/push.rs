//! P1 telegrams beside dsmr_parser, SML of three layouts and captures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Gate;
use super::peers::{Peers, run_script};
use crate::push::p1::{Framer, Telegram, timestamp_ms};
use crate::push::{Heard, sml};

const SCRIPT: &str = include_str!("../../peers/p1_values.py");
/// Telegrams whose meters send no checksum.
const WITHOUT_CRC: [&str; 3] = ["V2_2", "V3", "ESY5Q3D"];

pub(super) fn gates(peers: &Peers, say: &mut dyn FnMut(&str)) -> Vec<Gate> {
    let mut gates = sml_layouts();
    match data_folder("dsmr") {
        None => say("left out: the P1 telegrams are not where the project was built"),
        Some(folder) => match peers.python_with("dsmr_parser") {
            None => say("left out: dsmr_parser is not installed"),
            Some(python) => gates.extend(telegrams(&folder, python)),
        },
    }
    match data_folder("sml") {
        None => say("left out: no SML captures stand beside the project (they have no licence)"),
        Some(folder) => gates.extend(captures(&folder)),
    }
    gates
}

/// Data that come with the project, or stand beside it.
fn data_folder(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (own, beside) = (here.join("peers"), here.join("../../shared/data/devices"));
    let named = std::env::var_os("GRIDLOOM_DEVICE_DATA").map(PathBuf::from);
    [named, Some(own), Some(beside)]
        .into_iter()
        .flatten()
        .map(|folder| folder.join(name))
        .find(|folder| folder.is_dir())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

fn telegrams(folder: &Path, python: &Path) -> Vec<Gate> {
    let case = "p1 telegrams beside dsmr_parser";
    let argument = folder.display().to_string();
    let theirs = match run_script(python, SCRIPT, &[&argument], Duration::from_secs(60)) {
        Ok(text) => text,
        Err(why) => return vec![Gate::failed(case, "values_differing", &why)],
    };
    let mut ours: BTreeMap<String, Telegram> = BTreeMap::new();
    let mut refused = 0;
    for file in files(folder) {
        let name = file
            .file_stem()
            .map_or_else(String::new, |s| s.to_string_lossy().into());
        if !name.starts_with("TELEGRAM_") {
            continue;
        }
        let needs_crc = !WITHOUT_CRC.iter().any(|part| name.contains(part));
        let bytes = std::fs::read(&file).unwrap_or_default();
        match Framer::new(needs_crc)
            .push(&bytes)
            .into_iter()
            .flatten()
            .next()
        {
            Some(telegram) => {
                ours.insert(name, telegram);
            }
            None => refused += 1,
        }
    }
    let (mut compared, mut differing, mut first) = (0, 0, String::new());
    for line in theirs.lines() {
        compared += 1;
        if !agrees(&ours, line) {
            differing += 1;
            if first.is_empty() {
                first = format!("first: {}", line.replace('\t', " "));
            }
        }
    }
    vec![
        Gate::figure(case, "telegrams_refused", f64::from(refused), "telegrams")
            .at_most(0.0)
            .note(format!("{} read", ours.len())),
        Gate::figure(case, "values_differing", f64::from(differing), "values")
            .at_most(0.0)
            .note(format!(
                "{compared} values of dsmr_parser compared. {first}"
            )),
        Gate::figure(case, "values_compared", f64::from(compared), "values").at_least(200.0),
    ]
}

/// Whether a line of the script says what our telegram says.
fn agrees(ours: &BTreeMap<String, Telegram>, line: &str) -> bool {
    let mut parts = line.split('\t');
    let mut next = || parts.next().unwrap_or("");
    let (name, code, index, kind, value, unit) = (next(), next(), next(), next(), next(), next());
    let index: usize = index.parse().unwrap_or(usize::MAX);
    let Some(telegram) = ours.get(name) else {
        return false;
    };
    let mut objects = telegram.objects.iter().filter(|object| object.code == code);
    objects.any(|object| {
        let Some(item) = object.items.get(index) else {
            return false;
        };
        let own_unit = item.unit.as_deref().unwrap_or("");
        match kind {
            "number" => {
                let same_unit = unit.is_empty() || own_unit.is_empty() || own_unit == unit;
                let number = |text: &str| text.parse::<f64>().ok();
                same_unit && number(&item.text).is_some() && number(&item.text) == number(value)
            }
            "time" => timestamp_ms(&item.text) == value.parse().ok(),
            _ => item.text == value,
        }
    })
}

fn sml_layouts() -> Vec<Gate> {
    let mut wrong = 0;
    let mut read = 0;
    for power_w in [5_000, -5_000, -1, 0, 70_000, -70_000] {
        for (_, entries) in sml::build::layouts(1_234_567.8, 98_765.4, power_w) {
            let file = sml::build::file(b"\x0a\x01GLM\x00\x00", &entries);
            let heard = sml::Framer::default().push(&file);
            for (code, expected) in [
                ("1-0:1.8.0*255", 1_234_567.8),
                ("1-0:2.8.0*255", 98_765.4),
                ("1-0:16.7.0*255", power_w as f64),
            ] {
                read += 1;
                let found = heard.iter().find_map(|heard| match heard {
                    Heard::Telegram(sent) => sent.iter().find(|s| s.code == code),
                    _ => None,
                });
                if found.is_none_or(|sent| (sent.value - expected).abs() > 1e-6) {
                    wrong += 1;
                }
            }
        }
    }
    vec![
        Gate::figure(
            "sml, three layouts",
            "values_wrong",
            f64::from(wrong),
            "values",
        )
        .at_most(0.0)
        .note(format!(
            "{read} values, negative power and three-byte integers among them"
        )),
    ]
}

fn captures(folder: &Path) -> Vec<Gate> {
    let (mut telegrams, mut broken, mut with_power, mut count) = (0, 0, 0, 0);
    for file in files(folder) {
        count += 1;
        let heard = sml::Framer::default().push(&std::fs::read(&file).unwrap_or_default());
        for heard in heard {
            match heard {
                Heard::Telegram(sent) => {
                    telegrams += 1;
                    with_power += u32::from(sent.iter().any(|s| s.code.starts_with("1-0:16.7.0")));
                }
                _ => broken += 1,
            }
        }
    }
    vec![
        Gate::figure(
            "sml captures",
            "files_decoded",
            f64::from(telegrams),
            "files",
        )
        .note(format!(
            "of {count} captures; {with_power} with power, {broken} broken frames"
        )),
    ]
}
