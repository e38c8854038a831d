//! Expectations: what must hold in a run, watched tick by tick.

use gridloom_equipment::{NANO_WH_PER_WH, kwh};
use gridloom_model::scene::{Condition, ExpectationSpec};
use gridloom_units::SimTime;

use crate::grid::{Grid, Mlmd};
use crate::ledger::{LedgerGroup, Ledgers};
use crate::market::Books;
use crate::meter::Meter;
use crate::record::Energy;
use crate::site::{EvUnit, HeaterUnit};
use crate::twin::Twin;

/// How an expectation ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The condition in words.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// Whether it held.
    pub met: bool,
}

/// One expectation under watch.
struct Watch {
    from_ms: u64,
    until_ms: u64,
    condition: Condition,
    begun: Option<Start>,
    outcome: Option<Outcome>,
    v_pu: (f64, f64),
}

/// Counters at the start of a window.
struct Start {
    height: u64,
    import_kwh: f64,
}

/// All expectations of a scene.
pub struct Expectations(Vec<Watch>);

impl Expectations {
    /// From the specifications; a window ends with the run at the latest.
    ///
    /// # Errors
    /// Names a time that cannot be read.
    pub fn new(specs: &[ExpectationSpec], end: SimTime) -> Result<Self, String> {
        specs
            .iter()
            .map(|spec| {
                let time = |text: &Option<String>, default: u64| {
                    text.as_ref()
                        .map_or(Ok(default), |text| SimTime::parse(text).map(|t| t.0))
                };
                Ok(Watch {
                    from_ms: time(&spec.from, 0)?,
                    until_ms: time(&spec.until, end.0)?.min(end.0),
                    condition: spec.that.clone(),
                    begun: None,
                    outcome: None,
                    v_pu: (f64::INFINITY, f64::NEG_INFINITY),
                })
            })
            .collect::<Result<_, String>>()
            .map(Self)
    }

    /// Looks at the world after a tick.
    pub fn observe(&mut self, twin: &mut Twin) {
        let now_ms = twin.time().0;
        for watch in &mut self.0 {
            if watch.outcome.is_some() || now_ms <= watch.from_ms {
                continue;
            }
            if watch.begun.is_none() {
                watch.begun = Some(Start {
                    height: height(twin, &watch.condition),
                    import_kwh: kwh(twin.world().resource::<Energy>().import),
                });
            }
            if matches!(watch.condition, Condition::VoltageWithin { .. }) {
                let (low, high) = twin.world().resource::<Energy>().v_now_pu;
                if low > 0.0 {
                    watch.v_pu = (watch.v_pu.0.min(low), watch.v_pu.1.max(high));
                }
            }
            if now_ms >= watch.until_ms {
                watch.outcome = Some(judge(watch, twin));
            }
        }
    }

    /// Outcomes; windows still open are judged now.
    pub fn finish(mut self, twin: &mut Twin) -> Vec<Outcome> {
        self.0
            .iter_mut()
            .map(|watch| match watch.outcome.take() {
                Some(outcome) => outcome,
                None if watch.begun.is_none() => Outcome {
                    what: describe(&watch.condition),
                    seen: "the run ended before its window".into(),
                    met: true,
                },
                None => judge(watch, twin),
            })
            .collect()
    }
}

fn describe(condition: &Condition) -> String {
    match condition {
        Condition::VoltageWithin { min_pu, max_pu } => {
            format!("customer voltages within {min_pu} to {max_pu} pu")
        }
        Condition::BooksBalance => "money and energy balance at every block".into(),
        Condition::BlocksDecided { ledger, at_least } => {
            format!("ledger {ledger} decides at least {at_least} blocks")
        }
        Condition::LedgerHalted { ledger } => format!("ledger {ledger} stands still"),
        Condition::SolarPriceFollowsSupply {
            correlation_at_most,
        } => {
            format!(
                "solar price against solar supply: rank correlation at most {correlation_at_most}"
            )
        }
        Condition::MetersMatchPhysics { max_residual_pct } => {
            format!("meters and losses match the feeder head within {max_residual_pct} %")
        }
        Condition::Dead { mlmd } => format!("area of {mlmd} without supply"),
        Condition::ImportBetween { min_kwh, max_kwh } => {
            format!("import between {min_kwh} and {max_kwh} kWh")
        }
        Condition::EvsServed => "every vehicle charged by its departure".into(),
        Condition::HeatServed => "no hot-water draw unmet".into(),
    }
}

/// Height of the ledger a condition speaks of.
fn height(twin: &mut Twin, condition: &Condition) -> u64 {
    let (Condition::BlocksDecided { ledger, .. } | Condition::LedgerHalted { ledger }) = condition
    else {
        return 0;
    };
    let world = twin.world_mut();
    let index = world
        .resource::<Ledgers>()
        .names
        .iter()
        .position(|name| name == ledger);
    let mut groups = world.query::<&LedgerGroup>();
    groups
        .iter(world)
        .find(|group| Some(group.index as usize) == index)
        .map_or(0, |group| group.group.height())
}

