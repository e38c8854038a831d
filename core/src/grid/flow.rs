//! Power flow of the tick and what the M-LMDs see of it.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{NanoWh, energy_nano_wh};

use super::resource::{Grid, Mlmd};
use crate::clock::SimClock;
use crate::sim_state::plain_sim_state;
use crate::site::{Site, SitePower};

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

/// Solves every live island and tells the sites what their loads were served.
pub(super) fn solve(mut grid: ResMut<Grid>, mut sites: Query<(&Site, &mut SitePower)>) {
    grid.solve();
    for (site, mut power) in &mut sites {
        power.load_kw = site.load_port.map_or(0.0, |port| grid.served_kw(port));
        power.net_kw =
            power.load_kw + power.battery_kw + power.heater_kw + power.ev_kw - power.pv_kw;
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
        through.area_kw = through.p_kw - onward;
        through.area_losses_kw = through.area_kw - served[mlmd.index as usize];
        through.area_energy += energy_nano_wh(through.area_kw, clock.tick_ms);
        through.area_losses += energy_nano_wh(through.area_losses_kw, clock.tick_ms);
    }
}
