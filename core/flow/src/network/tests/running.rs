//! Faults, open conductors, forming sources and control laws in the running network.

use super::*;
use crate::inverter::{Category, InverterLaw, ReactiveLaw};

const EXACT: SolveOptions = SolveOptions {
    tolerance: 1e-12,
    max_iterations: 500,
};

fn unloaded() -> Network {
    let mut network = ring();
    for port in 0..network.port_count() {
        network.set_port_power(PortId(port as u32), 0.0, 0.0);
    }
    network.set_options(EXACT);
    solved(&mut network);
    network
}

fn bus(network: &Network, id: &str) -> usize {
    network.bus_index(id).expect("known")
}

fn line(network: &Network, id: &str) -> usize {
    network.line_index(id).expect("known")
}

fn balanced(network: &Network) {
    assert!(network.kcl_error_a() < 1e-5, "{}", network.kcl_error_a());
    let totals = network.totals();
    let scale = totals.source_w.abs() + totals.fed_in_w + totals.losses_w.abs() + 1.0;
    assert!(totals.error_w().abs() < 1e-8 * scale, "{totals:?}");
}

#[test]
fn a_fault_in_the_running_network_draws_what_the_study_says() {
    let mut network = unloaded();
    let study = network.fault_study().expect("solved");
    let at = bus(&network, "c");
    let z = Complex::new(0.02, 0.01);
    for kind in [
        FaultKind::ThreePhase,
        FaultKind::ThreePhaseEarth,
        FaultKind::LineLine(1, 2),
        FaultKind::LineLineEarth(2, 3),
        FaultKind::LineEarth(3),
    ] {
        for z_ohm in [Complex::ZERO, z] {
            let want = study.fault(at, kind, z_ohm).expect("live");
            let fault = Fault {
                z_ohm,
                ..Fault::bolted(FaultPlace::Bus(at), kind)
            };
            assert!(network.set_fault(7, Some(fault)).expect("fits"));
            solved(&mut network);
            balanced(&network);
            let got = network.fault_reading(7).expect("stands");
            for (i, &(conductor, current)) in got.currents.iter().enumerate() {
                assert_eq!(conductor, want.conductors[i]);
                let error = (current - want.currents[i]).abs() / want.currents[i].abs();
                assert!(error < 1e-6, "{kind:?} {z_ohm:?}: {error}");
            }
        }
    }
    assert!(network.set_fault(7, None).expect("stands"));
    assert!(!network.set_fault(7, None).expect("nothing there"));
}

#[test]
fn a_fault_on_a_line_is_one_at_a_bus_between_two_pieces() {
    let cut = RING
        .replace(
            r#"(id: "c", kv_ln: 0.2402),"#,
            r#"(id: "c", kv_ln: 0.2402), (id: "m", kv_ln: 0.2402),"#,
        )
        .replace(
            r#"(id: "l3", from: "a.1.2.3", to: "c.1.2.3", code: "cable", km: 0.15),"#,
            r#"(id: "l3", from: "a.1.2.3", to: "m.1.2.3", code: "cable", km: 0.06),
               (id: "l4", from: "m.1.2.3", to: "c.1.2.3", code: "cable", km: 0.09),"#,
        );
    let mut other =
        Network::build(&GridCase::from_ron(&cut, "cut").expect("valid")).expect("builds");
    let mut network = ring();
    let m = bus(&other, "m");
    let l3 = line(&network, "l3");
    for kind in [FaultKind::LineEarth(2), FaultKind::LineLine(1, 3)] {
        let on = |place| Fault {
            z_ohm: Complex::new(0.01, 0.0),
            ..Fault::bolted(place, kind)
        };
        let place = FaultPlace::Line {
            line: l3,
            position: 0.4,
        };
        network.set_fault(1, Some(on(place))).expect("fits");
        other
            .set_fault(1, Some(on(FaultPlace::Bus(m))))
            .expect("fits");
        for net in [&mut network, &mut other] {
            net.set_options(EXACT);
            solved(net);
            balanced(net);
        }
        let (a, b) = (network.fault_reading(1), other.fault_reading(1));
        let (a, b) = (a.expect("stands"), b.expect("stands"));
        for (x, y) in a.currents.iter().zip(&b.currents) {
            assert!((x.1 - y.1).abs() < 1e-6 * y.1.abs(), "{a:?} {b:?}");
        }
        assert!((a.p_w - b.p_w).abs() < 1e-6 * b.p_w);
        // The pi model of the cut cable differs by its distributed capacitance only.
        let (x, y) = (
            network.line_current(l3, LineEnd::From),
            other.line_current(line(&other, "l3"), LineEnd::From),
        );
        assert!((x.residual() - y.residual()).abs() < 1e-3);
    }
}

