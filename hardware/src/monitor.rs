//! Watching one device on a bus of its own: it is read, never written.

use std::time::Duration;

use crossbeam_channel::TryIter;
use gridloom_units::DeviceId;

use crate::bus::{Bus, Endpoint, EndpointConfig, Status, UnitConfig};
use crate::reading::DeviceReading;
use crate::{HardwareError, Profile};

/// What to watch and how.
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    /// Where the device is.
    pub at: EndpointConfig,
    /// What is read.
    pub unit: UnitConfig,
    /// Readings the channel holds before older ones are replaced.
    pub queue: usize,
}

impl MonitorConfig {
    /// Modbus/TCP at `host:port`, polled once a second.
    #[must_use]
    pub fn new(profile: Profile, address: impl Into<String>, unit: u8) -> Self {
        let mut config = UnitConfig::new(DeviceId(0), profile);
        config.unit = unit;
        Self {
            at: EndpointConfig::new(Endpoint::Tcp(address.into())),
            unit: config,
            queue: 1_024,
        }
    }
}

/// Starts monitors.
#[derive(Debug)]
pub struct Monitor;

impl Monitor {
    /// Starts watching a device on a thread of its own.
    ///
    /// Returns at once; whether the device answers shows in the readings and
    /// in [`MonitorHandle::status`].
    ///
    /// # Errors
    /// Fails when the configuration is unusable or the thread cannot start.
    pub fn start(config: MonitorConfig) -> Result<MonitorHandle, HardwareError> {
        let bus = Bus::start(config.queue, None)?;
        let device = config.unit.device;
        bus.bind(&config.at, config.unit)?;
        Ok(MonitorHandle { bus, device })
    }
}

/// A running monitor. Stops when dropped. It has no way to write.
#[derive(Debug)]
pub struct MonitorHandle {
    bus: Bus,
    device: DeviceId,
}

impl MonitorHandle {
    /// The readings waiting now, oldest first; never blocks.
    pub fn try_iter(&self) -> TryIter<'_, DeviceReading> {
        self.bus.try_iter()
    }

    /// Waits for the next reading; `None` when none comes in time or the
    /// monitor has ended.
    #[must_use]
    pub fn next_within(&self, timeout: Duration) -> Option<DeviceReading> {
        self.bus.next_within(timeout)
    }

    /// State of the monitor.
    #[must_use]
    pub fn status(&self) -> Status {
        self.bus.status(self.device).unwrap_or_default()
    }

    /// Stops the monitor, closes its connection and waits for its thread.
    pub fn stop(self) {
        self.bus.stop();
    }
}
