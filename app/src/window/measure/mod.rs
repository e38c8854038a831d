//! Figures about the window for `gridloom check room`; nothing here is shown.

pub mod fit;
pub mod frames;
pub mod grey;
pub mod reach;
mod robot;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gridloom_core::playback::PlaybackState;
use gridloom_core::view::ViewModel;

use crate::window::commands::COMMANDS;
use crate::window::desk::Desk;
use crate::window::map::cache::MapCache;
use crate::window::map::camera::{Projection, Transform};
use crate::window::map::{hit, place, ribbons};
use crate::window::plot::Pyramid;
use crate::window::state::{UiState, Watchdog};
use crate::window::theme::{ThemeName, Themes, linear, luminance};
use crate::window::{app, fonts, train, ui};

/// How the drawn flows compare with the solved ones.
pub struct FlowTruth {
    /// Conductors drawn against their power.
    pub signs: usize,
    /// Largest difference of a drawn run's middle, kW.
    pub worst_kw: f64,
    /// Runs above 1 % of their rating whose direction shows in a still picture, %.
    pub readable_pct: f64,
}

/// Compares what would be drawn with the solution.
pub fn flow_truth(view: &ViewModel) -> FlowTruth {
    let mut cache = MapCache::default();
    cache.follow(view);
    cache.read_flows(view);
    let area = egui::Rect::from_min_size(egui::pos2(0.0, 0.0), egui::vec2(1_272.0, 864.0));
    let transform = Transform {
        camera: place::fit(&cache.net, area.shrink(60.0)),
        middle: area.center(),
        ground: Projection::default(),
    };
    let placed = cache.placed(view, transform, transform, area);
    let (mut signs, mut worst) = (0, 0.0_f64);
    for (run, flow) in cache.net.runs.iter().zip(&cache.flows) {
        let middle = run.lines.len() / 2;
        let (Some(&line), Some(&along)) = (run.lines.get(middle), run.along.get(middle)) else {
            continue;
        };
        let solved = view.grid.line_p_kw.get(line).copied().unwrap_or(0.0);
        let drawn = if along { flow.p_kw } else { -flow.p_kw };
        signs += usize::from(solved * drawn < 0.0);
        worst = worst.max((solved - drawn).abs());
    }
    let (shown, all) = ribbons::readable(&cache.flows, &cache.net, &placed);
    FlowTruth {
        signs,
        worst_kw: worst,
        readable_pct: shown as f64 * 100.0 / all.max(1) as f64,
    }
}

/// Most keystrokes to any asset by the palette: Ctrl K, its id, Enter.
pub fn palette_keys(view: &ViewModel) -> usize {
    let order = hit::tab_order(&view.scene);
    let longest = order
        .into_iter()
        .map(|what| hit::name(&view.scene, what).chars().count())
        .max();
    longest.unwrap_or(0) + 2
}

/// Wall time after which a silent alarm engine shows, s, at sixty frames a second.
pub fn watchdog_s() -> f64 {
    let mut watchdog = Watchdog::default();
    let mut wall = 0.0;
    let mut tick = 1;
    watchdog.look(1_000, tick, 1.0 / 60.0);
    while !watchdog.silent() && wall < 60.0 {
        tick += 1;
        wall += 1.0 / 60.0;
        watchdog.look(1_000, tick, 1.0 / 60.0);
    }
    wall
}

/// Commands of the palette, and those with a key.
pub fn commands() -> (usize, usize) {
    let with_key = COMMANDS.iter().filter(|c| c.keys.is_some()).count();
    (COMMANDS.len(), with_key)
}

/// Kinds of events a trainer can insert.
pub fn events() -> usize {
    train::EVENTS.len()
}

