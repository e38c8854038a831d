//! Droop sharing on top of the power flow.
//!
//! The voltages behind the units' impedances are moved until all droops agree.
//! A section whose units cannot hold it in this tick loses them at once and is
//! solved again without: nothing is served by a solution that does not exist.

use gridloom_island::forming::{Delivered, Emf};
use gridloom_island::sharing::{Electrical, ShareUnit, settle};

use super::arrange::{join_sections, source, tell_network};
use super::plan::Plan;
use super::state::Islands;
use crate::grid::Grid;

/// The network with the units that hold it.
struct Solver<'a> {
    grid: &'a mut Grid,
    islands: &'a mut Islands,
    plan: &'a Plan,
    holding: &'a [usize],
}

impl Electrical for Solver<'_> {
    fn solve(&mut self, emf: &[Emf]) -> Option<Vec<Delivered>> {
        for (&unit, &emf) in self.holding.iter().zip(emf) {
            self.islands.units[unit].emf = emf;
            let spec = &self.plan.units[unit];
            let source = source(spec, &self.islands.units[unit]);
            self.grid.set_source(spec.port, Some(source));
        }
        if !self.grid.solve_once() {
            return None;
        }
        self.holding
            .iter()
            .map(|&unit| {
                let spec = &self.plan.units[unit];
                let reading = self.grid.source_reading(spec.port)?;
                Some(Delivered {
                    p_kw: reading.p_w / 1_000.0,
                    q_kvar: reading.q_var / 1_000.0,
                    current_pu: reading.largest_a() / spec.rated_a(),
                })
            })
            .collect()
    }
}

/// Lowest voltage at which a unit still holds its section, pu: below, its
/// controls cannot tell a fault from a load.
const LEAST_V_PU: f64 = 0.5;

/// Solves the network with its islands; returns sentences about sections lost.
///
/// `can_carry` says whether a unit's battery has the energy for a power over
/// the tick, kW delivered.
pub(crate) fn solve(
    grid: &mut Grid,
    islands: &mut Islands,
    plan: Option<&Plan>,
    can_carry: &dyn Fn(usize, f64) -> bool,
) -> Vec<String> {
    let mut lost = Vec::new();
    let Some(plan) = plan else {
        grid.solve();
        return lost;
    };
    loop {
        let holding = islands.holding();
        if holding.is_empty() {
            grid.solve();
            return lost;
        }
        let blocked = try_once(grid, islands, plan, &holding, can_carry);
        if blocked.is_empty() {
            grid.note_report();
            return lost;
        }
        for (unit, why) in blocked {
            islands.block(unit);
            islands.collapses += 1;
            let text = format!("{} lost its section: {why}", plan.units[unit].name);
            islands.collapse = Some(text.clone());
            lost.push(text);
        }
        tell_network(grid, islands, plan);
        join_sections(grid, islands, plan);
    }
}

/// One attempt; returns the units that must stop, with the reason.
fn try_once(
    grid: &mut Grid,
    islands: &mut Islands,
    plan: &Plan,
    holding: &[usize],
    can_carry: &dyn Fn(usize, f64) -> bool,
) -> Vec<(usize, String)> {
    let units: Vec<ShareUnit> = holding
        .iter()
        .map(|&unit| {
            let state = &islands.units[unit];
            ShareUnit {
                params: plan.units[unit].params,
                section: islands.section[unit].unwrap_or_default() as usize,
                p_set_kw: state.p_set_kw,
                v_set_pu: state.v_set_pu,
                shift_hz: state.shift_hz,
            }
        })
        .collect();
    let mut emf: Vec<Emf> = holding
        .iter()
        .map(|&unit| islands.units[unit].emf)
        .collect();
    let mut solver = Solver {
        grid,
        islands,
        plan,
        holding,
    };
    match settle(&mut solver, &units, &mut emf, plan.nominal_hz) {
        Ok(settled) => {
            let mut blocked = Vec::new();
            for (i, &unit) in holding.iter().enumerate() {
                let now = settled.delivered[i];
                islands.units[unit].emf = emf[i];
                islands.units[unit].now = now;
                let v = grid.bus_v_pu(plan.units[unit].bus).unwrap_or(0.0);
                if !can_carry(unit, now.p_kw) {
                    blocked.push((unit, "its battery is at its end".to_owned()));
                } else if v < LEAST_V_PU {
                    blocked.push((unit, format!("voltage {v:.2} pu")));
                }
            }
            blocked
        }
        Err(unsettled) => {
            let why = if unsettled.no_solution {
                "the load cannot be carried"
            } else {
                "the droops do not meet"
            };
            let failing = grid.failing_section();
            let all: Vec<usize> = holding.to_vec();
            let in_it = |&unit: &usize| islands.section[unit].map(|s| s as usize) == failing;
            let some: Vec<usize> = all.iter().copied().filter(|u| in_it(u)).collect();
            let lost = if some.is_empty() { all } else { some };
            lost.into_iter()
                .map(|unit| (unit, why.to_owned()))
                .collect()
        }
    }
}
