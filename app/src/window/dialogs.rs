//! Key overlay and the finder.

use egui::{Align2, CornerRadius, Id, Order, Rect, Stroke, StrokeKind, Ui, UiBuilder, pos2, vec2};
use gridloom_core::view::Selected;

use super::map::hit;
use super::text::{self, Style};
use super::ui::Cx;

/// Most results listed by the finder.
const RESULTS: usize = 9;

/// Keys and what they do.
pub const KEYS: [(&str, &str); 17] = [
    ("Space", "play or pause"),
    ("← →", "one tick back, on"),
    ("Shift ← →", "one minute back, on"),
    ("[ ]", "slower, faster"),
    ("Home End", "first, newest tick (map: fit with 0)"),
    ("L", "live"),
    ("1 – 6", "map layers"),
    ("0", "fit the whole network"),
    ("F", "frame the selection"),
    ("Tab", "next asset, Shift Tab the one before"),
    ("O C", "open, close the selected breaker"),
    ("Enter", "second step of a breaker operation"),
    ("A", "acknowledge the first alarm"),
    ("T", "day or night"),
    ("R", "reduce motion"),
    ("Ctrl K", "find an asset"),
    ("Esc", "back, select nothing"),
];

/// Shows whichever dialogue is open.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
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
    let size = vec2(440.0, 60.0 + KEYS.len() as f32 * 24.0);
    let card = Rect::from_center_size(full.center(), size);
    let ui = above(ui, cx, card, "help");
    let heading = Style::heading(cx.theme.text2);
    text::text(
        &ui,
        card.min + vec2(20.0, 26.0),
        Align2::LEFT_CENTER,
        &heading,
        "KEYS",
    );
    let close = Style::body(11.0, cx.theme.text2);
    text::text(
        &ui,
        pos2(card.max.x - 20.0, card.min.y + 26.0),
        Align2::RIGHT_CENTER,
        &close,
        "Esc closes",
    );
    for (index, (key, does)) in KEYS.iter().enumerate() {
        let y = card.min.y + 56.0 + index as f32 * 24.0;
        text::text(
            &ui,
            pos2(card.min.x + 20.0, y),
            Align2::LEFT_CENTER,
            &Style::mono(12.0, cx.theme.text1),
            key,
        );
        text::text(
            &ui,
            pos2(card.min.x + 130.0, y),
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text2),
            does,
        );
    }
    let response = ui.interact(card, Id::new("help-card"), egui::Sense::click());
    if response.clicked() {
        cx.state.help = false;
    }
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

fn palette(ui: &mut Ui, cx: &mut Cx<'_>, full: Rect) {
    let mut words = cx.state.palette.clone().unwrap_or_default();
    let results = find(cx, &words);
    let size = vec2(420.0, 60.0 + results.len().max(1) as f32 * 28.0);
    let card = Rect::from_min_size(
        pos2(full.center().x - size.x * 0.5, full.min.y + 120.0),
        size,
    );
    let mut ui = above(ui, cx, card, "palette");
    let field = Rect::from_min_size(card.min + vec2(12.0, 12.0), vec2(size.x - 24.0, 28.0));
    let edit = egui::TextEdit::singleline(&mut words)
        .hint_text("Id of an asset, for example H17 or M2")
        .font(super::fonts::medium(14.0))
        .id(Id::new("palette-field"));
    let response = ui.put(field, edit);
    response.request_focus();
    let mut chosen = None;
    for (index, (what, name, kind)) in results.iter().enumerate() {
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
            chosen = Some(*what);
        }
    }
    if results.is_empty() {
        let at = pos2(card.min.x + 16.0, card.min.y + 62.0);
        text::text(
            &ui,
            at,
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text3),
            "Nothing has this id",
        );
    }
    if ui.input(|i| i.key_pressed(egui::Key::Enter)) {
        chosen = chosen.or(results.first().map(|r| r.0));
    }
    cx.state.palette = Some(words);
    if chosen.is_some() {
        cx.select(chosen);
        cx.state.frame_selection = true;
        cx.state.palette = None;
    }
}
