//! Expectations about islands and equipment, watched tick by tick.

use gridloom_model::scene::Condition;

use crate::expect::Outcome;
use crate::grid::{Breaker, Grid, Mlmd, VoltageControls};
use crate::island::{IslandPlan, Islands};
use crate::site::{HeatPumpUnit, Site, SitePower};
use crate::twin::Twin;

/// What was seen over a window.
#[derive(Clone, Debug, Default)]
pub(crate) struct IslandWatch {
    /// Lowest and highest frequency, Hz; zero when nothing was live.
    band_hz: (f64, f64),
    /// Stages that had fired before the window.
    fired_before: usize,
    /// Closings refused before the window.
    refused_before: u64,
    /// Black starts done before the window.
    completed_before: u32,
    /// Times that dead sections were served before the window.
    served_dead_before: u64,
    /// Time that buildings were cold before the window, ms.
    cold_before_ms: u64,
    /// Steps of voltage controllers before the window.
    operations_before: u32,
    /// Largest residual of an island's energy.
    residual: f64,
    /// Ticks with an island.
    ticks: u64,
    /// Highest loading of the transformer asked about.
    loading: f64,
    /// Time above the bound without a break, and the longest such time, s.
    above_s: (f64, f64),
}

impl IslandWatch {
    /// At the start of a window.
    pub(crate) fn begin(twin: &mut Twin) -> Self {
        let cold_before_ms = cold_ms(twin);
        let world = twin.world();
        let islands = world.resource::<Islands>();
        Self {
            fired_before: islands.history.len(),
            refused_before: islands.refused,
            completed_before: islands.completed,
            served_dead_before: islands.served_dead,
            operations_before: world.resource::<VoltageControls>().operations(),
            cold_before_ms,
            ..Self::default()
        }
    }

    /// After a tick.
    pub(crate) fn observe(&mut self, condition: &Condition, twin: &Twin) {
        let islands = twin.world().resource::<Islands>();
        match condition {
            Condition::FrequencyWithin { .. } => {
                let (low, high) = islands.band_hz;
                if low > 0.0 {
                    self.band_hz = if self.band_hz.0 == 0.0 {
                        (low, high)
                    } else {
                        (self.band_hz.0.min(low), self.band_hz.1.max(high))
                    };
                }
            }
            Condition::IslandBalances { .. } if islands.band_hz.0 > 0.0 => {
                self.residual = self.residual.max(islands.closure.last);
                self.ticks += 1;
            }
            Condition::TransformerWithin {
                transformer, max, ..
            } => {
                let loading = loading(twin, transformer);
                self.loading = self.loading.max(loading);
                let now_s = if loading > *max {
                    self.above_s.0 + twin.tick_ms() as f64 / 1_000.0
                } else {
                    0.0
                };
                self.above_s = (now_s, self.above_s.1.max(now_s));
            }
            _ => {}
        }
    }

    /// How the condition ended; `None` when it is not one of these.
    pub(crate) fn judge(&self, condition: &Condition, twin: &mut Twin) -> Option<Outcome> {
        let what = describe(condition)?;
        let (seen, met) = self.seen(condition, twin);
        Some(Outcome {
            what,
            seen,
            met,
            reached: true,
        })
    }

    fn seen(&self, condition: &Condition, twin: &mut Twin) -> (String, bool) {
        let (supplied, all, held_kw) = supplied(twin);
        let main_closed = main_closed(twin);
        let cold_ms = cold_ms(twin);
        let world = twin.world();
        let islands = world.resource::<Islands>();
        let live = !islands.holding().is_empty();
        match condition {
            Condition::FrequencyWithin { min_hz, max_hz } => {
                let (low, high) = self.band_hz;
                let seen = if low > 0.0 {
                    format!("{low:.3} to {high:.3} Hz")
                } else {
                    "no island".to_owned()
                };
                (seen, low >= *min_hz && high <= *max_hz)
            }
            Condition::ShedOrder(stages) => {
                let fired = islands.history.get(self.fired_before..).unwrap_or_default();
                (format!("{fired:?}"), fired == stages.as_slice())
            }
            Condition::AllSupplied => (
                format!("{supplied} of {all} homes, {held_kw:.1} kW held back"),
                supplied == all && islands.shedding.order().is_empty(),
            ),
            Condition::Islanded => {
                let seen = if live { "live" } else { "dead" };
                (format!("island {seen}"), live && !main_closed)
            }
            Condition::GridTied => {
                let tied = main_closed && islands.grid_on && supplied == all;
                let seen = if tied {
                    "on the grid"
                } else {
                    "not on the grid"
                };
                (seen.into(), tied)
            }
            Condition::IslandBalances { max_residual } => (
                format!("{:.1e} over {} ticks", self.residual, self.ticks),
                self.ticks > 0 && self.residual <= *max_residual,
            ),
            Condition::NothingServedDead => {
                let count = islands.served_dead - self.served_dead_before;
                (format!("{count} times"), count == 0)
            }
            Condition::SyncRefused { at_least } => {
                let count = islands.refused - self.refused_before;
                let why = islands.refusal.clone().unwrap_or_default();
                (format!("{count} times; {why}"), count >= *at_least)
            }
            Condition::BlackStartDone => {
                let done = islands.completed > self.completed_before;
                let why = islands.sequence.failure.clone().unwrap_or_default();
                let seen = format!("{} steps {why}", islands.sequence.done);
                (seen.trim_end().to_owned(), done)
            }
            Condition::TransformerWithin { for_s, .. } => (
                format!(
                    "at most {:.1} %, {:.0} s above the bound at a stretch",
                    self.loading * 100.0,
                    self.above_s.1
                ),
                self.above_s.1 <= f64::from(*for_s),
            ),
            Condition::OperationsBetween { min, max } => {
                let now = world.resource::<VoltageControls>().operations();
                let count = now - self.operations_before;
                (format!("{count} steps"), (*min..=*max).contains(&count))
            }
            Condition::ComfortKept { max_cold_min } => {
                let minutes = (cold_ms - self.cold_before_ms) as f64 / 60_000.0;
                (format!("{minutes:.1} min"), minutes <= *max_cold_min)
            }
            _ => (String::new(), false),
        }
    }
}