/// Building pyramids over eight million samples, and one zoom over all, ms.
pub fn million() -> (f64, f64) {
    let begun = Instant::now();
    let pyramids: Vec<Pyramid> = (0..8_u32)
        .map(|k| {
            let wave = |i: u32| ((i.wrapping_mul(2_654_435_761 + k)) >> 8) as f32;
            Pyramid::new((0..1_000_000).map(wave).collect())
        })
        .collect();
    let build = begun.elapsed().as_secs_f64() * 1_000.0;
    let mut worst = 0.0_f64;
    for zoom in 0..8 {
        let width = 1_000_000.0 / f64::from(1 << zoom);
        // The best of five: other work on the machine is not the plot's.
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let begun = Instant::now();
            for pyramid in &pyramids {
                std::hint::black_box(pyramid.columns((1_234.0, 1_234.0 + width), 500));
            }
            best = best.min(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        worst = worst.max(best);
    }
    (build, worst)
}

/// Smallest contrast of text and of graphics on their grounds, both themes.
pub fn contrast() -> (f64, f64) {
    let themes = Themes::built_in();
    let ratio = |a, b| {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    };
    let (mut text, mut graphics) = (f64::INFINITY, f64::INFINITY);
    for name in [ThemeName::Night, ThemeName::Day] {
        let t = themes.get(name);
        for ground in [t.base, t.panel] {
            for ink in [t.text1, t.text2, t.text3] {
                text = text.min(ratio(ink, ground));
            }
            for ink in [t.energised, t.ledger, t.data, t.alarm1, t.alarm3] {
                graphics = graphics.min(ratio(ink, ground));
            }
        }
    }
    (text, graphics)
}

/// First pass and mean of the following passes of the whole interface, ms; the
/// world is laid out, but not sent to a graphics device.
pub fn panels(view: &ViewModel, passes: u32) -> (f64, f64) {
    let ctx = egui::Context::default();
    fonts::install(&ctx);
    let themes = Themes::built_in();
    let desk = Desk::default();
    let mut state = UiState::default();
    let playback = PlaybackState {
        speed: 60.0,
        ..PlaybackState::default()
    };
    let mut once = |view: &ViewModel| {
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(
                egui::pos2(0.0, 0.0),
                egui::vec2(1_920.0, 1_080.0),
            )),
            ..Default::default()
        };
        let begun = Instant::now();
        let output = ctx.run_ui(input, |root| {
            let mut ui = app::root(root.ctx());
            let shown = ui::Shown {
                view,
                playback,
                desk: &desk,
                themes: &themes,
                paint_world: false,
            };
            std::hint::black_box(ui::show(&mut ui, &shown, &mut state));
        });
        std::hint::black_box(output);
        begun.elapsed().as_secs_f64() * 1_000.0
    };
    // The typefaces are there from the second pass on.
    once(view);
    let first = once(view);
    let sum: f64 = (0..passes.max(1)).map(|_| once(view)).sum();
    (first, sum / f64::from(passes.max(1)))
}

/// Passes of the whole interface a second, over what a session has newest.
pub fn passes_per_s(latest: &mut dyn FnMut() -> Arc<ViewModel>, wall: Duration) -> f64 {
    let mut robot = robot::Robot::new(latest(), (1_920.0, 1_080.0));
    robot.state.reduce_motion = false;
    let begun = Instant::now();
    let mut passes = 0_u32;
    while begun.elapsed() < wall {
        robot.view = latest();
        robot.pass();
        passes += 1;
    }
    f64::from(passes) / begun.elapsed().as_secs_f64()
}

/// Share of the pixels of a picture with a chroma C* above 40 (CIELAB, D65), %.
///
/// # Errors
/// When the file is no picture.
pub fn saturated_pct(file: &Path) -> Result<f64> {
    let picture = image::open(file)
        .with_context(|| file.display().to_string())?
        .to_rgb8();
    let all = f64::from(picture.width()) * f64::from(picture.height());
    let loud = picture
        .pixels()
        .filter(|p| chroma(egui::Color32::from_rgb(p[0], p[1], p[2])) > 40.0)
        .count();
    Ok(loud as f64 * 100.0 / all)
}

/// Chroma C* of a colour (CIELAB, D65).
fn chroma(colour: egui::Color32) -> f64 {
    let [r, g, b] = linear(colour);
    let x = (0.412_456 * r + 0.357_576 * g + 0.180_438 * b) / 0.950_47;
    let y = 0.212_673 * r + 0.715_152 * g + 0.072_175 * b;
    let z = (0.019_334 * r + 0.119_192 * g + 0.950_304 * b) / 1.088_83;
    let f = |t: f64| {
        if t > 216.0 / 24_389.0 {
            libm::cbrt(t)
        } else {
            (24_389.0 / 27.0 * t + 16.0) / 116.0
        }
    };
    let (a, b) = (500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z)));
    libm::hypot(a, b)
}
