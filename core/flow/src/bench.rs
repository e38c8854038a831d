//! Measurements of the solver; the caller owns the clock.

use gridloom_model::grid::LineEnd;

use crate::{LANES, Network, PortId, ReduceError, SolveOptions};

/// One measured figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Feeder.
    pub case: String,
    /// What was measured.
    pub metric: &'static str,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// Why a feeder cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BenchError {
    /// A step has no solution.
    #[error("the feeder has no solution in step {0}")]
    NoSolution(usize),
    /// The feeder cannot be reduced.
    #[error(transparent)]
    Reduce(#[from] ReduceError),
    /// The fault study failed.
    #[error(transparent)]
    Fault(#[from] crate::FaultError),
}

/// Load steps per trial.
const STEPS: usize = 200;
/// Trials; the best counts.
const TRIALS: usize = 7;
/// Trials of the breaker: a trial is short, so one in a quiet moment needs many.
const BREAKER_TRIALS: usize = 40;
/// Steps of the long run.
const LONG: usize = 1000;

/// Iterations of a step above which the slopes of the ports pay.
const SLOW: u32 = 8;

/// Load nodes up to which the dense form is the faster one.
const REDUCED_NODES: usize = 400;

/// Deterministic numbers from 0 to 1 (Steele, Lea and Flood, SplitMix64, 2014).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Nominal powers and factors by which steps move them.
struct Steps {
    rated: Vec<(f64, f64)>,
    factors: Vec<f64>,
}

impl Steps {
    /// Every load moves by up to 3 % from step to step.
    fn new(network: &Network, count: usize) -> Self {
        let ports = network.port_count();
        let rated = (0..ports)
            .map(|p| network.port_nominal(PortId(p as u32)))
            .collect();
        let mut draw = Draw(1);
        let factors = (0..count * ports)
            .map(|_| 0.97 + 0.06 * draw.next())
            .collect();
        Self { rated, factors }
    }

    fn powers(&self, step: usize) -> impl Iterator<Item = (PortId, f64, f64)> + '_ {
        let ports = self.rated.len();
        let factors = &self.factors[step * ports..(step + 1) * ports];
        self.rated
            .iter()
            .zip(factors)
            .enumerate()
            .map(|(i, (&(p, q), &f))| (PortId(i as u32), p * f, q * f))
    }
}

/// Measures a feeder at tolerance 1e-8 on one thread: microseconds per step in
/// full form (`full_step_us`) and reduced to its load nodes
/// (`reduced_step_us`), milliseconds for 1000 steps (`thousand_steps_ms`),
/// microseconds per breaker operation with the solution after it
/// (`breaker_us`), milliseconds for a fault study of all buses
/// (`fault_study_ms`), and the steps' mean iterations. Loads move each step.
///
/// `clock` returns seconds; `switch_line` is the line the breaker stands in.
///
/// # Errors
/// If a step has no solution.
pub fn measure(
    network: &Network,
    case: &str,
    switch_line: usize,
    clock: &mut dyn FnMut() -> f64,
) -> Result<Vec<Measurement>, BenchError> {
    let mut network = network.clone();
    network.set_options(SolveOptions {
        tolerance: 1e-8,
        max_iterations: 100,
    });
    if !network.solve().converged {
        return Err(BenchError::NoSolution(0));
    }
    let steps = Steps::new(&network, LONG);
    let mut out = Vec::new();
    let mut note = |metric, value, unit| {
        out.push(Measurement {
            case: case.to_owned(),
            metric,
            value,
            unit,
        });
    };
    // Once for all steps, where the plain iteration is slow.
    for (port, p, q) in steps.powers(0) {
        network.set_port_power(port, p, q);
    }
    if network.solve().iterations > SLOW {
        network.linearise();
    }
    let (full, iterations) = full_step(&mut network, &steps, clock)?;
    note("full_step_us", full * 1e6, "us");
    note("full_step_iterations", iterations, "1");
    let mut thousand = full_thousand(&mut network, &steps, clock)?;
    if let Ok((step, long)) = reduced_steps(&mut network, &steps, clock) {
        note("reduced_step_us", step * 1e6, "us");
        thousand = thousand.min(long);
    }
    thousand = thousand.min(batch_thousand(&mut network, &steps, clock)?);
    note("thousand_steps_ms", thousand * 1e3, "ms");
    note(
        "breaker_us",
        breaker(&mut network, switch_line, clock)? * 1e6,
        "us",
    );
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = clock();
        let study = network.fault_study()?;
        let mut seen = 0.0;
        for bus in 0..network.bus_count() {
            seen += bus_faults(&network, &study, bus);
        }
        best = best.min(clock() - start);
        // The sum keeps the work from being optimised away.
        if !seen.is_finite() {
            return Err(BenchError::Fault(crate::FaultError::Singular));
        }
    }
    note("fault_study_ms", best * 1e3, "ms");
    Ok(out)
}

