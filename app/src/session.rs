//! The twin on its own thread, and the window's handle to it.
//!
//! The simulation never makes a frame wait: the window reads the newest
//! published view and sends requests through a bounded channel. Wall time
//! decides only how many ticks are run, never what a tick computes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use gridloom_core::playback::{PlaybackCommand, PlaybackState};
use gridloom_core::view::{Selected, ViewModel};
use gridloom_core::{Command, Twin};
use gridloom_hardware::{LatestValues, MonitorHandle};
use gridloom_units::{DeviceId, SimTime, Tick};

use crate::window::{Session, UiAction};

/// Requests that may wait for the twin; more are dropped and logged.
const REQUESTS: usize = 256;

/// Longest time without looking for requests, however fast time shall run.
const SLICE: Duration = Duration::from_millis(12);

/// Time between two published views while time runs.
const PUBLISH: Duration = Duration::from_millis(50);

/// Pause of the thread when there is nothing to do.
const IDLE: Duration = Duration::from_millis(10);

/// Ticks simulated per look at the requests during a long seek.
const SEEK_TICKS: u64 = 200;

/// A monitored device of an entity: values become commands of the twin.
pub struct BoundMonitor {
    device: DeviceId,
    handle: MonitorHandle,
    values: LatestValues,
    sent: Instant,
}

/// Time between two values handed to the twin.
const HAND_OVER: Duration = Duration::from_secs(1);

/// Age after which a value counts as stale.
const STALE: Duration = Duration::from_secs(10);

impl BoundMonitor {
    /// Around a running monitor.
    #[must_use]
    pub fn new(device: DeviceId, handle: MonitorHandle) -> Self {
        let values = LatestValues::new(STALE);
        Self {
            device,
            handle,
            values,
            sent: Instant::now(),
        }
    }

    /// The newest power and voltage as a command, once a second.
    fn command(&mut self) -> Option<Command> {
        for reading in self.handle.try_iter() {
            self.values.take(reading);
        }
        if self.sent.elapsed() < HAND_OVER {
            return None;
        }
        self.sent = Instant::now();
        let now = Instant::now();
        let points = self.values.of_device(self.device, now);
        let sum = |unit: &str, keep: &dyn Fn(&str) -> bool| {
            points
                .iter()
                .find(|p| &*p.reading.unit == unit && keep(&p.reading.point))
                .map(|p| (p.reading.value, p.quality.is_good()))
        };
        // Profiles name the total power `ac/p` or `.../total`; phase values carry `l1`.
        let power = sum("W", &|point| !point.contains("/l"))?;
        let voltage = sum("V", &|point| !point.contains("ll"));
        Some(Command::DeviceReading {
            device: self.device,
            p_w: power.0.unwrap_or(0.0) as i64,
            voltage_mv: voltage
                .and_then(|(v, _)| v)
                .map_or(0, |v| (v * 1_000.0) as u32),
            good: power.1 && power.0.is_some(),
        })
    }
}

/// What the twin's thread publishes.
struct Published {
    view: Arc<ViewModel>,
    playback: PlaybackState,
    published: Instant,
}

/// The window's end.
pub struct TwinSession {
    shared: Arc<Mutex<Published>>,
    requests: Sender<UiAction>,
}

impl TwinSession {
    /// Moves a twin to its own thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(mut twin: Twin, monitors: Vec<BoundMonitor>, speed: f64) -> std::io::Result<Self> {
        let view = Arc::new(twin.view(None));
        let end = twin.end().start(twin.tick_ms());
        let playback = PlaybackState {
            speed,
            end,
            playing: true,
            ..PlaybackState::default()
        };
        let shared = Arc::new(Mutex::new(Published {
            view,
            playback,
            published: Instant::now(),
        }));
        let (requests, inbox) = bounded(REQUESTS);
        let driver = Driver::new(twin, monitors, playback, inbox, Arc::clone(&shared));
        thread::Builder::new()
            .name("twin".into())
            .spawn(move || driver.run())?;
        Ok(Self { shared, requests })
    }

    fn read<T>(&self, of: impl FnOnce(&Published) -> T) -> T {
        // A poisoned lock still holds the last complete view.
        let published = self
            .shared
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        of(&published)
    }
}

impl Session for TwinSession {
    fn latest(&mut self) -> Arc<ViewModel> {
        self.read(|published| Arc::clone(&published.view))
    }

    fn playback(&self) -> PlaybackState {
        self.read(|published| {
            let mut state = published.playback;
            state.alarms_checked_s = published.published.elapsed().as_secs_f64();
            state
        })
    }

    fn send(&mut self, action: UiAction) {
        match self.requests.try_send(action) {
            Ok(()) => {}
            Err(TrySendError::Full(action)) => {
                tracing::warn!("the twin is busy, dropped {action:?}");
            }
            Err(TrySendError::Disconnected(_)) => {}
        }
    }
}

/// The twin's end.
struct Driver {
    twin: Twin,
    monitors: Vec<BoundMonitor>,
    state: PlaybackState,
    selected: Option<Selected>,
    inbox: Receiver<UiAction>,
    shared: Arc<Mutex<Published>>,
    owed_ms: f64,
    last: Instant,
    changed: bool,
    /// (wall, simulated ms) of the last second, for the speed reached.
    pace: VecDeque<(Instant, u64)>,
}

