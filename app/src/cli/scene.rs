//! Loading scenes for commands, with every problem printed.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use gridloom_core::{Twin, TwinOptions};
use gridloom_model::scene::{
    DataPlace, EventAction, Issue, LoadedScene, Preset, Technology, load_with,
};

use super::output;

/// Loads a scene; problems are printed one a line, then the command fails.
///
/// # Errors
/// With the number of problems.
pub fn load(path: &Path) -> Result<LoadedScene> {
    match load_with(path, Some(&import_deck)) {
        Ok(scene) => Ok(scene),
        Err(issues) => {
            for issue in &issues {
                output::line(&issue.to_string());
            }
            bail!("{}: {} problem(s), see above", path.display(), issues.len())
        }
    }
}

/// Reads an OpenDSS deck for a scene that refers to one.
pub fn import_deck(path: &Path) -> Result<gridloom_model::grid::GridCase, Vec<Issue>> {
    match gridloom_dss::load_deck(path) {
        Ok(import) => Ok(import.case),
        Err(error) => Err(vec![Issue {
            file: path.display().to_string(),
            line: 0,
            column: 0,
            message: error.to_string(),
            hint: "open the deck with `gridloom solve` to see every finding".into(),
        }]),
    }
}

/// Reads the name of a ledger technology.
///
/// # Errors
/// Lists the names there are.
pub fn preset(text: &str) -> Result<Preset, String> {
    let found = Preset::ALL.into_iter().find(|preset| preset.name() == text);
    found.ok_or_else(|| {
        let names: Vec<_> = Preset::ALL.iter().map(|preset| preset.name()).collect();
        format!("`{text}` is none of {}", names.join(", "))
    })
}

/// Makes every ledger of a scene like a known one.
///
/// # Errors
/// When the scene does something that a ledger of that kind cannot do.
pub fn make_like(loaded: &mut LoadedScene, preset: Preset) -> Result<()> {
    loaded.scene.set_technology(Technology::Like(preset));
    let on_chain = preset.parts().data == DataPlace::OnChain;
    for event in &loaded.scene.events {
        if let EventAction::LoseOutside(ledger) = &event.action
            && on_chain
        {
            bail!(
                "the scene loses the store outside ledger {ledger} at {}, and a ledger like {} \
                 has none",
                event.at,
                preset.name()
            );
        }
    }
    Ok(())
}

/// Loads a scene and builds its twin.
///
/// # Errors
/// When the scene has problems or cannot be built.
pub fn twin(path: &Path, options: TwinOptions) -> Result<Twin> {
    Ok(Twin::new(load(path)?, options)?)
}

/// The same, running for at least `hours` hours.
///
/// # Errors
/// When the scene has problems or cannot be built.
pub fn twin_for(path: &Path, options: TwinOptions, hours: f64) -> Result<Twin> {
    let mut loaded = load(path)?;
    loaded.scene.duration_h = loaded.scene.duration_h.max(hours);
    Ok(Twin::new(loaded, options)?)
}

/// The same without the scene's own events, for commands that draw theirs.
///
/// # Errors
/// When the scene has problems or cannot be built.
pub fn twin_without_events(path: &Path, options: TwinOptions, hours: f64) -> Result<Twin> {
    let mut loaded = load(path)?;
    loaded.scene.duration_h = loaded.scene.duration_h.max(hours);
    loaded.scene.events.clear();
    Ok(Twin::new(loaded, options)?)
}

/// The default scene: beside the working directory, beside the program, or
/// where the program was built.
///
/// # Errors
/// When it is nowhere.
pub fn default_scene() -> Result<PathBuf> {
    let name = Path::new("scenes/akerby.scene.ron");
    let beside = std::env::current_exe().ok();
    let mut places = vec![PathBuf::from(".")];
    places.extend(
        beside
            .iter()
            .flat_map(|exe| exe.ancestors().skip(1))
            .map(Path::to_path_buf),
    );
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    places
        .iter()
        .map(|place| place.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            anyhow::anyhow!(
                "the default scene {} was not found: run from the project folder or name a scene \
                 with --scene",
                name.display()
            )
        })
}

/// Time between two polls of a device bound on the command line, ms.
#[cfg(feature = "window")]
const POLL_MS: u64 = 1_000;

/// Reads `ENTITY=PROFILE@HOST:PORT`.
///
/// # Errors
/// Says how it is written.
#[cfg(feature = "window")]
pub fn parse_binding(text: &str) -> Result<gridloom_model::scene::BindingSpec> {
    let wrong = || anyhow::anyhow!("`{text}` is no binding: write ENTITY=PROFILE@HOST:PORT");
    let (entity, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (profile, address) = rest.rsplit_once('@').ok_or_else(wrong)?;
    Ok(gridloom_model::scene::BindingSpec {
        entity: entity.to_owned(),
        profile: profile.to_owned(),
        address: address.to_owned(),
        unit: 1,
        poll_ms: POLL_MS,
        mode: gridloom_model::scene::BindingMode::Monitor,
        serial: None,
    })
}

/// Whether a home or shared battery has this id.
#[cfg(feature = "window")]
pub fn has_meter(loaded: &LoadedScene, id: &str) -> bool {
    let homes = loaded.scene.homes.iter().map(|home| &home.id);
    homes
        .chain(loaded.scene.shared_batteries.iter().map(|b| &b.id))
        .any(|known| known == id)
}
