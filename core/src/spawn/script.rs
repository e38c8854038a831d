//! The scene's timed events as commands.

use std::collections::BTreeMap;

use gridloom_model::scene::{BidSlot, CloudFrontSpec, ConductSpec, EventAction, LoadedScene};
use gridloom_units::{DeviceId, SimTime};

use super::SpawnError;
use crate::command::{Command, Conduct};
use crate::input::Script;
use crate::market::OrderSlot;
use crate::site::CloudWay;

/// Compiles events to the tick in which they take effect.
///
/// With `autopilot` what the story's good operator does is among them.
pub(super) fn compile(loaded: &LoadedScene, autopilot: bool) -> Result<Script, SpawnError> {
    let scene = &loaded.scene;
    let mut script = Script::default();
    let pilot = scene.story.autopilot.iter().filter(|_| autopilot);
    for event in scene.events.iter().chain(pilot) {
        let at = SimTime::parse(&event.at).map_err(SpawnError::Scene)?;
        let command = Names::of(loaded).command(&event.action)?;
        let slot_ms = u64::from(scene.market.slot_min) * 60_000;
        for again in 1..repeats(&event.action) {
            let later_ms = at.0 + u64::from(again) * slot_ms;
            script.push(later_ms / scene.tick_ms, command.clone(), String::new());
        }
        script.push(at.0 / scene.tick_ms, command, event.note.clone());
    }
    Ok(script)
}

/// For how many slots an action is carried out.
fn repeats(action: &EventAction) -> u32 {
    match action {
        EventAction::Bid(_, bid) => bid.slots,
        _ => 1,
    }
}

