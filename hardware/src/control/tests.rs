use proptest::prelude::*;

use super::*;

fn profile(extra: &str) -> Profile {
    let text = format!(
        r#"(vendor: "Test", model: "relay", probe_block: (Holding, 0), interlocks: [{extra}], points: [
            (id: "soc", area: Holding, addr: 0, ty: U16, unit: "%"),
            (id: "p", area: Holding, addr: 1, ty: I16, unit: "W",
             write: (min: -500.0, max: 500.0, step: 10.0, fail_safe: 0.0, settle_ms: 50)),
            (id: "mode", area: Holding, addr: 2, ty: U16,
             write: (min: 0.0, max: 3.0, fail_safe: 0.0, settle_ms: 50, persistent: true, daily_budget: 2)),
        ])"#
    );
    Profile::parse(&text, "test").expect("valid")
}

fn request(by: &str) -> ArmRequest {
    ArmRequest {
        by: by.into(),
        lease_ms: 10_000,
        speed_permille: 1_000,
        identity_checked: true,
        model_agrees: true,
    }
}

fn armed() -> Control {
    let mut control = Control::new(&profile(""), 2_000);
    control.link(true);
    control.arm(0, &request("A. Operator")).expect("armed");
    control
}

fn nothing(_: &str) -> Option<Measured> {
    None
}

/// Lets a device that does as told answer everything that is due.
fn obey(control: &mut Control, now_ms: u64, device: &mut BTreeMap<usize, f64>) {
    while let Some(task) = control.next(now_ms) {
        match task {
            Task::Write { point, value, .. } => {
                device.insert(point, value);
                control.written(now_ms, point, Ok(()));
            }
            Task::ReadBack { point } => {
                let found = device.get(&point).copied().unwrap_or(0.0);
                control.read_back(now_ms, point, Ok(found));
            }
        }
    }
}

#[test]
fn arming_needs_a_name_a_time_real_time_and_agreement() {
    let mut control = Control::new(&profile(""), 2_000);
    let good = request("A");
    assert_eq!(control.arm(0, &good), Err(Refused::LinkDown));
    control.link(true);
    for (request, refused) in [
        (request("  "), Refused::NoName),
        (
            ArmRequest {
                lease_ms: 0,
                ..good.clone()
            },
            Refused::Lease(0),
        ),
        (
            ArmRequest {
                speed_permille: 60_000,
                ..good.clone()
            },
            Refused::NotRealTime(60_000),
        ),
        (
            ArmRequest {
                identity_checked: false,
                ..good.clone()
            },
            Refused::Identity,
        ),
        (
            ArmRequest {
                model_agrees: false,
                ..good.clone()
            },
            Refused::Disagreement,
        ),
    ] {
        assert_eq!(control.arm(0, &request), Err(refused));
    }
    assert_eq!(control.set(0, "p", 10.0, &nothing), Err(Refused::NotArmed));
    assert_eq!(control.arm(0, &good), Ok(()));
}

#[test]
fn a_value_is_written_read_back_and_confirmed() {
    let (mut control, mut device) = (armed(), BTreeMap::new());
    assert_eq!(control.set(0, "p", 120.0, &nothing), Ok(()));
    obey(&mut control, 0, &mut device);
    assert_eq!(device[&1], 120.0);
    obey(&mut control, 60, &mut device);
    assert!(control.take_events().contains(&ControlEvent::Confirmed {
        point: "p".into(),
        value: 120.0
    }));
    for (value, refused) in [
        (
            510.0,
            Refused::OutOfLimits {
                value: 510.0,
                min: -500.0,
                max: 500.0,
            },
        ),
        (
            15.0,
            Refused::OffStep {
                value: 15.0,
                step: 10.0,
            },
        ),
    ] {
        assert_eq!(control.set(70, "p", value, &nothing), Err(refused));
    }
    assert!(matches!(
        control.set(70, "soc", 1.0, &nothing),
        Err(Refused::NotWritable(_))
    ));
}

#[test]
fn a_read_back_that_differs_disarms_alarms_and_releases() {
    let (mut control, mut device) = (armed(), BTreeMap::new());
    control.set(0, "p", 120.0, &nothing).expect("allowed");
    obey(&mut control, 0, &mut device);
    device.insert(1, 100.0);
    obey(&mut control, 60, &mut device);
    assert!(matches!(
        control.state(),
        ControlState::Disarmed(DisarmReason::ReadBack { .. })
    ));
    obey(&mut control, 200, &mut device);
    obey(&mut control, 400, &mut device);
    assert_eq!((device[&1], control.is_releasing()), (0.0, false));
    let events = control.take_events();
    assert!(events.iter().any(|e| matches!(e, ControlEvent::Alarm(_))));
}

