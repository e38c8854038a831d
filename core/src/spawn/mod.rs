//! From a loaded scene to a world: the only place where entities are made.
//!
//! Device ids are given in scene order: homes, shared batteries, M-LMDs,
//! LG-Aggregators, ledgers, validators. Entities may be spawned in any order
//! (the permutation test reverses it); nothing but the roster depends on it.

mod island;
mod ledgers;
mod network;
mod organisation;
mod script;
mod sites;

pub(crate) use organisation::utility_account;
pub use organisation::{Organisation, Participant};

use bevy::app::{TaskPoolOptions, TaskPoolPlugin};
use bevy::prelude::*;
use gridloom_model::scene::{LoadedScene, Scene};
use gridloom_units::Tick;

use crate::clock::{ClockPlugin, Seed, SimClock};
use crate::edge::{Aggregator, Cloud, EdgePlugin, Strategy, Uplink};
use crate::grid::{Grid, GridPlugin};
use crate::ingest::IngestPlugin;
use crate::island::{IslandPlan, IslandPlugin, Islands};
use crate::ledger::{LedgerPlugin, Membership, TradeNetwork, TradeTree};
use crate::link::{LinkPlugin, LinkTable};
use crate::market::between::{Fees, network as network_tree};
use crate::market::{MarketClock, MarketPlugin, Pricing, Truth, WholesaleDesk};
use crate::meter::MeterPlugin;
use crate::present::SceneFacts;
use crate::protection::{ProtectionPlan, ProtectionPlugin, ProtectionState};
use crate::record::{RecordPlugin, Telemetry};
use crate::schedule::SchedulePlugin;
use crate::sim_state::Roster;
use crate::site::SitePlugin;
use crate::story::{Story, StoryPlugin};
use crate::truth::TruthPlugin;
use crate::twin::TwinOptions;

/// Why a scene cannot become a world.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The network cannot be built.
    #[error("the network of the scene cannot be built: {0}")]
    Network(#[from] gridloom_flow::BuildError),
    /// A connection does not fit the network.
    #[error("{device}: {source}")]
    Port {
        /// The device.
        device: String,
        /// What does not fit.
        source: gridloom_flow::PortError,
    },
    /// Equipment with impossible data.
    #[error("{device}: {source}")]
    Equipment {
        /// The device.
        device: String,
        /// What is impossible.
        source: gridloom_equipment::EquipmentError,
    },
    /// A ledger that cannot start.
    #[error("ledger {ledger}: {reason}")]
    Ledger {
        /// The ledger.
        ledger: String,
        /// Why not.
        reason: String,
    },
    /// Something the loader should have refused.
    #[error("{0}")]
    Scene(String),
}

/// Length of a scene's run, ms.
#[must_use]
pub fn duration_ms(scene: &Scene) -> u64 {
    (scene.duration_h * 3_600_000.0) as u64
}

/// An entity to be: its components, added when its turn comes.
pub(crate) type Spawner = Box<dyn FnOnce(&mut World) -> Entity>;

