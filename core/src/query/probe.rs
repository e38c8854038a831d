//! One value of the world: where it is and how it is read.

use bevy::prelude::*;
use gridloom_ledger::{Bill, BillLine};
use gridloom_market::Reason;
use gridloom_model::expr::Value;
use gridloom_model::grid::LineEnd;
use gridloom_model::scene::{LoadedScene, ROOT_LEDGER};

use super::NAMES;
use crate::clock::SimClock;
use crate::edge::Aggregator;
use crate::grid::{Breaker, Grid, Mlmd, Through};
use crate::ledger::{LedgerGroup, Membership, RecordLags};
use crate::link::DataPlane;
use crate::market::{Books, MarketClock, OrderDesk, Truth, WholesaleDesk};
use crate::meter::Meter;
use crate::present::ledger::tip_time_ms;
use crate::record::{Alarms, Energy};
use crate::sim_state::Roster;
use crate::site::{BatteryUnit, Site, SitePower, Weather};
use crate::spawn::Organisation;

/// Readings a meter may miss before it counts as silent.
const SILENT_INTERVALS: u64 = 3;

/// Values without an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Time,
    Tick,
    Frequency,
    Tied,
    Solar,
    Demand,
    Storage,
    Exchange,
    Losses,
    Soc,
    Dark,
    VMin,
    VMax,
    Loading,
    Cloud,
    Silent,
    Uplink,
    Alone,
    Between,
    Alarms,
    Unacked,
    Raised,
    BooksOff,
}

/// Values of a home or battery; the number is its rank in the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfMeter {
    V,
    P,
    Soc,
    Live,
    Age,
    Pv,
    Load,
    Silent,
    Bill,
    Local,
    Orders,
}

/// Values of an M-LMD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfMlmd {
    V,
    P,
    I,
    Closed,
    Live,
    Residual,
}

/// Values of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfLedger {
    Price,
    Height,
    Round,
    Up,
    Pending,
    Age,
    Lag,
    Late,
    Orphans,
    Differing,
    Kept,
    Outside,
    Evidence,
    Alone,
    Backlog,
    Slot,
    Import,
    FeedIn,
    Margin,
}

/// One value of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Whole(Whole),
    Meter(OfMeter, usize),
    Mlmd(OfMlmd, usize, usize),
    Ledger(OfLedger, usize, usize),
    LineP(usize),
    LineI(usize),
    LineLoading(usize),
    LineLive(usize),
    TransformerLoading(usize),
    BusV(usize),
    BusLive(usize),
    AlarmsOf(u8),
}

/// What an id names.
enum Object {
    Meter(usize),
    Mlmd(usize, usize),
    Ledger(usize, usize),
    Line(usize),
    Transformer(usize),
    Bus(usize),
}

impl Probe {
    /// Finds the value `name` or `name(id)`.
    pub(super) fn resolve(
        name: &str,
        id: Option<&str>,
        loaded: &LoadedScene,
    ) -> Result<Self, String> {
        let Some(id) = id else {
            return whole(name).map(Self::Whole).ok_or_else(|| unknown(name));
        };
        if name == "alarms" {
            return match id {
                "1" => Ok(Self::AlarmsOf(0)),
                "2" => Ok(Self::AlarmsOf(1)),
                "3" => Ok(Self::AlarmsOf(2)),
                _ => Err(format!("alarms({id}): priorities are 1, 2 and 3")),
            };
        }
        let object =
            object(id, loaded).ok_or_else(|| format!("{name}({id}): the scene has no `{id}`"))?;
        Self::of_object(name, &object).ok_or_else(|| {
            if NAMES.iter().any(|(known, _)| *known == name) {
                format!("`{name}` is not a value of {id}")
            } else {
                unknown(name)
            }
        })
    }

