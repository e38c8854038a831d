use gridloom_model::grid::GridCase;

use super::*;

mod running;

/// A source, a transformer and two radial branches that meet in a ring when switch `tie` is closed.
const RING: &str = r#"(
  format: 1,
  name: "ring",
  base_frequency_hz: 50.0,
  buses: [
    (id: "hv", kv_ln: 6.3509), (id: "lv", kv_ln: 0.2402), (id: "a", kv_ln: 0.2402), (id: "b", kv_ln: 0.2402), (id: "c", kv_ln: 0.2402),
  ],
  sources: [(id: "grid", at: "hv.1.2.3", kv: 11.0, v_pu: 1.02, impedance: ShortCircuit(mva3: 100.0, mva1: 80.0, x1r1: 4.0, x0r0: 3.0))],
  line_codes: [(id: "cable", conductors: 3, per_km: Sequence(r1: 0.446, x1: 0.071, r0: 1.505, x0: 0.083, c1_nf: 200.0, c0_nf: 100.0), norm_amps: 200.0)],
  lines: [
    (id: "l1", from: "lv.1.2.3", to: "a.1.2.3", code: "cable", km: 0.1),
    (id: "l2", from: "lv.1.2.3", to: "b.1.2.3", code: "cable", km: 0.2),
    (id: "l3", from: "a.1.2.3", to: "c.1.2.3", code: "cable", km: 0.15),
    (id: "tie", from: "b.1.2.3", to: "c.1.2.3", code: "cable", km: 0.05),
  ],
  switches: [(id: "s1", line: "l1"), (id: "s3", line: "l3"), (id: "tie", line: "tie", closed: false)],
  transformers: [(id: "t", phases: 3, x_percent: [4.0], windings: [
    (at: "hv.1.2.3", connection: Delta, kv: 11.0, kva: 400.0, r_percent: 0.4),
    (at: "lv.1.2.3.0", connection: Wye, kv: 0.416, kva: 400.0, r_percent: 0.4),
  ])],
  loads: [
    (id: "A", at: "a.1.0", phases: 1, kv: 0.23, kw: 8.0, kvar: 2.0, band: (min_pu: 0.0, max_pu: 2.0, low_pu: 0.0)),
    (id: "B", at: "b.1.2.3.0", phases: 3, kv: 0.4, kw: 30.0, kvar: 8.0),
    (id: "C", at: "c.2.3", phases: 1, connection: Delta, kv: 0.4, kw: 6.0, kvar: 1.0, law: ConstImpedance),
  ],
)"#;

fn ring() -> Network {
    let case = GridCase::from_ron(RING, "ring").expect("valid");
    Network::build(&case).expect("builds")
}

fn solved(network: &mut Network) -> SolveReport {
    let report = network.solve();
    assert!(report.converged, "{report:?}");
    report
}

#[test]
fn currents_balance_at_every_node_and_power_in_the_whole() {
    let mut network = ring();
    network.set_options(SolveOptions {
        tolerance: 1e-12,
        max_iterations: 100,
    });
    solved(&mut network);
    assert!(network.kcl_error_a() < 1e-7, "{}", network.kcl_error_a());
    let totals = network.totals();
    assert!(totals.losses_w > 0.0);
    assert!(
        totals.error_w().abs() < 1e-9 * totals.source_w,
        "{totals:?}"
    );
    let a = network.port_index("A").expect("known");
    let (p, q) = network.port_power(a);
    assert!((p - 8000.0).abs() < 1e-6 && (q - 2000.0).abs() < 1e-6);
}

#[test]
fn an_open_breaker_kills_exactly_what_lies_behind_it() {
    let mut network = ring();
    solved(&mut network);
    let switch = network.switch_index("s1").expect("known");
    assert!(network.set_switch(switch, false));
    assert!(!network.set_switch(switch, false), "no second change");
    let report = solved(&mut network);
    assert_eq!(report.dead_nodes, 6);
    for (bus, energised) in [("lv", true), ("a", false), ("b", true), ("c", false)] {
        let bus = network.bus_index(bus).expect("known");
        assert_eq!(network.bus_energised(bus), energised);
    }
    let a = network.port_index("A").expect("known");
    assert_eq!(network.port_power(a), (0.0, 0.0));
    assert!(!network.port_energised(a));
    // The tie feeds the section from the other side.
    let tie = network.switch_index("tie").expect("known");
    network.set_switch(tie, true);
    assert_eq!(solved(&mut network).dead_nodes, 0);
    let (p, _) = network.port_power(a);
    assert!((p - 8000.0).abs() < 1e-3);
    assert!(network.kcl_error_a() < 1e-4);
}

