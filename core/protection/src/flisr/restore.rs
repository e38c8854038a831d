//! Restoration: questions along the dead path and along the supply path,
//! promises, cutting off what cannot be carried, closing.

mod meters;

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Body, Flisr, Order, Scope};
use crate::soe::{EventId, SoeKind};
use meters::{Meters, heard};

/// Time after which a neighbour that had not agreed yet is asked again, us.
const SOON_US: u64 = 1_000_000;

/// Head start of each tie over the next, us.
const TURN_US: u64 = 600_000;

/// Questions a member relays at a time at most; older ones are dropped.
const RELAYS: usize = 32;

/// Identifies a question: who asks, and its number.
type AskId = (usize, u64);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) enum Kind {
    /// What would be picked up beyond you, and is all of it healthy?
    Reach,
    /// Can the path behind you carry this more, A?
    Carry(f64),
    /// Open, so that only the zone asked about is picked up.
    Cut,
}

/// A question to the members of a zone.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Ask {
    id: AskId,
    zone: usize,
    kind: Kind,
}

/// The answer of one member.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Answer {
    id: AskId,
    /// Refused, with the reason.
    refused: Option<Refusal>,
    /// Load picked up beyond, or what can be carried, A.
    amps: f64,
    /// Whether supply comes this way.
    supply: bool,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Refusal {
    why: String,
    /// It may be different in a moment.
    soon: bool,
}

fn refusal(why: impl Into<String>, soon: bool) -> Refusal {
    Refusal {
        why: why.into(),
        soon,
    }
}

/// A zone is promised to one restorer at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Promise {
    pub to: usize,
    until_us: u64,
}

/// A question passed on.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Relay {
    back: usize,
    kind: Kind,
    waiting: BTreeSet<usize>,
    answer: Answer,
    done: bool,
}

/// How far a restoration is.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Restore {
    /// Not before this time, us.
    not_before_us: Option<u64>,
    run: Option<Run>,
    refusals: u32,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Run {
    /// Number of the open question.
    number: u64,
    kind: Kind,
    dead_side: usize,
    until_us: u64,
    waiting: BTreeSet<usize>,
    /// Load beyond each member of the dead zone, A.
    loads: BTreeMap<usize, f64>,
    /// Load of the dead zone itself, A.
    own_a: f64,
    spare_a: f64,
    supply: bool,
    meters: Meters,
    refused: Option<(usize, Refusal)>,
    event: EventId,
}

impl Restore {
    pub fn look_again(&mut self, now_us: u64) {
        if self.run.is_none() {
            self.not_before_us = Some(now_us);
            self.refusals = 0;
        }
    }

    pub fn next_us(&self) -> Option<u64> {
        match &self.run {
            Some(run) if run.meters.waiting.is_empty() => Some(run.until_us),
            Some(run) => Some(run.until_us.min(run.meters.until_us)),
            None => self.not_before_us,
        }
    }
}

