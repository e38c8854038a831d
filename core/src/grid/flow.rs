//! Power flow of the tick and what the M-LMDs see of it.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{NanoWh, energy_nano_wh};
use gridloom_model::grid::LineEnd;

use super::resource::{Grid, Mlmd};
use crate::clock::SimClock;
use crate::island::{Forming, Islands};
use crate::sim_state::plain_sim_state;
use crate::site::{PvUnit, Site, SitePower};

/// What flows through an M-LMD.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Through {
    /// Active power, positive away from the source, kW.
    pub p_kw: f64,
    /// Highest phase current, A.
    pub current_a: f64,
    /// Losses of the conductors in its own area, kW.
    pub area_losses_kw: f64,
    /// Power into its own area (what flows through it less what flows on
    /// through the M-LMDs below), kW.
    pub area_kw: f64,
    /// Energy into its own area since the start, exact.
    pub area_energy: NanoWh,
    /// Losses in its own area since the start, exact.
    pub area_losses: NanoWh,
}

plain_sim_state!(Through);

/// Tells the sites what they were served over the tick.
pub(super) fn serve(
    clock: Res<SimClock>,
    grid: Res<Grid>,
    islands: Res<Islands>,
    mut sites: Query<(&Site, &mut SitePower, Option<&Forming>, Option<&mut PvUnit>)>,
) {
    for (site, mut power, forming, pv) in &mut sites {
        power.load_kw = site.load_port.map_or(0.0, |port| grid.served_kw(port));
        if grid.disturbed() {
            let served_kw = grid.served_kw(site.controlled_port);
            scale_controlled(&mut power, served_kw, site.pv_port.is_none());
        }
        if let Some(unit) = forming.map(|forming| forming.0)
            && islands.forms(unit)
        {
            power.battery_kw = -islands.units[unit].now.p_kw;
        }
        if let (Some(port), Some(mut pv)) = (site.pv_port, pv) {
            // What the inverter's functions took off, found by the solution.
            let delivered_kw = -grid.served_kw(port);
            let less_kw = (power.pv_kw - delivered_kw).max(0.0);
            pv.0.curtail_further(less_kw, clock.tick_ms);
            power.pv_kw = delivered_kw;
            power.curtailed_kw += less_kw;
        }
        power.net_kw =
            power.load_kw + power.battery_kw + power.heater_kw + power.ev_kw - power.pv_kw;
    }
}

/// In a tick with events equipment got only a part of what it asked for; every
/// device of a site gets the same share.
fn scale_controlled(power: &mut SitePower, served_kw: f64, with_pv: bool) {
    let pv_kw = if with_pv { power.pv_kw } else { 0.0 };
    let asked_kw = power.battery_kw + power.heater_kw + power.ev_kw - pv_kw;
    if asked_kw.abs() < 1e-9 {
        return;
    }
    let share = served_kw / asked_kw;
    for kw in [
        &mut power.battery_kw,
        &mut power.heater_kw,
        &mut power.ev_kw,
    ] {
        *kw *= share;
    }
    if with_pv {
        power.pv_kw *= share;
    }
}

/// Reads the boundary of every M-LMD's area; what goes in and is not served
/// to the sites of the area is lost in its conductors.
pub(super) fn read_mlmds(
    clock: Res<SimClock>,
    grid: Res<Grid>,
    sites: Query<(&Site, &SitePower)>,
    mut mlmds: Query<(&Mlmd, &mut Through)>,
) {
    let mut served = vec![0.0; mlmds.iter().len()];
    // A sum of floats: always in the order of the meters.
    let mut order: Vec<_> = sites.iter().collect();
    order.sort_by_key(|(site, _)| site.meter);
    for (site, power) in order {
        if let Some(sum) = served.get_mut(site.mlmd as usize) {
            *sum += power.net_kw;
        }
    }
    for (mlmd, mut through) in &mut mlmds {
        through.p_kw = grid.line_kw(mlmd.line, mlmd.end);
        through.current_a = grid.network().line_amps(mlmd.line);
        let onward: f64 = mlmd
            .children
            .iter()
            .map(|&(line, end)| grid.line_kw(line, end))
            .sum();
        let tied: f64 = mlmd
            .ties
            .iter()
            .map(|&(line, sign)| sign * grid.line_kw(line, LineEnd::From))
            .sum();
        through.area_kw = through.p_kw - onward + tied;
        through.area_losses_kw = through.area_kw - served[mlmd.index as usize];
        through.area_energy += energy_nano_wh(through.area_kw, clock.tick_ms);
        through.area_losses += energy_nano_wh(through.area_losses_kw, clock.tick_ms);
    }
}
