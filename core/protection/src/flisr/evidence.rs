//! Detection and agreement: reports of what was seen, verdicts, votes.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Body, Flisr, FlisrSettings, Order, Scope};
use crate::phasor::Direction;
use crate::soe::{EventId, SoeKind};

/// A message is about the present outage when it was sent at most this long
/// before the receiver lost its supply, us.
const SAME_US: u64 = 100_000;

/// Fault current belongs to an outage when it ended at most this long before, us.
const FRESH_US: u64 = 150_000;

/// Supply counts as evidence after it has lasted for this time, us.
const STEADY_US: u64 = 1_000_000;

/// How fault current passed a member, seen from the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Seen {
    Nothing,
    Into,
    OutOf,
}

/// What a member tells about a zone.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Report {
    pub zone: usize,
    /// The sender's side has supply.
    pub live: bool,
    /// When it was sent, us.
    pub sent_us: u64,
    /// When the sender, or whoever it answers, lost supply, us.
    pub lost_us: u64,
    pub seen: Seen,
    /// Current into the zone before the outage, A, negative out of it.
    pub load_a: f64,
}

/// What the reports say about a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Verdict {
    /// Fault current went in and not out.
    Faulted,
    /// Live at one member and dead at another.
    Broken,
    /// No fault current, or as much out as in.
    Healthy,
    /// Fault current came out and none went in.
    Contradictory,
}

/// What a member knows about the zone at one of its sides.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Side {
    /// Supply has not been healthy since this time, us.
    pub lost_since_us: Option<u64>,
    /// The change of the network with which that began.
    lost_by: Option<EventId>,
    /// No voltage and no current since this time, us.
    pub dead_since_us: Option<u64>,
    /// Supply has been healthy since this time, us.
    pub live_since_us: Option<u64>,
    /// When the exchange of reports began.
    started_us: Option<u64>,
    pub reports: BTreeMap<usize, Report>,
    votes: BTreeMap<usize, Verdict>,
    verdict: Option<(Verdict, EventId)>,
    pub agreed: Option<(Verdict, EventId)>,
    /// When that was, us.
    pub agreed_us: u64,
    /// No agreement; the exchange begins again at this time.
    again_us: Option<u64>,
}

impl Side {
    pub fn healthy(&self) -> Option<EventId> {
        self.agreed.filter(|a| a.0 == Verdict::Healthy).map(|a| a.1)
    }

    /// Forgets what was said about the outage but not that there is no supply.
    pub fn start_over(&mut self) {
        *self = Self {
            lost_since_us: self.lost_since_us,
            lost_by: self.lost_by,
            dead_since_us: self.dead_since_us,
            live_since_us: self.live_since_us,
            ..Self::default()
        };
    }

    /// Takes the voltage of the segment that begins with a change.
    pub fn observe(&mut self, now_us: u64, change: Option<EventId>, live: bool, dead: bool) {
        if live {
            if self.live_since_us.is_none() {
                *self = Self {
                    live_since_us: Some(now_us),
                    ..Self::default()
                };
            }
            return;
        }
        self.live_since_us = None;
        if self.lost_since_us.is_none() {
            self.lost_since_us = Some(now_us);
            self.lost_by = change;
        }
        if dead {
            self.dead_since_us.get_or_insert(now_us);
        } else if self.dead_since_us.take().is_some() {
            // Something flows again: what was said before is old.
            self.start_over();
        }
    }

    pub fn next_us(&self, settings: &FlisrSettings) -> Option<u64> {
        let since = self.dead_since_us?;
        if self.agreed.is_some() {
            return None;
        }
        match (self.started_us, self.again_us) {
            (_, Some(again)) => Some(again),
            (Some(started), None) => Some(started + settings.patience_ms * 1_000),
            (None, None) => Some(since + settings.confirm_ms * 1_000),
        }
    }

