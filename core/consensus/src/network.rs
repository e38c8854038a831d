//! A simulated network: one queue of events ordered by (time, sequence).
//!
//! Latency and loss are drawn from (seed, counter), so there is no generator
//! state besides the counter and a copy of the network is a snapshot of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gridloom_units::{Stream, draw_u64};

use crate::node::{Micros, PeerIndex, TimerKey};

/// How the links of a group behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// Shortest one-way delay, µs.
    pub latency_min_us: Micros,
    /// Longest one-way delay, µs.
    pub latency_max_us: Micros,
    /// Messages lost, per million.
    pub loss_ppm: u32,
    /// Messages delivered twice, per million.
    pub duplicate_ppm: u32,
    /// Seed of all draws.
    pub seed: u64,
    /// What a validator can send, kbit/s; its messages leave one after the other. 0: no limit.
    pub kbit_per_s: u32,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            latency_min_us: 5_000,
            latency_max_us: 15_000,
            loss_ppm: 0,
            duplicate_ppm: 0,
            seed: 1,
            kbit_per_s: 0,
        }
    }
}

/// Sender of a message; clients are outside of the group and never cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A validator.
    Peer(PeerIndex),
    /// Somebody outside, for example an aggregator.
    Client,
}

/// Something that will happen.
#[derive(Debug)]
pub enum Due<M> {
    /// A message arrives.
    Deliver {
        /// Who sent it.
        from: Sender,
        /// To whom.
        to: PeerIndex,
        /// What.
        message: Arc<M>,
    },
    /// A timer fires.
    Timer {
        /// Whose.
        node: PeerIndex,
        /// Which incarnation of the validator set it.
        life: u32,
        /// Which timer.
        key: TimerKey,
        /// Its epoch.
        epoch: u64,
    },
    /// A validator begins.
    Start(PeerIndex),
}

impl<M> Clone for Due<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Deliver { from, to, message } => Self::Deliver {
                from: *from,
                to: *to,
                message: Arc::clone(message),
            },
            Self::Timer {
                node,
                life,
                key,
                epoch,
            } => Self::Timer {
                node: *node,
                life: *life,
                key: *key,
                epoch: *epoch,
            },
            Self::Start(node) => Self::Start(*node),
        }
    }
}

/// One line of the message log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRecord {
    /// When it was sent, µs.
    pub sent_us: Micros,
    /// When it arrives, µs; `None` when it was lost.
    pub arrives_us: Option<Micros>,
    /// Who sent it.
    pub from: Sender,
    /// To whom.
    pub to: PeerIndex,
    /// Kind.
    pub kind: &'static str,
    /// Height it speaks of, 0 for none.
    pub height: u64,
    /// Round it speaks of.
    pub round: u32,
}

/// Counters of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounters {
    /// Messages sent.
    pub sent: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Messages lost at random.
    pub lost: u64,
    /// Messages that met a cut or a validator that is down.
    pub cut: u64,
    /// Messages delivered twice.
    pub duplicated: u64,
    /// Messages refused because the queue was full.
    pub overflow: u64,
    /// Bytes sent by validators; counted only where links have a bandwidth or counting is on.
    pub bytes: u64,
}

/// Folds a number into the running trace of a group's events (splitmix64's finaliser).
pub(crate) fn fold(trace: u64, part: u64) -> u64 {
    let mut z = trace ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 27)
}

/// Lines kept of the message log.
pub const LOG_LINES: usize = 256;
/// Most events that may be under way.
const MAX_QUEUE: usize = 1 << 20;
const PPM: u64 = 1_000_000;

/// The network of one group.
#[derive(Debug)]
pub struct SimNetwork<M> {
    links: LinkConfig,
    queue: BTreeMap<(Micros, u64), Due<M>>,
    sequence: u64,
    draws: u64,
    /// Group of each validator; different groups cannot reach each other.
    groups: Vec<u16>,
    counters: NetworkCounters,
    log: VecDeque<MessageRecord>,
    /// When each validator's line is free again.
    free_at: Vec<Micros>,
    count_bytes: bool,
}

impl<M> Clone for SimNetwork<M> {
    fn clone(&self) -> Self {
        Self {
            links: self.links,
            queue: self.queue.clone(),
            sequence: self.sequence,
            draws: self.draws,
            groups: self.groups.clone(),
            counters: self.counters,
            log: self.log.clone(),
            free_at: self.free_at.clone(),
            count_bytes: self.count_bytes,
        }
    }
}

impl<M> SimNetwork<M> {
    /// A whole network between `peers` validators.
    #[must_use]
    pub fn new(links: LinkConfig, peers: PeerIndex) -> Self {
        Self {
            links,
            queue: BTreeMap::new(),
            sequence: 0,
            draws: 0,
            groups: vec![0; usize::from(peers)],
            counters: NetworkCounters::default(),
            log: VecDeque::new(),
            free_at: vec![0; usize::from(peers)],
            count_bytes: false,
        }
    }

    /// Whether the sizes of messages matter.
    #[must_use]
    pub fn counts_bytes(&self) -> bool {
        self.count_bytes || self.links.kbit_per_s > 0
    }

    /// Counts bytes even where no link has a bandwidth.
    pub fn count_bytes(&mut self, on: bool) {
        self.count_bytes = on;
    }

