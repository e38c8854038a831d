//! Sites: what stands behind a meter and how its power comes about.
//!
//! A site is a customer or a shared battery: one meter, one connection, and
//! any of an uncontrolled load, a photovoltaic unit, a battery, a water heater
//! and a charging point (paper rows G2 to G9). `Sense` gives every device its
//! power for the tick; a site on a dead section has none: inverters stop
//! (anti-islanding, IEEE 1547) and loads are unserved. The models themselves
//! live in `gridloom-equipment`.

mod components;
mod remote;
mod sense;

pub use components::{
    BaseLoad, BatteryUnit, CloudFront, CloudWay, EvUnit, HeatPumpUnit, HeaterUnit, Profiles,
    PvUnit, Setpoints, Site, SitePower, Table, Weather,
};
pub(crate) use sense::{Before, withdraw};

pub use remote::RemoteSetpoints;

use bevy::prelude::*;

use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;

/// Owns the equipment behind the meters.
pub struct SitePlugin;

impl Plugin for SitePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Weather>()
            .register_sim_resource::<Weather>()
            .register_sim_component::<PvUnit>()
            .register_sim_component::<BatteryUnit>()
            .register_sim_component::<HeaterUnit>()
            .register_sim_component::<HeatPumpUnit>()
            .register_sim_component::<EvUnit>()
            .register_sim_component::<Setpoints>()
            .register_sim_component::<RemoteSetpoints>()
            .register_sim_component::<SitePower>();
        app.add_systems(SimTick, sense::give_power.in_set(SimSystems::Sense));
    }
}