    /// Load that the zone drew before the outage, A.
    pub fn load_a(&self) -> f64 {
        let sum: f64 = self.reports.values().map(|report| report.load_a).sum();
        sum.max(0.0)
    }
}

fn judge(reports: &BTreeMap<usize, Report>) -> Verdict {
    let any = |seen: Seen| reports.values().any(|r| r.seen == seen);
    let live = reports.values().any(|r| r.live);
    match (any(Seen::Into), any(Seen::OutOf)) {
        (true, false) => Verdict::Faulted,
        (false, true) => Verdict::Contradictory,
        _ if live => Verdict::Broken,
        _ => Verdict::Healthy,
    }
}

impl Flisr {
    /// Starts, restarts or gives up the exchange about a side.
    pub(super) fn watch_side(&mut self, i: usize, side: usize, scope: &mut Scope<'_>) {
        let Some(zone) = scope.config.members[i].zones[side] else {
            return;
        };
        let settings = &scope.config.settings;
        let state = &self.agents[i].sides[side];
        let Some(since) = state.dead_since_us else {
            return;
        };
        if state.agreed.is_some() {
            return;
        }
        let now = scope.now_us;
        if let Some(again) = state.again_us {
            if now >= again {
                self.agents[i].sides[side].start_over();
                self.start_exchange(i, side, zone, scope);
            }
            return;
        }
        match state.started_us {
            None => {
                let device = scope.device(i);
                let confirmed = now >= since + settings.confirm_ms * 1_000;
                let at_once = device.locked_out && !device.closed();
                if confirmed || at_once {
                    self.start_exchange(i, side, zone, scope);
                }
            }
            Some(started) if now >= started + settings.patience_ms * 1_000 => {
                let silent: Vec<usize> = scope
                    .others(zone, i)
                    .into_iter()
                    .map(|(m, _)| m)
                    .filter(|m| {
                        !state.reports.contains_key(m)
                            || (state.verdict.is_some() && !state.votes.contains_key(m))
                    })
                    .collect();
                let text = format!(
                    "no agreement about zone {}: no answer from {}; nothing is closed",
                    scope.config.zones[zone].name,
                    scope.names(silent.into_iter())
                );
                let verdict = self.agents[i].sides[side].verdict.map(|v| v.1);
                let cause = verdict.or_else(|| self.outage_cause(i, side));
                scope.say(i, SoeKind::Agreement, cause, text);
                let again = now + scope.config.settings.retry_ms * 1_000;
                self.agents[i].sides[side].again_us = Some(again);
            }
            Some(_) => {}
        }
    }

    fn start_exchange(&mut self, i: usize, side: usize, zone: usize, scope: &mut Scope<'_>) {
        self.agents[i].sides[side].started_us = Some(scope.now_us);
        let lost_us = self.agents[i].sides[side].lost_since_us;
        let report = self.own_report(i, side, zone, lost_us.unwrap_or(scope.now_us), scope.now_us);
        self.agents[i].sides[side].reports.insert(i, report);
        for (other, _) in scope.others(zone, i) {
            self.radio
                .send(scope.now_us, i, other, Body::Report(report));
        }
        self.consider(i, side, zone, scope);
        // What is behind the switch is dead for the same reason.
        let far = 1 - side;
        if scope.device(i).closed()
            && let Some(zone) = scope.config.members[i].zones[far]
            && self.agents[i].sides[far].dead_since_us.is_some()
            && self.agents[i].sides[far].started_us.is_none()
        {
            self.start_exchange(i, far, zone, scope);
        }
    }

