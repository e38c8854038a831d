//! Captions over the world, readable from the last row.

use egui::{Align2, CornerRadius, Rect, Ui, pos2, vec2};

use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Shows the newest caption at the foot of the world.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, world: Rect) {
    let Some(caption) = cx.view.story.caption.clone() else {
        return;
    };
    let theme = cx.theme;
    let large = cx.state.train.presenter;
    let (title_px, text_px) = match (large, cx.compact) {
        // The presenter enlarges everything: these are 33 and 25 px at 1080p.
        (true, _) => (20.0, 15.0),
        (false, false) => (22.0, 18.0),
        (false, true) => (18.0, 18.0),
    };
    let (title, body) = (
        Style::strong(title_px, theme.base),
        Style::body(text_px, theme.base),
    );
    let widest = (world.width() - 80.0).clamp(200.0, if large { 1_200.0 } else { 800.0 });
    let inner = widest - 48.0;
    let lines = wrapped(ui, &body, &caption.text, inner);
    let line_h = text_px * 1.35;
    let height = 28.0 + title_px * 1.3 + lines.len() as f32 * line_h;
    let plate = Rect::from_center_size(
        pos2(world.center().x, world.max.y - 24.0 - height * 0.5),
        vec2(widest, height),
    );
    let mut above = ui.new_child(egui::UiBuilder::new().max_rect(plate).id_salt("caption"));
    above.set_clip_rect(world);
    let ui = &mut above;
    // Text on the plate keeps 7:1: the darkest ink under the lightest, or the reverse.
    ui.painter()
        .rect_filled(plate, CornerRadius::same(4), theme.text1);
    let mut y = plate.min.y + 14.0 + title_px * 0.6;
    let middle = plate.center().x;
    text::text_within(
        ui,
        pos2(middle, y),
        Align2::CENTER_CENTER,
        &title,
        inner,
        &caption.title,
    );
    y += title_px * 0.65 + line_h * 0.55;
    for line in lines {
        let at = pos2(middle, y);
        text::text_within(ui, at, Align2::CENTER_CENTER, &body, inner, &line);
        y += line_h;
    }
    if caption.pause && !cx.playback.playing && cx.view.tick.0 == caption.told.0 + 1 {
        let hint = Style::mono(12.0, theme.base);
        let at = pos2(plate.max.x - 12.0, plate.min.y + 14.0);
        text::text(ui, at, Align2::RIGHT_CENTER, &hint, "PgDn");
    }
}

/// Words as lines of at most `room` px; at most three.
fn wrapped(ui: &Ui, style: &Style, words: &str, room: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer {
            Some(longer) if text::width(ui, style, &longer) <= room => {
                if let Some(last) = lines.last_mut() {
                    *last = longer;
                }
            }
            _ if lines.len() < 3 => lines.push(word.to_owned()),
            _ => break,
        }
    }
    lines
}

/// Clock and title for the audience.
pub fn clock(ui: &Ui, cx: &Cx<'_>, full: Rect) {
    let at = pos2(full.max.x - 24.0, full.max.y - 28.0);
    let style = Style::mono(15.0, cx.theme.text1);
    let time = cx.view.time.to_string();
    text::text(ui, at, Align2::RIGHT_CENTER, &style, &time[..8]);
}