    fn of_object(name: &str, object: &Object) -> Option<Self> {
        Some(match *object {
            Object::Meter(rank) => Self::Meter(
                match name {
                    "v" => OfMeter::V,
                    "p" => OfMeter::P,
                    "soc" => OfMeter::Soc,
                    "live" => OfMeter::Live,
                    "age" => OfMeter::Age,
                    "pv" => OfMeter::Pv,
                    "load" => OfMeter::Load,
                    "silent" => OfMeter::Silent,
                    "bill" => OfMeter::Bill,
                    "local" => OfMeter::Local,
                    "orders" => OfMeter::Orders,
                    _ => return None,
                },
                rank,
            ),
            Object::Mlmd(index, rank) => Self::Mlmd(
                match name {
                    "v" => OfMlmd::V,
                    "p" => OfMlmd::P,
                    "i" => OfMlmd::I,
                    "closed" => OfMlmd::Closed,
                    "live" => OfMlmd::Live,
                    "residual" => OfMlmd::Residual,
                    _ => return None,
                },
                index,
                rank,
            ),
            Object::Ledger(index, rank) => Self::Ledger(
                match name {
                    "price" => OfLedger::Price,
                    "height" => OfLedger::Height,
                    "round" => OfLedger::Round,
                    "up" => OfLedger::Up,
                    "pending" => OfLedger::Pending,
                    "age" => OfLedger::Age,
                    "lag" => OfLedger::Lag,
                    "late" => OfLedger::Late,
                    "orphans" => OfLedger::Orphans,
                    "differing" => OfLedger::Differing,
                    "kept" => OfLedger::Kept,
                    "outside" => OfLedger::Outside,
                    "evidence" => OfLedger::Evidence,
                    "alone" => OfLedger::Alone,
                    "backlog" => OfLedger::Backlog,
                    "slot" => OfLedger::Slot,
                    "import" => OfLedger::Import,
                    "feed_in" => OfLedger::FeedIn,
                    "margin" => OfLedger::Margin,
                    _ => return None,
                },
                index,
                rank,
            ),
            Object::Line(line) => match name {
                "p" => Self::LineP(line),
                "i" => Self::LineI(line),
                "loading" => Self::LineLoading(line),
                "live" => Self::LineLive(line),
                _ => return None,
            },
            Object::Transformer(t) if name == "loading" => Self::TransformerLoading(t),
            Object::Bus(bus) if name == "v" => Self::BusV(bus),
            Object::Bus(bus) if name == "live" => Self::BusLive(bus),
            Object::Transformer(_) | Object::Bus(_) => return None,
        })
    }

    /// Reads the value.
    pub(super) fn read(&self, world: &World) -> Value {
        let number: Option<f64> = match *self {
            Self::Whole(what) => read_whole(what, world),
            Self::Meter(what, rank) => read_meter(what, rank, world),
            Self::Mlmd(what, index, rank) => read_mlmd(what, index, rank, world),
            Self::Ledger(what, index, rank) => read_ledger(what, index, rank, world),
            Self::LineP(line) => Some(world.resource::<Grid>().line_kw(line, LineEnd::From)),
            Self::LineI(line) => Some(world.resource::<Grid>().network().line_amps(line)),
            Self::LineLoading(line) => {
                let rating = facts(world).lines.get(line).map_or(0.0, |l| l.rating_a);
                let amps = world.resource::<Grid>().network().line_amps(line);
                (rating > 0.0).then(|| amps / rating)
            }
            Self::LineLive(line) => Some(flag(!world.resource::<Grid>().line_dead(line))),
            Self::TransformerLoading(t) => {
                let kva = facts(world)
                    .transformers
                    .get(t)
                    .map_or(0.0, |t| t.rating_kva);
                let (p, q) = world.resource::<Grid>().network().transformer_power(t, 0);
                (kva > 0.0).then(|| libm::hypot(p, q) / 1_000.0 / kva)
            }
            Self::BusV(bus) => world.resource::<Grid>().bus_v_pu(bus),
            Self::BusLive(bus) => Some(flag(world.resource::<Grid>().bus_live(bus))),
            Self::AlarmsOf(priority) => {
                let homes = world.resource::<Organisation>().homes;
                let alarms = world.resource::<Alarms>();
                Some(alarms.active_of(priority, homes) as f64)
            }
        };
        number.into()
    }
}

fn flag(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

fn unknown(name: &str) -> String {
    let near = NAMES
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| known.starts_with(&name[..name.len().min(1)]))
        .collect::<Vec<_>>()
        .join(", ");
    if near.is_empty() {
        format!("`{name}` is not a value")
    } else {
        format!("`{name}` is not a value; near are {near}")
    }
}

