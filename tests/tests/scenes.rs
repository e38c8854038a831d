//! The scenes of the repository load; broken scenes say exactly what is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use gridloom_model::scene::{self, Issue, LoadedScene};

const BROKEN: &str = "broken_scenes";

fn files_ending(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    paths.sort();
    paths
}

fn load(name: &str) -> LoadedScene {
    scene::load(&Path::new("../scenes").join(name))
        .unwrap_or_else(|issues| panic!("{name} does not load:\n{}", lines(&issues)))
}

fn lines(issues: &[Issue]) -> String {
    issues.iter().map(|issue| format!("{issue}\n")).collect()
}

/// Every broken scene has a file beside it with the exact messages;
/// `UPDATE_GOLDEN=1` rewrites them, for review in the diff.
#[test]
fn ten_broken_scenes_give_exactly_these_messages() {
    let scenes = files_ending(BROKEN, ".scene.ron");
    assert_eq!(scenes.len(), 10);
    for path in scenes {
        let issues = scene::load(&path).expect_err("a broken scene must not load");
        let found = lines(&issues);
        let golden = PathBuf::from(
            path.to_string_lossy()
                .replace(".scene.ron", ".expected.txt"),
        );
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &found).expect("the golden file can be written");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(found, expected, "{}", path.display());
        for issue in &issues {
            assert!(issue.line > 0 && issue.column > 0, "no place: {issue}");
        }
    }
}

#[test]
fn every_scene_of_the_repository_loads() {
    let scenes = files_ending("../scenes", ".scene.ron");
    assert!(scenes.len() >= 2);
    for path in scenes {
        let loaded = scene::load(&path).unwrap_or_else(|issues| panic!("{}", lines(&issues)));
        assert_eq!(loaded.refs.homes.len(), loaded.scene.homes.len());
    }
}

#[test]
fn a_missing_scene_is_named() {
    let issues = scene::load(Path::new("nowhere.scene.ron")).expect_err("there is none");
    assert_eq!(
        lines(&issues),
        "nowhere.scene.ron:1:1: the scene does not exist\n"
    );
}

#[test]
fn the_default_scene_is_the_community_it_describes() {
    let akerby = load("akerby.scene.ron");
    let homes = &akerby.scene.homes;
    let count = |has: fn(&scene::HomeSpec) -> bool| homes.iter().filter(|home| has(home)).count();
    assert_eq!(homes.len(), 55);
    assert_eq!(akerby.grid.loads.len(), 55);
    assert_eq!(count(|home| home.pv.is_some()), 28);
    assert_eq!(count(|home| home.battery.is_some()), 19);
    assert_eq!(count(|home| home.heater.is_some()), 22);
    assert_eq!(count(|home| home.ev.is_some()), 6);
    let kw_peak: f64 = homes
        .iter()
        .filter_map(|home| home.pv)
        .map(|pv| pv.kw_peak)
        .sum();
    assert!((kw_peak - 126.0).abs() < 1e-9, "{kw_peak} kWp");
}

#[test]
fn the_areas_of_the_default_scene_are_sub_trees_of_the_feeder() {
    let akerby = load("akerby.scene.ron");
    let homes_under = |mlmd: usize| akerby.refs.homes.iter().filter(|h| h.mlmd == mlmd).count();
    let areas: Vec<usize> = (0..4).map(homes_under).collect();
    assert_eq!(areas, [19, 13, 10, 13]);
    let parents: Vec<Option<usize>> = akerby.refs.mlmds.iter().map(|m| m.parent).collect();
    assert_eq!(parents, [None, Some(0), Some(0), Some(2)]);
    let in_cluster = |cluster| {
        akerby
            .refs
            .homes
            .iter()
            .filter(|h| h.cluster == cluster)
            .count()
    };
    assert_eq!((in_cluster(0), in_cluster(1)), (32, 23));
    assert_eq!(akerby.refs.shared_batteries[0].mlmd, 0);
}
