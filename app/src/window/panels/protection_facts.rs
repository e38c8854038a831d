//! What the selection says about protection.

use gridloom_core::ViewModel;
use gridloom_core::view::DeviceStatus;

use super::selection::Fact;

/// Numbers of elements (IEEE C37.2).
const NUMBERS: [&str; 11] = [
    "50", "51", "50N", "51N", "67", "67N", "27", "59", "81U", "81O", "79",
];

/// One element: its number as the label (IEEE C37.2), its setting as the value,
/// whole seconds as such.
fn element(setting: &str) -> Fact {
    let (number, rest) = setting.split_once(' ').unwrap_or(("", setting));
    let known = NUMBERS.into_iter().find(|known| *known == number);
    let (number, rest) = known.map_or(("Element", setting), |known| (known, rest));
    let short = rest.strip_suffix(" ms").and_then(|rest| {
        let (before, ms) = rest.rsplit_once(' ')?;
        let ms: u64 = ms.parse().ok()?;
        (ms >= 1_000 && ms.is_multiple_of(1_000)).then(|| format!("{before} {} s", ms / 1_000))
    });
    Fact::plain(number, short.unwrap_or_else(|| rest.to_owned()), "")
}

/// Lines about the protection of an M-LMD: how it stands, what it is set to,
/// what it did last.
pub(super) fn mlmd(view: &ViewModel, index: usize) -> Vec<Fact> {
    let devices = &view.protection.devices;
    let Some(device) = devices.iter().find(|device| device.mlmd == Some(index)) else {
        return Vec::new();
    };
    let mut facts = Vec::new();
    if device.status != DeviceStatus::Closed {
        facts.push(Fact::plain("Breaker", device.status.label().to_owned(), ""));
    }
    for setting in &device.settings {
        facts.push(element(setting));
    }
    for (at_ms, text) in device.last.iter().rev().take(3) {
        let s = at_ms / 1_000;
        let time = format!(
            "{:02}:{:02}:{:02}.{:03}",
            s / 3_600,
            s / 60 % 60,
            s % 60,
            at_ms % 1_000
        );
        facts.push(Fact::plain("Last", text.clone(), &time));
    }
    for fault in view.protection.faults.iter().filter(|fault| fault.on) {
        let near = [fault.place.0, fault.place.1];
        if near.contains(&device.bus) || near.contains(&device.far_bus) {
            let amps = format!("{:.0} A", fault.current_a);
            facts.push(Fact::plain("Fault", fault.label.clone(), &amps));
        }
    }
    facts
}
