//! Clearing within voltage limits on a scene, checked against the power flow.

use std::path::PathBuf;

use gridloom_core::market::between::{Fees, between};
use gridloom_core::market::voltage::{TOLERANCE_UPU, VoltageLimits};
use gridloom_core::{Twin, TwinOptions};
use gridloom_model::scene;
use gridloom_units::Tick;

#[test]
fn a_sunny_morning_is_held_below_the_limit() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenes/sunny_noon.scene.ron");
    let loaded = scene::load(&path).expect("it loads");
    let mut twin = Twin::new(loaded, TwinOptions::default()).expect("it builds");
    // Slot 33 ends at half past eight; by then a limit of 1.066 pu binds.
    twin.run_until(Tick(8 * 3_600 + 2_400));
    let fees = Fees {
        neighbour: 10_000,
        grid: 20_000,
    };
    let limits = VoltageLimits {
        min_upu: 900_000,
        max_upu: 1_066_000,
    };
    let free = between(&mut twin, fees, None).expect("it clears");
    let rows = between(&mut twin, fees, Some(limits)).expect("it clears");
    assert_eq!(free.len(), rows.len());
    let mut bound = 0;
    for (row, free) in rows.iter().zip(&free) {
        let voltage = row.voltage.as_ref().expect("limits were asked for");
        assert_eq!(row.off_nano_eur, 0);
        assert!(voltage.holds, "slot {}: {voltage:?}", row.slot);
        assert!(voltage.solved_upu.1 <= limits.max_upu + TOLERANCE_UPU);
        // The sensitivities of one operating point tell every slot within 1 %.
        assert!(voltage.linear_error_upu < 10_000, "slot {}", row.slot);
        let held = voltage.free_upu.1 > limits.max_upu;
        assert_eq!(held, voltage.rounds > 0);
        assert_eq!(held, voltage.curtailed_wh > 0, "slot {}", row.slot);
        assert_eq!(held, voltage.component.iter().any(|price| *price < 0));
        if held {
            bound += 1;
            assert!(voltage.error_upu <= 500, "slot {}: {voltage:?}", row.slot);
            // Where it binds, the voltage is used up to the limit.
            assert!(voltage.solved_upu.1 >= limits.max_upu - 500);
            assert!(row.export_wh < free.export_wh && voltage.rent_nano_eur > 0);
        } else {
            assert_eq!(row.export_wh, free.export_wh);
        }
    }
    assert!(bound >= 3, "{bound} slots");
}
