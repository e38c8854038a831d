use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::grid::LineEnd;

fn scene_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../scenes")
        .join(name)
}

fn two_houses() -> (String, PathBuf) {
    let path = scene_path("two_houses.scene.ron");
    (
        std::fs::read_to_string(&path).expect("the scene is part of the repository"),
        path,
    )
}

/// Problems of the scene with `from` replaced by `to`, as printed, without the path.
fn broken(from: &str, to: &str) -> Vec<String> {
    let (text, path) = two_houses();
    assert!(text.contains(from), "the scene has no `{from}`");
    load_str(&text.replacen(from, to, 1), &path, None)
        .expect_err("the scene is broken")
        .iter()
        .map(|issue| {
            assert!(issue.line > 0 && issue.column > 0, "{issue}");
            format!("{} ({})", issue.message, issue.hint)
        })
        .collect()
}

#[test]
fn a_good_scene_loads_with_its_references() {
    let loaded = load(&scene_path("two_houses.scene.ron")).expect("valid");
    assert_eq!(loaded.refs.homes.len(), 2);
    assert_eq!(loaded.grid.loads[loaded.refs.homes[1].load].id, "LOAD2");
    assert_eq!(loaded.grid.buses[loaded.refs.homes[1].bus].id, "house_2");
    assert_eq!(loaded.refs.homes[1].mlmd, 0);
    let mlmd = loaded.refs.mlmds[0];
    assert_eq!(
        (mlmd.end, mlmd.parent, mlmd.cluster),
        (LineEnd::From, None, 0)
    );
    let solar = loaded.refs.solar;
    assert_eq!(loaded.profiles[solar.set].series[solar.series].id, "sun");
}

#[test]
fn a_scene_survives_being_written_and_read_again() {
    let loaded = load(&scene_path("two_houses.scene.ron")).expect("valid");
    let text = crate::grid::to_ron_lines(&loaded.scene).expect("writes");
    let again = load_str(&text, &loaded.path, None).expect("valid");
    assert_eq!(again.scene, loaded.scene);
}

#[test]
fn references_are_checked_with_a_suggestion() {
    assert_eq!(
        broken("load: \"LOAD2\"", "load: \"LAOD2\""),
        ["load `LAOD2` does not exist (did you mean `LOAD2`?)"]
    );
    assert_eq!(
        broken("preferences: \"green\"", "preferences: \"geen\""),
        ["preference set `geen` does not exist (did you mean `green`?)"]
    );
    assert_eq!(broken("line: \"main\"", "line: \"cellar\"").len(), 1);
    assert_eq!(
        broken("solar_series: \"sun\"", "solar_series: \"moon\"").len(),
        1
    );
    assert_eq!(broken("ledger: \"root\"", "ledger: \"B\"").len(), 1);
}

#[test]
fn areas_need_an_mlmd_upstream() {
    assert_eq!(
        broken("line: \"main\"", "line: \"service_1\""),
        [
            "no M-LMD lies between the source and `H2` (put an M-LMD on a line upstream of it, \
             for example at the head of the feeder)"
        ]
    );
}

#[test]
fn paths_outside_the_folder_are_refused() {
    for path in ["/etc/passwd", "../two_houses.grid.ron", "C:\\\\grid.ron"] {
        let issues = broken("grids/two_houses.grid.ron", path);
        assert!(issues[0].starts_with("path `"), "{issues:?}");
    }
    assert_eq!(
        broken("grids/two_houses.grid.ron", "grids/none.ron"),
        ["file `grids/none.ron` does not exist (paths are relative to the scene file)"]
    );
}