#[test]
fn faults_on_dead_sections_and_several_at_once_are_solved() {
    let mut network = ring();
    network.set_options(EXACT);
    let switch = network.switch_index("s1").expect("known");
    network.set_switch(switch, false);
    let place = FaultPlace::Bus(bus(&network, "a"));
    let fault = Fault::bolted(place, FaultKind::LineEarth(1));
    network.set_fault(1, Some(fault)).expect("fits");
    solved(&mut network);
    assert_eq!(network.fault_reading(1).expect("stands").largest_a(), 0.0);
    let l2 = line(&network, "l2");
    for (id, position) in [(2, 0.5), (3, 0.5), (4, 0.9)] {
        let place = FaultPlace::Line { line: l2, position };
        let fault = Fault::bolted(place, FaultKind::LineEarth(1));
        network.set_fault(id, Some(fault)).expect("fits");
    }
    solved(&mut network);
    balanced(&network);
    let current = |id| network.fault_reading(id).expect("stands").largest_a();
    assert!(current(2) > 100.0 && (current(2) - current(3)).abs() < 1e-3 * current(2));
    network.set_switch(switch, true);
    solved(&mut network);
    assert!(network.fault_reading(1).expect("stands").largest_a() > 100.0);
    for id in 1..5 {
        network.set_fault(id, None).expect("stands");
    }
    let clean = ring_solution();
    solved(&mut network);
    for node in 0..network.node_count() {
        let (a, b) = (network.voltage(node), clean.voltage(node));
        assert!((a - b).abs() < 1e-6);
    }
}

fn ring_solution() -> Network {
    let mut network = ring();
    network.set_options(EXACT);
    solved(&mut network);
    network
}

#[test]
fn an_open_conductor_kills_one_phase_and_no_other() {
    let mut network = ring();
    network.set_options(EXACT);
    solved(&mut network);
    let l1 = line(&network, "l1");
    assert!(network.set_conductor_open(l1, 1, true));
    assert!(!network.set_conductor_open(l1, 1, true) && network.conductor_open(l1, 1));
    assert!(
        !network.set_conductor_open(l1, 9, true),
        "no such conductor"
    );
    solved(&mut network);
    balanced(&network);
    let a = bus(&network, "a");
    let live = |network: &Network, c| network.node_energised(network.node(a, c).expect("there"));
    assert!(!live(&network, 1) && live(&network, 2) && live(&network, 3));
    assert!(network.line_current(l1, LineEnd::From).phase[0].abs() < 0.1);
    assert!(network.line_current(l1, LineEnd::From).phase[1].abs() > 10.0);
    let port = network.port_index("A").expect("known");
    assert!(!network.port_energised(port));
    network.set_conductor_open(l1, 1, false);
    solved(&mut network);
    assert!(network.port_energised(port));
}

/// The ring with an inverter at c, cut off from the grid.
fn island(sources: &[EmfBehindImpedance]) -> (Network, Vec<PortId>) {
    let mut network = ring();
    network.set_options(EXACT);
    let c = bus(&network, "c");
    let law = PortLaw {
        phases: 3,
        ..PortLaw::injection(0.416)
    };
    let ports: Vec<PortId> = (0..sources.len())
        .map(|i| {
            let id = format!("gfm{i}");
            network.add_port(&id, c, &[1, 2, 3, 0], law).expect("fits")
        })
        .collect();
    let s1 = network.switch_index("s1").expect("known");
    network.set_switch(s1, false);
    for (&port, &source) in ports.iter().zip(sources) {
        network.set_source(port, Some(source)).expect("usable");
    }
    (network, ports)
}

