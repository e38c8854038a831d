//! Solves the decks of a data directory and prints how far the results are
//! from the reference tables beside them.
use std::path::Path;

use gridloom_dss::{OsFiles, Severity, load_deck_with};
use gridloom_flow::{Network, SolveOptions, compare_nodes};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, deck, reference, then @ ..] = args.as_slice() else {
        eprintln!("usage: reference DECK NODES.CSV [COMMAND...]");
        return;
    };
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    let import = match load_deck_with(&OsFiles, Path::new(deck), &then) {
        Ok(import) => import,
        Err(error) => {
            println!("{error}");
            return;
        }
    };
    for finding in import.report.iter().filter(|f| f.severity > Severity::Note) {
        println!("{finding}");
    }
    let mut network = match Network::build(&import.case) {
        Ok(network) => network,
        Err(error) => {
            println!("{error}");
            return;
        }
    };
    network.set_options(SolveOptions {
        tolerance: 1e-12,
        max_iterations: 500,
    });
    let report = network.solve();
    println!("{report:?}");
    match std::fs::read_to_string(reference).map(|text| compare_nodes(&network, &text)) {
        Ok(Ok(c)) => println!("{deck}: {c:?}"),
        other => println!("{other:?}"),
    }
}
