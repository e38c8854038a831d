//! Profiles: the shipped ones are right, broken ones are refused with reasons.

use std::path::Path;

use gridloom_hardware::{HardwareError, Monitor, MonitorConfig, PointType, Profile, Scale};

fn shipped() -> Vec<Profile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the profile folder is shipped")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(".profile.ron"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| Profile::load(path).unwrap_or_else(|error| panic!("{error}")))
        .collect()
}

#[test]
fn every_shipped_profile_loads_names_its_sources_and_round_trips() {
    let profiles = shipped();
    assert!(profiles.len() >= 2);
    for profile in profiles {
        assert!(
            !profile.sources.is_empty(),
            "{} names no source",
            profile.name()
        );
        let text = ron::to_string(&profile).expect("serialises");
        assert_eq!(
            Profile::parse(&text, "round trip").expect("parses"),
            profile
        );
    }
}

#[test]
fn a_meter_is_read_in_few_requests() {
    let profile = shipped()
        .into_iter()
        .find(|p| p.model.starts_with("SDM630"))
        .expect("shipped");
    let blocks = gridloom_hardware::plan_blocks(
        &profile.points,
        0..profile.points.len(),
        profile.plan_limits(),
    );
    let plan: Vec<_> = blocks
        .iter()
        .map(|block| (block.addr, block.count))
        .collect();
    assert_eq!(plan, [(0x00, 18), (0x34, 2), (0x46, 6)]);
}

#[test]
fn the_example_of_the_reference_data_loads_where_it_is_present() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/devices/sdm630.example.ron");
    if !path.exists() {
        eprintln!("skipped: no reference data beside the repository");
        return;
    }
    let example = Profile::load(&path).expect("the example is valid");
    let ours = shipped()
        .into_iter()
        .find(|p| p.model == example.model)
        .expect("shipped");
    for point in &example.points {
        let same = &ours.points[ours.index_of(&point.id).expect("we have it too")];
        assert_eq!(
            (same.area, same.addr, same.ty, &same.unit),
            (point.area, point.addr, point.ty, &point.unit)
        );
    }
}

#[test]
fn a_broken_profile_is_refused_with_every_reason() {
    let text = r#"(format: 1, vendor: "T", model: "m", max_regs: 4, barriers: [11], timeout_ms: 1, points: [
        (id: "a", area: Input, addr: 0, ty: F32),
        (id: "a", area: Input, addr: 1, ty: U16),
        (id: "b", area: Coil, addr: 0, ty: U16),
        (id: "c", area: Input, addr: 10, ty: U32),
        (id: "d", area: Input, addr: 20, ty: U16, scale: Pow10Reg(30)),
        (id: "e", area: Input, addr: 40, ty: U16, scale: Fixed(0.0), range: (5.0, 1.0)),
        (id: "f", area: Input, addr: 65535, ty: U32),
    ])"#;
    let error = Profile::parse(text, "test").expect_err("broken");
    let HardwareError::InvalidProfile { problems, .. } = &error else {
        panic!("{error}")
    };
    let said = error.to_string();
    for part in [
        "timeout_ms",
        "listed twice",
        "overlaps",
        "Coil and Discrete",
        "barrier",
        "needs 11 registers",
        "usable factor",
        "empty or not finite",
        "past address",
    ] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
    assert_eq!(problems.len(), 9, "{said}");
}

#[test]
fn a_typing_error_is_named_with_its_place() {
    let text = "(vendor: \"T\", model: \"m\",\n  points: [(id: \"a\", area: Input, addr: 0, ty: F32, colour: 1)])";
    let error = Profile::parse(text, "meter.ron")
        .expect_err("unknown field")
        .to_string();
    assert!(
        error.starts_with("meter.ron:2:") && error.contains("colour"),
        "{error}"
    );
    let error = Profile::load(Path::new("no/such.profile.ron")).expect_err("missing");
    assert!(matches!(error, HardwareError::ReadProfile { .. }));
}

#[test]
fn unusable_settings_are_refused_before_anything_starts() {
    let profile = shipped().remove(0);
    for address in ["", "localhost", ":502", "host:", "host:99999"] {
        let config = MonitorConfig::new(profile.clone(), address, 1);
        assert!(
            matches!(
                Monitor::start(config),
                Err(HardwareError::BadAddress { .. })
            ),
            "{address}"
        );
    }
    let mut config = MonitorConfig::new(profile.clone(), "127.0.0.1:502", 1);
    config.queue = 0;
    assert!(matches!(
        Monitor::start(config),
        Err(HardwareError::BadSetting { .. })
    ));
    let mut broken = profile;
    broken.points[0].ty = PointType::Bit;
    broken.points[0].scale = Scale::Fixed(f64::NAN);
    let config = MonitorConfig::new(broken, "127.0.0.1:502", 1);
    assert!(matches!(
        Monitor::start(config),
        Err(HardwareError::InvalidProfile { .. })
    ));
}
