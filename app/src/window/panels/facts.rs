//! What is known about each kind of entity.

use egui::{Align2, Ui, pos2, vec2};
use gridloom_core::view::{Selected, ViewModel};
use gridloom_model::scene::HomeKind;

use super::Column;
use super::selection::{Fact, details};
use crate::window::text::{self, Style};
use crate::window::ui::Cx;

/// Rows of a list that are laid out at once.
const ROWS: usize = 60;

/// Kind of entity in a few words, for the title.
pub fn kind(view: &ViewModel, what: Selected) -> String {
    let scene = &view.scene;
    match what {
        Selected::Home(i) => scene.homes.get(i).map_or(String::new(), |home| {
            let kind = match home.kind {
                HomeKind::House => "house",
                HomeKind::Flats => "flats",
                HomeKind::Care => "care home",
                HomeKind::Firm => "firm",
            };
            let area = scene.mlmds.get(home.mlmd).map_or("", |m| m.id.as_str());
            format!(
                "{kind}, phase {}, behind {area}",
                ["A", "B", "C"][usize::from(home.phase).min(2)]
            )
        }),
        Selected::SharedBattery(i) => scene.shared_batteries.get(i).map_or(String::new(), |b| {
            format!("shared battery, {} kWh", text::plain(b.capacity_kwh, 0))
        }),
        Selected::Mlmd(i) => scene.mlmds.get(i).map_or(String::new(), |m| {
            let state = if view.mlmds.get(i).is_none_or(|s| s.closed) {
                "closed"
            } else {
                "open"
            };
            format!("M-LMD {state}, {} customers", m.customers_behind)
        }),
        Selected::Aggregator(i) => scene.clusters.get(i).map_or(String::new(), |c| {
            format!("LG-Aggregator, cluster {}", c.id)
        }),
        Selected::Transformer(i) => scene.transformers.get(i).map_or(String::new(), |t| {
            format!(
                "transformer, {} / {} kV",
                text::plain(t.kv_from, 1),
                text::plain(t.kv_to, 3)
            )
        }),
        Selected::Line(i) => scene.lines.get(i).map_or(String::new(), |l| {
            let kind = if l.service { "service" } else { "conductor" };
            format!("{kind}, {} m", text::plain(l.length_m, 1))
        }),
        Selected::Block(ledger, _) => {
            let name = view.ledgers.get(ledger).map_or("", |l| l.id.as_str());
            format!("block of ledger {name}")
        }
    }
}

/// Whether the entity exists in the loaded scene.
pub fn known(view: &ViewModel, what: Selected) -> bool {
    let scene = &view.scene;
    match what {
        Selected::Home(i) => i < scene.homes.len(),
        Selected::SharedBattery(i) => i < scene.shared_batteries.len(),
        Selected::Mlmd(i) => i < scene.mlmds.len(),
        Selected::Aggregator(i) => i < scene.clusters.len(),
        Selected::Transformer(i) => i < scene.transformers.len(),
        Selected::Line(i) => i < scene.lines.len(),
        Selected::Block(i, _) => i < view.ledgers.len(),
    }
}

/// Name of the transformer that feeds the network.
pub fn source(view: &ViewModel) -> &str {
    view.scene
        .transformers
        .first()
        .map_or("source", |t| t.name.as_str())
}

/// An age with as many decimals as matter.
fn age(seconds: f64) -> String {
    text::plain(seconds, if seconds < 9.95 { 1 } else { 0 })
}

/// A voltage against ±10 % (EN 50160).
fn voltage(v_pu: Option<f64>) -> Fact {
    match v_pu {
        Some(v) => Fact {
            name: "Voltage",
            value: format!("{} pu", text::plain(v, 3)),
            bar: Some((
                ((v - 0.88) / 0.24) as f32,
                if v < 1.0 { 0.02 / 0.24 } else { 0.22 / 0.24 },
            )),
            note: "0.90 – 1.10".to_owned(),
        },
        None => Fact::plain("Voltage", "–".to_owned(), "no supply"),
    }
}

/// A power against a rating in kW.
fn power(name: &'static str, kw: f64, rating_kw: f64) -> Fact {
    let bar = (rating_kw > 0.0).then(|| {
        (
            (0.5 + 0.45 * kw / rating_kw) as f32,
            if kw < 0.0 { 0.05 } else { 0.95 },
        )
    });
    let note = if rating_kw > 0.0 {
        format!("of {}", text::plain(rating_kw, 1))
    } else {
        String::new()
    };
    Fact {
        name,
        value: format!("{} kW", text::signed(kw, 1)),
        bar,
        note,
    }
}

