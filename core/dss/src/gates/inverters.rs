//! Gates on inverter functions: how far solutions lie off the curves of IEEE
//! 1547-2018, which are written down here a second time.

use std::path::Path;

use gridloom_flow::{Network, PortId, SolveOptions, Verdict};
use gridloom_model::grid::{Generator, GridCase, InverterControl, ReactiveBase};

use super::given::read;
use super::{EXACT, Gate, Table, VOLTAGE_PU, solved_voltages};
use crate::{OsFiles, load_deck_with};

/// Largest distance from a curve, share of the rating.
pub(super) const CURVE: f64 = 1e-6;

/// A plant behind a connection with five times its power.
const GRID: &str = r#"(
  format: 1,
  name: "inverter",
  base_frequency_hz: 60.0,
  buses: [(id: "grid", kv_ln: 0.27713), (id: "pv", kv_ln: 0.27713)],
  sources: [(id: "s", at: "grid.1.2.3", kv: 0.48, impedance: Sequence(r1: 0.001, x1: 0.004, r0: 0.001, x0: 0.004))],
  lines: [(id: "l", from: "grid.1.2.3", to: "pv.1.2.3", per_km: Sequence(r1: 0.05, x1: 0.07, r0: 0.1, x0: 0.15, c1_nf: 0.0, c0_nf: 0.0), km: 1.0)],
  generators: [(id: "pv", at: "pv.1.2.3.0", phases: 3, kv: 0.48, kw: 0.0, kvar: 0.0, kva: 500.0, band: (min_pu: 0.0, max_pu: 2.0, low_pu: 0.0))],
)"#;

const KVA: f64 = 500.0;
const KW: f64 = 450.0;

type Points = &'static [(f64, f64)];

/// Points of the standard: volt-var of categories A and B (table 8), volt-watt
/// (table 31), watt-var (table 10).
const VOLT_VAR_A: Points = &[(0.9, 0.25), (1.0, 0.0), (1.1, -0.25)];
const VOLT_VAR_B: Points = &[(0.92, 0.44), (0.98, 0.0), (1.02, 0.0), (1.08, -0.44)];
const VOLT_WATT: Points = &[(1.06, 1.0), (1.1, 0.2)];
const WATT_VAR_A: Points = &[(0.5, 0.0), (1.0, -0.25)];
const WATT_VAR_B: Points = &[(0.5, 0.0), (1.0, -0.44)];

/// A function under test and what it must deliver, per unit of the rating, at
/// a voltage when a power (kW) is there and the frequency is `hz`.
struct Case {
    name: &'static str,
    control: InverterControl,
    want: fn(f64, f64, f64) -> (f64, f64),
}

fn plain() -> InverterControl {
    InverterControl {
        p_rated_kw: KW,
        q_base: ReactiveBase::Rating,
        q_most_kvar: (KVA, KVA),
        ..InverterControl::default()
    }
}

/// Straight lines between points, level beyond them.
fn between(points: Points, x: f64) -> f64 {
    let (mut below, mut above) = (points[0], points[points.len() - 1]);
    if x <= below.0 {
        return below.1;
    }
    if x >= above.0 {
        return above.1;
    }
    for &p in points {
        if p.0 <= x {
            below = p;
        }
    }
    for &p in points.iter().rev() {
        if p.0 > x {
            above = p;
        }
    }
    below.1 + (above.1 - below.1) * (x - below.0) / (above.0 - below.0)
}