impl Flisr {
    /// Begins a restoration where one is possible, or ends one that waits too long.
    pub(super) fn watch_restore(&mut self, i: usize, scope: &mut Scope<'_>) {
        let now = scope.now_us;
        if let Some(run) = &self.agents[i].restore.run {
            if !self.still_wanted(i, run.dead_side, scope) {
                self.end(i, None, scope);
            } else if now >= run.until_us {
                let silent = scope.names(run.waiting.iter().copied());
                let event = run.event;
                let text = format!("gives up: no answer from {silent}; stays open");
                self.say_once(i, event, text, scope);
                self.end(i, Some(false), scope);
            } else if run.kind == Kind::Cut && run.waiting.is_empty() {
                self.close(i, scope);
            } else if !run.meters.waiting.is_empty() && now >= run.meters.until_us {
                // Silence of a meter says nothing.
                if let Some(run) = &mut self.agents[i].restore.run {
                    run.meters.waiting.clear();
                }
                self.advance(i, scope);
            }
            return;
        }
        let again = self.agents[i].restore.not_before_us;
        if again.is_some_and(|at| now < at) {
            return;
        }
        let Some(dead_side) = (0..2).find(|&side| self.still_wanted(i, side, scope)) else {
            self.agents[i].restore.not_before_us = None;
            return;
        };
        let member = &scope.config.members[i];
        if member.tie {
            // Ties take turns, in the order of the scene.
            let turn = scope.config.members[..i].iter().filter(|m| m.tie).count() as u64;
            let first = self.agents[i].sides[dead_side].agreed_us
                + scope.config.settings.tie_delay_ms * 1_000
                + turn * TURN_US;
            if now < first {
                self.agents[i].restore.not_before_us = Some(first);
                return;
            }
        }
        let held = self.agents[i]
            .promise
            .filter(|p| p.until_us > now && p.to != i);
        if let Some(promise) = held {
            self.agents[i].restore.not_before_us = Some(promise.until_us);
            return;
        }
        self.begin(i, dead_side, scope);
    }

    /// Whether a member could give supply to its dead side.
    fn still_wanted(&self, i: usize, dead_side: usize, scope: &Scope<'_>) -> bool {
        let (member, agent, device) = (&scope.config.members[i], &self.agents[i], scope.device(i));
        member.zones[dead_side].is_some()
            && agent.sides[dead_side].healthy().is_some()
            && agent.sides[dead_side].dead_since_us.is_some()
            && scope.live(i, 1 - dead_side)
            && !device.closed()
            && !device.in_sequence()
            && !agent.locked.contains(&true)
    }

    fn begin(&mut self, i: usize, dead_side: usize, scope: &mut Scope<'_>) {
        let Some(zone) = scope.config.members[i].zones[dead_side] else {
            return;
        };
        let lease = 2 * scope.config.settings.patience_ms * 1_000;
        let own_a = self.agents[i].sides[dead_side].load_a();
        let others: BTreeSet<usize> = scope.others(zone, i).iter().map(|m| m.0).collect();
        let cause = self.agents[i].sides[dead_side].healthy();
        let text = format!(
            "could supply zone {} ({own_a:.0} A before): asks {}",
            scope.config.zones[zone].name,
            scope.names(others.iter().copied())
        );
        // What was refused before is tried again in silence.
        let event = match cause.filter(|_| self.agents[i].restore.refusals > 0) {
            Some(cause) => cause,
            None => scope.say(i, SoeKind::Restoration, cause, text),
        };
        let number = self.next_number(i);
        let agent = &mut self.agents[i];
        agent.promise = Some(Promise {
            to: i,
            until_us: scope.now_us + lease,
        });
        agent.restore.run = Some(Run {
            number,
            kind: Kind::Reach,
            dead_side,
            until_us: scope.now_us + scope.config.settings.patience_ms * 1_000,
            waiting: others.clone(),
            loads: BTreeMap::new(),
            own_a,
            spare_a: f64::INFINITY,
            supply: false,
            meters: Meters::default(),
            refused: None,
            event,
        });
        self.ask(i, &others, (number, zone, Kind::Reach), scope);
        self.ask_meters(i, zone, number, scope);
        self.advance(i, scope);
    }

    fn next_number(&mut self, i: usize) -> u64 {
        self.agents[i].asks += 1;
        self.agents[i].asks
    }

    fn ask(
        &mut self,
        i: usize,
        to: &BTreeSet<usize>,
        (number, zone, kind): (u64, usize, Kind),
        scope: &Scope<'_>,
    ) {
        for &member in to {
            let ask = Ask {
                id: (i, number),
                zone,
                kind,
            };
            self.radio.send(scope.now_us, i, member, Body::Ask(ask));
        }
    }

