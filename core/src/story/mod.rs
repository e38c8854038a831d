//! The story of a scene: conditional events, captions, checks, bounds, hints
//! and the score. Everything that happened is state of the run, so a rewind
//! takes it back and a recording gives the same score again.

mod score;

pub use score::{Score, ScorePart};

use std::sync::Arc;

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_model::scene::{self, LoadedScene};
use gridloom_units::SimTime;

use crate::clock::{EndOfTick, SimClock};
use crate::command::Command;
use crate::input::InputLog;
use crate::query::Query;
use crate::record::Alarms;
use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::{RegisterSimState, plain_sim_state};
use crate::spawn::{SpawnError, command_of};

/// Conditional events that a person may add.
const ARMED: usize = 64;

/// Window after the first event over which the alarm budget counts, ms.
const BUDGET_MS: u64 = 600_000;

/// A condition with what it sets off.
struct When {
    query: Query,
    command: Command,
    note: String,
}

/// When a caption is told.
enum Telling {
    At(u64),
    Once(Query),
}

/// A check with its deadline, ms.
struct Check {
    query: Query,
    by_ms: u64,
}

struct Inner {
    scene: scene::Story,
    when: Vec<When>,
    captions: Vec<Telling>,
    checks: Vec<Check>,
    bounds: Vec<Query>,
    first_event_ms: Option<u64>,
    /// For conditions that are armed while the scene runs.
    loaded: LoadedScene,
}

/// The compiled story; fixed for a run.
#[derive(Resource, Clone)]
pub struct Story(Arc<Inner>);

/// A conditional event that a person added.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
struct Armed {
    condition: String,
    command: Command,
    /// Whether its condition has held.
    held: bool,
    /// Whether it still has to act.
    due: bool,
}

/// Conditions of armed events, resolved once; derived from their texts.
#[derive(Resource, Default)]
struct ArmedQueries(std::collections::BTreeMap<String, Query>);

/// What happened so far.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct StoryState {
    /// Per conditional event: tick at which its condition held first.
    pub fired: Vec<Option<u64>>,
    /// Conditional events that act in the coming tick.
    pending: Vec<u32>,
    /// Conditional events that a person added.
    armed: Vec<Armed>,
    /// Per caption: tick at which it was told.
    pub told: Vec<Option<u64>>,
    /// Per check: when it was reached, ms.
    pub reached_ms: Vec<Option<u64>>,
    /// Per bound: time spent outside, ms.
    pub outside_ms: Vec<u64>,
    /// Per hint: whether it was taken.
    pub hints: Vec<bool>,
    /// Alarms shown before the first event.
    alarms_before: u64,
    /// Alarms shown within the window of the budget, and before suppression.
    pub budget_used: (u64, u64),
    raw_before: u64,
    /// When the score fell below the limit, ms.
    pub aborted_ms: Option<u64>,
}

plain_sim_state!(StoryState);

/// Owns the story.
pub struct StoryPlugin;

/// After everything of the tick was recorded, before the clock moves.
#[derive(SystemSet, Clone, Debug, PartialEq, Eq, Hash)]
struct Storytelling;

impl Plugin for StoryPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<StoryState>()
            .init_resource::<ArmedQueries>()
            .register_sim_resource::<StoryState>();
        app.configure_sets(
            SimTick,
            Storytelling.after(SimSystems::Record).before(EndOfTick),
        );
        app.add_systems(SimTick, observe.in_set(Storytelling));
    }
}

impl Story {
    /// Compiles the story of a scene.
    ///
    /// # Errors
    /// Names an expression or time that cannot be resolved.
    pub(crate) fn compile(loaded: &LoadedScene) -> Result<Self, SpawnError> {
        let story = &loaded.scene.story;
        let query = |text: &str| {
            Query::new(text, loaded)
                .map_err(|reason| SpawnError::Scene(format!("`{text}` in the story: {reason}")))
        };
        let time = |text: &str| SimTime::parse(text).map(|t| t.0).map_err(SpawnError::Scene);
        let when = story
            .when
            .iter()
            .map(|spec| {
                Ok(When {
                    query: query(&spec.when)?,
                    command: command_of(loaded, &spec.action)?,
                    note: spec.note.clone(),
                })
            })
            .collect::<Result<_, SpawnError>>()?;
        let captions = story
            .narration
            .iter()
            .map(|caption| match (&caption.at, &caption.when) {
                (Some(at), _) => time(at).map(Telling::At),
                (None, Some(text)) => query(text).map(Telling::Once),
                (None, None) => Ok(Telling::At(0)),
            })
            .collect::<Result<_, SpawnError>>()?;
        let checks = story
            .checks
            .iter()
            .map(|spec| {
                let by_ms = match &spec.by {
                    Some(by) => time(by)?,
                    None => u64::MAX,
                };
                let query = query(&spec.that)?;
                Ok(Check { query, by_ms })
            })
            .collect::<Result<_, SpawnError>>()?;
        let bounds = story
            .bounds
            .iter()
            .map(|spec| query(&spec.signal))
            .collect::<Result<_, SpawnError>>()?;
        let events = loaded.scene.events.iter();
        // A scene without events has its budget from the start.
        let first_event_ms = events.filter_map(|e| time(&e.at).ok()).min().or(Some(0));
        Ok(Self(Arc::new(Inner {
            scene: story.clone(),
            when,
            captions,
            checks,
            bounds,
            first_event_ms,
            loaded: loaded.clone(),
        })))
    }

