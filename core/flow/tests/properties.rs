//! Properties every network has, on random feeders.

use gridloom_flow::{FaultKind, Network, PortId, SolveOptions};
use gridloom_model::grid::{
    Bus, Connection, GridCase, Line, LineCode, LineImpedance, Load, LoadLaw, SourceImpedance,
    Terminal, VoltageBand, VoltageSource,
};
use proptest::prelude::*;

const EXACT: SolveOptions = SolveOptions {
    tolerance: 1e-11,
    max_iterations: 300,
};

/// A tree of buses with a few ties, loads of several laws and connections.
#[derive(Clone, Debug)]
struct Feeder {
    parents: Vec<usize>,
    ties: Vec<(usize, usize)>,
    km: Vec<f64>,
    loads: Vec<(usize, u8, u8, f64)>,
}

fn feeders() -> impl Strategy<Value = Feeder> {
    (4usize..14).prop_flat_map(|n| {
        (
            prop::collection::vec(0usize..n, n),
            prop::collection::vec((0..n, 0..n), 0..3),
            prop::collection::vec(0.02f64..0.3, n + 3),
            prop::collection::vec((1..n, 1u8..=3, 0u8..6, 0.5f64..6.0), 1..8),
        )
            .prop_map(|(parents, ties, km, loads)| Feeder {
                parents: parents
                    .iter()
                    .enumerate()
                    .map(|(i, p)| if i == 0 { 0 } else { p % i })
                    .collect(),
                ties: ties.into_iter().filter(|(a, b)| a != b).collect(),
                km,
                loads,
            })
    })
}

fn case(feeder: &Feeder, order: &[usize]) -> GridCase {
    let mut grid = GridCase::empty("random", 50.0);
    grid.buses = order
        .iter()
        .map(|i| Bus {
            id: format!("b{i}"),
            kv_ln: 0.23,
            xy: None,
        })
        .collect();
    grid.sources.push(VoltageSource {
        id: "grid".into(),
        at: Terminal::new("b0", &[1, 2, 3]),
        from: None,
        kv: 0.4,
        v_pu: 1.0,
        angle_deg: 0.0,
        impedance: SourceImpedance::Sequence {
            r1: 0.005,
            x1: 0.015,
            r0: 0.01,
            x0: 0.02,
        },
    });
    grid.line_codes.push(LineCode {
        id: "cable".into(),
        conductors: 3,
        per_km: LineImpedance::Sequence {
            r1: 0.446,
            x1: 0.071,
            r0: 1.505,
            x0: 0.083,
            c1_nf: 300.0,
            c0_nf: 150.0,
        },
        norm_amps: 200.0,
    });
    let edges = (1..feeder.parents.len())
        .map(|i| (feeder.parents[i], i))
        .chain(feeder.ties.iter().copied());
    for (k, (a, b)) in edges.enumerate() {
        grid.lines.push(Line {
            id: format!("l{k}"),
            from: Terminal::new(format!("b{a}"), &[1, 2, 3]),
            to: Terminal::new(format!("b{b}"), &[1, 2, 3]),
            code: "cable".into(),
            per_km: None,
            km: feeder.km[k % feeder.km.len()],
            norm_amps: None,
            is_link: false,
        });
    }
    for (k, &(bus, phase, law, kw)) in feeder.loads.iter().enumerate() {
        grid.loads.push(load(k, bus, phase, law, kw));
    }
    grid
}

fn load(k: usize, bus: usize, phase: u8, law: u8, kw: f64) -> Load {
    let bus = format!("b{bus}");
    let (at, phases, connection, kv) = match law {
        4 => (
            Terminal::new(bus, &[phase, phase % 3 + 1]),
            1,
            Connection::Delta,
            0.4,
        ),
        5 => (Terminal::new(bus, &[1, 2, 3, 0]), 3, Connection::Wye, 0.4),
        _ => (Terminal::new(bus, &[phase, 0]), 1, Connection::Wye, 0.23),
    };
    Load {
        id: format!("d{k}"),
        at,
        phases,
        connection,
        kv,
        kw,
        kvar: kw * 0.3,
        law: match law {
            1 => LoadLaw::ConstImpedance,
            2 => LoadLaw::ConstCurrent,
            3 => LoadLaw::Exponential { p: 1.3, q: 2.6 },
            _ => LoadLaw::ConstPower,
        },
        band: VoltageBand::default(),
        neutral_ohm: None,
        profile: String::new(),
    }
}

fn straight(feeder: &Feeder) -> Vec<usize> {
    (0..feeder.parents.len()).collect()
}

fn solved(grid: &GridCase) -> Option<Network> {
    let mut network = Network::build(grid).ok()?;
    network.set_options(EXACT);
    network.solve().converged.then_some(network)
}