    /// Goes to the next question when every answer to the last one is in.
    fn advance(&mut self, i: usize, scope: &mut Scope<'_>) {
        let Some(run) = self.agents[i].restore.run.clone() else {
            return;
        };
        if let Some((who, why)) = &run.refused {
            let text = format!("stays open: {} says: {}", scope.id(*who), why.why);
            self.say_once(i, run.event, text, scope);
            self.end(i, Some(why.soon), scope);
            return;
        }
        if let Some(meter) = run.meters.live {
            let zone = scope.config.members[i].zones[run.dead_side].unwrap_or_default();
            let text = format!(
                "stays open: meter {} has voltage: zone {} is fed from elsewhere",
                scope.config.meters[meter], scope.config.zones[zone].name
            );
            self.say_once(i, run.event, text, scope);
            self.end(i, Some(false), scope);
            return;
        }
        if !run.waiting.is_empty() || !run.meters.waiting.is_empty() {
            return;
        }
        match run.kind {
            Kind::Reach => self.ask_to_carry(i, run, scope),
            Kind::Carry(need_a) => self.decide(i, run, need_a, scope),
            Kind::Cut => self.close(i, scope),
        }
    }

    fn ask_to_carry(&mut self, i: usize, mut run: Run, scope: &mut Scope<'_>) {
        let factor = scope.config.settings.pickup_factor;
        let need_a = factor * (run.own_a + run.loads.values().sum::<f64>());
        let member = &scope.config.members[i];
        run.number = self.next_number(i);
        run.kind = Kind::Carry(need_a);
        run.spare_a = member.limit_a;
        run.until_us = scope.now_us + scope.config.settings.patience_ms * 1_000;
        let zone = member.zones[1 - run.dead_side];
        let others: BTreeSet<usize> = zone
            .map(|zone| scope.others(zone, i).iter().map(|m| m.0).collect())
            .unwrap_or_default();
        // Beside a source nobody has to be asked.
        run.supply = zone.is_none();
        run.waiting.clone_from(&others);
        let number = run.number;
        self.agents[i].restore.run = Some(run);
        if let Some(zone) = zone {
            self.ask(i, &others, (number, zone, Kind::Carry(need_a)), scope);
        }
        self.advance(i, scope);
    }

    /// All, a part or nothing of what lies dead can be carried.
    fn decide(&mut self, i: usize, mut run: Run, need_a: f64, scope: &mut Scope<'_>) {
        let factor = scope.config.settings.pickup_factor;
        let zone = scope.config.members[i].zones[run.dead_side].unwrap_or_default();
        let name = scope.config.zones[zone].name.clone();
        if !run.supply {
            let text = format!("stays open: no neighbour supplies it, zone {name} stays dead");
            self.say_once(i, run.event, text, scope);
            self.end(i, Some(false), scope);
            return;
        }
        if need_a <= run.spare_a {
            self.close(i, scope);
            return;
        }
        if factor * run.own_a > run.spare_a {
            let text = format!(
                "stays open: zone {name} needs {:.0} A, the path can carry {:.0} A more",
                factor * run.own_a,
                run.spare_a
            );
            self.say_once(i, run.event, text, scope);
            self.end(i, Some(false), scope);
            return;
        }
        // Keep the largest branches that fit.
        let mut branches: Vec<(usize, f64)> = run
            .loads
            .iter()
            .map(|(&m, &a)| (m, factor * a))
            .filter(|(_, a)| *a > 0.0)
            .collect();
        branches.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut kept_a = factor * run.own_a;
        let mut cut = BTreeSet::new();
        for (member, amps) in branches {
            if kept_a + amps <= run.spare_a {
                kept_a += amps;
            } else {
                cut.insert(member);
                run.loads.remove(&member);
            }
        }
        let text = format!(
            "all behind would need {need_a:.0} A, the path can carry {:.0} A more: tells {} to \
             open, keeps {kept_a:.0} A",
            run.spare_a,
            scope.names(cut.iter().copied())
        );
        run.event = scope.say(i, SoeKind::Restoration, Some(run.event), text);
        run.number = self.next_number(i);
        run.kind = Kind::Cut;
        run.waiting.clone_from(&cut);
        run.until_us = scope.now_us + scope.config.settings.patience_ms * 1_000;
        let number = run.number;
        self.agents[i].restore.run = Some(run);
        self.ask(i, &cut, (number, zone, Kind::Cut), scope);
    }

