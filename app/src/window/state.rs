//! What belongs to the window alone: selection, camera, switches, and the
//! requests it makes.

use egui::Rect;
use gridloom_core::command::Command;
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::Selected;

use super::desk::{BreakAction, DeskAction};
use super::engineer::EngineerState;
use super::map::cache::MapCache;
use super::theme::ThemeName;
use super::train::TrainState;

/// A request of a person, for the owner of the twin.
#[derive(Clone, Debug, PartialEq)]
pub enum UiAction {
    /// Change the world.
    Command(Command),
    /// Change how time runs.
    Playback(PlaybackCommand),
    /// Prepare the details of this entity.
    Select(Option<Selected>),
    /// Bind, arm, set or unbind a physical device.
    Device(crate::devices::DeviceAsk),
    /// Breakpoints and watchpoints.
    Break(BreakAction),
    /// Branches, scenes and files.
    Desk(DeskAction),
}

/// What the window is for right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workspace {
    /// Watch and act.
    #[default]
    Operate,
    /// Teach and be taught.
    Train,
    /// Find out why.
    Engineer,
}

impl Workspace {
    /// All of them in the order of F1 to F3.
    pub const ALL: [Self; 3] = [Self::Operate, Self::Train, Self::Engineer];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operate => "Operate",
            Self::Train => "Train",
            Self::Engineer => "Engineer",
        }
    }
}

/// How the world is drawn; the same entities in every view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorldView {
    /// Single-line on the surveyed map.
    #[default]
    SingleLine,
    /// Tilted neighbourhood.
    Neighbourhood,
    /// Grid, edge, cloud and ledger one above the other.
    Layers,
}

impl WorldView {
    /// All of them in the order of F5.
    pub const ALL: [Self; 3] = [Self::SingleLine, Self::Neighbourhood, Self::Layers];

    /// Letter and name.
    pub fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::SingleLine => ("A", "Single-line"),
            Self::Neighbourhood => ("B", "Neighbourhood"),
            Self::Layers => ("C", "Layers"),
        }
    }
}

/// A change of view under way: object constancy by moving everything.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Morph {
    /// Where it comes from.
    pub from: WorldView,
    /// Where it goes.
    pub to: WorldView,
    /// Share of the way, 0..1.
    pub share: f64,
}

/// Duration of a change of view, s.
const MORPH_S: f64 = 0.45;

impl Morph {
    /// Turns to another view; at once with reduced motion.
    pub fn turn(&mut self, to: WorldView, at_once: bool) {
        if to != self.to {
            *self = Self {
                from: if self.share >= 0.5 {
                    self.to
                } else {
                    self.from
                },
                to,
                share: if at_once { 1.0 } else { 0.0 },
            };
        }
    }

    /// Moves on by some wall time.
    pub fn advance(&mut self, dt_s: f64) {
        self.share = (self.share + dt_s / MORPH_S).min(1.0);
    }

    /// Whether it is under way.
    pub fn moving(&self) -> bool {
        self.share < 1.0 && self.from != self.to
    }

    /// Strength of a view, 0..1, with cubic easing.
    pub fn strength(&self, of: WorldView) -> f64 {
        if self.from == self.to {
            return if of == self.to { 1.0 } else { 0.0 };
        }
        let s = self.share.clamp(0.0, 1.0);
        let eased = if s < 0.5 {
            4.0 * s * s * s
        } else {
            let r = 2.0 - 2.0 * s;
            1.0 - r * r * r * 0.5
        };
        match of {
            of if of == self.to => eased,
            of if of == self.from => 1.0 - eased,
            _ => 0.0,
        }
    }
}

/// Switches of the map, keys 1 to 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Ribbons and chevrons.
    pub power: bool,
    /// Voltage halo.
    pub voltage: bool,
    /// Data links.
    pub data: bool,
    /// Aggregators, transactions, blocks.
    pub ledger: bool,
    /// Local price at the aggregators.
    pub price: bool,
    /// Names and values.
    pub labels: bool,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            power: true,
            voltage: true,
            data: true,
            ledger: true,
            price: false,
            labels: true,
        }
    }
}

impl Layers {
    /// Names in key order.
    pub const NAMES: [&'static str; 6] = ["Power", "Voltage", "Data", "Ledger", "Price", "Labels"];

    /// The switch of key `index + 1`.
    pub fn switch(&mut self, index: usize) -> Option<&mut bool> {
        match index {
            0 => Some(&mut self.power),
            1 => Some(&mut self.voltage),
            2 => Some(&mut self.data),
            3 => Some(&mut self.ledger),
            4 => Some(&mut self.price),
            5 => Some(&mut self.labels),
            _ => None,
        }
    }

    /// All of them in key order.
    pub fn all(self) -> [bool; 6] {
        [
            self.power,
            self.voltage,
            self.data,
            self.ledger,
            self.price,
            self.labels,
        ]
    }
}

/// Where the map looks, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapCamera {
    /// Middle of the world area, m.
    pub centre_m: (f64, f64),
    /// Scale, px per m.
    pub px_per_m: f64,
}

