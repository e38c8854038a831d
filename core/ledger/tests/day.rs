//! A whole day through the ledger without consensus.
#![expect(
    clippy::disallowed_methods,
    reason = "the caller of the benchmark brings the clock, and here that is this test"
)]

use std::time::Instant;

use gridloom_ledger::bench::{self, DayLoad, day};

fn timed(load: DayLoad) -> gridloom_ledger::bench::DayReport {
    let start = Instant::now();
    let mut clock = || start.elapsed().as_micros() as u64;
    let report = day(load, &mut clock).expect("a day without faults");
    println!(
        "{load:?}: {} blocks, {} transactions, {} runs; ledger {} ms, taking in {} ms, signing {} ms; books {:?}",
        report.blocks,
        report.transactions,
        report.runs,
        report.ledger_us / 1_000,
        report.submit_us / 1_000,
        report.signing_us / 1_000,
        report.books
    );
    report
}

#[test]
fn a_full_day_balances_and_takes_seconds() {
    let report = timed(DayLoad::default());
    // Readings, settlements, and prices of the 96 slots and of the next midnight.
    assert_eq!(report.transactions, 28 * 288 + 96 + 97);
    assert_eq!((report.refused, report.settled), (0, 96));
    assert_eq!(report.priced, 97);
    assert_eq!(report.runs, 97 * 28);
    let totals = report.books.totals;
    assert!(totals.minted_wh[0] > 0 && totals.retired_wh[6] > 0);
    assert_eq!(report.books.held_wh, [0; 7]);
}

#[test]
fn the_memory_of_facts_changes_no_digit() {
    let load = DayLoad {
        meters: 5,
        blocks: 400,
        ..DayLoad::default()
    };
    let with = timed(load);
    let without = timed(DayLoad {
        memo: false,
        ..load
    });
    let alone = timed(DayLoad {
        replicas: 1,
        memo: false,
        ..load
    });
    assert_eq!(with.state_root, without.state_root);
    assert_eq!(with.state_root, alone.state_root);
    assert_eq!(with.books, without.books);
}

#[test]
fn the_benchmark_gives_its_figures() {
    let start = Instant::now();
    let mut clock = || start.elapsed().as_micros() as u64;
    let load = DayLoad {
        meters: 3,
        blocks: 100,
        ..DayLoad::default()
    };
    let figures = bench::run(&[load], &mut clock).expect("no faults");
    for figure in &figures {
        println!(
            "{}: {} {} {}",
            figure.case, figure.metric, figure.value, figure.unit
        );
        assert!(figure.value > 0);
        assert!(
            figure.metric != "size" || figure.value <= 4_096,
            "{figure:?}"
        );
    }
    assert_eq!(figures.len(), 4 + 6);
}
