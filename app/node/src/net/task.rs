//! The network task: one swarm, its peers, its queues.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use futures::StreamExt;
use libp2p::request_response::{self, OutboundRequestId, ResponseChannel};
use libp2p::swarm::SwarmEvent;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::{mpsc, watch};

use super::peer::{Lane, PeerState};
use super::swarm::{Behaviour, BehaviourEvent, multiaddr, swarm};
use super::wire::{Frame, Hello, Kind, PROTOCOL_VERSION};
use super::{Arrived, Command, Shown};
use crate::chain::{Clocks, Msg, timed};
use crate::config::Config;
use crate::host::TxInput;
use crate::repair::Repairs;
use crate::status::NetworkStatus;
use crate::store::Store;

/// A greeting is repeated this often; it also tells the height.
const GREET_EVERY: Duration = Duration::from_secs(2);
/// A peer that was silent this long is given up and looked for again.
const SILENT_AFTER: Duration = Duration::from_secs(12);
/// Commands taken before sending.
const DRAIN: usize = 512;

/// What a request was for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Hello,
    Lane(Lane),
    CatchUp,
    Repair,
}

/// What comes back from work done elsewhere.
pub(super) enum Done {
    /// The address of a peer.
    Resolved(usize, Option<Multiaddr>),
    /// A catch-up answer.
    Served(usize, ResponseChannel<Frame>, Vec<u8>),
    /// A repair was tried.
    Repaired(usize, Result<u64, String>),
}

/// What the network task works with.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) repairs: Arc<Repairs>,
    pub(crate) tip: Arc<AtomicU64>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) arrived: Sender<Arrived>,
    pub(crate) txs: Sender<TxInput>,
    pub(crate) shown: Arc<Shown>,
}

/// The network task.
pub(crate) struct Network {
    pub(super) parts: Parts,
    pub(super) fingerprint: [u8; 32],
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) peers: Vec<PeerState>,
    pub(super) pending: BTreeMap<OutboundRequestId, (usize, Purpose)>,
    pub(super) requests: u64,
    pub(super) repairing: bool,
    pub(super) status: NetworkStatus,
    pub(super) done: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    pub(super) greet_at: Instant,
}

impl Network {
    /// Opens the listener.
    pub(crate) fn new(parts: Parts) -> Result<Self, String> {
        let now = Instant::now();
        let limits = parts.config.file.limits;
        Ok(Self {
            fingerprint: parts.config.genesis.fingerprint(),
            swarm: swarm(&parts.config)?,
            peers: parts
                .config
                .peers
                .iter()
                .map(|peer| PeerState::new(peer, limits, now))
                .collect(),
            parts,
            pending: BTreeMap::new(),
            requests: 0,
            repairing: false,
            status: NetworkStatus::default(),
            done: mpsc::channel(256),
            greet_at: now,
        })
    }

