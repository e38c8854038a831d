//! The edge: counters of bound devices, signed for the ledger.
//!
//! Only good values are signed, as whole watt-hours. What the ledger refuses
//! (a counter that fell back, a record that was lost on the way) begins a new
//! chain after a pause, which the ledger's records show.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use gridloom_core::Command;
use gridloom_hardware::PointState;
use gridloom_hardware::sign::{KeyStore, MeterSigner, ToSign};
use gridloom_units::DeviceId;

/// Pause after a refusal.
const PAUSE: Duration = Duration::from_secs(60);

/// Signs for every device it has seen.
pub(super) struct Signing {
    keys: KeyStore,
    every: Duration,
    edges: BTreeMap<DeviceId, Edge>,
}

struct Edge {
    signer: MeterSigner,
    due: Instant,
    /// Refusals the twin had shown at the last look.
    refused: u64,
}

impl Signing {
    pub(super) fn open(folder: &Path, every: Duration) -> Result<Self> {
        Ok(Self {
            keys: KeyStore::open(folder)?,
            every,
            edges: BTreeMap::new(),
        })
    }

    /// What of a device is due for the ledger, its key before its first reading.
    pub(super) fn collect(
        &mut self,
        device: DeviceId,
        entity: &str,
        points: &[PointState],
        refused: u64,
        now: Instant,
    ) -> Result<Vec<Command>> {
        let mut commands = Vec::new();
        let counters = points.iter().filter_map(counter);
        let mut counters = counters.peekable();
        if counters.peek().is_none() {
            return Ok(commands);
        }
        if !self.edges.contains_key(&device) {
            let signer = self
                .keys
                .signer(entity, || Ok(gridloom_node::keyfile::fresh()))?;
            commands.push(Command::TrustMeter {
                device,
                key: signer.meter(),
            });
            let edge = Edge {
                signer,
                due: now,
                refused,
            };
            self.edges.insert(device, edge);
        }
        let Some(edge) = self.edges.get_mut(&device) else {
            return Ok(commands);
        };
        if refused > edge.refused {
            edge.refused = refused;
            edge.signer.begin_anew();
            edge.due = now + PAUSE;
        }
        if now < edge.due {
            return Ok(commands);
        }
        edge.due = now + self.every;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall_ms = since.map_or(0, |time| {
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        });
        for (point, value_wh) in counters {
            let record = edge
                .signer
                .sign(&ToSign {
                    point: &point.reading.point,
                    value: value_wh,
                    exponent: 0,
                    unit: "Wh",
                    good: true,
                    wall_ms,
                    device_ms: None,
                    frame: point.reading.frame.unwrap_or_default(),
                })
                .context("its reading cannot be signed")?;
            commands.push(Command::MeterRecord {
                device,
                record: Box::new(record),
            });
        }
        Ok(commands)
    }

    /// Keeps number and chain of a device for the next start.
    pub(super) fn close(&mut self, device: DeviceId) {
        if let Some(edge) = self.edges.remove(&device)
            && let Err(error) = edge.signer.close()
        {
            tracing::warn!("keys of {device}: {error}");
        }
    }
}

impl Drop for Signing {
    fn drop(&mut self) {
        for device in self.edges.keys().copied().collect::<Vec<_>>() {
            self.close(device);
        }
    }
}

/// A point that counts energy and is good now, Wh.
fn counter(point: &PointState) -> Option<(&PointState, i64)> {
    let id = &*point.reading.point;
    let counts = id.starts_with("e/imp") || id.starts_with("e/exp");
    let factor = match &*point.reading.unit {
        "Wh" => 1.0,
        "kWh" => 1_000.0,
        _ => return None,
    };
    let value = point.reading.value.filter(|_| point.quality.is_good())?;
    // A double holds whole numbers up to 2^53 exactly.
    let wh = (value * factor).round();
    (counts && wh.abs() < 9e15).then_some((point, wh as i64))
}