/// A share of a whole, in percent.
fn share(name: &'static str, value: f64, note: String) -> Fact {
    let percent = format!("{} %", text::plain(value * 100.0, 0));
    Fact {
        name,
        value: percent,
        bar: Some((value as f32, 1.0)),
        note,
    }
}

/// Values of an entity.
pub fn of(view: &ViewModel, what: Selected) -> Vec<Fact> {
    match what {
        Selected::Home(i) => home(view, i),
        Selected::SharedBattery(i) => shared_battery(view, i),
        Selected::Mlmd(i) => mlmd(view, i),
        Selected::Aggregator(i) => aggregator(view, i),
        Selected::Transformer(i) => transformer(view, i),
        Selected::Line(i) => line(view, i),
        Selected::Block(..) => Vec::new(),
    }
}

fn home(view: &ViewModel, index: usize) -> Vec<Fact> {
    let (Some(home), Some(state)) = (view.scene.homes.get(index), view.homes.get(index)) else {
        return Vec::new();
    };
    let mut facts = vec![
        voltage(state.v_pu),
        Fact::plain(
            "Net",
            format!("{} kW", text::signed(state.net_kw, 2)),
            if state.net_kw < 0.0 { "gives" } else { "takes" },
        ),
        Fact::plain(
            "Load",
            format!("{} kW", text::plain(state.load_kw, 2)),
            "not controlled",
        ),
    ];
    if home.pv_kw > 0.0 {
        facts.push(Fact {
            bar: Some(((state.pv_kw / home.pv_kw) as f32, 1.0)),
            ..power("Solar", state.pv_kw, home.pv_kw)
        });
    }
    if home.battery_kwh > 0.0 {
        let note = format!("of {} kWh", text::plain(home.battery_kwh, 1));
        facts.push(share("Battery", state.battery_soc, note));
    }
    if home.heater_kw > 0.0 {
        facts.push(share(
            "Heater",
            state.heater_level,
            format!("{} kW now", text::plain(state.heater_kw, 1)),
        ));
    }
    if home.ev_kw > 0.0 {
        let note = if state.ev_connected {
            "plugged in"
        } else {
            "away"
        };
        facts.push(Fact::plain(
            "Car",
            format!("{} kW", text::plain(state.ev_kw, 1)),
            note,
        ));
    }
    if let Some(bound) = &state.bound {
        let quality = if bound.good { "good" } else { "bad" };
        let note = format!(
            "{} V, {quality}, {} s",
            text::plain(bound.voltage_v, 1),
            text::plain(bound.age_s, 1)
        );
        facts.push(Fact::plain(
            "Real meter",
            format!("{} kW", text::signed(bound.p_kw, 2)),
            &note,
        ));
    }
    facts
}

fn shared_battery(view: &ViewModel, index: usize) -> Vec<Fact> {
    let (Some(battery), Some(state)) = (
        view.scene.shared_batteries.get(index),
        view.shared_batteries.get(index),
    ) else {
        return Vec::new();
    };
    vec![
        voltage(state.v_pu),
        power("Power", state.p_kw, battery.max_kw),
        share(
            "Charge",
            state.soc,
            format!("{} kWh", text::plain(battery.capacity_kwh, 0)),
        ),
    ]
}

fn mlmd(view: &ViewModel, index: usize) -> Vec<Fact> {
    let (Some(mlmd), Some(state)) = (view.scene.mlmds.get(index), view.mlmds.get(index)) else {
        return Vec::new();
    };
    let line_current = Fact {
        name: "Current",
        value: format!("{} A", text::plain(state.current_a, 0)),
        bar: (mlmd.limit_a > 0.0)
            .then(|| ((state.current_a / (1.1 * mlmd.limit_a)) as f32, 1.0 / 1.1)),
        note: format!("limit {}", text::plain(mlmd.limit_a, 0)),
    };
    let unbalance = Fact {
        name: "Unbalance",
        value: format!("{} %", text::plain(state.unbalance * 100.0, 1)),
        bar: Some(((state.unbalance / 0.03) as f32, 2.0 / 3.0)),
        note: "limit 2".to_owned(),
    };
    let through = if state.closed {
        let way = if state.through_kw < 0.0 {
            format!("toward {}", source(view))
        } else {
            format!("away from {}", source(view))
        };
        Fact::plain(
            "Through",
            format!("{} kW", text::signed(state.through_kw, 1)),
            &way,
        )
    } else {
        Fact::plain("Through", "open".to_owned(), "breaker open")
    };
    vec![voltage(state.v_pu), through, line_current, unbalance]
}

