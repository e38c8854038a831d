//! One bus, many devices: hot binding, SunSpec, recordings, control end to end.

use std::path::Path;
use std::time::{Duration, Instant};

use gridloom_hardware::control::{ArmRequest, ControlEvent};
use gridloom_hardware::replay::replay;
use gridloom_hardware::serve::Listen;
use gridloom_hardware::twin_device::{Entity, EntityState, Request, TwinServer, TwinServerConfig};
use gridloom_hardware::{
    BadReason, Bus, Emulator, EmulatorConfig, Endpoint, EndpointConfig, Profile, Quality, Recorder,
    UnitConfig,
};
use gridloom_units::DeviceId;

const PATIENCE: Duration = Duration::from_secs(10);

fn shipped(name: &str) -> Profile {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{name}.profile.ron"));
    Profile::load(&path).expect("shipped")
}

fn fast(device: u32, profile: Profile) -> UnitConfig {
    let mut unit = UnitConfig::new(DeviceId(device), profile);
    unit.unit = 1;
    unit.poll_interval = Duration::from_millis(20);
    unit
}

fn at(address: impl ToString) -> EndpointConfig {
    let mut at = EndpointConfig::new(Endpoint::Tcp(address.to_string()));
    at.back_off_min = Duration::from_millis(40);
    at.back_off_max = Duration::from_millis(100);
    at
}

/// The next good value of a point.
fn good(bus: &Bus, device: u32, point: &str) -> Option<f64> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(reading) = bus.next_within(Duration::from_millis(50))
            && reading.device == DeviceId(device)
            && &*reading.point == point
            && reading.quality.is_good()
        {
            return reading.value;
        }
    }
    None
}

fn house(writable: bool) -> TwinServer {
    let entity = Entity {
        id: "H17".into(),
        model: "home".into(),
        inverter_w: 5_000.0,
        battery_wh: 8_000.0,
        battery_w: 3_000.0,
        breaker: false,
        scale_w: 12_000.0,
    };
    let config = TwinServerConfig {
        listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into())],
        mqtt: None,
        writable,
    };
    let server = TwinServer::start(config, vec![entity]).expect("starts");
    server.update(&[EntityState {
        p_w: 750.0,
        v_v: [229.5, 0.0, 0.0],
        f_hz: 50.01,
        pv_w: 2_500.0,
        soc: 0.4,
        ..EntityState::default()
    }]);
    server
}

fn address(server: &TwinServer) -> String {
    server
        .server()
        .and_then(|server| server.addr())
        .expect("listens")
        .to_string()
}

#[test]
fn devices_are_bound_and_unbound_while_the_bus_runs() {
    let profile = shipped("eastron_sdm120");
    let emulator = Emulator::start(EmulatorConfig::loopback(profile.clone())).expect("starts");
    emulator.set(&[("ac/p", 42.0)]).expect("fits");
    let bus = Bus::start(1_024, None).expect("starts");
    let endpoint = at(emulator.addr());
    for round in 0..3 {
        bus.bind(&endpoint, fast(1, profile.clone()))
            .expect("bound");
        assert!(bus.bind(&endpoint, fast(1, profile.clone())).is_err());
        assert_eq!(good(&bus, 1, "ac/p"), Some(42.0), "round {round}");
        assert!(bus.unbind(DeviceId(1)) && !bus.unbind(DeviceId(1)));
        assert_eq!(bus.status(DeviceId(1)), None);
    }
    bus.stop();
}

#[test]
fn a_sunspec_device_is_found_and_polled_by_a_generic_profile() {
    let server = house(false);
    let bus = Bus::start(1_024, None).expect("starts");
    let endpoint = at(address(&server));
    for (device, name) in [
        (1, "sunspec_meter"),
        (2, "sunspec_inverter"),
        (3, "sunspec_battery"),
    ] {
        bus.bind(&endpoint, fast(device, shipped(name)))
            .expect("bound");
    }
    assert_eq!(good(&bus, 1, "ac/p"), Some(750.0));
    assert_eq!(good(&bus, 1, "ac/l1/v"), Some(229.5));
    assert_eq!(good(&bus, 2, "ac/p"), Some(-2_500.0));
    assert_eq!(good(&bus, 3, "dc/soc"), Some(40.0));
    bus.stop();
}

#[test]
fn an_armed_inverter_is_limited_and_released() {
    let server = house(true);
    let bus = Bus::start(1_024, None).expect("starts");
    let unit = fast(2, shipped("sunspec_inverter"));
    let handle = bus
        .bind_control(&at(address(&server)), unit, Duration::from_secs(60))
        .expect("bound");
    assert!(good(&bus, 2, "set/limit").is_some());
    let request = ArmRequest {
        by: "A. Operator".into(),
        lease_ms: 60_000,
        speed_permille: 1_000,
        identity_checked: true,
        model_agrees: true,
    };
    let answer = |answer: crossbeam_channel::Receiver<_>| answer.recv_timeout(PATIENCE);
    assert_eq!(answer(handle.arm(request)), Ok(Ok(())));
    assert_eq!(answer(handle.set("set/limit", 60.0)), Ok(Ok(())));
    assert!(answer(handle.set("set/limit", 160.0)).is_ok_and(|set| set.is_err()));
    let held = |value: f64| {
        handle.wait_for(PATIENCE, |report| {
            report.events.iter().any(|event| match event {
                ControlEvent::Confirmed { value: v, .. }
                | ControlEvent::Released { value: v, .. } => *v == value,
                _ => false,
            })
        })
    };
    assert!(held(60.0), "{:?}", handle.report());
    handle.disarm("A. Operator");
    assert!(held(100.0), "{:?}", handle.report());
    let limits: Vec<Option<u32>> = server
        .requests()
        .filter_map(|request| match request {
            Request::Limit { permille, .. } => Some(permille),
            _ => None,
        })
        .collect();
    assert!(limits.contains(&Some(600)), "{limits:?}");
    assert_eq!(limits.last(), Some(&None), "{limits:?}");
    bus.stop();
}

