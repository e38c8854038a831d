//! Bus actors: one owner per line or endpoint, any number of units on it.
//!
//! A [`Bus`] is one thread. Every endpoint is a task on it, the sole owner of
//! its port or connection; units are bound and unbound while it runs. Readings
//! of all units come out of one bounded channel, coalesced per point when
//! nobody fetches them. A unit bound with [`Bus::bind`] can only be read: the
//! handle has no writing method and its task has no [`Control`]. Only
//! [`Bus::bind_control`] gives a handle that can arm.

mod actor;
mod control_task;
mod identify;
mod link;
mod publish;
pub(crate) mod record;
mod rtu_link;
mod scan;
mod schedule;
pub(crate) mod source;
mod status;
mod tcp_link;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryIter, bounded};
use gridloom_units::DeviceId;
use tokio::sync::{mpsc, watch};

pub use control_task::{ControlHandle, ControlReport};
pub use record::{RecordSummary, Recorder};
pub use scan::{Presence, probe, scan};
pub use status::{Direction, ErrorCounts, LineStats, RawFrame, Status};

pub(crate) use link::open_serial;
pub(crate) use publish::Publisher;
pub(crate) use status::{SharedStatus, Wire, with_status};

use crate::control::Control;
use crate::profile::{Line, Protocol};
use crate::reading::DeviceReading;
use crate::{HardwareError, Profile};

/// Requests that may wait for an endpoint.
const MESSAGES: usize = 64;
/// Longest time the end of a bus may take to set fail-safe values.
const END: Duration = Duration::from_secs(5);

/// Where devices are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// Modbus/TCP, `host:port`: every reply names its request.
    Tcp(String),
    /// RTU frames over a TCP connection (serial gateways, some batteries),
    /// `host:port`.
    RtuOverTcp(String),
    /// A serial line, path of its device file.
    Serial(String),
    /// A web server, `host:port`.
    Http(String),
    /// A message broker, `host:port`.
    Mqtt(String),
}

impl Endpoint {
    /// Reads `host:port`, `tcp:host:port`, `rtu:host:port`, `http:host:port`,
    /// `mqtt:host:port`, `serial:/dev/…` or a path.
    ///
    /// # Errors
    /// Says how it is written.
    pub fn parse(text: &str) -> Result<Self, HardwareError> {
        let endpoint = match text.split_once(':') {
            _ if text.starts_with('/') || text.starts_with("./") => Self::Serial(text.to_owned()),
            Some(("serial", path)) => Self::Serial(path.to_owned()),
            Some(("tcp", rest)) => Self::Tcp(rest.to_owned()),
            Some(("rtu", rest)) => Self::RtuOverTcp(rest.to_owned()),
            Some(("http", rest)) => Self::Http(rest.trim_start_matches("//").to_owned()),
            Some(("mqtt", rest)) => Self::Mqtt(rest.trim_start_matches("//").to_owned()),
            _ => Self::Tcp(text.to_owned()),
        };
        endpoint.check()?;
        Ok(endpoint)
    }

    fn check(&self) -> Result<(), HardwareError> {
        let bad = |address: &str| {
            Err(HardwareError::BadAddress {
                address: address.to_owned(),
            })
        };
        match self {
            Self::Serial(path) if path.is_empty() => bad(path),
            Self::Serial(_) => Ok(()),
            Self::Tcp(address)
            | Self::RtuOverTcp(address)
            | Self::Http(address)
            | Self::Mqtt(address) => match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(()),
                _ => bad(address),
            },
        }
    }

    /// Whether frames carry no transaction number.
    fn is_rtu(&self) -> bool {
        matches!(self, Self::RtuOverTcp(_) | Self::Serial(_))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::RtuOverTcp(address) => write!(f, "rtu:{address}"),
            Self::Serial(path) => write!(f, "serial:{path}"),
            Self::Http(address) => write!(f, "http:{address}"),
            Self::Mqtt(address) => write!(f, "mqtt:{address}"),
        }
    }
}

/// How an endpoint is reached.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Settings of a serial line.
    pub line: Line,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Pause before the first new attempt; doubles up to `back_off_max`.
    pub back_off_min: Duration,
    /// Longest pause between attempts.
    pub back_off_max: Duration,
}

