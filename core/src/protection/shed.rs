//! Load management of the M-LMDs: what their meters are told to hold back.

use bevy::prelude::*;
use gridloom_protection::SoeKind;
use gridloom_protection::load::{LoadChange, ShedStep};

use super::plan::ProtectionPlan;
use super::state::ProtectionState;
use crate::clock::SimClock;
use crate::grid::{Mlmd, Through};

/// What a site has to hold back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// No vehicle charges.
    pub vehicle: bool,
    /// No water heater or heat pump runs.
    pub heater: bool,
    /// No battery charges.
    pub charging: bool,
    /// The meter has disconnected everything.
    pub all: bool,
}

impl ProtectionPlan {
    /// What the M-LMDs above a site hold back there.
    pub(crate) fn held(&self, state: &ProtectionState, mlmd: u32, meter: u32) -> Held {
        let mut held = Held::default();
        let mut at = Some(mlmd as usize);
        while let Some(i) = at {
            at = self.parents.get(i).copied().flatten();
            let (Some(Some(settings)), Some(load)) = (self.loads.get(i), state.loads.get(i)) else {
                continue;
            };
            for step in settings.shed_order.iter().take(load.shed) {
                match step {
                    ShedStep::Vehicles => held.vehicle = true,
                    ShedStep::Heaters => held.heater = true,
                    ShedStep::Charging => held.charging = true,
                    ShedStep::Home(id) => {
                        held.all |= self
                            .meters
                            .get(meter as usize)
                            .is_some_and(|name| name == id);
                    }
                }
            }
        }
        held
    }

    /// Whether any M-LMD manages load.
    pub(crate) fn manages_load(&self) -> bool {
        self.loads.iter().any(Option::is_some)
    }
}

/// Compares the current of every M-LMD with its programmed limit.
pub(super) fn manage_load(
    clock: Res<SimClock>,
    plan: Res<ProtectionPlan>,
    mut state: ResMut<ProtectionState>,
    mlmds: Query<(&Mlmd, &Through)>,
) {
    if !plan.manages_load() {
        return;
    }
    let mut order: Vec<_> = mlmds.iter().collect();
    order.sort_by_key(|(mlmd, _)| mlmd.index);
    let now_us = clock.end_ms() * 1_000;
    for (mlmd, through) in order {
        let i = mlmd.index as usize;
        let Some(settings) = plan.loads.get(i).and_then(Option::as_ref) else {
            continue;
        };
        let state = &mut *state;
        let change = state.loads[i].step(settings, through.current_a, clock.tick_ms);
        let (verb, step) = match change {
            Some(LoadChange::Shed(step)) => ("holds back", step),
            Some(LoadChange::Restore(step)) => ("gives back", step),
            None => continue,
        };
        let what = match &settings.shed_order[step] {
            ShedStep::Vehicles => "vehicle charging".to_owned(),
            ShedStep::Heaters => "water heating".to_owned(),
            ShedStep::Charging => "battery charging".to_owned(),
            ShedStep::Home(id) => format!("home {id}"),
        };
        let text = format!(
            "{verb} {what}: {:.0} A, limit_a {}, restore_below {}",
            through.current_a, settings.limit_a, settings.restore_below
        );
        state
            .core
            .note(&mlmd.id, SoeKind::LoadManagement, text, now_us);
    }
}