    fn close(&mut self, i: usize, scope: &mut Scope<'_>) {
        let Some(run) = self.agents[i].restore.run.clone() else {
            return;
        };
        if !self.still_wanted(i, run.dead_side, scope) {
            self.end(i, None, scope);
            return;
        }
        let factor = scope.config.settings.pickup_factor;
        let zone = scope.config.members[i].zones[run.dead_side].unwrap_or_default();
        let beyond: Vec<usize> = run.loads.keys().copied().collect();
        let text = format!(
            "closes: zone {} agreed healthy{}; {:.0} A expected, {:.0} A allowed",
            scope.config.zones[zone].name,
            heard(&run.meters, beyond, scope),
            factor * (run.own_a + run.loads.values().sum::<f64>()),
            run.spare_a
        );
        let event = scope.say(i, SoeKind::Restoration, Some(run.event), text);
        let device = scope.config.members[i].device;
        scope.orders.push(Order {
            device,
            close: true,
            cause: event,
        });
        self.restorations += 1;
        // The promise runs out by itself: until then nobody else closes here.
        self.agents[i].restore = Restore {
            not_before_us: Some(scope.now_us + 2 * SOON_US),
            ..Restore::default()
        };
    }

    /// The same refusal again and again is said once.
    fn say_once(&mut self, i: usize, cause: EventId, text: String, scope: &mut Scope<'_>) {
        if self.agents[i].restore.refusals == 0 {
            scope.say(i, SoeKind::Restoration, Some(cause), text);
        }
    }

    /// Ends a run; `soon` says when to try again, `None` not before a change.
    fn end(&mut self, i: usize, soon: Option<bool>, scope: &mut Scope<'_>) {
        let settings = &scope.config.settings;
        let agent = &mut self.agents[i];
        let run = agent.restore.run.take();
        agent.promise = None;
        agent.restore.refusals += 1;
        agent.restore.not_before_us = soon.map(|soon| {
            let wait = if soon {
                // Not all at once: neighbours that refuse each other take turns.
                SOON_US + 130_000 * (i as u64 % 7)
            } else {
                settings.retry_ms * 1_000
            };
            scope.now_us + wait
        });
        let Some(zone) = run.and_then(|run| scope.config.members[i].zones[run.dead_side]) else {
            return;
        };
        for (other, _) in scope.others(zone, i) {
            self.radio.send(scope.now_us, i, other, Body::Released);
        }
    }

    pub(super) fn take_ask(&mut self, from: usize, to: usize, ask: Ask, scope: &mut Scope<'_>) {
        if let Some(relay) = self.agents[to].relays.get(&ask.id) {
            // A repeat needs no second answer; another way round adds nothing.
            if relay.back != from {
                self.reply(to, from, nothing(ask.id), scope);
            }
            return;
        }
        let Some(side) = scope.config.zones[ask.zone]
            .members
            .iter()
            .find(|m| m.0 == to)
            .map(|m| m.1)
        else {
            return;
        };
        let first = match ask.kind {
            Kind::Reach => self.reach(to, side, ask, scope),
            Kind::Carry(need_a) => self.carry(to, side, ask, need_a, scope),
            Kind::Cut => self.cut(to, ask, scope),
        };
        let mut relay = Relay {
            back: from,
            kind: ask.kind,
            waiting: BTreeSet::new(),
            answer: nothing(ask.id),
            done: false,
        };
        match first {
            First::Say(answer) => {
                relay.done = true;
                relay.answer = answer.clone();
                self.reply(to, from, answer, scope);
            }
            First::Wait(answer) => relay.answer = answer,
            First::PassOn(zone, answer) => {
                let others: BTreeSet<usize> = scope.others(zone, to).iter().map(|m| m.0).collect();
                relay.answer = answer;
                relay.waiting.clone_from(&others);
                for &member in &others {
                    let onward = Ask { zone, ..ask };
                    self.radio.send(scope.now_us, to, member, Body::Ask(onward));
                }
            }
        }
        let relays = &mut self.agents[to].relays;
        if relays.len() >= RELAYS
            && let Some(&oldest) = relays.keys().min_by_key(|id| id.1)
        {
            relays.remove(&oldest);
        }
        relays.insert(ask.id, relay);
        self.finish_relay(to, ask.id, scope);
    }

