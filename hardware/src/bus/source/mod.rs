//! Devices that speak by themselves or over the web: P1, SML, HTTP, MQTT.

mod http;
mod mqtt;
mod push;

pub(crate) use http::number_at;

use std::time::{Duration, Instant};

use gridloom_units::{Stream, draw_f64};
use tokio::sync::mpsc;

use super::actor::{LONG, LineTask, Woken};
use super::schedule::BackOff;
use super::{Bound, Message, Publisher, with_status};
use crate::profile::{Decoded, KeyPoint, Protocol};
use crate::reading::BadReason;

/// A device on the line.
struct Unit {
    bound: Bound,
    publisher: Publisher,
    /// When something good last came.
    heard: Option<Instant>,
    /// Whether its points were set bad since then.
    silent: bool,
}

struct Source {
    task: LineTask,
    units: Vec<Unit>,
    /// Whether the units changed since this was last looked at.
    changed: bool,
}

/// Why a connection ended.
enum End {
    Lost(BadReason, String),
    Stopped,
}

/// Runs until told to stop or until the bus drops the line.
pub(crate) async fn run(task: LineTask) {
    let mut source = Source {
        task,
        units: Vec::new(),
        changed: false,
    };
    let mut failures = 0_u32;
    loop {
        let running = if source.units.is_empty() {
            source.hear_message(Instant::now() + LONG).await
        } else {
            source.take_messages()
        };
        if !running || *source.task.stop.borrow() {
            break;
        }
        let Some(protocol) = source.units.first().map(Unit::protocol) else {
            continue;
        };
        let before = source.polls();
        let end = match protocol {
            Protocol::Http => http::serve(&mut source).await,
            Protocol::Mqtt => mqtt::serve(&mut source).await,
            _ => push::serve(&mut source).await,
        };
        source.connection(false);
        let End::Lost(reason, text) = end else {
            break;
        };
        source.failed(reason, &text);
        failures = if source.polls() > before {
            1
        } else {
            failures.saturating_add(1)
        };
        if !source.wait_out(failures).await {
            break;
        }
    }
    source.connection(false);
}

impl Unit {
    fn protocol(&self) -> Protocol {
        self.bound.config.profile.protocol
    }

    fn keys(&self) -> &[KeyPoint] {
        &self.bound.config.profile.keys
    }

    /// Publishes a number found for a key, or that there is none.
    fn publish(&mut self, index: usize, number: Option<f64>, now: Instant) {
        let found = match number {
            None => Err(BadReason::NotImplemented),
            Some(number) => self.keys()[index]
                .value(number)
                .map(|value| Decoded {
                    value,
                    raw: number.to_bits(),
                })
                .ok_or(BadReason::OutOfRange),
        };
        if found.is_ok() {
            self.heard = Some(now);
            self.silent = false;
        }
        self.publisher.publish(index, found, now);
    }

    fn answered(&mut self, took: Option<Duration>) {
        with_status(&self.bound.status, |status| {
            status.polls += 1;
            status.backing_off = false;
            if took.is_some() {
                status.round_trip = took;
            }
        });
    }

    /// Sets the points bad when nothing came for the profile's time.
    fn watch(&mut self, since: Instant) {
        let limit = Duration::from_millis(self.bound.config.profile.timeout_ms);
        let last = self.heard.map_or(since, |heard| heard.max(since));
        if !self.silent && last.elapsed() > limit {
            self.silent = true;
            with_status(&self.bound.status, |status| {
                status.errors.timeout += 1;
                status.last_error = Some("nothing came in time".to_owned());
            });
            self.publisher.publish_all(BadReason::Timeout);
        }
    }
}

impl Source {
    fn polls(&self) -> u64 {
        self.units
            .iter()
            .map(|unit| with_status(&unit.bound.status, |status| status.polls))
            .sum()
    }

    fn connection(&mut self, up: bool) {
        self.task.wire.stats(|stats| {
            stats.connected = up;
            stats.connects += u64::from(up);
        });
        for unit in &mut self.units {
            with_status(&unit.bound.status, |status| {
                status.connected = up;
                status.connects += u64::from(up);
            });
        }
    }

    fn failed(&mut self, reason: BadReason, text: &str) {
        for unit in &mut self.units {
            with_status(&unit.bound.status, |status| {
                match reason {
                    BadReason::Timeout => status.errors.timeout += 1,
                    BadReason::Malformed => status.errors.shape += 1,
                    _ => status.errors.io += 1,
                }
                status.last_error = Some(text.to_owned());
            });
            unit.publisher.publish_all(reason);
        }
    }

    /// Waits for one message or `until`; false when dropped or stopped.
    async fn hear_message(&mut self, until: Instant) -> bool {
        match self.task.wait(until).await {
            Woken::Message(Some(message)) => self.take(message),
            Woken::Message(None) | Woken::Stop => return false,
            Woken::Time => {}
        }
        true
    }

    fn take_messages(&mut self) -> bool {
        loop {
            match self.task.inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(mpsc::error::TryRecvError::Empty) => return true,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, message: Message) {
        self.changed = true;
        match message {
            Message::Bind(bound) => {
                let config = &bound.config;
                if let Some(recorder) = &self.task.wire.recorder {
                    let line = self.task.wire.line;
                    recorder.unit(line, config.unit, config.device, &config.profile);
                }
                let publisher = Publisher::new(
                    config.device,
                    &config.profile,
                    self.task.sender.clone(),
                    bound.status.clone(),
                    &self.task.wire,
                    config.frame_hash,
                );
                let up = self.task.wire.stats(|stats| stats.connected);
                with_status(&bound.status, |status| status.connected = up);
                self.units.push(Unit {
                    bound: *bound,
                    publisher,
                    heard: None,
                    silent: false,
                });
            }
            Message::Unbind(device) => {
                self.units.retain(|unit| unit.bound.config.device != device);
            }
        }
    }

    fn flush(&mut self) {
        for unit in &mut self.units {
            unit.publisher.flush();
        }
    }

    async fn wait_out(&mut self, failures: u32) -> bool {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let back_off = BackOff {
            min_us: us(self.task.config.back_off_min),
            max_us: us(self.task.config.back_off_max),
        };
        let line = u64::from(self.task.wire.line);
        let share = draw_f64(line, u64::from(failures), 0, Stream::LinkLatency);
        let until = Instant::now() + Duration::from_micros(back_off.pause_us(failures, share));
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            self.flush();
            let look = Instant::now() + left.min(Duration::from_millis(100));
            if !self.hear_message(look).await {
                return false;
            }
        }
    }
}
