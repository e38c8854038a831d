//! The scene's timed events as commands.

use std::collections::BTreeMap;

use gridloom_model::scene::{EventAction, LoadedScene};
use gridloom_units::{DeviceId, SimTime};

use super::SpawnError;
use crate::command::Command;
use crate::input::Script;

/// Compiles events to the tick in which they take effect.
pub(super) fn compile(loaded: &LoadedScene) -> Result<Script, SpawnError> {
    let scene = &loaded.scene;
    let mut script = Script::default();
    for event in &scene.events {
        let at = SimTime::parse(&event.at).map_err(SpawnError::Scene)?;
        let command = Names::of(loaded).command(&event.action)?;
        script.push(at.0 / scene.tick_ms, command, event.note.clone());
    }
    Ok(script)
}

/// Device ids by the names a scene uses.
pub(crate) struct Names<'a> {
    meters: BTreeMap<&'a str, DeviceId>,
    mlmds: BTreeMap<&'a str, DeviceId>,
    ledgers: BTreeMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    /// Names of a scene.
    pub(crate) fn of(loaded: &'a LoadedScene) -> Self {
        let scene = &loaded.scene;
        let homes = scene.homes.iter().map(|home| home.id.as_str());
        let batteries = scene
            .shared_batteries
            .iter()
            .map(|battery| battery.id.as_str());
        let meters: Vec<&str> = homes.chain(batteries).collect();
        let first = meters.len();
        let mlmds = scene.mlmds.iter().map(|mlmd| mlmd.id.as_str());
        let ledgers = scene
            .clusters
            .iter()
            .map(|cluster| cluster.id.as_str())
            .chain(["root"]);
        let ids = |names: &mut dyn Iterator<Item = &'a str>, first: usize| {
            names
                .enumerate()
                .map(|(i, name)| (name, DeviceId((first + i) as u32)))
                .collect()
        };
        Self {
            mlmds: ids(&mut mlmds.into_iter(), first),
            meters: ids(&mut meters.into_iter(), 0),
            ledgers: ledgers
                .enumerate()
                .map(|(i, name)| (name, i as u32))
                .collect(),
        }
    }

    /// Device id of a home, shared battery or M-LMD.
    pub(crate) fn device(&self, name: &str) -> Option<DeviceId> {
        self.meters
            .get(name)
            .or_else(|| self.mlmds.get(name))
            .copied()
    }

    fn known<T: Copy>(map: &BTreeMap<&str, T>, name: &str) -> Result<T, SpawnError> {
        map.get(name)
            .copied()
            .ok_or_else(|| SpawnError::Scene(format!("an event names `{name}`, which is unknown")))
    }

    fn command(&self, action: &EventAction) -> Result<Command, SpawnError> {
        Ok(match action {
            EventAction::Open(id) => Command::OpenBreaker(Self::known(&self.mlmds, id)?),
            EventAction::Close(id) => Command::CloseBreaker(Self::known(&self.mlmds, id)?),
            EventAction::Cloud(factor) => Command::SetCloud((factor * 1_000.0) as u32),
            EventAction::CrashValidator(ledger, node) => Command::CrashValidator {
                ledger: Self::known(&self.ledgers, ledger)?,
                node: *node,
            },
            EventAction::RestartValidator(ledger, node) => Command::RestartValidator {
                ledger: Self::known(&self.ledgers, ledger)?,
                node: *node,
            },
            EventAction::Partition(ledger, groups) => Command::Partition {
                ledger: Self::known(&self.ledgers, ledger)?,
                groups: groups.clone(),
            },
            EventAction::Heal(ledger) => Command::Heal {
                ledger: Self::known(&self.ledgers, ledger)?,
            },
            EventAction::SilenceMeter(id) => Command::SilenceMeter(Self::known(&self.meters, id)?),
            EventAction::RestoreMeter(id) => Command::RestoreMeter(Self::known(&self.meters, id)?),
        })
    }
}
