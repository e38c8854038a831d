//! Alarms of islands: supply, frequency, reserve, synchronism, black start.

use super::alarms::AlarmKind;
use crate::island::{Islands, Plan};

/// Frequencies beyond which an island is in danger, Hz from nominal.
const DANGER_HZ: f64 = 1.0;

/// How far back it must come before the alarm clears, Hz.
const CLEAR_HZ: f64 = 0.3;

/// Reserve that must remain, share of what the units may deliver; the second
/// figure is where the alarm clears.
const RESERVE: (f64, f64) = (0.1, 0.2);

/// How long a refused closing is shown, ms.
const REFUSAL_MS: u64 = 120_000;

/// A condition of the running tick: (kind, holds, fact, customers).
pub(super) type Condition = (AlarmKind, bool, String, u32);

/// Conditions of the islands of a plan.
pub(super) fn conditions(
    plan: &Plan,
    islands: &Islands,
    now_ms: u64,
    main_closed: bool,
    customers: u32,
    active: &dyn Fn(AlarmKind) -> bool,
) -> Vec<Condition> {
    let live = !islands.holding().is_empty();
    let dark = !(live || main_closed && islands.grid_on);
    let mut all = vec![
        (
            AlarmKind::GridLost,
            !islands.grid_on,
            "no voltage from the upstream grid".to_owned(),
            0,
        ),
        (
            AlarmKind::BlackedOut,
            dark,
            islands
                .collapse
                .clone()
                .unwrap_or_else(|| "no unit holds the island".to_owned()),
            customers,
        ),
    ];
    let (low, high) = islands.band_hz;
    let off = (low - plan.nominal_hz)
        .abs()
        .max((high - plan.nominal_hz).abs());
    let kind = AlarmKind::IslandFrequency;
    let limit = if active(kind) {
        DANGER_HZ - CLEAR_HZ
    } else {
        DANGER_HZ
    };
    all.push((
        kind,
        live && off > limit,
        format!("{low:.2} to {high:.2} Hz"),
        0,
    ));
    let (up, _) = islands.reserve_kw;
    let most: f64 = islands
        .holding()
        .iter()
        .map(|&unit| plan.units[unit].max_kw.min(plan.units[unit].params.kva))
        .sum();
    let kind = AlarmKind::IslandReserve;
    let least = if active(kind) { RESERVE.1 } else { RESERVE.0 };
    all.push((
        kind,
        live && up < least * most,
        format!("{up:.1} kW left of {most:.0} kW"),
        0,
    ));
    let recent = islands.refusal.is_some() && now_ms < islands.refused_ms + REFUSAL_MS;
    all.push((
        AlarmKind::SyncRefused,
        recent,
        islands.refusal.clone().unwrap_or_default(),
        0,
    ));
    all.push((
        AlarmKind::BlackStartFailed,
        islands.sequence.failure.is_some() && !islands.sequence.running(),
        islands.sequence.failure.clone().unwrap_or_default(),
        customers,
    ));
    all
}
