//! Prints decided heights per second and the cost of a snapshot; fails only when hopelessly slow.
#![allow(
    clippy::disallowed_methods,
    reason = "measures wall time; nothing it checks depends on it"
)]
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::sync::Arc;
use std::time::Instant;

use common::{Number, fast, group};
use gridloom_consensus::{Checks, Cluster, ClusterConfig, bench_heights};
use gridloom_units::SimTime;

#[test]
fn heights_per_second() {
    let start = Instant::now();
    let mut clock = || start.elapsed().as_secs_f64();
    for (validators, heights) in [(4, 1_000), (7, 300), (20, 30)] {
        for checks in [Checks::Always, Checks::Once, Checks::Foreign] {
            let run = bench_heights(validators, heights, checks, &mut clock).expect("a group");
            println!(
                "{validators:2} validators, checks {checks:?}: {:.0} heights/s, {:.0} messages and {:.0} checks a height, {:.0} ms simulated",
                run.heights_per_s,
                run.messages_per_height,
                run.checks_per_height,
                run.simulated_ms_per_height,
            );
            assert!(run.heights >= heights);
            assert!(run.heights_per_s > 1.0);
        }
    }
}

#[test]
fn a_day_of_three_groups() {
    // Two clusters and a root, a block every 17 s, a transaction every tick of 10 s.
    let config = ClusterConfig {
        min_block_interval_ms: 17_000,
        empty_block_interval_ms: 17_000,
        ..fast(1, 1_000)
    };
    let mut groups: Vec<Cluster<_>> = (0..3).map(|_| group(4, &config)).collect();
    let start = Instant::now();
    for tick in 1..=8_640_u64 {
        for cluster in &mut groups {
            cluster.submit(Arc::new(Number(tick)));
            cluster.advance(SimTime(tick * 10_000));
            assert!(cluster.drain_decided().len() < 3);
            let _ = cluster.digest();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let heights: u64 = groups.iter().map(Cluster::height).sum();
    println!("a day of three groups: {heights} heights in {seconds:.1} s");
    assert!(heights > 14_500, "{heights}");

    let start = Instant::now();
    let snapshots: Vec<_> = (0..1_000).map(|_| groups[0].snapshot()).collect();
    let taking = start.elapsed().as_secs_f64() / 1_000.0;
    let start = Instant::now();
    for snapshot in snapshots.iter().take(200) {
        groups[0].restore(snapshot);
    }
    let restoring = start.elapsed().as_secs_f64() / 200.0;
    println!(
        "a snapshot {:.0} us, a restore {:.0} us",
        taking * 1e6,
        restoring * 1e6
    );
}
