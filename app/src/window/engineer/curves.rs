//! Time-current curves of a device, those of the others faint behind them, and
//! the points at which its elements operated in this run.

use egui::{Align2, Pos2, Rect, Shape, Stroke, Ui, pos2, vec2};
use gridloom_core::view::{DeviceView, ViewModel};
use gridloom_protection::{ElementSettings, SoeEvent, SoeKind, Watch, describe};

use super::relay;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shown times, s.
const TIMES_S: (f64, f64) = (0.01, 100.0);

/// Points of a curve.
const POINTS: usize = 96;

/// One curve with its dash.
struct Curve {
    dashed: bool,
    points: Vec<(f64, f64)>,
}

/// An operation of the run: current in A, time in s, what the curve says.
struct Point {
    current_a: f64,
    took_s: f64,
    curve_s: Option<f64>,
}

/// Currents on the log axis, A.
#[derive(Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    area: Rect,
}

impl Scale {
    fn x(&self, current_a: f64) -> f32 {
        let share = libm::log(current_a / self.low) / libm::log(self.high / self.low);
        self.area.min.x + share as f32 * self.area.width()
    }

    fn y(&self, time_s: f64) -> f32 {
        let share = libm::log(time_s / TIMES_S.0) / libm::log(TIMES_S.1 / TIMES_S.0);
        self.area.max.y - share as f32 * self.area.height()
    }

    fn at(&self, (current_a, time_s): (f64, f64)) -> Option<Pos2> {
        let inside = current_a >= self.low
            && current_a <= self.high
            && (TIMES_S.0..=TIMES_S.1).contains(&time_s);
        inside.then(|| pos2(self.x(current_a), self.y(time_s)))
    }
}

/// Shows the curves of the chosen device.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let below = relay::head(ui, cx, rect, "");
    let Some(index) = relay::chosen(cx) else {
        let words = "No device of this scene has an overcurrent element or a fuse.";
        relay::nothing(ui, cx, below, words);
        return;
    };
    let device = &cx.view.protection.devices[index];
    let points = operations(cx.view, device);
    let lines = legend_lines(device).len() as f32 + 1.0;
    let area = Rect::from_min_max(
        below.min + vec2(46.0, 4.0),
        below.max - vec2(16.0, 24.0 + lines * 16.0),
    );
    if area.height() < 40.0 {
        return;
    }
    let scale = scale(cx.view, device, &points, area);
    axes(ui, cx, &scale);
    let faint = Stroke::new(1.0, cx.theme.rule);
    for other in cx
        .view
        .protection
        .devices
        .iter()
        .filter(|d| d.id != device.id)
    {
        for curve in curves(other, &scale) {
            draw(ui, &scale, &curve, faint);
        }
    }
    for curve in curves(device, &scale) {
        draw(ui, &scale, &curve, Stroke::new(2.0, cx.theme.energised));
    }
    present(ui, cx, &scale, device.current_a);
    for point in &points {
        if let Some(at) = scale.at((point.current_a, point.took_s.max(TIMES_S.0))) {
            let painter = ui.painter();
            painter.circle_filled(at, 5.5, cx.theme.panel);
            painter.circle_filled(at, 4.0, cx.theme.text1);
        }
    }
    legend(ui, cx, below, device, &points, area.max.y + 26.0);
}

/// Operations of a device in the sequence of events.
fn operations(view: &ViewModel, device: &DeviceView) -> Vec<Point> {
    let of = |event: &&SoeEvent| event.kind == SoeKind::Operate && event.device == device.id;
    view.protection
        .soe
        .iter()
        .filter(of)
        .filter_map(|event| event.timing)
        .filter(|timing| {
            let element = device.program.elements.get(timing.element as usize);
            element.is_some_and(ElementSettings::of_current)
        })
        .map(|timing| Point {
            current_a: timing.value,
            took_s: timing.took_ms / 1_000.0,
            curve_s: timing.curve_ms.map(|ms| ms / 1_000.0),
        })
        .collect()
}