fn judge(watch: &Watch, twin: &mut Twin) -> Outcome {
    let what = describe(&watch.condition);
    let (height_before, import_before) = watch
        .begun
        .as_ref()
        .map_or((0, 0.0), |start| (start.height, start.import_kwh));
    let (seen, met) = match &watch.condition {
        Condition::VoltageWithin { min_pu, max_pu } => {
            let (low, high) = watch.v_pu;
            (
                format!("{low:.4} to {high:.4} pu"),
                low >= *min_pu && high <= *max_pu,
            )
        }
        Condition::BooksBalance => books(twin),
        Condition::BlocksDecided { at_least, .. } => {
            let blocks = height(twin, &watch.condition) - height_before;
            (format!("{blocks} blocks"), blocks >= *at_least)
        }
        Condition::LedgerHalted { .. } => {
            let blocks = height(twin, &watch.condition) - height_before;
            (format!("{blocks} blocks"), blocks == 0)
        }
        Condition::SolarPriceFollowsSupply {
            correlation_at_most,
        } => {
            let correlation = solar_correlation(twin);
            let seen = correlation.map_or("too few priced slots".into(), |r| format!("{r:.3}"));
            (seen, correlation.is_some_and(|r| r <= *correlation_at_most))
        }
        Condition::MetersMatchPhysics { max_residual_pct } => {
            let residual = meter_residual_pct(twin);
            (format!("{residual:.4} %"), residual <= *max_residual_pct)
        }
        Condition::Dead { mlmd } => {
            let dead = area_dead(twin, mlmd);
            (if dead { "dead" } else { "live" }.into(), dead)
        }
        Condition::ImportBetween { min_kwh, max_kwh } => {
            let import = kwh(twin.world().resource::<Energy>().import) - import_before;
            (
                format!("{import:.1} kWh"),
                (*min_kwh..=*max_kwh).contains(&import),
            )
        }
        Condition::EvsServed => {
            let world = twin.world_mut();
            let unmet: i64 = world
                .query::<&EvUnit>()
                .iter(world)
                .map(|ev| ev.0.unmet())
                .sum();
            (format!("{:.2} kWh missing", kwh(unmet)), unmet == 0)
        }
        Condition::HeatServed => {
            let world = twin.world_mut();
            let unmet: i64 = world
                .query::<&HeaterUnit>()
                .iter(world)
                .map(|h| h.0.unmet())
                .sum();
            (format!("{:.2} kWh unmet", kwh(unmet)), unmet == 0)
        }
    };
    Outcome { what, seen, met }
}

fn books(twin: &mut Twin) -> (String, bool) {
    let world = twin.world_mut();
    let root = world.resource::<Ledgers>().root();
    let unbalanced = world.resource::<Books>().unbalanced;
    let settled = world.resource::<Books>().slots_settled;
    let mut groups = world.query::<&LedgerGroup>();
    for group in groups.iter(world).filter(|group| group.index != root) {
        if let Some(Err(error)) = group.chain().map(gridloom_ledger::LedgerChain::audit) {
            return (error.to_string(), false);
        }
    }
    (
        format!("{settled} slots settled, {unbalanced} off balance"),
        unbalanced == 0,
    )
}

/// Spearman rank correlation between the solar price of each slot and the
/// solar energy recorded in the slot before, over all clusters.
#[must_use]
pub(crate) fn solar_correlation(twin: &mut Twin) -> Option<f64> {
    let root = twin.world().resource::<Ledgers>().root();
    let world = twin.world_mut();
    let mut query = world.query::<&LedgerGroup>();
    let mut groups: Vec<&LedgerGroup> = query.iter(world).filter(|g| g.index != root).collect();
    groups.sort_by_key(|group| group.index);
    let (mut supply, mut price) = (Vec::new(), Vec::new());
    for chain in groups.into_iter().filter_map(LedgerGroup::chain) {
        let last = chain.latest_price().map_or(0, |price| price.slot);
        for slot in 1..=last {
            if let Some(decided) = chain.price(slot) {
                supply.push(decided.supply_wh[0] as f64);
                price.push(decided.typed[0] as f64);
            }
        }
    }
    spearman(&supply, &price)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start;
        while end < order.len() && values[order[end]] == values[order[start]] {
            end += 1;
        }
        // Equal values share the mean of their ranks.
        let mean = (start + end - 1) as f64 / 2.0;
        order[start..end].iter().for_each(|&i| ranks[i] = mean);
        start = end;
    }
    ranks
}

fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() < 3 {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() - 1) as f64 / 2.0;
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        ab += (x - mean) * (y - mean);
        aa += (x - mean) * (x - mean);
        bb += (y - mean) * (y - mean);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

/// Meters plus losses against the head of the feeder, percent of the energy served.
#[must_use]
pub(crate) fn meter_residual_pct(twin: &mut Twin) -> f64 {
    let world = twin.world_mut();
    let mut meters = world.query::<&Meter>();
    let metered_wh: i64 = meters
        .iter(world)
        .map(|meter| {
            let registers = meter.registers.reading();
            registers.import_wh - registers.export_wh()
        })
        .sum();
    let energy = world.resource::<Energy>();
    let head_wh = (energy.import - energy.export) as f64 / NANO_WH_PER_WH as f64;
    let losses_wh = energy.losses as f64 / NANO_WH_PER_WH as f64;
    let served_wh = energy.demand as f64 / NANO_WH_PER_WH as f64;
    (metered_wh as f64 + losses_wh - head_wh).abs() * 100.0 / served_wh.max(1.0)
}

fn area_dead(twin: &mut Twin, name: &str) -> bool {
    let world = twin.world_mut();
    let mut mlmds = world.query::<&Mlmd>();
    let grid = world.resource::<Grid>();
    mlmds
        .iter(world)
        .find(|mlmd| mlmd.id == name)
        .is_some_and(|mlmd| grid.line_dead(mlmd.line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_correlation_of_opposite_orders_is_minus_one() {
        let up: Vec<f64> = (0..10).map(f64::from).collect();
        let down: Vec<f64> = up.iter().map(|x| -x * x).collect();
        assert!((spearman(&up, &down).expect("enough") + 1.0).abs() < 1e-12);
        assert!((spearman(&up, &up).expect("enough") - 1.0).abs() < 1e-12);
        assert_eq!(spearman(&up, &[1.0; 10]), None);
    }

    #[test]
    fn ties_share_their_rank() {
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [1.5, 0.0, 1.5]);
    }
}