    /// When the last bit of a message leaves its sender.
    fn departure(&mut self, now: Micros, from: Sender, bytes: u64) -> Micros {
        let Sender::Peer(peer) = from else {
            return now;
        };
        self.counters.bytes += bytes;
        let rate = u64::from(self.links.kbit_per_s);
        match self.free_at.get_mut(usize::from(peer)) {
            Some(free) if rate > 0 => {
                // A bit at 1 kbit/s takes a thousand microseconds.
                *free = now.max(*free) + bytes * 8_000 / rate;
                *free
            }
            _ => now,
        }
    }

    /// Sends a message; delay and loss are drawn. `about` is (kind, height, round) for the log,
    /// `bytes` its size where [`Self::counts_bytes`] asks for it.
    pub fn send(
        &mut self,
        now: Micros,
        from: Sender,
        to: PeerIndex,
        message: &Arc<M>,
        about: (&'static str, u64, u32),
        bytes: u64,
    ) {
        let leaves = self.departure(now, from, bytes);
        self.counters.sent += 1;
        let place = u64::from(to)
            | match from {
                Sender::Peer(peer) => u64::from(peer) << 16,
                Sender::Client => 1 << 32,
            };
        self.draws += 1;
        let draw = |stream| draw_u64(self.links.seed, self.draws, place, stream);
        let span = self
            .links
            .latency_max_us
            .saturating_sub(self.links.latency_min_us)
            + 1;
        let delay = self.links.latency_min_us + draw(Stream::ConsensusLatency) % span;
        let fate = draw(Stream::ConsensusLoss);
        let lost = fate % PPM < u64::from(self.links.loss_ppm);
        let doubled = (fate >> 32) % PPM < u64::from(self.links.duplicate_ppm);
        let cut = !self.connected(from, to);
        let arrives_us = (!lost && !cut).then_some(leaves + delay);
        self.note(MessageRecord {
            sent_us: now,
            arrives_us,
            from,
            to,
            kind: about.0,
            height: about.1,
            round: about.2,
        });
        if cut {
            self.counters.cut += 1;
            return;
        }
        if lost {
            self.counters.lost += 1;
            return;
        }
        let deliver = || Due::Deliver {
            from,
            to,
            message: Arc::clone(message),
        };
        self.push(leaves + delay, deliver());
        if doubled {
            self.counters.duplicated += 1;
            self.push(leaves + delay + span, deliver());
        }
    }

    /// Puts an event into the queue.
    pub fn push(&mut self, at: Micros, due: Due<M>) {
        if self.queue.len() >= MAX_QUEUE {
            self.counters.overflow += 1;
            return;
        }
        self.sequence += 1;
        self.queue.insert((at, self.sequence), due);
    }

    /// Takes the next event due at or before `until`.
    pub fn pop(&mut self, until: Micros) -> Option<(Micros, Due<M>)> {
        let entry = self.queue.first_entry()?;
        if entry.key().0 > until {
            return None;
        }
        let ((at, _), due) = entry.remove_entry();
        Some((at, due))
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Micros> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Whether a message would get through right now.
    #[must_use]
    pub fn connected(&self, from: Sender, to: PeerIndex) -> bool {
        match from {
            Sender::Client => true,
            Sender::Peer(from) => {
                self.groups.get(usize::from(from)) == self.groups.get(usize::from(to))
            }
        }
    }

    /// Cuts the network: validators reach only their own group; one in no group is alone.
    pub fn partition(&mut self, groups: &[Vec<PeerIndex>]) {
        let count = self.groups.len();
        for (peer, slot) in self.groups.iter_mut().enumerate() {
            let group = groups
                .iter()
                .position(|group| group.iter().any(|member| usize::from(*member) == peer));
            *slot = group
                .unwrap_or(groups.len() + peer)
                .min(groups.len() + count) as u16;
        }
    }

    /// Makes the network whole again.
    pub fn heal(&mut self) {
        self.groups.fill(0);
    }

    /// Whether the network is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.groups.windows(2).any(|pair| pair[0] != pair[1])
    }

    /// The link settings.
    #[must_use]
    pub fn links(&self) -> LinkConfig {
        self.links
    }

    /// Changes the link settings for messages sent from now on.
    pub fn set_links(&mut self, links: LinkConfig) {
        self.links = links;
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> NetworkCounters {
        self.counters
    }

    /// Counts messages that are not carried one by one.
    pub(crate) fn count_sent(&mut self, messages: u64, bytes: u64) {
        self.counters.sent += messages;
        self.counters.bytes += bytes;
    }

    pub(crate) fn count_delivered(&mut self, reached: bool) {
        if reached {
            self.counters.delivered += 1;
        } else {
            self.counters.cut += 1;
        }
    }

    /// The newest messages, oldest first, at most [`LOG_LINES`].
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &MessageRecord> {
        self.log.iter()
    }

    /// The same as a list.
    pub(crate) fn lines(&self) -> &VecDeque<MessageRecord> {
        &self.log
    }

    /// Events under way, messages and timers.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.queue.len()
    }

    /// Three numbers that pin down the random state, for state hashes.
    #[must_use]
    pub fn marks(&self) -> [u64; 3] {
        [self.sequence, self.draws, self.queue.len() as u64]
    }

    fn note(&mut self, record: MessageRecord) {
        if self.log.len() >= LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(record);
    }
}
