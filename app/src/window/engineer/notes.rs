//! Bookmarks and notes on time; branches that were left.

use egui::{Align2, Rect, Sense, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackCommand;
use gridloom_units::Tick;

use super::tree::field;
use crate::window::desk::DeskAction;
use crate::window::draw;
use crate::window::panels::{Column, scrolled, transport};
use crate::window::state::UiAction;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shows the notes.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    scrolled(ui, "notes", rect, |ui, area| {
        let mut column = Column::inside(area);
        column.y -= 4.0;
        column.heading(ui, cx, "NOTE AT THIS TICK", "M bookmark");
        let mut words = std::mem::take(&mut cx.state.engineer.note);
        let place = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 26.0));
        if field(ui, cx, place, "note", &mut words, "what is to be seen here") {
            let tick = cx.view.tick.0;
            cx.state.engineer.bookmark(tick, words.trim().to_owned());
            words.clear();
        }
        cx.state.engineer.note = words;
        column.y += 36.0;
        marks(ui, cx, &mut column);
        column.heading(ui, cx, "BRANCHES", "act in the past to make one");
        branches(ui, cx, &mut column);
        column.y + 8.0
    });
}

fn marks(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    let tick_ms = cx.view.scene.tick_ms;
    let marks = cx.state.engineer.bookmarks.clone();
    for (index, (tick, note)) in marks.iter().enumerate() {
        let row = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 22.0));
        let response = ui.interact(row, ui.id().with(("mark", index)), Sense::click());
        response.widget_info(|| {
            let words = format!("Bookmark at tick {tick}");
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
        });
        if response.hovered() {
            ui.painter().rect_filled(row, 0.0, cx.theme.raised);
        }
        let y = row.center().y;
        draw::flag(ui.painter(), pos2(row.min.x + 6.0, y), cx.theme.text1);
        let time = Tick(*tick).start(tick_ms).to_string();
        let style = Style::mono(12.0, cx.theme.text1);
        let at = pos2(row.min.x + 18.0, y);
        let shown = text::text(ui, at, Align2::LEFT_CENTER, &style, &time[..8]);
        let style = Style::body(12.0, cx.theme.text2);
        let room = row.max.x - shown.max.x - 34.0;
        let at = pos2(shown.max.x + 10.0, y);
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, note);
        let cross = Rect::from_center_size(pos2(row.max.x - 10.0, y), vec2(18.0, 20.0));
        let remove = ui.interact(cross, ui.id().with(("mark-x", index)), Sense::click());
        remove.widget_info(|| {
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, "Remove bookmark")
        });
        draw::cross(ui.painter(), cross.center(), 3.5, cx.theme.text3);
        if remove.clicked() {
            cx.state.engineer.bookmarks.remove(index);
            break;
        }
        if response.clicked() {
            transport::send(cx, PlaybackCommand::Seek(Tick(*tick)));
        }
        column.y += 22.0;
    }
    column.y += 4.0;
}

fn branches(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    let tick_ms = cx.view.scene.tick_ms;
    let rows = cx.desk.branches.clone();
    let shown = cx.desk.other.as_ref().map(|o| o.id);
    for branch in rows.iter().rev() {
        let y = column.y + 12.0;
        let time = branch.forked_at.start(tick_ms).to_string();
        let words = format!("Branch {} left at {}", branch.id, &time[..8]);
        let style = Style::strong(12.0, cx.theme.text1);
        let at = pos2(column.left, y);
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), &words);
        let differs = branch.differs_at.map_or("equal so far".to_owned(), |t| {
            format!("differs from tick {}", t.0)
        });
        let words = format!("to tick {}, {differs}", branch.head.0);
        let style = Style::body(11.0, cx.theme.text2);
        let at = pos2(column.left, y + 17.0);
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, column.width(), &words);
        let half = (column.width() - 8.0) * 0.5;
        let cell = Rect::from_min_size(pos2(column.left, y + 28.0), vec2(half, 22.0));
        let beside = shown == Some(branch.id);
        let words = if beside { "Hide" } else { "Beside the run" };
        if cx.button(ui, cell, words, "", true) {
            let next = (!beside).then_some(branch.id);
            cx.actions.push(UiAction::Desk(DeskAction::Compare(next)));
        }
        let cell = cell.translate(vec2(half + 8.0, 0.0));
        if cx.button(ui, cell, "Go on here", "", true) {
            cx.actions
                .push(UiAction::Desk(DeskAction::Switch(branch.id)));
        }
        column.y += 72.0;
    }
}
