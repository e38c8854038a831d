//! Everything a person can ask for by key: one table for keys, palette and help.

use egui::Key;
use gridloom_core::playback::{PlaybackCommand, StepKind};
use gridloom_units::Tick;

use super::desk::DeskAction;
use super::engineer;
use super::map::hit;
use super::panels::{alarms, operate, transport};
use super::state::{UiAction, Workspace, WorldView};
use super::train;
use super::ui::Cx;

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortcut {
    /// The key.
    pub key: Key,
    /// With Ctrl or Command.
    pub ctrl: bool,
    /// With Shift.
    pub shift: bool,
}

const fn plain(key: Key) -> Option<Shortcut> {
    Some(Shortcut {
        key,
        ctrl: false,
        shift: false,
    })
}

const fn shift(key: Key) -> Option<Shortcut> {
    Some(Shortcut {
        key,
        ctrl: false,
        shift: true,
    })
}

const fn ctrl(key: Key) -> Option<Shortcut> {
    Some(Shortcut {
        key,
        ctrl: true,
        shift: false,
    })
}

/// One thing that can be asked for.
pub struct UiCommand {
    /// Its name in the palette.
    pub name: &'static str,
    /// Its key as people read it; empty without one.
    pub shown: &'static str,
    /// Its key.
    pub keys: Option<Shortcut>,
    run: fn(&mut Cx<'_>),
}

impl UiCommand {
    /// Carries it out.
    pub fn run(&self, cx: &mut Cx<'_>) {
        (self.run)(cx);
    }
}

fn play(cx: &mut Cx<'_>, command: PlaybackCommand) {
    transport::send(cx, command);
}

fn minute(cx: &Cx<'_>) -> i64 {
    (60_000 / cx.view.scene.tick_ms.max(1)).max(1) as i64
}

fn space(cx: &mut Cx<'_>) {
    let command = if cx.playback.playing {
        PlaybackCommand::Pause
    } else {
        PlaybackCommand::Play
    };
    play(cx, command);
}

fn speed(cx: &mut Cx<'_>, faster: bool) {
    let next = transport::next_speed(cx.playback.speed, faster);
    play(cx, PlaybackCommand::SetSpeed(next));
}

fn workspace(cx: &mut Cx<'_>, to: Workspace) {
    cx.state.workspace = to;
    cx.state.train.presenter = false;
    cx.state.map.drawn = None;
}

fn view(cx: &mut Cx<'_>, to: WorldView) {
    let at_once = cx.state.reduce_motion;
    cx.state.morph.turn(to, at_once);
}

fn next_view(cx: &mut Cx<'_>) {
    let at = WorldView::ALL.iter().position(|v| *v == cx.state.morph.to);
    let next = WorldView::ALL[(at.unwrap_or(0) + 1) % WorldView::ALL.len()];
    view(cx, next);
}

fn layer(cx: &mut Cx<'_>, index: usize) {
    if let Some(switch) = cx.state.layers.switch(index) {
        *switch = !*switch;
    }
}

fn acknowledge(cx: &mut Cx<'_>) {
    let waiting = alarms::current(cx).filter(|id| {
        let alarm = cx.view.alarms.iter().find(|a| a.id == *id);
        alarm.is_some_and(|a| a.state.wants_ack())
    });
    let waiting = waiting.or_else(|| {
        let first = cx.view.alarms.iter().find(|a| a.state.wants_ack());
        first.map(|a| a.id)
    });
    if let Some(id) = waiting {
        alarms::acknowledge(cx, id);
    }
}

/// Acknowledges every waiting alarm but those of priority 1.
fn acknowledge_group(cx: &mut Cx<'_>) {
    use gridloom_core::view::Priority;
    let ids: Vec<u64> = cx
        .view
        .alarms
        .iter()
        .filter(|a| a.state.wants_ack() && a.priority != Priority::P1)
        .map(|a| a.id)
        .collect();
    for id in ids {
        alarms::acknowledge(cx, id);
    }
}

fn shelve(cx: &mut Cx<'_>) {
    cx.state.shelving = alarms::current(cx);
}

fn cause(cx: &mut Cx<'_>) {
    let place = alarms::current(cx)
        .and_then(|id| cx.view.alarms.iter().find(|a| a.id == id))
        .and_then(|a| a.place);
    if place.is_some() {
        cx.select(place);
    }
}

fn bookmark(cx: &mut Cx<'_>) {
    let tick = cx.view.tick.0;
    let note = cx
        .state
        .selected
        .map_or_else(String::new, |what| hit::name(&cx.view.scene, what));
    cx.state.engineer.bookmark(tick, note);
}

/// The next step of the walk from the selection.
fn walk(cx: &mut Cx<'_>) {
    let steps = cx.view.selection.as_ref().map(|d| d.walk.clone());
    let steps = steps.unwrap_or_default();
    let at = steps
        .iter()
        .position(|step| step.target == cx.state.selected);
    let next = steps.get(at.map_or(0, |i| i + 1)).or(steps.first());
    if let Some(target) = next.and_then(|step| step.target) {
        cx.select(Some(target));
    }
}

/// Home and end of the run, live, and so on: the table.
pub const COMMANDS: [UiCommand; 63] = [
    UiCommand {
        name: "Play or pause",
        shown: "Space",
        keys: plain(Key::Space),
        run: space,
    },
    UiCommand {
        name: "One tick back",
        shown: "←",
        keys: plain(Key::ArrowLeft),
        run: |cx| play(cx, PlaybackCommand::Step(-1)),
    },
    UiCommand {
        name: "One tick on",
        shown: "→",
        keys: plain(Key::ArrowRight),
        run: |cx| play(cx, PlaybackCommand::Step(1)),
    },
    UiCommand {
        name: "One minute back",
        shown: "Shift ←",
        keys: shift(Key::ArrowLeft),
        run: |cx| {
            let m = minute(cx);
            play(cx, PlaybackCommand::Step(-m));
        },
    },
    UiCommand {
        name: "One minute on",
        shown: "Shift →",
        keys: shift(Key::ArrowRight),
        run: |cx| {
            let m = minute(cx);
            play(cx, PlaybackCommand::Step(m));
        },
    },
    UiCommand {
        name: "Slower",
        shown: "[",
        keys: plain(Key::OpenBracket),
        run: |cx| speed(cx, false),
    },
    UiCommand {
        name: "Faster",
        shown: "]",
        keys: plain(Key::CloseBracket),
        run: |cx| speed(cx, true),
    },
    UiCommand {
        name: "Live",
        shown: "L",
        keys: plain(Key::L),
        run: |cx| play(cx, PlaybackCommand::Live),
    },
    UiCommand {
        name: "To the start",
        shown: "Home",
        keys: plain(Key::Home),
        run: |cx| play(cx, PlaybackCommand::Seek(Tick(0))),
    },
    UiCommand {
        name: "To the newest tick",
        shown: "End",
        keys: plain(Key::End),
        run: |cx| {
            let head = cx.view.head;
            play(cx, PlaybackCommand::Seek(head));
        },
    },
    UiCommand {
        name: "Last event",
        shown: ",",
        keys: plain(Key::Comma),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Event, false)),
    },
    UiCommand {
        name: "Next event",
        shown: ".",
        keys: plain(Key::Period),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Event, true)),
    },
    UiCommand {
        name: "Last alarm",
        shown: ";",
        keys: plain(Key::Semicolon),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Alarm, false)),
    },
    UiCommand {
        name: "Next alarm",
        shown: "'",
        keys: plain(Key::Quote),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Alarm, true)),
    },
    UiCommand {
        name: "Last block",
        shown: "Ctrl ,",
        keys: ctrl(Key::Comma),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Block, false)),
    },
    UiCommand {
        name: "Next block",
        shown: "Ctrl .",
        keys: ctrl(Key::Period),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Block, true)),
    },
    UiCommand {
        name: "Last message",
        shown: "Shift ,",
        keys: shift(Key::Comma),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Message, false)),
    },
    UiCommand {
        name: "Next message",
        shown: "Shift .",
        keys: shift(Key::Period),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Message, true)),
    },
    UiCommand {
        name: "Last round",
        shown: "Ctrl ;",
        keys: ctrl(Key::Semicolon),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Round, false)),
    },
    UiCommand {
        name: "Next round",
        shown: "Ctrl '",
        keys: ctrl(Key::Quote),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Round, true)),
    },
    UiCommand {
        name: "Last contract run",
        shown: "Shift [",
        keys: shift(Key::OpenBracket),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Contract, false)),
    },
    UiCommand {
        name: "Next contract run",
        shown: "Shift ]",
        keys: shift(Key::CloseBracket),
        run: |cx| play(cx, PlaybackCommand::StepTo(StepKind::Contract, true)),
    },
    UiCommand {
        name: "Last iteration of the power flow",
        shown: "Shift I",
        keys: shift(Key::I),
        run: |cx| engineer::step(cx, StepKind::Iteration, false),
    },
    UiCommand {
        name: "Next iteration of the power flow",
        shown: "I",
        keys: plain(Key::I),
        run: |cx| engineer::step(cx, StepKind::Iteration, true),
    },
    UiCommand {
        name: "First difference of the two runs",
        shown: "D",
        keys: plain(Key::D),
        run: |cx| cx.actions.push(UiAction::Desk(DeskAction::FirstDifference)),
    },
    UiCommand {
        name: "Keep this moment",
        shown: "F8",
        keys: plain(Key::F8),
        run: |cx| cx.actions.push(UiAction::Desk(DeskAction::Snapshot)),
    },
    UiCommand {
        name: "Bookmark this tick",
        shown: "M",
        keys: plain(Key::M),
        run: bookmark,
    },
    UiCommand {
        name: "Operate workspace",
        shown: "F1",
        keys: plain(Key::F1),
        run: |cx| workspace(cx, Workspace::Operate),
    },
    UiCommand {
        name: "Train workspace",
        shown: "F2",
        keys: plain(Key::F2),
        run: |cx| workspace(cx, Workspace::Train),
    },
    UiCommand {
        name: "Engineer workspace",
        shown: "F3",
        keys: plain(Key::F3),
        run: |cx| workspace(cx, Workspace::Engineer),
    },
    UiCommand {
        name: "Next view of the world",
        shown: "F5",
        keys: plain(Key::F5),
        run: next_view,
    },
    UiCommand {
        name: "Single-line view",
        shown: "",
        keys: None,
        run: |cx| view(cx, WorldView::SingleLine),
    },
    UiCommand {
        name: "Neighbourhood view",
        shown: "",
        keys: None,
        run: |cx| view(cx, WorldView::Neighbourhood),
    },
    UiCommand {
        name: "Four-layer view",
        shown: "",
        keys: None,
        run: |cx| view(cx, WorldView::Layers),
    },
    UiCommand {
        name: "Presenter mode",
        shown: "F12",
        keys: plain(Key::F12),
        run: |cx| cx.state.train.presenter = !cx.state.train.presenter,
    },
    UiCommand {
        name: "Story: on",
        shown: "PgDn",
        keys: plain(Key::PageDown),
        run: train::forward,
    },
    UiCommand {
        name: "Story: back",
        shown: "PgUp",
        keys: plain(Key::PageUp),
        run: train::back,
    },
    UiCommand {
        name: "Power layer",
        shown: "1",
        keys: plain(Key::Num1),
        run: |cx| layer(cx, 0),
    },
    UiCommand {
        name: "Voltage layer",
        shown: "2",
        keys: plain(Key::Num2),
        run: |cx| layer(cx, 1),
    },
    UiCommand {
        name: "Data layer",
        shown: "3",
        keys: plain(Key::Num3),
        run: |cx| layer(cx, 2),
    },
    UiCommand {
        name: "Ledger layer",
        shown: "4",
        keys: plain(Key::Num4),
        run: |cx| layer(cx, 3),
    },
    UiCommand {
        name: "Price layer",
        shown: "5",
        keys: plain(Key::Num5),
        run: |cx| layer(cx, 4),
    },
    UiCommand {
        name: "Labels",
        shown: "6",
        keys: plain(Key::Num6),
        run: |cx| layer(cx, 5),
    },
    UiCommand {
        name: "Fit the whole network",
        shown: "0",
        keys: plain(Key::Num0),
        run: |cx| cx.state.camera = None,
    },
    UiCommand {
        name: "Frame the selection",
        shown: "F",
        keys: plain(Key::F),
        run: |cx| cx.state.frame_selection = true,
    },
    UiCommand {
        name: "Acknowledge the alarm",
        shown: "A",
        keys: plain(Key::A),
        run: acknowledge,
    },
    UiCommand {
        name: "Acknowledge all below priority 1",
        shown: "Shift A",
        keys: shift(Key::A),
        run: acknowledge_group,
    },
    UiCommand {
        name: "Shelve the alarm",
        shown: "S",
        keys: plain(Key::S),
        run: shelve,
    },
    UiCommand {
        name: "Go to the alarm's place",
        shown: "W",
        keys: plain(Key::W),
        run: cause,
    },
    UiCommand {
        name: "Walk on: wire to contract",
        shown: "P",
        keys: plain(Key::P),
        run: walk,
    },
    UiCommand {
        name: "Open the selected breaker",
        shown: "O",
        keys: plain(Key::O),
        run: |cx| operate::ask(cx, true),
    },
    UiCommand {
        name: "Close the selected breaker",
        shown: "C",
        keys: plain(Key::C),
        run: |cx| operate::ask(cx, false),
    },
    UiCommand {
        name: "Second step of an operation",
        shown: "Enter",
        keys: plain(Key::Enter),
        run: operate::confirm,
    },
    UiCommand {
        name: "Day or night",
        shown: "T",
        keys: plain(Key::T),
        run: |cx| cx.state.theme = cx.state.theme.other(),
    },
    UiCommand {
        name: "Reduce motion",
        shown: "R",
        keys: plain(Key::R),
        run: |cx| cx.state.reduce_motion = !cx.state.reduce_motion,
    },
    UiCommand {
        name: "Larger interface",
        shown: "Ctrl +",
        keys: ctrl(Key::Plus),
        run: |cx| cx.state.scale = cx.state.scale.step(true),
    },
    UiCommand {
        name: "Smaller interface",
        shown: "Ctrl -",
        keys: ctrl(Key::Minus),
        run: |cx| cx.state.scale = cx.state.scale.step(false),
    },
    UiCommand {
        name: "Second window for the audience",
        shown: "F11",
        keys: plain(Key::F11),
        run: |cx| cx.state.audience = !cx.state.audience,
    },
    UiCommand {
        name: "Physical devices",
        shown: "F9",
        keys: plain(Key::F9),
        run: |cx| cx.state.devices.open = !cx.state.devices.open,
    },
    UiCommand {
        name: "Ledgers and their nodes",
        shown: "F7",
        keys: plain(Key::F7),
        run: |cx| cx.state.nodes.open = !cx.state.nodes.open,
    },
    UiCommand {
        name: "Save the session as a scene",
        shown: "",
        keys: None,
        run: |cx| cx.actions.push(UiAction::Desk(DeskAction::SaveScene)),
    },
    UiCommand {
        name: "Write the exercise's report",
        shown: "",
        keys: None,
        run: |cx| cx.actions.push(UiAction::Desk(DeskAction::Report)),
    },
    UiCommand {
        name: "Keys",
        shown: "?",
        keys: None,
        run: |cx| cx.state.help = !cx.state.help,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_used_twice_and_most_commands_have_one() {
        let mut seen = Vec::new();
        for command in &COMMANDS {
            if let Some(keys) = command.keys {
                assert!(!seen.contains(&keys), "{} has a taken key", command.name);
                seen.push(keys);
                assert!(!command.shown.is_empty(), "{}", command.name);
            }
        }
        let share = seen.len() as f64 / COMMANDS.len() as f64;
        assert!(share >= 0.8, "{share}");
    }
}
