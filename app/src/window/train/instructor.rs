//! What the audience does not see: next event, palette, score, hints, debrief.

use egui::{Align2, CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::Command;

use super::palette;
use crate::window::desk::DeskAction;
use crate::window::draw;
use crate::window::panels::{Column, scrolled};
use crate::window::state::UiAction;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shows the right panel.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    scrolled(ui, "instructor", rect, |ui, area| {
        let mut column = Column::inside(area);
        column.heading(ui, cx, "INSTRUCTOR", "F12 presents");
        next(ui, cx, &mut column);
        column.heading(ui, cx, "INSERT EVENT", "takes effect next tick");
        let place = Rect::from_min_max(pos2(column.left, column.y), pos2(column.right, area.max.y));
        column.y = palette::show(ui, cx, place);
        let card = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 70.0));
        palette::confirm(ui, cx, card);
        column.y += 76.0;
        column.rule(ui, cx);
        score(ui, cx, &mut column);
        column.rule(ui, cx);
        hints(ui, cx, &mut column);
        debrief(ui, cx, &mut column);
        column.y + 8.0
    });
}

/// The next thing on the script and how long until then.
fn next(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    let theme = cx.theme;
    let card = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 56.0));
    ui.painter().rect(
        card,
        CornerRadius::same(4),
        theme.raised,
        Stroke::new(1.0, theme.edge),
        StrokeKind::Inside,
    );
    let next = cx
        .view
        .story
        .script
        .iter()
        .find(|entry| !entry.done && entry.at.is_some());
    let style = Style::body(11.0, theme.text2);
    let at = card.min + vec2(12.0, 16.0);
    text::text(ui, at, Align2::LEFT_CENTER, &style, "Next on the script");
    let strong = Style::strong(13.0, theme.text1);
    let (words, left) = match next {
        Some(entry) => {
            let at = entry.at.unwrap_or_default();
            let left_s = at.0.saturating_sub(cx.view.time.0) / 1_000;
            let left = if left_s >= 3_600 {
                format!("in {} h {:02} min", left_s / 3_600, left_s / 60 % 60)
            } else {
                format!("in {}:{:02}", left_s / 60, left_s % 60)
            };
            (format!("{}  {}", &at.to_string()[..8], entry.text), left)
        }
        None => ("Nothing more at a fixed time".to_owned(), String::new()),
    };
    let at = pos2(card.max.x - 12.0, card.min.y + 16.0);
    let note = Style::strong(12.0, theme.text1);
    text::text(ui, at, Align2::RIGHT_CENTER, &note, &left);
    let at = card.min + vec2(12.0, 38.0);
    let room = card.width() - 24.0;
    text::text_within(ui, at, Align2::LEFT_CENTER, &strong, room, &words);
    column.y += 58.0;
}

fn score(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    let (theme, story) = (cx.theme, &cx.view.story);
    column.heading(ui, cx, "SCORE", "recomputed from the recording");
    if story.score.parts.is_empty() {
        let style = Style::body(12.0, theme.text2);
        let at = pos2(column.left, column.y);
        let words = "This scene asks nothing of a trainee.";
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), words);
        column.y += 14.0;
        budget(ui, cx, column);
        return;
    }
    // The large figure needs room below the heading.
    column.y += 12.0;
    let y = column.y + 14.0;
    let style = Style::strong(44.0, theme.text1);
    let words = text::plain(story.score.total, 0);
    let at = pos2(column.left, y);
    let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, &words);
    let style = Style::body(13.0, theme.text2);
    let at = pos2(shown.max.x + 8.0, y + 8.0);
    text::text(ui, at, Align2::LEFT_CENTER, &style, "of 100 so far");
    let note = Style::body(11.0, theme.text2);
    if let Some(low) = story.abort_below {
        let words = match story.aborted {
            Some(at) => format!("aborted {}", &at.to_string()[..8]),
            None => format!("abort below {}", text::plain(low, 0)),
        };
        let at = pos2(column.right, y);
        text::text(ui, at, Align2::RIGHT_CENTER, &note, &words);
    }
    column.y += 46.0;
    for part in &story.score.parts {
        let y = column.y + 10.0;
        let words = format!(
            "{} / {}",
            text::plain(part.points, 0),
            text::plain(part.of, 0)
        );
        let strong = Style::strong(12.0, theme.text1);
        let at = pos2(column.right, y);
        let shown = text::text(ui, at, Align2::RIGHT_CENTER, &strong, &words);
        let bar_w = if cx.compact { 0.0 } else { 52.0 };
        let bar = Rect::from_min_size(
            pos2(shown.min.x.min(column.right - 58.0) - bar_w - 8.0, y - 3.0),
            vec2(bar_w, 6.0),
        );
        if bar_w > 0.0 {
            ui.painter().rect_filled(bar, 0.0, theme.edge);
            let share = (part.points / part.of.max(1e-9)).clamp(0.0, 1.0) as f32;
            let fill = Rect::from_min_size(bar.min, vec2(bar_w * share, 6.0));
            ui.painter().rect_filled(fill, 0.0, theme.text2);
        }
        draw::done(ui.painter(), pos2(column.left + 7.0, y), part.done, theme);
        let style = Style::body(12.0, theme.text1);
        let at = pos2(column.left + 22.0, y);
        let room = bar.min.x - at.x - 8.0;
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, &part.text);
        column.y += 24.0;
    }
    budget(ui, cx, column);
}

