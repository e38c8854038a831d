//! Alarm list: cards with fact, action and time left.

use egui::{Align2, CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::view::{AlarmView, Priority, ViewModel};

use super::Column;
use crate::window::draw;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Alarms within the last hour above which the list is a flood.
const FLOOD: usize = 10;

/// Most cards laid out at once.
const CARDS: usize = 50;

/// Shows the list, never below `limit`.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, column: &mut Column, limit: f32) {
    let active = cx.view.alarms.iter().filter(|alarm| alarm.active).count();
    let note = format!("{active} active · {} acknowledged", acked(cx));
    column.heading(ui, cx, "ALARMS", &note);
    if !cx.compact {
        rate(ui, cx, column);
    }
    let height = if cx.compact { 80.0 } else { 112.0 };
    let cards = active.min(CARDS);
    let wanted = cards as f32 * (height + 8.0);
    let room = (limit - column.y - 26.0).max(height + 8.0);
    let area = Rect::from_min_size(
        pos2(column.left, column.y),
        vec2(column.width(), wanted.min(room)),
    );
    if cards > 0 {
        super::scrolled(ui, "alarms", area, |ui, area| {
            let view = cx.view;
            let mut y = area.min.y;
            for alarm in view.alarms.iter().filter(|alarm| alarm.active).take(CARDS) {
                let rect = Rect::from_min_size(pos2(area.min.x, y), vec2(column.width(), height));
                card(ui, cx, rect, alarm);
                y += height + 8.0;
            }
            y
        });
    }
    column.y += area.height();
    let words = match (
        active,
        cx.view
            .alarms
            .iter()
            .any(|a| a.active && a.priority < Priority::P3),
    ) {
        (0, _) => "Normal state. No alarm needs action now.".to_owned(),
        (n, _) if n > CARDS => format!("{} more below the first {CARDS}.", n - CARDS),
        (_, false) => "Normal state. No alarm needs action at once.".to_owned(),
        (_, true) => String::new(),
    };
    if !words.is_empty() {
        let style = Style::body(12.0, cx.theme.text2);
        text::text_within(
            ui,
            pos2(column.left, column.y + 8.0),
            Align2::LEFT_CENTER,
            &style,
            column.width(),
            &words,
        );
        column.y += 18.0;
    }
}

/// Active alarms that were acknowledged here.
fn acked(cx: &Cx<'_>) -> usize {
    cx.view
        .alarms
        .iter()
        .filter(|alarm| alarm.active && cx.state.acked.contains(&alarm.id))
        .count()
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
        if alarm.raised.0 <= now && age < hour {
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

fn card(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect, alarm: &AlarmView) {
    let theme = cx.theme;
    let level = alarm.priority as usize;
    let seen = cx.state.acked.contains(&alarm.id);
    let response = ui.interact(
        rect,
        ui.id().with(("alarm", alarm.id)),
        egui::Sense::click(),
    );
    let edge = if level == 0 { theme.alarm1 } else { theme.edge };
    ui.painter().rect(
        rect,
        CornerRadius::same(4),
        theme.raised,
        Stroke::new(1.0, edge),
        StrokeKind::Inside,
    );
    let glyph = rect.min + vec2(20.0, 21.0);
    draw::alarm(ui.painter(), glyph, 17.0, level, true, theme);
    draw::alarm_digit(ui, glyph, level, 11.0, theme);
    let left = rect.min.x + 40.0;
    let room = rect.max.x - left - 12.0;
    let title = Style::strong(14.0, theme.text1);
    text::text_within(
        ui,
        pos2(left, rect.min.y + 17.0),
        Align2::LEFT_CENTER,
        &title,
        room,
        &alarm.title,
    );
    let left_words = countdown(cx.view, alarm);
    let ack = if cx.compact {
        let y = rect.min.y + 39.0;
        draw::chevron_right(ui.painter(), pos2(rect.min.x + 20.0, y), 8.0, theme.text1);
        text::text_within(
            ui,
            pos2(left, y),
            Align2::LEFT_CENTER,
            &Style::body(12.0, theme.text1),
            room,
            &alarm.action,
        );
        let small = Style::body(11.0, theme.text2);
        text::text(
            ui,
            pos2(left, rect.max.y - 18.0),
            Align2::LEFT_CENTER,
            &small,
            &left_words,
        );
        Rect::from_min_size(pos2(rect.max.x - 70.0, rect.max.y - 29.0), vec2(60.0, 22.0))
    } else {
        let fact = Style::body(12.0, theme.text2);
        text::text_within(
            ui,
            pos2(left, rect.min.y + 36.0),
            Align2::LEFT_CENTER,
            &fact,
            room,
            &alarm.fact,
        );
        draw::chevron_right(
            ui.painter(),
            pos2(rect.min.x + 20.0, rect.min.y + 60.0),
            8.0,
            theme.text1,
        );
        let action = Style::body(13.0, theme.text1);
        text::text_within(
            ui,
            pos2(left, rect.min.y + 60.0),
            Align2::LEFT_CENTER,
            &action,
            room,
            &alarm.action,
        );
        let bar = Rect::from_min_size(pos2(left, rect.min.y + 76.0), vec2(120.0, 3.0));
        ui.painter().rect_filled(bar, 0.0, theme.edge);
        let age_s = cx.view.time.0.saturating_sub(alarm.raised.0) as f32 / 1_000.0;
        let share = 1.0 - (age_s / alarm.respond_s.max(1) as f32).clamp(0.0, 1.0);
        let fill = Rect::from_min_size(bar.min, vec2(bar.width() * share, 3.0));
        ui.painter().rect_filled(fill, 0.0, theme.text1);
        let small = Style::body(11.0, theme.text2);
        text::text(
            ui,
            pos2(left, rect.min.y + 94.0),
            Align2::LEFT_CENTER,
            &small,
            &left_words,
        );
        if seen {
            let clock = format!(
                "raised {:02}:{:02}",
                alarm.raised.0 / 3_600_000 % 24,
                alarm.raised.0 / 60_000 % 60
            );
            let right = pos2(rect.max.x - 82.0, rect.min.y + 94.0);
            text::text(
                ui,
                right,
                Align2::RIGHT_CENTER,
                &Style::body(11.0, theme.text3),
                &clock,
            );
        }
        Rect::from_min_size(pos2(rect.max.x - 76.0, rect.max.y - 34.0), vec2(64.0, 24.0))
    };
    if seen {
        text::text(
            ui,
            ack.center(),
            Align2::CENTER_CENTER,
            &Style::body(11.0, theme.text3),
            "acked",
        );
    } else {
        let pressed = if level == 0 {
            cx.primary(ui, ack, "Ack", "A")
        } else {
            cx.button(ui, ack, "Ack", "A", true)
        };
        if pressed {
            cx.state.acked.insert(alarm.id);
        }
    }
    if response.clicked() && alarm.place.is_some() {
        cx.select(alarm.place);
    }
}