#[test]
fn every_number_has_a_range() {
    for (from, to) in [
        ("tick_ms: 1000", "tick_ms: 0"),
        ("tick_ms: 1000", "tick_ms: 7000"),
        ("duration_h: 0.5", "duration_h: -1.0"),
        ("duration_h: 0.5", "duration_h: inf"),
        ("kw_peak: 5.0", "kw_peak: NaN"),
        ("level: 0.5", "level: 1.5"),
        ("reading_s: 60", "reading_s: 70"),
        ("slot_min: 5", "slot_min: 7"),
        ("validators: 4", "validators: 3"),
        ("validators: 4", "validators: 1000"),
        ("latency_ms: (20, 80)", "latency_ms: (80, 20)"),
        ("loss_permille: 5", "loss_permille: 2000"),
        ("import: 300000", "import: 80000"),
        ("(\"00:20\", 1.0)", "(\"25:00\", 1.0)"),
        ("(\"00:20\", 1.0)", "(\"00:20\", 7.0)"),
        ("date: \"2026-06-18\"", "date: \"2026-02-30\""),
        ("format: 1", "format: 9"),
        ("id: \"H2\"", "id: \"H1\""),
        ("id: \"A\"", "id: \"M1\""),
        ("mlmds: [\"M1\"]", "mlmds: []"),
        ("max_pu: 1.1", "max_pu: 0.1"),
        (
            "(that: BooksBalance)",
            "(until: \"40m\", that: BooksBalance)",
        ),
        (
            "(that: BooksBalance)",
            "(from: \"20m\", until: \"10m\", that: BooksBalance)",
        ),
        ("solar: 4, battery: 2, grid_mix: 1", "solar: 0"),
    ] {
        assert!(!broken(from, to).is_empty(), "{to}");
    }
}

#[test]
fn events_are_checked() {
    for (event, count) in [
        ("(at: \"00:10\", do: Open(\"M1\"))", 0),
        ("(at: \"00:10\", do: Cloud(0.3), note: \"a cloud\")", 0),
        ("(at: \"00:10\", do: Partition(\"A\", [[0, 1], [2, 3]]))", 0),
        ("(at: \"00:10\", do: Open(\"M2\"))", 1),
        ("(at: \"noon\", do: Close(\"M1\"))", 1),
        ("(at: \"01:00\", do: Close(\"M1\"))", 1),
        ("(at: \"00:10\", do: Cloud(-0.3))", 1),
        ("(at: \"00:10\", do: CrashValidator(\"A\", 4))", 1),
        ("(at: \"00:10\", do: CrashValidator(\"X\", 0))", 1),
        ("(at: \"00:10\", do: Partition(\"A\", [[0, 1], [1, 9]]))", 2),
        ("(at: \"00:10\", do: SilenceMeter(\"H9\"))", 1),
    ] {
        let (text, path) = two_houses();
        let text = text.replacen(
            "  expect: [",
            &format!("  events: [{event}],\n  expect: ["),
            1,
        );
        let issues = load_str(&text, &path, None).err().unwrap_or_default();
        assert_eq!(issues.len(), count, "{event}: {issues:?}");
    }
}

