//! Many seeds with loss, crashes, cuts and an equivocator: no fork, none stuck; and rewind.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use common::{TestChain, fast, group};
use gridloom_consensus::{Cluster, ClusterConfig, Sabotage};
use gridloom_units::{SimTime, Stream, draw_u64};
use proptest::prelude::*;

/// A random but repeatable choice.
fn pick(seed: u64, what: u64, below: u64) -> u64 {
    draw_u64(seed, what, 99, Stream::Behaviour) % below
}

/// One faulty life: loss, a crash with restart, a cut, perhaps an equivocator.
fn trouble(seed: u64, sabotage: Sabotage) -> Result<Cluster<TestChain>, String> {
    let n = if pick(seed, 0, 2) == 0 { 4 } else { 7 };
    let mut config: ClusterConfig = fast(seed, (pick(seed, 1, 15) * 10_000) as u32);
    config.links.duplicate_ppm = (pick(seed, 2, 5) * 10_000) as u32;
    if pick(seed, 3, 3) == 0 {
        config.min_block_interval_ms = 100;
        config.empty_block_interval_ms = 300;
    }
    config.sabotage = sabotage;
    let mut cluster = group(n, &config);
    if pick(seed, 11, 4) == 0 {
        // Outsiders cannot lie about others: one validator forges votes all the time.
        cluster.set_forger(u16::from(n) - 1, true);
    }
    if n == 7 && pick(seed, 4, 2) == 0 {
        cluster.set_equivocator(6, true);
    }
    let victim = pick(seed, 5, u64::from(n) - 1) as u16;
    let crash_at = pick(seed, 6, 2_000);
    let up_at = crash_at + 50 + pick(seed, 7, 3_000);
    let cut_at = pick(seed, 8, 3_000);
    let heal_at = cut_at + pick(seed, 9, 3_000);
    let border = 1 + pick(seed, 10, u64::from(n) - 1) as u16;
    let groups = [
        (0..border).collect(),
        (border..u16::from(n)).collect::<Vec<_>>(),
    ];
    let mut events = vec![(crash_at, 0), (up_at, 1), (cut_at, 2), (heal_at, 3)];
    events.sort();
    for (at, what) in events {
        cluster.advance(SimTime(at));
        match what {
            0 => cluster.crash(victim),
            1 => cluster.restart(victim),
            2 => cluster.partition(&groups),
            _ => cluster.heal(),
        }
        sound(&cluster)?;
    }
    Ok(cluster)
}

/// What must hold at every moment of every run.
fn sound(cluster: &Cluster<TestChain>) -> Result<(), String> {
    if let Some(fork) = cluster.fork() {
        return Err(format!("{fork:?}"));
    }
    if let Some(address) = cluster.double_signed() {
        return Err(format!("honest validator {address} signed twice"));
    }
    match cluster.statuses().into_iter().find_map(|s| s.stopped) {
        Some(reason) => Err(format!("stopped: {reason}")),
        None => Ok(()),
    }
}

/// One whole life: trouble, healing, three more heights. The error says what broke.
fn life(seed: u64, sabotage: Sabotage) -> Result<u64, String> {
    let mut cluster = trouble(seed, sabotage)?;
    let healed = cluster.now().0;
    let target = cluster.height() + 3;
    while cluster.statuses().iter().any(|s| s.tip < target) {
        if cluster.now().0 > healed + 30_000 {
            return Err(format!("stuck: {:?}", cluster.statuses()));
        }
        let next = SimTime(cluster.now().0 + 50);
        cluster.advance(next);
        sound(&cluster)?;
    }
    Ok(cluster.now().0 - healed)
}

#[test]
fn no_seed_forks_or_sticks() {
    let seeds: u64 = std::env::var("GRIDLOOM_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(150);
    let mut slowest = (0, 0);
    let mut times = Vec::new();
    for seed in 0..seeds {
        match life(seed, Sabotage::None) {
            Ok(ms) => {
                times.push(ms);
                slowest = slowest.max((ms, seed));
            }
            Err(what) => panic!("seed {seed}: {what}"),
        }
    }
    times.sort();
    println!(
        "{seeds} seeds, three heights after healing: median {} ms, slowest {} ms simulated (seed {})",
        times[times.len() / 2],
        slowest.0,
        slowest.1
    );
}

/// The sweep would find a real defect: three planted ones are each found.
#[test]
fn planted_defects_are_found() {
    for sabotage in [
        Sabotage::ForgetLog,
        Sabotage::TrustAll,
        Sabotage::SmallQuorum,
    ] {
        let found = (0..1_000).find_map(|seed| life(seed, sabotage).err().map(|what| (seed, what)));
        let (seed, what) = found.unwrap_or_else(|| panic!("{sabotage:?} was not found"));
        let what: String = what.chars().take(100).collect();
        println!("{sabotage:?} found by seed {seed}: {what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Running on from a restored snapshot repeats what happened, to the last event.
    #[test]
    fn rewinding_repeats_history(seed in 0_u64..1_000_000, at in 0_u64..4_000, more in 1_u64..3_000) {
        let mut cluster = group(if seed % 2 == 0 { 4 } else { 7 }, &fast(seed, 80_000));
        if seed % 3 == 0 {
            cluster.set_equivocator(0, true);
        }
        let crash_at = at / 2;
        cluster.advance(SimTime(crash_at));
        cluster.crash(1);
        if seed % 5 < 3 {
            cluster.advance(SimTime(crash_at + (at - crash_at) / 2));
            cluster.restart(1);
        }
        cluster.advance(SimTime(at));
        let snapshot = cluster.snapshot();
        let before = cluster.digest();
        let states: Vec<String> = (0..4).map(|i| cluster.engine_debug(i)).collect();

        let end = |cluster: &mut Cluster<TestChain>| {
            cluster.restart(1);
            cluster.advance(SimTime(at + more));
            (cluster.digest(), cluster.statuses(), cluster.network_counters())
        };
        let first = end(&mut cluster);
        cluster.restore(&snapshot);
        prop_assert_eq!(cluster.digest(), before);
        for (i, state) in states.iter().enumerate() {
            prop_assert_eq!(&cluster.engine_debug(i as u16), state);
        }
        prop_assert_eq!(end(&mut cluster), first);
        // And once more from the same snapshot: restoring must not use it up.
        cluster.restore(&snapshot);
        prop_assert_eq!(cluster.digest(), before);
    }
}
