//! The page of ledgers: what those of the scene are made of, and the same scene
//! on others; nodes of a running ledger, observed and checked against its genesis.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{Color32, Grid, RichText, ScrollArea, TextEdit, Ui};
use gridloom_model::scene::Preset;
use gridloom_node::observe::{Observed, Observer, SeenNode};
use gridloom_units::SimTime;

use crate::window::state::UiAction;
use crate::window::ui::Cx;
use crate::window::{DeskAction, text};

/// Letters of a state that are shown at once.
const STATE: usize = 44;
/// Blocks shown.
const BLOCKS: usize = 12;

/// What the page remembers.
#[derive(Default)]
pub struct Page {
    /// Whether it is open.
    pub open: bool,
    addresses: String,
    genesis: String,
    observer: Option<Observer>,
    problem: String,
}

impl Page {
    /// Looks at a ledger from now on, and opens.
    pub fn attach(&mut self, addresses: &[String], genesis: Option<&Path>) {
        self.addresses = addresses.join(", ");
        self.genesis = genesis.map_or_else(String::new, |path| path.display().to_string());
        self.open = true;
        self.start();
    }

    fn start(&mut self) {
        let split = self.addresses.split([',', ' ']);
        let addresses: Vec<String> = split
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .map(str::to_owned)
            .collect();
        let path = self.genesis.trim();
        let genesis = (!path.is_empty()).then(|| PathBuf::from(path));
        self.problem.clear();
        match Observer::start(&addresses, genesis.as_deref()) {
            Ok(observer) => self.observer = Some(observer),
            Err(error) => {
                self.observer = None;
                self.problem = error.to_string();
            }
        }
    }
}

/// Shows the page when it is open.
pub fn show(ui: &Ui, cx: &mut Cx<'_>) {
    if !cx.state.nodes.open {
        return;
    }
    let mut page = std::mem::take(&mut cx.state.nodes);
    let mut open = true;
    egui::Window::new("Ledgers")
        .open(&mut open)
        .default_pos([300.0, 90.0])
        .default_size([820.0, 560.0])
        .show(ui.ctx(), |ui| {
            ui.label(RichText::new("Of this scene").strong());
            of_scene(ui, cx);
            ui.separator();
            ui.label(RichText::new("Of a running ledger").strong());
            attach_row(ui, &mut page);
            if !page.problem.is_empty() {
                ui.colored_label(cx.theme.alarm(0), &page.problem);
            }
            let Some(seen) = page.observer.as_ref().map(Observer::seen) else {
                ui.label(
                    "Not attached. Name the endpoints for clients of one or more nodes; with the \
                     genesis of their ledger every header and certificate is checked here.",
                );
                return;
            };
            // What is seen changes without any input.
            ui.ctx()
                .request_repaint_after(std::time::Duration::from_millis(500));
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                verdict(ui, cx.theme.alarm(0), &seen);
                ui.add_space(6.0);
                nodes(ui, cx.theme.alarm(0), &seen);
                ui.separator();
                blocks(ui, &seen);
            });
        });
    page.open = open;
    cx.state.nodes = page;
}

/// What the scene's ledgers are made of, and the same scene on others.
fn of_scene(ui: &mut Ui, cx: &mut Cx<'_>) {
    Grid::new("scene ledgers")
        .striped(true)
        .num_columns(7)
        .spacing([14.0, 3.0])
        .show(ui, |ui| {
            for head in [
                "ledger",
                "consensus",
                "Table 1",
                "group",
                "behind meters",
                "late",
                "kept by a node",
            ] {
                ui.label(RichText::new(head).small());
            }
            ui.end_row();
            for ledger in &cx.view.ledgers {
                let making = &ledger.making;
                ui.label(&ledger.id);
                ui.label(match ledger.elsewhere {
                    0 => making.family.to_owned(),
                    count => format!("{}, {count} elsewhere", making.family),
                });
                ui.label(RichText::new(&making.codes).monospace());
                ui.label(making.group.to_string());
                let lag = making.lag_p95_s;
                ui.label(lag.map_or("–".into(), |s| format!("{} s", text::plain(s, 1))));
                ui.label(match making.deadline_s {
                    Some(_) => text::grouped(making.late),
                    None => "–".into(),
                });
                let megabytes = |bytes: u64| text::plain(bytes as f64 / 1e6, 2);
                let kept = megabytes(making.chain_bytes);
                ui.label(match making.outside_bytes {
                    0 => format!("{kept} MB"),
                    outside => format!("{kept} MB, {} outside", megabytes(outside)),
                });
                ui.end_row();
            }
        });
    ui.horizontal_wrapped(|ui| {
        ui.label("This scene from its beginning, every ledger like");
        for preset in Preset::ALL {
            let parts = preset.parts();
            let told = format!("{}, group {}", parts.codes(), parts.group());
            if ui.button(preset.name()).on_hover_text(told).clicked() {
                cx.actions
                    .push(UiAction::Desk(DeskAction::OnLedger(preset)));
            }
        }
    });
}