/// Builds the world of a scene. The plugins are Bevy's; the app around them is
/// not needed once they are built, so that a twin can move to a thread of its own.
pub(crate) fn build_world(loaded: &LoadedScene, options: TwinOptions) -> Result<World, SpawnError> {
    let scene = &loaded.scene;
    let seed = options.seed.unwrap_or(scene.seed);
    let mut app = App::new();
    let pools = options
        .threads
        .map_or_else(TaskPoolOptions::default, |threads| {
            TaskPoolOptions::with_num_threads(threads.max(1))
        });
    app.add_plugins(TaskPoolPlugin {
        task_pool_options: pools,
    });
    app.insert_resource(SimClock {
        tick: Tick(0),
        tick_ms: scene.tick_ms,
    });
    app.insert_resource(Seed(seed));
    app.add_plugins((
        SchedulePlugin,
        ClockPlugin,
        LinkPlugin,
        IngestPlugin,
        GridPlugin,
        IslandPlugin,
        ProtectionPlugin,
        SitePlugin,
        MeterPlugin,
        EdgePlugin,
        TruthPlugin,
        LedgerPlugin,
        MarketPlugin,
        RecordPlugin,
        StoryPlugin,
    ));
    let mut wired = network::build(loaded, seed)?;
    let island_plan = island::plan(loaded, &wired)?;
    let (voltage_plan, controls) = island::voltage_controls(loaded, &mut wired.network)?;
    let organisation = Organisation::new(loaded, seed);
    let mut spawners = sites::spawners(loaded, &wired, seed)?;
    spawners.extend(network::mlmds(loaded, &wired));
    let strategy = Strategy::new(1, scene.upload);
    for cluster in 0..scene.clusters.len() as u32 {
        spawners.push(Box::new(move |world: &mut World| {
            world
                .spawn(Aggregator {
                    cluster,
                    uplink: Uplink::new(strategy),
                    ..Aggregator::default()
                })
                .id()
        }));
    }
    let ledgers = ledgers::build(loaded, &organisation, seed)?;
    spawners.extend(ledgers.spawners);
    let (homes, batteries) = (scene.homes.len(), scene.shared_batteries.len());
    let (mlmds, clusters) = (scene.mlmds.len(), scene.clusters.len());
    let market = &scene.market;
    app.insert_resource(island_plan.as_ref().map(Islands::new).unwrap_or_default())
        .insert_resource(IslandPlan(island_plan))
        .insert_resource(voltage_plan)
        .insert_resource(controls);
    app.insert_resource(wired.protection.0)
        .insert_resource(wired.protection.1)
        .insert_resource(Grid::new(wired.network))
        .insert_resource(sites::profiles(loaded)?)
        .insert_resource(LinkTable::new(scene.links, seed))
        .insert_resource(MarketClock {
            slot_ms: u64::from(market.slot_min) * 60_000,
            reading_ms: u64::from(market.reading_s) * 1_000,
            tariff: (market.feed_in, market.import),
        })
        .insert_resource(Cloud::new(clusters, strategy))
        .insert_resource(trade_network(loaded))
        .insert_resource(Pricing::new(clusters))
        .insert_resource(WholesaleDesk::new(clusters))
        .insert_resource(Membership::new(
            loaded
                .refs
                .homes
                .iter()
                .map(|home| home.cluster as u32)
                .chain(
                    loaded
                        .refs
                        .shared_batteries
                        .iter()
                        .map(|b| b.cluster as u32),
                )
                .collect(),
        ))
        .insert_resource(Truth::new(mlmds, &organisation.meters_of_mlmd))
        .insert_resource(Telemetry::new(homes, batteries, mlmds, clusters))
        .insert_resource(script::compile(loaded, options.autopilot)?)
        .insert_resource(ledgers.names)
        .insert_resource(ledgers.makings)
        .insert_resource(ledgers.officials)
        .insert_resource(SceneFacts::new(loaded, &organisation))
        .insert_resource(organisation);
    let story = Story::compile(loaded)?;
    app.insert_resource(story.start()).insert_resource(story);
    spawn_in_order(app.world_mut(), spawners, options.permute);
    prepare_grid(app.world_mut());
    app.finish();
    app.cleanup();
    Ok(std::mem::take(app.world_mut()))
}

/// The network that what is left in the clusters clears on. The tariff is what a
/// member pays at its meter, so the fees are parts of it.
fn trade_network(loaded: &LoadedScene) -> TradeNetwork {
    let market = &loaded.scene.market;
    TradeNetwork(market.between.map(|between| {
        let fees = Fees {
            neighbour: between.neighbour_fee,
            grid: between.grid_fee,
        };
        TradeTree {
            nodes: network_tree(loaded, fees),
            import: market.import - fees.neighbour - fees.grid,
            export: market.feed_in + fees.neighbour + fees.grid,
            tariff: (market.feed_in, market.import),
        }
    }))
}

/// Spawns everything and fills the roster in the order of device ids.
fn spawn_in_order(world: &mut World, spawners: Vec<Spawner>, permute: bool) {
    let mut indexed: Vec<(usize, Spawner)> = spawners.into_iter().enumerate().collect();
    if permute {
        indexed.reverse();
    }
    let mut roster = vec![Entity::PLACEHOLDER; indexed.len()];
    for (rank, spawner) in indexed {
        if permute {
            // Unrelated entities in between must change nothing.
            world.spawn(Name::new("decoy"));
        }
        roster[rank] = spawner(world);
    }
    world.insert_resource(Roster(roster));
}

/// Opens breakers that start open and finds out what is live before tick 0.
fn prepare_grid(world: &mut World) {
    let open: Vec<usize> = world
        .query::<(&crate::grid::Mlmd, &crate::grid::Breaker)>()
        .iter(world)
        .filter(|(_, breaker)| !breaker.closed)
        .map(|(mlmd, _)| mlmd.switch)
        .collect();
    let devices = world
        .resource::<ProtectionPlan>()
        .places
        .iter()
        .zip(&world.resource::<ProtectionState>().core.devices)
        .filter(|(_, device)| !device.closed())
        .map(|(place, _)| place.switch);
    let open: Vec<usize> = open.into_iter().chain(devices).collect();
    world.resource_mut::<Grid>().start(&open);
}

/// A scene's action as a command.
pub(crate) fn command_of(
    loaded: &LoadedScene,
    action: &gridloom_model::scene::EventAction,
) -> Result<crate::command::Command, SpawnError> {
    script::Names::of(loaded).command(action)
}

/// Brings derived data up to date after a restore.
pub(crate) fn refresh_derived(world: &mut World) {
    world.resource_mut::<crate::ledger::FreshBlocks>().0.clear();
}

/// Device id of a home, shared battery or M-LMD by its name.
pub(crate) fn device(loaded: &LoadedScene, name: &str) -> Option<gridloom_units::DeviceId> {
    script::Names::of(loaded).device(name)
}
