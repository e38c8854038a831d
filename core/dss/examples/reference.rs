//! Solves a deck and prints how far matrix and voltages are from the tables
//! of a reference directory. Taps are taken from `taps.csv` there.
use std::collections::BTreeMap;
use std::path::Path;

use gridloom_dss::{OsFiles, Severity, load_deck_with};
use gridloom_flow::{Complex, Network, SolveOptions, compare_nodes};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let [_, deck, reference, then @ ..] = args.as_slice() else {
        return Err("usage: reference DECK DIRECTORY [COMMAND...]".into());
    };
    let reference = Path::new(reference);
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    let import = load_deck_with(&OsFiles, Path::new(deck), &then)?;
    for finding in import.report.iter().filter(|f| f.severity > Severity::Note) {
        println!("{finding}");
    }
    let mut network = Network::build(&import.case)?;
    network.set_options(SolveOptions {
        tolerance: 1e-12,
        max_iterations: 500,
    });
    if std::env::var_os("SETTLE").is_some() {
        println!("{:?}", network.settle_regulators(100));
    } else if let Ok(taps) = std::fs::read_to_string(reference.join("taps.csv")) {
        for line in taps.lines().skip(1) {
            let cells: Vec<&str> = line.split(',').collect();
            let found = (0..network.transformer_count())
                .find(|&t| network.transformer(t).id.eq_ignore_ascii_case(cells[0]));
            if let Some(t) = found {
                network.set_tap(t, cells[1].parse::<usize>()? - 1, cells[2].parse()?);
            }
        }
    }
    let report = network.solve();
    println!(
        "refined by {:.1e} {:.1e} V",
        network.refine(),
        network.refine()
    );
    let nodes = std::fs::read_to_string(reference.join("nodes.csv"))?;
    let c = compare_nodes(&network, &nodes)?;
    let matrix = std::fs::read_to_string(reference.join("ybus_network.csv"))
        .map_or(f64::NAN, |text| matrix_error(&network, &text));
    println!(
        "{} {:?} it {} res {:.1e} dead {} | nodes {} missing {:?} extra {} dV {:.2e} pu {:.2e} V at {} | Y {:.2e}",
        reference
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned()),
        report.verdict,
        report.iterations,
        report.residual,
        report.dead_nodes,
        c.compared,
        c.missing,
        c.extra,
        c.max_dv_pu,
        c.max_dv_v,
        c.worst_node,
        matrix
    );
    Ok(())
}

/// Largest relative distance of matrix entries.
fn matrix_error(network: &Network, text: &str) -> f64 {
    let name = |n: usize| {
        let (bus, conductor) = network.node_at(n);
        format!("{}.{conductor}", network.bus_id(bus).to_lowercase())
    };
    let own: BTreeMap<(String, String), Complex> = network
        .admittances()
        .into_iter()
        .map(|(a, b, y)| ((name(a), name(b)), y))
        .collect();
    let mut worst = (0.0_f64, String::new());
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let want = Complex::new(
            cells[2].parse().unwrap_or(f64::NAN),
            cells[3].parse().unwrap_or(f64::NAN),
        );
        let key = (cells[0].to_lowercase(), cells[1].to_lowercase());
        let got = own.get(&key).copied().unwrap_or(Complex::ZERO);
        let error = (got - want).abs() / want.abs().max(1e-300);
        if want.abs() > 0.0 && error > worst.0 {
            worst = (error, format!("{key:?} {got:?} {want:?}"));
        }
    }
    if worst.0 > 1e-11 {
        println!("worst entry {}", worst.1);
    }
    worst.0
}