#[test]
fn a_reclosed_breaker_gives_back_the_same_bits() {
    let mut network = ring();
    solved(&mut network);
    let switch = network.switch_index("s1").expect("known");
    network.solve_no_load().expect("regular");
    solved(&mut network);
    let before = network.solution_state();
    network.set_switch(switch, false);
    solved(&mut network);
    network.set_switch(switch, true);
    solved(&mut network);
    assert_eq!(before.voltages(), network.solution_state().voltages());
}

#[test]
fn restoring_a_state_repeats_the_following_solutions_to_the_bit() {
    let mut network = ring();
    solved(&mut network);
    let state = network.solution_state();
    let run = |network: &mut Network| {
        let load = network.port_index("B").expect("known");
        let mut seen = Vec::new();
        for step in 0..6 {
            network.set_port_power(load, 20_000.0 + 3_000.0 * f64::from(step), 5_000.0);
            let tie = network.switch_index("tie").expect("known");
            network.set_switch(tie, step % 3 == 1);
            solved(network);
            seen.push(network.solution_state());
        }
        seen
    };
    let first = run(&mut network);
    assert!(network.restore(&state));
    let second = run(&mut network);
    assert!(first == second);
    let mut fresh = ring();
    assert!(fresh.restore(&state));
    assert!(first == run(&mut fresh));
}

#[test]
fn an_impossible_load_is_a_verdict_and_leaves_the_last_solution() {
    let mut network = ring();
    solved(&mut network);
    let before = network.solution_state();
    let a = network.port_index("A").expect("known");
    network.set_port_power(a, 5e6, 0.0);
    let report = network.solve();
    assert!(!report.converged);
    assert_eq!(report.worst_bus, network.bus_index("a"));
    assert_eq!(before.voltages(), network.solution_state().voltages());
    network.set_port_power(a, 8e3, 2e3);
    solved(&mut network);
    assert!(!network.set_port_power(a, f64::NAN, 0.0));
}

#[test]
fn the_loading_margin_lies_between_what_solves_and_what_does_not() {
    let mut network = ring();
    solved(&mut network);
    let before = network.solution_state();
    let a = network.port_index("A").expect("known");
    network.set_port_power(a, 5e6, 0.0);
    let margin = network.loading_margin(1.0);
    assert!(margin.factor > 0.01 && margin.factor < 1.0, "{margin:?}");
    assert_eq!(margin.weakest_bus, network.bus_index("a"));
    network.set_port_power(a, 5e6 * margin.factor, 0.0);
    let b = network.port_index("B").expect("known");
    let c = network.port_index("C").expect("known");
    network.set_port_power(b, 30e3 * margin.factor, 8e3 * margin.factor);
    network.set_port_power(c, 6e3 * margin.factor, 1e3 * margin.factor);
    solved(&mut network);
    assert!(network.restore(&before));
    assert_eq!(before.voltages(), network.solution_state().voltages());
}

#[test]
fn an_added_port_feeds_in() {
    let mut network = ring();
    solved(&mut network);
    let bus = network.bus_index("c").expect("known");
    let pv = network
        .add_port("pv", bus, &[1, 0], PortLaw::injection(0.24))
        .expect("fits");
    network.set_port_power(pv, -5_000.0, 0.0);
    solved(&mut network);
    let (p, q) = network.port_power(pv);
    assert!((p + 5_000.0).abs() < 1e-4 && q.abs() < 1e-4);
    assert!(matches!(
        network.add_port("x", bus, &[9, 0], PortLaw::injection(0.24)),
        Err(PortError::NoSuchConductor { .. })
    ));
    let node = network.node(bus, 1).expect("there");
    let other = network.node(bus, 2).expect("there");
    assert!(network.voltage_pu(node) > network.voltage_pu(other));
}

#[test]
fn the_table_of_nodes_compares_equal_with_itself() {
    let mut network = ring();
    solved(&mut network);
    let csv = nodes_csv(&network);
    let same = compare_nodes(&network, &csv).expect("readable");
    assert_eq!(same.compared, network.node_count());
    assert!(same.max_dv_pu < 1e-15 && same.missing.is_empty() && same.extra == 0);
    assert_eq!(
        compare_nodes(&network, "bus,node\n1,1\n"),
        Err(CompareError::NoColumn("v_re"))
    );
}
