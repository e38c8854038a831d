//! The gates of the grid physics on the kept cases, and on the full reference
//! data where it stands beside the repository.

use std::path::Path;

use gridloom_dss::gates::{self, Gate};

fn assert_all(gates: &[Gate]) {
    let failed: Vec<&Gate> = gates.iter().filter(|g| !g.pass).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn kept_cases_meet_every_gate() {
    let gates = gates::kept();
    assert!(gates.len() >= 50, "only {} gates", gates.len());
    assert_all(&gates);
}

#[test]
fn a_feeder_that_cannot_carry_its_load_is_told_so() {
    // Time is measured by the caller; a test takes none.
    assert_all(&gates::no_solution(&mut || 0.0));
}

#[test]
fn given_cases_meet_every_gate() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let gates = gates::given(&data);
    if gates.is_empty() {
        println!("skipped: no reference data beside the repository");
        return;
    }
    assert!(gates.len() >= 100, "only {} gates", gates.len());
    assert_all(&gates);
}
