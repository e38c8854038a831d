//! Signed readings of a physical meter inside the twin: the ledger takes the
//! good ones, refuses the others, and says so.

use std::path::Path;

use gridloom_core::view::{BoundValue, EventKind};
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_ledger::rehearsal::MeterEdge;
use gridloom_model::scene;
use gridloom_units::{DeviceId, SignedReading, Tick};

fn twin() -> Twin {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenes/two_houses.scene.ron");
    let loaded = scene::load(&path).unwrap_or_else(|issues| panic!("{issues:?}"));
    let options = TwinOptions {
        rewindable: true,
        ..TwinOptions::default()
    };
    Twin::new(loaded, options).expect("the scene builds")
}

/// The edge at H1's meter.
struct Edge {
    meter: MeterEdge,
    device: DeviceId,
}

impl Edge {
    /// A reading that the next one need not follow.
    fn read(&self, value: i64, good: bool) -> SignedReading {
        self.meter.clone().read("e/imp", value, good)
    }

    /// The next reading and its place in the chain.
    fn next(&mut self, value: i64) -> SignedReading {
        self.meter.read("e/imp", value, true)
    }

    fn hand_in(&self, twin: &mut Twin, reading: &SignedReading) {
        twin.send(Command::MeterRecord {
            device: self.device,
            record: Box::new(reading.clone()),
        });
        // Into a block, and decided.
        let until = twin.tick().0 + 15;
        twin.run_until(Tick(until));
    }
}

fn bound(twin: &mut Twin) -> BoundValue {
    let view = twin.view(None);
    view.homes[0].bound.clone().expect("bound")
}

#[test]
fn the_ledger_judges_what_a_physical_meter_signed() {
    let mut twin = twin();
    let device = twin.device("H1").expect("in the scene");
    let mut edge = Edge {
        meter: MeterEdge::new(77),
        device,
    };
    let key = edge.meter.key.public();
    // Nobody is heard before a device is bound.
    twin.send(Command::TrustMeter { device, key });
    twin.run_until(Tick(2));
    twin.send(Command::BindDevice(device));
    twin.send(Command::TrustMeter { device, key });
    let first = edge.next(100);
    // Waits until the home is registered.
    edge.hand_in(&mut twin, &first);
    twin.run_until(Tick(40));
    assert_eq!(
        (bound(&mut twin).recorded, bound(&mut twin).refused),
        (1, 0)
    );

    let second = edge.next(120);
    let third = edge.next(130);
    let expect = |twin: &mut Twin, reading: &SignedReading, why: &str| {
        let before = bound(twin);
        edge.hand_in(twin, reading);
        let after = bound(twin);
        assert_eq!(after.recorded, before.recorded, "{why}");
        assert_eq!(after.refused, before.refused + 1, "{why}");
        assert!(after.refusal.contains(why), "{}", after.refusal);
        let view = twin.view(None);
        let told = |event: &&gridloom_core::view::EventView| {
            event.kind == EventKind::Ledger && event.text.contains(why)
        };
        assert!(
            view.events.iter().any(|event| told(&event)),
            "no event: {why}"
        );
    };
    expect(&mut twin, &third, "does not follow the last reading");
    expect(&mut twin, &first, "number 1 is not after 1");
    let mut forged = second.clone();
    forged.value = 1;
    expect(&mut twin, &forged, "signature is not that of the meter");
    edge.hand_in(&mut twin, &second);
    edge.hand_in(&mut twin, &third);
    assert_eq!(bound(&mut twin).recorded, 3);
    let backwards = edge.read(129, true);
    let bad = edge.read(140, false);
    for (reading, why) in [
        (backwards, "runs backwards: 129 after 130"),
        (bad, "a bad reading cannot be booked"),
    ] {
        let refused = bound(&mut twin).refused;
        edge.hand_in(&mut twin, &reading);
        let now = bound(&mut twin);
        assert_eq!(now.refused, refused + 1);
        assert!(now.refusal.contains(why), "{}", now.refusal);
    }

    // All of it is state of the run: going back and again gives the same.
    let (end, hashes) = (twin.tick(), twin.hashes().to_vec());
    twin.seek(Tick(30));
    twin.run_until(end);
    assert_eq!(twin.divergence(), None);
    assert_eq!(twin.hashes(), hashes);
}
