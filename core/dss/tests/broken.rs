//! Decks with mistakes: a clear message with file and line, never a panic.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gridloom_dss::{DssError, Files, Severity, load_deck_with};
use gridloom_flow::Network;
use proptest::prelude::*;

/// Files in memory.
struct Memory(BTreeMap<PathBuf, String>);

impl Files for Memory {
    fn read(&self, path: &Path) -> Result<String, String> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| "no such file".to_owned())
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        self.0
            .keys()
            .filter(|p| p.parent() == Some(directory))
            .filter_map(|p| p.file_name()?.to_str().map(str::to_owned))
            .collect()
    }
}

fn read(deck: &str) -> Result<gridloom_dss::DssImport, DssError> {
    let files = Memory(BTreeMap::from([(PathBuf::from("d.dss"), deck.to_owned())]));
    load_deck_with(&files, Path::new("d.dss"), &[])
}

const HEAD: &str = "clear\nnew circuit.c basekv=0.4 bus1=a\nnew line.l bus1=a bus2=b r1=0.1 x1=0.1 r0=0.1 x0=0.1 c1=0 c0=0\n";

/// Every deck of the folder says in its last line which error it must give.
#[test]
fn broken_decks_give_clear_messages_with_file_and_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/broken_decks");
    let mut decks: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder of broken decks")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "dss"))
        .collect();
    decks.sort();
    assert!(decks.len() >= 20, "{}", decks.len());
    for path in decks {
        let text = std::fs::read_to_string(&path).expect("readable");
        let (_, want) = text.rsplit_once("! expect: ").expect("an expectation");
        let error = gridloom_dss::load_deck(&path)
            .expect_err(&path.display().to_string())
            .to_string();
        assert!(error.contains(want.trim()), "{error}\nwant: {want}");
        let name = path.file_name().expect("a file").to_string_lossy();
        let (_, place) = error
            .split_once(&format!("{name}:"))
            .expect("names the deck");
        let line: String = place.chars().take_while(char::is_ascii_digit).collect();
        assert!(line.parse::<usize>().is_ok_and(|n| n >= 1), "{error}");
    }
}

#[test]
fn what_is_left_out_is_reported_with_its_line() {
    let deck = format!(
        "{HEAD}new relay.r monitoredobj=line.l\nfrobnicate\nnew load.h bus1=b.1 phases=1 kv=0.23 kw=1 colour=red\n"
    );
    let import = read(&deck).expect("readable");
    let losses: Vec<String> = import
        .report
        .iter()
        .filter(|f| f.severity == Severity::Loss)
        .map(ToString::to_string)
        .collect();
    assert_eq!(losses.len(), 3, "{losses:?}");
    assert!(losses[0].starts_with("d.dss:4:"), "{losses:?}");
    assert!(losses[1].starts_with("d.dss:5:"), "{losses:?}");
    assert!(losses[2].contains("colour"), "{losses:?}");
}

#[test]
fn file_names_are_found_in_another_case() {
    let files = Memory(BTreeMap::from([
        (
            PathBuf::from("m/d.dss"),
            format!("{HEAD}redirect Loads.TXT\n"),
        ),
        (
            PathBuf::from("m/loads.txt"),
            "new load.h bus1=b.1 phases=1 kv=0.23 kw=1".to_owned(),
        ),
    ]));
    let import = load_deck_with(&files, Path::new("m/d.dss"), &[]).expect("readable");
    assert_eq!(import.case.loads.len(), 1);
}

#[test]
fn a_small_deck_solves() {
    let deck = format!(
        "{HEAD}new load.h bus1=b.1 phases=1 kv=0.23 kw=1 pf=0.9\nset voltagebases=[0.4]\ncalcv\n"
    );
    let import = read(&deck).expect("readable");
    let mut network = Network::build(&import.case).expect("builds");
    assert!(network.solve().converged);
    let port = network.port_index("h").expect("known");
    assert!((network.port_power(port).0 - 1000.0).abs() < 1e-3);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(lines in prop::collection::vec("[ -~]{0,60}", 0..12)) {
        let _ = read(&format!("{HEAD}{}", lines.join("\n")));
    }

    #[test]
    fn no_property_value_makes_the_reader_or_solver_panic(
        class in prop::sample::select(vec!["line.x bus1=a bus2=c", "load.x bus1=b", "transformer.x buses=[a d]", "capacitor.x bus1=b", "reactor.x bus1=b", "generator.x bus1=b"]),
        property in prop::sample::select(vec!["phases", "kv", "kva", "kw", "kvar", "r1", "x", "r", "length", "xhl", "conn", "model", "windings", "taps", "vminpu"]),
        value in prop::sample::select(vec!["0", "-1", "1e308", "1e-308", "nan", "inf", "(1 0 /)", "[1 2 3]", "delta", "99", "2"]),
    ) {
        let built = read(&format!("{HEAD}new {class} {property}={value}\n"))
            .ok()
            .and_then(|import| Network::build(&import.case).ok());
        if let Some(mut network) = built {
            let report = network.solve();
            prop_assert!(!report.converged || network.voltage(0).is_finite());
        }
    }
}
