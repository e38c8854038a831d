//! Scenes with picture and objective, kept moments, branches.

use egui::{Align2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackCommand;

use crate::window::desk::{DeskAction, LibraryRow};
use crate::window::draw;
use crate::window::panels::{Column, scrolled, transport};
use crate::window::state::UiAction;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shows the left panel.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    scrolled(ui, "library", rect, |ui, area| {
        let mut column = Column::inside(area);
        let rows = std::sync::Arc::clone(&cx.desk.library);
        let words = format!("{} scenes", rows.len());
        column.heading(ui, cx, "SCENES", &words);
        for (index, row) in rows.iter().enumerate() {
            scene(ui, cx, &mut column, index, row);
        }
        if rows.is_empty() {
            let style = Style::body(12.0, cx.theme.text2);
            let words = "No other scenes lie beside this one.";
            let at = pos2(column.left, column.y);
            text::paragraph(ui, at, &style, column.width(), words);
            // Two lines in a small window.
            column.y += 36.0;
        }
        autopilot(ui, cx, &mut column);
        column.rule(ui, cx);
        snapshots(ui, cx, &mut column);
        column.rule(ui, cx);
        branches(ui, cx, &mut column);
        column.y + 8.0
    });
}

fn scene(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column, index: usize, row: &LibraryRow) {
    let theme = cx.theme;
    let height = if row.open { 92.0 } else { 26.0 };
    let cell = Rect::from_min_size(
        pos2(column.left - 8.0, column.y),
        vec2(column.width() + 16.0, height),
    );
    let response = ui.interact(cell, ui.id().with(("scene", index)), Sense::click());
    response.widget_info(|| {
        let kind = egui::WidgetType::RadioButton;
        egui::WidgetInfo::selected(kind, true, row.open, format!("Scene {}", row.title))
    });
    if row.open || response.hovered() {
        ui.painter().rect_filled(cell, 0.0, theme.raised);
    }
    if row.open {
        let bar = Rect::from_min_size(cell.min, vec2(2.0, cell.height()));
        ui.painter().rect_filled(bar, 0.0, theme.text1);
    }
    let y = cell.min.y + 13.0;
    let number = Style::mono(11.0, theme.text3);
    let at = pos2(column.left, y);
    text::text(ui, at, Align2::LEFT_CENTER, &number, &row.number);
    let hours = if row.hours < 1.0 {
        format!("{} min", text::plain(row.hours * 60.0, 0))
    } else {
        format!("{} h", text::plain(row.hours, 0))
    };
    let note = Style::body(11.0, theme.text2);
    let at = pos2(column.right, y);
    // Small windows leave the room to the title.
    let from = if cx.compact {
        column.right
    } else {
        text::text(ui, at, Align2::RIGHT_CENTER, &note, &hours)
            .min
            .x
    };
    let px = if cx.compact { 12.0 } else { 13.0 };
    let style = if row.open {
        Style::strong(px, theme.text1)
    } else {
        Style::body(px, theme.text1)
    };
    let x = column.left + 30.0;
    let room = from - x - if cx.compact { 0.0 } else { 8.0 };
    text::text_within(
        ui,
        pos2(x, y),
        Align2::LEFT_CENTER,
        &style,
        room,
        &row.title,
    );
    if row.open {
        let picture = Rect::from_min_size(
            pos2(column.right - 58.0, cell.min.y + 28.0),
            vec2(56.0, 56.0),
        );
        thumbnail(ui, cx, picture, row);
        let room = picture.min.x - x - 8.0;
        let words = if row.teaser.is_empty() {
            &row.objective
        } else {
            &row.teaser
        };
        clipped(ui, cx, pos2(x, y + 14.0), room, words, 3);
        let share = if cx.playback.end.0 > 0 {
            cx.view.time.0 as f32 / cx.playback.end.0 as f32
        } else {
            0.0
        };
        let bar = Rect::from_min_size(pos2(x, cell.max.y - 8.0), vec2(room, 3.0));
        ui.painter().rect_filled(bar, 0.0, theme.edge);
        let fill = Rect::from_min_size(bar.min, vec2(room * share.clamp(0.0, 1.0), 3.0));
        ui.painter().rect_filled(fill, 0.0, theme.text1);
    }
    if response.clicked() && !row.open {
        cx.actions.push(UiAction::Desk(DeskAction::Open {
            path: row.path.clone(),
            autopilot: cx.state.train.autopilot,
        }));
        cx.state.camera = None;
        cx.state.selected = None;
    }
    column.y += height + 2.0;
}

/// Wrapped text of at most `most` lines.
fn clipped(ui: &Ui, cx: &Cx<'_>, at: egui::Pos2, room: f32, words: &str, most: usize) {
    let style = Style::body(11.0, cx.theme.text2);
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer {
            Some(longer) if text::width(ui, &style, &longer) <= room => {
                if let Some(last) = lines.last_mut() {
                    *last = longer;
                }
            }
            _ if lines.len() < most => lines.push(word.to_owned()),
            _ => break,
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let at = at + vec2(0.0, 7.0 + index as f32 * 14.0);
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, line);
    }
}

/// The scene's network, as surveyed.
fn thumbnail(ui: &Ui, cx: &Cx<'_>, place: Rect, row: &LibraryRow) {
    ui.painter().rect_filled(place, 0.0, cx.theme.base);
    let inner = place.shrink(4.0);
    let at = |(x, y): (f32, f32)| inner.min + vec2(x * inner.width(), y * inner.height());
    let stroke = Stroke::new(1.0, cx.theme.energised);
    let shapes = row
        .picture
        .iter()
        .map(|[a, b]| Shape::line_segment([at(*a), at(*b)], stroke));
    ui.painter().extend(shapes);
}

