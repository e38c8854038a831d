//! Alarm list: cards with fact, action and time left.

use egui::{Align2, CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::{AlarmState, AlarmView, Priority, ViewModel};
use gridloom_core::{AlarmCommand, Command};

use super::Column;
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Alarms within the last hour above which the list is a flood.
const FLOOD: usize = 10;

/// Most cards laid out at once.
const CARDS: usize = 50;

/// Reasons offered for shelving; each shelves for the default time.
const REASONS: [&str; 3] = ["Known work", "Nuisance", "Spare part"];

/// Height of a card, px.
fn height(cx: &Cx<'_>) -> f32 {
    if cx.compact { 80.0 } else { 112.0 }
}

/// Shows the list, never below `limit`.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, column: &mut Column, limit: f32) {
    let view = cx.view;
    let listed = |alarm: &&AlarmView| alarm.state.listed() != cx.state.alarms_hidden;
    let hidden = cx.state.alarms_hidden;
    let shown: Vec<&AlarmView> = view
        .alarms
        .iter()
        .filter(|alarm| alarm.state != AlarmState::Normal)
        .filter(listed)
        .take(CARDS)
        .collect();
    column.heading(ui, cx, "ALARMS", &counts(view));
    if !cx.compact {
        rate(ui, cx, column);
    }
    let height = height(cx);
    let wanted = shown.len() as f32 * (height + 8.0);
    let room = (limit - column.y - 46.0).max(height + 8.0);
    let area = Rect::from_min_size(
        pos2(column.left, column.y),
        vec2(column.width(), wanted.min(room)),
    );
    if !shown.is_empty() {
        super::scrolled(ui, "alarms", area, |ui, area| {
            let mut y = area.min.y;
            for alarm in &shown {
                let rect = Rect::from_min_size(pos2(area.min.x, y), vec2(column.width(), height));
                card(ui, cx, rect, alarm);
                y += height + 8.0;
            }
            y
        });
    }
    column.y += area.height();
    let urgent = shown.iter().any(|a| a.active && a.priority < Priority::P3);
    let words = match (shown.len(), urgent, hidden) {
        (0, _, true) => "Nothing is shelved, folded or out of service.",
        (0, _, false) => "Normal state. No alarm needs action now.",
        (_, false, false) => "Normal state. No alarm needs action at once.",
        _ => "",
    };
    if !words.is_empty() {
        let style = Style::body(12.0, cx.theme.text2);
        let at = pos2(column.left, column.y + 8.0);
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), words);
        column.y += 18.0;
    }
    hidden_switch(ui, cx, column);
}

/// Counts for the heading.
fn counts(view: &ViewModel) -> String {
    let active = view.alarms.iter().filter(|a| a.active && a.state.listed());
    let mut words = format!("{} active", active.count());
    if view.alarm_rates.suppressed > 0 {
        words += &format!(" · {} folded", view.alarm_rates.suppressed);
    }
    words
}

/// One line that shows what is hidden, and shows it on a click.
fn hidden_switch(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    let rates = cx.view.alarm_rates;
    let waiting = cx
        .view
        .alarms
        .iter()
        .filter(|a| a.state == AlarmState::ReturnedUnacknowledged)
        .count();
    let words = if cx.state.alarms_hidden {
        "Back to the active alarms".to_owned()
    } else {
        format!(
            "{} shelved · {} folded · {} out of service",
            rates.shelved, rates.suppressed, rates.out_of_service
        )
    };
    let at = pos2(column.left, column.y + 12.0);
    let row = Rect::from_min_size(
        pos2(column.left, column.y + 2.0),
        vec2(column.width(), 20.0),
    );
    let response = ui.interact(row, ui.id().with("hidden-alarms"), egui::Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, "Shelved and folded alarms")
    });
    let ink = if response.hovered() || response.has_focus() {
        cx.theme.text1
    } else {
        cx.theme.text3
    };
    let style = Style::body(11.0, ink);
    let shown = text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), &words);
    if waiting > 0 && !cx.state.alarms_hidden {
        let words = format!("{waiting} returned");
        let room = column.right - shown.max.x - 10.0;
        let at = pos2(column.right, at.y);
        text::text_if_fits(ui, at, Align2::RIGHT_CENTER, &style, room, &words);
    }
    if response.clicked() {
        cx.state.alarms_hidden = !cx.state.alarms_hidden;
    }
    column.y += 24.0;
}