impl EndpointConfig {
    /// Three seconds to connect, pauses of 1 to 60 s.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            line: Line::default(),
            connect_timeout: Duration::from_secs(3),
            back_off_min: Duration::from_secs(1),
            back_off_max: Duration::from_secs(60),
        }
    }

    fn check(&self) -> Result<(), HardwareError> {
        let day = Duration::from_secs(86_400);
        let least = Duration::from_millis(10);
        self.endpoint.check()?;
        setting(
            self.back_off_min >= least && self.back_off_min <= self.back_off_max,
            "the back-off must start at 10 ms or more and not above its maximum",
        )?;
        setting(
            self.back_off_max <= day,
            "the back-off must not exceed a day",
        )?;
        setting(
            self.connect_timeout >= least && self.connect_timeout <= day,
            "the connect timeout must be between 10 ms and a day",
        )
    }
}

fn setting(good: bool, what: &str) -> Result<(), HardwareError> {
    if good {
        Ok(())
    } else {
        Err(HardwareError::BadSetting {
            what: what.to_owned(),
        })
    }
}

/// A unit to watch.
#[derive(Clone, Debug)]
pub struct UnitConfig {
    /// Number of the device in readings.
    pub device: DeviceId,
    /// What it has.
    pub profile: Profile,
    /// Modbus unit.
    pub unit: u8,
    /// Time between two reads of the fast points.
    pub poll_interval: Duration,
    /// Part of the interval by which the first poll is delayed, 0 to 1, so
    /// that many units do not all speak at once.
    pub phase: f64,
    /// Serial number it must have; the first one found, when not given.
    pub serial: Option<String>,
    /// Whether readings carry the hash of the bytes they came from.
    pub frame_hash: bool,
    /// Whether the time for an answer follows the last answers; never above
    /// the profile's, never below half of it.
    pub adaptive: bool,
}

impl UnitConfig {
    /// Polled once a second, as the profile's usual unit.
    #[must_use]
    pub fn new(device: DeviceId, profile: Profile) -> Self {
        Self {
            device,
            unit: profile.unit,
            profile,
            poll_interval: Duration::from_secs(1),
            phase: 0.0,
            serial: None,
            frame_hash: false,
            adaptive: true,
        }
    }

    fn check(&self, endpoint: &Endpoint) -> Result<(), HardwareError> {
        let problems = self.profile.problems();
        if !problems.is_empty() {
            return Err(HardwareError::InvalidProfile {
                name: self.profile.name(),
                problems,
            });
        }
        let protocol = self.profile.protocol;
        setting(
            !endpoint.is_rtu()
                || protocol != Protocol::Modbus
                || self.profile.probe_block.is_some(),
            "RTU needs a profile with a probe_block: registers that can be read at any time",
        )?;
        let fits = match protocol {
            Protocol::Modbus | Protocol::SunSpec => {
                !matches!(endpoint, Endpoint::Http(_) | Endpoint::Mqtt(_))
            }
            Protocol::P1 | Protocol::Sml => matches!(
                endpoint,
                Endpoint::Serial(_) | Endpoint::Tcp(_) | Endpoint::RtuOverTcp(_)
            ),
            Protocol::Http => matches!(endpoint, Endpoint::Http(_)),
            Protocol::Mqtt => matches!(endpoint, Endpoint::Mqtt(_)),
        };
        setting(
            fits,
            &format!("a profile of {protocol:?} cannot be bound to {endpoint}"),
        )?;
        let day = Duration::from_secs(86_400);
        setting(
            self.poll_interval >= Duration::from_millis(10) && self.poll_interval <= day,
            "the poll interval must be between 10 ms and a day",
        )?;
        setting(
            (0.0..=1.0).contains(&self.phase),
            "the phase must be between 0 and 1",
        )
    }
}

/// A unit with what the task needs to serve it.
pub(crate) struct Bound {
    pub(crate) config: UnitConfig,
    pub(crate) status: SharedStatus,
    pub(crate) control: Option<control_task::ControlEnd>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Also when the task panics: a dead one never shows as running.
        with_status(&self.status, |status| {
            status.running = false;
            status.connected = false;
        });
    }
}

/// A request to an endpoint's task.
pub(crate) enum Message {
    Bind(Box<Bound>),
    Unbind(DeviceId),
}

