//! Prints decided heights per second of processor time; fails only when it is hopelessly slow.

mod common;

use common::{fast, group};
use gridloom_units::SimTime;

#[test]
fn heights_per_second() {
    for (n, heights) in [(4, 2_000), (7, 400), (20, 30)] {
        let mut cluster = group(n, &fast(1, 0));
        let start = std::time::Instant::now();
        while cluster.height() < heights {
            let next = SimTime(cluster.now().0 + 1_000);
            cluster.advance(next);
            let _ = cluster.drain_decided();
        }
        let seconds = start.elapsed().as_secs_f64();
        let done = cluster.height();
        let sent = cluster.network_counters().sent as f64 / done as f64;
        println!(
            "{n} validators: {:.0} heights/s, {:.1} ms simulated per height, {sent:.0} messages per height, signature checks {:?}",
            done as f64 / seconds,
            cluster.now().0 as f64 / done as f64,
            cluster.signature_checks(),
        );
        assert!(done as f64 / seconds > 5.0);
    }
}
