//! Expectations about protection.

use gridloom_model::scene::Condition;
use gridloom_protection::{SoeEvent, SoeKind};

use super::log::SoeLog;
use super::state::ProtectionState;
use crate::site::{Site, SitePower};
use crate::spawn::Organisation;
use crate::twin::Twin;

/// What an expectation about protection has seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// Event number at the start of the window.
    first: u64,
    begun: bool,
    /// Customers without supply when the time was up.
    late: Option<Vec<String>>,
}

/// Whether a condition needs every segment checked.
pub(super) fn needs_audit(condition: &Condition) -> bool {
    matches!(
        condition,
        Condition::NoSupplyFromDeadSections | Condition::EnergyBalances { .. }
    )
}

/// The condition in words; `None` for one that is not about protection.
pub(crate) fn describe(condition: &Condition) -> Option<String> {
    Some(match condition {
        Condition::RelaysOnCurve {
            within_ms,
            at_least,
        } => format!("at least {at_least} relay operations, on their curves within {within_ms} ms"),
        Condition::NoSupplyFromDeadSections => "no load served from a dead section".into(),
        Condition::EnergyBalances { within } => {
            format!("energy balances within {within:e} of throughput between any two events")
        }
        Condition::CustomersOut { at_most } => format!("at most {at_most} customers out"),
        Condition::RestoredWithin { seconds, but } if but.is_empty() => {
            format!("every customer back {seconds} s after the first fault")
        }
        Condition::RestoredWithin { seconds, but } => format!(
            "every customer but those of {} back {seconds} s after the first fault",
            but.join(", ")
        ),
        Condition::SoeContains { device, text } => {
            format!("sequence of events has `{text}` of {device}")
        }
        Condition::SoeLacks { device, text } => {
            format!("sequence of events has no `{text}` of {device}")
        }
        Condition::DeviceOpen { device } => format!("{device} open"),
        Condition::DeviceClosed { device } => format!("{device} closed"),
        _ => return None,
    })
}

impl Watch {
    /// Looks at the world after a tick.
    pub(crate) fn observe(&mut self, twin: &mut Twin, condition: &Condition) {
        if !self.begun {
            self.begun = true;
            // The first tick of the window has run already.
            let since_us = (twin.time().0 - twin.tick_ms()) * 1_000;
            let events = twin.world().resource::<SoeLog>().all();
            self.first = events
                .iter()
                .find(|event| event.at_us >= since_us)
                .map_or_else(
                    || {
                        twin.world()
                            .resource::<ProtectionState>()
                            .core
                            .event_count()
                    },
                    |event| event.id,
                );
        }
        if let Condition::RestoredWithin { seconds, but } = condition
            && self.late.is_none()
        {
            let fault = self.events(twin).find(|e| e.kind == SoeKind::Fault);
            let due_us = fault.map(|fault| fault.at_us + seconds * 1_000_000);
            if due_us.is_some_and(|due| twin.time().0 * 1_000 >= due) {
                self.late = Some(without_supply(twin, but));
            }
        }
    }

    /// Events of the window.
    fn events(&self, twin: &Twin) -> impl Iterator<Item = SoeEvent> + use<> {
        let first = self.first;
        let all = twin.world().resource::<SoeLog>().all();
        (0..all.len())
            .map(move |i| all[i].clone())
            .filter(move |event| event.id >= first)
    }

    /// What was seen and whether it holds; `None` for a condition that is not
    /// about protection.
    pub(crate) fn judge(&self, twin: &mut Twin, condition: &Condition) -> Option<(String, bool)> {
        Some(match condition {
            Condition::RelaysOnCurve {
                within_ms,
                at_least,
            } => self.on_curve(twin, *within_ms, *at_least),
            Condition::NoSupplyFromDeadSections => {
                let dead = twin.world().resource::<ProtectionState>().served_dead;
                (format!("{dead} ports in all segments"), dead == 0)
            }
            Condition::EnergyBalances { within } => {
                let worst = twin.world().resource::<ProtectionState>().imbalance;
                (format!("{worst:.2e} at worst"), worst <= *within)
            }
            Condition::CustomersOut { at_most } => {
                let out = without_supply(twin, &[]);
                (
                    format!("{} out{}", out.len(), list(&out)),
                    out.len() as u64 <= *at_most,
                )
            }
            Condition::RestoredWithin { .. } => match &self.late {
                None => ("no fault, or the window ended before".into(), false),
                Some(late) => (
                    format!("{} without supply then{}", late.len(), list(late)),
                    late.is_empty(),
                ),
            },
            Condition::SoeContains { device, text } => {
                let seen = self.count(twin, device, text);
                (format!("{seen} entries"), seen > 0)
            }
            Condition::SoeLacks { device, text } => {
                let seen = self.count(twin, device, text);
                (format!("{seen} entries"), seen == 0)
            }
            Condition::DeviceOpen { device } => position(twin, device, false),
            Condition::DeviceClosed { device } => position(twin, device, true),
            _ => return None,
        })
    }

    fn count(&self, twin: &Twin, device: &str, text: &str) -> usize {
        self.events(twin)
            .filter(|event| event.device == device && event.text.contains(text))
            .count()
    }

    /// Steady operations against their curves.
    fn on_curve(&self, twin: &Twin, within_ms: f64, at_least: u64) -> (String, bool) {
        let (mut count, mut worst) = (0, 0.0_f64);
        for timing in self.events(twin).filter_map(|event| event.timing) {
            if let Some(curve_ms) = timing.curve_ms {
                count += 1;
                worst = worst.max((timing.took_ms - curve_ms).abs());
            }
        }
        (
            format!("{count} operations, {worst:.3} ms off at worst"),
            count >= at_least && worst <= within_ms,
        )
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let more = if names.len() > 8 { ", ..." } else { "" };
    format!(": {}{more}", names[..names.len().min(8)].join(", "))
}

/// Customers that are dead now, but those in the areas of some M-LMDs.
fn without_supply(twin: &mut Twin, but: &[String]) -> Vec<String> {
    let world = twin.world_mut();
    let mut sites = world.query::<(&Site, &SitePower)>();
    let organisation = world.resource::<Organisation>();
    let mut out: Vec<(u32, String)> = sites
        .iter(world)
        .filter(|(site, power)| site.load_port.is_some() && !power.live)
        .filter(|(site, _)| {
            let area = organisation.mlmd_names.get(site.mlmd as usize);
            area.is_none_or(|area| !but.contains(area))
        })
        .map(|(site, _)| {
            let name = organisation.participants.get(site.meter as usize);
            (
                site.meter,
                name.map_or_else(String::new, |p| p.name.clone()),
            )
        })
        .collect();
    out.sort();
    out.into_iter().map(|(_, name)| name).collect()
}

fn position(twin: &Twin, device: &str, closed: bool) -> (String, bool) {
    let core = &twin.world().resource::<ProtectionState>().core;
    match core.device_index(device) {
        None => (format!("there is no device {device}"), false),
        Some(index) => {
            let is = core.devices[index].closed();
            (if is { "closed" } else { "open" }.into(), is == closed)
        }
    }
}