#[test]
fn lease_heartbeat_and_link_end_the_arming_in_the_fail_safe_value() {
    for end in ["lease", "heartbeat", "link", "person"] {
        let (mut control, mut device) = (armed(), BTreeMap::new());
        control.set(0, "p", 120.0, &nothing).expect("allowed");
        obey(&mut control, 0, &mut device);
        obey(&mut control, 100, &mut device);
        let now = match end {
            "lease" => {
                control.heartbeat(9_999);
                10_000
            }
            "heartbeat" => 2_001,
            "link" => {
                control.link(false);
                assert!(control.next(300).is_none());
                control.link(true);
                300
            }
            _ => {
                control.disarm(DisarmReason::Released("A".into()));
                300
            }
        };
        obey(&mut control, now, &mut device);
        obey(&mut control, now + 60, &mut device);
        assert_eq!((device[&1], control.is_releasing()), (0.0, false), "{end}");
        assert!(control.set(now + 70, "p", 10.0, &nothing).is_err());
    }
}

#[test]
fn interlocks_need_good_and_recent_readings() {
    let lock = r#"(point: "soc", range: (20.0, 100.0), holds: ["p"])"#;
    let mut control = Control::new(&profile(lock), 2_000);
    control.link(true);
    control.arm(0, &request("A")).expect("armed");
    let with = |value: f64, good: bool, age_ms: u64| {
        move |_: &str| {
            Some(Measured {
                value,
                good,
                age_ms,
            })
        }
    };
    for bad in [
        with(10.0, true, 0),
        with(50.0, false, 0),
        with(50.0, true, 20_000),
    ] {
        assert!(matches!(
            control.set(0, "p", 10.0, &bad),
            Err(Refused::Interlock(_))
        ));
    }
    assert!(matches!(
        control.set(0, "p", 10.0, &nothing),
        Err(Refused::Interlock(_))
    ));
    assert_eq!(control.set(0, "p", 10.0, &with(50.0, true, 10)), Ok(()));
    assert_eq!(control.set(0, "mode", 1.0, &nothing), Ok(()));
}

#[test]
fn memory_that_wears_has_a_daily_budget() {
    let mut control = armed();
    for value in [1.0, 2.0] {
        assert_eq!(control.set(1, "mode", value, &nothing), Ok(()));
    }
    assert_eq!(control.set(1, "mode", 2.0, &nothing), Ok(()), "unchanged");
    assert_eq!(
        control.set(1, "mode", 3.0, &nothing),
        Err(Refused::Budget(2))
    );
}

#[derive(Clone, Debug)]
enum Act {
    Arm(String, u32),
    Disarm,
    Set(usize, f64),
    Heartbeat,
    Link(bool),
    Wait(u64),
    Device(Option<f64>),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        ("[a ]{0,2}", prop_oneof![Just(1_000_u32), Just(60_000)]).prop_map(|(n, s)| Act::Arm(n, s)),
        Just(Act::Disarm),
        (0..3_usize, -600.0..600.0_f64).prop_map(|(p, v)| Act::Set(p, (v / 10.0).round() * 10.0)),
        Just(Act::Heartbeat),
        any::<bool>().prop_map(Act::Link),
        (0..3_000_u64).prop_map(Act::Wait),
        proptest::option::of(-600.0..600.0_f64).prop_map(Act::Device),
    ]
}

proptest! {
    #[test]
    fn no_sequence_writes_without_arming(acts in proptest::collection::vec(act(), 0..60)) {
        let mut control = Control::new(&profile(""), 2_000);
        let (mut now, mut ever_armed, mut broken) = (0, false, None);
        for act in acts {
            match act {
                Act::Arm(by, speed_permille) => {
                    let asked = ArmRequest { speed_permille, ..request(&by) };
                    ever_armed |= control.arm(now, &asked).is_ok();
                }
                Act::Disarm => control.disarm(DisarmReason::Released("a".into())),
                Act::Set(point, value) => {
                    let _ = control.set(now, ["soc", "p", "mode"][point], value, &nothing);
                }
                Act::Heartbeat => control.heartbeat(now),
                Act::Link(up) => control.link(up),
                Act::Wait(ms) => now += ms,
                Act::Device(found) => broken = found,
            }
            for _ in 0..4 {
                match control.next(now) {
                    Some(Task::Write { point, value, releasing, .. }) => {
                        prop_assert!(ever_armed, "a write before any arming");
                        let is_armed = matches!(control.state(), ControlState::Armed { .. });
                        prop_assert!(is_armed || releasing);
                        prop_assert!(!releasing || value == 0.0);
                        prop_assert!((-500.0..=500.0).contains(&value));
                        control.written(now, point, Ok(()));
                    }
                    Some(Task::ReadBack { point }) => {
                        let found = broken.ok_or_else(|| "silent".to_owned());
                        control.read_back(now, point, found);
                    }
                    None => break,
                }
            }
        }
    }
}
