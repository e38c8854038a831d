//! The area of a selected M-LMD as one outline.

use egui::{Pos2, vec2};

/// Convex hull (monotone chain, Andrew 1979), counter-clockwise on the screen.
pub fn convex(points: &[Pos2]) -> Vec<Pos2> {
    let mut sorted: Vec<Pos2> = points
        .iter()
        .copied()
        .filter(|p| p.x.is_finite() && p.y.is_finite())
        .collect();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let turn = |a: Pos2, b: Pos2, c: Pos2| (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
    let half = |points: &mut dyn Iterator<Item = Pos2>| {
        let mut out: Vec<Pos2> = Vec::new();
        for p in points {
            while out.len() >= 2 && turn(out[out.len() - 2], out[out.len() - 1], p) <= 0.0 {
                out.pop();
            }
            out.push(p);
        }
        out.pop();
        out
    };
    let mut hull = half(&mut sorted.iter().copied());
    hull.extend(half(&mut sorted.iter().rev().copied()));
    hull
}

/// The hull with a margin and round corners.
pub fn around(points: &[Pos2], margin: f32) -> Vec<Pos2> {
    let ring: Vec<Pos2> = points
        .iter()
        .flat_map(|p| {
            (0..12).map(move |k| {
                let angle = std::f32::consts::TAU * k as f32 / 12.0;
                *p + vec2(angle.cos(), angle.sin()) * margin
            })
        })
        .collect();
    convex(&ring)
}

#[cfg(test)]
mod tests {
    use egui::pos2;

    use super::*;

    #[test]
    fn hull_holds_every_point() {
        let points: Vec<Pos2> = (0..40)
            .map(|n| pos2((n * 37 % 100) as f32, (n * 53 % 90) as f32))
            .collect();
        let hull = convex(&points);
        for p in &points {
            for k in 0..hull.len() {
                let (a, b) = (hull[k], hull[(k + 1) % hull.len()]);
                assert!((b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x) >= -1e-2);
            }
        }
        assert!(convex(&[]).is_empty());
        assert_eq!(around(&[pos2(0.0, 0.0)], 5.0).len(), 12);
    }
}