#[test]
fn bids_and_the_terms_of_the_wholesale_agent_are_checked() {
    let path = scene_path("wholesale.scene.ron");
    let text = std::fs::read_to_string(&path).expect("the scene is part of the repository");
    let bid = "Bid(\"H2\", (slots: 4, buy: [(limit: 120000)]))";
    for (from, to, problem) in [
        (bid, "Bid(\"H2\", (slot: Ahead(2), sell: []))", None),
        (
            bid,
            "Bid(\"H2\", (slot: At(5), buy: [(limit: 80000, wh: 7, kind: Solar)]))",
            None,
        ),
        (
            "max_step: 300000,",
            "max_step: 300000, between: (neighbour_fee: 10000, grid_fee: 20000),",
            Some("beside a wholesale agent"),
        ),
        (bid, "Bid(\"H2\", ())", None),
        (bid, "Bid(\"H9\", ())", Some("`H9` does not exist")),
        (bid, "Bid(\"H2\", (slot: Ahead(3)))", Some("3 slots ahead")),
        (
            bid,
            "Bid(\"H2\", (slot: At(9)))",
            Some("slot 9 is not open"),
        ),
        (
            bid,
            "Bid(\"H2\", (slot: At(5), slots: 2))",
            Some("placed 2 times"),
        ),
        (bid, "Bid(\"H2\", (slots: 0))", Some("slots is 0")),
        (
            bid,
            "Bid(\"H2\", (buy: [(limit: 300001)]))",
            Some("not between"),
        ),
        (
            bid,
            "Bid(\"H2\", (buy: [(limit: 90000, wh: 0)]))",
            Some("0 Wh"),
        ),
        (
            bid,
            "Bid(\"H2\", (buy: [(limit: 90000, kind: GridMix)]))",
            Some("not traded"),
        ),
        ("rule: PayAsBid", "rule: Typed", Some("asks for bids")),
        ("Fixed(120000)", "Fixed(-120000)", None),
        (
            "Fixed(120000)",
            "Fixed(-9223372036854775808)",
            Some("an anchor of"),
        ),
        ("Fixed(120000)", "Hourly([1, 2])", Some("2 hourly prices")),
        ("spread: 2000", "spread: -1", Some("spread is -1")),
        ("block_kw: 2.0", "block_kw: 0.0", Some("block_kw is 0")),
        ("max_kw: 20.0", "max_kw: NaN", Some("max_kw is NaN")),
        (
            "max_kw: 20.0",
            "max_kw: 20.0, clusters: [\"B\"]",
            Some("`B`"),
        ),
        (
            "max_kw: 20.0",
            "max_kw: 20.0, clusters: [\"root\"]",
            Some("no energy"),
        ),
    ] {
        assert!(text.contains(from), "{from}");
        let issues = load_str(&text.replacen(from, to, 1), &path, None)
            .err()
            .unwrap_or_default();
        assert_eq!(
            issues.len(),
            usize::from(problem.is_some()),
            "{to}: {issues:?}"
        );
        if let Some(problem) = problem {
            assert!(issues[0].message.contains(problem), "{to}: {issues:?}");
        }
    }
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_file() {
    let (text, path) = two_houses();
    let text = text
        .replace("tick_ms: 1000", "tick_ms: 0")
        .replace("profile: \"house_2\"", "profile: \"house_3\"")
        .replace("limit_a: 100", "limit_a: 0")
        .replace("aggregator: \"LG-A\"", "aggregator: \"\"");
    let issues = load_str(&text, &path, None).expect_err("broken");
    assert_eq!(issues.len(), 4, "{issues:?}");
    assert!(
        issues.windows(2).all(|pair| pair[0].line <= pair[1].line),
        "{issues:?}"
    );
}

#[test]
fn a_flood_of_problems_is_cut_and_counted() {
    let (text, path) = two_houses();
    let homes = "    (id: \"\", load: \"x\", profile: \"house_1\", preferences: \"any\", deposit_eur: 1),\n";
    let text = text.replacen(
        "  homes: [\n",
        &format!("  homes: [\n{}", homes.repeat(500)),
        1,
    );
    let issues = load_str(&text, &path, None).expect_err("broken");
    assert_eq!(issues.len(), 201);
    assert!(
        issues[200].message.ends_with("more problems are not shown"),
        "{}",
        issues[200]
    );
}

#[test]
fn an_opendss_deck_needs_an_importer() {
    let (text, path) = two_houses();
    let text = text.replace(
        "Ron(\"grids/two_houses.grid.ron\")",
        "Dss(\"grids/deck.dss\")",
    );
    let issues = load_str(&text, &path, None).expect_err("no importer");
    assert_eq!(
        issues[0].message,
        "deck `grids/deck.dss` cannot be read here"
    );
    let grid = load(&scene_path("two_houses.scene.ron"))
        .expect("valid")
        .grid;
    let import = move |path: &Path| {
        assert!(path.ends_with("grids/deck.dss"));
        Ok(grid.clone())
    };
    assert!(load_str(&text, &path, Some(&import)).is_ok());
}

proptest! {
    #[test]
    fn a_mutated_scene_never_panics(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (text, path) = two_houses();
        let mut bytes = text.into_bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(issues) = load_str(&text, &path, None) {
            prop_assert!(!issues.is_empty());
            prop_assert!(issues.iter().all(|issue| !issue.message.is_empty()));
        }
    }

    #[test]
    fn numbers_swapped_for_any_others_never_panic(
        which in any::<prop::sample::Index>(),
        number in prop::sample::select(vec![
            "0", "-1", "1e400", "NaN", "-inf", "18446744073709551615", "9223372036854775807", "0.5",
        ]),
    ) {
        let (text, path) = two_houses();
        let places: Vec<(usize, usize)> = text
            .match_indices(|c: char| c.is_ascii_digit())
            .map(|(at, _)| at)
            .filter(|&at| !text[..at].ends_with(|c: char| c.is_ascii_digit() || c == '.'))
            .map(|at| {
                let len = text[at..].find(|c: char| !c.is_ascii_digit() && c != '.');
                (at, at + len.unwrap_or(text.len() - at))
            })
            .collect();
        let (from, to) = places[which.index(places.len())];
        let text = format!("{}{number}{}", &text[..from], &text[to..]);
        let _ = load_str(&text, &path, None);
    }
}
