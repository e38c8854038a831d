//! Physical devices beside the twin: bound, compared, armed.
//!
//! One [`DeviceHub`] owns the bus. Its values become commands of the twin at
//! the newest tick; what people ask for ([`DeviceAsk`]) goes through it; what
//! it knows is a plain [`DevicesView`] for whoever shows it.

mod signing;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::Receiver;
use gridloom_core::view::ViewModel;
use gridloom_core::{Command, Twin};
use gridloom_hardware::control::{ArmRequest, ControlEvent, ControlState, Refused};
use gridloom_hardware::shadow::Shadow;
use gridloom_hardware::{
    Bus, ControlHandle, Endpoint, EndpointConfig, LatestValues, LineStats, PointState, Profile,
    UnitConfig,
};
use gridloom_model::scene::{BindingMode, BindingSpec};
use gridloom_units::DeviceId;

use self::signing::Signing;
use self::values::{bound_value, is_breaker, model_w, position_of, reading_of};

/// Time between two values handed to the twin.
const HAND_OVER: Duration = Duration::from_secs(1);
/// Age after which a value counts as stale.
const STALE: Duration = Duration::from_secs(10);
/// Readings taken at once, so that a flood never makes the twin wait.
const READINGS: usize = 4_096;
/// Readings the bus keeps.
const QUEUE: usize = 1 << 14;
/// Differences below this never count, W.
const FLOOR_W: f64 = 50.0;
/// Longest time between two heartbeats of an armed device.
const WATCHDOG: Duration = Duration::from_secs(5);

/// Folder of the shipped device profiles: beside the working directory, or
/// where the program was built.
pub fn profile_folder() -> PathBuf {
    let name = Path::new("hardware/profiles");
    if name.is_dir() {
        return name.to_owned();
    }
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// File of a device profile: a bare name is a shipped one, anything else a file
/// seen from `folder`.
pub fn profile_path(named: &str, folder: &Path) -> PathBuf {
    if named.contains(['/', '.', '\\']) {
        folder.join(named)
    } else {
        profile_folder().join(format!("{named}.profile.ron"))
    }
}

/// What a person asks of the devices.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceAsk {
    /// Bind a device to an entity while the twin runs.
    Bind(Box<BindingSpec>),
    /// Unbind the device of an entity.
    Unbind(DeviceId),
    /// Arm a device.
    Arm {
        /// The entity.
        device: DeviceId,
        /// The person.
        by: String,
        /// How long.
        lease: Duration,
    },
    /// Set a writable point.
    Set {
        /// The entity.
        device: DeviceId,
        /// The point.
        point: String,
        /// The value.
        value: f64,
    },
    /// End the arming.
    Disarm {
        /// The entity.
        device: DeviceId,
        /// The person.
        by: String,
    },
}

/// Everything known of the devices, for panels and tables.
#[derive(Clone, Debug, Default)]
pub struct DevicesView {
    /// Devices by entity.
    pub devices: Vec<DeviceView>,
    /// Lines.
    pub lines: Vec<LineStats>,
    /// What happened, newest last.
    pub log: Vec<String>,
}

/// A bound device.
#[derive(Clone, Debug)]
pub struct DeviceView {
    /// The entity.
    pub device: DeviceId,
    /// Its name.
    pub entity: String,
    /// Vendor and model of the profile.
    pub profile: String,
    /// Where it is.
    pub endpoint: String,
    /// What it is for.
    pub mode: BindingMode,
    /// Its points now.
    pub points: Vec<PointState>,
    /// State of the unit.
    pub status: gridloom_hardware::Status,
    /// Model minus device, W; `None` outside shadow and control.
    pub residual_w: Option<f64>,
    /// Time the residual was too large.
    pub violated_for: Duration,
    /// The last residuals, W.
    pub trend: Vec<f64>,
    /// Whether it is armed, by whom and for how long, or why not.
    pub control: Option<String>,
    /// Whether it is armed.
    pub armed: bool,
    /// Points that can be written.
    pub writable: Vec<String>,
}

struct Bound {
    entity: String,
    mode: BindingMode,
    profile: String,
    endpoint: String,
    writable: Vec<String>,
    shadow: Shadow,
    control: Option<ControlHandle>,
    seen_events: u64,
}

