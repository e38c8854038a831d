//! The Bevy side: one camera, the panel pass, the mesh upload.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bevy::app::AppExit;
use bevy::prelude::*;
use bevy::render::view::Msaa;
use bevy::window::{ExitCondition, PresentMode, WindowResizeConstraints};
use bevy::winit::{UpdateMode, WinitSettings};
use bevy_egui::{
    EguiContexts, EguiGlobalSettings, EguiPlugin, EguiPrimaryContextPass, PrimaryEguiContext,
};

use super::map::ribbons;
use super::state::UiState;
use super::theme::{ThemeName, Themes};
use super::{Session, audience, canvas, device, fonts, ui};

/// The session, held so that a resource may own it.
#[derive(Resource)]
pub struct Twin(pub Mutex<Box<dyn Session>>);

/// The window's state and tokens.
#[derive(Resource)]
pub struct Screen {
    /// What the window remembers.
    pub state: UiState,
    /// Both themes.
    pub themes: Themes,
    /// Whether the typefaces are installed.
    ready: bool,
    /// Wall time since a request or a new view, s.
    quiet_s: f64,
    /// Address of the last view, to see that it changed.
    seen: usize,
    /// Theme the widgets were last styled with.
    styled: Option<ThemeName>,
}

impl Screen {
    /// A fresh screen.
    pub fn new(state: UiState) -> Self {
        Self {
            state,
            themes: Themes::built_in(),
            ready: false,
            quiet_s: 0.0,
            seen: 0,
            styled: None,
        }
    }
}

/// Everything that window and picture share.
pub fn shared(app: &mut App, session: Box<dyn Session>, state: UiState) {
    app.add_plugins(EguiPlugin::default())
        .insert_resource(Twin(Mutex::new(session)))
        .insert_resource(Screen::new(state))
        .add_systems(PreStartup, own_context)
        .add_systems(Startup, canvas::spawn)
        .add_systems(EguiPrimaryContextPass, draw);
}

/// The camera is chosen here, not by whichever camera comes first.
fn own_context(mut settings: ResMut<'_, EguiGlobalSettings>) {
    settings.auto_create_primary_context = false;
}

/// The one camera: world meshes, and the panels over them. Edges are
/// feathered in the meshes, so multisampling would only cost time.
pub fn camera() -> impl Bundle {
    (Camera2d, Msaa::Off, PrimaryEguiContext)
}

/// Opens the window and stays until it is closed.
///
/// With addresses it looks at the running ledger of these nodes as well.
pub fn run(session: Box<dyn Session>, attach: &[String], genesis: Option<&Path>) -> AppExit {
    let mut state = UiState::default();
    if !attach.is_empty() {
        state.nodes.attach(attach, genesis);
    }
    match device::build(|| windowed(session, state)) {
        Ok(mut app) => app.run(),
        Err(error) => {
            eprintln!("error: {error}");
            AppExit::error()
        }
    }
}

/// The app with a window.
fn windowed(session: Box<dyn Session>, state: UiState) -> App {
    let window = Window {
        title: "Gridloom".to_owned(),
        name: Some("gridloom".to_owned()),
        resolution: (1_600, 900).into(),
        present_mode: PresentMode::AutoVsync,
        resize_constraints: WindowResizeConstraints {
            min_width: 1_280.0,
            min_height: 720.0,
            ..default()
        },
        ..default()
    };
    let mut app = App::new();
    app.add_plugins(
        DefaultPlugins
            .set(WindowPlugin {
                primary_window: Some(window),
                exit_condition: ExitCondition::OnPrimaryClosed,
                ..default()
            })
            // The program has its own log.
            .disable::<bevy::log::LogPlugin>(),
    );
    shared(&mut app, session, state);
    audience::add(&mut app);
    app.add_systems(Startup, |mut commands: Commands<'_, '_>| {
        commands.spawn(camera());
    })
    .add_systems(Update, pace);
    app
}