fn distance(a: &Network, b: &Network) -> f64 {
    (0..a.node_count())
        .map(|n| {
            let (bus, conductor) = a.node_at(n);
            let other = b
                .bus_index(a.bus_id(bus))
                .and_then(|bus| b.node(bus, conductor))
                .expect("the same nodes");
            (a.voltage(n) - b.voltage(other)).abs()
        })
        .fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn currents_and_power_balance(feeder in feeders()) {
        let network = solved(&case(&feeder, &straight(&feeder)));
        prop_assume!(network.is_some());
        let network = network.expect("assumed");
        prop_assert!(network.kcl_error_a() < 1e-6);
        let totals = network.totals();
        prop_assert!(totals.error_w().abs() <= 1e-9 * totals.source_w.abs().max(1.0), "{totals:?}");
        prop_assert!(totals.losses_w > 0.0);
    }

    #[test]
    fn the_order_of_buses_changes_nothing(feeder in feeders(), seed in any::<u64>()) {
        let mut order = straight(&feeder);
        let n = order.len();
        let mut state = seed;
        for i in (1..n).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(i, (state >> 33) as usize % (i + 1));
        }
        let first = solved(&case(&feeder, &straight(&feeder)));
        prop_assume!(first.is_some());
        let second = solved(&case(&feeder, &order)).expect("the same network");
        prop_assert!(distance(&first.expect("assumed"), &second) < 1e-7);
    }

    #[test]
    fn the_reduced_form_agrees_with_the_full_one(feeder in feeders(), factor in 0.5f64..1.2) {
        let network = solved(&case(&feeder, &straight(&feeder)));
        prop_assume!(network.is_some());
        let mut network = network.expect("assumed");
        let mut reduced = network.reduce().expect("regular");
        let mut full = network.clone();
        for port in 0..network.port_count() {
            let port = PortId(port as u32);
            let (p, q) = network.port_nominal(port);
            reduced.set_port_power(port, p * factor, q * factor);
            full.set_port_power(port, p * factor, q * factor);
        }
        prop_assume!(full.solve().converged);
        prop_assert!(reduced.solve(EXACT).converged);
        prop_assert!(reduced.write_back(&mut network));
        prop_assert!(distance(&full, &network) < 1e-7);
    }

    #[test]
    fn opening_and_closing_a_line_gives_back_the_network(feeder in feeders(), line in 0usize..13) {
        let grid = case(&feeder, &straight(&feeder));
        let network = solved(&grid);
        prop_assume!(network.is_some());
        let mut network = network.expect("assumed");
        let before = network.clone();
        let line = line % network.line_count();
        network.set_line_open(line, gridloom_model::grid::LineEnd::From, true);
        let report = network.solve();
        if report.converged {
            let (p, q) = network.line_power(line, gridloom_model::grid::LineEnd::From);
            prop_assert!(p == 0.0 && q == 0.0, "an open end carries nothing");
            for port in 0..network.port_count() {
                let port = PortId(port as u32);
                if !network.port_energised(port) {
                    prop_assert_eq!(network.port_power(port), (0.0, 0.0));
                }
            }
        }
        network.set_line_open(line, gridloom_model::grid::LineEnd::From, false);
        prop_assert!(network.solve().converged);
        prop_assert!(distance(&before, &network) < 1e-7);
    }

    #[test]
    fn a_solid_fault_leaves_no_voltage_and_obeys_its_kind(feeder in feeders(), bus in 0usize..13) {
        let network = solved(&case(&feeder, &straight(&feeder)));
        prop_assume!(network.is_some());
        let mut network = network.expect("assumed");
        let bus = bus % network.bus_count();
        let study = network.fault_study().expect("solved");
        let zero = gridloom_flow::Complex::ZERO;
        let three = study.fault(bus, FaultKind::ThreePhaseEarth, zero).expect("live");
        prop_assert!(three.voltages.iter().all(|v| v.abs() < 1e-6));
        let earth = study.fault(bus, FaultKind::LineEarth(2), zero).expect("live");
        prop_assert!(earth.voltages[1].abs() < 1e-6);
        let line = study.fault(bus, FaultKind::LineLine(1, 3), zero).expect("live");
        prop_assert!((line.voltages[0] - line.voltages[2]).abs() < 1e-6);
        let both = study.fault(bus, FaultKind::LineLineEarth(1, 3), zero).expect("live");
        prop_assert!(both.voltages[0].abs() < 1e-6 && both.voltages[2].abs() < 1e-6);
        // Impedance in the fault can only lower the current.
        let some = gridloom_flow::Complex::new(0.1, 0.0);
        let less = study.fault(bus, FaultKind::LineEarth(2), some).expect("live");
        prop_assert!(less.currents[0].abs() < earth.currents[0].abs());
    }
}
