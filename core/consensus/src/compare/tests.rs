use super::*;
use crate::network::LinkConfig;

fn setting(family: Family, nodes: u16) -> Setting {
    Setting {
        family,
        nodes,
        block_ms: 2_000,
        links: LinkConfig::default(),
        node_w: 10.0,
        block_bytes: 1 << 20,
    }
}

const LOAD: Load = Load {
    per_s: 5.0,
    tx_bytes: 250,
    horizon_ms: 1_800_000,
    seed: 7,
};

fn outcome(family: Family) -> Outcome {
    compare(&setting(family, 9), &LOAD)
}

#[test]
fn a_run_repeats() {
    for family in [Family::Work, Family::Stake, Family::CrashFault] {
        assert_eq!(outcome(family), outcome(family));
    }
}

#[test]
fn everything_offered_becomes_final_but_the_newest() {
    for family in [
        Family::CrashFault,
        Family::Authority,
        Family::Stake,
        Family::Delegated,
        Family::Work,
    ] {
        let outcome = outcome(family);
        // Epochs hold back the most: two of them, 128 s of 1,800 s.
        assert!(
            outcome.finalised * 10 >= outcome.offered * 8,
            "{family:?}: {outcome:?}"
        );
        assert!(outcome.finality_p50_ms <= outcome.finality_p99_ms);
    }
}

#[test]
fn finality_comes_in_the_order_the_families_promise() {
    let p50 = |family| outcome(family).finality_p50_ms;
    let (raft, committee) = (p50(Family::CrashFault), p50(Family::Delegated));
    let (authority, work, stake) = (
        p50(Family::Authority),
        p50(Family::Work),
        p50(Family::Stake),
    );
    assert!(
        raft < authority && committee < authority,
        "{raft} {committee} {authority}"
    );
    assert!(authority < stake, "{authority} {stake}");
    assert!(raft < work, "{raft} {work}");
}

#[test]
fn only_heaviest_chains_take_blocks_back() {
    assert_eq!(outcome(Family::CrashFault).deepest_reorganisation, 0);
    // Blocks every second on links of up to a second: miners work on different tips.
    let mut slow = setting(Family::Work, 9);
    slow.block_ms = 1_000;
    slow.links.latency_max_us = 1_500_000;
    let work = compare(&slow, &LOAD);
    assert!(
        work.orphans > 0 && work.deepest_reorganisation > 0,
        "{work:?}"
    );
}
