//! `gridloom` without a subcommand: the window.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use gridloom_core::{Twin, TwinOptions};

use super::{WindowArgs, scene};
use crate::devices::DeviceHub;
use crate::remote::RemoteHost;
use crate::session::{self, Origin, TwinSession};
use crate::window;

/// Speed at which the window starts, simulated seconds per second.
const START_SPEED: f64 = 60.0;

/// Time between two signed readings of a counter.
const SIGN_EVERY: Duration = Duration::from_secs(10);

/// Opens the window on a scene.
///
/// # Errors
/// Without a display, or when the scene has problems.
pub fn run(args: &WindowArgs) -> Result<ExitCode> {
    if !window::display_available() {
        bail!("{}", window::NO_DISPLAY);
    }
    let path = match &args.scene {
        Some(path) => path.clone(),
        None => scene::default_scene()?,
    };
    let mut loaded = scene::load(&path)?;
    let folder = path
        .parent()
        .unwrap_or_else(|| Path::new("."))
        .to_path_buf();
    for binding in &mut loaded.scene.bindings {
        let path = crate::devices::profile_path(&binding.profile, &folder);
        binding.profile = path.to_string_lossy().into_owned();
    }
    for text in &args.bindings {
        let binding = scene::parse_binding(text)?;
        if !scene::has_meter(&loaded, &binding.entity) {
            bail!(
                "--bind {text}: the scene has no home or battery `{}`",
                binding.entity
            );
        }
        loaded.scene.bindings.push(binding);
    }
    let mut twin = Twin::new(
        loaded,
        TwinOptions {
            rewindable: true,
            ..TwinOptions::default()
        },
    )?;
    let mut devices = DeviceHub::start()?;
    if let Some(folder) = &args.sign {
        devices.sign(folder, SIGN_EVERY)?;
    }
    devices.bind_scene(&twin)?;
    let origin = Origin {
        library: session::library(&path),
        path,
        loader: Some(Box::new(|path, options, like| {
            let load = || {
                let mut loaded = scene::load(path)?;
                if let Some(preset) = like {
                    scene::make_like(&mut loaded, preset)?;
                }
                Ok::<_, anyhow::Error>(Twin::new(loaded, options)?)
            };
            load().map_err(|error| format!("{error:#}"))
        })),
    };
    let remote = match &args.validators {
        Some(address) => Some(RemoteHost::listen(address, &mut twin)?),
        None => None,
    };
    let session = TwinSession::start(twin, devices, remote, START_SPEED, origin)?;
    let exit = window::run(Box::new(session), &args.attach, args.genesis.as_deref());
    Ok(if exit.is_success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
