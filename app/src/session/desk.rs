//! The twin's thread beside time: breakpoints, branches, snapshots, scenes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use gridloom_core::branch::first_difference;
use gridloom_core::playback::StepKind;
use gridloom_core::query::Query;
use gridloom_core::{Twin, TwinOptions};
use gridloom_model::scene::Preset;
use gridloom_units::Tick;

use super::{Driver, files};
use crate::keyframes::Keyframer;
use crate::window::{
    BranchRow, BreakAction, BreakRow, Desk, DeskAction, LibraryRow, Other, SnapshotRow,
};

/// Breakpoints at most.
const BREAKPOINTS: usize = 64;

/// Snapshots kept by a person.
const SNAPSHOTS: usize = 64;

/// Ticks a step by kind or a watchpoint looks at most.
const REACH: u64 = 100_000;

/// Loads a scene for the thread.
pub type Loader = Box<dyn Fn(&Path, TwinOptions, Option<Preset>) -> Result<Twin, String> + Send>;

/// A breakpoint with its last value.
pub(super) struct Break {
    query: Query,
    on: bool,
    hits: u64,
    /// Whether it held after the last tick.
    held: bool,
}

/// A branch that runs beside the twin.
pub(super) struct Beside {
    id: u32,
    twin: Twin,
}

/// Everything of the desk.
#[derive(Default)]
pub(super) struct DeskState {
    breaks: Vec<Break>,
    beside: Option<Beside>,
    snapshots: Vec<(Tick, Option<[u8; 32]>)>,
    library: Arc<Vec<LibraryRow>>,
    notice: Option<(u64, String)>,
    loader: Option<Loader>,
    path: PathBuf,
    pub(super) rewind_ms: Option<f64>,
}

impl DeskState {
    /// With a library and a way to load scenes.
    pub(super) fn new(path: PathBuf, library: Vec<LibraryRow>, loader: Option<Loader>) -> Self {
        Self {
            library: Arc::new(library),
            loader,
            path,
            ..Self::default()
        }
    }

    /// Says something once.
    pub(super) fn say(&mut self, words: impl Into<String>) {
        let number = self.notice.as_ref().map_or(0, |(n, _)| *n) + 1;
        self.notice = Some((number, words.into()));
    }
}

/// First digits of a hash.
fn short(hash: Option<[u8; 32]>) -> String {
    hash.map_or_else(String::new, |hash| {
        hash[..4].iter().map(|b| format!("{b:02x}")).collect()
    })
}

/// State hash of the moment a twin shows.
fn hash_now(twin: &Twin) -> Option<[u8; 32]> {
    twin.hash_after(Tick(twin.tick().0.checked_sub(1)?))
}

/// What a picture shows of a twin beside its moment.
pub fn desk_of(twin: &Twin) -> Desk {
    Desk {
        branches: branches(twin),
        hash: short(hash_now(twin)),
        keyframes: twin.keyframes(),
        ..Desk::default()
    }
}

/// Rows of the branches a twin keeps.
fn branches(twin: &Twin) -> Vec<BranchRow> {
    let all = twin.branches().all().iter();
    all.map(|branch| BranchRow {
        id: branch.id,
        forked_at: branch.forked_at,
        head: branch.head(),
        differs_at: first_difference(twin.hashes(), &branch.hashes),
        commands: branch.commands.len(),
    })
    .collect()
}

