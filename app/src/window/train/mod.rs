//! The Train workspace: scenes, captions, events, score; and presenting.

mod caption;
mod instructor;
mod library;
mod palette;
mod script;

use egui::{Rect, Ui};
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::Selected;
use gridloom_model::scene::ViewName;
use gridloom_units::Tick;

use super::map;
use super::panels::{self, transport};
use super::state::WorldView;
use super::ui::{self, Cx, Part, Skeleton};

pub use self::palette::EVENTS;

/// What the workspace remembers.
#[derive(Clone, Debug, Default)]
pub struct TrainState {
    /// World and captions only, driven by two keys.
    pub presenter: bool,
    /// Event of the palette that waits for its second step.
    pub event: Option<usize>,
    /// Condition of an event that shall wait; empty = act now.
    pub condition: String,
    /// Captions told when the last one was followed.
    pub told: usize,
    /// What the caption rings.
    pub ring: Option<Selected>,
    /// Whether answers of the debrief are shown.
    pub answers: bool,
    /// Whether the next scene plays by itself.
    pub autopilot: bool,
}

/// Follows a caption that was told since the last pass: view, ring, camera.
pub fn follow(cx: &mut Cx<'_>) {
    let told = cx.view.story.told;
    if told == cx.state.train.told {
        return;
    }
    cx.state.train.told = told;
    let Some(caption) = &cx.view.story.caption else {
        cx.state.train.ring = None;
        return;
    };
    cx.state.train.ring = caption.show;
    cx.state.map.drawn = None;
    let watching = cx.state.train.presenter || cx.state.workspace == super::state::Workspace::Train;
    if !watching {
        return;
    }
    if let Some(view) = caption.view {
        let to = match view {
            ViewName::SingleLine => WorldView::SingleLine,
            ViewName::Neighbourhood => WorldView::Neighbourhood,
            ViewName::Layers => WorldView::Layers,
        };
        cx.state.morph.turn(to, cx.state.reduce_motion);
    }
    if caption.show.is_some() {
        cx.select(caption.show);
    }
}

/// Next step of the story: on from a pause, else to the next thing on the script.
pub fn forward(cx: &mut Cx<'_>) {
    if !cx.playback.playing {
        transport::send(cx, PlaybackCommand::Play);
        return;
    }
    let next = cx
        .view
        .story
        .script
        .iter()
        .filter(|entry| !entry.done)
        .find_map(|entry| entry.at);
    if let Some(at) = next {
        let tick_ms = cx.view.scene.tick_ms.max(1);
        transport::send(cx, PlaybackCommand::Seek(Tick(at.0 / tick_ms + 1)));
    }
}

/// Back to the caption before the shown one.
pub fn back(cx: &mut Cx<'_>) {
    let now = cx.view.time;
    let told = cx.view.story.caption.as_ref().map(|c| c.told);
    let before = cx
        .view
        .story
        .script
        .iter()
        .filter(|entry| entry.says)
        .filter_map(|entry| entry.at)
        .filter(|at| *at < now)
        .filter(|at| told.is_none_or(|t| at.0 < t.start(cx.view.scene.tick_ms).0))
        .max();
    let tick_ms = cx.view.scene.tick_ms.max(1);
    let target = before.map_or(0, |at| at.0 / tick_ms + 1);
    transport::send(cx, PlaybackCommand::Seek(Tick(target)));
}

/// Shows the workspace.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    let banner = ui::needs_banner(cx);
    let right_w = if cx.compact { 296.0 } else { 336.0 };
    let skeleton = Skeleton::with_right(full, cx.compact, banner, right_w);
    cx.state.world_rect = Some(skeleton.world);
    map::world(ui, cx, skeleton.world);
    caption::show(ui, cx, skeleton.world);
    if banner {
        panels::banner::show(ui, cx, skeleton.banner);
    }
    ui::parts(
        ui,
        cx,
        &[
            (skeleton.status, panels::status::show as Part),
            (skeleton.left, library::show),
            (skeleton.right, instructor::show),
            (skeleton.strip, script::show),
            (skeleton.transport, panels::transport::show),
            (skeleton.tape, panels::tape::show),
        ],
    );
    ui::edges(ui, &skeleton, cx.theme);
}

/// World and captions over the whole window, for an audience.
pub fn presenter(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    cx.state.world_rect = Some(full);
    map::world(ui, cx, full);
    caption::clock(ui, cx, full);
    caption::show(ui, cx, full);
}
