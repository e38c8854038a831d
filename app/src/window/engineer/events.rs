//! Sequence of events with millisecond stamps; a click goes there.

use egui::{Align2, Rect, Sense, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackCommand;
use gridloom_core::view::{EventKind, EventView, SceneView};
use gridloom_units::Tick;

use crate::window::draw;
use crate::window::map::hit;
use crate::window::panels::transport;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Height of a row with one line of text, px.
const ROW: f32 = 24.0;
/// What every further line adds, px.
const LINE: f32 = 15.0;
/// Size of the words, px.
const SIZE: f32 = 12.0;
/// Left edge of the time stamp, and what it takes with its margin, px.
const STAMP: (f32, f32) = (34.0, 104.0);
/// Width of the column of devices, where there is room for it, px.
const PLACE: f32 = 66.0;
/// Width of the list from which devices get a column of their own, px.
const WIDE: f32 = 330.0;

/// Tops of the rows, kept from frame to frame.
#[derive(Clone, Default)]
struct Rows {
    /// Room for the words that the rows were measured for, px.
    room: f32,
    /// Bottom of every row, px from the top of the list.
    bottoms: Vec<f32>,
    /// Tick and length of the words of the last row measured.
    last: (u64, usize),
}

impl Rows {
    /// Measures the rows that are new, or all when others came into their place.
    fn update(
        &mut self,
        ui: &Ui,
        room: f32,
        shown: &[&EventView],
        words: impl Fn(&EventView) -> String,
    ) {
        let key = |event: &EventView| (event.tick.0, event.text.len());
        let known = self.bottoms.len();
        let grown = known > 0 && shown.get(known - 1).is_some_and(|e| key(e) == self.last);
        if self.room != room || !grown {
            *self = Self {
                room,
                ..Self::default()
            };
        }
        let style = Style::body(SIZE, egui::Color32::PLACEHOLDER);
        for event in &shown[self.bottoms.len()..] {
            let lines = text::lines(ui, &style, room, &words(event));
            let height = ROW + LINE * (lines.max(1) - 1) as f32;
            let top = self.bottoms.last().copied().unwrap_or(0.0);
            self.bottoms.push(top + height);
            self.last = key(event);
        }
    }

    fn row(&self, index: usize) -> (f32, f32) {
        let top = index
            .checked_sub(1)
            .map_or(0.0, |above| self.bottoms[above]);
        (top, self.bottoms[index])
    }
}

/// Shows the newest events that fit, the newest at the bottom.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let view = cx.view;
    let shown: Vec<&EventView> = view
        .events
        .iter()
        .filter(|event| event.kind != EventKind::Price)
        .collect();
    let id = ui.id().with("soe rows");
    let mut rows: Rows = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let scene = &view.scene;
    rows.update(ui, room(rect.width()), &shown, |event| {
        words(event, &place(scene, event), rect.width() > WIDE)
    });
    let height = rows.bottoms.last().copied().unwrap_or(1.0);
    let mut area = ui.new_child(egui::UiBuilder::new().max_rect(rect).id_salt("soe"));
    area.set_clip_rect(rect.intersect(ui.clip_rect()));
    egui::ScrollArea::vertical()
        .id_salt("soe")
        .auto_shrink(false)
        .stick_to_bottom(true)
        .show_viewport(&mut area, |ui, port| {
            ui.set_height(height);
            let top = ui.min_rect().min.y;
            let first = rows.bottoms.partition_point(|bottom| *bottom < port.min.y);
            for (index, event) in shown.iter().enumerate().skip(first) {
                let (from, to) = rows.row(index);
                if from > port.max.y {
                    break;
                }
                let least = pos2(rect.min.x, top + from);
                let row = Rect::from_min_size(least, vec2(rect.width(), to - from));
                line(ui, cx, row, index, event);
            }
        });
    ui.data_mut(|data| data.insert_temp(id, rows));
    if shown.is_empty() {
        let style = Style::body(SIZE, cx.theme.text3);
        let at = rect.min + vec2(12.0, 20.0);
        text::text(
            ui,
            at,
            Align2::LEFT_CENTER,
            &style,
            "Nothing has happened yet",
        );
    }
}

/// Left edge of the words, px from that of the list.
fn indent(width: f32) -> f32 {
    STAMP.0 + STAMP.1 + if width > WIDE { PLACE } else { 0.0 }
}

/// Room for the words, px.
fn room(width: f32) -> f32 {
    (width - indent(width) - 12.0).max(60.0)
}

fn place(scene: &SceneView, event: &EventView) -> String {
    event
        .place
        .map_or_else(String::new, |what| hit::name(scene, what))
}

/// The words of an event; without the device where that stands beside them.
fn words(event: &EventView, place: &str, beside: bool) -> String {
    let own = event
        .text
        .strip_prefix(place)
        .filter(|_| beside && !place.is_empty());
    own.and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(&event.text)
        .to_owned()
}

fn line(ui: &Ui, cx: &mut Cx<'_>, row: Rect, index: usize, event: &EventView) {
    let theme = cx.theme;
    let response = ui.interact(row, ui.id().with(("soe", index)), Sense::click());
    response.widget_info(|| {
        let words = format!("{} {}", event.time, event.text);
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
    });
    let now = event.tick.0 + 1 == cx.view.tick.0;
    if now || response.hovered() {
        ui.painter().rect_filled(row, 0.0, theme.raised);
    }
    let y = row.min.y + ROW / 2.0;
    mark(ui, pos2(row.min.x + 18.0, y), event.kind, cx);
    let mono = Style::mono(SIZE, theme.text1);
    let at = pos2(row.min.x + STAMP.0, y);
    text::text(ui, at, Align2::LEFT_CENTER, &mono, &event.time.to_string());
    let place = place(&cx.view.scene, event);
    let beside = row.width() > WIDE;
    if beside {
        let style = Style::body(SIZE, theme.text2);
        let at = pos2(row.min.x + STAMP.0 + STAMP.1, y);
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, PLACE - 8.0, &place);
    }
    let style = Style::body(SIZE, theme.text1);
    let at = pos2(row.min.x + indent(row.width()), row.min.y + 4.0);
    let words = words(event, &place, beside);
    text::paragraph(ui, at, &style, room(row.width()), &words);
    if response.clicked() {
        // What happened within a tick shows once the clock is at the next one.
        transport::send(cx, PlaybackCommand::Seek(Tick(event.tick.0 + 1)));
        if event.place.is_some() {
            cx.select(event.place);
        }
    }
}

/// Square for the grid, circle for data, hollow square for the ledger, diamond
/// for people, the alarm's own shape for alarms.
fn mark(ui: &Ui, at: egui::Pos2, kind: EventKind, cx: &Cx<'_>) {
    let theme = cx.theme;
    let painter = ui.painter();
    let square = Rect::from_center_size(at, vec2(8.0, 8.0));
    match kind {
        EventKind::Alarm(priority) => {
            draw::alarm(painter, at, 13.0, priority as usize, true, theme);
        }
        EventKind::Ledger | EventKind::Price => {
            let stroke = egui::Stroke::new(1.5, theme.ledger);
            painter.rect_stroke(square, 0.0, stroke, egui::StrokeKind::Inside);
        }
        EventKind::Command => draw::diamond(painter, at, 5.0, theme.text1),
        EventKind::Scene => {
            painter.circle_filled(at, 4.0, theme.text2);
        }
        _ => {
            painter.rect_filled(square, 0.0, theme.energised);
        }
    }
}
