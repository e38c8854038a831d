//! M-LMDs on two feeders with two ties: faults anywhere, radio of any quality.

use super::*;
use crate::curve::Curve;
use crate::device::DeviceConfig;
use crate::engine::{Protection, SOLVES_PER_ADVANCE};
use crate::fault::{FaultState, Lasting};
use crate::settings::{DeviceSettings, ElementSettings, RecloseSettings};
use crate::soe::SoeEvent;
use crate::toy::{Branch, Toy};
use proptest::prelude::*;

const S: u64 = 1_000_000;

/// From, to, device: H1 M1 M2 and H2 M3 M4 in rows, M5 a lateral, T1 T2 ties.
const BRANCHES: [(usize, usize, &str); 9] = [
    (0, 1, "H1"),
    (1, 2, "M1"),
    (2, 3, "M2"),
    (7, 4, "H2"),
    (4, 5, "M3"),
    (5, 6, "M4"),
    (2, 8, "M5"),
    (3, 6, "T1"),
    (8, 5, "T2"),
];

/// Buses that have load and may be faulted, each a zone of its own.
const ZONES: [usize; 7] = [1, 2, 3, 4, 5, 6, 8];

fn head() -> DeviceSettings {
    DeviceSettings {
        elements: vec![ElementSettings {
            curve: Curve::IecVi,
            dial: 0.1,
            ..ElementSettings::definite(150.0, 0)
        }],
        reclose: Some(RecloseSettings {
            dead_ms: vec![500, 2_000],
            reset_ms: 10_000,
        }),
        ..DeviceSettings::default()
    }
}

struct Case {
    toy: Toy,
    protection: Protection,
    events: Vec<SoeEvent>,
    tick: u64,
}

fn case(loss_permille: u32, seed: u64, limit_a: f64) -> Case {
    let branches = BRANCHES.iter().zip(0..).map(|(&(from, to, _), i)| Branch {
        from,
        to,
        ohm: 0.1,
        device: Some(i),
    });
    let tie = |id: &str| id.starts_with('T');
    let closed = BRANCHES.iter().map(|b| !tie(b.2)).collect();
    let mut toy = Toy::new(
        9,
        vec![(0, 0.5), (7, 0.5)],
        branches.collect(),
        0.02,
        closed,
    );
    toy.load_s[0] = 0.0;
    toy.load_s[7] = 0.0;
    let devices = BRANCHES.iter().map(|&(_, _, id)| {
        let config = DeviceConfig {
            id: id.to_owned(),
            settings: if id.starts_with('H') {
                head()
            } else {
                DeviceSettings::default()
            },
            backup: Vec::new(),
        };
        (config, !tie(id))
    });
    let mut protection = Protection::new(devices.collect());
    let zone = |bus: usize| ZONES.iter().position(|&z| z == bus);
    let members = BRANCHES
        .iter()
        .zip(0..)
        .map(|(&(from, to, id), device)| Member {
            id: id.to_owned(),
            device,
            zones: [zone(from), zone(to)],
            limit_a,
            tie: tie(id),
        });
    let settings = FlisrSettings {
        radio: RadioSettings {
            latency_ms: (10, 60),
            loss_permille,
            repeat_ms: 200,
        },
        passage_a: 150.0,
        passage_earth_a: 40.0,
        confirm_ms: 4_000,
        tie_delay_ms: 2_000,
        patience_ms: 4_000,
        retry_ms: 8_000,
        pickup_factor: 1.0,
    };
    // A meter at every bus with load.
    toy.meters = ZONES.to_vec();
    let meters = ZONES.iter().enumerate();
    let meters = meters.map(|(zone, bus)| (format!("I{bus}"), Some(zone)));
    let config = FlisrConfig::new(settings, members.collect(), meters.collect());
    let flisr = Flisr::new(&config, seed);
    protection.areas.push((config, flisr));
    Case {
        toy,
        protection,
        events: Vec::new(),
        tick: 0,
    }
}

