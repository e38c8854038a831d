//! From replies to readings, into a channel that may be full.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Sender, TrySendError};
use gridloom_units::DeviceId;

use super::{SharedStatus, Wire, with_status};
use crate::profile::{Decoded, Profile};
use crate::reading::{BadReason, DeviceReading, Quality};

/// What is known of a point.
struct Known {
    id: Arc<str>,
    unit: Arc<str>,
    last: Option<(Decoded, Instant)>,
    /// Hash of the bytes the last value came from.
    frame: Option<[u8; 32]>,
    quality: Quality,
    /// A reading the channel had no room for.
    waiting: Option<DeviceReading>,
}

/// Publishes readings of one device.
pub(crate) struct Publisher {
    device: DeviceId,
    points: Vec<Known>,
    /// Points with a waiting reading, the oldest reading first.
    pending: Vec<usize>,
    sender: Option<Sender<DeviceReading>>,
    status: SharedStatus,
    wire: Wire,
    frame_hash: bool,
    seq: u64,
}

impl Publisher {
    pub(crate) fn new(
        device: DeviceId,
        profile: &Profile,
        sender: Option<Sender<DeviceReading>>,
        status: SharedStatus,
        wire: &Wire,
        frame_hash: bool,
    ) -> Self {
        let registers = profile.points.iter().map(|p| (&p.id, &p.unit));
        let keys = profile.keys.iter().map(|p| (&p.id, &p.unit));
        let points = registers
            .chain(keys)
            .map(|(id, unit)| Known {
                id: id.as_str().into(),
                unit: unit.as_str().into(),
                last: None,
                frame: None,
                quality: Quality::Bad(BadReason::NeverRead),
                waiting: None,
            })
            .collect();
        Self {
            device,
            points,
            pending: Vec::new(),
            sender,
            status,
            wire: wire.clone(),
            frame_hash,
            seq: 0,
        }
    }

    /// Publishes what a poll found out about a point.
    pub(crate) fn publish(&mut self, index: usize, found: Result<Decoded, BadReason>, at: Instant) {
        let Some(known) = self.points.get_mut(index) else {
            return;
        };
        match found {
            Ok(decoded) => {
                known.last = Some((decoded, at));
                known.frame = self.frame_hash.then(|| self.wire.heard());
                known.quality = Quality::Good;
            }
            Err(reason) => known.quality = Quality::Bad(reason),
        }
        self.seq += 1;
        let reading = DeviceReading {
            device: self.device,
            point: Arc::clone(&known.id),
            value: known.last.map(|(decoded, _)| decoded.value),
            raw: known.last.map(|(decoded, _)| decoded.raw),
            unit: Arc::clone(&known.unit),
            quality: known.quality,
            sampled_at: known.last.map(|(_, at)| at),
            frame: known.frame,
            seq: self.seq,
        };
        if let Some(recorder) = &self.wire.recorder {
            recorder.reading(&reading);
        }
        // A newer reading of the point replaces one that is still waiting.
        if known.waiting.replace(reading).is_some() {
            self.pending.retain(|waiting| *waiting != index);
            with_status(&self.status, |status| status.dropped += 1);
        }
        self.pending.push(index);
    }

    /// Publishes the same finding for every point.
    pub(crate) fn publish_all(&mut self, reason: BadReason) {
        let now = Instant::now();
        for index in 0..self.points.len() {
            self.publish(index, Err(reason), now);
        }
        self.flush();
    }

    /// Value, whether it is good, and when it was sampled.
    pub(crate) fn measured(&self, id: &str) -> Option<(f64, bool, Instant)> {
        let known = self.points.iter().find(|known| &*known.id == id)?;
        let (decoded, at) = known.last?;
        Some((decoded.value, known.quality.is_good(), at))
    }

    /// Hands over what is waiting, oldest first; false when nobody listens any
    /// more.
    pub(crate) fn flush(&mut self) -> bool {
        let Some(sender) = &self.sender else {
            return false;
        };
        for nth in 0..self.pending.len() {
            let known = &mut self.points[self.pending[nth]];
            let Some(reading) = known.waiting.take() else {
                continue;
            };
            match sender.try_send(reading) {
                Ok(()) => {}
                Err(TrySendError::Full(reading)) => {
                    known.waiting = Some(reading);
                    self.pending.drain(..nth);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        self.pending.clear();
        true
    }
}
