//! The selected entity: values with limits, trends, causes, actions.

use egui::{Align2, Rect, Ui, pos2, vec2};
use gridloom_core::view::{Selected, SelectionView, ViewModel};

use super::trend::Trend;
use super::{Column, facts, ledger_side};
use crate::window::draw;
use crate::window::map::hit;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// One value with its limits.
pub struct Fact {
    /// What it is.
    pub name: &'static str,
    /// Its value with unit.
    pub value: String,
    /// Position and limit in a bar, 0..1.
    pub bar: Option<(f32, f32)>,
    /// Note at the right.
    pub note: String,
}

impl Fact {
    /// A value without limits.
    pub fn plain(name: &'static str, value: String, note: &str) -> Self {
        Self {
            name,
            value,
            bar: None,
            note: note.to_owned(),
        }
    }
}

/// Details of the selection, if the twin has prepared those of this entity.
pub fn details(view: &ViewModel, what: Selected) -> Option<&SelectionView> {
    view.selection
        .as_ref()
        .filter(|details| details.what == Some(what))
}

/// Shows the selection below the alarm list.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let Some(what) = cx
        .state
        .selected
        .filter(|what| facts::known(cx.view, *what))
    else {
        let mut column = Column::inside(rect);
        column.heading(ui, cx, "SELECTION", "Tab next asset");
        let words =
            "Click a house, a breaker, a conductor or a block. Tab goes from asset to asset.";
        text::paragraph(
            ui,
            pos2(column.left, column.y),
            &Style::body(12.0, cx.theme.text2),
            column.width(),
            words,
        );
        refused(ui, cx, rect);
        return;
    };
    let foot = if matches!(what, Selected::Mlmd(_)) && cx.state.pending.is_some() {
        116.0
    } else {
        56.0
    };
    let body = Rect::from_min_max(rect.min, pos2(rect.max.x, rect.max.y - foot));
    super::scrolled(ui, "selection", body, |ui, area| {
        let mut column = Column::inside(area);
        column.heading(ui, cx, "SELECTION", "Tab next asset");
        title(ui, cx, &mut column, what);
        if let Selected::Block(ledger, height) | Selected::Transaction(ledger, height, _) = what {
            ledger_side::block(ui, cx, &mut column, ledger, height);
        } else {
            values(ui, cx, &mut column, what);
            notice(ui, cx, &mut column, what);
            trends(ui, cx, &mut column, what);
            why(ui, cx, &mut column, what);
            if let Selected::Aggregator(cluster) = what {
                ledger_side::prices(ui, cx, &mut column, cluster);
            }
            ledger_side::wallet(ui, cx, &mut column, what);
        }
        column.y + 8.0
    });
    draw::rule(
        ui.painter(),
        foot_rule(&rect),
        (body.max.y + 4.0).round() - 0.5,
        cx.theme,
    );
    let foot = Rect::from_min_max(pos2(rect.min.x, body.max.y), rect.max);
    super::operate::buttons(ui, cx, foot, what);
}

/// The rule over the buttons, where a long list ends.
fn foot_rule(rect: &Rect) -> std::ops::RangeInclusive<f32> {
    rect.min.x + super::INSET..=rect.max.x - super::INSET
}

fn title(ui: &Ui, cx: &Cx<'_>, column: &mut Column, what: Selected) {
    let y = column.y + 14.0;
    let name = hit::name(&cx.view.scene, what);
    let style = Style::strong(20.0, cx.theme.text1);
    let shown = text::text_within(
        ui,
        pos2(column.left, y),
        Align2::LEFT_CENTER,
        &style,
        column.width(),
        &name,
    );
    let room = column.right - shown.max.x - 8.0;
    let kind = facts::kind(cx.view, what);
    let at = pos2(shown.max.x + 8.0, y + 1.0);
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &Style::body(13.0, cx.theme.text2),
        room,
        &kind,
    );
    column.y += 36.0;
}

fn values(ui: &Ui, cx: &Cx<'_>, column: &mut Column, what: Selected) {
    let wide = column.width() > 300.0;
    let value_x = column.left + if wide { 148.0 } else { 136.0 };
    for fact in facts::of(cx.view, what) {
        let y = column.y + 12.0;
        let name = text::text(
            ui,
            pos2(column.left, y),
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text2),
            fact.name,
        );
        let style = Style::strong(14.0, cx.theme.text1);
        if text::width(ui, &style, &fact.value) > value_x - name.max.x - 8.0 {
            // Words instead of a figure: they wrap, with their note behind them.
            let words = format!("{}   {}", fact.value, fact.note);
            let ink = Style::body(12.0, cx.theme.text1);
            let at = pos2(column.left + 72.0, column.y + 4.0);
            let shown = text::paragraph(ui, at, &ink, column.right - at.x, words.trim());
            column.y = shown.max.y + 6.0;
            continue;
        }
        text::text(
            ui,
            pos2(value_x, y),
            Align2::RIGHT_CENTER,
            &style,
            &fact.value,
        );
        let mut note_from = value_x + 12.0;
        if let Some((share, limit)) = fact.bar {
            let bar = Rect::from_min_size(
                pos2(value_x + 16.0, y - 2.5),
                vec2(if wide { 88.0 } else { 56.0 }, 5.0),
            );
            draw::gauge(ui.painter(), bar, share, limit, cx.theme);
            note_from = bar.max.x + 6.0;
        }
        if !fact.note.is_empty() {
            let room = column.right - note_from;
            let note = Style::body(11.0, cx.theme.text2);
            text::text_if_fits(
                ui,
                pos2(column.right, y),
                Align2::RIGHT_CENTER,
                &note,
                room,
                &fact.note,
            );
        }
        column.y += if cx.compact { 22.0 } else { 26.0 };
    }
    if let Some((good, words)) = facts::quality(cx.view, what) {
        let y = column.y + 12.0;
        text::text(
            ui,
            pos2(column.left, y),
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text2),
            "Quality",
        );
        let dot = pos2(column.left + 84.0, y);
        if good {
            ui.painter().circle_filled(dot, 3.5, cx.theme.text1);
        } else {
            ui.painter()
                .circle_stroke(dot, 3.0, egui::Stroke::new(1.25, cx.theme.text2));
        }
        let room = column.right - dot.x - 10.0;
        let style = Style::body(12.0, cx.theme.text1);
        // Who measured it is left out where it does not fit.
        let short = words.split(" by ").next().unwrap_or_default();
        let shown = if text::width(ui, &style, &words) <= room {
            &words
        } else {
            short
        };
        text::text_within(
            ui,
            pos2(dot.x + 10.0, y),
            Align2::LEFT_CENTER,
            &style,
            room,
            shown,
        );
        column.y += 26.0;
    }
}