    fn reach(&mut self, to: usize, side: usize, ask: Ask, scope: &Scope<'_>) -> First {
        let refuse = |why: String, soon: bool| {
            First::Say(Answer {
                refused: Some(refusal(why, soon)),
                ..nothing(ask.id)
            })
        };
        let zone_name = |zone: usize| scope.config.zones[zone].name.clone();
        let origin = ask.id.0;
        let now = scope.now_us;
        if self.agents[to].sides[side].healthy().is_none() {
            return refuse(format!("zone {} not agreed yet", zone_name(ask.zone)), true);
        }
        if let Some(promise) = self.agents[to].promise.filter(|p| p.until_us > now) {
            // Of two that ask each other the first in the order of the scene goes on.
            let yields = promise.to == to && to > origin;
            if promise.to != origin && !yields {
                let text = format!("promised to {}", scope.id(promise.to));
                return refuse(text, true);
            }
            if yields && self.agents[to].restore.run.take().is_some() {
                self.agents[to].restore.not_before_us = Some(promise.until_us);
            }
        }
        let lease = 2 * scope.config.settings.patience_ms * 1_000;
        self.agents[to].promise = Some(Promise {
            to: origin,
            until_us: now + lease,
        });
        let device = scope.device(to);
        if !device.closed() {
            return First::Say(nothing(ask.id));
        }
        let far = 1 - side;
        if scope.live(to, far) {
            return refuse("live beyond: would join two sources".into(), false);
        }
        let Some(zone) = scope.config.members[to].zones[far] else {
            return refuse("a source lies beyond".into(), false);
        };
        if self.agents[to].sides[far].healthy().is_none() {
            let faulted = self.agents[to].locked[far];
            let word = if faulted {
                "is faulted and not cut off yet"
            } else {
                "not agreed yet"
            };
            return refuse(format!("zone {} beyond {word}", zone_name(zone)), true);
        }
        let answer = Answer {
            amps: self.agents[to].sides[far].load_a(),
            ..nothing(ask.id)
        };
        First::PassOn(zone, answer)
    }

    fn carry(&mut self, to: usize, side: usize, ask: Ask, need_a: f64, scope: &Scope<'_>) -> First {
        let device = scope.device(to);
        // Positive power flows from bus to line, that is into the zone of side 1.
        let into_zone = if side == 1 {
            device.measured.power_w()
        } else {
            -device.measured.power_w()
        };
        let far = 1 - side;
        let supplies = device.closed() && scope.live(to, far) && into_zone > 0.0;
        if !supplies {
            return First::Say(nothing(ask.id));
        }
        let now = scope.now_us;
        let agent = &mut self.agents[to];
        agent.reserved.retain(|r| r.1 > now && r.0 != ask.id.0);
        let reserved: f64 = agent.reserved.iter().map(|r| r.2).sum();
        let spare_a = scope.config.members[to].limit_a - device.measured.phase_a() - reserved;
        let lease = 2 * scope.config.settings.patience_ms * 1_000;
        if agent.reserved.len() < RELAYS {
            let amps = need_a.min(spare_a.max(0.0));
            agent.reserved.push((ask.id.0, now + lease, amps));
        }
        let answer = Answer {
            amps: spare_a.max(0.0),
            supply: true,
            ..nothing(ask.id)
        };
        match scope.config.members[to].zones[far] {
            None => First::Say(answer),
            Some(zone) => First::PassOn(zone, answer),
        }
    }

