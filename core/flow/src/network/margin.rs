//! How much of its load a network can carry.

use super::*;

/// How far a network is from the point beyond which there is no solution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margin {
    /// Largest multiple of all present port powers with a solution, within 0.5 %.
    pub factor: f64,
    /// Bus of the port with the lowest voltage there, per unit of its rating.
    pub weakest_bus: Option<usize>,
    /// That voltage, per unit.
    pub lowest_pu: f64,
}

/// Accuracy of the factor, relative.
const ACCURACY: f64 = 0.005;
/// Iterations of a trial; near the limit the iteration slows down.
const TRIAL_ITERATIONS: u32 = 80;
/// Mismatch at which a trial counts as solved.
const TRIAL_TOLERANCE: f64 = 1e-5;

impl Network {
    /// Finds the largest multiple, up to `most`, of the present port powers
    /// that the network can carry, by bisection. Every trial starts from the
    /// no-load voltages. State and last report are left as they were.
    pub fn loading_margin(&mut self, most: f64) -> Margin {
        let state = self.solution_state();
        let options = self.options;
        self.options = SolveOptions {
            tolerance: TRIAL_TOLERANCE,
            max_iterations: TRIAL_ITERATIONS,
        };
        let rated = state.powers().to_vec();
        let mut margin = Margin {
            factor: 0.0,
            weakest_bus: None,
            lowest_pu: f64::NAN,
        };
        let (mut good, mut bad) = (0.0, most);
        if self.trial(&rated, most, &mut margin) {
            good = most;
        }
        while bad - good > ACCURACY * bad {
            let middle = 0.5 * (good + bad);
            if self.trial(&rated, middle, &mut margin) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        margin.factor = good;
        self.options = options;
        self.restore(&state);
        margin
    }

    fn trial(&mut self, rated: &[(f64, f64)], factor: f64, margin: &mut Margin) -> bool {
        for (port, &(p, q)) in rated.iter().enumerate() {
            self.set_port_power(PortId(port as u32), p * factor, q * factor);
        }
        self.stale.start = true;
        if self.solve().verdict != Verdict::Solved {
            return false;
        }
        let first = self.matrix.factor.first_port();
        let (lowest, branch) = self.lowest_port(&self.v[first..]);
        margin.lowest_pu = lowest;
        margin.weakest_bus = branch.map(|b| self.branch_bus(b));
        true
    }
}
