//! Gates on a directory with the full reference data.

use std::path::Path;

use super::*;
use crate::{OsFiles, load_deck_with};

/// Largest relative distance of an entry of the admittance matrix.
const MATRIX: f64 = 1e-12;

/// How a reference case is made.
struct Given {
    case: &'static str,
    deck: &'static str,
    /// Loads keep their law at every voltage.
    constant: bool,
    /// Taps are taken from the reference, because its controls did not run.
    frozen: bool,
    /// Largest distance of a voltage that the reference allows, per unit.
    tolerance: f64,
    /// Rows of the reference that it says are not determined.
    skip: &'static [&'static str],
}

const PLAIN: Given = Given {
    case: "",
    deck: "",
    constant: false,
    frozen: false,
    tolerance: VOLTAGE_PU,
    skip: &[],
};

const fn plain(case: &'static str, deck: &'static str) -> Given {
    Given {
        case,
        deck,
        ..PLAIN
    }
}

const fn constant(case: &'static str, deck: &'static str) -> Given {
    Given {
        case,
        deck,
        constant: true,
        ..PLAIN
    }
}

const GIVEN: &[Given] = &[
    plain("euro_lv", "euro_lv/Master.dss"),
    constant("euro_lv_constP", "euro_lv/Master.dss"),
    constant("euro_lv_4wire", "euro_lv_4wire/Master.dss"),
    plain("ieee4_DY", "ieee4_DY/4Bus-DY-Bal.DSS"),
    plain("ieee4_GrdYD", "ieee4_GrdYD/4Bus-GrdYD-Bal.DSS"),
    plain("ieee4_YD", "ieee4_YD/4Bus-YD-Bal.DSS"),
    plain("ieee4_YY", "ieee4_YY/4Bus-YY-Bal.DSS"),
    plain("ieee4_OYOD", "ieee4_OYOD/4Bus-OYOD-Bal.DSS"),
    plain("ieee13", "ieee13/IEEE13Nodeckt.dss"),
    constant("ieee13_constP", "ieee13/IEEE13Nodeckt.dss"),
    plain("ieee34", "ieee34/ieee34Mod1.dss"),
    constant("ieee34_constP", "ieee34/ieee34Mod1.dss"),
    plain("ieee37", "ieee37/ieee37.dss"),
    constant("ieee37_constP", "ieee37/ieee37.dss"),
    plain("ieee123", "ieee123/IEEE123Master.dss"),
    constant("ieee123_constP", "ieee123/IEEE123Master.dss"),
    plain("ieee8500u", "ieee8500u/Master-unbal.dss"),
    // Its control loop never ran: the default solution did not converge.
    Given {
        case: "ieee8500u_constP",
        deck: "ieee8500u/Master-unbal.dss",
        constant: true,
        frozen: true,
        ..PLAIN
    },
    plain("xfmr4_DDBal", "cimhub_ieee4/DDBal.dss"),
    plain("xfmr4_DYBal", "cimhub_ieee4/DYBal.dss"),
    plain("xfmr4_DYUnBal", "cimhub_ieee4/DYUnBal.dss"),
    plain("xfmr4_GYDBal", "cimhub_ieee4/GYDBal.dss"),
    plain("xfmr4_OYODBal", "cimhub_ieee4/OYODBal.dss"),
    plain("xfmr4_OnePh", "cimhub_ieee4/OnePh.dss"),
    plain("xfmr4_SCTBal", "cimhub_ieee4/SCTBal.dss"),
    plain("xfmr4_YDBal", "cimhub_ieee4/YDBal.dss"),
    plain("xfmr4_YYBal", "cimhub_ieee4/YYBal.dss"),
    plain("xfmr4_YYUnBal", "cimhub_ieee4/YYUnBal.dss"),
    plain("cimhub_ieee13x", "cimhub_ieee13x_protection/Master.dss"),
    plain(
        "ieee1547_local_unity_a",
        "cimhub_1547/base/local_unity_a.dss",
    ),
    plain(
        "pmd4w_test_gen_1ph_delta",
        "pmd_4wire/test_gen_1ph_delta.dss",
    ),
    plain("pmd4w_test_gen_1ph_wye", "pmd_4wire/test_gen_1ph_wye.dss"),
    plain(
        "pmd4w_test_gen_3ph_delta",
        "pmd_4wire/test_gen_3ph_delta.dss",
    ),
    plain("pmd4w_test_gen_3ph_wye", "pmd_4wire/test_gen_3ph_wye.dss"),
    plain("pmd4w_test_grounding", "pmd_4wire/test_grounding.dss"),
    plain("pmd4w_test_line_6w", "pmd_4wire/test_line_6w.dss"),
    plain(
        "pmd4w_test_load_1ph_delta_cp",
        "pmd_4wire/test_load_1ph_delta_cp.dss",
    ),
    plain(
        "pmd4w_test_load_1ph_wye_cp",
        "pmd_4wire/test_load_1ph_wye_cp.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_delta_ci",
        "pmd_4wire/test_load_3ph_delta_ci.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_delta_cp",
        "pmd_4wire/test_load_3ph_delta_cp.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_delta_cz",
        "pmd_4wire/test_load_3ph_delta_cz.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_delta_exp",
        "pmd_4wire/test_load_3ph_delta_exp.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_wye_ci",
        "pmd_4wire/test_load_3ph_wye_ci.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_wye_cp",
        "pmd_4wire/test_load_3ph_wye_cp.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_wye_cz",
        "pmd_4wire/test_load_3ph_wye_cz.dss",
    ),
    plain(
        "pmd4w_test_load_3ph_wye_exp",
        "pmd_4wire/test_load_3ph_wye_exp.dss",
    ),
    plain("pmd4w_test_switch", "pmd_4wire/test_switch.dss"),
    Given {
        case: "pmd4w_test_switch_1w",
        deck: "pmd_4wire/test_switch_1w.dss",
        // Nodes that the deck leaves floating.
        skip: &["x1,3,", "x2,3,"],
        ..PLAIN
    },
    // Solved at the default tolerance of the other engine.
    Given {
        case: "gfm_ieee123_A",
        deck: "gfm_ieee123/Run_IEEE123Bus_GFMSnap-A.DSS",
        frozen: true,
        tolerance: 1e-6,
        ..PLAIN
    },
    Given {
        case: "gfm_ieee123_B",
        deck: "gfm_ieee123/Run_IEEE123Bus_GFMSnap-B.DSS",
        frozen: true,
        tolerance: 5e-6,
        ..PLAIN
    },
    plain("pmd4w_test_switch_3w", "pmd_4wire/test_switch_3w.dss"),
    plain("pmd4w_test_trans_dy", "pmd_4wire/test_trans_dy.dss"),
    plain("pmd4w_test_trans_dy_3w", "pmd_4wire/test_trans_dy_3w.dss"),
    plain("pmd4w_test_trans_yy", "pmd_4wire/test_trans_yy.dss"),
    plain("pmd4w_test_trans_yy_3w", "pmd_4wire/test_trans_yy_3w.dss"),
];