    /// What a member has seen of the zone at its side.
    fn own_report(&self, i: usize, side: usize, zone: usize, lost_us: u64, now_us: u64) -> Report {
        let agent = &self.agents[i];
        let recent = agent
            .passage
            .filter(|(_, last, _)| last + FRESH_US >= lost_us);
        let seen = match recent {
            None => Seen::Nothing,
            // Side 1 is the line: forward current goes into its zone.
            Some((Direction::Forward, ..)) if side == 1 => Seen::Into,
            Some((Direction::Reverse, ..)) if side == 0 => Seen::Into,
            Some(_) => Seen::OutOf,
        };
        let sign = if side == 1 { 1.0 } else { -1.0 };
        Report {
            zone,
            live: agent.sides[side].live_since_us.is_some(),
            sent_us: now_us,
            lost_us,
            seen,
            load_a: sign * agent.before_a,
        }
    }

    pub(super) fn take_report(
        &mut self,
        from: usize,
        to: usize,
        report: Report,
        scope: &mut Scope<'_>,
    ) {
        let zone = report.zone;
        let Some(side) = scope.config.zones[zone]
            .members
            .iter()
            .find(|(member, _)| *member == to)
            .map(|(_, side)| *side)
        else {
            return;
        };
        let now = scope.now_us;
        let state = &self.agents[to].sides[side];
        if let Some(live_us) = state.live_since_us {
            // Here the zone has supply: say so, that is evidence too.
            if !report.live && now >= live_us + STEADY_US {
                let own = self.own_report(to, side, zone, report.lost_us, now);
                self.radio.send(now, to, from, Body::Report(own));
            }
            return;
        }
        let lost_us = state.lost_since_us.unwrap_or(now);
        if state.dead_since_us.is_none() || report.sent_us + SAME_US < lost_us {
            return;
        }
        let state = &mut self.agents[to].sides[side];
        let first = state.reports.insert(from, report).is_none();
        if state.started_us.is_none() {
            self.start_exchange(to, side, zone, scope);
        } else if first || report.sent_us > state.started_us.unwrap_or(0) {
            // The other may have begun later, or again: it needs what was said before.
            if state.again_us.take().is_some() {
                state.started_us = Some(now);
            }
            if first {
                let own = self.own_report(to, side, zone, lost_us, now);
                self.radio.send(now, to, from, Body::Report(own));
            }
            if let Some((verdict, _)) = self.agents[to].sides[side].verdict {
                let vote = Body::Vote {
                    zone,
                    sent_us: now,
                    verdict,
                };
                self.radio.send(now, to, from, vote);
            }
        }
        self.consider(to, side, zone, scope);
    }

    /// What an M-LMD knows an outage to come from: the fault current it saw in
    /// it, else the change with which its supply went.
    fn outage_cause(&self, i: usize, side: usize) -> Option<EventId> {
        let agent = &self.agents[i];
        let state = &agent.sides[side];
        let lost_us = state.lost_since_us?;
        agent
            .passage
            .filter(|p| p.1 + SAME_US >= lost_us)
            .map(|p| p.2)
            .or(state.lost_by)
    }

    /// Forms the verdict once every member has reported.
    fn consider(&mut self, i: usize, side: usize, zone: usize, scope: &mut Scope<'_>) {
        let members = scope.config.zones[zone].members.len();
        let state = &self.agents[i].sides[side];
        if state.verdict.is_some() || state.reports.len() < members {
            self.count_votes(i, side, zone, scope);
            return;
        }
        let verdict = judge(&state.reports);
        let by = |seen: Seen| {
            let who = state.reports.iter().filter(|(_, r)| r.seen == seen);
            scope.names(who.map(|(&m, _)| m))
        };
        let (into, out) = (by(Seen::Into), by(Seen::OutOf));
        let why = match verdict {
            Verdict::Faulted => {
                format!("fault current went in at {into} and out nowhere: the fault is here")
            }
            Verdict::Contradictory => {
                format!("fault current came out at {out} and went in nowhere: contradictory")
            }
            Verdict::Broken => "dead here, live at a neighbour: broken in between".to_owned(),
            Verdict::Healthy if into.is_empty() => "no fault current seen: healthy".to_owned(),
            Verdict::Healthy => format!("fault current went in at {into}, out at {out}: healthy"),
        };
        let text = format!("verdict on zone {}: {why}", scope.config.zones[zone].name);
        let cause = self.outage_cause(i, side);
        let event = scope.say(i, SoeKind::Agreement, cause, text);
        let state = &mut self.agents[i].sides[side];
        state.verdict = Some((verdict, event));
        state.votes.insert(i, verdict);
        for (other, _) in scope.others(zone, i) {
            let vote = Body::Vote {
                zone,
                sent_us: scope.now_us,
                verdict,
            };
            self.radio.send(scope.now_us, i, other, vote);
        }
        self.count_votes(i, side, zone, scope);
    }

