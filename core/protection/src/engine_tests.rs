//! Sequences on a small network: relays, reclosers, fuses, breaker failure.

use super::*;
use crate::curve::Curve;
use crate::device::DeviceConfig;
use crate::fault::Lasting;
use crate::fuse::{FuseKind, FuseLink};
use crate::settings::*;
use crate::toy::{Branch, NOMINAL_V, Toy};
use proptest::prelude::*;

const S: u64 = 1_000_000;

fn device(id: &str, settings: DeviceSettings) -> (DeviceConfig, bool) {
    let config = DeviceConfig {
        id: id.to_owned(),
        settings,
        backup: Vec::new(),
    };
    (config, true)
}

fn inverse(pickup_a: f64, curve: Curve, dial: f64) -> ElementSettings {
    ElementSettings {
        curve,
        dial,
        ..ElementSettings::definite(pickup_a, 0)
    }
}

/// Source, device 0, bus 1, device 1, bus 2; a fault of `ohm` at bus 2.
fn line(ohm: f64) -> Toy {
    let branch = |from, to, device| Branch {
        from,
        to,
        ohm: 0.5,
        device: Some(device),
    };
    let branches = vec![branch(0, 1, 0), branch(1, 2, 1)];
    let mut toy = Toy::new(3, vec![(0, 0.5)], branches, 1e-3, vec![true, true]);
    toy.add_fault(2, ohm);
    toy
}

fn run(protection: &mut Protection, toy: &mut Toy, until_s: u64) -> Vec<SoeEvent> {
    let mut events = Vec::new();
    for tick in 0..until_s {
        events.extend(protection.advance(toy, tick * S, (tick + 1) * S).events);
    }
    for (event, id) in events.iter().zip(0..) {
        assert_eq!(event.id, id, "numbers have no gaps");
        assert!(event.cause.is_none_or(|cause| cause < id), "{event:?}");
    }
    assert!(events.windows(2).all(|w| w[0].at_us <= w[1].at_us));
    events
}

fn fault(lasting: Lasting, at_us: u64) -> FaultState {
    FaultState::new("F1", "three-phase at bus 2", lasting, at_us)
}

fn of(events: &[SoeEvent], device: &str, kind: SoeKind) -> Vec<u64> {
    let found = events
        .iter()
        .filter(|e| e.device == device && e.kind == kind);
    found.map(SoeEvent::at_ms).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever the tick length, the current or the time of the fault, the
    /// relay operates on its curve within a millisecond.
    #[test]
    fn operating_times_match_the_curves(
        which in 0..8_usize,
        ohm in 0.1..4.0_f64,
        at_ms in 1..1_999_u64,
        dial in 0.05..0.5_f64,
    ) {
        let curve = Curve::INVERSE[which];
        let mut toy = line(ohm);
        let settings = DeviceSettings {
            elements: vec![inverse(100.0, curve, dial)],
            ..DeviceSettings::default()
        };
        let mut protection = Protection::new(vec![
            device("R", settings),
            device("S", DeviceSettings::default()),
        ]);
        protection.add_fault(fault(Lasting::Permanent, at_ms * 1_000)).expect("room");
        let events = run(&mut protection, &mut toy, 70);
        let operate = events.iter().find(|e| e.kind == SoeKind::Operate).expect("operates");
        let amps = toy.log.iter().map(|segment| segment.3).fold(0.0, f64::max);
        // The load adds to the fault current.
        let through = amps + NOMINAL_V * 3e-3;
        let at_least = curve.operate_s(through / 100.0, dial, None).expect("above");
        let at_most = curve.operate_s(amps / 100.0, dial, None).expect("above");
        let took_s = (operate.at_us - at_ms * 1_000) as f64 * 1e-6;
        prop_assert!(took_s > at_least - 1e-3 && took_s < at_most + 1e-3);
        let timing = operate.timing.expect("an operating time");
        prop_assert!((timing.took_ms - timing.curve_ms.expect("steady")).abs() < 0.01);
        let opened = of(&events, "R", SoeKind::Opened)[0];
        prop_assert!(opened.abs_diff(operate.at_ms() + 60) <= 1);
    }
}

#[test]
fn a_recloser_clears_a_temporary_fault_and_locks_out_on_a_permanent_one() {
    let settings = DeviceSettings {
        elements: vec![
            ElementSettings {
                shots: vec![0],
                ..ElementSettings::definite(200.0, 40)
            },
            ElementSettings {
                shots: vec![1, 2],
                ..inverse(200.0, Curve::IecVi, 0.1)
            },
        ],
        reclose: Some(RecloseSettings {
            dead_ms: vec![500, 5_000],
            reset_ms: 10_000,
        }),
        ..DeviceSettings::default()
    };
    let both = || {
        Protection::new(vec![
            device("R", settings.clone()),
            device("S", DeviceSettings::default()),
        ])
    };
    let mut toy = line(1.0);
    let mut protection = both();
    let arc = fault(Lasting::UntilDead(200), 1_100_000);
    protection.add_fault(arc).expect("room");
    let events = run(&mut protection, &mut toy, 20);
    assert_eq!(of(&events, "R", SoeKind::Operate), [1_140]);
    assert_eq!(of(&events, "R", SoeKind::Opened), [1_200]);
    assert_eq!(of(&events, "F1", SoeKind::FaultCleared), [1_400]);
    assert_eq!(of(&events, "R", SoeKind::Closed), [1_780]);
    assert_eq!(of(&events, "R", SoeKind::Reclaimed), [11_780]);
    assert!(toy.v(2) > 900.0 && protection.devices[0].shot == 0);

    let mut toy = line(1.0);
    let mut protection = both();
    protection
        .add_fault(fault(Lasting::Permanent, 1_100_000))
        .expect("room");
    let events = run(&mut protection, &mut toy, 30);
    assert_eq!(of(&events, "R", SoeKind::Operate).len(), 3);
    assert_eq!(of(&events, "R", SoeKind::Lockout).len(), 1);
    assert!(protection.devices[0].locked_out && toy.v(2) == 0.0);
    // The whole story hangs together: from lockout back to the fault.
    let mut at = events
        .iter()
        .rfind(|e| e.kind == SoeKind::Lockout)
        .expect("locked out");
    while let Some(cause) = at.cause {
        at = &events[cause as usize];
    }
    assert_eq!((at.device.as_str(), at.kind), ("F1", SoeKind::Fault));
}

