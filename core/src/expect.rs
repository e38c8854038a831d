//! Expectations: what must hold in a run, watched tick by tick.

use gridloom_equipment::{NANO_WH_PER_WH, kwh};
use gridloom_model::scene::{Condition, ExpectationSpec};
use gridloom_units::SimTime;

use crate::grid::{Grid, Mlmd};
use crate::island_expect::{self, IslandWatch};
use crate::ledger::{LedgerGroup, Ledgers};
use crate::market::Books;
use crate::meter::Meter;
use crate::protection::expect as protection;
use crate::query::Query;
use crate::record::{Alarms, Energy};
use crate::site::{EvUnit, HeaterUnit};
use crate::spawn::Organisation;
use crate::truth::{Finding, MeterTruth};
use crate::twin::Twin;

/// How an expectation ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The condition in words.
    pub what: String,
    /// What was seen.
    pub seen: String,
    /// Whether it held. False while its window was not reached.
    pub met: bool,
    /// Whether its window began before the run ended. What was not reached
    /// is neither met nor missed.
    pub reached: bool,
}

impl Outcome {
    /// Reached and not met.
    #[must_use]
    pub const fn missed(&self) -> bool {
        self.reached && !self.met
    }
}

/// One expectation under watch.
struct Watch {
    from_ms: u64,
    until_ms: u64,
    condition: Condition,
    begun: Option<Start>,
    outcome: Option<Outcome>,
    v_pu: (f64, f64),
    island: IslandWatch,
    protection: protection::Watch,
    /// The expression, and at how many ticks it held and did not hold.
    query: Option<(Query, u64, u64)>,
}

/// Counters at the start of a window.
struct Start {
    height: u64,
    import_kwh: f64,
    alarms: u64,
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
                    island: IslandWatch::default(),
                    protection: protection::Watch::default(),
                    query: None,
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
                    alarms: twin.world().resource::<Alarms>().raised,
                });
                watch.island = IslandWatch::begin(twin);
                watch.query = expression(&watch.condition)
                    .and_then(|text| Query::new(text, twin.scene()).ok())
                    .map(|query| (query, 0, 0));
            }
            if let Some((query, yes, no)) = &mut watch.query {
                let holds = query.value(twin.world()).is_true();
                *(if holds { yes } else { no }) += 1;
            }
            watch.island.observe(&watch.condition, twin);
            watch.protection.observe(twin, &watch.condition);
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
                    met: false,
                    reached: false,
                },
                None => judge(watch, twin),
            })
            .collect()
    }
}

/// The expression of a condition that has one.
fn expression(condition: &Condition) -> Option<&str> {
    match condition {
        Condition::Holds(text) | Condition::Always(text) | Condition::Once(text) => Some(text),
        _ => None,
    }
}

