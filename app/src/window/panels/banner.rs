//! The most urgent unseen alarm, across the world.

use egui::{Align2, Rect, Ui, pos2, vec2};

use crate::window::text::{self, Style};
use crate::window::ui::{self, Cx};

/// Shows the banner; a click selects the place.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    if cx.state.watchdog.silent() {
        watchdog(ui, cx, rect);
        return;
    }
    let Some(alarm) = ui::banner_alarm(cx.view) else {
        return;
    };
    let words = format!(
        "Next: {}   {}",
        alarm.action,
        super::alarms::countdown(cx.view, alarm)
    );
    line(ui, cx, rect, &alarm.title, &words);
    let place = alarm.place;
    let response = ui.interact(rect, ui.id().with("banner"), egui::Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::WidgetType::Button, true, "Go to the alarm")
    });
    if response.clicked() && place.is_some() {
        cx.select(place);
        cx.state.frame_selection = true;
    }
}

/// The alarm engine does not answer: nothing here warns any more.
fn watchdog(ui: &Ui, cx: &Cx<'_>, rect: Rect) {
    let since = cx.view.alarm_rates.evaluated.to_string();
    let words = format!("Last evaluated {}: watch the values yourself", &since[..8]);
    line(ui, cx, rect, "The alarm engine is silent", &words);
}

fn line(ui: &Ui, cx: &Cx<'_>, rect: Rect, title: &str, words: &str) {
    let theme = cx.theme;
    ui.painter().rect_filled(rect, 0.0, theme.alarm1);
    let y = rect.center().y;
    let glyph = Rect::from_center_size(pos2(rect.min.x + 24.0, y), vec2(16.0, 16.0));
    ui.painter().rect_filled(glyph, 0.0, theme.alarm1_digit);
    let digit = Style::strong(12.0, theme.alarm1);
    text::text(ui, glyph.center(), Align2::CENTER_CENTER, &digit, "1");
    let ink = theme.alarm1_digit;
    let title_style = Style::strong(14.0, ink);
    let title_width = text::width(ui, &title_style, title);
    let room = (rect.width() - title_width - 90.0).max(60.0);
    let at = pos2(rect.max.x - 16.0, y);
    let style = Style::strong(13.0, ink);
    let shown = text::text_within(ui, at, Align2::RIGHT_CENTER, &style, room, words);
    let room = shown.min.x - rect.min.x - 66.0;
    let at = pos2(rect.min.x + 44.0, y);
    text::text_within(ui, at, Align2::LEFT_CENTER, &title_style, room, title);
}