/// Fault studies: case, deck.
const FAULTS: &[(&str, &str)] = &[
    ("faults_ieee13", "ieee13/IEEE13Nodeckt.dss"),
    ("faults_ieee37", "ieee37/ieee37.dss"),
    ("faults_euro_lv", "euro_lv/Master.dss"),
];

/// Runs every case of a data directory with `feeders` and `reference` in it;
/// empty when there is none.
pub fn given(data: &Path) -> Vec<Gate> {
    let (feeders, reference) = (data.join("feeders"), data.join("reference"));
    if !feeders.is_dir() || !reference.is_dir() {
        return Vec::new();
    }
    let mut gates = Vec::new();
    for given in GIVEN {
        match run(given, &feeders, &reference) {
            Ok(found) => gates.extend(found),
            Err(note) => gates.push(Gate::failed(given.case, "max_dv_pu", VOLTAGE_PU, note)),
        }
    }
    gates.extend(inverters::given(&feeders, &reference));
    for (case, deck) in FAULTS {
        let run = || -> Result<Vec<Gate>, String> {
            let import =
                load_deck_with(&OsFiles, &feeders.join(deck), &[]).map_err(|e| e.to_string())?;
            let mut network = Network::build(&import.case).map_err(|e| e.to_string())?;
            network.set_options(EXACT);
            network.settle_regulators(ROUNDS);
            let table = read(&reference.join(case).join("faults_study.csv"))?;
            Ok(fault_gate(case, &mut network, &table))
        };
        match run() {
            Ok(found) => gates.extend(found),
            Err(note) => gates.push(Gate::failed(case, "fault_current", FAULT, note)),
        }
    }
    gates
}

