//! The window as a picture, without window or display.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bevy::app::{App, SubApps};
use bevy::asset::RenderAssetUsages;
use bevy::camera::RenderTarget;
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::render_resource::{
    Extent3d, PollType, TextureDimension, TextureFormat, TextureUsages,
};
use bevy::render::renderer::RenderDevice;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured};
use bevy::window::ExitCondition;
use bevy::winit::WinitPlugin;
use gridloom_core::playback::PlaybackState;
use gridloom_core::view::{Selected, ViewModel};

use super::desk::Desk;
use super::engineer::{EngineerState, Pane};
use super::state::{Morph, UiAction, UiState, Workspace, WorldView};
use super::theme::ThemeName;
use super::{Session, app, device};

/// Frames before the picture is taken: typefaces, layout, meshes, texture upload.
const SETTLE: usize = 6;

/// Frames to wait for the picture to come back from the device.
const READ_BACK: usize = 12;

/// What to draw.
#[derive(Clone, Debug)]
pub struct ShotOptions {
    /// Workspace.
    pub workspace: Workspace,
    /// View of the world.
    pub world: WorldView,
    /// What stands beside the moment.
    pub desk: Desk,
    /// Presenter mode of the Train workspace.
    pub presenter: bool,
    /// Theme.
    pub theme: ThemeName,
    /// Size, px.
    pub size: (u32, u32),
    /// File to write (PNG).
    pub out: PathBuf,
    /// What the transport shows.
    pub playback: PlaybackState,
    /// What is selected.
    pub select: Option<Selected>,
    /// Tab of the Engineer workspace in front.
    pub tab: Option<Pane>,
}

impl Default for ShotOptions {
    fn default() -> Self {
        Self {
            workspace: Workspace::Operate,
            world: WorldView::SingleLine,
            desk: Desk::default(),
            presenter: false,
            theme: ThemeName::Night,
            size: (1_920, 1_080),
            out: PathBuf::from("gridloom.png"),
            playback: PlaybackState {
                speed: 60.0,
                ..PlaybackState::default()
            },
            select: None,
            tab: None,
        }
    }
}

/// A view that does not change.
struct Still {
    view: Arc<ViewModel>,
    playback: PlaybackState,
    desk: Arc<Desk>,
}

impl Session for Still {
    fn latest(&mut self) -> Arc<ViewModel> {
        Arc::clone(&self.view)
    }

    fn playback(&self) -> PlaybackState {
        self.playback
    }

    fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }

    fn send(&mut self, _action: UiAction) {}
}

/// Draws one picture of the window and writes it to a file.
///
/// # Errors
/// An impossible size, no graphics device, or a file
/// that cannot be written.
pub fn shot(view: Arc<ViewModel>, options: &ShotOptions) -> Result<()> {
    let (width, height) = options.size;
    if !(640..=7_680).contains(&width) || !(360..=4_320).contains(&height) {
        bail!(
            "a picture of {width}x{height} cannot be drawn: choose between 640x360 and 7680x4320"
        );
    }
    let still = Still {
        view,
        playback: options.playback,
        desk: Arc::new(options.desk.clone()),
    };
    let mut apps = device::build(|| headless(Box::new(still), options, true))?;
    let target = render_target(&mut apps, width, height);
    apps.main
        .world_mut()
        .spawn((app::camera(), RenderTarget::from(target.clone())));
    for _ in 0..SETTLE {
        update(&mut apps)?;
    }
    let captured: Arc<Mutex<Option<Image>>> = Arc::default();
    let keep = Arc::clone(&captured);
    apps.main
        .world_mut()
        .spawn(Screenshot::image(target))
        .observe(move |shot: On<'_, '_, ScreenshotCaptured>| {
            if let Ok(mut slot) = keep.lock() {
                *slot = Some(shot.image.clone());
            }
        });
    for _ in 0..READ_BACK {
        update(&mut apps)?;
        let image = captured.lock().ok().and_then(|mut slot| slot.take());
        if let Some(image) = image {
            let picture = image
                .try_into_dynamic()
                .context("the picture has an unexpected format")?;
            return picture.to_rgb8().save(&options.out).with_context(|| {
                format!("cannot write the picture to `{}`", options.out.display())
            });
        }
    }
    bail!("the graphics device returned no picture")
}

/// Runs so many frames of a session, each finished by the device, and hands
/// over its number and when it began.
///
/// # Errors
/// When there is no device or it does not answer.
pub fn running(
    session: Box<dyn Session>,
    options: &ShotOptions,
    count: usize,
    done: &mut dyn FnMut(usize, Instant),
) -> Result<()> {
    let mut apps = device::build(|| headless(session, options, false))?;
    let target = render_target(&mut apps, options.size.0, options.size.1);
    apps.main
        .world_mut()
        .spawn((app::camera(), RenderTarget::from(target)));
    for frame in 0..count {
        let begun = Instant::now();
        update(&mut apps)?;
        done(frame, begun);
    }
    Ok(())
}

/// The window's app without a window: same systems, no event loop.
fn headless(session: Box<dyn Session>, options: &ShotOptions, still: bool) -> SubApps {
    let mut app = App::new();
    app.add_plugins(
        DefaultPlugins
            .set(WindowPlugin {
                primary_window: None,
                exit_condition: ExitCondition::DontExit,
                ..default()
            })
            .set(RenderPlugin {
                synchronous_pipeline_compilation: true,
                ..default()
            })
            .disable::<WinitPlugin>()
            .disable::<bevy::log::LogPlugin>(),
    );
    let state = UiState {
        theme: options.theme,
        selected: options.select,
        reduce_motion: still,
        workspace: options.workspace,
        morph: Morph {
            from: options.world,
            to: options.world,
            share: 1.0,
        },
        engineer: EngineerState {
            front: options.tab,
            ..Default::default()
        },
        train: super::train::TrainState {
            presenter: options.presenter,
            ..Default::default()
        },
        ..UiState::default()
    };
    app::shared(&mut app, session, state);
    app.finish();
    app.cleanup();
    std::mem::take(app.sub_apps_mut())
}

fn render_target(apps: &mut SubApps, width: u32, height: u32) -> Handle<Image> {
    let mut image = Image::new_uninit(
        Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        TextureDimension::D2,
        TextureFormat::Rgba8UnormSrgb,
        RenderAssetUsages::RENDER_WORLD,
    );
    image.texture_descriptor.usage |= TextureUsages::RENDER_ATTACHMENT;
    apps.main
        .world_mut()
        .resource_mut::<Assets<Image>>()
        .add(image)
}

/// Runs one frame and waits for the device.
fn update(apps: &mut SubApps) -> Result<()> {
    apps.update();
    let device =
        apps.main.world().get_resource::<RenderDevice>().context(
            "no graphics device: install a Vulkan driver, for example mesa-vulkan-drivers",
        )?;
    device
        .wgpu_device()
        .poll(PollType::Wait {
            submission_index: None,
            timeout: None,
        })
        .context("the graphics device did not answer")?;
    Ok(())
}
