//! I-meters: registers, signed readings, and the orders they take.
//!
//! Paper rows G8 and G9: two monotone registers, measured from the served
//! power of the power flow, and control of the equipment behind the meter.
//! Readings are signed with the meter's own key at the end of each interval
//! and set out on the data plane; control orders arrive there and become
//! setpoints for the next tick.

mod control;
mod device;
mod reading;

pub use device::DeviceEdge;
pub use reading::{Meter, MeterKeys};

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns the meters.
pub struct MeterPlugin;

impl Plugin for MeterPlugin {
    fn build(&self, app: &mut App) {
        app.register_sim_component::<Meter>()
            .register_sim_component::<DeviceEdge>();
        app.add_systems(
            SimTick,
            (
                reading::count_energy,
                crate::truth::measure,
                reading::send_readings,
                reading::send_area_loads,
                device::forward_records,
                crate::market::orders::forward_orders,
            )
                .chain()
                .in_set(SimSystems::Meter),
        );
        app.add_systems(SimTick, device::follow_records.in_set(SimSystems::Contract));
        app.add_systems(SimTick, control::take_orders.in_set(SimSystems::Control));
    }
}