fn aggregator(view: &ViewModel, index: usize) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(ledger) = view.ledgers.get(index) {
        facts.push(Fact::plain(
            "Height",
            text::grouped(ledger.height),
            &format!("{} s old", text::plain(ledger.age_s, 1)),
        ));
        let up = format!("{} of {}", ledger.validators_up, ledger.validators);
        facts.push(Fact::plain("Validators", up, "running"));
        facts.push(Fact::plain(
            "Waiting",
            ledger.mempool.to_string(),
            "transactions",
        ));
        facts.push(Fact::plain(
            "Messages",
            text::grouped(ledger.messages),
            "since the start",
        ));
    }
    if let Some(price) = view.prices.get(index) {
        let words = format!("{} ct", text::plain(price.scalar as f64 / 1e4, 2));
        facts.push(Fact::plain("Price", words, &format!("slot {}", price.slot)));
    }
    if let Some(lag) = view.ledger_lag_s.get(index) {
        facts.push(Fact::plain(
            "Lag",
            format!("{} s", text::plain(*lag, 1)),
            "meter to final record",
        ));
    }
    facts
}

fn transformer(view: &ViewModel, index: usize) -> Vec<Fact> {
    let Some(facts) = view.scene.transformers.get(index) else {
        return Vec::new();
    };
    let p_kw = view
        .grid
        .transformer_p_kw
        .get(index)
        .copied()
        .unwrap_or(f64::NAN);
    let loading = view
        .grid
        .transformer_loading
        .get(index)
        .copied()
        .unwrap_or(f64::NAN);
    let way = if p_kw < 0.0 { "export" } else { "import" };
    vec![
        Fact::plain("Power", format!("{} kW", text::signed(p_kw, 1)), way),
        share(
            "Loading",
            loading,
            format!("{} kVA", text::plain(facts.rating_kva, 0)),
        ),
        voltage(view.grid.bus_v_pu.get(facts.to).copied().flatten()),
    ]
}

fn line(view: &ViewModel, index: usize) -> Vec<Fact> {
    let Some(facts) = view.scene.lines.get(index) else {
        return Vec::new();
    };
    let live = view.grid.line_live.get(index).copied().unwrap_or(false);
    if !live {
        return vec![Fact::plain("State", "dead".to_owned(), "no supply")];
    }
    let p_kw = view.grid.line_p_kw.get(index).copied().unwrap_or(f64::NAN);
    let loading = view
        .grid
        .line_loading
        .get(index)
        .copied()
        .unwrap_or(f64::NAN);
    let way = if p_kw < 0.0 { facts.from } else { facts.to };
    let to = view
        .scene
        .buses
        .get(way)
        .map_or(String::new(), |b| format!("toward bus {}", b.name));
    vec![
        Fact::plain("Power", format!("{} kW", text::signed(p_kw, 2)), &to),
        share(
            "Loading",
            loading,
            format!("{} A", text::plain(facts.rating_a, 0)),
        ),
        voltage(view.grid.bus_v_pu.get(facts.to).copied().flatten()),
    ]
}

/// Whether the shown values are good, and since when.
pub fn quality(view: &ViewModel, what: Selected) -> Option<(bool, String)> {
    match what {
        Selected::Home(i) => {
            let state = view.homes.get(i)?;
            let by = view
                .scene
                .clusters
                .get(view.scene.homes.get(i)?.cluster)
                .map_or("", |c| c.aggregator.as_str());
            let age = age(state.reading_age_s);
            Some(if state.silent {
                (false, format!("silent, last reading {age} s ago"))
            } else {
                (true, format!("good, read {age} s ago by {by}"))
            })
        }
        Selected::Mlmd(i) => {
            let by = view
                .scene
                .clusters
                .get(view.scene.mlmds.get(i)?.cluster)
                .map_or("", |c| c.aggregator.as_str());
            Some((view.grid.converged, format!("measured this tick by {by}")))
        }
        Selected::Line(_) | Selected::Transformer(_) => Some(if view.grid.converged {
            (
                true,
                format!("solved in {} iterations", view.grid.iterations),
            )
        } else {
            (
                false,
                view.grid
                    .verdict
                    .clone()
                    .unwrap_or_else(|| "no solution".to_owned()),
            )
        }),
        _ => None,
    }
}

/// Heading inside the selection.
fn heading(ui: &Ui, cx: &Cx<'_>, column: &mut Column, title: &str, note: &str) {
    let y = column.y + 10.0;
    let shown = text::text(
        ui,
        pos2(column.left, y),
        Align2::LEFT_CENTER,
        &Style::heading(cx.theme.text2),
        title,
    );
    let room = column.right - shown.max.x - 10.0;
    text::text_within(
        ui,
        pos2(column.right, y),
        Align2::RIGHT_CENTER,
        &Style::body(11.0, cx.theme.text3),
        room,
        note,
    );
    column.y += 22.0;
}