fn describe(condition: &Condition) -> String {
    if let Some(text) = protection::describe(condition) {
        return text;
    }
    match condition {
        Condition::Holds(text) => format!("{text} at the end"),
        Condition::Always(text) => format!("{text} all the time"),
        Condition::Once(text) => format!("{text} at least once"),
        Condition::AlarmsAtMost(most) => format!("at most {most} alarms"),
        Condition::VoltageWithin { min_pu, max_pu } => {
            format!("customer voltages within {min_pu} to {max_pu} pu")
        }
        Condition::BooksBalance => "money and energy balance at every block".into(),
        Condition::BlocksDecided { ledger, at_least } => {
            format!("ledger {ledger} decides at least {at_least} blocks")
        }
        Condition::LedgerHalted { ledger } => format!("ledger {ledger} stands still"),
        Condition::IslandSettled { ledger, at_least } => {
            format!("at least {at_least} slots of {ledger} settled without the utility")
        }
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
        Condition::UntrueNamed {
            meters,
            mlmds,
            false_at_most,
        } => {
            let all: Vec<&str> = meters.iter().chain(mlmds).map(String::as_str).collect();
            format!(
                "{} named as untrue, at most {false_at_most} others",
                all.join(", ")
            )
        }
        Condition::ImportBetween { min_kwh, max_kwh } => {
            format!("import between {min_kwh} and {max_kwh} kWh")
        }
        Condition::PriceReversals {
            ledger,
            at_least,
            at_most,
        } => match (*at_least, *at_most) {
            (0, most) => format!("the price of {ledger} turns at most {most} times"),
            (least, u64::MAX) => format!("the price of {ledger} turns at least {least} times"),
            (least, most) => format!("the price of {ledger} turns {least} to {most} times"),
        },
        Condition::EvsServed => "every vehicle charged by its departure".into(),
        Condition::HeatServed => "no hot-water draw unmet".into(),
        other => island_expect::describe(other).unwrap_or_default(),
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
    if let Some(outcome) = watch.island.judge(&watch.condition, twin) {
        return outcome;
    }
    let what = describe(&watch.condition);
    if let Some((seen, met)) = watch.protection.judge(twin, &watch.condition) {
        return Outcome {
            what,
            seen,
            met,
            reached: true,
        };
    }
    let (height_before, import_before) = watch
        .begun
        .as_ref()
        .map_or((0, 0.0), |start| (start.height, start.import_kwh));
    let (yes, no) = watch.query.as_ref().map_or((0, 0), |(_, y, n)| (*y, *n));
    let (seen, met) = match &watch.condition {
        Condition::Holds(text) => match Query::new(text, twin.scene()) {
            Ok(query) => {
                let holds = query.value(twin.world()).is_true();
                (if holds { "holds" } else { "does not hold" }.into(), holds)
            }
            Err(reason) => (reason, false),
        },
        Condition::Always(text) | Condition::Once(text) => match Query::new(text, twin.scene()) {
            Ok(_) => {
                let always = matches!(watch.condition, Condition::Always(_));
                let met = if always { no == 0 && yes > 0 } else { yes > 0 };
                (format!("held at {yes} of {} ticks", yes + no), met)
            }
            Err(reason) => (reason, false),
        },
        Condition::AlarmsAtMost(most) => {
            let before = watch.begun.as_ref().map_or(0, |start| start.alarms);
            let alarms = twin.world().resource::<Alarms>().raised - before;
            (format!("{alarms} alarms"), alarms <= u64::from(*most))
        }
        Condition::VoltageWithin { min_pu, max_pu } => {
            let (low, high) = watch.v_pu;
            (
                format!("{low:.4} to {high:.4} pu"),
                low >= *min_pu && high <= *max_pu,
            )
        }
        Condition::BooksBalance => books(twin),
        Condition::IslandSettled { ledger, at_least } => {
            let found = crate::market::island_slots(twin, ledger);
            (found.to_string(), found.hold(*at_least))
        }
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
        Condition::UntrueNamed {
            meters,
            mlmds,
            false_at_most,
        } => {
            let named = untrue(twin);
            let wanted: Vec<&String> = meters.iter().chain(mlmds).collect();
            let all = wanted.iter().all(|name| named.contains(name));
            let others = named.iter().filter(|name| !wanted.contains(name)).count();
            let seen = if named.is_empty() {
                "nobody".into()
            } else {
                named.join(", ")
            };
            (seen, all && others as u32 <= *false_at_most)
        }
        Condition::ImportBetween { min_kwh, max_kwh } => {
            let import = kwh(twin.world().resource::<Energy>().import) - import_before;
            (
                format!("{import:.1} kWh"),
                (*min_kwh..=*max_kwh).contains(&import),
            )
        }
        Condition::PriceReversals {
            ledger,
            at_least,
            at_most,
        } => {
            let turns = price_reversals(twin, ledger);
            let seen = turns.map_or("no such cluster".into(), |n| format!("{n} times"));
            let met = turns.is_some_and(|n| (*at_least..=*at_most).contains(&n));
            (seen, met)
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
        // Judged above.
        _ => (String::new(), false),
    };
    Outcome {
        what,
        seen,
        met,
        reached: true,
    }
}

fn price_reversals(twin: &mut Twin, ledger: &str) -> Option<u64> {
    let world = twin.world_mut();
    let index = world
        .resource::<Ledgers>()
        .names
        .iter()
        .position(|name| name == ledger)?;
    let mut groups = world.query::<&LedgerGroup>();
    let group = groups.iter(world).find(|g| g.index as usize == index)?;
    group.chain().map(crate::market::price_reversals)
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

/// Names of the meters and M-LMDs found not to tell the truth.
#[must_use]
pub fn untrue(twin: &Twin) -> Vec<String> {
    let organisation = twin.world().resource::<Organisation>();
    let truth = twin.world().resource::<MeterTruth>();
    let name = |finding: &Finding| match finding.meter {
        Some(meter) => organisation.participants[meter as usize].name.clone(),
        None => organisation.mlmd_names[finding.area as usize].clone(),
    };
    truth.named().map(name).collect()
}

/// The same with what each looks like, and how certain that is.
#[must_use]
pub fn untrue_in_words(twin: &Twin) -> Vec<String> {
    let names = untrue(twin);
    let truth = twin.world().resource::<MeterTruth>();
    let words = truth
        .named()
        .map(|f| format!("{} (score {:.1}, {:.0} Wh)", f.words, f.score, f.hidden_wh));
    names
        .iter()
        .zip(words)
        .map(|(name, words)| format!("{name} {words}"))
        .collect()
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
