//! Script strip: what was told, what comes; a click plays up to there.

use egui::{Align2, CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::ScriptEntry;
use gridloom_units::Tick;

use crate::window::draw;
use crate::window::panels::transport;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Space between two entries, px.
const GAP: f32 = 6.0;

/// Shows the strip around the present moment.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let style = Style::heading(cx.theme.text2);
    let at = pos2(rect.min.x + 16.0, rect.center().y);
    let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, "SCRIPT");
    let left = shown.max.x + 20.0;
    let right = rect.max.x - if cx.compact { 12.0 } else { 120.0 };
    let story = &cx.view.story;
    if story.script.is_empty() {
        let style = Style::body(12.0, cx.theme.text3);
        let at = pos2(left, rect.center().y);
        let words = "This scene has no script. Insert events from the palette.";
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, right - left, words);
    }
    let done = story.script.iter().filter(|e| e.done).count();
    let newest = story.script.iter().rposition(|e| e.done && e.at.is_some());
    let entries = story.script.clone();
    let widths: Vec<f32> = entries.iter().map(|e| width(ui, cx, e)).collect();
    let mut x = left;
    for index in first(&widths, done, right - left)..entries.len() {
        if x + widths[index] > right {
            break;
        }
        let size = vec2(widths[index], rect.height() - 10.0);
        let cell = Rect::from_min_size(pos2(x, rect.min.y + 5.0), size);
        chip(ui, cx, cell, &entries[index], newest == Some(index));
        x += widths[index] + GAP;
    }
    if !cx.compact {
        let style = Style::body(11.0, cx.theme.text3);
        for (dy, words) in [(-7.0, "Click: play to here"), (7.0, "PgDn next")] {
            let at = pos2(rect.max.x - 12.0, rect.center().y + dy);
            text::text(ui, at, Align2::RIGHT_CENTER, &style, words);
        }
    }
}

/// The first entry to show: two that are done, and as many as the strip holds at its end.
fn first(widths: &[f32], done: usize, room: f32) -> usize {
    let mut from = widths.len();
    let mut taken = 0.0;
    while from > 0 && taken + widths[from - 1] <= room {
        from -= 1;
        taken += widths[from] + GAP;
    }
    done.saturating_sub(2).min(from)
}

/// When an entry comes, in words.
fn time(cx: &Cx<'_>, entry: &ScriptEntry) -> String {
    let words = match (&entry.at, &entry.when) {
        (Some(at), _) => at.to_string()[..8].to_owned(),
        (None, Some(when)) => format!("when {when}"),
        (None, None) => String::new(),
    };
    // Small windows have one line for both.
    if cx.compact {
        words.get(..5).unwrap_or(&words).to_owned()
    } else {
        words
    }
}

/// The first clause of an entry; the rest of a long note is in the event list.
fn words(entry: &ScriptEntry) -> String {
    if entry.says {
        return format!("Say: {}", entry.text.trim_end_matches('.'));
    }
    let clause = entry.text.split_inclusive([':', '.', ';']).next();
    let clause = clause.unwrap_or_default();
    clause.trim_end_matches([':', '.', ';']).to_owned()
}

/// Width that an entry needs for all of its words, within bounds.
fn width(ui: &Ui, cx: &Cx<'_>, entry: &ScriptEntry) -> f32 {
    let strong = Style::strong(12.0, cx.theme.text1);
    let small = Style::mono(11.0, cx.theme.text2);
    let (a, b) = (
        text::width(ui, &strong, &words(entry)),
        text::width(ui, &small, &time(cx, entry)),
    );
    let wanted = if cx.compact { a + b + 8.0 } else { a.max(b) };
    (wanted + 46.0).clamp(96.0, if cx.compact { 420.0 } else { 520.0 })
}

fn chip(ui: &Ui, cx: &mut Cx<'_>, cell: Rect, entry: &ScriptEntry, now: bool) {
    let theme = cx.theme;
    let id = ui.id().with(("script", &entry.text, entry.at.map(|t| t.0)));
    let response = ui.interact(cell, id, Sense::click());
    response.widget_info(|| {
        let words = format!("Play to: {}", entry.text);
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
    });
    let (fill, ink, faint) = if now {
        (theme.text1, theme.base, theme.base)
    } else {
        (theme.raised, theme.text1, theme.text2)
    };
    let edge = if response.hovered() {
        theme.text3
    } else {
        theme.edge
    };
    ui.painter().rect(
        cell,
        CornerRadius::same(4),
        fill,
        Stroke::new(1.0, edge),
        StrokeKind::Inside,
    );
    let time = time(cx, entry);
    let room = cell.width() - 34.0;
    let left = cell.min.x + 9.0;
    let small = Style::mono(11.0, faint);
    let strong = if now {
        Style::strong(12.0, ink)
    } else {
        Style::body(12.0, ink)
    };
    let middle = cell.center().y;
    if cx.compact {
        let at = pos2(left, middle);
        let shown = text::text(ui, at, Align2::LEFT_CENTER, &small, &time);
        let at = pos2(shown.max.x + 8.0, middle);
        let words = text::shortened(ui, &strong, left + room - at.x, &words(entry));
        text::text(ui, at, Align2::LEFT_CENTER, &strong, &words);
    } else {
        let at = pos2(left, middle - 8.0);
        let time = text::shortened(ui, &small, room, &time);
        text::text(ui, at, Align2::LEFT_CENTER, &small, &time);
        let at = pos2(left, middle + 8.0);
        let words = text::shortened(ui, &strong, room, &words(entry));
        text::text(ui, at, Align2::LEFT_CENTER, &strong, &words);
    }
    let mark = pos2(cell.max.x - 15.0, cell.center().y);
    if entry.done && !now {
        draw::done(ui.painter(), mark, true, theme);
    } else if !entry.done {
        draw::transport_small(ui.painter(), mark, draw::Transport::Play, theme.text2);
    }
    if response.clicked()
        && let Some(at) = entry.at
    {
        let tick = at.0 / cx.view.scene.tick_ms.max(1) + 1;
        transport::send(cx, PlaybackCommand::Seek(Tick(tick)));
    }
}
