//! The window without a renderer: panels, keys and map through a test harness.

mod colour;
mod panels;
mod raster;
mod scene;

use std::sync::Arc;

use egui_kittest::Harness;
use gridloom_core::playback::PlaybackState;
use gridloom_core::view::ViewModel;

use super::desk::Desk;
use super::fixture;
use super::state::{UiAction, UiState};
use super::text::{self, Painted};
use super::theme::Themes;
use super::{fonts, ui};

/// What a test shows and collects.
struct Shown {
    view: ViewModel,
    playback: PlaybackState,
    desk: Desk,
    ui: UiState,
    themes: Themes,
    ready: bool,
    actions: Vec<UiAction>,
}

impl Shown {
    fn new(view: ViewModel) -> Self {
        Self {
            view,
            playback: PlaybackState {
                speed: 60.0,
                ..PlaybackState::default()
            },
            desk: Desk::default(),
            ui: UiState::default(),
            themes: Themes::built_in(),
            ready: false,
            actions: Vec::new(),
        }
    }
}

/// A day of the small network at an hour.
fn at(hour: f64) -> ViewModel {
    fixture::view(Arc::new(fixture::scene(&fixture::street())), hour, &[])
}

fn window(shown: Shown, size: (f32, f32)) -> Harness<'static, Shown> {
    let mut harness = Harness::builder()
        .with_size(egui::vec2(size.0, size.1))
        .build_ui_state(
            |ui, shown: &mut Shown| {
                if !shown.ready {
                    fonts::install(ui.ctx());
                    shown.ready = true;
                    return;
                }
                let mut root = egui::Ui::new(
                    ui.ctx().clone(),
                    egui::Id::new("gridloom"),
                    egui::UiBuilder::new()
                        .layer_id(egui::LayerId::background())
                        .max_rect(ui.ctx().viewport_rect()),
                );
                let Shown {
                    view,
                    playback,
                    desk,
                    ui,
                    themes,
                    actions,
                    ..
                } = shown;
                let pass = ui::Shown {
                    view,
                    playback: *playback,
                    desk,
                    themes,
                    paint_world: true,
                };
                actions.extend(ui::show(&mut root, &pass, ui));
            },
            shown,
        );
    harness.run_steps(3);
    harness
}

/// Text painted in the last pass.
fn painted(harness: &Harness<'_, Shown>) -> Vec<Painted> {
    text::painted(&harness.ctx)
}

/// The sizes that must hold: smallest, the window's own, the design's.
const SIZES: [(f32, f32); 3] = [(1_280.0, 720.0), (1_600.0, 900.0), (1_920.0, 1_080.0)];
