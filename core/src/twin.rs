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

use crate::branch::{Branch, Branches};
use crate::clock::SimClock;
use crate::command::Command;
use crate::derived::Derived;
use crate::input::InputLog;
use crate::link::RecentHops;
use crate::record::{ConsensusLog, EventLog, StateHash, Telemetry};
use crate::schedule::SimTick;
use crate::sim_state::{self, Snapshot};
use crate::spawn::{self, SpawnError};
use crate::story::{Story, StoryState};
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
    /// Let the scene's autopilot act.
    pub autopilot: bool,
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
    options: TwinOptions,
    branches: Branches,
    /// Ticks between two keyframes.
    spacing: u64,
    /// Keyframes kept at most.
    kept: usize,
    /// Derived lists as they were at the newest tick, while an older one is shown.
    parked: Option<Derived>,
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
            options,
            branches: Branches::default(),
            spacing: KEYFRAME_TICKS,
            kept: KEYFRAMES,
            parked: None,
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

    /// The seed of the run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.world().resource::<crate::clock::Seed>().0
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
            let log = self.world.resource::<InputLog>();
            self.branches.keep(tick, &self.hashes, log);
            self.hashes
                .truncate(usize::try_from(tick.0).unwrap_or(usize::MAX));
            self.keyframes.split_off(&(tick.0 + 1));
            self.world.resource_mut::<InputLog>().truncate(tick.0);
            let time = self.time();
            self.world.resource_mut::<Telemetry>().truncate(time);
            self.parked = None;
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
        if self.rewindable && (tick.0 + 1).is_multiple_of(self.spacing) {
            self.keep_keyframe();
        }
    }

    /// Keeps a keyframe of this moment, where the run can go back at all. A
    /// driver that knows what ticks cost places them so that no rewind has to
    /// simulate long; results never depend on where they are.
    pub fn keep_keyframe(&mut self) {
        if !self.rewindable {
            return;
        }
        let now = self.tick().0;
        self.keyframes
            .entry(now)
            .or_insert_with(|| sim_state::save(&self.world));
        self.thin_keyframes();
    }

    /// Whether there is a keyframe of this moment.
    #[must_use]
    pub fn at_keyframe(&self) -> bool {
        self.keyframes.contains_key(&self.tick().0)
    }

    /// Sets how often keyframes are made and how many are kept: a rewind
    /// re-simulates `spacing` ticks at most, a keyframe costs memory.
    pub fn set_keyframes(&mut self, spacing: u64, kept: usize) {
        self.spacing = spacing.max(1);
        self.kept = kept.max(2);
    }

    /// Ticks between two keyframes, and keyframes held now.
    #[must_use]
    pub fn keyframes(&self) -> (u64, usize) {
        (self.spacing, self.keyframes.len())
    }

    /// The choices it was built with.
    #[must_use]
    pub fn options(&self) -> TwinOptions {
        self.options
    }

    /// Futures that were left by acting in the past.
    #[must_use]
    pub fn branches(&self) -> &Branches {
        &self.branches
    }

    /// Whether a caption that was told in the last tick asks to stop time.
    #[must_use]
    pub fn stopped_by_caption(&self) -> bool {
        let Some(last) = self.tick().0.checked_sub(1) else {
            return false;
        };
        let state = self.world.resource::<StoryState>();
        let narration = &self.world.resource::<Story>().scene().narration;
        let mut told = state.told.iter().zip(narration);
        told.any(|(told, caption)| *told == Some(last) && caption.pause)
    }

    /// Goes on as `self` in the place of `other`, whose run becomes a branch.
    pub fn take_over(&mut self, other: &Self, branch: u32) {
        let forked_at = crate::branch::first_difference(&self.hashes, &other.hashes)
            .unwrap_or_else(|| other.head());
        self.branches = other.branches.clone();
        self.branches.remove(branch);
        let log = other.world.resource::<InputLog>();
        self.branches.keep(forked_at, &other.hashes, log);
    }

    /// Every command so far with its tick.
    pub fn commands(&self) -> impl Iterator<Item = (u64, &Command)> {
        self.world.resource::<InputLog>().iter()
    }

    /// Latest keyframe before a tick.
    pub(crate) fn keyframe_before(&self, tick: Tick) -> Option<Tick> {
        let (at, _) = self.keyframes.range(..tick.0).next_back()?;
        Some(Tick(*at))
    }

    /// Takes over the run of a branch of `other`, with the keyframes both share.
    pub(crate) fn adopt(&mut self, other: &Self, branch: &Branch) {
        // Since then `other` may have been changed further back; keyframes are
        // shared as long as the hashes before them are equal.
        let common = crate::branch::first_difference(&other.hashes, &branch.hashes)
            .map_or(branch.hashes.len().min(other.hashes.len()) as u64, |t| t.0);
        self.keyframes = other
            .keyframes
            .range(..=common)
            .map(|(at, snapshot)| (*at, snapshot.clone()))
            .collect();
        self.hashes = branch.hashes.to_vec();
        let time = Tick(common).start(self.tick_ms());
        self.world
            .insert_resource(other.world.resource::<EventLog>().clone());
        self.world
            .insert_resource(other.world.resource::<ConsensusLog>().clone());
        let mut telemetry = other.world.resource::<Telemetry>().clone();
        telemetry.truncate(time);
        self.world.insert_resource(telemetry);
        let mut log = self.world.resource_mut::<InputLog>();
        for (tick, command) in branch.commands.iter() {
            log.push(*tick, command.clone());
        }
    }

    /// Every second keyframe of the older half goes when there are too many.
    fn thin_keyframes(&mut self) {
        if self.keyframes.len() <= self.kept {
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
        self.leap(target);
        if target >= self.tick() {
            self.run_until(target);
        }
    }

    /// Restores the keyframe from which a tick is reached soonest, if that is
    /// nearer than running on from here.
    pub fn leap(&mut self, target: Tick) {
        let now = self.tick();
        let nearest = self.keyframes.range(..=target.0).next_back();
        if nearest.is_some_and(|(&at, _)| target < now || at > now.0) {
            self.seek_keyframe(target);
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
        let left = self.tick();
        if self.parked.as_ref().is_none_or(|kept| kept.until < left) {
            self.parked = Some(Derived::of(&self.world, left));
        }
        let world = &mut self.world;
        sim_state::restore(world, snapshot);
        let tick = world.resource::<SimClock>().tick;
        // Forward, the lists between here and there are those of the first time.
        if tick > left
            && let Some(kept) = self.parked.as_ref().filter(|kept| kept.until >= tick)
        {
            kept.put_back(world);
        }
        world.resource_mut::<EventLog>().truncate(tick);
        let time = world.resource::<SimClock>().time();
        world.resource_mut::<ConsensusLog>().truncate(time);
        world.resource_mut::<RecentHops>().clear();
        crate::protection::rewind(world);
        spawn::refresh_derived(world);
    }

    /// What the window shows at this tick.
    pub fn view(&mut self, selected: Option<Selected>) -> ViewModel {
        let head = self.head();
        let mut view = crate::present::view(&mut self.world, selected);
        view.head = head;
        view
    }

    /// The ledgers as their furthest validators have them, with their names: clusters, then the
    /// root. Copies share everything with the running ones and cost little.
    pub fn ledgers(&mut self) -> Vec<(String, gridloom_ledger::LedgerChain)> {
        use crate::ledger::{LedgerGroup, Ledgers};
        let mut query = self.world.query::<&LedgerGroup>();
        let mut groups: Vec<&LedgerGroup> = query.iter(&self.world).collect();
        groups.sort_by_key(|group| group.index);
        let names = &self.world.resource::<Ledgers>().names;
        groups
            .iter()
            .zip(names)
            .filter_map(|(group, name)| Some((name.clone(), group.chain()?.clone())))
            .collect()
    }

    /// Cluster and ledger account of a home or shared battery, by its name in the scene.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<(u32, gridloom_units::AccountId)> {
        let refs = &self.scene.refs;
        let organisation = self.world.resource::<crate::spawn::Organisation>();
        let clusters = refs.homes.iter().map(|home| home.cluster);
        let clusters = clusters.chain(refs.shared_batteries.iter().map(|b| b.cluster));
        organisation
            .participants
            .iter()
            .zip(clusters)
            .find(|(participant, _)| participant.name == name)
            .map(|(participant, cluster)| (cluster as u32, participant.account))
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

    /// A resource of the world, for reports.
    ///
    /// # Panics
    /// If the world has no such resource: every twin has those of this crate.
    #[must_use]
    pub fn resource<R: Resource>(&self) -> &R {
        self.world.resource::<R>()
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
