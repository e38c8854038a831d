//! Storage: charged in the lowest slots of the horizon, kept for the highest.

use gridloom_units::EnergyWh;

use super::{Store, filled_wh, level_for};

/// What storage holds the import below.
#[derive(Clone, Copy)]
pub(super) struct Caps<'a> {
    /// How far each slot may come out above its plan, Wh.
    pub(super) above_wh: &'a [EnergyWh],
    /// In this slot, whatever comes later, Wh.
    pub(super) line_wh: EnergyWh,
    /// In this slot, as far as later slots allow, Wh.
    pub(super) event_wh: Option<EnergyWh>,
    /// In later slots, Wh.
    pub(super) later_wh: EnergyWh,
}

/// Charges and discharges in this slot, Wh per store, charging positive; adds
/// the plan to the path.
///
/// Two levels split the horizon: below the lower one the stores together fill
/// up the room they have, above the upper one they give what they hold. Where
/// there is more storage than valley and hill the levels would cross, and both
/// become their middle.
pub(super) fn commit(stores: &[Store], path_wh: &mut [EnergyWh], caps: Caps<'_>) -> Vec<EnergyWh> {
    let sum = |of: fn(&Store) -> EnergyWh| -> EnergyWh { stores.iter().map(of).sum() };
    let (stored, room) = (sum(|s| s.stored_wh), sum(|s| s.room_wh));
    let charge = sum(|s| s.charge_wh.min(s.room_wh));
    let discharge = sum(|s| s.discharge_wh.min(s.stored_wh));
    let mirrored: Vec<EnergyWh> = path_wh.iter().map(|wh| -wh).collect();
    let most_in = sum(|s| s.charge_wh);
    let most_out = sum(|s| s.discharge_wh);
    let mut low = level_for(path_wh, room, most_in);
    if filled_wh(path_wh, low, most_in) > room {
        low -= 1;
    }
    let mut high = -level_for(&mirrored, stored, most_out);
    if filled_wh(&mirrored, -high, most_out) > stored {
        high += 1;
    }
    if low > high {
        low = low.midpoint(high);
        high = low;
    }
    let now = path_wh[0];
    let top = high.min(caps.line_wh);
    let asked = caps.event_wh.map_or(0, |asked| {
        let above = |k: usize| caps.above_wh.get(k).copied().unwrap_or(0);
        // Later slots may come out a fortieth above the hills planned for.
        let later = caps.later_wh.min(high + high.abs() / 40);
        // What later slots need before storage can be filled again.
        let (mut need, mut kept) = (0, 0);
        for (k, planned_wh) in path_wh.iter().enumerate().skip(1) {
            let expected = planned_wh + above(k) - later;
            need += expected.clamp(-most_in, most_out);
            kept = kept.max(need);
        }
        (now - asked).min(stored - kept)
    });
    let give = (now - top).max(asked).min(discharge);
    let take = (low.min(caps.line_wh) - now).min(charge);
    let wanted = if give > 0 {
        -give
    } else if take > 0 && caps.event_wh.is_none() {
        take
    } else {
        0
    };
    for wh in path_wh.iter_mut().skip(1) {
        *wh += (low - *wh).clamp(0, most_in) - (*wh - high).clamp(0, most_out);
    }
    path_wh[0] += wanted;
    share(stores, wanted)
}

/// Splits a charge or discharge in proportion to what each store can do,
/// rounded by running sums so that the parts add up.
fn share(stores: &[Store], wanted_wh: EnergyWh) -> Vec<EnergyWh> {
    let able = |store: &Store| {
        if wanted_wh > 0 {
            store.charge_wh.min(store.room_wh)
        } else {
            store.discharge_wh.min(store.stored_wh)
        }
    };
    let whole: i128 = stores.iter().map(|store| i128::from(able(store))).sum();
    if whole == 0 {
        return vec![0; stores.len()];
    }
    let (mut before, mut given) = (0_i128, 0_i128);
    stores
        .iter()
        .map(|store| {
            before += i128::from(able(store));
            let part = i128::from(wanted_wh) * before / whole - given;
            given += part;
            // A part is at most what the store can do, an i64.
            EnergyWh::try_from(part).unwrap_or(0)
        })
        .collect()
}
