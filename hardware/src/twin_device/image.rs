//! SunSpec models of an entity: which it has, what is in them, what may be set.

use std::time::Instant;

use super::{Entity, EntityState, Settings};
use crate::serve::Exception;
use crate::sunspec::{Image, ImageError, Value};

/// Power of ten that keeps `most` within a signed register.
fn scale_of(most: f64) -> i128 {
    (0..7)
        .find(|exponent| most <= 30_000.0 * 10_f64.powi(*exponent))
        .map_or(7, i128::from)
}

fn int(value: f64) -> Value {
    Value::Int(value.round() as i128)
}

/// The map of an entity before its first tick.
pub(super) fn of(entity: &Entity, base: u16) -> Result<Image, ImageError> {
    let text = |text: &str, most: usize| {
        let mut end = text.len().min(most);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Value::Text(text[..end].to_owned())
    };
    let sf = Value::Int;
    let power = scale_of(entity.scale_w.max(entity.inverter_w).max(entity.battery_w) * 2.0);
    let mut models = vec![
        (
            1,
            vec![
                ("Mn", text("Gridloom", 32)),
                ("Md", text(&entity.model, 32)),
                ("Vr", text(env!("CARGO_PKG_VERSION"), 16)),
                ("SN", text(&entity.id, 32)),
                ("DA", Value::Int(1)),
            ],
        ),
        (
            203,
            vec![
                ("A_SF", sf(-1)),
                ("V_SF", sf(-1)),
                ("Hz_SF", sf(-2)),
                ("W_SF", sf(power)),
                ("TotWh_SF", sf(0)),
                ("Evt", Value::Int(0)),
            ],
        ),
    ];
    let battery = entity.battery_wh > 0.0;
    if entity.inverter_w > 0.0 || battery {
        let rated = entity.inverter_w.max(entity.battery_w);
        models.extend([
            (
                103,
                vec![
                    ("A_SF", sf(-1)),
                    ("V_SF", sf(-1)),
                    ("W_SF", sf(power)),
                    ("Hz_SF", sf(-2)),
                    ("WH_SF", sf(0)),
                    ("St", Value::Int(4)),
                    ("Evt1", Value::Int(0)),
                    ("Evt2", Value::Int(0)),
                ],
            ),
            (
                701,
                vec![
                    ("ACType", Value::Int(2)),
                    ("St", Value::Int(1)),
                    ("A_SF", sf(-1)),
                    ("V_SF", sf(-1)),
                    ("Hz_SF", sf(-3)),
                    ("W_SF", sf(power)),
                    ("TotWh_SF", sf(0)),
                ],
            ),
            (
                702,
                vec![
                    ("W_SF", sf(power)),
                    ("V_SF", sf(-1)),
                    ("WMaxRtg", int(rated / 10_f64.powi(power as i32))),
                    ("WMax", int(rated / 10_f64.powi(power as i32))),
                    ("VNomRtg", Value::Int(2_300)),
                    (
                        "WChaRteMaxRtg",
                        int(entity.battery_w / 10_f64.powi(power as i32)),
                    ),
                    (
                        "WDisChaRteMaxRtg",
                        int(entity.battery_w / 10_f64.powi(power as i32)),
                    ),
                ],
            ),
            (
                704,
                vec![
                    ("WMaxLimPctEna", Value::Int(0)),
                    ("WMaxLimPct_SF", sf(-1)),
                    ("WMaxLimPct", Value::Int(1_000)),
                    ("WMaxLimPctRvrtTms", Value::Int(0)),
                    ("WMaxLimPctRvrtRem", Value::Int(0)),
                    ("WSetEna", Value::Int(0)),
                    ("WSetMod", Value::Int(1)),
                    ("WSet_SF", sf(0)),
                    ("WSet", Value::Int(0)),
                    ("WSetRvrtTms", Value::Int(0)),
                    ("WSetRvrtRem", Value::Int(0)),
                ],
            ),
        ]);
    }
    if battery {
        let energy = scale_of(entity.battery_wh);
        let rated = int(entity.battery_wh / 10_f64.powi(energy as i32));
        models.extend([
            (
                713,
                vec![
                    ("WH_SF", sf(energy)),
                    ("Pct_SF", sf(-1)),
                    ("WHRtg", rated.clone()),
                    ("Sta", Value::Int(0)),
                ],
            ),
            (
                802,
                vec![
                    ("WHRtg_SF", sf(energy)),
                    ("WHRtg", rated),
                    ("SoC_SF", sf(-2)),
                    ("W_SF", sf(power)),
                    ("Typ", Value::Int(4)),
                    ("State", Value::Int(3)),
                ],
            ),
        ]);
    }
    let mut image = Image::encode(base, &models)?;
    fill(&mut image, entity, &EntityState::default());
    Ok(image)
}

