//! Somebody at the interface: passes with key presses and clicks over a running
//! twin, without window or device. What can be pressed is found by the names
//! that assistive technology reads, so a control without a name cannot be used.

use std::sync::Arc;

use egui::accesskit::{Action, Role};
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, pos2, vec2};
use gridloom_core::Twin;
use gridloom_core::playback::{PlaybackCommand, PlaybackState};
use gridloom_core::view::ViewModel;
use gridloom_units::Tick;

use crate::window::desk::Desk;
use crate::window::state::{UiAction, UiState};
use crate::window::text::{self, Painted};
use crate::window::theme::{Theme, ThemeName, Themes};
use crate::window::{app, fonts, ui};

/// A control or text as assistive technology sees it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name; empty without one.
    pub name: String,
    /// Where it is.
    pub rect: Rect,
    /// Whether it can be clicked.
    pub clicks: bool,
    /// What it is.
    pub role: Role,
}

/// The interface with somebody at it.
pub struct Robot {
    ctx: egui::Context,
    themes: Themes,
    /// What stands beside the moment.
    pub desk: Desk,
    /// The window's own state.
    pub state: UiState,
    /// What time does.
    pub playback: PlaybackState,
    /// What is shown.
    pub view: Arc<ViewModel>,
    /// Size of the window, px.
    pub size: (f32, f32),
    /// Requests so far.
    pub actions: Vec<UiAction>,
    /// Clicks so far.
    pub clicks: usize,
    /// Keys pressed so far.
    pub keys: usize,
    /// Controls of the last pass.
    pub nodes: Vec<Node>,
    /// Shapes of the last pass.
    pub shapes: Vec<egui::epaint::ClippedShape>,
    events: Vec<Event>,
    pointer: Option<Pos2>,
}

impl Robot {
    /// In front of a view.
    pub fn new(view: Arc<ViewModel>, size: (f32, f32)) -> Self {
        text::log_on();
        let ctx = egui::Context::default();
        fonts::install(&ctx);
        ctx.enable_accesskit();
        let mut robot = Self {
            ctx,
            themes: Themes::built_in(),
            desk: Desk::default(),
            state: UiState::default(),
            playback: PlaybackState {
                speed: 60.0,
                playing: true,
                ..PlaybackState::default()
            },
            view,
            size,
            actions: Vec::new(),
            clicks: 0,
            keys: 0,
            nodes: Vec::new(),
            shapes: Vec::new(),
            events: Vec::new(),
            pointer: None,
        };
        robot.state.reduce_motion = true;
        robot.settle();
        robot
    }

