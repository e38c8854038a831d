//! Runs the gates of this crate without building the whole program.
//!
//!     cargo run -p gridloom-hardware --example gates [-- quick | bench]

use std::io::Write;
use std::process::ExitCode;

use gridloom_hardware::gates::{self, BenchOptions, Gate, Peers};

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let peers = Peers::find(None);
    let mut say = |text: &str| {
        let _ = writeln!(std::io::stderr(), "{text}");
    };
    say(&format!("missing: {:?}", peers.missing));
    let gates: Vec<Gate> = if mode == "bench" {
        match gates::bench(&peers, BenchOptions::default(), &mut say) {
            Ok(gates) => gates,
            Err(error) => {
                say(&error.to_string());
                return ExitCode::FAILURE;
            }
        }
    } else {
        gates::check(&peers, mode == "quick", &mut say)
    };
    let mut out = std::io::stdout();
    for gate in &gates {
        let _ = writeln!(
            out,
            "{} | {} = {:.3} {} | {} {} | {}",
            gate.case,
            gate.metric,
            gate.value,
            gate.unit,
            gate.target.as_deref().unwrap_or("-"),
            match gate.pass {
                Some(true) => "pass",
                Some(false) => "FAIL",
                None => "",
            },
            gate.note
        );
    }
    if gates.iter().all(|gate| gate.pass != Some(false)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