/// An answer that is still to come, and what was asked.
type Pending = (String, Receiver<std::result::Result<(), Refused>>);

/// Lines of the log that are kept.
const LOG: usize = 200;

/// Owns the bus and everything bound to it.
pub struct DeviceHub {
    bus: Bus,
    bound: BTreeMap<DeviceId, Bound>,
    values: LatestValues,
    sent: Instant,
    pending: Vec<Pending>,
    log: Vec<String>,
    signing: Option<Signing>,
}

impl DeviceHub {
    /// Without any device yet.
    ///
    /// # Errors
    /// When the bus cannot be started.
    pub fn start() -> Result<Self> {
        Ok(Self {
            bus: Bus::start(QUEUE, None)?,
            bound: BTreeMap::new(),
            values: LatestValues::new(STALE),
            sent: Instant::now(),
            pending: Vec::new(),
            log: Vec::new(),
            signing: None,
        })
    }

    /// Signs the counters of every device bound from now on, with keys kept in
    /// `folder`, and hands them to the twin for the ledger once per `every`.
    ///
    /// # Errors
    /// When the folder cannot be used or others can read it.
    pub fn sign(&mut self, folder: &Path, every: Duration) -> Result<()> {
        self.signing = Some(Signing::open(folder, every)?);
        Ok(())
    }

    /// Binds every device of a scene.
    ///
    /// # Errors
    /// When a profile cannot be read or a device not be bound.
    pub fn bind_scene(&mut self, twin: &Twin) -> Result<()> {
        let bindings = twin.scene().scene.bindings.clone();
        let count = bindings.len().max(1) as f64;
        for (nth, binding) in bindings.iter().enumerate() {
            let device = twin
                .device(&binding.entity)
                .ok_or_else(|| anyhow!("binding of `{}`: no such entity", binding.entity))?;
            // Spread over the interval, so that not all speak at once.
            self.bind(device, binding, nth as f64 / count)?;
        }
        Ok(())
    }

    /// Binds a device while everything runs.
    ///
    /// # Errors
    /// When its profile cannot be read, or the entity has one already.
    pub fn bind(&mut self, device: DeviceId, binding: &BindingSpec, phase: f64) -> Result<()> {
        if self.bound.contains_key(&device) {
            bail!("`{}` has a device already: unbind it first", binding.entity);
        }
        let profile = Profile::load(&profile_path(&binding.profile, Path::new("")))?;
        let name = profile.name();
        let writable: Vec<String> = profile
            .points
            .iter()
            .filter(|point| point.write.is_some())
            .map(|point| point.id.clone())
            .chain(
                profile
                    .keys
                    .iter()
                    .filter(|key| key.write.is_some())
                    .map(|key| key.id.clone()),
            )
            .collect();
        let endpoint = Endpoint::parse(&binding.address)?;
        let mut at = EndpointConfig::new(endpoint);
        at.line = profile.line;
        let mut unit = UnitConfig::new(device, profile);
        unit.unit = binding.unit;
        unit.poll_interval = Duration::from_millis(binding.poll_ms);
        unit.phase = phase;
        unit.serial.clone_from(&binding.serial);
        unit.frame_hash = self.signing.is_some();
        let context = || format!("device of `{}`", binding.entity);
        let control = if binding.mode == BindingMode::Control {
            Some(
                self.bus
                    .bind_control(&at, unit, WATCHDOG)
                    .with_context(context)?,
            )
        } else {
            self.bus.bind(&at, unit).with_context(context)?;
            None
        };
        self.bound.insert(
            device,
            Bound {
                entity: binding.entity.clone(),
                mode: binding.mode,
                profile: name,
                endpoint: binding.address.clone(),
                writable,
                shadow: Shadow::new(FLOOR_W),
                control,
                seen_events: 0,
            },
        );
        Ok(())
    }

    /// Unbinds a device; a written value goes to its fail-safe first.
    pub fn unbind(&mut self, device: DeviceId) -> bool {
        self.values.forget(device);
        self.bound.remove(&device);
        if let Some(signing) = &mut self.signing {
            signing.close(device);
        }
        self.bus.unbind(device)
    }