/// A row of a list: words at the left, value at the right.
fn row(ui: &Ui, cx: &Cx<'_>, column: &mut Column, words: &str, value: &str) {
    let y = column.y + 9.0;
    let style = Style::strong(12.0, cx.theme.text1);
    let shown = text::text_within(
        ui,
        pos2(column.right, y),
        Align2::RIGHT_CENTER,
        &style,
        column.width() * 0.7,
        value,
    );
    let room = shown.min.x - column.left - 8.0;
    text::text_within(
        ui,
        pos2(column.left, y),
        Align2::LEFT_CENTER,
        &Style::body(12.0, cx.theme.text2),
        room,
        words,
    );
    column.y += 20.0;
}

/// Wallet, provenance, bill and the last contract run.
pub fn ledger_side(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column, what: Selected) {
    let Some(details) = details(cx.view, what) else {
        return;
    };
    if let Some(eur) = details.wallet_eur {
        let account = match what {
            Selected::Home(i) => cx
                .view
                .scene
                .homes
                .get(i)
                .map_or("", |h| h.account.as_str()),
            _ => "",
        };
        heading(ui, cx, column, "WALLET", account);
        row(
            ui,
            cx,
            column,
            "Balance",
            &format!("{} EUR", text::signed(eur, 4)),
        );
        for (label, eur) in details.bill.iter().take(ROWS) {
            row(
                ui,
                cx,
                column,
                label,
                &format!("{} EUR", text::signed(*eur, 4)),
            );
        }
        column.y += 8.0;
    }
    if !details.provenance.is_empty() {
        heading(ui, cx, column, "WHERE ITS kWh CAME FROM", "contractual");
        for p in details.provenance.iter().take(ROWS) {
            let kind = p.kind.map_or("", |k| k.label());
            let words = format!("{} {kind}, slot {}, block {}", p.plant, p.slot, p.height);
            row(
                ui,
                cx,
                column,
                &words,
                &format!("{} Wh", text::grouped(p.wh.unsigned_abs())),
            );
        }
        cx.state.lists_cut += u64::from(details.provenance.len() > ROWS);
        column.y += 8.0;
    }
    if !details.contract_trace.is_empty() {
        heading(ui, cx, column, "LAST CONTRACT RUN", "");
        for words in details.contract_trace.iter().take(ROWS) {
            let style = Style::mono(11.0, cx.theme.text2);
            text::text_within(
                ui,
                pos2(column.left, column.y + 8.0),
                Align2::LEFT_CENTER,
                &style,
                column.width(),
                words,
            );
            column.y += 18.0;
        }
        column.y += 8.0;
    }
}

/// A block in full.
pub fn block(ui: &Ui, cx: &mut Cx<'_>, column: &mut Column, ledger: usize, height: u64) {
    let prepared = details(cx.view, Selected::Block(ledger, height)).and_then(|d| d.block.as_ref());
    let listed = || {
        cx.view
            .ledgers
            .get(ledger)?
            .blocks
            .iter()
            .find(|b| b.height == height)
    };
    let Some(block) = prepared.or_else(listed) else {
        let words = "This block is no longer among the newest; its details are on their way.";
        text::paragraph(
            ui,
            pos2(column.left, column.y),
            &Style::body(12.0, cx.theme.text2),
            column.width(),
            words,
        );
        column.y += 40.0;
        return;
    };
    row(ui, cx, column, "Id", &block.hash);
    row(ui, cx, column, "Time", &block.time.to_string());
    row(ui, cx, column, "Decided in round", &block.round.to_string());
    row(
        ui,
        cx,
        column,
        "Proposer",
        &format!("validator {}", block.proposer),
    );
    row(ui, cx, column, "Signatures", &block.signatures.to_string());
    row(
        ui,
        cx,
        column,
        "Fullness",
        &format!("{} %", text::plain(f64::from(block.fullness) * 100.0, 1)),
    );
    column.y += 8.0;
    heading(
        ui,
        cx,
        column,
        "TRANSACTIONS",
        &block.transactions.len().to_string(),
    );
    for (kind, summary) in block.transactions.iter().take(ROWS) {
        let y = column.y + 9.0;
        let shown = text::text(
            ui,
            pos2(column.left, y),
            Align2::LEFT_CENTER,
            &Style::strong(12.0, cx.theme.text1),
            kind,
        );
        let room = column.right - shown.max.x - 8.0;
        let at = shown.right_center() + vec2(8.0, 0.0);
        text::text_within(
            ui,
            at,
            Align2::LEFT_CENTER,
            &Style::body(12.0, cx.theme.text2),
            room,
            summary,
        );
        column.y += 20.0;
    }
    if block.transactions.len() > ROWS {
        cx.state.lists_cut += 1;
        row(
            ui,
            cx,
            column,
            "more",
            &(block.transactions.len() - ROWS).to_string(),
        );
    }
}
