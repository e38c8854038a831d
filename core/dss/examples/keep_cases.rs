//! Carries reference cases into the project's own files: a grid in RON and the
//! expected node voltages as a table with the columns bus, node, kv_base_ln, v_re, v_im.
use std::fmt::Write as _;
use std::path::Path;

use gridloom_dss::{OsFiles, Severity, load_deck_with};

type Failure = Box<dyn std::error::Error>;

/// Case, deck in the feeders directory, source, licence.
const CASES: &[(&str, &str, u8)] = &[
    ("ieee13", "ieee13/IEEE13Nodeckt.dss", 0),
    ("ieee34", "ieee34/ieee34Mod1.dss", 0),
    ("ieee37", "ieee37/ieee37.dss", 0),
    ("ieee123", "ieee123/IEEE123Master.dss", 0),
    ("ieee4_DY", "ieee4_DY/4Bus-DY-Bal.DSS", 0),
    ("ieee4_GrdYD", "ieee4_GrdYD/4Bus-GrdYD-Bal.DSS", 0),
    ("ieee4_YD", "ieee4_YD/4Bus-YD-Bal.DSS", 0),
    ("ieee4_YY", "ieee4_YY/4Bus-YY-Bal.DSS", 0),
    ("ieee4_OYOD", "ieee4_OYOD/4Bus-OYOD-Bal.DSS", 0),
    ("xfmr4_DDBal", "cimhub_ieee4/DDBal.dss", 1),
    ("xfmr4_DYUnBal", "cimhub_ieee4/DYUnBal.dss", 1),
    ("xfmr4_OnePh", "cimhub_ieee4/OnePh.dss", 1),
    ("xfmr4_SCTBal", "cimhub_ieee4/SCTBal.dss", 1),
    ("xfmr4_YYUnBal", "cimhub_ieee4/YYUnBal.dss", 1),
    ("pmd4w_test_grounding", "pmd_4wire/test_grounding.dss", 2),
    ("pmd4w_test_line_6w", "pmd_4wire/test_line_6w.dss", 2),
    (
        "pmd4w_test_load_3ph_delta_exp",
        "pmd_4wire/test_load_3ph_delta_exp.dss",
        2,
    ),
    (
        "pmd4w_test_load_3ph_wye_ci",
        "pmd_4wire/test_load_3ph_wye_ci.dss",
        2,
    ),
    (
        "pmd4w_test_load_3ph_wye_cz",
        "pmd_4wire/test_load_3ph_wye_cz.dss",
        2,
    ),
    ("pmd4w_test_switch", "pmd_4wire/test_switch.dss", 2),
    ("pmd4w_test_trans_dy", "pmd_4wire/test_trans_dy.dss", 2),
];

const SOURCES: [(&str, &str); 3] = [
    (
        "OpenDSS test feeders, dss-extensions/electricdss-tst, commit 3b208397160213cae4a9e2d0a7d1aa3528ce26e1",
        "BSD-3-Clause, EPRI and DSS-Extensions contributors; text in LICENCES.md",
    ),
    (
        "GRIDAPPSD/CIMHub, commit 5ba4c63fa525108928942d564fddc022c3fb031f",
        "BSD-style, Battelle Memorial Institute; text in LICENCES.md",
    ),
    (
        "lanl-ansi/PowerModelsDistribution.jl, commit e59d21a854ad96e694aabae0384aec1e05a48659",
        "BSD-3-Clause style, Triad National Security (LANL); text in LICENCES.md",
    ),
];

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let [_, data, out] = args.as_slice() else {
        return Err("usage: keep_cases DATA TESTS/REFERENCE".into());
    };
    let (data, out) = (Path::new(data), Path::new(out));
    for (case, deck, source) in CASES {
        let mut then: Vec<String> = Vec::new();
        if *case == "ieee123" {
            then.push("RegControl.creg1a.maxtapchange=1 Delay=15".to_owned());
            for name in ["2a", "3a", "4a", "3c", "4b", "4c"] {
                then.push(format!("RegControl.creg{name}.maxtapchange=1 Delay=30"));
            }
        }
        let then: Vec<&str> = then.iter().map(String::as_str).collect();
        let mut import = load_deck_with(&OsFiles, &data.join("feeders").join(deck), &then)?;
        for finding in import.report.iter().filter(|f| f.severity > Severity::Note) {
            println!("{finding}");
        }
        (*case).clone_into(&mut import.case.name);
        SOURCES[usize::from(*source)]
            .0
            .clone_into(&mut import.case.source);
        SOURCES[usize::from(*source)]
            .1
            .clone_into(&mut import.case.licence);
        std::fs::write(out.join(format!("{case}.grid.ron")), import.case.to_ron()?)?;
        nodes(data, out, case)?;
    }
    for case in ["euro_lv", "euro_lv_constP"] {
        nodes(data, out, case)?;
    }
    for case in ["euro_lv_timeseries", "euro_lv_timeseries_constP"] {
        columns(
            &data.join("reference").join(case).join("steps.csv"),
            &out.join(format!("{case}.steps.csv")),
            &[
                "minute",
                "source_p_kw",
                "losses_kw",
                "v_load1",
                "v_load32",
                "v_load53",
                "i_line1_a",
            ],
        )?;
    }
    columns(
        &data.join("reference/faults_euro_lv/faults_study.csv"),
        &out.join("faults_euro_lv.csv"),
        &["bus", "fault", "phases", "i_re", "i_im"],
    )?;
    Ok(())
}

fn nodes(data: &Path, out: &Path, case: &str) -> Result<(), Failure> {
    columns(
        &data.join("reference").join(case).join("nodes.csv"),
        &out.join(format!("{case}.nodes.csv")),
        &["bus", "node", "kv_base_ln", "v_re", "v_im"],
    )
}

/// Copies chosen columns of a table.
fn columns(from: &Path, to: &Path, wanted: &[&str]) -> Result<(), Failure> {
    let text = std::fs::read_to_string(from)?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let at: Vec<usize> = wanted
        .iter()
        .map(|w| {
            header
                .iter()
                .position(|h| h == w)
                .ok_or_else(|| format!("{}: no column {w}", from.display()))
        })
        .collect::<Result<_, _>>()?;
    let mut out = wanted.join(",");
    out.push('\n');
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let picked: Vec<&str> = at
            .iter()
            .map(|&c| cells.get(c).copied().unwrap_or(""))
            .collect();
        writeln!(out, "{}", picked.join(","))?;
    }
    std::fs::write(to, out)?;
    Ok(())
}