/// What the meter's own display says: the household sees it, so does the operator.
fn notice(ui: &Ui, cx: &Cx<'_>, column: &mut Column, what: Selected) {
    let Selected::Home(home) = what else { return };
    let Some(words) = cx.view.homes.get(home).and_then(|h| h.notice.as_ref()) else {
        return;
    };
    let ink = Style::body(12.0, cx.theme.text2);
    let at = pos2(column.left, column.y + 12.0);
    let shown = text::text(ui, at, Align2::LEFT_CENTER, &ink, "Meter display");
    let at = pos2(shown.max.x + 12.0, column.y + 4.0);
    let style = Style::strong(12.0, cx.theme.text1);
    let room = column.right - at.x;
    let shown = text::paragraph(ui, at, &style, room, words);
    column.y = shown.max.y + 8.0;
}

fn trends(ui: &Ui, cx: &Cx<'_>, column: &mut Column, what: Selected) {
    let history = &cx.view.history;
    let trend = match what {
        Selected::Home(i) => history.home.get(i),
        Selected::SharedBattery(i) => history.shared_battery.get(i),
        Selected::Mlmd(i) => history.mlmd.get(i),
        _ => None,
    };
    let Some(trend) = trend else { return };
    if !cx.compact {
        Trend {
            title: "VOLTAGE, 6 H",
            unit: "pu",
            values: &trend.v_pu,
            range: Some((0.95, 1.05)),
            zero: 1.0,
            filled: false,
            height: 104.0,
        }
        .show(ui, cx, column);
    }
    let power = if matches!(what, Selected::Mlmd(_)) {
        "POWER THROUGH, 6 H"
    } else {
        "POWER, 6 H"
    };
    Trend {
        title: power,
        unit: "kW",
        values: &trend.p_kw,
        range: None,
        zero: 0.0,
        filled: true,
        height: if cx.compact { 56.0 } else { 76.0 },
    }
    .show(ui, cx, column);
}

/// What makes up the shown value.
fn why(ui: &Ui, cx: &Cx<'_>, column: &mut Column, what: Selected) {
    let Some(details) = details(cx.view, what).filter(|d| !d.why.is_empty()) else {
        return;
    };
    let y = column.y + 10.0;
    text::text(
        ui,
        pos2(column.left, y),
        Align2::LEFT_CENTER,
        &Style::heading(cx.theme.text2),
        "WHY THIS VALUE",
    );
    column.y += 22.0;
    for (cause, value) in details.why.iter().take(12) {
        let y = column.y + 10.0;
        let tick = [
            pos2(column.left + 1.0, y - 6.0),
            pos2(column.left + 1.0, y + 6.0),
        ];
        ui.painter()
            .line_segment(tick, egui::Stroke::new(1.0, cx.theme.text3));
        let style = Style::strong(12.0, cx.theme.text1);
        let shown = text::text_within(
            ui,
            pos2(column.right, y),
            Align2::RIGHT_CENTER,
            &style,
            column.width() * 0.55,
            value,
        );
        let room = shown.min.x - column.left - 20.0;
        let cause_at = pos2(column.left + 12.0, y);
        text::text_within(
            ui,
            cause_at,
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text2),
            room,
            cause,
        );
        column.y += 20.0;
    }
    column.y += 8.0;
}

/// The last refused command, until something is selected.
fn refused(ui: &Ui, cx: &Cx<'_>, rect: Rect) {
    let Some(last) = cx.view.rejections.last() else {
        return;
    };
    let mut column = Column::inside(rect);
    column.y += 96.0;
    text::text(
        ui,
        pos2(column.left, column.y),
        Align2::LEFT_CENTER,
        &Style::heading(cx.theme.text2),
        "LAST REFUSED COMMAND",
    );
    text::paragraph(
        ui,
        pos2(column.left, column.y + 12.0),
        &Style::body(12.0, cx.theme.text1),
        column.width(),
        last,
    );
}
