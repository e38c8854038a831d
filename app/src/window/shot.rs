//! The window as a picture, without window or display.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

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

use super::state::{UiAction, UiState};
use super::theme::ThemeName;
use super::{Session, app, device};

/// Frames before the picture is taken: typefaces, layout, meshes, texture upload.
const SETTLE: usize = 6;

/// Frames to wait for the picture to come back from the device.
const READ_BACK: usize = 12;

/// What to draw.
#[derive(Clone, Debug)]
pub struct ShotOptions {
    /// Workspace; only `operate` exists.
    pub view: String,
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
}

impl Default for ShotOptions {
    fn default() -> Self {
        Self {
            view: "operate".to_owned(),
            theme: ThemeName::Night,
            size: (1_920, 1_080),
            out: PathBuf::from("gridloom.png"),
            playback: PlaybackState {
                speed: 60.0,
                ..PlaybackState::default()
            },
            select: None,
        }
    }
}

/// A view that does not change.
struct Still {
    view: Arc<ViewModel>,
    playback: PlaybackState,
}

impl Session for Still {
    fn latest(&mut self) -> Arc<ViewModel> {
        Arc::clone(&self.view)
    }

    fn playback(&self) -> PlaybackState {
        self.playback
    }

    fn send(&mut self, _action: UiAction) {}
}

/// Draws one picture of the window and writes it to a file.
///
/// # Errors
/// An unknown workspace, an impossible size, no graphics device, or a file
/// that cannot be written.
pub fn shot(view: Arc<ViewModel>, options: &ShotOptions) -> Result<()> {
    if options.view != "operate" {
        bail!("there is no view `{}`: write `operate`", options.view);
    }
    let (width, height) = options.size;
    if !(640..=7_680).contains(&width) || !(360..=4_320).contains(&height) {
        bail!(
            "a picture of {width}x{height} cannot be drawn: choose between 640x360 and 7680x4320"
        );
    }
    let mut apps = device::build(|| headless(view, options))?;
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

/// The window's app without a window: same systems, no event loop.
fn headless(view: Arc<ViewModel>, options: &ShotOptions) -> SubApps {
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
        reduce_motion: true,
        ..UiState::default()
    };
    app::shared(
        &mut app,
        Box::new(Still {
            view,
            playback: options.playback,
        }),
        state,
    );
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
