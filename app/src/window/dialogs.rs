//! Key overlay, palette and notices.

use egui::{Align2, CornerRadius, Id, Order, Rect, Stroke, StrokeKind, Ui, UiBuilder, pos2, vec2};
use gridloom_core::view::Selected;

use super::commands::COMMANDS;
use super::map::hit;
use super::text::{self, Style};
use super::ui::Cx;

/// Most results listed by the palette.
const RESULTS: usize = 12;

/// How long a notice stays, s.
const NOTICE_S: f64 = 6.0;

/// Keys that are not commands of their own.
pub const MORE_KEYS: [(&str, &str); 3] = [
    ("Tab", "Next asset, Shift Tab the one before"),
    ("Ctrl K", "Palette: commands and assets"),
    ("Esc", "Back, select nothing"),
];

/// Shows whichever dialogue is open.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    notice(ui, cx, full);
    if cx.state.help {
        help(ui, cx, full);
    }
    if cx.state.palette.is_some() {
        palette(ui, cx, full);
    }
}

/// A child of the root on top of everything.
fn above(ui: &mut Ui, cx: &Cx<'_>, card: Rect, name: &str) -> Ui {
    let layer = egui::LayerId::new(Order::Foreground, Id::new(("dialogue", name)));
    let child = ui.new_child(
        UiBuilder::new()
            .max_rect(card)
            .layer_id(layer)
            .id_salt(name),
    );
    child.painter().rect(
        card,
        CornerRadius::same(4),
        cx.theme.panel,
        Stroke::new(1.0, cx.theme.text3),
        StrokeKind::Inside,
    );
    child
}

fn help(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    let rows: Vec<(&str, &str)> = COMMANDS
        .iter()
        .filter(|command| !command.shown.is_empty())
        .map(|command| (command.shown, command.name))
        .chain(MORE_KEYS)
        .collect();
    let per_column = rows.len().div_ceil(3);
    let width = (full.width() - 40.0).min(1_100.0);
    let size = vec2(width, 64.0 + per_column as f32 * 22.0);
    let card = Rect::from_center_size(full.center(), size);
    let ui = above(ui, cx, card, "help");
    let heading = Style::heading(cx.theme.text2);
    let at = card.min + vec2(20.0, 26.0);
    text::text(&ui, at, Align2::LEFT_CENTER, &heading, "KEYS");
    let close = Style::body(11.0, cx.theme.text2);
    let at = pos2(card.max.x - 20.0, card.min.y + 26.0);
    text::text(&ui, at, Align2::RIGHT_CENTER, &close, "Esc closes");
    let column_w = (width - 40.0) / 3.0;
    for (index, (key, does)) in rows.iter().enumerate() {
        let x = card.min.x + 20.0 + (index / per_column) as f32 * column_w;
        let y = card.min.y + 56.0 + (index % per_column) as f32 * 22.0;
        let mono = Style::mono(12.0, cx.theme.text1);
        text::text(&ui, pos2(x, y), Align2::LEFT_CENTER, &mono, key);
        let body = Style::body(12.0, cx.theme.text2);
        let at = pos2(x + 78.0, y);
        let room = column_w - 86.0;
        text::text_within(&ui, at, Align2::LEFT_CENTER, &body, room, does);
    }
    let response = ui.interact(card, Id::new("help-card"), egui::Sense::click());
    if response.clicked() {
        cx.state.help = false;
    }
}

/// Says the last notice for a few seconds.
fn notice(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    let Some((number, words)) = cx.desk.notice.clone() else {
        return;
    };
    if cx.state.notice.0 != number {
        cx.state.notice = (number, 0.0);
    }
    if cx.state.notice.1 > NOTICE_S {
        return;
    }
    let style = Style::body(13.0, cx.theme.text1);
    let width = text::width(ui, &style, &words).min(full.width() * 0.5);
    let world = cx.state.world_rect.unwrap_or(full);
    let card = Rect::from_center_size(
        pos2(world.center().x, world.max.y - 20.0),
        vec2(width + 32.0, 28.0),
    );
    let ui = above(ui, cx, card, "notice");
    let middle = card.center();
    text::text_within(&ui, middle, Align2::CENTER_CENTER, &style, width, &words);
}

/// What the palette offers.
enum Offer {
    Command(usize),
    Asset(Selected),
}

/// Commands whose name contains every word, for the palette.
fn commands(words: &str) -> Vec<usize> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    (0..COMMANDS.len())
        .filter(|&index| {
            let name = COMMANDS[index].name.to_lowercase();
            words.iter().all(|word| name.contains(word))
        })
        .collect()
}

