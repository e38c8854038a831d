//! What belongs to the window alone: selection, camera, switches, and the
//! requests it makes.

use std::collections::BTreeSet;

use egui::Rect;
use gridloom_core::command::Command;
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::Selected;

use super::map::cache::MapCache;
use super::theme::ThemeName;

/// A request of a person, for the owner of the twin.
#[derive(Clone, Debug, PartialEq)]
pub enum UiAction {
    /// Change the world.
    Command(Command),
    /// Change how time runs.
    Playback(PlaybackCommand),
    /// Prepare the details of this entity.
    Select(Option<Selected>),
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
    /// Alarms acknowledged in this window.
    pub acked: BTreeSet<u64>,
    /// Breaker operation that waits for the second step.
    pub pending: Option<PendingSwitch>,
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
