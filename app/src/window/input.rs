//! Keys of the window; none of them acts while text is typed.

use egui::{Key, Modifiers, Ui};

use super::commands::{COMMANDS, Shortcut};
use super::map::hit;
use super::panels::operate;
use super::ui::Cx;

/// Handles the keys of this frame.
pub fn keys(ui: &Ui, cx: &mut Cx<'_>) {
    if ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::K)) {
        cx.state.palette = if cx.state.palette.is_some() {
            None
        } else {
            Some(String::new())
        };
        return;
    }
    if ui.input(|i| i.key_pressed(Key::Escape)) {
        back(cx);
        return;
    }
    if cx.state.palette.is_some() || ui.ctx().text_edit_focused() {
        return;
    }
    for command in &COMMANDS {
        if command.keys.is_some_and(|keys| pressed(ui, keys)) {
            command.run(cx);
        }
    }
    let asks_for_help = ui.input(|i| {
        let is_mark = |e: &egui::Event| matches!(e, egui::Event::Text(t) if t == "?");
        i.events.iter().any(is_mark)
    });
    if asks_for_help {
        cx.state.help = !cx.state.help;
    }
    let forward = ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Tab));
    let backward = ui.input_mut(|i| i.consume_key(Modifiers::SHIFT, Key::Tab));
    if forward || backward {
        next_asset(cx, backward);
    }
}

/// Whether a key came with its modifiers. The event's own modifiers count: in a
/// slow frame the modifier may already be up again.
fn pressed(ui: &Ui, wanted: Shortcut) -> bool {
    ui.input(|i| {
        i.events.iter().any(|event| {
            let egui::Event::Key {
                key,
                pressed: true,
                modifiers,
                ..
            } = event
            else {
                return false;
            };
            // `+` may need Shift on the keyboard; with Ctrl both are meant.
            let plus = wanted.key == Key::Plus && *key == Key::Equals;
            (*key == wanted.key || plus)
                && modifiers.command == wanted.ctrl
                && !modifiers.alt
                && (wanted.ctrl || modifiers.shift == wanted.shift)
        })
    })
}

/// Closes the topmost thing: dialogue, half-done operation, selection.
fn back(cx: &mut Cx<'_>) {
    if cx.state.palette.take().is_some() {
        return;
    }
    if cx.state.help {
        cx.state.help = false;
    } else if cx.state.train.presenter {
        cx.state.train.presenter = false;
    } else if cx.state.shelving.take().is_some() {
    } else if cx.state.pending.is_some() {
        operate::cancel(cx);
    } else if cx.state.selected.is_some() {
        cx.select(None);
    }
}

/// Tab goes from asset to asset, not from button to button.
fn next_asset(cx: &mut Cx<'_>, backward: bool) {
    let order = hit::tab_order(&cx.view.scene);
    if order.is_empty() {
        return;
    }
    let at = cx
        .state
        .selected
        .and_then(|what| order.iter().position(|o| *o == what));
    let next = match (at, backward) {
        (None, _) => 0,
        (Some(at), false) => (at + 1) % order.len(),
        (Some(at), true) => (at + order.len() - 1) % order.len(),
    };
    cx.select(Some(order[next]));
}
