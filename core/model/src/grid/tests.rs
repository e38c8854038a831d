use super::*;

const SMALL: &str = r#"(
  format: 1,
  name: "two buses",
  base_frequency_hz: 50.0,
  buses: [
    (id: "a", kv_ln: 0.23, xy: (0.0, 1.0)),
    (id: "b", kv_ln: 0.23),
  ],
  sources: [(id: "grid", at: "a.1.2.3", kv: 0.4, impedance: Sequence(r1: 0.01, x1: 0.02, r0: 0.01, x0: 0.02))],
  line_codes: [(id: "cable", conductors: 3, per_km: Sequence(r1: 0.3, x1: 0.08, r0: 1.0, x0: 0.1), norm_amps: 200.0)],
  lines: [(id: "l1", from: "a.1.2.3", to: "b.1.2.3", code: "cable", km: 0.1)],
  switches: [(id: "s1", line: "l1")],
  loads: [(id: "home", at: "b.1.0", phases: 1, kv: 0.23, kw: 1.0, kvar: 0.3)],
)"#;

#[test]
fn a_small_grid_loads_and_round_trips() {
    let case = GridCase::from_ron(SMALL, "small.grid.ron").expect("valid");
    assert_eq!(case.lines[0].from.bus, "a");
    assert_eq!(case.loads[0].law, LoadLaw::ConstPower);
    let text = case.to_ron().expect("writes");
    assert_eq!(GridCase::from_ron(&text, "again").expect("valid"), case);
}

#[test]
fn a_syntax_error_has_its_place() {
    let broken = SMALL.replace("km: 0.1", "kilometres: 0.1");
    let errors = GridCase::from_ron(&broken, "x.ron").expect_err("unknown field");
    assert_eq!(errors.0.len(), 1);
    assert_eq!(errors.0[0].line, 11, "{errors}");
    assert!(errors.to_string().contains("kilometres"), "{errors}");
}

#[test]
fn all_problems_of_meaning_are_reported_at_once_with_their_place() {
    let broken = SMALL
        .replace("to: \"b.1.2.3\"", "to: \"B.1.2.3\"")
        .replace("km: 0.1", "km: -1.0")
        .replace("line: \"l1\"", "line: \"l9\"")
        .replace("at: \"b.1.0\"", "at: \"b.1\"")
        .replace("(id: \"b\", kv_ln: 0.23)", "(id: \"a\", kv_ln: 0.23)");
    let errors = GridCase::from_ron(&broken, "x.ron").expect_err("broken");
    let text = errors.to_string();
    for part in [
        "id is used twice",
        "bus `B` does not exist",
        "km must be a positive number",
        "line `l9` does not exist",
        "lists 1 conductors, 2 needed",
    ] {
        assert!(text.contains(part), "{part} missing in\n{text}");
    }
    assert!(text.contains("x.ron:11:"), "{text}");
}

#[test]
fn matrices_must_be_lower_triangles_of_the_right_size() {
    let broken = SMALL.replace(
        "Sequence(r1: 0.3, x1: 0.08, r0: 1.0, x0: 0.1)",
        "Matrix(r: [[1.0], [0.1, 1.0]], x: [[1.0], [0.1, 1.0], [0.1, 0.1, inf]])",
    );
    let text = GridCase::from_ron(&broken, "x.ron")
        .expect_err("broken")
        .to_string();
    assert!(text.contains("matrix r must have 3 rows"), "{text}");
    assert!(text.contains("matrix x contains a value"), "{text}");
}
