//! Curves of many samples: one minimum and maximum per pixel column, so that a
//! single sample shows at every zoom.

use egui::{Painter, Rect, Shape, Stroke, pos2};

/// Samples summed up by one node of the pyramid.
const FAN: usize = 4;

/// Smallest and largest of no sample at all.
const NONE: [f32; 2] = [f32::INFINITY, f32::NEG_INFINITY];

/// Minimum and maximum of spans of a series, for million-sample plots.
///
/// A range is put together from the largest spans within it, so the answer is
/// exact and costs a few spans of every level, however long the range is.
#[derive(Clone, Debug, Default)]
pub struct Pyramid {
    samples: Vec<f32>,
    /// Level k holds spans of `FAN^(k+1)` samples: smallest and largest.
    levels: Vec<Vec<[f32; 2]>>,
}

fn join(a: Option<(f32, f32)>, b: Option<(f32, f32)>) -> Option<(f32, f32)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, None) | (None, one) => one,
    }
}

fn of(sample: f32) -> Option<(f32, f32)> {
    sample.is_finite().then_some((sample, sample))
}

/// Widens a span by others. Plain comparisons and plain loops: this runs
/// thousands of times a frame, also in builds that inline little.
fn widen(found: &mut [f32; 2], spans: &[[f32; 2]]) {
    let (mut low, mut high) = (found[0], found[1]);
    for span in spans {
        if span[0] < low {
            low = span[0];
        }
        if span[1] > high {
            high = span[1];
        }
    }
    *found = [low, high];
}

/// Widens a span by samples; what is not finite is a gap.
fn widen_by(found: &mut [f32; 2], samples: &[f32]) {
    let (mut low, mut high) = (found[0], found[1]);
    for &sample in samples {
        if sample < low && sample > f32::NEG_INFINITY {
            low = sample;
        }
        if sample > high && sample < f32::INFINITY {
            high = sample;
        }
    }
    *found = [low, high];
}

impl Pyramid {
    /// Builds the spans; linear in the number of samples.
    pub fn new(samples: Vec<f32>) -> Self {
        let mut levels: Vec<Vec<[f32; 2]>> = Vec::new();
        let mut level = Vec::with_capacity(samples.len() / FAN + 1);
        for chunk in samples.chunks(FAN) {
            let mut span = NONE;
            widen_by(&mut span, chunk);
            level.push(span);
        }
        while level.len() > 1 {
            let mut next = Vec::with_capacity(level.len() / FAN + 1);
            for chunk in level.chunks(FAN) {
                let mut span = NONE;
                widen(&mut span, chunk);
                next.push(span);
            }
            levels.push(std::mem::replace(&mut level, next));
        }
        levels.push(level);
        Self { samples, levels }
    }

    /// Minimum and maximum over samples `from..to`.
    pub fn range(&self, from: usize, to: usize) -> Option<(f32, f32)> {
        let to = to.min(self.samples.len());
        if from >= to {
            return None;
        }
        let mut found = NONE;
        // Single samples at both ends, whole spans between them, level by level.
        let (first, last) = (from.div_ceil(FAN), to / FAN);
        if first >= last {
            widen_by(&mut found, &self.samples[from..to]);
        } else {
            widen_by(&mut found, &self.samples[from..first * FAN]);
            widen_by(&mut found, &self.samples[last * FAN..to]);
            self.inside(first, last, &mut found);
        }
        (found[0] <= found[1]).then_some((found[0], found[1]))
    }

    /// Widens by the spans `from..to` of the lowest level.
    fn inside(&self, mut from: usize, mut to: usize, found: &mut [f32; 2]) {
        for level in &self.levels {
            let (first, last) = (from.div_ceil(FAN), to / FAN);
            if first >= last {
                widen(found, &level[from..to]);
                return;
            }
            widen(found, &level[from..first * FAN]);
            widen(found, &level[last * FAN..to]);
            (from, to) = (first, last);
        }
    }

    /// One minimum and maximum per column over a range of samples.
    pub fn columns(&self, range: (f64, f64), count: usize) -> Vec<Option<(f32, f32)>> {
        spans(range, count)
            .map(|(from, to)| self.range(from, to))
            .collect()
    }
}