    fn cut(&mut self, to: usize, ask: Ask, scope: &mut Scope<'_>) -> First {
        if scope.device(to).closed() {
            let text = format!("opens on the word of {}", scope.id(ask.id.0));
            let event = scope.say(to, SoeKind::Restoration, None, text);
            let device = scope.config.members[to].device;
            scope.orders.push(Order {
                device,
                close: false,
                cause: event,
            });
            // The answer leaves when the switch has opened (`finish_relay`).
            return First::Wait(nothing(ask.id));
        }
        First::Say(nothing(ask.id))
    }

    fn reply(&mut self, from: usize, to: usize, answer: Answer, scope: &Scope<'_>) {
        self.radio
            .send(scope.now_us, from, to, Body::Answer(answer));
    }

    pub(super) fn take_answer(
        &mut self,
        from: usize,
        to: usize,
        answer: Answer,
        scope: &mut Scope<'_>,
    ) {
        if answer.id.0 == to {
            let Some(run) = &mut self.agents[to].restore.run else {
                return;
            };
            if run.number != answer.id.1 || !run.waiting.remove(&from) {
                return;
            }
            if let Some(why) = answer.refused {
                run.refused.get_or_insert((from, why));
            }
            match run.kind {
                Kind::Reach => {
                    if answer.amps > 0.0 {
                        run.loads.insert(from, answer.amps);
                    }
                }
                Kind::Carry(_) if answer.supply => {
                    run.supply = true;
                    run.spare_a = run.spare_a.min(answer.amps);
                }
                Kind::Carry(_) | Kind::Cut => {}
            }
            self.advance(to, scope);
            return;
        }
        if let Some(relay) = self.agents[to].relays.get_mut(&answer.id)
            && !relay.done
            && relay.waiting.remove(&from)
        {
            if relay.answer.refused.is_none() {
                relay.answer.refused = answer.refused;
            }
            match relay.kind {
                Kind::Reach => relay.answer.amps += answer.amps,
                Kind::Carry(_) if answer.supply => {
                    relay.answer.amps = relay.answer.amps.min(answer.amps);
                }
                Kind::Carry(_) | Kind::Cut => {}
            }
            self.finish_relay(to, answer.id, scope);
        }
    }

    /// Answers the asker when all that was asked onward has answered.
    fn finish_relay(&mut self, i: usize, id: AskId, scope: &Scope<'_>) {
        let Some(relay) = self.agents[i].relays.get_mut(&id) else {
            return;
        };
        let opening = relay.kind == Kind::Cut && scope.device(i).closed();
        if relay.done || !relay.waiting.is_empty() || opening {
            return;
        }
        relay.done = true;
        let (back, answer) = (relay.back, relay.answer.clone());
        self.reply(i, back, answer, scope);
    }

    /// Members told to open answer once they have.
    pub(super) fn confirm_cuts(&mut self, i: usize, scope: &Scope<'_>) {
        let open: Vec<AskId> = self.agents[i]
            .relays
            .iter()
            .filter(|(_, relay)| relay.kind == Kind::Cut && !relay.done)
            .map(|(&id, _)| id)
            .collect();
        for id in open {
            self.finish_relay(i, id, scope);
        }
    }
}

/// How a member first reacts to a question.
enum First {
    Say(Answer),
    /// Answer when its switch has moved.
    Wait(Answer),
    /// Ask the other members of a zone first.
    PassOn(usize, Answer),
}

fn nothing(id: AskId) -> Answer {
    Answer {
        id,
        refused: None,
        amps: 0.0,
        supply: false,
    }
}
