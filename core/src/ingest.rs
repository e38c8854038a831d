//! Ingest: commands of the tick and timed events of the scene take effect.

use bevy::prelude::*;
use gridloom_consensus::PeerIndex;
use gridloom_units::DeviceId;

use crate::clock::SimClock;
use crate::command::Command;
use crate::grid::{Breaker, Mlmd, PendingOperation};
use crate::input::{InputLog, Rejections, Script};
use crate::ledger::LedgerGroup;
use crate::meter::Meter;
use crate::record::EventLog;
use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::{RegisterSimState, plain_sim_state};
use crate::site::{Site, Weather};
use crate::view::EventKind;
use borsh::{BorshDeserialize, BorshSerialize};

/// Last value of a bound physical device (monitor mode: shown, never acted on).
#[derive(Component, Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct BoundDevice {
    /// Whether the entity is bound at all.
    pub bound: bool,
    /// Active power, W, positive from the network.
    pub p_w: i64,
    /// Voltage, mV.
    pub voltage_mv: u32,
    /// Whether the value is good.
    pub good: bool,
    /// When it arrived, ms; `None` before the first.
    pub at_ms: Option<u64>,
}

plain_sim_state!(BoundDevice);

/// Owns the command queue.
pub struct IngestPlugin;

impl Plugin for IngestPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<InputLog>()
            .init_resource::<Script>()
            .init_resource::<Rejections>()
            .register_sim_component::<BoundDevice>();
        app.add_systems(SimTick, apply_commands.in_set(SimSystems::Ingest));
    }
}

/// What commands may touch.
struct Targets<'a, 'b, 'm, 'g, 's1, 's2, 's3> {
    weather: &'a mut Weather,
    breakers: &'a mut Query<'b, 's1, (&'static Mlmd, &'static mut Breaker)>,
    meters: &'a mut Query<'m, 's2, (&'static Site, &'static mut Meter, &'static mut BoundDevice)>,
    groups: &'a mut Query<'g, 's3, &'static mut LedgerGroup>,
    now_ms: u64,
}

fn apply_commands(
    clock: Res<SimClock>,
    log: Res<InputLog>,
    script: Res<Script>,
    mut rejections: ResMut<Rejections>,
    mut events: ResMut<EventLog>,
    mut weather: ResMut<Weather>,
    mut breakers: Query<(&'static Mlmd, &'static mut Breaker)>,
    mut meters: Query<(&'static Site, &'static mut Meter, &'static mut BoundDevice)>,
    mut groups: Query<&'static mut LedgerGroup>,
) {
    let tick = clock.tick.0;
    let mut targets = Targets {
        weather: &mut weather,
        breakers: &mut breakers,
        meters: &mut meters,
        groups: &mut groups,
        now_ms: clock.start_ms(),
    };
    for (command, note) in script.at(tick) {
        if !note.is_empty() {
            events.push(&clock, EventKind::Scene, None, note.clone());
        }
        if let Err(reason) = targets.apply(command, "the scene") {
            rejections.push(command, reason);
        }
    }
    for command in log.at(tick) {
        let shown = !matches!(command, Command::DeviceReading { .. });
        match targets.apply(command, "the operator") {
            Ok(text) if shown => events.push(&clock, EventKind::Command, None, text),
            Ok(_) => {}
            Err(reason) => rejections.push(command, reason),
        }
    }
}

/// Validator index of the consensus crate; the range was checked before.
fn peer(node: u32) -> PeerIndex {
    PeerIndex::try_from(node).unwrap_or(PeerIndex::MAX)
}

impl Targets<'_, '_, '_, '_, '_, '_, '_> {
    /// Applies one command; returns a line for the event list, or why not.
    fn apply(&mut self, command: &Command, by: &str) -> Result<String, String> {
        match command {
            Command::OpenBreaker(device) => self.operate(*device, false, by),
            Command::CloseBreaker(device) => self.operate(*device, true, by),
            Command::SetCloud(permille) => {
                if *permille > 1_500 {
                    return Err("cloud factor above 1500 permille: use 0 to 1500".into());
                }
                self.weather.cloud_permille = *permille;
                Ok(format!(
                    "Irradiance at {:.0} %",
                    f64::from(*permille) / 10.0
                ))
            }
            Command::SilenceMeter(device) => self.silence(*device, true),
            Command::RestoreMeter(device) => self.silence(*device, false),
            Command::DeviceReading {
                device,
                p_w,
                voltage_mv,
                good,
            } => {
                let now_ms = self.now_ms;
                let (_, _, mut bound) = self
                    .meters
                    .iter_mut()
                    .find(|(site, ..)| site.device == *device)
                    .ok_or_else(|| format!("no meter {device}"))?;
                if !bound.bound {
                    return Err(format!("{device} is not bound to a device"));
                }
                bound.good = *good;
                if *good {
                    (bound.p_w, bound.voltage_mv, bound.at_ms) = (*p_w, *voltage_mv, Some(now_ms));
                }
                Ok(String::new())
            }
            Command::CrashValidator { ledger, node } => {
                self.ledger(*ledger, &[*node])?.group.crash(peer(*node));
                Ok(format!("Validator {node} of ledger {ledger} stopped"))
            }
            Command::RestartValidator { ledger, node } => {
                self.ledger(*ledger, &[*node])?.group.restart(peer(*node));
                Ok(format!("Validator {node} of ledger {ledger} restarted"))
            }
            Command::Partition { ledger, groups } => {
                let nodes: Vec<u32> = groups.iter().flatten().copied().collect();
                let groups: Vec<Vec<PeerIndex>> = groups
                    .iter()
                    .map(|group| group.iter().map(|&node| peer(node)).collect())
                    .collect();
                self.ledger(*ledger, &nodes)?.group.partition(&groups);
                Ok(format!("Ledger {ledger} partitioned"))
            }
            Command::Heal { ledger } => {
                self.ledger(*ledger, &[])?.group.heal();
                Ok(format!("Ledger {ledger} healed"))
            }
        }
    }

    fn operate(&mut self, device: DeviceId, close: bool, by: &str) -> Result<String, String> {
        let (mlmd, mut breaker) = self
            .breakers
            .iter_mut()
            .find(|(mlmd, _)| mlmd.device == device)
            .ok_or_else(|| format!("no breaker {device}"))?;
        let verb = if close { "close" } else { "open" };
        if breaker.closed == close {
            let state = if close { "closed" } else { "open" };
            return Err(format!("{} is {state} already", mlmd.id));
        }
        breaker.pending = Some(PendingOperation {
            close,
            by: by.to_owned(),
        });
        Ok(format!("{} told to {verb}", mlmd.id))
    }

    fn silence(&mut self, device: DeviceId, silenced: bool) -> Result<String, String> {
        let (_, mut meter, _) = self
            .meters
            .iter_mut()
            .find(|(site, ..)| site.device == device)
            .ok_or_else(|| format!("no meter {device}"))?;
        meter.silenced = silenced;
        Ok(format!(
            "Meter {device} {}",
            if silenced { "silenced" } else { "sends again" }
        ))
    }

    fn ledger(&mut self, ledger: u32, nodes: &[u32]) -> Result<Mut<'_, LedgerGroup>, String> {
        let group = self
            .groups
            .iter_mut()
            .find(|group| group.index == ledger)
            .ok_or_else(|| format!("no ledger {ledger}"))?;
        let count = group.group.len() as u32;
        if let Some(node) = nodes.iter().find(|&&node| node >= count) {
            return Err(format!(
                "ledger {ledger} has validators 0 to {}, not {node}",
                count - 1
            ));
        }
        Ok(group)
    }
}
