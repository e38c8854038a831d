//! Ingest: commands of the tick and timed events of the scene take effect.

mod ledgers;

use bevy::prelude::*;
use gridloom_market::Terms;
use gridloom_units::DeviceId;

use crate::bound::{BoundDevice, BoundPosition, bind_text};
use crate::clock::SimClock;
use crate::command::Command;
use crate::edge::{Cloud, Strategy};
use crate::grid::{Breaker, Grid, Mlmd, PendingOperation};
use crate::input::{InputLog, Rejections, Script};
use crate::island::{IslandPlan, Islands, Plan, Request, apply_request};
use crate::ledger::LedgerGroup;
use crate::link::DataPlane;
use crate::market::{MarketClock, OrderDesk, OrderSlot};
use crate::meter::{DeviceEdge, Meter};
use crate::protection::{Orders, ProtectionPlan, ProtectionState};
use crate::record::{Alarms, EventLog};
use crate::schedule::{SimSystems, SimTick};
use crate::sim_state::RegisterSimState;
use crate::site::{BatteryUnit, CloudFront, CloudWay, PvUnit, RemoteSetpoints, Site, Weather};
use crate::spawn::Organisation;
use crate::story::{Story, StoryState};
use crate::truth::TamperKind;
use crate::view::EventKind;

/// Clouds remembered; the oldest have long left the map.
const MAX_FRONTS: usize = 64;

/// Owns the command queue.
pub struct IngestPlugin;

impl Plugin for IngestPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<InputLog>()
            .init_resource::<Script>()
            .init_resource::<Rejections>()
            .register_sim_component::<BoundDevice>()
            .register_sim_component::<BoundPosition>();
        app.add_systems(SimTick, apply_commands.in_set(SimSystems::Ingest));
    }
}

/// Set-points from outside and what they are about.
type Remote = (
    &'static Site,
    &'static mut RemoteSetpoints,
    Option<&'static PvUnit>,
    Option<&'static BatteryUnit>,
);

/// Meters and the physical devices beside them.
type Metered = (
    &'static Site,
    &'static mut Meter,
    &'static mut BoundDevice,
    &'static mut DeviceEdge,
    &'static mut OrderDesk,
);

/// M-LMDs and the physical breakers beside them.
type Switched = (
    &'static Mlmd,
    &'static mut Breaker,
    &'static mut BoundPosition,
);

/// What commands may touch.
struct Targets<'a, 'b, 'm, 'g, 'r, 's1, 's2, 's3, 's4> {
    organisation: &'a Organisation,
    market: &'a MarketClock,
    weather: &'a mut Weather,
    plan: Option<&'a Plan>,
    islands: &'a mut Islands,
    grid: &'a mut Grid,
    breakers: &'a mut Query<'b, 's1, Switched>,
    meters: &'a mut Query<'m, 's2, Metered>,
    groups: &'a mut Query<'g, 's3, &'static mut LedgerGroup>,
    remotes: &'a mut Query<'r, 's4, Remote>,
    devices: &'a ProtectionPlan,
    protection: &'a mut ProtectionState,
    tick_ms: u64,
    now_ms: u64,
    alarms: &'a mut Alarms,
    story: &'a Story,
    told: &'a mut StoryState,
    plane: &'a mut DataPlane,
    cloud: &'a mut Cloud,
}

