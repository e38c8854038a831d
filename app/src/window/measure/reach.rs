//! T1, T3, E3, E5, O10, V7: how many clicks and keys lead to something.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers, pos2};
use gridloom_core::Twin;
use gridloom_core::playback::{PlaybackCommand, StepKind};
use gridloom_core::view::{EventKind, Selected};
use gridloom_units::Tick;

use super::robot::{Node, Robot};
use crate::window::commands::COMMANDS;
use crate::window::desk::{Desk, DeskAction, LibraryRow};
use crate::window::map::hit;
use crate::window::state::{UiAction, Workspace};

/// The design's size of a window.
const SIZE: (f32, f32) = (1_920.0, 1_080.0);

/// T1: clicks from the window as it opens to a scene that tells its story;
/// `None` when it is not reached.
pub fn to_story(twin: &mut Twin, library: &[LibraryRow]) -> Option<usize> {
    let mut robot = Robot::new(Arc::new(twin.view(None)), SIZE);
    robot.desk = Desk {
        library: Arc::new(library.to_vec()),
        ..Desk::default()
    };
    robot.settle();
    let row = library.iter().find(|r| !r.number.is_empty() && !r.open)?;
    robot.click("Train").then_some(())?;
    let words = format!("Scene {}", row.title);
    robot.click(&words).then_some(())?;
    let opened = robot
        .actions
        .iter()
        .any(|a| matches!(a, UiAction::Desk(DeskAction::Open { path, .. }) if *path == row.path));
    opened.then_some(robot.clicks)
}

/// T3: most clicks from the Train workspace to an event that acts.
pub fn insert(twin: &mut Twin) -> Option<usize> {
    let mut most = 0;
    for event in &crate::window::train::EVENTS {
        let mut robot = Robot::new(Arc::new(twin.view(None)), SIZE);
        robot.state.workspace = Workspace::Train;
        robot.settle();
        robot
            .click(&format!("Event: {}", event.name))
            .then_some(())?;
        if !robot.click("Now") {
            // The scene has nothing that it could act on: the button is grey.
            continue;
        }
        let sent = robot
            .actions
            .iter()
            .any(|a| matches!(a, UiAction::Command(_)));
        sent.then_some(())?;
        most = most.max(robot.clicks);
    }
    Some(most)
}

/// E2: kinds of steps that have one key each way, of all.
pub fn steps(twin: &mut Twin) -> (usize, usize) {
    let view = Arc::new(twin.view(None));
    let mut asked: Vec<(StepKind, bool)> = Vec::new();
    for command in COMMANDS.iter() {
        let Some(keys) = command.keys else { continue };
        let mut robot = Robot::new(Arc::clone(&view), SIZE);
        robot.state.workspace = Workspace::Engineer;
        let modifiers = Modifiers {
            ctrl: keys.ctrl,
            command: keys.ctrl,
            shift: keys.shift,
            ..Modifiers::NONE
        };
        robot.key(keys.key, modifiers);
        for action in &robot.actions {
            match action {
                UiAction::Playback(PlaybackCommand::StepTo(kind, forward)) => {
                    asked.push((*kind, *forward));
                }
                UiAction::Playback(PlaybackCommand::Step(by)) if by.abs() == 1 => {
                    asked.push((StepKind::Tick, *by > 0));
                }
                _ => {}
            }
        }
        // Iterations lie within the tick: the window goes through them itself.
        if robot.state.engineer.iteration.is_some() {
            asked.push((StepKind::Iteration, !keys.shift));
        }
    }
    let both = |kind: &&StepKind| [false, true].iter().all(|w| asked.contains(&(**kind, *w)));
    let found = StepKind::ALL.iter().filter(both).count();
    (found, StepKind::ALL.len())
}

/// How faults and causes are reached.
pub struct Faults {
    /// Faults of the run.
    pub faults: usize,
    /// Those found in the list of events.
    pub found: usize,
    /// Most clicks to one of them.
    pub clicks: usize,
    /// Presses of `,` per tick with events, over the whole run.
    pub keys_per_event: f64,
    /// Most clicks to a chain of causes that ends at a fault.
    pub why_clicks: usize,
    /// Devices whose chain was looked for, and those where it was found.
    pub chains: (usize, usize),
    /// Chains without a fault at their end, for a person.
    pub lost: Vec<String>,
}

/// E3: every fault from the list, every event by key, every cause to its root.
pub fn faults(twin: &mut Twin) -> Faults {
    let view = Arc::new(twin.view(None));
    let mut out = Faults {
        faults: view.protection.faults.len(),
        found: 0,
        clicks: 0,
        keys_per_event: f64::NAN,
        why_clicks: 0,
        chains: (0, 0),
        lost: Vec::new(),
    };
    for fault in &view.protection.faults {
        let mut robot = Robot::new(Arc::clone(&view), SIZE);
        robot.state.workspace = Workspace::Engineer;
        robot.settle();
        let words = format!("{}: ", fault.id);
        // The wheel brings the row into the list; that is no click.
        let list = pos2(220.0, 720.0);
        for _ in 0..80 {
            let row = robot.find(&words).filter(|n| n.rect.center().y > 520.0);
            if let Some(row) = row.filter(|n| n.rect.max.y < 900.0) {
                robot.click_at(row.rect.center());
                break;
            }
            robot.scroll(list, 200.0);
        }
        let went = robot
            .actions
            .iter()
            .any(|a| matches!(a, UiAction::Playback(PlaybackCommand::Seek(_))));
        out.found += usize::from(went);
        out.clicks = out.clicks.max(robot.clicks);
    }
    out.keys_per_event = keys_per_event(twin);
    out
}