/// The condition in words; `None` when it is not one of these.
pub(crate) fn describe(condition: &Condition) -> Option<String> {
    Some(match condition {
        Condition::FrequencyWithin { min_hz, max_hz } => {
            format!("island frequency within {min_hz} to {max_hz} Hz")
        }
        Condition::ShedOrder(stages) => format!("shedding in the order {stages:?}"),
        Condition::AllSupplied => "every home supplied, nothing shed".into(),
        Condition::Islanded => "main switch open, island live".into(),
        Condition::GridTied => "main switch closed onto a live grid".into(),
        Condition::IslandBalances { max_residual } => {
            format!("energy of every island balances within {max_residual:.0e} of throughput")
        }
        Condition::NothingServedDead => "no load served from a dead section".into(),
        Condition::SyncRefused { at_least } => {
            format!("at least {at_least} closings refused as out of step")
        }
        Condition::BlackStartDone => "black start carried out".into(),
        Condition::TransformerWithin {
            transformer,
            max,
            for_s,
        } => format!(
            "{transformer} above {:.0} % for at most {for_s} s",
            max * 100.0
        ),
        Condition::OperationsBetween { min, max } => {
            format!("{min} to {max} steps of tap changers and capacitor banks")
        }
        Condition::ComfortKept { max_cold_min } => {
            format!("buildings too cold for at most {max_cold_min} min")
        }
        _ => return None,
    })
}

/// Homes with supply, all homes, and power that shedding holds back, kW.
fn supplied(twin: &mut Twin) -> (usize, usize, f64) {
    let world = twin.world_mut();
    let mut query = world.query::<(&Site, &SitePower)>();
    let mut held: Vec<(u32, f64)> = Vec::new();
    let (mut live, mut all) = (0, 0);
    for (site, power) in query.iter(world) {
        if site.load_port.is_some() {
            all += 1;
            live += usize::from(power.live);
        }
        held.push((site.meter, power.held_kw));
    }
    held.sort_by_key(|(meter, _)| *meter);
    (live, all, held.iter().map(|(_, kw)| kw).sum())
}

fn main_closed(twin: &mut Twin) -> bool {
    let world = twin.world_mut();
    let mut query = world.query::<(&Mlmd, &Breaker)>();
    let plan = world.resource::<IslandPlan>().0.as_ref();
    // Without a plan the community is always on the grid.
    plan.map(|plan| plan.main).is_none_or(|main| {
        query
            .iter(world)
            .any(|(mlmd, breaker)| mlmd.index == main && breaker.closed)
    })
}

fn cold_ms(twin: &mut Twin) -> u64 {
    let world = twin.world_mut();
    let mut query = world.query::<&HeatPumpUnit>();
    query.iter(world).map(|pump| pump.0.cold_ms()).sum()
}

/// Apparent power of a transformer over its rating.
fn loading(twin: &Twin, name: &str) -> f64 {
    let grid = &twin.scene().grid;
    let Some(index) = grid.transformers.iter().position(|t| t.id == name) else {
        return 0.0;
    };
    let rating = grid.transformers[index]
        .windings
        .first()
        .map_or(0.0, |winding| winding.kva);
    let network = twin.world().resource::<Grid>().network();
    let (p, q) = network.transformer_power(index, 0);
    if rating > 0.0 {
        libm::hypot(p, q) / 1_000.0 / rating
    } else {
        0.0
    }
}