/// Draws at 60 Hz while time runs, and rarely while nothing happens.
fn pace(twin: Res<'_, Twin>, screen: Res<'_, Screen>, mut winit: ResMut<'_, WinitSettings>) {
    let Ok(session) = twin.0.lock() else { return };
    let playback = session.playback();
    let wait = if screen.state.morph.moving() || (playback.playing && !screen.state.reduce_motion) {
        Duration::from_millis(16)
    } else if playback.playing || playback.seeking.is_some() {
        Duration::from_millis(100)
    } else {
        // After a request the answer is a tick away; after that nothing
        // happens by itself, and a person's input wakes the window at once.
        let watched = !screen.state.devices.seen.devices.is_empty();
        Duration::from_millis(match (screen.quiet_s < 3.0, watched) {
            (true, _) => 250,
            // Values of physical devices go on arriving.
            (false, true) => 2_000,
            (false, false) => 10_000,
        })
    };
    let mode = UpdateMode::reactive(wait);
    if winit.focused_mode != mode {
        winit.focused_mode = mode;
        winit.unfocused_mode = UpdateMode::reactive_low_power(wait.max(Duration::from_millis(33)));
    }
}

/// Panels, map, and what the person asked for.
fn draw(
    mut contexts: EguiContexts<'_, '_>,
    twin: Res<'_, Twin>,
    mut screen: ResMut<'_, Screen>,
    time: Res<'_, Time<Real>>,
    mut clear: ResMut<'_, ClearColor>,
    layers: Query<'_, '_, (&canvas::WorldLayer, &Mesh2d)>,
    mut meshes: ResMut<'_, Assets<Mesh>>,
) -> Result {
    let ctx = contexts.ctx_mut()?.clone();
    let screen = &mut *screen;
    if !screen.ready {
        // The typefaces are there from the next frame on.
        fonts::install(&ctx);
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        screen.ready = true;
        return Ok(());
    }
    let Ok(mut session) = twin.0.lock() else {
        return Ok(());
    };
    let view = session.latest();
    screen.state.devices.seen = session.devices();
    let playback = session.playback();
    if screen.styled != Some(screen.state.theme) {
        let theme = screen.themes.get(screen.state.theme);
        ctx.set_visuals(theme.visuals());
        let base = theme.base;
        clear.0 = Color::srgb_u8(base.r(), base.g(), base.b());
        screen.styled = Some(screen.state.theme);
    }
    let desk = session.desk();
    let dt_s = time.delta_secs_f64();
    advance(&mut screen.state, &view, playback.playing, dt_s);
    let points = ctx.viewport_rect().size() * ctx.zoom_factor();
    let scale = screen.state.zoom((points.x, points.y));
    if (ctx.zoom_factor() - scale).abs() > 1e-3 {
        ctx.set_zoom_factor(scale);
    }
    let shown = ui::Shown {
        view: &view,
        playback,
        desk: &desk,
        themes: &screen.themes,
        paint_world: false,
    };
    let actions = ui::show(&mut root(&ctx), &shown, &mut screen.state);
    let seen = std::sync::Arc::as_ptr(&view) as usize;
    screen.quiet_s += time.delta_secs_f64();
    if !actions.is_empty() || screen.seen != seen {
        screen.quiet_s = 0.0;
        screen.seen = seen;
    }
    for action in actions {
        session.send(action);
    }
    let size = ctx.viewport_rect().size();
    canvas::upload(
        canvas::MAIN,
        &mut screen.state.map.world,
        size,
        ctx.pixels_per_point(),
        &layers,
        &mut meshes,
    );
    Ok(())
}

/// The whole window as one place to draw on.
pub fn root(ctx: &egui::Context) -> egui::Ui {
    egui::Ui::new(
        ctx.clone(),
        egui::Id::new("gridloom"),
        egui::UiBuilder::new()
            .layer_id(egui::LayerId::background())
            .max_rect(ctx.viewport_rect()),
    )
}

/// Moves chevrons and markers in wall time, only while time runs.
pub fn advance(
    state: &mut UiState,
    view: &gridloom_core::view::ViewModel,
    playing: bool,
    wall_s: f64,
) {
    let dt_s = wall_s.min(0.1);
    state.blink_s += dt_s;
    state.notice.1 += dt_s;
    state.morph.advance(dt_s);
    if playing {
        let evaluated_ms = view.alarm_rates.evaluated.0;
        state.watchdog.look(evaluated_ms, view.tick.0, wall_s);
    }
    if !playing || state.reduce_motion {
        return;
    }
    state.motion_s += dt_s;
    let flows = &state.map.flows;
    state.phase.resize(flows.len(), 0.0);
    for (phase, flow) in state.phase.iter_mut().zip(flows) {
        let way = if flow.p_kw < 0.0 { -1.0 } else { 1.0 };
        // 5 800 is a multiple of the chevron spacing: the phase stays small and even.
        *phase = (*phase + way * ribbons::speed(*flow) * dt_s as f32) % 5_800.0;
    }
}
