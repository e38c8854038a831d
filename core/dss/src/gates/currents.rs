//! Gates on currents and losses of a solved network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gridloom_flow::{Complex, Network, PortId};

use super::given::read;
use super::{Gate, Table};

/// Largest distance of a current, relative to the largest of its element: the
/// reference has eight digits, and its voltages hold to 1e-10 per unit, which
/// short lines amplify.
const CURRENT: f64 = 5e-7;
/// Largest relative distance of the losses.
const LOSSES: f64 = 1e-7;
/// Elements with less current are not compared, A.
const LEAST_A: f64 = 0.01;

/// Currents of every line, transformer and port, and the losses of the network.
pub(super) fn gates(case: &str, network: &Network, folder: &Path) -> Result<Vec<Gate>, String> {
    let mut gates = Vec::new();
    if let Ok(text) = read(&folder.join("currents.csv")) {
        let (error, note) = current_error(network, &text)?;
        gates.push(Gate::new(case, "current", CURRENT, error, "1", note));
    }
    if let Ok(text) = read(&folder.join("summary.json")) {
        let totals = network.totals();
        let (p, q) = (number(&text, "losses_kw")?, number(&text, "losses_kvar")?);
        // The reference leaves shunt elements out of the losses.
        let mut own = Complex::new(totals.losses_w, totals.losses_var);
        for c in 0..network.capacitor_count() {
            let (p, q) = network.capacitor_power(c);
            own -= Complex::new(p, q);
        }
        for r in (0..network.reactor_count()).filter(|&r| network.reactor_is_shunt(r)) {
            let (p, q) = network.reactor_power(r);
            own -= Complex::new(p, q);
        }
        let error = (own.scale(1e-3) - Complex::new(p, q)).abs();
        // Losses are small differences: relative to the power that flows where
        // there are hardly any.
        let scale = Complex::new(p, q)
            .abs()
            .max(1e-6 * totals.source_w.abs() / 1e3);
        gates.push(Gate::new(case, "losses", LOSSES, error / scale, "1", ""));
    }
    Ok(gates)
}

/// A number of a flat JSON object.
fn number(text: &str, key: &str) -> Result<f64, String> {
    let missing = || format!("`{key}` is missing");
    let (_, rest) = text
        .split_once(&format!("\"{key}\":"))
        .ok_or_else(missing)?;
    let value: String = rest
        .trim_start()
        .chars()
        .take_while(|c| !matches!(c, ',' | '}' | '\n'))
        .collect();
    value.trim().parse().map_err(|_| missing())
}

/// Currents by terminal and node of one element.
type Flows = BTreeMap<(usize, u8), Complex>;

fn current_error(network: &Network, text: &str) -> Result<(f64, String), String> {
    let own = flows(network);
    let table = Table::new(text);
    let mut wanted: BTreeMap<String, Flows> = BTreeMap::new();
    for row in &table.rows {
        let element = table.text(row, "element")?.to_lowercase();
        let terminal = table.number(row, "terminal")? as usize;
        let node = table.number(row, "node")? as u8;
        let current = Complex::new(table.number(row, "i_re")?, table.number(row, "i_im")?);
        // Earth takes what the others leave.
        if node != 0 {
            *wanted
                .entry(element)
                .or_default()
                .entry((terminal, node))
                .or_insert(Complex::ZERO) += current;
        }
    }
    let (mut worst, mut compared) = ((0.0_f64, String::new()), 0);
    for (element, flows) in &wanted {
        let Some(own) = own.get(element) else {
            continue;
        };
        let largest = flows.values().map(|c| c.abs()).fold(0.0, f64::max);
        if largest < LEAST_A {
            continue;
        }
        compared += 1;
        for (place, &want) in flows {
            let got = own.get(place).copied().unwrap_or(Complex::ZERO);
            let error = (got - want).abs() / largest;
            if error > worst.0 || error.is_nan() {
                worst = (error, format!("{element} {}.{}", place.0, place.1));
            }
        }
    }
    Ok((worst.0, format!("{compared} elements, worst {}", worst.1)))
}

fn flows(network: &Network) -> BTreeMap<String, Flows> {
    let mut out: BTreeMap<String, Flows> = BTreeMap::new();
    let mut add = |name: String, terminals: Vec<Vec<(u8, Complex)>>| {
        let flows = out.entry(name).or_default();
        for (t, conductors) in terminals.into_iter().enumerate() {
            for (node, current) in conductors.into_iter().filter(|c| c.0 != 0) {
                *flows.entry((t + 1, node)).or_insert(Complex::ZERO) += current;
            }
        }
    };
    let pairs = |flow: gridloom_flow::BranchFlow| {
        flow.terminals
            .into_iter()
            .map(|t| t.into_iter().map(|c| (c.conductor, c.current)).collect())
            .collect()
    };
    for line in 0..network.line_count() {
        let name = format!("line.{}", network.line_id(line).to_lowercase());
        add(name, pairs(network.branch_flow(line)));
    }
    for t in 0..network.transformer_count() {
        let name = format!("transformer.{}", network.transformer(t).id.to_lowercase());
        add(name, pairs(network.transformer_flow(t)));
    }
    let taken: BTreeSet<String> = (0..network.port_count())
        .map(|p| network.port_id(PortId(p as u32)).to_lowercase())
        .collect();
    for port in (0..network.port_count()).map(|p| PortId(p as u32)) {
        let id = network.port_id(port).to_lowercase();
        let flow = network.port_flow(port);
        // Plants of a name that is taken carry their class in front.
        let classes = ["load", "generator", "pvsystem", "storage"];
        if classes
            .iter()
            .any(|class| id.starts_with(&format!("{class}.")))
        {
            add(id, vec![flow]);
            continue;
        }
        for class in classes {
            let name = format!("{class}.{id}");
            if !taken.contains(&name) {
                add(name, vec![flow.clone()]);
            }
        }
    }
    out
}
