//! Acceptance gates of the grid physics: measured values against targets.
//!
//! [`kept`] runs the cases that are kept in the project (`tests/reference`),
//! [`given`] those of a directory with the full reference data.

mod cases;
mod currents;
mod given;
mod inverters;
mod overload;

use std::collections::BTreeMap;
use std::fmt;

use gridloom_flow::{Complex, FaultKind, Network, PortId, SolveOptions, Verdict, compare_nodes};
use gridloom_model::grid::{GridCase, LoadLaw, VoltageBand};
use gridloom_model::profile::ProfileSet;

pub use given::given;
pub use overload::no_solution;

/// A measured value against its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Case.
    pub case: String,
    /// What was measured.
    pub metric: &'static str,
    /// Largest value allowed.
    pub target: f64,
    /// The value; not a number when it could not be measured.
    pub value: f64,
    /// Unit.
    pub unit: &'static str,
    /// Whether the target is met.
    pub pass: bool,
    /// Why there is no value, or where the worst value lies.
    pub note: String,
}

impl Gate {
    pub(crate) fn new(
        case: &str,
        metric: &'static str,
        target: f64,
        value: f64,
        unit: &'static str,
        note: impl Into<String>,
    ) -> Self {
        Self {
            case: case.to_owned(),
            metric,
            target,
            value,
            unit,
            pass: value <= target,
            note: note.into(),
        }
    }

    pub(crate) fn failed(
        case: &str,
        metric: &'static str,
        target: f64,
        note: impl fmt::Display,
    ) -> Self {
        Self::new(case, metric, target, f64::NAN, "", note.to_string())
    }
}

/// Largest distance of a node voltage from the reference, per unit.
const VOLTAGE_PU: f64 = 1e-8;
/// Largest relative distance of a fault current.
const FAULT: f64 = 1e-6;
/// Largest error of the energy balance relative to the energy delivered.
const BALANCE: f64 = 1e-9;
/// Control rounds allowed for regulators.
const ROUNDS: u32 = 100;

/// Iteration limits for comparisons digit by digit.
pub(crate) const EXACT: SolveOptions = SolveOptions {
    tolerance: 1e-12,
    max_iterations: 1000,
};

/// Runs every case kept in the project.
pub fn kept() -> Vec<Gate> {
    let mut gates = Vec::new();
    for (case, grid, nodes) in cases::KEPT {
        gates.extend(voltages(case, grid, nodes, false));
    }
    gates.extend(voltages(
        "euro_lv",
        cases::EURO_LV,
        cases::EURO_LV_NODES,
        false,
    ));
    gates.extend(voltages(
        "euro_lv_constP",
        cases::EURO_LV,
        cases::EURO_LV_CONST_P_NODES,
        true,
    ));
    for (case, steps, constant) in [
        ("euro_lv_timeseries", cases::TIMESERIES, false),
        ("euro_lv_timeseries_constP", cases::TIMESERIES_CONST_P, true),
    ] {
        gates.extend(time_series(case, steps, constant));
    }
    gates.extend(faults(
        "faults_euro_lv",
        cases::EURO_LV,
        cases::FAULTS_EURO_LV,
    ));
    gates.extend(inverters::curves());
    gates
}

/// Loads keep their law at every voltage down to half the rated one.
fn hold_laws(case: &mut GridCase) {
    for load in &mut case.loads {
        load.band = VoltageBand {
            min_pu: 0.0,
            max_pu: 2.0,
            low_pu: load.band.low_pu,
        };
    }
}

fn network(case: &str, grid: &str, constant: bool) -> Result<Network, String> {
    let mut parsed = GridCase::from_ron(grid, case).map_err(|e| e.to_string())?;
    if constant {
        hold_laws(&mut parsed);
    }
    let mut network = Network::build(&parsed).map_err(|e| e.to_string())?;
    network.set_options(EXACT);
    Ok(network)
}

/// Node voltages after the regulators have come to rest, and the power balance.
fn voltages(case: &str, grid: &str, nodes: &str, constant: bool) -> Vec<Gate> {
    match network(case, grid, constant) {
        Ok(mut network) => solved_voltages(case, &mut network, nodes, true),
        Err(error) => vec![Gate::failed(case, "max_dv_pu", VOLTAGE_PU, error)],
    }
}

