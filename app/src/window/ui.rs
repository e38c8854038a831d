//! Where every part of a workspace stands.

use egui::{Align2, CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackState;
use gridloom_core::view::{AlarmState, AlarmView, Priority, Selected, ViewModel};

use super::desk::Desk;
use super::panels;
use super::state::{UiAction, UiState, Workspace};
use super::text::{self, Style};
use super::theme::{Theme, Themes};
use super::{dialogs, engineer, input, map, train};

/// What a panel may read and write.
pub struct Cx<'a> {
    /// The world at the shown tick.
    pub view: &'a ViewModel,
    /// What time does.
    pub playback: PlaybackState,
    /// What stands beside the shown moment.
    pub desk: &'a Desk,
    /// Tokens of the shown theme.
    pub theme: &'a Theme,
    /// The window's own state.
    pub state: &'a mut UiState,
    /// Requests made in this pass.
    pub actions: Vec<UiAction>,
    /// Whether the window is nearer to 1280×720 than to 1920×1080.
    pub compact: bool,
    /// Whether things move in this frame.
    pub moving: bool,
    /// Whether the world is painted through egui as well (tests without a renderer).
    pub paint_world: bool,
}

impl Cx<'_> {
    /// Selects an entity and forgets a half-done operation.
    pub fn select(&mut self, what: Option<Selected>) {
        self.state.selected = what;
        self.state.pending = None;
        self.actions.push(UiAction::Select(what));
    }

    /// Sends a command to the world.
    pub fn command(&mut self, command: gridloom_core::Command) {
        self.actions.push(UiAction::Command(command));
    }

    /// A button with an optional key name; returns whether it was pressed.
    pub fn button(&self, ui: &Ui, rect: Rect, words: &str, key: &str, enabled: bool) -> bool {
        self.any_button(ui, rect, words, key, enabled, false)
    }

    /// The one button of a group that is the next step.
    pub fn primary(&self, ui: &Ui, rect: Rect, words: &str, key: &str) -> bool {
        self.any_button(ui, rect, words, key, true, true)
    }

    fn any_button(
        &self,
        ui: &Ui,
        rect: Rect,
        words: &str,
        key: &str,
        enabled: bool,
        primary: bool,
    ) -> bool {
        let id = ui
            .id()
            .with(("button", words, rect.min.x as i32, rect.min.y as i32));
        let response = ui.interact(
            rect,
            id,
            if enabled {
                egui::Sense::click()
            } else {
                egui::Sense::hover()
            },
        );
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, enabled, words));
        let theme = self.theme;
        let (fill, edge, ink) = match (primary, enabled) {
            (true, _) => (theme.text1, theme.text1, theme.base),
            (false, true) if response.hovered() || response.has_focus() => {
                (theme.edge, theme.text3, theme.text1)
            }
            (false, true) => (theme.raised, theme.edge, theme.text1),
            (false, false) => (theme.panel, theme.rule, theme.text3),
        };
        ui.painter().rect(
            rect,
            CornerRadius::same(4),
            fill,
            Stroke::new(1.0, edge),
            StrokeKind::Inside,
        );
        let style = Style::body(12.0, ink);
        if key.is_empty() {
            text::text_within(
                ui,
                rect.center(),
                Align2::CENTER_CENTER,
                &style,
                rect.width() - 8.0,
                words,
            );
        } else {
            let key_ink = if primary { theme.raised } else { theme.text3 };
            let shown = text::text(
                ui,
                rect.right_center() - vec2(8.0, 0.0),
                Align2::RIGHT_CENTER,
                &Style::mono(11.0, key_ink),
                key,
            );
            let room = shown.min.x - rect.min.x - 14.0;
            text::text_within(
                ui,
                rect.left_center() + vec2(10.0, 0.0),
                Align2::LEFT_CENTER,
                &style,
                room,
                words,
            );
        }
        response.clicked()
    }
}

/// Rectangles of the workspace.
#[derive(Clone, Copy, Debug)]
pub struct Skeleton {
    /// Status bar.
    pub status: Rect,
    /// Left panel.
    pub left: Rect,
    /// Right panel.
    pub right: Rect,
    /// Banner of the most urgent alarm; empty without one.
    pub banner: Rect,
    /// World.
    pub world: Rect,
    /// Strip a to e with the ledger lag.
    pub strip: Rect,
    /// Transport, left end of the time bar.
    pub transport: Rect,
    /// Tape, right of it.
    pub tape: Rect,
}

impl Skeleton {
    /// Divides the window; the design's measures at 1920×1080.
    pub fn of(full: Rect, compact: bool, banner: bool) -> Self {
        let right_w = if compact { 296.0 } else { 352.0 };
        Self::with_right(full, compact, banner, right_w)
    }

