//! Tap changers and capacitor banks, by their controllers.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_equipment::{CapacitorBank, TapChanger};

use super::resource::Grid;
use crate::clock::SimClock;
use crate::record::EventLog;
use crate::sim_state::plain_sim_state;
use crate::view::EventKind;

/// Controllers of the scene, in its order.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct VoltageControls {
    /// Tap changers.
    pub taps: Vec<TapChanger>,
    /// Capacitor banks.
    pub banks: Vec<CapacitorBank>,
}

plain_sim_state!(VoltageControls);

impl VoltageControls {
    /// Steps made since the start.
    #[must_use]
    pub fn operations(&self) -> u32 {
        let taps: u32 = self.taps.iter().map(TapChanger::operations).sum();
        let banks: u32 = self.banks.iter().map(CapacitorBank::operations).sum();
        taps + banks
    }
}

/// What the controllers look at and move; fixed for a run.
#[derive(Resource, Clone, Debug, Default)]
pub struct VoltagePlan {
    /// Per tap changer: name, transformer, winding from 0, bus.
    pub taps: Vec<(String, usize, usize, usize)>,
    /// Per capacitor bank: name, bank of the network, bus.
    pub banks: Vec<(String, usize, usize)>,
}

/// Mean of the phases of a bus, pu; `None` when dead.
fn mean_v_pu(grid: &Grid, bus: usize) -> Option<f64> {
    if !grid.bus_live(bus) {
        return None;
    }
    let network = grid.network();
    let phases: Vec<f64> = network
        .bus_nodes(bus)
        .filter(|&node| (1..=3).contains(&network.node_at(node).1))
        .filter_map(|node| network.voltage_pu(node))
        .collect();
    (!phases.is_empty()).then(|| phases.iter().sum::<f64>() / phases.len() as f64)
}

/// Controllers act on the voltages of the last tick.
pub(super) fn control(
    clock: Res<SimClock>,
    plan: Res<VoltagePlan>,
    mut controls: ResMut<VoltageControls>,
    mut grid: ResMut<Grid>,
    mut events: ResMut<EventLog>,
) {
    let dt_ms = clock.tick_ms;
    let controls = &mut *controls;
    for (tap, (name, transformer, winding, bus)) in controls.taps.iter_mut().zip(&plan.taps) {
        let v = mean_v_pu(&grid, *bus);
        if tap.step(v, dt_ms) {
            grid.set_tap(*transformer, *winding, tap.ratio_pu());
            let text = format!(
                "Tap of {name} to {:+}, voltage was {:.3} pu",
                tap.position(),
                v.unwrap_or(0.0)
            );
            events.push(&clock, EventKind::Grid, None, text);
        }
    }
    for (bank, (name, capacitor, bus)) in controls.banks.iter_mut().zip(&plan.banks) {
        let v = mean_v_pu(&grid, *bus);
        if bank.step(v, dt_ms) {
            let on = u16::try_from(bank.on()).unwrap_or(u16::MAX);
            grid.set_capacitor_steps(*capacitor, on);
            let text = format!(
                "{name} at {on} of {} steps, voltage was {:.3} pu",
                bank.params().steps,
                v.unwrap_or(0.0)
            );
            events.push(&clock, EventKind::Grid, None, text);
        }
    }
}
