//! One object of the filter: its values by the names of the expression language.

use gridloom_core::view::{Selected, ViewModel};
use gridloom_model::expr::{self, Expr, Value};

/// The value of a name for an object, or of the whole for everything else.
pub fn object_value(view: &ViewModel, what: Selected, name: &str) -> Value {
    let text = |words: &str| Value::Text(words.to_owned());
    match what {
        Selected::Home(i) => {
            let (Some(state), Some(home)) = (view.homes.get(i), view.scene.homes.get(i)) else {
                return Value::Nothing;
            };
            match name {
                "id" => text(&home.id),
                "kind" => text("home"),
                "v" => state.v_pu.into(),
                "p" | "kw" => Some(state.net_kw).into(),
                "pv" => Some(state.pv_kw).into(),
                "load" => Some(state.load_kw).into(),
                "soc" if home.battery_kwh > 0.0 => Some(state.battery_soc).into(),
                "ev" => Some(state.ev_kw).into(),
                "wallet" => Some(state.wallet_eur).into(),
                "age" => Some(state.reading_age_s).into(),
                "silent" => Value::truth(state.silent),
                "live" => Value::truth(state.v_pu.is_some()),
                "phase" => Some(f64::from(home.phase) + 1.0).into(),
                "mlmd" => view
                    .scene
                    .mlmds
                    .get(home.mlmd)
                    .map_or(Value::Nothing, |m| text(&m.id)),
                "cluster" => view
                    .scene
                    .clusters
                    .get(home.cluster)
                    .map_or(Value::Nothing, |c| text(&c.id)),
                _ => Value::Nothing,
            }
        }
        Selected::SharedBattery(i) => {
            let (Some(state), Some(battery)) = (
                view.shared_batteries.get(i),
                view.scene.shared_batteries.get(i),
            ) else {
                return Value::Nothing;
            };
            match name {
                "id" => text(&battery.id),
                "kind" => text("battery"),
                "v" => state.v_pu.into(),
                "p" | "kw" => Some(state.p_kw).into(),
                "soc" => Some(state.soc).into(),
                "live" => Value::truth(state.v_pu.is_some()),
                _ => Value::Nothing,
            }
        }
        Selected::Mlmd(i) => {
            let (Some(state), Some(mlmd)) = (view.mlmds.get(i), view.scene.mlmds.get(i)) else {
                return Value::Nothing;
            };
            match name {
                "id" | "mlmd" => text(&mlmd.id),
                "kind" => text("mlmd"),
                "v" => state.v_pu.into(),
                "p" | "kw" => Some(state.through_kw).into(),
                "i" => Some(state.current_a).into(),
                "closed" => Value::truth(state.closed),
                "live" => Value::truth(state.v_pu.is_some()),
                "residual" => state.truth.residual_pct.into(),
                _ => Value::Nothing,
            }
        }
        Selected::Line(i) => match name {
            "kind" => text("line"),
            "p" | "kw" => view.grid.line_p_kw.get(i).copied().into(),
            "loading" => view.grid.line_loading.get(i).copied().into(),
            "live" => view
                .grid
                .line_live
                .get(i)
                .map_or(Value::Nothing, |live| Value::truth(*live)),
            _ => Value::Nothing,
        },
        _ => Value::Nothing,
    }
}

/// Reads the filter; an empty one lets everything through.
pub fn parsed(filter: &str) -> Result<Option<Expr>, String> {
    if filter.trim().is_empty() {
        return Ok(None);
    }
    expr::parse(filter).map(Some).map_err(|e| e.to_string())
}

/// Whether an object passes: by the condition, or by its id for a bare word.
pub fn passes(view: &ViewModel, filter: Option<&Expr>, what: Selected, id: &str) -> bool {
    match filter {
        None => true,
        Some(Expr::Name(word, None)) => id.to_lowercase().contains(&word.to_lowercase()),
        Some(expr) => expr
            .eval(&|name: &str, of: Option<&str>| match of {
                Some(_) => Value::Nothing,
                None => object_value(view, what, name),
            })
            .is_true(),
    }
}
