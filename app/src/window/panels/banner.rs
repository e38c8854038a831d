//! The most urgent unseen alarm, across the world.

use egui::{Align2, Rect, Ui, pos2, vec2};

use crate::window::text::{self, Style};
use crate::window::ui::{self, Cx};

/// Shows the banner; a click selects the place.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let Some(alarm) = ui::banner_alarm(cx.view, cx.state) else {
        return;
    };
    let theme = cx.theme;
    ui.painter().rect_filled(rect, 0.0, theme.alarm1);
    let y = rect.center().y;
    let glyph = Rect::from_center_size(pos2(rect.min.x + 24.0, y), vec2(16.0, 16.0));
    ui.painter().rect_filled(glyph, 0.0, theme.alarm1_digit);
    text::text(
        ui,
        glyph.center(),
        Align2::CENTER_CENTER,
        &Style::strong(12.0, theme.alarm1),
        "1",
    );
    let ink = theme.alarm1_digit;
    let next = format!("Next: {}", alarm.action);
    let shown = text::text_within(
        ui,
        pos2(rect.max.x - 16.0, y),
        Align2::RIGHT_CENTER,
        &Style::strong(13.0, ink),
        rect.width() * 0.5,
        &format!("{next}   {}", super::alarms::countdown(cx.view, alarm)),
    );
    let room = shown.min.x - rect.min.x - 66.0;
    text::text_within(
        ui,
        pos2(rect.min.x + 44.0, y),
        Align2::LEFT_CENTER,
        &Style::strong(14.0, ink),
        room,
        &alarm.title,
    );
    let place = alarm.place;
    let response = ui.interact(rect, ui.id().with("banner"), egui::Sense::click());
    if response.clicked() && place.is_some() {
        cx.select(place);
        cx.state.frame_selection = true;
    }
}