/// Presses of the key for the event before, from the end of the run to its start.
fn keys_per_event(twin: &mut Twin) -> f64 {
    let end = twin.tick();
    let view = twin.view(None);
    let counted = |kind: EventKind| !matches!(kind, EventKind::Price);
    let mut ticks: Vec<u64> = view
        .events
        .iter()
        .filter(|e| counted(e.kind) && e.tick.0 + 1 < end.0)
        .map(|e| e.tick.0)
        .collect();
    ticks.dedup();
    let mut keys = 0_u32;
    while let Some(tick) = twin.previous(StepKind::Event) {
        keys += 1;
        twin.seek(tick);
    }
    twin.seek(end);
    f64::from(keys) / ticks.len().max(1) as f64
}

/// E3: from a breaker that protection opened to the fault behind it. `at` are
/// moments with open breakers.
pub fn causes(twin: &mut Twin, at: &[Tick], out: &mut Faults) {
    for tick in at {
        twin.seek(*tick);
        let view = Arc::new(twin.view(None));
        let open = view
            .protection
            .devices
            .iter()
            .filter(|d| !d.closed && !d.tie);
        let open: Vec<(usize, String)> =
            open.filter_map(|d| Some((d.mlmd?, d.id.clone()))).collect();
        for (mlmd, _) in open {
            let mut robot = Robot::new(Arc::clone(&view), SIZE);
            let Some(at) = robot.state.map.placed.as_ref().map(|p| p.mlmds[mlmd].0) else {
                continue;
            };
            out.chains.0 += 1;
            robot.click_at(at);
            robot.serve(twin);
            let root = view.protection.faults.iter().filter(|f| !f.id.is_empty());
            let found = out.chains.1;
            let side = pos2(SIZE.0 - 150.0, 760.0);
            for _ in 0..12 {
                let told = root.clone().any(|f| robot.says(&format!("{}: ", f.id)));
                if told {
                    out.chains.1 += 1;
                    out.why_clicks = out.why_clicks.max(robot.clicks);
                    break;
                }
                robot.scroll(side, -160.0);
            }
            if out.chains.1 == found {
                let why = robot.view.selection.as_ref().map(|s| s.why.clone());
                out.lost.push(format!("{why:?}"));
            }
        }
    }
}

/// E5: clicks from a reading on the ledger to the wire, and from the wire back.
pub fn walk(twin: &mut Twin, from: Selected) -> Option<(usize, usize)> {
    let mut robot = Robot::new(Arc::new(twin.view(Some(from))), SIZE);
    robot.state.workspace = Workspace::Engineer;
    robot.state.selected = Some(from);
    robot.settle();
    robot.click("Walk to conductor").then_some(())?;
    robot.serve(twin);
    let there = robot.clicks;
    matches!(robot.state.selected, Some(Selected::Line(_))).then_some(())?;
    robot.click("Walk to transaction").then_some(())?;
    robot.serve(twin);
    let back = robot.clicks - there;
    matches!(robot.state.selected, Some(Selected::Transaction(..))).then_some((there, back))
}

/// O10: most clicks to an asset on the map, and from an alarm to its asset.
pub fn assets(twin: &mut Twin) -> (usize, usize, usize) {
    let view = Arc::new(twin.view(None));
    let (mut most, mut unreached) = (0, 0);
    for what in hit::tab_order(&view.scene) {
        let mut robot = Robot::new(Arc::clone(&view), SIZE);
        // Ctrl K and its name, then the row: the way with the mouse.
        robot.click("Find asset");
        robot.letters(&hit::name(&view.scene, what));
        robot.key(Key::Enter, Modifiers::NONE);
        if robot.state.selected == Some(what) {
            most = most.max(robot.clicks);
        } else {
            unreached += 1;
        }
    }
    (most, unreached, view.scene.homes.len())
}

/// V7: controls that can be clicked, those without a name, over all workspaces.
pub fn names(twin: &mut Twin, also: &[Selected]) -> (usize, Vec<String>) {
    let (mut all, mut nameless) = (0, Vec::new());
    for selected in std::iter::once(None).chain(also.iter().copied().map(Some)) {
        let mut robot = Robot::new(Arc::new(twin.view(selected)), SIZE);
        robot.state.selected = selected;
        for workspace in Workspace::ALL {
            robot.state.workspace = workspace;
            robot.settle();
            // Groups and the whole window stand for what lies in them.
            // A scroll bar has its role and the panel that it belongs to.
            let inner = |role: Role| {
                !matches!(
                    role,
                    Role::Window | Role::GenericContainer | Role::ScrollBar
                )
            };
            // Rims and bars by which tiles are dragged are no controls.
            let rim = |node: &Node| {
                let size = node.rect.size();
                node.role == Role::Unknown && (size.x < 8.0 || (size.y - 26.0).abs() < 0.5)
            };
            let own = robot.nodes.iter().filter(|n| n.clicks && inner(n.role));
            for node in own.filter(|n| !(n.name.is_empty() && rim(n))) {
                all += 1;
                if node.name.is_empty() {
                    let at = node.rect;
                    let words = format!("{:?} in {} at {at:?}", node.role, workspace.name());
                    nameless.push(words);
                }
            }
        }
    }
    (all, nameless)
}