pub(crate) fn solved_voltages(
    case: &str,
    network: &mut Network,
    nodes: &str,
    controls: bool,
) -> Vec<Gate> {
    let fail = |note: String| vec![Gate::failed(case, "max_dv_pu", VOLTAGE_PU, note)];
    if controls {
        let control = network.settle_regulators(ROUNDS);
        if !control.settled {
            return fail(format!(
                "regulators did not settle in {} rounds",
                control.rounds
            ));
        }
    }
    let report = network.solve();
    if report.verdict != Verdict::Solved {
        return fail(format!("{report:?}"));
    }
    network.refine();
    let totals = network.totals();
    let balance = totals.error_w().abs() / totals.source_w.abs().max(1.0);
    match compare_nodes(network, nodes) {
        Err(error) => fail(error.to_string()),
        Ok(c) if !c.missing.is_empty() => fail(format!("missing nodes {:?}", c.missing)),
        Ok(c) => vec![
            Gate::new(
                case,
                "max_dv_pu",
                VOLTAGE_PU,
                c.max_dv_pu,
                "pu",
                c.worst_node,
            ),
            Gate::new(case, "power_balance", BALANCE, balance, "1", ""),
        ],
    }
}

/// A day of one-minute steps against recorded values, and its energy balance.
fn time_series(case: &str, steps: &str, constant: bool) -> Vec<Gate> {
    match run_time_series(case, steps, constant) {
        Ok(gates) => gates,
        Err(note) => vec![Gate::failed(case, "max_dv_pu", VOLTAGE_PU, note)],
    }
}

fn run_time_series(case: &str, steps: &str, constant: bool) -> Result<Vec<Gate>, String> {
    let mut network = network(case, cases::EURO_LV, constant)?;
    let grid = GridCase::from_ron(cases::EURO_LV, case).map_err(|e| e.to_string())?;
    let profiles = ProfileSet::from_ron(cases::EURO_LV_SHAPES, case).map_err(|e| e.to_string())?;
    let loads = loads(&network, &grid, &profiles)?;
    let table = Table::new(steps);
    let watched = [1, 32, 53].map(|n| network.port_index(&format!("LOAD{n}")));
    let base_v = grid.buses.last().map_or(0.0, |b| b.kv_ln * 1000.0);
    let (mut dv, mut dp, mut supplied, mut missed) = (0.0_f64, 0.0_f64, 0.0, 0.0);
    let mut worst = 0;
    for (k, row) in table.rows.iter().enumerate() {
        for (port, series, p, q) in &loads {
            let m = profiles.series[*series]
                .values
                .get(k)
                .copied()
                .unwrap_or(0.0);
            network.set_port_power(*port, p * m, q * m);
        }
        if network.solve().verdict != Verdict::Solved {
            return Err(format!("minute {} has no solution", k + 1));
        }
        for (port, column) in watched.iter().zip(["v_load1", "v_load32", "v_load53"]) {
            let port = port.ok_or("a watched load is missing")?;
            let error = (network.port_voltage(port).abs() - table.number(row, column)?).abs();
            if error / base_v > dv {
                (dv, worst) = (error / base_v, k + 1);
            }
        }
        let totals = network.totals();
        let want = table.number(row, "source_p_kw")?;
        dp = dp.max((totals.source_w / 1000.0 - want).abs() / want.abs());
        supplied += totals.source_w;
        missed += totals.error_w();
    }
    let count = table.rows.len();
    Ok(vec![
        Gate::new(
            case,
            "max_dv_pu",
            VOLTAGE_PU,
            dv,
            "pu",
            format!("minute {worst}"),
        ),
        // The recorded powers have nine digits.
        Gate::new(
            case,
            "source_power",
            1e-8,
            dp,
            "1",
            format!("{count} minutes"),
        ),
        Gate::new(
            case,
            "energy_balance",
            BALANCE,
            (missed / supplied).abs(),
            "1",
            "",
        ),
    ])
}

/// Port, series, rated W and var of every load.
fn loads(
    network: &Network,
    grid: &GridCase,
    profiles: &ProfileSet,
) -> Result<Vec<(PortId, usize, f64, f64)>, String> {
    grid.loads
        .iter()
        .map(|load| {
            let port = network.port_index(&load.id).ok_or("a load has no port")?;
            let series = profiles
                .series_index(&load.profile)
                .ok_or_else(|| format!("series `{}` is missing", load.profile))?;
            Ok((port, series, load.kw * 1000.0, load.kvar * 1000.0))
        })
        .collect()
}

