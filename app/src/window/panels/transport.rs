//! Transport: what time does, and the clock.

use egui::{Align2, CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::playback::PlaybackCommand;

use crate::window::draw::{self, Transport};
use crate::window::state::UiAction;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Speeds of the buttons and of the `[` and `]` keys.
pub const SPEEDS: [f64; 6] = [1.0, 10.0, 60.0, 300.0, 1_200.0, 3_600.0];

/// The next slower or faster speed.
pub fn next_speed(now: f64, faster: bool) -> f64 {
    if faster {
        SPEEDS
            .iter()
            .copied()
            .find(|s| *s > now * 1.01)
            .unwrap_or(SPEEDS[SPEEDS.len() - 1])
    } else {
        SPEEDS
            .iter()
            .rev()
            .copied()
            .find(|s| *s < now * 0.99)
            .unwrap_or(0.1)
    }
}

/// A speed in words.
pub fn speed_words(speed: f64) -> String {
    if speed < 1.0 {
        format!("{}×", text::plain(speed, 1))
    } else {
        format!("{}×", text::plain(speed, 0))
    }
}

/// Sends a playback command.
pub fn send(cx: &mut Cx<'_>, command: PlaybackCommand) {
    cx.actions.push(UiAction::Playback(command));
}

/// Shows the transport.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let row = rect.min.y + if cx.compact { 20.0 } else { 26.0 };
    buttons(ui, cx, rect, row);
    if cx.compact {
        clock(ui, cx, pos2(rect.min.x + 16.0, rect.min.y + 51.0), 20.0);
        let speed =
            Rect::from_min_size(pos2(rect.max.x - 62.0, rect.min.y + 40.0), vec2(52.0, 22.0));
        if cx.button(ui, speed, &speed_words(cx.playback.speed), "", true) {
            let next = if cx.playback.speed >= 3_600.0 {
                1.0
            } else {
                next_speed(cx.playback.speed, true)
            };
            send(cx, PlaybackCommand::SetSpeed(next));
        }
        let words = format!("tick {}", text::grouped(cx.view.tick.0));
        let style = Style::mono(11.0, cx.theme.text2);
        text::text(
            ui,
            pos2(rect.min.x + 16.0, rect.min.y + 72.0),
            Align2::LEFT_CENTER,
            &style,
            &words,
        );
        return;
    }
    speeds(ui, cx, rect);
    clock(ui, cx, pos2(rect.min.x + 16.0, rect.min.y + 90.0), 24.0);
    let style = Style::body(12.0, cx.theme.text2);
    let at = pos2(rect.min.x + 16.0, rect.min.y + 115.0);
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &style,
        130.0,
        &date(&cx.view.scene.date),
    );
    let tick = match cx.playback.seeking {
        Some(target) => format!("to tick {}", text::grouped(target.0)),
        None => format!("tick {}", text::grouped(cx.view.tick.0)),
    };
    let at = pos2(rect.max.x - 16.0, rect.min.y + 115.0);
    text::text(
        ui,
        at,
        Align2::RIGHT_CENTER,
        &Style::mono(11.0, cx.theme.text2),
        &tick,
    );
}

fn buttons(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, y: f32) {
    let playing = cx.playback.playing;
    let toggle = if playing {
        (Transport::Pause, PlaybackCommand::Pause)
    } else {
        (Transport::Play, PlaybackCommand::Play)
    };
    let row = [
        (
            Transport::Start,
            "To the start",
            PlaybackCommand::Seek(gridloom_units::Tick(0)),
        ),
        (Transport::Back, "One tick back", PlaybackCommand::Step(-1)),
        (toggle.0, if playing { "Pause" } else { "Play" }, toggle.1),
        (Transport::Forward, "One tick on", PlaybackCommand::Step(1)),
        (
            Transport::End,
            "To the newest tick",
            PlaybackCommand::Seek(cx.view.head),
        ),
    ];
    let (size, pitch) = if cx.compact {
        (26.0, 28.0)
    } else {
        (28.0, 32.0)
    };
    for (index, (symbol, name, command)) in row.into_iter().enumerate() {
        let cell = Rect::from_min_size(
            pos2(rect.min.x + 12.0 + index as f32 * pitch, y - size * 0.5),
            vec2(size, size),
        );
        let response = ui.interact(
            cell,
            ui.id().with(("transport", index)),
            egui::Sense::click(),
        );
        response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, true, name));
        let middle = index == 2;
        if middle || response.hovered() || response.has_focus() {
            let edge = if middle { cx.theme.edge } else { cx.theme.rule };
            ui.painter().rect(
                cell,
                CornerRadius::same(4),
                cx.theme.raised,
                Stroke::new(1.0, edge),
                StrokeKind::Inside,
            );
        }
        draw::transport(ui.painter(), cell.center(), symbol, cx.theme.text1);
        if response.clicked() {
            send(cx, command);
        }
    }
    let live = cx.view.tick >= cx.view.head;
    let cell = Rect::from_min_max(
        pos2(rect.max.x - 16.0 - 58.0, y - 12.0),
        pos2(rect.max.x - 16.0, y + 12.0),
    );
    let response = ui.interact(cell, ui.id().with("live"), egui::Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, true, "Live"));
    let fill = if live {
        cx.theme.raised
    } else {
        cx.theme.panel
    };
    ui.painter().rect(
        cell,
        CornerRadius::same(4),
        fill,
        Stroke::new(1.0, cx.theme.edge),
        StrokeKind::Inside,
    );
    let dot = cell.left_center() + vec2(11.0, 0.0);
    if live {
        ui.painter().circle_filled(dot, 3.5, cx.theme.text1);
    } else {
        ui.painter()
            .circle_stroke(dot, 3.0, Stroke::new(1.25, cx.theme.text2));
    }
    let style = Style::strong(11.0, if live { cx.theme.text1 } else { cx.theme.text2 });
    text::text(
        ui,
        cell.left_center() + vec2(21.0, 0.0),
        Align2::LEFT_CENTER,
        &style,
        "LIVE",
    );
    if response.clicked() {
        send(cx, PlaybackCommand::Live);
    }
}

