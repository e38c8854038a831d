//! `gridloom shot`: a picture of a scene at a moment.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gridloom_core::TwinOptions;
use gridloom_core::playback::PlaybackState;
use gridloom_core::view::{SceneView, Selected};
use gridloom_units::{SimTime, Tick};
use indicatif::ProgressBar;

use super::scene;
use crate::window::{self, ShotOptions, ThemeName};

/// Theme on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Theme {
    Day,
    Night,
}

/// Arguments of `shot`.
#[derive(Args)]
pub struct ShotArgs {
    /// Scene file.
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// Simulated time of the picture (12:00, 90m).
    #[arg(long, value_parser = SimTime::parse)]
    at: SimTime,
    /// Workspace.
    #[arg(long, default_value = "operate")]
    view: String,
    /// Selected entity: id of a home, battery, M-LMD or LG-Aggregator, or `LEDGER:HEIGHT`.
    #[arg(long, value_name = "ID")]
    select: Option<String>,
    /// Theme.
    #[arg(long, value_enum, default_value = "night")]
    theme: Theme,
    /// Size in pixels.
    #[arg(long, value_name = "WxH", default_value = "1920x1080", value_parser = size)]
    size: (u32, u32),
    /// Seed instead of the scene's.
    #[arg(long)]
    seed: Option<u64>,
    /// File to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let (w, h) = text
        .split_once('x')
        .ok_or_else(|| format!("`{text}` is not WxH: write 1920x1080"))?;
    let number = |part: &str| {
        part.parse::<u32>()
            .map_err(|_| format!("`{part}` is not a number"))
    };
    let (w, h) = (number(w)?, number(h)?);
    if !(640..=7_680).contains(&w) || !(360..=4_320).contains(&h) {
        return Err(format!("{w}x{h} is out of range: 640x360 to 7680x4320"));
    }
    Ok((w, h))
}

/// Runs the scene to the moment and draws it.
pub fn run(args: &ShotArgs) -> Result<ExitCode> {
    let options = TwinOptions {
        seed: args.seed,
        ..TwinOptions::default()
    };
    let mut twin = scene::twin(&args.scene, options)?;
    let target = Tick(args.at.as_millis() / twin.tick_ms());
    if target > twin.end() {
        bail!("{} lies after the end of the scene", args.at);
    }
    let bar = ProgressBar::new(target.0);
    while twin.tick() < target {
        twin.step();
        if twin.tick().0.is_multiple_of(600) {
            bar.set_position(twin.tick().0);
        }
    }
    bar.finish_and_clear();
    let scene_view = twin.view(None).scene;
    let select = args
        .select
        .as_deref()
        .map(|id| find(&scene_view, id))
        .transpose()?;
    let view = Arc::new(twin.view(select));
    let options = ShotOptions {
        view: args.view.clone(),
        theme: match args.theme {
            Theme::Day => ThemeName::Day,
            Theme::Night => ThemeName::Night,
        },
        size: args.size,
        out: args.output.clone(),
        playback: PlaybackState {
            playing: true,
            speed: 60.0,
            reached: 60.0,
            end: twin.end().start(twin.tick_ms()),
            ..PlaybackState::default()
        },
        select,
    };
    window::shot(view, &options).map_err(|error| anyhow!("{error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The entity with an id.
fn find(scene: &SceneView, id: &str) -> Result<Selected> {
    let position =
        |mut ids: Box<dyn Iterator<Item = &String> + '_>| ids.position(|known| known == id);
    if let Some(i) = position(Box::new(scene.homes.iter().map(|home| &home.id))) {
        return Ok(Selected::Home(i));
    }
    if let Some(i) = position(Box::new(scene.shared_batteries.iter().map(|b| &b.id))) {
        return Ok(Selected::SharedBattery(i));
    }
    if let Some(i) = position(Box::new(scene.mlmds.iter().map(|mlmd| &mlmd.id))) {
        return Ok(Selected::Mlmd(i));
    }
    if let Some(i) = position(Box::new(scene.clusters.iter().map(|c| &c.aggregator))) {
        return Ok(Selected::Aggregator(i));
    }
    if let Some((ledger, height)) = id.split_once(':') {
        let ledgers: Vec<&str> = scene
            .clusters
            .iter()
            .map(|c| c.id.as_str())
            .chain(["root"])
            .collect();
        if let (Some(ledger), Ok(height)) = (
            ledgers.iter().position(|known| *known == ledger),
            height.parse(),
        ) {
            return Ok(Selected::Block(ledger, height));
        }
    }
    bail!(
        "nothing in the scene is called `{id}`: use the id of a home, battery, M-LMD or LG-Aggregator, or LEDGER:HEIGHT"
    )
}
