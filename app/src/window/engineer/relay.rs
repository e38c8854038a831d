//! Which protection device the time-current curves and the waveforms show.

use egui::{Align2, Rect, Ui, pos2, vec2};
use gridloom_core::view::{DeviceView, Selected};

use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Height of the row that chooses, px.
const HEAD: f32 = 32.0;

/// Whether a device has anything that times: a plain switch has not.
pub fn times(device: &DeviceView) -> bool {
    !device.program.elements.is_empty() || device.program.fuse.is_some()
}

/// The chosen device: the selected M-LMD, else what the arrows chose.
pub fn chosen(cx: &Cx<'_>) -> Option<usize> {
    let devices = &cx.view.protection.devices;
    let selected = match cx.state.selected {
        Some(Selected::Mlmd(i)) => devices.iter().position(|d| d.mlmd == Some(i)),
        _ => None,
    };
    let kept = cx.state.engineer.relay.filter(|i| *i < devices.len());
    selected
        .or(kept)
        .or_else(|| devices.iter().position(times))
        .filter(|i| devices.get(*i).is_some_and(times))
}

/// The row with two arrows, the device and a note; returns what is left below.
pub fn head(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, note: &str) -> Rect {
    let devices = &cx.view.protection.devices;
    let count = devices.len();
    let at = chosen(cx);
    let y = rect.min.y + HEAD * 0.5;
    let back = Rect::from_center_size(pos2(rect.min.x + 40.0, y), vec2(56.0, 22.0));
    let next = back.translate(vec2(62.0, 0.0));
    for (place, words, by) in [(back, "Before", count.saturating_sub(1)), (next, "Next", 1)] {
        if cx.button(ui, place, words, "", count > 1) {
            let mut to = at.unwrap_or(0);
            for _ in 0..count {
                to = (to + by) % count;
                if devices.get(to).is_some_and(times) {
                    break;
                }
            }
            cx.state.engineer.relay = Some(to);
            // An M-LMD is selected as everywhere; other devices have no place of their own.
            let what = devices.get(to).and_then(|d| d.mlmd).map(Selected::Mlmd);
            cx.select(what);
        }
    }
    let name = at
        .and_then(|i| devices.get(i))
        .map_or_else(String::new, |d| format!("{}, {}", d.id, d.status.label()));
    let style = Style::strong(12.0, cx.theme.text1);
    let left = pos2(next.max.x + 12.0, y);
    let room = rect.max.x - left.x - 12.0;
    let shown = text::text_within(ui, left, Align2::LEFT_CENTER, &style, room, &name);
    let style = Style::body(11.0, cx.theme.text2);
    let room = rect.max.x - shown.max.x - 24.0;
    let right = pos2(rect.max.x - 12.0, y);
    text::text_if_fits(ui, right, Align2::RIGHT_CENTER, &style, room, note);
    Rect::from_min_max(pos2(rect.min.x, rect.min.y + HEAD), rect.max)
}

/// What to say where no device times anything.
pub fn nothing(ui: &Ui, cx: &Cx<'_>, rect: Rect, words: &str) {
    let style = Style::body(12.0, cx.theme.text2);
    let at = rect.min + vec2(16.0, 16.0);
    text::paragraph(ui, at, &style, rect.width() - 32.0, words);
}
