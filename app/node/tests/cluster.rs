//! Four real processes on this machine, some killed, some files damaged.
#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::path::PathBuf;
use std::time::Duration;

use gridloom_node::config::Genesis;
use gridloom_node::local::{KillPlan, LocalCluster, Program, free_ports, kill_test};
use gridloom_node::observe::{Observed, Observer};
use gridloom_node::{InitOptions, ops};

fn program() -> Program {
    Program {
        path: PathBuf::from(env!("CARGO_BIN_EXE_gridloom-node")),
        arguments: Vec::new(),
    }
}

#[test]
fn killed_nodes_come_back_and_nothing_is_lost_or_signed_twice() {
    let dir = tempfile::tempdir().unwrap();
    let plan = KillPlan {
        program: program(),
        dir: dir.path().join("cluster"),
        kills: 3,
        seed: 7,
        rate_per_s: 60,
        homes: 8,
        damage: false,
        patience: Duration::from_secs(30),
    };
    let report = kill_test(&plan, &mut |_| {}).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.kills, report.stuck), (3, 0));
    assert_eq!(
        (
            report.lost_blocks,
            report.double_signed,
            report.disagreements
        ),
        (0, 0, 0)
    );
    assert!(
        report.heights > 3 && report.transactions > 0 && report.signed > 0,
        "{report:?}"
    );

    // What the nodes left behind can be exported, executed again elsewhere, and pruned.
    let folder = plan.dir.join("v1");
    let mut lines = Vec::new();
    let count = ops::export(&folder, 1, &mut lines).unwrap();
    let genesis = Genesis::load(&plan.dir.join("genesis.ron")).unwrap();
    assert_eq!(
        ops::import_check(&genesis, &mut lines.as_slice()),
        Ok(count)
    );
    let at = lines.len() - 10;
    lines[at] = if lines[at] == b'0' { b'1' } else { b'0' };
    assert!(ops::import_check(&genesis, &mut lines.as_slice()).is_err());
    let before = ops::verify(&folder).unwrap();
    assert_eq!((before.problems.len(), before.executed), (0, count));
    let pruned = ops::prune(&folder, 5).unwrap();
    assert_eq!((pruned.blocks, pruned.whole_from), (count - 5, count - 4));
    let after = ops::verify(&folder).unwrap();
    assert_eq!(after.problems, Vec::<String>::new());
    assert_eq!((after.pruned, after.height), (count - 5, count));
    assert_eq!(after.state_root, before.state_root);
    assert_eq!(after.blocks, before.blocks);
}

/// What an observer sees once the condition holds; panics when it never does.
fn see(observer: &Observer, holds: impl Fn(&Observed) -> bool) -> Observed {
    for _ in 0..300 {
        let seen = observer.seen();
        if holds(&seen) {
            return seen.as_ref().clone();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never seen: {:?}", observer.seen());
}

#[test]
fn an_observer_checks_what_nodes_say_and_sees_one_go() {
    let dir = tempfile::tempdir().unwrap();
    let options = |salt: u64| InitOptions {
        port: free_ports(4, salt).unwrap(),
        homes: 4,
        ..InitOptions::default()
    };
    let folder = dir.path().join("cluster");
    let mut cluster = LocalCluster::new(program(), &folder, &options(77)).unwrap();
    for node in 0..4 {
        cluster.start(node).unwrap();
    }
    let apis: Vec<String> = (0..4).map(|node| cluster.api(node).to_owned()).collect();
    let genesis = folder.join("genesis.ron");
    let observer = Observer::start(&apis, Some(&genesis)).unwrap();
    let seen = see(&observer, |seen| seen.checked_through >= 3);
    assert_eq!(seen.alarm, None);
    assert!(seen.blocks.iter().all(|b| b.checked && b.signatures >= 3));

    cluster.kill(1).unwrap();
    let gone = see(&observer, |seen| !seen.nodes[1].away.is_empty());
    assert_eq!(gone.alarm, None);
    see(&observer, |seen| {
        seen.checked_through > gone.checked_through
    });

    // With the genesis of another ledger nothing of it can be believed.
    let other = dir.path().join("other");
    LocalCluster::new(program(), &other, &options(99)).unwrap();
    let stranger = Observer::start(&apis, Some(&other.join("genesis.ron"))).unwrap();
    let seen = see(&stranger, |seen| seen.alarm.is_some());
    assert_eq!(seen.checked_through, 0);
    assert!(Observer::start(&[], None).is_err());
}
