//! Wrong configurations are refused with file, line and what to do.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::path::{Path, PathBuf};

use gridloom_node::{Config, InitOptions, init};

fn written(dir: &Path) -> (PathBuf, PathBuf) {
    let place = dir.join("ledger");
    init(&place, &InitOptions::default()).unwrap();
    (place.join("v1/node.ron"), place.join("genesis.ron"))
}

/// Replaces text in one of the files and gives what loading then says.
fn said(edit: &Path, config: &Path, from: &str, to: &str) -> String {
    let good = std::fs::read_to_string(edit).unwrap();
    assert!(good.contains(from), "{from:?} is not in {}", edit.display());
    std::fs::write(edit, good.replacen(from, to, 1)).unwrap();
    let problem = Config::load(config).expect_err(to);
    std::fs::write(edit, good).unwrap();
    assert_eq!(problem.file.file_name(), edit.file_name(), "{problem}");
    assert!(problem.line > 1, "no line: {problem}");
    problem.to_string()
}

#[test]
fn every_mistake_is_named_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (config, genesis) = written(dir.path());
    Config::load(&config).unwrap();
    let cases = [
        (&config, "name: \"v1\"", "nam: \"v1\"", "nam"),
        (
            &config,
            "name: \"v1\"",
            "name: \"x\"",
            "its validators are v1, v2, v3, v4",
        ),
        (
            &config,
            "name: \"v2\"",
            "name: \"v1\"",
            "this node itself, or listed twice",
        ),
        (
            &config,
            "name: \"v2\"",
            "name: \"v9\"",
            "no validator of this ledger",
        ),
        (
            &config,
            "listen: \"127.0.0.1:4700\"",
            "listen: \"4700\"",
            "host:port",
        ),
        (&config, "clients: 32", "clients: 0", "clients 1 to 1024"),
        (&config, "min_block_ms: 150", "min_block_ms: -1", ":"),
        (
            &config,
            "save_state_every: 1000",
            "save_state_every: 0",
            "at least 1",
        ),
        (
            &genesis,
            "chain: \"gridloom-local\"",
            "chain: \"a/b\"",
            "no slash",
        ),
        (&genesis, "power: 1", "power: 0", "must be 1 to 1000000"),
        (&genesis, "slot_min: 15", "slot_min: 0", "whole minutes"),
        (&genesis, "name: \"v2\"", "name: \"v1\"", "used twice"),
    ];
    for (edit, from, to, expected) in cases {
        let text = said(edit, &config, from, to);
        assert!(text.contains(expected), "{to}: {text}");
    }
    // A key with a digit too many, wherever the first one stands.
    let text = said(&genesis, &config, "key: \"", "key: \"0");
    assert!(text.contains("64 hexadecimal digits"), "{text}");
}

#[test]
fn keys_must_be_those_of_the_genesis() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = written(dir.path());
    let own = config.with_file_name("validator.key");
    let other = dir.path().join("ledger/v2/validator.key");
    std::fs::copy(other, own).unwrap();
    let text = Config::load(&config).unwrap_err().to_string();
    assert!(text.contains("this is not the key of v1"), "{text}");
    assert!(text.contains("node.ron:"), "{text}");
}

#[test]
fn a_folder_in_use_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = written(dir.path());
    let folder = config.parent().unwrap().parent().unwrap();
    let refused = init(folder, &InitOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("not empty"), "{refused}");
}
