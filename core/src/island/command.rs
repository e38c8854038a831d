//! What a person or a scene asks of the islands.

use gridloom_units::DeviceId;

use super::plan::{Plan, StepAct, Target};
use super::state::{Islands, MainState};
use crate::grid::{Breaker, Grid, Mlmd, PendingOperation};

/// A request about islands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The upstream grid fails or returns.
    Grid(bool),
    /// Planned islanding.
    Island,
    /// Synchronise and close the main switch.
    Resynchronise,
    /// Stop a unit.
    Block(DeviceId),
    /// Begin the black start.
    BlackStart,
}

const NO_PLAN: &str = "this scene has no islanding";

/// Carries a request out; returns a line for the event list, or why not.
pub(crate) fn apply(
    request: Request,
    plan: Option<&Plan>,
    islands: &mut Islands,
    grid: &mut Grid,
    breakers: &mut dyn Iterator<Item = (&Mlmd, &mut Breaker)>,
) -> Result<String, String> {
    let plan = plan.ok_or(NO_PLAN)?;
    let mut breakers: Vec<(&Mlmd, &mut Breaker)> = breakers.collect();
    let main_closed = breakers
        .iter()
        .any(|(mlmd, breaker)| mlmd.index == plan.main && breaker.closed);
    match request {
        Request::Grid(on) => {
            if islands.grid_on == on {
                let state = if on { "there" } else { "missing" };
                return Err(format!("the upstream grid is {state} already"));
            }
            islands.grid_on = on;
            grid.set_switch(plan.grid_switch, on);
            let what = if on { "is back" } else { "has failed" };
            Ok(format!("The upstream grid {what}"))
        }
        Request::Island => {
            if !(main_closed && islands.grid_on) {
                return Err("the community is not on the grid".into());
            }
            islands.main = MainState::Balancing { waited_ms: 0 };
            Ok("Planned islanding: the batteries take the exchange over".into())
        }
        Request::Resynchronise => {
            if main_closed {
                return Err("the main switch is closed already".into());
            }
            if !islands.grid_on {
                return Err("the upstream grid is missing: wait until it is back".into());
            }
            islands.main = MainState::Synchronising { waited_ms: 0 };
            Ok("Synchronising with the grid".into())
        }
        Request::Block(device) => {
            let unit = plan.units.iter().position(|unit| unit.device == device);
            let unit = unit.ok_or_else(|| format!("{device} is not grid-forming"))?;
            islands.block(unit);
            Ok(format!("{} stopped", plan.units[unit].name))
        }
        Request::BlackStart => {
            if main_closed {
                return Err(
                    "open the main switch first: a black start must not feed the grid".into(),
                );
            }
            if !islands.holding().is_empty() {
                return Err("the island is live".into());
            }
            if plan.steps.is_empty() {
                return Err("the scene states no steps of a black start".into());
            }
            begin(plan, islands, &mut breakers);
            Ok(format!("Black start in {} steps begins", plan.steps.len()))
        }
    }
}

/// Opens what the sequence will close and holds deferrable load back: it comes
/// back last, by the restore rule.
fn begin(plan: &Plan, islands: &mut Islands, breakers: &mut [(&Mlmd, &mut Breaker)]) {
    for unit in 0..plan.units.len() {
        islands.block(unit);
    }
    for (stage, (target, _)) in plan.targets.iter().enumerate() {
        match target {
            Target::Flexible(_) => islands.shedding.hold(stage),
            Target::Homes(_) => {}
            Target::Area(_) => islands.shedding.release(stage),
        }
    }
    for (act, _) in &plan.steps {
        let StepAct::Close(mlmd) = act else { continue };
        for (_, breaker) in breakers.iter_mut().filter(|(own, _)| own.index == *mlmd) {
            if breaker.closed {
                breaker.pending = Some(PendingOperation {
                    close: false,
                    by: "the black start".into(),
                });
            }
        }
    }
    islands.sequence.start();
}
