//! Signed readings of physical meters: what the ledger takes of them.

use gridloom_ledger::rehearsal::{MeterEdge, Rehearsal};
use gridloom_ledger::{Receipt, TxBody};
use gridloom_units::SignedReading;

struct Bench {
    cluster: Rehearsal,
    time_ms: u64,
}

impl Bench {
    fn new() -> Self {
        let mut cluster = Rehearsal::new(2, 2).expect("a good genesis");
        cluster.register_all(0).expect("registered");
        Self {
            cluster,
            time_ms: 10_000,
        }
    }

    /// Sends it in a block of its own; the reason when it is refused.
    fn send(&mut self, body: TxBody) -> Result<(), String> {
        let (home, _) = self.cluster.homes[0].clone();
        let tx = self.cluster.sign(&home, body);
        assert!(self.cluster.submit(tx), "admissible");
        self.time_ms += 1_000;
        self.cluster.step(self.time_ms).expect("a block");
        let receipts = self.cluster.receipts();
        match receipts.last() {
            Some(Receipt::Refused { reason, .. } | Receipt::RecordRefused { reason, .. }) => {
                Err(reason.clone())
            }
            Some(Receipt::MeterTrusted { .. } | Receipt::RecordTaken { .. }) => Ok(()),
            other => panic!("{other:?}"),
        }
    }

    fn record(&mut self, reading: &SignedReading) -> Result<(), String> {
        self.send(TxBody::MeterRecords(vec![reading.clone()]))
    }

    fn refused(&mut self, reading: &SignedReading, why: &str) {
        let (home, _) = self.cluster.homes[0].clone();
        let chain = |bench: &Self| bench.cluster.chain().records(home.account()).cloned();
        let before = chain(self);
        let said = self.record(reading).expect_err(why);
        assert!(said.contains(why), "{said}");
        assert_eq!(chain(self), before, "a refused record changes nothing");
    }
}

#[test]
fn a_meter_is_trusted_before_its_readings_are_taken() {
    let mut bench = Bench::new();
    let mut edge = MeterEdge::new(40);
    let first = edge.read("e/imp", 100, true);
    bench.refused(&first, "no meter is trusted here");
    let key = edge.key.public();
    assert_eq!(bench.send(TxBody::TrustMeter { key }), Ok(()));
    assert_eq!(bench.record(&first), Ok(()));
    let again = bench.send(TxBody::TrustMeter { key }).expect_err("again");
    assert!(again.contains("trusted already"), "{again}");
    let weak = bench.send(TxBody::TrustMeter { key: [0; 32] });
    assert!(weak.is_err_and(|why| why.contains("not a usable")));
    // Another edge is not heard until it is trusted in turn.
    let mut other = MeterEdge::new(41);
    let theirs = other.read("e/imp", 500, true);
    bench.refused(&theirs, "signature is not that of the meter");
}

#[test]
fn a_meter_that_is_trusted_again_goes_on_where_it_stopped() {
    let mut bench = Bench::new();
    let (mut edge, other) = (MeterEdge::new(40), MeterEdge::new(41));
    let (key, theirs) = (edge.key.public(), other.key.public());
    bench.send(TxBody::TrustMeter { key }).expect("trusted");
    let first = edge.read("e/imp", 100, true);
    bench.record(&first).expect("taken");
    let another = TxBody::TrustMeter { key: theirs };
    bench.send(another).expect("trusted");
    bench.send(TxBody::TrustMeter { key }).expect("again");
    bench.refused(&first, "number 1 is not after 1");
    let second = edge.read("e/imp", 110, true);
    bench.record(&second).expect("taken");
}

#[test]
fn bad_replayed_unordered_decreasing_and_forged_readings_are_refused() {
    let mut bench = Bench::new();
    let mut edge = MeterEdge::new(40);
    let key = edge.key.public();
    bench.send(TxBody::TrustMeter { key }).expect("trusted");
    let first = edge.read("e/imp", 100, true);
    let second = edge.read("e/exp", 30, true);
    let third = edge.read("e/imp", 120, true);
    bench.record(&first).expect("taken");
    // Out of order: the one between is missing.
    bench.refused(&third, "does not follow the last reading");
    bench.record(&second).expect("taken");
    bench.record(&third).expect("taken");
    bench.refused(&third, "number 3 is not after 3");
    bench.refused(&first, "number 1 is not after 3");
    // Changed after signing.
    let mut forged = edge.read("e/imp", 130, true);
    let good = forged.clone();
    forged.value = 90_000;
    bench.refused(&forged, "signature is not that of the meter");
    bench.record(&good).expect("taken");
    // Signed, but not to be booked.
    let follow = |value: i64, good: bool| edge.clone().read("e/imp", value, good);
    bench.refused(&follow(129, true), "runs backwards: 129 after 130");
    bench.refused(&follow(140, false), "a bad reading cannot be booked");
    let last = edge.read("e/imp", 140, true);
    bench.record(&last).expect("taken");
    // One bad reading does not take the others of its transaction with it.
    let next = edge.read("e/exp", 31, true);
    let mixed = TxBody::MeterRecords(vec![first, next]);
    assert_eq!(bench.send(mixed), Ok(()));
    let said = bench.cluster.receipts();
    assert!(matches!(
        &said[..],
        [
            Receipt::RecordRefused { seq: 1, .. },
            Receipt::RecordTaken { .. }
        ]
    ));
    let (home, _) = bench.cluster.homes[0].clone();
    let chain = bench.cluster.chain().records(home.account()).cloned();
    let chain = chain.expect("on record");
    assert_eq!((chain.taken, chain.seq, chain.restarts), (6, 6, 0));
    let values: Vec<i64> = chain.counters.iter().map(|c| c.value).collect();
    assert_eq!(values, [140, 31]);
}
