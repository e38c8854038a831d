//! Programs outside that bid for homes of a running scene.
//!
//! The endpoint's threads ([`listen`]) only read and write lines ([`wire`]).
//! What a program asks becomes a command between two ticks, like anything that
//! a person does, so it stands in the input log and the run can be repeated
//! without the program. In lockstep the run stands still in each slot until
//! every program that listens has said it is done, or a time is over: then the
//! moment of an order does not depend on how fast a program is.

mod listen;
mod orders;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_channel::{Sender, TrySendError};
use gridloom_core::Twin;
use gridloom_core::market::agents::{clusters, is_ready, member, running_slot, slot_facts};
use gridloom_market::Terms;
use gridloom_units::DeviceId;

pub use self::listen::Place;
use self::listen::{Endpoint, Event};
use self::orders::OnItsWay;
pub use self::wire::Counts;
use self::wire::{Answer, Limits, QUEUE, Request, VERSION, Welcome};

/// How the endpoint deals with programs.
#[derive(Clone, Debug, Default)]
pub struct Conduct {
    /// How long the run waits in each slot, if it does.
    pub lockstep: Option<Duration>,
    /// Tokens by home; empty when nobody needs one.
    pub tokens: BTreeMap<String, String>,
}

/// A connection.
struct Agent {
    out: Sender<Answer>,
    /// Whether it has said who it is.
    greeted: bool,
    /// The home it acts for.
    home: Option<(String, DeviceId)>,
    subscribed: bool,
    /// The slot it is done with.
    done: Option<u32>,
}

/// The run's end of the endpoint.
pub struct AgentHub {
    endpoint: Endpoint,
    terms: Conduct,
    agents: BTreeMap<u64, Agent>,
    on_their_way: Vec<OnItsWay>,
    /// Orders placed by home and slot.
    placed: BTreeMap<(DeviceId, u32), u32>,
    told: Option<u32>,
    writers: Vec<JoinHandle<()>>,
    counts: Counts,
}

