//! Present: fills the [`ViewModel`] from the world, read-only.

mod facts;
mod island;
pub(crate) mod ledger;
mod phasor;
mod protection;
mod select;
mod state;
mod story;
mod trace;

pub use facts::SceneFacts;
pub(crate) use ledger::family_name;
pub use story::find;

use bevy::prelude::*;

use crate::clock::SimClock;
use crate::input::Rejections;
use crate::link::RecentHops;
use crate::record::{Alarms, EventLog, Telemetry};
use crate::spawn::Organisation;
use crate::view::{Selected, ViewModel};

/// Hops shown after their arrival for this long, ms of simulated time.
const HOP_LINGER_MS: u64 = 30_000;

/// One copy of what the window shows.
pub(crate) fn view(world: &mut World, selected: Option<Selected>) -> ViewModel {
    let clock = *world.resource::<SimClock>();
    let now = clock.time();
    let mut view = ViewModel {
        scene: world.resource::<SceneFacts>().view(),
        tick: clock.tick,
        time: now,
        ..ViewModel::default()
    };
    state::fill(world, &mut view);
    protection::fill(world, &mut view);
    ledger::fill(world, &mut view);
    let organisation = world.resource::<Organisation>();
    let alarms = world.resource::<Alarms>();
    view.alarms = alarms.views(organisation);
    view.alarm_rates = alarms.rates(now.0);
    view.events = world.resource::<EventLog>().all();
    view.history = world.resource::<Telemetry>().history();
    let hops = world.resource::<RecentHops>();
    let fresh = |hop: &&crate::view::HopView| hop.arrives.0 + HOP_LINGER_MS >= now.0;
    view.data_hops = hops.data.iter().filter(fresh).cloned().collect();
    view.ledger_hops = hops.ledger.iter().filter(fresh).cloned().collect();
    view.rejections = world
        .resource::<Rejections>()
        .0
        .iter()
        .map(|rejection| format!("{}: {}", rejection.command, rejection.reason))
        .collect();
    view.story = story::view(world);
    view.selection = selected.map(|what| select::details(world, &view, what));
    view
}
