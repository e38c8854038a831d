//! Watching one device: it is read, never written.

mod actor;
mod link;
mod publish;
mod rtu_link;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryIter, bounded};
use gridloom_units::DeviceId;
use tokio::sync::watch;

use crate::reading::DeviceReading;
use crate::{HardwareError, Profile};

/// How frames travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Modbus/TCP: every reply names its request.
    #[default]
    Tcp,
    /// RTU frames over a TCP connection (serial gateways, some batteries). The
    /// profile must name a probe block, since a late reply can only be told
    /// apart by its form.
    RtuOverTcp,
}

/// What to watch and how.
#[derive(Clone, Debug)]
pub struct MonitorConfig {
    /// Number of the device in readings.
    pub device: DeviceId,
    /// What the device has.
    pub profile: Profile,
    /// `host:port` of the device or gateway.
    pub address: String,
    /// Modbus unit.
    pub unit: u8,
    /// How frames travel.
    pub transport: Transport,
    /// Time between two reads of the fast points.
    pub poll_interval: Duration,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Pause before the first new attempt to connect; doubles up to `back_off_max`.
    pub back_off_min: Duration,
    /// Longest pause between attempts to connect.
    pub back_off_max: Duration,
    /// Readings the channel holds before older ones are replaced.
    pub queue: usize,
}

impl MonitorConfig {
    /// A monitor that polls once a second and reconnects within 1 to 60 s.
    #[must_use]
    pub fn new(profile: Profile, address: impl Into<String>, unit: u8) -> Self {
        Self {
            device: DeviceId(0),
            profile,
            address: address.into(),
            unit,
            transport: Transport::Tcp,
            poll_interval: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(3),
            back_off_min: Duration::from_secs(1),
            back_off_max: Duration::from_secs(60),
            queue: 1_024,
        }
    }

    fn check(&self) -> Result<(), HardwareError> {
        let problems = self.profile.problems();
        if !problems.is_empty() {
            return Err(HardwareError::InvalidProfile {
                name: self.profile.name(),
                problems,
            });
        }
        let port = self.address.rsplit_once(':').and_then(|(host, port)| {
            if host.is_empty() {
                None
            } else {
                port.parse::<u16>().ok()
            }
        });
        if port.is_none() {
            return Err(HardwareError::BadAddress {
                address: self.address.clone(),
            });
        }
        let setting = |good: bool, what: &str| {
            if good {
                Ok(())
            } else {
                Err(HardwareError::BadSetting {
                    what: what.to_owned(),
                })
            }
        };
        setting(
            self.transport == Transport::Tcp || self.profile.probe_block.is_some(),
            "RTU needs a profile with a probe_block: registers that can be read at any time",
        )?;
        let day = Duration::from_secs(86_400);
        setting(
            self.poll_interval >= Duration::from_millis(10) && self.poll_interval <= day,
            "the poll interval must be between 10 ms and a day",
        )?;
        setting(
            self.back_off_min >= Duration::from_millis(10)
                && self.back_off_min <= self.back_off_max,
            "the back-off must start at 10 ms or more and not above its maximum",
        )?;
        setting(
            self.back_off_max <= day,
            "the back-off must not exceed a day",
        )?;
        setting(
            self.connect_timeout >= Duration::from_millis(10) && self.connect_timeout <= day,
            "the connect timeout must be between 10 ms and a day",
        )?;
        setting(
            (1..=1 << 20).contains(&self.queue),
            "the queue must hold 1 to 1048576 readings",
        )
    }
}

/// Errors of a line since the start, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    /// The connection could not be made or broke.
    pub io: u64,
    /// No answer in time.
    pub timeout: u64,
    /// The device refused with an exception.
    pub exception: u64,
    /// Another length than asked for, or no Modbus at all.
    pub shape: u64,
    /// The checksum of a frame is wrong.
    pub checksum: u64,
    /// The line could not be brought back into step.
    pub out_of_step: u64,
    /// Another function than asked for.
    pub function: u64,
    /// Another unit than asked.
    pub unit: u64,
    /// The answer to another request.
    pub transaction: u64,
}

impl ErrorCounts {
    /// Sum over the classes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.io
            + self.timeout
            + self.exception
            + self.shape
            + self.checksum
            + self.out_of_step
            + self.function
            + self.unit
            + self.transaction
    }
}

/// State of a monitor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether there is a connection.
    pub connected: bool,
    /// Connections made since the start.
    pub connects: u64,
    /// Requests answered in full.
    pub polls: u64,
    /// Probes sent to bring an RTU line back into step.
    pub probes: u64,
    /// Times an RTU line was brought into step, the first included.
    pub resyncs: u64,
    /// Polls that came too late to be made.
    pub missed: u64,
    /// Errors by class.
    pub errors: ErrorCounts,
    /// The last error, if any.
    pub last_error: Option<String>,
    /// Readings replaced by newer ones because nobody fetched them.
    pub dropped: u64,
    /// Time the last full answer took.
    pub round_trip: Option<Duration>,
    /// Whether the monitor still runs.
    pub running: bool,
}

/// Status shared between the monitor's thread and its handle.
pub(crate) type SharedStatus = Arc<Mutex<Status>>;

pub(crate) fn with_status<T>(status: &SharedStatus, change: impl FnOnce(&mut Status) -> T) -> T {
    // A status is plain data: a panic elsewhere cannot leave it half changed.
    change(&mut status.lock().unwrap_or_else(PoisonError::into_inner))
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
        config.check()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| HardwareError::Start {
                what: "monitor",
                source,
            })?;
        let (sender, readings) = bounded(config.queue);
        let (stop, stopped) = watch::channel(false);
        let status = SharedStatus::default();
        with_status(&status, |status| status.running = true);
        let shared = Arc::clone(&status);
        let thread = std::thread::Builder::new()
            .name(format!("modbus {}", config.address))
            .spawn(move || {
                // Dropped even when the actor panics, so that the handle never
                // shows a dead monitor as running.
                let running = RunningGuard(Arc::clone(&shared));
                runtime.block_on(actor::run(config, sender, shared, stopped));
                drop(running);
            })
            .map_err(|source| HardwareError::Start {
                what: "monitor",
                source,
            })?;
        Ok(MonitorHandle {
            readings,
            status,
            stop,
            thread: Some(thread),
        })
    }
}

struct RunningGuard(SharedStatus);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        with_status(&self.0, |status| {
            status.running = false;
            status.connected = false;
        });
    }
}

/// A running monitor. Stops when dropped.
#[derive(Debug)]
pub struct MonitorHandle {
    readings: Receiver<DeviceReading>,
    status: SharedStatus,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl MonitorHandle {
    /// The readings waiting now, oldest first; never blocks.
    pub fn try_iter(&self) -> TryIter<'_, DeviceReading> {
        self.readings.try_iter()
    }

    /// Waits for the next reading; `None` when none comes in time or the
    /// monitor has ended.
    #[must_use]
    pub fn next_within(&self, timeout: Duration) -> Option<DeviceReading> {
        self.readings.recv_timeout(timeout).ok()
    }

    /// State of the monitor.
    #[must_use]
    pub fn status(&self) -> Status {
        with_status(&self.status, |status| status.clone())
    }

    /// Stops the monitor, closes its connection and waits for its thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the actor has shown as `running: false` already.
            let _ = thread.join();
        }
    }
}

impl Drop for MonitorHandle {
    fn drop(&mut self) {
        self.end();
    }
}
