//! Level of detail, and metres to pixels.

use egui::{Pos2, pos2};

use crate::window::state::{MapCamera, Morph, WorldView};

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

/// How the ground lies in the picture: flat, tilted, or as the lowest of four layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    /// Height of a square metre of ground in the picture.
    pub squash: f64,
    /// Sideways shift per metre of depth.
    pub shear: f64,
    /// Shift downwards, px.
    pub drop_px: f64,
    /// Scale beside that of the camera.
    pub scale: f64,
    /// How high buildings stand, 0..1.
    pub rise: f64,
    /// Strength of the four layers, 0..1.
    pub layers: f64,
}

impl Default for Projection {
    fn default() -> Self {
        Self {
            squash: 1.0,
            shear: 0.0,
            drop_px: 0.0,
            scale: 1.0,
            rise: 0.0,
            layers: 0.0,
        }
    }
}

impl Projection {
    /// The projection of a change of view; `height` is that of the world, px.
    pub fn of(morph: &Morph, height: f32) -> Self {
        let tilt = morph.strength(WorldView::Neighbourhood);
        let layers = morph.strength(WorldView::Layers);
        Self {
            squash: 1.0 - 0.28 * tilt - 0.67 * layers,
            shear: 0.52 * layers,
            drop_px: (f64::from(height) * 0.29) * layers,
            scale: 1.0 - 0.30 * layers,
            rise: tilt,
            layers,
        }
    }
}

/// Metres to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// Camera.
    pub camera: MapCamera,
    /// Middle of the world area, px.
    pub middle: Pos2,
    /// How the ground lies.
    pub ground: Projection,
}

impl Transform {
    /// A place on the screen.
    pub fn px(&self, (x, y): (f64, f64)) -> Pos2 {
        let g = &self.ground;
        let s = self.camera.px_per_m * g.scale;
        let (dx, dy) = (x - self.camera.centre_m.0, y - self.camera.centre_m.1);
        let at = pos2(
            self.middle.x + ((dx + dy * g.shear) * s) as f32,
            self.middle.y - (dy * g.squash * s - g.drop_px) as f32,
        );
        if at.x.is_finite() && at.y.is_finite() {
            at
        } else {
            self.middle
        }
    }

    /// The place under a pixel, m.
    pub fn metres(&self, at: Pos2) -> (f64, f64) {
        let g = &self.ground;
        let s = self.camera.px_per_m * g.scale;
        let dy = (g.drop_px - f64::from(at.y - self.middle.y)) / (s * g.squash);
        let dx = f64::from(at.x - self.middle.x) / s - dy * g.shear;
        (self.camera.centre_m.0 + dx, self.camera.centre_m.1 + dy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_can_be_undone() {
        for to in WorldView::ALL {
            for share in [0.0, 0.3, 1.0] {
                let morph = Morph {
                    from: WorldView::SingleLine,
                    to,
                    share,
                };
                let transform = Transform {
                    camera: MapCamera {
                        centre_m: (3.0, -7.0),
                        px_per_m: 5.0,
                    },
                    middle: pos2(600.0, 400.0),
                    ground: Projection::of(&morph, 800.0),
                };
                let (x, y) = transform.metres(transform.px((12.0, 34.0)));
                assert!(
                    (x - 12.0).abs() < 1e-3 && (y - 34.0).abs() < 1e-3,
                    "{to:?} {share}"
                );
            }
        }
    }
}