impl AgentHub {
    /// Listens at a place.
    ///
    /// # Errors
    /// When it cannot be listened at.
    pub fn open(place: &Place, terms: Conduct) -> Result<Self> {
        Ok(Self {
            endpoint: listen::open(place)?,
            terms,
            agents: BTreeMap::new(),
            on_their_way: Vec::new(),
            placed: BTreeMap::new(),
            told: None,
            writers: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// What it has seen.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let seen = &self.endpoint.seen;
        let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            connected: of(&seen.connected),
            turned_away: of(&seen.turned_away),
            too_long: of(&seen.too_long),
            malformed: of(&seen.malformed),
            busy: of(&seen.busy),
            ..self.counts
        }
    }

    /// Waits until so many programs listen; false when the time is over first.
    pub fn wait_for(&mut self, twin: &mut Twin, programs: usize, longest: Duration) -> bool {
        let end = Instant::now() + longest;
        while self.agents.values().filter(|a| a.subscribed).count() < programs {
            let Ok(event) = self.endpoint.events.recv_deadline(end) else {
                return false;
            };
            self.take(twin, event);
        }
        true
    }

    /// Carries out what programs asked since the last tick.
    pub fn before_tick(&mut self, twin: &mut Twin) {
        for _ in 0..QUEUE {
            let Ok(event) = self.endpoint.events.try_recv() else {
                return;
            };
            self.take(twin, event);
        }
    }

    /// Tells programs what the tick has brought; in lockstep, waits for them.
    pub fn after_tick(&mut self, twin: &mut Twin) {
        self.number_orders(twin);
        self.tell_outcomes(twin);
        let slot = running_slot(twin);
        if self.told == Some(slot) || self.agents.is_empty() || !is_ready(twin) {
            return;
        }
        self.told = Some(slot);
        self.placed.retain(|(_, of), _| *of > slot);
        self.counts.slots += 1;
        let listeners: Vec<u64> = self
            .agents
            .iter()
            .filter(|(_, agent)| agent.subscribed)
            .map(|(number, _)| *number)
            .collect();
        for number in &listeners {
            self.tell_slot(twin, *number);
        }
        if let Some(longest) = self.terms.lockstep {
            self.wait_until_done(twin, slot, listeners, longest);
        }
    }

    /// Says that the run is over and lets the last words out.
    pub fn finish(mut self, twin: &Twin) -> Counts {
        let time_ms = twin.time().0;
        let numbers: Vec<u64> = self.agents.keys().copied().collect();
        for number in numbers {
            self.tell(number, Answer::Over { time_ms });
        }
        let counts = self.counts();
        self.agents.clear();
        for writer in self.writers.drain(..) {
            // A writer gives up by itself when its program does not read.
            let _ = writer.join();
        }
        counts
    }

    fn wait_until_done(
        &mut self,
        twin: &mut Twin,
        slot: u32,
        listeners: Vec<u64>,
        longest: Duration,
    ) {
        let end = Instant::now() + longest;
        let waits = |hub: &Self| {
            listeners.iter().any(|number| {
                let agent = hub.agents.get(number);
                agent.is_some_and(|agent| agent.done.is_none_or(|done| done < slot))
            })
        };
        while waits(self) {
            let Ok(event) = self.endpoint.events.recv_deadline(end) else {
                self.counts.timeouts += 1;
                return;
            };
            self.take(twin, event);
        }
    }

    fn take(&mut self, twin: &mut Twin, event: Event) {
        match event {
            Event::Came(number, out, writer) => {
                self.counts.came += 1;
                self.writers.retain(|writer| !writer.is_finished());
                self.writers.push(writer);
                let agent = Agent {
                    out,
                    greeted: false,
                    home: None,
                    subscribed: false,
                    done: None,
                };
                self.agents.insert(number, agent);
            }
            Event::Gone(number) => {
                self.agents.remove(&number);
            }
            Event::Said(number, request) => self.answer(twin, number, request),
        }
    }

    fn answer(&mut self, twin: &mut Twin, number: u64, request: Request) {
        let Some(agent) = self.agents.get_mut(&number) else {
            return;
        };
        if !agent.greeted && !matches!(request, Request::Hello { .. }) {
            let reason = "say hello first: {\"hello\":{\"version\":1,\"home\":\"H2\"}}".into();
            self.tell(number, Answer::Error { reason });
            return;
        }
        match request {
            Request::Hello {
                version,
                home,
                token,
            } => match self.greet(twin, number, version, home, token.as_deref()) {
                Ok(welcome) => self.tell(number, Answer::Welcome(Box::new(welcome))),
                Err(reason) => self.tell(number, Answer::Error { reason }),
            },
            Request::Subscribe {} => {
                agent.subscribed = true;
                self.tell(number, Answer::Subscribed {});
                // Who comes late is told of the running slot at once.
                if self.told == Some(running_slot(twin)) {
                    self.tell_slot(twin, number);
                }
            }
            Request::Done { slot } => agent.done = Some(slot),
            Request::Status {} => {
                let counts = self.counts();
                self.tell(number, Answer::Status(counts));
            }
            Request::Place {
                reference,
                slot,
                buy,
                sell,
            } if buy.is_some() || sell.is_some() => {
                self.place(twin, number, reference, slot, Terms { buy, sell });
            }
            Request::Place {
                reference, slot, ..
            } => {
                let reason = "an order has a side, buy or sell; use cancel to take one back".into();
                self.refuse(number, reference, slot, reason);
            }
            Request::Cancel { reference, slot } => {
                self.place(twin, number, reference, slot, Terms::default());
            }
        }
    }

    fn greet(
        &mut self,
        twin: &mut Twin,
        number: u64,
        version: u32,
        home: Option<String>,
        token: Option<&str>,
    ) -> Result<Welcome, String> {
        if version != VERSION {
            return Err(format!(
                "version {version} is not spoken here: use {VERSION}"
            ));
        }
        let acts_for = match &home {
            None => None,
            Some(home) => {
                let (_, device) =
                    member(twin, home).ok_or_else(|| format!("there is no home `{home}`"))?;
                let needed = self.terms.tokens.get(home).map(String::as_str);
                if !self.terms.tokens.is_empty() && needed.is_none_or(|t| Some(t) != token) {
                    return Err(format!("the token of `{home}` is another one"));
                }
                let mut others = self.agents.iter().filter(|(other, _)| **other != number);
                let taken = others.any(|(_, agent)| {
                    agent
                        .home
                        .as_ref()
                        .is_some_and(|(_, other)| *other == device)
                });
                if taken {
                    return Err(format!("another program acts for `{home}` already"));
                }
                Some((home.clone(), device))
            }
        };
        if let Some(agent) = self.agents.get_mut(&number) {
            agent.greeted = true;
            agent.home = acts_for;
        }
        let clusters = clusters(twin);
        let scene = &twin.scene().scene;
        Ok(Welcome {
            version: VERSION,
            scene: scene.title.clone(),
            home,
            clusters,
            slot_ms: u64::from(scene.market.slot_min) * 60_000,
            time_ms: twin.time().0,
            end_ms: twin.end().start(twin.tick_ms()).0,
            feed_in: scene.market.feed_in,
            import: scene.market.import,
            lockstep_ms: self
                .terms
                .lockstep
                .map(|longest| u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)),
            limits: Limits::THESE,
        })
    }

    fn tell_slot(&mut self, twin: &mut Twin, number: u64) {
        let home = self.agents.get(&number).and_then(|a| a.home.clone());
        let name = home.map(|(name, _)| name);
        let cluster = name
            .as_deref()
            .and_then(|name| member(twin, name))
            .map_or(0, |(cluster, _)| cluster);
        let facts = slot_facts(twin, cluster, name.as_deref());
        self.tell(number, Answer::Slot(Box::new(facts)));
    }

    /// Answers a program; one that does not read is let go.
    fn tell(&mut self, number: u64, answer: Answer) {
        let Some(agent) = self.agents.get(&number) else {
            return;
        };
        if let Err(TrySendError::Full(_)) = agent.out.try_send(answer) {
            self.counts.slow += 1;
            self.agents.remove(&number);
        }
    }
}

/// Reads a file of tokens: a home and its token on each line.
///
/// # Errors
/// Names the first line that is none.
pub fn read_tokens(text: &str) -> Result<BTreeMap<String, String>> {
    let mut tokens = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(home), Some(token), None) = (words.next(), words.next(), words.next()) else {
            anyhow::bail!("line {}: write a home and its token", n + 1);
        };
        if !seen.insert(home) {
            anyhow::bail!("line {}: `{home}` has a token already", n + 1);
        }
        tokens.insert(home.to_owned(), token.to_owned());
    }
    if tokens.is_empty() {
        anyhow::bail!("there is no token in it");
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests;
