//! Captions, script, score and alarm budget for the view.

use bevy::prelude::*;
use gridloom_units::{SimTime, Tick};

use super::SceneFacts;
use crate::clock::SimClock;
use crate::input::Script;
use crate::story::{Score, Story, StoryState};
use crate::view::{CaptionView, SceneView, ScriptEntry, Selected, StoryView};

/// Script entries shown at most.
const ENTRIES: usize = 200;

/// The object of the scene with an id.
#[must_use]
pub fn find(scene: &SceneView, id: &str) -> Option<Selected> {
    let homes = scene.homes.iter().position(|h| h.id == id);
    let batteries = || scene.shared_batteries.iter().position(|b| b.id == id);
    let mlmds = || scene.mlmds.iter().position(|m| m.id == id);
    let clusters = || {
        let of = |c: &crate::view::ClusterView| c.aggregator == id || c.id == id;
        scene.clusters.iter().position(of)
    };
    let transformers = || scene.transformers.iter().position(|t| t.name == id);
    let lines = || scene.lines.iter().position(|l| l.name == id);
    homes
        .map(Selected::Home)
        .or_else(|| batteries().map(Selected::SharedBattery))
        .or_else(|| mlmds().map(Selected::Mlmd))
        .or_else(|| clusters().map(Selected::Aggregator))
        .or_else(|| transformers().map(Selected::Transformer))
        .or_else(|| lines().map(Selected::Line))
}

/// Fills the story.
pub(super) fn view(world: &World) -> StoryView {
    let story = world.resource::<Story>();
    let state = world.resource::<StoryState>();
    let scene = world.resource::<SceneFacts>().view();
    let spec = story.scene();
    let newest = state
        .told
        .iter()
        .enumerate()
        .filter_map(|(index, told)| told.map(|tick| (tick, index)))
        .max();
    let caption = newest.and_then(|(tick, index)| {
        let caption = spec.narration.get(index)?;
        Some(CaptionView {
            index,
            title: caption.title.clone(),
            text: caption.text.clone(),
            show: caption.show.as_deref().and_then(|id| find(&scene, id)),
            view: caption.view,
            pause: caption.pause,
            told: Tick(tick),
        })
    });
    StoryView {
        number: spec.number.clone(),
        objective: scene.objective.clone(),
        script: script(world, story, state),
        caption,
        told: state.told.iter().flatten().count(),
        score: Score::of(story, state),
        hints: spec
            .hints
            .iter()
            .zip(&state.hints)
            .map(|(hint, taken)| (hint.text.clone(), hint.penalty, *taken))
            .collect(),
        abort_below: spec.abort_below,
        aborted: state.aborted_ms.map(SimTime),
        alarm_budget: spec.alarm_budget,
        budget_used: state.budget_used,
        debrief: spec
            .debrief
            .iter()
            .map(|q| (q.ask.clone(), q.answer.clone()))
            .collect(),
    }
}

/// Events, captions and conditions on one line of time.
fn script(world: &World, story: &Story, state: &StoryState) -> Vec<ScriptEntry> {
    let clock = world.resource::<SimClock>();
    let spec = story.scene();
    let mut entries: Vec<ScriptEntry> = world
        .resource::<Script>()
        .entries()
        .map(|(tick, note)| ScriptEntry {
            at: Some(SimTime(tick * clock.tick_ms)),
            when: None,
            text: note.to_owned(),
            says: false,
            done: tick < clock.tick.0,
        })
        .collect();
    for (index, caption) in spec.narration.iter().enumerate() {
        let time = story.caption_time(index);
        entries.push(ScriptEntry {
            at: time.ok().map(SimTime),
            when: time.err().map(str::to_owned),
            text: caption.title.clone(),
            says: true,
            done: state.told.get(index).is_some_and(Option::is_some),
        });
    }
    for (index, when) in spec.when.iter().enumerate() {
        entries.push(ScriptEntry {
            at: None,
            when: Some(when.when.clone()),
            text: when.note.clone(),
            says: false,
            done: state.fired.get(index).is_some_and(Option::is_some),
        });
    }
    entries.sort_by_key(|entry| (entry.at.is_none(), entry.at));
    entries.truncate(ENTRIES);
    entries
}
