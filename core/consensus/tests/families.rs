//! The same ledger under every family of consensus.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::sync::Arc;

use common::{Number, TestChain};
use gridloom_consensus::compare::Family;
use gridloom_consensus::{
    Chain, ClusterConfig, Group, GroupConfig, KeyPair, LinkConfig, Misconduct, SigMemo,
    ValidatorSet,
};
use gridloom_units::SimTime;

const FAMILIES: [Option<Family>; 6] = [
    None,
    Some(Family::CrashFault),
    Some(Family::Authority),
    Some(Family::Stake),
    Some(Family::Delegated),
    Some(Family::Work),
];

fn group(family: Option<Family>, endorsers: u16, seed: u64) -> Group<TestChain> {
    let keys: Vec<KeyPair> = (0..5).map(|n| KeyPair::from_seed([n + 1; 32])).collect();
    let set = ValidatorSet::new(keys.iter().map(|key| (key.public(), 1))).unwrap();
    let config = GroupConfig {
        family,
        endorsers,
        cluster: ClusterConfig {
            min_block_interval_ms: 2_000,
            empty_block_interval_ms: 2_000,
            links: LinkConfig {
                latency_min_us: 20_000,
                latency_max_us: 80_000,
                loss_ppm: 2_000,
                seed,
                ..LinkConfig::default()
            },
            ..ClusterConfig::default()
        },
    };
    Group::new(&config, keys, &TestChain::new(set), SimTime(0))
}

/// A number every two seconds for five minutes, with `meddle` before every
/// step, then time to make all of it final.
fn live(group: &mut Group<TestChain>, meddle: impl Fn(&mut Group<TestChain>, u64)) -> Vec<u64> {
    for second in 1..=900_u64 {
        if second <= 300 && second % 2 == 0 {
            group.submit(Arc::new(Number(second)));
        }
        meddle(group, second);
        group.advance(SimTime(second * 1_000));
        group.drain_decided();
    }
    let chain = group.best_chain().unwrap();
    let mut done = chain.done.to_vec();
    done.sort_unstable();
    done
}

fn everything() -> Vec<u64> {
    (1..=150).map(|n| n * 2).collect()
}

#[test]
fn the_same_transactions_come_to_the_same_books() {
    for family in FAMILIES {
        for endorsers in [0, 2] {
            let mut group = group(family, endorsers, 3);
            let done = live(&mut group, |_, _| {});
            assert_eq!(done, everything(), "{family:?} with {endorsers}");
            assert!(group.fork().is_none(), "{family:?}");
            let figures = group.figures();
            assert_eq!(figures.endorsed, if endorsers > 0 { 150 } else { 0 });
        }
    }
}

#[test]
fn crashes_and_cuts_lose_and_double_nothing() {
    for family in FAMILIES {
        for seed in 1..=6 {
            let mut group = group(family, 0, seed);
            let victim = (seed % 5) as u16;
            let done = live(&mut group, |group, second| match second {
                60 => group.crash(victim),
                110 => group.restart(victim),
                150 => group.partition(&[vec![0, 1, 2], vec![3, 4]]),
                200 => group.heal(),
                _ => {}
            });
            assert_eq!(done, everything(), "{family:?}, seed {seed}");
            let finality = !matches!(family, Some(Family::Work));
            assert!(
                !finality || group.fork().is_none(),
                "{family:?}, seed {seed}"
            );
        }
    }
}

#[test]
fn work_that_is_cut_in_two_takes_back_what_counted_as_final() {
    let mut group = group(Some(Family::Work), 0, 1);
    let done = live(&mut group, |group, second| match second {
        100 => group.partition(&[vec![0, 1, 2], vec![3, 4]]),
        280 => group.heal(),
        _ => {}
    });
    assert_eq!(done, everything());
    assert!(group.figures().deepest_reorganisation > 6);
    assert!(group.figures().orphans > 6);
    // Both halves had final blocks of their own: that is what a fork is.
    assert!(group.fork().is_some());
}

#[test]
fn without_a_majority_only_work_goes_on() {
    for family in FAMILIES {
        let mut group = group(family, 0, 2);
        group.advance(SimTime(60_000));
        for node in 0..3 {
            group.crash(node);
        }
        group.advance(SimTime(300_000));
        let before = group.height();
        group.advance(SimTime(600_000));
        let grew = group.height() > before;
        assert_eq!(grew, family == Some(Family::Work), "{family:?}");
    }
}

#[test]
fn going_back_gives_the_same_run_again() {
    for family in FAMILIES {
        let mut group = group(family, 2, 9);
        for second in 1..=40_u64 {
            group.submit(Arc::new(Number(second)));
            group.advance(SimTime(second * 1_000));
        }
        let saved = group.snapshot();
        let go_on = |group: &mut Group<TestChain>| {
            let mut digests = Vec::new();
            for second in 41..=300_u64 {
                group.submit(Arc::new(Number(second)));
                group.advance(SimTime(second * 1_000));
                digests.push(group.digest());
            }
            digests
        };
        let first = go_on(&mut group);
        group.restore(&saved);
        assert_eq!(go_on(&mut group), first, "{family:?}");
    }
}

#[test]
fn a_certificate_counts_while_two_thirds_run() {
    let mut group = group(Some(Family::CrashFault), 0, 4);
    group.advance(SimTime(20_000));
    group.crash(3);
    group.advance(SimTime(40_000));
    let holds = |group: &Group<TestChain>| {
        let chain = group.best_chain().unwrap();
        let certificate = chain.decided(chain.tip()).unwrap().certificate;
        certificate
            .verify(&chain.id(), &chain.validators(), &mut SigMemo::default())
            .is_ok()
    };
    assert!(holds(&group));
    group.crash(4);
    let before = group.height();
    group.advance(SimTime(60_000));
    // A majority goes on, but nobody outside need believe it.
    assert!(group.height() > before && !holds(&group));
}

#[test]
fn results_that_differ_are_not_ordered() {
    let mut group = group(Some(Family::CrashFault), 2, 5);
    group
        .misbehave(1, false, Some(Misconduct::InvalidBlock))
        .unwrap();
    let done = live(&mut group, |group, second| {
        if second == 100 {
            group.misbehave(1, false, None).unwrap();
        }
    });
    let figures = group.figures();
    assert_eq!(figures.differing + figures.endorsed, 150);
    assert_eq!(figures.differing, 50);
    assert_eq!(done, everything()[50..]);
    assert!(group.misbehave(1, true, None).is_err());
}
