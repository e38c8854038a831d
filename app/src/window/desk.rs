//! What the owner of the twin keeps beside the shown moment: branches,
//! breakpoints, snapshots, the library, and what it has to say.

use std::path::PathBuf;
use std::sync::Arc;

use gridloom_core::view::ViewModel;
use gridloom_model::scene::Preset;
use gridloom_units::{SimTime, Tick};

/// Everything beside the shown moment.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// Futures that were left.
    pub branches: Vec<BranchRow>,
    /// Breakpoints in the order they were set.
    pub breakpoints: Vec<BreakRow>,
    /// The branch beside the run, at the same tick.
    pub other: Option<Other>,
    /// Moments a person kept.
    pub snapshots: Vec<SnapshotRow>,
    /// Scenes that can be opened.
    pub library: Arc<Vec<LibraryRow>>,
    /// The last thing that was said, with a number that rises.
    pub notice: Option<(u64, String)>,
    /// State hash of the shown tick, first digits.
    pub hash: String,
    /// Ticks between keyframes, and keyframes held.
    pub keyframes: (u64, usize),
    /// Wall time of the last rewind, ms.
    pub rewind_ms: Option<f64>,
}

/// A future that was left.
#[derive(Clone, Debug)]
pub struct BranchRow {
    /// Number.
    pub id: u32,
    /// Where it was left.
    pub forked_at: Tick,
    /// How far it was simulated.
    pub head: Tick,
    /// First tick at which it differs from the run.
    pub differs_at: Option<Tick>,
    /// Commands in it.
    pub commands: usize,
}

/// A breakpoint.
#[derive(Clone, Debug)]
pub struct BreakRow {
    /// The condition.
    pub text: String,
    /// Whether it stops the run.
    pub on: bool,
    /// How often it stopped it.
    pub hits: u64,
    /// Its value now.
    pub value: String,
}

/// A branch at the shown tick.
#[derive(Clone, Debug)]
pub struct Other {
    /// Its number.
    pub id: u32,
    /// The world there.
    pub view: Arc<ViewModel>,
    /// First tick at which it differs from the run.
    pub differs_at: Option<Tick>,
    /// State hash of the shown tick there, first digits.
    pub hash: String,
}

/// A kept moment.
#[derive(Clone, Debug)]
pub struct SnapshotRow {
    /// Its time.
    pub time: SimTime,
    /// Whether it lies on the present run (not on a branch that was left).
    pub valid: bool,
}

/// A scene of the library.
#[derive(Clone, Debug, Default)]
pub struct LibraryRow {
    /// Its file.
    pub path: PathBuf,
    /// Number, for example `S4`; empty without one.
    pub number: String,
    /// Title.
    pub title: String,
    /// What it teaches, one line.
    pub teaser: String,
    /// What a person should learn or watch.
    pub objective: String,
    /// Length of the run.
    pub hours: f64,
    /// Whether it is the one that runs.
    pub open: bool,
    /// A picture: conductors of the network within 0..1.
    pub picture: Arc<Vec<[(f32, f32); 2]>>,
}

/// A request about breakpoints.
#[derive(Clone, Debug, PartialEq)]
pub enum BreakAction {
    /// Set one.
    Add(String),
    /// Turn one on or off.
    Toggle(usize),
    /// Take one away.
    Remove(usize),
    /// Go back to the last change of this value.
    LastChange(String),
}

/// A request about branches, scenes and files.
#[derive(Clone, Debug, PartialEq)]
pub enum DeskAction {
    /// Show this branch beside the run; `None` = only the run.
    Compare(Option<u32>),
    /// Go on from this branch: the present run becomes a branch.
    Switch(u32),
    /// Go to the first tick at which the compared branch differs.
    FirstDifference,
    /// Keep this moment.
    Snapshot,
    /// Go to a kept moment.
    Restore(usize),
    /// Open a scene.
    Open {
        /// Its file.
        path: PathBuf,
        /// Let its autopilot act.
        autopilot: bool,
    },
    /// Open the scene again with every ledger like this one.
    OnLedger(Preset),
    /// Write the session as a scene.
    SaveScene,
    /// Write the report of the exercise (HTML and CSV).
    Report,
}
