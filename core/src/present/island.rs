//! Fills the view of the islands.

use bevy::prelude::*;
use gridloom_island::forming::Mode;
use gridloom_units::SimTime;

use crate::grid::{Breaker, Grid, Mlmd, VoltageControls, VoltagePlan};
use crate::island::{Forming, IslandPlan, Islands, MainState, Plan, difference};
use crate::site::{BatteryUnit, Site, SitePower};
use crate::view::{FormingView, IslandView, IslandsView, ViewModel};

/// Islands, units and what is under way; grid-tied state and frequency of the main island.
pub(super) fn fill(world: &mut World, view: &mut ViewModel) {
    view.islands.voltage_control = voltage_control(world);
    let Some(plan) = world.resource::<IslandPlan>().0.clone() else {
        return;
    };
    let mut batteries = world.query::<(&Forming, &BatteryUnit)>();
    let mut soc = vec![0.0; plan.units.len()];
    for (forming, battery) in batteries.iter(world) {
        soc[forming.0] = battery.0.soc();
    }
    let mut sites = world.query::<(&Site, &SitePower)>();
    let mut power: Vec<(Site, SitePower)> = sites
        .iter(world)
        .map(|(site, power)| (site.clone(), *power))
        .collect();
    power.sort_by_key(|(site, _)| site.meter);
    let mut breakers = world.query::<(&Mlmd, &Breaker)>();
    let main = breakers
        .iter(world)
        .find(|(mlmd, _)| mlmd.index == plan.main)
        .map(|(mlmd, breaker)| (mlmd.clone(), breaker.closed));
    let islands = world.resource::<Islands>();
    let grid = world.resource::<Grid>();
    let main_closed = main.as_ref().is_some_and(|(_, closed)| *closed);
    let across = main
        .as_ref()
        .and_then(|(mlmd, _)| difference(grid, islands, &plan, mlmd))
        .map(|off| (off.df_hz, off.dv_pct, off.dphi_deg));
    let homes = view.scene.homes.len();
    view.islands = IslandsView {
        planned: true,
        grid_on: islands.grid_on,
        main_switch: plan.main as usize,
        main_closed,
        under_way: under_way(&plan, islands),
        islands: live(&plan, islands, grid, &power),
        units: units(&plan, islands, &soc, homes),
        shed: islands.shedding.order().to_vec(),
        held_kw: power.iter().map(|(_, power)| power.held_kw).sum(),
        across,
        refusal: islands
            .refusal
            .clone()
            .map(|why| (SimTime(islands.refused_ms), why)),
        black_start: islands
            .sequence
            .running()
            .then_some((islands.sequence.done, plan.steps.len() as u32)),
        worst_residual: islands.closure.worst,
        voltage_control: std::mem::take(&mut view.islands.voltage_control),
    };
    view.grid.grid_tied = main_closed && islands.grid_on;
    if !view.grid.grid_tied {
        // Of several islands the status shows the one furthest from nominal.
        let off = |island: &IslandView| (island.f_hz - plan.nominal_hz).abs();
        let shown = view
            .islands
            .islands
            .iter()
            .reduce(|a, b| if off(b) > off(a) { b } else { a });
        view.grid.frequency_hz = shown.map_or(0.0, |island| island.f_hz);
    }
}

fn under_way(plan: &Plan, islands: &Islands) -> String {
    if islands.sequence.running() {
        let done = islands.sequence.done;
        return format!("black start, {done} of {} steps done", plan.steps.len());
    }
    match islands.main {
        MainState::Rest => String::new(),
        MainState::Balancing { .. } => "balancing before islanding".into(),
        MainState::Synchronising { .. } => "synchronising with the grid".into(),
    }
}

fn live(
    plan: &Plan,
    islands: &Islands,
    grid: &Grid,
    power: &[(Site, SitePower)],
) -> Vec<IslandView> {
    islands
        .sections()
        .into_iter()
        .map(|(section, units)| {
            let mut island = IslandView {
                name: plan.units[units[0]].name.clone(),
                f_hz: islands.frequency[units[0]].f_hz,
                pv_share: islands.frequency[units[0]].pv_share,
                ..IslandView::default()
            };
            for (site, power) in power {
                if grid.network().bus_section(site.bus) == Some(section as usize) {
                    island.load_kw += power.load_kw + power.heater_kw + power.ev_kw;
                    island.solar_kw += power.pv_kw;
                }
            }
            for &unit in &units {
                let (up, down) = islands.reserve_of(unit);
                island.delivered_kw += islands.units[unit].now.p_kw;
                island.reserve_up_kw += up;
                island.reserve_down_kw += down;
            }
            island.units = units;
            island
        })
        .collect()
}

fn units(plan: &Plan, islands: &Islands, soc: &[f64], homes: usize) -> Vec<FormingView> {
    plan.units
        .iter()
        .enumerate()
        .map(|(unit, spec)| {
            let state = &islands.units[unit];
            FormingView {
                name: spec.name.clone(),
                battery: (spec.meter as usize).saturating_sub(homes),
                mode: match state.mode {
                    Mode::Following => "following",
                    Mode::Forming => "forming",
                    Mode::Blocked => "stopped",
                },
                p_kw: state.now.p_kw,
                q_kvar: state.now.q_kvar,
                current_pu: state.now.current_pu,
                soc: soc[unit],
            }
        })
        .collect()
}

fn voltage_control(world: &World) -> Vec<(String, String)> {
    let plan = world.resource::<VoltagePlan>();
    let controls = world.resource::<VoltageControls>();
    let taps = plan.taps.iter().zip(&controls.taps).map(|(at, tap)| {
        let (position, moves) = (tap.position(), tap.operations());
        (
            at.0.clone(),
            format!("tap {position:+}, {moves} steps made"),
        )
    });
    let banks = plan.banks.iter().zip(&controls.banks).map(|(at, bank)| {
        let (on, all) = (bank.on(), bank.params().steps);
        (at.0.clone(), format!("{on} of {all} steps on"))
    });
    taps.chain(banks).collect()
}