/// An operation that waits for its second step.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingSwitch {
    /// M-LMD index.
    pub mlmd: usize,
    /// Whether it will open.
    pub open: bool,
}

/// Scale of the whole interface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UiScale(pub f32);

impl Default for UiScale {
    fn default() -> Self {
        Self(1.0)
    }
}

impl UiScale {
    /// Steps of the `Ctrl +` and `Ctrl -` keys.
    const STEPS: [f32; 7] = [0.75, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0];

    /// The scale that a window of this size, px, has room for: no workspace fits
    /// into less than 1280×720 points.
    pub fn within(self, size_px: (f32, f32)) -> f32 {
        let room = (size_px.0 / 1_280.0).min(size_px.1 / 720.0);
        self.0.min(room.max(Self::STEPS[0]))
    }

    /// The next larger or smaller step.
    pub fn step(self, larger: bool) -> Self {
        let found = if larger {
            Self::STEPS.iter().find(|s| **s > self.0 + 0.01)
        } else {
            Self::STEPS.iter().rev().find(|s| **s < self.0 - 0.01)
        };
        found.map_or(self, |s| Self(*s))
    }
}

/// Watches the alarm engine from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watchdog {
    /// Last evaluation that was seen, ms of simulated time.
    pub evaluated_ms: u64,
    /// Last tick that was seen.
    pub tick: u64,
    /// Wall time with ticks but without evaluations, s.
    pub silent_s: f64,
}

/// Wall time without evaluations after which the banner comes, s.
pub const SILENT_LIMIT_S: f64 = 2.0;

impl Watchdog {
    /// Looks at a view after some wall time.
    pub fn look(&mut self, evaluated_ms: u64, tick: u64, dt_s: f64) {
        if evaluated_ms != self.evaluated_ms || tick < self.tick {
            self.silent_s = 0.0;
        } else if tick > self.tick || self.silent_s > 0.0 {
            self.silent_s += dt_s;
        }
        self.evaluated_ms = evaluated_ms;
        self.tick = tick;
    }

    /// Whether the engine is silent while time runs.
    pub fn silent(&self) -> bool {
        self.silent_s > SILENT_LIMIT_S
    }
}

/// Everything the window remembers between frames.
#[derive(Default)]
pub struct UiState {
    /// Shown theme.
    pub theme: ThemeName,
    /// What is selected.
    pub selected: Option<Selected>,
    /// Map switches.
    pub layers: Layers,
    /// `None` means: fit everything.
    pub camera: Option<MapCamera>,
    /// Frame the selection on the next frame.
    pub frame_selection: bool,
    /// No motion at all.
    pub reduce_motion: bool,
    /// Wall time of the motion, s; stands while paused.
    pub motion_s: f64,
    /// Wall time at which the window blinks, s.
    pub blink_s: f64,
    /// Workspace.
    pub workspace: Workspace,
    /// View of the world.
    pub morph: Morph,
    /// Whether the list shows shelved, folded and out-of-service alarms.
    pub alarms_hidden: bool,
    /// Alarm whose shelving waits for a reason.
    pub shelving: Option<u64>,
    /// Alarm of the list that keys act on.
    pub alarm: Option<u64>,
    /// Scale of everything, 0.75 to 2.
    pub scale: UiScale,
    /// When the alarm engine was last seen at work: its time, and wall time since, s.
    pub watchdog: Watchdog,
    /// The Engineer workspace.
    pub engineer: EngineerState,
    /// The Train workspace.
    pub train: TrainState,
    /// Notice that was shown, and for how long, s.
    pub notice: (u64, f64),
    /// Breaker operation that waits for the second step.
    pub pending: Option<PendingSwitch>,
    /// Page of the physical devices.
    pub devices: super::panels::devices::Page,
    /// Page of a running ledger's nodes.
    pub nodes: super::panels::nodes::Page,
    /// Whether the audience has a window of its own.
    pub audience: bool,
    /// Key overlay.
    pub help: bool,
    /// Palette text, while it is open.
    pub palette: Option<String>,
    /// Legend unfolded at 1280×720.
    pub legend_open: bool,
    /// Drawing data that only depends on the scene.
    pub map: MapCache,
    /// Rect of the world in the last frame.
    pub world_rect: Option<Rect>,
    /// Tick asked for by scrubbing and not reached yet.
    pub scrub: Option<u64>,
    /// Panels that scroll: how often a limit cut a list, for the report.
    pub lists_cut: u64,
    /// Motion phase per conductor run, px.
    pub phase: Vec<f32>,
}

/// What presenting enlarges everything by at a height of 1080 px: the smallest
/// letters of the world, 11 px, become 18 px.
const PRESENTED: f32 = 1.65;

impl UiState {
    /// Scale at which a window of this size, px, is drawn.
    pub fn zoom(&self, size_px: (f32, f32)) -> f32 {
        if self.train.presenter {
            (PRESENTED * size_px.1 / 1_080.0).clamp(0.75, 4.0)
        } else {
            self.scale.within(size_px)
        }
    }
}
