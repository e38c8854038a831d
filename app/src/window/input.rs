//! Keys of the window; none of them acts while text is typed.

use egui::{Key, Modifiers, Ui};
use gridloom_core::playback::PlaybackCommand;
use gridloom_units::Tick;

use super::map::hit;
use super::panels::{operate, transport};
use super::ui::Cx;

/// Handles the keys of this frame.
pub fn keys(ui: &Ui, cx: &mut Cx<'_>) {
    let pressed = |key| plain(ui, key);
    if ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::K)) {
        cx.state.palette = if cx.state.palette.is_some() {
            None
        } else {
            Some(String::new())
        };
        return;
    }
    if pressed(Key::Escape) {
        back(cx);
        return;
    }
    if cx.state.palette.is_some() {
        return;
    }
    time_keys(ui, cx);
    for (index, key) in [
        Key::Num1,
        Key::Num2,
        Key::Num3,
        Key::Num4,
        Key::Num5,
        Key::Num6,
    ]
    .into_iter()
    .enumerate()
    {
        if pressed(key)
            && let Some(switch) = cx.state.layers.switch(index)
        {
            *switch = !*switch;
        }
    }
    if pressed(Key::Num0) {
        cx.state.camera = None;
    }
    if pressed(Key::F) {
        cx.state.frame_selection = true;
    }
    if pressed(Key::T) {
        cx.state.theme = cx.state.theme.other();
    }
    if pressed(Key::R) {
        cx.state.reduce_motion = !cx.state.reduce_motion;
    }
    if ui.input(|i| {
        i.events
            .iter()
            .any(|e| matches!(e, egui::Event::Text(t) if t == "?"))
    }) {
        cx.state.help = !cx.state.help;
    }
    if pressed(Key::A)
        && let Some(alarm) = cx
            .view
            .alarms
            .iter()
            .find(|a| a.active && !cx.state.acked.contains(&a.id))
    {
        cx.state.acked.insert(alarm.id);
    }
    if pressed(Key::O) {
        operate::ask(cx, true);
    }
    if pressed(Key::C) {
        operate::ask(cx, false);
    }
    if pressed(Key::Enter) {
        operate::confirm(cx);
    }
    let forward = ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Tab));
    let backward = ui.input_mut(|i| i.consume_key(Modifiers::SHIFT, Key::Tab));
    if forward || backward {
        next_asset(cx, backward);
    }
}

/// Whether a key came without Ctrl or Alt. The event's own modifiers count:
/// in a slow frame the modifier may already be up again.
fn plain(ui: &Ui, wanted: Key) -> bool {
    ui.input(|i| {
        i.events.iter().any(|event| {
            matches!(event, egui::Event::Key { key, pressed: true, modifiers, .. }
                if *key == wanted && !modifiers.command && !modifiers.alt)
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
    } else if cx.state.pending.is_some() {
        operate::cancel(cx);
    } else if cx.state.selected.is_some() {
        cx.select(None);
    }
}

fn time_keys(ui: &Ui, cx: &mut Cx<'_>) {
    let pressed = |key| plain(ui, key);
    let shift = ui.input(|i| i.modifiers.shift);
    let tick_ms = cx.view.scene.tick_ms.max(1);
    let step = if shift {
        (60_000 / tick_ms).max(1) as i64
    } else {
        1
    };
    if pressed(Key::Space) {
        let command = if cx.playback.playing {
            PlaybackCommand::Pause
        } else {
            PlaybackCommand::Play
        };
        transport::send(cx, command);
    }
    if pressed(Key::ArrowLeft) {
        transport::send(cx, PlaybackCommand::Step(-step));
    }
    if pressed(Key::ArrowRight) {
        transport::send(cx, PlaybackCommand::Step(step));
    }
    if pressed(Key::OpenBracket) {
        transport::send(
            cx,
            PlaybackCommand::SetSpeed(transport::next_speed(cx.playback.speed, false)),
        );
    }
    if pressed(Key::CloseBracket) {
        transport::send(
            cx,
            PlaybackCommand::SetSpeed(transport::next_speed(cx.playback.speed, true)),
        );
    }
    if pressed(Key::L) {
        transport::send(cx, PlaybackCommand::Live);
    }
    if pressed(Key::Home) {
        transport::send(cx, PlaybackCommand::Seek(Tick(0)));
    }
    if pressed(Key::End) {
        transport::send(cx, PlaybackCommand::Seek(cx.view.head));
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