/// Alarms per five minutes over the last hour, with the flood line.
fn rate(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    let rect = Rect::from_min_size(
        pos2(column.left, column.y + 4.0),
        vec2(column.width(), 30.0),
    );
    let painter = ui.painter();
    painter.rect_filled(rect, 0.0, cx.theme.base);
    let dash = [rect.left_top(), rect.right_top()];
    painter.extend(egui::Shape::dashed_line(
        &dash,
        Stroke::new(1.0, cx.theme.text3),
        3.0,
        3.0,
    ));
    let hour = 3_600_000_u64;
    let now = cx.view.time.0;
    let mut bins = [0_usize; 36];
    for alarm in &cx.view.alarms {
        let age = now.saturating_sub(alarm.raised.0);
        if alarm.raised.0 <= now && age < hour && alarm.state != AlarmState::Suppressed {
            let bin = bins.len() - 1 - (age * bins.len() as u64 / hour) as usize;
            bins[bin] += 1;
        }
    }
    for (bin, count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        let x = rect.min.x + rect.width() * (bin as f32 + 0.5) / bins.len() as f32;
        let h = (rect.height() * *count as f32 / FLOOD as f32).clamp(6.0, rect.height());
        let bar = Rect::from_min_max(pos2(x - 2.0, rect.max.y - h), pos2(x + 2.0, rect.max.y));
        painter.rect_filled(bar, 0.0, cx.theme.energised);
    }
    let style = Style::body(11.0, cx.theme.text3);
    text::text(
        ui,
        rect.left_top() + vec2(4.0, 9.0),
        Align2::LEFT_CENTER,
        &style,
        "last 60 min",
    );
    text::text(
        ui,
        rect.right_top() + vec2(-4.0, 9.0),
        Align2::RIGHT_CENTER,
        &style,
        "flood 10 / 10 min",
    );
    column.y += 44.0;
}

/// Time left to respond, in words.
pub fn countdown(view: &ViewModel, alarm: &AlarmView) -> String {
    let age_s = view.time.0.saturating_sub(alarm.raised.0) / 1_000;
    let left = alarm.respond_s.saturating_sub(age_s);
    match left {
        0 => "overdue".to_owned(),
        s if s >= 5_400 => format!("{} h {} min left", s / 3_600, s / 60 % 60),
        s if s >= 600 => format!("{} min left", s / 60),
        s => format!("{:02}:{:02} left", s / 60, s % 60),
    }
}

/// Acknowledges one alarm.
pub fn acknowledge(cx: &mut Cx<'_>, id: u64) {
    cx.command(Command::Alarm(AlarmCommand::Acknowledge(id)));
}

/// The alarm that keys act on: the chosen one, else the first that waits.
pub fn current(cx: &Cx<'_>) -> Option<u64> {
    let listed = || cx.view.alarms.iter().filter(|a| a.state.listed());
    cx.state
        .alarm
        .filter(|id| listed().any(|a| a.id == *id))
        .or_else(|| listed().find(|a| a.state.wants_ack()).map(|a| a.id))
        .or_else(|| listed().next().map(|a| a.id))
}