    /// As [`Self::of`], with a right panel of this width.
    pub fn with_right(full: Rect, compact: bool, banner: bool, right_w: f32) -> Self {
        let (left_w, tape_h) = if compact {
            (232.0, 84.0)
        } else {
            (296.0, 132.0)
        };
        let strip_h = if compact { 36.0 } else { 44.0 };
        let status = Rect::from_min_max(full.min, pos2(full.max.x, full.min.y + 40.0));
        let tape_y = full.max.y - tape_h;
        let strip_y = tape_y - strip_h;
        let left = Rect::from_min_max(
            pos2(full.min.x, status.max.y),
            pos2(full.min.x + left_w, strip_y),
        );
        let right = Rect::from_min_max(
            pos2(full.max.x - right_w, status.max.y),
            pos2(full.max.x, strip_y),
        );
        let top = status.max.y + if banner { 40.0 } else { 0.0 };
        Self {
            status,
            left,
            right,
            banner: Rect::from_min_max(pos2(left.max.x, status.max.y), pos2(right.min.x, top)),
            world: Rect::from_min_max(pos2(left.max.x, top), pos2(right.min.x, strip_y)),
            strip: Rect::from_min_max(pos2(full.min.x, strip_y), pos2(full.max.x, tape_y)),
            transport: Rect::from_min_max(
                pos2(full.min.x, tape_y),
                pos2(full.min.x + left_w, full.max.y),
            ),
            tape: Rect::from_min_max(pos2(full.min.x + left_w, tape_y), full.max),
        }
    }
}

/// The most urgent active alarm that a person has not seen yet.
pub fn banner_alarm(view: &ViewModel) -> Option<&AlarmView> {
    view.alarms.iter().find(|alarm| {
        alarm.active && alarm.priority == Priority::P1 && alarm.state == AlarmState::Unacknowledged
    })
}

/// What a whole pass shows.
pub struct Shown<'a> {
    /// The world at the shown tick.
    pub view: &'a ViewModel,
    /// What time does.
    pub playback: PlaybackState,
    /// What stands beside the shown moment.
    pub desk: &'a Desk,
    /// Both themes.
    pub themes: &'a Themes,
    /// Whether the world is painted through egui as well (tests without a renderer).
    pub paint_world: bool,
}

/// Shows the whole window once; returns what the person asked for.
pub fn show(ui: &mut Ui, shown: &Shown<'_>, state: &mut UiState) -> Vec<UiAction> {
    let presented = shown.themes.get(state.theme).presented();
    let theme = if state.train.presenter {
        &presented
    } else {
        shown.themes.get(state.theme)
    };
    let full = ui.max_rect();
    let compact = full.width() < 1_600.0 || full.height() < 880.0;
    let moving = shown.playback.playing && !state.reduce_motion;
    let mut cx = Cx {
        view: shown.view,
        playback: shown.playback,
        desk: shown.desk,
        theme,
        state,
        actions: Vec::new(),
        compact,
        moving,
        paint_world: shown.paint_world,
    };
    input::keys(ui, &mut cx);
    train::follow(&mut cx);
    if cx.state.train.presenter {
        train::presenter(ui, &mut cx, full);
    } else {
        match cx.state.workspace {
            Workspace::Operate => operate(ui, &mut cx, full),
            Workspace::Train => train::show(ui, &mut cx, full),
            Workspace::Engineer => engineer::show(ui, &mut cx, full),
        }
    }
    dialogs::show(ui, &mut cx, full);
    panels::devices::show(ui, &mut cx);
    panels::nodes::show(ui, &mut cx);
    std::mem::take(&mut cx.actions)
}

/// A part of the window.
pub type Part = fn(&mut Ui, &mut Cx<'_>, Rect);

/// Shows parts on panel ground, each clipped to its place.
pub fn parts(ui: &mut Ui, cx: &mut Cx<'_>, parts: &[(Rect, Part)]) {
    for (rect, show) in parts {
        let mut part = ui.new_child(
            egui::UiBuilder::new()
                .max_rect(*rect)
                .id_salt(rect.min.x as i32 * 7_919 + rect.min.y as i32),
        );
        part.set_clip_rect(*rect);
        part.painter().rect_filled(*rect, 0.0, cx.theme.panel);
        show(&mut part, cx, *rect);
    }
}

/// Whether a banner is needed: an urgent alarm, or a silent alarm engine.
pub fn needs_banner(cx: &Cx<'_>) -> bool {
    cx.state.watchdog.silent() || banner_alarm(cx.view).is_some()
}

fn operate(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    let banner = needs_banner(cx);
    let skeleton = Skeleton::of(full, cx.compact, banner);
    cx.state.world_rect = Some(skeleton.world);
    map::world(ui, cx, skeleton.world);
    if banner {
        panels::banner::show(ui, cx, skeleton.banner);
    }
    parts(
        ui,
        cx,
        &[
            (skeleton.status, panels::status::show as Part),
            (skeleton.left, panels::left),
            (skeleton.right, panels::right),
            (skeleton.strip, panels::strip::show),
            (skeleton.transport, panels::transport::show),
            (skeleton.tape, panels::tape::show),
        ],
    );
    edges(ui, &skeleton, cx.theme);
}

/// One-pixel rules between the parts.
pub fn edges(ui: &Ui, s: &Skeleton, theme: &Theme) {
    let stroke = Stroke::new(1.0, theme.rule);
    let painter = ui.painter();
    for y in [s.status.max.y, s.strip.min.y, s.tape.min.y] {
        painter.line_segment(
            [pos2(s.status.min.x, y - 0.5), pos2(s.status.max.x, y - 0.5)],
            stroke,
        );
    }
    painter.line_segment(
        [
            s.left.right_top() - vec2(0.5, 0.0),
            s.left.right_bottom() - vec2(0.5, 0.0),
        ],
        stroke,
    );
    painter.line_segment(
        [
            s.right.left_top() + vec2(0.5, 0.0),
            s.right.left_bottom() + vec2(0.5, 0.0),
        ],
        stroke,
    );
    painter.line_segment(
        [
            s.tape.left_top() + vec2(0.5, 0.0),
            s.tape.left_bottom() + vec2(0.5, 0.0),
        ],
        stroke,
    );
}
