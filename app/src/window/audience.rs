//! The second window: world and captions only, for an audience, while the
//! instructor keeps panels, script and score to themselves.
//!
//! It shows the same run at the same moment with a camera of its own. A clicker
//! pointed at it drives the story; nothing else can be asked for from there.

use bevy::camera::RenderTarget;
use bevy::camera::visibility::RenderLayers;
use bevy::ecs::schedule::ScheduleLabel;
use bevy::prelude::*;
use bevy::render::view::Msaa;
use bevy::window::{PresentMode, WindowRef};
use bevy_egui::{EguiContext, EguiMultipassSchedule, PrimaryEguiContext};

use super::app::{Screen, Twin, advance, root};
use super::canvas::{self, AUDIENCE};
use super::state::{UiAction, UiState, Workspace};
use super::{fonts, ui};

/// The pass in which the audience's window is drawn.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct AudiencePass;

/// The window of the audience, while it is open.
#[derive(Resource, Default)]
pub struct Audience {
    open: Option<Open>,
}

/// What belongs to one opening of the window.
struct Open {
    window: Entity,
    camera: Entity,
    state: Box<UiState>,
    /// Passes so far: the typefaces are there from the second on.
    passes: u32,
}

/// Makes the second window possible.
pub fn add(app: &mut App) {
    app.init_resource::<Audience>()
        .add_systems(Startup, canvas::spawn_audience)
        .add_systems(Update, tend)
        .add_systems(AudiencePass, draw);
}

/// Opens and closes the window as the instructor asks, and notices when it was
/// closed by its own button.
fn tend(
    mut commands: Commands<'_, '_>,
    mut audience: ResMut<'_, Audience>,
    mut screen: ResMut<'_, Screen>,
    windows: Query<'_, '_, &Window>,
) {
    let there = audience.open.as_ref().map(|o| windows.contains(o.window));
    match (screen.state.audience, there) {
        (true, None) => audience.open = Some(open(&mut commands)),
        (true, Some(false)) => {
            screen.state.audience = false;
            close(&mut commands, &mut audience, false);
        }
        (false, Some(still)) => close(&mut commands, &mut audience, still),
        _ => {}
    }
}

fn open(commands: &mut Commands<'_, '_>) -> Open {
    let window = commands
        .spawn(Window {
            title: "Gridloom, audience".to_owned(),
            name: Some("gridloom".to_owned()),
            resolution: (1_280, 720).into(),
            present_mode: PresentMode::AutoVsync,
            ..default()
        })
        .id();
    let camera = commands
        .spawn((
            Camera2d,
            Msaa::Off,
            RenderTarget::Window(WindowRef::Entity(window)),
            RenderLayers::layer(AUDIENCE),
            EguiMultipassSchedule::new(AudiencePass),
        ))
        .id();
    let mut state = Box::new(UiState {
        workspace: Workspace::Train,
        ..UiState::default()
    });
    state.train.presenter = true;
    Open {
        window,
        camera,
        state,
        passes: 0,
    }
}

fn close(commands: &mut Commands<'_, '_>, audience: &mut Audience, window_too: bool) {
    if let Some(open) = audience.open.take() {
        commands.entity(open.camera).despawn();
        if window_too {
            commands.entity(open.window).despawn();
        }
    }
}

/// World and captions; of the requests only those about time are passed on.
fn draw(
    mut contexts: Query<'_, '_, &mut EguiContext, Without<PrimaryEguiContext>>,
    twin: Res<'_, Twin>,
    screen: Res<'_, Screen>,
    mut audience: ResMut<'_, Audience>,
    time: Res<'_, Time<Real>>,
    layers: Query<'_, '_, (&canvas::WorldLayer, &Mesh2d)>,
    mut meshes: ResMut<'_, Assets<Mesh>>,
) {
    let (Some(open), Ok(mut context)) = (audience.open.as_mut(), contexts.single_mut()) else {
        return;
    };
    let ctx = context.get_mut().clone();
    open.passes += 1;
    if open.passes == 1 {
        fonts::install(&ctx);
        return;
    }
    let Ok(mut session) = twin.0.lock() else {
        return;
    };
    let (view, playback, desk) = (session.latest(), session.playback(), session.desk());
    let state = &mut open.state;
    // Theme and view are the instructor's choice; captions turn the view as well.
    if state.theme != screen.state.theme {
        state.map.drawn = None;
    }
    state.theme = screen.state.theme;
    state.layers = screen.state.layers;
    state.reduce_motion = screen.state.reduce_motion;
    let theme = screen.themes.get(state.theme);
    ctx.set_visuals(theme.visuals());
    let points = ctx.viewport_rect().size() * ctx.zoom_factor();
    ctx.set_zoom_factor(state.zoom((points.x, points.y)));
    advance(state, &view, playback.playing, time.delta_secs_f64());
    let shown = ui::Shown {
        view: &view,
        playback,
        desk: &desk,
        themes: &screen.themes,
        paint_world: false,
    };
    let actions = ui::show(&mut root(&ctx), &shown, state);
    // Whatever key was pressed there: it stays what it is.
    state.train.presenter = true;
    state.workspace = Workspace::Train;
    state.palette = None;
    state.help = false;
    for action in actions {
        if matches!(action, UiAction::Playback(_)) {
            session.send(action);
        }
    }
    canvas::upload(
        AUDIENCE,
        &mut state.map.world,
        ctx.viewport_rect().size(),
        ctx.pixels_per_point(),
        &layers,
        &mut meshes,
    );
}
