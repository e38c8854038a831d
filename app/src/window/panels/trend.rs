//! A trend of the last six hours.

use egui::{Align2, Rect, Stroke, Ui, pos2, vec2};

use super::Column;
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Length of the shown time, ms.
const SPAN_MS: u64 = 6 * 3_600_000;

/// What to draw and in which limits.
pub struct Trend<'a> {
    /// Heading.
    pub title: &'a str,
    /// Unit at the right of the heading.
    pub unit: &'a str,
    /// Samples since the start.
    pub values: &'a [f32],
    /// Limits of the axis that always show, if any.
    pub range: Option<(f64, f64)>,
    /// Line of reference (nominal voltage, zero power).
    pub zero: f64,
    /// Whether the space to the reference is filled.
    pub filled: bool,
    /// Height of the plot, px.
    pub height: f32,
}

impl Trend<'_> {
    /// Shows the trend and moves the column on.
    pub fn show(&self, ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
        let theme = cx.theme;
        let y = column.y + 10.0;
        text::text(
            ui,
            pos2(column.left, y),
            Align2::LEFT_CENTER,
            &Style::heading(theme.text2),
            self.title,
        );
        text::text(
            ui,
            pos2(column.right, y),
            Align2::RIGHT_CENTER,
            &Style::body(11.0, theme.text2),
            self.unit,
        );
        let rect = Rect::from_min_size(
            pos2(column.left, y + 12.0),
            vec2(column.width() - 40.0, self.height),
        );
        ui.painter().rect_filled(rect, 0.0, theme.base);
        column.y = rect.max.y + 22.0;
        let step = cx.view.history.step_ms.max(1);
        let now = cx.view.time.0;
        let from = now.saturating_sub(SPAN_MS);
        let first = (from / step) as usize;
        let last = ((now / step) as usize + 1).min(self.values.len());
        let window = self.values.get(first.min(last)..last).unwrap_or_default();
        let (lo, hi) = self.axis(window);
        let x = |index: usize| {
            let t = (index + first) as u64 * step;
            rect.min.x + rect.width() * (t.saturating_sub(from) as f32 / SPAN_MS as f32)
        };
        let at =
            |v: f64| rect.max.y - rect.height() * ((v - lo) / (hi - lo)).clamp(0.0, 1.0) as f32;
        self.axis_marks(ui, cx, rect, lo, hi, &at);
        let places = |(index, value): (usize, &f32)| {
            value
                .is_finite()
                .then(|| pos2(x(index), at(f64::from(*value))))
        };
        // One column per pixel is enough, however many samples there are.
        let stride = (window.len() / rect.width().max(1.0) as usize).max(1);
        if self.filled {
            let zero = at(self.zero);
            let points = window.iter().enumerate().step_by(stride).map(places);
            draw::filled(ui.painter(), points, zero, theme.edge);
        }
        let points = window.iter().enumerate().step_by(stride).map(places);
        draw::series(ui.painter(), points, Stroke::new(1.5, theme.text1));
        if let Some(end) = window.iter().enumerate().next_back().and_then(places) {
            ui.painter().circle_filled(end, 3.0, theme.text1);
        }
        hours(ui, cx, rect, from);
        if window.is_empty() {
            text::text(
                ui,
                rect.center(),
                Align2::CENTER_CENTER,
                &Style::body(11.0, theme.text3),
                "no samples yet",
            );
        }
    }

    /// Limits of the axis: the given ones, widened by what the samples reach.
    fn axis(&self, window: &[f32]) -> (f64, f64) {
        let (mut lo, mut hi) = self.range.unwrap_or((self.zero, self.zero));
        for value in window.iter().copied().filter(|v| v.is_finite()) {
            lo = lo.min(f64::from(value));
            hi = hi.max(f64::from(value));
        }
        if hi - lo < 1e-6 {
            hi = lo + 1.0;
        }
        let pad = if self.range.is_some() {
            0.0
        } else {
            (hi - lo) * 0.08
        };
        (lo - pad, hi + pad)
    }

    fn axis_marks(
        &self,
        ui: &Ui,
        cx: &Cx<'_>,
        rect: Rect,
        lo: f64,
        hi: f64,
        at: &dyn Fn(f64) -> f32,
    ) {
        let style = Style::body(11.0, cx.theme.text2);
        let steps = [
            0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0,
            1_000.0,
        ];
        let lines = if rect.height() > 60.0 { 3.2 } else { 2.2 };
        let step = steps
            .iter()
            .copied()
            .find(|s| (hi - lo) / s <= lines)
            .unwrap_or(5_000.0);
        let decimals = match step {
            s if s < 0.1 => 2,
            s if s < 1.0 => 1,
            _ => 0,
        };
        let first = (lo / step).ceil() as i64;
        for k in (first..).take(8) {
            let value = k as f64 * step;
            if value > hi + 1e-9 {
                break;
            }
            let y = at(value);
            let strong = (value - self.zero).abs() < 1e-9;
            let colour = if strong {
                cx.theme.text3
            } else {
                cx.theme.rule
            };
            ui.painter().line_segment(
                [pos2(rect.min.x, y), pos2(rect.max.x, y)],
                Stroke::new(1.0, colour),
            );
            let y = y.clamp(rect.min.y + 6.0, rect.max.y - 6.0);
            let words = text::plain(value, decimals);
            text::text(
                ui,
                pos2(rect.max.x + 40.0, y),
                Align2::RIGHT_CENTER,
                &style,
                &words,
            );
        }
    }
}

/// Hour marks under a plot.
fn hours(ui: &Ui, cx: &Cx<'_>, rect: Rect, from: u64) {
    let style = Style::body(11.0, cx.theme.text2);
    let first = from.div_ceil(3_600_000);
    for hour in (first..=first + 6).filter(|h| h % 2 == 0) {
        let share = (hour * 3_600_000 - from) as f32 / SPAN_MS as f32;
        let x = rect.min.x + rect.width() * share;
        if x < rect.min.x + 6.0 || x > rect.max.x - 4.0 {
            continue;
        }
        text::text(
            ui,
            pos2(x, rect.max.y + 10.0),
            Align2::CENTER_CENTER,
            &style,
            &format!("{:02}", hour % 24),
        );
    }
}