pub(super) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Commands that the reference gives after a deck.
fn commands(given: &Given) -> Vec<String> {
    let mut out = Vec::new();
    if given.case.starts_with("ieee123") {
        out.push("RegControl.creg1a.maxtapchange=1 Delay=15".to_owned());
        for name in ["2a", "3a", "4a", "3c", "4b", "4c"] {
            out.push(format!("RegControl.creg{name}.maxtapchange=1 Delay=30"));
        }
    }
    if given.case.starts_with("pmd4w") {
        // These decks state no frequency; the reference ran at 50 Hz, which
        // matters to the capacitance of switches.
        out.push("Set DefaultBaseFrequency=50".to_owned());
    }
    if given.constant {
        out.push("BatchEdit Load..* vminpu=0.0 vmaxpu=2.0".to_owned());
    }
    out
}

fn run(given: &Given, feeders: &Path, reference: &Path) -> Result<Vec<Gate>, String> {
    let then = commands(given);
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    let import =
        load_deck_with(&OsFiles, &feeders.join(given.deck), &then).map_err(|e| e.to_string())?;
    let mut network = Network::build(&import.case).map_err(|e| e.to_string())?;
    network.set_options(EXACT);
    let folder = reference.join(given.case);
    if given.frozen {
        take_taps(&mut network, &read(&folder.join("taps.csv"))?)?;
    }
    let nodes = read(&folder.join("nodes.csv"))?;
    let nodes: String = nodes
        .lines()
        .filter(|row| !given.skip.iter().any(|skip| row.starts_with(skip)))
        .map(|row| format!("{row}\n"))
        .collect();
    let mut gates = solved_voltages(given.case, &mut network, &nodes, !given.frozen);
    if given.tolerance != VOLTAGE_PU {
        gates[0].target = given.tolerance;
        gates[0].pass = gates[0].value <= given.tolerance;
    } else {
        gates.extend(currents::gates(given.case, &network, &folder)?);
    }
    // Where the case has plants their linearisation stands in the matrix file.
    if import.case.generators.is_empty()
        && let Ok(text) = read(&folder.join("ybus_network.csv"))
    {
        let (error, note) = matrix_error(&network, &text)?;
        gates.push(Gate::new(
            given.case,
            "admittance",
            MATRIX,
            error,
            "1",
            note,
        ));
    }
    Ok(gates)
}

fn take_taps(network: &mut Network, text: &str) -> Result<(), String> {
    let table = Table::new(text);
    for row in &table.rows {
        let name = table.text(row, "transformer")?;
        let found = (0..network.transformer_count())
            .find(|&t| network.transformer(t).id.eq_ignore_ascii_case(name));
        if let Some(t) = found {
            let winding = table.number(row, "winding")? as usize;
            network.set_tap(t, winding - 1, table.number(row, "tap_pu")?);
        }
    }
    Ok(())
}

/// Largest distance of a matrix entry, relative to the larger of its own
/// magnitude and what rounding leaves of the diagonals it is the difference of.
fn matrix_error(network: &Network, text: &str) -> Result<(f64, String), String> {
    let name = |n: usize| {
        let (bus, conductor) = network.node_at(n);
        format!("{}.{conductor}", network.bus_id(bus).to_lowercase())
    };
    let names: Vec<String> = (0..network.node_count()).map(name).collect();
    let own: BTreeMap<(&str, &str), Complex> = network
        .admittances()
        .into_iter()
        .map(|(a, b, y)| ((names[a].as_str(), names[b].as_str()), y))
        .collect();
    let table = Table::new(text);
    let mut worst = (0.0_f64, String::new());
    for row in &table.rows {
        let want = Complex::new(table.number(row, "g_S")?, table.number(row, "b_S")?);
        let (r, c) = (table.text(row, "row_node")?, table.text(row, "col_node")?);
        let got = own.get(&(r, c)).copied().unwrap_or(Complex::ZERO);
        if want == Complex::ZERO {
            continue;
        }
        let error = (got - want).abs() / want.abs();
        if error > worst.0 || error.is_nan() {
            worst = (error, format!("{r} {c}"));
        }
    }
    Ok(worst)
}