/// All kinds of fault at one bus; sum of currents.
fn bus_faults(network: &Network, study: &crate::FaultStudy, bus: usize) -> f64 {
    use crate::FaultKind::{LineEarth, LineLine, LineLineEarth, ThreePhaseEarth};
    if !network.bus_energised(bus) {
        return 0.0;
    }
    let kinds = [
        ThreePhaseEarth,
        LineLine(1, 2),
        LineLine(2, 3),
        LineLine(1, 3),
        LineLineEarth(1, 2),
        LineLineEarth(2, 3),
        LineLineEarth(1, 3),
        LineEarth(1),
        LineEarth(2),
        LineEarth(3),
    ];
    kinds
        .iter()
        .filter_map(|&kind| study.fault(bus, kind, crate::Complex::ZERO).ok())
        .filter_map(|f| f.currents.first().map(|c| c.abs()))
        .sum()
}

fn full_step(
    network: &mut Network,
    steps: &Steps,
    clock: &mut dyn FnMut() -> f64,
) -> Result<(f64, f64), BenchError> {
    let mut best = f64::INFINITY;
    let mut iterations = 0;
    for _ in 0..TRIALS {
        let start = clock();
        iterations = 0;
        for step in 0..STEPS {
            for (port, p, q) in steps.powers(step) {
                network.set_port_power(port, p, q);
            }
            let report = network.solve();
            iterations += report.iterations;
            if !report.converged {
                return Err(BenchError::NoSolution(step));
            }
        }
        best = best.min(clock() - start);
    }
    Ok((best / STEPS as f64, f64::from(iterations) / STEPS as f64))
}

fn full_thousand(
    network: &mut Network,
    steps: &Steps,
    clock: &mut dyn FnMut() -> f64,
) -> Result<f64, BenchError> {
    let start = clock();
    for step in 0..LONG {
        for (port, p, q) in steps.powers(step) {
            network.set_port_power(port, p, q);
        }
        if !network.solve().converged {
            return Err(BenchError::NoSolution(step));
        }
    }
    Ok(clock() - start)
}

/// The same steps, eight at a time as lanes of one sweep.
fn batch_thousand(
    network: &mut Network,
    steps: &Steps,
    clock: &mut dyn FnMut() -> f64,
) -> Result<f64, BenchError> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = clock();
        let mut batch = network.batch()?;
        for group in 0..LONG / LANES {
            for lane in 0..LANES {
                for (port, p, q) in steps.powers(group * LANES + lane) {
                    batch.set_port_power(network, lane, port, p, q);
                }
            }
            let solved = batch.solve(network).is_some_and(|r| r.all_converged());
            if !solved {
                return Err(BenchError::NoSolution(group * LANES));
            }
        }
        best = best.min(clock() - start);
    }
    Ok(best)
}

fn reduced_steps(
    network: &mut Network,
    steps: &Steps,
    clock: &mut dyn FnMut() -> f64,
) -> Result<(f64, f64), BenchError> {
    let options = network.options();
    let mut reduced = network.reduce()?;
    if reduced.nodes() > REDUCED_NODES {
        return Err(ReduceError::TooMany(reduced.nodes()).into());
    }
    let mut best = f64::INFINITY;
    let mut run = |count: usize| -> Result<f64, BenchError> {
        let start = clock();
        for step in 0..count {
            for (port, p, q) in steps.powers(step) {
                reduced.set_port_power(port, p, q);
            }
            if !reduced.solve(options).converged {
                return Err(BenchError::NoSolution(step));
            }
        }
        Ok(clock() - start)
    };
    for _ in 0..TRIALS {
        best = best.min(run(STEPS)?);
    }
    let long = run(LONG)?;
    Ok((best / STEPS as f64, long))
}

fn breaker(
    network: &mut Network,
    line: usize,
    clock: &mut dyn FnMut() -> f64,
) -> Result<f64, BenchError> {
    let mut best = f64::INFINITY;
    for _ in 0..BREAKER_TRIALS {
        let start = clock();
        for operation in 0..20 {
            network.set_line_open(line, LineEnd::From, operation % 2 == 0);
            if !network.solve().converged {
                return Err(BenchError::NoSolution(operation));
            }
        }
        best = best.min((clock() - start) / 20.0);
    }
    Ok(best)
}