#[test]
fn a_recording_plays_again_bit_by_bit() {
    let path = std::env::temp_dir().join(format!("gridloom-{}.rec", std::process::id()));
    let recorder = Recorder::create(&path).expect("written");
    let profile = shipped("eastron_sdm630");
    let emulator = Emulator::start(EmulatorConfig::loopback(profile.clone())).expect("starts");
    emulator
        .set(&[("ac/p", -1_234.5), ("ac/l1/v", 230.25)])
        .expect("fits");
    let server = house(false);
    let bus = Bus::start(1_024, Some(recorder.clone())).expect("starts");
    bus.bind(&at(emulator.addr()), fast(1, profile))
        .expect("bound");
    for _ in 0..5 {
        assert_eq!(good(&bus, 1, "ac/p"), Some(-1_234.5));
    }
    emulator.stop();
    std::thread::sleep(Duration::from_millis(100));
    bus.stop();
    let summary = recorder.finish().expect("written");
    let played = replay(std::fs::File::open(&path).expect("there")).expect("a recording");
    assert!(played.is_identical(), "{:?}", played.difference);
    assert_eq!(
        (played.recorded, &played.hash),
        (summary.readings, &summary.hash)
    );
    assert!(played.equal >= 10 && played.faults >= 1, "{played:?}");
    // One changed bit in a frame shows.
    let text = std::fs::read_to_string(&path).expect("there");
    let changed = text.replacen("c49a5000", "c49a5100", 1);
    assert_ne!(text, changed, "-1234.5 stands in a frame");
    let played = replay(changed.as_bytes()).expect("a recording");
    assert!(!played.is_identical());
    let _ = std::fs::remove_file(&path);
    drop(server);
}

/// The next reading that is not good, and the unit's last error.
fn refused(bus: &Bus, device: u32) -> Option<(Quality, String)> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(reading) = bus.next_within(Duration::from_millis(50))
            && reading.quality == Quality::Bad(BadReason::ConfigMismatch)
        {
            let status = bus.status(DeviceId(device)).unwrap_or_default();
            return Some((reading.quality, status.last_error.unwrap_or_default()));
        }
    }
    None
}

#[test]
fn another_device_at_the_address_is_not_read() {
    let profile = shipped("abb_b23");
    let meter = |serial: u64, port: u16, profile: &Profile| {
        let emulator = Emulator::start(EmulatorConfig {
            listen: vec![Listen::Tcp(([127, 0, 0, 1], port).into())],
            serial,
            ..EmulatorConfig::loopback(profile.clone())
        })
        .expect("starts");
        emulator.set(&[("ac/p", serial as f64)]).expect("fits");
        emulator
    };
    let first = meter(11, 0, &profile);
    let address = first.addr();
    let bus = Bus::start(1_024, None).expect("starts");
    bus.bind(&at(address), fast(1, profile.clone()))
        .expect("bound");
    assert_eq!(good(&bus, 1, "ac/p"), Some(11.0));
    let serial = bus.status(DeviceId(1)).and_then(|status| status.serial);
    assert_eq!(serial.as_deref(), Some("11"));
    // Somebody changes the meter.
    first.stop();
    let second = meter(12, address.port(), &profile);
    let (_, why) = refused(&bus, 1).expect("refused");
    assert!(why.contains("serial number 12 instead of 11"), "{why}");
    // Whoever binds it anew accepts it, or not, when the number is known.
    assert!(bus.unbind(DeviceId(1)));
    bus.bind(&at(address), fast(2, profile.clone()))
        .expect("bound");
    assert_eq!(good(&bus, 2, "ac/p"), Some(12.0));
    let mut known = fast(3, profile.clone());
    known.serial = Some("11".into());
    bus.bind(&at(address), known).expect("bound");
    assert!(refused(&bus, 3).is_some());
    second.stop();
    // Another model says so itself.
    let mut other = profile.clone();
    other.identity[0].text = "B24 112".into();
    let third = meter(12, 0, &other);
    bus.bind(&at(third.addr()), fast(4, profile))
        .expect("bound");
    let until = Instant::now() + PATIENCE;
    let told = || {
        let status = bus.status(DeviceId(4)).unwrap_or_default();
        status.last_error.unwrap_or_default()
    };
    while !told().contains("instead of `B23`") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(told().contains("instead of `B23`"), "{}", told());
    bus.stop();
}

#[test]
fn a_sunspec_device_of_another_maker_is_not_read() {
    let server = house(false);
    let bus = Bus::start(1_024, None).expect("starts");
    bus.bind(&at(address(&server)), fast(1, shipped("fronius_gen24")))
        .expect("bound");
    let (_, why) = refused(&bus, 1).expect("refused");
    assert!(why.contains("`Gridloom`"), "{why}");
    bus.stop();
}
