//! Level of detail, and metres to pixels.

use egui::{Pos2, pos2};

use crate::window::state::MapCamera;

/// Level of detail by the size of a house, px (§ level-of-detail table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Clusters only.
    Community,
    /// House dots, ribbons, breakers.
    Feeder,
    /// House symbols with what they own.
    Street,
    /// Values at every house.
    House,
}

impl Detail {
    /// Short name for the caption.
    pub fn label(self) -> &'static str {
        match self {
            Self::Community => "L0 community",
            Self::Feeder => "L1 feeder",
            Self::Street => "L2 street",
            Self::House => "L3 house",
        }
    }

    /// Level for a house of `px`, keeping `old` within 15 % of its borders.
    pub fn of(px: f64, old: Option<Self>) -> Self {
        let plain = |px: f64| match px {
            px if px < 2.0 => Self::Community,
            px if px < 12.0 => Self::Feeder,
            px if px < 48.0 => Self::Street,
            _ => Self::House,
        };
        match old {
            Some(old) if plain(px * 1.15) == old || plain(px / 1.15) == old => old,
            _ => plain(px),
        }
    }
}

/// Footprint of a house used for the level of detail, m.
pub const HOUSE_M: f64 = 3.0;

/// Scale from which ribbons have their full width, px per m.
pub const CLOSE_PX_PER_M: f64 = 4.5;

/// Metres to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Camera.
    pub camera: MapCamera,
    /// Middle of the world area, px.
    pub middle: Pos2,
}

impl Transform {
    /// A place on the screen.
    pub fn px(&self, (x, y): (f64, f64)) -> Pos2 {
        let s = self.camera.px_per_m;
        let at = pos2(
            self.middle.x + ((x - self.camera.centre_m.0) * s) as f32,
            self.middle.y - ((y - self.camera.centre_m.1) * s) as f32,
        );
        if at.x.is_finite() && at.y.is_finite() {
            at
        } else {
            self.middle
        }
    }

    /// The place under a pixel, m.
    pub fn metres(&self, at: Pos2) -> (f64, f64) {
        let s = self.camera.px_per_m;
        (
            self.camera.centre_m.0 + f64::from(at.x - self.middle.x) / s,
            self.camera.centre_m.1 - f64::from(at.y - self.middle.y) / s,
        )
    }
}