/// Assets whose id contains the words, best first.
pub fn find(cx: &Cx<'_>, words: &str) -> Vec<(Selected, String, String)> {
    let words = words.trim().to_lowercase();
    let scene = &cx.view.scene;
    let mut found: Vec<(usize, Selected, String)> = hit::tab_order(scene)
        .into_iter()
        .filter_map(|what| {
            let name = hit::name(scene, what);
            let at = name.to_lowercase().find(&words)?;
            // An exact name first, then names that begin with the words.
            let rank = if name.len() == words.len() { 0 } else { at + 1 };
            Some((rank, what, name))
        })
        .collect();
    found.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then(a.2.len().cmp(&b.2.len()))
            .then(a.2.cmp(&b.2))
    });
    found
        .into_iter()
        .take(RESULTS)
        .map(|(_, what, name)| (what, name, super::panels::facts::kind(cx.view, what)))
        .collect()
}

/// Assets first when the words name one, commands after them.
fn offers(cx: &Cx<'_>, words: &str) -> Vec<(Offer, String, String)> {
    let mut out: Vec<(Offer, String, String)> = find(cx, words)
        .into_iter()
        .map(|(what, name, kind)| (Offer::Asset(what), name, kind))
        .collect();
    let exact = out
        .first()
        .is_some_and(|o| o.1.eq_ignore_ascii_case(words.trim()));
    let commands = commands(words).into_iter().map(|index| {
        let command = &COMMANDS[index];
        (
            Offer::Command(index),
            command.name.to_owned(),
            command.shown.to_owned(),
        )
    });
    if exact || words.trim().len() < 2 {
        out.extend(commands);
    } else {
        out = commands.chain(out).collect();
    }
    out.truncate(RESULTS);
    out
}

fn palette(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    let mut words = cx.state.palette.clone().unwrap_or_default();
    let results = offers(cx, &words);
    let size = vec2(420.0, 60.0 + results.len().max(1) as f32 * 28.0);
    let card = Rect::from_min_size(
        pos2(full.center().x - size.x * 0.5, full.min.y + 120.0),
        size,
    );
    let mut ui = above(ui, cx, card, "palette");
    let field = Rect::from_min_size(card.min + vec2(12.0, 12.0), vec2(size.x - 24.0, 28.0));
    let edit = egui::TextEdit::singleline(&mut words)
        .hint_text("A command, or the id of an asset: H17, M2")
        .font(super::fonts::medium(14.0))
        .id(Id::new("palette-field"));
    let response = ui.put(field, edit);
    response.request_focus();
    let mut chosen = None;
    for (index, (_, name, kind)) in results.iter().enumerate() {
        let row = Rect::from_min_size(
            pos2(card.min.x + 8.0, card.min.y + 48.0 + index as f32 * 28.0),
            vec2(size.x - 16.0, 26.0),
        );
        let hit = ui.interact(row, Id::new(("palette", index)), egui::Sense::click());
        if index == 0 || hit.hovered() {
            ui.painter().rect_filled(row, 4.0, cx.theme.raised);
        }
        let shown = text::text(
            &ui,
            row.left_center() + vec2(8.0, 0.0),
            Align2::LEFT_CENTER,
            &Style::strong(13.0, cx.theme.text1),
            name,
        );
        let room = row.max.x - shown.max.x - 20.0;
        let at = pos2(row.max.x - 8.0, row.center().y);
        text::text_within(
            &ui,
            at,
            Align2::RIGHT_CENTER,
            &Style::body(12.0, cx.theme.text2),
            room,
            kind,
        );
        if hit.clicked() {
            chosen = Some(index);
        }
    }
    if results.is_empty() {
        let at = pos2(card.min.x + 16.0, card.min.y + 62.0);
        text::text(
            &ui,
            at,
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text3),
            "Nothing is called like this",
        );
    }
    if ui.input(|i| i.key_pressed(egui::Key::Enter)) {
        chosen = chosen.or((!results.is_empty()).then_some(0));
    }
    cx.state.palette = Some(words);
    let Some((offer, ..)) = chosen.and_then(|index| results.get(index)) else {
        return;
    };
    cx.state.palette = None;
    match offer {
        Offer::Asset(what) => {
            cx.select(Some(*what));
            cx.state.frame_selection = true;
        }
        Offer::Command(index) => COMMANDS[*index].run(cx),
    }
}
