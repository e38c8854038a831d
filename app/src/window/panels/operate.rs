//! Buttons of the selection; a breaker takes two steps.

use egui::{Align2, CornerRadius, Rect, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::command::Command;
use gridloom_core::view::{Selected, ViewModel};

use super::INSET;
use crate::window::state::{PendingSwitch, UiAction};
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// The command of a pending operation.
pub fn command(view: &ViewModel, pending: &PendingSwitch) -> Option<Command> {
    let device = view.scene.mlmds.get(pending.mlmd)?.device;
    Some(if pending.open {
        Command::OpenBreaker(device)
    } else {
        Command::CloseBreaker(device)
    })
}

/// Why a breaker must not be operated now; empty when nothing stands against it.
pub fn interlocks(view: &ViewModel, mlmd: usize, open: bool) -> Vec<String> {
    let mut out = Vec::new();
    let Some(spec) = view.scene.mlmds.get(mlmd) else {
        return out;
    };
    if view.tick < view.head {
        out.push("The past is shown: operating here makes a branch".to_owned());
    }
    if !view.grid.converged {
        out.push("The power flow has no solution: values cannot be trusted".to_owned());
    }
    let state = view.mlmds.get(mlmd);
    if !open && state.is_some_and(|m| m.v_pu.is_none()) {
        let above = spec.parent.and_then(|p| view.scene.mlmds.get(p));
        let name = above.map_or("the source", |m| m.id.as_str());
        out.push(format!(
            "Nothing comes from {name}: closing supplies nobody"
        ));
    }
    let over = view.alarms.iter().any(|a| {
        a.active && a.place == Some(Selected::Mlmd(mlmd)) && a.title.contains("above its limit")
    });
    if !open && over {
        out.push("It carried more than its limit: it would open again".to_owned());
    }
    out
}

/// First step: ask. Second step: send.
pub fn ask(cx: &mut Cx<'_>, open: bool) {
    let Some(Selected::Mlmd(mlmd)) = cx.state.selected else {
        return;
    };
    let closed = cx.view.mlmds.get(mlmd).is_none_or(|m| m.closed);
    if closed == open {
        cx.state.pending = Some(PendingSwitch { mlmd, open });
        // The ring around the breaker becomes thicker.
        cx.state.map.drawn = None;
    }
}

/// Sends the pending operation.
pub fn confirm(cx: &mut Cx<'_>) {
    if let Some(pending) = cx.state.pending.take() {
        if let Some(command) = command(cx.view, &pending) {
            cx.actions.push(UiAction::Command(command));
        }
        cx.state.map.drawn = None;
    }
}

/// Forgets the pending operation.
pub fn cancel(cx: &mut Cx<'_>) {
    cx.state.pending = None;
    cx.state.map.drawn = None;
}

/// The buttons at the foot of the right panel.
pub fn buttons(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, what: Selected) {
    let row = Rect::from_min_max(
        pos2(rect.min.x + INSET, rect.max.y - 40.0),
        pos2(rect.max.x - INSET, rect.max.y - 16.0),
    );
    if let Some(pending) = cx
        .state
        .pending
        .clone()
        .filter(|p| what == Selected::Mlmd(p.mlmd))
    {
        strip(ui, cx, rect, row, &pending);
        return;
    }
    let third = |n: f32| {
        let w = (row.width() - 16.0) / 3.0;
        Rect::from_min_size(pos2(row.min.x + n * (w + 8.0), row.min.y), vec2(w, 24.0))
    };
    if let Selected::Mlmd(index) = what {
        let closed = cx.view.mlmds.get(index).is_none_or(|m| m.closed);
        if cx.button(ui, third(0.0), "Open", "O", closed) {
            ask(cx, true);
        }
        if cx.button(ui, third(1.0), "Close", "C", !closed) {
            ask(cx, false);
        }
    }
    if cx.button(
        ui,
        third(2.0),
        "Frame",
        "F",
        !matches!(what, Selected::Block(..) | Selected::Transaction(..)),
    ) {
        cx.state.frame_selection = true;
    }
}

/// Second step: what will happen, Operate and Cancel.
fn strip(ui: &Ui, cx: &mut Cx<'_>, rect: Rect, row: Rect, pending: &PendingSwitch) {
    let card = Rect::from_min_max(
        pos2(row.min.x - 8.0, rect.min.y + 4.0),
        pos2(row.max.x + 8.0, rect.max.y - 8.0),
    );
    ui.painter().rect(
        card,
        CornerRadius::same(4),
        cx.theme.raised,
        Stroke::new(1.5, cx.theme.text1),
        StrokeKind::Inside,
    );
    let scene = &cx.view.scene;
    let (name, behind) = scene
        .mlmds
        .get(pending.mlmd)
        .map_or(("", 0), |m| (m.id.as_str(), m.customers_behind));
    let title = if pending.open {
        format!("Open {name}?")
    } else {
        format!("Close {name}?")
    };
    let at = pos2(row.min.x, card.min.y + 18.0);
    text::text(
        ui,
        at,
        Align2::LEFT_CENTER,
        &Style::strong(14.0, cx.theme.text1),
        &title,
    );
    let words = if pending.open {
        format!(
            "{behind} of {} customers behind it lose supply",
            scene.homes.len()
        )
    } else {
        format!(
            "{behind} of {} customers behind it get supply",
            scene.homes.len()
        )
    };
    let style = Style::body(12.0, cx.theme.text1);
    text::text_within(
        ui,
        at + vec2(0.0, 20.0),
        Align2::LEFT_CENTER,
        &style,
        row.width(),
        &words,
    );
    let style = Style::body(11.0, cx.theme.text2);
    // What speaks against it stands where else the customers are named.
    let against = interlocks(cx.view, pending.mlmd, pending.open);
    let names = match against.first() {
        Some(reason) => reason.clone(),
        None => fitting(
            ui,
            &style,
            row.width(),
            &behind_names(cx.view, pending.mlmd),
        ),
    };
    text::text_within(
        ui,
        at + vec2(0.0, 37.0),
        Align2::LEFT_CENTER,
        &style,
        row.width(),
        &names,
    );
    let half = (row.width() - 8.0) * 0.5;
    let operate = Rect::from_min_size(row.min, vec2(half, 24.0));
    let keep = Rect::from_min_size(pos2(row.min.x + half + 8.0, row.min.y), vec2(half, 24.0));
    if cx.primary(ui, operate, "Operate", "Enter") {
        confirm(cx);
    }
    if cx.button(ui, keep, "Cancel", "Esc", true) {
        cancel(cx);
    }
}

/// Customers behind a breaker by name, through every breaker below it.
fn behind_names(view: &ViewModel, mlmd: usize) -> Vec<&str> {
    let below = |mut index: usize| -> bool {
        // A chain of parents is never longer than the number of breakers.
        for _ in 0..=view.scene.mlmds.len() {
            if index == mlmd {
                return true;
            }
            match view.scene.mlmds.get(index).and_then(|m| m.parent) {
                Some(parent) => index = parent,
                None => return false,
            }
        }
        false
    };
    view.scene
        .homes
        .iter()
        .filter(|home| below(home.mlmd))
        .map(|home| home.id.as_str())
        .collect()
}

/// As many names as fit, and how many more there are.
fn fitting(ui: &Ui, style: &Style, room: f32, names: &[&str]) -> String {
    let words = |shown: usize| match names.len() - shown {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..shown].join(", ")),
    };
    let most = names.len().min(40);
    let shown = (1..=most)
        .rev()
        .find(|&n| text::width(ui, style, &words(n)) <= room);
    words(shown.unwrap_or(most.min(1)))
}