fn cases() -> Vec<Case> {
    let with = |name, control, want| Case {
        name,
        control,
        want,
    };
    vec![
        with(
            "volt_var_a",
            InverterControl {
                volt_var: VOLT_VAR_A.to_vec(),
                ..plain()
            },
            |v, kw, _| (kw / KVA, between(VOLT_VAR_A, v)),
        ),
        with(
            "volt_var_b",
            InverterControl {
                volt_var: VOLT_VAR_B.to_vec(),
                ..plain()
            },
            |v, kw, _| {
                let q = between(VOLT_VAR_B, v);
                // Active power gives way at the rating.
                ((kw / KVA).min((1.0 - q * q).sqrt()), q)
            },
        ),
        with(
            "volt_watt",
            InverterControl {
                volt_watt: VOLT_WATT.to_vec(),
                ..plain()
            },
            |v, kw, _| (kw.min(between(VOLT_WATT, v) * KW) / KVA, 0.0),
        ),
        with(
            "volt_var_b_volt_watt",
            InverterControl {
                volt_var: VOLT_VAR_B.to_vec(),
                volt_watt: VOLT_WATT.to_vec(),
                ..plain()
            },
            |v, kw, _| {
                let q = between(VOLT_VAR_B, v);
                let p = kw.min(between(VOLT_WATT, v) * KW) / KVA;
                (p.min((1.0 - q * q).sqrt()), q)
            },
        ),
        with(
            "watt_var_a",
            InverterControl {
                watt_var: WATT_VAR_A.to_vec(),
                ..plain()
            },
            |_, kw, _| (kw / KVA, between(WATT_VAR_A, kw / KW)),
        ),
        with(
            "watt_var_b",
            InverterControl {
                watt_var: WATT_VAR_B.to_vec(),
                ..plain()
            },
            |_, kw, _| {
                let q = between(WATT_VAR_B, kw / KW);
                ((kw / KVA).min((1.0 - q * q).sqrt()), q)
            },
        ),
        with(
            "power_factor_0.9",
            InverterControl {
                power_factor: Some(-0.9),
                ..plain()
            },
            |_, kw, _| (kw / KVA, -(kw / KVA) * (1.0_f64 / 0.81 - 1.0).sqrt()),
        ),
        with(
            "frequency_watt",
            InverterControl {
                frequency_watt: Some((0.036, 0.05)),
                ..plain()
            },
            |_, kw, hz| {
                let over = (hz - 60.036).max(0.0) / (60.0 * 0.05);
                ((kw - over * KW).max(0.0) / KVA, 0.0)
            },
        ),
    ]
}

/// How far the solutions of every function lie off its curve.
pub(super) fn curves() -> Vec<Gate> {
    cases()
        .iter()
        .map(|case| {
            let name = format!("ieee1547 {}", case.name);
            match off_curve(case) {
                Ok((off, note)) => Gate::new(&name, "off_curve", CURVE, off, "of rating", note),
                Err(note) => Gate::failed(&name, "off_curve", CURVE, note),
            }
        })
        .collect()
}

fn off_curve(case: &Case) -> Result<(f64, String), String> {
    let mut grid = GridCase::from_ron(GRID, "inverter").map_err(|e| e.to_string())?;
    grid.generators[0].control = Some(case.control.clone());
    let mut worst = (0.0_f64, String::new());
    let mut points = 0;
    for step in 0..=24 {
        grid.sources[0].v_pu = 0.88 + 0.01 * f64::from(step);
        let mut network = Network::build(&grid).map_err(|e| e.to_string())?;
        network.set_options(SolveOptions {
            tolerance: 1e-9,
            max_iterations: 300,
        });
        let port = network.port_index("pv").ok_or("the plant has no port")?;
        for kw in [0.0, 90.0, 225.0, 360.0, 450.0] {
            for hz in [60.0, 60.3, 61.5, 62.9] {
                network.set_port_power(port, -kw * 1e3, 0.0);
                network.set_port_frequency(port, hz);
                let report = network.solve();
                if report.verdict != Verdict::Solved {
                    return Err(format!("{kw} kW, {hz} Hz: {report:?}"));
                }
                let v = voltage_pu(&network, port);
                let want = (case.want)(v, kw, hz);
                let (p, q) = network.port_power(port);
                let off = |got: f64, want: f64| (-got / (KVA * 1e3) - want).abs();
                let off = off(p, want.0).max(off(q, want.1));
                points += 1;
                if off > worst.0 || off.is_nan() {
                    worst = (off, format!("{kw} kW, {hz} Hz, {v:.4} pu"));
                }
            }
        }
    }
    Ok((worst.0, format!("{points} points, worst {}", worst.1)))
}

/// Mean voltage of the phases of a three-phase port of 480 V, per unit.
fn voltage_pu(network: &Network, port: PortId) -> f64 {
    let volts = network.bus_voltage(network.port_bus(port));
    volts.phase.iter().map(|v| v.abs()).sum::<f64>() / 3.0 / (480.0 / 3.0_f64.sqrt())
}

