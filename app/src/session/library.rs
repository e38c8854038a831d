//! The scene library: what the scenes of a folder teach, with a picture.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridloom_model::grid::GridCase;
use gridloom_model::scene::{GridSource, Scene};

use crate::window::LibraryRow;

/// Scenes listed at most.
const SCENES: usize = 100;

/// Segments of a picture at most.
const SEGMENTS: usize = 1_200;

type Picture = Arc<Vec<[(f32, f32); 2]>>;

/// Scenes beside `open`, numbered ones first; files that cannot be read are
/// left out (`gridloom validate` says why).
pub fn library(open: &Path) -> Vec<LibraryRow> {
    let folder = match open.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut pictures: BTreeMap<PathBuf, Picture> = BTreeMap::new();
    let mut rows: Vec<LibraryRow> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".scene.ron"))
        .take(SCENES)
        .filter_map(|path| row(&path, open, folder, &mut pictures))
        .collect();
    let rank = |row: &LibraryRow| {
        let digits: String = row.number.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<u32>().unwrap_or(u32::MAX)
    };
    rows.sort_by(|a, b| (rank(a), &a.title).cmp(&(rank(b), &b.title)));
    rows
}

fn row(
    path: &Path,
    open: &Path,
    folder: &Path,
    pictures: &mut BTreeMap<PathBuf, Picture>,
) -> Option<LibraryRow> {
    let text = fs::read_to_string(path).ok()?;
    let scene = Scene::from_ron(&text).ok()?;
    let picture = match &scene.grid {
        GridSource::Ron(file) => pictures
            .entry(folder.join(file))
            .or_insert_with_key(|file| picture(file).unwrap_or_default())
            .clone(),
        GridSource::Dss(_) => Arc::default(),
    };
    let teaser = if scene.story.teaser.is_empty() {
        scene
            .objective
            .split(". ")
            .next()
            .unwrap_or_default()
            .to_owned()
    } else {
        scene.story.teaser.clone()
    };
    Some(LibraryRow {
        open: path == open,
        path: path.to_path_buf(),
        number: scene.story.number.clone(),
        title: scene.title.clone(),
        teaser,
        objective: scene.objective.clone(),
        hours: scene.duration_h,
        picture,
    })
}

/// Conductors of a grid file within the unit square.
fn picture(file: &Path) -> Option<Picture> {
    let text = fs::read_to_string(file).ok()?;
    let grid = GridCase::from_ron(&text, &file.to_string_lossy()).ok()?;
    let places: BTreeMap<&str, (f64, f64)> = grid
        .buses
        .iter()
        .filter_map(|bus| Some((bus.id.as_str(), bus.xy?)))
        .collect();
    let mut low = (f64::INFINITY, f64::INFINITY);
    let mut high = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (x, y) in places.values() {
        low = (low.0.min(*x), low.1.min(*y));
        high = (high.0.max(*x), high.1.max(*y));
    }
    let span = (high.0 - low.0).max(high.1 - low.1).max(1e-9);
    let at = |(x, y): (f64, f64)| {
        (
            ((x - low.0) / span) as f32,
            1.0 - ((y - low.1) / span) as f32,
        )
    };
    let stride = (grid.lines.len() / SEGMENTS).max(1);
    let segments = grid
        .lines
        .iter()
        .step_by(stride)
        .filter_map(|line| {
            let from = places.get(line.from.bus.as_str())?;
            let to = places.get(line.to.bus.as_str())?;
            Some([at(*from), at(*to)])
        })
        .collect();
    Some(Arc::new(segments))
}