/// Writes the values of a tick.
pub(super) fn fill(image: &mut Image, entity: &Entity, state: &EntityState) {
    // Points that the entity's models do not have are simply not there.
    let mut set = |model: u16, path: &str, value: f64| {
        let _ = image.set_scaled(model, path, value);
    };
    let phases: Vec<f64> = state.v_v.iter().copied().filter(|v| *v > 0.0).collect();
    let mean = phases.iter().sum::<f64>() / phases.len().max(1) as f64;
    let current = |p_w: f64| {
        if mean > 0.0 {
            p_w / mean / phases.len().max(1) as f64
        } else {
            0.0
        }
    };
    set(203, "W", state.p_w);
    set(203, "A", current(state.p_w) * phases.len().max(1) as f64);
    set(203, "PhV", mean);
    set(203, "Hz", state.f_hz);
    set(203, "TotWhImp", state.import_wh);
    set(203, "TotWhExp", state.export_wh);
    for (path, v) in ["PhVphA", "PhVphB", "PhVphC"].into_iter().zip(state.v_v) {
        if v > 0.0 {
            set(203, path, v);
            set(103, path, v);
        }
    }
    // What inverter and battery together give to the network.
    let given = state.pv_w - state.battery_w;
    for model in [103, 701] {
        set(model, "W", given);
        set(model, "Hz", state.f_hz);
    }
    set(103, "A", current(given).abs() * phases.len().max(1) as f64);
    set(103, "WH", state.export_wh);
    set(701, "LNV", mean);
    set(701, "A", current(given) * phases.len().max(1) as f64);
    set(701, "TotWhInj", state.export_wh);
    set(701, "TotWhAbs", state.import_wh);
    set(713, "SoC", state.soc * 100.0);
    set(713, "SoH", 100.0);
    set(713, "WHAvail", state.soc * entity.battery_wh);
    set(802, "SoC", state.soc * 100.0);
    set(802, "W", -state.battery_w);
    // 3 is charging, 2 discharging, 6 holding (model 802, ChaSt: 4, 3, 6).
    let charge = if state.battery_w > 0.0 {
        4.0
    } else if state.battery_w < 0.0 {
        3.0
    } else {
        6.0
    };
    set(802, "ChaSt", charge);
}

/// Writes the settings.
pub(super) fn fill_settings(image: &mut Image, settings: &Settings, now: Instant) {
    let mut set = |path: &str, value: f64| {
        let _ = image.set_scaled(704, path, value);
    };
    let left = |until: Option<Instant>| {
        until.map_or(0.0, |until| {
            until.saturating_duration_since(now).as_secs_f64().ceil()
        })
    };
    set("WMaxLimPctEna", f64::from(u8::from(settings.limit_on)));
    set("WMaxLimPct", f64::from(settings.limit_permille) / 10.0);
    set("WMaxLimPctRvrtTms", f64::from(settings.limit_revert_s));
    set("WMaxLimPctRvrtRem", left(settings.limit_until));
    set("WSetEna", f64::from(u8::from(settings.set_on)));
    set("WSet", f64::from(settings.set_w));
    set("WSetRvrtTms", f64::from(settings.set_revert_s));
    set("WSetRvrtRem", left(settings.set_until));
}

/// What became of a written point.
pub(super) enum Applied {
    /// The limit of the inverter changed.
    Limit,
    /// The set-point of the battery changed.
    Set,
    /// Kept for later.
    Kept,
    /// It cannot be written.
    ReadOnly,
}

/// Takes a written value into the settings, within the entity's limits.
pub(super) fn apply(
    settings: &mut Settings,
    entity: &Entity,
    model: u16,
    path: &str,
    value: Option<f64>,
) -> Result<Applied, Exception> {
    if model != 704 {
        return Ok(Applied::ReadOnly);
    }
    let within = |low: f64, high: f64| match value {
        Some(value) if (low..=high).contains(&value) => Ok(value),
        _ => Err(Exception::Value),
    };
    match path {
        "WMaxLimPctEna" => settings.limit_on = within(0.0, 1.0)? > 0.5,
        "WMaxLimPct" => settings.limit_permille = (within(0.0, 100.0)? * 10.0).round() as u16,
        "WMaxLimPctRvrtTms" => {
            settings.limit_revert_s = within(0.0, 86_400.0)? as u32;
            return Ok(Applied::Limit);
        }
        "WSetEna" => settings.set_on = within(0.0, 1.0)? > 0.5,
        "WSet" => settings.set_w = within(-entity.battery_w, entity.battery_w)?.round() as i32,
        "WSetRvrtTms" => settings.set_revert_s = within(0.0, 86_400.0)? as u32,
        // Only watts can be set.
        "WSetMod" => {
            within(1.0, 1.0)?;
            return Ok(Applied::Kept);
        }
        _ => return Ok(Applied::ReadOnly),
    }
    Ok(if path.starts_with("WSet") {
        Applied::Set
    } else {
        Applied::Limit
    })
}
