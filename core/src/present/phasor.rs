//! Phasors of the selection: voltages and currents of the solution.

use bevy::prelude::*;
use gridloom_flow::Complex;

use crate::grid::Grid;
use crate::view::{PhasorView, Selected, ViewModel};

/// Voltages of a bus and currents of a line at that bus.
pub(super) fn of(world: &World, view: &ViewModel, what: Selected) -> Vec<PhasorView> {
    let scene = &view.scene;
    let at_bus = |bus: usize| (bus, scene.lines.iter().position(|l| l.to == bus));
    let (bus, line) = match what {
        Selected::Home(i) => match scene.homes.get(i) {
            Some(home) => at_bus(home.bus),
            None => return Vec::new(),
        },
        Selected::SharedBattery(i) => match scene.shared_batteries.get(i) {
            Some(battery) => at_bus(battery.bus),
            None => return Vec::new(),
        },
        Selected::Mlmd(i) => match scene.mlmds.get(i) {
            Some(mlmd) => (mlmd.bus, Some(mlmd.line)),
            None => return Vec::new(),
        },
        Selected::Line(i) => match scene.lines.get(i) {
            Some(line) => (line.from, Some(i)),
            None => return Vec::new(),
        },
        Selected::Transformer(i) => match scene.transformers.get(i) {
            Some(t) => (t.to, scene.lines.iter().position(|l| l.from == t.to)),
            None => return Vec::new(),
        },
        Selected::Aggregator(_) | Selected::Block(..) | Selected::Transaction(..) => {
            return Vec::new();
        }
    };
    let grid = world.resource::<Grid>();
    let network = grid.network();
    if !grid.bus_live(bus) {
        return Vec::new();
    }
    let mut out: Vec<PhasorView> = (1..=3_u8)
        .filter_map(|phase| {
            let node = network.node(bus, phase)?;
            Some(phasor(false, phase, network.voltage(node)))
        })
        .collect();
    if let Some(line) = line {
        let flow = network.branch_flow(line);
        let (from, _) = network.line_buses(line);
        // Seen from the bus: into the line at its near end, out of it at its far end.
        let near = usize::from(from != bus);
        let sign = if from == bus { 1.0 } else { -1.0 };
        for conductor in flow.terminals.get(near).into_iter().flatten() {
            if (1..=3).contains(&conductor.conductor) {
                let current =
                    Complex::new(conductor.current.re * sign, conductor.current.im * sign);
                out.push(phasor(true, conductor.conductor, current));
            }
        }
    }
    out
}

fn phasor(current: bool, phase: u8, value: Complex) -> PhasorView {
    PhasorView {
        current,
        phase: phase - 1,
        magnitude: value.abs(),
        angle_deg: libm::atan2(value.im, value.re).to_degrees(),
    }
}
