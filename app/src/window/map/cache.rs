//! What the map keeps between frames, and when it draws again.

use std::sync::Arc;

use egui::{Rect, Shape};
use gridloom_core::view::{SceneView, Selected, ViewModel};

use super::camera::{Detail, Transform};
use super::labels::Label;
use super::links::Traffic;
use super::net::Net;
use super::place::{Anchors, Placed};
use super::ribbons::{self, Flow};
use crate::window::state::Layers;
use crate::window::theme::ThemeName;

/// The world as shapes, one list per drawing layer.
#[derive(Default)]
pub struct WorldLayers {
    /// Area outline, halo and ribbons.
    pub under: Vec<Shape>,
    /// Links and chevrons: what moves.
    pub moving: Vec<Shape>,
    /// Symbols.
    pub symbols: Vec<Shape>,
    /// Which of the three changed since the renderer took them.
    pub changed: [bool; 3],
}

/// What the static layers depend on.
#[derive(Clone, PartialEq)]
pub struct DrawKey {
    /// Camera and projection.
    pub transform: Transform,
    /// World area.
    pub rect: Rect,
    /// Theme.
    pub theme: ThemeName,
    /// Shown tick.
    pub tick: u64,
    /// Address of the view, as a second mark of its identity.
    pub view: usize,
    /// Selection.
    pub selected: Option<Selected>,
    /// Switches.
    pub layers: Layers,
}

/// Kept between frames.
#[derive(Default)]
pub struct MapCache {
    scene: Option<Arc<SceneView>>,
    /// Runs of the scene.
    pub net: Arc<Net>,
    /// Places for the last camera.
    pub placed: Option<Arc<Placed>>,
    placed_for: Option<(Transform, Rect)>,
    anchors: Option<(Transform, Anchors)>,
    detail: Option<Detail>,
    /// Flow per run at the shown tick.
    pub flows: Vec<Flow>,
    /// Messages seen lately.
    pub traffic: Traffic,
    /// Key of the drawn layers.
    pub drawn: Option<DrawKey>,
    /// The drawing.
    pub world: WorldLayers,
    /// Placed labels and what they were placed for.
    pub labels: Vec<Label>,
    /// Key of the placed labels.
    pub labels_for: Option<(Transform, Rect, Option<Selected>, Layers, u64)>,
}

impl MapCache {
    /// Draws nothing where another world is shown.
    pub fn clear_world(&mut self) {
        if self.drawn.take().is_some() || !self.world.under.is_empty() {
            self.world.under.clear();
            self.world.moving.clear();
            self.world.symbols.clear();
            self.world.changed = [true; 3];
        }
    }

    /// Follows a newly loaded scene.
    pub fn follow(&mut self, view: &ViewModel) {
        if self
            .scene
            .as_ref()
            .is_some_and(|scene| Arc::ptr_eq(scene, &view.scene))
        {
            return;
        }
        self.net = Arc::new(Net::build(&view.scene));
        self.scene = Some(Arc::clone(&view.scene));
        self.placed = None;
        self.placed_for = None;
        self.traffic = Traffic::default();
        self.anchors = None;
        self.drawn = None;
        self.labels_for = None;
    }

    /// Places of this camera, computed again only when it moved.
    pub fn placed(
        &mut self,
        view: &ViewModel,
        transform: Transform,
        fitted: Transform,
        area: Rect,
    ) -> Arc<Placed> {
        if let Some(placed) = &self.placed
            && self.placed_for == Some((transform, area))
        {
            return Arc::clone(placed);
        }
        let known = self.anchors.take().filter(|(of, _)| *of == fitted);
        let anchors = known.map_or_else(
            || Placed::build(&view.scene, &self.net, fitted, None, None).anchors(),
            |(_, anchors)| anchors,
        );
        let placed = Arc::new(Placed::build(
            &view.scene,
            &self.net,
            transform,
            self.detail,
            Some(&anchors),
        ));
        self.anchors = Some((fitted, anchors));
        self.detail = Some(placed.detail);
        self.placed = Some(Arc::clone(&placed));
        self.placed_for = Some((transform, area));
        placed
    }

    /// Flow of every run at the shown tick.
    pub fn read_flows(&mut self, view: &ViewModel) {
        self.flows = self
            .net
            .runs
            .iter()
            .map(|run| ribbons::flow(view, run))
            .collect();
    }
}
