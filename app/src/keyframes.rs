//! Where keyframes go: by what ticks cost in wall time.
//!
//! A rewind restores the keyframe before its target and simulates the rest. The
//! cost of a tick varies by two orders of magnitude (in one of them a thousand
//! meters sign, validators check and settle), so keyframes at equal distances
//! would make some rewinds slow. The core knows no clock: its driver places them.

use std::time::{Duration, Instant};

use gridloom_core::Twin;
use gridloom_units::Tick;

/// Wall time of the ticks between two keyframes: what a rewind may re-simulate.
const BETWEEN: Duration = Duration::from_millis(30);

/// Most ticks between two keyframes, however cheap they are.
const SPACING: u64 = 300;

/// Keyframes kept at most; the older half is thinned beyond that.
pub const KEPT: usize = 4_000;

/// Runs a twin and keeps keyframes by what its ticks cost.
#[derive(Default)]
pub struct Keyframer {
    /// Wall time of the ticks since the last keyframe.
    spent: Duration,
}

impl Keyframer {
    /// For a twin that has just been built.
    pub fn new(twin: &mut Twin) -> Self {
        twin.set_keyframes(SPACING, KEPT);
        Self::default()
    }

    /// Runs one tick.
    pub fn step(&mut self, twin: &mut Twin) {
        let begun = Instant::now();
        twin.step();
        self.spent += begun.elapsed();
        if twin.at_keyframe() {
            self.spent = Duration::ZERO;
        } else if self.spent >= BETWEEN {
            twin.keep_keyframe();
            self.spent = Duration::ZERO;
        }
    }

    /// Runs until the clock shows `tick`.
    pub fn run_until(&mut self, twin: &mut Twin, tick: Tick) {
        while twin.tick() < tick {
            self.step(twin);
        }
    }

    /// Goes to a tick, back or forth.
    pub fn seek(&mut self, twin: &mut Twin, tick: Tick) {
        self.leap(twin, tick);
        self.run_until(twin, tick.min(twin.end()));
    }

    /// Goes to the keyframe from which a tick is reached soonest.
    pub fn leap(&mut self, twin: &mut Twin, tick: Tick) {
        let before = twin.tick();
        twin.leap(tick);
        if twin.tick() != before {
            self.spent = Duration::ZERO;
        }
    }
}
