//! The Engineer workspace: why did it happen, and where do two runs part?

mod curves;
mod events;
mod explorer;
mod filter;
mod inspect;
mod notes;
mod phasor;
mod plots;
mod relay;
mod spacetime;
mod steps;
mod tiles;
mod tree;
mod votes;
mod waves;
mod worlds;

use std::collections::BTreeMap;

use egui::{Rect, Stroke, Ui, pos2};

use super::map::cache::MapCache;
use super::panels;
use super::ui::{self, Cx, Part, Skeleton};

pub use self::steps::go as step;
pub use self::tiles::Pane;
pub use self::tree::field;

/// What the workspace remembers.
#[derive(Default)]
pub struct EngineerState {
    /// Filter of the tree.
    pub filter: String,
    /// Text of a breakpoint that is being written.
    pub condition: String,
    /// Unfolded groups of the tree.
    pub open: BTreeMap<String, bool>,
    /// Tab that is in front when the tiles are arranged.
    pub front: Option<Pane>,
    /// The dockable part.
    pub tiles: Option<egui_tiles::Tree<Pane>>,
    /// Ledger of votes and space-time.
    pub ledger: usize,
    /// The message that is followed in the space-time diagram.
    pub message: Option<usize>,
    /// Shown time of the space-time diagram, µs; `None` = the newest height.
    pub spacetime_us: Option<(f64, f64)>,
    /// Bookmarks: tick and note.
    pub bookmarks: Vec<(u64, String)>,
    /// Note that is being written.
    pub note: String,
    /// Time under the linked cursor of the plots, ms.
    pub cursor_ms: Option<u64>,
    /// Shown span of the plots, ms; `None` = all.
    pub span_ms: Option<(u64, u64)>,
    /// Iteration of the power flow that is looked at: tick and position.
    pub iteration: Option<(u64, usize)>,
    /// Protection device of the time-current curves and waveforms.
    pub relay: Option<usize>,
    /// Fault record of the waveforms; `None` = the newest.
    pub record: Option<usize>,
    /// Its sampled channels.
    pub waves: waves::Sampled,
    /// Shown span of the waveforms after their begin, ms; `None` = all.
    pub wave_ms: Option<(f64, f64)>,
    /// Map of the run in the small world.
    pub world_a: MapCache,
    /// Map of the branch.
    pub world_b: MapCache,
    /// Upper limit reached, counted.
    pub bookmarks_refused: u64,
}

/// Bookmarks at most.
pub const BOOKMARKS: usize = 200;

impl EngineerState {
    /// Marks a tick.
    pub fn bookmark(&mut self, tick: u64, note: String) {
        if self.bookmarks.len() >= BOOKMARKS {
            self.bookmarks_refused += 1;
            return;
        }
        self.bookmarks.push((tick, note));
        self.bookmarks.sort_by_key(|mark| mark.0);
    }
}

/// Rectangles of the workspace.
struct Places {
    tree: Rect,
    worlds: Rect,
    inspect: Rect,
    tiles: Rect,
    steps: Rect,
}

impl Places {
    fn of(s: &Skeleton, compact: bool) -> Self {
        let (tree_w, inspect_w, steps_h) = if compact {
            (200.0, 300.0, 34.0)
        } else {
            (256.0, 520.0, 40.0)
        };
        let full = Rect::from_min_max(
            pos2(s.status.min.x, s.status.max.y),
            pos2(s.status.max.x, s.tape.min.y - steps_h),
        );
        let middle = full.min.y + full.height() * if compact { 0.46 } else { 0.498 };
        Self {
            tree: Rect::from_min_max(full.min, pos2(full.min.x + tree_w, middle)),
            worlds: Rect::from_min_max(
                pos2(full.min.x + tree_w, full.min.y),
                pos2(full.max.x - inspect_w, middle),
            ),
            inspect: Rect::from_min_max(
                pos2(full.max.x - inspect_w, full.min.y),
                pos2(full.max.x, middle),
            ),
            tiles: Rect::from_min_max(pos2(full.min.x, middle), full.max),
            steps: Rect::from_min_max(pos2(full.min.x, full.max.y), pos2(full.max.x, s.tape.min.y)),
        }
    }
}

/// Shows the workspace.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    let skeleton = Skeleton::of(full, cx.compact, false);
    let places = Places::of(&skeleton, cx.compact);
    // Nothing of the large world is drawn behind the two small ones.
    cx.state.map.clear_world();
    cx.state.world_rect = Some(places.worlds);
    ui::parts(
        ui,
        cx,
        &[
            (skeleton.status, panels::status::show as Part),
            (places.tree, tree::show),
            (places.worlds, worlds::show),
            (places.inspect, inspect::show),
            (places.tiles, tiles::show),
            (places.steps, steps::show),
            (skeleton.transport, panels::transport::show),
            (skeleton.tape, panels::tape::show),
        ],
    );
    let stroke = Stroke::new(1.0, cx.theme.rule);
    let painter = ui.painter();
    for y in [
        skeleton.status.max.y,
        places.tiles.min.y,
        places.steps.min.y,
        skeleton.tape.min.y,
    ] {
        let ends = [pos2(full.min.x, y - 0.5), pos2(full.max.x, y - 0.5)];
        painter.line_segment(ends, stroke);
    }
    for x in [places.tree.max.x, places.inspect.min.x] {
        let ends = [pos2(x, places.tree.min.y), pos2(x, places.tree.max.y)];
        painter.line_segment(ends, stroke);
    }
    let x = skeleton.tape.min.x;
    let ends = [pos2(x, skeleton.tape.min.y), pos2(x, full.max.y)];
    painter.line_segment(ends, stroke);
}
