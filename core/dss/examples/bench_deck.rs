//! Measures the solver on a deck.
#![allow(clippy::disallowed_methods, reason = "measures wall time")]
use std::path::Path;
use std::time::Instant;

use gridloom_dss::{OsFiles, load_deck_with};
use gridloom_flow::{Network, bench};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let [_, deck, line, then @ ..] = args.as_slice() else {
        return Err("usage: bench_deck DECK LINE [COMMAND...]".into());
    };
    let then: Vec<&str> = then.iter().map(String::as_str).collect();
    let import = load_deck_with(&OsFiles, Path::new(deck), &then)?;
    let mut network = Network::build(&import.case)?;
    network.settle_regulators(100);
    println!(
        "{} nodes, {} iterated, {} entries in the factor",
        network.node_count(),
        network.iterated_nodes(),
        network.factor_entries()
    );
    let line = network.line_index(line).ok_or("no such line")?;
    let start = Instant::now();
    let mut clock = || start.elapsed().as_secs_f64();
    for m in bench::measure(&network, &import.case.name, line, &mut clock)? {
        println!("{} {} {:.2} {}", m.case, m.metric, m.value, m.unit);
    }
    Ok(())
}
