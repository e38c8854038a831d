//! The driver: one world that can be stepped, rewound, asked and hashed.
//!
//! A [`Twin`] owns the ECS world of one scene. Its callers (window, command
//! line, tests) never see the world: they send [`Command`]s, ask for ticks and
//! read [`ViewModel`]s. Going back restores the nearest keyframe and runs the
//! input log again; every re-simulated tick must give the hash recorded the
//! first time.

use std::collections::BTreeMap;

use bevy::prelude::*;
use gridloom_model::scene::LoadedScene;
use gridloom_units::{SimTime, Tick};

use crate::clock::SimClock;
use crate::command::Command;
use crate::input::InputLog;
use crate::link::RecentHops;
use crate::record::{EventLog, StateHash, Telemetry};
use crate::schedule::SimTick;
use crate::sim_state::{self, Snapshot};
use crate::spawn::{self, SpawnError};
use crate::view::{Selected, ViewModel};

/// Ticks between two keyframes of the recent past.
const KEYFRAME_TICKS: u64 = 300;

/// Keyframes kept at most; older ones are thinned to every second.
const KEYFRAMES: usize = 400;

/// Choices that must not change what a run computes.
#[derive(Clone, Copy, Debug, Default)]
pub struct TwinOptions {
    /// Seed instead of the scene's.
    pub seed: Option<u64>,
    /// Threads of the task pool; `None` = as many as the machine has.
    pub threads: Option<usize>,
    /// Spawn the entities in reverse order among unrelated ones.
    pub permute: bool,
    /// Keep keyframes, so that the run can go back.
    pub rewindable: bool,
}

/// A running scene.
pub struct Twin {
    world: World,
    scene: LoadedScene,
    keyframes: BTreeMap<u64, Snapshot>,
    hashes: Vec<[u8; 32]>,
    end: Tick,
    rewindable: bool,
    divergence: Option<Tick>,
}

impl Twin {
    /// Builds the world of a loaded scene.
    ///
    /// # Errors
    /// Returns what about the scene cannot be built (a network without a
    /// solution at rest, an unknown deck feature).
    pub fn new(scene: LoadedScene, options: TwinOptions) -> Result<Self, SpawnError> {
        let world = spawn::build_world(&scene, options)?;
        let end = Tick(spawn::duration_ms(&scene.scene) / scene.scene.tick_ms);
        let mut twin = Self {
            world,
            scene,
            keyframes: BTreeMap::new(),
            hashes: Vec::new(),
            end,
            rewindable: options.rewindable,
            divergence: None,
        };
        if twin.rewindable {
            twin.keyframes.insert(0, sim_state::save(&twin.world));
        }
        Ok(twin)
    }

    /// The tick that runs next.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.world.resource::<SimClock>().tick
    }

    /// Simulated time at the start of the next tick.
    #[must_use]
    pub fn time(&self) -> SimTime {
        self.world.resource::<SimClock>().time()
    }

    /// The newest tick that was ever simulated.
    #[must_use]
    pub fn head(&self) -> Tick {
        Tick(self.hashes.len() as u64)
    }

    /// The tick at which the scene ends.
    #[must_use]
    pub fn end(&self) -> Tick {
        self.end
    }

    /// Length of a tick, ms.
    #[must_use]
    pub fn tick_ms(&self) -> u64 {
        self.scene.scene.tick_ms
    }

    /// The loaded scene.
    #[must_use]
    pub fn scene(&self) -> &LoadedScene {
        &self.scene
    }

    /// The first re-simulated tick whose hash differed from the recorded one.
    #[must_use]
    pub fn divergence(&self) -> Option<Tick> {
        self.divergence
    }

    /// Hash of the state after tick `tick`, if it was simulated.
    #[must_use]
    pub fn hash_after(&self, tick: Tick) -> Option<[u8; 32]> {
        self.hashes.get(usize::try_from(tick.0).ok()?).copied()
    }

    /// Hashes after every tick so far.
    #[must_use]
    pub fn hashes(&self) -> &[[u8; 32]] {
        &self.hashes
    }

    /// Queues a command for the next tick. In the past this starts a new
    /// future: what was simulated later, and its commands, are forgotten.
    pub fn send(&mut self, command: Command) {
        let tick = self.tick();
        if tick < self.head() {
            self.hashes
                .truncate(usize::try_from(tick.0).unwrap_or(usize::MAX));
            self.keyframes.split_off(&(tick.0 + 1));
            self.world.resource_mut::<InputLog>().truncate(tick.0);
            let time = self.time();
            self.world.resource_mut::<Telemetry>().truncate(time);
        }
        self.world.resource_mut::<InputLog>().push(tick.0, command);
    }

    /// Runs one tick.
    pub fn step(&mut self) {
        let tick = self.tick();
        self.world.run_schedule(SimTick);
        let hash = self.world.resource::<StateHash>().0;
        let index = usize::try_from(tick.0).unwrap_or(usize::MAX);
        match self.hashes.get(index) {
            Some(recorded) if *recorded != hash => {
                self.divergence.get_or_insert(tick);
            }
            Some(_) => {}
            None => self.hashes.push(hash),
        }
        let next = tick.0 + 1;
        if self.rewindable && next.is_multiple_of(KEYFRAME_TICKS) {
            self.keyframes
                .entry(next)
                .or_insert_with(|| sim_state::save(&self.world));
            self.thin_keyframes();
        }
    }

    /// Every second keyframe of the older half goes when there are too many.
    fn thin_keyframes(&mut self) {
        if self.keyframes.len() <= KEYFRAMES {
            return;
        }
        let ticks: Vec<u64> = self.keyframes.keys().copied().collect();
        for pair in ticks[1..ticks.len() / 2].chunks_exact(2) {
            self.keyframes.remove(&pair[0]);
        }
    }

    /// Runs until the clock shows `tick`.
    pub fn run_until(&mut self, tick: Tick) {
        while self.tick() < tick {
            self.step();
        }
    }

    /// Goes to a tick, back or forth. Without keyframes it can only go forth.
    pub fn seek(&mut self, target: Tick) {
        let target = target.min(self.end);
        if target >= self.tick() || self.seek_keyframe(target) {
            self.run_until(target);
        }
    }

    /// Restores the last keyframe at or before a tick; `false` without one.
    pub fn seek_keyframe(&mut self, target: Tick) -> bool {
        let Some((_, snapshot)) = self.keyframes.range(..=target.0).next_back() else {
            return false;
        };
        let snapshot = snapshot.clone();
        self.restore(&snapshot);
        true
    }

    /// A copy of the simulated state.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        sim_state::save(&self.world)
    }

    /// Writes a snapshot of this run back.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let world = &mut self.world;
        sim_state::restore(world, snapshot);
        let tick = world.resource::<SimClock>().tick;
        world.resource_mut::<EventLog>().truncate(tick);
        world.resource_mut::<RecentHops>().clear();
        spawn::refresh_derived(world);
    }

    /// What the window shows at this tick.
    pub fn view(&mut self, selected: Option<Selected>) -> ViewModel {
        let head = self.head();
        let mut view = crate::present::view(&mut self.world, selected);
        view.head = head;
        view
    }

    /// Device id of a home, shared battery or M-LMD by its name in the scene.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<gridloom_units::DeviceId> {
        spawn::device(&self.scene, name)
    }

    /// The network as the last tick left it.
    #[must_use]
    pub fn network(&self) -> &gridloom_flow::Network {
        self.world().resource::<crate::grid::Grid>().network()
    }

    /// Query access for checkers in this crate.
    pub(crate) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Read access for checkers in this crate.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }
}