fn whole(name: &str) -> Option<Whole> {
    Some(match name {
        "time" => Whole::Time,
        "tick" => Whole::Tick,
        "f" => Whole::Frequency,
        "tied" => Whole::Tied,
        "solar" => Whole::Solar,
        "demand" => Whole::Demand,
        "storage" => Whole::Storage,
        "exchange" => Whole::Exchange,
        "losses" => Whole::Losses,
        "soc" => Whole::Soc,
        "dark" => Whole::Dark,
        "vmin" => Whole::VMin,
        "vmax" => Whole::VMax,
        "loading" => Whole::Loading,
        "cloud" => Whole::Cloud,
        "silent" => Whole::Silent,
        "uplink" => Whole::Uplink,
        "alone" => Whole::Alone,
        "between" => Whole::Between,
        "alarms" => Whole::Alarms,
        "unacked" => Whole::Unacked,
        "raised" => Whole::Raised,
        "books_off" => Whole::BooksOff,
        _ => return None,
    })
}

/// Ranks in the roster follow scene order: homes, batteries, M-LMDs,
/// aggregators, ledgers, validators.
fn object(id: &str, loaded: &LoadedScene) -> Option<Object> {
    let scene = &loaded.scene;
    let homes = scene.homes.len();
    if let Some(i) = scene.homes.iter().position(|h| h.id == id) {
        return Some(Object::Meter(i));
    }
    if let Some(i) = scene.shared_batteries.iter().position(|b| b.id == id) {
        return Some(Object::Meter(homes + i));
    }
    let meters = homes + scene.shared_batteries.len();
    if let Some(i) = scene.mlmds.iter().position(|m| m.id == id) {
        return Some(Object::Mlmd(i, meters + i));
    }
    let ledgers = meters + scene.mlmds.len() + scene.clusters.len();
    if let Some(i) = scene
        .clusters
        .iter()
        .position(|c| c.id == id || c.aggregator == id)
    {
        return Some(Object::Ledger(i, ledgers + i));
    }
    if id == ROOT_LEDGER {
        let i = scene.clusters.len();
        return Some(Object::Ledger(i, ledgers + i));
    }
    let grid = &loaded.grid;
    if let Some(i) = grid.lines.iter().position(|l| l.id == id) {
        return Some(Object::Line(i));
    }
    if let Some(i) = grid.transformers.iter().position(|t| t.id == id) {
        return Some(Object::Transformer(i));
    }
    grid.buses.iter().position(|b| b.id == id).map(Object::Bus)
}

fn facts(world: &World) -> std::sync::Arc<crate::view::SceneView> {
    world.resource::<crate::present::SceneFacts>().view()
}

fn entity(world: &World, rank: usize) -> Option<Entity> {
    world.resource::<Roster>().0.get(rank).copied()
}

/// Meters of the run: homes and shared batteries.
fn meters(world: &World) -> usize {
    world.resource::<Organisation>().participants.len()
}

/// The LG-Aggregator of a cluster.
fn aggregator(world: &World, cluster: usize) -> Option<&Aggregator> {
    let organisation = world.resource::<Organisation>();
    if cluster >= organisation.cluster_names.len() {
        return None;
    }
    let rank = meters(world) + organisation.mlmd_names.len() + cluster;
    world.get::<Aggregator>(entity(world, rank)?)
}

/// Clusters whose LG-Aggregator knows that the cloud does not answer.
fn alone(world: &World) -> usize {
    let now_ms = world.resource::<SimClock>().start_ms();
    let clusters = world.resource::<Organisation>().cluster_names.len();
    (0..clusters)
        .filter_map(|cluster| aggregator(world, cluster))
        .filter(|store| store.uplink.alone_since_ms(now_ms).is_some())
        .count()
}

fn silent(world: &World, rank: usize) -> Option<bool> {
    let meter = world.get::<Meter>(entity(world, rank)?)?;
    let reading_ms = world.resource::<MarketClock>().reading_ms;
    let limit_ms = SILENT_INTERVALS * reading_ms + reading_ms / 2;
    let now_ms = world.resource::<SimClock>().start_ms();
    Some(now_ms > meter.last_received_ms.unwrap_or(0) + limit_ms)
}

