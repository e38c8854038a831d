//! Prints the gates of the kept cases and, given a data directory, of all.
use std::path::Path;

fn main() {
    let mut gates = gridloom_dss::gates::kept();
    gates.extend(gridloom_dss::gates::no_solution());
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