impl Driver {
    fn new(
        twin: Twin,
        monitors: Vec<BoundMonitor>,
        state: PlaybackState,
        inbox: Receiver<UiAction>,
        shared: Arc<Mutex<Published>>,
    ) -> Self {
        Self {
            twin,
            monitors,
            state,
            selected: None,
            inbox,
            shared,
            owed_ms: 0.0,
            last: Instant::now(),
            changed: true,
            pace: VecDeque::new(),
        }
    }

    /// Runs until the window is gone.
    fn run(mut self) {
        let mut published = Instant::now();
        loop {
            loop {
                match self.inbox.try_recv() {
                    Ok(action) => self.take(action),
                    Err(crossbeam_channel::TryRecvError::Empty) => break,
                    Err(crossbeam_channel::TryRecvError::Disconnected) => return,
                }
            }
            self.read_devices();
            let moved = self.advance();
            let due = published.elapsed() >= PUBLISH;
            if self.changed && (due || !self.state.playing) {
                self.publish();
                published = Instant::now();
            }
            if !moved {
                thread::sleep(IDLE);
            }
        }
    }

    fn take(&mut self, action: UiAction) {
        self.changed = true;
        match action {
            UiAction::Command(command) => self.command(command),
            UiAction::Select(selected) => self.selected = selected,
            UiAction::Playback(playback) => self.playback(playback),
        }
    }

    /// Values of bound devices enter at the live head only; the past is not
    /// changed by what is on the wall now.
    fn read_devices(&mut self) {
        for monitor in &mut self.monitors {
            if let Some(command) = monitor.command()
                && self.twin.tick() == self.twin.head()
            {
                self.twin.send(command);
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.twin.send(command);
        if !self.state.playing {
            // A person acts and wants to see it: one tick shows the effect.
            self.twin.step();
            self.twin.step();
        }
    }

    fn playback(&mut self, command: PlaybackCommand) {
        match command {
            PlaybackCommand::Play => {
                self.state.playing = self.twin.tick() < self.twin.end();
                self.state.seeking = None;
            }
            PlaybackCommand::Pause => {
                self.state.playing = false;
                self.state.seeking = None;
            }
            PlaybackCommand::Step(ticks) => {
                let target = self.twin.tick().0.saturating_add_signed(ticks);
                self.go_to(Tick(target));
            }
            PlaybackCommand::SetSpeed(speed) => self.state.speed = speed.clamp(0.1, 3_600.0),
            PlaybackCommand::Seek(tick) => self.go_to(tick),
            PlaybackCommand::Live => {
                self.go_to(self.twin.head());
                self.state.playing = true;
            }
        }
        self.owed_ms = 0.0;
        self.last = Instant::now();
        self.pace.clear();
    }

    fn go_to(&mut self, tick: Tick) {
        let target = tick.min(self.twin.end());
        self.state.playing = false;
        if target < self.twin.tick() {
            self.twin.seek_keyframe(target);
        }
        self.state.seeking = (self.twin.tick() < target).then_some(target);
    }

    /// Runs the ticks that are due; returns whether any ran.
    fn advance(&mut self) -> bool {
        if let Some(target) = self.state.seeking {
            let stop = Tick(target.0.min(self.twin.tick().0 + SEEK_TICKS));
            self.twin.run_until(stop);
            if self.twin.tick() >= target {
                self.state.seeking = None;
            }
            self.changed = true;
            return true;
        }
        let elapsed = self.last.elapsed();
        self.last = Instant::now();
        if !self.state.playing {
            return false;
        }
        let tick_ms = self.twin.tick_ms() as f64;
        self.owed_ms += elapsed.as_secs_f64() * 1_000.0 * self.state.speed;
        let begun = Instant::now();
        let mut moved = false;
        while self.owed_ms >= tick_ms && begun.elapsed() < SLICE {
            if self.twin.tick() >= self.twin.end() {
                self.state.playing = false;
                self.owed_ms = 0.0;
                break;
            }
            self.twin.step();
            self.owed_ms -= tick_ms;
            moved = true;
        }
        // What cannot be caught up is given up: time runs slower, and shows it.
        self.owed_ms = self.owed_ms.min(tick_ms * 4.0 + 200.0 * self.state.speed);
        if moved {
            self.changed = true;
            self.note_pace();
        }
        moved
    }

    fn note_pace(&mut self) {
        let now = Instant::now();
        self.pace.push_back((now, self.twin.time().0));
        while self
            .pace
            .front()
            .is_some_and(|(at, _)| now - *at > Duration::from_secs(1))
        {
            self.pace.pop_front();
        }
        if let (Some(first), Some(last)) = (self.pace.front(), self.pace.back()) {
            let wall_s = (last.0 - first.0).as_secs_f64();
            if wall_s > 0.2 {
                self.state.reached = (last.1 - first.1) as f64 / 1_000.0 / wall_s;
            }
        }
    }

    fn publish(&mut self) {
        self.changed = false;
        let view = Arc::new(self.twin.view(self.selected));
        self.state.end = SimTime(self.twin.end().0 * self.twin.tick_ms());
        let mut shared = self
            .shared
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *shared = Published {
            view,
            playback: self.state,
            published: Instant::now(),
        };
    }
}
