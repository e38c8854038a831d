//! Checks the meaning of a scene and reports every problem at once.

mod contract;
mod equipment;
mod events;
mod head;
mod island;
mod market;
mod network;
mod protection;
mod story;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use super::Issue;
use super::schema::Scene;
use super::spans::{At, Node, line_col};
use super::suggest;
use crate::grid::GridCase;
use crate::profile::ProfileSet;

/// Most problems reported for one scene; the rest is counted.
const MAX_ISSUES: usize = 200;

/// Id of the cloud ledger in events and expectations.
pub const ROOT_LEDGER: &str = "root";

/// Problems found so far, with the text they are placed in.
pub(super) struct Report<'a> {
    text: &'a str,
    file: &'a str,
    issues: Vec<Issue>,
    left_out: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(text: &'a str, file: &'a str) -> Self {
        Self {
            text,
            file,
            issues: Vec::new(),
            left_out: 0,
        }
    }

    /// Adds a problem at a place of the scene file.
    pub(super) fn say(&mut self, at: At<'_>, message: impl Into<String>, hint: impl Into<String>) {
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        let (line, column) = line_col(self.text, at.offset());
        self.push(Issue {
            file: self.file.to_owned(),
            line,
            column,
            message: message.into(),
            hint: hint.into(),
        });
    }

    /// Adds a problem of another file.
    pub(super) fn push(&mut self, issue: Issue) {
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.issues.push(issue);
        }
    }

    fn is_full(&self) -> bool {
        self.issues.len() >= MAX_ISSUES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.issues.is_empty()
    }

    /// All problems in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Issue> {
        self.issues.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
        });
        self.issues.dedup();
        if self.left_out > 0 {
            let (line, column) = line_col(self.text, self.text.len());
            self.issues.push(Issue {
                file: self.file.to_owned(),
                line,
                column,
                message: format!("{} more problems are not shown", self.left_out),
                hint: String::new(),
            });
        }
        self.issues
    }
}

/// What the files a scene refers to contain; `None` where they did not load.
pub(super) struct Known<'a> {
    pub(super) grid: Option<&'a GridCase>,
    pub(super) profiles: Option<&'a [ProfileSet]>,
}

/// The names a scene may refer to; `None` where their file did not load.
struct Names<'a> {
    loads: Option<BTreeSet<&'a str>>,
    buses: Option<BTreeSet<&'a str>>,
    lines: Option<BTreeSet<&'a str>>,
    transformers: Option<BTreeSet<&'a str>>,
    capacitors: Option<BTreeSet<&'a str>>,
    series: Option<BTreeSet<&'a str>>,
    preferences: Option<BTreeSet<&'a str>>,
    homes: Option<BTreeSet<&'a str>>,
    meters: Option<BTreeSet<&'a str>>,
    mlmds: Option<BTreeSet<&'a str>>,
    entities: Option<BTreeSet<&'a str>>,
    ledgers: Option<BTreeSet<&'a str>>,
    switchgear: Option<BTreeSet<&'a str>>,
    areas: Option<BTreeSet<&'a str>>,
    faults: Option<BTreeSet<&'a str>>,
}

impl<'a> Names<'a> {
    fn new(scene: &'a Scene, known: &Known<'a>) -> Self {
        let homes: BTreeSet<&str> = scene.homes.iter().map(|e| e.id.as_str()).collect();
        let mut meters = homes.clone();
        meters.extend(scene.shared_batteries.iter().map(|e| e.id.as_str()));
        let mlmds: BTreeSet<&str> = scene.mlmds.iter().map(|e| e.id.as_str()).collect();
        let entities = meters.union(&mlmds).copied().collect();
        let clusters = scene.clusters.iter().map(|e| e.id.as_str());
        Self {
            loads: known
                .grid
                .map(|grid| grid.loads.iter().map(|e| e.id.as_str()).collect()),
            buses: known
                .grid
                .map(|grid| grid.buses.iter().map(|e| e.id.as_str()).collect()),
            lines: known
                .grid
                .map(|grid| grid.lines.iter().map(|e| e.id.as_str()).collect()),
            transformers: known
                .grid
                .map(|grid| grid.transformers.iter().map(|e| e.id.as_str()).collect()),
            capacitors: known
                .grid
                .map(|grid| grid.capacitors.iter().map(|e| e.id.as_str()).collect()),
            series: known.profiles.map(|sets| {
                let series = sets.iter().flat_map(|set| &set.series);
                series.map(|series| series.id.as_str()).collect()
            }),
            preferences: Some(scene.preferences.keys().map(String::as_str).collect()),
            homes: Some(homes),
            meters: Some(meters),
            switchgear: Some(
                (scene.protection.devices.iter().map(|e| e.id.as_str()))
                    .chain(mlmds.iter().copied())
                    .collect(),
            ),
            areas: Some(
                scene
                    .protection
                    .areas
                    .iter()
                    .map(|e| e.id.as_str())
                    .collect(),
            ),
            faults: Some(protection::fault_ids(scene)),
            mlmds: Some(mlmds),
            entities: Some(entities),
            ledgers: Some(clusters.chain([ROOT_LEDGER]).collect()),
        }
    }
}

