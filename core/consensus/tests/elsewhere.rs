//! A validator of a group that runs in a place of its own.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod common;

use std::sync::Arc;

use common::{Number, TestChain, chain, keys};
use gridloom_consensus::{AwayNode, Chain, Cluster, ClusterConfig, Message, Said};
use gridloom_units::SimTime;

const AWAY: u16 = 2;
const TICK_MS: u64 = 200;

fn group() -> Cluster<TestChain> {
    let keys = keys(4);
    let chain = chain(&keys);
    let config = ClusterConfig {
        min_block_interval_ms: 500,
        empty_block_interval_ms: 500,
        ..ClusterConfig::default()
    };
    Cluster::new(&config, keys, &chain, SimTime(0))
}

/// The other place, and what it has said since the last tick.
struct Elsewhere {
    who: u16,
    node: AwayNode<TestChain>,
    said: Vec<Said<TestChain>>,
}

fn leave(group: &mut Cluster<TestChain>) -> Elsewhere {
    leave_as(group, AWAY)
}

fn leave_as(group: &mut Cluster<TestChain>, who: u16) -> Elsewhere {
    assert!(group.give_away(who) && !group.give_away(who));
    let config = Arc::clone(group.config(who).unwrap());
    let now = group.now().0 * 1_000;
    let handover = group.handover(who).unwrap();
    let (node, said) = AwayNode::new(config, handover, now);
    Elsewhere { who, node, said }
}

/// One tick of all, with bytes in between as a line would carry them.
fn tick(group: &mut Cluster<TestChain>, all: &mut [Elsewhere], end_ms: u64) {
    for elsewhere in all.iter_mut() {
        for said in elsewhere.said.drain(..) {
            let bytes = borsh::to_vec(said.message.as_ref()).unwrap();
            let message: Message<TestChain> = borsh::from_slice(&bytes).unwrap();
            group.bring_in(elsewhere.who, said.to, &Arc::new(message));
        }
    }
    group.advance(SimTime(end_ms));
    for elsewhere in all {
        let out = group.take_outward(elsewhere.who).unwrap();
        let messages = out.into_iter().map(|o| (o.at, o.from, o.message));
        elsewhere.said = elsewhere.node.advance(messages, end_ms * 1_000);
    }
}

fn run(
    group: &mut Cluster<TestChain>,
    elsewhere: &mut [Elsewhere],
    from_ms: u64,
    until_ms: u64,
) -> u64 {
    let mut now = from_ms;
    while now < until_ms {
        now += TICK_MS;
        if now.is_multiple_of(1_000) {
            group.submit(Arc::new(Number(now)));
        }
        tick(group, elsewhere, now);
    }
    now
}

#[test]
fn it_follows_votes_and_is_needed() {
    let mut group = group();
    group.advance(SimTime(5_000));
    let before = group.height();
    assert!(before > 3);
    let mut elsewhere = [leave(&mut group)];
    assert!(group.is_remote(AWAY));
    let now = run(&mut group, &mut elsewhere, 5_000, 30_000);
    assert!(group.height() > before + 5);
    assert!(elsewhere[0].node.node().chain().tip() + 3 > group.height());
    // With another one down the group cannot decide without it.
    group.crash(0);
    let (alone, now) = (group.height(), run(&mut group, &mut elsewhere, now, 60_000));
    assert!(group.height() > alone + 3, "{} {alone}", group.height());
    // And without it nothing is decided.
    let stuck = group.height();
    group.advance(SimTime(now + 30_000));
    assert!(group.height() <= stuck + 1);
    assert!(group.fork().is_none() && group.double_signed().is_none());
    assert_eq!(group.evidence(), 0);
}

#[test]
fn it_comes_home_without_signing_anything_twice() {
    let mut group = group();
    let mut elsewhere = [leave(&mut group)];
    let now = run(&mut group, &mut elsewhere, 0, 20_000);
    assert!(group.take_back(AWAY) && !group.take_back(AWAY));
    group.advance(SimTime(now + 20_000));
    let statuses = group.statuses();
    assert!(statuses.iter().all(|status| status.up && !status.remote));
    let home = group.chain(AWAY).unwrap();
    assert!(home.tip() + 2 > group.height() && group.height() > 20);
    assert!(group.fork().is_none() && group.double_signed().is_none());
    assert_eq!(group.evidence(), 0);
}

#[test]
fn a_run_repeats_from_what_was_brought_in() {
    let mut first = group();
    let mut elsewhere = [leave(&mut first)];
    let saved = first.snapshot();
    let (mut log, mut digests) = (Vec::new(), Vec::new());
    for nth in 1..=100_u64 {
        let said: Vec<_> = elsewhere[0]
            .said
            .iter()
            .map(|said| (said.to, Arc::clone(&said.message)))
            .collect();
        log.push(said);
        tick(&mut first, &mut elsewhere, nth * TICK_MS);
        digests.push(first.digest());
    }
    assert!(first.height() > 5);
    first.restore(&saved);
    for (nth, said) in log.into_iter().enumerate() {
        for (to, message) in said {
            first.bring_in(AWAY, to, &message);
        }
        first.advance(SimTime((nth as u64 + 1) * TICK_MS));
        assert_eq!(first.digest(), digests[nth]);
    }
}

#[test]
fn all_of_them_may_leave_in_the_middle_of_a_height_and_come_home() {
    for begin in [0, 5_000, 5_130, 5_260] {
        let mut group = group();
        group.advance(SimTime(begin));
        let mut all: Vec<Elsewhere> = (0..4).map(|who| leave_as(&mut group, who)).collect();
        let now = run(&mut group, &mut all, begin, begin + 20_000);
        let tip = |e: &Elsewhere| e.node.node().chain().tip();
        let tips: Vec<u64> = all.iter().map(tip).collect();
        assert!(tips.iter().all(|tip| *tip > 5), "{begin}: {tips:?}");
        // Nobody is simulated, so nobody here knows the blocks they decided.
        let mut group = group_at(begin);
        let mut two: Vec<Elsewhere> = [1, 2].map(|who| leave_as(&mut group, who)).into();
        run(&mut group, &mut two, begin, now);
        assert!(group.take_back(1) && group.take_back(2));
        let before = group.height();
        group.advance(SimTime(now + 20_000));
        assert!(group.height() > before + 5, "{begin}: {before}");
        assert!(group.fork().is_none() && group.double_signed().is_none());
        assert_eq!(group.evidence(), 0);
    }
}

fn group_at(now_ms: u64) -> Cluster<TestChain> {
    let mut group = group();
    group.advance(SimTime(now_ms));
    group
}
