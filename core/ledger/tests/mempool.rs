//! The waiting line: order, limits, and what leaves it.

use gridloom_consensus::{Chain, Tx};
use gridloom_ledger::rehearsal::Rehearsal;
use gridloom_ledger::{MAX_PER_SIGNER, MeterReading, Transaction, TxBody};

fn cluster() -> Rehearsal {
    let mut cluster = Rehearsal::new(3, 2).expect("a good genesis");
    cluster.register_all(0).expect("registered");
    cluster
}

#[test]
fn a_block_takes_readings_before_the_price_whatever_came_first() {
    let mut cluster = cluster();
    let aggregator = cluster.aggregator.clone();
    assert!(cluster.settle(0));
    for mlmd in 0..2 {
        let load = TxBody::AreaLoad {
            mlmd,
            interval_end_ms: 900_000,
            energy_wh: 1,
        };
        let tx = cluster.sign(&aggregator, load);
        assert!(cluster.submit(tx));
    }
    for end_ms in [600_000, 900_000] {
        for home in (0..3).rev() {
            assert!(cluster.read(
                home,
                MeterReading {
                    interval_end_ms: end_ms,
                    import_wh: end_ms as i64 / 10_000,
                    ..MeterReading::default()
                }
            ));
        }
    }
    let block = cluster.step(900_000).expect("a block");
    let kinds: Vec<&str> = block.transactions().iter().map(|tx| tx.kind()).collect();
    let mut expected = vec!["reading"; 6];
    expected.extend(["area load", "area load", "settle"]);
    assert_eq!(kinds, expected);
    // Two readings of one meter stand in their order, so both counted.
    let receipts = format!("{:?}", cluster.receipts());
    assert!(!receipts.contains("Refused"), "{receipts}");
    let counters = cluster.chain().mempool_counters();
    assert_eq!((counters.waiting, counters.bytes), (0, 0));
    assert_eq!(counters.executed, counters.accepted);
}

#[test]
fn replicas_with_different_lines_agree_and_drop_what_is_obsolete() {
    let mut cluster = cluster();
    let (_, meter) = cluster.homes[0].clone();
    let chain = cluster.chain().id();
    let read = |seq: u64| {
        let reading = MeterReading {
            interval_end_ms: (seq + 1) * 300_000,
            import_wh: seq as i64,
            ..MeterReading::default()
        };
        Transaction::sign(&chain, &meter, seq, TxBody::Reading(reading))
    };
    // The second replica misses the later reading, the first one the earlier.
    let (early, late) = (std::sync::Arc::new(read(0)), std::sync::Arc::new(read(1)));
    assert!(cluster.replicas[0].submit(late));
    assert!(cluster.replicas[1].submit(std::sync::Arc::clone(&early)));
    assert!(!cluster.replicas[1].submit(early));
    assert_eq!(cluster.replicas[1].mempool_counters().duplicates, 1);
    // Height 3 is built by replica 1, height 4 by replica 0.
    cluster.step(600_000).expect("a block");
    cluster.step(600_001).expect("a block");
    assert_eq!(
        cluster.replicas[0].state_root(),
        cluster.replicas[1].state_root()
    );
    let meter = meter.account();
    assert_eq!(
        cluster.chain().recorded(meter).map(|last| last.seq),
        Some(1)
    );
    for replica in &cluster.replicas {
        assert_eq!(replica.pending(), 0);
    }
    // A reading that a later one has overtaken leaves the line.
    let (third, fourth) = (std::sync::Arc::new(read(2)), std::sync::Arc::new(read(3)));
    assert!(cluster.replicas[0].submit(third));
    assert!(cluster.replicas[1].submit(fourth));
    cluster.step(1_200_000).expect("a block");
    assert_eq!(cluster.replicas[0].pending(), 0);
    assert_eq!(cluster.replicas[0].mempool_counters().obsolete, 1);
}

#[test]
fn one_signer_cannot_fill_the_line() {
    let mut cluster = cluster();
    let mut taken = 0;
    for _ in 0..MAX_PER_SIGNER + 10 {
        taken += usize::from(cluster.settle(0));
    }
    assert_eq!(taken, MAX_PER_SIGNER);
    assert_eq!(cluster.chain().mempool_counters().full, 10);
    assert!(cluster.read(
        0,
        MeterReading {
            interval_end_ms: 1,
            ..MeterReading::default()
        }
    ));
}

#[test]
fn transactions_that_overtake_each_other_count_once_each() {
    let mut cluster = cluster();
    let aggregator = cluster.aggregator.clone();
    let load = |mlmd| TxBody::AreaLoad {
        mlmd,
        interval_end_ms: 1_000,
        energy_wh: 5,
    };
    let first = cluster.sign(&aggregator, load(0));
    let second = cluster.sign(&aggregator, load(1));
    assert!(cluster.submit(second.clone()));
    cluster.step(2_000).expect("a block");
    assert!(cluster.submit(first.clone()));
    cluster.step(3_000).expect("a block");
    assert_eq!(
        cluster.chain().area_load(0).map(|load| load.height),
        Some(4)
    );
    assert!(!cluster.submit(first) && !cluster.submit(second));
    let next = cluster.chain().next_nonce(aggregator.account());
    assert_eq!(next, Some(2));
}

#[test]
fn a_crash_loses_the_line_and_nothing_else() {
    let mut cluster = cluster();
    cluster.settle(0);
    let root = cluster.chain().state_root();
    let before = cluster.replicas[0].clone();
    cluster.replicas[0].forget_volatile();
    assert_eq!(
        (cluster.chain().pending(), cluster.chain().state_root()),
        (0, root)
    );
    // A snapshot taken before still has it.
    assert_eq!(before.pending(), 1);
}
