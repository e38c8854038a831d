//! Prints the gates of the kept cases and, given a data directory, of all.
#![allow(clippy::disallowed_methods, reason = "measures wall time")]
use std::path::Path;
use std::time::Instant;

fn main() {
    let mut gates = gridloom_dss::gates::kept();
    let begun = Instant::now();
    gates.extend(gridloom_dss::gates::no_solution(&mut || {
        begun.elapsed().as_secs_f64()
    }));
    if let Some(data) = std::env::args().nth(1) {
        gates.extend(gridloom_dss::gates::given(Path::new(&data)));
    }
    for g in &gates {
        println!(
            "{} {:32} {:16} {:9.2e} <= {:7.1e} {} {}",
            if g.pass { "ok  " } else { "FAIL" },
            g.case,
            g.metric,
            g.value,
            g.target,
            g.unit,
            g.note
        );
    }
}
