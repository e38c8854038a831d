//! Black start: supply comes back step by step.
//!
//! A step acts when its condition has held for its time, and fails when that
//! takes too long; a failed sequence stops where it is and says why. The
//! caller carries the actions out and reports what the network looks like.

use borsh::{BorshDeserialize, BorshSerialize};

/// What must hold before a step acts.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct StepWhen {
    /// The island is dead (for the first unit) instead of live.
    pub dead: bool,
    /// Largest distance from nominal frequency, Hz.
    pub within_hz: f64,
    /// Lowest voltage at the units, pu.
    pub v_min_pu: f64,
    /// Highest voltage at the units, pu.
    pub v_max_pu: f64,
    /// Least power the units could add, kW.
    pub reserve_kw: f64,
    /// How long all of this must have held, s.
    pub steady_s: f64,
    /// Time after which the sequence gives up, s.
    pub patience_s: f64,
}

/// What the network looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// A grid-forming unit holds the island.
    pub live: bool,
    /// Its frequency less nominal, Hz.
    pub df_hz: f64,
    /// Lowest and highest voltage at its units, pu.
    pub v_pu: (f64, f64),
    /// Power its units could add, kW.
    pub reserve_kw: f64,
}

impl StepWhen {
    /// What is missing, if anything.
    #[must_use]
    pub fn missing(&self, facts: &Facts) -> Option<String> {
        if self.dead {
            return facts.live.then(|| "the island is live".to_owned());
        }
        if !facts.live {
            return Some("no unit holds the island".to_owned());
        }
        if facts.df_hz.is_nan() || facts.df_hz.abs() > self.within_hz {
            return Some(format!(
                "frequency {:+.2} Hz off, {} allowed",
                facts.df_hz, self.within_hz
            ));
        }
        let (low, high) = facts.v_pu;
        if !(low >= self.v_min_pu && high <= self.v_max_pu) {
            return Some(format!("voltage {low:.3} to {high:.3} pu"));
        }
        if facts.reserve_kw.is_nan() || facts.reserve_kw < self.reserve_kw {
            return Some(format!(
                "reserve {:.1} kW, {} needed",
                facts.reserve_kw, self.reserve_kw
            ));
        }
        None
    }
}

/// How a sequence stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Not started, finished or failed.
    Idle,
    /// The running step waits; the reason when its condition does not hold.
    Waiting(Option<String>),
    /// This step acts now.
    Act(usize),
    /// The sequence gave up at this step.
    Failed(usize, String),
}

/// State of a sequence.
#[derive(Clone, Debug, Default, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Sequence {
    /// Next step to act; `None` when not running.
    pub step: Option<u32>,
    /// Steps done in this run.
    pub done: u32,
    steady_ms: u64,
    waited_ms: u64,
    /// Why it gave up.
    pub failure: Option<String>,
}

impl Sequence {
    /// Starts from the first step.
    pub fn start(&mut self) {
        *self = Self {
            step: Some(0),
            ..Self::default()
        };
    }

    /// Stops where it is.
    pub fn stop(&mut self) {
        self.step = None;
    }

    /// Whether it runs.
    #[must_use]
    pub fn running(&self) -> bool {
        self.step.is_some()
    }

    /// Advances by a tick. Acts at most once per tick, so that every action is
    /// seen in the next facts.
    pub fn advance(&mut self, steps: &[StepWhen], facts: &Facts, dt_ms: u64) -> Progress {
        let Some(at) = self.step else {
            return Progress::Idle;
        };
        let index = at as usize;
        let Some(when) = steps.get(index) else {
            self.step = None;
            return Progress::Idle;
        };
        self.waited_ms += dt_ms;
        let missing = when.missing(facts);
        self.steady_ms = if missing.is_none() {
            self.steady_ms + dt_ms
        } else {
            0
        };
        if missing.is_none() && self.steady_ms as f64 >= when.steady_s * 1_000.0 {
            self.done += 1;
            self.step = (index + 1 < steps.len()).then_some(at + 1);
            (self.steady_ms, self.waited_ms) = (0, 0);
            return Progress::Act(index);
        }
        if self.waited_ms as f64 > when.patience_s * 1_000.0 {
            let why = missing.unwrap_or_else(|| "the condition did not last".to_owned());
            self.step = None;
            self.failure = Some(why.clone());
            return Progress::Failed(index, why);
        }
        Progress::Waiting(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(dead: bool, reserve_kw: f64) -> StepWhen {
        StepWhen {
            dead,
            within_hz: 0.2,
            v_min_pu: 0.9,
            v_max_pu: 1.1,
            reserve_kw,
            steady_s: 3.0,
            patience_s: 20.0,
        }
    }

    const LIVE: Facts = Facts {
        live: true,
        df_hz: -0.1,
        v_pu: (0.98, 1.01),
        reserve_kw: 12.0,
    };

    #[test]
    fn steps_act_in_order_when_their_time_has_come() {
        let steps = [when(true, 0.0), when(false, 10.0), when(false, 5.0)];
        let mut sequence = Sequence::default();
        assert_eq!(sequence.advance(&steps, &LIVE, 1_000), Progress::Idle);
        sequence.start();
        let dead = Facts::default();
        assert_eq!(
            sequence.advance(&steps, &dead, 1_000),
            Progress::Waiting(None)
        );
        assert_eq!(
            sequence.advance(&steps, &dead, 1_000),
            Progress::Waiting(None)
        );
        assert_eq!(sequence.advance(&steps, &dead, 1_000), Progress::Act(0));
        for expected in [1, 2] {
            for _ in 0..2 {
                assert_eq!(
                    sequence.advance(&steps, &LIVE, 1_000),
                    Progress::Waiting(None)
                );
            }
            assert_eq!(
                sequence.advance(&steps, &LIVE, 1_000),
                Progress::Act(expected)
            );
        }
        assert!(!sequence.running());
        assert_eq!(sequence.done, 3);
    }

    #[test]
    fn patience_ends_with_the_reason() {
        let steps = [when(false, 50.0)];
        let mut sequence = Sequence::default();
        sequence.start();
        for _ in 0..20 {
            assert!(matches!(
                sequence.advance(&steps, &LIVE, 1_000),
                Progress::Waiting(Some(_))
            ));
        }
        let Progress::Failed(0, why) = sequence.advance(&steps, &LIVE, 1_000) else {
            panic!("it must give up");
        };
        assert_eq!(why, "reserve 12.0 kW, 50 needed");
        assert!(!sequence.running());
    }

    #[test]
    fn every_condition_can_hold_a_step_back() {
        let step = when(false, 10.0);
        assert_eq!(step.missing(&LIVE), None);
        let missing = |facts: Facts| step.missing(&facts).unwrap();
        assert!(
            missing(Facts {
                live: false,
                ..LIVE
            })
            .contains("no unit")
        );
        assert!(
            missing(Facts {
                df_hz: f64::NAN,
                ..LIVE
            })
            .contains("frequency")
        );
        assert!(
            missing(Facts {
                v_pu: (0.8, 1.0),
                ..LIVE
            })
            .contains("voltage")
        );
        assert!(
            missing(Facts {
                reserve_kw: 9.0,
                ..LIVE
            })
            .contains("reserve")
        );
    }
}
