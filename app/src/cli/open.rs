//! `gridloom` without a subcommand: the window.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use gridloom_core::TwinOptions;

use super::scene;
use crate::session::TwinSession;
use crate::window;

/// Speed at which the window starts, simulated seconds per second.
const START_SPEED: f64 = 60.0;

/// Opens the window on a scene.
///
/// # Errors
/// Without a display, or when the scene has problems.
pub fn run(scene: Option<PathBuf>) -> Result<ExitCode> {
    if !window::display_available() {
        bail!("{}", window::NO_DISPLAY);
    }
    let path = match scene {
        Some(path) => path,
        None => scene::default_scene()?,
    };
    let twin = scene::twin(&path, TwinOptions { rewindable: true, ..TwinOptions::default() })?;
    let monitors = scene::bind_devices(&path, &twin)?;
    let session = TwinSession::start(twin, monitors, START_SPEED)?;
    let exit = window::run(Box::new(session));
    Ok(if exit.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
