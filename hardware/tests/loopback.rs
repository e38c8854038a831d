//! Monitors against emulated and misbehaving devices on the loopback interface.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use gridloom_hardware::{
    BadReason, DeviceReading, Emulator, EmulatorConfig, Endpoint, EndpointConfig, LatestValues,
    Line, Monitor, MonitorConfig, MonitorHandle, Profile, Quality, serve::Listen, tools,
};
use gridloom_units::DeviceId;

const PATIENCE: Duration = Duration::from_secs(10);

fn sdm630() -> Profile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/eastron_sdm630.profile.ron");
    Profile::load(&path).expect("the shipped profile is valid")
}

/// One float32 point at `addr`.
fn one_point(addr: u16) -> Profile {
    let text = format!(
        r#"(vendor: "Test", model: "one", timeout_ms: 150,
            points: [(id: "p", area: Input, addr: {addr}, ty: F32, unit: "W", poll: "fast")])"#
    );
    Profile::parse(&text, "test").expect("valid")
}

fn fast(profile: Profile, addr: SocketAddr) -> MonitorConfig {
    let mut config = MonitorConfig::new(profile, addr.to_string(), 1);
    config.unit.device = DeviceId(7);
    config.unit.poll_interval = Duration::from_millis(20);
    config.at.back_off_min = Duration::from_millis(40);
    config.at.back_off_max = Duration::from_millis(80);
    config
}

/// Waits for a reading that `wanted` accepts.
fn wait_for(monitor: &MonitorHandle, wanted: impl Fn(&DeviceReading) -> bool) -> DeviceReading {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(reading) = monitor.next_within(Duration::from_millis(100))
            && wanted(&reading)
        {
            return reading;
        }
    }
    panic!("no such reading; status {:?}", monitor.status());
}

#[test]
fn values_arrive_with_good_quality_and_follow_the_device() {
    let emulator = Emulator::start(EmulatorConfig::loopback(sdm630())).expect("starts");
    emulator
        .set(&[("ac/l1/v", 230.25), ("ac/p", -1_234.5), ("e/imp", 12_345.5)])
        .expect("fits");
    let monitor = Monitor::start(fast(sdm630(), emulator.addr())).expect("starts");
    let power = wait_for(&monitor, |r| &*r.point == "ac/p" && r.quality.is_good());
    assert_eq!(
        (power.value, &*power.unit, power.device),
        (Some(-1_234.5), "W", DeviceId(7))
    );
    assert_eq!(power.raw, Some(u64::from((-1_234.5_f32).to_bits())));
    assert!(power.age(Instant::now()).expect("sampled") < PATIENCE);
    emulator.set(&[("ac/p", 50.0)]).expect("fits");
    let changed = wait_for(&monitor, |r| &*r.point == "ac/p" && r.value == Some(50.0));
    assert!(changed.seq > power.seq);
    let status = monitor.status();
    assert!(status.connected && status.running && status.polls > 0 && status.round_trip.is_some());
    assert_eq!(
        (status.connects, status.errors.total(), status.last_error),
        (1, 0, None)
    );
    monitor.stop();
    emulator.stop();
}

#[test]
fn a_killed_device_turns_bad_ages_and_comes_back() {
    let emulator = Emulator::start(EmulatorConfig::loopback(one_point(0))).expect("starts");
    emulator.set(&[("p", 42.0)]).expect("fits");
    let addr = emulator.addr();
    let monitor = Monitor::start(fast(one_point(0), addr)).expect("starts");
    let good = wait_for(&monitor, |r| r.quality.is_good());
    emulator.stop();
    let dead = wait_for(&monitor, |r| !r.quality.is_good());
    assert_eq!(dead.quality, Quality::Bad(BadReason::Comm));
    // The last value stays visible, with the time it was really sampled.
    assert_eq!(dead.value, Some(42.0));
    let now = Instant::now();
    let age = |later| {
        dead.age(now + Duration::from_secs(later))
            .expect("was sampled")
    };
    assert!(age(5) >= age(0) + Duration::from_secs(5));
    // While it is dead nothing is good, however long one waits.
    thread::sleep(Duration::from_millis(150));
    while let Some(reading) = monitor.try_iter().next() {
        assert!(!reading.quality.is_good());
        assert!(reading.sampled_at >= good.sampled_at);
    }
    assert!(!monitor.status().connected);

    let revived = Emulator::start(EmulatorConfig {
        listen: vec![Listen::Tcp(addr)],
        ..EmulatorConfig::loopback(one_point(0))
    })
    .expect("the port is free again");
    revived.set(&[("p", 43.0)]).expect("fits");
    let back = wait_for(&monitor, |r| r.quality.is_good() && r.value == Some(43.0));
    assert!(back.seq > dead.seq);
    let status = monitor.status();
    assert!(status.connects >= 2 && status.errors.io >= 1, "{status:?}");
}