#[test]
fn two_forming_sources_on_a_bus_share_an_island() {
    let one = EmfBehindImpedance::new(240.0, 10.0, Complex::new(0.02, 0.1));
    let half = EmfBehindImpedance::new(240.0, 10.0, Complex::new(0.04, 0.2));
    let (mut network, ports) = island(&[one, half]);
    solved(&mut network);
    balanced(&network);
    assert!(network.bus_energised(bus(&network, "a")));
    assert_ne!(
        network.bus_section(bus(&network, "a")),
        network.bus_section(bus(&network, "lv"))
    );
    assert_eq!(
        network.port_section(ports[0]),
        network.bus_section(bus(&network, "a"))
    );
    let read = |i: usize| network.source_reading(ports[i]).expect("forms");
    let second = read(1).p_w;
    assert!((read(0).p_w - 2.0 * read(1).p_w).abs() < 1e-6 * read(0).p_w);
    let served: f64 = ["A", "C"]
        .iter()
        .map(|id| network.port_power(network.port_index(id).expect("known")).0)
        .sum();
    assert!(read(0).p_w + read(1).p_w > served && served > 12e3);
    // Turning one source ahead moves load to it without a factorisation.
    let ahead = EmfBehindImpedance {
        angle_deg: 11.0,
        ..half
    };
    assert!(network.set_source(ports[1], Some(ahead)).expect("usable"));
    assert!(!solved(&mut network).refactored);
    assert!(network.source_reading(ports[1]).expect("forms").p_w > second * 1.1);
    network.set_source(ports[0], None).expect("was one");
    network.set_source(ports[1], None).expect("was one");
    solved(&mut network);
    assert!(!network.bus_energised(bus(&network, "a")));
}

#[test]
fn a_limited_source_feeds_a_fault_with_its_limit() {
    let source = EmfBehindImpedance {
        limit_a: Some(120.0),
        ..EmfBehindImpedance::new(240.0, 0.0, Complex::new(0.01, 0.05))
    };
    let (mut network, ports) = island(&[source]);
    solved(&mut network);
    assert!(!network.source_reading(ports[0]).expect("forms").limited);
    let a = bus(&network, "a");
    for kind in [FaultKind::ThreePhaseEarth, FaultKind::LineEarth(2)] {
        network
            .set_fault(1, Some(Fault::bolted(FaultPlace::Bus(a), kind)))
            .expect("fits");
        let report = solved(&mut network);
        balanced(&network);
        let reading = network.source_reading(ports[0]).expect("forms");
        assert!(reading.limited && report.iterations < 400, "{report:?}");
        assert!((reading.largest_a() - 120.0).abs() < 1e-3, "{reading:?}");
        assert!(network.fault_reading(1).expect("stands").largest_a() < 130.0);
    }
    network.set_fault(1, None).expect("stands");
    solved(&mut network);
    assert!(!network.source_reading(ports[0]).expect("forms").limited);
}

#[test]
fn a_following_inverter_limits_its_current_in_a_fault() {
    let mut network = ring();
    network.set_options(EXACT);
    let c = bus(&network, "c");
    let pv = network
        .add_port(
            "pv",
            c,
            &[1, 2, 3, 0],
            PortLaw {
                phases: 3,
                ..PortLaw::injection(0.416)
            },
        )
        .expect("fits");
    network.set_port_power(pv, -30e3, 0.0);
    network.set_port_limit(pv, Some(50.0));
    solved(&mut network);
    assert!((network.port_power(pv).0 + 30e3).abs() < 1e-3);
    let a = bus(&network, "a");
    let fault = Fault::bolted(FaultPlace::Bus(a), FaultKind::ThreePhaseEarth);
    network.set_fault(1, Some(fault)).expect("fits");
    solved(&mut network);
    balanced(&network);
    assert!(network.port_current(pv).largest() <= 50.0 * (1.0 + 1e-9));
}

