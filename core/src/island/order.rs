//! Before the breakers move: what automation asks of them.

use bevy::prelude::*;
use gridloom_island::forming::Mode;

use super::plan::{IslandPlan, Plan};
use super::state::{Islands, MainState};
use super::sync;
use crate::clock::SimClock;
use crate::grid::{Breaker, Grid, Mlmd, PendingOperation, Through};
use crate::record::EventLog;
use crate::view::{EventKind, Selected};

/// Longest time for balancing or synchronising, ms.
const PATIENCE_MS: u64 = 900_000;

/// Exchange below which a planned islanding opens the main switch, share of the units' rating.
const SMALL_EXCHANGE: f64 = 0.03;

/// Share of the limits within which the synchroniser closes.
const SYNC_SHARE: f64 = 0.5;

fn main_event(islands_main: u32) -> Option<Selected> {
    Some(Selected::Mlmd(islands_main as usize))
}

/// Asks for operations of the main switch.
pub(super) fn ask(
    clock: Res<SimClock>,
    plan: Res<IslandPlan>,
    grid: Res<Grid>,
    mut islands: ResMut<Islands>,
    mut events: ResMut<EventLog>,
    mut breakers: Query<(&Mlmd, &Through, &mut Breaker)>,
) {
    let Some(plan) = &plan.0 else { return };
    let Some((mlmd, through, mut breaker)) = breakers
        .iter_mut()
        .find(|(mlmd, ..)| mlmd.index == plan.main)
    else {
        return;
    };
    let dt_ms = clock.tick_ms;
    if breaker.closed && !islands.grid_on {
        islands.missing_ms += dt_ms;
        if islands.missing_ms >= plan.detect_ms && breaker.pending.is_none() {
            breaker.pending = Some(PendingOperation {
                close: false,
                by: "loss of mains".into(),
            });
            islands.main = MainState::Rest;
        }
        return;
    }
    islands.missing_ms = 0;
    let place = main_event(plan.main);
    match islands.main {
        MainState::Rest => {}
        MainState::Balancing { .. } if !breaker.closed => islands.main = MainState::Rest,
        MainState::Balancing { waited_ms } => {
            let rating: f64 = plan.units.iter().map(|unit| unit.params.kva).sum();
            if through.p_kw.abs() <= SMALL_EXCHANGE * rating {
                breaker.pending = Some(PendingOperation {
                    close: false,
                    by: format!("planned islanding at {:.1} kW exchange", through.p_kw),
                });
                islands.main = MainState::Rest;
            } else if waited_ms >= PATIENCE_MS {
                islands.main = MainState::Rest;
                let text = format!(
                    "Planned islanding given up: {:.1} kW through {} do not go away",
                    through.p_kw, mlmd.id
                );
                events.push(&clock, EventKind::Grid, place, text);
            } else {
                islands.main = MainState::Balancing {
                    waited_ms: waited_ms + dt_ms,
                };
            }
        }
        MainState::Synchronising { .. } if breaker.closed => islands.main = MainState::Rest,
        MainState::Synchronising { waited_ms } => {
            let ready = synchronised(&grid, &islands, plan, mlmd);
            if ready && breaker.pending.is_none() {
                breaker.pending = Some(PendingOperation {
                    close: true,
                    by: "the synchroniser".into(),
                });
            } else if waited_ms >= PATIENCE_MS {
                islands.main = MainState::Rest;
                let text = format!("Synchronising given up at {}", mlmd.id);
                events.push(&clock, EventKind::Grid, place, text);
            }
            if islands.main != MainState::Rest {
                islands.main = MainState::Synchronising {
                    waited_ms: waited_ms + dt_ms,
                };
            }
        }
    }
}

/// Well within the limits, or nothing on one side to be in step with.
fn synchronised(grid: &Grid, islands: &Islands, plan: &Plan, mlmd: &Mlmd) -> bool {
    if !islands.grid_on {
        return false;
    }
    match sync::difference(grid, islands, plan, mlmd) {
        Some(off) => {
            let limits = &plan.limits;
            off.df_hz.abs() <= SYNC_SHARE * limits.df_hz
                && off.dv_pct.abs() <= SYNC_SHARE * limits.dv_pct
                && off.dphi_deg.abs() <= SYNC_SHARE * limits.dphi_deg
        }
        None => !islands.units.iter().any(|unit| unit.mode == Mode::Forming),
    }
}