/// Device ids by the names a scene uses.
pub(crate) struct Names<'a> {
    meters: BTreeMap<&'a str, DeviceId>,
    mlmds: BTreeMap<&'a str, DeviceId>,
    ledgers: BTreeMap<&'a str, u32>,
    /// Distance from the middle of the map to its furthest bus, m.
    radius_m: f64,
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
        let (_, radius_m) = super::island::extent(&loaded.grid);
        Self {
            radius_m,
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

    /// A cloud whose edge starts at the rim of the map.
    fn cloud_way(&self, spec: &CloudFrontSpec) -> CloudWay {
        let milli = |value: f64| (value * 1_000.0).round() as u32;
        CloudWay {
            towards_mdeg: (spec.towards_deg * 1_000.0).round() as i32,
            speed_mm_s: milli(spec.speed_m_s),
            edge_mm: milli(spec.edge_m),
            length_mm: milli(spec.length_m),
            left_permille: milli(spec.left),
            behind_mm: milli(self.radius_m),
        }
    }

    fn known<T: Copy>(map: &BTreeMap<&str, T>, name: &str) -> Result<T, SpawnError> {
        map.get(name)
            .copied()
            .ok_or_else(|| SpawnError::Scene(format!("an event names `{name}`, which is unknown")))
    }

    pub(super) fn command(&self, action: &EventAction) -> Result<Command, SpawnError> {
        Ok(match action {
            EventAction::Open(id) | EventAction::Close(id) => {
                let close = matches!(action, EventAction::Close(_));
                match self.mlmds.get(id.as_str()) {
                    Some(&mlmd) if close => Command::CloseBreaker(mlmd),
                    Some(&mlmd) => Command::OpenBreaker(mlmd),
                    None => Command::OperateDevice {
                        device: id.clone(),
                        close,
                    },
                }
            }
            EventAction::Fault(spec) => Command::StartFault(Box::new(spec.clone())),
            EventAction::ClearFault(id) => Command::ClearFault(id.clone()),
            EventAction::OpenConductor(line, conductor)
            | EventAction::CloseConductor(line, conductor) => Command::SetConductor {
                line: line.clone(),
                conductor: *conductor,
                open: matches!(action, EventAction::OpenConductor(..)),
            },
            EventAction::StickBreaker(id) | EventAction::FreeBreaker(id) => Command::SetStuck {
                device: id.clone(),
                stuck: matches!(action, EventAction::StickBreaker(_)),
            },
            EventAction::Program(id, settings) => Command::Program {
                device: id.clone(),
                settings: Box::new(settings.clone()),
            },
            EventAction::ReleaseSection(id) => Command::ReleaseSection(id.clone()),
            EventAction::JamRadio(area) | EventAction::ClearRadio(area) => Command::SetRadio {
                area: area.clone(),
                jammed: matches!(action, EventAction::JamRadio(_)),
            },
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
            EventAction::Misbehave(ledger, node, conduct) => Command::Misbehave {
                ledger: Self::known(&self.ledgers, ledger)?,
                node: *node,
                conduct: conduct_of(*conduct),
            },
            EventAction::LedgerLoss(ledger, permille) => Command::LedgerLoss {
                ledger: Self::known(&self.ledgers, ledger)?,
                permille: *permille,
            },
            EventAction::LoseOutside(ledger) => Command::LoseOutside {
                ledger: Self::known(&self.ledgers, ledger)?,
            },
            EventAction::CloudLink(up) => Command::CloudLink { up: *up },
            EventAction::Upload(upload) => Command::Upload {
                every: upload.every,
                threshold_wh: upload.threshold_wh,
            },
            EventAction::Move(from, to, homes) => Command::MoveMembers {
                from: Self::known(&self.ledgers, from)?,
                to: Self::known(&self.ledgers, to)?,
                members: homes
                    .iter()
                    .map(|id| Self::known(&self.meters, id))
                    .collect::<Result<_, _>>()?,
            },
            EventAction::SilenceMeter(id) => Command::SilenceMeter(Self::known(&self.meters, id)?),
            EventAction::TamperMeter(id, how) => Command::TamperMeter {
                device: Self::known(&self.meters, id)?,
                how: Some((*how).into()),
            },
            EventAction::RepairMeter(id) => Command::TamperMeter {
                device: Self::known(&self.meters, id)?,
                how: None,
            },
            EventAction::DriftMlmd(id, permille) => Command::DriftMlmd {
                device: Self::known(&self.mlmds, id)?,
                permille: *permille,
            },
            EventAction::Bid(id, bid) => Command::PlaceOrder {
                device: Self::known(&self.meters, id)?,
                slot: match bid.slot {
                    BidSlot::At(slot) => OrderSlot::At(slot),
                    BidSlot::Ahead(ahead) => OrderSlot::Ahead(ahead),
                },
                terms: Box::new(bid.terms()),
            },
            EventAction::RestoreMeter(id) => Command::RestoreMeter(Self::known(&self.meters, id)?),
            EventAction::CloudFront(spec) => Command::CloudFront(self.cloud_way(spec)),
            EventAction::LoseGrid => Command::LoseGrid,
            EventAction::RestoreGrid => Command::RestoreGrid,
            EventAction::Island => Command::Island,
            EventAction::Resynchronise => Command::Resynchronise,
            EventAction::BlockForming(id) => Command::BlockForming(Self::known(&self.meters, id)?),
            EventAction::BlackStart => Command::BlackStart,
            EventAction::AcknowledgeAlarms => {
                Command::Alarm(crate::command::AlarmCommand::AcknowledgeAll)
            }
            EventAction::AlarmEngine(run) => {
                Command::Alarm(crate::command::AlarmCommand::Engine { run: *run })
            }
        })
    }
}

fn conduct_of(spec: ConductSpec) -> Conduct {
    match spec {
        ConductSpec::Honest => Conduct::Honest,
        ConductSpec::DoubleVotes => Conduct::DoubleVotes,
        ConductSpec::Silent => Conduct::Silent,
        ConductSpec::Withhold => Conduct::Withhold,
        ConductSpec::InvalidBlock => Conduct::InvalidBlock,
        ConductSpec::TwoBlocks => Conduct::TwoBlocks,
        ConductSpec::Replay => Conduct::Replay,
    }
}
