//! Islands and equipment in shipped scenes: expectations, determinism, several
//! islands at once.

use std::fs;
use std::path::{Path, PathBuf};

use gridloom_core::expect::Expectations;
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_model::scene;
use gridloom_units::Tick;

/// Ticks between two snapshots of the re-simulated run.
const EVERY: u64 = 300;

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

fn meets_its_expectations(name: &str) -> Twin {
    let mut twin = twin(name, TwinOptions::default());
    let specs = twin.scene().scene.expect.clone();
    let end = twin.end().start(twin.tick_ms());
    let mut watch = Expectations::new(&specs, end).expect("times are valid");
    while twin.tick() < twin.end() {
        twin.step();
        watch.observe(&mut twin);
    }
    for outcome in watch.finish(&mut twin) {
        assert!(outcome.met, "{name}: {}: {}", outcome.what, outcome.seen);
    }
    twin
}

/// The plain run against one with another spawn order and one re-simulated
/// from snapshots.
fn same_in_every_way(name: &str, plain: &Twin, end: Tick) {
    let hashes = &plain.hashes()[..end.0 as usize];
    let mut permuted = twin(
        name,
        TwinOptions {
            permute: true,
            ..TwinOptions::default()
        },
    );
    permuted.run_until(end);
    assert_eq!(hashes, permuted.hashes(), "{name}: spawn order");
    let mut again = twin(name, TwinOptions::default());
    while again.tick() < end {
        let snapshot = again.snapshot();
        again.run_until(Tick((again.tick().0 + AGAIN).min(end.0)));
        again.restore(&snapshot);
        again.run_until(Tick((again.tick().0 + EVERY).min(end.0)));
        assert_eq!(again.divergence(), None, "{name}");
    }
    assert_eq!(hashes, again.hashes(), "{name}: snapshots");
}

#[test]
fn the_quarter_goes_dark_and_comes_back() {
    let name = "island_blackstart.scene.ron";
    let plain = meets_its_expectations(name);
    // Islanding, collapse, black start, synchronising: all before here.
    same_in_every_way(name, &plain, Tick(1_700));
}

#[test]
fn a_cloud_front_passes() {
    let name = "cloud_front.scene.ron";
    let plain = meets_its_expectations(name);
    same_in_every_way(name, &plain, Tick(640));
}

#[test]
fn the_cars_come_home() {
    let name = "evening_ev_rush.scene.ron";
    let plain = meets_its_expectations(name);
    same_in_every_way(name, &plain, Tick(1_000));
}

/// The black start scene with slow chargers, so that nothing overloads.
fn light() -> (PathBuf, String) {
    let file = path("island_blackstart.scene.ron");
    let text = fs::read_to_string(&file).expect("the scene is part of the repository");
    let light = text.replace("ev: (kw: 7.4", "ev: (kw: 2.0");
    assert_ne!(text, light);
    (file, light)
}

/// The same with its second battery in the south street.
fn apart() -> Twin {
    let (file, text) = light();
    let moved = text.replace(
        "id: \"BESS-B\", bus: \"bess\"",
        "id: \"BESS-B\", bus: \"south_4\"",
    );
    assert_ne!(text, moved);
    let loaded = scene::load_str(&moved, &file, None).expect("it loads");
    Twin::new(loaded, TwinOptions::default()).expect("it builds")
}

#[test]
fn two_islands_have_their_own_frequencies_and_meet_only_in_step() {
    let mut twin = apart();
    let m3 = twin.device("M3").expect("the scene has it");
    twin.send(Command::LoseGrid);
    twin.run_until(Tick(5));
    let view = twin.view(None);
    assert_eq!(view.islands.islands.len(), 1, "both share the quarter");
    assert_eq!(view.islands.islands[0].units, [0, 1]);
    // By droop each carries its share of the load, wherever it stands.
    let [a, b] = &view.islands.units[..] else {
        panic!("two units");
    };
    let shares = (a.p_kw / 36.0, b.p_kw / 18.0);
    assert!(
        a.p_kw > 1.0 && (shares.0 - shares.1).abs() < 0.02,
        "{shares:?}"
    );

    twin.send(Command::OpenBreaker(m3));
    twin.run_until(Tick(12));
    let view = twin.view(None);
    assert_eq!(view.islands.islands.len(), 2);
    let [f_a, f_b] = [0, 1].map(|i| view.islands.islands[i].f_hz);
    assert!((f_a - f_b).abs() > 1e-3, "{f_a} {f_b}");
    let served: f64 = view.islands.islands.iter().map(|i| i.load_kw).sum();
    let delivered: f64 = view.islands.islands.iter().map(|i| i.delivered_kw).sum();
    assert!(
        delivered > served && delivered < served * 1.1,
        "losses only"
    );
    assert!(
        view.islands.worst_residual < 1e-6,
        "{}",
        view.islands.worst_residual
    );

    // Whoever closes: either refused with the reason, or one island from then on.
    for attempt in 0..40 {
        twin.send(Command::CloseBreaker(m3));
        let next = Tick(twin.tick().0 + 3);
        twin.run_until(next);
        let view = twin.view(None);
        let closed = view.mlmds[3].closed;
        assert_eq!(view.islands.islands.len(), if closed { 1 } else { 2 });
        if closed {
            return;
        }
        assert!(
            view.islands.refusal.is_some(),
            "attempt {attempt} refused silently"
        );
    }
}

#[test]
fn nothing_forms_behind_a_closed_main_switch_without_a_grid() {
    let file = path("island_blackstart.scene.ron");
    let text = fs::read_to_string(&file).expect("the scene is part of the repository");
    let slow = text.replace("detect_ms: 200", "detect_ms: 60000");
    let loaded = scene::load_str(&slow, &file, None).expect("it loads");
    let mut twin = Twin::new(loaded, TwinOptions::default()).expect("it builds");
    twin.send(Command::LoseGrid);
    twin.run_until(Tick(30));
    let view = twin.view(None);
    assert!(view.islands.main_closed && view.islands.islands.is_empty());
    assert!(
        view.homes
            .iter()
            .all(|home| home.v_pu.is_none() && home.net_kw == 0.0)
    );
    twin.run_until(Tick(90));
    let view = twin.view(None);
    assert!(!view.islands.main_closed && view.islands.islands.len() == 1);
}

#[test]
fn planned_islanding_waits_for_a_small_exchange() {
    let (file, text) = light();
    let loaded = scene::load_str(&text, &file, None).expect("it loads");
    let mut twin = Twin::new(loaded, TwinOptions::default()).expect("it builds");
    twin.send(Command::Island);
    twin.run_until(Tick(120));
    let view = twin.view(None);
    assert!(!view.islands.main_closed, "{}", view.islands.under_way);
    assert_eq!(view.islands.islands.len(), 1);
    // Balanced before: nothing had to be shed.
    assert!(view.islands.shed.is_empty());
    assert!((view.islands.islands[0].f_hz - 50.0).abs() < 0.2);
}
