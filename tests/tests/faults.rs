//! Faults, protection and restoration in the shipped scene: expectations,
//! determinism across rewinds, records, and what a person may do to it.

use std::path::{Path, PathBuf};

use gridloom_core::expect::Expectations;
use gridloom_core::protection::{FaultRecorder, ProtectionState, SoeLog};
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_model::scene;
use gridloom_protection::{FaultKind, FaultPlace, FaultSpec, Lasting, SoeKind};
use gridloom_units::Tick;

const NAME: &str = "feeder_fault_flisr.scene.ron";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenes")
        .join(name)
}

fn twin(name: &str, options: TwinOptions) -> Twin {
    let loaded = scene::load(&path(name)).unwrap_or_else(|issues| panic!("{name}: {issues:?}"));
    Twin::new(loaded, options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_feeder_scene_meets_its_expectations_and_tells_causes() {
    let mut twin = twin(NAME, TwinOptions::default());
    let specs = twin.scene().scene.expect.clone();
    let end = twin.end().start(twin.tick_ms());
    let mut watch = Expectations::new(&specs, end).expect("times are valid");
    while twin.tick() < twin.end() {
        twin.step();
        watch.observe(&mut twin);
    }
    for outcome in watch.finish(&mut twin) {
        assert!(outcome.met, "{}: {}", outcome.what, outcome.seen);
    }
    let events = twin.resource::<SoeLog>().all();
    for (event, id) in events.iter().zip(0..) {
        assert_eq!(event.id, id);
        assert!(event.cause.is_none_or(|cause| cause < id), "{event:?}");
    }
    // Every lockout leads back to a fault.
    for lockout in events.iter().filter(|e| e.kind == SoeKind::Lockout) {
        let mut at = lockout;
        while let Some(cause) = at.cause {
            at = &events[cause as usize];
        }
        assert_eq!(at.kind, SoeKind::Fault, "{lockout:?} from {at:?}");
    }
    assert!(twin.resource::<FaultRecorder>().records().len() > 10);
}

#[test]
fn the_feeder_scene_runs_the_same_in_every_way() {
    // Through the second fault on the tripped section.
    let end = Tick(660);
    let mut plain = twin(NAME, TwinOptions::default());
    plain.run_until(end);
    let permute = TwinOptions {
        permute: true,
        ..TwinOptions::default()
    };
    let mut permuted = twin(NAME, permute);
    permuted.run_until(end);
    assert_eq!(plain.hashes(), permuted.hashes(), "spawn order");
    let mut again = twin(NAME, TwinOptions::default());
    while again.tick() < end {
        let snapshot = again.snapshot();
        again.run_until(Tick((again.tick().0 + 40).min(end.0)));
        again.restore(&snapshot);
        again.run_until(Tick((again.tick().0 + 97).min(end.0)));
        assert_eq!(again.divergence(), None);
    }
    assert_eq!(plain.hashes(), again.hashes(), "snapshots");
    let (first, second) = (
        plain.resource::<SoeLog>().all(),
        again.resource::<SoeLog>().all(),
    );
    assert_eq!(first, second, "the sequence of events is rebuilt");
}

fn fault(id: &str, at: FaultPlace, lasting: Lasting) -> Command {
    Command::StartFault(Box::new(FaultSpec {
        id: id.to_owned(),
        at,
        kind: FaultKind::LineEarth(1),
        z_ohm: (0.05, 0.0),
        lasting,
        after_ms: 250,
    }))
}

#[test]
fn a_person_can_fault_a_scene_without_protection_settings() {
    let mut twin = twin("two_houses.scene.ron", TwinOptions::default());
    twin.run_until(Tick(5));
    let junction = FaultPlace::Bus("junction".to_owned());
    twin.send(fault("mine", junction.clone(), Lasting::For(1_500)));
    twin.step();
    let view = twin.view(None);
    assert!(view.protection.faults[0].on && view.protection.faults[0].current_a > 500.0);
    twin.run_until(Tick(10));
    let view = twin.view(None);
    assert!(view.protection.faults[0].over);
    let times: Vec<u64> = view
        .protection
        .soe
        .iter()
        .filter(|e| matches!(e.kind, SoeKind::Fault | SoeKind::FaultCleared))
        .map(|e| e.at_ms())
        .collect();
    assert_eq!(times, [5_250, 5_250, 6_750]);
    // What cannot be is refused with the reason.
    twin.send(fault(
        "far",
        FaultPlace::Bus("nowhere".to_owned()),
        Lasting::Permanent,
    ));
    twin.step();
    assert!(twin.view(None).rejections[0].contains("there is no bus nowhere"));
}

#[test]
fn a_fault_that_stays_trips_the_programmed_limit() {
    let mut twin = twin("two_houses.scene.ron", TwinOptions::default());
    let junction = FaultPlace::Bus("junction".to_owned());
    twin.send(fault("mine", junction, Lasting::Permanent));
    // M1: 100 A for 60 s, definite time, and 60 ms to open.
    twin.run_until(Tick(60));
    assert!(twin.resource::<ProtectionState>().core.devices[0].closed());
    twin.run_until(Tick(62));
    let events = twin.resource::<SoeLog>().all();
    let operate = events.iter().find(|e| e.kind == SoeKind::Operate);
    assert_eq!(operate.expect("it operates").at_ms(), 60_250);
    assert!(!twin.resource::<ProtectionState>().core.devices[0].closed());
    let view = twin.view(None);
    assert!(!view.mlmds[0].closed && view.homes.iter().all(|home| home.v_pu.is_none()));
}
