//! Shipped scenes run as a person would see them: plain with their
//! expectations, re-simulated from snapshots, and with another spawn order.

use std::path::{Path, PathBuf};

use gridloom_core::expect::Expectations;
use gridloom_core::{Twin, TwinOptions};
use gridloom_model::scene;
use gridloom_units::Tick;

/// Ticks between two snapshots of the re-simulated run.
const EVERY: u64 = 180;

/// Ticks run twice after each snapshot.
const AGAIN: u64 = 60;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenes")
        .join(name)
}

fn twin(name: &str, options: TwinOptions) -> Twin {
    let loaded = scene::load(&path(name)).unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
    Twin::new(loaded, options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Hashes after every tick, running `AGAIN` ticks twice after each snapshot.
fn resimulated(name: &str, end: Tick) -> Vec<[u8; 32]> {
    let mut twin = twin(name, TwinOptions::default());
    while twin.tick() < end {
        let snapshot = twin.snapshot();
        let ahead = Tick((twin.tick().0 + AGAIN).min(end.0));
        twin.run_until(ahead);
        twin.restore(&snapshot);
        twin.run_until(Tick((twin.tick().0 + EVERY).min(end.0)));
        assert_eq!(twin.divergence(), None, "{name}");
    }
    twin.hashes().to_vec()
}

fn same_in_every_way(name: &str, end: Tick) {
    let mut plain = twin(name, TwinOptions::default());
    plain.run_until(end);
    let mut permuted = twin(
        name,
        TwinOptions {
            permute: true,
            ..TwinOptions::default()
        },
    );
    permuted.run_until(end);
    assert_eq!(plain.hashes(), permuted.hashes(), "{name}: spawn order");
    assert_eq!(plain.hashes(), resimulated(name, end), "{name}: snapshots");
}

#[test]
fn the_two_houses_meet_their_expectations() {
    let mut twin = twin("two_houses.scene.ron", TwinOptions::default());
    let specs = twin.scene().scene.expect.clone();
    assert!(!specs.is_empty());
    let end = twin.end().start(twin.tick_ms());
    let mut watch = Expectations::new(&specs, end).expect("times are valid");
    while twin.tick() < twin.end() {
        twin.step();
        watch.observe(&mut twin);
    }
    for outcome in watch.finish(&mut twin) {
        assert!(outcome.met, "{}: {}", outcome.what, outcome.seen);
    }
}

#[test]
fn the_two_houses_run_the_same_in_every_way() {
    same_in_every_way("two_houses.scene.ron", Tick(1_800));
}

#[test]
fn the_default_scene_runs_the_same_in_every_way() {
    same_in_every_way("akerby.scene.ron", Tick(1_080));
}
