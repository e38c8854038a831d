//! What is known about each kind of entity.

use gridloom_core::view::{Selected, ViewModel};
use gridloom_model::scene::HomeKind;

use super::selection::Fact;
use crate::window::text;

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
        Selected::Transaction(ledger, ..) => {
            let name = view.ledgers.get(ledger).map_or("", |l| l.id.as_str());
            format!("transaction of ledger {name}")
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
        Selected::Block(i, _) | Selected::Transaction(i, ..) => i < view.ledgers.len(),
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
        Selected::Aggregator(i) => super::aggregator_facts::aggregator(view, i),
        Selected::Transformer(i) => transformer(view, i),
        Selected::Line(i) => line(view, i),
        Selected::Block(..) | Selected::Transaction(..) => Vec::new(),
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
    let mut facts = vec![
        voltage(state.v_pu),
        power("Power", state.p_kw, battery.max_kw),
        share(
            "Charge",
            state.soc,
            format!("{} kWh", text::plain(battery.capacity_kwh, 0)),
        ),
    ];
    facts.extend(super::island_facts::unit(view, index));
    facts
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
    let mut facts = vec![voltage(state.v_pu), through, line_current, unbalance];
    facts.extend(super::island_facts::main_switch(view, index));
    if let Some(bound) = &state.bound {
        let position = if bound.closed { "closed" } else { "open" };
        let agrees = if bound.closed == state.closed {
            "as the model"
        } else {
            "NOT as the model"
        };
        let note = if bound.good {
            format!("{agrees}, {} s", text::plain(bound.age_s, 1))
        } else {
            "bad".to_owned()
        };
        let position = if bound.good { position } else { "unknown" };
        facts.push(Fact::plain("Real breaker", position.to_owned(), &note));
    }
    facts.extend(super::protection_facts::mlmd(view, index));
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
            } else if state.late {
                (false, format!("late, last reading {age} s ago"))
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
