//! A group on a simulated network: decides, paces, crashes, heals, rewinds.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::sync::Arc;

use common::{Number, chain, fast, group, keys, run_to};
use gridloom_consensus::{Chain, Cluster, ClusterConfig, SigMemo, Step};
use gridloom_units::SimTime;

#[test]
fn four_validators_decide_and_agree() {
    let mut cluster = group(4, &fast(7, 0));
    run_to(&mut cluster, 30, SimTime(10_000));
    let decided = cluster.drain_decided();
    assert!(decided.len() >= 30);
    for (height, block) in (1..).zip(&decided) {
        let block_height = block.decided.certificate.height;
        assert_eq!(block_height, height);
        let set = cluster.best_chain().unwrap().set.clone();
        let id = cluster.best_chain().unwrap().id();
        let mut memo = SigMemo::default();
        assert_eq!(
            block.decided.certificate.verify(&id, &set, &mut memo),
            Ok(())
        );
        assert!(memo.checked >= 3);
        assert_eq!(block.decided.certificate.round, 0);
    }
    // One round costs well under 0.1 s on links of 5 to 15 ms.
    assert!(decided[29].at < SimTime(2_000), "{:?}", decided[29].at);
    assert!(cluster.drain_decided().is_empty());
}

#[test]
fn transactions_are_decided_once_and_everywhere() {
    let config = ClusterConfig {
        min_block_interval_ms: 500,
        empty_block_interval_ms: 5_000,
        ..fast(3, 0)
    };
    let mut cluster = group(4, &config);
    for n in 0..50 {
        cluster.submit(Arc::new(Number(n)));
        cluster.advance(SimTime(n * 100));
    }
    cluster.advance(SimTime(8_000));
    for node in 0..4 {
        let mut done = cluster.chain(node).unwrap().done.as_ref().clone();
        done.sort();
        assert_eq!(done, (0..50).collect::<Vec<_>>());
    }
}

#[test]
fn an_idle_group_waits_for_its_empty_block_and_a_transaction_wakes_it() {
    let config = ClusterConfig {
        min_block_interval_ms: 1_000,
        empty_block_interval_ms: 20_000,
        ..fast(3, 0)
    };
    let mut cluster = group(4, &config);
    cluster.advance(SimTime(19_000));
    assert_eq!(cluster.height(), 1);
    assert!(cluster.statuses().iter().all(|s| s.step == Step::Waiting));
    cluster.submit(Arc::new(Number(1)));
    cluster.advance(SimTime(19_300));
    assert_eq!(cluster.height(), 2);
    cluster.advance(SimTime(60_000));
    assert_eq!(cluster.height(), 4);
    let log: Vec<_> = cluster.network().log().collect();
    assert!(log.iter().any(|m| m.kind == "precommit" && m.height == 4));
}

#[test]
fn one_of_four_may_be_down_and_catches_up() {
    let mut cluster = group(4, &fast(11, 0));
    cluster.advance(SimTime(300));
    cluster.crash(2);
    run_to(&mut cluster, 40, SimTime(60_000));
    let tip = cluster.chain(2).unwrap().tip();
    assert!(tip < 20);
    cluster.restart(2);
    let target = cluster.height() + 5;
    run_to(&mut cluster, target, SimTime(120_000));
    let counters = cluster.node_counters(2).unwrap();
    assert!(counters.synced >= 20, "{counters:?}");
}

#[test]
fn two_of_four_down_stops_the_chain_and_it_goes_on_by_itself() {
    let mut cluster = group(4, &fast(5, 0));
    cluster.advance(SimTime(500));
    cluster.crash(0);
    cluster.crash(1);
    cluster.advance(SimTime(600));
    let stopped_at = cluster.height();
    cluster.advance(SimTime(20_000));
    assert_eq!(cluster.height(), stopped_at);
    cluster.restart(0);
    run_to(&mut cluster, stopped_at + 10, SimTime(40_000));
}

#[test]
fn halves_decide_nothing_and_heal() {
    let mut cluster = group(4, &fast(9, 0));
    cluster.advance(SimTime(500));
    cluster.partition(&[vec![0, 1], vec![2, 3]]);
    cluster.advance(SimTime(600));
    let cut_at = cluster.height();
    cluster.advance(SimTime(10_000));
    assert_eq!(cluster.height(), cut_at);
    cluster.heal();
    run_to(&mut cluster, cut_at + 5, SimTime(20_000));
}

#[test]
fn a_liar_proposing_bad_blocks_only_costs_rounds() {
    let keys = keys(4);
    let mut chain = chain(&keys);
    chain.liar = true;
    // Everybody builds wrong blocks: nothing can be decided.
    let mut cluster = Cluster::new(&fast(2, 0), keys, &chain, SimTime(0));
    cluster.advance(SimTime(5_000));
    assert_eq!(cluster.height(), 0);
    assert!(cluster.node_counters(0).unwrap().invalid_blocks > 0);
}

#[test]
fn an_equivocator_is_found_out() {
    let mut cluster = group(4, &fast(13, 0));
    cluster.set_equivocator(1, true);
    run_to(&mut cluster, 20, SimTime(60_000));
    assert!(cluster.evidence() > 0);
    assert!(cluster.chain(0).unwrap().evidence > 0);
}

#[test]
fn equal_seeds_give_equal_digests_and_others_do_not() {
    let run = |seed| {
        let mut cluster = group(4, &fast(seed, 50_000));
        cluster.advance(SimTime(5_000));
        cluster.digest()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_cluster_fits_into_a_component() {
    fn fits<T: Send + Sync + 'static>(_: &T) {}
    fits(&group(4, &fast(1, 0)));
}