fn attach_row(ui: &mut Ui, page: &mut Page) {
    ui.horizontal_wrapped(|ui| {
        ui.add(
            TextEdit::singleline(&mut page.addresses)
                .hint_text("host:port, host:port, …")
                .desired_width(340.0),
        );
        ui.add(
            TextEdit::singleline(&mut page.genesis)
                .hint_text("genesis.ron, to check what they say")
                .desired_width(260.0),
        );
        if ui.button("Attach").clicked() {
            page.start();
        }
        if page.observer.is_some() && ui.button("Detach").clicked() {
            page.observer = None;
        }
    });
}

/// In one line: do they agree, and is it proved?
fn verdict(ui: &mut Ui, alarm: Color32, seen: &Arc<Observed>) {
    if let Some(what) = &seen.alarm {
        ui.label(RichText::new(what).color(alarm).strong());
        return;
    }
    let there = seen.nodes.iter().filter(|n| n.away.is_empty()).count();
    let mut words = format!(
        "{there} of {} nodes answer, height {}",
        seen.nodes.len(),
        text::grouped(seen.height)
    );
    if seen.checks {
        words.push_str(&format!(
            ", headers and certificates checked up to {}",
            text::grouped(seen.checked_through)
        ));
    } else {
        words.push_str(", compared with each other only (no genesis)");
    }
    ui.label(RichText::new(words).strong());
}

fn nodes(ui: &mut Ui, alarm: Color32, seen: &Observed) {
    Grid::new("ledger nodes")
        .striped(true)
        .num_columns(8)
        .spacing([14.0, 4.0])
        .show(ui, |ui| {
            for head in [
                "node",
                "endpoint",
                "height",
                "round",
                "waits for",
                "waiting",
                "peers",
                "state",
            ] {
                ui.label(RichText::new(head).small());
            }
            ui.end_row();
            for node in &seen.nodes {
                row(ui, alarm, node, seen.height);
                ui.end_row();
            }
        });
}

fn row(ui: &mut Ui, alarm: Color32, node: &SeenNode, newest: u64) {
    let Some(status) = &node.status else {
        ui.label("?");
        ui.label(&node.address);
        for _ in 0..5 {
            ui.label("–");
        }
        state_label(ui, &away(node), Some(alarm));
        return;
    };
    let v = &status.validator;
    ui.label(format!("{} of {}", status.name, status.chain));
    ui.label(&node.address);
    let behind = newest.saturating_sub(v.height);
    ui.label(match behind {
        0 => text::grouped(v.height),
        behind => format!("{} (−{behind})", text::grouped(v.height)),
    });
    ui.label(v.round.to_string());
    ui.label(&v.step);
    ui.label(v.waiting.to_string());
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    ui.label(format!("{connected} of {}", status.peers.len()));
    let (state, bad) = state_words(node, status);
    state_label(ui, &state, bad.then_some(alarm));
}

/// Why a node does not answer, without the address that stands beside it.
fn away(node: &SeenNode) -> String {
    let prefix = format!("{}: ", node.address);
    let why = node.away.strip_prefix(&prefix).unwrap_or(&node.away);
    why.to_owned()
}

/// A state in few words; all of it where the pointer is.
fn state_label(ui: &mut Ui, state: &str, colour: Option<Color32>) {
    let mut words: String = state.chars().take(STATE).collect();
    if words.len() < state.len() {
        words.push('…');
    }
    let mut words = RichText::new(words);
    if let Some(colour) = colour {
        words = words.color(colour);
    }
    ui.label(words).on_hover_text(state);
}

/// What to know about a node first, and whether it is bad.
fn state_words(node: &SeenNode, status: &gridloom_node::status::Status) -> (String, bool) {
    let v = &status.validator;
    if !node.away.is_empty() {
        return (format!("away: {}", away(node)), true);
    }
    if let Some(why) = &v.stopped {
        return (format!("stopped: {why}"), true);
    }
    if v.evidence > 0 {
        return (format!("{} proofs of double signing", v.evidence), true);
    }
    if v.silent_below > v.height {
        return ("follows, does not vote yet".into(), false);
    }
    if status.disk.holes > 0 {
        return (format!("mends {} blocks", status.disk.holes), false);
    }
    ("votes".into(), false)
}

fn blocks(ui: &mut Ui, seen: &Observed) {
    Grid::new("ledger blocks")
        .striped(true)
        .num_columns(6)
        .spacing([14.0, 3.0])
        .show(ui, |ui| {
            for head in ["block", "identity", "clock", "round", "signatures", ""] {
                ui.label(RichText::new(head).small());
            }
            ui.end_row();
            for block in seen.blocks.iter().rev().take(BLOCKS) {
                ui.label(text::grouped(block.height));
                let short: String = block.block.chars().take(16).collect();
                ui.label(RichText::new(short).monospace());
                ui.label(SimTime(block.time_ms).to_string());
                ui.label(block.round.to_string());
                ui.label(block.signatures.to_string());
                ui.label(if block.checked { "checked" } else { "as told" });
                ui.end_row();
            }
        });
}
