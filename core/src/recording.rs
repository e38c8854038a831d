//! A live session as a scene: what people did becomes its events.

use gridloom_model::scene::{
    BidSlot, BidSpec, EventAction, EventSpec, LoadedScene, Scene, UploadSpec,
};
use gridloom_units::{DeviceId, SimTime};

use crate::command::{AlarmCommand, Command};
use crate::market::OrderSlot;
use crate::twin::Twin;

/// A scene that repeats a session.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The scene.
    pub scene: Scene,
    /// Commands that became events.
    pub events: usize,
    /// Commands that a scene cannot hold: acknowledgements, hints, device values.
    pub left_out: usize,
}

/// The scene of a twin with everything that was commanded as timed events.
#[must_use]
pub fn recorded(twin: &Twin) -> Recorded {
    let loaded = twin.scene();
    let mut scene = loaded.scene.clone();
    let (mut events, mut left_out) = (0, 0);
    for (tick, command) in twin.commands() {
        let Some(action) = action_of(loaded, command) else {
            left_out += 1;
            continue;
        };
        scene.events.push(EventSpec {
            at: time_text(SimTime(tick * scene.tick_ms)),
            action,
            note: format!("Recorded: {}", words(command)),
        });
        events += 1;
    }
    if events > 0 {
        scene.title = format!("{} (recorded)", scene.title);
    }
    Recorded {
        scene,
        events,
        left_out,
    }
}

/// A time as scenes write it.
fn time_text(time: SimTime) -> String {
    if time.0.is_multiple_of(1_000) {
        time.to_string()[..8].to_owned()
    } else {
        format!("{}ms", time.0)
    }
}

/// A short word for a command.
fn words(command: &Command) -> String {
    let text = format!("{command:?}");
    text.split(['(', '{'])
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The action of a scene that does what a command does.
#[must_use]
pub fn action_of(loaded: &LoadedScene, command: &Command) -> Option<EventAction> {
    let scene = &loaded.scene;
    let meters = scene.homes.len() + scene.shared_batteries.len();
    let meter = |device: DeviceId| {
        let i = device.0 as usize;
        let home = scene.homes.get(i).map(|h| h.id.clone());
        home.or_else(|| {
            let battery = scene.shared_batteries.get(i - scene.homes.len());
            battery.map(|b| b.id.clone())
        })
    };
    let mlmd = |device: DeviceId| {
        let index = (device.0 as usize).checked_sub(meters)?;
        scene.mlmds.get(index).map(|m| m.id.clone())
    };
    let ledger = |index: u32| {
        let cluster = scene.clusters.get(index as usize);
        cluster.map_or_else(|| "root".to_owned(), |c| c.id.clone())
    };
    Some(match command {
        Command::OpenBreaker(device) => EventAction::Open(mlmd(*device)?),
        Command::CloseBreaker(device) => EventAction::Close(mlmd(*device)?),
        Command::SetCloud(permille) => EventAction::Cloud(f64::from(*permille) / 1_000.0),
        Command::CrashValidator { ledger: l, node } => {
            EventAction::CrashValidator(ledger(*l), *node)
        }
        Command::RestartValidator { ledger: l, node } => {
            EventAction::RestartValidator(ledger(*l), *node)
        }
        Command::Partition { ledger: l, groups } => {
            EventAction::Partition(ledger(*l), groups.clone())
        }
        Command::Heal { ledger: l } => EventAction::Heal(ledger(*l)),
        Command::LedgerLoss {
            ledger: l,
            permille,
        } => EventAction::LedgerLoss(ledger(*l), *permille),
        Command::LoseOutside { ledger: l } => EventAction::LoseOutside(ledger(*l)),
        Command::CloudLink { up } => EventAction::CloudLink(*up),
        Command::Upload {
            every,
            threshold_wh,
        } => EventAction::Upload(UploadSpec {
            every: *every,
            threshold_wh: *threshold_wh,
        }),
        Command::LoseGrid => EventAction::LoseGrid,
        Command::RestoreGrid => EventAction::RestoreGrid,
        Command::Island => EventAction::Island,
        Command::Resynchronise => EventAction::Resynchronise,
        Command::BlockForming(device) => EventAction::BlockForming(meter(*device)?),
        Command::BlackStart => EventAction::BlackStart,
        Command::SilenceMeter(device) => EventAction::SilenceMeter(meter(*device)?),
        Command::RestoreMeter(device) => EventAction::RestoreMeter(meter(*device)?),
        Command::PlaceOrder {
            device,
            slot,
            terms,
        } => EventAction::Bid(
            meter(*device)?,
            BidSpec {
                slot: match slot {
                    OrderSlot::At(slot) => BidSlot::At(*slot),
                    OrderSlot::Ahead(ahead) => BidSlot::Ahead(*ahead),
                },
                slots: 1,
                buy: terms.buy.clone(),
                sell: terms.sell.clone(),
            },
        ),
        Command::Alarm(AlarmCommand::AcknowledgeAll) => EventAction::AcknowledgeAlarms,
        Command::Alarm(AlarmCommand::Engine { run }) => EventAction::AlarmEngine(*run),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TwinOptions;
    use gridloom_units::Tick;

    #[test]
    fn a_recorded_session_runs_again_to_the_same_state() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../scenes/two_houses.scene.ron"
        );
        let loaded = gridloom_model::scene::load(path.as_ref()).expect("the scene loads");
        let mut twin = Twin::new(loaded.clone(), TwinOptions::default()).expect("built");
        let device = twin.device(&loaded.scene.mlmds[0].id).expect("known");
        twin.run_until(Tick(50));
        twin.send(Command::SetCloud(500));
        twin.run_until(Tick(60));
        twin.send(Command::OpenBreaker(device));
        twin.run_until(Tick(200));
        let recorded = recorded(&twin);
        assert_eq!((recorded.events, recorded.left_out), (2, 0));
        let again = LoadedScene {
            scene: recorded.scene,
            ..loaded
        };
        let mut again = Twin::new(again, TwinOptions::default()).expect("built");
        again.run_until(Tick(200));
        let query = |twin: &Twin| {
            let text = format!("closed({}) + cloud + dark", loaded_id(twin));
            let query = crate::query::Query::new(&text, twin.scene()).expect("known");
            twin.value(&query)
        };
        assert_eq!(query(&twin), query(&again));
    }

    fn loaded_id(twin: &Twin) -> String {
        twin.scene().scene.mlmds[0].id.clone()
    }
}
