//! Occupied places on the map, and the search for free ones.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

/// Edge of a cell, px.
const CELL: f32 = 4.0;

/// What is already drawn where, in cells of 4 px.
///
/// `0` is free, `1` is drawing that a label should avoid, `2` is a label or
/// symbol that must stay readable.
pub struct Space {
    area: Rect,
    cols: usize,
    rows: usize,
    cells: Vec<u8>,
}

impl Space {
    /// An empty area.
    pub fn new(area: Rect) -> Self {
        let cols = (area.width() / CELL).ceil().clamp(1.0, 4_096.0) as usize;
        let rows = (area.height() / CELL).ceil().clamp(1.0, 4_096.0) as usize;
        Self {
            area,
            cols,
            rows,
            cells: vec![0; cols * rows],
        }
    }

    /// The nearest point that is this far inside of the area.
    pub fn inside(&self, at: Pos2, margin: f32) -> Pos2 {
        self.area.shrink(margin).clamp(at)
    }

    fn range(&self, rect: Rect) -> Option<(usize, usize, usize, usize)> {
        let rect = rect.intersect(self.area);
        if !rect.is_positive() {
            return None;
        }
        let cell = |v: f32, n: usize| ((v / CELL).floor().max(0.0) as usize).min(n - 1);
        Some((
            cell(rect.min.x - self.area.min.x, self.cols),
            cell(rect.max.x - self.area.min.x - 0.01, self.cols),
            cell(rect.min.y - self.area.min.y, self.rows),
            cell(rect.max.y - self.area.min.y - 0.01, self.rows),
        ))
    }

    /// Marks a rectangle.
    pub fn mark(&mut self, rect: Rect, level: u8) {
        if let Some((x0, x1, y0, y1)) = self.range(rect) {
            for y in y0..=y1 {
                for cell in &mut self.cells[y * self.cols + x0..=y * self.cols + x1] {
                    *cell = (*cell).max(level);
                }
            }
        }
    }

    /// Marks a line of the given width.
    pub fn mark_line(&mut self, points: &[Pos2], width: f32, level: u8) {
        for pair in points.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let steps = ((b - a).length() / CELL).ceil().clamp(1.0, 2_000.0) as usize;
            for step in 0..=steps {
                let at = a + (b - a) * (step as f32 / steps as f32);
                self.mark(
                    Rect::from_center_size(at, Vec2::splat(width.max(1.0))),
                    level,
                );
            }
        }
    }

    /// Cells under `rect`: (drawing, labels). Outside the area counts as labels.
    pub fn under(&self, rect: Rect) -> (u32, u32) {
        if !self.area.contains_rect(rect) {
            return (0, u32::MAX);
        }
        let Some((x0, x1, y0, y1)) = self.range(rect) else {
            return (0, u32::MAX);
        };
        let mut count = (0, 0);
        for y in y0..=y1 {
            for cell in &self.cells[y * self.cols + x0..=y * self.cols + x1] {
                match cell {
                    0 => {}
                    1 => count.0 += 1,
                    _ => count.1 += 1,
                }
            }
        }
        count
    }

    /// The best place for a box of `size` near `anchor`: touches no label,
    /// then covers the least drawing, then is nearest. `None` when every
    /// place within `reach` px would cover a label.
    pub fn place(&self, anchor: Pos2, size: Vec2, gap: f32, reach: f32) -> Option<Rect> {
        let mut best: Option<(f32, Rect)> = None;
        let mut ring = gap;
        while ring <= reach {
            for side in directions() {
                let centre = anchor
                    + vec2(
                        side.x * (size.x * 0.5 + ring),
                        side.y * (size.y * 0.5 + ring),
                    );
                let rect = Rect::from_center_size(pos2(centre.x.round(), centre.y.round()), size);
                let (drawing, labels) = self.under(rect.expand(2.0));
                if labels > 0 {
                    continue;
                }
                // A label right of and below its place reads first.
                let taste = if side.x > 0.0 { 0.0 } else { 3.0 };
                let cost = drawing as f32 * 1.2 + ring * 1.5 + taste;
                if best.is_none_or(|(old, _)| cost < old) {
                    best = Some((cost, rect));
                }
            }
            if best.is_some_and(|(cost, _)| cost <= (ring + 6.0) * 1.5) {
                break;
            }
            ring += 6.0;
        }
        best.map(|(_, rect)| rect)
    }
}

/// Sixteen directions, on a rectangle rather than a circle.
fn directions() -> impl Iterator<Item = Vec2> {
    const AT: [(f32, f32); 16] = [
        (1.0, 0.0),
        (1.0, 0.5),
        (1.0, -0.5),
        (1.0, 1.0),
        (1.0, -1.0),
        (-1.0, 0.0),
        (-1.0, 0.5),
        (-1.0, -0.5),
        (-1.0, 1.0),
        (-1.0, -1.0),
        (0.0, 1.0),
        (0.0, -1.0),
        (0.5, 1.0),
        (0.5, -1.0),
        (-0.5, 1.0),
        (-0.5, -1.0),
    ];
    AT.iter().map(|&(x, y)| vec2(x, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placed_boxes_never_touch() {
        let area = Rect::from_min_size(pos2(10.0, 20.0), vec2(300.0, 200.0));
        let mut space = Space::new(area);
        let mut placed: Vec<Rect> = Vec::new();
        for n in 0..60 {
            let anchor = pos2(30.0 + (n * 37 % 260) as f32, 40.0 + (n * 53 % 160) as f32);
            if let Some(rect) = space.place(anchor, vec2(44.0, 18.0), 8.0, 90.0) {
                assert!(area.contains_rect(rect));
                for other in &placed {
                    assert!(!other.intersects(rect), "{other:?} {rect:?}");
                }
                space.mark(rect, 2);
                placed.push(rect);
            }
        }
        assert!(placed.len() >= 15, "only {} fitted", placed.len());
    }
}
