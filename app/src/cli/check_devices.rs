//! `gridloom check devices` and `gridloom bench devices`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use gridloom_hardware::gates::{self, BenchOptions, Gate, Peers};
use gridloom_hardware::serve::Listen;

use super::device_twin::{self, Served};
use super::output::{self, Figure};

/// Scene whose twin is steered; its homes have inverters and batteries.
const SCENE: &str = "scenes/hardware_in_the_loop.scene.ron";
/// A home of it with both.
const HOME: &str = "H10";
/// Power its battery is told to take, W.
const CHARGE_W: f64 = 2_000.0;
const LIMIT: Duration = Duration::from_secs(60);

fn peers() -> Peers {
    let peers = Peers::find(None);
    output::error(&format!(
        "peers found: {}; missing: {}",
        join(&[peers.packages.clone(), peers.programs.clone()].concat()),
        join(&peers.missing)
    ));
    if !peers.missing.is_empty() {
        output::error("`STEPS=peers .ci/run` installs them; what needs them is left out");
    }
    peers
}

fn join(names: &[&str]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn say(text: &str) {
    output::note(text);
}

/// Every gate of the devices.
pub fn figures(quick: bool) -> Vec<Figure> {
    let peers = peers();
    let mut gates = gates::check(&peers, quick, &mut say);
    match peers.python_with("pysunspec2") {
        None => say("left out: pysunspec2 is not installed"),
        Some(python) => {
            say("a running twin, steered by pysunspec2");
            gates.push(steered(python));
        }
    }
    gates.into_iter().map(figure).collect()
}

/// Speed beside pymodbus.
pub fn bench(options: BenchOptions) -> Result<Vec<Figure>> {
    let peers = peers();
    let gates = gates::bench(&peers, options, &mut say)?;
    Ok(gates.into_iter().map(figure).collect())
}

fn scene_file() -> PathBuf {
    let here = Path::new(SCENE);
    if here.is_file() {
        return here.to_owned();
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(here)
}

fn steered(python: &Path) -> Gate {
    let case = "writes of pysunspec2 and what the twin does";
    match steer(python) {
        Ok(checks) => {
            let names = |met: bool| -> Vec<&str> {
                let of = checks.iter().filter(|(_, holds)| *holds == met);
                of.map(|(name, _)| name.as_str()).collect()
            };
            let missed = names(false);
            let note = if missed.is_empty() {
                names(true).join(", ")
            } else {
                format!("not met: {}", missed.join(", "))
            };
            Gate::figure(case, "checks_missed", missed.len() as f64, "checks")
                .at_most(0.0)
                .note(note)
        }
        Err(why) => Gate::failed(case, "checks_missed", &format!("{why:#}")),
    }
}

/// Runs a scene beside the client: its writes have to become commands, and
/// those have to show in the view.
fn steer(python: &Path) -> Result<Vec<(String, bool)>> {
    let mut twin = device_twin::load(&scene_file())?;
    let listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
    let served = Served::start(listen, None, true, &twin)?;
    let homes = &twin.scene().scene.homes;
    let home = homes.iter().position(|home| home.id == HOME);
    let home = home.ok_or_else(|| anyhow!("{SCENE} has no home {HOME}"))?;
    let port = served.port().unwrap_or_default().to_string();
    let unit = (home + 1).to_string();
    twin.step();
    twin.step();
    let before = twin.view(None);
    served.show(&before);
    let done = AtomicBool::new(false);
    let mut asked = Vec::new();
    let said = std::thread::scope(|scope| {
        let client = scope.spawn(|| {
            let watts = CHARGE_W.to_string();
            let said = gates::run_script(python, gates::STEER, &[&port, &unit, &watts], LIMIT);
            done.store(true, Ordering::Relaxed);
            said
        });
        let until = Instant::now() + LIMIT;
        while !done.load(Ordering::Relaxed) && Instant::now() < until {
            asked.extend(served.asked(&twin));
            std::thread::sleep(Duration::from_millis(10));
        }
        client.join().unwrap_or_else(|_| Err("panicked".to_owned()))
    });
    let said = said.map_err(|why| anyhow!(why))?;
    asked.extend(served.asked(&twin));
    let texts: Vec<&str> = asked.iter().map(|asked| asked.what.as_str()).collect();
    let texts = texts.join(", ");
    for asked in asked {
        twin.send(asked.command);
    }
    // A command acts in the next tick.
    twin.step();
    twin.step();
    let after = twin.view(None);
    let (was, is) = (&before.homes[home], &after.homes[home]);
    let line = |name: &str, what: &str| {
        said.lines()
            .filter_map(|line| line.split_once('\t'))
            .any(|(named, outcome)| named == name && outcome.contains(what))
    };
    Ok(vec![
        ("limit accepted".into(), line("limit", "accepted")),
        ("set-point accepted".into(), line("charge", "accepted")),
        (
            "a power beyond the battery refused with exception 3".into(),
            line("beyond", "3"),
        ),
        (
            format!("commands: {texts}"),
            texts.contains("battery at 2000 W"),
        ),
        (
            format!("solar {:.2} -> {:.2} kW", was.pv_kw, is.pv_kw),
            was.pv_kw > 0.1 && is.pv_kw.abs() < 0.01,
        ),
        (
            format!("battery {:+.2} -> {:+.2} kW", was.battery_kw, is.battery_kw),
            (is.battery_kw - CHARGE_W / 1_000.0).abs() < 0.05,
        ),
    ])
}

fn figure(gate: Gate) -> Figure {
    Figure {
        case: gate.case,
        metric: gate.metric.into(),
        value: gate.value,
        unit: gate.unit.into(),
        target: gate.target,
        pass: gate.pass,
        peer: (!gate.note.is_empty()).then_some(gate.note),
        ratio: None,
    }
}