fn read_whole(what: Whole, world: &World) -> Option<f64> {
    let energy = world.resource::<Energy>();
    let [solar, demand, _, storage, exchange] = energy.now_kw;
    let (low, high) = energy.v_now_pu;
    let each_meter = || (0..meters(world)).filter_map(|rank| entity(world, rank));
    Some(match what {
        Whole::Time => world.resource::<SimClock>().start_ms() as f64 / 1_000.0,
        Whole::Tick => world.resource::<SimClock>().tick.0 as f64,
        Whole::Frequency => world.resource::<Grid>().network().frequency_hz(),
        Whole::Tied => {
            let grid = world.resource::<Grid>();
            flag(
                facts(world)
                    .transformers
                    .first()
                    .is_none_or(|t| grid.bus_live(t.from)),
            )
        }
        Whole::Solar => solar,
        Whole::Demand => demand,
        Whole::Storage => -storage,
        Whole::Exchange => exchange,
        Whole::Losses => -world.resource::<Grid>().network().totals().losses_w / 1_000.0,
        Whole::Soc => {
            let units = each_meter()
                .filter_map(|e| Some((world.get::<Site>(e)?, world.get::<BatteryUnit>(e)?)));
            crate::record::storage_soc(units)
        }
        Whole::Dark => {
            let homes = world.resource::<Organisation>().homes as usize;
            each_meter()
                .take(homes)
                .filter(|e| world.get::<SitePower>(*e).is_some_and(|p| !p.live))
                .count() as f64
        }
        Whole::VMin => return (low > 0.0).then_some(low),
        Whole::VMax => return (high > 0.0).then_some(high),
        Whole::Loading => {
            let network = world.resource::<Grid>().network();
            facts(world)
                .lines
                .iter()
                .enumerate()
                .filter(|(_, line)| line.rating_a > 0.0)
                .map(|(i, line)| network.line_amps(i) / line.rating_a)
                .fold(0.0, f64::max)
        }
        Whole::Cloud => f64::from(world.resource::<Weather>().cloud_permille) / 1_000.0,
        Whole::Silent => (0..meters(world))
            .filter(|&rank| silent(world, rank) == Some(true))
            .count() as f64,
        Whole::Uplink => flag(world.resource::<DataPlane>().reaches_cloud()),
        Whole::Alone => alone(world) as f64,
        Whole::Between => world.resource::<Books>().between_wh as f64 / 1_000.0,
        Whole::Alarms => world.resource::<Alarms>().active_count() as f64,
        Whole::Unacked => world.resource::<Alarms>().unacked_count() as f64,
        Whole::Raised => world.resource::<Alarms>().raised as f64,
        Whole::BooksOff => world.resource::<Books>().unbalanced as f64,
    })
}

fn read_meter(what: OfMeter, rank: usize, world: &World) -> Option<f64> {
    let entity = entity(world, rank)?;
    let power = world.get::<SitePower>(entity)?;
    Some(match what {
        OfMeter::V => {
            let site = world.get::<Site>(entity)?;
            return world.resource::<Grid>().site_v_pu(site);
        }
        OfMeter::P => power.net_kw,
        OfMeter::Soc => world.get::<BatteryUnit>(entity)?.0.soc(),
        OfMeter::Live => flag(power.live),
        OfMeter::Age => {
            let last_ms = world.get::<Meter>(entity)?.last_received_ms.unwrap_or(0);
            let now_ms = world.resource::<SimClock>().start_ms();
            now_ms.saturating_sub(last_ms) as f64 / 1_000.0
        }
        OfMeter::Pv => power.pv_kw,
        OfMeter::Load => power.load_kw,
        OfMeter::Silent => flag(silent(world, rank)?),
        OfMeter::Bill => account_bill(world, rank)?.total as f64 / 1e9,
        OfMeter::Local => {
            let bill = account_bill(world, rank)?;
            let local = |line: &&BillLine| line.reason == Reason::LocalTrade && line.received;
            let wh: i64 = bill.lines.iter().filter(local).map(|l| l.energy_wh).sum();
            wh as f64 / 1_000.0
        }
        OfMeter::Orders => world.get::<OrderDesk>(entity)?.placed as f64,
    })
}