impl Driver {
    pub(super) fn take_break(&mut self, action: BreakAction) {
        match action {
            BreakAction::Add(text) => match Query::new(&text, self.twin.scene()) {
                Ok(query) if self.desk.breaks.len() < BREAKPOINTS => {
                    let held = self.twin.value(&query).is_true();
                    self.desk.breaks.push(Break {
                        query,
                        on: true,
                        hits: 0,
                        held,
                    });
                }
                Ok(_) => self
                    .desk
                    .say(format!("No more than {BREAKPOINTS} breakpoints")),
                Err(reason) => self.desk.say(reason),
            },
            BreakAction::Toggle(index) => {
                if let Some(point) = self.desk.breaks.get_mut(index) {
                    point.on = !point.on;
                }
            }
            BreakAction::Remove(index) => {
                if index < self.desk.breaks.len() {
                    self.desk.breaks.remove(index);
                }
            }
            BreakAction::LastChange(text) => match Query::new(&text, self.twin.scene()) {
                Ok(query) => {
                    self.pause();
                    match self.twin.last_change(&query, REACH) {
                        Some(tick) => self
                            .desk
                            .say(format!("{text} last changed at tick {}", tick.0)),
                        None => self.desk.say(format!("{text} has not changed before")),
                    }
                }
                Err(reason) => self.desk.say(reason),
            },
        }
    }

    fn pause(&mut self) {
        self.state.playing = false;
        self.state.seeking = None;
    }

    /// Looks at every breakpoint after a tick; returns whether to stop.
    pub(super) fn breaks(&mut self) -> bool {
        let mut stop = None;
        for point in self.desk.breaks.iter_mut().filter(|point| point.on) {
            let holds = self.twin.value(&point.query).is_true();
            if holds && !point.held {
                point.hits += 1;
                stop.get_or_insert_with(|| point.query.text.clone());
            }
            point.held = holds;
        }
        if let Some(text) = &stop {
            self.desk.say(format!("Stopped: {text}"));
        }
        stop.is_some()
    }

    /// Goes to the next or last thing of a kind.
    pub(super) fn step_to(&mut self, kind: StepKind, forward: bool) {
        self.pause();
        if !forward {
            match self.twin.previous(kind) {
                Some(tick) => self.go_to(tick),
                None => self
                    .desk
                    .say(format!("No {} before this", kind.label().to_lowercase())),
            }
            return;
        }
        let before = self.twin.mark(kind);
        let begun = self.twin.tick().0;
        while self.twin.tick() < self.twin.end() && self.twin.tick().0 < begun + REACH {
            self.step();
            if self.twin.mark(kind) != before {
                return;
            }
        }
        self.desk
            .say(format!("No {} after this", kind.label().to_lowercase()));
    }

    pub(super) fn take_desk(&mut self, action: DeskAction) {
        match action {
            DeskAction::Compare(None) => self.desk.beside = None,
            DeskAction::Compare(Some(id)) => match self.twin.follow(id, self.twin.tick()) {
                Ok(twin) => self.desk.beside = Some(Beside { id, twin }),
                Err(error) => self.desk.say(error.to_string()),
            },
            DeskAction::Switch(id) => match self.twin.follow(id, self.twin.tick()) {
                Ok(mut twin) => {
                    twin.take_over(&self.twin, id);
                    self.twin = twin;
                    if let Some(remote) = &mut self.remote {
                        remote.finish("another branch is the run now");
                    }
                    self.desk.beside = None;
                    self.desk.say(format!("Branch {id} is the run now"));
                }
                Err(error) => self.desk.say(error.to_string()),
            },
            DeskAction::FirstDifference => {
                let found =
                    self.desk.beside.as_ref().and_then(|beside| {
                        first_difference(self.twin.hashes(), beside.twin.hashes())
                    });
                match found {
                    Some(tick) => self.go_to(Tick(tick.0 + 1)),
                    None => self.desk.say("The runs are equal as far as both go"),
                }
            }
            DeskAction::Snapshot => {
                if self.desk.snapshots.len() == SNAPSHOTS {
                    self.desk.snapshots.remove(0);
                }
                let kept = (self.twin.tick(), hash_now(&self.twin));
                self.desk.snapshots.push(kept);
                self.desk.say(format!("Kept {}", self.twin.time()));
            }
            DeskAction::Restore(index) => {
                if let Some((tick, _)) = self.desk.snapshots.get(index) {
                    self.go_to(*tick);
                }
            }
            DeskAction::Open { path, autopilot } => self.open(path, autopilot, None),
            DeskAction::OnLedger(preset) => {
                let path = self.desk.path.clone();
                self.open(path, false, Some(preset));
            }
            DeskAction::SaveScene => {
                let said = files::save_scene(&self.twin, &self.desk.path);
                self.desk.say(said);
            }
            DeskAction::Report => {
                let said = files::report(&mut self.twin, &self.desk.path);
                self.desk.say(said);
            }
        }
    }