fn apply_commands(
    (clock, market): (Res<SimClock>, Res<MarketClock>),
    log: Res<InputLog>,
    script: Res<Script>,
    organisation: Res<Organisation>,
    mut rejections: ResMut<Rejections>,
    mut events: ResMut<EventLog>,
    mut weather: ResMut<Weather>,
    (plan, mut islands): (Res<IslandPlan>, ResMut<Islands>),
    mut grid: ResMut<Grid>,
    mut breakers: Query<Switched>,
    mut meters: Query<Metered>,
    mut groups: Query<&'static mut LedgerGroup>,
    mut remotes: Query<Remote>,
    (devices, mut protection): (Res<ProtectionPlan>, ResMut<ProtectionState>),
    (mut plane, mut cloud): (ResMut<DataPlane>, ResMut<Cloud>),
    (mut alarms, story, mut told): (ResMut<Alarms>, Res<Story>, ResMut<StoryState>),
) {
    let tick = clock.tick.0;
    let due = told.take_due(&story);
    let mut targets = Targets {
        organisation: &organisation,
        market: &market,
        weather: &mut weather,
        plan: plan.0.as_ref(),
        islands: &mut islands,
        grid: &mut grid,
        breakers: &mut breakers,
        meters: &mut meters,
        groups: &mut groups,
        remotes: &mut remotes,
        devices: &devices,
        protection: &mut protection,
        tick_ms: clock.tick_ms,
        now_ms: clock.start_ms(),
        alarms: &mut alarms,
        story: &story,
        told: &mut told,
        plane: &mut plane,
        cloud: &mut cloud,
    };
    for (command, note) in script.at(tick).iter().chain(&due) {
        if !note.is_empty() {
            events.push(&clock, EventKind::Scene, None, note.clone());
        }
        if let Err(reason) = targets.apply(command, "the scene") {
            rejections.push(command, reason);
        }
    }
    for command in log.at(tick) {
        let shown = !matches!(
            command,
            Command::DeviceReading { .. }
                | Command::DevicePosition { .. }
                | Command::MeterRecord { .. }
                | Command::SaidElsewhere { .. }
        );
        match targets.apply(command, "the operator") {
            Ok(text) if shown => events.push(&clock, EventKind::Command, None, text),
            Ok(_) => {}
            Err(reason) => rejections.push(command, reason),
        }
    }
}

