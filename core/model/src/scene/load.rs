//! Reads a scene with everything it refers to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ron::error::{Error as RonError, SpannedError};

use super::check::{Known, Report, check};
use super::refs::{Refs, resolve};
use super::schema::{GridSource, Scene};
use super::spans::{At, Node, places};
use super::{Issue, paths, suggest};
use crate::grid::{Diagnostics, GridCase, ron_options};
use crate::profile::ProfileSet;

/// Largest scene file, bytes.
const MAX_SCENE_BYTES: u64 = 8 << 20;
/// Largest grid or profile file, bytes.
const MAX_DATA_BYTES: u64 = 256 << 20;
/// Most profile files of a scene.
const MAX_PROFILES: usize = 64;

/// A scene ready to run: the file, what it refers to, and its references
/// resolved to indices.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedScene {
    /// The scene as written.
    pub scene: Scene,
    /// The file it was read from.
    pub path: PathBuf,
    /// Its network.
    pub grid: GridCase,
    /// Its profile sets, in the order of the scene.
    pub profiles: Vec<ProfileSet>,
    /// Its references as indices.
    pub refs: Refs,
}

impl Scene {
    /// Reads a scene file alone, without what it refers to and without checks.
    ///
    /// # Errors
    /// What the text violates, with its place.
    pub fn from_ron(text: &str) -> Result<Self, String> {
        ron_options()
            .from_str(text)
            .map_err(|error| error.to_string())
    }

    /// The scene as a file.
    ///
    /// # Errors
    /// When a value has no text.
    pub fn to_ron(&self) -> Result<String, String> {
        crate::grid::to_ron_lines(self).map_err(|error| error.to_string())
    }
}

/// Reads an OpenDSS deck; given by callers that can (see [`load_with`]).
pub type Importer<'a> = &'a dyn Fn(&Path) -> Result<GridCase, Vec<Issue>>;

/// Loads a scene whose network is a RON grid.
///
/// # Errors
/// Every problem of the scene and of the files it refers to.
pub fn load(path: &Path) -> Result<LoadedScene, Vec<Issue>> {
    load_with(path, None)
}

/// Loads a scene; `import` reads the network when it is an OpenDSS deck.
///
/// # Errors
/// Every problem of the scene and of the files it refers to.
pub fn load_with(path: &Path, import: Option<Importer<'_>>) -> Result<LoadedScene, Vec<Issue>> {
    let text = read(path, MAX_SCENE_BYTES).map_err(|why| {
        vec![Issue {
            file: path.display().to_string(),
            line: 1,
            column: 1,
            message: format!("the scene {why}"),
            hint: String::new(),
        }]
    })?;
    load_str(&text, path, import)
}

/// Loads a scene from text, as if it had been read from `path`: messages name
/// that path and the files of the scene are looked for beside it.
///
/// # Errors
/// Every problem of the scene and of the files it refers to.
pub fn load_str(
    text: &str,
    path: &Path,
    import: Option<Importer<'_>>,
) -> Result<LoadedScene, Vec<Issue>> {
    let file = path.display().to_string();
    let scene: Scene = ron_options()
        .from_str(text)
        .map_err(|error| vec![ron_issue(&file, &error)])?;
    let tree = places(text);
    let mut report = Report::new(text, &file);
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut files = Files {
        folder,
        root: At::root(&tree),
        report: &mut report,
    };
    let grid = files.grid(&scene.grid, import);
    let profiles = files.profiles(&scene.profiles);
    files.device_profiles(&scene);
    let known = Known {
        grid: grid.as_ref(),
        profiles: profiles.as_deref(),
    };
    check(&scene, &tree, &known, &mut report);
    finish(scene, path, grid, profiles, &tree, report)
}

fn finish(
    scene: Scene,
    path: &Path,
    grid: Option<GridCase>,
    profiles: Option<Vec<ProfileSet>>,
    tree: &Node,
    mut report: Report<'_>,
) -> Result<LoadedScene, Vec<Issue>> {
    let mut refs = None;
    if let (Some(grid), Some(profiles)) = (&grid, &profiles) {
        refs = resolve(&scene, grid, profiles, tree, &mut report);
    }
    match (grid, profiles, refs) {
        (Some(grid), Some(profiles), Some(refs)) if report.is_empty() => Ok(LoadedScene {
            scene,
            path: path.to_owned(),
            grid,
            profiles,
            refs,
        }),
        _ => {
            if report.is_empty() {
                let message = "a reference could not be resolved";
                report.say(At::root(tree), message, "");
            }
            Err(report.finish())
        }
    }
}

/// The files a scene refers to.
struct Files<'a, 'r, 't> {
    folder: &'a Path,
    root: At<'a>,
    report: &'r mut Report<'t>,
}

