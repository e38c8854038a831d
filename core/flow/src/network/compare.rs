//! Node voltages as a table, and comparison with such a table.

use std::fmt::Write as _;

use super::*;
use crate::complex::exceeds;

/// Why a table of node voltages cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// A needed column is missing.
    #[error("the table has no column `{0}`")]
    NoColumn(&'static str),
    /// A value is not a number.
    #[error("line {line}: `{text}` in column `{column}` is not a number")]
    NotANumber {
        /// Line from 1.
        line: usize,
        /// Column.
        column: &'static str,
        /// What stands there.
        text: String,
    },
    /// The table has no rows that match.
    #[error("no node of the table exists in the network")]
    NothingInCommon,
}

/// Result of a comparison of node voltages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Nodes found in both.
    pub compared: usize,
    /// Nodes of the table that the network lacks, as `bus.node`.
    pub missing: Vec<String>,
    /// Nodes of the network that the table lacks.
    pub extra: usize,
    /// Largest distance of complex voltages, V.
    pub max_dv_v: f64,
    /// Largest distance of complex voltages, per unit of the bus, over buses with a base.
    pub max_dv_pu: f64,
    /// Where that is, as `bus.node`.
    pub worst_node: String,
}

/// Node voltages with the columns
/// `bus,node,kv_base_ln,v_re,v_im,v_mag,v_pu,v_deg` (V, kV, degrees); `v_pu` is
/// `nan` where the bus has no base.
pub fn nodes_csv(network: &Network) -> String {
    let mut out = String::from("bus,node,kv_base_ln,v_re,v_im,v_mag,v_pu,v_deg\n");
    for node in 0..network.node_count() {
        let (bus, conductor) = network.node_at(node);
        let v = network.voltage(node);
        let base = network.bus_base_v(bus);
        let pu = if base > 0.0 { v.abs() / base } else { f64::NAN };
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "{},{conductor},{},{},{},{},",
            network.bus_id(bus),
            base / 1000.0,
            v.re,
            v.im,
            v.abs()
        );
        if pu.is_nan() {
            out.push_str("nan");
        } else {
            let _ = write!(out, "{pu}");
        }
        let _ = writeln!(out, ",{}", v.arg_deg());
    }
    out
}

/// Compares the last solution with a table of node voltages (columns `bus`,
/// `node`, `v_re`, `v_im`, optionally `kv_base_ln`), matching buses without
/// regard to case and conductors by number. The base is that of the table
/// where it states one.
///
/// # Errors
/// If the table cannot be read or shares no node with the network.
pub fn compare_nodes(network: &Network, csv: &str) -> Result<Comparison, CompareError> {
    let mut lines = csv.lines().enumerate();
    let header: Vec<&str> = lines.next().map_or_else(Vec::new, |(_, l)| {
        l.trim().split(',').map(str::trim).collect()
    });
    let column = |name: &'static str| {
        header
            .iter()
            .position(|h| *h == name)
            .ok_or(CompareError::NoColumn(name))
    };
    let (bus, node, re, im) = (
        column("bus")?,
        column("node")?,
        column("v_re")?,
        column("v_im")?,
    );
    let base = column("kv_base_ln").ok();
    let lower: BTreeMap<String, usize> = network
        .bus_by_id
        .iter()
        .map(|(id, &i)| (id.to_lowercase(), i))
        .collect();
    let mut out = Comparison::default();
    for (at, line) in lines.filter(|(_, l)| !l.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let text = |c: usize| cells.get(c).copied().unwrap_or_default();
        let number = |c: usize, name: &'static str| {
            text(c)
                .parse::<f64>()
                .map_err(|_| CompareError::NotANumber {
                    line: at + 1,
                    column: name,
                    text: text(c).to_owned(),
                })
        };
        let conductor = number(node, "node")? as u8;
        let want = Complex::new(number(re, "v_re")?, number(im, "v_im")?);
        let found = lower
            .get(&text(bus).to_lowercase())
            .and_then(|&b| network.node(b, conductor).map(|n| (b, n)));
        let Some((b, n)) = found else {
            out.missing.push(format!("{}.{conductor}", text(bus)));
            continue;
        };
        out.compared += 1;
        let distance = (network.voltage(n) - want).abs();
        out.max_dv_v = out.max_dv_v.max(distance);
        let stated = base.and_then(|c| text(c).parse::<f64>().ok());
        let volts = stated
            .filter(|kv| *kv > 0.0)
            .map_or_else(|| network.bus_base_v(b), |kv| kv * 1000.0);
        if volts > 0.0 && exceeds(distance / volts, out.max_dv_pu) {
            out.max_dv_pu = distance / volts;
            out.worst_node = format!("{}.{conductor}", network.bus_id(b));
        }
    }
    if out.compared == 0 {
        return Err(CompareError::NothingInCommon);
    }
    out.extra = network.node_count() - out.compared.min(network.node_count());
    Ok(out)
}
