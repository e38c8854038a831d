//! Fault location, isolation and service restoration by M-LMDs that talk only
//! to their neighbours (paper G12, G14, G15).
//!
//! The network between the switches of M-LMDs and ties falls into *zones*. The
//! members of a zone, the M-LMDs whose switch bounds it, are neighbours. What
//! happens after supply is lost:
//!
//! 1. **Detect.** A member sees its side of the zone dead, for longer than any
//!    reclosing takes or because its own device locked out. It reports to the
//!    other members: whether fault current passed it, which way, what load the
//!    zone drew through it.
//! 2. **Agree.** With the reports of *all* members each forms its verdict:
//!    fault current went in and not out, so the fault is here; or the zone is
//!    healthy. They vote; only equal votes of all members are an agreement.
//!    A member that stays silent leaves the zone undecided, and open.
//! 3. **Isolate.** Every member of a faulted zone opens and locks its switch.
//! 4. **Restore.** A member of a healthy dead zone whose other side is live asks
//!    along the dead path what it would pick up and whether all of it is healthy,
//!    and along the supply path whether that can carry it. Promises bind a zone
//!    to one restorer at a time. It also asks the meters of the zone whether they
//!    have voltage: where one has, something feeds the zone that the M-LMDs do
//!    not see, and nobody closes onto it. It closes when every answer allows it;
//!    where the supply carries only a part, the members ahead cut off the rest
//!    first.
//!
//! A lock holds until the section is released by a person.

mod evidence;
mod radio;
mod restore;

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::device::{DeviceState, LIVE_PU};
use crate::element::DEAD_PU;
use crate::phasor::Direction;
use crate::soe::{EventId, Recorder, SoeKind};
use evidence::{Report, Side, Verdict};
use radio::Radio;
pub use radio::{RadioCounts, RadioSettings};
use restore::{Answer, Ask, Promise, Relay, Restore};

/// Current below which a dead place carries none, A.
const NO_CURRENT_A: f64 = 1.0;

/// Programmed behaviour of the M-LMDs of one area.
#[derive(
    Clone, Copy, Debug, PartialEq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct FlisrSettings {
    /// The radio between neighbours.
    pub radio: RadioSettings,
    /// Phase current above which fault current has passed, A.
    pub passage_a: f64,
    /// Residual current above which earth-fault current has passed, A.
    pub passage_earth_a: f64,
    /// Time without supply before M-LMDs act, ms; longer than any dead time.
    pub confirm_ms: u64,
    /// Time a tie lets the normal source go first, ms.
    #[serde(default = "tie_delay")]
    pub tie_delay_ms: u64,
    /// Time to wait for neighbours before a question counts as unanswered, ms.
    #[serde(default = "patience")]
    pub patience_ms: u64,
    /// Time before an unanswered or refused step is tried again, ms.
    #[serde(default = "retry")]
    pub retry_ms: u64,
    /// Load that comes back relative to what it was before, for cold-load pickup.
    #[serde(default = "one")]
    pub pickup_factor: f64,
}

fn tie_delay() -> u64 {
    3_000
}
fn patience() -> u64 {
    4_000
}
fn retry() -> u64 {
    10_000
}
fn one() -> f64 {
    1.0
}

/// A switch with an M-LMD of the area.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Member {
    /// Id in the scene.
    pub id: String,
    /// Device that it operates.
    pub device: usize,
    /// Zones at its bus and at its line; `None` is a source.
    pub zones: [Option<usize>; 2],
    /// Current its path may carry, A.
    pub limit_a: f64,
    /// Open in normal operation.
    pub tie: bool,
}

/// A part of the network without a switch of the area inside.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Zone {
    /// Name for people.
    pub name: String,
    /// Members, and the side of each that faces the zone.
    pub members: Vec<(usize, usize)>,
    /// Meters in it that can be asked.
    pub meters: Vec<usize>,
}

