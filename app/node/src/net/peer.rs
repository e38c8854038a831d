//! What the network task knows of one peer: queues, limits, counters.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use serde::{Deserialize, Serialize};

use super::wire::{Frame, Kind, MAX_MESSAGES, MAX_TRANSACTIONS, push_piece};
use crate::config::NetLimits;

/// Shortest and longest time between two attempts to reach a peer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Messages above this size travel in a frame of their own, so that votes do not wait for them.
const LARGE: usize = 32 * 1024;
/// Most messages in one frame.
const MAX_PIECES: usize = 1_024;

/// Which queue a message waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Votes, proposals, blocks.
    Consensus,
    /// Transactions.
    Transactions,
}

impl Lane {
    fn kind(self) -> Kind {
        match self {
            Self::Consensus => Kind::Messages,
            Self::Transactions => Kind::Transactions,
        }
    }

    /// Frames on their way that were not acknowledged.
    fn window(self) -> usize {
        match self {
            Self::Consensus => 6,
            Self::Transactions => 2,
        }
    }

    fn max_frame(self) -> usize {
        match self {
            Self::Consensus => MAX_MESSAGES,
            Self::Transactions => MAX_TRANSACTIONS,
        }
    }
}

/// Counters of one peer, as status shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// Where it is looked for.
    pub address: String,
    /// Whether it is connected and has greeted.
    pub connected: bool,
    /// Its last known height.
    pub height: u64,
    /// Version of its program.
    pub software: String,
    /// Messages sent.
    pub sent: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Messages received.
    pub received: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Dropped because its queue was full.
    pub dropped_full: u64,
    /// Dropped because it was not connected.
    pub dropped_away: u64,
    /// Frames that were not acknowledged.
    pub lost_frames: u64,
    /// Messages of it refused because it sent too many or too much.
    pub rate_limited: u64,
    /// Messages of it that mean nothing.
    pub malformed: u64,
    /// Messages of it dropped because this node was too busy.
    pub dropped_busy: u64,
    /// Attempts to reach it.
    pub dials: u64,
    /// Connections lost.
    pub disconnects: u64,
    /// Why it is not talked to, if so.
    pub refused: Option<String>,
}

/// Messages and bytes a peer may send: refilled with time, up to two seconds' worth.
#[derive(Debug)]
struct Bucket {
    per_s: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_s: f64, now: Instant) -> Self {
        Self {
            per_s,
            level: 2.0 * per_s,
            at: now,
        }
    }

    fn take(&mut self, amount: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level + passed * self.per_s).min(2.0 * self.per_s);
        if self.level < amount {
            return false;
        }
        self.level -= amount;
        true
    }
}

/// Messages that wait for one peer.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<[u8]>>,
    bytes: usize,
    in_flight: usize,
}

/// One peer.
#[derive(Debug)]
pub struct PeerState {
    /// Place in the genesis.
    pub index: u16,
    /// Network identity.
    pub id: PeerId,
    /// Counters.
    pub status: PeerStatus,
    /// Connections established.
    pub connections: usize,
    /// Its greeting was good.
    pub greeted: bool,
    /// When it was last heard.
    pub heard: Instant,
    /// Not before this it is looked for again.
    pub next_dial: Instant,
    /// An attempt to reach it is under way.
    pub dialing: bool,
    /// Catch-up answers being read for it.
    pub serving: usize,
    backoff: Duration,
    limits: NetLimits,
    consensus: Queue,
    transactions: Queue,
    messages: Bucket,
    bytes: Bucket,
}