/// Account of a meter's owner on the ledger that has it now.
fn account_bill(world: &World, rank: usize) -> Option<Bill> {
    let organisation = world.resource::<Organisation>();
    let account = organisation.participants.get(rank)?.account;
    let cluster = world.resource::<Membership>().of(rank as u32) as usize;
    let ledgers = world.resource::<Roster>().0.iter();
    let mut groups = ledgers.filter_map(|entity| world.get::<LedgerGroup>(*entity));
    let group = groups.find(|group| group.index as usize == cluster)?;
    Some(group.chain()?.bill(account))
}

fn read_mlmd(what: OfMlmd, index: usize, rank: usize, world: &World) -> Option<f64> {
    let entity = entity(world, rank)?;
    let mlmd = world.get::<Mlmd>(entity)?;
    let grid = world.resource::<Grid>();
    Some(match what {
        OfMlmd::V => return grid.bus_v_pu(mlmd.bus),
        OfMlmd::P => world.get::<Through>(entity)?.p_kw,
        OfMlmd::I => world.get::<Through>(entity)?.current_a,
        OfMlmd::Closed => flag(world.get::<Breaker>(entity)?.closed),
        OfMlmd::Live => flag(!grid.line_dead(mlmd.line)),
        OfMlmd::Residual => {
            let organisation = world.resource::<Organisation>();
            let truth = world.resource::<Truth>();
            return truth
                .of_area(index, &organisation.meters_of_mlmd)
                .map(|area| area.residual_pct());
        }
    })
}

fn read_ledger(what: OfLedger, index: usize, rank: usize, world: &World) -> Option<f64> {
    let group = world.get::<LedgerGroup>(entity(world, rank)?)?;
    let chain = group.chain();
    let statuses = || group.group.statuses();
    Some(match what {
        OfLedger::Price => chain?.latest_price()?.scalar as f64 / 10_000.0,
        OfLedger::Height => group.group.height() as f64,
        OfLedger::Round => statuses().iter().map(|s| s.round).max().unwrap_or(0).into(),
        OfLedger::Up => statuses().iter().filter(|s| s.up).count() as f64,
        OfLedger::Pending => statuses().iter().map(|s| s.pending).max().unwrap_or(0) as f64,
        OfLedger::Age => {
            let now_ms = world.resource::<SimClock>().start_ms();
            now_ms.saturating_sub(chain.map_or(0, tip_time_ms)) as f64 / 1_000.0
        }
        OfLedger::Lag => {
            let lags = world.resource::<RecordLags>();
            lags.of(index as u32)?.p95_ms()? as f64 / 1_000.0
        }
        OfLedger::Late => {
            let lag = world.resource::<RecordLags>().of(index as u32);
            lag.map_or(0, |lag| lag.late) as f64
        }
        OfLedger::Orphans => group.group.figures().orphans as f64,
        OfLedger::Differing => group.group.figures().differing as f64,
        OfLedger::Outside => chain?.kept().outside_bytes as f64 / 1e6,
        OfLedger::Kept => chain?.kept().chain_bytes as f64 / 1e6,
        OfLedger::Evidence => group.group.evidence() as f64,
        OfLedger::Alone => {
            let now_ms = world.resource::<SimClock>().start_ms();
            let store = aggregator(world, index)?;
            flag(store.uplink.alone_since_ms(now_ms).is_some())
        }
        OfLedger::Slot => f64::from(chain?.latest_price()?.slot),
        OfLedger::Backlog => aggregator(world, index)?.uplink.waiting() as f64,
        OfLedger::Import => chain?.latest_price()?.grid.import as f64 / 10_000.0,
        OfLedger::FeedIn => chain?.latest_price()?.grid.feed_in as f64 / 10_000.0,
        OfLedger::Margin => {
            let books = world.resource::<WholesaleDesk>().books.get(index)?;
            books.earned_nano_eur as f64 / 1e9
        }
    })
}