#[test]
fn control_laws_lie_on_their_curves_in_a_weak_network() {
    let weak = RING.replace("mva3: 100.0, mva1: 80.0", "mva3: 1.0, mva1: 0.8");
    let mut network =
        Network::build(&GridCase::from_ron(&weak, "weak").expect("valid")).expect("builds");
    network.set_options(SolveOptions {
        tolerance: 1e-9,
        max_iterations: 200,
    });
    let c = bus(&network, "c");
    let pv = network
        .add_port(
            "pv",
            c,
            &[1, 2, 3, 0],
            PortLaw {
                phases: 3,
                ..PortLaw::injection(0.4)
            },
        )
        .expect("fits");
    for category in [Category::A, Category::B] {
        for kw in [0.0, 60.0, 150.0, 300.0] {
            let law = InverterLaw::new(330e3, 300e3)
                .volt_var(category)
                .volt_watt();
            network.set_port_law(pv, Some(law.clone())).expect("usable");
            network.set_port_power(pv, -kw * 1e3, 0.0);
            let report = solved(&mut network);
            assert!(report.iterations < 80, "{kw} {report:?}");
            let v = (0..3)
                .map(|i| network.bus_voltage(c).phase[i].abs() / (400.0 / 3.0_f64.sqrt()))
                .sum::<f64>()
                / 3.0;
            let want = law.delivered(kw * 1e3, 0.0, v, 50.0);
            let (p, q) = network.port_power(pv);
            let off = (p + want.0).abs().max((q + want.1).abs()) / 330e3;
            assert!(off < 1e-6, "{category:?} {kw} kW at {v}: {off}");
            assert!(network.kcl_error_a() < 1e-3);
        }
    }
    assert!(matches!(network.reduce(), Err(ReduceError::Controlled(_))));
    let law = InverterLaw {
        reactive: ReactiveLaw::PowerFactor(-0.95),
        ..InverterLaw::new(330e3, 300e3)
    };
    network
        .set_port_law(pv, Some(law.frequency_watt(50.0)))
        .expect("usable");
    network.set_port_power(pv, -100e3, 0.0);
    assert!(network.set_port_frequency(pv, 50.536));
    solved(&mut network);
    // 0.5 Hz of 2.5 Hz: a fifth of the rating.
    assert!((network.port_power(pv).0 + 40e3).abs() < 1.0);
    network.set_port_law(pv, None).expect("had one");
    solved(&mut network);
    assert!((network.port_power(pv).0 + 100e3).abs() < 1.0);
}

#[test]
fn everything_that_can_be_set_comes_back_from_a_state() {
    let source = EmfBehindImpedance {
        limit_a: Some(120.0),
        ..EmfBehindImpedance::new(240.0, 0.0, Complex::new(0.01, 0.05))
    };
    let (mut network, ports) = island(&[source]);
    solved(&mut network);
    let b = network.port_index("B").expect("known");
    let law = InverterLaw::new(60e3, 60e3).volt_var(Category::B);
    network.set_port_law(b, Some(law)).expect("usable");
    let l3 = line(&network, "l3");
    let place = FaultPlace::Line {
        line: l3,
        position: 0.3,
    };
    network
        .set_fault(4, Some(Fault::bolted(place, FaultKind::LineEarth(1))))
        .expect("fits");
    network.set_conductor_open(line(&network, "l2"), 2, true);
    solved(&mut network);
    let state = network.solution_state();
    let run = |network: &mut Network| {
        let mut seen = Vec::new();
        network.set_port_power(b, -20e3, 0.0);
        network.set_port_frequency(b, 50.4);
        seen.push((solved(network), network.solution_state()));
        network.set_fault(4, None).expect("stands");
        network.set_source(ports[0], None).expect("was one");
        network.set_port_law(b, None).expect("had one");
        network.set_conductor_open(line(network, "l2"), 2, false);
        seen.push((solved(network), network.solution_state()));
        seen
    };
    let first = run(&mut network);
    assert!(network.restore(&state));
    let reading = network.fault_reading(4).expect("stands again");
    assert!(reading.largest_a() > 10.0);
    let second = run(&mut network);
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(a.0, b.0);
        assert_eq!(a.1.voltages(), b.1.voltages());
    }
    assert!(first == second);
}

