//! The world as Bevy meshes.
//!
//! The map is a list of shapes; they are tessellated with feathered edges
//! (the same anti-aliasing as the panels, without multisampling) and drawn as
//! one mesh per layer with a colour per vertex. Layers that did not change
//! keep their mesh.

use bevy::asset::RenderAssetUsages;
use bevy::camera::visibility::RenderLayers;
use bevy::mesh::{Indices, PrimitiveTopology};
use bevy::prelude::*;
use bevy::sprite_render::AlphaMode2d;
use egui::epaint::{TessellationOptions, Tessellator};

use super::map::cache::WorldLayers;

/// Render layer of the main window.
pub const MAIN: usize = 0;

/// Render layer of the audience's window.
pub const AUDIENCE: usize = 1;

/// A mesh of the world.
#[derive(Component)]
pub struct WorldLayer {
    /// Position in [`WorldLayers`].
    index: usize,
    /// Window it belongs to, as a render layer.
    window: usize,
}

/// Spawns one empty mesh per layer of the main window.
pub fn spawn(
    mut commands: Commands<'_, '_>,
    mut meshes: ResMut<'_, Assets<Mesh>>,
    mut materials: ResMut<'_, Assets<ColorMaterial>>,
) {
    layers(MAIN, &mut commands, &mut meshes, &mut materials);
}

/// The same for the audience's window.
pub fn spawn_audience(
    mut commands: Commands<'_, '_>,
    mut meshes: ResMut<'_, Assets<Mesh>>,
    mut materials: ResMut<'_, Assets<ColorMaterial>>,
) {
    layers(AUDIENCE, &mut commands, &mut meshes, &mut materials);
}

fn layers(
    window: usize,
    commands: &mut Commands<'_, '_>,
    meshes: &mut Assets<Mesh>,
    materials: &mut Assets<ColorMaterial>,
) {
    for layer in 0..3 {
        let material = ColorMaterial {
            color: Color::WHITE,
            alpha_mode: AlphaMode2d::Blend,
            ..default()
        };
        commands.spawn((
            WorldLayer {
                index: layer,
                window,
            },
            RenderLayers::layer(window),
            Mesh2d(meshes.add(empty())),
            MeshMaterial2d(materials.add(material)),
            Transform::from_xyz(0.0, 0.0, layer as f32),
            // The meshes cover the window; their bounds need no bookkeeping.
            bevy::camera::visibility::NoFrustumCulling,
        ));
    }
}

fn empty() -> Mesh {
    mesh_of(&egui::epaint::Mesh::default(), egui::Vec2::ZERO)
}

/// Uploads the layers of a window that changed.
pub fn upload(
    window: usize,
    world: &mut WorldLayers,
    size: egui::Vec2,
    pixels_per_point: f32,
    layers: &Query<'_, '_, (&WorldLayer, &Mesh2d)>,
    meshes: &mut Assets<Mesh>,
) {
    for (layer, handle) in layers.iter().filter(|(l, _)| l.window == window) {
        let changed = world
            .changed
            .get_mut(layer.index)
            .is_some_and(std::mem::take);
        if !changed {
            continue;
        }
        let shapes = match layer.index {
            0 => &world.under,
            1 => &world.moving,
            _ => &world.symbols,
        };
        let options = TessellationOptions {
            // The world reaches under the panels, which cover it.
            coarse_tessellation_culling: false,
            prerasterized_discs: false,
            ..Default::default()
        };
        let mut tessellator = Tessellator::new(pixels_per_point, options, [1, 1], Vec::new());
        let mut out = egui::epaint::Mesh::default();
        for shape in shapes {
            tessellator.tessellate_shape(shape.clone(), &mut out);
        }
        if let Some(mut mesh) = meshes.get_mut(&handle.0) {
            *mesh = mesh_of(&out, size);
        }
    }
}

/// Window points (y down, from the corner) to world units (y up, from the middle).
fn mesh_of(from: &egui::epaint::Mesh, size: egui::Vec2) -> Mesh {
    let half = size * 0.5;
    let mut positions = Vec::with_capacity(from.vertices.len().max(3));
    let mut colours = Vec::with_capacity(from.vertices.len().max(3));
    for vertex in &from.vertices {
        positions.push([vertex.pos.x - half.x, half.y - vertex.pos.y, 0.0]);
        colours.push(straight_linear(vertex.color));
    }
    let mut indices = from.indices.clone();
    bleed(&mut colours, &indices);
    if indices.is_empty() {
        // A mesh without vertices is not accepted by every backend.
        positions = vec![[0.0; 3]; 3];
        colours = vec![[0.0; 4]; 3];
        indices = vec![0, 1, 2];
    }
    Mesh::new(
        PrimitiveTopology::TriangleList,
        RenderAssetUsages::RENDER_WORLD | RenderAssetUsages::MAIN_WORLD,
    )
    .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, positions)
    .with_inserted_attribute(Mesh::ATTRIBUTE_COLOR, colours)
    .with_inserted_indices(Indices::U32(indices))
}

/// Gives transparent corners the colour of their triangle, so that feathered
/// edges fade out instead of darkening (straight alpha blending).
fn bleed(colours: &mut [[f32; 4]], indices: &[u32]) {
    for corners in indices.chunks_exact(3) {
        let corner = |k: usize| corners[k] as usize;
        let Some(solid) = (0..3).map(corner).find(|&v| colours[v][3] > 0.0) else {
            continue;
        };
        let [r, g, b, _] = colours[solid];
        for v in (0..3).map(corner) {
            if colours[v][3] == 0.0 {
                colours[v] = [r, g, b, 0.0];
            }
        }
    }
}

/// Premultiplied sRGB bytes to straight linear light.
fn straight_linear(colour: egui::Color32) -> [f32; 4] {
    let [r, g, b, a] = colour.to_srgba_unmultiplied();
    let linear = |c: u8| {
        let c = f32::from(c) / 255.0;
        if c <= 0.040_45 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    if a == 0 {
        return [0.0; 4];
    }
    [linear(r), linear(g), linear(b), f32::from(a) / 255.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feathered_edges_keep_their_colour() {
        let mut colours = [[0.2, 0.3, 0.4, 1.0], [0.0; 4], [0.0; 4]];
        bleed(&mut colours, &[0, 1, 2]);
        assert_eq!(colours[2], [0.2, 0.3, 0.4, 0.0]);
    }

    #[test]
    fn opaque_colours_stay_and_transparent_ones_vanish() {
        assert_eq!(straight_linear(egui::Color32::WHITE), [1.0; 4]);
        assert_eq!(straight_linear(egui::Color32::TRANSPARENT), [0.0; 4]);
        let half = straight_linear(egui::Color32::from_rgba_unmultiplied(200, 200, 200, 128));
        assert!((half[0] - 0.578).abs() < 0.01, "{half:?}");
    }
}
