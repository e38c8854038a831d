//! Mean voltage and reactive energy over an interval, as the devices measure them.

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_flow::{Network, PortId};

use crate::grid::{Grid, Mlmd};
use crate::sim_state::plain_sim_state;
use crate::site::Site;

/// One micro-pu, the unit in which voltages travel.
pub(super) const UPU: f64 = 1e-6;

/// Accumulates at a meter.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Probe {
    voltage_upu: u64,
    live_ticks: u32,
    ticks: u32,
    var_s: f64,
}

/// Accumulates the phases of an M-LMD's bus.
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct PhaseProbe {
    phase_upu: [u64; 3],
    ticks: u32,
}

plain_sim_state!(Probe, PhaseProbe);

/// What a meter measured besides energy over an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Quality {
    /// Mean voltage, micro-pu; zero unless it was live all the time.
    pub voltage_upu: u32,
    /// Mean reactive power taken, var.
    pub reactive_var: i32,
}

impl Probe {
    fn add(&mut self, voltage_pu: Option<f64>, var: f64, tick_s: f64) {
        self.ticks += 1;
        if let Some(v) = voltage_pu {
            self.live_ticks += 1;
            self.voltage_upu += (v / UPU) as u64;
            self.var_s += var * tick_s;
        }
    }

    /// Means since the last call.
    pub fn take(&mut self, tick_s: f64) -> Quality {
        let probe = std::mem::take(self);
        if probe.ticks == 0 || probe.live_ticks < probe.ticks {
            return Quality::default();
        }
        Quality {
            voltage_upu: (probe.voltage_upu / u64::from(probe.ticks)) as u32,
            reactive_var: (probe.var_s / (f64::from(probe.ticks) * tick_s)) as i32,
        }
    }
}

impl PhaseProbe {
    /// Means since the last call; zeros unless all phases were live all the time.
    pub fn take(&mut self) -> [u32; 3] {
        let probe = std::mem::take(self);
        let ticks = u64::from(probe.ticks.max(1));
        probe.phase_upu.map(|sum| (sum / ticks) as u32)
    }
}

/// Voltage at a site: its own phase, or the mean of three, pu.
pub(super) fn site_v(network: &Network, site: &Site) -> Option<f64> {
    match site.phase {
        Some(phase) => network.voltage_pu(network.node(site.bus, phase)?),
        None => {
            let phases = phase_v(network, site.bus)?;
            Some(phases.iter().sum::<f64>() / 3.0)
        }
    }
}

/// Voltages of the three phases of a bus, pu.
pub(super) fn phase_v(network: &Network, bus: usize) -> Option<[f64; 3]> {
    let v = |phase| network.voltage_pu(network.node(bus, phase)?);
    Some([v(1)?, v(2)?, v(3)?])
}

/// Adds a tick.
pub(crate) fn measure(
    clock: Res<crate::clock::SimClock>,
    grid: Res<Grid>,
    mut sites: Query<(&Site, &mut Probe)>,
    mut mlmds: Query<(&Mlmd, &mut PhaseProbe)>,
) {
    let network = grid.network();
    let tick_s = clock.tick_ms as f64 / 1_000.0;
    for (site, mut probe) in &mut sites {
        let live = grid.bus_live(site.bus);
        let voltage = live.then(|| site_v(network, site)).flatten();
        let ports = site.load_port.into_iter().chain([site.controlled_port]);
        let var = ports
            .map(|port| network.port_power(PortId(port as u32)).1)
            .sum();
        probe.add(voltage, var, tick_s);
    }
    for (mlmd, mut probe) in &mut mlmds {
        probe.ticks += 1;
        let phases = grid
            .bus_live(mlmd.bus)
            .then(|| phase_v(network, mlmd.bus))
            .flatten();
        match phases {
            Some(phases) => {
                for (sum, v) in probe.phase_upu.iter_mut().zip(phases) {
                    *sum += (v / UPU) as u64;
                }
            }
            // One dead tick spoils the mean: it stays at zero.
            None => probe.phase_upu = [0; 3],
        }
    }
}
