//! Connections are given back. Alone in its process, so that the count is its own.

use std::time::Duration;

use gridloom_hardware::{Emulator, EmulatorConfig, Monitor, MonitorConfig, Profile};

fn descriptors() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok()
}

#[test]
fn a_hundred_rounds_of_connecting_leak_no_descriptor() {
    let profile = Profile::parse(
        r#"(vendor: "Test", model: "one",
            points: [(id: "p", area: Input, addr: 0, ty: F32, unit: "W", poll: "fast")])"#,
        "test",
    )
    .expect("valid");
    let emulator = Emulator::start(EmulatorConfig::loopback(profile.clone())).expect("starts");
    let round = || {
        let config = MonitorConfig::new(profile.clone(), emulator.addr().to_string(), 1);
        let monitor = Monitor::start(config).expect("starts");
        let reading = monitor
            .next_within(Duration::from_secs(10))
            .expect("answers");
        assert!(reading.quality.is_good());
        monitor.stop();
    };
    round();
    let Some(before) = descriptors() else {
        eprintln!("skipped: this system does not list open descriptors");
        return;
    };
    for _ in 0..100 {
        round();
    }
    // The emulator notices the end of the last connections a moment later.
    for _ in 0..100 {
        if descriptors() <= Some(before) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // The first count may still hold a connection that was about to close.
    let after = descriptors();
    assert!(after <= Some(before), "{after:?} after {before}");
    assert_eq!(emulator.refused_clients(), 0);
}