/// What never changes in a run.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct FlisrConfig {
    /// Settings.
    pub settings: FlisrSettings,
    /// Members in scene order.
    pub members: Vec<Member>,
    /// Zones.
    pub zones: Vec<Zone>,
    /// Ids of all meters, those elsewhere included.
    pub meters: Vec<String>,
}

/// Meters of a zone that are asked at most.
const ASKED_METERS: usize = 64;

impl FlisrConfig {
    /// Derives the zones' lists from the members and from the meters, each with
    /// its zone.
    #[must_use]
    pub fn new(
        settings: FlisrSettings,
        members: Vec<Member>,
        meters: Vec<(String, Option<usize>)>,
    ) -> Self {
        let count = members
            .iter()
            .flat_map(|m| m.zones)
            .flatten()
            .max()
            .map_or(0, |z| z + 1);
        let mut zones = vec![Zone::default(); count];
        for (i, member) in members.iter().enumerate() {
            for (side, zone) in member.zones.iter().enumerate() {
                if let Some(zone) = *zone {
                    zones[zone].members.push((i, side));
                }
            }
        }
        for zone in &mut zones {
            let ids: Vec<&str> = zone
                .members
                .iter()
                .map(|&(m, _)| members[m].id.as_str())
                .collect();
            zone.name = ids.join("-");
        }
        for (meter, (_, zone)) in meters.iter().enumerate() {
            if let Some(zone) = zone.and_then(|zone| zones.get_mut(zone))
                && zone.meters.len() < ASKED_METERS
            {
                zone.meters.push(meter);
            }
        }
        Self {
            settings,
            members,
            zones,
            meters: meters.into_iter().map(|(id, _)| id).collect(),
        }
    }

    /// Where the radio finds a meter: after all members.
    fn meter_address(&self, meter: usize) -> usize {
        self.members.len() + meter
    }
}

/// What M-LMDs tell each other.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
enum Body {
    Report(Report),
    Vote {
        zone: usize,
        sent_us: u64,
        verdict: Verdict,
    },
    Ask(Ask),
    Answer(Answer),
    /// To a meter: has it voltage? With the number of the restoration's question.
    MeterAsk(u64),
    /// Of a meter: whether it has.
    MeterAnswer {
        number: u64,
        live: bool,
    },
    /// A promise is no longer needed.
    Released,
}

/// One M-LMD.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
struct Agent {
    sides: [Side; 2],
    /// Fault current flows in the present segment.
    flowing: Option<Direction>,
    /// Last fault current: direction, when it last flowed, event.
    passage: Option<(Direction, u64, EventId)>,
    /// Current before supply was lost, A, positive from bus to line.
    before_a: f64,
    /// Sides agreed to be faulted.
    locked: [bool; 2],
    promise: Option<Promise>,
    /// Amperes promised to others until a time: (asker, until, A).
    reserved: Vec<(usize, u64, f64)>,
    relays: BTreeMap<(usize, u64), Relay>,
    restore: Restore,
    asks: u64,
}

/// An order to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub device: usize,
    pub close: bool,
    pub cause: EventId,
}

/// All M-LMDs of an area with their radio.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Flisr {
    agents: Vec<Agent>,
    radio: Radio,
    /// Closures decided since the start.
    pub restorations: u64,
    /// Zones agreed to be faulted since the start.
    pub isolations: u64,
}

/// What a step of the M-LMDs sees and writes to.
pub(crate) struct Scope<'a> {
    pub now_us: u64,
    /// The last event that changed the network.
    pub change: Option<EventId>,
    pub config: &'a FlisrConfig,
    pub devices: &'a [DeviceState],
    /// Whether each meter has voltage; short where nobody measures that.
    pub meters: &'a [bool],
    pub soe: &'a mut Recorder,
    pub orders: &'a mut Vec<Order>,
}