/// Fault currents of every bus.
fn faults(case: &str, grid: &str, table: &str) -> Vec<Gate> {
    match network(case, grid, false) {
        Ok(mut network) => fault_gate(case, &mut network, table),
        Err(note) => vec![Gate::failed(case, "fault_current", FAULT, note)],
    }
}

pub(crate) fn fault_gate(case: &str, network: &mut Network, text: &str) -> Vec<Gate> {
    match fault_error(network, text) {
        Ok((error, note)) => vec![Gate::new(case, "fault_current", FAULT, error, "1", note)],
        Err(note) => vec![Gate::failed(case, "fault_current", FAULT, note)],
    }
}

fn fault_error(network: &mut Network, text: &str) -> Result<(f64, String), String> {
    if network.solve().verdict != Verdict::Solved {
        return Err("no solution before the fault".to_owned());
    }
    let study = network.fault_study().map_err(|e| e.to_string())?;
    let buses: BTreeMap<String, usize> = (0..network.bus_count())
        .map(|b| (network.bus_id(b).to_lowercase(), b))
        .collect();
    let table = Table::new(text);
    let mut worst = (0.0_f64, String::new());
    for row in &table.rows {
        let bus = *buses
            .get(&table.text(row, "bus")?.to_lowercase())
            .ok_or_else(|| format!("bus `{}` is missing", row[0]))?;
        let phases: Vec<u8> = table
            .text(row, "phases")?
            .split(['-', '.'])
            .filter_map(|p| p.parse().ok())
            .collect();
        let kind = match (table.text(row, "fault")?, phases.as_slice()) {
            ("all_nodes", [_]) => FaultKind::ThreePhaseEarth,
            ("SLG", [a]) => FaultKind::LineEarth(*a),
            ("LL", [a, b]) => FaultKind::LineLine(*a, *b),
            other => return Err(format!("fault {other:?}")),
        };
        let fault = study
            .fault(bus, kind, Complex::ZERO)
            .map_err(|e| e.to_string())?;
        let at = fault.conductors.iter().position(|c| *c == phases[0]);
        let got = at.map_or(Complex::ZERO, |at| fault.currents[at]);
        let want = Complex::new(table.number(row, "i_re")?, table.number(row, "i_im")?);
        let error = (got - want).abs() / want.abs();
        if error > worst.0 || error.is_nan() {
            worst = (error, format!("{} {}", row[0], row[1]));
        }
    }
    Ok((
        worst.0,
        format!("{} faults, worst {}", table.rows.len(), worst.1),
    ))
}

/// A comma-separated table with a header.
pub(crate) struct Table<'t> {
    header: Vec<&'t str>,
    pub(crate) rows: Vec<Vec<&'t str>>,
}

impl<'t> Table<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut lines = text.lines().filter(|l| !l.trim().is_empty());
        let split = |l: &'t str| l.split(',').map(str::trim).collect::<Vec<_>>();
        Self {
            header: lines.next().map_or_else(Vec::new, split),
            rows: lines.map(split).collect(),
        }
    }

    pub(crate) fn text(&self, row: &[&'t str], column: &str) -> Result<&'t str, String> {
        let at = self.header.iter().position(|h| *h == column);
        at.and_then(|at| row.get(at).copied())
            .ok_or_else(|| format!("no column `{column}`"))
    }

    pub(crate) fn number(&self, row: &[&'t str], column: &str) -> Result<f64, String> {
        let text = self.text(row, column)?;
        text.parse()
            .map_err(|_| format!("`{text}` in column `{column}` is not a number"))
    }
}

/// Whether every load of a grid keeps constant power, for statements in the window.
pub fn constant_power(case: &GridCase) -> bool {
    case.loads
        .iter()
        .all(|l| l.law == LoadLaw::ConstPower && l.band.max_pu >= 2.0)
}

/// The European feeder with constant-power loads.
pub(crate) fn euro_lv_constant() -> Result<GridCase, String> {
    let mut case = GridCase::from_ron(cases::EURO_LV, "euro_lv").map_err(|e| e.to_string())?;
    hold_laws(&mut case);
    Ok(case)
}

/// Figures of other programs.
pub(crate) fn peers_text() -> &'static str {
    cases::PEERS
}