#[test]
fn capacitor_steps_are_what_a_smaller_bank_is() {
    let with = |kvar: f64, more: &str| {
        let text = RING.replace(
            "  loads: [",
            &format!(
                r#"  capacitors: [(id: "k", at: "c.1.2.3", phases: 3, kv: 0.4, kvar: {kvar:?}{more})],
  loads: ["#
            ),
        );
        let case = GridCase::from_ron(&text, "capacitor").expect("valid");
        let mut network = Network::build(&case).expect("builds");
        network.set_options(EXACT);
        network
    };
    let mut bank = with(30.0, ", steps: 3, closed: false");
    let mut small = with(20.0, "");
    assert_eq!(bank.capacitor_steps(0), (0, 3));
    let off = solved(&mut bank);
    assert!(off.converged && bank.capacitor_power(0).1 == 0.0);
    assert!(bank.set_capacitor_steps(0, 2) && !bank.set_capacitor_steps(0, 2));
    solved(&mut bank);
    solved(&mut small);
    assert!((bank.capacitor_power(0).1 - small.capacitor_power(0).1).abs() < 1e-6);
    for node in 0..bank.node_count() {
        assert!((bank.voltage(node) - small.voltage(node)).abs() < 1e-9);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut network = ring();
    let at = FaultPlace::Bus(bus(&network, "c"));
    let lg = Fault::bolted(at, FaultKind::LineEarth(1));
    let refused =
        |network: &mut Network, fault| network.set_fault(1, Some(fault)).expect_err("wrong");
    let wrong = Fault {
        place: FaultPlace::Bus(99),
        ..lg
    };
    assert_eq!(refused(&mut network, wrong), FaultError::NoSuchBus(99));
    let wrong = Fault {
        kind: FaultKind::LineEarth(4),
        ..lg
    };
    assert!(matches!(
        refused(&mut network, wrong),
        FaultError::NoSuchConductor { conductor: 4, .. }
    ));
    let wrong = Fault {
        kind: FaultKind::LineLine(1, 1),
        ..lg
    };
    assert_eq!(refused(&mut network, wrong), FaultError::SameConductor);
    let wrong = Fault {
        z_ohm: Complex::new(-1.0, 0.0),
        ..lg
    };
    assert_eq!(refused(&mut network, wrong), FaultError::Impedance);
    let wrong = Fault {
        place: FaultPlace::Line {
            line: 0,
            position: 1.5,
        },
        ..lg
    };
    assert_eq!(refused(&mut network, wrong), FaultError::Position);
    for id in 0..MAX_FAULTS as u32 {
        network.set_fault(id, Some(lg)).expect("room");
    }
    assert_eq!(network.set_fault(1000, Some(lg)), Err(FaultError::TooMany));
    let b = network.port_index("B").expect("known");
    let source = EmfBehindImpedance::new(240.0, 0.0, Complex::ZERO);
    assert_eq!(
        network.set_source(b, Some(source)),
        Err(SourceError::Impedance)
    );
    let law = InverterLaw {
        s_rated_va: 0.0,
        ..InverterLaw::new(1.0, 1.0)
    };
    assert!(network.set_port_law(b, Some(law)).is_err());
}

#[test]
fn lanes_of_a_batch_solve_what_single_solutions_do() {
    let mut network = ring();
    network.set_options(EXACT);
    solved(&mut network);
    let rated: Vec<(f64, f64)> = (0..3).map(|p| network.port_nominal(PortId(p))).collect();
    let factor = |lane: usize, port: usize| 0.2 + 0.13 * lane as f64 + 0.05 * port as f64;
    let mut batch = network.batch().expect("regular");
    for lane in 0..LANES {
        for (port, &(p, q)) in rated.iter().enumerate() {
            let f = factor(lane, port);
            assert!(batch.set_port_power(&network, lane, PortId(port as u32), p * f, q * f));
        }
    }
    assert!(!batch.set_port_power(&network, LANES, PortId(0), 1.0, 1.0));
    let report = batch.solve(&network).expect("current");
    assert!(report.all_converged(), "{report:?}");
    for lane in 0..LANES {
        for (port, &(p, q)) in rated.iter().enumerate() {
            let f = factor(lane, port);
            network.set_port_power(PortId(port as u32), p * f, q * f);
        }
        solved(&mut network);
        for port in 0..3 {
            let want = network.port_voltage(PortId(port));
            let got = batch.port_voltage(&network, lane, PortId(port));
            assert!((got - want).abs() < 1e-8, "{lane} {port}: {got:?} {want:?}");
        }
        let node = network.node(bus(&network, "c"), 2).expect("there");
        let want = network.voltage(node);
        assert!(batch.write_back(lane, &mut network));
        assert!((network.voltage(node) - want).abs() < 1e-8);
    }
    network.set_switch(0, false);
    assert!(batch.solve(&network).is_none(), "the network changed");
}