/// One button per speed; the chosen one is filled.
fn speeds(ui: &Ui, cx: &mut Cx<'_>, rect: Rect) {
    let width = (rect.width() - 32.0) / SPEEDS.len() as f32;
    for (index, speed) in SPEEDS.into_iter().enumerate() {
        let cell = Rect::from_min_size(
            pos2(rect.min.x + 16.0 + index as f32 * width, rect.min.y + 50.0),
            vec2(width - 3.0, 21.0),
        );
        let chosen = (cx.playback.speed - speed).abs() < 0.01 * speed;
        let words = speed_words(speed);
        let response = ui.interact(cell, ui.id().with(("speed", index)), egui::Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::WidgetType::RadioButton, true, chosen, &words)
        });
        let (fill, edge) = if chosen {
            (cx.theme.raised, cx.theme.text3)
        } else {
            (cx.theme.panel, cx.theme.rule)
        };
        ui.painter().rect(
            cell,
            CornerRadius::same(4),
            fill,
            Stroke::new(1.0, edge),
            StrokeKind::Inside,
        );
        let style = if chosen {
            Style::strong(11.0, cx.theme.text1)
        } else {
            Style::body(11.0, cx.theme.text2)
        };
        text::text(ui, cell.center(), Align2::CENTER_CENTER, &style, &words);
        if response.clicked() {
            send(cx, PlaybackCommand::SetSpeed(speed));
        }
    }
}

fn clock(ui: &Ui, cx: &Cx<'_>, at: egui::Pos2, size: f32) {
    let words = cx.view.time.to_string();
    let shown = text::text(
        ui,
        at,
        Align2::LEFT_CENTER,
        &Style::mono(size, cx.theme.text1),
        &words,
    );
    let slow = cx.playback.playing
        && cx.playback.reached > 0.0
        && cx.playback.reached < cx.playback.speed * 0.9;
    if slow && !cx.compact {
        let words = format!("reaches {}", speed_words(cx.playback.reached));
        let style = Style::body(11.0, cx.theme.text3);
        text::text(
            ui,
            pos2(shown.max.x + 10.0, at.y + 4.0),
            Align2::LEFT_CENTER,
            &style,
            &words,
        );
    }
}

/// `2026-06-18` as `Thu 18 June 2026`; other texts stay as they are.
pub fn date(iso: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let parts: Vec<i64> = iso
        .split('-')
        .filter_map(|part| part.parse().ok())
        .collect();
    let [year, month, day] = parts[..] else {
        return iso.to_owned();
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1..=9_999).contains(&year) {
        return iso.to_owned();
    }
    // Sakamoto's method: a table of month offsets, the year shifted before March.
    const OFFSETS: [i64; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let m = (month - 1) as usize;
    let y = if month < 3 { year - 1 } else { year };
    let weekday = (y + y / 4 - y / 100 + y / 400 + OFFSETS[m] + day).rem_euclid(7) as usize;
    format!("{} {day} {} {year}", DAYS[weekday], MONTHS[m])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_right_weekday() {
        assert_eq!(date("2026-06-18"), "Thu 18 June 2026");
        assert_eq!(date("2000-02-29"), "Tue 29 February 2000");
        assert_eq!(date("soon"), "soon");
    }

    #[test]
    fn speeds_step_up_and_down() {
        assert_eq!(next_speed(1.0, true), 10.0);
        assert_eq!(next_speed(3_600.0, true), 3_600.0);
        assert_eq!(next_speed(60.0, false), 10.0);
        assert_eq!(next_speed(1.0, false), 0.1);
    }
}
