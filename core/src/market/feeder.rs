//! A feeder as the clearing sees it: voltages linear in what its members give,
//! with coefficients from the power flow, and the power flow to check them.
//!
//! The coefficients are differences of two solutions, member by member, at one
//! operating point (Baran and Wu 1989 derive them from impedances for a
//! balanced radial feeder; here the network may be meshed and unbalanced). The
//! clearing gets them in whole micro-pu per kW.

use gridloom_flow::{Network, PortId, SolveOptions};

/// Step of the differences, kW.
const STEP_KW: f64 = 0.25;

/// Mismatch at which a solution is good enough for differences.
const EXACT: SolveOptions = SolveOptions {
    tolerance: 1e-11,
    max_iterations: 400,
};

/// Somebody who gives or takes power.
#[derive(Clone, Copy, Debug)]
pub struct FeederMember {
    /// Its port.
    pub port: PortId,
    /// Reactive over active power while it takes some.
    pub tan_phi: f64,
}

/// A network with its members, nodes under watch and sensitivities.
#[derive(Clone, Debug)]
pub struct Feeder {
    network: Network,
    members: Vec<FeederMember>,
    nodes: Vec<usize>,
    /// Operating point of the sensitivities: what each member gives, kW.
    reference_kw: Vec<f64>,
    /// Voltages there, pu.
    reference_pu: Vec<f64>,
    /// Per node and member: what a kilowatt more adds, micro-pu.
    upu_per_kw: Vec<Vec<i64>>,
}

/// Pu in whole micro-pu.
#[must_use]
pub fn micro(pu: f64) -> i64 {
    (pu * 1e6).round() as i64
}

impl Feeder {
    /// Solves a network at an operating point and takes the sensitivities
    /// there. Every other port must have no power.
    ///
    /// # Errors
    /// When a node under watch is dead, or there is no solution.
    pub fn new(
        network: Network,
        members: Vec<FeederMember>,
        nodes: Vec<usize>,
        reference_kw: Vec<f64>,
    ) -> Result<Self, String> {
        let mut feeder = Self {
            network,
            members,
            nodes,
            reference_kw,
            reference_pu: Vec::new(),
            upu_per_kw: Vec::new(),
        };
        feeder.network.set_options(EXACT);
        let at = feeder.reference_kw.clone();
        feeder.reference_pu = feeder.solve(&at)?;
        feeder.upu_per_kw = feeder.sensitivities(&at)?;
        Ok(feeder)
    }

    /// What a kilowatt more of each member adds to each node where the members
    /// give this much, per node and member, micro-pu.
    ///
    /// # Errors
    /// As [`Feeder::solve`].
    pub fn sensitivities(&mut self, given_kw: &[f64]) -> Result<Vec<Vec<i64>>, String> {
        let here = self.solve(given_kw)?;
        let mut rows = vec![Vec::with_capacity(given_kw.len()); self.nodes.len()];
        for member in 0..self.members.len() {
            let mut moved = given_kw.to_vec();
            moved[member] += STEP_KW;
            let there = self.solve(&moved)?;
            for (row, (now, then)) in rows.iter_mut().zip(there.iter().zip(&here)) {
                row.push(micro((now - then) / STEP_KW));
            }
        }
        Ok(rows)
    }

    /// Voltages of the nodes under watch by the power flow, pu.
    ///
    /// # Errors
    /// When a node is dead, or there is no solution.
    pub fn solve(&mut self, given_kw: &[f64]) -> Result<Vec<f64>, String> {
        for (member, given_kw) in self.members.iter().zip(given_kw) {
            let q_kw = member.tan_phi * (-given_kw).max(0.0);
            let (p_w, q_var) = (-given_kw * 1_000.0, q_kw * 1_000.0);
            self.network.set_port_power(member.port, p_w, q_var);
        }
        let report = self.network.solve();
        if !report.converged {
            return Err(format!(
                "the power flow has no solution ({:?})",
                report.verdict
            ));
        }
        let voltage = |node: &usize| {
            self.network
                .voltage_pu(*node)
                .ok_or_else(|| format!("node {node} has no supply"))
        };
        self.nodes.iter().map(voltage).collect()
    }

    /// The same by the sensitivities, micro-pu.
    #[must_use]
    pub fn predict_upu(&self, given_kw: &[f64]) -> Vec<i64> {
        let moved = |row: &Vec<i64>| -> f64 {
            row.iter()
                .zip(given_kw.iter().zip(&self.reference_kw))
                .map(|(upu, (now, then))| *upu as f64 * (now - then))
                .sum()
        };
        self.reference_pu
            .iter()
            .zip(&self.upu_per_kw)
            .map(|(pu, row)| micro(*pu) + moved(row).round() as i64)
            .collect()
    }

    /// How many members there are.
    #[must_use]
    pub fn members(&self) -> usize {
        self.members.len()
    }
}