fn card(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect, alarm: &AlarmView) {
    let theme = cx.theme;
    let level = alarm.priority as usize;
    let id = ui.id().with(("alarm", alarm.id));
    let response = ui.interact(rect, id, egui::Sense::click());
    response.widget_info(|| {
        let words = format!("Alarm {}, {}", alarm.title, alarm.state.label());
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
    });
    let edge = if level == 0 { theme.alarm1 } else { theme.edge };
    let edge = if current(cx) == Some(alarm.id) && level > 0 {
        theme.text3
    } else {
        edge
    };
    let stroke = Stroke::new(1.0, edge);
    let corner = CornerRadius::same(4);
    ui.painter()
        .rect(rect, corner, theme.raised, stroke, StrokeKind::Inside);
    let left = rect.min.x + 40.0;
    let glyph = pos2(rect.min.x + 20.0, rect.min.y + 19.0);
    draw::alarm(ui.painter(), glyph, 17.0, level, alarm.active, theme);
    if alarm.active {
        draw::alarm_digit(ui, glyph, level, 11.0, theme);
    }
    let room = rect.max.x - left - 12.0;
    let title = pos2(left, rect.min.y + 18.0);
    let style = Style::strong(14.0, theme.text1);
    text::text_within(ui, title, Align2::LEFT_CENTER, &style, room, &alarm.title);
    if cx.state.shelving == Some(alarm.id) {
        reasons(ui, cx, rect, alarm);
        return;
    }
    body(ui, cx, rect, alarm);
    actions(ui, cx, rect, alarm);
    if response.clicked() {
        cx.state.alarm = Some(alarm.id);
        if alarm.place.is_some() {
            cx.select(alarm.place);
        }
    }
}

/// Fact, action, time left.
fn body(ui: &Ui, cx: &Cx<'_>, rect: Rect, alarm: &AlarmView) {
    let theme = cx.theme;
    let left = rect.min.x + 40.0;
    let room = rect.max.x - left - 12.0;
    let left_words = countdown(cx.view, alarm);
    let small = Style::body(11.0, theme.text2);
    if cx.compact {
        let y = rect.min.y + 39.0;
        draw::chevron_right(ui.painter(), pos2(rect.min.x + 20.0, y), 8.0, theme.text1);
        let style = Style::body(12.0, theme.text1);
        text::text_within(
            ui,
            pos2(left, y),
            Align2::LEFT_CENTER,
            &style,
            room,
            &alarm.action,
        );
        let at = pos2(left, rect.max.y - 18.0);
        text::text_within(
            ui,
            at,
            Align2::LEFT_CENTER,
            &small,
            room - 124.0,
            &left_words,
        );
        return;
    }
    let fact = if alarm.folded > 0 {
        format!("{} · {} alarms folded", alarm.fact, alarm.folded)
    } else {
        alarm.fact.clone()
    };
    let style = Style::body(12.0, theme.text2);
    let at = pos2(left, rect.min.y + 36.0);
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &fact);
    let y = rect.min.y + 60.0;
    draw::chevron_right(ui.painter(), pos2(rect.min.x + 20.0, y), 8.0, theme.text1);
    let style = Style::body(13.0, theme.text1);
    text::text_within(
        ui,
        pos2(left, y),
        Align2::LEFT_CENTER,
        &style,
        room,
        &alarm.action,
    );
    let bar = Rect::from_min_size(pos2(left, rect.min.y + 76.0), vec2(120.0, 3.0));
    ui.painter().rect_filled(bar, 0.0, theme.edge);
    let age_s = cx.view.time.0.saturating_sub(alarm.raised.0) as f32 / 1_000.0;
    let share = 1.0 - (age_s / alarm.respond_s.max(1) as f32).clamp(0.0, 1.0);
    let fill = Rect::from_min_size(bar.min, vec2(bar.width() * share, 3.0));
    ui.painter().rect_filled(fill, 0.0, theme.text1);
    let at = pos2(left, rect.min.y + 94.0);
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &small,
        room - 160.0,
        &left_words,
    );
}

