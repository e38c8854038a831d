//! A program outside, in another language, bids for a home: it gets cheaper
//! energy, or none, and its run can be repeated without it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn gridloom() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridloom"));
    command.current_dir(root());
    command
}

/// The scene without its own bids: whatever is bid comes from outside.
fn scene(folder: &Path) -> PathBuf {
    let text = fs::read_to_string(root().join("scenes/wholesale.scene.ron")).expect("the scene");
    let begin = text.find("  events: [").expect("it has events");
    let end = text.find("  expect: [").expect("it has expectations");
    let text = format!("{}\n)\n", text[..begin].trim_end());
    assert!(end > begin);
    for part in ["grids", "profiles"] {
        fs::create_dir_all(folder.join(part)).expect("a folder");
    }
    for file in ["grids/two_houses.grid.ron", "profiles/bids.profile.ron"] {
        fs::copy(root().join("scenes").join(file), folder.join(file)).expect("copied");
    }
    let scene = folder.join("bids.scene.ron");
    fs::write(&scene, text).expect("written");
    scene
}

/// What a run leaves: state hashes and the money and energy of H2.
struct Left {
    hashes: String,
    log: String,
    local_wh: i64,
    paid_nano_eur: i64,
}

fn left(folder: &Path, name: &str) -> Left {
    let read = |ending: &str| fs::read_to_string(folder.join(format!("{name}.{ending}")));
    let log = read("log").unwrap_or_default();
    let database = folder.join(format!("{name}.db"));
    let sql = "select sum(energy_wh) as wh, sum(nano_eur) as paid from trade t \
               join participant p on p.participant_id = t.buyer_id \
               where p.name = 'H2' and t.reason = 'local trade'";
    let asked = gridloom()
        .args(["cloud", "ask", "--sql", sql])
        .arg(&database)
        .output()
        .expect("asked");
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    let numbers: Vec<i64> = text
        .split(|c: char| !(c.is_ascii_digit() || c == '-'))
        .filter_map(|word| word.parse().ok())
        .collect();
    Left {
        hashes: read("hashes").expect("hashes"),
        log,
        local_wh: numbers.first().copied().unwrap_or(0),
        paid_nano_eur: numbers.get(1).copied().unwrap_or(0),
    }
}

fn run(scene: &Path, folder: &Path, name: &str) -> Command {
    let mut command = gridloom();
    command
        .arg("run")
        .arg(scene)
        .arg("--hashes")
        .arg(folder.join(format!("{name}.hashes")))
        .arg("--db")
        .arg(folder.join(format!("{name}.db")));
    command
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A run in lockstep with the bidder at a limit.
fn with_bidder(scene: &Path, folder: &Path, name: &str, limit: i64) -> Left {
    let mut command = run(scene, folder, name);
    let mut running: Child = command
        .args(["--agents", "127.0.0.1:0", "--lockstep", "20000"])
        .args(["--await-agents", "1", "--json", "--input-log"])
        .arg(folder.join(format!("{name}.log")))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the run starts");
    let mut lines = BufReader::new(running.stderr.take().expect("piped")).lines();
    let address = lines
        .find_map(|line| {
            let line = line.expect("text");
            line.strip_prefix("agents: listening on ")
                .map(str::to_owned)
        })
        .expect("it says where it listens");
    let bidder = Command::new("python3")
        .arg(root().join("tests/agents/bidder.py"))
        .args([&address, "H2", "--limit", &limit.to_string()])
        .output()
        .expect("python3");
    let said = told(&bidder);
    assert!(bidder.status.success(), "{said}");
    assert!(said.contains("orders final, 0 refused"), "{said}");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let status = running.wait().expect("the run ends");
    assert!(status.success(), "{rest:?}");
    assert!(
        rest.iter().any(|line| line.contains("0 refused")),
        "{rest:?}"
    );
    left(folder, name)
}

#[test]
fn an_outside_agent_that_bids_lower_pays_less_or_gets_less_and_replays() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("NOT CHECKED: there is no python3 to run the agent with");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let scene = scene(folder);
    let alone = run(&scene, folder, "alone").output().expect("it runs");
    assert!(alone.status.success(), "{}", told(&alone));
    let alone = left(folder, "alone");
    assert!(alone.local_wh > 0 && alone.paid_nano_eur != 0);

    // 11.5 ct is above the neighbour's 11: the same energy for less.
    let cheap = with_bidder(&scene, folder, "cheap", 115_000);
    assert_eq!(cheap.local_wh, alone.local_wh);
    assert!(cheap.paid_nano_eur.abs() < alone.paid_nano_eur.abs());
    // 9 ct is below it: nothing of the neighbour's energy.
    let low = with_bidder(&scene, folder, "low", 90_000);
    assert!(low.local_wh < alone.local_wh / 2, "{}", low.local_wh);

    // The recorded run without the agent gives the same state after every tick,
    // and the agent's run is another one than that without it.
    let again = run(&scene, folder, "again")
        .arg("--replay")
        .arg(folder.join("cheap.log"))
        .output()
        .expect("it runs");
    assert!(again.status.success(), "{}", told(&again));
    let again = left(folder, "again");
    assert_eq!(again.hashes, cheap.hashes);
    assert_ne!(again.hashes, alone.hashes);
    assert_eq!(again.paid_nano_eur, cheap.paid_nano_eur);
    // The log is lines of JSON.
    let logged: Vec<Value> = cheap
        .log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(logged.len() >= 10);
    // In lockstep the moment of an order does not depend on the program's speed.
    let second = with_bidder(&scene, folder, "second", 115_000);
    assert_eq!(second.hashes, cheap.hashes);
}