impl Targets<'_, '_, '_, '_, '_, '_, '_, '_, '_> {
    fn orders(&mut self) -> Orders<'_> {
        Orders {
            plan: self.devices,
            state: self.protection,
            grid: self.grid,
            now_ms: self.now_ms,
            tick_ms: self.tick_ms,
        }
    }

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
            Command::Alarm(command) => self.alarms.command(command, self.now_ms, self.organisation),
            Command::When { condition, then } => self.told.arm(self.story, condition, then),
            // Counted by the score, which reads the input log.
            Command::Hint(index) => Ok(format!("Hint {} taken", index + 1)),
            Command::SilenceMeter(device) => self.silence(*device, true),
            Command::RestoreMeter(device) => self.silence(*device, false),
            Command::TamperMeter { device, how } => self.tamper(*device, *how),
            Command::DriftMlmd { device, permille } => self.drift(*device, *permille),
            Command::BindDevice(device) => self.bind(*device, true),
            Command::UnbindDevice(device) => self.bind(*device, false),
            Command::LimitSolar { device, permille } => {
                let (mut remote, pv, _) = self.remote(*device)?;
                pv.ok_or_else(|| format!("{device} has no photovoltaic unit"))?;
                let text = remote.limit_pv(*permille)?;
                Ok(format!("Meter {device}: {text}"))
            }
            Command::SetBattery { device, p_w } => {
                let (mut remote, _, battery) = self.remote(*device)?;
                let battery = battery.ok_or_else(|| format!("{device} has no battery"))?;
                let text = remote.set_battery(*p_w, battery.0.params().max_kw)?;
                Ok(format!("Meter {device}: {text}"))
            }
            Command::DeviceReading {
                device,
                p_w,
                voltage_mv,
                good,
            } => {
                let now_ms = self.now_ms;
                let (_, _, mut bound, ..) = self
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
            Command::DevicePosition {
                device,
                closed,
                good,
            } => self.position(*device, *closed, *good),
            Command::TrustMeter { device, key } => {
                self.bound_edge(*device)?.trust(*key);
                let digits: String = key[..4].iter().map(|byte| format!("{byte:02x}")).collect();
                Ok(format!(
                    "Meter {device}: readings signed by {digits} go to the ledger"
                ))
            }
            Command::MeterRecord { device, record } => {
                self.bound_edge(*device)?.hand_in(record)?;
                Ok(String::new())
            }
            Command::PlaceOrder {
                device,
                slot,
                terms,
            } => self.place_order(*device, *slot, terms),
            Command::OperateDevice { device, close } => self.orders().operate(device, *close, by),
            Command::StartFault(spec) => self.orders().start_fault(spec),
            Command::ClearFault(id) => self.orders().clear_fault(id),
            Command::SetConductor {
                line,
                conductor,
                open,
            } => self.orders().conductor(line, *conductor, *open),
            Command::SetStuck { device, stuck } => self.orders().stick(device, *stuck),
            Command::Program { device, settings } => self.orders().program(device, settings),
            Command::ReleaseSection(id) => self.orders().release(id),
            Command::SetRadio { area, jammed } => self.orders().jam(area, *jammed),
            Command::CrashValidator { .. }
            | Command::RestartValidator { .. }
            | Command::Partition { .. }
            | Command::Heal { .. }
            | Command::Misbehave { .. }
            | Command::LedgerLoss { .. }
            | Command::GiveAway { .. }
            | Command::SaidElsewhere { .. }
            | Command::TakeBack { .. }
            | Command::LoseOutside { .. }
            | Command::MoveMembers { .. } => self.apply_to_ledger(command),
            Command::CloudLink { up } => self.cloud_link(*up),
            Command::Upload {
                every,
                threshold_wh,
            } => self.upload(*every, *threshold_wh),
            Command::CloudFront(way) => self.cloud_front(*way),
            Command::LoseGrid => self.island(Request::Grid(false)),
            Command::RestoreGrid => self.island(Request::Grid(true)),
            Command::Island => self.island(Request::Island),
            Command::Resynchronise => self.island(Request::Resynchronise),
            Command::BlockForming(device) => self.island(Request::Block(*device)),
            Command::BlackStart => self.island(Request::BlackStart),
        }
    }

    fn island(&mut self, request: Request) -> Result<String, String> {
        let mut breakers = self
            .breakers
            .iter_mut()
            .map(|(mlmd, breaker, _)| (mlmd, breaker.into_inner()));
        apply_request(request, self.plan, self.islands, self.grid, &mut breakers)
    }

    fn cloud_link(&mut self, up: bool) -> Result<String, String> {
        if self.plane.reaches_cloud() == up {
            let state = if up { "works" } else { "is cut" };
            return Err(format!("the link to the cloud {state} already"));
        }
        self.plane.cut_cloud(!up);
        let state = if up { "works again" } else { "cut" };
        Ok(format!("Link to the cloud {state}"))
    }

    /// The strategy in the cloud; aggregators learn it with its next answer.
    fn upload(&mut self, every: u32, threshold_wh: u32) -> Result<String, String> {
        if !(1..=96).contains(&every) {
            return Err("reports every 1 to 96 intervals".into());
        }
        let version = self.cloud.strategy.version + 1;
        self.cloud.strategy = Strategy {
            version,
            every,
            threshold_wh,
        };
        Ok(format!(
            "Upload strategy {version}: every {every} intervals{}",
            match threshold_wh {
                0 => String::new(),
                wh => format!(", or when the load of one changes by {wh} Wh"),
            }
        ))
    }

    fn cloud_front(&mut self, way: CloudWay) -> Result<String, String> {
        if way.speed_mm_s == 0 || way.edge_mm == 0 || way.left_permille > 1_000 {
            return Err("a cloud needs a speed, an edge and at most 1000 permille of sun".into());
        }
        if self.weather.fronts.len() >= MAX_FRONTS {
            self.weather.fronts.remove(0);
        }
        self.weather.fronts.push(CloudFront {
            since_ms: self.now_ms,
            way,
        });
        Ok(format!(
            "A cloud enters at {:.0} m/s",
            f64::from(way.speed_mm_s) / 1_000.0
        ))
    }

    fn operate(&mut self, device: DeviceId, close: bool, by: &str) -> Result<String, String> {
        let (mlmd, mut breaker, _) = self
            .breakers
            .iter_mut()
            .find(|(mlmd, ..)| mlmd.device == device)
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

    /// Checks that the meter exists; `truth` carries it out.
    fn tamper(&mut self, device: DeviceId, how: Option<TamperKind>) -> Result<String, String> {
        if !self.meters.iter().any(|(site, ..)| site.device == device) {
            return Err(format!("no meter {device}"));
        }
        Ok(match how {
            Some(how) => format!("Meter {device} tampered with: {how:?}"),
            None => format!("Meter {device} put right"),
        })
    }

    /// Checks that the M-LMD exists; `truth` carries it out.
    fn drift(&mut self, device: DeviceId, permille: i32) -> Result<String, String> {
        if permille.abs() > 500 {
            return Err("a drift above 500 permille is a defect: use -500 to 500".into());
        }
        let mlmd = self.breakers.iter().find(|(m, ..)| m.device == device);
        let (mlmd, ..) = mlmd.ok_or_else(|| format!("no M-LMD {device}"))?;
        Ok(format!("{} measures {permille} permille off", mlmd.id))
    }

    fn silence(&mut self, device: DeviceId, silenced: bool) -> Result<String, String> {
        let (_, mut meter, ..) = self
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

    fn bind(&mut self, device: DeviceId, bind: bool) -> Result<String, String> {
        let mut mlmds = self.breakers.iter_mut();
        if let Some((mlmd, _, mut bound)) = mlmds.find(|(mlmd, ..)| mlmd.device == device) {
            let text = bind_text(&mlmd.id, bound.bound, bind)?;
            *bound = BoundPosition::new(bind);
            return Ok(text);
        }
        let (_, _, mut bound, ..) = self
            .meters
            .iter_mut()
            .find(|(site, ..)| site.device == device)
            .ok_or_else(|| format!("no meter or M-LMD {device}"))?;
        let text = bind_text(&format!("Meter {device}"), bound.bound, bind)?;
        *bound = BoundDevice::new(bind);
        Ok(text)
    }

    fn position(&mut self, device: DeviceId, closed: bool, good: bool) -> Result<String, String> {
        let now_ms = self.now_ms;
        let (mlmd, _, mut bound) = self
            .breakers
            .iter_mut()
            .find(|(mlmd, ..)| mlmd.device == device)
            .ok_or_else(|| format!("no M-LMD {device}"))?;
        if !bound.bound {
            return Err(format!("{} is not bound to a device", mlmd.id));
        }
        bound.good = good;
        if good {
            (bound.closed, bound.at_ms) = (closed, Some(now_ms));
        }
        Ok(String::new())
    }

    fn place_order(
        &mut self,
        device: DeviceId,
        slot: OrderSlot,
        terms: &Terms,
    ) -> Result<String, String> {
        let (now_ms, market) = (self.now_ms, self.market);
        let (site, .., mut desk) = self
            .meters
            .iter_mut()
            .find(|(site, ..)| site.device == device)
            .ok_or_else(|| format!("no meter {device}"))?;
        let name = &self.organisation.participants[site.meter as usize].name;
        let slot = desk.hand_in(now_ms, market, slot, terms)?;
        Ok(format!("{name} bids for slot {slot}: {}", terms.words()))
    }

    /// Edge of a meter that has a physical device.
    fn bound_edge(&mut self, device: DeviceId) -> Result<Mut<'_, DeviceEdge>, String> {
        let (_, _, bound, edge, _) = self
            .meters
            .iter_mut()
            .find(|(site, ..)| site.device == device)
            .ok_or_else(|| format!("no meter {device}"))?;
        if !bound.bound {
            return Err(format!("{device} is not bound to a device"));
        }
        Ok(edge)
    }

    fn remote(
        &mut self,
        device: DeviceId,
    ) -> Result<
        (
            Mut<'_, RemoteSetpoints>,
            Option<&PvUnit>,
            Option<&BatteryUnit>,
        ),
        String,
    > {
        self.remotes
            .iter_mut()
            .find(|(site, ..)| site.device == device)
            .map(|(_, remote, pv, battery)| (remote, pv, battery))
            .ok_or_else(|| format!("no meter {device}"))
    }
}
