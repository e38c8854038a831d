//! Step bar: back and on by kind, and where two runs part.

use egui::{Align2, CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::playback::{PlaybackCommand, StepKind};

use crate::window::desk::DeskAction;
use crate::window::draw::{self, Transport};
use crate::window::panels::transport;
use crate::window::state::UiAction;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// What a kind counts at the shown moment.
fn count(cx: &Cx<'_>, kind: StepKind) -> String {
    let view = cx.view;
    let number = match kind {
        StepKind::Tick => view.tick.0,
        StepKind::Iteration => {
            let all = view.grid.trail.len();
            return format!("{} / {all}", iteration(cx).map_or(all, |at| at + 1));
        }
        StepKind::Event => view.events.len() as u64,
        StepKind::Message => view.ledgers.iter().map(|l| l.messages).sum(),
        StepKind::Round => view
            .ledgers
            .get(cx.state.engineer.ledger)
            .and_then(|l| l.rounds.last())
            .map_or(0, |r| u64::from(r.round)),
        StepKind::Block => view.ledgers.iter().map(|l| l.height).sum(),
        StepKind::Alarm => view.alarm_rates.shown,
        StepKind::Contract => view.steps[4].count,
    };
    text::grouped(number)
}

/// The iteration that is looked at, within those of the shown tick.
pub fn iteration(cx: &Cx<'_>) -> Option<usize> {
    let (tick, at) = cx.state.engineer.iteration?;
    let here = tick == cx.view.tick.0 && at < cx.view.grid.trail.len();
    here.then_some(at)
}

/// One step of a kind. Iterations lie within the tick: the first is left for
/// the tick before, the last for the next one.
pub fn go(cx: &mut Cx<'_>, kind: StepKind, forward: bool) {
    if kind != StepKind::Iteration {
        transport::send(cx, PlaybackCommand::StepTo(kind, forward));
        return;
    }
    let all = cx.view.grid.trail.len();
    let now = cx.view.tick.0;
    let next = match (iteration(cx), forward) {
        (None, true) => Some(0),
        (None, false) => all.checked_sub(1),
        (Some(at), true) => (at + 1 < all).then_some(at + 1),
        (Some(at), false) => at.checked_sub(1),
    };
    if let Some(at) = next.filter(|at| *at < all) {
        cx.state.engineer.iteration = Some((now, at));
        return;
    }
    let tick = now.saturating_add_signed(if forward { 1 } else { -1 });
    // Back it is the last iteration of the tick before, of which there is one at least.
    cx.state.engineer.iteration = forward.then_some((tick, 0));
    transport::send(cx, PlaybackCommand::Step(if forward { 1 } else { -1 }));
}

/// Shows the bar.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let y = rect.center().y;
    let mut x = rect.min.x + 16.0;
    if !cx.compact {
        let style = Style::heading(cx.theme.text2);
        let at = pos2(x, y);
        let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, "STEP BY");
        x = shown.max.x + 16.0;
    }
    let end = rect.max.x - if cx.compact { 96.0 } else { 430.0 };
    for kind in StepKind::ALL {
        let value = count(cx, kind);
        let name = Style::strong(12.0, cx.theme.text1);
        let number = Style::body(12.0, cx.theme.text2);
        let words = text::width(ui, &name, kind.label());
        let digits = if cx.compact {
            0.0
        } else {
            text::width(ui, &number, &value) + 6.0
        };
        let width = words + digits + 56.0;
        if x + width > end {
            break;
        }
        let cell = Rect::from_min_size(pos2(x, y - 12.0), vec2(width, 24.0));
        step(ui, cx, cell, kind, &value, digits);
        x = cell.max.x + 8.0;
    }
    difference(ui, cx, rect);
}

fn step(ui: &Ui, cx: &mut Cx<'_>, cell: Rect, kind: StepKind, value: &str, digits: f32) {
    let theme = cx.theme;
    ui.painter().rect(
        cell,
        CornerRadius::same(4),
        theme.raised,
        Stroke::new(1.0, theme.edge),
        StrokeKind::Inside,
    );
    for (forward, x) in [(false, cell.min.x + 13.0), (true, cell.max.x - 13.0)] {
        let hot = Rect::from_center_size(pos2(x, cell.center().y), vec2(22.0, 22.0));
        let response = ui.interact(
            hot,
            ui.id().with(("step", kind.label(), forward)),
            Sense::click(),
        );
        response.widget_info(|| {
            let way = if forward { "Next" } else { "Last" };
            let words = format!("{way} {}", kind.label().to_lowercase());
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
        });
        let ink = if response.hovered() || response.has_focus() {
            theme.text1
        } else {
            theme.text2
        };
        let symbol = if forward {
            Transport::Play
        } else {
            Transport::Rewind
        };
        draw::transport_small(ui.painter(), hot.center(), symbol, ink);
        if response.clicked() {
            go(cx, kind, forward);
        }
    }
    let style = Style::strong(12.0, theme.text1);
    let at = pos2(cell.min.x + 26.0, cell.center().y);
    let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, kind.label());
    if digits > 0.0 {
        let style = Style::body(12.0, theme.text2);
        let at = pos2(shown.max.x + 6.0, cell.center().y);
        text::text(ui, at, Align2::LEFT_CENTER, &style, value);
    }
}

/// The first tick at which run and branch differ.
fn difference(ui: &Ui, cx: &mut Cx<'_>, rect: Rect) {
    let y = rect.center().y;
    let go = Rect::from_min_size(pos2(rect.max.x - 88.0, y - 12.0), vec2(72.0, 24.0));
    let known = cx.desk.other.as_ref().and_then(|o| o.differs_at);
    if cx.button(ui, go, "Go to", "", known.is_some()) {
        cx.actions.push(UiAction::Desk(DeskAction::FirstDifference));
    }
    if cx.compact {
        return;
    }
    let words = match (&cx.desk.other, known) {
        (Some(_), Some(tick)) => format!("First difference: tick {}", text::grouped(tick.0)),
        (Some(_), None) => "No difference so far".to_owned(),
        (None, _) => match cx.desk.branches.len() {
            0 => "Act in the past: the old future becomes a branch".to_owned(),
            n => format!("{n} branches kept, none shown beside the run"),
        },
    };
    let style = Style::body(12.0, cx.theme.text2);
    let at = pos2(go.min.x - 12.0, y);
    text::text_within(ui, at, Align2::RIGHT_CENTER, &style, 320.0, &words);
}