    /// Replaces the twin by that of another scene, or of the same with other ledgers.
    fn open(&mut self, path: PathBuf, autopilot: bool, like: Option<Preset>) {
        let Some(loader) = &self.desk.loader else {
            self.desk.say("Scenes cannot be opened here");
            return;
        };
        let options = TwinOptions {
            rewindable: true,
            autopilot,
            ..TwinOptions::default()
        };
        match loader(&path, options, like) {
            Ok(twin) => {
                self.twin = twin;
                // Who listens for validators of the other scene is of no use any more.
                if let Some(mut remote) = self.remote.take() {
                    remote.finish("another scene is open now");
                }
                self.devices.unbind_all();
                self.selected = None;
                self.desk.beside = None;
                self.desk.snapshots.clear();
                self.desk.breaks.clear();
                self.desk.path.clone_from(&path);
                let rows: Vec<LibraryRow> = self
                    .desk
                    .library
                    .iter()
                    .map(|row| LibraryRow {
                        open: row.path == path,
                        ..row.clone()
                    })
                    .collect();
                self.desk.library = Arc::new(rows);
                self.state.seeking = None;
                self.state.playing = true;
                self.keyframer = Keyframer::new(&mut self.twin);
                // Another scene begins at its own midnight.
                self.pace.clear();
                self.owed_ms = 0.0;
                if let Some(preset) = like {
                    let parts = preset.parts();
                    let (codes, group) = (parts.codes(), parts.group());
                    let name = preset.name();
                    self.desk
                        .say(format!("Ledgers like {name}: {codes}, group {group}"));
                }
            }
            Err(reason) => self.desk.say(reason),
        }
    }

    /// Brings the branch beside the run to the same tick.
    fn beside(&mut self) -> Option<Other> {
        let now = self.twin.tick();
        let selected = self.selected;
        let beside = self.desk.beside.as_mut()?;
        beside.twin.seek(now);
        let view = Arc::new(beside.twin.view(selected));
        Some(Other {
            id: beside.id,
            differs_at: first_difference(self.twin.hashes(), beside.twin.hashes()),
            hash: short(hash_now(&beside.twin)),
            view,
        })
    }

    /// What the window shows of all this.
    pub(super) fn desk_view(&mut self) -> Desk {
        let begun = Instant::now();
        let other = self.beside();
        // A branch that cannot keep up is shown, but not faster than that.
        if begun.elapsed().as_millis() > 500 {
            tracing::debug!("the branch took {:?} to follow", begun.elapsed());
        }
        let twin = &self.twin;
        Desk {
            branches: branches(twin),
            breakpoints: self
                .desk
                .breaks
                .iter()
                .map(|point| BreakRow {
                    text: point.query.text.clone(),
                    on: point.on,
                    hits: point.hits,
                    value: twin.value(&point.query).to_string(),
                })
                .collect(),
            other,
            snapshots: self
                .desk
                .snapshots
                .iter()
                .map(|(tick, hash)| SnapshotRow {
                    time: tick.start(twin.tick_ms()),
                    valid: tick
                        .0
                        .checked_sub(1)
                        .map(Tick)
                        .and_then(|t| twin.hash_after(t))
                        == *hash,
                })
                .collect(),
            library: Arc::clone(&self.desk.library),
            notice: self.desk.notice.clone(),
            hash: short(hash_now(twin)),
            keyframes: twin.keyframes(),
            rewind_ms: self.desk.rewind_ms,
        }
    }
}