/// Buttons that fit the state.
fn actions(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, alarm: &AlarmView) {
    let theme = cx.theme;
    let h = if cx.compact { 22.0 } else { 24.0 };
    let w = if cx.compact { 56.0 } else { 74.0 };
    let y = rect.max.y - if cx.compact { 29.0 } else { 34.0 };
    let cell = |n: f32| {
        let x = rect.max.x - 10.0 - (n + 1.0) * w - n * 6.0;
        Rect::from_min_size(pos2(x, y), vec2(w, h))
    };
    let compact = cx.compact;
    let key = |letter| if compact { "" } else { letter };
    let note = |ui: &Ui, rect: Rect, words: &str| {
        let style = Style::body(11.0, theme.text3);
        text::text(ui, rect.center(), Align2::CENTER_CENTER, &style, words);
    };
    match alarm.state {
        AlarmState::Unacknowledged | AlarmState::ReturnedUnacknowledged => {
            let shelves = alarm.active && alarm.priority != Priority::P1;
            let ack = cell(if shelves { 1.0 } else { 0.0 });
            let pressed = if alarm.priority == Priority::P1 {
                cx.primary(ui, ack, "Ack", key("A"))
            } else {
                cx.button(ui, ack, "Ack", key("A"), true)
            };
            if pressed {
                acknowledge(cx, alarm.id);
            }
            if shelves && cx.button(ui, cell(0.0), "Shelve", key("S"), true) {
                cx.state.shelving = Some(alarm.id);
            }
        }
        AlarmState::Acknowledged => {
            note(ui, cell(1.0), "acked");
            if alarm.priority == Priority::P1 {
                return;
            }
            if cx.button(ui, cell(0.0), "Shelve", key("S"), true) {
                cx.state.shelving = Some(alarm.id);
            }
        }
        AlarmState::Shelved => {
            if cx.button(ui, cell(0.0), "Unshelve", "", true) {
                cx.command(Command::Alarm(AlarmCommand::Unshelve(alarm.id)));
            }
        }
        AlarmState::OutOfService => {
            if cx.button(ui, cell(0.0), "In service", "", true) {
                cx.command(Command::Alarm(AlarmCommand::OutOfService {
                    id: alarm.id,
                    out: false,
                    reason: String::new(),
                }));
            }
        }
        AlarmState::Suppressed => note(ui, cell(0.0), "folded"),
        AlarmState::Normal => {}
    }
}

/// Why an alarm is put aside: three reasons, or out of service.
fn reasons(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, alarm: &AlarmView) {
    let left = rect.min.x + 12.0;
    let width = rect.width() - 24.0;
    if !cx.compact {
        let style = Style::body(12.0, cx.theme.text2);
        let at = pos2(left, rect.min.y + 42.0);
        let words = "Shelve for one hour, because";
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, width, words);
    }
    let third = (width - 12.0) / 3.0;
    let y = rect.min.y + if cx.compact { 32.0 } else { 54.0 };
    for (index, reason) in REASONS.into_iter().enumerate() {
        let x = left + index as f32 * (third + 6.0);
        let cell = Rect::from_min_size(pos2(x, y), vec2(third, 20.0));
        if cx.button(ui, cell, reason, "", true) {
            cx.command(Command::Alarm(AlarmCommand::Shelve {
                id: alarm.id,
                minutes: 60,
                one_shot: false,
                reason: reason.to_owned(),
            }));
            cx.state.shelving = None;
        }
    }
    let half = (width - 6.0) / 2.0;
    let y = y + if cx.compact { 23.0 } else { 26.0 };
    let out = Rect::from_min_size(pos2(left, y), vec2(half, 20.0));
    if cx.button(ui, out, "Out of service", "", true) {
        cx.command(Command::Alarm(AlarmCommand::OutOfService {
            id: alarm.id,
            out: true,
            reason: "taken out of service by the operator".to_owned(),
        }));
        cx.state.shelving = None;
    }
    let keep = Rect::from_min_size(pos2(left + half + 6.0, y), vec2(half, 20.0));
    if cx.button(ui, keep, "Cancel", "", true) {
        cx.state.shelving = None;
    }
}