    pub(super) fn take_vote(
        &mut self,
        from: usize,
        to: usize,
        about: (usize, u64),
        verdict: Verdict,
        scope: &mut Scope<'_>,
    ) {
        let (zone, sent_us) = about;
        for side in 0..2 {
            if scope.config.members[to].zones[side] != Some(zone) {
                continue;
            }
            let state = &mut self.agents[to].sides[side];
            let lost_us = state.lost_since_us.unwrap_or(u64::MAX - SAME_US);
            if state.dead_since_us.is_some() && sent_us + SAME_US >= lost_us {
                state.votes.insert(from, verdict);
                self.count_votes(to, side, zone, scope);
            }
        }
    }

    fn count_votes(&mut self, i: usize, side: usize, zone: usize, scope: &mut Scope<'_>) {
        let members = scope.config.zones[zone].members.clone();
        let state = &self.agents[i].sides[side];
        let Some((verdict, event)) = state.verdict else {
            return;
        };
        // A member that has supply has no vote about an outage it does not see.
        let voters: Vec<usize> = members
            .iter()
            .map(|m| m.0)
            .filter(|m| state.reports.get(m).is_none_or(|r| !r.live))
            .collect();
        if state.agreed.is_some() || voters.iter().any(|m| !state.votes.contains_key(m)) {
            return;
        }
        let name = scope.config.zones[zone].name.clone();
        if voters.iter().any(|m| state.votes[m] != verdict) {
            let text = format!("no agreement about zone {name}: the votes differ");
            scope.say(i, SoeKind::Agreement, Some(event), text);
            let again = scope.now_us + scope.config.settings.retry_ms * 1_000;
            self.agents[i].sides[side].again_us = Some(again);
            return;
        }
        let word = match verdict {
            Verdict::Faulted | Verdict::Broken => "faulted",
            Verdict::Healthy => "healthy",
            Verdict::Contradictory => "undecided",
        };
        let text = format!(
            "agreed with {}: zone {name} is {word}",
            scope.names(voters.iter().copied().filter(|&m| m != i))
        );
        let agreed = scope.say(i, SoeKind::Agreement, Some(event), text);
        let state = &mut self.agents[i].sides[side];
        state.agreed = Some((verdict, agreed));
        state.agreed_us = scope.now_us;
        if matches!(verdict, Verdict::Faulted | Verdict::Broken) {
            self.isolate(i, side, zone, agreed, scope);
        }
        self.agents[i].restore.look_again(scope.now_us);
    }

    fn isolate(
        &mut self,
        i: usize,
        side: usize,
        zone: usize,
        cause: EventId,
        scope: &mut Scope<'_>,
    ) {
        self.agents[i].locked[side] = true;
        self.isolations += 1;
        let name = &scope.config.zones[zone].name;
        if scope.device(i).closed() {
            let text = format!("opens and locks its switch at faulted zone {name}");
            let event = scope.say(i, SoeKind::Isolation, Some(cause), text);
            let device = scope.config.members[i].device;
            scope.orders.push(Order {
                device,
                close: false,
                cause: event,
            });
        } else {
            let text = format!("keeps its switch open and locked at faulted zone {name}");
            scope.say(i, SoeKind::Isolation, Some(cause), text);
        }
    }
}
