//! `gridloom` without a subcommand: the window.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use gridloom_core::{Twin, TwinOptions};

use super::scene;
use crate::session::TwinSession;
use crate::window;

/// Speed at which the window starts, simulated seconds per second.
const START_SPEED: f64 = 60.0;

/// Opens the window on a scene.
///
/// # Errors
/// Without a display, or when the scene has problems.
pub fn run(scene: Option<PathBuf>, bindings: &[String]) -> Result<ExitCode> {
    if !window::display_available() {
        bail!("{}", window::NO_DISPLAY);
    }
    let path = match scene {
        Some(path) => path,
        None => scene::default_scene()?,
    };
    let mut loaded = scene::load(&path)?;
    let folder = path
        .parent()
        .unwrap_or_else(|| Path::new("."))
        .to_path_buf();
    for binding in &mut loaded.scene.bindings {
        binding.profile = folder.join(&binding.profile).to_string_lossy().into_owned();
    }
    for text in bindings {
        let binding = scene::parse_binding(text)?;
        if !scene::has_meter(&loaded, &binding.entity) {
            bail!(
                "--bind {text}: the scene has no home or battery `{}`",
                binding.entity
            );
        }
        loaded.scene.bindings.push(binding);
    }
    let twin = Twin::new(
        loaded,
        TwinOptions {
            rewindable: true,
            ..TwinOptions::default()
        },
    )?;
    let monitors = scene::bind_devices(&twin)?;
    let session = TwinSession::start(twin, monitors, START_SPEED)?;
    let exit = window::run(Box::new(session));
    Ok(if exit.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