pub(super) struct Check<'a, 'r, 't> {
    scene: &'a Scene,
    root: At<'a>,
    names: &'a Names<'a>,
    report: &'r mut Report<'t>,
}

/// Checks a scene against itself and the files it refers to.
pub(super) fn check<'a>(
    scene: &'a Scene,
    places: &'a Node,
    known: &Known<'a>,
    report: &mut Report<'_>,
) {
    let names = Names::new(scene, known);
    let mut check = Check {
        scene,
        root: At::root(places),
        names: &names,
        report,
    };
    check.head();
    check.ids();
    check.homes();
    check.shared_batteries();
    check.mlmds();
    check.protection();
    check.clusters();
    check.exchange();
    check.islanding();
    check.voltage_controllers();
    check.links();
    check.contract();
    check.wholesale();
    check.bindings();
    check.events();
    check.expectations();
    check.story();
}

impl<'a> Check<'a, '_, '_> {
    fn at(&self, list: &str, index: usize) -> At<'a> {
        self.root.field(list).item(index)
    }

    /// Reports `name` unless it is among `known`, or nothing can be known.
    fn refers(
        &mut self,
        at: At<'_>,
        what: &str,
        name: &str,
        known: &Option<BTreeSet<&str>>,
    ) -> bool {
        let Some(known) = known else { return true };
        if known.contains(name) {
            return true;
        }
        let message = format!("{what} `{name}` does not exist");
        // Suggesting is the slow part; past the limit nobody reads it.
        let hint = if self.report.is_full() {
            String::new()
        } else {
            suggest::hint(name, known.iter().copied())
        };
        self.report.say(at, message, hint);
        false
    }

    /// Ids are unique over everything a person can select or command.
    fn ids(&mut self) {
        let scene = self.scene;
        let mut seen: BTreeMap<&str, &'static str> = BTreeMap::new();
        seen.insert(ROOT_LEDGER, "ledger");
        let entities = (scene.homes.iter().enumerate())
            .map(|(i, home)| ("homes", i, "id", "home", home.id.as_str()))
            .chain(
                (scene.shared_batteries.iter().enumerate()).map(|(i, battery)| {
                    (
                        "shared_batteries",
                        i,
                        "id",
                        "shared battery",
                        battery.id.as_str(),
                    )
                }),
            )
            .chain(
                (scene.mlmds.iter().enumerate())
                    .map(|(i, mlmd)| ("mlmds", i, "id", "M-LMD", mlmd.id.as_str())),
            )
            .chain(
                (scene.clusters.iter().enumerate()).flat_map(|(i, cluster)| {
                    [
                        ("clusters", i, "id", "cluster", cluster.id.as_str()),
                        (
                            "clusters",
                            i,
                            "aggregator",
                            "aggregator",
                            cluster.aggregator.as_str(),
                        ),
                    ]
                }),
            );
        let protection = self.root.field("protection");
        let devices = (scene.protection.devices.iter().enumerate()).map(|(i, device)| {
            let at = protection.field("devices").item(i).field("id");
            (at, "protection device", device.id.as_str())
        });
        let areas = (scene.protection.areas.iter().enumerate()).map(|(i, area)| {
            let at = protection.field("areas").item(i).field("id");
            (at, "restoration area", area.id.as_str())
        });
        let entities = entities
            .map(|(list, index, field, kind, id)| (self.at(list, index).field(field), kind, id))
            .chain(devices)
            .chain(areas)
            .collect::<Vec<_>>();
        for (at, kind, id) in entities {
            if id.is_empty() || id.trim() != id {
                self.report.say(
                    at,
                    format!("{kind} id `{id}` is empty or has blanks around it"),
                    "give every element a short unique id",
                );
            } else if let Some(other) = seen.insert(id, kind) {
                self.report.say(
                    at,
                    format!("id `{id}` is already taken by a {other}"),
                    "ids are unique over homes, batteries, M-LMDs, clusters and aggregators",
                );
            }
        }
    }
}