    /// The story as the scene tells it.
    #[must_use]
    pub fn scene(&self) -> &scene::Story {
        &self.0.scene
    }

    /// When a caption is told: a time in ms, or its condition.
    pub fn caption_time(&self, index: usize) -> Result<u64, &str> {
        match self.0.captions.get(index) {
            Some(Telling::At(ms)) => Ok(*ms),
            Some(Telling::Once(query)) => Err(&query.text),
            None => Ok(u64::MAX),
        }
    }

    /// A state for the start of a run.
    pub(crate) fn start(&self) -> StoryState {
        let story = &self.0.scene;
        StoryState {
            fired: vec![None; story.when.len()],
            told: vec![None; story.narration.len()],
            reached_ms: vec![None; story.checks.len()],
            outside_ms: vec![0; story.bounds.len()],
            hints: vec![false; story.hints.len()],
            ..StoryState::default()
        }
    }

    /// Whether nothing is to be watched.
    fn is_empty(&self) -> bool {
        self.0.scene == scene::Story::default()
    }
}

impl StoryState {
    /// Adds a conditional event; returns a line for the event list.
    ///
    /// # Errors
    /// When the condition cannot be read or there are too many.
    pub(crate) fn arm(
        &mut self,
        story: &Story,
        condition: &str,
        then: &Command,
    ) -> Result<String, String> {
        if matches!(then, Command::When { .. }) {
            return Err("a conditional event cannot set off another one".into());
        }
        if self.armed.len() >= ARMED {
            return Err(format!("no more than {ARMED} conditional events"));
        }
        Query::new(condition, &story.0.loaded)?;
        self.armed.push(Armed {
            condition: condition.to_owned(),
            command: then.clone(),
            held: false,
            due: false,
        });
        Ok(format!("Armed: when {condition}"))
    }

    /// Takes the conditional events that are due, as commands with notes.
    pub(crate) fn take_due(&mut self, story: &Story) -> Vec<(Command, String)> {
        let armed: Vec<(Command, String)> = self
            .armed
            .iter_mut()
            .filter_map(|event| {
                let note = format!("When {}", event.condition);
                std::mem::take(&mut event.due).then(|| (event.command.clone(), note))
            })
            .collect();
        std::mem::take(&mut self.pending)
            .into_iter()
            .filter_map(|index| story.0.when.get(index as usize))
            .map(|when| (when.command.clone(), when.note.clone()))
            .chain(armed)
            .collect()
    }
}

/// Watches every condition at the end of a tick.
fn observe(world: &mut World) {
    let story = world.resource::<Story>().clone();
    if story.is_empty() && world.resource::<StoryState>().armed.is_empty() {
        return;
    }
    let inner = &story.0;
    let clock = *world.resource::<SimClock>();
    let (tick, now_ms) = (clock.tick.0, clock.end_ms());
    let mut state = world.resource::<StoryState>().clone();
    for (index, when) in inner.when.iter().enumerate() {
        if state.fired[index].is_none() && when.query.value(world).is_true() {
            state.fired[index] = Some(tick);
            state.pending.push(index as u32);
        }
    }
    watch_armed(world, inner, &mut state);
    for (index, telling) in inner.captions.iter().enumerate() {
        let due = match telling {
            Telling::At(ms) => now_ms > *ms,
            Telling::Once(query) => query.value(world).is_true(),
        };
        if state.told[index].is_none() && due {
            state.told[index] = Some(tick);
        }
    }
    for (index, check) in inner.checks.iter().enumerate() {
        let open = state.reached_ms[index].is_none() && now_ms <= check.by_ms;
        if open && check.query.value(world).is_true() {
            state.reached_ms[index] = Some(now_ms);
        }
    }
    for (index, query) in inner.bounds.iter().enumerate() {
        let spec = &inner.scene.bounds[index];
        let outside = query
            .value(world)
            .number()
            .is_some_and(|v| spec.lo.is_some_and(|lo| v < lo) || spec.hi.is_some_and(|hi| v > hi));
        state.outside_ms[index] += if outside { clock.tick_ms } else { 0 };
    }
    for command in world.resource::<InputLog>().at(tick) {
        if let Command::Hint(index) = command
            && let Some(taken) = state.hints.get_mut(*index as usize)
        {
            *taken = true;
        }
    }
    count_alarms(world.resource::<Alarms>(), inner, now_ms, &mut state);
    let low = inner.scene.abort_below;
    if state.aborted_ms.is_none() && low.is_some_and(|low| Score::of(&story, &state).total < low) {
        state.aborted_ms = Some(now_ms);
    }
    *world.resource_mut::<StoryState>() = state;
}