#[test]
fn a_fuse_melts_on_its_curve_and_saves_the_rest() {
    let link = FuseLink {
        kind: FuseKind::K,
        rated_a: 40,
    };
    let fuse = DeviceSettings {
        fuse: Some(link),
        ..DeviceSettings::default()
    };
    let mut toy = line(1.0);
    let mut protection = Protection::new(vec![
        device("R", DeviceSettings::default()),
        device("K", fuse),
    ]);
    protection
        .add_fault(fault(Lasting::Permanent, 100_000))
        .expect("room");
    let events = run(&mut protection, &mut toy, 5);
    // The load at the bus of the fault adds a thousandth.
    let amps = 1.001 * toy.log.iter().map(|s| s.3).fold(0.0, f64::max);
    let melted = of(&events, "K", SoeKind::Melted);
    let opened = of(&events, "K", SoeKind::Opened);
    assert_eq!((melted.len(), opened.len()), (3, 3));
    let expected = |s: Option<f64>| 100.0 + s.expect("melts") * 1e3;
    assert!((melted[0] as f64 - expected(link.melting_s(amps))).abs() <= 1.0);
    assert!((opened[0] as f64 - expected(link.clearing_s(amps))).abs() <= 1.0);
    assert!(toy.v(1) > 900.0 && toy.v(2) == 0.0);
}

#[test]
fn a_stuck_breaker_is_backed_up() {
    let settings = DeviceSettings {
        elements: vec![ElementSettings::definite(200.0, 0)],
        failure: Some(FailureSettings {
            pickup_a: 50.0,
            delay_ms: 150,
            backup: vec!["R".to_owned()],
        }),
        ..DeviceSettings::default()
    };
    let mut toy = line(1.0);
    let mut protection = Protection::new(vec![
        device("R", DeviceSettings::default()),
        device("B", settings),
    ]);
    protection.configs[1].backup = vec![0];
    protection.devices[1].stuck = true;
    protection
        .add_fault(fault(Lasting::Permanent, 500_000))
        .expect("room");
    let events = run(&mut protection, &mut toy, 3);
    assert_eq!(of(&events, "B", SoeKind::Operate), [500]);
    assert_eq!(of(&events, "B", SoeKind::BreakerFailure), [560, 650]);
    assert_eq!(of(&events, "R", SoeKind::Opened), [710]);
    assert!(protection.devices[0].locked_out && toy.v(1) == 0.0);
}

#[test]
fn cold_load_does_not_trip_a_device_that_expects_it() {
    let settings = |cold_load| DeviceSettings {
        elements: vec![inverse(100.0, Curve::IecVi, 0.05)],
        cold_load,
        ..DeviceSettings::default()
    };
    let cold = ColdLoadSettings {
        after_ms: 10_000,
        hold_ms: 5_000,
        factor: 3.0,
    };
    for (cold_load, survives) in [(None, false), (Some(cold), true)] {
        let mut toy = line(1.0);
        toy.closed[0] = [false; 3];
        let mut protection = Protection::new(vec![
            device("R", DeviceSettings::default()),
            device("S", settings(cold_load)),
        ]);
        protection.devices[0].poles = [false; 3];
        run(&mut protection, &mut toy, 20);
        toy.closed[0] = [true; 3];
        toy.load_s[2] = 0.2;
        protection.operated(0, true, "a person", 20 * S);
        for tick in 20..30 {
            if tick == 24 {
                toy.load_s[2] = 0.05;
            }
            protection.advance(&mut toy, tick * S, (tick + 1) * S);
        }
        assert_eq!(protection.devices[1].closed(), survives);
    }
}

#[test]
fn endless_events_end_with_an_alarm() {
    // A device that closes and trips without delay, for ever.
    let settings = DeviceSettings {
        elements: vec![ElementSettings::definite(200.0, 0)],
        breaker: BreakerSettings {
            open_ms: 0,
            close_ms: 0,
        },
        ..DeviceSettings::default()
    };
    let mut toy = line(1.0);
    let mut protection = Protection::new(vec![
        device("R", settings),
        device("S", DeviceSettings::default()),
    ]);
    for i in 0..MAX_FAULTS {
        let id = format!("F{i}");
        if i > 0 {
            toy.add_fault(2, 1.0);
        }
        let short = FaultState::new(&id, "again", Lasting::For(1), 100_000 + 500 * i as u64);
        protection.add_fault(short).expect("room");
    }
    assert!(protection.add_fault(fault(Lasting::Permanent, 0)).is_err());
    let report = protection.advance(&mut toy, 0, S);
    assert!(report.limited && report.solves <= SOLVES_PER_ADVANCE);
    assert_eq!(protection.limited, 1);
    assert!(report.events.iter().any(|e| e.kind == SoeKind::Engine));
    let covered: u64 = toy.log.iter().map(|s| s.1 - s.0).sum();
    assert_eq!(covered, S, "the whole tick is accounted for");
}