impl Scope<'_> {
    fn device(&self, agent: usize) -> &DeviceState {
        &self.devices[self.config.members[agent].device]
    }

    fn id(&self, agent: usize) -> &str {
        &self.config.members[agent].id
    }

    fn say(
        &mut self,
        agent: usize,
        kind: SoeKind,
        cause: Option<EventId>,
        text: impl Into<String>,
    ) -> EventId {
        let id = &self.config.members[agent].id;
        self.soe.push(self.now_us, id, kind, cause, text)
    }

    /// Lowest and highest phase voltage at a side of a member, pu.
    fn side_pu(&self, agent: usize, side: usize) -> (f64, f64) {
        let m = &self.device(agent).measured;
        if side == 0 { m.bus_pu() } else { m.line_pu() }
    }

    fn live(&self, agent: usize, side: usize) -> bool {
        self.side_pu(agent, side).0 > LIVE_PU
    }

    /// No voltage and, since a near short circuit leaves none either, no current.
    fn dead(&self, agent: usize, side: usize) -> bool {
        let flows = self.device(agent).measured.phase_a() > NO_CURRENT_A;
        self.side_pu(agent, side).1 < DEAD_PU && !flows
    }

    /// Members of a zone but one, as (member, side).
    fn others(&self, zone: usize, but: usize) -> Vec<(usize, usize)> {
        let members = &self.config.zones[zone].members;
        members.iter().copied().filter(|m| m.0 != but).collect()
    }

    fn names(&self, agents: impl Iterator<Item = usize>) -> String {
        agents.map(|a| self.id(a)).collect::<Vec<_>>().join(", ")
    }
}

impl Flisr {
    /// M-LMDs that have seen nothing yet.
    #[must_use]
    pub fn new(config: &FlisrConfig, seed: u64) -> Self {
        Self {
            agents: vec![Agent::default(); config.members.len()],
            radio: Radio::new(config.settings.radio, seed),
            restorations: 0,
            isolations: 0,
        }
    }

    /// Counts of the radio.
    #[must_use]
    pub fn radio(&self) -> RadioCounts {
        self.radio.counts
    }

    /// Jams the radio or lets it work again.
    pub fn set_jammed(&mut self, jammed: bool) {
        self.radio.jammed = jammed;
    }

    /// Whether anybody may want to know of meters now.
    pub(crate) fn asks_meters(&self) -> bool {
        self.agents
            .iter()
            .any(|agent| agent.sides.iter().any(|side| side.dead_since_us.is_some()))
    }

    /// Whether a member is locked open at a faulted zone.
    #[must_use]
    pub fn locked(&self, member: usize) -> bool {
        self.agents
            .get(member)
            .is_some_and(|agent| agent.locked.contains(&true))
    }

    /// Whether a zone counts as faulted for any of its members.
    #[must_use]
    pub fn zone_faulted(&self, config: &FlisrConfig, zone: usize) -> bool {
        (config.zones.get(zone)).is_some_and(|z| {
            z.members
                .iter()
                .any(|&(m, side)| self.agents[m].locked[side])
        })
    }

    /// A person declares the faulted zones at a member repaired.
    pub fn release(&mut self, config: &FlisrConfig, member: usize) -> Vec<String> {
        let mut names = Vec::new();
        for side in 0..2 {
            let zone = config.members[member].zones[side];
            let Some(zone) = zone.filter(|_| self.agents[member].locked[side]) else {
                continue;
            };
            for &(other, at) in &config.zones[zone].members {
                self.agents[other].locked[at] = false;
                self.agents[other].passage = None;
                self.agents[other].sides[at].start_over();
            }
            names.push(config.zones[zone].name.clone());
        }
        names
    }

    /// When something happens next, us.
    pub(crate) fn next_us(&self, scope_now: u64, config: &FlisrConfig) -> Option<u64> {
        let agents = self
            .agents
            .iter()
            .filter_map(|agent| agent.next_us(&config.settings))
            .filter(|&at| at > scope_now)
            .min();
        agents.into_iter().chain(self.radio.next_us()).min()
    }