impl PeerState {
    /// A peer nobody has met.
    pub fn new(peer: &crate::config::Peer, limits: NetLimits, now: Instant) -> Self {
        Self {
            index: peer.index,
            id: peer.member.peer,
            status: PeerStatus {
                name: peer.member.name.clone(),
                address: peer.address.clone(),
                ..PeerStatus::default()
            },
            connections: 0,
            greeted: false,
            heard: now,
            next_dial: now,
            dialing: false,
            serving: 0,
            backoff: BACKOFF.0,
            messages: Bucket::new(f64::from(limits.messages_per_s), now),
            bytes: Bucket::new(limits.bytes_per_s as f64, now),
            limits,
            consensus: Queue::default(),
            transactions: Queue::default(),
        }
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Consensus => &mut self.consensus,
            Lane::Transactions => &mut self.transactions,
        }
    }

    /// Queues a message; when the queue is full the oldest ones give way.
    pub fn push(&mut self, lane: Lane, message: &Arc<[u8]>) {
        if !self.greeted {
            self.status.dropped_away += 1;
            return;
        }
        let limits = self.limits;
        let queue = self.queue(lane);
        queue.bytes += message.len();
        queue.waiting.push_back(Arc::clone(message));
        let mut dropped = 0;
        while queue.waiting.len() > limits.queued_messages || queue.bytes > limits.queued_bytes {
            let Some(oldest) = queue.waiting.pop_front() else {
                break;
            };
            queue.bytes -= oldest.len();
            dropped += 1;
        }
        self.status.dropped_full += dropped;
    }

    /// The next frame to send, if the window allows one.
    pub fn next_frame(&mut self, lane: Lane) -> Option<Frame> {
        let queue = self.queue(lane);
        if queue.in_flight >= lane.window() || queue.waiting.is_empty() {
            return None;
        }
        let (mut content, mut count) = (Vec::new(), 0);
        while let Some(message) = queue.waiting.front() {
            let full = content.len() + message.len() + 4 > lane.max_frame()
                || count >= MAX_PIECES
                || (message.len() > LARGE && count > 0);
            if full {
                break;
            }
            push_piece(&mut content, message);
            queue.bytes -= message.len();
            let large = message.len() > LARGE;
            queue.waiting.pop_front();
            count += 1;
            if large {
                break;
            }
        }
        if count == 0 {
            // Larger than any frame: it can never be sent.
            if let Some(monster) = queue.waiting.pop_front() {
                queue.bytes -= monster.len();
            }
            self.status.dropped_full += 1;
            return None;
        }
        queue.in_flight += 1;
        self.status.sent += count as u64;
        self.status.sent_bytes += content.len() as u64;
        Some(Frame {
            kind: lane.kind(),
            content,
        })
    }

    /// A frame was acknowledged, or will never be.
    pub fn settle(&mut self, lane: Lane, delivered: bool) {
        let queue = self.queue(lane);
        queue.in_flight = queue.in_flight.saturating_sub(1);
        if !delivered {
            self.status.lost_frames += 1;
        }
    }

    /// Whether `count` more messages of `bytes` may be taken from it now.
    pub fn may_send(&mut self, count: usize, bytes: usize, now: Instant) -> bool {
        let allowed = self.messages.take(count as f64, now) && self.bytes.take(bytes as f64, now);
        if allowed {
            self.status.received += count as u64;
            self.status.received_bytes += bytes as u64;
        } else {
            self.status.rate_limited += count as u64;
        }
        allowed
    }

    /// It can be reached again.
    pub fn met(&mut self, now: Instant) {
        self.backoff = BACKOFF.0;
        self.dialing = false;
        self.heard = now;
    }

    /// All connections are gone.
    pub fn left(&mut self, now: Instant) {
        if self.greeted {
            self.status.disconnects += 1;
        }
        self.greeted = false;
        self.status.connected = false;
        self.consensus = Queue::default();
        self.transactions = Queue::default();
        self.next_dial = self.next_dial.max(now + self.backoff);
    }

    /// It could not be reached; the next attempt comes later, not at a time
    /// that all nodes share.
    pub fn missed(&mut self, now: Instant) {
        self.dialing = false;
        self.backoff = (self.backoff * 2).min(BACKOFF.1);
        let jitter = now.elapsed().subsec_nanos().wrapping_mul(2_654_435_761) % 1_000
            + u32::from(self.index) * 37;
        let jitter = Duration::from_millis(u64::from(jitter % 1_000))
            .mul_f64(self.backoff.as_secs_f64() / (4.0 * BACKOFF.1.as_secs_f64()));
        self.next_dial = now + self.backoff + jitter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Member, Peer};

    fn peer(limits: NetLimits) -> PeerState {
        let key = libp2p::identity::Keypair::generate_ed25519();
        let peer = Peer {
            index: 1,
            member: Member {
                name: "v2".into(),
                key: [0; 32],
                peer: key.public().to_peer_id(),
            },
            address: "127.0.0.1:1".into(),
        };
        let mut state = PeerState::new(&peer, limits, Instant::now());
        state.greeted = true;
        state
    }

    #[test]
    fn small_messages_share_a_frame_and_large_ones_travel_alone() {
        let mut peer = peer(NetLimits::default());
        let (small, large): (Arc<[u8]>, Arc<[u8]>) =
            (vec![1; 100].into(), vec![2; LARGE + 1].into());
        for message in [&small, &small, &large, &small] {
            peer.push(Lane::Consensus, message);
        }
        let sizes: Vec<usize> = std::iter::from_fn(|| peer.next_frame(Lane::Consensus))
            .map(|frame| frame.content.len())
            .collect();
        assert_eq!(sizes, [208, LARGE + 5, 104]);
        assert_eq!(peer.status.sent, 4);
    }

    #[test]
    fn the_window_and_the_queue_are_bounded() {
        let limits = NetLimits {
            queued_messages: 64,
            ..NetLimits::default()
        };
        let mut peer = peer(limits);
        let large: Arc<[u8]> = vec![2; LARGE + 1].into();
        for _ in 0..100 {
            peer.push(Lane::Consensus, &large);
        }
        assert_eq!(peer.status.dropped_full, 36);
        let sent = std::iter::from_fn(|| peer.next_frame(Lane::Consensus)).count();
        assert_eq!(sent, Lane::Consensus.window());
        peer.settle(Lane::Consensus, true);
        assert!(peer.next_frame(Lane::Consensus).is_some());
        assert!(peer.next_frame(Lane::Consensus).is_none());
    }

    #[test]
    fn a_flood_is_cut_to_the_rate() {
        let limits = NetLimits {
            messages_per_s: 100,
            ..NetLimits::default()
        };
        let mut peer = peer(limits);
        let now = Instant::now();
        let taken = (0..1_000).filter(|_| peer.may_send(1, 10, now)).count();
        assert_eq!(taken, 200);
        assert_eq!(peer.status.rate_limited, 800);
        let later = now + Duration::from_secs(1);
        let taken = (0..1_000).filter(|_| peer.may_send(1, 10, later)).count();
        assert_eq!(taken, 100);
    }

    #[test]
    fn attempts_become_rarer_up_to_a_limit() {
        let mut peer = peer(NetLimits::default());
        let now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..12 {
            peer.missed(now);
            waits.push(peer.next_dial - now);
        }
        assert!(waits[0] < Duration::from_millis(300), "{waits:?}");
        assert!(
            waits[11] >= BACKOFF.1 && waits[11] < BACKOFF.1 * 2,
            "{waits:?}"
        );
        peer.met(now);
        peer.missed(now);
        assert!(peer.next_dial - now < Duration::from_millis(300));
    }
}
