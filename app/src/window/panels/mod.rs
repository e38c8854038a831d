//! Panels: functions of the view and the window's state, without Bevy.

mod aggregator_facts;
pub mod alarms;
pub mod balance;
pub mod banner;
mod device_tools;
pub mod devices;
pub mod facts;
mod island_facts;
pub mod ledger_side;
pub mod limits;
pub mod nodes;
pub mod operate;
mod protection_facts;
pub mod selection;
pub mod status;
pub mod strip;
pub mod tape;
pub mod today;
pub mod transport;
pub mod trend;
pub mod truth;

use egui::{Align2, Rect, ScrollArea, Ui, UiBuilder, pos2, vec2};

use super::draw;
use super::text::{self, Style};
use super::ui::Cx;

/// Distance of content from a panel's edge, px.
pub const INSET: f32 = 16.0;

/// A column of content that grows downwards.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Left edge.
    pub left: f32,
    /// Right edge.
    pub right: f32,
    /// Where the next row starts.
    pub y: f32,
}

impl Column {
    /// A column inside a panel.
    pub fn inside(rect: Rect) -> Self {
        Self {
            left: rect.min.x + INSET,
            right: rect.max.x - INSET,
            y: rect.min.y,
        }
    }

    /// Width of the column.
    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    /// Section heading with a note at the right.
    pub fn heading(&mut self, ui: &Ui, cx: &Cx<'_>, title: &str, note: &str) {
        let y = self.y + 24.0;
        let shown = text::text(
            ui,
            pos2(self.left, y),
            Align2::LEFT_CENTER,
            &Style::heading(cx.theme.text2),
            title,
        );
        if !note.is_empty() {
            let room = self.right - shown.max.x - 10.0;
            let style = Style::body(11.0, cx.theme.text2);
            text::text_if_fits(
                ui,
                pos2(self.right, y),
                Align2::RIGHT_CENTER,
                &style,
                room,
                note,
            );
        }
        self.y += 36.0;
    }

    /// A rule across the panel, with space around.
    pub fn rule(&mut self, ui: &Ui, cx: &Cx<'_>) {
        self.y += 10.0;
        draw::rule(
            ui.painter(),
            self.left - INSET..=self.right + INSET,
            self.y.round() - 0.5,
            cx.theme,
        );
    }
}

/// Community balance, limits, truth and today.
pub fn left(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    scrolled(ui, "left", rect, |ui, area| {
        let mut column = Column::inside(area);
        balance::show(ui, cx, &mut column);
        limits::show(ui, cx, &mut column);
        truth::show(ui, cx, &mut column);
        today::show(ui, cx, &mut column);
        column.y
    });
}

/// Alarm list above, selection below.
pub fn right(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let mut column = Column::inside(rect);
    let reserve = if cx.compact { 320.0 } else { 460.0 };
    alarms::show(ui, cx, &mut column, rect.max.y - reserve);
    column.rule(ui, cx);
    let below = Rect::from_min_max(pos2(rect.min.x, column.y), rect.max);
    selection::show(ui, cx, below);
}

/// Content that scrolls when it is higher than its place; `content` returns
/// where it ended.
pub fn scrolled(ui: &mut Ui, name: &str, rect: Rect, content: impl FnOnce(&mut Ui, Rect) -> f32) {
    if !rect.is_positive() {
        return;
    }
    let mut place = ui.new_child(UiBuilder::new().max_rect(rect).id_salt(name));
    place.set_clip_rect(rect.intersect(ui.clip_rect()));
    ScrollArea::vertical()
        .id_salt(name)
        .auto_shrink(false)
        .scroll_bar_visibility(egui::scroll_area::ScrollBarVisibility::VisibleWhenNeeded)
        .show(&mut place, |ui| {
            let top = ui.cursor().min;
            let area = Rect::from_min_size(pos2(rect.min.x, top.y), rect.size());
            let end = content(ui, area);
            ui.allocate_space(vec2(rect.width() - 2.0, (end - top.y).max(0.0)));
        });
}