#[test]
fn a_register_the_device_lacks_is_an_exception_and_spoils_only_itself() {
    let served = Emulator::start(EmulatorConfig::loopback(one_point(0))).expect("starts");
    served.set(&[("p", 5.0)]).expect("fits");
    // The monitor's profile has a second point behind the device's last register.
    let text = r#"(vendor: "Test", model: "two", max_gap: 10, timeout_ms: 150, points: [
        (id: "p", area: Input, addr: 0, ty: F32, unit: "W", poll: "fast"),
        (id: "q", area: Input, addr: 4, ty: F32, unit: "W", poll: "fast"),
    ])"#;
    let profile = Profile::parse(text, "test").expect("valid");
    let monitor = Monitor::start(fast(profile, served.addr())).expect("starts");
    // The joint request is refused; read one by one, the good point is good.
    let good = wait_for(&monitor, |r| &*r.point == "p" && r.quality.is_good());
    assert_eq!(good.value, Some(5.0));
    let missing = wait_for(&monitor, |r| &*r.point == "q");
    assert_eq!(
        (missing.quality, missing.value),
        (Quality::Bad(BadReason::Exception(2)), None)
    );
    let status = monitor.status();
    assert!(status.errors.exception >= 2, "{status:?}");
    assert_eq!(
        status.connects, 1,
        "an exception must not cost the connection"
    );
}

#[test]
fn another_unit_is_silence_and_times_out() {
    let emulator = Emulator::start(EmulatorConfig::loopback(one_point(0))).expect("starts");
    let mut config = fast(one_point(0), emulator.addr());
    config.unit.unit = 9;
    let monitor = Monitor::start(config).expect("starts");
    let bad = wait_for(&monitor, |_| true);
    assert_eq!(
        (bad.quality, bad.value),
        (Quality::Bad(BadReason::Timeout), None)
    );
    assert!(monitor.status().errors.timeout >= 1);
    assert_eq!(emulator.requests(), 0);
}

/// Serves every connection with `answer(request) -> pieces, pause between them`.
fn device(
    answer: impl Fn(&[u8; 12]) -> Option<(Vec<Vec<u8>>, Duration)> + Send + Clone + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let answer = answer.clone();
            thread::spawn(move || talk(stream, &answer));
        }
    });
    addr
}

fn talk(mut stream: TcpStream, answer: &impl Fn(&[u8; 12]) -> Option<(Vec<Vec<u8>>, Duration)>) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).is_ok() {
        let Some((pieces, pause)) = answer(&request) else {
            return;
        };
        for piece in pieces {
            if stream.write_all(&piece).is_err() {
                return;
            }
            thread::sleep(pause);
        }
    }
}

/// Header for `request` with a data unit behind it.
fn framed(request: &[u8; 12], pdu: &[u8]) -> Vec<u8> {
    let mut frame = request[..4].to_vec();
    frame.extend((pdu.len() as u16 + 1).to_be_bytes());
    frame.push(request[6]);
    frame.extend(pdu);
    frame
}

/// 230.25 as the reply to a read of two registers.
const GOOD: [u8; 6] = [4, 4, 0x43, 0x66, 0x40, 0x00];

#[test]
fn a_garbled_answer_never_becomes_a_good_value() {
    type Answer = fn(&[u8; 12]) -> Option<(Vec<Vec<u8>>, Duration)>;
    let cases: [(&str, Answer, Quality); 12] = [
        (
            "short",
            |r| Some((vec![framed(r, &[4, 2, 0x43, 0x66])], Duration::ZERO)),
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "long",
            |r| {
                Some((
                    vec![framed(r, &[4, 6, 0x43, 0x66, 0x40, 0, 0, 0])],
                    Duration::ZERO,
                ))
            },
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "odd",
            |r| Some((vec![framed(r, &[4, 3, 0x43, 0x66, 0x40])], Duration::ZERO)),
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "lying count",
            |r| {
                Some((
                    vec![framed(r, &[4, 2, 0x43, 0x66, 0x40, 0])],
                    Duration::ZERO,
                ))
            },
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "function",
            |r| {
                Some((
                    vec![framed(r, &[3, 4, 0x43, 0x66, 0x40, 0])],
                    Duration::ZERO,
                ))
            },
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "unit",
            |r| {
                let mut f = framed(r, &GOOD);
                f[6] ^= 1;
                Some((vec![f], Duration::ZERO))
            },
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "transaction",
            |r| {
                let mut f = framed(r, &GOOD);
                f[1] ^= 1;
                Some((vec![f], Duration::ZERO))
            },
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "text",
            |_| {
                Some((
                    vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()],
                    Duration::ZERO,
                ))
            },
            Quality::Bad(BadReason::Malformed),
        ),
        (
            "busy",
            |r| Some((vec![framed(r, &[0x84, 6])], Duration::ZERO)),
            Quality::Bad(BadReason::Exception(6)),
        ),
        (
            "gateway",
            |r| Some((vec![framed(r, &[0x84, 11])], Duration::ZERO)),
            Quality::Bad(BadReason::Exception(11)),
        ),
        (
            "silent",
            |_| Some((vec![], Duration::ZERO)),
            Quality::Bad(BadReason::Timeout),
        ),
        ("closes", |_| None, Quality::Bad(BadReason::Comm)),
    ];
    for (name, answer, expected) in cases {
        let monitor = Monitor::start(fast(one_point(0), device(answer))).expect("starts");
        for _ in 0..3 {
            let reading = wait_for(&monitor, |_| true);
            assert_eq!((reading.quality, reading.value), (expected, None), "{name}");
        }
        let status = monitor.status();
        assert!(
            status.errors.total() >= 3 && status.last_error.is_some(),
            "{name}: {status:?}"
        );
        assert_eq!(status.polls, 0, "{name}");
    }
}