impl Case {
    fn fault(&mut self, id: &str, bus: usize, at_ms: u64) {
        self.toy.add_fault(bus, 0.5);
        let at_us = self.tick * S + at_ms * 1_000;
        let fault = FaultState::new(
            id,
            &format!("three-phase at {bus}"),
            Lasting::Permanent,
            at_us,
        );
        self.protection.add_fault(fault).expect("room");
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let (from, to) = (self.tick * S, (self.tick + 1) * S);
            let report = self.protection.advance(&mut self.toy, from, to);
            assert!(report.solves < SOLVES_PER_ADVANCE && !report.limited);
            self.events.extend(report.events);
            self.tick += 1;
        }
    }

    fn live(&self, bus: usize) -> bool {
        self.toy.v(bus) > 800.0
    }

    fn closed(&self, id: &str) -> bool {
        let device = self.protection.device_index(id).expect("known");
        self.protection.devices[device].closed()
    }

    /// When the last current into any fault ended, us.
    fn last_fault_current_us(&self) -> u64 {
        let flows = self.toy.log.iter().filter(|s| s.3 > 1.0);
        flows.map(|s| s.1).max().unwrap_or(0)
    }

    fn story(&self) -> String {
        self.events.iter().map(|e| e.csv() + "\n").collect()
    }
}

#[test]
fn a_fault_in_the_middle_is_cut_out_and_both_ends_are_supplied() {
    let mut case = case(0, 1, 400.0);
    case.run(5);
    assert!(ZONES.iter().all(|&bus| case.live(bus)));
    case.fault("F1", 2, 300);
    case.run(60);
    let story = case.story();
    assert!(!case.live(2), "{story}");
    for bus in [1, 3, 4, 5, 6, 8] {
        assert!(case.live(bus), "{bus}\n{story}");
    }
    // Both sides of the faulted zone are open and locked, both ties closed.
    for (id, closed) in [
        ("H1", true),
        ("M1", false),
        ("M2", false),
        ("M5", false),
        ("T1", true),
        ("T2", true),
    ] {
        assert_eq!(case.closed(id), closed, "{id}\n{story}");
    }
    // Lockout comes after two reclosures; healthy customers return soon after.
    let lockout = case
        .events
        .iter()
        .find(|e| e.kind == SoeKind::Lockout)
        .expect("locks out");
    let back = case
        .events
        .iter()
        .rfind(|e| e.kind == SoeKind::Closed)
        .expect("restored");
    assert!(back.at_us - lockout.at_us < 10 * S, "{story}");
    assert_eq!(case.last_fault_current_us(), lockout.at_us, "{story}");
}

#[test]
fn a_tie_does_not_take_more_than_its_path_can_carry() {
    // Each zone draws about 19 A; feeder 2 has three of its own and room for one more.
    let mut case = case(100, 3, 85.0);
    case.run(5);
    case.fault("F1", 1, 300);
    case.run(90);
    let story = case.story();
    let restored = [2, 3, 8].iter().filter(|&&bus| case.live(bus)).count();
    assert!((1..3).contains(&restored), "{restored}\n{story}");
    assert!(story.contains("can carry"), "{story}");
    for (device, config) in case.protection.devices.iter().zip(&case.protection.configs) {
        assert!(device.measured.phase_a() < 85.0, "{}\n{story}", config.id);
    }
}

#[test]
fn without_evidence_nothing_is_closed() {
    let mut case = case(0, 5, 400.0);
    case.run(5);
    case.fault("F1", 2, 300);
    case.protection.areas[0].1.set_jammed(true);
    case.run(60);
    assert!([1, 2, 3, 8].iter().all(|&bus| !case.live(bus)));
    assert!(case.story().contains("no agreement about zone"));
    // The radio works again: what was missed is done now.
    case.protection.areas[0].1.set_jammed(false);
    case.run(60);
    let story = case.story();
    for bus in [1, 3, 8] {
        assert!(case.live(bus), "{bus}\n{story}");
    }
    assert!(!case.live(2));
}