    /// Runs until told to stop.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                command = commands.recv() => match command {
                    None => break,
                    Some(command) => {
                        self.on_command(command);
                        for _ in 0..DRAIN {
                            let Ok(command) = commands.try_recv() else { break };
                            self.on_command(command);
                        }
                    }
                },
                Some(done) = self.done.1.recv() => self.on_done(done),
                _ = tick.tick() => self.on_tick(),
                _ = stop.changed() => break,
            }
            self.pump();
        }
    }

    fn by_id(&self, id: &PeerId) -> Option<usize> {
        self.peers.iter().position(|peer| peer.id == *id)
    }

    fn by_index(&self, index: u16) -> Option<usize> {
        self.peers.iter().position(|peer| peer.index == index)
    }

    pub(super) fn request(&mut self, at: usize, purpose: Purpose, frame: Frame) {
        let peer = self.peers[at].id;
        let id = self.swarm.behaviour_mut().frames.send_request(&peer, frame);
        self.requests += 1;
        self.pending.insert(id, (at, purpose));
    }

    pub(super) fn respond(
        &mut self,
        channel: ResponseChannel<Frame>,
        kind: Kind,
        content: Vec<u8>,
    ) {
        // An error means that the other side no longer waits.
        let _ = self
            .swarm
            .behaviour_mut()
            .frames
            .send_response(channel, Frame { kind, content });
    }

    /// Sends what waits, as far as windows allow.
    fn pump(&mut self) {
        for at in 0..self.peers.len() {
            for lane in [Lane::Consensus, Lane::Transactions] {
                while let Some(frame) = self.peers[at].next_frame(lane) {
                    self.request(at, Purpose::Lane(lane), frame);
                }
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        let clocks = Arc::clone(&self.parts.clocks);
        let encode = |message: &Msg| -> Arc<[u8]> {
            timed(&clocks.codec, || {
                borsh::to_vec(message).unwrap_or_default().into()
            })
        };
        match command {
            Command::Broadcast(message) => {
                let bytes = encode(&message);
                for peer in &mut self.peers {
                    peer.push(Lane::Consensus, &bytes);
                }
            }
            Command::Send(index, message) => {
                if let Some(at) = self.by_index(index) {
                    self.peers[at].push(Lane::Consensus, &encode(&message));
                }
            }
            Command::Transactions(list) => {
                for tx in list {
                    let bytes: Arc<[u8]> = timed(&clocks.codec, || tx.encode().into());
                    for peer in &mut self.peers {
                        peer.push(Lane::Transactions, &bytes);
                    }
                }
            }
            Command::CatchUp(index, from) => {
                if let Some(at) = self.by_index(index).filter(|at| self.peers[*at].greeted) {
                    let frame = Frame {
                        kind: Kind::CatchUp,
                        content: from.to_le_bytes().to_vec(),
                    };
                    self.request(at, Purpose::CatchUp, frame);
                }
            }
        }
    }

    pub(super) fn hello(&self, refused: Option<String>) -> Vec<u8> {
        let hello = Hello {
            version: PROTOCOL_VERSION,
            genesis: self.fingerprint,
            name: self.parts.config.file.name.clone(),
            software: env!("CARGO_PKG_VERSION").into(),
            tip: self.parts.tip.load(Ordering::Relaxed),
            refused,
        };
        borsh::to_vec(&hello).unwrap_or_default()
    }

    fn greet(&mut self, at: usize) {
        let frame = Frame {
            kind: Kind::Hello,
            content: self.hello(None),
        };
        self.request(at, Purpose::Hello, frame);
    }

    pub(super) fn failed(&mut self, at: usize, purpose: Purpose) {
        match purpose {
            Purpose::Lane(lane) => self.peers[at].settle(lane, false),
            Purpose::Repair => self.repairing = false,
            Purpose::Hello | Purpose::CatchUp => {}
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Frames(event)) => self.on_frames(event),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                if let Some(at) = self.by_id(&peer_id) {
                    self.peers[at].connections += 1;
                    self.peers[at].met(now);
                    self.greet(at);
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established,
                ..
            } => {
                if let Some(at) = self.by_id(&peer_id) {
                    self.peers[at].connections = num_established as usize;
                    if num_established == 0 {
                        tracing::info!(peer = self.peers[at].status.name, "disconnected");
                        self.peers[at].left(now);
                    }
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer_id),
                ..
            } => {
                if let Some(at) = self.by_id(&peer_id) {
                    self.peers[at].missed(now);
                }
            }
            SwarmEvent::IncomingConnectionError { .. } => self.status.connections_refused += 1,
            SwarmEvent::NewListenAddr { address, .. } => tracing::info!(%address, "listening"),
            SwarmEvent::ListenerError { error, .. } => tracing::error!("listener: {error}"),
            _ => {}
        }
    }

    fn on_frames(&mut self, event: request_response::Event<Frame, Frame>) {
        use request_response::{Event, Message};
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request {
                    request, channel, ..
                } => {
                    if let Some(at) = self.by_id(&peer) {
                        self.on_request(at, request, channel);
                    }
                }
                Message::Response {
                    request_id,
                    response,
                } => self.on_response(request_id, response),
            },
            Event::OutboundFailure { request_id, .. } => {
                if let Some((at, purpose)) = self.pending.remove(&request_id) {
                    self.failed(at, purpose);
                }
            }
            Event::InboundFailure { .. } | Event::ResponseSent { .. } => {}
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Resolved(at, Some(address)) => {
                self.peers[at].status.dials += 1;
                let options = DialOpts::peer_id(self.peers[at].id)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(vec![address])
                    .build();
                if self.swarm.dial(options).is_err() {
                    self.peers[at].missed(Instant::now());
                }
            }
            Done::Resolved(at, None) => self.peers[at].missed(Instant::now()),
            Done::Served(at, channel, answer) => {
                self.peers[at].serving -= 1;
                self.status.catch_up_served += 1;
                self.respond(channel, Kind::CatchUp, answer);
            }
            Done::Repaired(at, result) => {
                self.repairing = false;
                match result {
                    Ok(count) => {
                        let (left, _) = self.parts.repairs.counts();
                        let from = &self.peers[at].status.name;
                        tracing::info!(count, left, from, "blocks healed");
                    }
                    Err(what) => tracing::debug!("repair: {what}"),
                }
            }
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        let greet = now >= self.greet_at;
        if greet {
            self.greet_at = now + GREET_EVERY;
        }
        for at in 0..self.peers.len() {
            let peer = &mut self.peers[at];
            if peer.connections == 0 {
                if !peer.dialing && now >= peer.next_dial {
                    self.look_for(at);
                }
            } else if now.saturating_duration_since(peer.heard) > SILENT_AFTER {
                peer.heard = now;
                let id = peer.id;
                let _ = self.swarm.disconnect_peer_id(id);
            } else if greet {
                self.greet(at);
            }
        }
        self.ask_for_holes();
        self.status.dropped_outgoing = self.parts.shown.dropped.load(Ordering::Relaxed);
        let peers = self.peers.iter().map(|peer| peer.status.clone()).collect();
        self.parts.shown.set(peers, self.status);
    }

    fn look_for(&mut self, at: usize) {
        // A penalty ends with the next attempt.
        let id = self.peers[at].id;
        self.swarm.behaviour_mut().allowed.allow_peer(id);
        self.peers[at].dialing = true;
        let address = self.peers[at].status.address.clone();
        let done = self.done.0.clone();
        tokio::spawn(async move {
            let found = tokio::net::lookup_host(&address).await.ok();
            let found = found.and_then(|mut list| list.next()).map(multiaddr);
            let _ = done.send(Done::Resolved(at, found)).await;
        });
    }

    fn ask_for_holes(&mut self) {
        if self.repairing {
            return;
        }
        let Some(from) = self.parts.repairs.wanted() else {
            return;
        };
        let ready: Vec<usize> = (0..self.peers.len())
            .filter(|at| self.peers[*at].greeted && self.peers[*at].status.height >= from)
            .collect();
        let Some(at) = ready.get(self.requests as usize % ready.len().max(1)) else {
            return;
        };
        self.repairing = true;
        let frame = Frame {
            kind: Kind::CatchUp,
            content: from.to_le_bytes().to_vec(),
        };
        self.request(*at, Purpose::Repair, frame);
    }
}
