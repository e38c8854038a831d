//! V1 and acceptance: what a whole frame costs on the renderer of this machine.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use gridloom_core::playback::PlaybackState;
use gridloom_core::view::ViewModel;

use crate::window::Session;
use crate::window::desk::Desk;
use crate::window::shot::{self, ShotOptions};
use crate::window::state::UiAction;

/// Frames between two new views: the twin publishes twenty a second.
const PER_VIEW: usize = 3;

/// Frames before the clock starts: typefaces, pipelines, first layout.
const SETTLE: usize = 8;

/// A run that goes from view to view.
struct Moving {
    views: Vec<Arc<ViewModel>>,
    frame: usize,
}

impl Session for Moving {
    fn latest(&mut self) -> Arc<ViewModel> {
        let at = (self.frame / PER_VIEW) % self.views.len();
        self.frame += 1;
        Arc::clone(&self.views[at])
    }

    fn playback(&self) -> PlaybackState {
        PlaybackState {
            speed: 60.0,
            playing: true,
            ..PlaybackState::default()
        }
    }

    fn desk(&self) -> Arc<Desk> {
        Arc::default()
    }

    fn send(&mut self, _action: UiAction) {}
}

/// Wall times of whole frames, ms.
pub struct Frames {
    /// Half of the frames take at most this.
    pub median: f64,
    /// 99 of 100 take at most this.
    pub p99: f64,
}

/// Draws frames of the Operate workspace with everything in motion, at the
/// design's size, and waits for each to be finished by the device.
///
/// # Errors
/// When there is no device.
pub fn frames(views: Vec<Arc<ViewModel>>, count: usize) -> Result<Frames> {
    let session = Box::new(Moving { views, frame: 0 });
    let mut times = Vec::with_capacity(count);
    shot::running(
        session,
        &ShotOptions::default(),
        SETTLE + count,
        &mut |n, begun: Instant| {
            if n >= SETTLE {
                times.push(begun.elapsed().as_secs_f64() * 1_000.0);
            }
        },
    )?;
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
        times.get(index).copied().unwrap_or(f64::NAN)
    };
    Ok(Frames {
        median: at(0.5),
        p99: at(0.99),
    })
}