/// Alarms against their budget.
fn budget(ui: &Ui, cx: &Cx<'_>, column: &mut Column) {
    let story = &cx.view.story;
    let Some(budget) = story.alarm_budget else {
        return;
    };
    let (shown, raw) = story.budget_used;
    let words = format!("Alarms after the first event: {shown} of {budget}, {raw} raw");
    let style = Style::body(11.0, cx.theme.text2);
    let at = pos2(column.left, column.y + 10.0);
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), &words);
    column.y += 20.0;
}

fn hints(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    let hints = cx.view.story.hints.clone();
    let left = hints.iter().filter(|h| !h.2).count();
    let words = format!("{left} left");
    column.heading(ui, cx, "HINTS AND REPORT", &words);
    let style = Style::body(12.0, cx.theme.text1);
    for (text, ..) in hints.iter().filter(|h| h.2) {
        let at = pos2(column.left, column.y);
        let shown = text::paragraph(ui, at, &style, column.width(), text);
        column.y = shown.max.y + 6.0;
    }
    let half = (column.width() - 8.0) * 0.5;
    let give = Rect::from_min_size(pos2(column.left, column.y), vec2(half, 24.0));
    let next = hints.iter().position(|h| !h.2);
    let price = next.map_or_else(String::new, |i| {
        format!("\u{2212}{}", text::plain(hints[i].1, 0))
    });
    if cx.button(ui, give, "Give hint", &price, next.is_some())
        && let Some(index) = next
    {
        cx.command(Command::Hint(index as u32));
    }
    let report = give.translate(vec2(half + 8.0, 0.0));
    if cx.button(ui, report, "Write report", "", true) {
        cx.actions.push(UiAction::Desk(DeskAction::Report));
    }
    column.y += 34.0;
}

fn debrief(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    let questions = cx.view.story.debrief.clone();
    if questions.is_empty() {
        return;
    }
    column.rule(ui, cx);
    let note = format!("{} questions", questions.len());
    column.heading(ui, cx, "DEBRIEF", &note);
    for (ask, answer) in &questions {
        let style = Style::body(12.0, cx.theme.text1);
        let at = pos2(column.left, column.y - 2.0);
        let shown = text::paragraph(ui, at, &style, column.width(), ask);
        column.y = shown.max.y + 12.0;
        if cx.state.train.answers {
            let style = Style::body(12.0, cx.theme.text2);
            let at = pos2(column.left + 12.0, column.y - 8.0);
            let shown = text::paragraph(ui, at, &style, column.width() - 12.0, answer);
            column.y = shown.max.y + 12.0;
        }
    }
    let cell = Rect::from_min_size(pos2(column.left, column.y), vec2(120.0, 22.0));
    let words = if cx.state.train.answers {
        "Hide answers"
    } else {
        "Show answers"
    };
    if cx.button(ui, cell, words, "", true) {
        cx.state.train.answers = !cx.state.train.answers;
    }
    column.y += 28.0;
}
