//! Phasor diagram of the selection: voltages solid, currents hollow.

use egui::{Align2, Pos2, Rect, Shape, Stroke, Ui, pos2, vec2};
use gridloom_core::view::PhasorView;

use crate::window::map::hit;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shows the phasors of the solution at the selection.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let phasors: &[PhasorView] = cx.view.selection.as_ref().map_or(&[], |s| &s.phasors);
    let style = Style::body(12.0, cx.theme.text2);
    if phasors.is_empty() {
        let words = "Select a house, breaker, line or transformer that is live.";
        let at = rect.min + vec2(16.0, 16.0);
        text::paragraph(ui, at, &style, rect.width() - 32.0, words);
        return;
    }
    let name = cx
        .state
        .selected
        .map_or_else(String::new, |what| hit::name(&cx.view.scene, what));
    let wide = rect.width() > 360.0;
    let list_w = if wide { 190.0 } else { 0.0 };
    let room = vec2(rect.width() - list_w - 40.0, rect.height() - 56.0);
    let radius = (room.x.min(room.y) * 0.5).max(20.0);
    let middle = pos2(
        rect.min.x + 20.0 + room.x * 0.5,
        rect.min.y + 30.0 + room.y * 0.5,
    );
    let at = pos2(rect.min.x + 12.0, rect.min.y + 14.0);
    let words = format!("{name}: voltages to earth solid, currents hollow");
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &style,
        rect.width() - 24.0,
        &words,
    );
    let painter = ui.painter();
    for share in [0.5, 1.0] {
        let stroke = Stroke::new(1.0, cx.theme.rule);
        painter.circle_stroke(middle, radius * share, stroke);
    }
    for way in [vec2(1.0, 0.0), vec2(0.0, 1.0)] {
        let ends = [middle - way * radius, middle + way * radius];
        painter.line_segment(ends, Stroke::new(1.0, cx.theme.rule));
    }
    let most = |current: bool| {
        phasors
            .iter()
            .filter(|p| p.current == current)
            .map(|p| p.magnitude)
            .fold(0.0, f64::max)
            .max(1e-9)
    };
    // Angles are shown against the first voltage.
    let reference = phasors.first().map_or(0.0, |p| p.angle_deg);
    for phasor in phasors {
        let share =
            phasor.magnitude / most(phasor.current) * if phasor.current { 0.72 } else { 1.0 };
        let angle = (phasor.angle_deg - reference).to_radians();
        let tip = middle
            + vec2(libm::cos(angle) as f32, -libm::sin(angle) as f32) * radius * share as f32;
        arrow(ui, cx, middle, tip, phasor);
    }
    if wide {
        table(ui, cx, rect, phasors, reference);
    }
}

/// Phases differ by dash, kinds by the head.
fn arrow(ui: &Ui, cx: &Cx<'_>, from: Pos2, tip: Pos2, phasor: &PhasorView) {
    let theme = cx.theme;
    let ink = if phasor.current {
        theme.text2
    } else {
        theme.energised
    };
    let stroke = Stroke::new(if phasor.current { 1.5 } else { 2.0 }, ink);
    let painter = ui.painter();
    match phasor.phase {
        0 => {
            painter.line_segment([from, tip], stroke);
        }
        1 => painter.extend(Shape::dashed_line(&[from, tip], stroke, 8.0, 4.0)),
        _ => painter.extend(Shape::dashed_line(&[from, tip], stroke, 2.5, 3.5)),
    }
    let way = (tip - from).normalized();
    let across = vec2(-way.y, way.x);
    let points = vec![
        tip,
        tip - way * 10.0 + across * 4.5,
        tip - way * 10.0 - across * 4.5,
    ];
    if phasor.current {
        painter.add(Shape::convex_polygon(
            points,
            theme.panel,
            Stroke::new(1.25, ink),
        ));
    } else {
        painter.add(Shape::convex_polygon(points, ink, Stroke::NONE));
        let style = Style::strong(11.0, theme.text1);
        let words = ["L1", "L2", "L3"][usize::from(phasor.phase.min(2))];
        text::text(ui, tip + way * 13.0, Align2::CENTER_CENTER, &style, words);
    }
}

fn table(ui: &Ui, cx: &Cx<'_>, rect: Rect, phasors: &[PhasorView], reference: f64) {
    let mut y = rect.min.y + 48.0;
    let left = rect.max.x - 186.0;
    for phasor in phasors {
        let kind = if phasor.current { "I" } else { "U" };
        let words = format!("{kind}{}", phasor.phase + 1);
        let style = Style::body(12.0, cx.theme.text2);
        text::text(ui, pos2(left, y), Align2::LEFT_CENTER, &style, &words);
        let value = if phasor.current {
            format!("{} A", text::plain(phasor.magnitude, 2))
        } else {
            format!("{} V", text::plain(phasor.magnitude, 1))
        };
        let strong = Style::strong(12.0, cx.theme.text1);
        text::text(
            ui,
            pos2(left + 106.0, y),
            Align2::RIGHT_CENTER,
            &strong,
            &value,
        );
        let angle = (phasor.angle_deg - reference + 540.0).rem_euclid(360.0) - 180.0;
        let words = format!("{}°", text::signed(angle, 1));
        text::text(
            ui,
            pos2(rect.max.x - 14.0, y),
            Align2::RIGHT_CENTER,
            &style,
            &words,
        );
        y += 22.0;
        if y > rect.max.y - 10.0 {
            break;
        }
    }
}