/// Sample ranges of `count` columns; never empty within the series.
fn spans(range: (f64, f64), count: usize) -> impl Iterator<Item = (usize, usize)> {
    let width = (range.1 - range.0) / count.max(1) as f64;
    (0..count).map(move |column| {
        let from = (range.0 + width * column as f64).max(0.0);
        let to = (range.0 + width * (column + 1) as f64).max(0.0);
        let first = from as usize;
        (first, (to.ceil() as usize).max(first + 1))
    })
}

/// As [`Pyramid::columns`] for a short series.
pub fn columns(samples: &[f32], range: (f64, f64), count: usize) -> Vec<Option<(f32, f32)>> {
    spans(range, count)
        .map(|(from, to)| {
            let part = samples.get(from..to.min(samples.len()))?;
            part.iter().fold(None, |acc, s| join(acc, of(*s)))
        })
        .collect()
}

/// Smallest and largest of all spans.
pub fn extent(spans: impl Iterator<Item = (f32, f32)>) -> Option<(f32, f32)> {
    spans.fold(None, |acc, span| join(acc, Some(span)))
}

/// About `count` round values within a range.
pub fn ticks(lo: f32, hi: f32, count: usize) -> Vec<f32> {
    let span = f64::from(hi - lo);
    if span.is_nan() || span <= 0.0 || count == 0 {
        return Vec::new();
    }
    let rough = span / count as f64;
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|s| *s >= rough)
        .unwrap_or(10.0 * power);
    let first = libm::ceil(f64::from(lo) / step) as i64;
    (0..20)
        .map(|k| ((first + k) as f64 * step) as f32)
        .take_while(|v| *v <= hi)
        .collect()
}

/// Points of the curve, a vertical stroke where a column spans more than a pixel.
fn runs(area: Rect, spans: &[Option<(f32, f32)>], y: &impl Fn(f32) -> f32) -> Vec<Vec<egui::Pos2>> {
    let mut runs = vec![Vec::new()];
    let mut previous: Option<f32> = None;
    for (index, span) in spans.iter().enumerate() {
        let x = area.min.x + index as f32 + 0.5;
        let Some((lo, hi)) = span else {
            runs.push(Vec::new());
            previous = None;
            continue;
        };
        let (top, low) = (y(*hi), y(*lo));
        // Enter the column at the end that is nearer to where the last one ended.
        let first_top = previous.is_some_and(|p| (p - top).abs() < (p - low).abs());
        let (a, b) = if first_top { (top, low) } else { (low, top) };
        if let Some(run) = runs.last_mut() {
            run.push(pos2(x, a));
            if (a - b).abs() > 0.25 {
                run.push(pos2(x, b));
            }
        }
        previous = Some(b);
    }
    runs.retain(|run| run.len() > 1);
    runs
}

/// Draws a curve.
pub fn draw(
    painter: &Painter,
    area: Rect,
    spans: &[Option<(f32, f32)>],
    y: &impl Fn(f32) -> f32,
    stroke: Stroke,
) {
    for run in runs(area, spans, y) {
        painter.add(Shape::line(run, stroke));
    }
}

/// Draws a dashed curve.
pub fn draw_dashed(
    painter: &Painter,
    area: Rect,
    spans: &[Option<(f32, f32)>],
    y: &impl Fn(f32) -> f32,
    stroke: Stroke,
) {
    for run in runs(area, spans, y) {
        painter.extend(Shape::dashed_line(&run, stroke, 5.0, 4.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_of_one_sample_shows_at_every_zoom() {
        let mut samples = vec![0.0_f32; 100_003];
        samples[77_777] = 9.0;
        samples[50] = f32::NAN;
        let pyramid = Pyramid::new(samples.clone());
        for width in [1_000.0, 10_000.0, 100_003.0] {
            let from = (77_777.0 - width * 0.4_f64).max(0.0);
            let range = (from, (from + width).min(100_003.0));
            let found = pyramid.columns(range, 500);
            let high = extent(found.iter().flatten().copied()).map(|(_, hi)| hi);
            assert_eq!(high, Some(9.0), "{width}");
            assert_eq!(found, columns(&samples, range, 500), "{width}");
        }
        assert_eq!(Pyramid::new(Vec::new()).range(0, 10), None);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert!(ticks(1.0, 1.0, 5).is_empty());
    }
}
