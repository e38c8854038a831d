//! What other nodes send: greetings, messages, transactions, requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gridloom_ledger::Transaction;
use libp2p::request_response::{OutboundRequestId, ResponseChannel};

use super::task::{Done, Network, Purpose};
use super::wire::{Frame, Hello, Kind, PROTOCOL_VERSION, pieces};
use super::{Arrived, serve};
use crate::chain::{Msg, timed};
use crate::host::TxInput;

/// A peer that breaks the rules is not talked to for this long.
const PENALTY: Duration = Duration::from_secs(60);
/// So many messages without meaning and a peer breaks the rules.
const MAX_MALFORMED: u64 = 3;
/// Catch-up answers prepared for one peer at once.
const MAX_SERVING: usize = 2;

impl Network {
    /// Judges a greeting; gives the reason for a refusal.
    pub(super) fn welcome(&mut self, at: usize, content: &[u8]) -> Option<String> {
        let Some(hello) = Hello::read(content) else {
            self.malformed(at);
            return Some("the greeting means nothing".into());
        };
        let why = if hello.version != PROTOCOL_VERSION {
            Some(format!(
                "it speaks version {} of the protocol, we speak {PROTOCOL_VERSION}",
                hello.version
            ))
        } else if hello.genesis != self.fingerprint {
            Some("its genesis file is another one".into())
        } else if hello.name != self.peers[at].status.name {
            Some(format!("it calls itself {}", hello.name))
        } else {
            hello.refused.map(|why| format!("it refuses us: {why}"))
        };
        let peer = &mut self.peers[at];
        peer.heard = Instant::now();
        peer.status.software = hello.software;
        peer.status.height = hello.tip;
        if why.is_some() {
            if peer.status.refused != why {
                tracing::warn!(
                    peer = peer.status.name,
                    "refused: {}",
                    why.as_deref().unwrap_or("")
                );
            }
            peer.status.refused.clone_from(&why);
            return why;
        }
        peer.status.refused = None;
        if !peer.greeted {
            peer.greeted = true;
            peer.status.connected = true;
            tracing::info!(peer = peer.status.name, height = hello.tip, "connected");
        }
        let told = Arrived::Tip(peer.index, hello.tip);
        self.hand_over(at, told, 1);
        None
    }

    fn hand_over(&mut self, at: usize, what: Arrived, count: u64) {
        if self.parts.arrived.try_send(what).is_err() {
            self.peers[at].status.dropped_busy += count;
        }
    }

    fn malformed(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        peer.status.malformed += 1;
        if peer.status.malformed.is_multiple_of(MAX_MALFORMED) {
            self.punish(at, "it sent messages without meaning");
        }
    }

    fn punish(&mut self, at: usize, why: &str) {
        let peer = &mut self.peers[at];
        tracing::warn!(peer = peer.status.name, "not talked to for a while: {why}");
        peer.status.refused = Some(why.into());
        peer.next_dial = Instant::now() + PENALTY;
        let id = peer.id;
        self.swarm.behaviour_mut().allowed.disallow_peer(id);
    }

    pub(super) fn on_request(&mut self, at: usize, frame: Frame, channel: ResponseChannel<Frame>) {
        let now = Instant::now();
        match frame.kind {
            Kind::Hello => {
                let refused = self.welcome(at, &frame.content);
                let content = self.hello(refused);
                self.respond(channel, Kind::Hello, content);
            }
            Kind::CatchUp => self.serve(at, &frame.content, channel),
            Kind::Messages | Kind::Transactions => {
                self.respond(channel, Kind::Ack, Vec::new());
                self.peers[at].heard = now;
                let Some(list) = pieces(&frame.content) else {
                    self.malformed(at);
                    return;
                };
                // Before the greeting nothing counts, and a flood is cut.
                if !self.peers[at].greeted
                    || !self.peers[at].may_send(list.len(), frame.content.len(), now)
                {
                    return;
                }
                if frame.kind == Kind::Messages {
                    self.take_messages(at, &list);
                } else {
                    self.take_transactions(at, &list);
                }
            }
            Kind::Ack => self.malformed(at),
        }
    }

