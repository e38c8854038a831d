//! The twin on its own thread, and the window's handle to it.
//!
//! The simulation never makes a frame wait: the window reads the newest
//! published view and sends requests through a bounded channel. Wall time
//! decides only how many ticks are run, never what a tick computes.

mod desk;
mod files;
mod library;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use gridloom_core::playback::{PlaybackCommand, PlaybackState};
use gridloom_core::view::{Selected, ViewModel};
use gridloom_core::{Command, Twin};
use gridloom_units::{SimTime, Tick};

use self::desk::DeskState;
pub use self::desk::{Loader, desk_of};
pub use self::files::{report_csv, report_html};
pub use self::library::library;
use crate::devices::{DeviceHub, DevicesView};
use crate::keyframes::Keyframer;
use crate::remote::RemoteHost;
use crate::window::{Desk, LibraryRow, Session, UiAction};

/// Requests that may wait for the twin; more are dropped and logged.
const REQUESTS: usize = 256;

/// Longest time without looking for requests, however fast time shall run.
const SLICE: Duration = Duration::from_millis(12);

/// Time between two published views while time runs.
const PUBLISH: Duration = Duration::from_millis(50);

/// Pause of the thread when there is nothing to do.
const IDLE: Duration = Duration::from_millis(10);

/// Time a seek may take before it goes on in slices.
const AT_ONCE: Duration = Duration::from_millis(80);

/// What the twin's thread publishes.
struct Published {
    view: Arc<ViewModel>,
    devices: Arc<DevicesView>,
    playback: PlaybackState,
    desk: Arc<Desk>,
    published: Instant,
}

/// Where a session's scene came from, and what else can be opened.
#[derive(Default)]
pub struct Origin {
    /// File of the scene.
    pub path: PathBuf,
    /// Other scenes.
    pub library: Vec<LibraryRow>,
    /// Loads one of them.
    pub loader: Option<Loader>,
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
    pub fn start(
        mut twin: Twin,
        devices: DeviceHub,
        remote: Option<RemoteHost>,
        speed: f64,
        origin: Origin,
    ) -> std::io::Result<Self> {
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
            devices: Arc::new(devices.view()),
            playback,
            desk: Arc::default(),
            published: Instant::now(),
        }));
        let desk = DeskState::new(origin.path, origin.library, origin.loader);
        let (requests, inbox) = bounded(REQUESTS);
        let driver = Driver {
            remote,
            ..Driver::new(twin, devices, playback, inbox, Arc::clone(&shared), desk)
        };
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

    fn devices(&mut self) -> Arc<DevicesView> {
        self.read(|published| Arc::clone(&published.devices))
    }

    fn playback(&self) -> PlaybackState {
        self.read(|published| {
            let mut state = published.playback;
            state.alarms_checked_s = published.published.elapsed().as_secs_f64();
            state
        })
    }

    fn desk(&self) -> Arc<Desk> {
        self.read(|published| Arc::clone(&published.desk))
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
    devices: DeviceHub,
    /// Validators that run elsewhere.
    remote: Option<RemoteHost>,
    state: PlaybackState,
    selected: Option<Selected>,
    inbox: Receiver<UiAction>,
    shared: Arc<Mutex<Published>>,
    owed_ms: f64,
    last: Instant,
    changed: bool,
    desk: DeskState,
    /// Places the keyframes.
    keyframer: Keyframer,
    /// (wall, simulated ms) of the last second, for the speed reached.
    pace: VecDeque<(Instant, u64)>,
}

impl Driver {
    fn new(
        mut twin: Twin,
        devices: DeviceHub,
        state: PlaybackState,
        inbox: Receiver<UiAction>,
        shared: Arc<Mutex<Published>>,
        desk: DeskState,
    ) -> Self {
        Self {
            keyframer: Keyframer::new(&mut twin),
            twin,
            devices,
            remote: None,
            state,
            selected: None,
            inbox,
            shared,
            owed_ms: 0.0,
            last: Instant::now(),
            changed: true,
            desk,
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
            UiAction::Device(ask) => {
                let speed = self.speed();
                for command in self.devices.ask(ask, &self.twin, speed) {
                    self.command(command);
                }
            }
            UiAction::Break(action) => self.take_break(action),
            UiAction::Desk(action) => self.take_desk(action),
        }
    }

    /// Values of bound devices enter at the live head only; the past is not
    /// changed by what is on the wall now.
    fn read_devices(&mut self) {
        if self.devices.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let view = Arc::clone(
            &shared
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .view,
        );
        let at_head = self.twin.tick() == self.twin.head();
        for command in self.devices.poll(&view, self.speed(), at_head) {
            self.twin.send(command);
            self.changed = true;
        }
    }

    /// Speed of simulated time, zero while it stands.
    fn speed(&self) -> f64 {
        if self.state.playing && self.state.seeking.is_none() {
            self.state.speed
        } else {
            0.0
        }
    }

    fn command(&mut self, command: Command) {
        self.twin.send(command);
        if !self.state.playing {
            // A person acts and wants to see it: one tick shows the effect.
            self.step();
            self.step();
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
            PlaybackCommand::StepTo(kind, forward) => self.step_to(kind, forward),
            PlaybackCommand::Live => {
                self.go_to(self.twin.head());
                self.state.playing = true;
            }
        }
        self.owed_ms = 0.0;
        self.last = Instant::now();
        self.pace.clear();
    }

    /// One tick, and what validators elsewhere say to it.
    fn step(&mut self) {
        self.keyframer.step(&mut self.twin);
        if let Some(remote) = &mut self.remote {
            remote.after_tick(&mut self.twin);
        }
    }

    fn go_to(&mut self, tick: Tick) {
        let target = tick.min(self.twin.end());
        self.state.playing = false;
        let begun = Instant::now();
        self.keyframer.leap(&mut self.twin, target);
        // What a keyframe is near to is reached at once; the rest runs in slices.
        while self.twin.tick() < target && begun.elapsed() < AT_ONCE {
            self.step();
        }
        self.desk.rewind_ms = Some(begun.elapsed().as_secs_f64() * 1_000.0);
        self.state.seeking = (self.twin.tick() < target).then_some(target);
    }

    /// Runs the ticks that are due; returns whether any ran.
    fn advance(&mut self) -> bool {
        if let Some(target) = self.state.seeking {
            let begun = Instant::now();
            while self.twin.tick() < target && begun.elapsed() < AT_ONCE {
                self.step();
            }
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
            self.step();
            self.owed_ms -= tick_ms;
            moved = true;
            if self.breaks() || self.twin.stopped_by_caption() {
                self.state.playing = false;
                self.owed_ms = 0.0;
                break;
            }
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
                self.state.reached = last.1.saturating_sub(first.1) as f64 / 1_000.0 / wall_s;
            }
        }
    }

    fn publish(&mut self) {
        self.changed = false;
        let view = Arc::new(self.twin.view(self.selected));
        let devices = Arc::new(self.devices.view());
        let desk = Arc::new(self.desk_view());
        self.state.end = SimTime(self.twin.end().0 * self.twin.tick_ms());
        let mut shared = self
            .shared
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *shared = Published {
            view,
            devices,
            playback: self.state,
            desk,
            published: Instant::now(),
        };
    }
}
