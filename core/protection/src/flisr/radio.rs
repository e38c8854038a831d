//! The radio between neighbouring M-LMDs: latency, loss, bounded repeats.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_units::{Stream, draw_f64, draw_u64};
use serde::{Deserialize, Serialize};

use super::Body;

/// Messages in the air at most; more are lost and counted.
const IN_AIR: usize = 4_096;
/// Messages of an M-LMD waiting for their acknowledgement at most.
const WAITING: usize = 256;
/// Transmissions of one message before its sender gives up.
const TRIES: u32 = 12;

/// Properties of every link of the radio.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, BorshSerialize, BorshDeserialize,
)]
#[serde(deny_unknown_fields)]
pub struct RadioSettings {
    /// One-way latency, ms, from and to.
    pub latency_ms: (u64, u64),
    /// Lost transmissions, permille.
    pub loss_permille: u32,
    /// Time without acknowledgement before a repeat, ms.
    #[serde(default = "repeat")]
    pub repeat_ms: u64,
}

fn repeat() -> u64 {
    250
}

/// One transmission under way.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Flight {
    from: usize,
    to: usize,
    number: u64,
    payload: Payload,
}

#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
enum Payload {
    Message(Body),
    Ack,
}

/// A message not acknowledged yet.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
struct Waiting {
    to: usize,
    body: Body,
    tries: u32,
    again_us: u64,
}

/// Counts of the radio since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RadioCounts {
    /// Messages handed over for sending.
    pub messages: u64,
    /// Transmissions, repeats and acknowledgements included.
    pub transmissions: u64,
    /// Transmissions lost on the air.
    pub lost: u64,
    /// Messages given up after every repeat.
    pub given_up: u64,
    /// Transmissions or messages refused because a queue was full.
    pub refused: u64,
}

/// The radio of all M-LMDs of an area.
#[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub(super) struct Radio {
    settings: RadioSettings,
    seed: u64,
    next: u64,
    /// In the order of arrival: (time, transmission number).
    air: BTreeMap<(u64, u64), Flight>,
    /// By (sender, message number).
    waiting: BTreeMap<(usize, u64), Waiting>,
    pub counts: RadioCounts,
    /// Every transmission is lost: the radio is jammed.
    pub jammed: bool,
}

impl Radio {
    pub fn new(settings: RadioSettings, seed: u64) -> Self {
        Self {
            settings,
            seed,
            next: 0,
            air: BTreeMap::new(),
            waiting: BTreeMap::new(),
            counts: RadioCounts::default(),
            jammed: false,
        }
    }

    /// Sends a message, repeated until it is acknowledged or given up.
    pub fn send(&mut self, now_us: u64, from: usize, to: usize, body: Body) {
        self.counts.messages += 1;
        let mine = self.waiting.range((from, 0)..=(from, u64::MAX)).count();
        if mine >= WAITING {
            self.counts.refused += 1;
            return;
        }
        let number = self.counts.messages;
        self.waiting.insert(
            (from, number),
            Waiting {
                to,
                body: body.clone(),
                tries: 1,
                again_us: now_us + self.settings.repeat_ms * 1_000,
            },
        );
        self.transmit(now_us, from, to, number, Payload::Message(body));
    }

    fn transmit(&mut self, now_us: u64, from: usize, to: usize, number: u64, payload: Payload) {
        let count = self.next;
        self.next += 1;
        self.counts.transmissions += 1;
        let link = (from as u64) << 32 | to as u64;
        let loss = f64::from(self.settings.loss_permille) / 1_000.0;
        if self.jammed || draw_f64(self.seed, count, link, Stream::LinkLoss) < loss {
            self.counts.lost += 1;
            return;
        }
        if self.air.len() >= IN_AIR {
            self.counts.refused += 1;
            return;
        }
        let (low, high) = self.settings.latency_ms;
        let span_us = (high.max(low) - low) * 1_000 + 1;
        let latency_us =
            low * 1_000 + draw_u64(self.seed, count, link, Stream::LinkLatency) % span_us;
        let flight = Flight {
            from,
            to,
            number,
            payload,
        };
        self.air.insert((now_us + latency_us.max(1), count), flight);
    }

    /// When the next transmission arrives or is repeated, us.
    pub fn next_us(&self) -> Option<u64> {
        let arrival = self.air.keys().next().map(|key| key.0);
        let repeat = self.waiting.values().map(|w| w.again_us).min();
        arrival.into_iter().chain(repeat).min()
    }

    /// Messages that have arrived, as (from, to, body); repeats what is overdue.
    pub fn receive(&mut self, now_us: u64) -> Vec<(usize, usize, Body)> {
        let mut arrived = Vec::new();
        while let Some(entry) = self.air.first_entry().filter(|e| e.key().0 <= now_us) {
            let flight = entry.remove();
            match flight.payload {
                Payload::Ack => {
                    self.waiting.remove(&(flight.to, flight.number));
                }
                Payload::Message(body) => {
                    let (from, to) = (flight.from, flight.to);
                    self.transmit(now_us, to, from, flight.number, Payload::Ack);
                    arrived.push((from, to, body));
                }
            }
        }
        let overdue: Vec<(usize, u64)> = self
            .waiting
            .iter()
            .filter(|(_, w)| w.again_us <= now_us)
            .map(|(&key, _)| key)
            .collect();
        for key in overdue {
            let Some(waiting) = self.waiting.get_mut(&key) else {
                continue;
            };
            if waiting.tries >= TRIES {
                self.waiting.remove(&key);
                self.counts.given_up += 1;
                continue;
            }
            waiting.tries += 1;
            waiting.again_us = now_us + self.settings.repeat_ms * 1_000;
            let (to, body) = (waiting.to, waiting.body.clone());
            self.transmit(now_us, key.0, to, key.1, Payload::Message(body));
        }
        arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(loss_permille: u32, messages: usize) -> (usize, RadioCounts) {
        let settings = RadioSettings {
            latency_ms: (5, 40),
            loss_permille,
            repeat_ms: 100,
        };
        let mut radio = Radio::new(settings, 9);
        for _ in 0..messages {
            radio.send(0, 0, 1, Body::Released);
        }
        let mut got = 0;
        while let Some(now) = radio.next_us() {
            got += radio.receive(now).len();
        }
        (got, radio.counts)
    }

    #[test]
    fn a_perfect_radio_sends_once() {
        let (got, counts) = run(0, 20);
        assert_eq!((got, counts.transmissions, counts.lost), (20, 40, 0));
    }

    #[test]
    fn a_bad_radio_repeats_and_a_dead_one_gives_up() {
        let (got, counts) = run(300, 100);
        assert!(got >= 100 && counts.given_up == 0 && counts.transmissions > 200);
        let (got, counts) = run(1_000, 3);
        assert_eq!((got, counts.given_up), (0, 3));
        assert_eq!(counts.transmissions, 3 * u64::from(TRIES));
    }

    #[test]
    fn a_sender_has_a_limit() {
        let (_, counts) = run(1_000, WAITING + 5);
        assert_eq!(counts.refused, 5);
    }
}
