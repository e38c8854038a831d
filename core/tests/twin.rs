//! The twin as a whole on the small scene: it runs, rewinds and does not care
//! about spawn order, threads or interruptions.

use std::path::Path;

use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_model::scene;
use gridloom_units::Tick;

fn twin(options: TwinOptions) -> Twin {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenes/two_houses.scene.ron");
    let loaded = scene::load(&path).unwrap_or_else(|issues| panic!("{issues:?}"));
    Twin::new(loaded, options).expect("the scene builds")
}

#[test]
fn spawn_order_and_decoys_change_nothing() {
    let mut plain = twin(TwinOptions::default());
    let mut permuted = twin(TwinOptions {
        permute: true,
        ..TwinOptions::default()
    });
    plain.run_until(Tick(400));
    permuted.run_until(Tick(400));
    assert_eq!(plain.hashes(), permuted.hashes());
}

#[test]
fn another_seed_is_another_run() {
    let mut one = twin(TwinOptions {
        seed: Some(1),
        ..TwinOptions::default()
    });
    let mut two = twin(TwinOptions {
        seed: Some(2),
        ..TwinOptions::default()
    });
    one.run_until(Tick(50));
    two.run_until(Tick(50));
    assert_ne!(one.hashes().last(), two.hashes().last());
}

#[test]
fn a_rewind_runs_the_same_future_again() {
    let mut twin = twin(TwinOptions {
        rewindable: true,
        ..TwinOptions::default()
    });
    twin.run_until(Tick(120));
    let breaker = twin.view(None).scene.mlmds[0].device;
    twin.send(Command::OpenBreaker(breaker));
    twin.run_until(Tick(700));
    let recorded = twin.hashes().to_vec();
    for target in [650, 301, 299, 119, 0, 700] {
        twin.seek(Tick(target));
        assert_eq!(twin.tick(), Tick(target));
        twin.run_until(Tick(700));
        assert_eq!(twin.divergence(), None, "after going to {target}");
    }
    assert_eq!(twin.hashes(), recorded);
}

#[test]
fn a_leap_forth_finds_what_happened_between() {
    let mut twin = twin(TwinOptions {
        rewindable: true,
        ..TwinOptions::default()
    });
    twin.run_until(Tick(320));
    let breaker = twin.view(None).scene.mlmds[0].device;
    twin.send(Command::OpenBreaker(breaker));
    for tick in 321..900 {
        twin.run_until(Tick(tick));
        if tick % 50 == 0 {
            twin.keep_keyframe();
        }
    }
    let before: Vec<_> = twin.view(None).events.iter().cloned().collect();
    let messages = |twin: &mut Twin| twin.view(None).ledgers[0].message_log.clone();
    let sent = messages(&mut twin);
    let hashes = twin.hashes().to_vec();
    twin.seek(Tick(10));
    assert!(twin.view(None).events.len() < before.len());
    // The keyframe at 850 is nearer than the 889 ticks from here.
    twin.leap(Tick(899));
    assert_eq!(twin.tick(), Tick(850));
    twin.run_until(Tick(899));
    let after: Vec<_> = twin.view(None).events.iter().cloned().collect();
    assert_eq!(after, before);
    assert_eq!(messages(&mut twin), sent);
    assert_eq!((twin.hashes(), twin.divergence()), (&hashes[..], None));
    // A changed past has no future to leap to.
    twin.seek(Tick(100));
    twin.send(Command::SetCloud(500));
    twin.leap(Tick(899));
    assert_eq!(twin.tick(), Tick(100));
    twin.run_until(Tick(400));
    assert!(twin.view(None).events.iter().all(|e| e.tick.0 < 400));
}

#[test]
fn snapshots_taken_anywhere_resume_to_the_bit() {
    let mut twin = twin(TwinOptions::default());
    twin.run_until(Tick(317));
    let snapshot = twin.snapshot();
    twin.run_until(Tick(600));
    let first = twin.hashes().to_vec();
    twin.restore(&snapshot);
    assert_eq!(twin.tick(), Tick(317));
    twin.run_until(Tick(600));
    assert_eq!(twin.divergence(), None);
    assert_eq!(twin.hashes(), first);
}

#[test]
fn acting_in_the_past_starts_a_new_future() {
    let mut twin = twin(TwinOptions {
        rewindable: true,
        ..TwinOptions::default()
    });
    twin.run_until(Tick(400));
    let abandoned = *twin.hashes().last().expect("ran");
    twin.seek(Tick(100));
    let breaker = twin.view(None).scene.mlmds[0].device;
    twin.send(Command::OpenBreaker(breaker));
    assert_eq!(twin.head(), Tick(100));
    twin.run_until(Tick(400));
    assert_ne!(twin.hashes().last(), Some(&abandoned));
    assert_eq!(twin.divergence(), None);
}

#[test]
fn an_open_breaker_leaves_its_customers_without_voltage() {
    let mut twin = twin(TwinOptions::default());
    twin.run_until(Tick(10));
    let view = twin.view(None);
    assert!(view.homes.iter().all(|home| home.v_pu.is_some()));
    twin.send(Command::OpenBreaker(view.scene.mlmds[0].device));
    twin.run_until(Tick(14));
    let view = twin.view(None);
    let behind = &view.scene.mlmds[0].homes;
    assert!(!behind.is_empty());
    for &home in behind {
        assert_eq!(view.homes[home].v_pu, None);
        assert_eq!(view.homes[home].net_kw, 0.0);
    }
    assert!(!view.alarms.is_empty());
}
