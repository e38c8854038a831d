//! The handle that can arm, and its end in the line's task.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::mpsc;

use crate::control::{ArmRequest, Control, ControlEvent, ControlState, DisarmReason, Refused};

/// Requests that may wait for the line.
const REQUESTS: usize = 16;
/// Events a report keeps.
const EVENTS: usize = 64;

/// What a control is doing, for the one who looks.
#[derive(Clone, Debug)]
pub struct ControlReport {
    /// Armed by whom, or why not.
    pub state: ControlState,
    /// Milliseconds the arming still lasts.
    pub lease_left_ms: u64,
    /// Whether a fail-safe value has yet to be confirmed.
    pub releasing: bool,
    /// The last events, oldest first.
    pub events: VecDeque<ControlEvent>,
    /// Events since the start, those that fell out included.
    pub event_count: u64,
}

#[derive(Debug)]
pub(super) enum ControlRequest {
    Arm(ArmRequest, Sender<Result<(), Refused>>),
    Set(String, f64, Sender<Result<(), Refused>>),
    Disarm(String),
}

#[derive(Debug)]
struct Shared {
    report: Mutex<ControlReport>,
    heartbeats: AtomicU64,
}

impl Shared {
    fn report<T>(&self, change: impl FnOnce(&mut ControlReport) -> T) -> T {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Arms, sets and disarms one device. Dropping it disarms.
#[derive(Debug)]
pub struct ControlHandle {
    requests: mpsc::Sender<ControlRequest>,
    shared: Arc<Shared>,
}

/// The other end.
pub(crate) struct ControlEnd {
    pub(super) control: Control,
    pub(super) requests: mpsc::Receiver<ControlRequest>,
    shared: Arc<Shared>,
    heartbeats: u64,
}

pub(crate) fn pair(control: Control) -> (ControlHandle, ControlEnd) {
    let (requests, inbox) = mpsc::channel(REQUESTS);
    let shared = Arc::new(Shared {
        report: Mutex::new(ControlReport {
            state: control.state().clone(),
            lease_left_ms: 0,
            releasing: false,
            events: VecDeque::new(),
            event_count: 0,
        }),
        heartbeats: AtomicU64::new(0),
    });
    let handle = ControlHandle {
        requests,
        shared: Arc::clone(&shared),
    };
    let end = ControlEnd {
        control,
        requests: inbox,
        shared,
        heartbeats: 0,
    };
    (handle, end)
}

impl ControlHandle {
    /// Asks to arm; the device's identity is read first. The answer comes
    /// through the channel, within the time the line needs.
    #[must_use]
    pub fn arm(&self, request: ArmRequest) -> Receiver<Result<(), Refused>> {
        let (answer, answered) = bounded(1);
        self.send(ControlRequest::Arm(request, answer));
        answered
    }

    /// Asks for a value of a writable point.
    #[must_use]
    pub fn set(&self, point: &str, value: f64) -> Receiver<Result<(), Refused>> {
        let (answer, answered) = bounded(1);
        self.send(ControlRequest::Set(point.to_owned(), value, answer));
        answered
    }

    /// Ends the arming; what was written goes to its fail-safe value.
    pub fn disarm(&self, by: &str) {
        self.send(ControlRequest::Disarm(by.to_owned()));
    }

    /// The twin lives and its time is real time; to be called more often than
    /// the watchdog's time.
    pub fn heartbeat(&self) {
        self.shared.heartbeats.fetch_add(1, Ordering::Relaxed);
    }

    /// What the control is doing.
    #[must_use]
    pub fn report(&self) -> ControlReport {
        self.shared.report(|report| report.clone())
    }

    /// Waits until `done` holds of the report; false when it does not in time.
    #[must_use]
    pub fn wait_for(&self, limit: Duration, done: impl Fn(&ControlReport) -> bool) -> bool {
        let until = std::time::Instant::now() + limit;
        loop {
            if done(&self.report()) {
                return true;
            }
            if std::time::Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn send(&self, request: ControlRequest) {
        // When the line is too busy the answer's channel closes without an
        // answer, which the caller sees.
        let _ = self.requests.try_send(request);
    }
}

/// Answers everything that waits while there is no connection.
pub(super) fn refuse_all(end: &mut ControlEnd, now_ms: u64) {
    while let Ok(request) = end.requests.try_recv() {
        match request {
            ControlRequest::Arm(_, answer) | ControlRequest::Set(_, _, answer) => {
                let _ = answer.try_send(Err(Refused::LinkDown));
            }
            ControlRequest::Disarm(by) => end.control.disarm(DisarmReason::Released(by)),
        }
    }
    end.look(now_ms);
}

impl ControlEnd {
    /// Takes heartbeats, notices a dropped handle, publishes the state.
    pub(super) fn look(&mut self, now_ms: u64) {
        let beats = self.shared.heartbeats.load(Ordering::Relaxed);
        if beats != self.heartbeats {
            self.heartbeats = beats;
            self.control.heartbeat(now_ms);
        }
        if self.requests.is_closed() && self.requests.is_empty() {
            self.control.disarm(DisarmReason::Unbound);
        }
        self.publish(now_ms);
    }

    pub(super) fn publish(&mut self, now_ms: u64) {
        let events = self.control.take_events();
        let (state, left) = (
            self.control.state().clone(),
            self.control.lease_left_ms(now_ms),
        );
        let releasing = self.control.is_releasing();
        self.shared.report(|report| {
            report.state = state;
            report.lease_left_ms = left;
            report.releasing = releasing;
            report.event_count += events.len() as u64;
            report.events.extend(events);
            while report.events.len() > EVENTS {
                report.events.pop_front();
            }
        });
    }
}