/// Decks with inverter controls and the plant that each controls.
const DECKS: &[(&str, &str)] = &[
    ("ieee1547_local_vvar_a", "cimhub_1547/base/local_vvar_a.dss"),
    ("ieee1547_local_vvar_b", "cimhub_1547/base/local_vvar_b.dss"),
    (
        "ieee1547_local_vwatt_b",
        "cimhub_1547/base/local_vwatt_b.dss",
    ),
];

/// The decks: the control by our own solution against its curve, and the
/// voltages with the powers of the reference, whose control stops off the curve.
pub(super) fn given(feeders: &Path, reference: &Path) -> Vec<Gate> {
    let mut gates = Vec::new();
    for (case, deck) in DECKS {
        match deck_gates(case, &feeders.join(deck), &reference.join(case)) {
            Ok(found) => gates.extend(found),
            Err(note) => gates.push(Gate::failed(case, "off_curve", CURVE, note)),
        }
    }
    gates
}

fn deck_gates(case: &str, deck: &Path, folder: &Path) -> Result<Vec<Gate>, String> {
    let import = load_deck_with(&OsFiles, deck, &[]).map_err(|e| e.to_string())?;
    let plant = import.case.generators.first().ok_or("no plant")?;
    let mut network = Network::build(&import.case).map_err(|e| e.to_string())?;
    network.set_options(EXACT);
    let report = network.solve();
    if report.verdict != Verdict::Solved {
        return Err(format!("{report:?}"));
    }
    let port = network
        .port_index(&plant.id)
        .ok_or("the plant has no port")?;
    let v = network.bus_voltage(network.port_bus(port));
    let v = v.phase.iter().map(|v| v.abs()).sum::<f64>() / 3.0;
    let v_pu = v / (plant.kv * 1e3 / 3.0_f64.sqrt());
    let (p, q) = network.port_power(port);
    let want = wanted(plant, v_pu)?;
    let off = (p / 1e3 + want.0).abs().max((q / 1e3 + want.1).abs()) / plant.kva;
    let note = format!("{v_pu:.6} pu");
    let mut gates = vec![Gate::new(case, "off_curve", CURVE, off, "of rating", note)];
    let table = read(&folder.join("currents.csv"))?;
    let table = Table::new(&table);
    let (mut p_kw, mut q_kvar) = (0.0, 0.0);
    for row in &table.rows {
        if table.text(row, "element")?.starts_with("pvsystem.") {
            p_kw += table.number(row, "p_kw")?;
            q_kvar += table.number(row, "q_kvar")?;
        }
    }
    network
        .set_port_law(port, None)
        .map_err(|e| e.to_string())?;
    network.set_port_power(port, p_kw * 1e3, q_kvar * 1e3);
    let nodes = read(&folder.join("nodes.csv"))?;
    let mut voltages = solved_voltages(case, &mut network, &nodes, false);
    if let Some(first) = voltages.first_mut() {
        first.note = format!("{} with the reference's P and Q", first.note);
        first.target = VOLTAGE_PU;
    }
    gates.extend(voltages);
    Ok(gates)
}

/// What a plant of a deck must deliver at a voltage, kW and kvar.
fn wanted(plant: &Generator, v_pu: f64) -> Result<(f64, f64), String> {
    let c = plant.control.as_ref().ok_or("the plant has no control")?;
    let at = |points: &[(f64, f64)]| {
        let next = points
            .iter()
            .position(|p| p.0 > v_pu)
            .ok_or("beyond the curve")?;
        let (a, b) = (points[next - 1], points[next]);
        Ok::<f64, String>(a.1 + (b.1 - a.1) * (v_pu - a.0) / (b.0 - a.0))
    };
    if c.volt_var.is_empty() {
        return Ok((plant.kw.min(at(&c.volt_watt)? * c.p_rated_kw), 0.0));
    }
    let ReactiveBase::Stated { inject, absorb } = c.q_base else {
        return Err("the base of reactive power is not stated".to_owned());
    };
    let y = at(&c.volt_var)?;
    let q = y * if y > 0.0 { inject } else { absorb };
    let room = (plant.kva * plant.kva - q * q).sqrt();
    Ok((plant.kw.min(room), q))
}
