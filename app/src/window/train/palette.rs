//! Events a trainer can insert; each is one or more commands.

use egui::{Align2, CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use gridloom_core::command::Conduct;
use gridloom_core::view::{Selected, ViewModel};
use gridloom_core::{AlarmCommand, Command};

use crate::window::engineer::field;
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Where an event acts, in words, and what it sends.
type Made = Option<(String, Vec<Command>)>;

/// One kind of event.
pub struct Event {
    /// Name on its button.
    pub name: &'static str,
    make: fn(&ViewModel, Option<Selected>) -> Made,
}

fn breaker(view: &ViewModel, selected: Option<Selected>, open: bool) -> Made {
    let chosen = match selected {
        Some(Selected::Mlmd(i)) => Some(i),
        Some(Selected::Home(i)) => view.scene.homes.get(i).map(|h| h.mlmd),
        _ => None,
    };
    let fits = |i: &usize| view.mlmds.get(*i).is_some_and(|m| m.closed == open);
    let index = chosen
        .filter(fits)
        .or_else(|| (0..view.mlmds.len()).rev().find(fits))?;
    let mlmd = view.scene.mlmds.get(index)?;
    let command = if open {
        Command::OpenBreaker(mlmd.device)
    } else {
        Command::CloseBreaker(mlmd.device)
    };
    Some((mlmd.id.clone(), vec![command]))
}

fn meter(view: &ViewModel, selected: Option<Selected>, silence: bool) -> Made {
    let index = match selected {
        Some(Selected::Home(i)) => i,
        _ if silence => view.homes.iter().position(|h| !h.silent)?,
        _ => view.homes.iter().position(|h| h.silent)?,
    };
    let home = view.scene.homes.get(index)?;
    let command = if silence {
        Command::SilenceMeter(home.device)
    } else {
        Command::RestoreMeter(home.device)
    };
    Some((home.id.clone(), vec![command]))
}

/// Every meter of an area: the radio of its M-LMD.
fn radio(view: &ViewModel, selected: Option<Selected>, silence: bool) -> Made {
    let index = match selected {
        Some(Selected::Mlmd(i)) => i,
        Some(Selected::Home(i)) => view.scene.homes.get(i)?.mlmd,
        _ => view.scene.mlmds.len().checked_sub(1)?,
    };
    let mlmd = view.scene.mlmds.get(index)?;
    let devices = mlmd
        .homes
        .iter()
        .filter_map(|&home| view.scene.homes.get(home))
        .map(|home| {
            if silence {
                Command::SilenceMeter(home.device)
            } else {
                Command::RestoreMeter(home.device)
            }
        })
        .collect();
    let words = format!("{} to its aggregator", mlmd.id);
    Some((words, devices))
}

/// The ledger of the selection, else the first.
fn ledger(view: &ViewModel, selected: Option<Selected>) -> Option<usize> {
    let index = match selected {
        Some(Selected::Aggregator(i)) => i,
        Some(Selected::Block(i, _) | Selected::Transaction(i, ..)) => i,
        Some(Selected::Home(i)) => view.scene.homes.get(i)?.cluster,
        Some(Selected::Mlmd(i)) => view.scene.mlmds.get(i)?.cluster,
        _ => 0,
    };
    (index < view.ledgers.len()).then_some(index)
}

fn ledger_words(view: &ViewModel, index: usize) -> String {
    view.ledgers
        .get(index)
        .map_or_else(String::new, |l| format!("ledger {}", l.id))
}

fn validator(view: &ViewModel, selected: Option<Selected>, crash: bool) -> Made {
    let index = ledger(view, selected)?;
    let state = view.ledgers.get(index)?;
    let down = state.validators - state.validators_up.min(state.validators);
    let node = if crash {
        state.validators_up.checked_sub(1)?
    } else {
        (down > 0).then_some(state.validators_up)?
    };
    let (ledger, node) = (index as u32, node as u32);
    let command = if crash {
        Command::CrashValidator { ledger, node }
    } else {
        Command::RestartValidator { ledger, node }
    };
    Some((
        format!("v{node} of {}", ledger_words(view, index)),
        vec![command],
    ))
}

fn partition(view: &ViewModel, selected: Option<Selected>) -> Made {
    let index = ledger(view, selected)?;
    let count = view.ledgers.get(index)?.validators as u32;
    let half = count / 2;
    let groups = vec![(0..half).collect(), (half..count).collect()];
    let command = Command::Partition {
        ledger: index as u32,
        groups,
    };
    Some((
        format!("{} in halves", ledger_words(view, index)),
        vec![command],
    ))
}

fn heal(view: &ViewModel, selected: Option<Selected>) -> Made {
    let index = ledger(view, selected)?;
    let command = Command::Heal {
        ledger: index as u32,
    };
    Some((ledger_words(view, index), vec![command]))
}

fn cloud(permille: u32) -> Made {
    Some((
        format!("irradiance to {} %", permille / 10),
        vec![Command::SetCloud(permille)],
    ))
}

/// The last validator of the ledger behaves like this.
fn conduct(view: &ViewModel, selected: Option<Selected>, conduct: Conduct) -> Made {
    let index = ledger(view, selected)?;
    let node = view.ledgers.get(index)?.validators.checked_sub(1)? as u32;
    let command = Command::Misbehave {
        ledger: index as u32,
        node,
        conduct,
    };
    Some((
        format!("v{node} of {}", ledger_words(view, index)),
        vec![command],
    ))
}

/// The upstream grid, where the scene plans for islands.
fn grid(view: &ViewModel, command: Command, tied: bool) -> Made {
    let fits = view.islands.planned && view.grid.grid_tied == tied;
    fits.then(|| ("upstream grid".to_owned(), vec![command]))
}

/// The link between LG-Aggregators and cloud.
fn cloud_link(view: &ViewModel, up: bool) -> Made {
    let fits = view.edges.first().is_some_and(|edge| edge.link != up);
    fits.then(|| {
        (
            "link to the cloud".to_owned(),
            vec![Command::CloudLink { up }],
        )
    })
}

fn engine(run: bool) -> Made {
    let words = if run {
        "evaluates again"
    } else {
        "stops evaluating"
    };
    Some((
        words.to_owned(),
        vec![Command::Alarm(AlarmCommand::Engine { run })],
    ))
}

/// The palette, in rows of three.
pub const EVENTS: [Event; 25] = [
    Event {
        name: "Open breaker",
        make: |v, s| breaker(v, s, true),
    },
    Event {
        name: "Close breaker",
        make: |v, s| breaker(v, s, false),
    },
    Event {
        name: "Dark cloud",
        make: |_, _| cloud(250),
    },
    Event {
        name: "Thin cloud",
        make: |_, _| cloud(700),
    },
    Event {
        name: "Clear sky",
        make: |_, _| cloud(1_000),
    },
    Event {
        name: "Meter silent",
        make: |v, s| meter(v, s, true),
    },
    Event {
        name: "Meter back",
        make: |v, s| meter(v, s, false),
    },
    Event {
        name: "Radio lost",
        make: |v, s| radio(v, s, true),
    },
    Event {
        name: "Radio back",
        make: |v, s| radio(v, s, false),
    },
    Event {
        name: "Validator off",
        make: |v, s| validator(v, s, true),
    },
    Event {
        name: "Validator on",
        make: |v, s| validator(v, s, false),
    },
    Event {
        name: "Partition",
        make: partition,
    },
    Event {
        name: "Heal",
        make: heal,
    },
    Event {
        name: "Lose 11 kV",
        make: |v, _| grid(v, Command::LoseGrid, true),
    },
    Event {
        name: "11 kV back",
        make: |v, _| grid(v, Command::RestoreGrid, false),
    },
    Event {
        name: "Black start",
        make: |v, _| grid(v, Command::BlackStart, false),
    },
    Event {
        name: "Equivocate",
        make: |v, s| conduct(v, s, Conduct::DoubleVotes),
    },
    Event {
        name: "Honest again",
        make: |v, s| conduct(v, s, Conduct::Honest),
    },
    Event {
        name: "Lossy lines",
        make: |v, s| {
            let index = ledger(v, s)?;
            let command = Command::LedgerLoss {
                ledger: index as u32,
                permille: 100,
            };
            Some((
                format!("{}, one in ten", ledger_words(v, index)),
                vec![command],
            ))
        },
    },
    Event {
        name: "Data lost",
        make: |v, s| {
            let index = ledger(v, s)?;
            let state = v.ledgers.get(index)?;
            (state.making.outside_bytes > 0).then(|| {
                let ledger = index as u32;
                (
                    ledger_words(v, index),
                    vec![Command::LoseOutside { ledger }],
                )
            })
        },
    },
    Event {
        name: "Cloud cut off",
        make: |v, _| cloud_link(v, false),
    },
    Event {
        name: "Cloud back",
        make: |v, _| cloud_link(v, true),
    },
    Event {
        name: "Report rarely",
        make: |_, _| {
            let command = Command::Upload {
                every: 6,
                threshold_wh: 500,
            };
            Some(("every 6 intervals or by 500 Wh".to_owned(), vec![command]))
        },
    },
    Event {
        name: "Alarms stop",
        make: |_, _| engine(false),
    },
    Event {
        name: "Alarms run",
        make: |_, _| engine(true),
    },
];

impl Event {
    /// Where it would act now, and its commands.
    pub fn make(&self, view: &ViewModel, selected: Option<Selected>) -> Made {
        (self.make)(view, selected)
    }
}

/// Shows the palette in `rect`; returns its lower edge.
pub fn show(ui: &Ui, cx: &mut Cx<'_>, rect: Rect) -> f32 {
    let gap = 4.0;
    let width = (rect.width() - 2.0 * gap) / 3.0;
    let height = 26.0;
    let mut bottom = rect.min.y;
    for (index, event) in EVENTS.iter().enumerate() {
        let at = vec2(
            (index % 3) as f32 * (width + gap),
            (index / 3) as f32 * (height + gap),
        );
        let cell = Rect::from_min_size(rect.min + at, vec2(width, height));
        bottom = cell.max.y;
        let chosen = cx.state.train.event == Some(index);
        let response = ui.interact(cell, ui.id().with(("event", index)), Sense::click());
        response.widget_info(|| {
            let words = format!("Event: {}", event.name);
            egui::WidgetInfo::labeled(egui::WidgetType::Button, true, words)
        });
        let theme = cx.theme;
        let edge = if chosen { theme.text1 } else { theme.edge };
        let fill = if response.hovered() {
            theme.edge
        } else {
            theme.raised
        };
        let stroke = Stroke::new(1.0, edge);
        let corner = CornerRadius::same(4);
        ui.painter()
            .rect(cell, corner, fill, stroke, StrokeKind::Inside);
        let style = Style::body(12.0, theme.text1);
        let room = cell.width() - 3.0;
        text::text_within(
            ui,
            cell.center(),
            Align2::CENTER_CENTER,
            &style,
            room,
            event.name,
        );
        if response.clicked() {
            cx.state.train.event = if chosen { None } else { Some(index) };
        }
    }
    bottom + 6.0
}

/// Second step: where, when, and Now.
pub fn confirm(ui: &mut Ui, cx: &mut Cx<'_>, rect: Rect) {
    let theme = cx.theme;
    let fill = theme.edge.gamma_multiply(0.6);
    ui.painter().rect_filled(rect, CornerRadius::same(4), fill);
    let Some(event) = cx.state.train.event.and_then(|i| EVENTS.get(i)) else {
        let style = Style::body(12.0, theme.text2);
        let at = rect.left_center() + vec2(10.0, 0.0);
        let room = rect.width() - 20.0;
        let words = "Choose an event; it acts on the selection.";
        text::text_within(ui, at, Align2::LEFT_CENTER, &style, room, words);
        return;
    };
    let made = event.make(cx.view, cx.state.selected);
    let style = Style::body(11.0, theme.text2);
    let at = pos2(rect.min.x + 10.0, rect.min.y + 12.0);
    let words = format!("{}: where?", event.name);
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &style,
        rect.width() - 100.0,
        &words,
    );
    let place = made.as_ref().map_or("nothing fits now", |m| m.0.as_str());
    let style = Style::strong(12.0, theme.text1);
    let at = pos2(rect.min.x + 10.0, rect.min.y + 28.0);
    text::text_within(
        ui,
        at,
        Align2::LEFT_CENTER,
        &style,
        rect.width() - 100.0,
        place,
    );
    let now = Rect::from_min_size(pos2(rect.max.x - 78.0, rect.min.y + 8.0), vec2(68.0, 24.0));
    let condition = cx.state.train.condition.trim().to_owned();
    let words = if condition.is_empty() { "Now" } else { "Arm" };
    if let Some((_, commands)) = made {
        if cx.primary(ui, now, words, "") {
            for command in commands {
                cx.command(if condition.is_empty() {
                    command
                } else {
                    Command::When {
                        condition: condition.clone(),
                        then: Box::new(command),
                    }
                });
            }
            cx.state.train.event = None;
        }
    } else {
        cx.button(ui, now, words, "", false);
    }
    let mut condition = std::mem::take(&mut cx.state.train.condition);
    let place = Rect::from_min_max(
        pos2(rect.min.x + 8.0, rect.max.y - 28.0),
        pos2(rect.max.x - 8.0, rect.max.y - 4.0),
    );
    field(ui, cx, place, "when", &mut condition, "when: solar > 60");
    cx.state.train.condition = condition;
}