struct LineHandle {
    messages: mpsc::Sender<Message>,
    wire: Wire,
    protocol_family: Family,
}

/// Protocols that can share a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Modbus,
    Push,
    Http,
    Mqtt,
}

impl Family {
    fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Modbus | Protocol::SunSpec => Self::Modbus,
            Protocol::P1 | Protocol::Sml => Self::Push,
            Protocol::Http => Self::Http,
            Protocol::Mqtt => Self::Mqtt,
        }
    }
}

/// A running bus. Stops when dropped.
pub struct Bus {
    readings: Receiver<DeviceReading>,
    sender: Option<Sender<DeviceReading>>,
    runtime: tokio::runtime::Handle,
    stop: watch::Sender<bool>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
    lines: Mutex<BTreeMap<Endpoint, LineHandle>>,
    units: Mutex<BTreeMap<DeviceId, (Endpoint, SharedStatus)>>,
    recorder: Option<Recorder>,
    alive: mpsc::Sender<()>,
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

impl Bus {
    /// Starts a bus whose channel holds `queue` readings.
    ///
    /// # Errors
    /// Fails when the queue is empty or huge or the thread cannot start.
    pub fn start(queue: usize, recorder: Option<Recorder>) -> Result<Self, HardwareError> {
        setting(
            (1..=1 << 20).contains(&queue),
            "the queue must hold 1 to 1048576 readings",
        )?;
        let start = |source| HardwareError::Start {
            what: "bus",
            source,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(start)?;
        let handle = runtime.handle().clone();
        let (sender, readings) = bounded(queue);
        let (stop, mut stopped) = watch::channel(false);
        // Every task holds a clone: the thread ends when all are done.
        let (alive, mut all_done) = mpsc::channel::<()>(1);
        let (ending, ended) = bounded(1);
        let thread = std::thread::Builder::new()
            .name("bus".into())
            .spawn(move || {
                runtime.block_on(async {
                    // An error means that the handle is gone: a stop as well.
                    let _ = stopped.wait_for(|stop| *stop).await;
                    let _ = tokio::time::timeout(END, all_done.recv()).await;
                });
                runtime.shutdown_background();
                let _ = ending.try_send(());
            })
            .map_err(start)?;
        Ok(Self {
            readings,
            sender: Some(sender),
            runtime: handle,
            stop,
            ended,
            thread: Some(thread),
            lines: Mutex::default(),
            units: Mutex::default(),
            recorder,
            alive,
        })
    }

    /// Binds a unit to be read, starting the endpoint when it is new; settings
    /// of a running endpoint stay as they are.
    ///
    /// # Errors
    /// Fails when anything of it is unusable, the device is bound already, or
    /// the endpoint is busy.
    pub fn bind(&self, at: &EndpointConfig, unit: UnitConfig) -> Result<(), HardwareError> {
        self.bind_unit(at, unit, None)
    }

    /// Binds a unit that can be armed and written; `watchdog` is the longest
    /// time between two heartbeats.
    ///
    /// # Errors
    /// As [`Bus::bind`], and when no point of the profile is writable.
    pub fn bind_control(
        &self,
        at: &EndpointConfig,
        unit: UnitConfig,
        watchdog: Duration,
    ) -> Result<ControlHandle, HardwareError> {
        let profile = &unit.profile;
        let writable = profile.points.iter().any(|p| p.write.is_some())
            || profile.keys.iter().any(|key| key.write.is_some());
        setting(writable, "no point of the profile can be written")?;
        let ms = u64::try_from(watchdog.as_millis()).unwrap_or(u64::MAX);
        let control = Control::new(&unit.profile, ms);
        let (handle, end) = control_task::pair(control);
        self.bind_unit(at, unit, Some(end))?;
        Ok(handle)
    }

    fn bind_unit(
        &self,
        at: &EndpointConfig,
        unit: UnitConfig,
        control: Option<control_task::ControlEnd>,
    ) -> Result<(), HardwareError> {
        at.check()?;
        unit.check(&at.endpoint)?;
        let mut units = lock(&self.units);
        let device = unit.device;
        setting(
            !units.contains_key(&device),
            &format!("device {device} is bound already"),
        )?;
        let family = Family::of(unit.profile.protocol);
        let status = SharedStatus::default();
        with_status(&status, |status| status.running = true);
        let bound = Box::new(Bound {
            config: unit,
            status: Arc::clone(&status),
            control,
        });
        let mut lines = lock(&self.lines);
        let number = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let line = lines
            .entry(at.endpoint.clone())
            .or_insert_with(|| self.start_line(at, number, family));
        setting(
            line.protocol_family == family,
            &format!("{} already speaks another protocol", at.endpoint),
        )?;
        line.messages
            .try_send(Message::Bind(bound))
            .map_err(|_| HardwareError::BadSetting {
                what: format!("{} is busy, try again", at.endpoint),
            })?;
        units.insert(device, (at.endpoint.clone(), status));
        Ok(())
    }

    fn start_line(&self, at: &EndpointConfig, number: u32, family: Family) -> LineHandle {
        let (messages, inbox) = mpsc::channel(MESSAGES);
        let wire = Wire::new(at.endpoint.to_string(), number, self.recorder.clone());
        let task = actor::LineTask {
            config: at.clone(),
            wire: wire.clone(),
            // The bus keeps its sender until it is dropped.
            sender: self.sender.clone(),
            inbox,
            stop: self.stop.subscribe(),
            _alive: self.alive.clone(),
        };
        match family {
            Family::Modbus => drop(self.runtime.spawn(actor::run(task))),
            Family::Push | Family::Http | Family::Mqtt => {
                drop(self.runtime.spawn(source::run(task)));
            }
        }
        LineHandle {
            messages,
            wire,
            protocol_family: family,
        }
    }

    /// Unbinds a device; its line goes on with the others. A written value goes
    /// to its fail-safe first. Returns whether it was bound.
    pub fn unbind(&self, device: DeviceId) -> bool {
        let Some((endpoint, status)) = lock(&self.units).remove(&device) else {
            return false;
        };
        with_status(&status, |status| status.running = false);
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get(&endpoint) {
            // A task that is too busy to hear it ends with its channel.
            if line.messages.try_send(Message::Unbind(device)).is_err() {
                lines.remove(&endpoint);
            } else if !lock(&self.units).values().any(|(at, _)| *at == endpoint) {
                // The last unit: the task sees the end of its channel and
                // closes the port.
                lines.remove(&endpoint);
            }
        }
        true
    }

    /// State of a device; `None` when it is not bound.
    #[must_use]
    pub fn status(&self, device: DeviceId) -> Option<Status> {
        let units = lock(&self.units);
        let (_, status) = units.get(&device)?;
        Some(with_status(status, |status| status.clone()))
    }

    /// Bound devices with their endpoints.
    #[must_use]
    pub fn bound(&self) -> Vec<(DeviceId, Endpoint)> {
        lock(&self.units)
            .iter()
            .map(|(device, (endpoint, _))| (*device, endpoint.clone()))
            .collect()
    }

    /// State of every line.
    #[must_use]
    pub fn lines(&self) -> Vec<LineStats> {
        lock(&self.lines)
            .values()
            .map(|line| line.wire.stats(|stats| stats.clone()))
            .collect()
    }

    /// The readings waiting now, oldest first; never blocks.
    pub fn try_iter(&self) -> TryIter<'_, DeviceReading> {
        self.readings.try_iter()
    }

    /// Waits for the next reading; `None` when none comes in time.
    #[must_use]
    pub fn next_within(&self, timeout: Duration) -> Option<DeviceReading> {
        self.readings.recv_timeout(timeout).ok()
    }

    /// Stops: written values go to their fail-safe, connections are closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        lock(&self.lines).clear();
        self.sender = None;
        // The own clone would keep the thread waiting.
        let (spare, _) = mpsc::channel(1);
        self.alive = spare;
        let limit = Instant::now() + END + Duration::from_secs(1);
        let ended = self.ended.recv_deadline(limit).is_ok();
        if let Some(thread) = self.thread.take()
            && ended
        {
            let _ = thread.join();
        }
        for (_, status) in lock(&self.units).values() {
            with_status(status, |status| {
                status.running = false;
                status.connected = false;
            });
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Maps of plain data: a panic elsewhere leaves them usable.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