#[test]
fn nobody_closes_onto_a_zone_in_which_a_meter_has_voltage() {
    let mut case = case(50, 13, 400.0);
    // What the M-LMDs around bus 3 cannot see: its meter is fed from elsewhere.
    let zone = ZONES.iter().position(|&bus| bus == 3).expect("a zone");
    case.toy.meters[zone] = 5;
    case.run(5);
    case.fault("F1", 2, 300);
    case.run(40);
    let story = case.story();
    assert!(!case.live(3) && !case.closed("T1"), "{story}");
    assert!(story.contains("meter I3 has voltage"), "{story}");
    // The zone beside it is restored, with its meter's word for it.
    assert!(
        case.live(8) && story.contains("1 meter without voltage"),
        "{story}"
    );
    // Once the meter is dead as well, so is the doubt.
    case.toy.meters[zone] = 3;
    case.run(30);
    assert!(case.live(3), "{}", case.story());
}

#[test]
fn where_meters_cannot_be_asked_restoration_goes_on() {
    let mut case = case(0, 1, 400.0);
    // The plant speaks for none of them.
    case.toy.meters.truncate(0);
    case.run(5);
    case.fault("F1", 2, 300);
    case.run(60);
    let story = case.story();
    for bus in [1, 3, 4, 5, 6, 8] {
        assert!(case.live(bus), "{bus}\n{story}");
    }
    assert!(!story.contains("without voltage"), "{story}");
}

#[test]
fn a_second_fault_on_the_tripped_section_shows_after_the_first_is_repaired() {
    let mut case = case(100, 7, 400.0);
    case.run(5);
    case.fault("F1", 2, 300);
    case.run(60);
    case.fault("F2", 2, 500);
    case.run(2);
    assert!(case.story().contains("no current flows"));
    let index = case
        .protection
        .clear_fault("F1", case.tick * S)
        .expect("there");
    case.toy.on[index] = false;
    let (config, flisr) = &mut case.protection.areas[0];
    assert_eq!(flisr.release(config, 1), ["M1-M2-M5"]);
    case.run(60);
    let story = case.story();
    // The section was tried once more, F2 tripped it, and it is locked again.
    assert!(!case.live(2) && case.protection.faults_on() == 1, "{story}");
    for bus in [1, 3, 4, 5, 6, 8] {
        assert!(case.live(bus), "{bus}\n{story}");
    }
    case.protection
        .clear_fault("F2", case.tick * S)
        .expect("there");
    case.toy.on[1] = false;
    let (config, flisr) = &mut case.protection.areas[0];
    assert!(!flisr.release(config, 1).is_empty());
    case.run(40);
    assert!(ZONES.iter().all(|&bus| case.live(bus)), "{}", case.story());
}

#[test]
fn a_second_fault_in_a_section_that_a_tie_supplies_is_found_as_well() {
    let mut case = case(50, 11, 400.0);
    case.run(5);
    case.fault("F1", 2, 300);
    case.run(60);
    case.fault("F2", 3, 100);
    case.run(90);
    let story = case.story();
    assert!(!case.live(2) && !case.live(3), "{story}");
    for bus in [1, 4, 5, 6, 8] {
        assert!(case.live(bus), "{bus}\n{story}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 0, ..ProptestConfig::default() })]
    /// Any place, any moment, any radio up to a third lost: nobody closes onto
    /// the fault, only the faulted zone stays dead, and no zone has two sources.
    #[test]
    fn only_the_faulted_zone_stays_without_supply(
        at in 0..7_usize,
        loss_permille in 0..330_u32,
        seed in 0..1_000_u64,
        at_ms in 0..1_000_u64,
    ) {
        let mut case = case(loss_permille, seed, 400.0);
        case.run(2);
        case.fault("F1", ZONES[at], at_ms);
        case.run(90);
        let story = case.story();
        for (i, &bus) in ZONES.iter().enumerate() {
            prop_assert_eq!(case.live(bus), i != at, "{}\n{}", bus, story);
        }
        let lockout = case.events.iter().find(|e| e.kind == SoeKind::Lockout);
        let lockout = lockout.map_or(0, |e| e.at_us);
        prop_assert_eq!(case.last_fault_current_us(), lockout, "{}", story);
        // Radial: closed switches and live buses make trees, one per source.
        let closed = BRANCHES.iter().filter(|b| case.closed(b.2)).count();
        let joined = (0..9).filter(|&bus| case.live(bus)).count();
        prop_assert!(closed <= joined - 2, "{}", story);
    }
}
