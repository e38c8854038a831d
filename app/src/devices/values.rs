//! What a device's points say of its entity, and what the model says.

use gridloom_core::Command;
use gridloom_core::view::{BoundValue, ViewModel};
use gridloom_hardware::PointState;
use gridloom_units::DeviceId;

/// What the twin shows of an entity's device.
pub(super) fn bound_value(view: &ViewModel, device: DeviceId) -> Option<&BoundValue> {
    let homes = &view.scene.homes;
    let at = homes.iter().position(|home| home.device == device)?;
    view.homes.get(at)?.bound.as_ref()
}

/// Power of an entity's model, W, positive from the network.
pub(super) fn model_w(view: &ViewModel, device: DeviceId) -> Option<f64> {
    let home = view
        .scene
        .homes
        .iter()
        .position(|home| home.device == device);
    if let Some(home) = home {
        return view.homes.get(home).map(|state| state.net_kw * 1_000.0);
    }
    let batteries = &view.scene.shared_batteries;
    let at = batteries
        .iter()
        .position(|battery| battery.device == device)?;
    view.shared_batteries
        .get(at)
        .map(|state| state.p_kw * 1_000.0)
}

/// The newest power and voltage of a device as a command. Profiles name the
/// total power `ac/p`; meters that count both ways apart have `ac/import` and
/// `ac/export`; a device with phases only gives their sum.
pub(super) fn reading_of(device: DeviceId, points: &[PointState]) -> Option<Command> {
    let find = |id: &str| points.iter().find(|point| &*point.reading.point == id);
    let value = |point: &PointState| (point.reading.value, point.quality.is_good());
    let power = match (find("ac/p"), find("ac/import"), find("ac/export")) {
        (Some(total), ..) => value(total),
        (None, Some(import), Some(export)) => {
            let ((a, a_good), (b, b_good)) = (value(import), value(export));
            (a.zip(b).map(|(a, b)| a - b), a_good && b_good)
        }
        _ => {
            let phases: Vec<_> = ["ac/l1/p", "ac/l2/p", "ac/l3/p"]
                .into_iter()
                .filter_map(find)
                .map(value)
                .collect();
            if phases.is_empty() {
                return None;
            }
            let sum = phases.iter().map(|(value, _)| *value).sum::<Option<f64>>();
            (sum, phases.iter().all(|(_, good)| *good))
        }
    };
    let voltage = find("ac/l1/v").and_then(|point| point.reading.value);
    Some(Command::DeviceReading {
        device,
        p_w: power.0.unwrap_or(0.0) as i64,
        voltage_mv: voltage.map_or(0, |v| (v * 1_000.0) as u32),
        good: power.1 && power.0.is_some(),
    })
}

/// Points that say whether a breaker or relay is closed, by what profiles call
/// them.
const POSITIONS: [&str; 3] = ["closed", "relay1", "out1/on"];

/// Whether an entity is an M-LMD: its device has a position, not a power.
pub(super) fn is_breaker(view: &ViewModel, device: DeviceId) -> bool {
    view.scene.mlmds.iter().any(|mlmd| mlmd.device == device)
}

/// The newest position of a breaker or relay as a command.
pub(super) fn position_of(device: DeviceId, points: &[PointState]) -> Option<Command> {
    let point = POSITIONS
        .into_iter()
        .find_map(|id| points.iter().find(|point| &*point.reading.point == id))?;
    Some(Command::DevicePosition {
        device,
        closed: point.reading.value.is_some_and(|value| value > 0.5),
        good: point.quality.is_good() && point.reading.value.is_some(),
    })
}