    /// Takes what the devices measure in the segment that begins.
    pub(crate) fn observe(&mut self, scope: &mut Scope<'_>) {
        for i in 0..self.agents.len() {
            self.observe_passage(i, scope);
            for side in 0..2 {
                let (live, dead) = (scope.live(i, side), scope.dead(i, side));
                self.agents[i].sides[side].observe(scope.now_us, scope.change, live, dead);
            }
            let device = scope.device(i);
            let healthy = device.closed() && self.agents[i].flowing.is_none();
            if healthy && scope.live(i, 0) && scope.live(i, 1) {
                let m = &scope.device(i).measured;
                let sign = if m.power_w() < 0.0 { -1.0 } else { 1.0 };
                self.agents[i].before_a = sign * m.phase_a();
            } else if !scope.device(i).closed() && scope.live(i, 0) && scope.live(i, 1) {
                self.agents[i].before_a = 0.0;
            }
        }
    }

    fn observe_passage(&mut self, i: usize, scope: &mut Scope<'_>) {
        let settings = &scope.config.settings;
        let device = scope.device(i);
        let m = device.measured;
        let above = m.phase_a() > settings.passage_a || m.residual_a() > settings.passage_earth_a;
        let direction = above.then(|| device.direction()).flatten();
        let now_us = scope.now_us;
        let agent = &mut self.agents[i];
        if agent.flowing.is_some()
            && let Some(passage) = &mut agent.passage
        {
            // It has flowed until now.
            passage.1 = now_us;
        }
        if let Some(direction) = direction {
            let known = agent
                .passage
                .filter(|p| agent.flowing.is_some() && p.0 == direction);
            let event = match known {
                Some((_, _, event)) => event,
                None => {
                    let way = match direction {
                        Direction::Forward => "from bus to line",
                        Direction::Reverse => "from line to bus",
                    };
                    let text = format!(
                        "fault current passes {way}: {:.0} A, residual {:.0} A",
                        m.phase_a(),
                        m.residual_a()
                    );
                    scope.say(i, SoeKind::Passage, scope.change, text)
                }
            };
            self.agents[i].passage = Some((direction, now_us, event));
        }
        self.agents[i].flowing = direction;
    }

    /// Carries out everything that is due.
    pub(crate) fn due(&mut self, scope: &mut Scope<'_>) {
        for (from, to, body) in self.radio.receive(scope.now_us) {
            if let Some(meter) = to.checked_sub(self.agents.len()) {
                // A meter has its own small store: it answers without supply.
                if let (Body::MeterAsk(number), Some(&live)) = (body, scope.meters.get(meter)) {
                    let answer = Body::MeterAnswer { number, live };
                    self.radio.send(scope.now_us, to, from, answer);
                }
                continue;
            }
            match body {
                Body::Report(report) => self.take_report(from, to, report, scope),
                Body::Vote {
                    zone,
                    sent_us,
                    verdict,
                } => self.take_vote(from, to, (zone, sent_us), verdict, scope),
                Body::Ask(ask) => self.take_ask(from, to, ask, scope),
                Body::Answer(answer) => self.take_answer(from, to, answer, scope),
                Body::MeterAsk(_) => {}
                Body::MeterAnswer { number, live } => {
                    self.take_meter(from, to, (number, live), scope);
                }
                Body::Released => {
                    let promise = &mut self.agents[to].promise;
                    if promise.is_some_and(|p| p.to == from) {
                        *promise = None;
                    }
                }
            }
        }
        for i in 0..self.agents.len() {
            for side in 0..2 {
                self.watch_side(i, side, scope);
            }
            self.confirm_cuts(i, scope);
            self.watch_restore(i, scope);
        }
    }
}

impl Agent {
    fn next_us(&self, settings: &FlisrSettings) -> Option<u64> {
        let sides = self
            .sides
            .iter()
            .filter_map(|side| side.next_us(settings))
            .min();
        sides.into_iter().chain(self.restore.next_us()).min()
    }
}

#[cfg(test)]
mod tests;