    /// One pass of the whole interface.
    pub fn pass(&mut self) {
        let theme = self.themes.get(self.state.theme);
        self.ctx.set_visuals(theme.visuals());
        let scale = self.state.zoom(self.size);
        self.ctx.set_zoom_factor(scale);
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(
                Pos2::ZERO,
                vec2(self.size.0, self.size.1) / scale,
            )),
            events: std::mem::take(&mut self.events),
            focused: true,
            ..Default::default()
        };
        let (view, desk) = (Arc::clone(&self.view), self.desk.clone());
        let shown = ui::Shown {
            view: &view,
            playback: self.playback,
            desk: &desk,
            themes: &self.themes,
            paint_world: true,
        };
        let (state, actions) = (&mut self.state, &mut self.actions);
        let output = self.ctx.run_ui(input, |root| {
            let mut place = app::root(root.ctx());
            actions.extend(ui::show(&mut place, &shown, state));
        });
        self.shapes = output.shapes;
        let update = output.platform_output.accesskit_update;
        self.nodes = update.map_or_else(Vec::new, |update| {
            let nodes = update.nodes.into_iter();
            nodes
                .filter_map(|(_, node)| {
                    let b = node.bounds()?;
                    let name = node.label().or(node.value()).unwrap_or_default();
                    Some(Node {
                        name: name.to_owned(),
                        rect: Rect::from_min_max(
                            pos2(b.x0 as f32, b.y0 as f32),
                            pos2(b.x1 as f32, b.y1 as f32),
                        ),
                        clicks: node.supports_action(Action::Click),
                        role: node.role(),
                    })
                })
                .collect()
        });
    }

    /// Passes until everything that was asked for shows.
    pub fn settle(&mut self) {
        for _ in 0..3 {
            self.pass();
        }
    }

    /// Text painted in the last pass.
    pub fn texts(&self) -> Vec<Painted> {
        text::painted(&self.ctx)
    }

    /// Whether some painted text contains these words.
    pub fn says(&self, words: &str) -> bool {
        self.texts().iter().any(|t| t.text.contains(words))
    }

    /// The first control that can be clicked and whose name contains the words.
    pub fn find(&self, words: &str) -> Option<Node> {
        let mut all = self.nodes.iter();
        all.find(|n| n.clicks && n.role != Role::Label && n.name.contains(words))
            .cloned()
    }

    /// Clicks at a place.
    pub fn click_at(&mut self, at: Pos2) {
        self.clicks += 1;
        self.move_to(at);
        for pressed in [true, false] {
            self.events.push(Event::PointerButton {
                pos: at,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
            self.pass();
        }
        self.settle();
    }

    /// Clicks a control by its name; `false` when there is none.
    pub fn click(&mut self, words: &str) -> bool {
        let Some(node) = self.find(words) else {
            return false;
        };
        self.click_at(node.rect.center());
        true
    }

    fn move_to(&mut self, at: Pos2) {
        self.pointer = Some(at);
        self.events.push(Event::PointerMoved(at));
        self.pass();
    }

    /// Turns the wheel over a place.
    pub fn scroll(&mut self, at: Pos2, by: f32) {
        if self.pointer != Some(at) {
            self.move_to(at);
        }
        self.events.push(Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: vec2(0.0, by),
            phase: egui::TouchPhase::Move,
            modifiers: Modifiers::NONE,
        });
        // The wheel is smoothed over some passes.
        for _ in 0..12 {
            self.pass();
        }
    }

    /// Presses a key.
    pub fn key(&mut self, key: Key, modifiers: Modifiers) {
        self.keys += 1;
        for pressed in [true, false] {
            self.events.push(Event::Key {
                key,
                physical_key: None,
                pressed,
                repeat: false,
                modifiers,
            });
        }
        self.settle();
    }

    /// Types letters into what has the focus.
    pub fn letters(&mut self, words: &str) {
        self.keys += words.chars().count();
        self.events.push(Event::Text(words.to_owned()));
        self.settle();
    }

    /// Carries out what was asked for on a twin; returns whether anything was.
    pub fn serve(&mut self, twin: &mut Twin) -> bool {
        let asked = std::mem::take(&mut self.actions);
        for action in &asked {
            match action {
                UiAction::Playback(PlaybackCommand::Seek(tick)) => twin.seek(*tick),
                UiAction::Playback(PlaybackCommand::Step(by)) => {
                    twin.seek(Tick(twin.tick().0.saturating_add_signed(*by)));
                }
                UiAction::Command(command) => {
                    twin.send(command.clone());
                    twin.step();
                    twin.step();
                }
                _ => {}
            }
        }
        self.view = Arc::new(twin.view(self.state.selected));
        self.settle();
        !asked.is_empty()
    }

    /// Tokens of a theme.
    pub fn theme(&self, name: ThemeName) -> &Theme {
        self.themes.get(name)
    }

    /// Width of a piece of text in one of the typefaces, px.
    pub fn width(&self, font: egui::FontId, words: &str) -> f32 {
        let job = |fonts: &mut egui::epaint::FontsView<'_>| {
            fonts.layout_no_wrap(words.to_owned(), font.clone(), egui::Color32::WHITE)
        };
        self.ctx.fonts_mut(job).size().x
    }
}
