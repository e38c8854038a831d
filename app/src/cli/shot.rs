//! `gridloom shot`: a picture of a scene at a moment.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gridloom_core::branch::first_difference;
use gridloom_core::playback::PlaybackState;
use gridloom_core::view::{SceneView, Selected};
use gridloom_core::{Command, Twin, TwinOptions};
use gridloom_units::{SimTime, Tick};
use indicatif::ProgressBar;

use super::scene;
use crate::session;
use crate::window::{self, Desk, Other, Pane, ShotOptions, ThemeName, Workspace, WorldView};

/// Theme on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Theme {
    Day,
    Night,
}

/// Workspace on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WorkspaceName {
    Operate,
    Train,
    Engineer,
}

/// View of the world on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum View {
    SingleLine,
    Neighbourhood,
    Layers,
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
    #[arg(long, value_enum, default_value = "operate")]
    workspace: WorkspaceName,
    /// View of the world.
    #[arg(long, value_enum, default_value = "single-line")]
    view: View,
    /// Presenter mode: world and captions only.
    #[arg(long)]
    presenter: bool,
    /// Let the scene's autopilot act.
    #[arg(long)]
    autopilot: bool,
    /// Open the breaker of an M-LMD at a time, for example M4@11:58; repeatable.
    #[arg(long = "open", value_name = "MLMD@TIME", value_parser = opening)]
    openings: Vec<(String, SimTime)>,
    /// Operate the selected breaker at this time and show the run without that
    /// beside it (Engineer workspace).
    #[arg(long, value_name = "TIME", value_parser = SimTime::parse)]
    fork: Option<SimTime>,
    /// Tab of the Engineer workspace in front.
    #[arg(long, value_enum)]
    tab: Option<Tab>,
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

/// Tabs of the Engineer workspace.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tab {
    Notes,
    Votes,
    Catalogue,
    Phasors,
    Curves,
    Waveforms,
}

impl Tab {
    fn pane(self) -> Pane {
        match self {
            Self::Notes => Pane::Notes,
            Self::Votes => Pane::Votes,
            Self::Catalogue => Pane::Catalogue,
            Self::Phasors => Pane::Phasor,
            Self::Curves => Pane::Curves,
            Self::Waveforms => Pane::Waves,
        }
    }
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

/// Reads `M4@11:58`.
fn opening(text: &str) -> Result<(String, SimTime), String> {
    let (id, at) = text
        .split_once('@')
        .ok_or_else(|| format!("`{text}` is not MLMD@TIME: write M4@11:58"))?;
    Ok((id.to_owned(), SimTime::parse(at)?))
}

/// The openings as commands with their ticks.
fn openings(twin: &Twin, wanted: &[(String, SimTime)]) -> Result<Vec<(Tick, Command)>> {
    wanted
        .iter()
        .map(|(id, at)| {
            let device = twin
                .device(id)
                .ok_or_else(|| anyhow!("--open: the scene has no `{id}`"))?;
            let tick = Tick(at.as_millis() / twin.tick_ms());
            Ok((tick, Command::OpenBreaker(device)))
        })
        .collect()
}

/// Runs the scene to the moment and draws it.
pub fn run(args: &ShotArgs) -> Result<ExitCode> {
    let options = TwinOptions {
        seed: args.seed,
        rewindable: args.fork.is_some(),
        autopilot: args.autopilot,
        ..TwinOptions::default()
    };
    let mut twin = scene::twin(&args.scene, options)?;
    let target = Tick(args.at.as_millis() / twin.tick_ms());
    if target > twin.end() {
        bail!("{} lies after the end of the scene", args.at);
    }
    let openings = openings(&twin, &args.openings)?;
    let bar = ProgressBar::new(target.0);
    while twin.tick() < target {
        for (tick, command) in &openings {
            if *tick == twin.tick() {
                twin.send(command.clone());
            }
        }
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
    let other = args
        .fork
        .map(|at| fork(&mut twin, at, target, select))
        .transpose()?;
    let view = Arc::new(twin.view(select));
    let mut desk = Desk {
        library: Arc::new(session::library(&args.scene)),
        ..session::desk_of(&twin)
    };
    desk.other = other;
    let paused = matches!(args.workspace, WorkspaceName::Engineer);
    let options = ShotOptions {
        workspace: match args.workspace {
            WorkspaceName::Operate => Workspace::Operate,
            WorkspaceName::Train => Workspace::Train,
            WorkspaceName::Engineer => Workspace::Engineer,
        },
        world: match args.view {
            View::SingleLine => WorldView::SingleLine,
            View::Neighbourhood => WorldView::Neighbourhood,
            View::Layers => WorldView::Layers,
        },
        desk,
        presenter: args.presenter,
        theme: match args.theme {
            Theme::Day => ThemeName::Day,
            Theme::Night => ThemeName::Night,
        },
        size: args.size,
        out: args.output.clone(),
        playback: PlaybackState {
            playing: !paused,
            speed: 60.0,
            reached: 60.0,
            end: twin.end().start(twin.tick_ms()),
            ..PlaybackState::default()
        },
        select,
        tab: args.tab.map(Tab::pane),
    };
    window::shot(view, &options).map_err(|error| anyhow!("{error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Goes back, operates the selected breaker, comes forward again, and has the
/// run that was left stand beside.
fn fork(twin: &mut Twin, at: SimTime, target: Tick, select: Option<Selected>) -> Result<Other> {
    let Some(Selected::Mlmd(index)) = select else {
        bail!("--fork operates a breaker: name one with --select");
    };
    let view = twin.view(None);
    let (Some(spec), Some(state)) = (view.scene.mlmds.get(index), view.mlmds.get(index)) else {
        bail!("the selected breaker is not known");
    };
    twin.seek(Tick(at.as_millis() / twin.tick_ms()));
    twin.send(if state.closed {
        Command::OpenBreaker(spec.device)
    } else {
        Command::CloseBreaker(spec.device)
    });
    twin.run_until(target);
    let branch = twin
        .branches()
        .all()
        .last()
        .map(|branch| branch.id)
        .ok_or_else(|| anyhow!("--fork must lie before --at"))?;
    let mut left = twin.follow(branch, target)?;
    Ok(Other {
        id: branch,
        differs_at: first_difference(twin.hashes(), left.hashes()),
        hash: session::desk_of(&left).hash,
        view: Arc::new(left.view(select)),
    })
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