fn autopilot(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    let row = Rect::from_min_size(
        pos2(column.left, column.y + 4.0),
        vec2(column.width(), 20.0),
    );
    let response = ui.interact(row, ui.id().with("autopilot"), Sense::click());
    let on = cx.state.train.autopilot;
    response.widget_info(|| {
        let words = "Open with autopilot";
        egui::WidgetInfo::selected(egui::WidgetType::Checkbox, true, on, words)
    });
    draw::done(
        ui.painter(),
        row.left_center() + vec2(8.0, 0.0),
        on,
        cx.theme,
    );
    let style = Style::body(12.0, cx.theme.text2);
    let at = row.left_center() + vec2(24.0, 0.0);
    let room = row.width() - 24.0;
    let words = "Open with autopilot";
    text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, words);
    if response.clicked() {
        cx.state.train.autopilot = !on;
    }
    column.y += 26.0;
}

fn snapshots(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    column.heading(ui, cx, "KEPT MOMENTS", "backtrack to any tick");
    let rows = cx.desk.snapshots.clone();
    let start = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 22.0));
    let response = ui.interact(start, ui.id().with("ic"), Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, "Initial conditions")
    });
    let style = Style::body(12.0, cx.theme.text1);
    let at = start.left_center();
    text::text(ui, at, Align2::LEFT_CENTER, &style, "Initial conditions");
    let note = Style::body(11.0, cx.theme.text3);
    text::text(
        ui,
        start.right_center(),
        Align2::RIGHT_CENTER,
        &note,
        "start",
    );
    if response.clicked() {
        transport::send(cx, PlaybackCommand::Seek(gridloom_units::Tick(0)));
    }
    column.y += 22.0;
    for (index, row) in rows.iter().enumerate() {
        let cell = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 22.0));
        let response = ui.interact(cell, ui.id().with(("kept", index)), Sense::click());
        let time = row.time.to_string();
        response.widget_info(|| {
            let words = format!("Go to {}", &time[..8]);
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
        });
        if response.hovered() {
            ui.painter().rect_filled(cell, 0.0, cx.theme.raised);
        }
        let words = format!("Snapshot {}", &time[..8]);
        text::text(ui, cell.left_center(), Align2::LEFT_CENTER, &style, &words);
        let words = if row.valid { "this run" } else { "another run" };
        text::text(ui, cell.right_center(), Align2::RIGHT_CENTER, &note, words);
        if response.clicked() {
            cx.actions.push(UiAction::Desk(DeskAction::Restore(index)));
        }
        column.y += 22.0;
    }
    let half = (column.width() - 8.0) * 0.5;
    let keep = Rect::from_min_size(pos2(column.left, column.y + 6.0), vec2(half, 24.0));
    if cx.button(ui, keep, "Snapshot", "F8", true) {
        cx.actions.push(UiAction::Desk(DeskAction::Snapshot));
    }
    let save = keep.translate(vec2(half + 8.0, 0.0));
    if cx.button(ui, save, "Save as scene", "", true) {
        cx.actions.push(UiAction::Desk(DeskAction::SaveScene));
    }
    column.y += 36.0;
}

/// The run and the futures that were left, as a small tree.
fn branches(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column) {
    column.heading(ui, cx, "BRANCHES", "act in the past to make one");
    let tick_ms = cx.view.scene.tick_ms;
    let rows = cx.desk.branches.clone();
    let painter = ui.painter();
    let x = column.left + 8.0;
    let top = column.y + 10.0;
    let ink = Stroke::new(1.5, cx.theme.text2);
    for (index, branch) in rows.iter().enumerate() {
        let y = column.y + 12.0;
        let cell = Rect::from_min_size(pos2(column.left, column.y), vec2(column.width(), 36.0));
        let response = ui.interact(cell, ui.id().with(("branch", index)), Sense::click());
        response.widget_info(|| {
            let words = format!("Branch {} beside the run", branch.id);
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
        });
        painter.line_segment([pos2(x, y), pos2(x + 12.0, y)], ink);
        painter.circle_stroke(pos2(x + 16.0, y), 4.0, ink);
        let time = branch.forked_at.start(tick_ms).to_string();
        let style = Style::body(12.0, cx.theme.text1);
        let words = format!("Branch {}, left at {}", branch.id, &time[..8]);
        let at = pos2(x + 28.0, y);
        text::text_within(
            ui,
            at,
            Align2::LEFT_CENTER,
            &style,
            column.right - at.x,
            &words,
        );
        let end = branch.head.start(tick_ms).to_string();
        let words = format!("to {}, {} commands", &end[..8], branch.commands);
        let note = Style::body(11.0, cx.theme.text3);
        let at = pos2(x + 28.0, y + 15.0);
        text::text_within(
            ui,
            at,
            Align2::LEFT_CENTER,
            &note,
            column.right - at.x,
            &words,
        );
        if response.clicked() {
            cx.actions
                .push(UiAction::Desk(DeskAction::Compare(Some(branch.id))));
            cx.state.workspace = crate::window::state::Workspace::Engineer;
        }
        column.y += 38.0;
    }
    let y = column.y + 12.0;
    painter.line_segment([pos2(x, top), pos2(x, y)], ink);
    painter.circle_filled(pos2(x, y), 5.0, cx.theme.text1);
    let style = Style::strong(12.0, cx.theme.text1);
    let time = cx.view.time.to_string();
    let words = format!("This run, now {}", &time[..8]);
    let at = pos2(x + 28.0, y);
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &style,
        column.right - at.x,
        &words,
    );
    column.y += 28.0;
}