impl<'a> Files<'a, '_, '_> {
    fn grid(&mut self, source: &GridSource, import: Option<Importer<'_>>) -> Option<GridCase> {
        let at = self.root.field("grid").item(0);
        match source {
            GridSource::Ron(name) => {
                let (file, text) = self.text(at, name)?;
                self.accept(GridCase::from_ron(&text, &file))
            }
            GridSource::Dss(name) => {
                let Some(import) = import else {
                    let message = format!("deck `{name}` cannot be read here");
                    self.report.say(at, message, "convert it to a RON grid");
                    return None;
                };
                let path = self.path(at, name)?;
                match import(&path) {
                    Ok(grid) => Some(grid),
                    Err(issues) => self.refuse(issues),
                }
            }
        }
    }

    fn profiles(&mut self, names: &[String]) -> Option<Vec<ProfileSet>> {
        let list = self.root.field("profiles");
        if names.len() > MAX_PROFILES {
            let message = format!("{} profile files", names.len());
            self.report
                .say(list, message, format!("write at most {MAX_PROFILES}"));
            return None;
        }
        let sets: Vec<Option<ProfileSet>> = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let (file, text) = self.text(list.item(i), name)?;
                self.accept(ProfileSet::from_ron(&text, &file))
            })
            .collect();
        let sets: Option<Vec<ProfileSet>> = sets.into_iter().collect();
        let mut seen = BTreeSet::new();
        for (i, set) in sets.iter().flatten().enumerate() {
            for series in &set.series {
                // Twice in one file is that file's own problem.
                if !seen.insert(series.id.as_str()) {
                    self.report.say(
                        list.item(i),
                        format!("series `{}` is also in an earlier profile file", series.id),
                        "series ids are unique over all profile files of a scene",
                    );
                }
            }
        }
        sets
    }

    /// Device profiles belong to the hardware side; here files only must exist.
    /// A bare name is a profile the program brings.
    fn device_profiles(&mut self, scene: &Scene) {
        for (i, binding) in scene.bindings.iter().enumerate() {
            if !binding.profile.contains(['/', '.']) {
                continue;
            }
            let at = self.root.field("bindings").item(i).field("profile");
            self.text(at, &binding.profile);
        }
    }

    fn accept<T>(&mut self, read: Result<T, Diagnostics>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(found) => self.refuse(found.0),
        }
    }

    fn refuse<T>(&mut self, issues: Vec<Issue>) -> Option<T> {
        for issue in issues {
            self.report.push(issue);
        }
        None
    }

    fn path(&mut self, at: At<'a>, name: &str) -> Option<PathBuf> {
        if let Err(why) = paths::relative(name) {
            self.report
                .say(at, format!("path `{name}` {why}"), paths::HINT);
            return None;
        }
        Some(self.folder.join(name))
    }

    fn text(&mut self, at: At<'a>, name: &str) -> Option<(String, String)> {
        let path = self.path(at, name)?;
        match read(&path, MAX_DATA_BYTES) {
            Ok(text) => Some((path.display().to_string(), text)),
            Err(why) => {
                let message = format!("file `{name}` {why}");
                self.report
                    .say(at, message, "paths are relative to the scene file");
                None
            }
        }
    }
}

/// Reads a text file up to a size.
fn read(path: &Path, max_bytes: u64) -> Result<String, String> {
    let data = std::fs::metadata(path).map_err(|error| cannot_read(&error))?;
    if !data.is_file() {
        return Err("is not a file".to_owned());
    }
    if data.len() > max_bytes {
        return Err(format!(
            "is {} bytes long, at most {max_bytes} are read",
            data.len()
        ));
    }
    let bytes = std::fs::read(path).map_err(|error| cannot_read(&error))?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

fn cannot_read(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn ron_issue(file: &str, error: &SpannedError) -> Issue {
    let hint = match &error.code {
        RonError::NoSuchStructField {
            expected, found, ..
        } => suggest::hint(found, expected.iter().copied()),
        RonError::NoSuchEnumVariant {
            expected, found, ..
        } => suggest::hint(found, expected.iter().copied()),
        RonError::MissingStructField { field, .. } => format!("add `{field}: …`"),
        RonError::DuplicateStructField { .. } => "remove one of the two".to_owned(),
        RonError::ExpectedComma => "a comma is missing before this place".to_owned(),
        RonError::ExpectedStructLikeEnd | RonError::ExpectedArrayEnd | RonError::ExpectedMapEnd => {
            "a comma or the closing bracket is missing before this place".to_owned()
        }
        _ => "see scenes/README.md for the format".to_owned(),
    };
    Issue {
        hint,
        ..crate::grid::parse_error(file, error)
    }
}