/// From half the lowest setting to well beyond the highest operation.
fn scale(view: &ViewModel, device: &DeviceView, points: &[Point], area: Rect) -> Scale {
    let own = device.program.elements.iter().filter(|e| e.of_current());
    let own = own.map(|e| e.pickup);
    let fuse = device.program.fuse.map(|f| f64::from(f.rated_a));
    let low = own.clone().chain(fuse).fold(f64::INFINITY, f64::min);
    let top = own.chain(fuse).fold(0.0, f64::max) * 20.0;
    let seen = points.iter().map(|p| p.current_a * 1.5);
    let faults = view.protection.faults.iter().map(|f| f.current_a * 1.5);
    let high = seen.chain(faults).fold(top, f64::max);
    let low = if low.is_finite() { low * 0.5 } else { 10.0 };
    Scale {
        low,
        high: high.max(low * 10.0),
        area,
    }
}

fn curves(device: &DeviceView, scale: &Scale) -> Vec<Curve> {
    let currents = || {
        (0..=POINTS).map(|i| {
            let share = i as f64 / POINTS as f64;
            scale.low * libm::pow(scale.high / scale.low, share)
        })
    };
    let of = |element: &ElementSettings| {
        let time = |current: f64| {
            let multiple = current / element.pickup;
            let curve = element.curve;
            curve.operate_s(multiple, element.dial, element.flat_above)
        };
        // The curve begins at its setting, whatever the raster of the axis is.
        let first = element.pickup * 1.000_1;
        let mut points: Vec<(f64, f64)> = std::iter::once(first)
            .chain(currents().filter(|c| *c > first))
            .filter_map(|c| Some((c, time(c)?.max(TIMES_S.0))))
            .collect();
        if let Some(&(current, _)) = points.first() {
            points.insert(0, (current, TIMES_S.1));
        }
        Curve {
            dashed: element.watch == Watch::EarthCurrent,
            points,
        }
    };
    let program = &device.program;
    let mut all: Vec<Curve> = program
        .elements
        .iter()
        .filter(|element| element.of_current())
        .map(of)
        .collect();
    if let Some(fuse) = program.fuse {
        type Time = fn(gridloom_protection::FuseLink, f64) -> Option<f64>;
        let sides: [(&str, Time); 2] = [
            ("melts", gridloom_protection::FuseLink::melting_s),
            ("clears", gridloom_protection::FuseLink::clearing_s),
        ];
        for (word, time) in sides {
            all.push(Curve {
                dashed: word == "clears",
                points: currents()
                    .filter_map(|c| Some((c, time(fuse, c)?)))
                    .collect(),
            });
        }
    }
    all
}

/// An element with the shots in which it acts.
fn words_of(element: &ElementSettings) -> String {
    let mut words = describe(element);
    if !element.shots.is_empty() {
        let shots: Vec<String> = element.shots.iter().map(u8::to_string).collect();
        words.push_str(&format!(", shot {}", shots.join(", ")));
    }
    words
}

fn draw(ui: &Ui, scale: &Scale, curve: &Curve, stroke: Stroke) {
    let points: Vec<Pos2> = curve.points.iter().filter_map(|p| scale.at(*p)).collect();
    if points.len() < 2 {
        return;
    }
    if curve.dashed {
        ui.painter()
            .extend(Shape::dashed_line(&points, stroke, 7.0, 4.0));
    } else {
        ui.painter().add(Shape::line(points, stroke));
    }
}

