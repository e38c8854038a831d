//! After the breakers have moved: which unit forms which section.

use bevy::prelude::*;
use gridloom_flow::{Complex, EmfBehindImpedance};
use gridloom_island::forming::{FormingUnit, Mode};
use gridloom_island::frequency::{SectionFrequency, merged};

use super::plan::{Forming, IslandPlan, Plan, UnitPlan};
use super::state::Islands;
use crate::clock::SimClock;
use crate::grid::{Breaker, Grid, Mlmd};
use crate::record::EventLog;
use crate::site::{BatteryUnit, SitePower};
use crate::view::{EventKind, Place, Selected};

/// The voltage a unit puts behind its impedance.
pub(super) fn source(unit: &UnitPlan, state: &FormingUnit) -> EmfBehindImpedance {
    let z = unit.base_ohm();
    EmfBehindImpedance {
        v: state.emf.v_pu * unit.v_base,
        angle_deg: state.emf.angle_deg,
        z_ohm: Complex::new(unit.params.r_pu * z, unit.params.x_pu * z),
        limit_a: Some(unit.params.current_limit_pu * unit.rated_a()),
        earth_ohm: None,
    }
}

/// Lets units form, follow or stop as the switches now stand, and tells the network.
pub(super) fn arrange(
    clock: Res<SimClock>,
    plan: Res<IslandPlan>,
    mut grid: ResMut<Grid>,
    mut islands: ResMut<Islands>,
    mut events: ResMut<EventLog>,
    breakers: Query<(&Mlmd, &Breaker)>,
    batteries: Query<(&Forming, &BatteryUnit, &SitePower, &crate::site::Site)>,
) {
    let Some(plan) = &plan.0 else { return };
    let mut order: Vec<_> = batteries.iter().collect();
    order.sort_by_key(|(forming, ..)| forming.0);
    let main_closed = breakers
        .iter()
        .any(|(mlmd, breaker)| mlmd.index == plan.main && breaker.closed);
    let mut say = Vec::new();
    for (forming, battery, power, site) in order {
        let unit = forming.0;
        let spec = &plan.units[unit];
        let on_grid = on_grid(&grid, &islands, spec);
        let at = match site.place {
            Place::SharedBattery(b) => Some(Selected::SharedBattery(b as usize)),
            _ => None,
        };
        match islands.units[unit].mode {
            Mode::Forming | Mode::Blocked if on_grid => {
                islands.units[unit].follow();
                islands.section[unit] = None;
                say.push((at, format!("{} follows the grid", spec.name)));
            }
            Mode::Forming if battery.0.soc() <= spec.params.soc_min => {
                islands.block(unit);
                say.push((at, format!("{} stops: it is empty", spec.name)));
            }
            Mode::Following if !on_grid && (!main_closed || islands.grid_on) => {
                // Power, frequency and angle go on from where they are.
                islands.units[unit].form(-power.battery_kw);
                say.push((at, format!("{} holds frequency and voltage", spec.name)));
            }
            _ => {}
        }
    }
    tell_network(&mut grid, &islands, plan);
    join_sections(&grid, &mut islands, plan);
    for (at, text) in say {
        events.push(&clock, EventKind::Grid, at, text);
    }
}

/// Whether the upstream grid reaches a unit.
fn on_grid(grid: &Grid, islands: &Islands, unit: &UnitPlan) -> bool {
    let network = grid.network();
    let Some(section) = network.bus_section(unit.bus) else {
        return false;
    };
    islands.grid_on
        && (0..network.source_count()).any(|s| network.source_section(s) == Some(section))
}

/// Makes ports of forming units sources and all others ports again.
pub(super) fn tell_network(grid: &mut Grid, islands: &Islands, plan: &Plan) {
    for (unit, spec) in plan.units.iter().enumerate() {
        let state = &islands.units[unit];
        let wanted = (state.mode == Mode::Forming).then(|| source(spec, state));
        grid.set_source(spec.port, wanted);
    }
    grid.settle_topology();
}

/// Finds out who shares a section; sections that met run at one frequency.
pub(super) fn join_sections(grid: &Grid, islands: &mut Islands, plan: &Plan) {
    for unit in 0..plan.units.len() {
        islands.section[unit] = islands
            .forms(unit)
            .then(|| grid.network().bus_section(plan.units[unit].bus))
            .flatten()
            .map(|section| section as u32);
    }
    for (_, units) in islands.sections() {
        let parts: Vec<(SectionFrequency, f64)> = units
            .iter()
            .map(|&unit| {
                let inertia = plan.units[unit].params.kw_per_hz_s(plan.nominal_hz);
                (islands.frequency[unit], inertia)
            })
            .collect();
        if let Some(joined) = merged(&parts) {
            for unit in units {
                islands.frequency[unit] = joined;
            }
        }
    }
}