/// Watches the conditions that a person added.
fn watch_armed(world: &mut World, inner: &Inner, state: &mut StoryState) {
    if state.armed.iter().all(|event| event.held) {
        return;
    }
    world.resource_scope::<ArmedQueries, ()>(|world, mut known| {
        for event in state.armed.iter_mut().filter(|event| !event.held) {
            if !known.0.contains_key(&event.condition)
                && let Ok(query) = Query::new(&event.condition, &inner.loaded)
            {
                known.0.insert(event.condition.clone(), query);
            }
            let query = known.0.get(&event.condition);
            if query.is_some_and(|query| query.value(world).is_true()) {
                (event.held, event.due) = (true, true);
            }
        }
    });
}

/// Counts alarms in the ten minutes after the first event.
fn count_alarms(alarms: &Alarms, inner: &Inner, now_ms: u64, state: &mut StoryState) {
    let Some(first_ms) = inner.first_event_ms else {
        return;
    };
    if now_ms <= first_ms {
        (state.alarms_before, state.raw_before) = (alarms.raised, alarms.raw);
    } else if now_ms <= first_ms + BUDGET_MS {
        state.budget_used = (
            alarms.raised - state.alarms_before,
            alarms.raw - state.raw_before,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Twin, TwinOptions};
    use gridloom_model::scene::{BoundSpec, Caption, CheckSpec, EventAction, WhenSpec};
    use gridloom_units::Tick;

    fn loaded() -> LoadedScene {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../scenes/two_houses.scene.ron"
        );
        gridloom_model::scene::load(path.as_ref()).expect("the scene loads")
    }

    fn twin(loaded: LoadedScene) -> Twin {
        let options = TwinOptions {
            rewindable: true,
            ..TwinOptions::default()
        };
        Twin::new(loaded, options).expect("the scene can be built")
    }

    #[test]
    fn a_story_is_told_scored_and_taken_back_by_a_rewind() {
        let mut scene = loaded();
        let mlmd = scene.scene.mlmds[0].id.clone();
        scene.scene.story = scene::Story {
            narration: vec![Caption {
                at: None,
                when: Some("dark > 0".into()),
                title: "Dark".into(),
                text: String::new(),
                show: None,
                view: None,
                pause: true,
            }],
            when: vec![WhenSpec {
                when: "time >= 00:01".into(),
                action: EventAction::Open(mlmd.clone()),
                note: "opens".into(),
            }],
            checks: vec![CheckSpec {
                text: "saw it".into(),
                that: "dark > 0".into(),
                by: Some("00:02".into()),
                weight: 50.0,
            }],
            bounds: vec![BoundSpec {
                text: "supplied".into(),
                signal: "dark".into(),
                lo: None,
                hi: Some(0.0),
                weight: 50.0,
                per_s: 1.0,
            }],
            ..scene::Story::default()
        };
        let mut twin = twin(scene);
        twin.run_until(Tick(50));
        assert_eq!(twin.view(None).story.told, 0);
        assert_eq!(twin.view(None).story.score.total, 50.0);
        let mut paused = false;
        while twin.tick() < Tick(75) {
            twin.step();
            paused |= twin.stopped_by_caption();
        }
        let view = twin.view(None);
        assert!(paused && view.story.told == 1);
        assert_eq!(view.story.caption.map(|c| c.title), Some("Dark".into()));
        let score = view.story.score;
        assert!(score.parts[1].done, "{score:?}");
        assert!(score.total < 100.0 && score.total > 80.0, "{score:?}");
        twin.seek(Tick(50));
        assert_eq!(twin.view(None).story.score.total, 50.0);
        twin.run_until(Tick(75));
        assert_eq!(twin.view(None).story.score, score);
        assert_eq!(twin.divergence(), None);
    }

    #[test]
    fn an_armed_event_acts_once_and_rewinds() {
        let mut twin = twin(loaded());
        twin.send(Command::When {
            condition: "time >= 00:02".into(),
            then: Box::new(Command::SetCloud(300)),
        });
        let cloud = Query::new("cloud", twin.scene()).expect("known");
        twin.run_until(Tick(115));
        assert_eq!(twin.value(&cloud).number(), Some(1.0));
        twin.run_until(Tick(130));
        assert_eq!(twin.value(&cloud).number(), Some(0.3));
        twin.send(Command::SetCloud(900));
        twin.run_until(Tick(140));
        assert_eq!(twin.value(&cloud).number(), Some(0.9), "it acts once");
        twin.send(Command::When {
            condition: "nonsense(1".into(),
            then: Box::new(Command::SetCloud(1)),
        });
        twin.step();
        let refused = twin.view(None).rejections;
        assert!(
            refused.last().is_some_and(|r| r.contains("nonsense")),
            "{refused:?}"
        );
        twin.seek(Tick(100));
        twin.run_until(Tick(141));
        assert_eq!(twin.divergence(), None);
    }
}