#[test]
fn an_answer_in_pieces_is_read_whole() {
    let addr = device(|r| {
        let pieces = framed(r, &GOOD)
            .into_iter()
            .map(|byte| vec![byte])
            .collect();
        Some((pieces, Duration::from_millis(5)))
    });
    let monitor = Monitor::start(fast(one_point(0), addr)).expect("starts");
    let reading = wait_for(&monitor, |_| true);
    assert_eq!(
        (reading.quality, reading.value),
        (Quality::Good, Some(230.25))
    );
}

#[test]
fn a_late_answer_is_not_taken_for_the_next_one() {
    // Every second reply comes after the timeout, with the value of its time.
    let addr = device(|r| {
        let transaction = u16::from_be_bytes([r[0], r[1]]);
        if transaction.is_multiple_of(2) {
            thread::sleep(Duration::from_millis(250));
            return Some((vec![framed(r, &[4, 4, 0x7f, 0x00, 0, 0])], Duration::ZERO));
        }
        Some((vec![framed(r, &GOOD)], Duration::ZERO))
    });
    let monitor = Monitor::start(fast(one_point(0), addr)).expect("starts");
    let mut good = 0;
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        if let Some(reading) = monitor.next_within(Duration::from_millis(50))
            && reading.quality.is_good()
        {
            assert_eq!(
                reading.value,
                Some(230.25),
                "a late reply was served as good"
            );
            good += 1;
        }
    }
    assert!(good >= 3, "{good} good readings, {:?}", monitor.status());
}

#[test]
fn a_reader_that_does_not_fetch_loses_old_readings_and_not_new_ones() {
    let emulator = Emulator::start(EmulatorConfig::loopback(one_point(0))).expect("starts");
    let config = MonitorConfig {
        queue: 2,
        ..fast(one_point(0), emulator.addr())
    };
    let monitor = Monitor::start(config).expect("starts");
    let until = Instant::now() + PATIENCE;
    while monitor.status().dropped < 3 && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    emulator.set(&[("p", 77.0)]).expect("fits");
    assert!(monitor.status().dropped >= 3);
    let newest = wait_for(&monitor, |r| r.value == Some(77.0));
    assert!(newest.quality.is_good());
    let mut latest = LatestValues::new(Duration::from_secs(60));
    latest.take(newest);
    let state = latest.get(DeviceId(7), "p", Instant::now()).expect("taken");
    assert_eq!(
        (state.quality, state.reading.value),
        (Quality::Good, Some(77.0))
    );
}

#[test]
fn a_stopped_monitor_is_gone_at_once_even_while_it_waits() {
    // Nothing listens on this port: the monitor is in its back-off.
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("bound");
    let mut config = fast(one_point(0), free);
    config.at.back_off_min = Duration::from_secs(30);
    config.at.back_off_max = Duration::from_secs(60);
    let monitor = Monitor::start(config).expect("starts");
    assert_eq!(
        wait_for(&monitor, |_| true).quality,
        Quality::Bad(BadReason::Comm)
    );
    let before = Instant::now();
    monitor.stop();
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_device_is_read_once_and_served_for_the_command_line() {
    let place = tools::listen("127.0.0.1:0", Line::default()).expect("an address");
    let emulator = tools::serve(sdm630(), vec![place], 3).expect("serves");
    emulator.set(&[("ac/f", 50.02)]).expect("fits");
    let address = emulator.addr().to_string();
    let at = || EndpointConfig::new(Endpoint::Tcp(address.clone()));
    let (readings, status) = tools::read_once(sdm630(), at(), 3, PATIENCE).expect("answers");
    assert_eq!(readings.len(), sdm630().points.len());
    assert!(
        readings
            .iter()
            .all(|reading| &*reading.point == "ac/f" || reading.quality.is_good())
    );
    let frequency = readings
        .iter()
        .find(|reading| &*reading.point == "ac/f")
        .expect("in the profile");
    assert!((frequency.value.expect("read") - 50.02).abs() < 1e-5);
    assert!(tools::describe(frequency, Instant::now()).contains("good"));
    assert!(status.polls >= 1);
    emulator.stop();
    let error =
        tools::read_once(sdm630(), at(), 3, Duration::from_millis(300)).expect_err("stopped");
    assert!(error.to_string().contains(&address), "{error}");
}