    fn take_messages(&mut self, at: usize, list: &[&[u8]]) {
        let clocks = Arc::clone(&self.parts.clocks);
        let mut messages = Vec::with_capacity(list.len());
        for bytes in list {
            match timed(&clocks.codec, || borsh::from_slice::<Msg>(bytes)) {
                // Transactions and catch-up requests have frames of their own.
                Ok(Msg::Tx(_) | Msg::SyncRequest(_)) | Err(_) => self.malformed(at),
                Ok(message) => messages.push(message),
            }
        }
        let count = messages.len() as u64;
        let told = Arrived::Messages(self.peers[at].index, messages);
        self.hand_over(at, told, count);
    }

    fn take_transactions(&mut self, at: usize, list: &[&[u8]]) {
        let clocks = Arc::clone(&self.parts.clocks);
        let mut txs = Vec::with_capacity(list.len());
        for bytes in list {
            match timed(&clocks.codec, || Transaction::decode(bytes)) {
                Ok(tx) => txs.push(Arc::new(tx)),
                Err(_) => self.malformed(at),
            }
        }
        let count = txs.len() as u64;
        if self.parts.txs.try_send(TxInput::Gossip(txs)).is_err() {
            self.peers[at].status.dropped_busy += count;
        }
    }

    fn serve(&mut self, at: usize, content: &[u8], channel: ResponseChannel<Frame>) {
        let peer = &mut self.peers[at];
        let Ok(from) = content.try_into().map(u64::from_le_bytes) else {
            self.malformed(at);
            return;
        };
        if !peer.greeted || peer.serving >= MAX_SERVING || from == 0 {
            self.status.catch_up_refused += 1;
            return;
        }
        peer.serving += 1;
        let (store, repairs) = (
            Arc::clone(&self.parts.store),
            Arc::clone(&self.parts.repairs),
        );
        let tip = self.parts.tip.load(Ordering::Relaxed);
        let done = self.done.0.clone();
        tokio::task::spawn_blocking(move || {
            let answer = serve::catch_up(&store, &repairs, from, tip);
            // The task may have ended meanwhile.
            let _ = done.blocking_send(Done::Served(at, channel, answer));
        });
    }

    pub(super) fn on_response(&mut self, id: OutboundRequestId, frame: Frame) {
        let Some((at, purpose)) = self.pending.remove(&id) else {
            return;
        };
        self.peers[at].heard = Instant::now();
        match (purpose, frame.kind) {
            (Purpose::Hello, Kind::Hello) => {
                self.welcome(at, &frame.content);
            }
            (Purpose::Lane(lane), Kind::Ack) => self.peers[at].settle(lane, true),
            (Purpose::CatchUp, Kind::CatchUp) => {
                let clocks = Arc::clone(&self.parts.clocks);
                let told = timed(&clocks.codec, || serve::blocks_of(&frame.content));
                let Some(list) = told else {
                    self.malformed(at);
                    return;
                };
                let index = self.peers[at].index;
                let told = Arrived::Messages(index, vec![Msg::SyncResponse(list)]);
                self.hand_over(at, told, 1);
            }
            (Purpose::Repair, Kind::CatchUp) => self.repair(at, frame.content),
            (purpose, _) => {
                self.failed(at, purpose);
                self.malformed(at);
            }
        }
    }

    fn repair(&mut self, at: usize, content: Vec<u8>) {
        let (store, repairs) = (
            Arc::clone(&self.parts.store),
            Arc::clone(&self.parts.repairs),
        );
        let done = self.done.0.clone();
        tokio::task::spawn_blocking(move || {
            let result = match serve::blocks_of(&content) {
                Some(list) => repairs.fill(&store, &list),
                None => Err("the answer means nothing".into()),
            };
            let _ = done.blocking_send(Done::Repaired(at, result));
        });
    }
}