/// Decades with their values.
fn axes(ui: &Ui, cx: &Cx<'_>, scale: &Scale) {
    let theme = cx.theme;
    let painter = ui.painter();
    painter.rect_filled(scale.area, 0.0, theme.base);
    let style = Style::body(11.0, theme.text2);
    let rule = Stroke::new(1.0, theme.rule);
    for (time, words) in [
        (0.01, "10 ms"),
        (0.1, "0.1 s"),
        (1.0, "1 s"),
        (10.0, "10 s"),
        (100.0, "100 s"),
    ] {
        let y = scale.y(time);
        let ends = [pos2(scale.area.min.x, y), pos2(scale.area.max.x, y)];
        painter.line_segment(ends, rule);
        let at = pos2(
            scale.area.min.x - 6.0,
            y.clamp(scale.area.min.y + 6.0, scale.area.max.y - 6.0),
        );
        text::text(ui, at, Align2::RIGHT_CENTER, &style, words);
    }
    let mut current = 1.0;
    while current < scale.high {
        if current > scale.low {
            let x = scale.x(current);
            let ends = [pos2(x, scale.area.min.y), pos2(x, scale.area.max.y)];
            painter.line_segment(ends, rule);
            if x < scale.area.max.x - 16.0 && x > scale.area.min.x + 16.0 {
                let at = pos2(x, scale.area.max.y + 10.0);
                let words = if current >= 1_000.0 {
                    format!("{} kA", text::plain(current / 1_000.0, 0))
                } else {
                    format!("{} A", text::plain(current, 0))
                };
                text::text(ui, at, Align2::CENTER_CENTER, &style, &words);
            }
        }
        current *= 10.0;
    }
}

/// The current that flows now.
fn present(ui: &Ui, cx: &Cx<'_>, scale: &Scale, current_a: f64) {
    if current_a <= scale.low || current_a >= scale.high {
        return;
    }
    let x = scale.x(current_a);
    let ends = [pos2(x, scale.area.min.y), pos2(x, scale.area.max.y)];
    let stroke = Stroke::new(1.0, cx.theme.text2);
    ui.painter()
        .extend(Shape::dashed_line(&ends, stroke, 2.0, 3.0));
}

/// Words of the legend and whether their curve is dashed.
fn legend_lines(device: &DeviceView) -> Vec<(String, bool)> {
    let program = &device.program;
    let elements = program.elements.iter().filter(|e| e.of_current());
    let mut lines: Vec<(String, bool)> = elements
        .map(|e| (words_of(e), e.watch == Watch::EarthCurrent))
        .collect();
    if let Some(fuse) = program.fuse {
        lines.push((format!("{} melts", fuse.label()), false));
        lines.push((format!("{} clears", fuse.label()), true));
    }
    lines
}

fn legend(ui: &Ui, cx: &Cx<'_>, place: Rect, device: &DeviceView, points: &[Point], top: f32) {
    let theme = cx.theme;
    let style = Style::body(11.0, theme.text1);
    let left = place.min.x + 16.0;
    let room = place.width() - 64.0;
    let mut y = top;
    for (words, dashed) in legend_lines(device) {
        let ends = [pos2(left, y), pos2(left + 24.0, y)];
        let stroke = Stroke::new(2.0, theme.energised);
        if dashed {
            ui.painter()
                .extend(Shape::dashed_line(&ends, stroke, 7.0, 4.0));
        } else {
            ui.painter().line_segment(ends, stroke);
        }
        let at = pos2(left + 32.0, y);
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &words);
        y += 16.0;
    }
    let worst = points
        .iter()
        .filter_map(|p| Some((p.took_s - p.curve_s?).abs() * 1_000.0))
        .reduce(f64::max);
    let words = match (points.len(), worst) {
        (0, _) => "has not operated in this run".to_owned(),
        (1, Some(off)) => format!("1 operation, {} ms off the curve", text::plain(off, 2)),
        (n, Some(worst)) => format!(
            "{n} operations, at most {} ms off the curve",
            text::plain(worst, 2)
        ),
        (n, None) => format!("{n} operations under changing current"),
    };
    ui.painter()
        .circle_filled(pos2(left + 12.0, y), 4.0, theme.text1);
    let at = pos2(left + 32.0, y);
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &words);
}
