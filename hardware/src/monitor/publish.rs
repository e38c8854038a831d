//! From replies to readings, into a channel that may be full.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Sender, TrySendError};
use gridloom_units::DeviceId;

use super::{SharedStatus, with_status};
use crate::profile::{Decoded, Profile};
use crate::reading::{BadReason, DeviceReading, Quality};

/// What is known of a point.
struct Known {
    id: Arc<str>,
    unit: Arc<str>,
    last: Option<(Decoded, Instant)>,
    quality: Quality,
    /// A reading the channel had no room for.
    waiting: Option<DeviceReading>,
}

/// Publishes readings of one device.
pub(crate) struct Publisher {
    device: DeviceId,
    points: Vec<Known>,
    sender: Sender<DeviceReading>,
    status: SharedStatus,
    seq: u64,
}

impl Publisher {
    pub(crate) fn new(
        device: DeviceId,
        profile: &Profile,
        sender: Sender<DeviceReading>,
        status: SharedStatus,
    ) -> Self {
        let points = profile
            .points
            .iter()
            .map(|point| Known {
                id: point.id.as_str().into(),
                unit: point.unit.as_str().into(),
                last: None,
                quality: Quality::Bad(BadReason::NeverRead),
                waiting: None,
            })
            .collect();
        Self {
            device,
            points,
            sender,
            status,
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
            seq: self.seq,
        };
        // A newer reading of the point replaces one that is still waiting.
        if known.waiting.replace(reading).is_some() {
            with_status(&self.status, |status| status.dropped += 1);
        }
    }

    /// Publishes the same finding for every point.
    pub(crate) fn publish_all(&mut self, reason: BadReason) {
        let now = Instant::now();
        for index in 0..self.points.len() {
            self.publish(index, Err(reason), now);
        }
        self.flush();
    }

    /// Hands over what is waiting, oldest first; false when nobody listens any
    /// more.
    pub(crate) fn flush(&mut self) -> bool {
        let mut order: Vec<usize> = (0..self.points.len())
            .filter(|index| self.points[*index].waiting.is_some())
            .collect();
        order.sort_by_key(|index| {
            self.points[*index]
                .waiting
                .as_ref()
                .map(|reading| reading.seq)
        });
        for index in order {
            let Some(reading) = self.points[index].waiting.take() else {
                continue;
            };
            match self.sender.try_send(reading) {
                Ok(()) => {}
                Err(TrySendError::Full(reading)) => {
                    self.points[index].waiting = Some(reading);
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        true
    }
}