    /// Unbinds everything, before another scene is opened.
    pub fn unbind_all(&mut self) {
        for device in self.bound.keys().copied().collect::<Vec<_>>() {
            self.unbind(device);
        }
    }

    /// Whether anything is bound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bound.is_empty()
    }

    /// Values as commands, once a second; nothing while the twin looks at its
    /// past. `speed` is that of simulated time, zero when it stands.
    pub fn poll(&mut self, view: &ViewModel, speed: f64, at_head: bool) -> Vec<Command> {
        for reading in self.bus.try_iter().take(READINGS) {
            self.values.take(reading);
        }
        // Only a twin that runs at real time may hold a device.
        if at_head && (speed - 1.0).abs() < 1e-9 {
            for control in self
                .bound
                .values()
                .filter_map(|bound| bound.control.as_ref())
            {
                control.heartbeat();
            }
        }
        self.collect_answers();
        if self.sent.elapsed() < HAND_OVER {
            return Vec::new();
        }
        self.sent = Instant::now();
        let now = Instant::now();
        let (mut commands, mut problems) = (Vec::new(), Vec::new());
        for (&device, bound) in &mut self.bound {
            let points = self.values.of_device(device, now);
            if let Some(signing) = &mut self.signing
                && at_head
            {
                let refused = bound_value(view, device).map_or(0, |value| value.refused);
                match signing.collect(device, &bound.entity, &points, refused, now) {
                    Ok(signed) => commands.extend(signed),
                    Err(why) => problems.push(format!("{}: {why:#}", bound.entity)),
                }
            }
            let found = if is_breaker(view, device) {
                position_of(device, &points)
            } else {
                reading_of(device, &points)
            };
            let Some(command) = found else {
                continue;
            };
            if let Command::DeviceReading { p_w, good, .. } = command
                && bound.mode != BindingMode::Monitor
            {
                match model_w(view, device).filter(|_| good) {
                    Some(model_w) => {
                        bound.shadow.compare(model_w, p_w as f64, now);
                    }
                    None => bound.shadow.lost(now),
                }
            }
            if at_head {
                commands.push(command);
            }
        }
        for problem in problems {
            self.note(problem);
        }
        commands
    }

    /// Does what a person asked for; returns commands of the twin.
    pub fn ask(&mut self, ask: DeviceAsk, twin: &Twin, speed: f64) -> Vec<Command> {
        match self.try_ask(ask, twin, speed) {
            Ok(commands) => commands,
            Err(error) => {
                self.note(format!("refused: {error:#}"));
                Vec::new()
            }
        }
    }

    fn try_ask(&mut self, ask: DeviceAsk, twin: &Twin, speed: f64) -> Result<Vec<Command>> {
        match ask {
            DeviceAsk::Bind(binding) => {
                let device = twin
                    .device(&binding.entity)
                    .ok_or_else(|| anyhow!("no entity `{}`", binding.entity))?;
                self.bind(device, &binding, 0.0)?;
                self.note(format!("{} bound to {}", binding.entity, binding.address));
                Ok(vec![Command::BindDevice(device)])
            }
            DeviceAsk::Unbind(device) => {
                let entity = self.entity(device)?;
                self.unbind(device);
                self.note(format!("{entity} unbound"));
                Ok(vec![Command::UnbindDevice(device)])
            }
            DeviceAsk::Arm { device, by, lease } => {
                let bound = self.controlled(device)?;
                let request = ArmRequest {
                    by,
                    lease_ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX),
                    speed_permille: (speed * 1_000.0).round() as u32,
                    // The line asks the device itself before it arms.
                    identity_checked: true,
                    model_agrees: bound.shadow.violated_for(Instant::now()).is_zero()
                        || bound.shadow.residual_w().is_some_and(|w| w.abs() < FLOOR_W),
                };
                let answer = bound
                    .control
                    .as_ref()
                    .ok_or_else(|| anyhow!("not bound for control"))?
                    .arm(request);
                let what = format!("arming {}", bound.entity);
                self.pending.push((what, answer));
                Ok(Vec::new())
            }
            DeviceAsk::Set {
                device,
                point,
                value,
            } => {
                let bound = self.controlled(device)?;
                let answer = bound
                    .control
                    .as_ref()
                    .ok_or_else(|| anyhow!("not bound for control"))?
                    .set(&point, value);
                let what = format!("{} {point} = {value}", bound.entity);
                self.pending.push((what, answer));
                Ok(Vec::new())
            }
            DeviceAsk::Disarm { device, by } => {
                let bound = self.controlled(device)?;
                if let Some(control) = &bound.control {
                    control.disarm(&by);
                }
                Ok(Vec::new())
            }
        }
    }

    fn entity(&self, device: DeviceId) -> Result<String> {
        let bound = self.bound.get(&device);
        bound
            .map(|bound| bound.entity.clone())
            .ok_or_else(|| anyhow!("{device} has no device"))
    }

    fn controlled(&self, device: DeviceId) -> Result<&Bound> {
        let bound = self
            .bound
            .get(&device)
            .ok_or_else(|| anyhow!("{device} has no device"))?;
        if bound.control.is_none() {
            bail!("{} is bound to be read only", bound.entity);
        }
        Ok(bound)
    }

    fn collect_answers(&mut self) {
        let mut done = Vec::new();
        self.pending
            .retain(|(what, answer)| match answer.try_recv() {
                Ok(Ok(())) => {
                    done.push(format!("{what}: accepted"));
                    false
                }
                Ok(Err(why)) => {
                    done.push(format!("{what}: refused, {why}"));
                    false
                }
                Err(crossbeam_channel::TryRecvError::Empty) => true,
                Err(crossbeam_channel::TryRecvError::Disconnected) => {
                    done.push(format!("{what}: the line was too busy"));
                    false
                }
            });
        for bound in self.bound.values_mut() {
            let Some(control) = &bound.control else {
                continue;
            };
            let report = control.report();
            let new = report.event_count.saturating_sub(bound.seen_events);
            bound.seen_events = report.event_count;
            let skip = report.events.len().saturating_sub(new as usize);
            for event in report.events.iter().skip(skip) {
                done.push(format!("{}: {}", bound.entity, event_text(event)));
            }
        }
        for line in done {
            self.note(line);
        }
    }

    fn note(&mut self, line: String) {
        tracing::info!("{line}");
        if self.log.len() >= LOG {
            self.log.remove(0);
        }
        self.log.push(line);
    }

    /// Everything known now.
    #[must_use]
    pub fn view(&self) -> DevicesView {
        let now = Instant::now();
        let devices = self
            .bound
            .iter()
            .map(|(&device, bound)| {
                let report = bound.control.as_ref().map(ControlHandle::report);
                DeviceView {
                    device,
                    entity: bound.entity.clone(),
                    profile: bound.profile.clone(),
                    endpoint: bound.endpoint.clone(),
                    mode: bound.mode,
                    points: self.values.of_device(device, now),
                    status: self.bus.status(device).unwrap_or_default(),
                    residual_w: bound.shadow.residual_w(),
                    violated_for: bound.shadow.violated_for(now),
                    trend: bound.shadow.trend(),
                    armed: report
                        .as_ref()
                        .is_some_and(|r| matches!(r.state, ControlState::Armed { .. })),
                    control: report.map(|report| match &report.state {
                        ControlState::Armed { by } => {
                            format!("armed by {by}, {} s left", report.lease_left_ms / 1_000)
                        }
                        ControlState::Disarmed(why) if report.releasing => {
                            format!("not armed: {why}; fail-safe value not confirmed yet")
                        }
                        ControlState::Disarmed(why) => format!("not armed: {why}"),
                    }),
                    writable: bound.writable.clone(),
                }
            })
            .collect();
        DevicesView {
            devices,
            lines: self.bus.lines(),
            log: self.log.clone(),
        }
    }
}

fn event_text(event: &ControlEvent) -> String {
    match event {
        ControlEvent::Armed { by, lease_ms } => format!("armed by {by} for {} s", lease_ms / 1_000),
        ControlEvent::Confirmed { point, value } => format!("`{point}` holds {value}"),
        ControlEvent::Disarmed(why) => format!("disarmed: {why}"),
        ControlEvent::Released { point, value } => {
            format!("`{point}` is at its fail-safe value {value}")
        }
        ControlEvent::Alarm(text) => format!("ALARM: {text}"),
    }
}
