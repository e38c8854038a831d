//! Curves of pairs of values.

use super::*;

/// Points of one curve.
const MAX_POINTS: usize = 100_000;

impl Convert<'_> {
    /// Points of a curve with its shifts and scales, in the order of the deck.
    pub(super) fn xy_curve(&mut self, used: &Assign) -> Result<Vec<(f64, f64)>, DssError> {
        let name = used.value.text.to_lowercase();
        let Some(object) = self.script.object("xycurve", &name).cloned() else {
            return syntax(&used.value.at, format!("xycurve.{name} does not exist"));
        };
        let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut points = MAX_POINTS;
        let (mut scale, mut shift) = ((1.0, 1.0), (0.0, 0.0));
        for a in &object.assigns {
            match a.property {
                "npts" => {
                    points = a
                        .value
                        .count()
                        .or_else(|message| syntax(&a.value.at, message))?;
                }
                "points" => {
                    let all = numbers(a)?;
                    xs = all.iter().step_by(2).copied().collect();
                    ys = all.iter().skip(1).step_by(2).copied().collect();
                }
                "xarray" => xs = numbers(a)?,
                "yarray" => ys = numbers(a)?,
                "xscale" => scale.0 = number(a)?,
                "yscale" => scale.1 = number(a)?,
                "xshift" => shift.0 = number(a)?,
                "yshift" => shift.1 = number(a)?,
                "csvfile" | "sngfile" | "dblfile" => {
                    return syntax(
                        &a.value.at,
                        format!("property `{}` of a curve is not supported", a.property),
                    );
                }
                _ => {}
            }
        }
        let count = points.min(MAX_POINTS);
        if xs.len() < count.min(ys.len()) || ys.len() < count.min(xs.len()) || xs.is_empty() {
            return syntax(
                &object.at,
                format!(
                    "xycurve.{name} has {} values of x and {} of y",
                    xs.len(),
                    ys.len()
                ),
            );
        }
        let rising = xs
            .windows(2)
            .take(count.saturating_sub(1))
            .all(|x| x[0] < x[1]);
        if !rising {
            return syntax(&object.at, format!("xycurve.{name}: x must rise"));
        }
        Ok(xs
            .into_iter()
            .zip(ys)
            .take(count)
            .map(|(x, y)| (x * scale.0 + shift.0, y * scale.1 + shift.1))
            .collect())
    }
}

/// Value of a curve, carried on straight beyond its ends.
pub(super) fn value_at(curve: &[(f64, f64)], x: f64) -> f64 {
    match curve {
        [] => 0.0,
        [only] => only.1,
        _ => {
            let next = curve
                .partition_point(|p| p.0 <= x)
                .clamp(1, curve.len() - 1);
            let (a, b) = (curve[next - 1], curve[next]);
            a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0)
        }
    }
}
